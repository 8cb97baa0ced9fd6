"""PlainHttp: the one shape of request that clients of a JSON-RPC send all day, answered without a web framework.

A kept HTTP/1.1 connection of POSTs with a Content-Length. The first request that is anything else hands the connection over, for good,
to the framework's protocol, bytes and all; so whatever is unusual is judged there and only there.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any, Final, cast

from node.rpc.eager import begin

log = logging.getLogger("chainyard.rpc")

MAX_HEAD: Final = 8_192
_PLAIN: Final = frozenset(
    (b"host", b"content-type", b"content-length", b"user-agent", b"accept", b"accept-encoding", b"connection")
)
"""Headers that change nothing; any other, and any of these twice, is for the framework."""
_ANSWER: Final = b"HTTP/1.1 200 OK\r\nContent-Type: application/json; charset=utf-8\r\nContent-Length: %d\r\n\r\n"

Answer = Callable[[bytes, str], Coroutine[Any, Any, tuple[bytes, int]]]


class PlainHttp(asyncio.Protocol):
    """One connection."""

    def __init__(
        self,
        answer: Answer,
        knows_host: Callable[[str], bool],
        max_body: int,
        framework: Callable[[], asyncio.Protocol],
        among: set[PlainHttp],
    ) -> None:
        self._answer = answer
        self._knows_host = knows_host
        self._max_body = max_body
        self._framework = framework
        self._among = among
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._buffer = bytearray()
        self._head = b""
        self._size = 0
        self._busy = False
        self._full = False
        self.heard = self._loop.time()
        """When something came last."""

    @property
    def waiting(self) -> bool:
        """Whether nothing is under way: more is to come from the client, or nothing."""
        return not self._busy

    def abort(self) -> None:
        """Cut the connection."""
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client is here."""
        self._transport = cast(asyncio.Transport, transport)
        self._among.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """It is gone."""
        self._transport = None
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
        if not self._busy:
            self._next()
        elif len(self._buffer) > self._max_body + MAX_HEAD and self._transport is not None:
            self._transport.pause_reading()

    def _next(self) -> None:
        """Answer the requests that are here in full, one after the other."""
        buffer = self._buffer
        while self._transport is not None and buffer and not self._busy and not self._full:
            end = buffer.find(b"\r\n\r\n", 0, MAX_HEAD)
            if end < 0:
                if len(buffer) >= MAX_HEAD or not b"POST / HTTP/1.1\r\n".startswith(bytes(buffer[:17])):
                    self._hand_over()
                return
            head = bytes(buffer[:end])
            if head != self._head:
                size = self._read_head(head)
                if size is None:
                    return self._hand_over()
                self._head, self._size = head, size
            stop = end + 4 + self._size
            if len(buffer) < stop:
                return
            body = bytes(buffer[end + 4 : stop])
            del buffer[:stop]
            self._transport.resume_reading()
            self._start(body)

    def _read_head(self, head: bytes) -> int | None:
        """The size of the body; None where the request is not of the plain shape."""
        lines = head.split(b"\r\n")
        if lines[0] != b"POST / HTTP/1.1":
            return None
        found: dict[bytes, bytes] = {}
        for line in lines[1:]:
            name, colon, value = line.partition(b":")
            name = name.lower()
            if not colon or name not in _PLAIN or name in found:
                return None
            found[name] = value.strip()
        size = found.get(b"content-length", b"")
        kind = found.get(b"content-type", b"").partition(b";")[0].strip().lower()
        if not (size.isdigit() and len(size) < 9 and int(size) <= self._max_body) or kind != b"application/json":
            return None
        if found.get(b"connection", b"keep-alive").lower() != b"keep-alive":
            return None
        if not self._knows_host(found.get(b"host", b"").decode("latin-1")):
            return None
        return int(size)

    def _start(self, body: bytes) -> None:
        assert self._transport is not None, "a request came over a connection"
        peer = self._transport.get_extra_info("peername")
        answer = begin(self._answer(body, str(peer[0]) if peer else ""), self._loop)
        if isinstance(answer, tuple):
            self._send(answer[0])
            return
        self._busy = True
        answer.add_done_callback(self._finished)

    def _finished(self, task: asyncio.Task[tuple[bytes, int]]) -> None:
        self._busy = False
        if task.cancelled() or task.exception() is not None:
            if not task.cancelled():
                log.error("a request failed: %r", task.exception())
            self.abort()
            return
        self._send(task.result()[0])
        self._next()

    def _send(self, answer: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(_ANSWER % len(answer) + answer)

    def _hand_over(self) -> None:
        """The framework takes the connection, with what is there of the next request."""
        transport, data = self._transport, bytes(self._buffer)
        assert transport is not None, "a request came over a connection"
        self._transport = None
        self._buffer.clear()
        self._among.discard(self)
        protocol = self._framework()
        transport.resume_reading()
        transport.set_protocol(protocol)
        protocol.connection_made(transport)
        if data:
            protocol.data_received(data)
