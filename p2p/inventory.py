"""Messages about blocks and transactions: announcing, asking, sending. A block's header is decoded, its body stays bytes.

They refuse to know the family: headers, blocks and transactions are read through the Format given.
"""

from __future__ import annotations

from dataclasses import dataclass
from struct import iter_unpack
from typing import Any, Self

from p2p.wire import count, message
from primitives.buffer import Reader, Writer, compact_size
from primitives.chain import Form, Format

MAX_INV = 50_000
MAX_HEADERS = 2_000
MAX_LOCATOR = 101

MSG_TX, MSG_BLOCK, MSG_FILTERED_BLOCK, MSG_COMPACT_BLOCK, MSG_WTX = 1, 2, 3, 4, 5
WITNESS_FLAG = 1 << 30
MSG_WITNESS_TX, MSG_WITNESS_BLOCK = MSG_TX | WITNESS_FLAG, MSG_BLOCK | WITNESS_FLAG

Item = tuple[int, bytes]
"""What an inventory names: a kind (MSG_TX, MSG_BLOCK, ...) and a hash in wire order."""


def _write_items(w: Writer, items: tuple[Item, ...]) -> None:
    parts = [compact_size(len(items))]
    for kind, digest in items:
        parts += (kind.to_bytes(4, "little"), digest)
    w.bytes(b"".join(parts))


def _read_items(r: Reader) -> tuple[Item, ...]:
    n = count(r, 36, MAX_INV, "inventory items")
    return tuple(iter_unpack("<I32s", r.bytes(36 * n)))


@message("inv")
@dataclass(frozen=True, slots=True)
class Inv:
    """Announces blocks and transactions."""

    items: tuple[Item, ...]

    def write(self, w: Writer) -> None:
        _write_items(w, self.items)

    @classmethod
    def read(cls, r: Reader, fmt: Format) -> Self:
        return cls(_read_items(r))


@message("getdata")
@dataclass(frozen=True, slots=True)
class GetData:
    """Asks for blocks and transactions."""

    items: tuple[Item, ...]

    def write(self, w: Writer) -> None:
        _write_items(w, self.items)

    @classmethod
    def read(cls, r: Reader, fmt: Format) -> Self:
        return cls(_read_items(r))


@message("notfound")
@dataclass(frozen=True, slots=True)
class NotFound:
    """Answers a getdata for what this node does not have."""

    items: tuple[Item, ...]

    def write(self, w: Writer) -> None:
        _write_items(w, self.items)

    @classmethod
    def read(cls, r: Reader, fmt: Format) -> Self:
        return cls(_read_items(r))


def _write_locator(w: Writer, version: int, locator: tuple[bytes, ...], stop: bytes) -> None:
    w.u32(version).compact(len(locator)).bytes(b"".join(locator)).bytes(stop)


def _read_locator(r: Reader) -> tuple[int, tuple[bytes, ...], bytes]:
    version = r.u32()
    n = count(r, 32, MAX_LOCATOR, "locator hashes")
    return version, tuple(r.bytes(32) for _ in range(n)), r.bytes(32)


@message("getheaders")
@dataclass(frozen=True, slots=True)
class GetHeaders:
    """Asks for up to 2,000 headers after the first known hash of a locator."""

    version: int
    locator: tuple[bytes, ...]
    stop: bytes = bytes(32)

    def write(self, w: Writer) -> None:
        _write_locator(w, self.version, self.locator, self.stop)

    @classmethod
    def read(cls, r: Reader, fmt: Format) -> Self:
        return cls(*_read_locator(r))


@message("getblocks")
@dataclass(frozen=True, slots=True)
class GetBlocks:
    """Asks for an inventory of up to 500 blocks after the first known hash of a locator."""

    version: int
    locator: tuple[bytes, ...]
    stop: bytes = bytes(32)

    def write(self, w: Writer) -> None:
        _write_locator(w, self.version, self.locator, self.stop)

    @classmethod
    def read(cls, r: Reader, fmt: Format) -> Self:
        return cls(*_read_locator(r))


@message("headers")
@dataclass(frozen=True, slots=True)
class Headers:
    """Headers, each followed by a transaction count of zero. `raw` holds the encoded headers, in order."""

    headers: tuple[Any, ...]
    raw: tuple[bytes, ...]
    after: bytes = b"\0"
    """What follows each header on the wire: no transactions, and whatever else a family's blocks end with."""

    @classmethod
    def of(cls, headers: tuple[Any, ...], fmt: Format) -> Self:
        """The message that carries these headers."""
        raw = []
        for header in headers:
            w = Writer()
            fmt.write_header(w, header, Form.WIRE)
            raw.append(w.done())
        return cls(headers, tuple(raw), getattr(fmt, "after_header", b"\0"))

    def write(self, w: Writer) -> None:
        w.compact(len(self.raw)).bytes(b"".join([part + self.after for part in self.raw]))

    @classmethod
    def read(cls, r: Reader, fmt: Format) -> Self:
        n = count(r, 2, MAX_HEADERS, "headers")
        headers, raw = [], []
        after: bytes = getattr(fmt, "after_header", b"\0")
        for _ in range(n):
            start = r.pos
            headers.append(fmt.read_header(r, Form.WIRE))
            raw.append(r.data[start : r.pos])
            for _ in after:
                r.compact()
        return cls(tuple(headers), tuple(raw), after)


@message("block")
@dataclass(frozen=True, slots=True)
class BlockMessage:
    """A block in wire form: its header decoded, its body still bytes."""

    header: Any
    raw: bytes

    def write(self, w: Writer) -> None:
        w.bytes(self.raw)

    @classmethod
    def read(cls, r: Reader, fmt: Format) -> Self:
        raw = r.bytes(r.left)
        return cls(peek_header(raw, fmt), raw)


def peek_header(raw: bytes, fmt: Format) -> Any:
    """The header of an encoded block, without its body where the format can tell them apart. Raises DecodeError."""
    peek = getattr(fmt, "peek_header", None)
    if peek is not None:
        return peek(Reader(raw), Form.WIRE)
    return fmt.read_block(Reader(raw), Form.WIRE).header


@message("tx")
@dataclass(frozen=True, slots=True)
class TxMessage:
    """A transaction in wire form, with the bytes that it was read from."""

    tx: Any
    raw: bytes

    @classmethod
    def of(cls, tx: Any, fmt: Format) -> Self:
        """The message that carries this transaction."""
        w = Writer()
        fmt.write_tx(w, tx, Form.WIRE)
        return cls(tx, w.done())

    def write(self, w: Writer) -> None:
        w.bytes(self.raw)

    @classmethod
    def read(cls, r: Reader, fmt: Format) -> Self:
        start = r.pos
        tx = fmt.read_tx(r, Form.WIRE)
        return cls(tx, r.data[start : r.pos])
