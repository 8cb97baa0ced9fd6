"""PlainHttp: the one shape of request that clients of a JSON-RPC send all day, answered without a web framework.

A kept HTTP/1.1 connection of POSTs with a Content-Length. The first request that is anything else hands the connection over, for good,
to the framework's protocol, bytes and all; so whatever is unusual is judged there and only there.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Mapping
from http import HTTPStatus
from typing import Any, Final, cast

from node.rpc.eager import begin
from node.rpc.framework import Framework

log = logging.getLogger("chainyard.rpc")

MAX_HEAD: Final = 8_192
_PLAIN: Final = frozenset(
    (
        b"host", b"content-type", b"content-length", b"user-agent", b"accept", b"accept-encoding", b"authorization",
        b"connection",
    )
)  # fmt: skip
"""Headers that are known here; any other, and any of these twice, is for the framework."""
MOST_HEADS: Final = 256
"""Heads that a connection remembers as judged: those of one client differ in little but the length."""
IDLE_SECONDS: Final = 75.0
SWEEP_SECONDS: Final = 5.0
STOP_SECONDS: Final = 0.3


def _start_of_answer(status: int, kind: str) -> bytes:
    line = f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\n"
    return (line if status == 204 else f"{line}Content-Type: {kind}; charset=utf-8\r\nContent-Length: %d\r\n").encode()


_JSON: Final = {n: _start_of_answer(n, "application/json") for n in (200, 204, 400, 403, 404, 500)}
_BUSY: Final = _start_of_answer(503, "text/plain")

Judge = Callable[[str, Mapping[bytes, bytes], str], Any]
"""From the path, the headers (names in small letters) and the peer's address: whose request it is; None: that is for the framework."""
Answer = Callable[[bytes, Any], Coroutine[Any, Any, tuple[bytes, int]]]
"""From a body and whose request it is: the answer and its status; that of a busy server (503) is plain text."""


class PlainHttp(asyncio.Protocol):
    """One connection."""

    def __init__(
        self,
        answer: Answer,
        judge: Judge,
        max_body: int,
        framework: Framework,
        among: set[PlainHttp],
    ) -> None:
        self._answer = answer
        self._judge = judge
        self._max_body = max_body
        self._framework = framework
        self._among = among
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._buffer = bytearray()
        self._heads: dict[bytes, tuple[int, Any]] = {}
        self.task: asyncio.Task[Any] | None = None
        """The call under way, which goes on where the client leaves; or the making of the framework."""
        self._full = False
        self.heard = self._loop.time()
        """When something came last."""

    @property
    def waiting(self) -> bool:
        """Whether nothing is under way: more is to come from the client, or nothing."""
        return self.task is None

    def abort(self) -> None:
        """Cut the connection, and what is under way."""
        if self.task is not None:
            self.task.cancel()
        if self._transport is not None:
            self._transport.abort()

    def close(self) -> None:
        """End the connection once what was answered is sent."""
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client is here."""
        self._transport = cast(asyncio.Transport, transport)
        self._among.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """It is gone."""
        self._transport = None
        if self.task is None:
            self._among.discard(self)

    def pause_writing(self) -> None:
        """The client does not read: no further request is looked at."""
        self._full = True

    def resume_writing(self) -> None:
        """It reads again."""
        self._full = False
        self._next()

    def data_received(self, data: bytes) -> None:
        """Bytes came."""
        self._buffer += data
        self.heard = self._loop.time()
        if self.task is None:
            self._next()
        elif len(self._buffer) > self._max_body + MAX_HEAD and self._transport is not None:
            self._transport.pause_reading()

    def _next(self) -> None:
        """Answer the requests that are here in full, one after the other."""
        buffer = self._buffer
        while self._transport is not None and buffer and self.task is None and not self._full:
            end = buffer.find(b"\r\n\r\n", 0, MAX_HEAD)
            if end < 0:
                if len(buffer) >= MAX_HEAD or not b"POST /".startswith(bytes(buffer[:6])):
                    self._hand_over()
                return
            head = bytes(buffer[:end])
            judged = self._heads.get(head)
            if judged is None:
                judged = self._read_head(head)
                if judged is None:
                    return self._hand_over()
                if len(self._heads) >= MOST_HEADS:
                    self._heads.clear()
                self._heads[head] = judged
            stop = end + 4 + judged[0]
            if len(buffer) < stop:
                return
            body = bytes(buffer[end + 4 : stop])
            del buffer[:stop]
            self._transport.resume_reading()
            self._start(body, judged[1])

    def _read_head(self, head: bytes) -> tuple[int, Any] | None:
        """The size of the body, and whose request it is; None where that is not of the plain shape."""
        lines = head.split(b"\r\n")
        words = lines[0].split(b" ")
        if len(words) != 3 or words[0] != b"POST" or words[2] != b"HTTP/1.1" or not words[1].isascii():
            return None
        found: dict[bytes, bytes] = {}
        for line in lines[1:]:
            name, colon, value = line.partition(b":")
            name = name.lower()
            if not colon or name not in _PLAIN or name in found:
                return None
            found[name] = value.strip()
        size = found.get(b"content-length", b"")
        if not (size.isdigit() and len(size) < 9 and int(size) <= self._max_body):
            return None
        if found.get(b"connection", b"keep-alive").lower() != b"keep-alive":
            return None
        assert self._transport is not None, "a request came over a connection"
        peer = self._transport.get_extra_info("peername")
        whose = self._judge(words[1].decode("ascii"), found, str(peer[0]) if peer else "")
        return None if whose is None else (int(size), whose)

    def _start(self, body: bytes, whose: Any) -> None:
        answer = begin(self._answer(body, whose), self._loop)
        if isinstance(answer, tuple):
            self._send(*answer)
            return
        self.task = answer
        answer.add_done_callback(self._finished)

    def _finished(self, task: asyncio.Task[tuple[bytes, int]]) -> None:
        if self._ended_well(task):
            self._send(*task.result())
            self._next()

    def _ended_well(self, task: asyncio.Task[Any]) -> bool:
        self.task = None
        if self._transport is None:
            self._among.discard(self)
        if task.cancelled() or task.exception() is not None:
            if not task.cancelled():
                log.error("a request failed: %r", task.exception())
            self.abort()
            return False
        return True

    def _send(self, answer: bytes, status: int) -> None:
        if self._transport is None or self._transport.is_closing():
            return
        if status == 204:
            self._transport.write(_JSON[204] + b"\r\n")
            return
        start = _BUSY if status == 503 else _JSON[status]
        self._transport.write(b"%b\r\n%b" % (start % len(answer), answer))

    def _hand_over(self) -> None:
        """The framework takes the connection, with what is there of the next request; where it is not there yet, once it is."""
        transport, data = self._transport, bytes(self._buffer)
        assert transport is not None, "a request came over a connection"
        if (server := self._framework.server) is None:
            transport.pause_reading()
            self.task = self._loop.create_task(self._framework.prepare(), name="web framework")
            self.task.add_done_callback(self._prepared)
            return
        self._transport = None
        self._buffer.clear()
        self._among.discard(self)
        protocol = server()
        transport.resume_reading()
        transport.set_protocol(protocol)
        protocol.connection_made(transport)
        if data:
            protocol.data_received(data)

    def _prepared(self, task: asyncio.Task[None]) -> None:
        if self._ended_well(task) and self._transport is not None and not self._transport.is_closing():
            self._hand_over()


class PlainListener:
    """A listener whose connections begin plain."""

    def __init__(self, answer: Answer, judge: Judge, max_body: int) -> None:
        self._answer, self._judge, self._max_body = answer, judge, max_body
        self._connections: set[PlainHttp] = set()
        self._listener: asyncio.Server | None = None
        self._sweeper: asyncio.TimerHandle | None = None
        self.port = 0

    def __len__(self) -> int:
        """How many connections are plain still."""
        return len(self._connections)

    async def start(self, host: str, port: int, framework: Framework) -> None:
        """Listen; port 0 picks a free one. Raises OSError."""

        def connection() -> PlainHttp:
            return PlainHttp(self._answer, self._judge, self._max_body, framework, self._connections)

        loop = asyncio.get_running_loop()
        self._listener = await loop.create_server(connection, host, port, backlog=512, reuse_address=True)
        self.port = self._listener.sockets[0].getsockname()[1]
        self._sweeper = loop.call_later(SWEEP_SECONDS, self._sweep)

    def _sweep(self) -> None:
        """Cut connections on which nothing has come for long."""
        loop = asyncio.get_running_loop()
        until = loop.time() - IDLE_SECONDS
        for connection in [c for c in self._connections if c.waiting and c.heard < until]:
            connection.abort()
        self._sweeper = loop.call_later(SWEEP_SECONDS, self._sweep)

    async def stop(self) -> None:
        """Close the listener and the idle connections, then after a moment those with a call under way."""
        if self._sweeper is not None:
            self._sweeper.cancel()
        if self._listener is not None:
            self._listener.close()
        loop = asyncio.get_running_loop()
        until = loop.time() + STOP_SECONDS
        while self._connections and loop.time() < until:
            for connection in [c for c in self._connections if c.waiting]:
                connection.close()
            await asyncio.sleep(0.01)
        tasks = [c.task for c in self._connections if c.task is not None]
        for connection in list(self._connections):
            connection.abort()
        if tasks:
            await asyncio.wait(tasks)
