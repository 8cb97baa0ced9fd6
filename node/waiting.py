"""Bounded room for blocks whose parent is not here yet, or that are ahead of the clock. Knows no rule and no peer by name.

A block that waits for the clock has shown its proof; one that waits for its parent has not, so each source has its own share.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

MOST_BLOCKS: Final = 1024
MOST_BYTES: Final = 64 << 20
MOST_BYTES_OF_ONE: Final = 16 << 20


@dataclass(frozen=True, slots=True)
class Waiter:
    """A block that waits, what for, and who brought it."""

    block: Any
    size: int
    parent: bytes | None
    """The hash it waits for; None: it waits for the clock."""
    due: int
    """The second from which it is lawful, where it waits for the clock."""
    source: object = None

    @property
    def hash(self) -> bytes:
        """Hash of the block."""
        found: bytes = self.block.header.hash
        return found


class WaitingRoom:
    """Blocks that wait. When it is full the oldest of the same source goes first, then the oldest of all."""

    def __init__(self, most: int = MOST_BLOCKS, size: int = MOST_BYTES, size_of_one: int = MOST_BYTES_OF_ONE) -> None:
        self.most = most
        self.size = size
        self.size_of_one = size_of_one
        self._waiters: OrderedDict[bytes, Waiter] = OrderedDict()
        self._by_parent: dict[bytes, list[bytes]] = {}
        self._sizes: dict[object, int] = {}
        self._total = 0

    def __len__(self) -> int:
        return len(self._waiters)

    def __contains__(self, key: bytes) -> bool:
        return key in self._waiters

    @property
    def used(self) -> int:
        """The bytes of all blocks that wait."""
        return self._total

    def add(self, waiter: Waiter) -> bool:
        """Let a block wait; false where it is larger than the room of its source."""
        if waiter.hash in self._waiters:
            return True
        share = self.size if waiter.source is None else min(self.size, self.size_of_one)
        if waiter.size > share:
            return False
        while self._sizes.get(waiter.source, 0) + waiter.size > share:
            self._remove(next(key for key, w in self._waiters.items() if w.source == waiter.source))
        while len(self._waiters) >= self.most or self._total + waiter.size > self.size:
            self._remove(next(iter(self._waiters)))
        self._waiters[waiter.hash] = waiter
        self._sizes[waiter.source] = self._sizes.get(waiter.source, 0) + waiter.size
        self._total += waiter.size
        if waiter.parent is not None:
            self._by_parent.setdefault(waiter.parent, []).append(waiter.hash)
        return True

    def _remove(self, key: bytes) -> Waiter:
        waiter = self._waiters.pop(key)
        self._total -= waiter.size
        left = self._sizes[waiter.source] - waiter.size
        if left:
            self._sizes[waiter.source] = left
        else:
            del self._sizes[waiter.source]
        if waiter.parent is not None:
            siblings = self._by_parent[waiter.parent]
            siblings.remove(key)
            if not siblings:
                del self._by_parent[waiter.parent]
        return waiter

    def discard(self, key: bytes) -> None:
        """It need not wait any more."""
        if key in self._waiters:
            self._remove(key)

    def children(self, parent: bytes) -> list[Any]:
        """The blocks that wait for this one; they go on waiting."""
        return [self._waiters[key].block for key in self._by_parent.get(parent, ())]

    def take_children(self, parent: bytes) -> list[Waiter]:
        """Take out the blocks that waited for this one."""
        return [self._remove(key) for key in list(self._by_parent.get(parent, ()))]

    def take_due(self, now: int) -> list[Waiter]:
        """Take out the blocks that the clock has reached, in the order in which they came."""
        return [self._remove(key) for key in [k for k, w in self._waiters.items() if w.parent is None and w.due <= now]]

    def next_due(self) -> int | None:
        """When the clock reaches the next one."""
        return min((w.due for w in self._waiters.values() if w.parent is None), default=None)

    def missing(self) -> Iterator[bytes]:
        """The parents that are waited for and do not wait themselves: worth asking peers for."""
        return (parent for parent in self._by_parent if parent not in self._waiters)

    def drop_source(self, source: object) -> None:
        """Let go of all that one source brought (it left)."""
        for key in [k for k, w in self._waiters.items() if w.source == source]:
            self._remove(key)
