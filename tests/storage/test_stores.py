"""Both stores keep what a dict would: property tests, snapshots, aborts, scans during writes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from threading import Thread
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from primitives.errors import SystemFault
from storage.deferred import Deferred
from storage.durability import Durability
from storage.kv import Journal, Store, apply, rewind
from storage.layout import LONGEST_KEY, TABLE, fit
from storage.lmdb import LmdbStore
from storage.memory import MemoryStore

KINDS = ("memory", "lmdb", "deferred")


def make(kind: str, folder: Path) -> Store:
    if kind == "memory":
        return MemoryStore()
    if kind == "lmdb":
        return LmdbStore(folder, Durability.NONE, 1 << 24)
    return Deferred(LmdbStore(folder, Durability.BATCH, 1 << 24))


@pytest.fixture(params=KINDS)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    store = make(request.param, tmp_path / "db")
    yield store
    store.close()


keys = st.binary(min_size=1, max_size=3).map(lambda b: bytes(x % 4 for x in b)) | st.binary(min_size=60, max_size=70)
writes = st.lists(st.tuples(keys, st.none() | st.binary(max_size=5)), max_size=30)
batches = st.lists(st.tuples(st.booleans(), writes), max_size=6)


def scan_model(model: dict[bytes, bytes], prefix: bytes, start: bytes = b"") -> list[tuple[bytes, bytes]]:
    return sorted((k, v) for k, v in model.items() if k.startswith(prefix) and k >= prefix + start)


def put_all(kv: Any, changes: list[tuple[bytes, bytes | None]]) -> None:
    for key, value in changes:
        kv.delete(key) if value is None else kv.put(key, value)


class Stop(Exception):
    pass


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(KINDS), batches, keys, keys)
def test_a_store_is_a_sorted_dict_with_aborts_and_snapshots(
    kind: str, plan: list[Any], prefix: bytes, start: bytes
) -> None:
    with TemporaryDirectory() as folder:
        store = make(kind, Path(folder))
        model: dict[bytes, bytes] = {}
        views: list[tuple[Any, Any, dict[bytes, bytes]]] = []
        for abort, changes in plan:
            context = store.view()
            views.append((context, context.__enter__(), dict(model)))
            new = dict(model)
            try:
                with store.update() as kv:
                    for key, value in changes:
                        put_all(kv, [(key, value)])
                        new.pop(fit(key), None) if value is None else new.__setitem__(fit(key), value)
                        assert kv.get(key) == value
                    late = store.view()
                    views.append((late, late.__enter__(), dict(model)))
                    assert list(kv.scan(prefix[:1])) == scan_model(new, prefix[:1])
                    assert list(kv.scan(prefix[:2], start)) == scan_model(new, prefix[:2], start)
                    if abort:
                        raise Stop
                model = new
            except Stop:
                pass
        for context, view, seen in views:
            assert list(view.scan(prefix[:1])) == scan_model(seen, prefix[:1])
            assert list(view.scan(prefix[:1], start)) == scan_model(seen, prefix[:1], start)
            assert all(view.get(k) == seen.get(fit(k)) for _, changes in plan for k, _ in changes)
            context.__exit__(None, None, None)
        store.close()


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(KINDS), writes, writes)
def test_commit_then_rewind_is_the_identity_on_a_store(kind: str, before: list[Any], changes: list[Any]) -> None:
    with TemporaryDirectory() as folder:
        store = make(kind, Path(folder))
        short = [(k[:9], v) for k, v in before], [(k[:9], v) for k, v in changes]
        with store.update() as kv:
            put_all(kv, short[0])
        with store.update() as kv:
            start = all_of(kv)
            journal = Journal(kv)
            put_all(journal, short[1])
            delta = journal.commit()
            after = all_of(kv)
            rewind(kv, delta.undo)
            assert all_of(kv) == start
            apply(kv, delta)
            assert all_of(kv) == after
        store.close()


def all_of(kv: Any) -> dict[bytes, bytes]:
    return {k: v for first in range(256) for k, v in kv.scan(bytes([first]))}


def test_an_update_inside_an_update_is_refused_and_the_outer_one_goes_on(tmp_path: Path) -> None:
    store = MemoryStore()
    with store.update() as kv:
        kv.put(b"a", b"1")
        with pytest.raises(SystemFault), store.update():
            pass
    with store.view() as view:
        assert view.get(b"a") == b"1"


def test_a_view_cannot_be_written(store: Store) -> None:
    with store.view() as kv:
        with pytest.raises(SystemFault):
            kv.put(b"a", b"1")
        with pytest.raises(SystemFault):
            kv.delete(b"a")


def test_a_scan_survives_writes_behind_and_ahead_of_it(store: Store) -> None:
    with store.update() as kv:
        for n in range(2000):
            kv.put(b"a" + n.to_bytes(2, "big"), b"")
    seen = []
    with store.update() as kv:
        for key, _ in kv.scan(b"a"):
            seen.append(key)
            kv.delete(key)
            kv.put(b"b" + key, b"")
    assert len(seen) == 2000 and seen == sorted(seen)
    with store.view() as kv:
        assert not list(kv.scan(b"a")) and len(list(kv.scan(b"b"))) == 2000


def test_long_keys_are_cut_to_a_prefix_and_a_hash(store: Store) -> None:
    long = [b"x" * LONGEST_KEY, b"x" * (LONGEST_KEY + 1), b"x" * 500, b"x" * 499 + b"y"]
    with store.update() as kv:
        for n, key in enumerate(long):
            kv.put(key, bytes([n]))
        assert [kv.get(k) for k in long] == [bytes([n]) for n in range(4)]
        kv.delete(long[2])
    with store.view() as kv:
        assert [kv.get(k) for k in long] == [b"\x00", b"\x01", None, b"\x03"]
        assert len(list(kv.scan(b"x" * 32))) == 3


def test_readers_on_other_threads_see_whole_commits(store: Store) -> None:
    """A commit writes one number under many keys: whoever sees two numbers in one view saw half a commit."""
    names = [b"k" + bytes([n]) for n in range(50)]
    with store.update() as kv:
        for name in names:
            kv.put(name, b"\x00")
    torn: list[set[bytes | None]] = []
    done: list[bool] = []

    def read() -> None:
        while not done:
            with store.view() as view:
                one = {view.get(name) for name in names}
                two = {value for _, value in view.scan(b"k")}
                if one != two or len(one) != 1:
                    torn.append(one | two)

    readers = [Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    for n in range(300):
        with store.update() as kv:
            for name in names:
                kv.put(name, bytes([n % 256]))
    done.append(True)
    for reader in readers:
        reader.join()
    assert not torn


def test_memory_under_full_loses_nothing_and_under_batch_whole_commits_only() -> None:
    for durability in (Durability.FULL, Durability.BATCH):
        store, states = MemoryStore(durability, record=True), list[dict[bytes, bytes]]([{}])
        for n in range(20):
            with store.update() as kv:
                kv.put(bytes([n % 7]), bytes([n]))
                kv.delete(bytes([(n + 3) % 7]))
            states.append(dict(store.data))
            if n == 4:
                store.sync()
        images = [store.power_loss(Random(seed)).data for seed in range(60)]
        allowed = states[20:] if durability is Durability.FULL else states[5:]
        assert all(image in allowed for image in images)
        assert durability is Durability.FULL or len({str(i) for i in images}) > 10


def test_memory_without_syncs_does_not_open_after_a_power_cut() -> None:
    store = MemoryStore(Durability.NONE, record=True)
    assert not store.power_loss(Random(1)).data
    with store.update() as kv:
        kv.put(b"a", b"1")
    image = store.power_loss(Random(1))
    with pytest.raises(SystemFault, match="rebuild"), image.view():
        pass
    store.sync()
    with store.power_loss(Random(1)).view() as view:
        assert view.get(b"a") == b"1"


def test_no_space_of_the_table_lies_inside_another() -> None:
    prefixes = [space.prefix for space in TABLE if not space.prefix.startswith(b"!")]
    assert len(set(prefixes)) == len(prefixes) and all(len(p) == 1 for p in prefixes)
    metas = [space.prefix for space in TABLE if space.prefix.startswith(b"!")]
    assert not any(a != b and a.startswith(b) for a in metas for b in metas)
    assert len({space.name for space in TABLE}) == len(TABLE) and all(space.value and space.writer for space in TABLE)
