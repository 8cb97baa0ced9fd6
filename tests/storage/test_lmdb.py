"""LmdbStore's own promises: a full map, damage, forks, files that are no store, reopening, copies."""

from __future__ import annotations

import errno
import os
import resource
import signal
from pathlib import Path

import pytest

from primitives.errors import SystemFault
from storage.deferred import Deferred
from storage.durability import Durability
from storage.lmdb import LmdbStore, fault


def test_a_full_map_is_a_fault_in_one_line_and_leaves_nothing_behind(tmp_path: Path) -> None:
    store = LmdbStore(tmp_path, map_size=1 << 18)
    with store.update() as kv:
        kv.put(b"a", b"before")
    with pytest.raises(SystemFault, match="full") as raised, store.update() as kv:
        kv.put(b"a", b"after")
        for n in range(1000):
            kv.put(b"b" + n.to_bytes(2, "big"), bytes(4000))
    assert "\n" not in str(raised.value)
    with store.view() as view:
        assert view.get(b"a") == b"before" and not list(view.scan(b"b"))
    with store.update() as kv:
        kv.put(b"a", b"smaller")
    store.close()
    larger = LmdbStore(tmp_path, map_size=1 << 24)
    with larger.update() as kv:
        for n in range(1000):
            kv.put(b"b" + n.to_bytes(2, "big"), bytes(4000))
        assert kv.get(b"a") == b"smaller"
    larger.close()


def test_a_file_that_may_not_grow_is_a_fault_and_the_old_state_stays(tmp_path: Path) -> None:
    """RLIMIT_FSIZE stands for a full disk: the commit fails half way."""
    store = LmdbStore(tmp_path)
    with store.update() as kv:
        kv.put(b"a", b"before")
    pid = os.fork()
    if pid == 0:  # the limit is for good, so a child bears it; it opens a store of its own
        try:
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 17, 1 << 17))
            own = LmdbStore(tmp_path / "own", Durability.FULL)
            with own.update() as kv:
                kv.put(b"a", b"before")
            try:
                with own.update() as kv:
                    kv.put(b"a", b"after")
                    for n in range(100):
                        kv.put(b"b%d" % n, bytes(4000))
            except SystemFault as e:
                with own.view() as view:
                    os._exit(0 if view.get(b"a") == b"before" and "\n" not in str(e) else 2)
            os._exit(3)
        finally:
            os._exit(4)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    store.close()


def test_a_flipped_bit_is_a_fault_and_never_an_answer(tmp_path: Path) -> None:
    store = LmdbStore(tmp_path)
    with store.update() as kv:
        kv.put(b"a", b"value to find" * 3)
        kv.put(b"b", b"sound")
    store.close()
    data = bytearray((tmp_path / "data.mdb").read_bytes())
    at = data.find(b"value to find")
    while at >= 0:
        data[at + 3] ^= 4
        at = data.find(b"value to find", at + 39)
    (tmp_path / "data.mdb").write_bytes(data)
    store = LmdbStore(tmp_path)
    with store.view() as view:
        assert view.get(b"b") == b"sound"
        with pytest.raises(SystemFault, match="damaged"):
            view.get(b"a")
        with pytest.raises(SystemFault, match="damaged"):
            list(view.scan(b"a"))
    store.close()


@pytest.mark.parametrize("content", [b"", b"x", b"not a store" * 1000])
def test_a_foreign_file_is_refused_in_one_line_or_begun_anew_if_empty(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "data.mdb").write_bytes(content)
    try:
        store = LmdbStore(tmp_path)
    except SystemFault as e:
        assert content and "\n" not in str(e) and str(tmp_path) in str(e)
    else:
        with store.view() as view:
            assert view.get(b"a") is None
        store.close()
        assert not content


def test_an_open_store_does_not_cross_a_fork(tmp_path: Path) -> None:
    store = LmdbStore(tmp_path)
    pid = os.fork()
    if pid == 0:
        try:
            with store.view():
                os._exit(1)
        except SystemFault:
            os._exit(0)
        finally:
            os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    store.close()


def test_what_was_committed_is_there_again_and_a_copy_holds_it(tmp_path: Path) -> None:
    for durability in Durability:
        path = tmp_path / durability.value
        store = LmdbStore(path, durability)
        with store.update() as kv:
            kv.put(b"a", b"1")
        store.copy(tmp_path / "copy" / durability.value)
        store.close()
        for place in (path, tmp_path / "copy" / durability.value):
            again = LmdbStore(place)
            with again.view() as view:
                assert view.get(b"a") == b"1"
            again.close()


def test_the_map_is_sparse(tmp_path: Path) -> None:
    store = LmdbStore(tmp_path)
    with store.update() as kv:
        kv.put(b"a", b"1")
    assert (tmp_path / "data.mdb").stat().st_blocks * 512 < 1 << 20
    store.close()


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO, errno.EROFS, errno.EDQUOT, errno.EACCES])
def test_trouble_with_the_disk_is_told_in_words(number: int, tmp_path: Path) -> None:
    told = str(fault(tmp_path, OSError(number, os.strerror(number))))
    assert told.startswith(str(tmp_path)) and "\n" not in told and len(told) > len(str(tmp_path)) + 10


def test_its_size_is_what_the_disk_gave(tmp_path: Path) -> None:
    store = LmdbStore(tmp_path / "store")
    before = store.size()
    with store.update() as kv:
        for n in range(64):
            kv.put(bytes((n,)) * 4, bytes(8_000))
    store.sync()
    assert before + 500_000 < store.size() < before + 2_000_000
    deferred = Deferred(store)
    deferred.durability = Durability.BATCH
    with deferred.update() as kv:
        kv.put(b"more", bytes(1_000))
    assert deferred.size() == store.size() + 1_004
    deferred.close()
