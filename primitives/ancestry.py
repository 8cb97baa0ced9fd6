"""Upto: a branch cut off at one of its ancestors, for judging what was built there (ommers).

Knows no rule and no store.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Generic, TypeVar

from primitives.chain import Branch, Entry, Header

H = TypeVar("H", bound=Header)

GENERATIONS: Final = 7
"""How far up an ommer's parent may lie, counted from the parent of the block that names it (Yellow Paper, 11.1)."""


class Upto(Generic[H]):
    """The branch that ends in the ancestor of another branch at a height."""

    __slots__ = ("_branch", "_height")

    def __init__(self, branch: Branch[H], height: int) -> None:
        self._branch = branch
        self._height = height

    @property
    def tip(self) -> Entry[H]:
        """The last entry."""
        return self._branch.at(self._height)

    def at(self, height: int) -> Entry[H]:
        """The entry at a height from 0 to the tip's. Raises IndexError beyond."""
        if height > self._height:
            raise IndexError(f"height {height} is above the tip at {self._height}")
        return self._branch.at(height)

    def last(self, count: int) -> Sequence[Entry[H]]:
        """The newest entries, newest first, fewer where the chain is shorter."""
        return [self._branch.at(h) for h in range(self._height, max(-1, self._height - count), -1)]

    def median_time(self) -> int:
        """Median of the last eleven timestamps (of fewer, near genesis)."""
        times = sorted(e.header.timestamp for e in self.last(11))
        return times[len(times) // 2]


def ommer_branch(ommer: Header, branch: Branch[Any]) -> Branch[Any] | None:
    """The branch that an ommer extends, None where its parent is no recent ancestor of a child of `branch`."""
    for entry in branch.last(GENERATIONS):
        if entry.hash == ommer.parent:
            return Upto(branch, entry.height)
    return None
