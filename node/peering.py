"""Peering: the node's network, sync and relay joined to its chain, and what control methods ask of them."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from node.actions import PoolGrew
from node.config import Config
from node.exchange import Exchange
from node.judge import ChainJudge
from node.node import Happening, Node, PoolChanged
from node.results import Rejected, TipChanged
from node.rpc.api import AddedPeer, BannedSubnet, KnownAddress, PeerInfo
from p2p.api import Settings
from p2p.bans import subnet
from p2p.handshake import Agreed
from p2p.limits import BLOCK_ONLY_OUTBOUND, FULL_OUTBOUND
from p2p.messages import Known
from p2p.netaddress import address
from p2p.peer import Peer
from p2p.shaping import Link
from primitives.chain import Entry
from primitives.env import Env

VERSION = "0.1.0"


def user_agent(name: str) -> str:
    """BIP14; the node's name in brackets where it has one."""
    return f"/Chainyard:{VERSION}({name})/" if name else f"/Chainyard:{VERSION}/"


def _is_named(peer: Peer, name: str) -> bool:
    return peer.agreed is not None and f"({name})" in peer.agreed.user_agent


class Peering:
    """The peers of one node."""

    def __init__(self, node: Node, env: Env, config: Config, folder: Path | None) -> None:
        network = node.spec.network
        alone = bool(config.connect)
        self.settings = Settings(
            magic=network.magic,
            max_message=network.max_message,
            default_port=network.p2p_port,
            protocol_version=network.protocol_version,
            min_peer_version=network.min_peer_version,
            user_agent=user_agent(config.name),
            local=network.local,
            seeds=() if alone else network.seeds,
            max_connections=config.max_connections,
            full_outbound=0 if alone else FULL_OUTBOUND,
            block_only_outbound=0 if alone or network.local else BLOCK_ONLY_OUTBOUND,
            whitelist=tuple(subnet(text) for text in config.whitelist),
            directory=folder,
        )
        self.node = node
        self.env = env
        self.judge = ChainJudge(node)
        self.exchange = Exchange(env, node.spec.ledger.format, self.settings, self.judge)
        self.network = self.exchange.network
        self.network.refuse = self._refuses
        self.port = 0
        self._filtered: frozenset[str] = frozenset()
        self._links: dict[str, Link] = {}
        for name in (*config.connect, *config.addnode):
            self.network.add(name)
        node.subscribe(self._on_event)

    async def listen(self, host: str, port: int) -> None:
        """Accept peers. Raises OSError."""
        _, self.port = await self.network.listen(host, port)

    async def run(self) -> None:
        """Until cancelled."""
        await self.exchange.run()

    def _on_event(self, event: Happening) -> None:
        if isinstance(event, TipChanged):
            self.exchange.tip_moved(event.tip, tuple(c.entry for c in event.connected))
        elif isinstance(event, PoolChanged) and event.changes.added:
            self.exchange.pool_grew(PoolGrew(tuple(self.judge.announced(e) for e in event.changes.added)))
        elif isinstance(event, Rejected) and isinstance(event.source, int):
            self.exchange.block_refused(event.source, event.error)

    # -- what control methods ask (node/rpc/api.py: Peers) ----------------------------------------------------------

    @property
    def active(self) -> bool:
        """Whether connections are made and accepted."""
        return self.network.active

    @property
    def services(self) -> int:
        """What this node offers."""
        return self.settings.services

    @property
    def user_agent(self) -> str:
        """What it calls itself."""
        return self.settings.user_agent

    @property
    def protocol_version(self) -> int:
        """The version of the wire protocol."""
        return self.settings.protocol_version

    @property
    def time_offset(self) -> int:
        """Median of the peers' clocks against ours, in seconds."""
        offsets = [p.agreed.time_offset for p in self.network.joined_peers() if p.agreed is not None]
        return int(statistics.median(offsets)) if offsets else 0

    def infos(self) -> Sequence[PeerInfo]:
        """The peers whose handshake is done, oldest first."""
        return [self._info(p, p.agreed) for p in self.network.joined_peers() if p.agreed is not None]

    def _info(self, p: Peer, agreed: Agreed) -> PeerInfo:
        wall = self.env.now() - self.env.monotonic()

        def when(at: float) -> int:
            return int(wall + at) if at >= 0 else 0

        def span(seconds: float) -> float | None:
            return seconds if seconds >= 0 else None

        sync = self.exchange.sync.peers.get(p.id)
        relay = self.exchange.relay.peers.get(p.id)
        return PeerInfo(
            id=p.id,
            address=p.address.text,
            network=p.address.network if p.address.routable else "not_publicly_routable",
            inbound=p.inbound,
            kind=p.kind.value,
            version=agreed.version,
            services=agreed.services,
            user_agent=agreed.user_agent,
            local=agreed.seen_as.text,
            relays_txs=p.relays_txs,
            connected=when(p.connected),
            last_sent=when(p.last_sent),
            last_received=when(p.last_received),
            last_tx=when(p.last_tx),
            last_block=when(p.last_block),
            bytes_sent=p.bytes_sent,
            bytes_received=p.bytes_received,
            time_offset=agreed.time_offset,
            ping=span(p.last_ping),
            min_ping=span(p.min_ping),
            ping_wait=p.ping_wait or None,
            starting_height=agreed.height,
            synced_headers=sync.best.height if sync is not None and sync.best is not None else -1,
            synced_blocks=self._common_height(sync.best) if sync is not None and sync.best is not None else -1,
            in_flight=self._heights(sync.flights) if sync is not None else (),
            permissions=("noban", "mempool", "relay", "download", "addr") if p.whitelisted else (),
            min_fee_rate=relay.least_rate if relay is not None else 0,
            sent=dict(p.sent),
            received=dict(p.received),
        )

    def _common_height(self, best: Entry[Any]) -> int:
        return self.judge.fork_height(best)

    def _heights(self, hashes: Iterable[bytes]) -> tuple[int, ...]:
        return tuple(e.height for h in hashes if (e := self.judge.entry(h)) is not None)

    def totals(self) -> tuple[int, int]:
        """Bytes received and sent since the start."""
        return self.network.totals()

    def added(self) -> Sequence[AddedPeer]:
        """The peers that the user named, and how each is connected."""
        found = []
        for name in self.network.dialer.manual:
            peers = [p for p in self.network.joined_peers() if name in (p.name, p.address.text)]
            found.append(
                AddedPeer(name, tuple((p.address.text, "inbound" if p.inbound else "outbound") for p in peers))
            )
        return found

    def add(self, name: str) -> bool:
        """Keep a connection."""
        return self.network.add(name)

    def remove(self, name: str) -> bool:
        """Stop keeping it."""
        return self.network.remove(name)

    def once(self, name: str) -> None:
        """Try one connection."""
        self.network.once(name)

    def disconnect(self, id: int) -> bool:
        """Close a connection."""
        return self.network.disconnect(id, "disconnected by the user")

    def disconnect_address(self, address: str) -> bool:
        """Close all connections to an address."""
        found = [p for p in self.network.joined_peers() if address in (p.name, p.address.text)]
        for peer in found:
            peer.close("disconnected by the user")
        return bool(found)

    def ban(self, text: str, seconds: int) -> bool:
        """Ban a subnet; False where it is banned already. Raises ValueError."""
        net = subnet(text)
        if any(b.subnet == net for b in self.network.bans.bans(self.env.monotonic())):
            return False
        self.network.ban(net, seconds)
        return True

    def unban(self, text: str) -> bool:
        """Lift a ban. Raises ValueError."""
        return self.network.bans.unban(subnet(text))

    def bans(self) -> Sequence[BannedSubnet]:
        """All bans."""
        now, wall = self.env.monotonic(), self.env.now()
        return [BannedSubnet(str(b.subnet), b.created, int(wall + b.until - now)) for b in self.network.bans.bans(now)]

    def clear_bans(self) -> None:
        """Lift all bans."""
        self.network.bans.clear()

    def set_active(self, active: bool) -> None:
        """Open or close the network."""
        self.network.set_active(active)

    def ping(self) -> None:
        """Ping every peer now."""
        for peer in self.network.joined_peers():
            peer.ping(self.env.random)

    def known(self) -> Sequence[KnownAddress]:
        """The address book."""
        return [
            KnownAddress(r.seen, r.services, r.address.hostname, r.address.port, r.address.network)
            for r in self.network.book.all()
        ]

    def add_known(self, host: str, port: int, tried: bool) -> bool:
        """Put an address into the book. Raises ValueError."""
        where = address(host, port)
        now = self.env.now()
        added = self.network.book.add([Known(now, self.settings.services, where)], where, now)
        if tried:
            self.network.book.good(where, now, self.settings.services)
        return added > 0

    def local_addresses(self) -> Sequence[tuple[str, int]]:
        """Where this node can be reached."""
        external = self.network.external
        return [(external.hostname, external.port)] if external is not None else []

    def set_filter(self, names: Sequence[str]) -> None:
        """Drop and refuse the named nodes of a local network."""
        self._filtered = frozenset(names)
        for peer in self.network.joined_peers():
            if self._refuses(peer):
                peer.close("filtered")
        self.network.hurry()

    def shape(self, name: str, link: Link) -> None:
        """Make what is sent to a named node of a local network travel like this."""
        if link.plain:
            self._links.pop(name, None)
        else:
            self._links[name] = link
        for peer in self.network.joined_peers():
            if _is_named(peer, name):
                peer.shape(link, self.env.random)

    def _refuses(self, peer: Peer) -> bool:
        """Whether a peer that just joined is filtered; if not, its link is as it was ordered."""
        if any(_is_named(peer, name) for name in self._filtered):
            return True
        for name, link in self._links.items():
            if _is_named(peer, name):
                peer.shape(link, self.env.random)
        return False

    def fetch_block(self, hash: bytes, id: int) -> str | None:
        """Ask one peer for a block; what is wrong, None where it was asked."""
        return None if self.exchange.fetch(id, hash) else "Peer does not exist"
