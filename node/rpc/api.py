"""What methods are given: node, snapshot, peers, control, and what they remember between calls. Protocols and data, no behaviour.

Peers is what `node/peering.py` offers; Control is the daemon's. Both are Protocols, so that methods are tested without a network.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from node.node import Node, Snapshot
from node.rpc.registry import injected
from p2p.shaping import Link

injected(Node)
injected(Snapshot)


@dataclass(frozen=True, slots=True)
class PeerInfo:
    """What is known of one connection. Times are seconds since 1970, 0 for never; spans are seconds, None for unknown."""

    id: int
    address: str
    network: str
    """ipv4, ipv6, onion, i2p, cjdns or not_publicly_routable."""
    inbound: bool
    kind: str
    """Core's connection_type: inbound, outbound-full-relay, block-relay-only, manual, feeler, addr-fetch."""
    version: int = 0
    services: int = 0
    user_agent: str = ""
    bind: str = ""
    local: str = ""
    """The address under which the peer sees this node."""
    relays_txs: bool = True
    connected: int = 0
    last_sent: int = 0
    last_received: int = 0
    last_tx: int = 0
    last_block: int = 0
    bytes_sent: int = 0
    bytes_received: int = 0
    time_offset: int = 0
    ping: float | None = None
    min_ping: float | None = None
    ping_wait: float | None = None
    announces_compact: bool = False
    """Whether it announces blocks to us in high-bandwidth mode (BIP152)."""
    wants_compact: bool = False
    starting_height: int = -1
    synced_headers: int = -1
    synced_blocks: int = -1
    in_flight: tuple[int, ...] = ()
    """Heights of the blocks that were asked of it."""
    relays_addresses: bool = True
    addresses_processed: int = 0
    addresses_limited: int = 0
    permissions: tuple[str, ...] = ()
    min_fee_rate: int = 0
    """Satoshi per 1,000 virtual bytes, below which it wants no transactions (BIP133)."""
    sent: Mapping[str, int] = field(default_factory=dict)
    """Bytes by command."""
    received: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AddedPeer:
    """A peer that the user named, and how it is connected: (address, "inbound" or "outbound") pairs."""

    name: str
    connections: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class BannedSubnet:
    """A ban, in seconds since 1970."""

    subnet: str
    created: int
    until: int


@dataclass(frozen=True, slots=True)
class KnownAddress:
    """An entry of the address book."""

    time: int
    services: int
    host: str
    port: int
    network: str


@injected
class Peers(Protocol):
    """The node's peers as control methods see them. All calls are made on the loop."""

    @property
    def active(self) -> bool:
        """Whether connections are made and accepted."""
        ...

    @property
    def services(self) -> int:
        """What this node offers (service bits)."""
        ...

    @property
    def user_agent(self) -> str: ...
    @property
    def protocol_version(self) -> int: ...
    @property
    def time_offset(self) -> int:
        """Median of the peers' clocks against ours, in seconds."""
        ...

    def infos(self) -> Sequence[PeerInfo]:
        """The peers whose handshake is done, oldest first."""
        ...

    def totals(self) -> tuple[int, int]:
        """Bytes received and sent since the start."""
        ...

    def added(self) -> Sequence[AddedPeer]: ...
    def add(self, name: str) -> bool:
        """Keep a connection; False where it is kept already. Raises ValueError for what is no address."""
        ...

    def remove(self, name: str) -> bool:
        """Stop keeping it and close it; whether it was kept."""
        ...

    def once(self, name: str) -> None:
        """Try one connection. Raises ValueError."""
        ...

    def disconnect(self, id: int) -> bool: ...
    def disconnect_address(self, address: str) -> bool: ...
    def ban(self, subnet: str, seconds: int) -> bool:
        """Ban; False where that very subnet is banned already. Raises ValueError for what is no subnet."""
        ...

    def unban(self, subnet: str) -> bool:
        """Lift a ban; whether there was one. Raises ValueError."""
        ...

    def bans(self) -> Sequence[BannedSubnet]: ...
    def clear_bans(self) -> None: ...
    def set_active(self, active: bool) -> None:
        """Open or close the network; closing cuts all connections."""
        ...

    def ping(self) -> None:
        """Ping every peer now."""
        ...

    def known(self) -> Sequence[KnownAddress]:
        """The address book."""
        ...

    def add_known(self, host: str, port: int, tried: bool) -> bool:
        """Put an address into the book. Raises ValueError for what is no address."""
        ...

    def local_addresses(self) -> Sequence[tuple[str, int]]:
        """Hosts and ports under which this node can be reached."""
        ...

    def set_filter(self, names: Sequence[str]) -> None:
        """Drop and refuse peers whose user agent names one of these local nodes; an empty list lets all in again."""
        ...

    def shape(self, name: str, link: Link) -> None:
        """Make what is sent to a named local node travel like this."""
        ...

    def fetch_block(self, hash: bytes, id: int) -> str | None:
        """Ask one peer for a block; what is wrong ("Peer does not exist"), None where it was asked."""
        ...


@injected
class Control(Protocol):
    """The process around the node."""

    @property
    def log_path(self) -> Path | None: ...
    @property
    def data_directory(self) -> Path | None:
        """Where files may be written; None for a node that keeps nothing."""
        ...

    def stop(self) -> None:
        """End the process in order, after this call was answered."""
        ...


@dataclass(slots=True)
class Scan:
    """A walk over all coins that is under way."""

    progress: float = 0.0
    stop: bool = False


@injected
@dataclass(slots=True)
class Memory:
    """What methods remember between calls, one for each node."""

    scan: Scan | None = None
    template: Any = None
    """The last block template, while it is fresh."""
    in_download: bool = True
    """Latched: once a node has caught up it stays so (Bitcoin Core, IsInitialBlockDownload)."""
    counts: dict[int, tuple[bytes, int]] = field(default_factory=dict)
    """By height: hash of the block, and how many transactions the chain holds up to it; every 1,000th and the newest."""
    rates: dict[bytes, tuple[int, int]] = field(default_factory=dict)
    """By block: its lowest common fee rate and its weight (estimates)."""
    pay_rates: dict[str, int] = field(default_factory=dict)
    """By wallet: the fee rate that `settxfee` fixed, satoshi per 1,000 virtual bytes."""
