"""Ethash in C against its twin, on small sizes; seals, bounds, the miner, the dataset's file."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consensus import difficulty_ethereum as eras
from consensus import ethash_data
from consensus import ethash_twin as twin
from consensus.difficulty_ethereum import Difficulty, Era
from consensus.ethash import Ethash, boundary, check_seal, result_of, search
from consensus.ethash_data import (
    MAINNET_SIZES,
    SMALL_SIZES,
    Caches,
    Sizes,
    build_cache,
    build_dataset,
    cache_size,
    dataset_size,
    native,
    open_dataset,
    seed_hash,
)
from ledger.account import rules
from primitives.errors import InvalidHeader
from primitives.hashing import keccak256
from tests.accounts import AccountChain, Purse
from tests.primitives.test_ethereum import HEADER

TINY = Sizes(cache=1 << 10, cache_growth=1 << 8, dataset=1 << 14, dataset_growth=1 << 10, epoch_length=10, epochs=4)
CACHES = Caches()
EASY = Difficulty(((0, Era(9, True, None, minimum=4)),))


def never() -> bool:
    return False


@settings(max_examples=15, deadline=None)
@given(st.binary(min_size=32, max_size=32), st.integers(1, 40))
def test_the_cache_is_the_twins(seed: bytes, nodes: int) -> None:
    ours, twins = bytearray(64 * nodes), bytearray(64 * nodes)
    native.cache(seed, ours)
    twin.cache(seed, twins)
    assert ours == twins


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 2**31), st.binary(min_size=32, max_size=32), st.integers(0, 2**64 - 1))
def test_items_and_hashes_are_the_twins(index: int, work: bytes, nonce: int) -> None:
    cache, size = bytes(build_cache(1, TINY)), dataset_size(1, TINY)
    assert native.item(cache, index) == twin.item(cache, index)
    assert native.hashimoto(cache, size, work, nonce) == twin.hashimoto(cache, size, work, nonce)


def test_the_full_dataset_gives_what_the_cache_gives(tmp_path: Path) -> None:
    path = tmp_path / "dataset"
    told: list[tuple[int, int]] = []
    assert build_dataset(path, 2, TINY, threads=3, progress=lambda done, of: told.append((done, of)))
    assert told[-1] == (dataset_size(2, TINY) // 64,) * 2
    assert told == sorted(told)
    assert [p.name for p in tmp_path.iterdir()] == ["dataset"]
    cache, size = build_cache(2, TINY), dataset_size(2, TINY)
    dataset = open_dataset(path, 2, TINY)
    for nonce in range(20):
        light = native.hashimoto(cache, size, bytes(32), nonce)
        assert native.hashimoto(dataset, size, bytes(32), nonce) == light
        assert twin.hashimoto(dataset, size, bytes(32), nonce) == light
    expected = native.search(cache, size, bytes(32), boundary(50), 3, 1_000, bytearray(1))
    assert native.search(dataset, size, bytes(32), boundary(50), 3, 1_000, bytearray(1)) == expected
    with pytest.raises(ValueError, match="bytes"):
        open_dataset(path, 3, TINY)


def test_a_dataset_that_was_stopped_leaves_no_file(tmp_path: Path) -> None:
    assert not build_dataset(tmp_path / "dataset", 0, TINY, stop=lambda: True)
    assert list(tmp_path.iterdir()) == []


def test_search_is_the_twins_and_can_be_stopped() -> None:
    cache, size = build_cache(0, TINY), dataset_size(0, TINY)
    arguments = (cache, size, b"\7" * 32, boundary(3), 5, 20)
    found = native.search(*arguments, bytearray(1))
    assert found == twin.search(*arguments, bytearray(1))
    nonce, mix, tried = found
    assert nonce == 5 + tried - 1
    assert result_of(b"\7" * 32, nonce, mix) <= boundary(3)
    assert native.search(*arguments, bytearray(b"\1")) == (None, None, 0) == twin.search(*arguments, bytearray(b"\1"))
    hopeless = (cache, size, b"\7" * 32, boundary(1 << 250), 0, 3, bytearray(1))
    assert native.search(*hopeless) == (None, None, 3) == twin.search(*hopeless)


def test_bad_buffers_are_refused() -> None:
    cache = bytes(build_cache(0, TINY))
    for call, arguments in (
        (native.cache, (bytes(31), bytearray(64))),
        (native.cache, (bytes(32), bytearray(63))),
        (native.item, (b"", 0)),
        (native.fill, (cache, bytearray(128), 1, 2)),
        (native.fill, (cache, bytearray(128), -1, 1)),
        (native.hashimoto, (cache, 64, bytes(32), 0)),
        (native.hashimoto, (cache, 128, bytes(31), 0)),
        (native.search, (cache, 128, bytes(32), bytes(31), 0, 1, bytearray(1))),
    ):
        with pytest.raises(ValueError):
            call(*arguments)


def test_many_threads_find_one_seal() -> None:
    cache, size = build_cache(0, TINY), dataset_size(0, TINY)
    found = search(cache, size, b"\3" * 32, 2_000, 4, never)
    assert found is not None
    nonce, mix = found
    assert native.hashimoto(cache, size, b"\3" * 32, nonce)[0] == mix
    assert result_of(b"\3" * 32, nonce, mix) <= boundary(2_000)


def test_a_miner_stops_when_it_is_told() -> None:
    cache, size = build_cache(0, TINY), dataset_size(0, TINY)
    stopped = threading.Event()
    timer = threading.Timer(0.05, stopped.set)
    timer.start()
    assert search(cache, size, bytes(32), 1 << 200, 2, stopped.is_set) is None
    timer.join()


def test_the_gil_is_free_while_the_miner_works() -> None:
    cache, size = build_cache(0, TINY), dataset_size(0, TINY)
    halt = bytearray(1)
    worker = threading.Thread(target=native.search, args=(cache, size, bytes(32), bytes(32), 0, 1 << 40, halt))
    worker.start()
    assert sum(range(100_000)) > 0
    halt[0] = 1
    worker.join(20)
    assert not worker.is_alive()


# seals


def sealed(number: int, sizes: Sizes = TINY, difficulty: int = 50) -> Any:
    header = replace(HEADER, number=number, difficulty=difficulty)
    cache, size = CACHES.get(number, sizes), dataset_size(number // sizes.epoch_length, sizes)
    found = search(cache, size, header.seal_hash, difficulty, 1, never)
    assert found is not None
    return replace(header, nonce=found[0].to_bytes(8, "big"), mix_hash=found[1])


def check(header: Any, caches: Caches, sizes: Sizes = TINY) -> None:
    nonce = int.from_bytes(header.nonce, "big")
    check_seal(header.seal_hash, nonce, header.mix_hash, header.difficulty, header.number, sizes, caches)


@pytest.mark.parametrize("number", [0, 9, 10, 39])
def test_a_seal_holds_in_its_own_epoch_only(number: int) -> None:
    header = sealed(number)
    check(header, CACHES)
    other = native.hashimoto(
        CACHES.get((number + 10) % 40, TINY),
        dataset_size((number + 10) % 40 // 10, TINY),
        header.seal_hash,
        int.from_bytes(header.nonce, "big"),
    )
    assert other[0] != header.mix_hash


def test_what_is_wrong_is_said_and_cheap_faults_build_no_cache() -> None:
    header, caches = sealed(5), Caches()
    for change, word in (
        ({"difficulty": 0}, "non-positive difficulty"),
        ({"number": 40}, "invalid block number"),
        ({"number": 2**63}, "invalid block number"),
        ({"difficulty": 1 << 250}, "invalid proof-of-work"),
        ({"extra_data": b"other"}, "invalid proof-of-work"),
    ):
        with pytest.raises(InvalidHeader) as e:
            check(replace(header, **change), caches)
        assert e.value.rule == word
    assert len(caches) == 0
    claimed = replace(header, mix_hash=b"\1" * 32, difficulty=1)  # any result will do, so only the mix can be wrong
    with pytest.raises(InvalidHeader, match="invalid mix digest"):
        check(claimed, caches)
    assert len(caches) == 1


def test_at_most_two_caches_are_held() -> None:
    caches = Caches()
    first = caches.get(0, TINY)
    caches.get(10, TINY)
    assert caches.get(9, TINY) is first
    caches.get(20, TINY)
    assert len(caches) == 2
    assert caches.get(0, TINY) is first
    with pytest.raises(ValueError, match="epochs"):
        caches.get(40, TINY)


def test_sizes_and_seeds_are_those_of_mainnet() -> None:
    assert (cache_size(0), dataset_size(0)) == (16_776_896, 1_073_739_904)
    assert (cache_size(2_047), dataset_size(2_047)) == (285_081_536, 18_245_220_736)
    assert seed_hash(0) == bytes(32)
    assert seed_hash(2) == keccak256(keccak256(bytes(32)))
    assert MAINNET_SIZES.limit == 2_048 * 30_000
    assert cache_size(7, SMALL_SIZES) == cache_size(0, SMALL_SIZES) < 1 << 16


def test_the_boundary_of_a_difficulty() -> None:
    assert boundary(0) == boundary(1) == b"\xff" * 32
    assert boundary(2) == b"\x80" + bytes(31)


# the engine on a chain


def ethash_rules() -> rules.AccountRules:
    return rules.OSAKA.evolve("with work", rules.OSAKA.fork, block_reward=2 * 10**18, ommers=True, seals=True)


def untold(what: str, done: int, of: int) -> None:
    return None


def make_engine() -> Ethash:
    return Ethash(EASY, TINY, CACHES)


def make_chain() -> AccountChain:
    return AccountChain(ethash_rules(), make_engine(), difficulty=4)


def test_blocks_are_mined_sealed_and_judged() -> None:
    chain = make_chain()
    ommer = chain.make(payee=b"\xd0" * 20).header
    for n in range(12):  # into the second epoch
        block = chain.mine(side_headers=(ommer,))
        assert len(block.side_headers) == (n == 1)
    assert chain.tip.weight == 4 + sum(chain.branch(chain.tip).at(h).header.difficulty for h in range(1, 13))


def test_a_wrong_difficulty_is_seen_before_the_seal() -> None:
    chain = make_chain()
    block = chain.make()
    for difficulty in (block.header.difficulty + 1, block.header.difficulty - 1):
        with pytest.raises(InvalidHeader, match="invalid difficulty"):
            chain.engine.check_header(replace(block.header, difficulty=difficulty), chain.branch(chain.tip))


def test_an_ommer_without_a_seal_is_refused() -> None:
    chain = make_chain()
    ommer = replace(chain.make(payee=b"\xd0" * 20).header, mix_hash=b"\1" * 32)
    chain.mine()
    block = chain.make(side_headers=(ommer,))
    assert block.side_headers == (ommer,)
    with pytest.raises(InvalidHeader):
        chain.accept(block)


def test_mining_with_a_dataset_gives_seals_that_the_cache_accepts(tmp_path: Path) -> None:
    chain = AccountChain(ethash_rules(), make_engine().equipped(tmp_path, False, 2, untold), difficulty=4)
    for _ in range(31):
        chain.mine()
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(
        f"dataset-{seed_hash(e)[:8].hex()}-{dataset_size(e, TINY)}" for e in (2, 3)
    )


def test_a_stopped_engine_makes_no_block() -> None:
    engine = Ethash(Difficulty(((0, replace(eras.GRAY_GLACIER, minimum=1 << 60)),)), TINY, CACHES)
    block = make_chain().assemble()[0]
    hard = replace(block, header=replace(block.header, difficulty=1 << 60))
    assert engine.seal(hard, Purse(threads=2), lambda: True) is None


def test_the_code_in_use_is_told() -> None:
    assert ethash_data.native.path() in ("portable", "avx2", "avx512", "python")
    assert twin.path() == "python"
