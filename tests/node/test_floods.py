"""Floods: what hostile peers send in any amount costs a bounded amount of memory, and others do not wait."""

from __future__ import annotations

import asyncio
import gc
import os
import sys
import tracemalloc
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from lab.network import SimulatedNetwork
from node.actions import Got
from node.env import RealEnv
from node.exchange import Exchange
from p2p import messages as m
from tests.node.fake_chain import FORMAT, FakeChain, block, chain, payment
from tests.node.simulation import SETTINGS, Raw, SimNode, hostile, simulate
from tests.node.test_sync import got

ROOT = Path(__file__).resolve().parents[2]


def test_half_a_million_random_announcements_leave_little_behind() -> None:
    async def body(net: SimulatedNetwork, node: SimNode, raw: Raw) -> None:
        await raw.shake()
        rng = Random(1)
        tracemalloc.start()
        before = 0
        for n in range(10):
            items = tuple((m.MSG_WTX, rng.randbytes(32)) for _ in range(50_000))
            node.exchange._perform(node.exchange.relay.on(Got(1, m.Inv(items)), net.loop.time()))
            del items
            gc.collect()
            if n == 1:
                before = tracemalloc.get_traced_memory()[0]
        after = tracemalloc.get_traced_memory()[0]
        tracemalloc.stop()
        assert after - before < 1 << 20, f"{after - before} bytes more"
        assert after < 16 << 20

    hostile(body)


def test_ten_thousand_orphans_keep_a_hundred() -> None:
    async def body(net: SimulatedNetwork, node: SimNode, raw: Raw) -> None:
        await raw.shake()
        rng = Random(1)
        for start in range(0, 2_000, 100):
            raw.send(*(m.TxMessage.of(payment(start + n, rng.randbytes(32)), FORMAT) for n in range(100)))
            await raw.read(1)
        assert len(node.chain.orphans) <= 100
        assert len(node.exchange.relay.requests) <= 5_000

    hostile(body)


def test_blocks_that_nobody_asked_for_are_judged_one_at_a_time() -> None:
    async def body(net: SimulatedNetwork, node: SimNode, raw: Raw) -> None:
        await raw.shake()
        most = 0
        sync = node.exchange.sync
        for made in [block(chain(1, salt=n)[0][0], n, 100_000) for n in range(50)]:
            raw.send(m.BlockMessage(*made))
        for _ in range(200):
            await raw.read(0.05)
            most = max(most, len(sync.download.judging))
        assert most <= 1

    hostile(body)


def test_a_hundred_peers_with_cheap_headers_store_nothing() -> None:
    async def body(net: SimulatedNetwork, nodes: list[SimNode]) -> None:
        node = nodes[0]
        node.chain.floor = 10_000
        light = m.Headers.of(tuple(h for h, _ in chain(2000, salt=77, size=32)), FORMAT)
        raws = [Raw(await net.connect(f"10.0.2.{i}", node.host, 18444, 5)) for i in range(100)]
        for raw in raws:
            raw.send(m.Version(70016, 9, 0, nonce=5), m.Verack(), light)
        await asyncio.sleep(10)
        assert node.chain.headers_taken == 0
        held = [p.presync.memory for p in node.exchange.sync.peers.values() if p.presync is not None]
        assert (len(held), max(held)) == (100, 1), "a few bits each"
        assert all([got(await raw.read(0.1), m.GetHeaders) for raw in raws])

    simulate(1, body)


@pytest.mark.slow
def test_thirty_two_floods_over_sockets_do_not_keep_an_honest_peer_waiting() -> None:
    """Loopback, attackers in a process of their own; the figures are those of SECURITY F8, over seconds instead of minutes."""
    seconds, count = 12.0, 32

    async def run() -> tuple[list[float], int, int, float]:
        env = RealEnv(seed=1)
        node = FakeChain()
        big = block(chain(1)[0][0], 5, 500_000)
        node.add(chain(1)[0])
        node.add(big)
        exchange = Exchange(env, FORMAT, replace(SETTINGS, max_connections=125), node)
        node.moved = lambda tip, connected: asyncio.get_running_loop().call_soon(exchange.tip_moved, tip, connected)
        _, port = await exchange.network.listen("127.0.0.1", 0)
        task = asyncio.ensure_future(exchange.run())
        await asyncio.sleep(0.1)
        honest = Raw(await asyncio.open_connection("127.0.0.1", port))
        await honest.shake()
        attacker = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.node.flooder", str(port), big[0].hash.hex(), str(seconds), str(count),
            stdout=asyncio.subprocess.PIPE, cwd=ROOT,
        )  # fmt: skip
        assert attacker.stdout is not None
        await attacker.stdout.readline()
        await asyncio.sleep(2)
        rss = resident()
        waits: list[float] = []
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds - 4
        while loop.time() < end:
            start = loop.time()
            honest.send(m.Ping(len(waits)))
            while not got(await honest.read(0.01), m.Pong):
                assert not honest.closed
            waits.append(loop.time() - start)
            await asyncio.sleep(0.02)
        start = loop.time()
        fresh = block(node.tip.header, 99)
        honest.send(m.BlockMessage(*fresh))
        while node.tip.hash != fresh[0].hash:  # noqa: ASYNC110
            await asyncio.sleep(0.005)
        tip_took = loop.time() - start
        grown = resident() - rss
        await attacker.wait()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        env.close()
        return waits, grown, len(exchange.network.peers), tip_took

    waits, grown, _, tip_took = asyncio.run(run())
    waits.sort()
    p99 = waits[int(len(waits) * 0.99)]
    print(
        f"{len(waits)} pings, median {waits[len(waits) // 2]:.3f} s, p99 {p99:.3f} s, RSS +{grown / 2**20:.1f} MiB, tip {tip_took:.3f} s"
    )
    overbooked = max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))
    assert p99 < 2 * overbooked and grown < 64 << 20 and tip_took < 2 * overbooked


def resident() -> int:
    """Bytes of this process in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096
