"""Compact block filters (BIP158): which scripts a block touches, in few bytes; and the index that keeps them.

It refuses to know who asks: peers and RPC read what lies here.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from ledger.api import Applied
from p2p.compact import siphash
from primitives.buffer import Reader, compact_size
from primitives.chain import Entry
from primitives.errors import DecodeError
from primitives.hashing import sha256d
from storage.kv import KV, Journal
from storage.layout import FILTER

RICE: Final = 19
"""Bits of a remainder."""
RANGE: Final = 784_931
"""One in so many scripts that a block does not hold seems to be in its filter."""
_RETURN: Final = 0x6A


@dataclass(frozen=True, slots=True)
class BlockFilter:
    """A basic filter, and its header, which commits to all filters before it."""

    header: bytes
    data: bytes


def elements(block: Any, spent: Iterable[Any]) -> set[bytes]:
    """The scripts of a block's outputs, RETURN left out, and of the coins that it spends; the empty one left out."""
    found = {o.script for tx in block.txs for o in tx.outputs if o.script and o.script[0] != _RETURN}
    found.update(coin.script for coin in spent)
    found.discard(b"")
    return found


def basic_filter(key: bytes, scripts: Iterable[bytes]) -> bytes:
    """The filter of a set of scripts under a block's hash: how many, then a Golomb-coded set of their hashes."""
    items = set(scripts)
    bound = len(items) * RANGE
    values = sorted(_hashed(key, item, bound) for item in items)
    bits, length, last = 0, 0, 0
    for value in values:
        quotient, rest = divmod(value - last, 1 << RICE)
        bits = (bits << quotient + 1 | (1 << quotient + 1) - 2) << RICE | rest
        length += quotient + 1 + RICE
        last = value
    padding = -length % 8
    return compact_size(len(items)) + (bits << padding).to_bytes((length + padding) // 8, "big")


def matches(data: bytes, key: bytes, scripts: Iterable[bytes]) -> bool:
    """Whether any of these scripts is in a filter, as far as the filter can tell. Raises DecodeError."""
    r = Reader(data)
    count = r.compact()
    wanted = {_hashed(key, item, count * RANGE) for item in scripts}
    return not wanted.isdisjoint(_values(r.bytes(r.left), count))


def _hashed(key: bytes, item: bytes, bound: int) -> int:
    k0, k1 = int.from_bytes(key[:8], "little"), int.from_bytes(key[8:16], "little")
    return siphash(k0, k1, item) * bound >> 64


def _values(coded: bytes, count: int) -> set[int]:
    bits = f"{int.from_bytes(coded, 'big'):0{8 * len(coded)}b}" if coded else ""
    found, at, last = set(), 0, 0
    for _ in range(count):
        end = bits.find("0", at)
        if end < 0 or end + 1 + RICE > len(bits):
            raise DecodeError("a block filter ends too early")
        last += (end - at << RICE) + int(bits[end + 1 : end + 1 + RICE], 2)
        found.add(last)
        at = end + 1 + RICE
    return found


def chained(data: bytes, before: bytes) -> bytes:
    """The filter header of a filter after another's (BIP157)."""
    return sha256d(sha256d(data) + before)


def find_filter(kv: KV, block: bytes) -> BlockFilter | None:
    """The filter of a connected block, where the index is kept."""
    found = kv.get(FILTER + block)
    return None if found is None else BlockFilter(found[:32], found[32:])


@dataclass(frozen=True, slots=True)
class FilterIndex:
    """The basic filter of every connected block, and its header."""

    name: str = "filters"

    def on_connect(self, block: Any, entry: Entry[Any], applied: Applied, journal: Journal) -> None:
        """Write the block's filter, chained to its parent's."""
        data = basic_filter(entry.hash, elements(block, applied.spent))
        before = find_filter(journal, entry.header.parent) if entry.height else None
        journal.put(FILTER + entry.hash, chained(data, bytes(32) if before is None else before.header) + data)
