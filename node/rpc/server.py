"""The Bitcoin-style HTTP server: POST of JSON-RPC on `/` and `/wallet/<name>`, with authentication and limits."""

from __future__ import annotations

import asyncio
import ipaddress
from urllib.parse import unquote

from aiohttp import web

from node.rpc.auth import Credentials, user_of
from node.rpc.dispatch import Call, Dispatcher
from primitives.env import Env

MAX_BODY = 32 * 1024 * 1024
WORK_QUEUE = 64
WRONG_PASSWORD_DELAY = 0.25


def loopback(host: str) -> bool:
    """Whether a bind address is this machine's own."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class BitcoinServer:
    """One listener. `stop` cuts idle connections and waits a moment for calls under way."""

    def __init__(self, env: Env, dispatcher: Dispatcher, credentials: tuple[Credentials, ...]) -> None:
        self.env = env
        self.dispatcher = dispatcher
        self.credentials = credentials
        self.under_way = 0
        self.port = 0
        self._runner: web.AppRunner | None = None

    async def start(self, host: str, port: int) -> None:
        """Listen; port 0 picks a free one. Raises OSError."""
        app = web.Application(client_max_size=MAX_BODY)
        app.router.add_route("*", "/{tail:.*}", self._handle)
        self._runner = web.AppRunner(app, access_log=None, handler_cancellation=False, shutdown_timeout=0.3)
        await self._runner.setup()
        site = web.TCPSite(self._runner, host, port, backlog=512)
        await site.start()
        assert self._runner.addresses, "a started site has an address"
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """Close the listener and its connections."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def _handle(self, request: web.Request) -> web.Response:
        if request.method != "POST":
            return web.Response(
                status=405, text="JSONRPC server handles only POST requests\n", headers={"Allow": "POST"}
            )
        user = user_of(request.headers.get("Authorization"), self.credentials)
        if user is None:
            if "Authorization" in request.headers:
                await asyncio.sleep(WRONG_PASSWORD_DELAY)
            return web.Response(status=401, headers={"WWW-Authenticate": 'Basic realm="jsonrpc"'})
        path = request.rel_url.raw_path
        if path == "/":
            wallet = None
        elif path.startswith("/wallet/"):
            wallet = unquote(path[len("/wallet/") :])
        else:
            return web.Response(status=404)
        if self.under_way >= WORK_QUEUE:
            return web.Response(status=503, text="Work queue depth exceeded\n")
        self.under_way += 1
        try:
            body = await request.read()
            answer, status = await self.dispatcher.answer(body, Call(user, wallet, request.remote or ""))
        finally:
            self.under_way -= 1
        if not answer:
            return web.Response(status=204 if status == 204 else status)
        return web.Response(body=answer + b"\n", status=status, content_type="application/json")
