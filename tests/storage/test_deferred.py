"""Deferred's own promises: when commits reach the base, what readers see meanwhile, and what is lost."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from primitives.errors import SystemFault
from storage import deferred
from storage.deferred import Deferred
from storage.durability import Durability
from storage.kv import KV
from storage.lmdb import LmdbStore
from storage.memory import MemoryStore


def put(store: Deferred, key: bytes, value: bytes | None) -> None:
    with store.update() as kv:
        kv.delete(key) if value is None else kv.put(key, value)


def held(base: MemoryStore) -> dict[bytes, bytes]:
    with base.view() as kv:
        return dict(kv.scan(b"k"))


def test_commits_are_held_until_they_are_settled() -> None:
    base = MemoryStore(Durability.BATCH)
    store = Deferred(base)
    put(store, b"ka", b"1")
    put(store, b"kb", b"2")
    put(store, b"ka", None)
    assert store.holds and held(base) == {}
    with store.view() as kv:
        assert (kv.get(b"ka"), kv.get(b"kb"), list(kv.scan(b"k"))) == (None, b"2", [(b"kb", b"2")])
    store.settle()
    assert not store.holds and held(base) == {b"kb": b"2"}


def test_a_commit_under_full_writes_what_is_held_first() -> None:
    base = MemoryStore(Durability.BATCH)
    store = Deferred(base)
    put(store, b"ka", b"1")
    store.durability = Durability.FULL
    put(store, b"ka", b"2")
    assert not store.holds and held(base) == {b"ka": b"2"}


def test_what_is_held_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deferred, "MOST_COMMITS", 3)
    monkeypatch.setattr(deferred, "MOST_BYTES", 100)
    base = MemoryStore(Durability.BATCH)
    store = Deferred(base)
    for n in range(4):
        put(store, b"k" + bytes((n,)), b"kx")
    assert len(held(base)) == 3
    put(store, b"klong", bytes(100))
    put(store, b"knext", b"")
    assert held(base)[b"klong"] == bytes(100) and b"knext" not in held(base)


def test_a_view_stays_as_it_was_while_commits_are_settled_and_follow() -> None:
    store = Deferred(MemoryStore(Durability.BATCH))
    put(store, b"ka", b"1")
    with store.view() as before:
        put(store, b"ka", b"2")
        store.settle()
        put(store, b"ka", b"3")
        store.durability = Durability.FULL
        put(store, b"kc", b"4")
        assert before.get(b"ka") == b"1" and list(before.scan(b"k")) == [(b"ka", b"1")]
    with store.view() as after:
        assert list(after.scan(b"k")) == [(b"ka", b"3"), (b"kc", b"4")]


def test_an_update_that_fails_leaves_nothing() -> None:
    store = Deferred(MemoryStore(Durability.BATCH))
    put(store, b"ka", b"1")
    with pytest.raises(KeyError), store.update() as kv:
        kv.put(b"ka", b"2")
        assert kv.get(b"ka") == b"2"
        raise KeyError
    with store.view() as kv:
        assert kv.get(b"ka") == b"1"
        with pytest.raises(SystemFault, match="read-only"):
            kv.put(b"ka", b"2")
        with pytest.raises(SystemFault, match="read-only"):
            kv.delete(b"ka")


class Full(MemoryStore):
    """A store whose disk is full."""

    full = True

    @contextmanager
    def update(self) -> Iterator[KV]:
        with super().update() as kv:
            yield kv
            if self.full:
                raise SystemFault("the disk is full")


def test_a_full_disk_loses_nothing_that_is_held() -> None:
    base = Full(Durability.BATCH)
    store = Deferred(base)
    put(store, b"ka", b"1")
    with pytest.raises(SystemFault, match="full"):
        store.settle()
    store.durability = Durability.FULL
    with pytest.raises(SystemFault, match="full"):
        put(store, b"kb", b"2")
    with store.view() as kv:
        assert (kv.get(b"ka"), kv.get(b"kb")) == (b"1", None)
    base.full = False
    put(store, b"kb", b"2")
    assert held(base) == {b"ka": b"1", b"kb": b"2"}


def test_closing_writes_what_is_held(tmp_path: Path) -> None:
    store = Deferred(LmdbStore(tmp_path, Durability.BATCH, 1 << 24))
    put(store, b"ka", b"1")
    store.close()
    again = LmdbStore(tmp_path)
    with again.view() as kv:
        assert kv.get(b"ka") == b"1"
    again.close()
