"""What a node tells its network, and what the network asks of the node: Settings and the Handler protocol.

Nothing here does anything.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from p2p.bans import Subnet
from p2p.handshake import NODE_NETWORK, NODE_NETWORK_LIMITED, NODE_WITNESS
from p2p.limits import BLOCK_ONLY_OUTBOUND, FULL_OUTBOUND, MAX_CONNECTIONS
from p2p.messages import Message
from p2p.peer import Peer
from primitives.errors import DecodeError


@dataclass(frozen=True, slots=True)
class Settings:
    """What this node is on the network. The values come from the chain's Network record and the user's configuration."""

    magic: bytes
    max_message: int
    default_port: int
    protocol_version: int = 70016
    min_peer_version: int = 31800
    services: int = NODE_NETWORK | NODE_WITNESS | NODE_NETWORK_LIMITED
    user_agent: str = "/Chainyard:0.1.0/"
    local: bool = False
    """A net that people run for themselves: private addresses count, and nobody is kept waiting for privacy's sake."""
    seeds: tuple[str, ...] = ()
    max_connections: int = MAX_CONNECTIONS
    full_outbound: int = FULL_OUTBOUND
    block_only_outbound: int = BLOCK_ONLY_OUTBOUND
    whitelist: tuple[Subnet, ...] = ()
    directory: Path | None = None
    """Where peers.dat, anchors.dat and banlist.json are kept; None keeps nothing."""
    tick: float = 1.0
    connect_timeout: float = 5.0


class Handler(Protocol):
    """The node's side. All methods are called on the event loop."""

    def height(self) -> int:
        """The height to claim in a version message."""
        ...

    def joined(self, peer: Peer) -> None:
        """A handshake is done; `peer.agreed` says with whom. Not called for feelers and address fetches."""
        ...

    async def received(self, peer: Peer, message: Message) -> None:
        """A message about blocks or transactions. The peer's next one is read when this returns."""
        ...

    def malformed(self, peer: Peer, error: DecodeError) -> None:
        """A message did not decode; what that costs is the node's table's affair (`Network.punish`)."""
        ...

    def left(self, peer: Peer) -> None:
        """A peer that had joined is gone."""
        ...
