"""Crashes and power cuts: whatever the moment, the chain opens to a state that is that of its connected blocks, and goes on."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random

import pytest

from node.chain import Chain
from primitives.errors import SystemFault
from storage.durability import Durability
from storage.kv import KV
from storage.lmdb import LmdbStore
from storage.memory import MemoryStore
from tests.needs import needs
from tests.node.fake_family import fake_spec
from tests.node.forked_run import blocks, deliver
from tests.node.test_chain_reorganise import check
from tests.storage.power_loss import Mark, Write, image, record


class KeepingStore(MemoryStore):
    """Keeps a copy of its data after every commit, and can fail at a chosen write."""

    def __init__(self) -> None:
        super().__init__()
        self.images: list[dict[bytes, bytes]] = []
        self.writes = 0
        self.fails_at = 0

    @contextmanager
    def update(self) -> Iterator[KV]:
        before = self.writes
        with super().update() as kv:
            yield kv
        if self.writes != before:
            self.images.append(dict(self.data))

    def write(self, undo: dict[bytes, bytes | None], key: bytes, value: bytes | None) -> None:
        self.writes += 1
        if self.writes == self.fails_at:
            raise SystemFault("the disk is full")
        super().write(undo, key, value)


def reopened(data: dict[bytes, bytes]) -> Chain:
    store = MemoryStore()
    store.data.update(data)
    return Chain(fake_spec(), store)


def run() -> tuple[Chain, KeepingStore]:
    store = KeepingStore()
    chain = Chain(fake_spec(), store)
    deliver(chain, blocks())
    return chain, store


def test_a_crash_after_any_commit_leaves_a_chain_that_goes_on_to_the_same_end() -> None:
    end, store = run()
    assert len(store.images) > 35 and end.tip.height == 13
    for data in store.images:
        chain = reopened(data)
        check(chain)
        deliver(chain, blocks())
        check(chain)
        assert chain.tip.hash == end.tip.hash


def test_a_fault_at_any_write_leaves_the_state_before_and_condemns_nothing() -> None:
    end, whole = run()
    for at in range(1, whole.writes, 7):
        store = KeepingStore()
        store.fails_at = at
        try:
            chain = Chain(fake_spec(), store)
            deliver(chain, blocks())
        except SystemFault:
            pass
        else:
            raise AssertionError("the fault was swallowed")
        assert store.data == (store.images[-1] if store.images else {})
        chain = reopened(store.data)
        check(chain)
        deliver(chain, blocks())
        assert chain.tip.hash == end.tip.hash
        check(chain)


def test_a_power_cut_under_batch_takes_whole_commits_only() -> None:
    end, _ = run()
    for stop in range(1, len(blocks()), 3):
        store = MemoryStore(Durability.BATCH, record=True)
        chain = Chain(fake_spec(), store)
        deliver(chain, blocks()[:stop])
        for seed in range(4):
            image = store.power_loss(Random(seed))
            again = Chain(fake_spec(), image)
            check(again)
            deliver(again, blocks())
            assert again.tip.hash == end.tip.hash


@needs(shutil.which("cc") is not None, "a C compiler, for the log of disk writes,")
@pytest.mark.parametrize("durability", [Durability.FULL, Durability.BATCH])
def test_a_hundred_power_cuts_on_lmdb_open_to_a_sound_chain(durability: Durability, tmp_path: Path) -> None:
    """Unsynced sectors are dropped and reordered. Under FULL nothing that was told is lost, under BATCH one commit at most."""
    events = record("tests.node.forked_run", tmp_path, durability.value)
    states, commits_at = states_and_marks()
    random = Random(2)
    first = next(n for n, e in enumerate(events) if isinstance(e, Mark))
    seen: set[int] = set()
    for number in range(100):
        data, told = image(events, random.randint(first + 1, len(events)), random)
        place = tmp_path / f"image{number}"
        place.mkdir()
        (place / "data.mdb").write_bytes(data)
        store = LmdbStore(place, Durability.NONE, 1 << 30)
        with store.view() as kv:
            found = dict(kv.scan(b""))
        store.close()
        assert found in states, "a state that never was"
        at = states.index(found)
        assert at >= commits_at[told] - 1 - (durability is Durability.BATCH)
        seen.add(at)
        check(reopened(found))
    assert len(seen) > 20 and any(isinstance(e, Write) for e in events)


def states_and_marks() -> tuple[list[dict[bytes, bytes]], list[int]]:
    """The data after every commit of the run, and how many commits had been made at each mark."""
    store = KeepingStore()
    chain = Chain(fake_spec(), store)
    commits = [0, len(store.images)]
    for block in blocks():
        deliver(chain, [block])
        commits.append(len(store.images))
    return store.images, commits
