"""Network: listens, dials, keeps the peers and cuts off those that misbehave, over the Env's transport.

It refuses to know the chain: what peers say of blocks and transactions goes to a Handler. Everything here runs on one event loop.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress

from p2p.api import Handler, Settings
from p2p.bans import Subnet, inside
from p2p.dialing import Dial, Dialer, literal
from p2p.eviction import Candidate, choose
from p2p.framing import BadFrame, Frame, Framer
from p2p.gossip import Gossip, hash_int
from p2p.handshake import NODE_NETWORK, NODE_WITNESS, SELF_CONNECTION, Handshake, HandshakeError, Local
from p2p.limits import MAX_UNDECODABLE, MESSAGES_PER_TURN, READ_CHUNK, TURN_SECONDS
from p2p.messages import (
    Addr,
    AddrV2,
    GetAddr,
    Known,
    Message,
    Ping,
    Pong,
    SendAddrV2,
    Unknown,
    Verack,
    Version,
    WtxidRelay,
    decode,
)
from p2p.netaddress import NetAddress, split_host_port
from p2p.peer import Kind, Peer
from p2p.saved import Saved
from primitives.chain import Format
from primitives.env import Env, Listener
from primitives.errors import DecodeError, SystemFault

log = logging.getLogger("chainyard.net")

SAVE_INTERVAL = 900.0


class Network:
    """The peers of one node. `run()` lasts until it is cancelled."""

    def __init__(self, env: Env, fmt: Format, settings: Settings, handler: Handler) -> None:
        self.env = env
        self.fmt = fmt
        self.settings = settings
        self.handler = handler
        self.peers: dict[int, Peer] = {}
        """All connections, those still shaking hands too."""
        self.active = True
        self.saved = Saved(env, settings.directory, settings.local)
        self.book = self.saved.book()
        self.bans = self.saved.bans()
        self.gossip = Gossip(self.book, env.random)
        self.dialer = Dialer(
            self.book,
            env.random,
            settings.default_port,
            settings.full_outbound,
            settings.block_only_outbound,
            settings.local,
            settings.seeds,
            self.saved.anchors(),
        )
        self.listeners: list[Listener] = []
        self.bytes_sent = self.bytes_received = 0
        """Of connections that are over; `totals()` adds the open ones."""
        self.external: NetAddress | None = None
        self.refuse: Callable[[Peer], bool] = lambda _: False
        """Whether a peer is let go right after its handshake (the partition of a local network)."""
        self._next_id = 0
        self._nonces: set[int] = set()
        self._group_salt = env.random.randbytes(16)
        self._tasks: asyncio.TaskGroup | None = None
        self._wake = asyncio.Event()
        self._saved_at = env.monotonic()

    # -- life -------------------------------------------------------------------------------------------------------

    async def listen(self, host: str, port: int) -> tuple[str, int]:
        """Accept peers; returns the address, with the port that was picked for port 0. Raises OSError."""
        listener = await self.env.listen(self._accept, host, port)
        self.listeners.append(listener)
        return listener.address

    async def run(self) -> None:
        """Keep connections until cancelled; then close all and save what is kept on disk."""
        try:
            async with asyncio.TaskGroup() as tasks:
                self._tasks = tasks
                try:
                    await self._keep()
                finally:
                    self._tasks = None
                    self.save()
                    for peer in list(self.peers.values()):  # in order, before the group cancels its tasks in any
                        peer.close("shutdown")
        finally:
            for listener in self.listeners:
                await listener.close()

    async def _keep(self) -> None:
        while True:
            self._tick()
            await self._save_if_due()
            with suppress(TimeoutError):
                async with asyncio.timeout(self.settings.tick):
                    await self._wake.wait()
            self._wake.clear()

    def _tick(self) -> None:
        now, wall = self.env.monotonic(), self.env.now()
        for peer in list(self.peers.values()):
            peer.tick(self.env.random)
        if self.active and self._tasks is not None:
            connected = [(p.kind, p.address) for p in self.peers.values()]
            for dial in self.dialer.due(now, wall, connected):
                self._tasks.create_task(self._dial(dial))

    # -- connections ------------------------------------------------------------------------------------------------

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        host, port = writer.get_extra_info("peername")[:2]
        address = literal(host, port)
        if self._tasks is None or address is None or not self._admit(address):
            writer.transport.abort()
            return
        peer = self._peer(Kind.INBOUND, address, address.text, (reader, writer), 0)
        self._tasks.create_task(self._run(peer))

    def _admit(self, address: NetAddress) -> bool:
        """Whether there is room for one more inbound peer, if need be by evicting one."""
        now = self.env.monotonic()
        if not self.active:
            return False
        if self._whitelisted(address):
            return True
        if self.bans.banned(address, now):
            return False
        s = self.settings
        inbound = [p for p in self.peers.values() if p.inbound and p.closed is None]
        room = max(1, s.max_connections - s.full_outbound - s.block_only_outbound - 1) - len(inbound)
        if room <= 1 and self.bans.discouraged(address, now):
            return False
        if room > 0:
            return True
        chosen = choose([self._candidate(p, now) for p in inbound])
        if chosen is None:
            return False
        self.peers[chosen].close("evicted")
        return True

    def _candidate(self, p: Peer, now: float) -> Candidate:
        group = p.address.group
        return Candidate(
            id=p.id,
            group=group,
            group_key=hash_int(self._group_salt, group),
            connected=p.connected,
            min_ping=p.min_ping if p.min_ping >= 0 else float("inf"),
            last_block=p.last_block,
            last_tx=p.last_tx,
            relays_txs=p.relays_txs,
            protected=p.whitelisted,
            discouraged=self.bans.discouraged(p.address, now) and not p.whitelisted,
        )

    def _peer(
        self,
        kind: Kind,
        address: NetAddress,
        name: str,
        streams: tuple[asyncio.StreamReader, asyncio.StreamWriter],
        nonce: int,
    ) -> Peer:
        s = self.settings
        wanted = NODE_NETWORK | NODE_WITNESS if kind in (Kind.FULL, Kind.BLOCK_ONLY) else 0
        local = Local(
            version=s.protocol_version,
            services=s.services,
            user_agent=s.user_agent,
            nonce=nonce or self.env.random.getrandbits(64),
            height=self.handler.height(),
            time=self.env.now(),
            relay=kind in (Kind.INBOUND, Kind.FULL, Kind.MANUAL),
            min_version=s.min_peer_version,
            wanted_services=wanted & s.services,
        )
        handshake = Handshake(local, kind is Kind.INBOUND, self._nonces, address)
        self._next_id += 1
        framer = Framer(s.magic, s.max_message)
        peer = Peer(
            self._next_id,
            kind,
            address,
            name,
            streams,
            framer,
            handshake,
            self.env.monotonic,
            self._whitelisted(address),
        )
        self.peers[peer.id] = peer
        return peer

    async def _dial(self, dial: Dial) -> None:
        lasted = False
        nonce = self.env.random.getrandbits(64)
        try:
            if dial.address is not None:
                self.book.attempt(dial.address, self.env.now())
                if self.bans.banned(dial.address, self.env.monotonic()):
                    return
            try:
                streams = await self.env.connect(dial.host, dial.port, self.settings.connect_timeout)
            except (OSError, TimeoutError) as e:
                log.debug("cannot connect to %s: %s", dial.name, e or type(e).__name__)
                return
            address = dial.address or literal(*streams[1].get_extra_info("peername")[:2])
            if address is None or not self.active or (dial.kind is Kind.MANUAL and dial.name not in self.dialer.manual):
                streams[1].transport.abort()
                return
            self._nonces.add(nonce)
            peer = self._peer(dial.kind, address, dial.name, streams, nonce)
            await self._run(peer)
            lasted = peer.agreed is not None
            if not lasted and nonce not in self._nonces:  # our own inbound side knew it
                self.book.forget(address)
                self.dialer.remove(dial.name)
        finally:
            self._nonces.discard(nonce)
            self.dialer.ended(dial, self.env.monotonic(), lasted)

    async def _run(self, peer: Peer) -> None:
        """A connection's life."""
        log.debug("peer %d %s: %s connection", peer.id, peer.name, peer.kind.value)
        try:
            for message in peer.handshake.start():
                peer.send(message)
            async with asyncio.TaskGroup() as tasks:
                serving = tasks.create_task(peer.serve())
                await self._read(peer)
                serving.cancel()
        except* Exception as group:
            if group.subgroup(SystemFault) is not None:
                raise
            log.error("peer %d %s: a fault of ours", peer.id, peer.name, exc_info=group)
        finally:
            peer.close("connection-lost")
            self.peers.pop(peer.id, None)
            self.bytes_sent += peer.bytes_sent
            self.bytes_received += peer.bytes_received
            log.debug("peer %d %s: closed, %s", peer.id, peer.name, peer.closed)
            if peer.id in self.gossip.members:
                self.gossip.left(peer.id)
                self.handler.left(peer)
            self._wake.set()

    async def _read(self, peer: Peer) -> None:
        reader, framer, clock, turn = peer.reader, peer.framer, self.env.monotonic, 0
        began = clock()
        while peer.closed is None:
            try:
                data = await reader.read(READ_CHUNK)
            except OSError:
                return
            if not data:
                return
            try:
                frames = framer.feed(data)
            except BadFrame as e:
                peer.close(e.rule)
                return
            peer.count_bytes(len(data))
            for frame in frames:
                await self._on_frame(peer, frame)
                if peer.closed is not None:
                    return
                turn += 1
                if turn >= MESSAGES_PER_TURN or clock() - began > TURN_SECONDS:
                    await asyncio.sleep(0)
                    turn, began = 0, clock()
            await peer.room()

    async def _on_frame(self, peer: Peer, frame: Frame) -> None:
        size = len(frame.payload) + 24
        command = frame.command if len(peer.received) < 64 or frame.command in peer.received else "*other*"
        peer.received[command] = peer.received.get(command, 0) + size
        try:
            message = decode(frame, self.fmt)
        except DecodeError as e:
            self._undecodable(peer, frame, e)
            return
        peer.undecodable = 0
        if peer.agreed is None:
            self._shake(peer, message)
        elif isinstance(message, Ping):
            peer.send(Pong(message.nonce))
        elif isinstance(message, Pong):
            peer.on_pong(message.nonce)
        elif isinstance(message, Addr | AddrV2):
            self._on_addresses(peer, message.entries)
        elif isinstance(message, GetAddr):
            answer = self.gossip.on_getaddr(peer.id, self.env.now(), self.env.monotonic())
            if answer is not None:
                peer.send(answer)
        elif isinstance(message, Version | Verack | WtxidRelay | SendAddrV2):
            self._shake(peer, message)
        elif not isinstance(message, Unknown):
            await self.handler.received(peer, message)

    def _undecodable(self, peer: Peer, frame: Frame, error: DecodeError) -> None:
        log.debug("peer %d: %s of %d bytes: %s", peer.id, frame.command, len(frame.payload), error)
        if peer.agreed is None:
            return
        peer.undecodable += 1
        if peer.undecodable >= MAX_UNDECODABLE and not peer.whitelisted:
            peer.close("undecodable")
            return
        self.handler.malformed(peer, error)

    def _shake(self, peer: Peer, message: Message) -> None:
        try:
            answers = peer.handshake.on(message)
        except HandshakeError as e:
            if e.rule == SELF_CONNECTION and isinstance(message, Version):
                self._nonces.discard(message.nonce)
            peer.close(e.rule)
            return
        for answer in answers:
            peer.send(answer)
        if peer.agreed is None and peer.handshake.agreed is not None:
            peer.agreed = peer.handshake.agreed
            self._nonces.discard(peer.handshake.local.nonce)
            self._joined(peer)

    def _joined(self, peer: Peer) -> None:
        agreed, now, wall = peer.agreed, self.env.monotonic(), self.env.now()
        assert agreed is not None
        if self.refuse(peer):
            peer.close("refused")
            return
        if not peer.inbound:
            if peer.address.routable or self.settings.local:
                self.book.good(peer.address, wall, agreed.services)
            if peer.kind is Kind.FEELER:
                peer.close("feeler-done")
                return
        self.gossip.joined(
            peer.id,
            peer.address,
            peer.inbound,
            agreed.addr_v2,
            peer.kind is not Kind.BLOCK_ONLY,
            peer.whitelisted,
            now,
        )
        told = (agreed.user_agent, agreed.version, agreed.height)
        log.info("peer %d %s: %s, version %d, height %d", peer.id, peer.name, *told)
        if not peer.inbound and peer.kind is not Kind.BLOCK_ONLY:
            self.gossip.asked(peer.id)
            peer.send(GetAddr())
            self._advertise(peer)
        peer.ping(self.env.random)
        if peer.kind is not Kind.ADDR_FETCH:
            self.handler.joined(peer)

    def _advertise(self, peer: Peer) -> None:
        assert peer.agreed is not None
        seen_as = peer.agreed.seen_as
        if self.listeners and seen_as.routable:
            self.external = NetAddress(seen_as.kind, seen_as.host, self.listeners[0].address[1])
            message = self.gossip.advertise(peer.id, self.external, self.settings.services, self.env.now())
            if message is not None:
                peer.send(message)

    def _on_addresses(self, peer: Peer, entries: tuple[Known, ...]) -> None:
        for id, message in self.gossip.on_addresses(peer.id, entries, self.env.now(), self.env.monotonic()):
            if id in self.peers:
                self.peers[id].send(message)
        if peer.kind is Kind.ADDR_FETCH and len(entries) > 1:
            peer.close("addresses-fetched")

    # -- control ----------------------------------------------------------------------------------------------------

    def send(self, id: int, message: Message) -> None:
        """Send to a peer, if it is still there."""
        peer = self.peers.get(id)
        if peer is not None:
            peer.send(message)

    def disconnect(self, id: int, reason: str) -> bool:
        """Close a connection; whether there was one."""
        peer = self.peers.get(id)
        if peer is None:
            return False
        peer.close(reason)
        return True

    def punish(self, id: int, reason: str) -> None:
        """A peer misbehaved: cut it off and discourage its host for a day.

        A whitelisted peer stays; this machine's own and those that the user named are cut off only.
        """
        peer = self.peers.get(id)
        if peer is None:
            return
        log.info("peer %d %s misbehaves: %s", id, peer.name, reason)
        if peer.whitelisted:
            return
        if not peer.address.local and peer.kind is not Kind.MANUAL:
            self.bans.discourage(peer.address, self.env.monotonic())
        peer.close(f"misbehaving: {reason}")

    def ban(self, net: Subnet, seconds: float) -> None:
        """Ban a subnet and close its connections."""
        self.bans.ban(net, seconds, self.env.monotonic(), self.env.now())
        for peer in list(self.peers.values()):
            if inside(peer.address, net) and not peer.whitelisted:
                peer.close("banned")

    def add(self, name: str) -> bool:
        """Keep a connection to a host and port; False where it is kept already. Raises ValueError."""
        added = self.dialer.add(name)
        self._wake.set()
        return added

    def remove(self, name: str) -> bool:
        """Stop keeping a connection and close it; whether it was kept."""
        for peer in list(self.peers.values()):
            if peer.name == name and peer.kind is Kind.MANUAL:
                peer.close("removed")
        return self.dialer.remove(name)

    def once(self, name: str) -> None:
        """Try one connection now and do not keep it. Raises ValueError."""
        host, port = split_host_port(name, self.settings.default_port)
        if self._tasks is not None and name not in self.dialer.pending:
            dial = Dial(host, port, Kind.FULL, name)
            self.dialer.pending[name] = dial
            self._tasks.create_task(self._dial(dial))

    def hurry(self) -> None:
        """Dial now whom the user named and who is not connected."""
        self.dialer.hurry()
        self._wake.set()

    def set_active(self, active: bool) -> None:
        """Switch all network activity off or on."""
        self.active = active
        if active:
            self.hurry()
        else:
            for peer in list(self.peers.values()):
                peer.close("network-inactive")

    def joined_peers(self) -> list[Peer]:
        """The peers whose handshake is done, oldest first."""
        return [p for p in self.peers.values() if p.agreed is not None and p.closed is None]

    def totals(self) -> tuple[int, int]:
        """Bytes received and sent since the start."""
        peers = self.peers.values()
        return (
            self.bytes_received + sum(p.bytes_received for p in peers),
            self.bytes_sent + sum(p.bytes_sent for p in peers),
        )

    def _whitelisted(self, address: NetAddress) -> bool:
        return any(inside(address, net) for net in self.settings.whitelist)

    # -- files ------------------------------------------------------------------------------------------------------

    def _writes(self) -> list[Callable[[], None]]:
        anchors = [p.address for p in self.joined_peers() if p.kind is Kind.BLOCK_ONLY]
        return self.saved.writes(self.book, self.bans, anchors)

    async def _save_if_due(self) -> None:
        now = self.env.monotonic()
        if now - self._saved_at >= SAVE_INTERVAL:
            self._saved_at = now
            for write in self._writes():
                await self.env.on_worker(write)

    def save(self) -> None:
        """Write the address book, the ban list and the anchors."""
        for write in self._writes():
            write()
