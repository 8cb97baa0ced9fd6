"""Handshake: the state machine of version and verack. Messages in, messages out; it opens no socket and reads no clock.

Rule 1: everything that decides whether a connection becomes a peer lives here.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from p2p.messages import Message, SendAddrV2, Verack, Version, WtxidRelay
from p2p.netaddress import NOWHERE, NetAddress

NODE_NETWORK = 1 << 0
NODE_BLOOM = 1 << 2
NODE_WITNESS = 1 << 3
NODE_COMPACT_FILTERS = 1 << 6
NODE_NETWORK_LIMITED = 1 << 10
_NODE_P2P_V2 = 1 << 11
SERVICE_NAMES = {
    NODE_NETWORK: "NETWORK",
    NODE_BLOOM: "BLOOM",
    NODE_WITNESS: "WITNESS",
    NODE_COMPACT_FILTERS: "COMPACT_FILTERS",
    NODE_NETWORK_LIMITED: "NETWORK_LIMITED",
    _NODE_P2P_V2: "P2P_V2",
}
WTXID_VERSION = 70016
TIMEOUT = 60.0
"""Seconds in which both sides must have said verack."""
SELF_CONNECTION = "self-connection"


class HandshakeError(Exception):
    """The connection cannot become a peer. `rule` is a stable word; it is nobody's consensus fault."""

    def __init__(self, rule: str, detail: str = "") -> None:
        super().__init__(f"{rule}, {detail}" if detail else rule)
        self.rule = rule


@dataclass(frozen=True, slots=True)
class Local:
    """What this side says of itself."""

    version: int
    services: int
    user_agent: str
    nonce: int
    height: int
    time: int
    relay: bool = True
    min_version: int = 31800
    wanted_services: int = 0
    """What the other side must offer, or the handshake ends."""


@dataclass(frozen=True, slots=True)
class Agreed:
    """What both sides know of each other once the handshake is done."""

    version: int
    """The lower of both protocol versions."""
    services: int
    user_agent: str
    height: int
    """What the peer claims; it decides nothing."""
    relay: bool
    """Whether the peer wants transactions announced."""
    wtxid_relay: bool
    addr_v2: bool
    time_offset: int
    seen_as: NetAddress
    """The address under which the peer sees this side."""


class State(Enum):
    """Where a handshake stands."""

    VERSION = "waits for version"
    VERACK = "waits for verack"
    DONE = "done"


class Handshake:
    """One connection's handshake. Feed it messages until `agreed` is set."""

    __slots__ = ("_addr_v2", "_wtxid", "agreed", "inbound", "local", "own_nonces", "remote", "state", "their_address")

    def __init__(
        self, local: Local, inbound: bool, own_nonces: frozenset[int] | set[int], their_address: NetAddress = NOWHERE
    ) -> None:
        self.local = local
        self.inbound = inbound
        self.own_nonces = own_nonces
        self.their_address = their_address
        self.state = State.VERSION
        self.remote: Version | None = None
        self.agreed: Agreed | None = None
        self._wtxid = False
        self._addr_v2 = False

    def start(self) -> list[Message]:
        """What to send first: the side that opened the connection speaks first."""
        return [] if self.inbound else [self._version()]

    def on(self, m: Message) -> list[Message]:
        """Take a message and return the answers.

        Before the handshake is done all else is ignored, so that nothing leaks, and so is a second version.
        Raises HandshakeError("self-connection" | "obsolete-version" | "missing-services" | "late-feature").
        """
        if isinstance(m, Version) and self.state is State.VERSION:
            return self._on_version(m)
        if self.state is State.VERACK:
            if isinstance(m, WtxidRelay):
                self._wtxid = self.remote is not None and self.remote.version >= WTXID_VERSION
            elif isinstance(m, SendAddrV2):
                self._addr_v2 = True
            elif isinstance(m, Verack):
                self._finish()
        elif self.state is State.DONE and isinstance(m, WtxidRelay | SendAddrV2):
            raise HandshakeError("late-feature", f"{type(m).__name__} after verack")
        return []

    def _version(self) -> Version:
        me = self.local
        return Version(
            version=me.version,
            services=me.services,
            time=me.time,
            receiver=self.their_address,
            nonce=me.nonce,
            user_agent=me.user_agent,
            height=me.height,
            relay=me.relay,
        )

    def _on_version(self, m: Version) -> list[Message]:
        if self.inbound and m.nonce in self.own_nonces:
            raise HandshakeError(SELF_CONNECTION)
        if m.version < self.local.min_version:
            raise HandshakeError("obsolete-version", f"{m.version} < {self.local.min_version}")
        if missing := self.local.wanted_services & ~m.services:
            raise HandshakeError("missing-services", f"{missing:#x} wanted")
        self.remote = m
        self.state = State.VERACK
        answers: list[Message] = [self._version()] if self.inbound else []
        if min(m.version, self.local.version) >= WTXID_VERSION:
            answers += (WtxidRelay(), SendAddrV2())
        return [*answers, Verack()]

    def _finish(self) -> None:
        remote = self.remote
        assert remote is not None
        self.state = State.DONE
        self.agreed = Agreed(
            version=min(remote.version, self.local.version),
            services=remote.services,
            user_agent=remote.user_agent,
            height=remote.height,
            relay=remote.relay,
            wtxid_relay=self._wtxid,
            addr_v2=self._addr_v2,
            time_offset=remote.time - self.local.time,
            seen_as=remote.receiver,
        )
