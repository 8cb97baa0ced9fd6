"""`chainyard chain`: export, import, verify, migrate, reindex on folders that no node uses."""

from __future__ import annotations

import lzma
from pathlib import Path

import pytest

from chains.bitcoin import REGTEST
from node.chain import Chain
from node.data_directory import UNSYNCED, DataDirectory
from node.rpc.lookup import block_bytes
from storage.layout import BODY, COIN, SCHEMA_KEY
from storage.lmdb import LmdbStore
from tests.builders import Chainlet
from tests.cli.conftest import Run

MAGIC = REGTEST.network.magic


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder of a regtest chain of thirty blocks."""
    path = tmp_path / "data" / "regtest"
    made = Chainlet()
    made.mine(count=30)
    with DataDirectory(path) as directory, directory.store() as store:
        chain = Chain(REGTEST, store)
        chain.extend(made.blocks[1:], 1 << 40)
    return path


def store_of(folder: Path) -> LmdbStore:
    return LmdbStore(folder / "chain")


def damage(folder: Path, prefix: bytes, change: bytes | None = b"junk") -> None:
    """Replace, or take away, a value of a space."""
    store = store_of(folder)
    with store.update() as kv:
        key = list(kv.scan(prefix))[3][0] if len(prefix) == 1 else prefix
        kv.delete(key) if change is None else kv.put(key, change)
    store.close()


@pytest.mark.parametrize("name", ["chain.dat", "chain.dat.xz"])
def test_blocks_go_to_a_file_and_come_back(run: Run, folder: Path, tmp_path: Path, name: str) -> None:
    done = run("chain", "export", tmp_path / name, "--json")
    assert done.code == 0 and done.json["blocks"] == 31 and done.json["height"] == 30
    raw = (tmp_path / name).read_bytes()
    plain = lzma.decompress(raw) if name.endswith("xz") else raw
    assert plain.startswith(MAGIC + len(genesis()).to_bytes(4, "little") + genesis())
    assert run("chain", "export", tmp_path / name).code == 2, "a file that is there is not replaced"
    assert run("chain", "export", tmp_path / name, "--force").code == 0
    again = run("chain", "import", tmp_path / name, "--datadir", tmp_path / "other", "--json")
    assert again.json["height"] == again.json["blocks"] == 30
    tip = run("chain", "verify", "--json").json["tip"]
    assert tip == again.json["tip"]
    once_more = run("chain", "import", tmp_path / name, "--datadir", tmp_path / "other", "--json")
    assert once_more.json["blocks"] == 0, "what is here already is passed over"


def genesis() -> bytes:
    return block_bytes(REGTEST, REGTEST.genesis)


def test_a_file_whose_blocks_are_out_of_order(run: Run, folder: Path, tmp_path: Path) -> None:
    run("chain", "export", tmp_path / "a.dat")
    raw, blocks = (tmp_path / "a.dat").read_bytes(), []
    while raw:
        end = 8 + int.from_bytes(raw[4:8], "little")
        blocks.append(raw[:end])
        raw = raw[end:]
    (tmp_path / "b.dat").write_bytes(b"".join(blocks[::-1]))
    found = run("chain", "import", tmp_path / "b.dat", "--datadir", tmp_path / "other", "--json")
    assert found.json["height"] == 30
    (tmp_path / "c.dat").write_bytes(b"".join(blocks[5:]))
    orphan = run("chain", "import", tmp_path / "c.dat", "--datadir", tmp_path / "third", "--json")
    assert orphan.code == 4 and "missing" in orphan.error["message"]


@pytest.mark.parametrize("spoil", ["cut", "magic", "length", "text", "xz", "rule"])
def test_a_bad_file_is_refused_and_what_came_before_stays(run: Run, folder: Path, tmp_path: Path, spoil: str) -> None:
    run("chain", "export", tmp_path / "a.dat")
    raw = (tmp_path / "a.dat").read_bytes()
    last = raw.rindex(MAGIC)
    if spoil == "cut":
        raw = raw[:-5]
    elif spoil == "magic":
        raw = raw[:last] + b"\x00" + raw[last + 1 :]
    elif spoil == "length":
        raw = raw[: last + 4] + b"\xff\xff\xff\x7f" + raw[last + 8 :]
    elif spoil == "text":
        raw = b"these are no blocks"
    elif spoil == "xz":
        raw = lzma.compress(raw)[:-60]
    else:
        raw = raw[:-5] + bytes((raw[-5] ^ 1,)) + raw[-4:]
    (tmp_path / "b.dat").write_bytes(raw)
    found = run("chain", "import", tmp_path / "b.dat", "--datadir", tmp_path / "other", "--json")
    assert found.code == 4, found
    assert "Traceback" not in found.err
    height = run("chain", "verify", "--datadir", tmp_path / "other", "--json").json["height"]
    assert height == {"text": 0}.get(spoil, 29) or (spoil == "xz" and height < 30)


def test_another_chains_folder_is_left_alone(run: Run, folder: Path, tmp_path: Path) -> None:
    folder.rename(folder.with_name("bitcoin"))
    for command in ("verify", "migrate", "reindex"):
        found = run("chain", command, "--chain", "bitcoin", "--json")
        assert found.code == 5 and "another chain" in found.error["message"], found
    missing = run("chain", "verify", "--chain", "testnet3")
    assert missing.code == 5 and "there is no chain in" in missing.err
    unknown = run("chain", "verify", "--chain", "regtset")
    assert unknown.code in (2, 5) and "Traceback" not in unknown.err


@pytest.mark.parametrize("prefix", [COIN, BODY, b"u", b"h"])
def test_verify_finds_what_was_changed(run: Run, folder: Path, prefix: bytes) -> None:
    assert run("chain", "verify", "--json").json["differences"] == []
    damage(folder, prefix)
    found = run("chain", "verify", "--json")
    assert found.code == 4, found
    assert found.error["data"]["differences"] and "reindex" in found.error["hint"]
    if prefix != BODY:
        assert run("chain", "reindex", "--json").json == {"rebuilt": True, "height": 30}
        assert run("chain", "verify").code == 0


def test_verify_finds_a_lost_coin(run: Run, folder: Path) -> None:
    damage(folder, COIN, None)
    assert "coins" in run("chain", "verify", "--json").error["message"]


def test_migrate_rebuilds_what_is_old_or_spoilt_and_nothing_else(run: Run, folder: Path) -> None:
    assert run("chain", "migrate", "--json").json == {"rebuilt": False}
    damage(folder, SCHEMA_KEY, (0).to_bytes(4, "big"))
    old = run("chain", "verify", "--json")
    assert old.code == 5 and "chainyard chain migrate" in old.error["message"]
    assert run("chain", "migrate", "--json").json == {"rebuilt": True, "height": 30}
    assert run("chain", "verify").code == 0
    (folder / UNSYNCED).write_text("another boot")
    assert run("chain", "migrate", "--json").json == {"rebuilt": True, "height": 30}
    damage(folder, SCHEMA_KEY, (99).to_bytes(4, "big"))
    newer = run("chain", "migrate", "--json")
    assert newer.code == 5 and "newer" in newer.error["message"]


def test_a_folder_in_use_is_not_touched(run: Run, folder: Path, tmp_path: Path) -> None:
    with DataDirectory(folder):
        for words in (["verify"], ["reindex"], ["export", tmp_path / "x"], ["import", __file__]):
            found = run("chain", *words, "--json")
            assert found.code == 5 and "lock" in found.error["message"]


def test_the_dataset_of_ethash_is_made_and_found_again(run: Run, tmp_path: Path) -> None:
    call = ("chain", "dataset", "--chain", "ethash-dev", "--datadir", tmp_path, "--json")
    first, again = run(*call), run(*call)
    (made,), (found,) = first.json["datasets"], again.json["datasets"]
    assert made["made"] and not found["made"] and made["file"] == found["file"]
    assert Path(made["file"]).stat().st_size == made["bytes"] > 4_000_000
    assert Path(made["file"]).parent == tmp_path / "ethash-dev" / "ethash"
    assert len(run(*call, "--height", 29_999).json["datasets"]) == 2, "the next epoch is near"
    assert "checked" in run(*call[:-1]).out
    for more in (("--chain", "regtest"), ("--height", 10**9)):
        assert "no dataset" in run(*call, *more).error["message"]
