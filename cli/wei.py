"""Amounts of ether with a unit: 1ether, 20gwei, 5wei. A bare number is refused, but for nothing: nobody knows what it means."""

from __future__ import annotations

import re
from decimal import Decimal, localcontext

from cli.output import USAGE, CliError

UNITS = {"wei": 0, "kwei": 3, "mwei": 6, "gwei": 9, "szabo": 12, "finney": 15, "eth": 18, "ether": 18}
"""Units and their powers of ten."""
_AMOUNT = re.compile(r"([0-9]{1,78}(?:\.[0-9]{0,18})?|\.[0-9]{1,18})\s*([a-zA-Z]*)")


def parse_wei(text: str) -> int:
    """Wei. Raises CliError for what is ambiguous, unknown or finer than a wei."""
    found = _AMOUNT.fullmatch(text.strip().replace("_", ""))
    if found is None:
        raise CliError(f"{text!r} is not an amount", USAGE, "write 1ether or 20gwei")
    number, unit = found.groups()
    if not unit:
        if not Decimal(number):
            return 0
        raise CliError(f"{text!r} has no unit", USAGE, f"write {number}ether, {number}gwei or {number}wei")
    power = UNITS.get(unit.lower())
    if power is None:
        raise CliError(f"{unit!r} is not a unit", USAGE, "there are ether, gwei and wei")
    with localcontext(prec=120):
        value = Decimal(number).scaleb(power)
        if value != int(value):
            raise CliError(f"{text!r} is finer than a wei", USAGE)
        if value >= 1 << 256:
            raise CliError(f"{text!r} is more than there can be", USAGE)
        return int(value)


def ether(wei: int) -> str:
    """Wei for people: ether without needless zeros; less than a millionth in gwei or wei."""
    for unit, power in (("ether", 18), ("gwei", 9), ("wei", 0)):
        if wei >= 10 ** max(0, power - 6) or unit == "wei":
            return f"{units(wei, power)} {unit}"
    raise AssertionError("every amount is at least 0 wei")


def units(value: int, decimals: int) -> str:
    """A whole number of the smallest parts, in units of so many decimals."""
    with localcontext(prec=120):
        text = f"{Decimal(value).scaleb(-decimals):f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def parse_units(text: str, decimals: int) -> int:
    """The smallest parts of a number of tokens. Raises CliError."""
    if not re.fullmatch(r"[0-9]{1,78}(\.[0-9]{1,78})?", text):
        raise CliError(f"{text!r} is not a number of tokens", USAGE)
    with localcontext(prec=200):
        value = Decimal(text).scaleb(decimals)
        if value != int(value) or value >= 1 << 256:
            raise CliError(f"{text!r} is finer than the token's {decimals} decimals, or too much", USAGE)
        return int(value)
