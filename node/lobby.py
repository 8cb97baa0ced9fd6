"""What becomes of blocks that wait: taken in when their parent or their time comes, sent away when they can never be good.

It judges nothing itself: it hands blocks back to the chain.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

from node.results import Judged, Observer, Parked, Rejected
from node.view import encode_block
from node.waiting import Waiter, WaitingRoom
from primitives.chain import Entry, Format
from primitives.errors import ChainError, Invalid, InvalidBlock, MalformedBlock, Missing, Premature

Judge = Callable[[Any, int], tuple[Entry[Any] | None, ChainError | None]]
"""Takes in one block at a time `now`: its entry, or what is wrong."""


class Lobby:
    """The waiting room and its door."""

    def __init__(
        self, room: WaitingRoom, fmt: Format, drift: Callable[[int], int], judge: Judge, tell: Observer
    ) -> None:
        self.room = room
        self._fmt = fmt
        self._drift = drift
        self._judge = judge
        self._tell = tell

    def park(self, block: Any, reason: Missing | Premature, source: object) -> Parked:
        """Let a block wait for what the reason names, if there is room."""
        parent = reason.hashes[0] if isinstance(reason, Missing) else None
        due = 0 if parent is not None else block.header.timestamp - self._drift(block.header.timestamp)
        waiter = Waiter(block, len(encode_block(block, self._fmt)), parent, due, source)
        return Parked(block.header.hash, reason, self.room.add(waiter))

    def release(self, hashes: Iterable[bytes], now: int) -> None:
        """Take in the blocks that waited for these."""
        if len(self.room):
            self._take_in(deque(w for key in hashes for w in self.room.take_children(key)), now)

    def tick(self, now: int) -> None:
        """Take in the blocks that the clock has reached."""
        if len(self.room):
            self._take_in(deque(self.room.take_due(now)), now)

    def _take_in(self, queue: deque[Waiter], now: int) -> None:
        while queue:
            waiter = queue.popleft()
            entry, error = self._judge(waiter.block, now)
            if isinstance(error, (Missing, Premature)):
                self.park(waiter.block, error, waiter.source)
            elif error is not None:
                self._tell(Rejected(waiter.hash, error, waiter.source))
                self.dismiss(waiter.hash, error)
            elif entry is not None:
                self._tell(Judged(entry, waiter.source))
                queue += self.room.take_children(waiter.hash)

    def dismiss(self, key: bytes, error: ChainError) -> None:
        """Send away the blocks that waited for one that can never be good."""
        if isinstance(error, MalformedBlock) or not isinstance(error, Invalid):
            return
        queue = self.room.take_children(key)
        while queue:
            waiter = queue.pop()
            self._tell(Rejected(waiter.hash, InvalidBlock("bad-prevblk", "its parent turned out bad"), waiter.source))
            queue += self.room.take_children(waiter.hash)
