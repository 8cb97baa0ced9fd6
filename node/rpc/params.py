"""From JSON to Python by annotation: the signature of a method is its schema.

What is not of the expected type raises WrongType in Core's words; a family with other codes maps it (dispatch.py).
"""

from __future__ import annotations

import re
import types
from collections.abc import Callable
from contextvars import ContextVar
from decimal import Decimal
from typing import Annotated, Any, Final, Union, get_args, get_origin

from node.rpc.errors import INVALID_PARAMETER, MISC_ERROR, TYPE_ERROR, RpcError

COIN: Final = 100_000_000
MOST_COINS: Final = 21_000_000
MAX_MONEY: Final = MOST_COINS * COIN
DECIMALS: ContextVar[int] = ContextVar("decimals", default=8)
"""Decimals of a coin during a call: those of the chain that is asked. Amounts cross this rim only, within all is units."""
_NUMBER: Final = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]{1,3})?")
_SHOWN: Final = 256
_LEAST: Final = tuple(Decimal(1).scaleb(-decimals) for decimals in range(19))
_KEY_LIKE: Final = re.compile(r"[5KLc9][1-9A-HJ-NP-Za-km-z]{50,}|[a-zA-Z]prv[1-9A-HJ-NP-Za-km-z]{50,}")


class WrongType(RpcError):
    """A value of another JSON type than the one that is wanted."""

    def __init__(self, value: Any, wanted: str) -> None:
        super().__init__(TYPE_ERROR, f"JSON value of type {json_name(value)} is not of expected type {wanted}")
        self.value = value


def json_name(value: Any) -> str:
    """What JSON calls the type of a value, in Core's words."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int | float | Decimal):
        return "number"
    if isinstance(value, str):
        return "string"
    return "array" if isinstance(value, list) else "object"


def expected(value: Any, wanted: str) -> RpcError:
    """The error for a value of another JSON type."""
    return WrongType(value, wanted)


def display_hex(data: bytes) -> str:
    """A hash as people read it: reversed hex."""
    return data[::-1].hex()


def shown(text: str) -> str:
    """As much of a client's own text as an error repeats: no more than a line or two, and nothing that looks like a private key."""
    return text[:_SHOWN] if is_hex(text) else _KEY_LIKE.sub("...", text[:_SHOWN])


def is_hex(text: str) -> bool:
    """Whether a text is an even number of hexadecimal digits, and nothing else."""
    try:
        return 2 * len(bytes.fromhex(text)) == len(text)  # it passes over blanks, which are then missing
    except ValueError:
        return False


def parse_hash(value: Any, name: str) -> bytes:
    """A hash from reversed hex, in wire order. Raises RpcError as Core's ParseHashV."""
    if not isinstance(value, str):
        raise expected(value, "string")
    if len(value) != 64:
        raise RpcError(INVALID_PARAMETER, f"{name} must be of length 64 (not {len(value)}, for '{shown(value)}')")
    if not is_hex(value):
        raise RpcError(INVALID_PARAMETER, f"{name} must be hexadecimal string (not '{shown(value)}')")
    return bytes.fromhex(value)[::-1]


def parse_hex(value: Any, name: str) -> bytes:
    """Bytes from hex. Raises RpcError as Core's ParseHexV."""
    if not isinstance(value, str):
        raise expected(value, "string")
    if not value or not is_hex(value):
        raise RpcError(INVALID_PARAMETER, f"{name} must be hexadecimal string (not '{shown(value)}')")
    return bytes.fromhex(value)


def parse_amount(value: Any, name: str = "amount") -> int:
    """Units from a number or string of coins with at most 8 decimals (or the chain's). Raises RpcError as Core's AmountFromValue."""
    if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal):
        raise RpcError(TYPE_ERROR, "Amount is not a number or string")
    text = value if isinstance(value, str) else str(value)
    if len(text) > 64 or not _NUMBER.fullmatch(text):
        raise RpcError(TYPE_ERROR, "Invalid amount")
    decimals = DECIMALS.get()
    amount = Decimal(text).scaleb(decimals)
    if amount.adjusted() > decimals + 12:
        raise RpcError(TYPE_ERROR, "Amount out of range" if amount else "Invalid amount")
    if amount != int(amount):
        raise RpcError(TYPE_ERROR, "Invalid amount")
    if not 0 <= amount <= MOST_COINS * 10**decimals:
        raise RpcError(TYPE_ERROR, "Amount out of range")
    return int(amount)


def parse_verbosity(value: Any, name: str) -> int:
    """A level as a number, or as the truth value that older clients send. Raises RpcError."""
    if isinstance(value, bool):
        return int(value)
    level: int = coerce(value, int, name)
    return level


def coins(sat: int) -> Decimal:
    """Satoshi as coins with 8 decimals (units, with the chain's), the form in which clients read amounts."""
    decimals = DECIMALS.get()
    return Decimal(sat).scaleb(-decimals).quantize(_LEAST[decimals])


Parse = Callable[[Any, str], Any]
Hash = Annotated[bytes, parse_hash]
"""A 32-byte hash, reversed hex in JSON."""
Hex = Annotated[bytes, parse_hex]
"""Bytes, hex in JSON."""
Amount = Annotated[int, parse_amount]
"""Satoshi, coins in JSON."""
Verbosity = Annotated[int, parse_verbosity]
"""How much to tell: a number or a truth value."""


def coerce(value: Any, annotation: Any, name: str) -> Any:
    """Turn a JSON value into what the annotation asks for. Raises RpcError."""
    origin = get_origin(annotation)
    if origin is Annotated:
        return get_args(annotation)[1](value, name)
    if origin in (Union, types.UnionType):
        return _any_of(value, get_args(annotation), name)
    if annotation is Any:
        return value
    if annotation is int:
        return _integer(value)
    wanted = _PLAIN.get(origin or annotation)
    if wanted is None:
        raise TypeError(f"no rule for parameter {name}: {annotation}")
    types_, word = wanted
    if not isinstance(value, types_) or (isinstance(value, bool) and annotation is not bool):
        raise expected(value, word)
    if annotation is float:
        return float(value)
    inner = get_args(annotation)
    if origin is list and inner:
        return [coerce(v, inner[0], name) for v in value]
    return value


_PLAIN: Final[dict[Any, tuple[Any, str]]] = {
    bool: (bool, "bool"),
    float: ((int, float), "number"),
    str: (str, "string"),
    list: (list, "array"),
    dict: (dict, "object"),
}


def _any_of(value: Any, options: tuple[Any, ...], name: str) -> Any:
    """The first option that fits; where none does, the error that says more than that the type is wrong."""
    if value is None and type(None) in options:
        return None
    error: RpcError | None = None
    for option in options:
        if option is type(None):
            continue
        try:
            return coerce(value, option, name)
        except RpcError as e:
            if error is None or (isinstance(error, WrongType) and not isinstance(e, WrongType)):
                error = e
    assert error is not None, "a union of nothing"
    raise error


def _integer(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise expected(value, "number")
    if isinstance(value, float) and (not -(2.0**63) <= value < 2.0**63 or int(value) != value):
        raise RpcError(MISC_ERROR, "JSON integer out of range")
    number = int(value)
    if not -(2**63) <= number < 2**63:
        raise RpcError(MISC_ERROR, "JSON integer out of range")
    return number
