"""What each opcode does to the machine, and the table that says how many items it needs on the stack.

Refuses to know pushes, limits and unexecuted branches: the loop in interpreter.py sees to these.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Final, NoReturn, TypeAlias

from primitives.hashing import hash160, ripemd160, sha256, sha256d
from vm.script import opcodes as o
from vm.script.errors import ScriptError
from vm.script.flags import Flags
from vm.script.machine import BASE, TAPSCRIPT, WITNESS_V0, Machine
from vm.script.multisig import check_multisig, script_code
from vm.script.sighash import Leaf
from vm.script.signatures import SEQUENCE_DISABLE, check_key_encoding, check_signature_encoding
from vm.script.stack import FALSE, TRUE, from_number, to_number, truth

Action: TypeAlias = Callable[[Machine], None]
Table: TypeAlias = dict[int, tuple[int, Action]]

_TABLE: Final[Table] = {}

_CLTV: Final = int(Flags.CHECKLOCKTIMEVERIFY)
_CSV: Final = int(Flags.CHECKSEQUENCEVERIFY)
_DISCOURAGE_NOPS: Final = int(Flags.DISCOURAGE_UPGRADABLE_NOPS)
_DISCOURAGE_KEYS: Final = int(Flags.DISCOURAGE_UPGRADABLE_PUBKEYTYPE)
_MINIMALIF: Final = int(Flags.MINIMALIF)
_NULLFAIL: Final = int(Flags.NULLFAIL)
_CONST_SCRIPTCODE: Final = int(Flags.CONST_SCRIPTCODE)
_SIGNATURE_WEIGHT: Final = 50


def _op(*numbers: int, needs: int = 0) -> Callable[[Action], Action]:
    """Enters a function in the table under its opcodes."""

    def enter(action: Action) -> Action:
        for number in numbers:
            _TABLE[number] = (needs, action)
        return action

    return enter


def _fail(name: str) -> Action:
    def fail(m: Machine) -> NoReturn:
        raise ScriptError(name)

    return fail


# Control.


@_op(o.OP_NOP)
def _nop(m: Machine) -> None:
    pass


@_op(o.OP_NOP1, *range(o.OP_NOP4, o.OP_NOP10 + 1))
def _reserved_nop(m: Machine) -> None:
    if m.flags & _DISCOURAGE_NOPS:
        raise ScriptError("DISCOURAGE_UPGRADABLE_NOPS")


@_op(o.OP_CHECKLOCKTIMEVERIFY)
def _check_lock_time(m: Machine) -> None:
    if not m.flags & _CLTV:
        return
    wanted = _time(m)
    if not m.checker.lock_time(wanted):
        raise ScriptError("UNSATISFIED_LOCKTIME")


@_op(o.OP_CHECKSEQUENCEVERIFY)
def _check_sequence(m: Machine) -> None:
    if not m.flags & _CSV:
        return
    wanted = _time(m)
    if not wanted & SEQUENCE_DISABLE and not m.checker.sequence(wanted):
        raise ScriptError("UNSATISFIED_LOCKTIME")


def _time(m: Machine) -> int:
    """The top of the stack as a lock time, which may take five bytes."""
    if not m.stack:
        raise ScriptError("INVALID_STACK_OPERATION")
    value = to_number(m.stack[-1], m.minimal, 5)
    if value < 0:
        raise ScriptError("NEGATIVE_LOCKTIME")
    return value


def _condition(m: Machine) -> bool:
    """Pops the condition of an IF. Tapscript takes nothing but empty and 01 (BIP342), and so does policy in witness v0."""
    if not m.stack:
        raise ScriptError("INVALID_STACK_OPERATION")
    item = m.stack[-1]
    if item not in (TRUE, FALSE):
        if m.version == TAPSCRIPT:
            raise ScriptError("TAPSCRIPT_MINIMALIF")
        if m.version == WITNESS_V0 and m.flags & _MINIMALIF:
            raise ScriptError("MINIMALIF")
    m.stack.pop()
    return truth(item)


def _open(m: Machine, value: bool) -> None:
    if m.blocked < 0 and not value:
        m.blocked = m.depth
    m.depth += 1


@_op(o.OP_IF)
def _if(m: Machine) -> None:
    _open(m, m.blocked < 0 and _condition(m))


@_op(o.OP_NOTIF)
def _notif(m: Machine) -> None:
    _open(m, m.blocked < 0 and not _condition(m))


@_op(o.OP_ELSE)
def _else(m: Machine) -> None:
    if not m.depth:
        raise ScriptError("UNBALANCED_CONDITIONAL")
    if m.blocked < 0:
        m.blocked = m.depth - 1
    elif m.blocked == m.depth - 1:
        m.blocked = -1


@_op(o.OP_ENDIF)
def _endif(m: Machine) -> None:
    if not m.depth:
        raise ScriptError("UNBALANCED_CONDITIONAL")
    m.depth -= 1
    if m.blocked == m.depth:
        m.blocked = -1


@_op(o.OP_VERIFY, needs=1)
def _verify(m: Machine) -> None:
    if not truth(m.stack[-1]):
        raise ScriptError("VERIFY")
    m.stack.pop()


_TABLE[o.OP_RETURN] = (0, _fail("OP_RETURN"))


# Stack.


@_op(o.OP_TOALTSTACK, needs=1)
def _to_alt(m: Machine) -> None:
    m.alt.append(m.stack.pop())


@_op(o.OP_FROMALTSTACK)
def _from_alt(m: Machine) -> None:
    if not m.alt:
        raise ScriptError("INVALID_ALTSTACK_OPERATION")
    m.stack.append(m.alt.pop())


@_op(o.OP_2DROP, needs=2)
def _2drop(m: Machine) -> None:
    del m.stack[-2:]


@_op(o.OP_2DUP, needs=2)
def _2dup(m: Machine) -> None:
    m.stack += m.stack[-2:]


@_op(o.OP_3DUP, needs=3)
def _3dup(m: Machine) -> None:
    m.stack += m.stack[-3:]


@_op(o.OP_2OVER, needs=4)
def _2over(m: Machine) -> None:
    m.stack += m.stack[-4:-2]


@_op(o.OP_2ROT, needs=6)
def _2rot(m: Machine) -> None:
    moved = m.stack[-6:-4]
    del m.stack[-6:-4]
    m.stack += moved


@_op(o.OP_2SWAP, needs=4)
def _2swap(m: Machine) -> None:
    m.stack[-4:] = m.stack[-2:] + m.stack[-4:-2]


@_op(o.OP_IFDUP, needs=1)
def _ifdup(m: Machine) -> None:
    if truth(m.stack[-1]):
        m.stack.append(m.stack[-1])


@_op(o.OP_DEPTH)
def _depth(m: Machine) -> None:
    m.stack.append(from_number(len(m.stack)))


@_op(o.OP_DROP, needs=1)
def _drop(m: Machine) -> None:
    m.stack.pop()


@_op(o.OP_DUP, needs=1)
def _dup(m: Machine) -> None:
    m.stack.append(m.stack[-1])


@_op(o.OP_NIP, needs=2)
def _nip(m: Machine) -> None:
    del m.stack[-2]


@_op(o.OP_OVER, needs=2)
def _over(m: Machine) -> None:
    m.stack.append(m.stack[-2])


def _nth(m: Machine) -> int:
    """Pops how deep an item lies; its index from the end."""
    depth = to_number(m.stack[-1], m.minimal)
    m.stack.pop()
    if not 0 <= depth < len(m.stack):
        raise ScriptError("INVALID_STACK_OPERATION")
    return -depth - 1


@_op(o.OP_PICK, needs=2)
def _pick(m: Machine) -> None:
    m.stack.append(m.stack[_nth(m)])


@_op(o.OP_ROLL, needs=2)
def _roll(m: Machine) -> None:
    m.stack.append(m.stack.pop(_nth(m)))


@_op(o.OP_ROT, needs=3)
def _rot(m: Machine) -> None:
    m.stack.append(m.stack.pop(-3))


@_op(o.OP_SWAP, needs=2)
def _swap(m: Machine) -> None:
    m.stack.append(m.stack.pop(-2))


@_op(o.OP_TUCK, needs=2)
def _tuck(m: Machine) -> None:
    m.stack.insert(-2, m.stack[-1])


@_op(o.OP_SIZE, needs=1)
def _size(m: Machine) -> None:
    m.stack.append(from_number(len(m.stack[-1])))


@_op(o.OP_EQUAL, needs=2)
def _equal(m: Machine) -> None:
    m.stack.append(TRUE if m.stack.pop() == m.stack.pop() else FALSE)


@_op(o.OP_EQUALVERIFY, needs=2)
def _equal_verify(m: Machine) -> None:
    if m.stack.pop() != m.stack.pop():
        raise ScriptError("EQUALVERIFY")


# Numbers.


def _unary(number: int, compute: Callable[[int], int]) -> None:
    def act(m: Machine) -> None:
        m.stack[-1] = from_number(compute(to_number(m.stack[-1], m.minimal)))

    _TABLE[number] = (1, act)


def _binary(number: int, compute: Callable[[int, int], int]) -> None:
    def act(m: Machine) -> None:
        a, b = to_number(m.stack[-2], m.minimal), to_number(m.stack[-1], m.minimal)
        m.stack.pop()
        m.stack[-1] = from_number(compute(a, b))

    _TABLE[number] = (2, act)


_unary(o.OP_1ADD, lambda a: a + 1)
_unary(o.OP_1SUB, lambda a: a - 1)
_unary(o.OP_NEGATE, lambda a: -a)
_unary(o.OP_ABS, abs)
_unary(o.OP_NOT, lambda a: a == 0)
_unary(o.OP_0NOTEQUAL, lambda a: a != 0)
_binary(o.OP_ADD, lambda a, b: a + b)
_binary(o.OP_SUB, lambda a, b: a - b)
_binary(o.OP_BOOLAND, lambda a, b: a != 0 and b != 0)
_binary(o.OP_BOOLOR, lambda a, b: a != 0 or b != 0)
_binary(o.OP_NUMEQUAL, lambda a, b: a == b)
_binary(o.OP_NUMNOTEQUAL, lambda a, b: a != b)
_binary(o.OP_LESSTHAN, lambda a, b: a < b)
_binary(o.OP_GREATERTHAN, lambda a, b: a > b)
_binary(o.OP_LESSTHANOREQUAL, lambda a, b: a <= b)
_binary(o.OP_GREATERTHANOREQUAL, lambda a, b: a >= b)
_binary(o.OP_MIN, min)
_binary(o.OP_MAX, max)


@_op(o.OP_NUMEQUALVERIFY, needs=2)
def _num_equal_verify(m: Machine) -> None:
    if to_number(m.stack[-2], m.minimal) != to_number(m.stack[-1], m.minimal):
        raise ScriptError("NUMEQUALVERIFY")
    del m.stack[-2:]


@_op(o.OP_WITHIN, needs=3)
def _within(m: Machine) -> None:
    value, least, limit = (to_number(item, m.minimal) for item in m.stack[-3:])
    m.stack[-3:] = [TRUE if least <= value < limit else FALSE]


# Hashes.


def _hash(number: int, compute: Callable[[bytes], bytes]) -> None:
    def act(m: Machine) -> None:
        m.stack[-1] = compute(m.stack[-1])

    _TABLE[number] = (1, act)


_hash(o.OP_RIPEMD160, ripemd160)
_hash(o.OP_SHA1, lambda data: hashlib.sha1(data, usedforsecurity=False).digest())
_hash(o.OP_SHA256, sha256)
_hash(o.OP_HASH160, hash160)
_hash(o.OP_HASH256, sha256d)


# Signatures.


@_op(o.OP_CODESEPARATOR)
def _codeseparator(m: Machine) -> None:
    if m.version == BASE and m.flags & _CONST_SCRIPTCODE:
        raise ScriptError("OP_CODESEPARATOR")
    m.code_start = m.pc
    m.codeseparator = m.position


def _signed(m: Machine, signature: bytes, public: bytes) -> bool:
    """Whether the signature holds, before tapscript. Source: Bitcoin Core, EvalChecksigPreTapscript."""
    code = script_code(m, (signature,))
    witness = m.version == WITNESS_V0
    check_signature_encoding(signature, m.flags)
    check_key_encoding(public, m.flags, witness)
    holds = m.checker.ecdsa(signature, public, code, witness)
    if not holds and signature and m.flags & _NULLFAIL:
        raise ScriptError("NULLFAIL")
    return holds


def _tap_signed(m: Machine, signature: bytes, public: bytes) -> bool:
    """Whether there is a signature, in tapscript; one that does not hold fails the script (BIP342)."""
    tap = m.tapscript
    assert tap is not None
    if signature:
        tap.weight_left -= _SIGNATURE_WEIGHT
        if tap.weight_left < 0:
            raise ScriptError("TAPSCRIPT_VALIDATION_WEIGHT")
    if not public:
        raise ScriptError("TAPSCRIPT_EMPTY_PUBKEY")
    if len(public) == 32:
        if signature:
            m.checker.schnorr(signature, public, tap.annex_hash, Leaf(tap.leaf_hash, m.codeseparator))
    elif m.flags & _DISCOURAGE_KEYS:
        raise ScriptError("DISCOURAGE_UPGRADABLE_PUBKEYTYPE")
    return bool(signature)


def _check(m: Machine) -> bool:
    check = _tap_signed if m.version == TAPSCRIPT else _signed
    holds = check(m, m.stack[-2], m.stack[-1])
    del m.stack[-2:]
    return holds


@_op(o.OP_CHECKSIG, needs=2)
def _checksig(m: Machine) -> None:
    m.stack.append(TRUE if _check(m) else FALSE)


@_op(o.OP_CHECKSIGVERIFY, needs=2)
def _checksig_verify(m: Machine) -> None:
    if not _check(m):
        raise ScriptError("CHECKSIGVERIFY")


@_op(o.OP_CHECKMULTISIG)
def _checkmultisig(m: Machine) -> None:
    m.stack.append(TRUE if check_multisig(m) else FALSE)


@_op(o.OP_CHECKMULTISIGVERIFY)
def _checkmultisig_verify(m: Machine) -> None:
    if not check_multisig(m):
        raise ScriptError("CHECKMULTISIGVERIFY")


def _checksigadd(m: Machine) -> None:
    count = to_number(m.stack[-2], m.minimal)
    if _tap_signed(m, m.stack[-3], m.stack[-1]):
        count += 1
    m.stack[-3:] = [from_number(count)]


for _number in o.DISABLED:
    _TABLE[_number] = (0, _fail("DISABLED_OPCODE"))

_BAD: Final = (0, _fail("BAD_OPCODE"))
_NO_MULTISIG: Final = (0, _fail("TAPSCRIPT_CHECKMULTISIG"))


def _version(changes: Table) -> tuple[tuple[int, Action], ...]:
    table = _TABLE | changes
    return tuple(table.get(number, _BAD) for number in range(256))


TABLES: Final = {
    BASE: _version({}),
    WITNESS_V0: _version({}),
    TAPSCRIPT: _version(
        {
            o.OP_CHECKSIGADD: (3, _checksigadd),
            o.OP_CHECKMULTISIG: _NO_MULTISIG,
            o.OP_CHECKMULTISIGVERIFY: _NO_MULTISIG,
        }
    ),
}
"""For each version of script, by opcode: how many items it needs, and what it does."""
