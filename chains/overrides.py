"""Applies a table of a TOML file to a frozen record, field by field: what a custom chain changes of its base.

It refuses unknown names and wrong types, and knows no family.
"""

from __future__ import annotations

import difflib
import types
import typing
from collections.abc import Iterable, Mapping
from dataclasses import fields, is_dataclass, replace
from typing import Any, TypeVar

R = TypeVar("R")


class ChainFileError(ValueError):
    """A chain is unknown, or its file says something that cannot be: one line for people."""


def override(record: R, table: Mapping[str, Any], path: str = "") -> R:
    """The record with the table's fields put in; tables inside go to the records inside.

    Numbers too large for TOML and hashes are strings of hex. Raises ChainFileError.
    """
    if not is_dataclass(record):
        raise ChainFileError(f"{path or 'this'} cannot be changed")
    hints = typing.get_type_hints(type(record))
    names = [f.name for f in fields(record)]
    changes: dict[str, Any] = {}
    for name, value in table.items():
        where = f"{path}.{name}" if path else name
        if name not in names:
            raise ChainFileError(f"unknown key {where}" + suggest(name, names))
        old = getattr(record, name)
        if is_dataclass(old):
            if not isinstance(value, Mapping):
                raise ChainFileError(f"{where} is a table")
            changes[name] = override(old, value, where)
        else:
            changes[name] = _value(value, hints[name], where)
    changed: R = replace(record, **changes)  # type: ignore[type-var]
    return changed


def suggest(name: str, known: Iterable[str]) -> str:
    """A hint for a name that was mistyped; empty where none is near."""
    near = difflib.get_close_matches(name, list(known), 1)
    return f" - did you mean {near[0]}?" if near else ""


def _value(value: Any, hint: Any, where: str) -> Any:
    if isinstance(hint, types.UnionType):  # X | None
        hint = next(h for h in typing.get_args(hint) if h is not type(None))
    origin = typing.get_origin(hint) or hint
    if origin is tuple:
        if isinstance(value, list):
            inner = typing.get_args(hint)[0]
            return tuple(_value(v, inner, where) for v in value)
        raise ChainFileError(f"{where} is a list")
    if origin is int and isinstance(value, str):
        return _hex_number(value, where)
    if origin is bytes and isinstance(value, str):
        try:
            return bytes.fromhex(value)
        except ValueError:
            raise ChainFileError(f"{where} is a string of hex digits") from None
    if origin in (int, bool, str) and type(value) is origin:
        return value
    kind = {int: "a whole number", bool: "true or false", str: "a string", bytes: "a string of hex digits"}
    raise ChainFileError(f"{where} is {kind[origin]}" if origin in kind else f"{where} cannot be changed")


def _hex_number(value: str, where: str) -> int:
    try:
        return int(value, 16)
    except ValueError:
        raise ChainFileError(f"{where} is a whole number, or a string of hex digits") from None
