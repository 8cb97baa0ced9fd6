"""Unsealed chains, and chains that pass a terminal total difficulty."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from consensus import difficulty_ethereum as eras
from consensus.difficulty_ethereum import Difficulty
from consensus.merged import Merged
from consensus.unsealed import Unsealed
from ledger.account import rules
from ledger.account.rules import Schedule, Step
from primitives.errors import InvalidHeader
from tests.accounts import CHAIN_ID, AccountChain, draft_at

WORK = Unsealed(Difficulty(((0, eras.LONDON),)))
START = 131_072
SCHEDULE = Schedule(CHAIN_ID, (Step(rules.LONDON), Step(rules.PARIS, merged=True)))


def make_chain(ttd: int) -> AccountChain:
    return AccountChain(rules.LONDON, Merged(WORK, ttd), difficulty=START, schedule=SCHEDULE)


def refused(chain: AccountChain, block: Any) -> str:
    with pytest.raises(InvalidHeader) as e:
        chain.accept(block)
    return e.value.rule


def test_a_chain_passes_its_terminal_difficulty() -> None:
    chain = make_chain(3 * START)
    kinds = [chain.mine(**draft_at(chain, 20)).header.difficulty > 0 for _ in range(6)]
    assert kinds == [True, True, False, False, False, False]
    assert chain.tip.weight == 3 * START + 4
    assert SCHEDULE.of(chain.tip.header).name == "Paris"


def test_blocks_of_the_wrong_kind_are_refused() -> None:
    chain = make_chain(2 * START)
    early = chain.make(timestamp=chain.tip.header.timestamp + 20, difficulty=0)
    assert refused(chain, early) == "invalid terminal block"
    chain.mine(**draft_at(chain, 20))
    late = chain.make(timestamp=chain.tip.header.timestamp + 20, difficulty=START)
    assert refused(chain, late) == "invalid difficulty"


def test_the_longer_chain_is_the_heavier_after_the_merge() -> None:
    chain = make_chain(START)
    fork = chain.tip
    chain.mine()
    chain.mine()
    longest = chain.tip
    chain.tip = fork
    chain.accept(chain.make(payee=b"\xe0" * 20))
    assert chain.tip.weight == longest.weight - 1


def test_an_unsealed_chain_still_asks_for_the_right_difficulty() -> None:
    chain = AccountChain(rules.LONDON, WORK, difficulty=START)
    block = chain.make()
    wrong = replace(block, header=replace(block.header, difficulty=block.header.difficulty + 1))
    assert refused(chain, wrong) == "invalid difficulty"
    chain.accept(block)
