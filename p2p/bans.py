"""Who may not connect: subnets that the user banned, and addresses that misbehaved. Both bounded, both kept in a file.

It counts time on the monotonic clock, so that time travel ends no ban; a file keeps the seconds that were left.
"""

from __future__ import annotations

import ipaddress
import json
from dataclasses import dataclass
from typing import Any

from p2p.limits import DISCOURAGE_SECONDS, MAX_BANS, MAX_DISCOURAGED
from p2p.netaddress import IPV4, IPV6, NetAddress
from primitives.errors import DecodeError

Subnet = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True, slots=True)
class Ban:
    """A banned subnet: from when, until when (monotonic seconds), and the wall clock's second at its beginning."""

    subnet: Subnet
    since: float
    until: float
    created: int


def subnet(text: str) -> Subnet:
    """The subnet that an address or a CIDR notation means. Raises ValueError."""
    return ipaddress.ip_network(text, strict=False)


def inside(address: NetAddress, net: Subnet) -> bool:
    """Whether an address lies in a subnet."""
    if address.kind not in (IPV4, IPV6) or (address.kind == IPV4) != (net.version == 4):
        return False
    return ipaddress.ip_address(address.host) in net


class BanList:
    """Bans by subnet and discouraged addresses."""

    def __init__(self) -> None:
        self._bans: dict[Subnet, Ban] = {}
        self._discouraged: dict[bytes, float] = {}
        self.changed = False
        """Whether something is to be saved."""

    def ban(self, net: Subnet, seconds: float, now: float, created: int) -> None:
        """Ban a subnet for a time; a longer ban that stands is kept."""
        standing = self._bans.get(net)
        if standing is not None and standing.until >= now + seconds:
            return
        if len(self._bans) >= MAX_BANS and standing is None:
            del self._bans[min(self._bans.values(), key=lambda b: b.until).subnet]
        self._bans[net] = Ban(net, now, now + seconds, created)
        self.changed = True

    def unban(self, net: Subnet) -> bool:
        """Lift a ban; whether there was one."""
        self.changed = True
        return self._bans.pop(net, None) is not None

    def clear(self) -> None:
        """Lift all bans."""
        self._bans.clear()
        self.changed = True

    def bans(self, now: float) -> list[Ban]:
        """The bans that stand."""
        self._sweep(now)
        return list(self._bans.values())

    def banned(self, address: NetAddress, now: float) -> bool:
        """Whether an address is in a banned subnet."""
        return any(b.until > now and inside(address, b.subnet) for b in self._bans.values())

    def discourage(self, address: NetAddress, now: float) -> None:
        """Remember that a host misbehaved; the oldest is forgotten when there are too many."""
        key = _host(address)
        self._discouraged.pop(key, None)
        while len(self._discouraged) >= MAX_DISCOURAGED:
            del self._discouraged[next(iter(self._discouraged))]
        self._discouraged[key] = now + DISCOURAGE_SECONDS
        self.changed = True

    def discouraged(self, address: NetAddress, now: float) -> bool:
        """Whether a host misbehaved within a day."""
        return self._discouraged.get(_host(address), 0.0) > now

    def _sweep(self, now: float) -> None:
        for net in [n for n, b in self._bans.items() if b.until <= now]:
            del self._bans[net]
        for key in [k for k, until in self._discouraged.items() if until <= now]:
            del self._discouraged[key]

    def encode(self, now: float) -> bytes:
        """Both lists as JSON, with the seconds that are left."""
        self._sweep(now)
        bans = [[str(b.subnet), b.created, round(b.until - b.since), round(b.until - now)] for b in self._bans.values()]
        hosts = [[key.hex(), round(until - now)] for key, until in self._discouraged.items()]
        return json.dumps({"banned": bans, "discouraged": hosts}, indent=1).encode()

    @classmethod
    def decode(cls, data: bytes, now: float) -> BanList:
        """The lists that a file holds. Raises DecodeError."""
        try:
            stored: dict[str, list[list[Any]]] = json.loads(data)
            found = cls()
            for text, created, length, left in stored["banned"][:MAX_BANS]:
                net = subnet(text)
                found._bans[net] = Ban(net, now + left - length, now + left, int(created))
            for key, left in stored["discouraged"][:MAX_DISCOURAGED]:
                found._discouraged[bytes.fromhex(key)] = now + min(float(left), DISCOURAGE_SECONDS)
        except (ValueError, TypeError, KeyError, RecursionError) as e:
            raise DecodeError(f"the ban list cannot be read: {e}") from e
        return found


def _host(address: NetAddress) -> bytes:
    return bytes((address.kind & 0xFF,)) + address.host
