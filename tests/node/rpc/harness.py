"""A node in memory behind a dispatcher, and stand-ins for the network and the process, so that methods are called as clients call them."""

from __future__ import annotations

import asyncio
import ipaddress
import json
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import orjson

from chains.bitcoin import REGTEST
from chains.spec import ChainSpec
from node.env import RealEnv
from node.filters import FilterIndex
from node.indexes import TransactionIndex
from node.node import Node
from node.rpc.api import AddedPeer, BannedSubnet, KnownAddress, PeerInfo
from node.rpc.catalogue import bitcoin_dispatcher
from node.rpc.dispatch import Call
from node.rpc.errors import RpcError
from p2p.shaping import Link
from primitives import address as addresses
from primitives import secp256k1
from primitives.hashing import hash160
from storage.memory import MemoryStore
from wallet import scripts, taproot


class FakePeers:
    """A network that does what it is told and connects to nobody."""

    active = True
    services = 0x409
    user_agent = "/Chainyard:0.1.0/"
    protocol_version = 70016
    time_offset = 0

    def __init__(self) -> None:
        self.connected: dict[int, PeerInfo] = {
            1: PeerInfo(1, "127.0.0.1:5000", "not_publicly_routable", True, "inbound", ping=0.25, sent={"ping": 32}),
            2: PeerInfo(2, "1.2.3.4:8333", "ipv4", False, "outbound-full-relay", services=0x1 | 1 << 33),
        }
        self.kept: list[str] = []
        self.tried: list[str] = []
        self.banned: dict[str, BannedSubnet] = {}
        self.book: list[KnownAddress] = []
        self.filter: list[str] = []
        self.pings = 0
        self.asked: list[tuple[bytes, int]] = []
        self.links: dict[str, Link] = {}

    def infos(self) -> Sequence[PeerInfo]:
        return list(self.connected.values())

    def totals(self) -> tuple[int, int]:
        return 100, 200

    def added(self) -> Sequence[AddedPeer]:
        return [AddedPeer(name, (("1.2.3.4:8333", "outbound"),) if name == "1.2.3.4" else ()) for name in self.kept]

    def add(self, name: str) -> bool:
        if " " in name:
            raise ValueError(f"{name!r} is not an address")
        if name in self.kept:
            return False
        self.kept.append(name)
        return True

    def remove(self, name: str) -> bool:
        if name not in self.kept:
            return False
        self.kept.remove(name)
        return True

    def once(self, name: str) -> None:
        self.tried.append(name)

    def disconnect(self, id: int) -> bool:
        return self.connected.pop(id, None) is not None

    def disconnect_address(self, address: str) -> bool:
        found = [i for i, p in self.connected.items() if p.address == address]
        return all(self.disconnect(i) for i in found) and bool(found)

    def ban(self, subnet: str, seconds: int) -> bool:
        name = str(ipaddress.ip_network(subnet, strict=False))
        if name in self.banned:
            return False
        self.banned[name] = BannedSubnet(name, 1000, 1000 + seconds)
        return True

    def unban(self, subnet: str) -> bool:
        return self.banned.pop(str(ipaddress.ip_network(subnet, strict=False)), None) is not None

    def bans(self) -> Sequence[BannedSubnet]:
        return list(self.banned.values())

    def clear_bans(self) -> None:
        self.banned.clear()

    def set_active(self, active: bool) -> None:
        self.active = active

    def ping(self) -> None:
        self.pings += 1

    def known(self) -> Sequence[KnownAddress]:
        return self.book

    def add_known(self, host: str, port: int, tried: bool) -> bool:
        ip = ipaddress.ip_address(host)
        self.book.append(KnownAddress(1, 1, host, port, f"ipv{ip.version}"))
        return True

    def local_addresses(self) -> Sequence[tuple[str, int]]:
        return [("5.6.7.8", 18444)]

    def set_filter(self, names: Sequence[str]) -> None:
        self.filter = list(names)

    def shape(self, name: str, link: Link) -> None:
        self.links[name] = link

    def fetch_block(self, hash: bytes, id: int) -> str | None:
        if id not in self.connected:
            return "Peer does not exist"
        self.asked.append((hash, id))
        return None


class FakeControl:
    """A process that only remembers that it was to stop."""

    def __init__(self, data_directory: Path | None = None) -> None:
        self.log_path: Path | None = None
        self.data_directory = data_directory
        self.stopped = False

    def stop(self) -> None:
        self.stopped = True


class Client:
    """Calls methods through the dispatcher, on a loop of its own."""

    def __init__(self, spec: ChainSpec = REGTEST, indexed: bool = True, data_directory: Path | None = None) -> None:
        self.loop = asyncio.new_event_loop()
        self.env = RealEnv(seed=1)
        indexes = (FilterIndex(), TransactionIndex()) if indexed else ()
        self.node = Node(spec, self.env, MemoryStore(), indexes=indexes)
        self.node.attach(self.loop)
        self.peers = FakePeers()
        self.control = FakeControl(data_directory)
        self.dispatcher = bitcoin_dispatcher(self.node, self.peers, self.control)

    def close(self) -> None:
        """End the threads and the loop."""
        self.node.stop()
        self.env.close()
        self.loop.run_until_complete(self.loop.shutdown_asyncgens())
        self.loop.close()

    def run(self, work: Any) -> Any:
        """Run a coroutine to its end."""
        return self.loop.run_until_complete(work)

    def post(self, body: Any) -> tuple[Any, int]:
        """Send a request, as bytes or as an object; the decoded answer (None where there is none) and the HTTP status."""
        raw = body if isinstance(body, bytes) else orjson.dumps(body)
        answer, status = self.run(self.dispatcher.answer(raw, Call("user", None)))
        return (json.loads(answer, parse_float=Decimal) if answer else None), status

    async def acall(self, name: str, *params: Any) -> Any:
        """Call a method from a coroutine. Raises RpcError."""
        answer, _ = await self.dispatcher.answer(
            orjson.dumps({"method": name, "params": params, "id": 1}), Call("user", None)
        )
        return result_of(json.loads(answer, parse_float=Decimal))

    def call(self, name: str, *params: Any, **named: Any) -> Any:
        """Call a method. Raises RpcError."""
        both = {**named, "args": list(params)} if params else named
        reply, _ = self.post({"method": name, "params": both if named else list(params), "id": 1})
        return result_of(reply)

    def error(self, name: str, *params: Any, **named: Any) -> tuple[int, str]:
        """Code and message of a call that must fail."""
        try:
            result = self.call(name, *params, **named)
        except RpcError as e:
            return e.code, e.message
        raise AssertionError(f"{name} answered {result}")

    def mine(self, count: int = 1, address: str | None = None) -> list[str]:
        """Generate blocks."""
        hashes: list[str] = self.call("generatetoaddress", count, address or ANYONE.wpkh)
        return hashes

    def coin(self, script: bytes, value: int) -> tuple[str, int]:
        """A confirmed coin of some value under a script: where it is."""
        block = self.call("generateblock", f"raw({script.hex()})", [])["hash"]
        txid = self.call("getblock", block)["tx"][0]
        self.mine(100)
        return txid, value


def result_of(reply: Any) -> Any:
    """The result of a reply. Raises RpcError."""
    if reply["error"] is not None:
        raise RpcError(reply["error"]["code"], reply["error"]["message"])
    return reply["result"]


class Key:
    """A key and its addresses on regtest."""

    style = REGTEST.addresses

    def __init__(self, number: int, compressed: bool = True) -> None:
        self.secret = number.to_bytes(32, "big")
        self.public = secp256k1.public_key(self.secret, compressed)
        self.wif = addresses.wif_encode(self.secret, compressed, self.style)
        self.hash = hash160(self.public)
        self.pkh = self._address(scripts.p2pkh(self.hash))
        if compressed:
            self.wpkh = self._address(scripts.p2wpkh(self.hash))
            self.nested = self._address(scripts.p2sh(scripts.p2wpkh(self.hash)))
            self.tr = self._address(taproot.output(self.public[1:]).script)

    def _address(self, script: bytes) -> str:
        found = addresses.encode(script, self.style)
        assert found is not None
        return found


ANYONE = Key(7)
"""Whose key mines the blocks of tests."""
