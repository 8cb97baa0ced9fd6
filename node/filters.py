"""Compact block filters (BIP158, basic): which scripts a block touches, as a Golomb-Rice coded set, and the chain of their headers.

Knows scripts as bytes alone, and nothing of how filters are stored or served.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from ledger.api import Applied
from primitives.buffer import Reader, compact_size
from primitives.chain import Entry
from primitives.errors import DecodeError, SystemFault
from primitives.hashing import sha256d, siphash
from storage.kv import KV, Journal
from storage.layout import FILTER

_P: Final = 19
_M: Final = 784931
_RETURN: Final = 0x6A


def _places(block: bytes, items: Iterable[bytes], size: int) -> list[int]:
    """The items as sorted numbers below `size`, under the key that the block's hash gives."""
    k0, k1 = int.from_bytes(block[:8], "little"), int.from_bytes(block[8:16], "little")
    return sorted(siphash(k0, k1, item) * size >> 64 for item in items)


def encode_filter(block: bytes, items: set[bytes]) -> bytes:
    """The filter of a set of items: their count, then the distances between their places, Golomb-Rice coded."""
    bits: list[str] = []
    last = 0
    for place in _places(block, items, len(items) * _M):
        step, last = place - last, place
        bits.append("1" * (step >> _P) + "0" + format(step & (1 << _P) - 1, f"0{_P}b"))
    text = "".join(bits)
    text += "0" * (-len(text) % 8)
    return compact_size(len(items)) + int(text or "0", 2).to_bytes(len(text) // 8, "big")


def decode_filter(data: bytes) -> tuple[int, list[int]]:
    """How many items a filter holds, and their places in order. Raises DecodeError."""
    r = Reader(data)
    count = r.compact()
    body = r.bytes(r.left)
    if count * (_P + 1) > 8 * len(body):
        raise DecodeError(f"a filter of {len(body)} bytes cannot hold {count} items")
    text = format(int.from_bytes(body, "big"), f"0{8 * len(body)}b") if body else ""
    places: list[int] = []
    at = last = 0
    for _ in range(count):
        stop = text.find("0", at)
        if stop < 0 or stop + 1 + _P > len(text):
            raise DecodeError("a filter ends within an item")
        last += (stop - at << _P) + int(text[stop + 1 : stop + 1 + _P], 2)
        places.append(last)
        at = stop + 1 + _P
    if len(text) - at >= 8 or "1" in text[at:]:
        raise DecodeError("a filter has trailing bits")
    return count, places


def matches(block: bytes, data: bytes, items: Iterable[bytes]) -> bool:
    """Whether the filter holds any of the items: always where it does, rarely (1 in 784,931 each) where it does not."""
    count, places = decode_filter(data)
    return bool(count) and not set(places).isdisjoint(_places(block, items, count * _M))


def basic_filter(block: Any, spent: Iterable[bytes]) -> bytes:
    """The basic filter of a Bitcoin block: scripts of its outputs, RETURN ones left out, and of the coins that it spends."""
    items = {script for script in spent if script}
    items.update(o.script for tx in block.txs for o in tx.outputs if o.script and o.script[0] != _RETURN)
    return encode_filter(block.header.hash, items)


def filter_header(data: bytes, previous: bytes) -> bytes:
    """The header of a filter, which binds all before it (BIP157)."""
    return sha256d(sha256d(data) + previous)


@dataclass(frozen=True, slots=True)
class FilterIndex:
    """The basic filter and filter header of each block of the connected chain."""

    name: str = "filters"

    def on_connect(self, block: Any, entry: Entry[Any], applied: Applied, journal: Journal) -> None:
        """Write filter and header under the block's hash. Raises SystemFault where the parent's header is missing."""
        previous = journal.get(FILTER + entry.header.parent) if entry.height else bytes(32)
        if previous is None:
            raise SystemFault(f"the filter of the block at height {entry.height - 1} is missing")
        data = basic_filter(block, (coin.script for coin in applied.spent))
        journal.put(FILTER + entry.hash, filter_header(data, previous[:32]) + data)


def find_filter(kv: KV, block: bytes) -> tuple[bytes, bytes] | None:
    """Filter header and filter of a block, or None."""
    found = kv.get(FILTER + block)
    return None if found is None else (found[:32], found[32:])
