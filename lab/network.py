"""SimulatedNetwork: in-memory connections under unchanged streams, with seeded latency, bandwidth, loss, resets and partitions.

It refuses to know what the bytes mean. Every delivery enters a running hash: same seed, same trace.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from hashlib import sha256
from random import Random
from typing import Any
from zlib import crc32

from lab.clock import VirtualLoop
from primitives.env import OnConnection, Streams

HIGH_WATER = 1 << 16
STREAM_LIMIT = 1 << 18


@dataclass(frozen=True, slots=True)
class Conditions:
    """How a path between two hosts behaves, one way. Seconds, bytes, bytes a second, and chances a segment."""

    latency: tuple[float, float] = (0.01, 0.05)
    bandwidth: float = 10e6
    segment: int = 1 << 14
    """Largest piece in which written bytes arrive; the cut is drawn anew each time."""
    loss: float = 0.0
    """Chance that a segment is sent again, which delays all behind it."""
    retry: float = 0.3
    reset: float = 0.0
    """Chance that a segment kills the connection."""


class Pipe:
    """One direction of a connection: bytes leave in order and arrive in order."""

    __slots__ = ("arrives", "flying", "free", "held", "net", "source", "target", "to", "unread")

    def __init__(self, net: SimulatedNetwork, source: str, target: str) -> None:
        self.net = net
        self.source, self.target = source, target
        self.to: MemoryTransport | None = None
        self.free = self.arrives = 0.0
        self.flying: deque[bytes | None] = deque()
        """Segments on their way; equal timers fire in any order, the segments do not."""
        self.held: deque[bytes | None] = deque()
        """Segments that arrived at a partition; None is the end of the stream."""
        self.unread = 0
        """Bytes written that the other side has not taken."""

    def send(self, data: bytes) -> None:
        """Cut into segments and set each on its way. Raises nothing: what goes wrong arrives as a reset."""
        net, now = self.net, self.net.loop.time()
        path, random = net.path(self.source, self.target), net.random
        at = 0
        while at < len(data):
            size = random.randint(1, path.segment)
            piece = data[at : at + size]
            at += size
            self.free = max(self.free, now) + len(piece) / path.bandwidth
            when = self.free + random.uniform(*path.latency)
            if path.loss and random.random() < path.loss:
                when += path.retry
            self.arrives = max(self.arrives, when)
            self.unread += len(piece)
            self.flying.append(piece)
            net.loop.call_at(self.arrives, self._landed)
            if path.reset and random.random() < path.reset:
                net.loop.call_at(self.arrives, self._reset)

    def finish(self) -> None:
        """The end of the stream, behind what was written."""
        path = self.net.path(self.source, self.target)
        self.arrives = max(self.arrives, self.net.loop.time() + self.net.random.uniform(*path.latency))
        self.flying.append(None)
        self.net.loop.call_at(self.arrives, self._landed)

    def _landed(self) -> None:
        self._arrive(self.flying.popleft())

    def _arrive(self, piece: bytes | None) -> None:
        if self.held or self.net.blocked(self.source, self.target):
            self.held.append(piece)
            self.net.stuck[self] = None
        elif self.to is not None:
            self.net.record(self.source, self.target, piece)
            self.to.arrived(piece)

    def release(self) -> None:
        """The partition is over."""
        held, self.held = self.held, deque()
        for piece in held:
            self._arrive(piece)

    def _reset(self) -> None:
        if self.to is not None:
            self.to.lose(ConnectionResetError("reset by the network"))
            if self.to.other is not None:
                self.to.other.lose(ConnectionResetError("reset by the network"))


class MemoryTransport(asyncio.Transport):
    """One end of a simulated connection."""

    def __init__(self, loop: VirtualLoop, out: Pipe, incoming: Pipe, extra: dict[str, Any]) -> None:
        super().__init__(extra)
        self._loop = loop
        self._out, self._in = out, incoming
        self._protocol: asyncio.BaseProtocol | None = None
        self._inbox: deque[bytes | None] = deque()
        self._reading = True
        self._closing = self._lost = self._paused_writing = False
        self._high = HIGH_WATER
        self.other: MemoryTransport | None = None

    # -- what asyncio's streams ask of a transport ------------------------------------------------------------------

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self._protocol = protocol

    def get_protocol(self) -> asyncio.BaseProtocol:
        assert self._protocol is not None
        return self._protocol

    def is_closing(self) -> bool:
        return self._closing

    def is_reading(self) -> bool:
        return self._reading

    def pause_reading(self) -> None:
        self._reading = False

    def resume_reading(self) -> None:
        if not self._reading:
            self._reading = True
            self._loop.call_soon(self._drain_inbox)

    def write(self, data: bytes | bytearray | memoryview[Any]) -> None:
        if self._closing or not data:
            return
        self._out.send(bytes(data))
        if self._out.unread > self._high and not self._paused_writing:
            self._paused_writing = True
            self.get_protocol().pause_writing()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self._high = HIGH_WATER if high is None else high

    def get_write_buffer_size(self) -> int:
        return self._out.unread

    def can_write_eof(self) -> bool:
        return False

    def close(self) -> None:
        if not self._closing:
            self._closing = True
            self._out.finish()
            self._loop.call_soon(self.lose, None)

    def abort(self) -> None:
        self.close()

    # -- what the network does --------------------------------------------------------------------------------------

    def arrived(self, piece: bytes | None) -> None:
        """Bytes, or None for the end of the stream, reached this end."""
        if self._lost:
            if piece is not None and self.other is not None:
                self.other.lose(ConnectionResetError("the other side is closed"))
            return
        self._inbox.append(piece)
        self._drain_inbox()

    def _drain_inbox(self) -> None:
        while self._inbox and self._reading and not self._lost:
            piece = self._inbox.popleft()
            protocol = self.get_protocol()
            assert isinstance(protocol, asyncio.Protocol)
            if piece is None:
                protocol.eof_received()
                continue
            self._in.unread -= len(piece)
            protocol.data_received(piece)
            if self.other is not None:
                self.other.taken()

    def taken(self) -> None:
        """The other side took bytes: there is room again."""
        if self._paused_writing and self._out.unread <= self._high // 4 and not self._lost:
            self._paused_writing = False
            self.get_protocol().resume_writing()

    def lose(self, error: Exception | None) -> None:
        """The connection is over on this side."""
        if not self._lost:
            self._lost = self._closing = True
            self._inbox.clear()
            self.get_protocol().connection_lost(error)

    def vanish(self) -> None:
        """The host died: this side is gone, and the other is not told."""
        self._lost = self._closing = True
        self._out.to = None
        self._loop.call_soon(self.get_protocol().connection_lost, None)


class SimulatedListener:
    """A listening port of a simulated host."""

    def __init__(self, net: SimulatedNetwork, address: tuple[str, int]) -> None:
        self._net = net
        self.address = address

    async def close(self) -> None:
        """Stop accepting."""
        self._net.listeners.pop(self.address, None)


class SimulatedNetwork:
    """All hosts and the paths between them."""

    def __init__(self, loop: VirtualLoop, seed: int, conditions: Conditions | None = None) -> None:
        self.loop = loop
        self.random = Random(f"network/{seed}")
        self.default = conditions or Conditions()
        self.paths: dict[tuple[str, str], Conditions] = {}
        self.listeners: dict[tuple[str, int], OnConnection] = {}
        self.cut: set[tuple[str, str]] = set()
        self.stuck: dict[Pipe, None] = {}
        self.open: dict[MemoryTransport, str] = {}
        self.deliveries = 0
        self._hash = sha256()
        self._ports = 40_000

    # -- faults -----------------------------------------------------------------------------------------------------

    def path(self, source: str, target: str) -> Conditions:
        """How bytes travel from one host to another."""
        return self.paths.get((source, target), self.default)

    def blocked(self, source: str, target: str) -> bool:
        """Whether nothing gets through that way."""
        return (source, target) in self.cut

    def partition(self, *groups: Iterable[str], one_way: bool = False) -> None:
        """Cut the groups off from each other; `one_way`: earlier groups do not reach later ones, but hear them."""
        sides = [list(g) for g in groups]
        for i, side in enumerate(sides):
            for j, other in enumerate(sides):
                if i < j or (i > j and not one_way):
                    self.cut.update((a, b) for a in side for b in other)

    def heal(self) -> None:
        """End all partitions; what was held arrives now."""
        self.cut.clear()
        stuck, self.stuck = self.stuck, {}
        for pipe in stuck:
            pipe.release()

    def crash(self, host: str) -> None:
        """A host dies without a word: its ports close, and its peers notice by silence alone."""
        for address in [a for a in self.listeners if a[0] == host]:
            del self.listeners[address]
        for transport, owner in list(self.open.items()):
            if owner == host:
                del self.open[transport]
                transport.vanish()

    def reset(self, host: str) -> None:
        """All connections of a host break."""
        for transport, owner in list(self.open.items()):
            if owner == host:
                transport.lose(ConnectionResetError("reset"))
                if transport.other is not None:
                    transport.other.lose(ConnectionResetError("reset"))

    # -- connections ------------------------------------------------------------------------------------------------

    def listen(self, on_connection: OnConnection, host: str, port: int) -> SimulatedListener:
        """Open a port; 0 picks one. Raises OSError where it is taken."""
        if port == 0:
            self._ports += 1
            port = self._ports
        if (host, port) in self.listeners:
            raise OSError(98, "Address already in use")
        self.listeners[host, port] = on_connection
        return SimulatedListener(self, (host, port))

    async def connect(self, source: str, target: str, port: int, timeout: float) -> Streams:
        """Open a connection. Raises ConnectionRefusedError or TimeoutError."""
        round_trip = self.random.uniform(*self.path(source, target).latency) * 2
        if self.blocked(source, target) or self.blocked(target, source) or round_trip > timeout:
            await asyncio.sleep(timeout)
            raise TimeoutError(f"{target}:{port} does not answer")
        await asyncio.sleep(round_trip)
        on_connection = self.listeners.get((target, port))
        if on_connection is None:
            raise ConnectionRefusedError(111, f"nobody listens on {target}:{port}")
        self._ports += 1
        here, there = (source, self._ports), (target, port)
        out, back = Pipe(self, source, target), Pipe(self, target, source)
        near = MemoryTransport(self.loop, out, back, {"sockname": here, "peername": there})
        far = MemoryTransport(self.loop, back, out, {"sockname": there, "peername": here})
        near.other, far.other, out.to, back.to = far, near, far, near
        self.open = {t: h for t, h in self.open.items() if not t.is_closing()}
        self.open[near], self.open[far] = source, target
        self._attach(far, on_connection)
        reader, protocol = self._attach(near, None)
        return reader, asyncio.StreamWriter(near, protocol, reader, self.loop)

    def _attach(
        self, transport: MemoryTransport, on_connection: OnConnection | None
    ) -> tuple[asyncio.StreamReader, asyncio.StreamReaderProtocol]:
        reader = asyncio.StreamReader(limit=STREAM_LIMIT, loop=self.loop)
        callback: Callable[..., Any] | None = on_connection
        protocol = asyncio.StreamReaderProtocol(reader, callback, loop=self.loop)
        transport.set_protocol(protocol)
        protocol.connection_made(transport)
        return reader, protocol

    # -- trace ------------------------------------------------------------------------------------------------------

    def record(self, source: str, target: str, piece: bytes | None) -> None:
        """Enter a delivery into the trace."""
        self.deliveries += 1
        size, check = (-1, 0) if piece is None else (len(piece), crc32(piece))
        self._hash.update(f"{self.loop.time():.9f} {source} {target} {size} {check}\n".encode())

    @property
    def trace(self) -> str:
        """The hash of all deliveries so far."""
        return self._hash.hexdigest()
