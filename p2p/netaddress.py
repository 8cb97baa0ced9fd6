"""NetAddress: where a peer can be reached, on which kind of network, in which group; its encodings (BIP155 and before).

It refuses to resolve names and to open connections.
"""

from __future__ import annotations

import base64
import ipaddress
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha3_256

from primitives.buffer import Reader, Writer
from primitives.errors import DecodeError

IPV4, IPV6, TORV2, TORV3, I2P, CJDNS = 1, 2, 3, 4, 5, 6
LENGTHS = {IPV4: 4, IPV6: 16, TORV2: 10, TORV3: 32, I2P: 32, CJDNS: 16}
MAX_ADDRESS = 512
_MAPPED = bytes(10) + b"\xff\xff"
_ONION_CAT = bytes.fromhex("fd87d87eeb43")
NETWORK_NAMES = {IPV4: "ipv4", IPV6: "ipv6", TORV2: "onion", TORV3: "onion", I2P: "i2p", CJDNS: "cjdns"}


@dataclass(frozen=True, slots=True)
class NetAddress:
    """A host on a network of a BIP155 kind, and a port."""

    kind: int
    host: bytes
    port: int

    @property
    def text(self) -> str:
        """Host and port as people write them."""
        return f"[{self.hostname}]:{self.port}" if self.kind in (IPV6, CJDNS) else f"{self.hostname}:{self.port}"

    @property
    def hostname(self) -> str:
        """The host alone, without brackets."""
        if self.kind == IPV4:
            return str(ipaddress.IPv4Address(self.host))
        if self.kind in (IPV6, CJDNS):
            return str(ipaddress.IPv6Address(self.host))
        if self.kind == TORV3:
            tail = sha3_256(b".onion checksum" + self.host + b"\x03").digest()[:2] + b"\x03"
            return base64.b32encode(self.host + tail).decode().lower() + ".onion"
        if self.kind == I2P:
            return base64.b32encode(self.host).decode().lower().rstrip("=") + ".b32.i2p"
        return self.host.hex()

    @property
    def network(self) -> str:
        """The name of its kind, as getpeerinfo gives it."""
        return NETWORK_NAMES.get(self.kind, "not_publicly_routable")

    @property
    def dialable(self) -> bool:
        """Whether a plain socket reaches it."""
        return self.kind in (IPV4, IPV6) and self.port > 0

    @property
    def local(self) -> bool:
        """This machine itself: never discouraged, not counted as a group of peers."""
        return self.kind in (IPV4, IPV6) and _ip(self).is_loopback

    @property
    def routable(self) -> bool:
        """Whether a stranger could reach it, so that it is worth telling others."""
        if self.kind in (IPV4, IPV6):
            return _global(self.host)
        return self.kind in (TORV3, I2P, CJDNS)

    @property
    def group(self) -> bytes:
        """What one operator can easily hold many of: a /16 of IPv4, a /32 of IPv6, four bits of an overlay's key.

        Private and loopback hosts are each a group of their own: a net on one machine has no neighbourhoods.
        """
        if self.kind == IPV4:
            return b"\x01" + (self.host[:2] if self.routable else self.host + self.port.to_bytes(2, "big"))
        if self.kind == IPV6:
            return b"\x02" + (self.host[:4] if self.routable else self.host + self.port.to_bytes(2, "big"))
        return bytes((self.kind & 0xFF, self.host[0] & 0xF0 if self.host else 0))

    @property
    def key(self) -> bytes:
        """Bytes that name it in tables."""
        return bytes((self.kind & 0xFF,)) + self.host + self.port.to_bytes(2, "big")


@lru_cache(maxsize=8192)
def _global(host: bytes) -> bool:
    return ipaddress.ip_address(host).is_global


def _ip(address: NetAddress) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    if address.kind == IPV4:
        return ipaddress.IPv4Address(address.host)
    return ipaddress.IPv6Address(address.host)


def address(host: str, port: int) -> NetAddress:
    """The address that an IP literal, an .onion or an .i2p name means. Raises ValueError for any other name."""
    host = host.strip("[]").split("%")[0]
    if host.endswith(".onion"):
        raw = base64.b32decode(host[:-6].upper())
        if len(raw) != 35 or raw[-1] != 3:
            raise ValueError(f"{host} is not a version 3 onion name")
        return NetAddress(TORV3, raw[:32], port)
    if host.endswith(".b32.i2p"):
        return NetAddress(I2P, base64.b32decode(host[:-8].upper() + "===="), port)
    ip = ipaddress.ip_address(host)
    if isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped is not None:
        ip = ip.ipv4_mapped
    return NetAddress(IPV4 if ip.version == 4 else IPV6, ip.packed, port)


def split_host_port(text: str, default_port: int) -> tuple[str, int]:
    """Host and port of `host`, `host:port`, `[v6]:port` or a bare IPv6 literal. Raises ValueError for a bad port."""
    if text.startswith("["):
        host, _, rest = text[1:].partition("]")
        port_text = rest[1:] if rest.startswith(":") else ""
    elif text.count(":") == 1:
        host, _, port_text = text.partition(":")
    else:
        host, port_text = text, ""
    port = int(port_text) if port_text else default_port
    if not host or not 0 <= port <= 0xFFFF:
        raise ValueError(f"{text!r} is not an address")
    return host, port


def write_v1(w: Writer, a: NetAddress) -> None:
    """16 bytes of IPv6, or IPv4 mapped into it, and the port in network order; other kinds as the null address."""
    if a.kind == IPV4:
        w.bytes(_MAPPED + a.host)
    elif a.kind in (IPV6, CJDNS):
        w.bytes(a.host)
    elif a.kind == TORV2:
        w.bytes(_ONION_CAT + a.host)
    else:
        w.bytes(bytes(16))
    w.u16_be(a.port)


def read_v1(r: Reader) -> NetAddress:
    """Read the 18 bytes that `write_v1` wrote."""
    raw = r.bytes(16)
    port = r.u16_be()
    if raw[:12] == _MAPPED:
        return NetAddress(IPV4, raw[12:], port)
    if raw[:6] == _ONION_CAT:
        return NetAddress(TORV2, raw[6:], port)
    return NetAddress(IPV6, raw, port)


def write_v2(w: Writer, a: NetAddress) -> None:
    """Kind, length, host and port (BIP155)."""
    w.u8(a.kind).var_bytes(a.host).u16_be(a.port)


def read_v2(r: Reader) -> NetAddress:
    """Read a BIP155 address. Raises DecodeError for a known kind of the wrong length and for over 512 bytes."""
    kind = r.u8()
    length = r.compact()
    if length > MAX_ADDRESS:
        raise DecodeError(f"address of {length} bytes, {MAX_ADDRESS} allowed")
    if LENGTHS.get(kind, length) != length:
        raise DecodeError(f"address of kind {kind} with {length} bytes")
    host = r.bytes(length)
    return NetAddress(kind, host, r.u16_be())


NOWHERE = NetAddress(IPV6, bytes(16), 0)
"""What a message says where no address is to be told."""
