"""Gossip: what is done with addresses that peers tell, and what they are told. Sans-I/O; time is an argument.

It refuses to send: its methods return what is to be sent to whom. Source: Bitcoin Core, net_processing.cpp.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from random import Random

from p2p.addresses import AddressBook
from p2p.limits import ADDR_BURST, ADDR_RATE, RecentSet, TokenBucket
from p2p.messages import Addr, AddrV2, Known, Message
from p2p.netaddress import IPV4, IPV6, NetAddress

RELAY_AGE = 600
"""Seconds since it was seen within which a told address is passed on."""
RELAY_MOST = 10
"""A message with more addresses answers a getaddr; it is not passed on."""
PENALTY = 2 * 3600
CACHE_SECONDS = 24 * 3600.0
KNOWN_ADDRESSES = 2_500


@dataclass(slots=True)
class Member:
    """A peer as far as addresses go."""

    id: int
    address: NetAddress
    inbound: bool
    v2: bool
    relays: bool
    """Not for block-relay connections, which shall not be found by their gossip."""
    unlimited: bool
    bucket: TokenBucket
    known: RecentSet = field(default_factory=lambda: RecentSet(KNOWN_ADDRESSES))
    answered: bool = False
    processed: int = 0
    limited: int = 0


Told = tuple[int, Message]


class Gossip:
    """All peers' address traffic over one book."""

    def __init__(self, book: AddressBook, random: Random) -> None:
        self.book = book
        self.random = random
        self.members: dict[int, Member] = {}
        self._salt = random.randbytes(16)
        self._cache: tuple[Known, ...] = ()
        self._cached_until = -1.0

    def joined(
        self, id: int, address: NetAddress, inbound: bool, v2: bool, relays: bool, unlimited: bool, now: float
    ) -> Member:
        """A handshake is done."""
        bucket = TokenBucket(ADDR_RATE, ADDR_BURST, now, 1.0)
        self.members[id] = member = Member(id, address, inbound, v2, relays, unlimited, bucket)
        return member

    def left(self, id: int) -> None:
        """A peer is gone."""
        self.members.pop(id, None)

    def asked(self, id: int) -> None:
        """A getaddr was sent: its answer is let in whole."""
        self.members[id].bucket.grant(ADDR_BURST)

    def on_addresses(self, id: int, entries: tuple[Known, ...], wall: int, now: float) -> list[Told]:
        """Addresses came in: keep what the peer's rate allows, pass fresh ones on to one or two others."""
        member = self.members[id]
        if not member.relays:
            return []
        if not member.unlimited and not member.bucket.holds(now):
            member.limited += len(entries)
            return []
        kept = []
        for e in self.random.sample(entries, len(entries)):
            if not member.unlimited and not member.bucket.take(now):
                member.limited += 1
                continue
            member.processed += 1
            member.known.add(e.address.key)
            seen = e.time if 100_000_000 < e.time <= wall + 600 else wall - 5 * 86_400
            kept.append(Known(seen, e.services, e.address))
        self.book.add(kept, member.address, wall, PENALTY)
        if len(entries) > RELAY_MOST:
            return []
        return [
            told
            for e in kept
            if wall - e.time < RELAY_AGE and (e.address.routable or self.book.private)
            for told in self._pass_on(member, e, wall)
        ]

    def _pass_on(self, source: Member, e: Known, wall: int) -> Iterator[Told]:
        """To the two peers that a keyed hash of address and day picks, so that a repeated rumour goes the same way."""
        day = ((wall + hash_int(self._salt, e.address.key)) // 86_400).to_bytes(8, "little", signed=True)
        able = [m for m in self.members.values() if m.relays and m is not source and (m.v2 or _plain(e.address))]
        able.sort(key=lambda m: hash_int(self._salt, e.address.key, day, m.id.to_bytes(8, "little")))
        for m in able[:2]:
            if e.address.key not in m.known:
                m.known.add(e.address.key)
                yield m.id, _message(m, (e,))

    def on_getaddr(self, id: int, wall: int, now: float) -> Message | None:
        """Answer an inbound peer's first getaddr from a sample that is the same for all peers for a day."""
        member = self.members[id]
        if not member.inbound or member.answered or not member.relays:
            return None
        member.answered = True
        if now >= self._cached_until:
            self._cache = self.book.sample(wall)
            self._cached_until = now + CACHE_SECONDS * (0.9 + 0.2 * self.random.random())
        entries = tuple(e for e in self._cache if member.v2 or _plain(e.address))
        if not entries:
            return None
        for e in entries:
            member.known.add(e.address.key)
        return _message(member, entries)

    def advertise(self, id: int, own: NetAddress, services: int, wall: int) -> Message | None:
        """Tell a peer where this node can be reached."""
        member = self.members[id]
        if not member.relays or not (member.v2 or _plain(own)):
            return None
        return _message(member, (Known(wall, services, own),))


def _plain(address: NetAddress) -> bool:
    return address.kind in (IPV4, IPV6)


def _message(member: Member, entries: tuple[Known, ...]) -> Message:
    return AddrV2(entries) if member.v2 else Addr(entries)


def hash_int(*parts: bytes) -> int:
    """A keyed hash as an integer."""
    return int.from_bytes(sha256(b"".join(parts)).digest()[:8], "little")
