"""Whole networks of peers on virtual time: who connects, who is cut off, what it costs, what is kept."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lab.clock import VirtualLoop, run
from lab.env import VirtualDisk, VirtualEnv
from lab.network import SimulatedNetwork
from p2p import messages as m
from p2p.api import Settings
from p2p.bans import subnet
from p2p.framing import Framer, pack
from p2p.netaddress import address
from p2p.network import Network
from p2p.peer import Kind, Peer
from primitives.errors import DecodeError
from tests.p2p.strategies import FORMAT

MAGIC = b"\xfa\xbf\xb5\xda"
SETTINGS = Settings(MAGIC, 4_000_000, 18444, local=True, full_outbound=0, block_only_outbound=0, directory=Path("/d"))


class Node:
    """A handler that writes down what it is told."""

    def __init__(
        self, net: SimulatedNetwork, host: str, settings: Settings = SETTINGS, disk: VirtualDisk | None = None
    ) -> None:
        self.env = VirtualEnv(net, host, 1, disk=disk)
        self.host = host
        self.got: list[m.Message] = []
        self.events: list[str] = []
        self.network = Network(self.env, FORMAT, settings, self)
        self.hold: asyncio.Event | None = None

    def height(self) -> int:
        return 7

    def joined(self, peer: Peer) -> None:
        self.events.append("joined")

    async def received(self, peer: Peer, message: m.Message) -> None:
        self.got.append(message)
        if isinstance(message, m.GetData):

            async def serve() -> None:
                peer.send(m.BlockMessage(None, bytes(1_000_000)))

            for _ in message.items:
                peer.later(serve)

    def malformed(self, peer: Peer, error: DecodeError) -> None:
        self.events.append(type(error).__name__)
        if isinstance(error, m.TooMany):
            self.network.punish(peer.id, "too many")

    def left(self, peer: Peer) -> None:
        self.events.append(f"left {peer.closed}")


class Raw:
    """A hostile peer: bytes and messages as they are."""

    def __init__(self, streams: tuple[asyncio.StreamReader, asyncio.StreamWriter]) -> None:
        self.reader, self.writer = streams
        self.framer = Framer(MAGIC, 32_000_000)

    def send(self, *messages: m.Message) -> None:
        for x in messages:
            self.writer.write(pack(MAGIC, m.command_of(x), m.encode(x)))

    async def messages(self, seconds: float) -> list[m.Message]:
        """What arrives within a time, or until the connection ends."""
        got: list[m.Message] = []
        try:
            async with asyncio.timeout(seconds):
                while data := await self.reader.read(1 << 16):
                    got += [m.decode(f, FORMAT) for f in self.framer.feed(data)]
        except (TimeoutError, ConnectionError):
            pass
        return got

    async def shake(self) -> None:
        self.send(m.Version(70016, 9, 0, nonce=5), m.Verack())
        await self.messages(1)

    async def ended(self, seconds: float) -> bool:
        """Whether the other side closes within a time."""
        try:
            async with asyncio.timeout(seconds):
                while await self.reader.read(1 << 16):
                    pass
        except TimeoutError:
            return False
        except ConnectionError:
            pass
        return True


@asynccontextmanager
async def running(*nodes: Node) -> Any:
    async with asyncio.TaskGroup() as tasks:
        started = [tasks.create_task(n.network.run()) for n in nodes]
        await asyncio.sleep(0)
        try:
            yield
        finally:
            for task in started:
                task.cancel()


def hostile(body: Callable[[Node, Raw, SimulatedNetwork], Awaitable[None]], settings: Settings = SETTINGS) -> None:
    """Run a body with a node and a raw connection to it."""

    async def main(loop: VirtualLoop) -> None:
        net = SimulatedNetwork(loop, 3)
        node = Node(net, "10.0.0.1", settings)
        await node.network.listen("", 18444)
        async with running(node):
            raw = Raw(await net.connect("10.0.0.9", "10.0.0.1", 18444, 5))
            await body(node, raw, net)

    run(main)


def test_two_nodes_meet_talk_and_part() -> None:
    async def main(loop: VirtualLoop) -> None:
        net = SimulatedNetwork(loop, 1)
        a, b = Node(net, "10.0.0.1"), Node(net, "10.0.0.2")
        await a.network.listen("", 18444)
        async with running(a, b):
            assert b.network.add("10.0.0.1") and not b.network.add("10.0.0.1")
            await asyncio.sleep(2)
            assert a.events == b.events == ["joined"]
            (pa,), (pb,) = a.network.joined_peers(), b.network.joined_peers()
            assert pa.kind is Kind.INBOUND and pb.kind is Kind.MANUAL and pb.agreed and pb.agreed.height == 7
            assert 0 < pa.min_ping < 0.2
            b.network.send(pb.id, m.SendHeaders())
            await asyncio.sleep(1)
            assert a.got == [m.SendHeaders()]
            a.network.disconnect(pa.id, "bye")
            await asyncio.sleep(10)
            assert len(a.network.joined_peers()) == 1, "a peer that the user named is dialled again"
            b.network.remove("10.0.0.1")
            await asyncio.sleep(100)
            assert not a.network.peers and not b.network.peers
            assert a.network.totals()[0] == b.network.totals()[1] > 300

    run(main)


def count_dials(node: Node) -> list[str]:
    """The hosts that a node connects to; filled as it goes."""
    dialled: list[str] = []
    connect = node.env.connect

    async def counting(host: str, port: int, seconds: float) -> Any:
        dialled.append(host)
        return await connect(host, port, seconds)

    node.env.connect = counting  # type: ignore[method-assign, assignment]
    return dialled


@pytest.mark.parametrize("named", [True, False])
def test_a_node_that_dials_itself_lets_go(named: bool) -> None:
    async def main(loop: VirtualLoop) -> None:
        a = Node(SimulatedNetwork(loop, 1), "10.0.0.1", replace(SETTINGS, full_outbound=2))
        dialled = count_dials(a)
        await a.network.listen("", 18444)
        async with running(a):
            me = address("10.0.0.1", 18444)
            if named:
                a.network.add("10.0.0.1:18444")
            else:
                a.network.book.add([m.Known(a.env.now(), 9, me)], me, a.env.now())
            await asyncio.sleep(60)
            assert a.events == [] and not a.network.peers
            assert dialled == ["10.0.0.1"] and me not in a.network.book and not a.network.dialer.manual

    run(main)


def test_an_address_that_hangs_up_at_once_is_not_dialled_without_end() -> None:
    async def main(loop: VirtualLoop) -> None:
        net = SimulatedNetwork(loop, 1)
        a, b = Node(net, "10.0.0.1", replace(SETTINGS, full_outbound=2)), Node(net, "10.0.0.2")
        b.network.bans.ban(subnet("10.0.0.1"), 1e9, 0.0, 0)
        dialled = count_dials(a)
        await b.network.listen("", 18444)
        async with running(a, b):
            them = address("10.0.0.2", 18444)
            a.network.book.add([m.Known(a.env.now(), 9, them)], them, a.env.now())
            await asyncio.sleep(60)
            assert 5 <= len(dialled) <= 20

    run(main)


def test_wrong_magic_and_oversized_frames_end_it_at_once() -> None:
    for bad in (b"GET / HTTP/1.1\r\n", MAGIC + b"tx".ljust(12, b"\0") + (4_000_001).to_bytes(4, "little")):

        async def body(node: Node, raw: Raw, net: SimulatedNetwork, bad: bytes = bad) -> None:
            raw.writer.write(bad)
            assert await raw.ended(1)

        hostile(body)


def test_a_bad_checksum_costs_the_message_alone() -> None:
    async def body(node: Node, raw: Raw, net: SimulatedNetwork) -> None:
        await raw.shake()
        broken = bytearray(pack(MAGIC, "ping", bytes(8)))
        broken[-1] ^= 1
        raw.writer.write(bytes(broken))
        raw.send(m.Unknown("wibble", b"x"), m.Ping(9))
        assert m.Pong(9) in await raw.messages(1)

    hostile(body)


def test_a_handshake_that_does_not_finish_ends_after_a_minute() -> None:
    async def body(node: Node, raw: Raw, net: SimulatedNetwork) -> None:
        raw.send(m.Ping(1), m.GetAddr(), m.GetHeaders(1, ()))
        assert await raw.messages(30) == []
        assert node.got == []
        assert await raw.ended(35)

    hostile(body)


def test_a_byte_a_second_is_too_slow() -> None:
    async def body(node: Node, raw: Raw, net: SimulatedNetwork) -> None:
        await raw.shake()
        frame = pack(MAGIC, "block", bytes(1000))
        start = net.loop.time()
        for at in range(200):
            raw.writer.write(frame[at : at + 1])
            await asyncio.sleep(1)
            if not node.network.peers:
                break
        assert 59 < net.loop.time() - start < 65

    hostile(body)


def test_a_peer_that_answers_no_ping_ends_after_twenty_minutes() -> None:
    async def body(node: Node, raw: Raw, net: SimulatedNetwork) -> None:
        await raw.shake()
        start = net.loop.time()
        raw.send(m.Pong(12345))
        while node.network.peers:
            await asyncio.sleep(1)
            raw.send(m.FeeFilter(1))
        assert 1190 < net.loop.time() - start < 1210
        assert node.events[-1] == "left ping-timeout"

    hostile(body)


def test_lists_above_the_limit_are_punished_but_not_this_machine_or_the_whitelisted() -> None:
    async def body(node: Node, raw: Raw, net: SimulatedNetwork) -> None:
        await raw.shake()
        raw.writer.write(pack(MAGIC, "inv", b"\xfd" + (50_001).to_bytes(2, "little") + bytes(36 * 50_001)))
        cut = await raw.ended(5)
        discouraged = node.network.bans.discouraged(address("10.0.0.9", 1), net.loop.time())
        assert cut == discouraged == (not node.network.settings.whitelist)

    hostile(body)
    hostile(body, replace(SETTINGS, whitelist=(subnet("10.0.0.9"),)))


def test_a_hundred_undecodable_messages_are_one_too_many() -> None:
    async def body(node: Node, raw: Raw, net: SimulatedNetwork) -> None:
        await raw.shake()
        for _ in range(99):
            raw.send(m.Unknown("inv", b"\xff"))
        raw.send(m.Ping(1))
        assert m.Pong(1) in await raw.messages(1)
        for _ in range(100):
            raw.send(m.Unknown("inv", b"\xff"))
        assert await raw.ended(5)

    hostile(body)


def test_requests_for_more_than_is_read_pause_the_reading() -> None:
    async def body(node: Node, raw: Raw, net: SimulatedNetwork) -> None:
        await raw.shake()
        item = (m.MSG_BLOCK, bytes(32))
        for _ in range(20):
            raw.send(m.GetData((item,) * 1000))
        await asyncio.sleep(60)
        (peer,) = node.network.peers.values()
        assert len(node.got) <= 3, "the third getdata waits for the first two"
        assert peer.send_buffer < 4_000_000
        assert peer.sent.get("block", 0) < 6_000_000, "blocks are made as they are taken"

    hostile(body)


def test_a_peer_that_never_reads_is_not_announced_to_and_then_cut_off() -> None:
    async def body(node: Node, raw: Raw, net: SimulatedNetwork) -> None:
        await raw.shake()
        (peer,) = node.network.peers.values()
        peer.send(m.BlockMessage(None, bytes(2_000_000)))
        sent = peer.bytes_sent
        peer.send(m.Inv(((1, bytes(32)),)))
        assert peer.bytes_sent == sent
        for _ in range(40):
            peer.send(m.BlockMessage(None, bytes(1_000_000)))
        assert peer.closed == "send-buffer-full"
        assert peer.send_buffer < 36_000_000

    hostile(body)


def test_a_junk_flood_does_not_keep_others_waiting() -> None:
    async def body(node: Node, raw: Raw, net: SimulatedNetwork) -> None:
        await raw.shake()
        honest = Raw(await net.connect("10.0.0.8", "10.0.0.1", 18444, 5))
        await honest.shake()
        for _ in range(30):
            raw.writer.write(pack(MAGIC, "junk", bytes(4_000_000)))
        for n in range(10):
            start = net.loop.time()
            honest.send(m.Ping(n))
            assert m.Pong(n) in await honest.messages(1)
            assert net.loop.time() - start < 2

    hostile(body)


def test_inbound_slots_go_to_those_an_attacker_cannot_be() -> None:
    async def main(loop: VirtualLoop) -> None:
        net = SimulatedNetwork(loop, 1)
        node = Node(
            net, "9.9.9.9", replace(SETTINGS, local=False, max_connections=41, full_outbound=0, block_only_outbound=0)
        )
        await node.network.listen("", 18444)
        async with running(node):
            honest = []
            for i in range(40):
                raw = Raw(await net.connect(f"5.{i}.0.1", "9.9.9.9", 18444, 5))
                await raw.shake()
                honest.append(raw)
            for i in range(200):
                raw = Raw(await net.connect(f"6.6.{i}.1", "9.9.9.9", 18444, 5))
                raw.send(m.Version(70016, 9, 0, nonce=5), m.Verack())
                await asyncio.sleep(0.2)
            await asyncio.sleep(1)
            assert len(node.network.peers) <= 40
            groups = [p.address.group for p in node.network.peers.values()]
            assert sum(g != address("6.6.0.1", 1).group for g in groups) >= 20

    run(main)


def test_bans_and_discouragement_outlive_a_restart_but_not_their_time() -> None:
    async def main(loop: VirtualLoop) -> None:
        net, disk = SimulatedNetwork(loop, 1), VirtualDisk()
        first = Node(net, "10.0.0.1", replace(SETTINGS, tick=60.0), disk)
        await first.network.listen("", 18444)
        async with running(first):
            raw = Raw(await net.connect("10.0.0.9", "10.0.0.1", 18444, 5))
            await raw.shake()
            first.network.ban(subnet("10.0.0.9"), 3600)
            assert await raw.ended(1)
            first.network.bans.discourage(address("10.7.7.7", 1), loop.time())
        second = Node(net, "10.0.0.1", replace(SETTINGS, tick=60.0), disk)
        await second.network.listen("", 18444)
        async with running(second):
            again = Raw(await net.connect("10.0.0.9", "10.0.0.1", 18444, 5))
            assert await again.ended(1)
            assert second.network.bans.discouraged(address("10.7.7.7", 5), loop.time())
            second.env.travel(10_000_000)
            assert second.network.bans.banned(address("10.0.0.9", 1), loop.time()), "time travel ends no ban"
            await asyncio.sleep(3601)
            assert not second.network.bans.banned(address("10.0.0.9", 1), loop.time())
            await asyncio.sleep(86_400)
            assert not second.network.bans.discouraged(address("10.7.7.7", 5), loop.time())

    run(main)


def test_outbound_peers_are_of_different_groups_and_anchors_survive() -> None:
    async def main(loop: VirtualLoop) -> None:
        net, disk = SimulatedNetwork(loop, 1), VirtualDisk()
        plain = replace(SETTINGS, local=False)
        hosts = [f"5.{i // 3}.0.{i}" for i in range(60)]
        servers = [Node(net, h, plain) for h in hosts]
        for s in servers:
            await s.network.listen("", 18444)
        wide = replace(plain, full_outbound=8, block_only_outbound=2)
        node = Node(net, "9.9.9.9", wide, disk)
        known = [m.Known(node.env.now(), 9, address(h, 18444)) for h in hosts]
        node.network.book.add(known, address("4.4.4.4", 1), node.env.now())
        async with running(node, *servers):
            await asyncio.sleep(120)
            peers = node.network.joined_peers()
            assert [p.kind for p in peers].count(Kind.FULL) == 8
            assert [p.kind for p in peers].count(Kind.BLOCK_ONLY) == 2
            assert len({p.address.group for p in peers}) == 10
            anchors = {p.address for p in peers if p.kind is Kind.BLOCK_ONLY}
        again = Node(net, "9.9.9.9", replace(wide, full_outbound=0), disk)
        assert set(again.network.dialer.anchors) == anchors
        assert len(again.network.book) == len(node.network.book) > 20

    run(main)


def test_network_activity_can_be_switched_off() -> None:
    async def main(loop: VirtualLoop) -> None:
        net = SimulatedNetwork(loop, 1)
        a, b = Node(net, "10.0.0.1"), Node(net, "10.0.0.2")
        await a.network.listen("", 18444)
        async with running(a, b):
            b.network.add("10.0.0.1")
            await asyncio.sleep(2)
            b.network.set_active(False)
            await asyncio.sleep(10)
            assert not a.network.peers and not b.network.peers
            b.network.set_active(True)
            await asyncio.sleep(2)
            assert len(b.network.joined_peers()) == 1

    run(main)


def test_addresses_spread_within_their_rate() -> None:
    async def body(node: Node, raw: Raw, net: SimulatedNetwork) -> None:
        await raw.shake()
        now = node.env.now()
        for n in range(10):
            flood = tuple(m.Known(now, 9, address(f"11.{n}.{i % 250}.{i // 250 + 1}", 8333)) for i in range(1000))
            raw.send(m.Addr(flood))
        await asyncio.sleep(10)
        assert len(node.network.book) <= 3, "one at once, then one in ten seconds"
        member = node.network.gossip.members[next(iter(node.network.peers))]
        assert member.limited > 9_990
        raw.send(m.GetAddr())
        first = [x for x in await raw.messages(5) if isinstance(x, m.Addr)]
        raw.send(m.GetAddr())
        assert len(first) == 1 and not [x for x in await raw.messages(5) if isinstance(x, m.Addr)]

    hostile(body)


@pytest.mark.parametrize("seed", [1, 2])
def test_same_seed_same_trace(seed: int) -> None:
    async def main(loop: VirtualLoop) -> str:
        net = SimulatedNetwork(loop, seed)
        nodes = [Node(net, f"10.0.0.{i}", replace(SETTINGS, tick=10.0)) for i in range(1, 6)]
        for n in nodes:
            await n.network.listen("", 18444)
        async with running(*nodes):
            for i, n in enumerate(nodes):
                n.network.add(nodes[(i + 1) % 5].host)
                n.network.add(nodes[(i + 2) % 5].host)
            await asyncio.sleep(3600)
        await asyncio.sleep(5)
        return net.trace

    assert run(main) == run(main)
