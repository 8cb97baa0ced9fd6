"""Fee arithmetic: the examples of EIP-1559 and EIP-4844, and the reserve price of EIP-7918."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.account import rules
from ledger.account.fees import (
    BLOB_GAS,
    blob_base_fee,
    fake_exponential,
    next_base_fee,
    next_excess_blob_gas,
)
from tests.primitives.test_ethereum import HEADER, OPTIONAL

LONDON_HEADER = replace(HEADER, base_fee=1_000_000_000, gas_limit=20_000_000)
CANCUN_HEADER = replace(HEADER, **OPTIONAL)


@pytest.mark.parametrize(
    ("base_fee", "used", "wanted"),
    [
        (1_000_000_000, 10_000_000, 1_000_000_000),  # geth, consensus/misc/eip1559: usage == target
        (1_000_000_000, 9_000_000, 987_500_000),  # usage below target
        (1_000_000_000, 11_000_000, 1_012_500_000),  # usage above target
        (7, 10_000_001, 8),  # at least one wei more
        (7, 0, 7),
    ],
)
def test_the_base_fee_follows_the_gas_used(base_fee: int, used: int, wanted: int) -> None:
    assert next_base_fee(replace(LONDON_HEADER, base_fee=base_fee, gas_used=used), rules.LONDON) == wanted


def test_the_fee_market_begins_at_one_gwei() -> None:
    assert next_base_fee(HEADER, rules.LONDON) == 1_000_000_000
    assert next_base_fee(HEADER, rules.BERLIN) is None


@pytest.mark.parametrize(
    ("factor", "numerator", "denominator", "wanted"),
    [(1, 0, 1, 1), (38493, 0, 1000, 38493), (0, 1234, 2345, 0), (1, 2, 1, 6), (1, 4, 2, 6), (1, 3, 1, 16), (1, 8, 2, 50),
     (10, 8, 2, 542), (11, 8, 2, 596), (1, 5, 1, 136), (1, 5, 2, 11), (2, 5, 2, 23), (1, 50000000, 2225652, 5709098764)],
)  # fmt: skip
def test_the_exponential_of_eip_4844(factor: int, numerator: int, denominator: int, wanted: int) -> None:
    assert fake_exponential(factor, numerator, denominator) == wanted


@given(st.integers(0, 10**8))
def test_blob_gas_never_gets_cheaper_as_excess_grows(excess: int) -> None:
    blobs = rules.CANCUN.fork.blobs
    assert blobs is not None
    assert 1 <= blob_base_fee(excess, blobs) <= blob_base_fee(excess + BLOB_GAS, blobs)


def test_excess_is_what_lies_above_the_target() -> None:
    parent = replace(CANCUN_HEADER, excess_blob_gas=BLOB_GAS, blob_gas_used=6 * BLOB_GAS)
    assert next_excess_blob_gas(parent, rules.CANCUN) == 4 * BLOB_GAS
    assert next_excess_blob_gas(replace(parent, blob_gas_used=BLOB_GAS), rules.CANCUN) == 0
    assert next_excess_blob_gas(HEADER, rules.CANCUN) == 0
    assert next_excess_blob_gas(parent, rules.SHANGHAI) is None


def test_a_reserve_price_holds_blobs_up_while_execution_is_dear() -> None:
    parent = replace(CANCUN_HEADER, excess_blob_gas=10 * BLOB_GAS, blob_gas_used=6 * BLOB_GAS, base_fee=10**12)
    assert next_excess_blob_gas(parent, rules.PRAGUE) == 10 * BLOB_GAS
    assert next_excess_blob_gas(parent, rules.OSAKA) == 10 * BLOB_GAS + 6 * BLOB_GAS * 3 // 9
    assert next_excess_blob_gas(replace(parent, base_fee=1), rules.OSAKA) == 10 * BLOB_GAS
