"""Headers that show no proof by themselves (stake): held in memory only, a bounded number for each source. Knows no rule.

A header never stays without its ancestors: where one must go, those that build on it go with it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from node.index import Record
from primitives.errors import Refused

MOST_OF_ONE: Final = 2000
MOST: Final = 20_000


class LooseHeaders(Mapping[bytes, Record]):
    """Records by hash that are in no store. A source that brings too many is refused; beyond the total the oldest go."""

    def __init__(self, most: int = MOST, most_of_one: int = MOST_OF_ONE) -> None:
        self._most = most
        self._most_of_one = most_of_one
        self._records: dict[bytes, tuple[Record, object]] = {}
        self._counts: dict[object, int] = {}
        self._children: dict[bytes, list[bytes]] = {}

    def __getitem__(self, key: bytes) -> Record:
        return self._records[key][0]

    def __len__(self) -> int:
        return len(self._records)

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._records)

    def get(self, key: bytes, default: Any = None) -> Any:
        """The record of a hash."""
        found = self._records.get(key)
        return default if found is None else found[0]

    def add(self, record: Record, source: object) -> None:
        """Hold a header. Raises Refused("too-many-headers")."""
        key = record.entry.hash
        if key in self._records:
            return
        if self._counts.get(source, 0) >= self._most_of_one:
            raise Refused("too-many-headers", f"{self._most_of_one} unproven headers are held for one source")
        parent = record.entry.header.parent
        held = parent in self._records
        while len(self._records) >= self._most:
            self.drop(next(iter(self._records)))
        if held and parent not in self._records:
            raise Refused("too-many-headers", "its own ancestors had to go")
        self._records[key] = (record, source)
        self._counts[source] = self._counts.get(source, 0) + 1
        self._children.setdefault(parent, []).append(key)

    def discard(self, key: bytes) -> None:
        """Let go of a header whose block was stored: what builds on it stays."""
        found = self._records.pop(key, None)
        if found is None:
            return
        record, source = found
        self._counts[source] -= 1
        if not self._counts[source]:
            del self._counts[source]
        parent = record.entry.header.parent
        siblings = self._children[parent]
        siblings.remove(key)
        if not siblings:
            del self._children[parent]

    def settle(self, keys: Iterable[bytes]) -> None:
        """Let go of headers whose blocks were committed: until now readers found them here, from now on in the store."""
        for key in keys:
            self.discard(key)

    def drop(self, key: bytes) -> None:
        """Let go of a header and of all that build on it."""
        waiting = [key]
        while waiting:
            at = waiting.pop()
            waiting += self._children.get(at, ())
            self.discard(at)

    def clear(self) -> None:
        """Let go of all: blocks that they build on may be gone."""
        self._records.clear()
        self._counts.clear()
        self._children.clear()

    def drop_source(self, source: object) -> None:
        """Let go of all that one source brought (it left), and of what builds on it."""
        for key in [k for k, (_, s) in self._records.items() if s == source]:
            self.drop(key)
