"""The Bitcoin-style HTTP server: POST of JSON-RPC on `/` and `/wallet/<name>`, with authentication and limits."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Mapping
from typing import TYPE_CHECKING
from urllib.parse import unquote

from node.rpc.auth import Credentials, user_of
from node.rpc.dispatch import Call, Dispatcher
from node.rpc.framework import Framework
from node.rpc.plain_http import PlainListener
from primitives.env import Env

if TYPE_CHECKING:
    from aiohttp import web

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
        self._framework = Framework(env, self._handle, MAX_BODY)
        self._plain = PlainListener(self._answer, self._judge, MAX_BODY)

    async def start(self, host: str, port: int) -> None:
        """Listen; port 0 picks a free one. Raises OSError."""
        await self._plain.start(host, port, self._framework)
        self.port = self._plain.port

    async def stop(self) -> None:
        """Close the listener and its connections."""
        await self._plain.stop()
        await self._framework.stop()

    async def _handle(self, request: web.Request) -> web.Response:
        from aiohttp import web  # the framework has loaded it

        if request.method != "POST":
            return web.Response(
                status=405, text="JSONRPC server handles only POST requests\n", headers={"Allow": "POST"}
            )
        user = user_of(request.headers.get("Authorization"), self.credentials)
        if user is None:
            if "Authorization" in request.headers:
                await asyncio.sleep(WRONG_PASSWORD_DELAY)
            return web.Response(status=401, headers={"WWW-Authenticate": 'Basic realm="jsonrpc"'})
        call = _call(request.rel_url.raw_path, user, request.remote or "")
        if call is None:
            return web.Response(status=404)
        answer, status = await self._answer(await request.read(), call)
        if status == 503:
            return web.Response(status=503, text=answer.decode())
        if not answer:
            return web.Response(status=status)
        return web.Response(body=answer, status=status, content_type="application/json")

    def _judge(self, path: str, headers: Mapping[bytes, bytes], peer: str) -> Call | None:
        """Who calls, where a request needs no closer look."""
        user = user_of(headers.get(b"authorization", b"").decode("latin-1"), self.credentials)
        return None if user is None or "?" in path else _call(path, user, peer)

    async def _answer(self, body: bytes, call: Call) -> tuple[bytes, int]:
        if self.under_way >= WORK_QUEUE:
            return b"Work queue depth exceeded\n", 503
        self.under_way += 1
        try:
            answer, status = await self.dispatcher.answer(body, call)
        finally:
            self.under_way -= 1
        return (answer + b"\n" if answer else answer), status


def _call(path: str, user: str, peer: str) -> Call | None:
    """Whom a path means: the node, or one of its wallets; None where there is nothing."""
    if path == "/":
        return Call(user, None, peer)
    return Call(user, unquote(path[len("/wallet/") :]), peer) if path.startswith("/wallet/") else None
