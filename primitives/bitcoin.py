"""Bitcoin's transaction, header and block, and their codecs. It knows no rule beyond the encoding.

Sources: Bitcoin Core primitives/transaction.h and block.h; BIP144 for the witness form.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from struct import Struct
from typing import NamedTuple

from primitives.buffer import Reader, Writer, compact_size
from primitives.chain import Form
from primitives.errors import DecodeError
from primitives.hashing import sha256d
from primitives.lazy import lazy

_HEADER = Struct("<i32s32sIII")
_I32, _U32, _I64 = Struct("<i"), Struct("<I"), Struct("<q")

NULL_OUTPOINT = bytes(32) + b"\xff\xff\xff\xff"
FINAL_SEQUENCE = 0xFFFFFFFF


class TxInput(NamedTuple):
    """Spends the coin at an outpoint (36 bytes: transaction id in wire order, index as u32 little-endian)."""

    outpoint: bytes
    script: bytes = b""
    sequence: int = FINAL_SEQUENCE
    witness: tuple[bytes, ...] = ()

    @property
    def txid(self) -> bytes:
        """Id of the transaction that made the coin."""
        return self.outpoint[:32]

    @property
    def vout(self) -> int:
        """Which output of that transaction it is."""
        return int.from_bytes(self.outpoint[32:], "little")


class TxOutput(NamedTuple):
    """Locks a value, in satoshi, to a script."""

    value: int
    script: bytes

    def encode(self) -> bytes:
        """The wire form: i64 value, script with its length."""
        return _I64.pack(self.value) + compact_size(len(self.script)) + self.script


def outpoint(txid: bytes, index: int) -> bytes:
    """The 36 bytes that name an output."""
    return txid + _U32.pack(index)


@dataclass(frozen=True)
class Transaction:
    """A Bitcoin transaction. `time` is PeerCoin's transaction time and None on every other chain."""

    version: int
    inputs: tuple[TxInput, ...]
    outputs: tuple[TxOutput, ...]
    lock_time: int = 0
    time: int | None = None

    @lazy
    def prefix(self) -> bytes:
        """Version and, where the transaction carries one, its time: what every form and signature hash begins with."""
        head = _I32.pack(self.version)
        return head if self.time is None else head + _U32.pack(self.time)

    @lazy
    def base(self) -> bytes:
        """The encoding without witnesses: what the id commits to."""
        parts = [self.prefix, compact_size(len(self.inputs))]
        for i in self.inputs:
            parts += (i.outpoint, compact_size(len(i.script)), i.script, _U32.pack(i.sequence))
        parts.append(compact_size(len(self.outputs)))
        parts += [o.encode() for o in self.outputs]
        parts.append(_U32.pack(self.lock_time))
        return b"".join(parts)

    @lazy
    def has_witness(self) -> bool:
        """Whether any input carries a witness."""
        return any(i.witness for i in self.inputs)

    @lazy
    def raw(self) -> bytes:
        """The full encoding, with witnesses where there are any (BIP144)."""
        if not self.has_witness:
            return self.base
        head = len(self.prefix)
        parts = [self.base[:head], b"\x00\x01", self.base[head:-4]]
        for i in self.inputs:
            parts.append(compact_size(len(i.witness)))
            for item in i.witness:
                parts += (compact_size(len(item)), item)
        parts.append(self.base[-4:])
        return b"".join(parts)

    @lazy
    def id(self) -> bytes:
        """Transaction id, in wire order: SHA-256d of the encoding without witnesses."""
        return sha256d(self.base)

    @lazy
    def wtxid(self) -> bytes:
        """SHA-256d of the full encoding (BIP141), in wire order."""
        return sha256d(self.raw) if self.has_witness else self.id

    @property
    def weight(self) -> int:
        """Three times the size without witnesses plus the full size (BIP141)."""
        return 3 * len(self.base) + len(self.raw)

    @property
    def vsize(self) -> int:
        """Weight over four, rounded up."""
        return (self.weight + 3) // 4

    @property
    def is_coinbase(self) -> bool:
        """One input that spends nothing."""
        return len(self.inputs) == 1 and self.inputs[0].outpoint == NULL_OUTPOINT


@dataclass(frozen=True)
class BitcoinHeader:
    """The 80-byte header; `hash` is its SHA-256d in wire order."""

    version: int
    parent: bytes
    merkle_root: bytes
    timestamp: int
    bits: int
    nonce: int

    @lazy
    def raw(self) -> bytes:
        """The 80 bytes."""
        return _HEADER.pack(self.version, self.parent, self.merkle_root, self.timestamp, self.bits, self.nonce)

    @lazy
    def hash(self) -> bytes:
        """SHA-256d of the 80 bytes, in wire order."""
        return sha256d(self.raw)


@dataclass(frozen=True)
class BitcoinBlock:
    """A header and its transactions."""

    header: BitcoinHeader
    txs: tuple[Transaction, ...]

    @property
    def side_headers(self) -> Sequence[BitcoinHeader]:
        """Bitcoin has no ommers."""
        return ()

    @property
    def coinbase(self) -> Transaction:
        """The first transaction."""
        return self.txs[0]

    @lazy
    def size(self) -> int:
        """Bytes of the full encoding."""
        return 80 + len(compact_size(len(self.txs))) + sum(len(tx.raw) for tx in self.txs)

    @lazy
    def base_size(self) -> int:
        """Bytes of the encoding without witnesses."""
        return 80 + len(compact_size(len(self.txs))) + sum(len(tx.base) for tx in self.txs)

    @property
    def weight(self) -> int:
        """Block weight (BIP141)."""
        return 3 * self.base_size + self.size


# The three below take a short item in one step; one that is longer than 252 bytes, or cut short, the Reader's own methods.


def _read_inputs(r: Reader) -> list[TxInput]:
    data, end, inputs = r.data, r.end, []
    for _ in range(r.count(41)):
        pos = r.pos
        size = data[pos + 36] if pos + 36 < end else 0xFD
        stop = pos + 41 + size
        if size < 0xFD and stop <= end:
            (sequence,) = _U32.unpack_from(data, stop - 4)
            inputs.append(TxInput(data[pos : pos + 36], data[pos + 37 : stop - 4], sequence))
            r.pos = stop
        else:
            inputs.append(TxInput(r.bytes(36), r.var_bytes(), r.u32()))
    return inputs


def _read_outputs(r: Reader) -> tuple[TxOutput, ...]:
    data, end, outputs = r.data, r.end, []
    for _ in range(r.count(9)):
        pos = r.pos
        size = data[pos + 8] if pos + 8 < end else 0xFD
        stop = pos + 9 + size
        if size < 0xFD and stop <= end:
            outputs.append(TxOutput(_I64.unpack_from(data, pos)[0], data[pos + 9 : stop]))
            r.pos = stop
        else:
            outputs.append(TxOutput(r.i64(), r.var_bytes()))
    return tuple(outputs)


def _read_witness(r: Reader) -> tuple[bytes, ...]:
    data, end, items = r.data, r.end, []
    for _ in range(r.count()):
        pos = r.pos
        size = data[pos] if pos < end else 0xFD
        stop = pos + 1 + size
        if size < 0xFD and stop <= end:
            items.append(data[pos + 1 : stop])
            r.pos = stop
        else:
            items.append(r.var_bytes())
    return tuple(items)


def read_transaction(r: Reader, timed: bool = False) -> Transaction:
    """Read a transaction in either form. `timed`: PeerCoin's, with a time after a version below 3.

    Raises DecodeError, as Bitcoin Core does, for a witness record without a witness and for unknown optional data.
    """
    start = r.pos
    version = r.i32()
    time = (r.u32() if version < 3 else 0) if timed else None
    head = r.pos
    inputs = _read_inputs(r)
    outputs: tuple[TxOutput, ...] = ()
    flags = 0
    if inputs:
        outputs = _read_outputs(r)
    else:
        flags = r.u8()
        if flags:
            inputs = _read_inputs(r)
            outputs = _read_outputs(r)
    body_end = r.pos
    if flags & 1:
        flags ^= 1
        inputs = [TxInput(point, script, sequence, _read_witness(r)) for point, script, sequence, _ in inputs]
        if not any(i.witness for i in inputs):
            raise DecodeError("superfluous witness record")
    if flags:
        raise DecodeError("unknown transaction optional data")
    lock_time = r.u32()
    tx = Transaction(version, tuple(inputs), outputs, lock_time, time if version < 3 else None)
    raw = r.data[start : r.pos]
    has_witness = inputs != [] and r.data[head : head + 2] == b"\x00\x01"
    base = raw[: head - start] + r.data[head + 2 : body_end] + raw[-4:] if has_witness else raw
    if inputs:  # an empty input list has more than one encoding; there the properties compute the canonical one
        tx.__dict__.update(raw=bytes(raw), base=bytes(base), has_witness=has_witness)
    return tx


def decode_transaction(data: bytes) -> Transaction:
    """The transaction that these bytes are, all of them. Raises DecodeError."""
    r = Reader(data)
    tx = read_transaction(r)
    r.finish()
    return tx


def read_header(r: Reader) -> BitcoinHeader:
    """Read an 80-byte header."""
    raw = r.bytes(80)
    header = BitcoinHeader(*_HEADER.unpack(raw))
    header.__dict__["raw"] = raw
    return header


def read_block(r: Reader) -> BitcoinBlock:
    """Read a header, a count and that many transactions."""
    header = read_header(r)
    return BitcoinBlock(header, r.many(read_transaction, 10))


def decode_block(data: bytes) -> BitcoinBlock:
    """The block that these bytes are, all of them. Raises DecodeError."""
    r = Reader(data)
    block = read_block(r)
    r.finish()
    return block


def encode_block(block: BitcoinBlock, bare: bool = False) -> bytes:
    """The encoding of a block, with witnesses or `bare` of them."""
    txs = (tx.base for tx in block.txs) if bare else (tx.raw for tx in block.txs)
    return b"".join((block.header.raw, compact_size(len(block.txs)), *txs))


@dataclass(frozen=True, slots=True)
class BitcoinFormat:
    """Bitcoin's codec; store, wire and client forms are the same bytes."""

    name: str = "bitcoin"
    stored_as_sent: bool = True

    def read_tx(self, r: Reader, form: Form) -> Transaction:
        """Read a transaction."""
        return read_transaction(r)

    def write_tx(self, w: Writer, tx: Transaction, form: Form) -> None:
        """Write a transaction, with its witnesses unless bare."""
        w.bytes(tx.base if form is Form.BARE else tx.raw)

    def read_header(self, r: Reader, form: Form) -> BitcoinHeader:
        """Read a header."""
        return read_header(r)

    def write_header(self, w: Writer, header: BitcoinHeader, form: Form) -> None:
        """Write a header."""
        w.bytes(header.raw)

    def peek_header(self, r: Reader, form: Form) -> BitcoinHeader:
        """Read the header that an encoded block begins with, and nothing of its body."""
        return read_header(r)

    def read_block(self, r: Reader, form: Form) -> BitcoinBlock:
        """Read a block."""
        return read_block(r)

    def write_block(self, w: Writer, block: BitcoinBlock, form: Form) -> None:
        """Write a block, with its witnesses unless bare."""
        w.bytes(encode_block(block, form is Form.BARE))
