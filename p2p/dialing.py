"""Dialer: whom to connect to, and when. Sans-I/O: it is asked what is due and told how it went.

It refuses to open connections; the numbers of outbound peers of each kind are its affair alone.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from random import Random

from p2p.addresses import AddressBook
from p2p.limits import FEELER_INTERVAL
from p2p.netaddress import NetAddress, address, split_host_port
from p2p.peer import Kind

FIRST_RETRY, LAST_RETRY = 1.0, 60.0
FIRST_LOCAL_RETRY, LAST_LOCAL_RETRY = 0.25, 4.0
"""Of peers on this machine, which start together."""
SEED_AFTER = 5.0
"""Seconds without a candidate before the seeds are asked."""
SEED_INTERVAL = 60.0
DIALS_AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class Dial:
    """One connection to open. `name` is what the user called it, else the address."""

    host: str
    port: int
    kind: Kind
    name: str
    address: NetAddress | None = None


@dataclass(slots=True)
class Target:
    """A peer that the user named: tried again for ever, ever more slowly."""

    host: str
    port: int
    due: float = 0.0
    failures: int = 0


@dataclass(slots=True)
class Dialer:
    """Outbound connections to keep."""

    book: AddressBook
    random: Random
    default_port: int
    full: int
    block_only: int
    local: bool = False
    seeds: tuple[str, ...] = ()
    anchors: list[NetAddress] = field(default_factory=list)
    extra: int = 0
    """Outbound peers beyond the usual number, when the tip is stale."""
    manual: dict[str, Target] = field(default_factory=dict)
    pending: dict[str, Dial] = field(default_factory=dict)
    """Dials that were handed out and have not ended: being opened, or open."""
    resting: dict[str, float] = field(default_factory=dict)
    """Addresses of the book that were tried just now, and until when others are tried instead."""
    _feeler_due: float = FEELER_INTERVAL
    _seed_due: float = SEED_AFTER

    def add(self, name: str) -> bool:
        """Keep a connection to a peer; False where it is kept already. Raises ValueError for a name that is no address."""
        host, port = split_host_port(name, self.default_port)
        if name in self.manual:
            return False
        self.manual[name] = Target(host, port)
        return True

    def remove(self, name: str) -> bool:
        """Do not keep it any more; whether it was kept."""
        return self.manual.pop(name, None) is not None

    def due(self, now: float, wall: int, connected: Iterable[tuple[Kind, NetAddress]]) -> list[Dial]:
        """What to open now; each is pending until `ended`."""
        dials = [
            Dial(t.host, t.port, Kind.MANUAL, name)
            for name, t in self.manual.items()
            if t.due <= now and name not in self.pending
        ]
        self.resting = {name: until for name, until in self.resting.items() if until > now}
        peers = list(connected)
        groups = {a.group for kind, a in peers if kind is not Kind.INBOUND}
        groups |= {d.address.group for d in self.pending.values() if d.address is not None}
        keys = {a.key for _, a in peers}
        wanted = [
            *[Kind.BLOCK_ONLY] * (self.block_only - self._count(Kind.BLOCK_ONLY)),
            *[Kind.FULL] * (self.full + self.extra - self._count(Kind.FULL)),
        ]
        starved = False
        opening = sum(d.kind is not Kind.MANUAL for d in self.pending.values())
        opening -= sum(kind not in (Kind.INBOUND, Kind.MANUAL) for kind, _ in peers)
        for kind in wanted[: max(0, DIALS_AT_ONCE - opening)]:
            found = self._candidate(kind, wall, groups, keys)
            if found is None:
                starved = True
                break
            groups.add(found.group)
            dials.append(self._to(found, kind))
        if not wanted and now >= self._feeler_due and (self.full or self.block_only):
            self._feeler_due = now + FEELER_INTERVAL * (0.5 + self.random.random())
            feeler = self.book.select(wall, new_only=True)
            if feeler is not None and feeler.key not in keys:
                dials.append(self._to(feeler, Kind.FEELER))
        if starved and self.seeds and now >= self._seed_due:
            self._seed_due = now + SEED_INTERVAL
            host, port = split_host_port(self.random.choice(self.seeds), self.default_port)
            dials.append(Dial(host, port, Kind.ADDR_FETCH, f"{host}:{port}"))
        dials = [d for d in dials if d.name not in self.pending]
        self.pending.update((d.name, d) for d in dials)
        return dials

    def _count(self, kind: Kind) -> int:
        return sum(d.kind is kind for d in self.pending.values())

    def _to(self, a: NetAddress, kind: Kind) -> Dial:
        return Dial(a.hostname, a.port, kind, a.text, a)

    def _candidate(self, kind: Kind, wall: int, groups: set[bytes], keys: set[bytes]) -> NetAddress | None:
        if kind is Kind.BLOCK_ONLY:
            while self.anchors:
                anchor = self.anchors.pop(0)
                if anchor.group not in groups:
                    return anchor
        busy = self.pending.keys() | self.resting.keys()
        for _ in range(50):
            found = self.book.select(wall)
            if found is None:
                return None
            if found.group not in groups and found.key not in keys and found.text not in busy:
                return found
        return None

    def ended(self, dial: Dial, now: float, lasted: bool) -> None:
        """A dial failed, or its connection is over; `lasted`: the handshake had been done."""
        self.pending.pop(dial.name, None)
        most = LAST_LOCAL_RETRY if self.local else LAST_RETRY
        if dial.address is not None:
            self.resting[dial.name] = now + (FIRST_RETRY if lasted else most)
        target = self.manual.get(dial.name)
        if target is not None:
            target.failures = 0 if lasted else target.failures + 1
            first = FIRST_LOCAL_RETRY if self.local and not lasted else FIRST_RETRY
            delay = min(most, first * 2.0 ** min(target.failures, 10) / 2)
            target.due = now + delay * (0.75 + 0.5 * self.random.random())

    def hurry(self) -> None:
        """Try all that the user named at once."""
        for target in self.manual.values():
            target.due, target.failures = 0.0, 0


def literal(host: str, port: int) -> NetAddress | None:
    """The address that a host means if it is not a name to be resolved."""
    try:
        return address(host, port)
    except ValueError:
        return None
