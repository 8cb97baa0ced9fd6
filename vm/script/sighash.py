"""What a signature signs: the hashes of legacy inputs, of witness v0 (BIP143) and of taproot (BIP341, BIP342).

A SpendContext is made once a transaction and keeps what its inputs share. It refuses to know scripts beyond CODESEPARATOR.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from struct import Struct
from typing import TYPE_CHECKING, Final

from primitives.bitcoin import Transaction, TxOutput
from primitives.buffer import compact_size
from primitives.errors import Missing
from primitives.hashing import sha256, sha256d
from primitives.lazy import lazy
from vm.script.opcodes import OP_CODESEPARATOR, Truncated, read_op

if TYPE_CHECKING:
    from hashlib import _Hash

DEFAULT: Final = 0x00
ALL: Final = 0x01
NONE: Final = 0x02
SINGLE: Final = 0x03
ANYONECANPAY: Final = 0x80

NO_CODESEPARATOR: Final = 0xFFFFFFFF
ONE: Final = b"\x01" + bytes(31)
"""The hash that SIGHASH_SINGLE signs where there is no output of its index: the number one, in wire order."""

_U32, _I64 = Struct("<I"), Struct("<q")
_ZERO: Final = bytes(32)
_BLANK_OUTPUT: Final = b"\xff" * 8 + b"\x00"
_STRIDE: Final = 32
_INPUT_SIZE: Final = 41
_CODESEPARATOR: Final = bytes((OP_CODESEPARATOR,))
_TAPROOT_TYPES: Final = frozenset({0, 1, 2, 3, 0x81, 0x82, 0x83})
_tag = sha256(b"TapSighash")
_TAPSIGHASH: Final = hashlib.sha256(_tag + _tag + b"\x00")  # with BIP341's epoch


def without_separators(code: bytes) -> bytes:
    """The script without its CODESEPARATORs, as legacy signatures see it."""
    if _CODESEPARATOR not in code:
        return code
    parts, start, at = [], 0, 0
    while at < len(code):
        try:
            op, _, end = read_op(code, at)
        except Truncated:
            break
        if op == OP_CODESEPARATOR:
            parts.append(code[start:at])
            start = end
        at = end
    parts.append(code[start:])
    return b"".join(parts)


def find_and_delete(code: bytes, needle: bytes) -> bytes:
    """The script without the needle wherever it stands at an opcode. Source: Bitcoin Core, FindAndDelete."""
    if not needle or needle not in code:
        return code
    size, parts, start, at = len(needle), [], 0, 0
    while True:
        parts.append(code[start:at])
        while code.startswith(needle, at):
            at += size
        start = at
        if at >= len(code):
            break
        try:
            at = read_op(code, at)[2]
        except Truncated:
            break
    parts.append(code[start:])
    return b"".join(parts)


@dataclass(frozen=True, slots=True)
class Leaf:
    """What a tapscript's signatures commit to beside the transaction (BIP342)."""

    hash: bytes
    codeseparator: int = NO_CODESEPARATOR
    """Index of the opcode that was the last CODESEPARATOR to run."""


class SpendContext:
    """A transaction, the outputs it spends, and the hashes that its inputs share. `spent` has None where one is unknown.

    Threads may share it: what it keeps is computed from what never changes.
    """

    def __init__(self, tx: Transaction, spent: Sequence[TxOutput | None]) -> None:
        if len(spent) != len(tx.inputs):
            raise ValueError(f"{len(spent)} spent outputs for {len(tx.inputs)} inputs")
        self.tx = tx
        self.spent = spent

    # What the legacy forms are assembled from.

    @lazy
    def _head(self) -> bytes:
        return self.tx.prefix + compact_size(len(self.tx.inputs))

    @lazy
    def _blanks(self) -> bytes:
        """The inputs, each with an empty script: 41 bytes apiece."""
        pack = _U32.pack
        return b"".join([i.outpoint + b"\x00" + pack(i.sequence) for i in self.tx.inputs])

    @lazy
    def _loose_blanks(self) -> bytes:
        """The inputs, each with an empty script and the sequence zero."""
        return b"".join([i.outpoint + b"\x00\x00\x00\x00\x00" for i in self.tx.inputs])

    @lazy
    def _outputs(self) -> bytes:
        return b"".join([o.encode() for o in self.tx.outputs])

    @lazy
    def _lock_time(self) -> bytes:
        return _U32.pack(self.tx.lock_time)

    @lazy
    def _tail(self) -> bytes:
        return compact_size(len(self.tx.outputs)) + self._outputs + self._lock_time

    @lazy
    def _midstates(self) -> tuple[_Hash, ...]:
        """SHA-256 after the head and every 32 blank inputs: halves the quadratic work of a large transaction."""
        state, blanks, states = hashlib.sha256(self._head), self._blanks, []
        for at in range(0, len(blanks), _STRIDE * _INPUT_SIZE):
            states.append(state.copy())
            state.update(blanks[at : at + _STRIDE * _INPUT_SIZE])
        return tuple(states)

    def _before(self, index: int) -> _Hash:
        at = index * _INPUT_SIZE
        if index < _STRIDE:
            return hashlib.sha256(self._head + self._blanks[:at])
        state = self._midstates[index // _STRIDE].copy()
        state.update(self._blanks[at - index % _STRIDE * _INPUT_SIZE : at])
        return state

    def legacy_state(self, index: int, code: bytes, hash_type: int) -> _Hash | None:
        """SHA-256 of all that a legacy signature signs except the hash type; None stands for the hash ONE."""
        tx, own = self.tx, self.tx.inputs[index]
        kind = hash_type & 0x1F
        if kind == SINGLE and index >= len(tx.outputs):
            return None
        code = without_separators(code)
        mine = b"".join((own.outpoint, compact_size(len(code)), code, _U32.pack(own.sequence)))
        if kind == NONE:
            tail = b"\x00" + self._lock_time
        elif kind == SINGLE:
            tail = b"".join(
                (compact_size(index + 1), _BLANK_OUTPUT * index, tx.outputs[index].encode(), self._lock_time)
            )
        else:
            tail = self._tail
        if hash_type & ANYONECANPAY:
            return hashlib.sha256(tx.prefix + b"\x01" + mine + tail)
        at = (index + 1) * _INPUT_SIZE
        if kind in (NONE, SINGLE):
            blanks = self._loose_blanks
            return hashlib.sha256(b"".join((self._head, blanks[: at - _INPUT_SIZE], mine, blanks[at:], tail)))
        state = self._before(index)
        state.update(b"".join((mine, self._blanks[at:], tail)))
        return state

    def legacy(self, index: int, code: bytes, hash_type: int) -> bytes:
        """The hash that a legacy signature signs; `hash_type` counts with all its 32 bits.

        Source: Bitcoin Core, script/interpreter.cpp, SignatureHash.
        """
        state = self.legacy_state(index, code, hash_type)
        if state is None:
            return ONE
        return _finish(state, hash_type)

    # BIP143.

    @lazy
    def prevouts_hash(self) -> bytes:
        """SHA-256 of all outpoints."""
        return sha256(b"".join([i.outpoint for i in self.tx.inputs]))

    @lazy
    def sequences_hash(self) -> bytes:
        """SHA-256 of all sequences."""
        pack = _U32.pack
        return sha256(b"".join([pack(i.sequence) for i in self.tx.inputs]))

    @lazy
    def outputs_hash(self) -> bytes:
        """SHA-256 of all outputs."""
        return sha256(self._outputs)

    @lazy
    def _v0_head(self) -> bytes:
        return self.tx.prefix + sha256(self.prevouts_hash) + sha256(self.sequences_hash)

    @lazy
    def _v0_tail(self) -> bytes:
        return sha256(self.outputs_hash) + self._lock_time

    def v0_state(self, index: int, code: bytes, hash_type: int) -> _Hash:
        """SHA-256 of all that a witness v0 signature signs except the hash type."""
        own = self.tx.inputs[index]
        kind = hash_type & 0x1F
        if kind not in (NONE, SINGLE):
            tail = self._v0_tail
        elif kind == SINGLE and index < len(self.tx.outputs):
            tail = sha256d(self.tx.outputs[index].encode()) + self._lock_time
        else:
            tail = _ZERO + self._lock_time
        if hash_type & ANYONECANPAY:
            head = self.tx.prefix + _ZERO + _ZERO
        elif kind in (NONE, SINGLE):
            head = self.tx.prefix + sha256(self.prevouts_hash) + _ZERO
        else:
            head = self._v0_head
        value, sequence = _I64.pack(self.spent_output(index).value), _U32.pack(own.sequence)
        return hashlib.sha256(b"".join((head, own.outpoint, compact_size(len(code)), code, value, sequence, tail)))

    def v0(self, index: int, code: bytes, hash_type: int) -> bytes:
        """The hash that a witness v0 signature signs (BIP143). Raises Missing where the coin is unknown."""
        return _finish(self.v0_state(index, code, hash_type), hash_type)

    # BIP341 and BIP342.

    @lazy
    def amounts_hash(self) -> bytes:
        """SHA-256 of the values of all spent outputs. Raises Missing."""
        pack = _I64.pack
        return sha256(b"".join([pack(self.spent_output(i).value) for i in range(len(self.spent))]))

    @lazy
    def scripts_hash(self) -> bytes:
        """SHA-256 of the scripts of all spent outputs, with their lengths. Raises Missing."""
        scripts = [self.spent_output(i).script for i in range(len(self.spent))]
        return sha256(b"".join([compact_size(len(s)) + s for s in scripts]))

    @lazy
    def _taproot_all(self) -> bytes:
        return self.prevouts_hash + self.amounts_hash + self.scripts_hash + self.sequences_hash

    def taproot(
        self, index: int, hash_type: int, annex_hash: bytes | None = None, leaf: Leaf | None = None
    ) -> bytes | None:
        """The hash that a taproot signature signs (BIP341), of a tapscript where there is a leaf (BIP342).

        `annex_hash` is SHA-256 of the annex with its length. None: the hash type is undefined, or names an output that is not
        there. Raises Missing unless every spent output is known.
        """
        tx, kind = self.tx, hash_type & 3
        if hash_type not in _TAPROOT_TYPES or (kind == SINGLE and index >= len(tx.outputs)):
            return None
        state = _TAPSIGHASH.copy()
        parts = [bytes((hash_type,)), tx.prefix, self._lock_time]
        everyone = self._taproot_all  # also where only one is signed: Core wants all coins to be known
        if not hash_type & ANYONECANPAY:
            parts.append(everyone)
        if kind in (DEFAULT, ALL):
            parts.append(self.outputs_hash)
        parts.append(bytes(((leaf is not None) << 1 | (annex_hash is not None),)))
        if hash_type & ANYONECANPAY:
            own = tx.inputs[index]
            parts += (own.outpoint, self.spent_output(index).encode(), _U32.pack(own.sequence))
        else:
            parts.append(_U32.pack(index))
        if annex_hash is not None:
            parts.append(annex_hash)
        if kind == SINGLE:
            parts.append(sha256(tx.outputs[index].encode()))
        if leaf is not None:
            parts += (leaf.hash, b"\x00", _U32.pack(leaf.codeseparator))
        state.update(b"".join(parts))
        return state.digest()

    def spent_output(self, index: int) -> TxOutput:
        """The output that an input spends. Raises Missing where it is unknown."""
        output = self.spent[index]
        if output is None:
            raise Missing([self.tx.inputs[index].txid])
        return output


def finish(state: _Hash, hash_type: int) -> bytes:
    """The double SHA-256 of what was hashed and the hash type; the state stays as it is."""
    return _finish(state.copy(), hash_type)


def _finish(state: _Hash, hash_type: int) -> bytes:
    state.update(_U32.pack(hash_type & 0xFFFFFFFF))
    return sha256(state.digest())
