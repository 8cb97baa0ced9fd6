"""CHECKMULTISIG, the opcode with the most rules, and the script code that signatures before tapscript commit to.

Refuses to know how a single signature is checked.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from vm.script.errors import ScriptError
from vm.script.flags import Flags
from vm.script.machine import BASE, WITNESS_V0, Machine
from vm.script.opcodes import push
from vm.script.sighash import find_and_delete
from vm.script.signatures import check_key_encoding, check_signature_encoding
from vm.script.stack import MAX_MULTISIG_KEYS, MAX_OPS, to_number

_CONST_SCRIPTCODE: Final = int(Flags.CONST_SCRIPTCODE)
_NULLFAIL: Final = int(Flags.NULLFAIL)
_NULLDUMMY: Final = int(Flags.NULLDUMMY)


def script_code(m: Machine, signatures: Iterable[bytes]) -> bytes:
    """The script from the last CODESEPARATOR on; outside of witnesses, without the signatures that stand in it.

    Raises ScriptError SIG_FINDANDDELETE where the flags forbid that.
    """
    code = m.script[m.code_start :] if m.code_start else m.script
    if m.version != BASE:
        return code
    for signature in signatures:
        rest = find_and_delete(code, push(signature))
        if len(rest) != len(code) and m.flags & _CONST_SCRIPTCODE:
            raise ScriptError("SIG_FINDANDDELETE")
        code = rest
    return code


def _count(m: Machine, at: int, most: int, error: str) -> int:
    """The number at a depth of the stack (1 is the top), between 0 and `most`."""
    if len(m.stack) < at:
        raise ScriptError("INVALID_STACK_OPERATION")
    count = to_number(m.stack[-at], m.minimal)
    if not 0 <= count <= most:
        raise ScriptError(error)
    return count


def check_multisig(m: Machine) -> bool:
    """Takes dummy, signatures, their number, keys, their number; whether each signature fits a key, both in order.

    Keys and signatures are tried from the last, and their encoding is judged only when they are tried: the order is law. One
    item too many is taken. Source: Bitcoin Core, script/interpreter.cpp, OP_CHECKMULTISIG.
    """
    stack = m.stack
    key_count = _count(m, 1, MAX_MULTISIG_KEYS, "PUBKEY_COUNT")
    m.ops += key_count
    if m.ops > MAX_OPS:
        raise ScriptError("OP_COUNT")
    sig_count = _count(m, key_count + 2, key_count, "SIG_COUNT")
    first_sig = key_count + 3
    taken = key_count + sig_count + 2
    if len(stack) <= taken:
        raise ScriptError("INVALID_STACK_OPERATION")
    signatures = stack[len(stack) - taken : len(stack) - first_sig + 1][::-1]
    keys = stack[len(stack) - key_count - 1 : -1][::-1]
    holds = _match(m, signatures, keys, script_code(m, signatures))
    if not holds and m.flags & _NULLFAIL and any(signatures):
        raise ScriptError("NULLFAIL")
    if m.flags & _NULLDUMMY and stack[-taken - 1]:
        raise ScriptError("SIG_NULLDUMMY")
    del stack[-taken - 1 :]
    return holds


def _match(m: Machine, signatures: list[bytes], keys: list[bytes], code: bytes) -> bool:
    """Whether each signature, in order, holds under some later key than the one before it."""
    witness = m.version == WITNESS_V0
    found, wanted, left = 0, len(signatures), len(keys)
    for key in keys:
        if found == wanted:
            return True
        signature = signatures[found]
        check_signature_encoding(signature, m.flags)
        check_key_encoding(key, m.flags, witness)
        if m.checker.ecdsa(signature, key, code, witness):
            found += 1
        left -= 1
        if wanted - found > left:
            return False
    return found == wanted
