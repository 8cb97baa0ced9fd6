"""Attacks on a twin chain's seam over the wire: each is refused with its word, and its true twin still comes in from elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from lab.clock import VirtualLoop, run
from lab.env import EPOCH
from lab.network import SimulatedNetwork
from node.treatment import reason
from p2p import messages as m
from primitives.bitcoin import TxOutput
from primitives.buffer import Writer
from primitives.chain import Form
from primitives.ethereum import Withdrawal
from primitives.twin import TwinBlock, payload_output
from tests.lab.test_nodes import Whole, running, until
from tests.ledger.twin.test_seam import ALL, OTHER, Scene, changed, scene, tail
from tests.node.simulation import Raw
from tests.twins import rebuilt

PORT = 18444

Forge = Callable[[Scene], TwinBlock]


def credited(change: Callable[[tuple[Withdrawal, ...]], tuple[Withdrawal, ...]]) -> Forge:
    """The honest block, crediting something else."""
    return lambda s: s.committed(s.payload(change(s.honest.payload.withdrawals or ())))


def stale(s: Scene) -> TwinBlock:
    """It commits to the parent's payload and brings it."""
    old = s.twins.block(s.twins.tip).payload
    return rebuilt(s.twins, s.honest, [*s.outputs[:-3], payload_output(old.header.hash)], payload=old)


def at_once(s: Scene) -> TwinBlock:
    """A block of its parent's second."""
    time, payload = s.twins.tip.header.timestamp, s.payload()
    payload = replace(payload, header=replace(payload.header, timestamp=time))
    return rebuilt(s.twins, s.committed(payload), payload=payload, timestamp=time)


ATTACKS: dict[str, tuple[Forge, str]] = {
    "payload swapped": (lambda s: replace(s.honest, payload=s.payload(extra_data=b"other")), "bad-twin-payload"),
    "payload's body swapped": (
        lambda s: replace(s.honest, payload=replace(s.honest.payload, txs=s.honest.payload.txs[:1])),
        "transaction root hash mismatch",
    ),
    "commitment missing": (lambda s: rebuilt(s.twins, s.honest, s.outputs[:-1]), "bad-twin-commitment"),
    "commitment doubled": (
        lambda s: rebuilt(s.twins, s.honest, [*s.outputs, payload_output(OTHER)]),
        "bad-twin-payload",
    ),
    "commitment stale": (stale, "bad-twin-number"),
    "deposit not credited": (credited(lambda w: ()), "bad-twin-deposit-missing"),
    "deposit credited twice": (credited(lambda w: (*w, replace(w[1], index=2))), "bad-twin-deposit-twice"),
    "deposit to another": (credited(lambda w: changed(w, 1, address=b"\x66" * 20)), "bad-twin-deposit-address"),
    "exit not paid": (lambda s: tail(s, s.outputs[-2]), "bad-twin-exit-unpaid"),
    "exit paid twice": (lambda s: tail(s, s.outputs[-3], *s.outputs[-3:-1]), "bad-twin-exit-twice"),
    "exit paid short": (
        lambda s: tail(s, s.outputs[-3], s.outputs[-2]._replace(value=1)),
        "bad-twin-exit-short",
    ),
    "more minted": (lambda s: tail(s, *s.outputs[-3:-1], before=(TxOutput(10**12, b"\x51"),)), ""),
    "times equal": (at_once, "bad-twin-time"),
    "of another parent": (lambda s: s.committed(s.payload(parent_hash=OTHER)), "bad-twin-parent"),
}
OVER_MINTING = ("bad-cb-amount", "bad-txns-coinstake-too-large")


def told(host: Whole, block: TwinBlock) -> m.BlockMessage:
    """The message that brings a block."""
    w = Writer()
    host.node.spec.ledger.format.write_block(w, block, Form.WIRE)
    return m.BlockMessage(block.header, w.done())


async def attacker(net: SimulatedNetwork, victim: Whole, number: int) -> Raw:
    """A peer of an address of its own, shaken hands with."""
    network = victim.node.spec.network
    raw = Raw(
        await net.connect(f"10.0.1.{number}", victim.host, PORT, 5), network.magic, victim.node.spec.ledger.format
    )
    raw.send(m.Version(network.protocol_version, 9, 0, nonce=number + 7), m.Verack())
    await raw.read(0.5)
    return raw


def overheard(host: Whole) -> list[str]:
    """The words with which the node refuses what peers bring; filled as it goes."""
    words: list[str] = []
    judge: Any = host.peering.exchange.judge
    take = judge.take_blocks

    def listening(blocks: Any) -> Any:
        verdicts = take(blocks)
        words.extend("" if v.error is None else reason(v.error) for v in verdicts)
        return verdicts

    judge.take_blocks = listening
    return words


def shared(s: Scene) -> list[TwinBlock]:
    """The connected blocks."""
    with s.twins.chain.view() as view:
        found = (view.block(view.branch.at(height).hash) for height in range(1, view.tip.height + 1))
        return [block for block in found if isinstance(block, TwinBlock)]


@ALL
def test_each_attack_is_refused_and_the_true_block_comes_in(name: str, stake: bool) -> None:
    s = scene(name, stake)
    blocks, now = shared(s), s.twins.now
    forged = [(case, forge(s), word) for case, (forge, word) in ATTACKS.items()]

    async def main(loop: VirtualLoop) -> None:
        net = SimulatedNetwork(loop, 1)
        victim, honest = (Whole(net, f"10.0.0.{n}", 1, name) for n in (1, 2))
        for host in (victim, honest):
            host.env.travel(now - EPOCH)
            host.node.chain.extend(iter(blocks), now)
        words, chain = overheard(victim), victim.node.chain
        async with running([victim, honest]):
            before = chain.tip
            for number, (case, block, word) in enumerate(forged):
                raw = await attacker(net, victim, number)
                words.clear()
                raw.send(told(victim, block))
                await raw.read(2.0)
                assert words and words[-1] in ((word,) if word else OVER_MINTING), (case, words)
                assert chain.tip == before, case
                assert raw.closed, f"{case}: whoever brings it is cut off"
            victim.peering.add(f"{honest.host}:{PORT}")
            honest.node.chain.accept(s.honest, now)
            await until(lambda: chain.tip.hash == s.honest.header.hash)
            assert victim.peering.infos(), "the one that brought the true block did nothing wrong"

    run(main)


@pytest.mark.parametrize("name", ["twin", "twin-ethash", "twin-stake"])
def test_two_nodes_share_blocks_and_both_kinds_of_transactions(name: str) -> None:
    s = scene(name)
    blocks, now = shared(s), s.twins.now
    pooled: list[Any] = [*s.honest.outer.txs[1:], *s.honest.payload.txs]

    async def main(loop: VirtualLoop) -> None:
        net = SimulatedNetwork(loop, 2)
        one, two = (Whole(net, f"10.0.0.{n}", 1, name) for n in (1, 2))
        for host in (one, two):
            host.env.travel(now - EPOCH)
        one.node.chain.extend(iter(blocks), now)
        async with running([one, two]):
            two.peering.add(f"{one.host}:{PORT}")
            await until(lambda: two.height == one.height)
            for tx in pooled:
                one.node.submit_tx(tx)
            await until(lambda: len(two.node.pool) == len(pooled))
            assert {e.id: e.admission.lane for e in two.node.pool} == {e.id: e.admission.lane for e in one.node.pool}
            await two.mine(1)
            await until(lambda: one.node.chain.tip.hash == two.node.chain.tip.hash)
            assert not len(one.node.pool) and not len(two.node.pool)
            made = one.node.chain.block(one.node.chain.tip.hash)
            assert isinstance(made, TwinBlock)
            assert {tx.id for tx in pooled} <= {tx.id for tx in made.txs}

    run(main)
