"""Compact blocks (BIP152) on twin chains: a block always travels whole, with its payload, whoever announces it or asks how."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import pytest

from lab.clock import VirtualLoop, run
from lab.env import EPOCH
from lab.network import SimulatedNetwork
from p2p import messages as m
from primitives.buffer import Reader, Writer
from primitives.chain import Form
from primitives.twin import TwinBlock
from tests.lab.test_nodes import Whole, running, until
from tests.ledger.twin.test_seam import Scene, scene
from tests.node.simulation import Raw
from tests.node.test_twin_attacks_net import attacker, shared, told

T = TypeVar("T")
EACH = pytest.mark.parametrize("name", ["twin", "twin-ethash", "twin-stake"])


def got(messages: list[m.Message], kind: type[T]) -> list[T]:
    """Those of one kind."""
    return [message for message in messages if isinstance(message, kind)]


def compact(block: TwinBlock, fmt: Any) -> m.CompactBlock:
    """The block's announcement: its first transaction sent along, the others by their short ids."""
    head, first = Writer(), Writer()
    fmt.write_header(head, block.header, Form.WIRE)
    fmt.write_tx(first, block.txs[0], Form.WIRE)
    signature = getattr(block.outer, "signature", None) if fmt.signed_compact else None
    prefilled = (m.Prefilled(0, block.txs[0], first.done()),)
    bare = m.CompactBlock(block.header, head.done(), 7, (), prefilled, signature)
    short = tuple(bare.short_id(tx.id) for tx in block.txs[1:])
    return m.CompactBlock(block.header, bare.header_raw, 7, short, prefilled, signature)


def with_peer(name: str, body: Callable[[Scene, Whole, Raw], Awaitable[None]]) -> None:
    """One node that has all blocks but the scene's last, and a peer of raw messages that wants compact blocks."""
    s = scene(name)
    blocks, now = shared(s), s.twins.now

    async def main(loop: VirtualLoop) -> None:
        net = SimulatedNetwork(loop, 3)
        host = Whole(net, "10.0.0.1", 1, name)
        host.env.travel(now - EPOCH)
        host.node.chain.extend(iter(blocks), now)
        async with running([host]):
            raw = await attacker(net, host, 1)
            raw.send(m.SendCompact(True, 2))
            await body(s, host, raw)

    run(main)


@EACH
def test_a_compact_announcement_makes_the_node_ask_for_the_whole_block(name: str) -> None:
    async def body(s: Scene, host: Whole, raw: Raw) -> None:
        fmt, honest = host.node.spec.ledger.format, s.honest
        w = Writer()
        compact(honest, fmt).write(w)
        assert m.CompactBlock.read(Reader(w.done()), fmt) == compact(honest, fmt)
        raw.send(compact(honest, fmt))
        assert got(await raw.read(1), m.GetData) == [m.GetData(((m.MSG_WITNESS_BLOCK, honest.header.hash),))]
        raw.send(told(host, honest))
        await until(lambda: host.node.chain.tip.hash == honest.header.hash)
        assert host.node.chain.block(honest.header.hash) == honest and not raw.closed

    with_peer(name, body)


@EACH
def test_who_wants_compact_blocks_is_given_whole_ones(name: str) -> None:
    async def body(s: Scene, host: Whole, raw: Raw) -> None:
        await raw.read(1)
        host.node.chain.accept(s.honest, s.twins.now)
        heard = await raw.read(5)
        assert not got(heard, m.CompactBlock)
        assert any(isinstance(message, (m.Headers, m.Inv)) for message in heard), heard
        digest = s.honest.header.hash
        for kind in (m.MSG_COMPACT_BLOCK, m.MSG_WITNESS_BLOCK):
            raw.send(m.GetData(((kind, digest),)))
            (found,) = got(await raw.read(2), m.BlockMessage)
            block = host.node.spec.ledger.format.read_block(Reader(found.raw), Form.WIRE)
            assert block == s.honest and block.payload == s.honest.payload
        assert not raw.closed

    with_peer(name, body)
