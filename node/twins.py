"""Twins: blocks that one claim made on one parent (a stake's kernel can make any number). One is kept, unless another is built on.

The tree itself is the record: nothing is held in memory, nothing is to be undone. Knows no family.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol, runtime_checkable

from chains.spec import ChainSpec
from node.index import Entries, StoredBranch
from primitives.chain import Entry, Status
from primitives.errors import ChainError
from storage.kv import KV


@runtime_checkable
class Claiming(Protocol):
    """An engine whose proofs can be used for more than one block."""

    def claim(self, note: bytes) -> bytes:
        """What a block was made from, by its note; empty where each block has its own (work)."""
        ...


def find_twin(spec: ChainSpec, entries: Entries, entry: Entry[Any], *, sound: bool = True) -> Entry[Any] | None:
    """Another stored child of the same parent from the same claim; `sound`: one whose body is here and not known to be bad."""
    engine = spec.engine
    if not isinstance(engine, Claiming) or not (claim := engine.claim(entry.note)):
        return None
    for child in entries.children(entry.header.parent):
        if child.hash == entry.hash or (sound and (child.invalid or not child.status & Status.BODY)):
            continue
        if engine.claim(child.note) == claim:
            return child
    return None


def is_built_on(
    spec: ChainSpec, entry: Entry[Any], branch: StoredBranch, state: KV, heirs: Iterable[Any], now: int
) -> bool:
    """Whether one of the blocks that wait for an entry is proven itself, on the state after it; `branch` ends in the parent."""
    above = branch.extended(entry)
    for heir in heirs:
        try:
            spec.ledger.check_header(heir.header, above)
            spec.engine.check_header(heir.header, above)
            if heir.header.timestamp > now + spec.network.drift_at(now):
                continue
            spec.ledger.check_block(heir, above)
            spec.engine.check_block(heir, above, state)
        except ChainError:
            continue
        return True
    return False
