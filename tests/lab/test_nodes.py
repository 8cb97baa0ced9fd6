"""Whole nodes on virtual time: real chain, pool, sync and relay over simulated connections."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from chains.catalogue import load
from lab.clock import VirtualLoop, run
from lab.env import VirtualEnv
from lab.network import Conditions, SimulatedNetwork
from node.config import Config
from node.node import Node
from node.peering import Peering
from node.producer import Purse
from storage.memory import MemoryStore

SCRIPT = b"\x51"


class Whole:
    """One simulated host with a node on it."""

    def __init__(self, net: SimulatedNetwork, host: str, seed: int, chain: str = "regtest") -> None:
        self.host = host
        self.env = VirtualEnv(net, host, seed)
        self.node = Node(load(chain), self.env, MemoryStore())
        self.node.attach(net.loop)
        self.peering = Peering(self.node, self.env, Config(chain=chain, connect=("10.255.255.1:1",)), None)
        self.peering.network.remove("10.255.255.1:1")

    async def mine(self, count: int) -> None:
        """Mine blocks."""
        await self.node.generate(count, Purse(SCRIPT))

    @property
    def height(self) -> int:
        return self.node.chain.tip.height


@asynccontextmanager
async def running(hosts: list[Whole]) -> AsyncIterator[None]:
    async with asyncio.TaskGroup() as tasks:
        started = []
        for h in hosts:
            await h.peering.listen("", 18444)
            started += [tasks.create_task(h.peering.run()), tasks.create_task(h.node.keep_time())]
        await asyncio.sleep(0)
        try:
            yield
        finally:
            for task in started:
                task.cancel()


async def until(condition: Callable[[], bool], seconds: float = 300) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - virtual time
            await asyncio.sleep(0.05)


def simulate(count: int, seed: int, body: Callable[[SimulatedNetwork, list[Whole]], Awaitable[None]]) -> str:
    async def main(loop: VirtualLoop) -> str:
        net = SimulatedNetwork(loop, seed, Conditions(loss=0.01))
        hosts = [Whole(net, f"10.0.0.{i + 1}", seed) for i in range(count)]
        async with running(hosts):
            await body(net, hosts)
        return net.trace

    return run(main)


def test_two_nodes_sync_and_follow() -> None:
    async def body(net: SimulatedNetwork, hosts: list[Whole]) -> None:
        a, b = hosts
        await a.mine(120)
        b.peering.add(a.host)
        await until(lambda: b.height == 120)
        await b.mine(1)
        await until(lambda: a.height == 121)
        assert a.node.chain.tip.hash == b.node.chain.tip.hash

    assert simulate(2, 1, body) == simulate(2, 1, body) != simulate(2, 2, body)


def test_a_partition_of_real_nodes_heals_to_the_heavier_side() -> None:
    async def body(net: SimulatedNetwork, hosts: list[Whole]) -> None:
        for i, h in enumerate(hosts):
            h.peering.add(hosts[(i + 1) % 4].host)
            h.peering.add(hosts[(i + 2) % 4].host)
        await hosts[0].mine(2)
        await until(lambda: all(h.height == 2 for h in hosts))
        net.partition([h.host for h in hosts[:2]], [h.host for h in hosts[2:]])
        await hosts[0].mine(10)
        await hosts[2].mine(9)
        await until(lambda: [h.height for h in hosts] == [12, 12, 11, 11])
        net.heal()
        await until(lambda: len({h.node.chain.tip.hash for h in hosts}) == 1)
        assert hosts[3].height == 12

    simulate(4, 3, body)


def test_a_block_that_the_user_asks_a_peer_for_is_taken_whatever_its_weight() -> None:
    async def body(net: SimulatedNetwork, hosts: list[Whole]) -> None:
        a, b = hosts
        await b.node.generate(1, Purse(b"\x52"))
        lighter = b.node.chain.tip
        await a.mine(3)
        a.peering.add(b.host)
        await until(lambda: b.height == 3)
        (peer,) = (p.id for p in a.peering.infos())
        a.node.chain.accept_header(lighter.header, a.env.now())
        assert a.node.chain.block(lighter.hash) is None
        assert a.peering.fetch_block(lighter.hash, peer + 9) == "Peer does not exist"
        assert a.peering.fetch_block(lighter.hash, peer) is None
        await until(lambda: a.node.chain.block(lighter.hash) is not None)
        assert a.height == 3 and a.peering.infos()

    simulate(2, 5, body)
