"""ChainJudge over a real chain: verdicts of runs of blocks, and what is served."""

from __future__ import annotations

import asyncio

from chains.catalogue import load
from lab.clock import VirtualLoop, run
from lab.env import VirtualEnv
from lab.network import SimulatedNetwork
from node.actions import Deliver
from node.judge import ChainJudge
from node.node import Node
from node.producer import Purse
from primitives.bitcoin import BitcoinBlock, encode_block
from primitives.errors import DecodeError, Invalid, Missing, Mutated
from storage.memory import MemoryStore


def fresh(net: SimulatedNetwork, host: str) -> tuple[Node, ChainJudge]:
    node = Node(load("regtest"), VirtualEnv(net, host, 1), MemoryStore())
    node.attach(net.loop)
    return node, ChainJudge(node)


async def mined(net: SimulatedNetwork, count: int) -> list[BitcoinBlock]:
    node, _ = fresh(net, "10.0.0.1")
    hashes = await node.generate(count, Purse(b"\x51"))
    return [block for h in hashes if (block := node.chain.block(h)) is not None]


def requested(block: BitcoinBlock, raw: bytes | None = None) -> Deliver:
    return Deliver(1, block.header, encode_block(block) if raw is None else raw, True)


def test_what_does_not_decode_ends_a_run_and_undoes_nothing() -> None:
    async def main(loop: VirtualLoop) -> None:
        net = SimulatedNetwork(loop, 1)
        blocks = await mined(net, 6)
        node, judge = fresh(net, "10.0.0.2")
        run_ = [requested(b) for b in blocks]
        run_[3] = requested(blocks[3], encode_block(blocks[3])[:-1])
        verdicts = judge.take_blocks(run_)
        assert [v.stored for v in verdicts[:4]] == [True, True, True, False] and len(verdicts) == 6
        assert isinstance(verdicts[3].error, DecodeError) and isinstance(verdicts[4].error, Missing)
        assert node.chain.tip.height == 3
        assert judge.take_blocks([requested(blocks[3])])[0].error is None
        assert node.chain.tip.height == 6, "those behind it had waited"
        await asyncio.sleep(0)

    run(main)


def test_a_mutated_block_ends_a_run_and_the_true_one_is_taken() -> None:
    async def main(loop: VirtualLoop) -> None:
        net = SimulatedNetwork(loop, 1)
        blocks = await mined(net, 3)
        node, judge = fresh(net, "10.0.0.2")
        wrong = BitcoinBlock(blocks[1].header, blocks[0].txs)
        verdicts = judge.take_blocks([requested(blocks[0]), requested(wrong), requested(blocks[2])])
        assert verdicts[0].stored and isinstance(verdicts[1].error, Mutated | Invalid)
        assert node.chain.tip.height == 1
        assert all(v.error is None for v in judge.take_blocks([requested(blocks[1]), requested(blocks[2])]))
        assert node.chain.tip.height == 3
        await asyncio.sleep(0)

    run(main)


def test_headers_and_blocks_are_served_from_the_connected_chain() -> None:
    async def main(loop: VirtualLoop) -> None:
        net = SimulatedNetwork(loop, 1)
        node, judge = fresh(net, "10.0.0.1")
        hashes = await node.generate(20, Purse(b"\x51"))
        headers = judge.headers_after((b"\1" * 32, hashes[4]), bytes(32), 2000)
        assert [h.hash for h in headers] == hashes[5:]
        assert [h.hash for h in judge.headers_after((hashes[4],), hashes[7], 2000)] == hashes[5:8]
        assert [h.hash for h in judge.headers_after((), hashes[9], 2000)] == [hashes[9]]
        raw, stripped = judge.block(hashes[0], False), judge.block(hashes[0], True)
        assert raw is not None and stripped is not None and raw[:80] == stripped[:80] and len(raw) > len(stripped)
        assert judge.block(bytes(32), False) is None
        tip = judge.tip
        assert [e.height for e in judge.ancestors(tip, 5, 4)] == [5, 6, 7, 8]
        assert [e.height for e in judge.ancestors(tip, 19, 40)] == [19, 20]
        assert judge.fork_height(tip) == 20 and judge.work(tip.header) == 2
        await asyncio.sleep(0)

    run(main)
