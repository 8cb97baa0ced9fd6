"""Undo and side records: lists of changes with a checksum. A record that does not fit its checksum stops the node.

Knows no key's meaning.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from typing import Final

from primitives.buffer import Reader, compact_size
from primitives.errors import DecodeError, SystemFault
from storage.kv import Change

_CHECKSUM: Final = 16


def _checksum(block: bytes, payload: bytes) -> bytes:
    return blake2b(payload, digest_size=_CHECKSUM, key=block).digest()


def encode_changes(block: bytes, changes: Sequence[Change]) -> bytes:
    """The record of a block: a checksum over its hash and the changes; for each its key, and its value's length plus one or zero."""
    parts = [compact_size(len(changes))]
    for key, value in changes:
        if value is None:
            parts += (compact_size(len(key)), key, b"\x00")
        else:
            parts += (compact_size(len(key)), key, compact_size(len(value) + 1), value)
    payload = b"".join(parts)
    return _checksum(block, payload) + payload


def decode_changes(block: bytes, record: bytes | None, what: str) -> tuple[Change, ...]:
    """The changes of a block's record. Raises SystemFault where it is missing or damaged; `what` names it to the user."""
    name = f"{what} of block {block[::-1].hex()}"
    if record is None:
        raise SystemFault(f"the {name} is missing")
    if record[:_CHECKSUM] != _checksum(block, record[_CHECKSUM:]):
        raise SystemFault(f"the {name} is damaged: its checksum is wrong")
    try:
        r = Reader(record, _CHECKSUM)
        changes: list[Change] = []
        for _ in range(r.count(2)):
            key = r.var_bytes()
            size = r.compact()
            changes.append((key, r.bytes(size - 1) if size else None))
        r.finish()
    except DecodeError as e:
        raise SystemFault(f"the {name} is damaged: {e}") from e
    return tuple(changes)
