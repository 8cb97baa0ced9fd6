"""Reader and Writer: little-endian integers, CompactSize and length-checked bytes of the Bitcoin formats.

Nothing is allocated ahead of the data: a count that the rest of the input cannot hold is refused at once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from struct import Struct
from typing import Self, TypeAlias, TypeVar

from primitives.errors import DecodeError

T = TypeVar("T")
Raw: TypeAlias = bytes
"""The type, for signatures below the methods that are called `bytes`."""

_U16, _U32, _I32, _U64, _I64 = Struct("<H"), Struct("<I"), Struct("<i"), Struct("<Q"), Struct("<q")
_U16BE = Struct(">H")

MAX_SIZE = 0x02000000
"""The largest CompactSize that counts or measures something (Bitcoin Core, serialize.h)."""


def compact_size(n: int) -> bytes:
    """A CompactSize integer in its shortest form."""
    if n < 0xFD:
        return bytes((n,))
    if n <= 0xFFFF:
        return b"\xfd" + _U16.pack(n)
    if n <= 0xFFFFFFFF:
        return b"\xfe" + _U32.pack(n)
    return b"\xff" + _U64.pack(n)


class Reader:
    """Reads from bytes, front to back. Every method raises DecodeError where the data end too early."""

    __slots__ = ("data", "end", "pos")

    def __init__(self, data: bytes, pos: int = 0, end: int | None = None) -> None:
        self.data = data
        self.pos = pos
        self.end = len(data) if end is None else end

    @property
    def left(self) -> int:
        """How many bytes are not read yet."""
        return self.end - self.pos

    def bytes(self, n: int) -> Raw:
        """The next n bytes."""
        pos = self.pos
        stop = pos + n
        if n < 0 or stop > self.end:
            raise DecodeError(f"{n} bytes wanted at offset {pos}, {self.end - pos} left")
        self.pos = stop
        return self.data[pos:stop]

    def _number(self, struct: Struct) -> int:
        pos = self.pos
        stop = pos + struct.size
        if stop > self.end:
            raise DecodeError(f"{struct.size} bytes wanted at offset {pos}, {self.end - pos} left")
        self.pos = stop
        value: int = struct.unpack_from(self.data, pos)[0]
        return value

    def u8(self) -> int:
        """An unsigned byte."""
        pos = self.pos
        if pos >= self.end:
            raise DecodeError(f"1 byte wanted at offset {pos}, 0 left")
        self.pos = pos + 1
        return self.data[pos]

    def u16(self) -> int:
        """Two bytes, little-endian."""
        return self._number(_U16)

    def u16_be(self) -> int:
        """Two bytes, big-endian (port numbers)."""
        return self._number(_U16BE)

    def u32(self) -> int:
        """Four bytes, unsigned."""
        return self._number(_U32)

    def i32(self) -> int:
        """Four bytes, signed."""
        return self._number(_I32)

    def u64(self) -> int:
        """Eight bytes, unsigned."""
        return self._number(_U64)

    def i64(self) -> int:
        """Eight bytes, signed."""
        return self._number(_I64)

    def bool(self) -> bool:
        """One byte as a truth value."""
        return self.u8() != 0

    def compact(self) -> int:
        """A CompactSize integer of any value, in its shortest form. Raises DecodeError for a longer form."""
        first = self.u8()
        if first < 0xFD:
            return first
        if first == 0xFD:
            value, least = self.u16(), 0xFD
        elif first == 0xFE:
            value, least = self.u32(), 0x10000
        else:
            value, least = self.u64(), 0x100000000
        if value < least:
            raise DecodeError(f"non-canonical CompactSize {value}")
        return value

    def count(self, least_bytes: int = 1) -> int:
        """A CompactSize that counts items of at least `least_bytes` each; refused where the rest cannot hold them."""
        n = self.compact()
        if n > MAX_SIZE or n * least_bytes > self.end - self.pos:
            raise DecodeError(f"{n} items announced, {self.end - self.pos} bytes left")
        return n

    def var_bytes(self) -> Raw:
        """A CompactSize length and that many bytes."""
        return self.bytes(self.compact())

    def many(self, read: Callable[[Reader], T], least_bytes: int = 1, most: int | None = None) -> tuple[T, ...]:
        """A CompactSize count and that many items. Raises DecodeError for more than `most`."""
        n = self.count(least_bytes)
        if most is not None and n > most:
            raise DecodeError(f"{n} items, {most} allowed")
        return tuple(read(self) for _ in range(n))

    def finish(self) -> None:
        """Raise DecodeError if bytes are left over."""
        if self.pos != self.end:
            raise DecodeError(f"{self.end - self.pos} trailing bytes")


class Writer:
    """Collects bytes; every method returns the writer, so that calls chain."""

    __slots__ = ("parts",)

    def __init__(self) -> None:
        self.parts: list[bytes] = []

    def bytes(self, data: Raw) -> Self:
        """Raw bytes."""
        self.parts.append(data)
        return self

    def u8(self, n: int) -> Self:
        """An unsigned byte."""
        self.parts.append(bytes((n,)))
        return self

    def u16(self, n: int) -> Self:
        """Two bytes, little-endian."""
        self.parts.append(_U16.pack(n))
        return self

    def u16_be(self, n: int) -> Self:
        """Two bytes, big-endian (port numbers)."""
        self.parts.append(_U16BE.pack(n))
        return self

    def u32(self, n: int) -> Self:
        """Four bytes, unsigned."""
        self.parts.append(_U32.pack(n))
        return self

    def i32(self, n: int) -> Self:
        """Four bytes, signed."""
        self.parts.append(_I32.pack(n))
        return self

    def u64(self, n: int) -> Self:
        """Eight bytes, unsigned."""
        self.parts.append(_U64.pack(n))
        return self

    def i64(self, n: int) -> Self:
        """Eight bytes, signed."""
        self.parts.append(_I64.pack(n))
        return self

    def bool(self, value: bool) -> Self:
        """One byte, 0 or 1."""
        self.parts.append(b"\x01" if value else b"\x00")
        return self

    def compact(self, n: int) -> Self:
        """A CompactSize integer."""
        self.parts.append(compact_size(n))
        return self

    def var_bytes(self, data: Raw) -> Self:
        """A CompactSize length and the bytes."""
        self.parts.append(compact_size(len(data)))
        self.parts.append(data)
        return self

    def many(self, items: Sequence[T], write: Callable[[Writer, T], object]) -> Self:
        """A CompactSize count and the items."""
        self.parts.append(compact_size(len(items)))
        for item in items:
            write(self, item)
        return self

    def done(self) -> Raw:
        """All that was written."""
        return b"".join(self.parts)
