"""VirtualLoop: an asyncio event loop whose clock jumps to the next timer, so that days pass in seconds and nothing races.

It owns no file descriptor and starts no thread. Time begins at 0: near 1.7e9 a double's steps are too coarse to add delays to.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from threading import get_ident
from typing import Any, NoReturn, TypeVar

T = TypeVar("T")


class Deadlock(RuntimeError):
    """Nothing is ready and no timer is set: what is awaited can never happen."""


class _Selector:
    """Stands where a loop asks the machine for events; here time is the only event."""

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop

    def select(self, timeout: float | None) -> list[Any]:
        """Move the clock to the next timer."""
        if timeout is None:
            raise Deadlock("every task waits, and no timer is set")
        if timeout > 0:
            self._loop.jump()
        return []

    def close(self) -> None:
        """There is nothing to close."""


class VirtualLoop(asyncio.BaseEventLoop):
    """Runs unchanged asyncio code under virtual time."""

    def __init__(self) -> None:
        self._now = 0.0
        super().__init__()
        self._clock_resolution = 1e-9
        self._selector = _Selector(self)
        self.faults: list[dict[str, Any]] = []
        """What reached the loop's exception handler: a lost task's error is a found fault."""
        self.set_exception_handler(self._fault)

    def _fault(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        if not isinstance(
            context.get("exception"), asyncio.CancelledError
        ):  # streams of 3.11 report a cancelled server
            self.faults.append(context)

    def time(self) -> float:
        """Virtual seconds since the loop was made."""
        return self._now

    def jump(self) -> None:
        """Set the clock to the earliest timer."""
        scheduled: list[asyncio.TimerHandle] = self._scheduled  # type: ignore[attr-defined]
        self._now = max(self._now, scheduled[0].when())

    def _process_events(self, event_list: list[Any]) -> None:
        return None

    def _write_to_self(self) -> None:
        if get_ident() != self._thread_id:  # type: ignore[attr-defined]
            raise RuntimeError("a thread called into the virtual loop")

    def run_in_executor(self, executor: Any, func: Any, *args: Any) -> NoReturn:  # type: ignore[override]
        """Refuse: threads have no place in virtual time; Env's methods run work inline."""
        raise RuntimeError("a thread was asked for under virtual time")


def run(main: Callable[[VirtualLoop], Coroutine[Any, Any, T]]) -> T:
    """Run a coroutine to its end on a fresh virtual loop and return its result.

    Raises what it raises, Deadlock, or RuntimeError for an error that a task left unobserved.
    """
    loop = VirtualLoop()
    try:
        result = loop.run_until_complete(main(loop))
        _end(loop)
        if loop.faults:
            first = loop.faults[0]
            raise RuntimeError(f"unobserved: {first.get('message')}") from first.get("exception")
        return result
    finally:
        _end(loop)
        loop.close()


def _end(loop: VirtualLoop) -> None:
    """Cancel what is left, oldest first by name, and let it end."""
    tasks = sorted(asyncio.all_tasks(loop), key=lambda t: (len(t.get_name()), t.get_name()))
    for task in tasks:
        task.cancel()
    if tasks:
        loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
    loop.run_until_complete(loop.shutdown_asyncgens())
