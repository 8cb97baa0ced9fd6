"""The numbers that bound what a peer can cost, and the token bucket that meters it.

Sources: Bitcoin Core, net.h and net_processing.cpp, unless said otherwise.
"""

from __future__ import annotations

from primitives.errors import SystemFault

PING_INTERVAL = 120.0
PONG_TIMEOUT = 1200.0
"""Seconds without a pong, or without any byte either way, after which a peer is gone."""
MESSAGE_DEADLINE = 60.0
"""Seconds in which a message of up to 4 MB must arrive whole; ours, against a peer that sends a byte a second."""
READ_CHUNK = 1 << 16
SEND_BUFFER = 1_000_000
"""Bytes that wait to be sent before nothing more is served to the peer."""
SEND_SLACK = 8
"""How many largest messages may wait beyond that before the peer is cut off."""
BACKLOG = 1_000
"""Requested items that wait to be served before the peer's next message is read."""
MESSAGES_PER_TURN = 32
TURN_SECONDS = 0.002
"""After so many messages of one peer, or so much time with them, the others have a turn."""
MAX_CONNECTIONS = 125
FULL_OUTBOUND = 8
BLOCK_ONLY_OUTBOUND = 2
ANCHORS = 2
FEELER_INTERVAL = 120.0
DISCOURAGE_SECONDS = 24 * 60 * 60
MAX_DISCOURAGED = 10_000
MAX_BANS = 10_000
ADDR_RATE = 0.1
ADDR_BURST = 1_000.0
MAX_UNDECODABLE = 100
"""Messages in a row that do not decode before a peer is cut off; ours."""


class TokenBucket:
    """Tokens that refill at a rate up to a burst; time is an argument."""

    __slots__ = ("_at", "burst", "rate", "tokens")

    def __init__(self, rate: float, burst: float, now: float, tokens: float | None = None) -> None:
        if rate < 0 or burst <= 0:
            raise SystemFault("a token bucket refills at a positive rate")
        self.rate, self.burst = rate, burst
        self.tokens = burst if tokens is None else tokens
        self._at = now

    def holds(self, now: float, count: float = 1.0) -> bool:
        """Whether so many tokens are there; takes none."""
        if now > self._at:
            if self.tokens < self.burst:
                self.tokens = min(self.burst, self.tokens + (now - self._at) * self.rate)
            self._at = now
        return self.tokens >= count

    def take(self, now: float, count: float = 1.0) -> bool:
        """Take tokens if there are that many."""
        if not self.holds(now, count):
            return False
        self.tokens -= count
        return True

    def grant(self, count: float) -> None:
        """Add tokens for what was asked for; they may exceed the burst."""
        self.tokens += count


class RecentSet:
    """Remembers the last keys that were added: at least `size` of them, at most twice as many."""

    __slots__ = ("_new", "_old", "size")

    def __init__(self, size: int) -> None:
        self.size = size
        self._new: set[bytes] = set()
        self._old: set[bytes] = set()

    def __contains__(self, key: bytes) -> bool:
        return key in self._new or key in self._old

    def __len__(self) -> int:
        return len(self._new) + len(self._old)

    def add(self, key: bytes) -> None:
        """Remember a key."""
        if key not in self._new:
            if len(self._new) >= self.size:
                self._old, self._new = self._new, set()
            self._new.add(key)

    def discard(self, key: bytes) -> None:
        """Forget a key."""
        self._new.discard(key)
        self._old.discard(key)

    def clear(self) -> None:
        """Forget all."""
        self._new, self._old = set(), set()
