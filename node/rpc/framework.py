"""Framework: aiohttp in front of one handler, loaded and made when the first connection asks for what plain_http.py does not know.

It refuses to know what is answered. A fifth of a node's start would go into loading it, and most nodes never need it.
"""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from primitives.env import Env

if TYPE_CHECKING:
    from aiohttp import web


class Framework:
    """What takes connections over, once it is there."""

    def __init__(self, env: Env, handle: Callable[[web.Request], Awaitable[web.StreamResponse]], max_body: int) -> None:
        self._env = env
        self._handle = handle
        self._max_body = max_body
        self._making = asyncio.Lock()
        self._runner: web.AppRunner | None = None

    @property
    def server(self) -> Callable[[], asyncio.Protocol] | None:
        """Makes the protocol of a connection; None before `prepare`."""
        return None if self._runner is None else self._runner.server

    async def prepare(self) -> None:
        """Load and make it, unless that is done. The loop goes on meanwhile."""
        async with self._making:
            if self._runner is not None:
                return
            web: Any = await self._env.on_worker(lambda: importlib.import_module("aiohttp.web"))
            app = web.Application(client_max_size=self._max_body)
            app.router.add_route("*", "/{tail:.*}", self._handle)
            runner = web.AppRunner(app, access_log=None, handler_cancellation=False, shutdown_timeout=0.3)
            await runner.setup()
            self._runner = runner

    async def stop(self) -> None:
        """Close its connections."""
        if self._runner is not None:
            await self._runner.cleanup()
