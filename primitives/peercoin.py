"""PeerCoin's header, block and format: only what differs from Bitcoin's. A kind on the header and a signature under the block.

It knows no rule: whether the kind fits the body and the signature holds is said elsewhere. Source: Peercoin, primitives/block.h.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from struct import Struct
from typing import Final

from primitives.bitcoin import NULL_OUTPOINT, Transaction, read_transaction
from primitives.buffer import Reader, Writer, compact_size
from primitives.chain import Form
from primitives.hashing import sha256d

_HEADER: Final = Struct("<i32s32sIII")
_FLAGS: Final = Struct("<I")
STAKE_FLAG: Final = 1
"""The one bit of a wire header's flags that a peer may tell us; the others say what we compute ourselves."""


@dataclass(frozen=True)
class PeercoinHeader:
    """Bitcoin's 80 bytes, and beside them whether the block is one of stake. The hash does not cover that."""

    version: int
    parent: bytes
    merkle_root: bytes
    timestamp: int
    bits: int
    nonce: int
    stake: bool = False

    @cached_property
    def raw(self) -> bytes:
        """The 80 bytes."""
        return _HEADER.pack(self.version, self.parent, self.merkle_root, self.timestamp, self.bits, self.nonce)

    @cached_property
    def hash(self) -> bytes:
        """SHA-256d of the 80 bytes, in wire order."""
        return sha256d(self.raw)

    @property
    def wire(self) -> bytes:
        """The 84 bytes that peers exchange: flags follow, of which bit 0 is the kind."""
        return self.raw + _FLAGS.pack(STAKE_FLAG if self.stake else 0)


def is_coinstake(tx: Transaction) -> bool:
    """Whether a transaction is a coinstake: it spends a coin first of all, and its first output of two or more is empty."""
    inputs, outputs = tx.inputs, tx.outputs
    return len(outputs) >= 2 and bool(inputs) and inputs[0].outpoint != NULL_OUTPOINT and outputs[0] == (0, b"")


@dataclass(frozen=True)
class PeercoinBlock:
    """A header, its transactions, and the signature of whoever made it, which the hash does not cover."""

    header: PeercoinHeader
    txs: tuple[Transaction, ...]
    signature: bytes = b""

    @property
    def side_headers(self) -> Sequence[PeercoinHeader]:
        """There are no ommers."""
        return ()

    @property
    def coinbase(self) -> Transaction:
        """The first transaction."""
        return self.txs[0]

    @cached_property
    def is_stake(self) -> bool:
        """Whether the body is one of stake, whatever the header says: the second transaction is a coinstake."""
        return len(self.txs) >= 2 and is_coinstake(self.txs[1])

    @property
    def coinstake(self) -> Transaction | None:
        """The transaction that stakes, None in a block of work."""
        return self.txs[1] if self.is_stake else None

    @cached_property
    def size(self) -> int:
        """Bytes of the full encoding with an 80-byte header."""
        counts = len(compact_size(len(self.txs))) + len(compact_size(len(self.signature)))
        return 80 + counts + sum([len(tx.raw) for tx in self.txs]) + len(self.signature)

    @property
    def base_size(self) -> int:
        """The same: PeerCoin leaves out no witness when it measures."""
        return self.size

    @property
    def weight(self) -> int:
        """Block weight: four times the size, for a byte of witness weighs as much as any other."""
        return 4 * self.size


def read_header(r: Reader) -> PeercoinHeader:
    """Read the 80 bytes; the kind is not among them."""
    raw = r.bytes(80)
    header = PeercoinHeader(*_HEADER.unpack(raw))
    header.__dict__["raw"] = raw
    return header


def read_wire_header(r: Reader) -> PeercoinHeader:
    """Read the 84 bytes. Of the flags only the kind is kept; peers also send those that everyone computes for himself."""
    raw = r.bytes(80)
    version, parent, root, timestamp, bits, nonce = _HEADER.unpack(raw)
    header = PeercoinHeader(version, parent, root, timestamp, bits, nonce, bool(r.u32() & STAKE_FLAG))
    header.__dict__["raw"] = raw
    return header


def encode_block(block: PeercoinBlock) -> bytes:
    """A block as PeerCoin's files and clients have it: with an 80-byte header, and its signature."""
    w = Writer()
    PeercoinFormat().write_block(w, block, Form.CLIENT)
    return w.done()


def decode_block(data: bytes) -> PeercoinBlock:
    """The block that these bytes are, with an 80-byte header; the kind is read off its body. Raises DecodeError."""
    r = Reader(data)
    block = PeercoinFormat().read_block(r, Form.CLIENT)
    r.finish()
    return block


@dataclass(frozen=True, slots=True)
class PeercoinFormat:
    """PeerCoin's codec. Store and wire forms carry the kind in an 84-byte header; the client form has an 80-byte one.

    Without `timed`, transactions are Bitcoin's and the client form is a plain Bitcoin block: kind and signature are left out.
    """

    name: str = "peercoin"
    stored_as_sent: bool = True
    timed: bool = True
    """Transactions below version 3 carry a time."""
    after_header: bytes = b"\0\0"
    """What follows each header of a `headers` message: no transactions, no signature."""
    signed_compact: bool = True
    """Compact blocks carry the block's signature after their nonce."""

    def read_tx(self, r: Reader, form: Form) -> Transaction:
        """Read a transaction."""
        return read_transaction(r, self.timed)

    def write_tx(self, w: Writer, tx: Transaction, form: Form) -> None:
        """Write a transaction."""
        w.bytes(tx.base if form is Form.BARE else tx.raw)

    def read_header(self, r: Reader, form: Form) -> PeercoinHeader:
        """Read a header; the client form does not tell the kind."""
        return read_header(r) if form is Form.CLIENT else read_wire_header(r)

    def write_header(self, w: Writer, header: PeercoinHeader, form: Form) -> None:
        """Write a header."""
        w.bytes(header.raw if form is Form.CLIENT else header.wire)

    def peek_header(self, r: Reader, form: Form) -> PeercoinHeader:
        """Read the header that an encoded block begins with, and nothing of its body."""
        return self.read_header(r, form)

    def read_block(self, r: Reader, form: Form) -> PeercoinBlock:
        """Read a block; in client form its kind is read off the body."""
        header = self.read_header(r, form)
        txs = r.many(lambda inner: read_transaction(inner, self.timed), 10)
        signature = b"" if form is Form.CLIENT and not self.timed else r.var_bytes()
        block = PeercoinBlock(header, txs, signature)
        if form is not Form.CLIENT or not block.is_stake:
            return block
        staked = replace(header, stake=True)
        staked.__dict__["raw"] = header.raw
        return PeercoinBlock(staked, txs, signature)

    def write_block(self, w: Writer, block: PeercoinBlock, form: Form) -> None:
        """Write a block."""
        w.bytes(block.header.raw if form is Form.CLIENT else block.header.wire).compact(len(block.txs))
        w.bytes(b"".join([tx.base if form is Form.BARE else tx.raw for tx in block.txs]))
        if self.timed or form is not Form.CLIENT:
            w.var_bytes(block.signature)
