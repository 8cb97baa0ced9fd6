"""Amounts with a unit, as people write them: 0.5btc, 1000sat, 2ppc. A bare number is refused: nobody knows what it means.

Which coin a chain has, its node says; what is here knows the names and the decimals.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from cli.output import USAGE, CliError


@dataclass(frozen=True, slots=True)
class Coin:
    """One kind of money: how its amounts are written."""

    unit: str
    decimals: int
    least: str
    units: Mapping[str, int]
    """The names of units, in the least ones."""


BITCOIN = Coin("btc", 8, "sat", {
    "btc": 100_000_000, "coin": 100_000_000, "coins": 100_000_000, "mbtc": 100_000, "ubtc": 100, "bit": 100, "bits": 100,
    "sat": 1, "sats": 1, "satoshi": 1,
})  # fmt: skip
PEERCOIN = Coin("ppc", 6, "unit", {
    "ppc": 1_000_000, "coin": 1_000_000, "coins": 1_000_000, "mppc": 1_000, "uppc": 1, "unit": 1, "units": 1,
})  # fmt: skip
COINS = {coin.unit: coin for coin in (BITCOIN, PEERCOIN)}
_AMOUNT = re.compile(r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)\s*([a-zA-Z]*)")


class Money:
    """The coin of the chain that a command speaks to; the node is asked for it when an amount is first read or shown."""

    __slots__ = ("_ask", "_coin")

    def __init__(self) -> None:
        self._coin: Coin | None = BITCOIN
        self._ask: Callable[[], Mapping[str, Any]] = dict

    def follow(self, ask: Callable[[], Mapping[str, Any]]) -> None:
        """Take the coin from a node: `ask` gets what it says of its network."""
        self._coin, self._ask = None, ask

    def use(self, coin: Coin) -> None:
        """Take this coin."""
        self._coin = coin

    @property
    def coin(self) -> Coin:
        """The coin."""
        if self._coin is None:
            told = self._ask().get("coin") or {}
            self._coin = COINS.get(told.get("unit", "btc"), BITCOIN)
        return self._coin


MONEY = Money()


def check_amount(text: str) -> tuple[str, str]:
    """Number and unit, whatever the chain's coin is. Raises CliError for what is no amount or has no unit that is known."""
    found = _AMOUNT.fullmatch(text.strip().replace("_", ""))
    if found is None:
        raise CliError(f"{text!r} is not an amount", USAGE, "write 0.5btc or 1000sat")
    number, unit = found.groups()
    if not unit:
        either = f"{number}btc" if "." in number else f"{number}btc or {number}sat"
        raise CliError(f"{text!r} has no unit", USAGE, f"write {either}")
    if not any(unit.lower() in coin.units for coin in COINS.values()):
        raise CliError(f"{unit!r} is not a unit", USAGE, _known(BITCOIN))
    return number, unit.lower()


def parse_amount(text: str) -> int:
    """The least units of the chain's coin. Raises CliError for what is ambiguous, unknown or finer than one of them."""
    number, unit = check_amount(text)
    coin = MONEY.coin
    factor = coin.units.get(unit)
    if factor is None:
        raise CliError(f"{unit!r} is not a unit of this chain", USAGE, _known(coin))
    value = Decimal(number) * factor
    if value != int(value):
        least = "a satoshi" if coin is BITCOIN else f"{Decimal(1).scaleb(-coin.decimals):f} {coin.unit}"
        raise CliError(f"{text!r} is finer than {least}", USAGE)
    return int(value)


def _known(coin: Coin) -> str:
    return "there are btc, mbtc, bits and sat" if coin is BITCOIN else "there are " + ", ".join(coin.units)


def coins(units: int) -> str:
    """Least units as coins, in full, as RPC methods take them."""
    decimals = MONEY.coin.decimals
    return f"{Decimal(units).scaleb(-decimals):.{decimals}f}"


def shown(value: Decimal | float | int | str) -> str:
    """Coins from an answer, for people: without needless zeros, with the unit."""
    coin = MONEY.coin
    text = f"{Decimal(str(value)):.{coin.decimals}f}"
    return f"{text.rstrip('0').rstrip('.') or '0'} {coin.unit}"


def sat_of(value: Decimal | float | int) -> int:
    """Coins from an answer in least units."""
    return int(Decimal(str(value)).scaleb(MONEY.coin.decimals).to_integral_value())


def rate(units_per_byte: float | str) -> str:
    """A fee rate for people."""
    return f"{units_per_byte} {MONEY.coin.least}/vB"
