"""Sync among nodes on virtual time: headers first, blocks from everybody, stalls, lies, forks, floods."""

from __future__ import annotations

import asyncio

import pytest

from lab.network import Conditions, SimulatedNetwork
from node.sync_peer import Limits
from p2p import messages as m
from p2p.bans import subnet
from primitives.bitcoin import BitcoinHeader
from tests.node.fake_chain import BAD_BLOCK, BAD_HEADER, FORMAT, GENESIS, block, chain
from tests.node.simulation import Raw, SimNode, hostile, simulate

BLOCKS = chain(3000)
HEADERS = [h for h, _ in BLOCKS]


async def until(condition: object, seconds: float = 600) -> float:
    """Wait until a condition holds; how long it took. Raises TimeoutError."""
    assert callable(condition)
    loop = asyncio.get_running_loop()
    start = loop.time()
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - virtual time
            await asyncio.sleep(0.05)
    return loop.time() - start


def fill(node: SimNode, blocks: list[tuple[BitcoinHeader, bytes]]) -> None:
    for made in blocks:
        node.chain.add(made)


def got(messages: list[m.Message], kind: type) -> list[m.Message]:
    return [x for x in messages if isinstance(x, kind)]


def test_a_new_node_catches_up_from_another() -> None:
    async def body(net: SimulatedNetwork, nodes: list[SimNode]) -> None:
        a, b = nodes
        fill(a, BLOCKS[:2500])
        b.network.add(a.host)
        await until(lambda: b.chain.tip == a.chain.tip, 60)
        assert b.chain.blocks_taken == 2500, "no block was fetched twice"
        sent = a.network.joined_peers()[0].sent
        assert "inv" not in sent

    simulate(2, body)


def test_blocks_come_from_all_peers_and_new_ones_spread_by_headers() -> None:
    async def body(net: SimulatedNetwork, nodes: list[SimNode]) -> None:
        *old, fresh = nodes
        for n in old:
            fill(n, BLOCKS[:1000])
            fresh.network.add(n.host)
        await until(lambda: fresh.chain.tip.height == 1000, 120)
        shares = [n.network.joined_peers()[0].sent.get("block", 0) for n in old]
        assert min(shares) > sum(shares) / 10, shares
        assert fresh.chain.blocks_taken == 1000
        old[0].chain.add(BLOCKS[1000])
        await until(lambda: all(n.chain.tip.height == 1001 for n in nodes), 10)
        assert any("headers" in p.sent for p in fresh.network.joined_peers())

    simulate(4, body)


def test_a_partition_heals_to_one_tip() -> None:
    async def body(net: SimulatedNetwork, nodes: list[SimNode]) -> None:
        left, right = nodes[:5], nodes[5:]
        for i, n in enumerate(nodes):
            n.network.add(nodes[(i + 1) % 10].host)
            n.network.add(nodes[(i + 3) % 10].host)
        nodes[0].chain.add(BLOCKS[0])
        await until(lambda: all(n.chain.tip.height == 1 for n in nodes))
        net.partition([n.host for n in left], [n.host for n in right])
        for made in chain(50, BLOCKS[0][0], 1):
            left[2].chain.add(made)
            await asyncio.sleep(1)
        for made in chain(49, BLOCKS[0][0], 2):
            right[2].chain.add(made)
            await asyncio.sleep(1)
        await until(lambda: {n.chain.tip.height for n in left} == {51} and {n.chain.tip.height for n in right} == {50})
        net.heal()
        await until(lambda: len({n.chain.tip.hash for n in nodes}) == 1, 300)
        assert nodes[9].chain.tip.height == 51

    traces = [simulate(10, body, seed=s) for s in (1, 1, 2)]
    assert traces[0] == traces[1] != traces[2]


@pytest.mark.parametrize("depth", [1, 6, 100, 1088])
def test_reorganisations_of_any_depth(depth: int) -> None:
    async def body(net: SimulatedNetwork, nodes: list[SimNode]) -> None:
        a, b = nodes
        fill(a, BLOCKS[:10])
        fill(b, BLOCKS[:10])
        fill(a, chain(depth, HEADERS[9], 5))
        fill(b, chain(depth + 1, HEADERS[9], 6))
        a.network.add(b.host)
        await until(lambda: a.chain.tip == b.chain.tip, 120)
        assert a.chain.tip.height == 11 + depth

    simulate(2, body)


def test_sync_survives_loss_resets_and_small_segments() -> None:
    async def body(net: SimulatedNetwork, nodes: list[SimNode]) -> None:
        a, b, c = nodes
        fill(a, BLOCKS[:300])
        fill(c, BLOCKS[:300])
        b.network.add(a.host)
        b.network.add(c.host)
        await until(lambda: b.chain.tip == a.chain.tip, 1200)

    for seed in range(3):
        simulate(3, body, seed, Conditions(segment=400, loss=0.02, reset=0.002))


def test_a_peer_that_withholds_the_window_is_replaced_after_two_seconds() -> None:
    async def body(net: SimulatedNetwork, nodes: list[SimNode]) -> None:
        node, honest = nodes
        fill(honest, BLOCKS[:200])
        node.exchange.sync.limits = node.exchange.sync.download.limits = Limits(window=32)
        raw = Raw(await net.connect("10.0.0.99", node.host, 18444, 5))
        await raw.shake()
        raw.send(m.Headers.of(tuple(HEADERS[:200]), FORMAT))
        assert len(got(await raw.read(1), m.GetData)) >= 1
        node.network.add(honest.host)
        took = await until(lambda: all(p.address.hostname != "10.0.0.99" for p in node.network.peers.values()), 30)
        assert 1.5 < took < 6
        await until(lambda: node.chain.tip.height == 200, 30)
        assert node.exchange.sync.download.stall <= 4

    simulate(2, body)


def test_headers_without_blocks_cost_the_peer_its_place_but_not_the_node() -> None:
    async def body(net: SimulatedNetwork, nodes: list[SimNode]) -> None:
        node, honest = nodes
        fill(honest, BLOCKS[:20])
        raw = Raw(await net.connect("10.0.0.99", node.host, 18444, 5))
        await raw.shake()
        raw.send(m.Headers.of(tuple(HEADERS[:20]), FORMAT))
        await raw.read(1)
        node.network.add(honest.host)
        await until(lambda: node.chain.tip.height == 20, 30)
        ghost = [h for h, _ in chain(30, HEADERS[19], 9)]
        raw.send(m.Headers.of(tuple(ghost), FORMAT))
        start = net.loop.time()
        while not raw.closed:
            await raw.read(5)
        assert 50 < net.loop.time() - start < 200
        fill(honest, BLOCKS[20:25])
        await until(lambda: node.chain.tip.height == 25, 30)

    simulate(2, body)


def test_low_work_headers_are_not_stored_and_an_honest_heavy_chain_is() -> None:
    async def body(net: SimulatedNetwork, nodes: list[SimNode]) -> None:
        node, honest = nodes
        node.chain.floor = 4_900
        fill(honest, LONG)
        raws = []
        for i in range(20):
            raw = Raw(await net.connect(f"10.0.1.{i}", node.host, 18444, 5))
            await raw.shake()
            fake = [h for h, _ in chain(2000, GENESIS, 100 + i, 32)]
            raw.send(m.Headers.of(tuple(fake), FORMAT))
            raws.append(raw)
        for raw in raws:
            assert got(await raw.read(1), m.GetHeaders), "it wants to see the rest"
            raw.send(m.Headers((), ()))
        await asyncio.sleep(5)
        assert node.chain.headers_taken == 0
        node.network.add(honest.host)
        await until(lambda: node.chain.tip.height == 5000, 300)
        assert node.chain.headers_taken == 5000

    simulate(2, body)


LONG = chain(5000, salt=3, size=32)


def test_a_presync_that_changes_its_story_is_punished() -> None:
    async def body(net: SimulatedNetwork, node: SimNode, raw: Raw) -> None:
        node.chain.floor = 3_000
        await raw.shake()
        first, other = LONG[:4000], chain(4000, salt=4, size=32)
        for part in (first[:2000], first[2000:], other[:2000], other[2000:]):
            raw.send(m.Headers.of(tuple(h for h, _ in part), FORMAT))
            await raw.read(1)
        assert raw.closed and node.chain.headers_taken == 0

    hostile(body)


@pytest.mark.parametrize(
    "lie",
    [
        pytest.param((HEADERS[0], HEADERS[2]), id="non-continuous"),
        pytest.param((block(GENESIS, 1, version=BAD_HEADER)[0],), id="no-proof"),
        pytest.param(tuple(h for h, _ in chain(20, HEADERS[100], 7)), id="many-unconnecting"),
    ],
)
def test_bad_headers_cost_the_connection(lie: tuple[BitcoinHeader, ...]) -> None:
    async def body(net: SimulatedNetwork, node: SimNode, raw: Raw) -> None:
        await raw.shake()
        raw.send(m.Headers.of(lie, FORMAT))
        await raw.read(2)
        assert raw.closed and node.chain.headers_taken == 0
        again = Raw(await net.connect("10.0.0.99", node.host, 18444, 5))
        await again.shake()
        assert not again.closed, "discouraged, but there is room"

    hostile(body)


def test_ten_unconnecting_announcements_are_too_many() -> None:
    async def body(net: SimulatedNetwork, node: SimNode, raw: Raw) -> None:
        await raw.shake()
        for n in range(10):
            assert not raw.closed
            raw.send(m.Headers.of((HEADERS[500 + n],), FORMAT))
            await raw.read(1)
        assert raw.closed

    hostile(body)


def test_a_peers_height_decides_nothing() -> None:
    async def body(net: SimulatedNetwork, node: SimNode, raw: Raw) -> None:
        raw.send(m.Version(70016, 9, 0, nonce=5, height=2**31 - 1), m.Verack())
        greeting = await raw.read(1)
        assert got(greeting, m.GetHeaders) and not got(greeting, m.GetData)
        raw.send(m.Headers((), ()))
        assert not got(await raw.read(300), m.GetData)

    hostile(body)


def test_a_mutated_block_does_not_block_the_true_one() -> None:
    async def body(net: SimulatedNetwork, nodes: list[SimNode]) -> None:
        node, honest = nodes
        header, raw_block = BLOCKS[0]
        raw = Raw(await net.connect("10.0.0.99", node.host, 18444, 5))
        await raw.shake()
        raw.send(m.BlockMessage(header, raw_block[:-1] + b"\xff"))
        await raw.read(2)
        assert raw.closed and node.chain.tip.height == 0
        fill(honest, BLOCKS[:1])
        node.network.add(honest.host)
        await until(lambda: node.chain.tip.height == 1, 10)

    simulate(2, body)


def test_an_invalid_block_costs_the_connection_and_its_chain_is_left() -> None:
    async def body(net: SimulatedNetwork, nodes: list[SimNode]) -> None:
        node, honest = nodes
        fill(node, BLOCKS[:5])
        bad = block(HEADERS[4], 1, version=BAD_BLOCK)
        after = chain(3, bad[0], 8)
        raw = Raw(await net.connect("10.0.0.99", node.host, 18444, 5))
        await raw.shake()
        raw.send(m.Headers.of((bad[0], *(h for h, _ in after)), FORMAT))
        await raw.read(1)
        raw.send(*(m.BlockMessage(*b) for b in (bad, *after)))
        await raw.read(2)
        assert raw.closed and node.chain.tip.height == 5
        fill(honest, BLOCKS[:7])
        node.network.add(honest.host)
        await until(lambda: node.chain.tip.height == 7, 10)

    simulate(2, body)


def test_blocks_in_reverse_order_are_not_lost() -> None:
    async def body(net: SimulatedNetwork, node: SimNode, raw: Raw) -> None:
        await raw.shake()
        raw.send(m.Headers((), ()))
        for made in reversed(BLOCKS[:30]):
            raw.send(m.BlockMessage(*made))
        asked = await raw.read(5)
        assert node.chain.tip.height == 30
        assert got(asked, m.GetHeaders), "headers are asked for where a parent is missing"

    hostile(body)


def test_unwanted_blocks_are_not_stored() -> None:
    async def body(net: SimulatedNetwork, node: SimNode, raw: Raw) -> None:
        fill(node, BLOCKS[:10])
        await raw.shake()
        light = chain(3, GENESIS, 11)
        raw.send(*(m.BlockMessage(*b) for b in light))
        await raw.read(2)
        assert node.chain.blocks_taken == 10 and not raw.closed

    hostile(body)


def test_requests_are_served_and_strange_ones_survived() -> None:
    async def body(net: SimulatedNetwork, node: SimNode, raw: Raw) -> None:
        fill(node, BLOCKS[:600])
        await raw.shake()
        raw.send(m.GetHeaders(70016, (HEADERS[99].hash,)))
        (headers,) = got(await raw.read(1), m.Headers)
        assert headers.headers == tuple(HEADERS[100:600])  # type: ignore[attr-defined]
        raw.send(m.GetHeaders(70016, (), HEADERS[5].hash))
        assert got(await raw.read(1), m.Headers) == [m.Headers.of((HEADERS[5],), FORMAT)]
        raw.send(m.GetBlocks(70016, (GENESIS.hash,)))
        (inv,) = got(await raw.read(1), m.Inv)
        assert [h for _, h in inv.items] == [h.hash for h in HEADERS[:500]]  # type: ignore[attr-defined]
        ghost = (m.MSG_WITNESS_BLOCK, b"\x77" * 32)
        raw.send(m.GetData(((m.MSG_WITNESS_BLOCK, HEADERS[7].hash), ghost, (99, bytes(32)))))
        answer = await raw.read(1)
        assert [b.header for b in got(answer, m.BlockMessage)] == [HEADERS[7]]  # type: ignore[attr-defined]
        assert got(answer, m.NotFound) == [m.NotFound((ghost,))]
        assert not raw.closed

    hostile(body)


def test_a_silent_headers_peer_is_replaced() -> None:
    async def body(net: SimulatedNetwork, nodes: list[SimNode]) -> None:
        node, honest = nodes
        node.chain.syncing = True
        fill(honest, BLOCKS[:50])
        raw = Raw(await net.connect("10.0.0.99", node.host, 18444, 5))
        await raw.shake()
        node.network.add(honest.host)
        await raw.read(60)
        assert node.chain.tip.height == 0
        await raw.read(70)
        assert raw.closed
        await until(lambda: node.chain.tip.height == 50, 30)

    simulate(2, body)


def test_a_whitelisted_peer_is_kept_whatever_it_sends() -> None:
    async def body(net: SimulatedNetwork, node: SimNode, raw: Raw) -> None:
        await raw.shake()
        raw.send(m.BlockMessage(BLOCKS[0][0], BLOCKS[0][1][:-1] + b"\xff"))
        raw.send(m.Headers.of((HEADERS[0], HEADERS[2]), FORMAT))
        raw.send(m.BlockMessage(*BLOCKS[0]))
        await raw.read(2)
        assert not raw.closed and node.chain.tip.height == 1

    hostile(body, whitelist=(subnet("10.0.0.99"),))


def test_a_compact_block_is_taken_for_an_announcement() -> None:
    async def body(net: SimulatedNetwork, node: SimNode, raw: Raw) -> None:
        await raw.shake()
        header = HEADERS[0]
        raw.send(m.SendCompact(True, 2), m.CompactBlock(header, header.raw, 1, (), ()))
        asked = got(await raw.read(1), m.GetData)
        assert asked == [m.GetData(((m.MSG_WITNESS_BLOCK, header.hash),))]

    hostile(body)


def test_many_seeds_end_on_one_tip_under_faults() -> None:
    async def body(net: SimulatedNetwork, nodes: list[SimNode]) -> None:
        for i, n in enumerate(nodes):
            n.network.add(nodes[(i + 1) % len(nodes)].host)
            n.network.add(nodes[(i + 2) % len(nodes)].host)
        tips: list[BitcoinHeader] = [GENESIS]
        for step in range(40):
            miner = net.random.choice(nodes)
            parent = miner.chain.tip.header
            made = block(parent, 10_000 + step)
            miner.chain.add(made)
            tips.append(made[0])
            if step % 10 == 5:
                net.partition([n.host for n in nodes[:2]], [n.host for n in nodes[2:]])
            if step % 10 == 9:
                net.heal()
                net.reset(net.random.choice(nodes).host)
            await asyncio.sleep(net.random.expovariate(0.5))
        net.heal()
        heaviest = max(n.chain.tip.weight for n in nodes)
        await until(lambda: all(n.chain.tip.weight == heaviest for n in nodes), 300)

    for seed in range(6):
        simulate(5, body, seed, Conditions(segment=2000, loss=0.01))


def test_nothing_is_left_running() -> None:
    async def body(net: SimulatedNetwork, nodes: list[SimNode]) -> None:
        a, b = nodes
        fill(a, BLOCKS[:10])
        b.network.add(a.host)
        await until(lambda: b.chain.tip.height == 10)
        before = len(asyncio.all_tasks())
        for _ in range(20):
            raw = Raw(await net.connect("10.0.0.99", a.host, 18444, 5))
            await raw.shake()
            raw.writer.close()
        await asyncio.sleep(5)
        assert len(asyncio.all_tasks()) == before
        assert len(a.exchange.sync.peers) == len(a.exchange.relay.peers) == 1

    simulate(2, body)
