"""The block index: codec, skip pointers and branches against a plain walk, the cache, the waiting room."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from node.chain import Chain
from node.index import EntryCache, Record, decode_record, encode_record, skip_height
from node.undo import decode_changes, encode_changes
from node.waiting import Waiter, WaitingRoom
from primitives.chain import Entry, Status
from primitives.errors import SystemFault
from storage.memory import MemoryStore
from tests.node.fake_family import GENESIS, NOW, FakeBlock, FakeFormat, fake_block, fake_chain, fake_spec

entries = st.builds(
    Entry,
    st.just(GENESIS.header),
    st.integers(0, 2**32 - 1),
    st.integers(0, 2**300),
    st.integers(-(2**63), 2**63 - 1),
    st.integers(0, 31).map(Status),
    st.binary(max_size=300),
)


@settings(deadline=None)
@given(entries, st.binary(min_size=32, max_size=32))
def test_records_come_back_as_they_were(entry: Entry[Any], skip: bytes) -> None:
    record = Record(entry, skip)
    assert decode_record(encode_record(record, FakeFormat()), FakeFormat()) == record


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_bytes_that_are_no_record_are_our_own_fault(raw: bytes) -> None:
    try:
        decode_record(raw, FakeFormat())
    except SystemFault:
        return
    assert len(raw) >= 13 + 2 + 32 + 80


@settings(deadline=None)
@given(st.lists(st.tuples(st.binary(max_size=40), st.none() | st.binary(max_size=300)), max_size=20), st.data())
def test_undo_records_come_back_and_any_other_byte_is_noticed(changes: list[Any], data: st.DataObject) -> None:
    block = bytes(32)
    record = encode_changes(block, changes)
    assert decode_changes(block, record, "undo record") == tuple(changes)
    at, bit = data.draw(st.integers(0, len(record) - 1)), data.draw(st.integers(0, 7))
    spoilt = record[:at] + bytes([record[at] ^ 1 << bit]) + record[at + 1 :]
    for other in (spoilt, record[:-1], record + b"\x00", None):
        with pytest.raises(SystemFault, match="undo record of block"):
            decode_changes(block, other, "undo record")
    with pytest.raises(SystemFault):
        decode_changes(bytes(31) + b"\x01", record, "undo record")


def test_skip_heights_are_those_of_bitcoin_core() -> None:
    assert [skip_height(h) for h in range(20)] == [0, 0, 0, 1, 0, 1, 4, 1, 0, 1, 8, 1, 8, 1, 12, 9, 0, 1, 16, 1]
    assert all(0 <= skip_height(h) < h for h in range(1, 10_000))


def test_branches_agree_with_a_plain_walk_on_every_fork() -> None:
    random = Random(5)
    chain = Chain(fake_spec(), MemoryStore())
    main = fake_chain(GENESIS, 700)
    sides = [fake_chain(main[n], 400, bytes([n % 250])) for n in (1, 333, 650)]
    chain.accept_headers([b.header for b in main], NOW * 10)
    for side in sides:
        chain.accept_headers([b.header for b in side[:300]], NOW * 10)
    chain.extend(main, NOW * 10)
    by_hash: dict[bytes, FakeBlock] = {b.header.hash: b for line in [[GENESIS], main, *sides] for b in line}
    with chain.view() as view:
        for _ in range(60):
            line = random.choice([main, *[s[:300] for s in sides]])
            entry = view.entries.require(random.choice(line).header.hash)
            walk = [by_hash[entry.hash]]
            while walk[-1].header.parent in by_hash:
                walk.append(by_hash[walk[-1].header.parent])
            branch = view.entries.branch(entry)
            for _ in range(20):
                height = random.randint(0, entry.height)
                assert branch.at(height).hash == walk[entry.height - height].header.hash
                count = random.choice([1, 5, 11, 300, 2000])
                assert [e.hash for e in branch.last(count)] == [b.header.hash for b in walk[:count]]
            times = sorted(b.header.timestamp for b in walk[:11])
            assert branch.median_time() == times[len(times) // 2]
            for height in (-1, entry.height + 1):
                with pytest.raises(IndexError):
                    branch.at(height)
            fork = view.entries.fork(entry)
            assert view.connected(fork) and branch.at(fork.height) == fork
            assert fork == entry or not view.connected(branch.at(fork.height + 1))


def test_an_extended_branch_is_the_branch_of_the_child() -> None:
    chain, blocks = Chain(fake_spec(), MemoryStore()), fake_chain(GENESIS, 600)
    chain.extend(blocks, NOW * 10)
    with chain.view() as view:
        branch = view.entries.branch(view.entries.require(GENESIS.header.hash))
        for block in blocks:
            branch = branch.extended(view.entries.require(block.header.hash))
            fresh = view.entries.branch(branch.tip)
            assert branch.median_time() == fresh.median_time()
            assert branch.skip_for_child() == fresh.skip_for_child()
        assert [e.height for e in branch.last(601)] == list(range(600, -1, -1))


def test_the_cache_answers_for_exactly_the_bytes_it_decoded_and_is_bounded() -> None:
    cache = EntryCache(4)
    for n in range(20):
        entry = Entry(GENESIS.header, n, n)
        cache.put(bytes([n]), b"raw%d" % n, Record(entry, b""))
        assert cache.get(bytes([n]), b"raw%d" % n) == Record(entry, b"")
        assert cache.get(bytes([n]), b"other") is None
    held = [n for n in range(20) if cache.get(bytes([n]), b"raw%d" % n)]
    assert 4 <= len(held) <= 8 and held[-1] == 19


def waiter(n: int, size: int = 10, source: object = None, parent: int | None = 0, due: int = 0) -> Waiter:
    block = fake_block(GENESIS, nonce=n)
    return Waiter(block, size, None if parent is None else bytes([parent]) * 32, due, source)


def test_the_waiting_room_is_bounded_for_all_and_for_each_source() -> None:
    room = WaitingRoom(most=5, size=100, size_of_one=30)
    first = waiter(1, source="a")
    assert room.add(first) and room.add(first) and len(room) == 1
    for n in (2, 3, 4):
        assert room.add(waiter(n, source="a"))
    assert len(room) == 3 and first.hash not in room, "the oldest of the same source goes first"
    assert not room.add(waiter(5, size=31, source="a")) and room.add(waiter(5, size=31))
    for n in (6, 7, 8):
        room.add(waiter(n, source=n))
    assert len(room) == 5 and room.used <= 100
    room.add(waiter(9, size=90))
    assert room.used <= 100
    room.drop_source(None)
    room.drop_source(8)
    assert all(w not in room for w in (waiter(9).hash, waiter(8, source=8).hash))


def test_waiters_leave_by_parent_and_by_time() -> None:
    room = WaitingRoom()
    for n, parent in ((1, 7), (2, 7), (3, 8)):
        room.add(waiter(n, parent=parent))
    for n, due in ((4, 100), (5, 50)):
        room.add(waiter(n, parent=None, due=due))
    assert set(room.missing()) == {bytes([7]) * 32, bytes([8]) * 32} and room.next_due() == 50
    assert [w.hash for w in room.take_children(bytes([7]) * 32)] == [waiter(1).hash, waiter(2).hash]
    assert room.take_children(bytes([7]) * 32) == []
    assert room.take_due(49) == [] and [w.due for w in room.take_due(100)] == [100, 50]
    room.discard(waiter(3).hash)
    room.discard(waiter(3).hash)
    assert not len(room) and room.used == 0 and room.next_due() is None
