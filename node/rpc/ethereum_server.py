"""The Ethereum-style server: JSON-RPC over HTTP POST and WebSocket (text and binary frames) on one port, open on loopback.

Who may call is decided by the Host and Origin of a request: a page of another site has no business here.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from node.rpc.dispatch import Call, encode
from node.rpc.ethereum_dispatch import EthereumDispatcher
from node.rpc.ethereum_session import Session
from node.rpc.events import Events
from node.rpc.framework import Framework
from node.rpc.plain_http import PlainListener
from primitives.env import Env

if TYPE_CHECKING:
    from aiohttp import web

log = logging.getLogger("chainyard.rpc")

MAX_BODY = 5 * 1024 * 1024
MAX_FRAME = 32 * 1024 * 1024
PING_SECONDS = 30.0
MOST_WAITING = 20_000
"""Notifications that a slow client may leave unread; then it is cut off."""
MOST_BYTES_WAITING = 16 * 1024 * 1024
WORK_QUEUE = 1_024
TOO_MANY = b'{"jsonrpc":"2.0","id":null,"error":{"code":-32005,"message":"too many requests at once"}}'
JSON_TYPES = ("application/json", "application/json-rpc", "application/jsonrequest")


@dataclass(frozen=True, slots=True)
class EthereumCall(Call):
    """A call with its connection."""

    session: Session | None = None


class EthereumServer:
    """One listener."""

    def __init__(
        self,
        env: Env,
        dispatcher: EthereumDispatcher,
        events: Events,
        hosts: Iterable[str] = (),
        origins: Iterable[str] = (),
    ) -> None:
        self.env = env
        self.dispatcher = dispatcher
        self.events = events
        self.hosts = frozenset(("localhost", *(h.lower() for h in hosts)))
        self.origins = frozenset(o.lower().rstrip("/") for o in origins)
        self.port = 0
        self.under_way = 0
        self._framework = Framework(env, self._handle, MAX_BODY)
        self._sockets: set[web.WebSocketResponse] = set()
        self._plain = PlainListener(self._answer, self._judge, MAX_BODY)

    async def start(self, host: str, port: int) -> None:
        """Listen; port 0 picks a free one. Raises OSError."""
        await self._plain.start(host, port, self._framework)
        self.port = self._plain.port

    async def stop(self) -> None:
        """Close the listener and its connections."""
        await self._plain.stop()
        for socket in list(self._sockets):
            with contextlib.suppress(ConnectionError, RuntimeError):
                await socket.close(code=1001)
        await self._framework.stop()

    async def _answer(self, body: bytes, peer: str) -> tuple[bytes, int]:
        if self.under_way >= WORK_QUEUE:
            return TOO_MANY, 200
        self.under_way += 1
        try:
            return await self.dispatcher.answer(body, EthereumCall("", None, peer))
        finally:
            self.under_way -= 1

    def _judge(self, path: str, headers: Mapping[bytes, bytes], peer: str) -> str | None:
        """The peer of a request that needs no closer look."""
        kind = headers.get(b"content-type", b"").partition(b";")[0].strip().lower()
        if path != "/" or kind != b"application/json" or b"authorization" in headers:
            return None
        return peer if self._knows_host(headers.get(b"host", b"").decode("latin-1")) else None

    # -- who may call -----------------------------------------------------------------------------------------------

    def _knows_host(self, host: str) -> bool:
        """Whether a Host header means this machine: an address, or a name that is allowed (against DNS rebinding)."""
        if "*" in self.hosts:
            return True
        name = host.strip().lower()
        if name.startswith("["):
            name = name[1:].partition("]")[0]
        elif name.count(":") == 1:
            name = name.partition(":")[0]
        if name in self.hosts:
            return True
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return True

    def _knows_origin(self, origin: str) -> bool:
        return "*" in self.origins or origin.lower().rstrip("/") in self.origins

    def _cors(self, origin: str | None) -> dict[str, str]:
        if origin is None or not self._knows_origin(origin):
            return {}
        return {"Access-Control-Allow-Origin": origin, "Vary": "Origin"}

    # -- HTTP -------------------------------------------------------------------------------------------------------

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        from aiohttp import web  # the framework has loaded it

        headers = request.headers
        if not self._knows_host(headers.get("Host", "")):
            return web.Response(status=403, text="invalid host specified\n")
        origin = headers.get("Origin")
        if request.method == "GET" and headers.get("Upgrade", "").lower() == "websocket":
            if origin is not None and not self._knows_origin(origin):
                return web.Response(status=403, text="origin not allowed\n")
            return await self._talk(request)
        if request.method == "OPTIONS" and origin is not None:
            return web.Response(status=200, headers=self._preflight(origin))
        if request.method == "GET" and not request.query_string and not request.can_read_body:
            return web.Response(text="Chainyard: POST JSON-RPC here, or open a WebSocket\n")
        if request.method != "POST":
            return web.Response(status=405, text="method not allowed\n", headers={"Allow": "POST, OPTIONS"})
        if request.content_type not in JSON_TYPES:
            return web.Response(status=415, text="invalid content type, only application/json is supported\n")
        if headers.get("Content-Encoding", "identity") != "identity":
            return web.Response(status=415, text="compressed requests are not supported\n")
        if (request.content_length or 0) > MAX_BODY:
            return web.Response(status=413, text=f"content length too large ({request.content_length}>{MAX_BODY})\n")
        if self.under_way >= WORK_QUEUE:
            return web.Response(status=503, text="too many requests at once\n")
        answer, status = await self._answer(await request.read(), request.remote or "")
        return web.Response(body=answer, status=status, content_type="application/json", headers=self._cors(origin))

    def _preflight(self, origin: str) -> dict[str, str]:
        cors = self._cors(origin)
        if cors:
            cors["Access-Control-Allow-Methods"] = "POST"
            cors["Access-Control-Allow-Headers"] = "*"
            cors["Access-Control-Allow-Private-Network"] = "true"
            cors["Access-Control-Max-Age"] = "600"
        return cors

    # -- WebSocket --------------------------------------------------------------------------------------------------

    async def _talk(self, request: web.Request) -> web.WebSocketResponse:
        from aiohttp import web

        socket = web.WebSocketResponse(max_msg_size=MAX_FRAME, heartbeat=PING_SECONDS, compress=False, autoping=True)
        await socket.prepare(request)
        self._sockets.add(socket)
        outgoing: asyncio.Queue[bytes | None] = asyncio.Queue()
        waiting = 0

        def push(message: bytes) -> None:
            nonlocal waiting
            waiting += len(message)
            if outgoing.qsize() >= MOST_WAITING or waiting > MOST_BYTES_WAITING:
                log.info("a slow WebSocket client is cut off")
                writer.cancel()
                return
            outgoing.put_nowait(message)

        async def write() -> None:
            nonlocal waiting
            while (message := await outgoing.get()) is not None:
                await socket.send_str(message.decode())
                waiting -= len(message)

        writer = asyncio.get_running_loop().create_task(write(), name="websocket writer")
        session = Session(lambda note: push(encode(note)))
        call = EthereumCall("", None, request.remote or "", session)
        reader = asyncio.get_running_loop().create_task(self._read(socket, call, push), name="websocket reader")
        try:
            await asyncio.wait((reader, writer), return_when=asyncio.FIRST_COMPLETED)
        finally:
            for number in session.subscriptions:
                self.events.unsubscribe(number)
            self._sockets.discard(socket)
            for task in (reader, writer):
                task.cancel()
            await asyncio.gather(reader, writer, return_exceptions=True)
            if request.transport is not None and not socket.closed:
                request.transport.abort()
        return socket

    async def _read(self, socket: web.WebSocketResponse, call: EthereumCall, push: Any) -> None:
        from aiohttp import WSMsgType

        async for message in socket:
            if message.type not in (WSMsgType.TEXT, WSMsgType.BINARY):
                continue
            answer, _ = await self.dispatcher.answer(message.data, call)
            if answer:
                push(answer)
