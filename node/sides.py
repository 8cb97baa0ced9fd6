"""The state at a block off the connected chain, and the proof of blocks that need it (stake). It stores no block and moves no tip.

Changes are kept for the last 8 side tips; beyond 500 blocks the answer is refused as policy.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Final

from chains.spec import ChainSpec
from ledger.api import Aid
from node.index import Entries, StoredBranch
from node.twins import find_twin, is_built_on
from node.undo import decode_changes, encode_changes
from node.work import BadBlock, Work
from primitives.chain import Entry
from primitives.errors import Invalid, Mutated, Refused
from storage.kv import Delta, Journal, rewind
from storage.layout import SIDE, SIDES_KEY, UNDO

DEEPEST: Final = 500
TIPS: Final = 8

Execute = Callable[[Entry[Any], Journal], None]
"""Connects a stored block onto a journal whose state is its parent's."""


def state_at(entries: Entries, tip: Entry[Any], entry: Entry[Any], execute: Execute, deepest: int = DEEPEST) -> Journal:
    """The state after `entry` as an overlay. Raises Refused("fork-too-deep")."""
    journal = Journal(entries.kv)
    fork = entries.fork(entry)
    depth = tip.height - fork.height + entry.height - fork.height
    if depth > deepest:
        raise Refused("fork-too-deep", f"the state {depth} blocks away is not kept, only {deepest}")
    at = tip
    while at.height > fork.height:
        rewind(journal, decode_changes(at.hash, entries.kv.get(UNDO + at.hash), "undo record"))
        at = entries.parent(at)
    for side in entries.path(entry, fork):
        record = entries.kv.get(SIDE + side.hash)
        if record is None:
            execute(side, journal)
        else:
            rewind(journal, decode_changes(side.hash, record, "side record"))
    return journal


def prove(
    work: Work,
    entry: Entry[Any],
    block: Any,
    branch: StoredBranch,
    spec: ChainSpec,
    aid: Aid,
    execute: Execute,
    heirs: Sequence[Any] = (),
    now: int = 0,
) -> Entry[Any]:
    """Check the proof of a side block on its parent's state, and keep what the block changes for its own children.

    Raises the engine's error as it is, while nothing is proven, BadBlock for what the ledger finds afterwards, and
    Refused("bad-pos") for a second block from one claim, unless one of the `heirs` that wait for it is proven too.
    """
    state = state_at(work.entries, work.tip, branch.tip, execute)
    entry = replace(entry, note=spec.engine.check_block(block, branch, state))
    journal = Journal(state)
    try:
        spec.ledger.connect(block, branch, journal, aid)
    except (Invalid, Mutated) as e:
        raise BadBlock(entry, e) from e
    if find_twin(spec, work.entries, entry) and not is_built_on(spec, entry, branch, journal, heirs, now):
        raise Refused("bad-pos", "a block from the same proof of stake is here already")
    save(work.entries, entry, journal.delta())
    return entry


def save(entries: Entries, entry: Entry[Any], delta: Delta) -> None:
    """Keep what a side block changes, so that a child of it can be judged; the oldest side tip beyond 8 is let go."""
    kv = entries.kv
    kv.put(SIDE + entry.hash, encode_changes(entry.hash, (*delta.forward, *delta.kept)))
    tips = [entry.hash, *(t for t in _tips(entries) if t not in (entry.hash, entry.header.parent))]
    for gone in tips[TIPS:]:
        _let_go(entries, gone)
    kv.put(SIDES_KEY, b"".join(tips[:TIPS]))


def discard(entries: Entries, key: bytes) -> None:
    """A side block is on the connected chain now, or forgotten: its saved changes are not needed."""
    if entries.kv.get(SIDE + key) is None:
        return
    entries.kv.delete(SIDE + key)
    tips = _tips(entries)
    if key in tips:
        entries.kv.put(SIDES_KEY, b"".join(t for t in tips if t != key))


def _tips(entries: Entries) -> list[bytes]:
    raw = entries.kv.get(SIDES_KEY) or b""
    return [raw[i : i + 32] for i in range(0, len(raw), 32)]


def _let_go(entries: Entries, key: bytes) -> None:
    """Delete the changes of a side tip and of its ancestors, down to one that carries another saved branch."""
    at = entries.get(key)
    while at is not None and entries.kv.get(SIDE + at.hash) is not None:
        if any(entries.kv.get(SIDE + child.hash) is not None for child in entries.children(at.hash)):
            return
        entries.kv.delete(SIDE + at.hash)
        at = entries.get(at.header.parent)
