"""Nodes over fake chains on a simulated network, and hostile peers that speak to them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

from lab.clock import VirtualLoop, run
from lab.env import VirtualEnv
from lab.network import Conditions, SimulatedNetwork
from node.actions import PoolGrew
from node.exchange import Exchange
from node.sync_peer import Limits
from p2p import messages as m
from p2p.api import Settings
from p2p.framing import Framer, pack
from primitives.chain import Format
from tests.node.fake_chain import FORMAT, FakeChain

MAGIC = b"\xfa\xbf\xb5\xda"
SETTINGS = Settings(MAGIC, 4_000_000, 18444, local=True, full_outbound=0, block_only_outbound=0)


class SimNode:
    """A node: fake chain, real exchange, virtual env."""

    def __init__(
        self,
        net: SimulatedNetwork,
        host: str,
        settings: Settings = SETTINGS,
        chain: FakeChain | None = None,
        limits: Limits | None = None,
        seed: int = 1,
    ) -> None:
        self.host = host
        self.env = VirtualEnv(net, host, seed)
        self.chain = chain or FakeChain()
        self.exchange = Exchange(self.env, FORMAT, settings, self.chain, limits)
        self.network = self.exchange.network
        self.chain.moved = lambda tip, connected: net.loop.call_soon(self.exchange.tip_moved, tip, connected)
        self.chain.grew = lambda txs: net.loop.call_soon(self.exchange.pool_grew, PoolGrew(txs))


class Raw:
    """A peer that says what it is told to say."""

    def __init__(
        self, streams: tuple[asyncio.StreamReader, asyncio.StreamWriter], magic: bytes = MAGIC, fmt: Format = FORMAT
    ) -> None:
        self.reader, self.writer = streams
        self.magic, self.fmt = magic, fmt
        self.framer = Framer(magic, 32_000_000)
        self.closed = False

    def send(self, *messages: m.Message) -> None:
        """Send messages."""
        for x in messages:
            self.writer.write(pack(self.magic, m.command_of(x), m.encode(x)))

    async def read(self, seconds: float = 1.0) -> list[m.Message]:
        """What arrives within a time, pings answered, or until the connection ends."""
        got: list[m.Message] = []
        try:
            async with asyncio.timeout(seconds):
                while data := await self.reader.read(1 << 16):
                    for frame in self.framer.feed(data):
                        x = m.decode(frame, self.fmt)
                        if isinstance(x, m.Ping):
                            self.send(m.Pong(x.nonce))
                        got.append(x)
                self.closed = True
        except TimeoutError:
            pass
        except ConnectionError:
            self.closed = True
        return got

    async def shake(self, services: int = 9, relay: bool = True) -> list[m.Message]:
        """Do the handshake and read what greets a new peer."""
        self.send(m.Version(70016, services, 0, nonce=5, relay=relay), m.WtxidRelay(), m.Verack())
        return await self.read(1)


@asynccontextmanager
async def running(*nodes: SimNode) -> AsyncIterator[None]:
    """Listen and run, and end all."""
    for n in nodes:
        await n.network.listen("", 18444)
    async with asyncio.TaskGroup() as tasks:
        started = [tasks.create_task(n.exchange.run()) for n in nodes]
        await asyncio.sleep(0)
        try:
            yield
        finally:
            for task in started:
                task.cancel()


Body = Callable[[SimulatedNetwork, list[SimNode]], Awaitable[None]]


def simulate(count: int, body: Body, seed: int = 1, conditions: Conditions | None = None, **changes: object) -> str:
    """Run a body with nodes 10.0.0.1, 10.0.0.2, ... that are not connected yet; returns the trace."""
    limits = changes.pop("limits", None)
    assert limits is None or isinstance(limits, Limits)
    settings = replace(SETTINGS, **changes)  # type: ignore[arg-type]

    async def main(loop: VirtualLoop) -> str:
        net = SimulatedNetwork(loop, seed, conditions)
        nodes = [SimNode(net, f"10.0.0.{i + 1}", settings, limits=limits, seed=seed) for i in range(count)]
        async with running(*nodes):
            await body(net, nodes)
        return net.trace

    return run(main)


def hostile(body: Callable[[SimulatedNetwork, SimNode, Raw], Awaitable[None]], **changes: object) -> None:
    """Run a body with a node and a raw peer that has not said anything yet."""

    async def with_raw(net: SimulatedNetwork, nodes: list[SimNode]) -> None:
        raw = Raw(await net.connect("10.0.0.99", nodes[0].host, 18444, 5))
        await body(net, nodes[0], raw)

    simulate(1, with_raw, **changes)  # type: ignore[arg-type]
