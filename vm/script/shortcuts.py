"""The two commonest kinds of input, key hash and witness key hash, without running a script.

A shortcut only ever says yes. Whatever it does not say yes to is judged by the interpreter, which alone knows the errors.
"""

from __future__ import annotations

from typing import Final

from primitives.hashing import hash160
from primitives.secp256k1 import verify
from vm.script.errors import ScriptError
from vm.script.flags import Flags
from vm.script.sighash import SpendContext
from vm.script.signatures import check_key_encoding, check_signature_encoding
from vm.script.stack import truth

_WITNESS: Final = int(Flags.WITNESS)
_KEY_SIZES: Final = (33, 65)


def surely_valid(context: SpendContext, index: int, script: bytes, flags: int) -> bool:
    """True if an input spends a key hash in the plainest way, and validly; False says nothing."""
    size = len(script)
    spend = context.tx.inputs[index]
    if size == 25:
        if spend.witness or script[:3] != b"\x76\xa9\x14" or script[23:] != b"\x88\xac":
            return False
        pushed = _two_pushes(spend.script)
        return pushed is not None and _holds(context, index, script, script[3:23], pushed, flags, False)
    if size == 22 and flags & _WITNESS:
        if spend.script or len(spend.witness) != 2 or script[:2] != b"\x00\x14":
            return False
        signature, key = spend.witness
        program = script[2:]
        if not 1 <= len(signature) <= 75 or len(key) not in _KEY_SIZES or not truth(program):
            return False
        code = b"".join((b"\x76\xa9\x14", program, b"\x88\xac"))
        return _holds(context, index, code, program, (signature, key), flags, True)
    return False


def _two_pushes(script: bytes) -> tuple[bytes, bytes] | None:
    """Signature and key, if the script is nothing but their shortest pushes.

    From 25 bytes on, a pushed signature is longer than the script that it signs, so FindAndDelete cannot find it there.
    """
    if not script:
        return None
    end = script[0] + 1
    if not 26 <= end <= 76 or end >= len(script):
        return None
    size = script[end]
    if size not in _KEY_SIZES or end + 1 + size != len(script):
        return None
    return script[1:end], script[end + 1 :]


def _holds(
    context: SpendContext,
    index: int,
    code: bytes,
    key_hash: bytes,
    pushed: tuple[bytes, bytes],
    flags: int,
    witness: bool,
) -> bool:
    """Whether the key has this hash, and the signature holds in a lawful encoding."""
    signature, key = pushed
    if hash160(key) != key_hash:
        return False
    try:
        check_signature_encoding(signature, flags)
        check_key_encoding(key, flags, witness)
    except ScriptError:
        return False
    digest = (context.v0 if witness else context.legacy)(index, code, signature[-1])
    return verify(key, signature[:-1], digest)
