"""Strict reading of the fields of Ethereum's RLP structures: integers, fixed-size strings, lists of a fixed shape.

Knows no structure; whatever is not in the one lawful form is a DecodeError.
"""

from __future__ import annotations

from collections.abc import Sequence

from primitives.errors import DecodeError
from primitives.rlp import Item

ADDRESS, HASH, BLOOM = 20, 32, 256
"""Sizes in bytes."""


def number(n: int) -> bytes:
    """An integer as RLP carries it: big-endian without leading zeros, empty for zero."""
    return n.to_bytes((n.bit_length() + 7) >> 3, "big")


def as_number(item: Item, bits: int = 256, name: str = "integer") -> int:
    """The integer that a string stands for. Raises DecodeError for leading zeros or more than `bits`."""
    if not isinstance(item, bytes):
        raise DecodeError(f"{name}: list where an integer belongs")
    if len(item) * 8 > bits:
        raise DecodeError(f"{name}: integer of {len(item)} bytes, {bits // 8} allowed")
    if item and not item[0]:
        raise DecodeError(f"{name}: leading zeros")
    return int.from_bytes(item, "big")


def as_bytes(item: Item, size: int | None = None, name: str = "string") -> bytes:
    """A string, of exactly `size` bytes where given. Raises DecodeError."""
    if not isinstance(item, bytes):
        raise DecodeError(f"{name}: list where a string belongs")
    if size is not None and len(item) != size:
        raise DecodeError(f"{name}: {len(item)} bytes, not {size}")
    return item


def as_list(item: Item, size: int | None = None, name: str = "list") -> Sequence[Item]:
    """A list, of exactly `size` items where given. Raises DecodeError."""
    if isinstance(item, bytes):
        raise DecodeError(f"{name}: string where a list belongs")
    if size is not None and len(item) != size:
        raise DecodeError(f"{name}: {len(item)} items, not {size}")
    return item


def as_recipient(item: Item) -> bytes | None:
    """A recipient: an address, or None for the empty string, which creates a contract. Raises DecodeError."""
    data = as_bytes(item, name="to")
    if not data:
        return None
    if len(data) != ADDRESS:
        raise DecodeError(f"to: {len(data)} bytes, not {ADDRESS}")
    return data
