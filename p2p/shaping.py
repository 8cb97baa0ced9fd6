"""Shaping: makes what is sent to a peer travel as over a slower line: late, a little at a time, some of it twice. For local networks.

It refuses to know what the bytes mean; they always arrive whole and in order, as TCP would have it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Final

PACKET: Final = 1_460
"""Bytes of a TCP segment on Ethernet."""
RETRY: Final = 0.2
"""Seconds until what was lost is sent again (Linux's least retransmission timeout)."""


@dataclass(frozen=True, slots=True)
class Link:
    """How one direction of a connection behaves."""

    latency: float = 0.0
    """Seconds that everything takes."""
    jitter: float = 0.0
    """Up to so many seconds more, drawn for each message."""
    loss: float = 0.0
    """Chance that a packet is lost and sent again, which delays all behind it. Below 1."""
    bandwidth: float = 0.0
    """Bytes a second; 0: no bound."""

    @property
    def plain(self) -> bool:
        """Whether it changes nothing."""
        return not (self.latency or self.jitter or self.loss or self.bandwidth)


def retries(size: int, loss: float, random: Random) -> int:
    """How often something of so many bytes waits for packets that were lost, all of a round being sent again together."""
    rounds, left = 0, -(-size // PACKET)
    while left and loss:
        left = sum(random.random() < loss for _ in range(left))
        rounds += left > 0
    return rounds


class Shaper:
    """The line from this node to one peer."""

    def __init__(self, link: Link, random: Random, clock: Callable[[], float], write: Callable[[bytes], None]) -> None:
        self.link = link
        self.waiting = 0
        """Bytes that are under way."""
        self._random = random
        self._clock = clock
        self._write = write
        self._free = self._last = 0.0
        self._flying: deque[bytes] = deque()
        self._timers: deque[asyncio.TimerHandle] = deque()
        self._arrived = asyncio.Event()

    def send(self, data: bytes) -> None:
        """Set bytes on their way, behind all that is under way."""
        link, now = self.link, self._clock()
        self._free = max(self._free, now) + (len(data) / link.bandwidth if link.bandwidth else 0.0)
        when = self._free + link.latency + self._random.uniform(0, link.jitter)
        when += RETRY * retries(len(data), link.loss, self._random)
        self._last = max(self._last, when)
        self.waiting += len(data)
        self._flying.append(data)
        self._timers.append(asyncio.get_running_loop().call_later(max(0.0, self._last - now), self._land))

    def _land(self) -> None:
        self._timers.popleft()
        data = self._flying.popleft()  # equal timers fire in any order, the bytes do not
        self.waiting -= len(data)
        self._write(data)
        self._arrived.set()
        self._arrived.clear()

    async def progress(self) -> None:
        """Wait until something arrives."""
        if self._flying:
            await self._arrived.wait()

    def cut(self) -> None:
        """Drop what is under way."""
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()
        self._flying.clear()
        self.waiting = 0
        self._arrived.set()
