"""Ethereum's difficulty: each era's step and bomb, off by nothing. The published tables are in tests/vectors."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consensus import difficulty_ethereum as eras
from consensus.difficulty_ethereum import MAINNET, MINIMUM, Difficulty, Era, child_difficulty
from tests.primitives.test_ethereum import HEADER

BIG = 1 << 40
STEP = BIG // 2_048


@pytest.mark.parametrize(
    ("era", "seconds", "ommers", "steps"),
    [
        (eras.FRONTIER, 12, False, 1),
        (eras.FRONTIER, 13, False, -1),
        (eras.FRONTIER, 100_000, False, -1),
        (eras.HOMESTEAD, 9, True, 1),
        (eras.HOMESTEAD, 10, False, 0),
        (eras.HOMESTEAD, 20, False, -1),
        (eras.HOMESTEAD, 100_000, False, -99),
        (eras.BYZANTIUM, 8, False, 1),
        (eras.BYZANTIUM, 8, True, 2),
        (eras.BYZANTIUM, 9, False, 0),
        (eras.BYZANTIUM, 17, True, 1),
        (eras.BYZANTIUM, 100_000, True, -99),
    ],
)
def test_the_step_of_an_era(era: Era, seconds: int, ommers: bool, steps: int) -> None:
    assert child_difficulty(era, BIG, 1_000, ommers, 1, 1_000 + seconds) == BIG + steps * STEP


@pytest.mark.parametrize(
    ("era", "delay"),
    [
        (eras.HOMESTEAD, 0),
        (eras.BYZANTIUM, 3_000_000),
        (eras.CONSTANTINOPLE, 5_000_000),
        (eras.MUIR_GLACIER, 9_000_000),
        (eras.LONDON, 9_700_000),
        (eras.ARROW_GLACIER, 10_700_000),
        (eras.GRAY_GLACIER, 11_400_000),
    ],
)
def test_the_bomb_of_an_era(era: Era, delay: int) -> None:
    def bomb(number: int) -> int:
        flat = replace(era, bomb_delay=None)
        arguments = (BIG, 1_000, False, number, 1_010)
        return child_difficulty(era, *arguments) - child_difficulty(flat, *arguments)

    assert bomb(delay + 199_999) == 0
    assert bomb(delay + 200_000) == 1
    assert bomb(delay + 299_999) == 1
    assert bomb(delay + 300_000) == 2
    assert bomb(delay + 2_000_000) == 1 << 18


@given(st.integers(1, 1 << 60), st.integers(0, 10**6), st.booleans(), st.integers(1, 10**7))
def test_it_never_falls_below_the_minimum(parent: int, seconds: int, ommers: bool, number: int) -> None:
    for era in (eras.FRONTIER, eras.HOMESTEAD, eras.GRAY_GLACIER):
        assert child_difficulty(era, parent, 0, ommers, number, seconds) >= MINIMUM


def test_eras_hold_from_their_first_block_on() -> None:
    assert MAINNET.era(1_149_999) is eras.FRONTIER
    assert MAINNET.era(1_150_000) is eras.HOMESTEAD
    assert MAINNET.era(15_050_000) is eras.GRAY_GLACIER
    rule = Difficulty(((0, eras.FRONTIER), (8, eras.HOMESTEAD)))
    parent = replace(HEADER, difficulty=BIG)  # number 7: the child is the first of the new era
    assert rule.next(parent, parent.timestamp + 20) == BIG - STEP
    assert rule.next(replace(parent, number=6), parent.timestamp + 100) == BIG - STEP
    assert rule.next(parent, parent.timestamp + 100) == BIG - 9 * STEP
