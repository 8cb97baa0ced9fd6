"""Whose data a store holds: the schema and genesis keys, written before anything else. Knows nothing of files or processes."""

from __future__ import annotations

from primitives.errors import SystemFault
from storage.kv import KV
from storage.layout import GENESIS_KEY, SCHEMA_KEY, SCHEMA_VERSION


class ForeignData(SystemFault):
    """The store belongs to another chain, or is no store of this program at all."""


class NewerData(SystemFault):
    """The store was written by a newer version."""


class OlderData(SystemFault):
    """The store was written by an older version: migrate it or rebuild it from its bodies."""


def write_identity(kv: KV, genesis: bytes) -> None:
    """Claim an empty store for a chain."""
    kv.put(SCHEMA_KEY, SCHEMA_VERSION.to_bytes(4, "big"))
    kv.put(GENESIS_KEY, genesis)


def is_empty(kv: KV) -> bool:
    """Whether nothing was ever written."""
    return next(iter(kv.scan(b"!")), None) is None and next(iter(kv.scan(b"e")), None) is None


def schema_of(kv: KV) -> int | None:
    """The version of the key table that the data follow."""
    raw = kv.get(SCHEMA_KEY)
    return None if raw is None else int.from_bytes(raw, "big")


def check_genesis(kv: KV, genesis: bytes, name: str) -> None:
    """Is it this chain's? Raises ForeignData."""
    found = kv.get(GENESIS_KEY)
    if found is None or kv.get(SCHEMA_KEY) is None:
        raise ForeignData("the store is not one of Chainyard's: it has no schema or genesis key")
    if found != genesis:
        raise ForeignData(f"the store holds another chain than {name}: its genesis block is {found[::-1].hex()}")


def check_identity(kv: KV, genesis: bytes, name: str) -> None:
    """Is it this chain's, and of this version? Raises ForeignData, NewerData, OlderData."""
    check_genesis(kv, genesis, name)
    schema = schema_of(kv) or 0
    if schema > SCHEMA_VERSION:
        raise NewerData(
            f"the store has schema {schema}, written by a newer version; this one reads up to {SCHEMA_VERSION}"
        )
    if schema < SCHEMA_VERSION:
        raise OlderData(
            f"the store has schema {schema}, this version needs {SCHEMA_VERSION}: run `chainyard chain migrate`"
        )
