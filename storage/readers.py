"""Snapshots that are held too long: a brief read is cut off after some seconds, for it keeps the store from reusing its pages.

It knows no clock: whoever has one calls `tick` once a second. Only reads that were said to be brief are cut, never a job's.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from threading import Lock
from typing import Final, Protocol, TypeVar

from primitives.errors import SystemFault

T = TypeVar("T")
PATIENCE: Final = 5
"""Seconds that a brief read may last."""
_BRIEF: ContextVar[bool] = ContextVar("brief", default=False)


class SlowRead(SystemFault):
    """A read that was to be brief took too long and was cut off; nothing is wrong with the data."""

    def __init__(self) -> None:
        super().__init__(f"the read took longer than {PATIENCE} s and was cut off")


class Cuttable(Protocol):
    """A snapshot that can be made to refuse all further reads, from any thread."""

    def cut(self) -> None:
        """From now on every read raises SlowRead."""
        ...


def brief(work: Callable[[], T]) -> Callable[[], T]:
    """The same work, whose snapshots are cut off when they are held too long."""
    return _saying(True, work)


def lasting(work: Callable[[], T]) -> Callable[[], T]:
    """The same work as a job: its snapshots may be held as long as it takes."""
    return _saying(False, work)


def _saying(is_brief: bool, work: Callable[[], T]) -> Callable[[], T]:
    def said() -> T:
        token = _BRIEF.set(is_brief)
        try:
            return work()
        finally:
            _BRIEF.reset(token)

    return said


class Readers:
    """The brief reads of one store, and for how many ticks each has lasted."""

    __slots__ = ("_ages", "_lock")

    def __init__(self) -> None:
        self._ages: dict[int, tuple[Cuttable, int]] = {}
        self._lock = Lock()

    def __len__(self) -> int:
        return len(self._ages)

    def enter(self, view: Cuttable) -> None:
        """A snapshot was opened; it is watched where the work that opened it is brief."""
        if _BRIEF.get():
            with self._lock:
                self._ages[id(view)] = (view, 0)

    def leave(self, view: Cuttable) -> None:
        """It was closed."""
        if self._ages:
            with self._lock:
                self._ages.pop(id(view), None)

    def tick(self) -> int:
        """A second has passed: cut what has lasted too long; how many those are."""
        late: list[Cuttable] = []
        with self._lock:
            for key, (view, age) in self._ages.items():
                self._ages[key] = (view, age + 1)
                if age + 1 > PATIENCE:
                    late.append(view)
        for view in late:
            view.cut()
        return len(late)
