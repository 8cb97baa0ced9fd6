"""Blocks from one kernel over the wire: a flood of them leaves one, and a withheld one comes in once a block builds on it."""

from __future__ import annotations

import asyncio
import gc
import os
import tracemalloc

from chains.peercoin import STAKE_DEV
from lab.clock import VirtualLoop, run
from lab.env import EPOCH
from lab.network import SimulatedNetwork
from node.chain import Chain
from p2p import messages as m
from primitives.buffer import Writer
from primitives.chain import Form
from primitives.peercoin import PeercoinBlock
from tests.lab.test_nodes import Whole, running, until
from tests.node.simulation import Raw
from tests.node.test_stake_flood import pairs, twin, two_tips
from tests.staking import KeyStaker, Mint

TWINS = 1_000 if os.environ.get("CHAINYARD_ALL") else 200
FMT = STAKE_DEV.ledger.format
AT_ONCE = 10


def told(block: PeercoinBlock) -> m.BlockMessage:
    w = Writer()
    FMT.write_block(w, block, Form.WIRE)
    return m.BlockMessage(block.header, w.done())


def below(chain: Chain, block: PeercoinBlock) -> list[PeercoinBlock]:
    """The connected blocks up to a block's parent."""
    with chain.view() as view:
        fork = view.entry(block.header.parent)
        assert fork is not None
        branch = view.entries.branch(fork)
        found = [view.block(branch.at(height).hash) for height in range(1, fork.height + 1)]
    return [known for known in found if known is not None]


async def attacker(net: SimulatedNetwork, victim: Whole, number: int = 0) -> Raw:
    streams = await net.connect(f"10.0.1.{number}", victim.host, 18444, 5)
    raw = Raw(streams, STAKE_DEV.network.magic, FMT)
    raw.send(m.Version(STAKE_DEV.network.protocol_version, 9, 0, nonce=number + 7), m.Verack())
    await raw.read(0.5)
    assert not raw.closed
    return raw


async def flood(net: SimulatedNetwork, victim: Whole, blocks: list[PeercoinBlock]) -> int:
    """Push blocks that nobody asked for, from another address whenever the last is cut off; how many connections it took."""
    raw, used = await attacker(net, victim), 1
    for start in range(0, len(blocks), AT_ONCE):
        raw.send(*map(told, blocks[start : start + AT_ONCE]))
        await raw.read(1.0)
        if raw.closed:
            raw, used = await attacker(net, victim, used), used + 1
    raw.writer.close()
    await until(lambda: not victim.peering.exchange.busy)
    return used


def test_a_thousand_twins_leave_one_on_a_parent_and_a_withheld_one_is_taken_once_built_on() -> None:
    mint, one, two, block = two_tips()
    tip = mint.chain.tip
    shared = below(mint.chain, block)
    withheld = twin(block, one, TWINS + 1)
    elsewhere = Mint(STAKE_DEV, [staker := KeyStaker(two.secret)], mint.now)
    elsewhere.chain.extend(shared, mint.now)
    for known in shared:
        staker.take(known)
    elsewhere.chain.accept(withheld, mint.now)
    heir = elsewhere.mint(staker)
    now = max(mint.now, elsewhere.now)

    async def main(loop: VirtualLoop) -> None:
        net = SimulatedNetwork(loop, 1)
        victim, honest = (Whole(net, f"10.0.0.{n}", 1, "stake-dev") for n in (1, 2))
        for host in (victim, honest):
            host.env.travel(now - EPOCH)
        victim.node.chain.extend([*shared, mint.chain.block(tip.hash), block], now)
        honest.node.chain.extend([*shared, withheld], now)
        async with running([victim, honest]):
            chain = victim.node.chain
            before = pairs(chain)
            twins = [twin(block, one, at) for at in range(1, TWINS + 1)]
            cut = await flood(net, victim, twins[: TWINS // 2])
            assert cut >= TWINS // 2 // AT_ONCE, "whoever pushes them is cut off, time and again"
            gc.collect()
            tracemalloc.start()
            half = tracemalloc.get_traced_memory()[0]
            await flood(net, victim, twins[TWINS // 2 :])
            gc.collect()
            grown = tracemalloc.get_traced_memory()[0] - half
            tracemalloc.stop()
            assert grown < 1 << 20, f"{grown} bytes more"
            assert pairs(chain) == before and chain.tip.hash == tip.hash
            with chain.view() as view:
                children = {child.hash for child in view.entries.children(block.header.parent)}
            assert children == {tip.hash, block.header.hash}

            victim.peering.add(f"{honest.host}:18444")
            await until(lambda: [p.inbound for p in victim.peering.infos()] == [False])
            await asyncio.sleep(60)
            assert chain.block(withheld.header.hash) is None and pairs(chain) == before, (
                "one twin is as good as another"
            )
            honest.node.chain.accept(heir, now)
            await until(lambda: chain.tip.hash == heir.header.hash)
            assert chain.block(withheld.header.hash) == withheld
            assert victim.peering.infos(), "the one that brought it did nothing wrong"

    run(main)
