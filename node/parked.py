"""Parked transactions: lawful perhaps, but something they need is not known yet. Bounded; the oldest goes first.

UTXO orphans (an input nobody has seen) and queued account transactions (a nonce gap) wait here alike.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

MOST = 100
MOST_SIZE = 100_000
EXPIRY = 20 * 60


@dataclass(frozen=True, slots=True)
class Waiting:
    """A transaction, who sent it, what it waits for, and since when."""

    tx: Any
    id: bytes
    size: int
    source: int | None
    needs: frozenset[bytes]
    since: int


class Parked:
    """At most `most` transactions of at most 100,000 bytes each, for 20 minutes (Bitcoin Core, txorphanage)."""

    def __init__(self, most: int = MOST) -> None:
        self.most = most
        self._waiting: dict[bytes, Waiting] = {}
        self._by_need: dict[bytes, set[bytes]] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    def __contains__(self, txid: bytes) -> bool:
        return txid in self._waiting

    def __iter__(self) -> Iterator[Waiting]:
        return iter(list(self._waiting.values()))

    def add(self, item: Waiting) -> bool:
        """Park it; false where it is too large or already here."""
        if item.size > MOST_SIZE or item.id in self._waiting:
            return False
        while len(self._waiting) >= self.most:
            self.remove(next(iter(self._waiting)))
        self._waiting[item.id] = item
        for need in item.needs:
            self._by_need.setdefault(need, set()).add(item.id)
        return True

    def remove(self, txid: bytes) -> Waiting | None:
        """Take it out."""
        item = self._waiting.pop(txid, None)
        if item is not None:
            for need in item.needs:
                holders = self._by_need.get(need)
                if holders is not None:
                    holders.discard(txid)
                    if not holders:
                        del self._by_need[need]
        return item

    def take(self, tokens: Iterable[bytes]) -> list[Waiting]:
        """Those that wait for one of these tokens, in the order they came; they are out afterwards."""
        ids = {i for token in tokens for i in self._by_need.get(token, ())}
        ready = [w for i, w in self._waiting.items() if i in ids]
        for item in ready:
            self.remove(item.id)
        return ready

    def drain(self) -> list[Waiting]:
        """All of them, in the order they came; none is left."""
        items = list(self._waiting.values())
        self._waiting.clear()
        self._by_need.clear()
        return items

    def forget_peer(self, source: int) -> None:
        """A peer has gone: so do the transactions that it sent."""
        for txid in [i for i, w in self._waiting.items() if w.source == source]:
            self.remove(txid)

    def expire(self, now: int) -> None:
        """Drop what has waited 20 minutes."""
        for txid in [i for i, w in self._waiting.items() if w.since + EXPIRY < now]:
            self.remove(txid)
