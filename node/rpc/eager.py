"""Starting a coroutine at once: one that never waits is done without a task, one that does goes on in one.

What Python 3.12 knows as eager tasks, but that up to its first wait there is no current task: `asyncio.timeout` has to come later.
It knows no server.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Generator
from contextvars import copy_context
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class _Rest(Generic[T]):
    """The rest of a coroutine that waits for something."""

    def __init__(self, coroutine: Coroutine[Any, Any, T], waits_for: Any) -> None:
        self._coroutine = coroutine
        self._waits_for = waits_for

    def __await__(self) -> Generator[Any, Any, T]:
        waits_for = self._waits_for
        while True:
            try:
                try:
                    value = yield waits_for
                except BaseException as e:
                    waits_for = self._coroutine.throw(e)
                else:
                    waits_for = self._coroutine.send(value)
            except StopIteration as done:
                result: T = done.value
                return result


async def _finish(rest: _Rest[T]) -> T:
    return await rest


def begin(coroutine: Coroutine[Any, Any, T], loop: asyncio.AbstractEventLoop) -> T | asyncio.Task[T]:
    """Its result where it never waited, else the task that finishes it. Raises what the coroutine raises before it waits."""
    context = copy_context()
    try:
        waits_for = context.run(coroutine.send, None)
    except StopIteration as done:
        result: T = done.value
        return result
    return loop.create_task(_finish(_Rest(coroutine, waits_for)), context=context)
