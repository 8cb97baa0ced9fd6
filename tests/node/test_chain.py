"""What the chain does with headers and blocks in order: taking in, refusing, parking, and what it remembers of each."""

from __future__ import annotations

from typing import Any

import pytest

from ledger.api import Aid
from node.chain import Chain, Prepared
from node.identity import ForeignData, NewerData, OlderData
from node.results import Judged, Known, Parked, Rejected, Stored, TipChanged
from primitives.chain import Entry, Status
from primitives.errors import (
    Invalid,
    InvalidBlock,
    InvalidHeader,
    MalformedBlock,
    Missing,
    Mutated,
    Premature,
    Refused,
    SystemFault,
)
from storage.kv import Journal
from storage.layout import GENESIS_KEY, SCHEMA_KEY, SCHEMA_VERSION
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
    state_of,
)


def fresh(**fields: Any) -> Chain:
    return Chain(fake_spec(**fields), MemoryStore())


def entry_of(chain: Chain, block: FakeBlock) -> Entry[Any]:
    entry = chain.entry(block.header.hash)
    assert entry is not None
    return entry


def state(chain: Chain) -> dict[bytes, bytes]:
    with chain.view() as view:
        return state_of(view.state)


def test_a_new_store_begins_with_schema_and_genesis() -> None:
    chain = fresh()
    with chain.view() as view:
        assert view.state.get(SCHEMA_KEY) == SCHEMA_VERSION.to_bytes(4, "big")
        assert view.state.get(GENESIS_KEY) == GENESIS.header.hash
        assert view.tip.height == 0 and view.tip.hash == GENESIS.header.hash
        assert view.block(view.tip.hash) == GENESIS
    assert state(chain) == fold([])


@pytest.mark.parametrize(
    ("key", "value", "error"),
    [
        (GENESIS_KEY, bytes(32), ForeignData),
        (GENESIS_KEY, None, ForeignData),
        (SCHEMA_KEY, None, ForeignData),
        (SCHEMA_KEY, (SCHEMA_VERSION + 1).to_bytes(4, "big"), NewerData),
        (SCHEMA_KEY, (SCHEMA_VERSION - 1).to_bytes(4, "big"), OlderData),
    ],
)
def test_a_store_of_another_kind_is_refused_in_one_line(
    key: bytes, value: bytes | None, error: type[SystemFault]
) -> None:
    chain = fresh()
    with chain.store.update() as kv:
        kv.delete(key) if value is None else kv.put(key, value)
    with pytest.raises(error) as raised:
        Chain(chain.spec, chain.store)
    assert "\n" not in str(raised.value)


def test_blocks_extend_the_tip_and_change_the_state() -> None:
    chain, blocks = fresh(), fake_chain(GENESIS, 5)
    events: list[Any] = []
    chain.observers.append(events.append)
    for n, block in enumerate(blocks, 1):
        result = chain.accept(block, NOW)
        assert isinstance(result, TipChanged)
        assert result.tip == chain.tip and chain.tip.height == n and not result.reverted
        assert [c.block for c in result.connected] == [block]
        assert result.connected[0].applied.fees == 2
        assert events.pop() == result
        assert state(chain) == fold(blocks[:n])
    assert chain.tip.weight == 6
    assert chain.tip.status == Status.BODY | Status.READY | Status.VALID
    assert [chain.tip.seq, entry_of(chain, blocks[0]).seq] == [5, 1]


def test_a_known_block_is_known() -> None:
    chain, (block,) = fresh(), fake_chain(GENESIS, 1)
    chain.accept(block, NOW)
    assert chain.accept(block, NOW) == Known(chain.tip)
    assert chain.accept(GENESIS, NOW) == Known(entry_of(chain, GENESIS))


def test_extend_connects_all_and_commits_in_between() -> None:
    chain, blocks = fresh(), fake_chain(GENESIS, 70)
    events: list[Any] = []
    chain.observers.append(events.append)
    assert chain.extend(iter(blocks), NOW) == 70
    assert [len(e.connected) for e in events] == [32, 32, 6]
    assert state(chain) == fold(blocks)


def test_extend_stops_at_a_bad_block_and_keeps_what_came_before() -> None:
    chain, blocks = fresh(), fake_chain(GENESIS, 3)
    bad = fake_block(blocks[-1], (b"bad", b"1"))
    with pytest.raises(InvalidBlock, match="bad-write"):
        chain.extend([*blocks, bad, *fake_chain(bad, 2)], NOW)
    assert chain.tip.hash == blocks[-1].header.hash
    assert entry_of(chain, bad).status == Status.BROKEN
    assert state(chain) == fold(blocks)


def test_commits_are_made_by_time_too() -> None:
    clock = iter(range(1000))
    chain = Chain(fake_spec(), MemoryStore(), monotonic=lambda: float(next(clock)))
    events: list[Any] = []
    chain.observers.append(events.append)
    chain.extend(fake_chain(GENESIS, 4), NOW)
    assert [len(e.connected) for e in events] == [1, 1, 1, 1]


def test_headers_come_first_and_bodies_later() -> None:
    chain, blocks = fresh(), fake_chain(GENESIS, 4)
    entries, error = chain.accept_headers([b.header for b in blocks], NOW)
    assert error is None and [e.height for e in entries] == [1, 2, 3, 4]
    assert chain.best_header == entries[-1] and chain.tip.height == 0
    assert isinstance(chain.accept(blocks[1], NOW), Stored)
    assert isinstance(chain.accept(blocks[3], NOW), Stored)
    assert isinstance(chain.accept(blocks[0], NOW), TipChanged)
    assert chain.tip.hash == blocks[1].header.hash
    result = chain.accept(blocks[2], NOW)
    assert isinstance(result, TipChanged) and [c.block for c in result.connected] == blocks[2:]
    assert state(chain) == fold(blocks)


def test_a_bad_header_is_not_stored() -> None:
    chain = fresh()
    for block, rule in ((fake_block(GENESIS, nonce=13), "high-hash"), (fake_block(GENESIS, later=0), "time-too-old")):
        for take in (lambda b: chain.accept_header(b.header, NOW), lambda b: chain.accept(b, NOW)):
            with pytest.raises(InvalidHeader) as raised:
                take(block)
            assert raised.value.rule == rule
        assert chain.entry(block.header.hash) is None


def test_headers_up_to_the_bad_one_are_kept() -> None:
    chain, good = fresh(), fake_chain(GENESIS, 2)
    bad = fake_block(good[-1], nonce=13)
    entries, error = chain.accept_headers([b.header for b in [*good, bad, *fake_chain(bad, 2)]], NOW)
    assert len(entries) == 2 and isinstance(error, InvalidHeader)
    assert chain.best_header.hash == good[-1].header.hash


def test_a_header_without_parent_is_missing_its_parent() -> None:
    chain, blocks = fresh(), fake_chain(GENESIS, 2)
    with pytest.raises(Missing) as raised:
        chain.accept_header(blocks[1].header, NOW)
    assert raised.value.hashes == (blocks[0].header.hash,)


@pytest.mark.parametrize(("key", "error"), [(b"malformed", MalformedBlock), (b"mutated", Mutated)])
def test_what_the_hash_may_not_commit_to_is_never_remembered(key: bytes, error: type[Exception]) -> None:
    chain = fresh()
    block = fake_block(GENESIS, (key, b"1"))
    for _ in range(2):
        with pytest.raises(error):
            chain.accept(block, NOW)
    entry = chain.entry(block.header.hash)
    assert entry is None or entry.status == Status.HEADER
    chain.accept_header(block.header, NOW)
    with pytest.raises(error):
        chain.accept(block, NOW)
    assert entry_of(chain, block).status == Status.HEADER and chain.block(block.header.hash) is None


def test_the_true_body_is_taken_after_a_mutated_one_and_before() -> None:
    chain, blocks = fresh(), fake_chain(GENESIS, 2)
    mutated = FakeBlock(blocks[0].header, blocks[0].txs[:1])
    with pytest.raises(Mutated):
        chain.accept(mutated, NOW)
    assert isinstance(chain.accept(blocks[0], NOW), TipChanged)
    assert isinstance(chain.accept(mutated, NOW), Known)
    assert state(chain) == fold(blocks[:1])


@pytest.mark.parametrize(("key", "rule"), [(b"bad", "bad-write"), (b"context", "bad-context")])
def test_a_contextual_fault_condemns_block_and_heirs(key: bytes, rule: str) -> None:
    chain = fresh()
    bad = fake_block(GENESIS, (key, b"1"))
    heirs = fake_chain(bad, 3)
    chain.accept_headers([b.header for b in [bad, *heirs[:2]]], NOW)
    with pytest.raises(InvalidBlock) as raised:
        chain.accept(bad, NOW)
    assert raised.value.rule == rule
    assert all(entry_of(chain, b).invalid for b in [bad, *heirs[:2]])
    assert chain.best_header.height == 0 and chain.tip.height == 0
    for block, word in ((bad, "duplicate-invalid"), (heirs[0], "duplicate-invalid"), (heirs[2], "bad-prevblk")):
        for take in (lambda b: chain.accept(b, NOW), lambda b: chain.accept_header(b.header, NOW)):
            with pytest.raises(Invalid) as known:
                take(block)
            assert known.value.rule == word
    assert chain.entry(heirs[2].header.hash) is None
    assert state(chain) == fold([])


def test_ten_thousand_headers_on_an_invalid_block_are_not_stored() -> None:
    chain, bad = fresh(), fake_block(GENESIS, (b"bad", b"1"))
    with pytest.raises(InvalidBlock):
        chain.accept(bad, NOW)
    heirs = fake_chain(bad, 10_000)
    for start in range(0, 10_000, 2000):
        entries, error = chain.accept_headers([b.header for b in heirs[start : start + 2000]], NOW)
        assert not entries and isinstance(error, (InvalidHeader, Missing))
    with chain.view() as view:
        assert sum(1 for _ in view.state.scan(b"e")) == 2


@pytest.mark.parametrize(
    "fault", [SystemFault("disk"), OSError(28, "no space"), MemoryError(), RecursionError(), KeyboardInterrupt()]
)
def test_our_own_trouble_never_condemns_a_block(fault: BaseException) -> None:
    chain, blocks = fresh(), fake_chain(GENESIS, 3)
    chain.accept(blocks[0], NOW)
    before = dict(data_of(chain))
    ledger_of(chain).fault = fault
    with pytest.raises(type(fault)):
        chain.accept(blocks[1], NOW)
    assert data_of(chain) == before and chain.tip.hash == blocks[0].header.hash
    assert chain.extend(blocks[1:], NOW) == 2
    assert state(chain) == fold(blocks)


def test_an_error_that_connect_may_not_raise_is_our_own_fault() -> None:
    chain, (block,) = fresh(), fake_chain(GENESIS, 1)
    ledger_of(chain).fault = Missing((bytes(32),))
    with pytest.raises(SystemFault):
        chain.accept(block, NOW)
    assert chain.entry(block.header.hash) is None


def test_blocks_wait_for_their_parent_whatever_the_order() -> None:
    chain, blocks = fresh(), fake_chain(GENESIS, 6)
    events: list[Any] = []
    chain.observers.append(events.append)
    for block in reversed(blocks[1:]):
        parked = chain.accept(block, NOW, source="peer")
        assert isinstance(parked, Parked) and isinstance(parked.reason, Missing) and parked.kept
    assert list(chain.waiting.missing()) == [blocks[0].header.hash]
    chain.accept(blocks[0], NOW)
    assert chain.tip.hash == blocks[-1].header.hash and not len(chain.waiting)
    assert [e.source for e in events if isinstance(e, Judged)] == ["peer"] * 5
    assert state(chain) == fold(blocks)


def test_a_bad_block_that_waited_is_told_with_its_source() -> None:
    chain = fresh()
    events: list[Any] = []
    chain.observers.append(events.append)
    (parent,) = fake_chain(GENESIS, 1)
    bad = fake_block(parent, (b"bad", b"1"))
    chain.accept(bad, NOW, source=7)
    chain.accept(parent, NOW)
    (rejected,) = [e for e in events if isinstance(e, Rejected)]
    assert rejected.hash == bad.header.hash and rejected.source == 7 and rule_of(rejected.error) == "bad-write"


def test_without_parking_the_reason_is_raised() -> None:
    chain, blocks = fresh(), fake_chain(GENESIS, 2)
    with pytest.raises(Missing):
        chain.accept(blocks[1], NOW, park=False)
    with pytest.raises(Premature):
        chain.accept(blocks[0], -NOW, park=False)
    assert not len(chain.waiting)


def test_a_block_ahead_of_the_clock_waits_and_is_not_stored() -> None:
    chain, (block,) = fresh(), fake_chain(GENESIS, 1)
    due = block.header.timestamp - chain.spec.network.drift
    parked = chain.accept(block, due - 1)
    assert isinstance(parked, Parked) and rule_of(parked.reason) == "time-too-new"
    assert chain.entry(block.header.hash) is None and chain.waiting.next_due() == due
    chain.tick(due - 1)
    assert chain.tip.height == 0
    chain.tick(due)
    assert chain.tip.hash == block.header.hash and chain.waiting.next_due() is None


def test_only_proven_headers_wait_for_the_clock() -> None:
    chain = fresh()
    with pytest.raises(InvalidHeader):
        chain.accept(fake_block(GENESIS, nonce=13, later=10**9), NOW)
    assert not len(chain.waiting)


def test_unrequested_blocks_of_less_work_or_far_ahead_are_not_wanted() -> None:
    chain, blocks = fresh(), fake_chain(GENESIS, 300)
    chain.accept_headers([b.header for b in blocks], NOW)
    chain.check_wanted(blocks[287].header)
    with pytest.raises(Refused) as raised:
        chain.check_wanted(blocks[288].header)
    assert raised.value.rule == "too-far-ahead"
    chain.extend(blocks[:10], NOW)
    chain.check_wanted(blocks[288].header)
    chain.check_wanted(fake_block(blocks[8], nonce=1).header)
    with pytest.raises(Refused) as raised:
        chain.check_wanted(fake_block(blocks[7], nonce=1).header)
    assert raised.value.rule == "too-little-chainwork"
    with pytest.raises(Missing):
        chain.check_wanted(fake_chain(fake_block(GENESIS, nonce=5), 1)[0].header)


def test_checkpoints_bind_headers_and_close_the_forks_below() -> None:
    blocks = fake_chain(GENESIS, 4)
    chain = fresh(checkpoints={2: blocks[1].header.hash})
    chain.accept(blocks[0], NOW)
    with pytest.raises(InvalidHeader, match="bad-fork-prior-to-checkpoint"):
        chain.accept(fake_block(blocks[0], nonce=1), NOW)
    early = fake_block(GENESIS, nonce=2)
    chain.accept(early, NOW)
    chain.extend(blocks[1:], NOW)
    for again in (chain, Chain(chain.spec, chain.store)):
        with pytest.raises(InvalidHeader, match="bad-fork-prior-to-checkpoint"):
            again.accept(fake_block(GENESIS, nonce=3), NOW)
    assert isinstance(chain.accept(fake_block(blocks[1], nonce=1), NOW), Stored)


def test_scripts_are_skipped_below_the_assumed_valid_block_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    blocks = fake_chain(GENESIS, 4)
    chain, seen = fresh(assume_valid=blocks[2].header.hash), list[bool]()
    connect = chain.spec.ledger.connect

    def watched(block: Any, branch: Any, state: Any, aid: Aid) -> Any:
        seen.append(aid.check_scripts)
        return connect(block, branch, state, aid)

    monkeypatch.setattr(chain.spec.ledger, "connect", watched)
    chain.accept(fake_block(GENESIS, nonce=9), NOW)
    chain.accept_headers([b.header for b in blocks], NOW)
    chain.extend(blocks, NOW)
    assert seen == [True, False, False, False, True]


def test_a_prepared_block_is_not_executed_again_and_ends_in_the_same_store() -> None:
    one, two = fresh(), fresh()
    for block in fake_chain(GENESIS, 4):
        with one.view() as view:
            journal = Journal(view.state)
            applied = one.spec.ledger.connect(block, view.branch, journal, one.aid)
            prepared = Prepared(journal.delta(), applied)
        count = ledger_of(one).connected
        result = one.accept(block, NOW, prepared)
        assert isinstance(result, TipChanged) and result.connected[0].applied == applied
        assert ledger_of(one).connected == count
        two.accept(block, NOW)
        assert data_of(one) == data_of(two)


def test_a_stale_preparation_is_ignored() -> None:
    chain, blocks = fresh(), fake_chain(GENESIS, 2)
    with chain.view() as view:
        journal = Journal(view.state)
        applied = chain.spec.ledger.connect(blocks[0], view.branch, journal, chain.aid)
        delta = journal.delta()
    chain.accept(blocks[0], NOW)
    chain.accept(blocks[1], NOW, Prepared(delta, applied))
    assert state(chain) == fold(blocks)


def test_a_view_shows_one_commit_however_long_it_is_held() -> None:
    chain, blocks = fresh(), fake_chain(GENESIS, 6)
    chain.extend(blocks[:3], NOW)
    with chain.view() as view:
        chain.extend(blocks[3:], NOW)
        assert view.tip.height == 3 and view.at(4) is None and state_of(view.state) == fold(blocks[:3])
        assert view.entry(blocks[3].header.hash) is None and view.body(blocks[3].header.hash) is None
        assert [e.height for e in view.branch.last(10)] == [3, 2, 1, 0]
    with chain.view() as view:
        assert view.tip.height == 6 and view.connected(view.tip) and view.at(7) is None and view.at(-1) is None
        assert view.undo(view.tip) and view.undo(view.entries.require(GENESIS.header.hash)) == ()
