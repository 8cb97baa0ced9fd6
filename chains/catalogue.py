"""The catalogue: from a chain's name, or the file of a custom one, to its ChainSpec. A family's module loads when it is asked for.

It refuses to know what a family's chains are made of.
"""

from __future__ import annotations

import importlib
import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from chains.overrides import ChainFileError, suggest
from chains.spec import ChainSpec

FAMILIES: Final[Mapping[str, tuple[str, ...]]] = {
    "bitcoin": ("mainnet", "testnet3", "testnet4", "signet", "regtest"),
    "ethereum": ("ethereum-mainnet", "sepolia", "dev", "ethash-dev"),
    "peercoin": ("peercoin-mainnet", "peercoin-testnet", "peercoin-regtest", "stake-dev"),
    "twin": ("twin", "twin-ethash", "twin-stake"),
}
"""Family, which is a module here, and the names of its chains. The module has SPECS by name and custom(base, table)."""

ALIASES: Final[Mapping[str, str]] = {"bitcoin": "mainnet", "main": "mainnet", "testnet": "testnet3", "test": "testnet3"}

_FAMILY_OF: Final = {name: family for family, names in FAMILIES.items() for name in names}


def names() -> tuple[str, ...]:
    """The chains that can be asked for by name."""
    return tuple(_FAMILY_OF)


def load(chain: str | Path) -> ChainSpec:
    """The chain of this name, or the one that this TOML file or geth's genesis.json describes. Raises ChainFileError."""
    text = str(chain)
    if text.endswith(".json"):
        made: ChainSpec = _module("dev").from_genesis(_read_json(Path(text)), Path(text).stem)
        return made
    if isinstance(chain, Path) or text.endswith(".toml") or "/" in text:
        return from_table(_read(Path(chain)), text)
    name = ALIASES.get(text, text)
    if name not in _FAMILY_OF:
        hint = (
            suggest(name, (*_FAMILY_OF, *ALIASES))
            or f" - there are {', '.join(_FAMILY_OF)}, a .toml file or a geth genesis.json"
        )
        raise ChainFileError(f"no chain {text!r}{hint}")
    spec: ChainSpec = _module(name).SPECS[name]
    return spec


def from_table(table: Mapping[str, Any], where: str = "the chain's table") -> ChainSpec:
    """A custom chain: `base` is a chain of the catalogue, the rest overrides it. Raises ChainFileError."""
    rest = dict(table)
    base = rest.pop("base", None)
    if not isinstance(base, str):
        raise ChainFileError(f'{where}: base is missing - say base = "regtest" or another chain')
    base = ALIASES.get(base, base)
    if base not in _FAMILY_OF:
        raise ChainFileError(f"{where}: no chain {base!r} to build on{suggest(base, _FAMILY_OF)}")
    if not isinstance(rest.get("name"), str) or not rest["name"]:
        raise ChainFileError(f"{where}: name is missing")
    if rest["name"] in _FAMILY_OF or rest["name"] in ALIASES:
        raise ChainFileError(f"{where}: the name {rest['name']!r} is taken")
    try:
        spec: ChainSpec = _module(base).custom(base, rest)
    except ChainFileError as e:
        raise ChainFileError(f"{where}: {e}") from e
    return spec


def _module(name: str) -> Any:
    return importlib.import_module(f"chains.{_FAMILY_OF[name]}")


def _read_json(path: Path) -> Mapping[str, Any]:
    try:
        found = json.loads(path.read_text())
    except FileNotFoundError:
        raise ChainFileError(f"no file {path}") from None
    except (OSError, ValueError, RecursionError) as e:
        raise ChainFileError(f"{path}: {e}") from e
    if not isinstance(found, dict):
        raise ChainFileError(f"{path}: not a genesis.json")
    return found


def _read(path: Path) -> Mapping[str, Any]:
    try:
        return tomllib.loads(path.read_text())
    except FileNotFoundError:
        raise ChainFileError(f"no file {path}") from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as e:
        raise ChainFileError(f"{path}: {e}") from e
