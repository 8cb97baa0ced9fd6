"""Allowance: how long what a call executes may take. The interpreter looks whether it is used up; the loop's clock uses it up.

It knows no method and no interpreter.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from node.rpc.dispatch import Call
from node.rpc.registry import injected

SECONDS = 5.0
"""Of one call, as in geth."""
LOOK = 0.25
"""Seconds between two looks at the clock."""


@injected
class Allowance(list[bool]):
    """Empty while time is left: a list, because asking whether a list is empty costs a loop of instructions next to nothing."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        super().__init__()
        self._monotonic = monotonic
        self.seconds = SECONDS
        self.deadline = monotonic() + SECONDS

    def renew(self, seconds: float | None = None) -> None:
        """Another transaction is executed for the same call, or its client gave it other time."""
        if seconds is not None:
            self.seconds = seconds
        self.deadline = self._monotonic() + self.seconds


class Allowances:
    """All that calls use now. Opened on the thread that works, looked at on the loop."""

    def __init__(self, monotonic: Callable[[], float], busy: Callable[[], bool]) -> None:
        """`busy`: whether calls are under way, which may yet open one."""
        self._monotonic = monotonic
        self._busy = busy
        self._open: dict[int, Allowance] = {}
        self._timer: asyncio.TimerHandle | None = None

    @contextmanager
    def provide(self, call: Call) -> Iterator[Allowance]:
        """A call's own; it begins when the call has a thread."""
        allowance = Allowance(self._monotonic)
        self._open[id(allowance)] = allowance
        try:
            yield allowance
        finally:
            del self._open[id(allowance)]

    def watch(self) -> None:
        """A call is under way: look at the clock while there are any. On the loop."""
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(LOOK, self.look)

    def look(self) -> None:
        """Use up those whose time is over."""
        self._timer = None
        now = self._monotonic()
        for allowance in list(self._open.values()):
            if now > allowance.deadline and not allowance:
                allowance.append(True)
        if self._busy():
            self.watch()
