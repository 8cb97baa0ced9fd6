"""Chains whose headers show no proof: nothing is stored before the proof holds on the state of the block's own branch."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from node.chain import Chain
from node.results import Parked, Stored, TipChanged
from node.sides import DEEPEST, TIPS
from primitives.chain import Status
from primitives.errors import InvalidBlock, InvalidHeader, Refused
from storage.layout import BODY, ENTRY, SIDE
from storage.memory import MemoryStore
from tests.node.fake_family import (
    GENESIS,
    NOW,
    FakeBlock,
    data_of,
    fake_block,
    fake_chain,
    fake_spec,
    fold,
    ledger_of,
    state_of,
)
from tests.node.test_chain import entry_of, state
from tests.node.test_chain_reorganise import check, connected_blocks


def staked() -> Chain:
    return Chain(fake_spec(header_proves=False), MemoryStore())


def stored(chain: Chain) -> int:
    with chain.view() as view:
        return sum(1 for _ in view.state.scan(ENTRY)) + sum(1 for _ in view.state.scan(BODY))


def test_headers_are_held_in_memory_alone_and_bounded_for_each_source() -> None:
    chain, blocks = staked(), fake_chain(GENESIS, 2003)
    entries, error = chain.accept_headers([b.header for b in blocks], NOW, source="a")
    assert len(entries) == 2000 and isinstance(error, Refused) and error.rule == "too-many-headers"
    assert stored(chain) == 2 and len(chain.loose) == 2000
    assert entries[-1].height == 2000 and entries[-1].weight == 2001
    chain.loose.drop_source("a")
    assert not len(chain.loose)
    with pytest.raises(InvalidHeader):
        chain.accept_header(fake_block(GENESIS, nonce=13).header, NOW)


def test_bodies_after_loose_headers_move_them_into_the_index() -> None:
    chain, blocks = staked(), fake_chain(GENESIS, 5)
    chain.accept_headers([b.header for b in blocks], NOW, source="a")
    chain.extend(blocks[:3], NOW)
    assert chain.tip.height == 3 and len(chain.loose) == 2 and chain.tip.note == b"note:genesis"
    assert isinstance(chain.accept(blocks[4], NOW), Parked), "its parent's state is not here"
    chain.accept(blocks[3], NOW)
    assert chain.tip.height == 5 and not len(chain.loose)
    assert state(chain) == fold(blocks)


def test_a_block_without_proof_leaves_nothing_behind() -> None:
    chain, blocks = staked(), fake_chain(GENESIS, 3)
    chain.extend(blocks, NOW)
    before = dict(data_of(chain))
    for parent in (blocks[2], blocks[0], GENESIS):
        for block in (
            fake_block(parent, nonce=1, seal=b"no such key"),
            fake_block(parent, (b"context", b"1"), nonce=2),
        ):
            with pytest.raises(InvalidBlock):
                chain.accept(block, NOW)
    assert data_of(chain) == before


def test_a_proven_block_that_breaks_a_rule_is_remembered() -> None:
    chain, blocks = staked(), fake_chain(GENESIS, 2)
    chain.extend(blocks, NOW)
    for parent in (blocks[1], blocks[0]):
        bad = fake_block(parent, (b"bad", b"1"), nonce=1)
        with pytest.raises(InvalidBlock, match="bad-write"):
            chain.accept(bad, NOW)
        assert entry_of(chain, bad).status == Status.BROKEN
    check(chain)


def test_the_proof_is_judged_on_the_state_of_its_own_branch() -> None:
    """A key that only the other branch has proves nothing; one that this branch made does."""
    chain = staked()
    a = fake_chain(GENESIS, 3, b"a")
    b1 = fake_block(GENESIS, (b"mine", b"1"), nonce=1)
    chain.extend(a, NOW)
    assert isinstance(chain.accept(b1, NOW), Stored)
    with pytest.raises(InvalidBlock, match="bad-kernel"):
        chain.accept(fake_block(b1, nonce=1, seal=b"a\x00"), NOW)
    b2 = fake_block(b1, (b"more", b"1"), (b"genesis", b""), seal=b"mine")
    assert isinstance(chain.accept(b2, NOW), Stored)
    with pytest.raises(InvalidBlock, match="bad-kernel"):
        chain.accept(fake_block(b2, seal=b"genesis"), NOW)
    b3, executed = fake_block(b2, seal=b"more"), ledger_of(chain).connected
    chain.accept(b3, NOW)
    assert ledger_of(chain).connected == executed + 1, "saved changes spare the execution of the blocks below"
    with chain.state_at(entry_of(chain, b2)) as kv:
        assert state_of(kv) == fold([b1, b2])
    result = chain.accept(fake_block(b3, seal=b"mine"), NOW)
    assert isinstance(result, TipChanged) and len(result.connected) == 4
    check(chain)
    with chain.view() as view:
        assert not list(view.state.scan(SIDE)), "saved changes go when their block is connected"
    with chain.state_at(entry_of(chain, a[2])) as kv:
        assert state_of(kv) == fold(a)


def test_changes_are_kept_for_the_last_side_tips_and_found_again_by_execution() -> None:
    chain, a = staked(), fake_chain(GENESIS, 30)
    chain.extend(a, NOW)
    sides = [fake_chain(a[n], 2, bytes([65 + n])) for n in range(TIPS + 3)]
    for side in sides:
        chain.extend(side, NOW)
    with chain.view() as view:
        kept = {key[1:] for key, _ in view.state.scan(SIDE)}
    assert kept == {b.header.hash for side in sides[-TIPS:] for b in side}
    for number, side in enumerate(sides):
        with chain.state_at(entry_of(chain, side[1])) as kv:
            assert state_of(kv) == fold([*a[: number + 1], *side])


def test_a_fork_too_deep_is_refused_as_policy_and_nothing_is_stored() -> None:
    chain, a = staked(), fake_chain(GENESIS, DEEPEST + 1)
    chain.extend(a, NOW)
    before = dict(data_of(chain))
    with pytest.raises(Refused, match="fork-too-deep"):
        chain.accept(fake_block(GENESIS, nonce=1), NOW)
    assert data_of(chain) == before
    assert isinstance(chain.accept(fake_block(a[0], nonce=1), NOW), Stored)


@pytest.mark.parametrize("seed", range(25))
def test_random_trees_end_in_the_state_of_a_fresh_chain(seed: int) -> None:
    random, chain = Random(seed), staked()
    blocks: list[FakeBlock] = []
    for n in range(40):
        parent = random.choice([GENESIS, *blocks[-5:]])
        blocks.append(fake_block(parent, (b"all", bytes([n])), (bytes([n % 5]), b"x" * (n % 2)), nonce=100 + n))
    for block in random.sample(blocks, 40):
        chain.accept(block, NOW)
    check(chain)
    for block in blocks:
        with chain.state_at(entry_of(chain, block)) as kv:
            assert state_of(kv) == fold(ancestry(blocks, block))
    again: Any = staked()
    again.extend(connected_blocks(chain), NOW)
    assert state(again) == state(chain)


def ancestry(blocks: list[FakeBlock], block: FakeBlock) -> list[FakeBlock]:
    by_hash = {b.header.hash: b for b in blocks}
    path = []
    while True:
        path.append(block)
        parent = by_hash.get(block.header.parent)
        if parent is None:
            return path[::-1]
        block = parent
