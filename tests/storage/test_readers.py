"""Brief reads that last too long are cut off, jobs are not; what was pinned comes back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from primitives.errors import SystemFault
from storage.deferred import Deferred
from storage.durability import Durability
from storage.lmdb import LmdbStore
from storage.readers import PATIENCE, SlowRead, brief, lasting


@pytest.fixture
def store(tmp_path: Path) -> Deferred:
    made = Deferred(LmdbStore(tmp_path / "db", Durability.NONE, 1 << 24))
    with made.update() as kv:
        for n in range(2_000):
            kv.put(b"k%04d" % n, b"v")
    return made


def ticks(store: Deferred, count: int) -> int:
    return sum(store.tick() for _ in range(count))


def test_a_brief_read_is_cut_after_its_time(store: Deferred) -> None:
    def work() -> None:
        with store.view() as kv:
            scan = kv.scan(b"k")
            assert next(scan)[0] == b"k0000" and ticks(store, PATIENCE) == 0
            assert kv.get(b"k0001") == b"v", "it has its time"
            assert ticks(store, 1) == 1
            with pytest.raises(SlowRead, match="longer than 5 s"):
                kv.get(b"k0001")
            with pytest.raises(SystemFault):
                list(scan)

    brief(work)()
    assert ticks(store, 20) == 0, "it is not watched any more"
    store.close()


@pytest.mark.parametrize("said", [lasting, lambda work: brief(lasting(work)), lambda work: work])
def test_a_job_reads_as_long_as_it_takes(
    store: Deferred, said: Callable[[Callable[[], int]], Callable[[], int]]
) -> None:
    def work() -> int:
        with store.view() as kv:
            assert ticks(store, 100) == 0
            return sum(1 for _ in kv.scan(b"k"))

    assert said(work)() == 2_000
    store.close()


def test_pages_behind_a_cut_read_are_used_again(tmp_path: Path) -> None:
    store = LmdbStore(tmp_path / "db", Durability.NONE, 1 << 26)

    def rewrite(times: int) -> int:
        for n in range(times):
            with store.update() as kv:
                for key in range(50):
                    kv.put(b"%d" % key, bytes((n,)) * 4_000)
        return (tmp_path / "db" / "data.mdb").stat().st_size

    steady = rewrite(20)

    def slow() -> int:
        with pytest.raises(SlowRead), store.view() as kv:
            grown = rewrite(40)
            for _ in range(PATIENCE + 1):
                store.tick()
            kv.get(b"1")
        return grown

    pinned = brief(slow)()
    assert pinned > 2 * steady
    assert rewrite(40) == pinned, "the file does not grow on"
    store.close()
