"""KV, Store and the Journal: the one undo of every ledger. It knows no key's meaning.

A block is connected through a Journal, which remembers the old value of every key that it touches; `rewind` writes them back.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from storage.durability import Durability

Change = tuple[bytes, bytes | None]
"""A key and its value, None where there is none."""


class KV(Protocol):
    """A key-value view. Values are bytes, keys come in lexicographic order from `scan`."""

    def get(self, key: bytes) -> bytes | None: ...
    def put(self, key: bytes, value: bytes) -> None: ...
    def delete(self, key: bytes) -> None: ...
    def scan(self, prefix: bytes, start: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
        """The pairs whose key begins with a prefix, in order, from key `prefix + start` on."""
        ...


class Store(Protocol):
    """Something that keeps a KV. An exception inside `update()` leaves nothing behind."""

    durability: Durability
    """What a commit promises; FULL and BATCH may take turns while the store is open."""

    def view(self) -> AbstractContextManager[KV]:
        """A read-only snapshot."""
        ...

    def update(self) -> AbstractContextManager[KV]:
        """The one write transaction; committed when the block ends without an exception."""
        ...

    def tick(self) -> int:
        """A second has passed: cut off brief reads that last too long (readers.py); how many those are."""
        ...

    def size(self) -> int:
        """Bytes that it takes on its disk, or in memory."""
        ...

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Delta:
    """What a journal changed: `undo` leads back, `forward` leads there again. Unchanged keys are left out."""

    undo: tuple[Change, ...]
    forward: tuple[Change, ...]
    kept: tuple[tuple[bytes, bytes], ...] = ()
    """Content-addressed data: written, never undone."""


class Journal:
    """An overlay over a KV that collects writes; nothing reaches the base before `commit`."""

    __slots__ = ("_base", "_kept", "_read", "_writes")

    def __init__(self, base: KV) -> None:
        self._base = base
        self._writes: dict[bytes, bytes | None] = {}
        self._kept: dict[bytes, bytes] = {}
        self._read: dict[bytes, bytes | None] = {}
        """What was read of the base: what is written was mostly read before, and its old value is wanted again."""

    def get(self, key: bytes) -> bytes | None:
        """The value as this journal sees it."""
        if key in self._writes:
            return self._writes[key]
        if key in self._kept:
            return self._kept[key]
        return self._old(key)

    def _old(self, key: bytes) -> bytes | None:
        if key in self._read:
            return self._read[key]
        value = self._read[key] = self._base.get(key)
        return value

    def put(self, key: bytes, value: bytes) -> None:
        """Set a value."""
        self._writes[key] = value

    def delete(self, key: bytes) -> None:
        """Remove a key; nothing happens where there is none."""
        self._writes[key] = None

    def keep(self, key: bytes, value: bytes) -> None:
        """Store content-addressed data (a trie node, code): outside the undo, never removed by it."""
        self._kept[key] = value

    def scan(self, prefix: bytes, start: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
        """The base's pairs merged with the overlay as it is now; later writes do not disturb the walk."""
        low = prefix + start
        own = sorted((k, v) for k, v in ({**self._kept, **self._writes}).items() if k.startswith(prefix) and k >= low)
        at = 0
        for key, value in self._base.scan(prefix, start):
            while at < len(own) and own[at][0] < key:
                if (mine := own[at][1]) is not None:
                    yield own[at][0], mine
                at += 1
            if at < len(own) and own[at][0] == key:
                if (mine := own[at][1]) is not None:
                    yield key, mine
                at += 1
            else:
                yield key, value
        for key, mine in own[at:]:
            if mine is not None:
                yield key, mine

    def delta(self) -> Delta:
        """What would change, without writing it: the undo holds each key's value in the base."""
        undo: list[Change] = []
        forward: list[Change] = []
        for key, value in self._writes.items():
            old = self._old(key)
            if old != value:
                undo.append((key, old))
                forward.append((key, value))
        return Delta(tuple(undo), tuple(forward), tuple(self._kept.items()))

    def commit(self) -> Delta:
        """Write all changes into the base and tell what they were. The journal is empty afterwards."""
        delta = self.delta()
        apply(self._base, delta)
        self._writes.clear()
        self._kept.clear()
        self._read.clear()
        return delta


def apply(state: KV, delta: Delta) -> None:
    """Make the changes of a delta."""
    for key, value in delta.kept:
        state.put(key, value)
    rewind(state, delta.forward)


def rewind(state: KV, changes: tuple[Change, ...]) -> None:
    """Give each key its value back: the undo of one block, newest block first."""
    for key, value in changes:
        if value is None:
            state.delete(key)
        else:
            state.put(key, value)
