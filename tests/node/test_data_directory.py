"""One process a directory, the mark of unsynced stores, and the rebuild from stored bodies."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from node import data_directory as place
from node.chain import Chain
from node.data_directory import DataDirectory, DirectoryTaken, Spoilt, free_space
from node.identity import ForeignData, OlderData
from node.rebuild import rebuild
from primitives.errors import SystemFault
from storage.durability import Durability
from storage.layout import BODY, ENTRY, GENESIS_KEY, SCHEMA_KEY
from tests.node.fake_family import fake_spec
from tests.node.forked_run import blocks, deliver
from tests.node.test_chain import state


def test_a_second_holder_is_refused_with_the_first_one_s_number(tmp_path: Path) -> None:
    with DataDirectory(tmp_path / "d") as held:
        with pytest.raises(DirectoryTaken, match=f"Cannot obtain a lock .*process {os.getpid()} ") as raised:
            DataDirectory(tmp_path / "d")
        assert "\n" not in str(raised.value)
        code = f"from node.data_directory import *; DataDirectory({(tmp_path / 'd')!r})".replace("PosixPath", "Path")
        program = "from pathlib import Path; " + code
        other = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, check=False, cwd=Path.cwd()
        )
        assert other.returncode != 0 and str(os.getpid()) in other.stderr
        assert (held.path / ".lock").read_text() == f"{os.getpid()}\n"
    DataDirectory(tmp_path / "d").close()


def test_a_lock_left_by_a_killed_process_does_not_block(tmp_path: Path) -> None:
    program = (
        "import os, sys; from pathlib import Path; from node.data_directory import *; "
        "DataDirectory(Path(sys.argv[1])); os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=False, cwd=Path.cwd())
    assert (tmp_path / ".lock").read_text().strip().isdigit()
    DataDirectory(tmp_path).close()


def test_a_directory_that_cannot_be_made_is_told_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SystemFault) as raised:
        DataDirectory(tmp_path / "file" / "d")
    assert "\n" not in str(raised.value)
    assert free_space(tmp_path) > 0


def test_an_unsynced_store_survives_a_kill_but_not_a_power_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with DataDirectory(tmp_path) as held:
        with held.store(Durability.NONE) as store, store.update() as kv:
            kv.put(b"a", b"1")
        assert not (tmp_path / "unsynced").exists(), "closed in order"
        held.open_store(Durability.NONE).close()
        assert (tmp_path / "unsynced").exists()
        held.open_store().close()
        monkeypatch.setattr(place, "_boot_id", lambda: "another boot")
        with pytest.raises(Spoilt, match="not synced"):
            held.open_store()


def test_an_old_store_is_rebuilt_from_its_bodies_alone(tmp_path: Path) -> None:
    with DataDirectory(tmp_path) as held:
        with held.store() as store:
            chain = Chain(fake_spec(), store)
            deliver(chain, blocks())
            tip, before = chain.tip.hash, state(chain)
            with store.update() as kv:
                kv.put(SCHEMA_KEY, bytes(4))
                for key, _ in list(kv.scan(ENTRY)):
                    kv.put(key, b"an entry of another schema")
        with held.store() as store, pytest.raises(OlderData, match="migrate"):
            Chain(fake_spec(), store)
        told: list[tuple[str, int, int]] = []
        assert rebuild(held, fake_spec(), progress=lambda *a: told.append(a)) == 13
        with held.store() as store:
            chain = Chain(fake_spec(), store)
            assert chain.tip.hash == tip and state(chain) == before
            with chain.view() as view:
                bodies = sum(1 for _ in view.state.scan(BODY))
        assert told[-1][0] == "rebuild" and told[-1][1] == told[-1][2] >= bodies - 1
        assert sorted(p.name for p in tmp_path.iterdir()) == [".lock", "chain"]


@pytest.mark.parametrize("step", ["before", "between", "after"])
def test_an_interrupted_exchange_is_finished_at_the_next_start(step: str, tmp_path: Path) -> None:
    with DataDirectory(tmp_path) as held:
        for name, value in (("chain", b"old"), ("chain.new", b"new")):
            store = held.open_store() if name == "chain" else held.new_store()
            with store.update() as kv:
                kv.put(b"a", value)
            store.close()
        if step != "before":
            os.rename(tmp_path / "chain", tmp_path / "chain.old")
        if step == "after":
            os.rename(tmp_path / "chain.new", tmp_path / "chain")
        with held.store() as store, store.view() as view:
            assert view.get(b"a") == (b"old" if step == "before" else b"new")
        assert not (tmp_path / "chain.old").exists()


def test_another_chain_s_bodies_are_not_rebuilt(tmp_path: Path) -> None:
    with DataDirectory(tmp_path) as held:
        with held.store() as store:
            deliver(Chain(fake_spec(), store), blocks())
            with store.update() as kv:
                kv.put(GENESIS_KEY, bytes(32))
        with pytest.raises(ForeignData):
            rebuild(held, fake_spec())
        with held.store() as store, store.view() as view:
            assert view.get(GENESIS_KEY) == bytes(32)
