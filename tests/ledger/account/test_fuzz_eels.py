"""The fuzzer's transactions, here and by EELS: equal state roots, logs and gas."""

from __future__ import annotations

import os

import pytest

from tests.ledger.account import fuzz_eels
from tests.ledger.account.fuzz_eels import Report

ALL = bool(os.environ.get("CHAINYARD_ALL"))


def _run(seed: int, count: int, processes: int = 1) -> Report:
    if not ALL and not (fuzz_eels.PYTHON.parent.parent / "ready").exists():
        pytest.skip(
            "EELS is not installed; `python -m tests.ledger.account.fuzz_eels 1 60` installs it, CHAINYARD_ALL=1 too"
        )
    if trouble := fuzz_eels.install():
        pytest.fail(trouble)
    report = fuzz_eels.run(seed, count, processes)
    assert not report.differences, {k: (a, b) for k, (a, b, _) in report.differences.items()}
    assert report.ends.total() == count
    return report


def test_the_same_seed_makes_the_same_case() -> None:
    assert fuzz_eels.case(7) == fuzz_eels.case(7)
    assert fuzz_eels.case(7) != fuzz_eels.case(8)


def test_a_difference_is_told() -> None:
    name, test = fuzz_eels.case(1)
    mine = fuzz_eels.ours(test)
    for wrong in (
        {"gas": mine["gas"] + 1},
        {"root": "0x"},
        {"logs": "0x"},
        {"rejected": "" if mine["rejected"] else "no"},
    ):
        report = Report()
        fuzz_eels.compare(name, mine, mine | wrong, test, report)
        assert list(report.differences) == [name]


def test_sixty_transactions_end_as_in_eels() -> None:
    report = _run(1, 60)
    assert set(report.kinds) == {0, 1, 2, 3, 4}
    assert report.ends["success"] > 10


@pytest.mark.slow
@pytest.mark.timeout(7_200)
@pytest.mark.skipif(not ALL, reason="5,000 transactions take EELS many minutes; CHAINYARD_ALL=1 runs them")
def test_five_thousand_transactions_end_as_in_eels() -> None:
    report = _run(1_000, 5_000, 2)
    assert report.ends["success"] > 1_000
    assert report.ends["rejected"] < 1_000
