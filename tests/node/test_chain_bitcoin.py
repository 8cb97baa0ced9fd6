"""Bitcoin blocks through the chain: after any reorganisation the coins are those of a fresh sync, there and back too."""

from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import Any

import pytest

from chains.bitcoin import PARAMETERS, build
from chains.spec import ChainSpec
from ledger.utxo.coins import CoinView
from ledger.utxo.statistics import statistics
from node.chain import Chain
from node.results import TipChanged
from primitives.bitcoin import BitcoinBlock, Transaction, TxInput, TxOutput
from primitives.chain import Entry
from primitives.errors import InvalidBlock
from storage.memory import MemoryStore
from tests.builders import TRUE, block

NOW = 2_000_000_000
SPEC: ChainSpec = build(replace(PARAMETERS["regtest"], maturity=2))


def coins_hash(chain: Chain) -> tuple[int, int, bytes | None]:
    with chain.view() as view:
        found = statistics(view.state)
    return found.txouts, found.total_amount, found.hash_serialized


def payments(chain: Chain, parent: Entry[Any], random: Random) -> list[Transaction]:
    """Some coins of the parent's own branch, each spent into two; now and then a coin made in the same block."""
    with chain.state_at(parent) as kv:
        coins = [
            (p, c)
            for p, c in CoinView(kv)
            if c.script == TRUE and (not c.coinbase or parent.height + 1 - c.height >= 2)
        ]
    made = []
    for point, coin in random.sample(coins, min(len(coins), random.randint(0, 3))):
        half = coin.value // 2
        tx = Transaction(2, (TxInput(point),), (TxOutput(half, TRUE), TxOutput(half - random.randint(0, 99), TRUE)))
        made.append(tx)
        if random.random() < 0.3:
            made.append(Transaction(2, (TxInput(tx.id + bytes(4)),), (TxOutput(half, TRUE),)))
    return made


def grow(chain: Chain, parent: Entry[Any], random: Random, extra: bytes) -> BitcoinBlock:
    with chain.view() as view:
        branch: Any = view.entries.branch(parent)
        made = block(branch, payments(chain, parent, random), spec=SPEC, extra=extra)
    chain.accept(made, NOW)
    return made


@pytest.mark.parametrize("seed", range(8))
def test_the_coins_after_any_reorganisation_are_those_of_a_fresh_sync(seed: int) -> None:
    random, chain = Random(seed), Chain(SPEC, MemoryStore())
    entries, moves = [chain.tip], list[TipChanged]()
    chain.observers.append(lambda e: moves.append(e) if isinstance(e, TipChanged) and e.reverted else None)
    for n in range(40):
        parent = random.choice([chain.tip, chain.tip, *entries[-4:]])
        made = grow(chain, parent, random, bytes([seed, n]))
        entry = chain.entry(made.header.hash)
        assert entry is not None
        entries.append(entry)
    assert moves, "the seed makes reorganisations"
    with chain.view() as view:
        blocks = [view.block(e.hash) for e in reversed(view.branch.last(view.tip.height))]
    fresh = Chain(SPEC, MemoryStore())
    fresh.extend(blocks, NOW)
    assert fresh.tip.hash == chain.tip.hash and coins_hash(fresh) == coins_hash(chain)
    for count in (len(blocks) // 2, 1):
        with chain.view() as view:
            target = view.at(count)
        assert target is not None
        chain.revert(target)
        half = Chain(SPEC, MemoryStore())
        half.extend(blocks[:count], NOW)
        assert coins_hash(half) == coins_hash(chain)


def test_a_longer_branch_with_a_greedy_coinbase_leaves_coins_and_tip() -> None:
    random, chain = Random(1), Chain(SPEC, MemoryStore())
    for n in range(6):
        grow(chain, chain.tip, random, bytes([n]))
    tip, before = chain.tip.hash, coins_hash(chain)
    with chain.view() as view:
        parent = view.at(3)
    assert parent is not None
    for n in range(3):
        made = grow(chain, parent, random, bytes([100 + n]))
        entry = chain.entry(made.header.hash)
        assert entry is not None
        parent = entry
    with chain.view() as view:
        branch: Any = view.entries.branch(parent)
        greedy = block(branch, spec=SPEC, reward=50 * 100_000_000 + 1)
    with pytest.raises(InvalidBlock, match="bad-cb-amount"):
        chain.accept(greedy, NOW)
    assert chain.tip.hash == tip and coins_hash(chain) == before
    with chain.view() as view:
        fork: Any = view.entries.branch(parent)
        good = block(fork, spec=SPEC)
    assert isinstance(chain.accept(good, NOW), TipChanged)
