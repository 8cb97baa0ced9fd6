"""From JSON to Python by annotation: the signature of a method is its schema.

What is not of the expected type raises RpcError(TYPE_ERROR) in Core's words; a family with other codes maps it (registry.py).
"""

from __future__ import annotations

import types
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any, Union, get_args, get_origin

from node.rpc.errors import DESERIALIZATION_ERROR, INVALID_PARAMETER, TYPE_ERROR, RpcError

COIN = 100_000_000
MAX_MONEY = 21_000_000 * COIN


def _json_name(value: Any) -> str:
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
    return RpcError(TYPE_ERROR, f"JSON value of type {_json_name(value)} is not of expected type {wanted}")


def display_hex(data: bytes) -> str:
    """A hash as people read it: reversed hex."""
    return data[::-1].hex()


def parse_hash(value: Any, name: str) -> bytes:
    """A hash from reversed hex, in wire order. Raises RpcError as Core's ParseHashV."""
    if not isinstance(value, str):
        raise expected(value, "string")
    if len(value) != 64:
        raise RpcError(INVALID_PARAMETER, f"{name} must be of length 64 (not {len(value)}, for '{value[:80]}')")
    try:
        return bytes.fromhex(value)[::-1]
    except ValueError:
        raise RpcError(INVALID_PARAMETER, f"{name} must be hexadecimal string (not '{value}')") from None


def parse_hex(value: Any, name: str) -> bytes:
    """Bytes from hex. Raises RpcError as Core's ParseHexV."""
    if not isinstance(value, str):
        raise expected(value, "string")
    try:
        if " " in value:
            raise ValueError
        return bytes.fromhex(value)
    except ValueError:
        raise RpcError(INVALID_PARAMETER, f"{name} must be hexadecimal string (not '{value[:80]}')") from None


def parse_amount(value: Any, name: str = "amount") -> int:
    """Satoshi from a number or string of coins with at most 8 decimals. Raises RpcError as Core's AmountFromValue."""
    if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal):
        raise RpcError(TYPE_ERROR, "Amount is not a number or string")
    try:
        amount = Decimal(str(value)) * COIN
    except InvalidOperation:
        raise RpcError(TYPE_ERROR, "Invalid amount") from None
    if not amount.is_finite() or amount != int(amount):
        raise RpcError(TYPE_ERROR, "Invalid amount")
    if not 0 <= amount <= MAX_MONEY:
        raise RpcError(TYPE_ERROR, "Amount out of range")
    return int(amount)


def coins(sat: int) -> Decimal:
    """Satoshi as coins with 8 decimals, the form in which clients read amounts."""
    return Decimal(sat).scaleb(-8).quantize(Decimal("0.00000001"))


Parse = Callable[[Any, str], Any]
Hash = Annotated[bytes, parse_hash]
"""A 32-byte hash, reversed hex in JSON."""
Hex = Annotated[bytes, parse_hex]
"""Bytes, hex in JSON."""
Amount = Annotated[int, parse_amount]
"""Satoshi, coins in JSON."""


def parse_raw(value: Any, name: str) -> bytes:
    """Hex of a serialized thing. Raises RpcError(DESERIALIZATION_ERROR)."""
    if not isinstance(value, str):
        raise expected(value, "string")
    try:
        return bytes.fromhex(value)
    except ValueError:
        raise RpcError(DESERIALIZATION_ERROR, f"{name} is not hexadecimal") from None


Raw = Annotated[bytes, parse_raw]


def coerce(value: Any, annotation: Any, name: str) -> Any:
    """Turn a JSON value into what the annotation asks for. Raises RpcError."""
    origin = get_origin(annotation)
    if origin is Annotated:
        return get_args(annotation)[1](value, name)
    if origin in (Union, types.UnionType):
        options = get_args(annotation)
        if value is None and type(None) in options:
            return None
        last: RpcError | None = None
        for option in options:
            if option is type(None):
                continue
            try:
                return coerce(value, option, name)
            except RpcError as e:
                last = e
        raise last or expected(value, "value")
    if annotation is Any:
        return value
    if annotation is bool:
        if not isinstance(value, bool):
            raise expected(value, "bool")
        return value
    if annotation is int:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise expected(value, "number")
        if isinstance(value, float):
            if value != value or value in (float("inf"), float("-inf")) or int(value) != value:
                raise RpcError(MISC_INTEGER, "JSON integer out of range")
            value = int(value)
        if not -(2**63) <= value < 2**63:
            raise RpcError(MISC_INTEGER, "JSON integer out of range")
        return value
    if annotation is float:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise expected(value, "number")
        return float(value)
    if annotation is str:
        if not isinstance(value, str):
            raise expected(value, "string")
        return value
    if annotation is list or origin is list:
        if not isinstance(value, list):
            raise expected(value, "array")
        inner = get_args(annotation)
        return [coerce(v, inner[0], name) for v in value] if inner else value
    if annotation is dict or origin is dict:
        if not isinstance(value, dict):
            raise expected(value, "object")
        return value
    raise TypeError(f"no rule for parameter {name}: {annotation}")


MISC_INTEGER = -1
"""Core answers -1 for an integer out of range."""
