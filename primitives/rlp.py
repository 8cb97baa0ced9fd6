"""Recursive length prefix: byte strings, and lists of them nested to any shape, in their one canonical form.

Refuses to know what a string means: integers, addresses and the like are the caller's. C where it was built, else the twin here.
Source: Ethereum yellow paper, appendix B.
"""

from collections.abc import Sequence
from typing import Final, TypeAlias

from primitives.errors import DecodeError
from primitives.native import native

Item: TypeAlias = "bytes | Sequence[Item]"
MAX_DEPTH: Final = 128  # lists within lists; nothing on any chain comes near it


def encode(item: Item) -> bytes:
    """Encodes a byte string, or a list or tuple of items. Raises ValueError beyond 128 lists within lists."""
    return _encode(item, 0)


def decode(data: bytes) -> Item:
    """Decodes one item that takes up all of the data: bytes, or a list of items.

    Raises DecodeError for any but the canonical form, bytes left over or missing, and more than 128 lists within lists.
    """
    return _decode(data)


def _encode(item: Item, depth: int) -> bytes:
    if isinstance(item, bytes | bytearray):
        if len(item) == 1 and item[0] < 0x80:
            return bytes(item)
        return _prefix(len(item), 0x80) + item
    if not isinstance(item, list | tuple):
        raise TypeError(f"RLP takes bytes, lists and tuples, not {type(item).__name__}")
    if depth == MAX_DEPTH:
        raise ValueError("RLP lists nested too deep")
    body = b"".join([_encode(part, depth + 1) for part in item])
    return _prefix(len(body), 0xC0) + body


def _prefix(size: int, base: int) -> bytes:
    if size < 56:
        return bytes((base + size,))
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((base + 55 + len(length),)) + length


def _decode(data: bytes) -> Item:
    top: list[Item] = []
    items, at, end = top, 0, len(data)
    around: list[tuple[list[Item], int]] = []  # the lists that enclose `items`, and where they end
    while True:
        while around and at == end:
            items, end = around.pop()
        if items is top and top:
            if at != len(data):
                raise DecodeError("RLP: bytes after the item")
            return top[0]
        is_list, start, stop = _measure(data, at, end)
        if not is_list:
            items.append(bytes(data[start:stop]))
            at = stop
            continue
        if len(around) == MAX_DEPTH:
            raise DecodeError("RLP: lists nested too deep")
        inner: list[Item] = []
        items.append(inner)
        around.append((items, end))
        items, at, end = inner, start, stop


def _measure(data: bytes, at: int, end: int) -> tuple[bool, int, int]:
    """Whether a list stands at `at`, and where its contents, or those of the string, begin and end."""
    if at == end:
        raise DecodeError("RLP: an item is missing")
    first = data[at]
    if first < 0x80:
        return False, at, at + 1
    is_list = first >= 0xC0
    size = first - (0xC0 if is_list else 0x80)
    start = at + 1
    if size > 55:
        start += size - 55
        if start > end:
            raise DecodeError("RLP: the length runs past the end")
        size = int.from_bytes(data[at + 1 : start], "big")
        if data[at + 1] == 0 or size < 56:
            raise DecodeError("RLP: the length is not in its shortest form")
    if start + size > end:
        raise DecodeError("RLP: the item runs past the end")
    if not is_list and size == 1 and data[start] < 0x80:
        raise DecodeError("RLP: a single byte is not in its shortest form")
    return is_list, start, start + size


if native is not None:
    encode = native.rlp_encode
    decode = native.rlp_decode
