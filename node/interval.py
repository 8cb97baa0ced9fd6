"""Interval: work that the chain thread does every so many seconds, as long as it is wanted. It refuses to know which work."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from node.node import Node


class Interval:
    """Off until it is set. It belongs to the loop."""

    def __init__(self, node: Node, work: Callable[[], object]) -> None:
        self._node = node
        self._work = work
        self._task: asyncio.Task[None] | None = None

    def set(self, seconds: float) -> None:
        """Do the work every so many seconds from now on; 0: no longer."""
        if self._task is not None:
            self._task.cancel()
            self._task = None
        if seconds > 0:
            self._task = asyncio.get_running_loop().create_task(self._run(seconds), name="interval mining")

    async def _run(self, seconds: float) -> None:
        while not self._node.stopping.is_set():
            await asyncio.sleep(seconds)
            await self._node.on_chain(self._work)
