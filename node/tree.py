"""The tree of blocks: what is marked, which blocks are candidates for the tip, what is forgotten. Functions of writable Entries.

Knows no rule of any chain; it is told that a block is bad and sees to it that its heirs are, and that its parent is a candidate again.
A block gets its number of arrival when the bodies of all its ancestors are there, as in Bitcoin Core.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from consensus.api import Better
from node.index import Entries, Record, StoredBranch, child_key, end_key, leaf_key
from primitives.chain import Entry, Status
from storage.layout import BODY, ENTRY, PRECIOUS_KEY, SEQUENCE_KEY, SIDE, UNDO

BAD = Status.BROKEN | Status.REJECTED


class StoredTree:
    """A Tree for fork choices: only blocks that could become part of the chain count."""

    __slots__ = ("_entries",)

    def __init__(self, entries: Entries) -> None:
        self._entries = entries

    def parent(self, entry: Entry[Any]) -> Entry[Any] | None:
        """The parent, None for genesis."""
        return None if entry.height == 0 else self._entries.parent(entry)

    def children(self, entry: Entry[Any]) -> Iterator[Entry[Any]]:
        """The ready, sound children."""
        return (c for c in self._entries.children(entry.hash) if is_candidate(c))

    def subtree_weight(self, entry: Entry[Any]) -> int:
        """The weight of a block itself and of all ready, sound blocks above it."""
        below = 0 if entry.height == 0 else self._entries.parent(entry).weight
        total, waiting = entry.weight - below, [entry]
        while waiting:
            at = waiting.pop()
            for child in self.children(at):
                total += child.weight - at.weight
                waiting.append(child)
        return total


def is_candidate(entry: Entry[Any]) -> bool:
    """Whether a block could be the tip: all bodies are here and nothing bad is known."""
    return bool(entry.status & Status.READY) and not entry.status & BAD


def heaviest_header(entries: Entries, tip: Entry[Any]) -> Entry[Any]:
    """The entry of the most weight that is not known to be bad; the tip where none has more."""
    best = tip
    for at in entries.ends():
        if at.weight <= best.weight:
            break
        while at.invalid:
            at = entries.parent(at)
        if at.weight > best.weight:
            best = at
    return best


def beats(entry: Entry[Any], tip: Entry[Any], better: Better, entries: Entries) -> bool:
    """Whether a child of the tip is better than the tip; a child that is not stored yet has weight alone to show."""
    if entry.weight > tip.weight:
        return True
    return better(replace(entry, status=entry.status | Status.READY), tip, StoredTree(entries))


def candidate(entries: Entries, tip: Entry[Any], better: Better) -> Entry[Any] | None:
    """The best block that could be the tip, or None where the tip is."""
    best, tree = tip, StoredTree(entries)
    for leaf in entries.leaves():
        if leaf.hash != best.hash and better(leaf, best, tree):
            best = leaf
    return None if best.hash == tip.hash else best


def next_sequence(entries: Entries) -> int:
    """The next number of arrival."""
    raw = entries.kv.get(SEQUENCE_KEY)
    number = int.from_bytes(raw, "big") if raw else 1
    entries.kv.put(SEQUENCE_KEY, (number + 1).to_bytes(8, "big"))
    return number


def insert(entries: Entries, entry: Entry[Any], branch: StoredBranch) -> None:
    """Store a new entry on `branch.tip`, whose leaf it becomes if it is a candidate itself."""
    parent = branch.tip
    entries.put(Record(entry, branch.skip_for_child()))
    kv = entries.kv
    kv.put(child_key(entry), entry.hash)
    kv.delete(end_key(parent))
    kv.put(end_key(entry), entry.hash)
    if is_candidate(entry):
        kv.delete(leaf_key(parent))
        kv.put(leaf_key(entry), entry.hash)


def settle_leaf(entries: Entries, entry: Entry[Any]) -> None:
    """Put a block among the candidates or take it out, whichever is right now."""
    if is_candidate(entry) and not any(map(is_candidate, entries.children(entry.hash))):
        entries.kv.put(leaf_key(entry), entry.hash)
    else:
        entries.kv.delete(leaf_key(entry))


def body_arrived(
    entries: Entries, entry: Entry[Any], note: bytes = b"", also: Status = Status.HEADER
) -> list[Entry[Any]]:
    """Mark that a body is stored (and `also` that it is valid); returns the blocks that are ready now, this one first if it is."""
    entry = replace(entry, status=entry.status | Status.BODY | also, note=note or entry.note)
    parent = entries.parent(entry)
    if not parent.status & Status.READY:
        entries.change(entry, status=entry.status, note=entry.note)
        return []
    ready: list[Entry[Any]] = []
    waiting = [entry]
    while waiting:
        at = waiting.pop(0)
        at = entries.change(at, status=at.status | Status.READY, seq=next_sequence(entries), note=at.note)
        ready.append(at)
        waiting += (c for c in entries.children(at.hash) if c.status & Status.BODY and not c.status & Status.READY)
    entries.kv.delete(leaf_key(parent))
    for at in ready:
        settle_leaf(entries, at)
    return ready


def heirs(entries: Entries, entry: Entry[Any]) -> Iterator[Entry[Any]]:
    """A block and all its stored descendants, parents before children."""
    waiting = [entry]
    while waiting:
        at = waiting.pop()
        yield at
        waiting += entries.children(at.hash)


def body_dropped(entries: Entries, entry: Entry[Any]) -> None:
    """The stored body is not the one that the header commits to: forget it, and nothing else."""
    for at in list(heirs(entries, entry)):
        entries.kv.delete(leaf_key(at))
        gone = Status.READY | Status.VALID | (Status.BODY if at.hash == entry.hash else Status.HEADER)
        entries.change(at, status=at.status & ~gone)
    entries.kv.delete(BODY + entry.hash)
    settle_leaf(entries, entries.parent(entry))


def condemn(entries: Entries, entry: Entry[Any], mark: Status) -> None:
    """Mark a block and its heirs as bad, by rule or by the user; its parent may be a candidate again."""
    for at in list(heirs(entries, entry)):
        entries.kv.delete(leaf_key(at))
        entries.change(at, status=at.status | mark)
    settle_leaf(entries, entries.parent(entry))


def pardon(entries: Entries, entry: Entry[Any]) -> None:
    """Take every bad mark off a block, its ancestors and its heirs (Bitcoin Core, ResetBlockFailureFlags)."""
    family = list(heirs(entries, entry))
    at = entry
    while at.height > 0 and (at := entries.parent(at)).status & BAD:
        family.insert(0, at)
    family = [entries.change(at, status=at.status & ~BAD) if at.status & BAD else at for at in family]
    for at in family:
        settle_leaf(entries, at)
    if family[0].height > 0:
        settle_leaf(entries, entries.parent(family[0]))


def prefer(entries: Entries, entry: Entry[Any]) -> Entry[Any]:
    """Let a block win against its equals, also against those preferred before (`preciousblock`)."""
    raw = entries.kv.get(PRECIOUS_KEY)
    count = (int.from_bytes(raw, "big") if raw else 0) + 1
    entries.kv.put(PRECIOUS_KEY, count.to_bytes(8, "big"))
    entries.kv.delete(leaf_key(entry))
    entry = entries.change(entry, seq=-count)
    settle_leaf(entries, entry)
    return entry


def forget(entries: Entries, entry: Entry[Any]) -> list[bytes]:
    """Remove a block and its heirs as if they had never come; returns their hashes."""
    gone = list(heirs(entries, entry))
    kv = entries.kv
    for at in gone:
        kv.delete(leaf_key(at))
        kv.delete(end_key(at))
        kv.delete(child_key(at))
        for space in (ENTRY, BODY, UNDO, SIDE):
            kv.delete(space + at.hash)
    parent = entries.parent(entry)
    if not any(True for _ in entries.children(parent.hash)):
        kv.put(end_key(parent), parent.hash)
    settle_leaf(entries, parent)
    return [at.hash for at in gone]
