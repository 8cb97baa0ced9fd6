"""Reorganisation, invalid branches, user orders and undo: the state is always that of the connected chain, freshly folded."""

from __future__ import annotations

from contextlib import suppress
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consensus.forkchoice import ghost
from node import work as work_module
from node.chain import Chain
from node.results import Rejected, Stored, TipChanged
from primitives.chain import Status
from primitives.errors import ChainError, Invalid, InvalidBlock, Missing, Refused, SystemFault
from storage.layout import BODY, END, LEAF, UNDO
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
    rule_of,
)
from tests.node.test_chain import entry_of, fresh, state


def connected_blocks(chain: Chain) -> list[FakeBlock]:
    with chain.view() as view:
        return [view.block(view.at(h).hash) for h in range(1, view.tip.height + 1)]  # type: ignore[union-attr, misc]


def check(chain: Chain) -> None:
    """What must hold after every call: the state, the candidates and the ends are what the tree says."""
    assert state(chain) == fold(connected_blocks(chain))
    with chain.view() as view:
        entries = [view.entries.require(key[1:]) for key, _ in view.state.scan(b"e")]
        ready = {e.hash for e in entries if e.status & Status.READY and not e.invalid}
        parents = {e.header.parent for e in entries}
        inner = {e.header.parent for e in entries if e.hash in ready}
        assert sorted(ready - inner) == sorted(v for _, v in view.state.scan(LEAF))
        assert sorted({e.hash for e in entries} - parents) == sorted(v for _, v in view.state.scan(END))
        best = max((e for e in entries if e.hash in ready), key=lambda e: (e.weight, -e.seq))
        assert view.tip.hash == best.hash == chain.tip.hash
        sound = [e.weight for e in entries if not e.invalid]
        assert chain.best_header.weight == max(sound)
        for e in entries:
            assert (view.state.get(UNDO + e.hash) is not None) == (view.connected(e) and e.height > 0)
            assert bool(e.status & Status.BODY) == (view.state.get(BODY + e.hash) is not None)
            if e.height:
                parent = view.entries.require(e.header.parent)
                assert not parent.invalid or e.invalid
                assert bool(e.status & Status.READY) == bool(e.status & Status.BODY and parent.status & Status.READY)


def test_equal_weight_does_not_move_the_tip_and_one_more_does() -> None:
    chain, a, b = fresh(), fake_chain(GENESIS, 2), fake_chain(GENESIS, 3, b"b")
    chain.extend(a, NOW)
    assert isinstance(chain.accept(b[0], NOW), Stored) and isinstance(chain.accept(b[1], NOW), Stored)
    assert ledger_of(chain).connected == 2, "a side chain that is not best is not executed"
    result = chain.accept(b[2], NOW)
    assert isinstance(result, TipChanged)
    assert [e.hash for e in result.reverted] == [a[1].header.hash, a[0].header.hash]
    assert [c.block for c in result.connected] == b
    check(chain)


def test_an_invalid_block_in_a_longer_branch_leaves_the_old_tip() -> None:
    chain, a, b = fresh(), fake_chain(GENESIS, 3), fake_chain(GENESIS, 2, b"b")
    chain.extend(a, NOW)
    bad = fake_block(b[-1], (b"bad", b"1"))
    heir = fake_chain(bad, 2, b"c")
    for block in [*b, bad]:
        assert isinstance(chain.accept(block, NOW), Stored)
    before = state(chain)
    for block in heir:
        with pytest.raises(Invalid, match="bad-prevblk"):
            chain.accept(block, NOW)
    assert chain.tip.hash == a[-1].header.hash and state(chain) == before
    assert entry_of(chain, bad).invalid and not entry_of(chain, b[-1]).invalid
    check(chain)


def test_the_valid_prefix_of_a_bad_branch_wins_where_it_is_heavier() -> None:
    """Blocks 12, 13, 14 of Bitcoin Core's feature_block: the tip stops at 13."""
    chain, a, b = fresh(), fake_chain(GENESIS, 1), fake_chain(GENESIS, 2, b"b")
    chain.extend(a, NOW)
    bad = fake_block(b[-1], (b"bad", b"1"))
    chain.accept_headers([x.header for x in [*b, bad]], NOW)
    events: list[Any] = []
    chain.observers.append(events.append)
    chain.accept(bad, NOW)
    chain.accept(b[1], NOW)
    chain.accept(b[0], NOW)
    assert chain.tip.hash == b[1].header.hash
    assert [rule_of(e.error) for e in events if isinstance(e, Rejected)] == ["bad-write"]
    check(chain)


def test_the_last_block_of_a_branch_is_bad_and_its_own_verdict_is_raised() -> None:
    chain, a, b = fresh(), fake_chain(GENESIS, 2), fake_chain(GENESIS, 2, b"b")
    chain.extend(a, NOW)
    for block in b:
        chain.accept(block, NOW)
    with pytest.raises(InvalidBlock, match="bad-write"):
        chain.accept(fake_block(b[-1], (b"bad", b"1")), NOW)
    assert chain.tip.hash == a[-1].header.hash
    check(chain)


def test_a_stored_body_that_is_mutated_is_dropped_and_its_header_stays_sound() -> None:
    chain, a, b = fresh(), fake_chain(GENESIS, 1), fake_chain(GENESIS, 1, b"b")
    chain.extend(a, NOW)
    mutated = fake_block(b[0], (b"mutated", b"1"))
    heir = fake_chain(mutated, 1, b"c")
    chain.accept(b[0], NOW)
    chain.accept_header(mutated.header, NOW)
    chain.accept(heir[0], NOW)
    with pytest.raises(ChainError, match="bad-side-part"):
        chain.accept(mutated, NOW)
    assert entry_of(chain, mutated).status == Status.HEADER and not entry_of(chain, heir[0]).invalid
    assert chain.tip.hash == a[0].header.hash
    check(chain)


def test_a_deep_reorganisation_there_and_back_is_the_identity(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(work_module, "HELD_BYTES", 2000)
    chain, a, b = fresh(), fake_chain(GENESIS, 200), fake_chain(GENESIS, 201, b"b")
    chain.extend(a, NOW)
    before = state(chain)
    events: list[Any] = []
    chain.observers.append(events.append)
    chain.extend(b, NOW)
    assert chain.tip.hash == b[-1].header.hash
    assert len(events[0].reverted) == 200 and events[0].connected[0].block == b[0]
    assert events[0].connected[0].applied.spent == () and events[0].connected[-1].applied.spent
    check(chain)
    last = fake_chain(a[-1], 2, b"z")
    chain.extend(last, NOW)
    assert len(events[1].reverted) == 201
    check(chain)
    chain.revert(entry_of(chain, a[-1]))
    assert state(chain) == before


def test_a_long_branch_commits_in_pieces_once_it_has_won_and_stops_at_a_bad_block() -> None:
    chain, a, b = fresh(), fake_chain(GENESIS, 2), fake_chain(GENESIS, 100, b"b")
    chain.extend(a, NOW)
    bad = fake_block(b[-1], (b"bad", b"1"))
    chain.accept_headers([x.header for x in [*b, bad]], NOW)
    chain.extend([bad, *reversed(b[1:])], NOW)
    events: list[Any] = []
    chain.observers.append(events.append)
    chain.accept(b[0], NOW)
    changes = [len(e.connected) for e in events if isinstance(e, TipChanged)]
    assert changes == [32, 32, 32, 4] and isinstance(events[-1], Rejected)
    assert chain.tip.hash == b[-1].header.hash
    check(chain)


@pytest.mark.parametrize("spoil", ["flip", "drop", "swap"])
def test_a_damaged_undo_record_stops_the_node(spoil: str) -> None:
    chain, a, b = fresh(), fake_chain(GENESIS, 3), fake_chain(GENESIS, 4, b"b")
    chain.extend(a, NOW)
    chain.extend(b[:3], NOW)
    key = UNDO + a[1].header.hash
    with chain.store.update() as kv:
        record = kv.get(key) or b""
        if spoil == "flip":
            kv.put(key, record[:-1] + bytes([record[-1] ^ 1]))
        elif spoil == "swap":
            kv.put(key, kv.get(UNDO + a[2].header.hash) or b"")
        else:
            kv.delete(key)
    with pytest.raises(SystemFault, match="undo record"):
        chain.accept(b[3], NOW)
    assert chain.tip.hash == a[-1].header.hash and state(chain) == fold(a)
    assert not any(entry_of(chain, x).invalid for x in [*a, *b])


def test_revert_forgets_what_lies_above_and_what_would_beat_it() -> None:
    chain, a = fresh(), fake_chain(GENESIS, 5)
    chain.extend(a[:3], NOW)
    side = fake_chain(a[0], 2, b"s")
    chain.accept(side[0], NOW)
    snapshot = chain.tip
    longer = fake_chain(side[0], 6, b"t")
    chain.extend(a[3:], NOW)
    chain.extend(longer, NOW)
    assert chain.tip.hash == longer[-1].header.hash
    chain.revert(entry_of(chain, a[0]))
    assert chain.tip.height == 1 and chain.entry(a[1].header.hash) is None and chain.entry(side[0].header.hash) is None
    chain.extend(a[1:3], NOW)
    chain.accept(side[0], NOW)
    chain.extend(a[3:], NOW)
    chain.accept(fake_block(side[0], nonce=4), NOW)
    events: list[Any] = []
    chain.observers.append(events.append)
    chain.revert(entry_of(chain, a[2]))
    assert events[0].forgotten and len(events[0].reverted) == 2
    assert chain.tip.hash == snapshot.hash and chain.best_header.hash == snapshot.hash
    check(chain)
    assert isinstance(chain.accept(a[3], NOW), TipChanged)


def test_only_a_connected_block_can_be_reverted_to() -> None:
    chain, a, b = fresh(), fake_chain(GENESIS, 2), fake_chain(GENESIS, 1, b"b")
    chain.extend([*a, *b], NOW)
    with pytest.raises(SystemFault):
        chain.revert(entry_of(chain, b[0]))


def test_invalidate_moves_to_the_next_best_and_reconsider_back() -> None:
    chain, a, b = fresh(), fake_chain(GENESIS, 4), fake_chain(GENESIS, 2, b"b")
    chain.extend([*a, *b], NOW)
    chain.invalidate(a[1].header.hash)
    assert chain.tip.hash == b[1].header.hash
    check(chain)
    with pytest.raises(ChainError, match="bad-prevblk"):
        chain.accept(fake_block(a[3], nonce=1), NOW)
    chain.invalidate(b[0].header.hash)
    assert chain.tip.hash == a[0].header.hash
    check(chain)
    chain.reconsider(a[3].header.hash)
    assert chain.tip.hash == a[3].header.hash
    check(chain)
    chain.reconsider(b[1].header.hash)
    assert not entry_of(chain, b[0]).invalid
    check(chain)
    for order in (chain.invalidate, chain.reconsider, chain.precious):
        with pytest.raises(Missing):
            order(bytes(32))
    with pytest.raises(Refused):
        chain.invalidate(GENESIS.header.hash)


def test_a_precious_block_wins_among_equals_until_another_is_called_so() -> None:
    chain, a, b, c = fresh(), fake_chain(GENESIS, 2), fake_chain(GENESIS, 2, b"b"), fake_chain(GENESIS, 1, b"c")
    chain.extend([*a, *b, *c], NOW)
    assert chain.tip.hash == a[1].header.hash
    for block, tip in ((b[1], b[1]), (a[1], a[1]), (b[1], b[1]), (c[0], b[1])):
        chain.precious(block.header.hash)
        assert chain.tip.hash == tip.header.hash
        check(chain)
    again = Chain(chain.spec, chain.store)
    assert again.tip.hash == b[1].header.hash


def test_ghost_follows_the_heavier_subtree() -> None:
    chain = fresh(better=ghost)
    a, b = fake_chain(GENESIS, 3), fake_chain(GENESIS, 2, b"b")
    chain.extend([*a, *b], NOW)
    assert chain.tip.hash == a[-1].header.hash
    chain.accept(fake_block(b[0], nonce=1), NOW)
    assert chain.tip.hash == a[-1].header.hash
    chain.accept(fake_block(b[0], nonce=2), NOW)
    assert chain.tip.hash == b[1].header.hash, "four blocks under b beat three under a"
    assert state(chain) == fold(b)


class Shape:
    """A random tree of blocks, some of them bad, in a random order."""

    def __init__(self, random: Random, size: int, bad: float) -> None:
        self.blocks: list[FakeBlock] = []
        self.bad: set[bytes] = set()
        for n in range(size):
            parent = random.choice([GENESIS, *self.blocks[-6:]])
            spoilt = random.random() < bad
            writes = [(b"bad", b"1")] if spoilt else []
            block = fake_block(
                parent,
                (b"all", bytes([n])),
                (bytes([n % 5]), b"x" * (n % 2)),
                *writes,
                nonce=100 + n,
                work=random.randint(1, 2),
            )
            self.blocks.append(block)
            if spoilt or parent.header.hash in self.bad:
                self.bad.add(block.header.hash)

    def best(self) -> int:
        """The weight of the heaviest chain without a bad block."""
        weights = {GENESIS.header.hash: 1}
        for block in self.blocks:
            weights[block.header.hash] = weights[block.header.parent] + block.header.work
        return max(w for key, w in weights.items() if key not in self.bad)


def deliver(chain: Chain, blocks: list[FakeBlock]) -> None:
    for block in blocks:
        with suppress(ChainError):
            chain.accept(block, NOW)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 1 << 30), st.integers(1, 40), st.sampled_from([0.0, 0.1, 0.3]))
def test_any_tree_in_any_order_ends_in_the_state_of_a_fresh_chain(seed: int, size: int, bad: float) -> None:
    random = Random(seed)
    shape, chain = Shape(random, size, bad), fresh()
    order = random.sample(shape.blocks, size)
    for block in order:
        deliver(chain, [block])
        check(chain)
    good = [b.header.hash for b in shape.blocks if b.header.hash not in shape.bad]
    assert not any(key in chain.waiting for key in good)
    assert chain.tip.weight == shape.best()
    again = Chain(chain.spec, chain.store)
    assert again.tip == chain.tip and again.best_header.weight == chain.best_header.weight
    other = fresh()
    other.extend(connected_blocks(chain), NOW)
    assert state(other) == state(chain)


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 1 << 30))
def test_invalidate_and_reconsider_on_random_trees_come_back(seed: int) -> None:
    random = Random(seed)
    shape, chain = Shape(random, 25, 0.0), fresh()
    deliver(chain, shape.blocks)
    before = {k: v for k, v in data_of(chain).items() if not k.startswith(UNDO)}
    chosen = random.sample(shape.blocks, 3)
    for block in chosen:
        chain.invalidate(block.header.hash)
        check(chain)
    for block in random.sample(shape.blocks, 25):
        chain.reconsider(block.header.hash)
        check(chain)
    assert chain.tip.weight == shape.best()
    assert {k: v for k, v in data_of(chain).items() if k[:1] in b"kltq"} == {
        k: v for k, v in before.items() if k[:1] in b"kltq"
    }


def test_a_store_left_between_body_and_tip_moves_on_at_the_next_start() -> None:
    store, spec = MemoryStore(), fake_spec()
    chain, a, b = Chain(spec, store), fake_chain(GENESIS, 1), fake_chain(GENESIS, 2, b"b")
    chain.extend([*a, b[0]], NOW)
    ledger_of(chain).fault = SystemFault("stopped")
    with pytest.raises(SystemFault):
        chain.accept(b[1], NOW)
    assert chain.tip.hash == a[0].header.hash
    assert Chain(spec, store).tip.hash == b[1].header.hash
