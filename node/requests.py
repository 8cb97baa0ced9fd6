"""Requests: which transaction to ask of which peer, one at a time, again elsewhere when no answer comes. Bounded for each peer.

Time is an argument; it sends nothing. Source of the rules: Bitcoin Core, txrequest.h.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from heapq import heappop, heappush

MOST_ANNOUNCED = 5_000
"""Hashes that one peer may announce before more are ignored."""
MOST_ASKED = 100
"""Transactions asked of one peer at a time."""
EXPIRY = 60.0
"""Seconds after which a transaction is asked of another peer."""


@dataclass(slots=True)
class Wanted:
    """A transaction that is not here: who announced it, from when each may be asked, and who is being asked."""

    kind: int
    announcers: dict[int, tuple[float, bool]] = field(default_factory=dict)
    """peer -> (may be asked from, preferred)"""
    asked: int | None = None
    until: float = 0.0


class Requests:
    """All announced transactions."""

    def __init__(self) -> None:
        self.wanted: dict[bytes, Wanted] = {}
        self._by_peer: dict[int, dict[bytes, None]] = {}
        self._asked: dict[int, int] = {}
        self._due: list[tuple[float, int, bytes]] = []
        self._counter = 0

    def __len__(self) -> int:
        return len(self.wanted)

    def room(self, peer: int) -> int:
        """How many more hashes a peer may announce."""
        return MOST_ANNOUNCED - len(self._by_peer.get(peer, ()))

    def announced(self, peer: int, key: bytes, kind: int, ready: float, preferred: bool) -> None:
        """A peer has a transaction and may be asked for it from a time on."""
        mine = self._by_peer.setdefault(peer, {})
        if key in mine or len(mine) >= MOST_ANNOUNCED:
            return
        mine[key] = None
        wanted = self.wanted.get(key)
        if wanted is None:
            wanted = self.wanted[key] = Wanted(kind)
        wanted.announcers[peer] = (ready, preferred)
        self._push(ready, key)

    def _push(self, at: float, key: bytes) -> None:
        self._counter += 1
        heappush(self._due, (at, self._counter, key))

    def poll(self, now: float) -> list[tuple[int, int, bytes]]:
        """What to ask now: (peer, kind, hash), in the order in which it became due."""
        asks = []
        again: list[bytes] = []
        while self._due and self._due[0][0] <= now:
            key = heappop(self._due)[2]
            wanted = self.wanted.get(key)
            if wanted is None:
                continue
            if wanted.asked is not None:
                if wanted.until > now:
                    continue
                self._drop(wanted.asked, key)  # it had its time: not asked again
                wanted = self.wanted.get(key)
                if wanted is None:
                    continue
            peer = self._choose(wanted, now)
            if peer is not None:
                wanted.asked, wanted.until = peer, now + EXPIRY
                self._asked[peer] = self._asked.get(peer, 0) + 1
                self._push(wanted.until, key)
                asks.append((peer, wanted.kind, key))
            elif any(ready <= now for ready, _ in wanted.announcers.values()):
                again.append(key)  # all that may be asked owe too many answers
        for key in again:
            self._push(now + 1.0, key)
        return asks

    def _choose(self, wanted: Wanted, now: float) -> int | None:
        """Of those that may be asked and owe few answers, a preferred one, the first that announced it."""
        best: int | None = None
        for peer, (ready, preferred) in wanted.announcers.items():
            if ready <= now and self._asked.get(peer, 0) < MOST_ASKED:
                if preferred:
                    return peer
                if best is None:
                    best = peer
        return best

    @property
    def next(self) -> float | None:
        """When to poll again."""
        return self._due[0][0] if self._due else None

    def came(self, key: bytes) -> None:
        """A transaction is here, or not wanted any more."""
        wanted = self.wanted.pop(key, None)
        if wanted is None:
            return
        if wanted.asked is not None:
            self._asked[wanted.asked] -= 1
        for peer in wanted.announcers:
            self._by_peer[peer].pop(key, None)

    def not_found(self, peer: int, key: bytes, now: float) -> None:
        """A peer does not have it after all."""
        wanted = self.wanted.get(key)
        if wanted is not None and wanted.asked == peer:
            self._drop(peer, key)
            if key in self.wanted:
                self._push(now, key)

    def _drop(self, peer: int, key: bytes) -> None:
        """Forget that a peer announced it."""
        wanted = self.wanted[key]
        if wanted.asked == peer:
            wanted.asked = None
            self._asked[peer] -= 1
        wanted.announcers.pop(peer, None)
        self._by_peer[peer].pop(key, None)
        if not wanted.announcers:
            del self.wanted[key]

    def left(self, peer: int, now: float) -> None:
        """A peer is gone: others are asked for what it owed."""
        for key in list(self._by_peer.get(peer, ())):
            wanted = self.wanted[key]
            was_asked = wanted.asked == peer
            self._drop(peer, key)
            if was_asked and key in self.wanted:
                self._push(now, key)
        self._by_peer.pop(peer, None)
        self._asked.pop(peer, None)
