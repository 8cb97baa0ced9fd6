"""Which encodings of signatures and keys the flags allow, and the check of a signature against a transaction.

Refuses to know the stack: the interpreter passes it what it found there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

from primitives.bitcoin import FINAL_SEQUENCE
from primitives.secp256k1 import is_low_s, verify, verify_schnorr
from vm.script.errors import ScriptError
from vm.script.flags import Flags
from vm.script.sighash import ANYONECANPAY, DEFAULT, NONE, ONE, SINGLE, Leaf, SpendContext, finish

if TYPE_CHECKING:
    from hashlib import _Hash

LOCK_TIME_THRESHOLD: Final = 500_000_000
"""Lock times below it are heights, from it on seconds."""
SEQUENCE_DISABLE: Final = 1 << 31
SEQUENCE_TYPE: Final = 1 << 22
SEQUENCE_MASK: Final = 0xFFFF

_STRICT: Final = int(Flags.DERSIG | Flags.LOW_S | Flags.STRICTENC)
_LOW_S: Final = int(Flags.LOW_S)
_STRICTENC: Final = int(Flags.STRICTENC)
_WITNESS_PUBKEYTYPE: Final = int(Flags.WITNESS_PUBKEYTYPE)


class Checker(Protocol):
    """What a script may ask of the transaction that runs it."""

    def ecdsa(self, signature: bytes, public: bytes, code: bytes, witness: bool) -> bool:
        """Whether the signature (with its hash type) holds over this script code, witness v0 or legacy."""
        ...

    def schnorr(self, signature: bytes, public: bytes, annex_hash: bytes | None, leaf: Leaf | None) -> None:
        """Raises ScriptError unless the signature holds (BIP341, with a leaf BIP342)."""
        ...

    def lock_time(self, wanted: int) -> bool:
        """Whether the transaction's lock time has at least this value (BIP65)."""
        ...

    def sequence(self, wanted: int) -> bool:
        """Whether the input's relative lock time has at least this value (BIP112)."""
        ...


def is_strict_der(signature: bytes) -> bool:
    """True if a signature with its hash type is encoded as BIP66 demands."""
    size = len(signature)
    if not 9 <= size <= 73 or signature[0] != 0x30 or signature[1] != size - 3 or signature[2] != 2:
        return False
    r = signature[3]
    if r == 0 or r + 7 > size or signature[4 + r] != 2:
        return False
    s = signature[5 + r]
    if s == 0 or r + s + 7 != size or (signature[4] | signature[6 + r]) & 0x80:
        return False
    if r > 1 and not signature[4] and not signature[5] & 0x80:
        return False
    return not (s > 1 and not signature[6 + r] and not signature[7 + r] & 0x80)


def check_signature_encoding(signature: bytes, flags: int) -> None:
    """An empty signature may always stand. Raises ScriptError SIG_DER, SIG_HIGH_S, SIG_HASHTYPE.

    Source: Bitcoin Core, script/interpreter.cpp, CheckSignatureEncoding.
    """
    if not signature or not flags & _STRICT:
        return
    if not is_strict_der(signature):
        raise ScriptError("SIG_DER")
    if flags & _LOW_S and not is_low_s(signature[:-1]):
        raise ScriptError("SIG_HIGH_S")
    if flags & _STRICTENC and not 1 <= signature[-1] & ~ANYONECANPAY <= 3:
        raise ScriptError("SIG_HASHTYPE")


def check_key_encoding(public: bytes, flags: int, witness: bool) -> None:
    """Raises ScriptError PUBKEYTYPE, WITNESS_PUBKEYTYPE. Source: Bitcoin Core, CheckPubKeyEncoding."""
    compressed = len(public) == 33 and public[0] in (2, 3)
    if compressed:
        return
    if flags & _STRICTENC and not (len(public) == 65 and public[0] == 4):
        raise ScriptError("PUBKEYTYPE")
    if flags & _WITNESS_PUBKEYTYPE and witness:
        raise ScriptError("WITNESS_PUBKEYTYPE")


class TransactionChecker:
    """Checks for one input of a transaction. Source: Bitcoin Core, GenericTransactionSignatureChecker."""

    __slots__ = ("context", "index", "states")

    def __init__(self, context: SpendContext, index: int) -> None:
        self.context = context
        self.index = index
        self.states: dict[int, tuple[bytes, _Hash]] = {}
        """What was hashed last for each kind of hash type: a multisig script hashes a large transaction once."""

    def ecdsa(self, signature: bytes, public: bytes, code: bytes, witness: bool) -> bool:
        """Whether the signature (with its hash type) holds over this script code, witness v0 or legacy."""
        return bool(signature) and verify(public, signature[:-1], self.digest(code, signature[-1], witness))

    def digest(self, code: bytes, hash_type: int, witness: bool) -> bytes:
        """What a signature over this script code signs, witness v0 or legacy."""
        base = hash_type & 0x1F
        kind = (base if base in (NONE, SINGLE) else 0) | hash_type & ANYONECANPAY
        known = self.states.get(kind)
        if known is not None and known[0] == code:
            return finish(known[1], hash_type)
        context, index = self.context, self.index
        state = context.v0_state(index, code, hash_type) if witness else context.legacy_state(index, code, hash_type)
        if state is None:
            return ONE
        self.states[kind] = (code, state)
        return finish(state, hash_type)

    def schnorr(self, signature: bytes, public: bytes, annex_hash: bytes | None, leaf: Leaf | None) -> None:
        """Raises ScriptError SCHNORR_SIG_SIZE, SCHNORR_SIG_HASHTYPE, SCHNORR_SIG."""
        hash_type = DEFAULT
        if len(signature) == 65:
            hash_type = signature[64]
            if hash_type == DEFAULT:
                raise ScriptError("SCHNORR_SIG_HASHTYPE")
        elif len(signature) != 64:
            raise ScriptError("SCHNORR_SIG_SIZE")
        digest = self.context.taproot(self.index, hash_type, annex_hash, leaf)
        if digest is None:
            raise ScriptError("SCHNORR_SIG_HASHTYPE")
        if not verify_schnorr(public, signature[:64], digest):
            raise ScriptError("SCHNORR_SIG")

    def lock_time(self, wanted: int) -> bool:
        """Whether the transaction's lock time has at least this value, in the same unit, and is in force (BIP65)."""
        actual = self.context.tx.lock_time
        if (actual < LOCK_TIME_THRESHOLD) != (wanted < LOCK_TIME_THRESHOLD) or wanted > actual:
            return False
        return self.context.tx.inputs[self.index].sequence != FINAL_SEQUENCE

    def sequence(self, wanted: int) -> bool:
        """Whether the input's relative lock time has at least this value, in the same unit (BIP112)."""
        tx = self.context.tx
        actual = tx.inputs[self.index].sequence
        if tx.version & 0xFFFFFFFF < 2 or actual & SEQUENCE_DISABLE:
            return False
        actual &= SEQUENCE_TYPE | SEQUENCE_MASK
        wanted &= SEQUENCE_TYPE | SEQUENCE_MASK
        return (actual < SEQUENCE_TYPE) == (wanted < SEQUENCE_TYPE) and wanted <= actual
