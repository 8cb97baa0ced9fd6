"""Bitcoin's difficulty rules, and those of its test networks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consensus.difficulty import Retarget, earliest, next_bits, scaled
from primitives.bitcoin import BitcoinHeader
from primitives.chain import Entry
from primitives.target import compact, expand
from tests.builders import ListBranch

LIMIT = (1 << 224) - 1
MAIN = Retarget(LIMIT)
SMALL = Retarget(LIMIT, timespan=4_000, spacing=1_000)
HARD = 0x1B0404CB


def branch(times: Sequence[int], bits: int | Sequence[int] = HARD, first: int = 0) -> ListBranch:
    each = [bits] * len(times) if isinstance(bits, int) else bits
    headers = [BitcoinHeader(1, bytes(32), bytes(32), t, b, 0) for t, b in zip(times, each, strict=True)]
    return ListBranch([Entry(h, first + n, 0) for n, h in enumerate(headers)], first)


@pytest.mark.parametrize(
    ("first", "last", "bits", "expected"),
    [  # heights 0-2015, 30240-32255, 66528-68543, 46368-48383 of mainnet: Core's pow_tests.cpp
        (1261130161, 1262152739, 0x1D00FFFF, 0x1D00D86A),
        (1231006505, 1233061996, 0x1D00FFFF, 0x1D00FFFF),
        (1279008237, 1279297671, 0x1C05A3F4, 0x1C0168FD),
        (1263163443, 1269211443, 0x1C387F6F, 0x1D00E1FD),
    ],
)
def test_cores_examples(first: int, last: int, bits: int, expected: int) -> None:
    assert scaled(MAIN, bits, last - first) == expected


@given(st.integers(1, LIMIT), st.integers(-(2**32), 2**32))
def test_against_the_formula(target: int, taken: int) -> None:
    bits = compact(target)
    start = expand(bits).target
    span = 14 * 24 * 3600
    held = sorted((span // 4, taken, span * 4))[1]
    assert scaled(MAIN, bits, taken) == compact(min(start * held // span, LIMIT))


@given(st.lists(st.integers(0, 2**32 - 1), min_size=8, max_size=8))
def test_only_the_ends_of_a_period_count(times: list[int]) -> None:
    """Off by one, as it always was: from the first block to the last, not to the one after."""
    assert next_bits(SMALL, branch(times), 0) == scaled(SMALL, HARD, times[7] - times[4])
    assert next_bits(SMALL, branch(times[:7]), 0) == HARD


def test_the_limit_is_the_easiest() -> None:
    assert scaled(MAIN, MAIN.limit_bits, MAIN.timespan * 4) == MAIN.limit_bits == 0x1D00FFFF


def test_regtest_never_changes() -> None:
    fixed = replace(SMALL, fixed=True)
    assert next_bits(fixed, branch([0, 1, 2, 3]), 9) == HARD


TEST = replace(SMALL, min_after=2_000)
EASY = SMALL.limit_bits


@pytest.mark.parametrize(
    ("bits", "wait", "expected"),
    [
        ([HARD, HARD], 2_000, HARD),
        ([HARD, HARD], 2_001, EASY),
        ([HARD, EASY], 5, HARD),
        ([HARD, 0x1B0404CC, EASY], 5, 0x1B0404CC),
        ([HARD, EASY, EASY, EASY, 0x1B0404CC, EASY], 5, 0x1B0404CC),
        ([HARD, EASY, EASY, EASY, EASY, EASY], 5, EASY),  # never back beyond the first of a period
        ([EASY], 5, EASY),
    ],
)
def test_testnets_easy_blocks(bits: list[int], wait: int, expected: int) -> None:
    made = branch([0] * len(bits), bits)
    assert next_bits(TEST, made, wait) == expected


def test_an_easy_last_block_sets_the_next_period_unless_the_warp_is_closed() -> None:
    made = branch([0, 1_000, 2_000, 4_000], [HARD, HARD, HARD, EASY])
    assert next_bits(TEST, made, 4_001) == scaled(TEST, EASY, 4_000)
    closed = replace(TEST, closed_warp=True)
    assert next_bits(closed, made, 4_001) == scaled(TEST, HARD, 4_000) == HARD


def test_the_earliest_time() -> None:
    assert earliest(SMALL, branch([10, 20, 5_000])) == 21
    assert earliest(SMALL, branch([10, 20, 30, 5_000])) == 4_400  # the first of a period
