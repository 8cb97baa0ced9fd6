"""Compact blocks (BIP152): codecs, short ids, and rebuilding a block's transactions from a pool.

It refuses to decide when to ask for one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Self

from p2p.wire import TooMany, message
from primitives.buffer import Reader, Writer
from primitives.chain import Form, Format
from primitives.errors import DecodeError
from primitives.hashing import siphash

MAX_TRANSACTIONS = 65_535


@dataclass(frozen=True, slots=True)
class Prefilled:
    """A transaction sent along, at its position in the block."""

    index: int
    tx: Any
    raw: bytes


def _read_tx(r: Reader, fmt: Format) -> tuple[Any, bytes]:
    start = r.pos
    tx = fmt.read_tx(r, Form.WIRE)
    return tx, r.data[start : r.pos]


def _gap(last: int, index: int) -> int:
    return index - last - 1


def _read_index(r: Reader, last: int) -> int:
    index = last + 1 + r.compact()
    if index > MAX_TRANSACTIONS:
        raise DecodeError(f"transaction index {index} out of range")
    return index


@message("cmpctblock")
@dataclass(frozen=True, slots=True)
class CompactBlock:
    """A header, short ids of the transactions and those that the receiver will lack."""

    header: Any
    header_raw: bytes
    nonce: int
    short_ids: tuple[bytes, ...]
    prefilled: tuple[Prefilled, ...]
    signature: bytes | None = None
    """The block's signature, in families whose blocks bear one."""

    def write(self, w: Writer) -> None:
        w.bytes(self.header_raw).u64(self.nonce)
        if self.signature is not None:
            w.var_bytes(self.signature)
        w.compact(len(self.short_ids)).bytes(b"".join(self.short_ids))
        w.compact(len(self.prefilled))
        last = -1
        for p in self.prefilled:
            w.compact(_gap(last, p.index)).bytes(p.raw)
            last = p.index

    @classmethod
    def read(cls, r: Reader, fmt: Format) -> Self:
        start = r.pos
        header = fmt.read_header(r, Form.WIRE)
        raw = r.data[start : r.pos]
        nonce = r.u64()
        signature = r.var_bytes() if getattr(fmt, "signed_compact", False) else None
        short_ids = tuple(r.bytes(6) for _ in range(r.count(6)))
        prefilled = []
        last = -1
        for _ in range(r.count(2)):
            last = _read_index(r, last)
            prefilled.append(Prefilled(last, *_read_tx(r, fmt)))
        total = len(short_ids) + len(prefilled)
        if total > MAX_TRANSACTIONS:
            raise TooMany(f"compact block of {total} transactions")
        if last >= total:
            raise DecodeError(f"prefilled transaction {last} of {total}")
        return cls(header, raw, nonce, short_ids, tuple(prefilled), signature)

    @property
    def keys(self) -> tuple[int, int]:
        """The SipHash key: the first 16 bytes of SHA-256 of header and nonce; of PeerCoin's header without its flags."""
        head = self.header_raw if self.signature is None else self.header_raw[:80]
        digest = sha256(head + self.nonce.to_bytes(8, "little")).digest()
        return int.from_bytes(digest[:8], "little"), int.from_bytes(digest[8:16], "little")

    def short_id(self, digest: bytes) -> bytes:
        """The six bytes that stand for a transaction id (version 1) or wtxid (version 2) in this block."""
        return (siphash(*self.keys, digest) & 0xFFFFFFFFFFFF).to_bytes(6, "little")

    def fill(self, pool: Mapping[bytes, Any]) -> list[Any | None]:
        """The block's transactions in order, None for each that neither the message nor the pool (short id -> tx) has."""
        txs: list[Any | None] = [None] * (len(self.short_ids) + len(self.prefilled))
        at = {p.index for p in self.prefilled}
        for p in self.prefilled:
            txs[p.index] = p.tx
        places: Iterable[int] = (i for i in range(len(txs)) if i not in at)
        for place, short in zip(places, self.short_ids, strict=True):
            txs[place] = pool.get(short)
        return txs


@message("getblocktxn")
@dataclass(frozen=True, slots=True)
class GetBlockTransactions:
    """Asks for the transactions of a block at rising positions."""

    block: bytes
    indexes: tuple[int, ...]

    def write(self, w: Writer) -> None:
        w.bytes(self.block).compact(len(self.indexes))
        last = -1
        for index in self.indexes:
            w.compact(_gap(last, index))
            last = index

    @classmethod
    def read(cls, r: Reader, fmt: Format) -> Self:
        block = r.bytes(32)
        indexes = []
        last = -1
        for _ in range(r.count(1)):
            last = _read_index(r, last)
            indexes.append(last)
        return cls(block, tuple(indexes))


@message("blocktxn")
@dataclass(frozen=True, slots=True)
class BlockTransactions:
    """Answers getblocktxn."""

    block: bytes
    txs: tuple[Any, ...]
    raw: tuple[bytes, ...]

    def write(self, w: Writer) -> None:
        w.bytes(self.block).compact(len(self.raw)).bytes(b"".join(self.raw))

    @classmethod
    def read(cls, r: Reader, fmt: Format) -> Self:
        block = r.bytes(32)
        pairs = [_read_tx(r, fmt) for _ in range(r.count(10))]
        return cls(block, tuple(tx for tx, _ in pairs), tuple(raw for _, raw in pairs))
