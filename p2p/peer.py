"""Peer: one connection, from the first byte on: what it sent and got, its ping, its timeouts, and its room to send.

It refuses to know what messages mean; network.py owns its tasks, and what a message causes is the handler's affair.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from enum import Enum
from random import Random

from p2p.framing import Framer, pack
from p2p.handshake import TIMEOUT, Agreed, Handshake
from p2p.limits import BACKLOG, MESSAGE_DEADLINE, PING_INTERVAL, PONG_TIMEOUT, SEND_BUFFER, SEND_SLACK
from p2p.messages import Addr, AddrV2, Inv, Message, Ping, command_of, encode
from p2p.netaddress import NetAddress
from p2p.shaping import Link, Shaper


class Kind(Enum):
    """Why a connection exists, in getpeerinfo's words."""

    INBOUND = "inbound"
    FULL = "outbound-full-relay"
    BLOCK_ONLY = "block-relay-only"
    MANUAL = "manual"
    FEELER = "feeler"
    ADDR_FETCH = "addr-fetch"


Job = Callable[[], Awaitable[None]]


class Peer:
    """One connection. Times are monotonic seconds, -1 for never."""

    def __init__(
        self,
        id: int,
        kind: Kind,
        address: NetAddress,
        name: str,
        streams: tuple[asyncio.StreamReader, asyncio.StreamWriter],
        framer: Framer,
        handshake: Handshake,
        clock: Callable[[], float],
        whitelisted: bool = False,
    ) -> None:
        self.id = id
        self.kind = kind
        self.address = address
        self.name = name
        """What the user called it, or its address."""
        self.reader, self.writer = streams
        self.framer = framer
        self.handshake = handshake
        self.whitelisted = whitelisted
        self.clock = clock
        self.magic = framer.magic
        self.agreed: Agreed | None = None
        self.closed: str | None = None
        """Why it was closed, once it is."""
        self.connected = clock()
        self.last_sent = self.last_received = self.last_block = self.last_tx = -1.0
        self.bytes_sent = self.bytes_received = 0
        self.sent: dict[str, int] = {}
        """Bytes by command."""
        self.received: dict[str, int] = {}
        self.undecodable = 0
        self._shaper: Shaper | None = None
        self.min_ping = self.last_ping = -1.0
        self._ping_nonce = 0
        self._ping_at = self._pinged = -1.0
        self._message_since = -1.0
        self._jobs: deque[tuple[int, Job]] = deque()
        self._waiting = 0
        self._work = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self.writer.transport.set_write_buffer_limits(high=SEND_BUFFER)

    # -- facts ------------------------------------------------------------------------------------------------------

    @property
    def inbound(self) -> bool:
        """Whether the other side opened the connection."""
        return self.kind is Kind.INBOUND

    @property
    def outbound(self) -> bool:
        """Whether this side chose the peer by itself."""
        return self.kind in (Kind.FULL, Kind.BLOCK_ONLY)

    @property
    def relays_txs(self) -> bool:
        """Whether transactions travel on this connection at all."""
        return self.kind is not Kind.BLOCK_ONLY and (self.agreed is None or self.agreed.relay)

    @property
    def ping_wait(self) -> float:
        """Seconds since the ping that is not answered yet, 0 where there is none."""
        return self.clock() - self._ping_at if self._ping_at >= 0 else 0.0

    @property
    def send_buffer(self) -> int:
        """Bytes that wait to be sent."""
        shaped = 0 if self._shaper is None else self._shaper.waiting
        return self.writer.transport.get_write_buffer_size() + shaped

    # -- sending ----------------------------------------------------------------------------------------------------

    def send(self, message: Message) -> None:
        """Queue a message.

        A peer that does not read is not announced transactions and addresses to, and is cut off at a hard bound.
        """
        if self.closed is not None:
            return
        waiting = self.send_buffer
        if waiting > SEND_BUFFER:
            if isinstance(message, Inv | Addr | AddrV2):
                return
            if waiting > SEND_BUFFER + SEND_SLACK * self.framer.limit:
                self.close("send-buffer-full")
                return
        command = command_of(message)
        data = pack(self.magic, command, encode(message))
        if self._shaper is None:
            self.writer.write(data)
        else:
            self._shaper.send(data)
        self.last_sent = self.clock()
        self.bytes_sent += len(data)
        self.sent[command] = self.sent.get(command, 0) + len(data)

    def shape(self, link: Link, random: Random) -> None:
        """From now on, what is sent travels like this."""
        if self._shaper is not None:
            self._shaper.link = link  # what is under way stays ahead
        elif not link.plain:
            self._shaper = Shaper(link, random, self.clock, self._arrive)

    def _arrive(self, data: bytes) -> None:
        if self.closed is None:
            self.writer.write(data)

    def later(self, job: Job, weight: int = 1) -> None:
        """Do what sends much, one job after the other, each once the send buffer has room.

        While more than BACKLOG items wait, nothing more is read from the peer.
        """
        self._jobs.append((weight, job))
        self._waiting += weight
        self._work.set()
        if self._waiting > BACKLOG:
            self._room.clear()

    async def serve(self) -> None:
        """Do the jobs; runs as long as the connection."""
        while True:
            await self._work.wait()
            self._work.clear()
            while self._jobs and self.closed is None:
                weight, job = self._jobs[0]
                await self.drained()
                await job()
                self._jobs.popleft()
                self._waiting -= weight
                if self._waiting <= BACKLOG:
                    self._room.set()

    async def drained(self) -> None:
        """Wait until the send buffer has room, or the peer is gone."""
        while self.closed is None and self._shaper is not None and self._shaper.waiting > SEND_BUFFER // 2:
            await self._shaper.progress()
        if self.closed is None and self.send_buffer > SEND_BUFFER // 2:
            try:
                await self.writer.drain()
            except ConnectionError:
                self.close("connection-lost")

    async def room(self) -> None:
        """Wait until the backlog of jobs is short enough to read on."""
        if not self._room.is_set():
            await self._room.wait()

    def close(self, reason: str) -> None:
        """Cut the connection; what was not sent yet is dropped."""
        if self.closed is None:
            self.closed = reason
            self._room.set()
            if self._shaper is not None:
                self._shaper.cut()
            self.writer.transport.abort()

    # -- receiving and time -----------------------------------------------------------------------------------------

    def count_bytes(self, count: int) -> None:
        """Bytes arrived, and the framer took them."""
        self.last_received = self.clock()
        self.bytes_received += count
        if self.framer.pending == 0:
            self._message_since = -1.0
        elif self._message_since < 0 or count >= self.framer.pending:
            self._message_since = self.last_received

    def on_pong(self, nonce: int) -> None:
        """A pong arrived; one that answers no ping is ignored."""
        if self._ping_at >= 0 and nonce == self._ping_nonce:
            self.last_ping = self.clock() - self._ping_at
            self.min_ping = self.last_ping if self.min_ping < 0 else min(self.min_ping, self.last_ping)
            self._ping_at = -1.0

    def ping(self, random: Random) -> None:
        """Send a ping unless one is on its way."""
        if self._ping_at < 0:
            self._ping_nonce = random.getrandbits(64)
            self._ping_at = self._pinged = self.clock()
            self.send(Ping(self._ping_nonce))

    def tick(self, random: Random) -> None:
        """Once in a while: ping, and close what took too long."""
        now = self.clock()
        if self.closed is not None:
            return
        deadline = MESSAGE_DEADLINE * max(1.0, self.framer.limit / 4_000_000)
        if self.agreed is None:
            if now - self.connected > TIMEOUT:
                self.close("handshake-timeout")
        elif self._message_since >= 0 and now - self._message_since > deadline:
            self.close("slow-message")
        elif self._ping_at >= 0 and now - self._ping_at > PONG_TIMEOUT:
            self.close("ping-timeout")
        elif now - max(self.connected, self.last_received) > PONG_TIMEOUT:
            self.close("idle")
        elif self._ping_at < 0 and now - max(self.connected, self._pinged) >= PING_INTERVAL:
            self.ping(random)
