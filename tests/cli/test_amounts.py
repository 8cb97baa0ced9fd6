"""Amounts as people write them, and how they are shown."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

import pytest

from cli.amounts import BITCOIN, MONEY, coins, parse_amount, sat_of, shown
from cli.output import CliError


@pytest.fixture(autouse=True)
def bitcoin() -> Iterator[None]:
    """Amounts are Bitcoin's, whatever node another test spoke to."""
    MONEY.use(BITCOIN)
    yield
    MONEY.use(BITCOIN)


@pytest.mark.parametrize(
    ("text", "satoshi"),
    [
        ("0.5btc", 50_000_000), ("1BTC", 100_000_000), ("1000sat", 1000), ("1_000 sats", 1000), ("2.5mbtc", 250_000), ("3 bits", 300),
        (".1btc", 10_000_000), ("21000000btc", 2_100_000_000_000_000), ("0.00000001btc", 1), ("0sat", 0), ("1.btc", 100_000_000),
    ],
)  # fmt: skip
def test_amounts_with_a_unit(text: str, satoshi: int) -> None:
    assert parse_amount(text) == satoshi


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("1", "no unit"), ("0.5", "no unit"), ("0.5sat", "finer"),
        ("1.000000001btc", "finer"), ("1eth", "not a unit"), ("btc", "not an amount"),
        ("-1btc", "not an amount"), ("1e3sat", "not an amount"),
        ("1,5btc", "not an amount"), ("", "not an amount"), ("0x10sat", "not an amount"),
        ("1btc2", "not an amount"),
    ],
)  # fmt: skip
def test_what_is_no_amount_or_ambiguous(text: str, why: str) -> None:
    with pytest.raises(CliError) as refused:
        parse_amount(text)
    assert why in refused.value.message and refused.value.exit_code == 2


def test_a_bare_number_is_told_how_to_be_written() -> None:
    with pytest.raises(CliError) as refused:
        parse_amount("1.5")
    assert refused.value.hint == "write 1.5btc"


def test_how_amounts_are_shown() -> None:
    assert coins(150_000_000) == "1.50000000" and coins(1) == "0.00000001"
    assert shown(Decimal("1.50000000")) == "1.5 btc" and shown(Decimal("0E-8")) == "0 btc"
    assert shown(Decimal("-0.00001000")) == "-0.00001 btc" and shown(Decimal(100)) == "100 btc"
    assert sat_of(Decimal("0.00000282")) == 282 and sat_of(20999999.9769) == 2_099_999_997_690_000


def test_another_coin_has_its_own_units_and_decimals() -> None:
    MONEY.follow(lambda: {"coin": {"unit": "ppc", "decimals": 6}})
    assert parse_amount("1.5ppc") == 1_500_000 and parse_amount("7 units") == 7 and parse_amount("2mppc") == 2_000
    assert coins(1_500_000) == "1.500000" and shown(Decimal("1.500000")) == "1.5 ppc"
    assert sat_of(Decimal("0.000007")) == 7
    for wrong, why in (("1btc", "not a unit of this chain"), ("0.0000001ppc", "finer than 0.000001 ppc")):
        with pytest.raises(CliError) as refused:
            parse_amount(wrong)
        assert why in refused.value.message
