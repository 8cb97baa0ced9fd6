"""Amounts with a unit, as people write them: 0.5btc, 1000sat. A bare number is refused: nobody knows what it means."""

from __future__ import annotations

import re
from decimal import Decimal

from cli.output import USAGE, CliError

COIN_UNITS = {
    "btc": 100_000_000, "coin": 100_000_000, "coins": 100_000_000, "mbtc": 100_000, "ubtc": 100, "bit": 100, "bits": 100,
    "sat": 1, "sats": 1, "satoshi": 1,
}  # fmt: skip
_AMOUNT = re.compile(r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)\s*([a-zA-Z]*)")


def parse_amount(text: str) -> int:
    """Satoshi. Raises CliError for what is ambiguous, unknown or finer than a satoshi."""
    found = _AMOUNT.fullmatch(text.strip().replace("_", ""))
    if found is None:
        raise CliError(f"{text!r} is not an amount", USAGE, "write 0.5btc or 1000sat")
    number, unit = found.groups()
    if not unit:
        either = f"{number}btc" if "." in number else f"{number}btc or {number}sat"
        raise CliError(f"{text!r} has no unit", USAGE, f"write {either}")
    factor = COIN_UNITS.get(unit.lower())
    if factor is None:
        raise CliError(f"{unit!r} is not a unit", USAGE, "there are btc, mbtc, bits and sat")
    value = Decimal(number) * factor
    if value != int(value):
        raise CliError(f"{text!r} is finer than a satoshi", USAGE)
    return int(value)


def coins(sat: int) -> str:
    """Satoshi as coins, in full, as RPC methods take them."""
    return f"{Decimal(sat).scaleb(-8):.8f}"


def shown(value: Decimal | float | int) -> str:
    """Coins from an answer, for people: without needless zeros, with the unit."""
    text = f"{Decimal(str(value)):.8f}".rstrip("0").rstrip(".")
    return f"{text or '0'} btc"


def sat_of(value: Decimal | float | int) -> int:
    """Coins from an answer as satoshi."""
    return int((Decimal(str(value)) * 100_000_000).to_integral_value())
