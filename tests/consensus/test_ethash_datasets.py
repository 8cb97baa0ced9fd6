"""Which datasets a miner is given: when one is made, that it is used again, and that a damaged one never seals a block."""

from __future__ import annotations

import fcntl
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from chains.twin import RETARGET
from chains.twin_engine import Outer
from consensus import ethash_datasets
from consensus.difficulty_ethereum import Difficulty, Era
from consensus.ethash import Ethash, check_seal
from consensus.ethash_data import Caches, Sizes, build_cache, build_dataset, check_dataset, dataset_size, native
from consensus.ethash_datasets import Datasets
from consensus.merged import Merged
from consensus.sha256d import Sha256d
from primitives.ethereum import EthereumBlock
from tests.accounts import Purse
from tests.primitives.test_ethereum import HEADER

SIZES = Sizes(cache=1 << 12, cache_growth=0, dataset=1 << 15, dataset_growth=0, epoch_length=30, epochs=4)
CACHE = build_cache(0, SIZES)
ENOUGH = dataset_size(0, SIZES) // 64 // 128 + 1
"""Hashes that cost more than the dataset."""
RULE = Difficulty(((0, Era(9, True, None, minimum=4)),))


def never() -> bool:
    return False


def get(datasets: Datasets, hashes: int = ENOUGH, stop: Any = never) -> Any:
    return datasets.get(0, SIZES, CACHE, hashes, stop)


def ask_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ethash_datasets, "SMALL", 1)


@pytest.mark.parametrize("kept", [True, False])
def test_a_small_one_is_made_once_hashes_cost_more(tmp_path: Path, kept: bool) -> None:
    datasets = Datasets(tmp_path if kept else None, threads=2)
    assert get(datasets, ENOUGH // 2) is None
    found = get(datasets, ENOUGH - ENOUGH // 2)
    assert len(found) == dataset_size(0, SIZES) and check_dataset(found, CACHE, 1_000)
    assert get(datasets, 0) is found
    assert len(list(tmp_path.iterdir())) == kept


def test_what_was_stopped_is_not_there(tmp_path: Path) -> None:
    assert get(Datasets(), stop=lambda: True) is None
    assert get(Datasets(tmp_path), stop=lambda: True) is None
    assert list(tmp_path.iterdir()) == []


def test_a_file_is_used_again(tmp_path: Path) -> None:
    get(Datasets(tmp_path))
    (path,) = tmp_path.iterdir()
    made = path.stat().st_mtime_ns
    assert get(Datasets(tmp_path), hashes=1) is not None
    assert path.stat().st_mtime_ns == made


@pytest.mark.parametrize("damage", [b"", b"short", bytes(dataset_size(0, SIZES))])
def test_a_damaged_file_is_seen_and_made_again(tmp_path: Path, damage: bytes) -> None:
    datasets = Datasets(tmp_path)
    datasets.path(0, SIZES).write_bytes(damage)
    assert check_dataset(get(datasets), CACHE, 1_000)


def test_a_file_that_another_process_makes_is_left_to_it(tmp_path: Path) -> None:
    datasets = Datasets(tmp_path)
    path = datasets.path(0, SIZES)
    with path.with_name(path.name + ".part").open("a+b") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(BlockingIOError):
            build_dataset(path, 0, SIZES)
        assert check_dataset(get(datasets), CACHE)  # in memory
        assert not path.exists()


def test_a_folder_that_cannot_be_written_is_done_without(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    assert check_dataset(get(Datasets(tmp_path / "file" / "folder")), CACHE)


def test_a_large_one_is_made_when_asked_and_ahead(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ask_large(monkeypatch)
    told: list[tuple[str, int, int]] = []
    engine = Ethash(RULE, SIZES)
    engine.equipped(tmp_path, False, 1, lambda *a: told.append(a)).prepare(0, never)
    assert list(tmp_path.iterdir()) == [] and not told
    equipped = engine.equipped(tmp_path, True, 1, lambda *a: told.append(a))
    assert get(equipped.datasets) is None
    assert equipped.prepare(28, never) == {equipped.datasets.path(0, SIZES): True}
    assert get(equipped.datasets) is not None and len(list(tmp_path.iterdir())) == 1
    assert told[-1][0] == "Ethash dataset, epoch 0" and told[-1][1] == told[-1][2]
    assert list(equipped.prepare(29, never).values()) == [True, False]
    assert len(list(tmp_path.iterdir())) == 2
    equipped.prepare(500, never)  # beyond all epochs
    equipped.prepare(30, lambda: True)
    assert len(list(tmp_path.iterdir())) == 2


def test_a_dataset_that_is_wrong_where_nobody_looked_seals_nothing(tmp_path: Path) -> None:
    first = Datasets(tmp_path)
    get(first)
    path = first.path(0, SIZES)
    raw = bytearray(path.read_bytes())
    kept = {len(raw) // 64 - 1 - n * (len(raw) // 64 - 1) // 63 for n in range(64)}
    for item in set(range(len(raw) // 64)) - kept:
        raw[item * 64] ^= 1
    path.write_bytes(raw)
    engine = Ethash(RULE, SIZES).equipped(tmp_path, False, 1, lambda *a: None)
    assert engine.datasets.get(0, SIZES, CACHE, 0, never) is not None  # it looks well

    block = EthereumBlock(replace(HEADER, number=5, difficulty=2_000))
    sealed: Any = engine.seal(block, Purse(threads=2), never)
    nonce = int.from_bytes(sealed.header.nonce, "big")
    check_seal(sealed.header.seal_hash, nonce, sealed.header.mix_hash, 2_000, 5, SIZES, Caches())
    assert path.read_bytes() != raw


def test_engines_that_wrap_hand_it_on(tmp_path: Path) -> None:
    tools = (tmp_path, True, 1, lambda *a: None)
    merged: Any = Merged(Ethash(RULE, SIZES), 10).equipped(*tools)
    outer: Any = Outer(Ethash(RULE, SIZES)).equipped(*tools)
    assert merged.before.datasets.folder == outer.inner.datasets.folder == tmp_path
    merged.prepare(0, lambda: True)
    outer.prepare(0, lambda: True)
    plain = Outer(Sha256d(RETARGET))
    assert plain.equipped(*tools) is plain
    assert plain.prepare(0, never) == {}


def test_the_native_code_reads_a_mapping(tmp_path: Path) -> None:
    found = get(Datasets(tmp_path))
    assert native.hashimoto(found, len(found), bytes(32), 7) == native.hashimoto(CACHE, len(found), bytes(32), 7)
