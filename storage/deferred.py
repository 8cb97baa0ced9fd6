"""Deferred: a Store that, while its durability is BATCH, holds commits in memory over another store and writes many of them as one.

For history that comes block after block, where each commit by itself would wait for the disk and write the same pages again.
A commit under FULL writes what is held first. It knows no key's meaning, and no clock: its user calls `settle` now and then.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from threading import Lock
from typing import Final

from primitives.errors import SystemFault
from storage.durability import Durability
from storage.kv import KV, Journal, Store
from storage.layout import fit

MOST_COMMITS: Final = 64
MOST_BYTES: Final = 8 << 20
"""What is held at most before it is written."""


class Layer:
    """What one commit changed, or several; its keys also by their first byte, so that a scan looks at its own table only."""

    __slots__ = ("keys", "values")

    def __init__(self) -> None:
        self.values: dict[bytes, bytes | None] = {}
        self.keys: dict[bytes, list[bytes]] = {}

    def set(self, key: bytes, value: bytes | None) -> None:
        """A key's value; None where there is none any more."""
        if key not in self.values:
            self.keys.setdefault(key[:1], []).append(key)
        self.values[key] = value

    @classmethod
    def over(cls, older: Layer, newer: Layer) -> Layer:
        """Two layers as a new one; views may still hold both."""
        both = cls()
        both.join(older)
        both.join(newer)
        return both

    def join(self, later: Layer) -> None:
        """Make the changes of a later commit too; a key may stand in its list twice then."""
        self.values.update(later.values)
        for first, keys in later.keys.items():
            self.keys.setdefault(first, []).extend(keys)


class DeferredView:
    """A snapshot: layers, the newest first, over a snapshot of the base."""

    __slots__ = ("_base", "_layers")

    def __init__(self, base: KV, layers: tuple[Layer, ...]) -> None:
        self._base = base
        self._layers = layers

    def get(self, key: bytes) -> bytes | None:
        """The value under a key."""
        key = fit(key)
        for layer in self._layers:
            if key in layer.values:
                return layer.values[key]
        return self._base.get(key)

    def put(self, key: bytes, value: bytes) -> None:
        """Raises SystemFault: a view cannot be written."""
        raise SystemFault("write into a read-only view")

    def delete(self, key: bytes) -> None:
        """Raises SystemFault: a view cannot be written."""
        raise SystemFault("write into a read-only view")

    def scan(self, prefix: bytes, start: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
        """The pairs whose key begins with a prefix, in order, from key `prefix + start` on."""
        over = Journal(self._base)
        for layer in reversed(self._layers):
            for key in layer.keys.get(prefix[:1], ()) if prefix else layer.values:
                if key.startswith(prefix):
                    value = layer.values[key]
                    over.delete(key) if value is None else over.put(key, value)
        return over.scan(prefix, start)


class DeferredUpdate(DeferredView):
    """The one write transaction; its writes go into a layer of its own."""

    __slots__ = ("_own",)

    def __init__(self, base: KV, own: Layer, held: Layer) -> None:
        super().__init__(base, (own, held))
        self._own = own

    def put(self, key: bytes, value: bytes) -> None:
        """Set a value."""
        self._own.set(fit(key), value)

    def delete(self, key: bytes) -> None:
        """Remove a key; nothing happens where there is none."""
        self._own.set(fit(key), None)


def _stacked(top: Layer, below: tuple[Layer, ...]) -> tuple[Layer, ...]:
    """A layer over others; those not much larger than what lies over them are joined with it, so that a view has few to look through."""
    while below and len(below[0].values) < 2 * len(top.values):
        top, below = Layer.over(below[0], top), below[1:]
    return (top, *below)


class Deferred:
    """A Store over another one, which belongs to it. One thread writes; any may read."""

    def __init__(self, base: Store) -> None:
        self._base = base
        self._layers: tuple[Layer, ...] = ()
        self._held = Layer()
        """The layers as one: what the next update reads, and what is written in the end."""
        self._bytes = self._commits = 0
        self._turn = Lock()

    @property
    def durability(self) -> Durability:
        """FULL: written through. BATCH: held. NONE: written through, and nothing waits."""
        return self._base.durability

    @durability.setter
    def durability(self, value: Durability) -> None:
        self._base.durability = value

    @property
    def holds(self) -> bool:
        """Whether commits wait to be written."""
        return bool(self._layers)

    @contextmanager
    def view(self) -> Iterator[KV]:
        """A read-only snapshot."""
        with ExitStack() as stack:
            with self._turn:
                base, layers = stack.enter_context(self._base.view()), self._layers
            yield DeferredView(base, layers) if layers else base

    @contextmanager
    def update(self) -> Iterator[KV]:
        """The one write transaction. Raises SystemFault where the disk is full, before anything is changed or at the end."""
        batch = self.durability is Durability.BATCH
        if not batch or self._commits >= MOST_COMMITS or self._bytes >= MOST_BYTES:
            self.settle()
        if not batch:
            with self._base.update() as kv:
                yield kv
            return
        own = Layer()
        with self._base.view() as kv:
            yield DeferredUpdate(kv, own, self._held)
        if own.values:
            layers = _stacked(own, self._layers)
            with self._turn:
                self._layers = layers
            self._commits += 1
            self._held.join(own)
            self._bytes += sum([len(key) + len(value or b"") for key, value in own.values.items()])

    def tick(self) -> int:
        """As the base."""
        return self._base.tick()

    def size(self) -> int:
        """Bytes that the base takes, and of what waits to be written."""
        return self._base.size() + self._bytes

    def settle(self) -> None:
        """Write what is held, in one commit of the base. Raises SystemFault, and holds it still."""
        if not self._layers:
            return
        with self._base.update() as kv:
            for key, value in self._held.values.items():
                kv.delete(key) if value is None else kv.put(key, value)
        with self._turn:
            self._layers = ()
        self._held = Layer()
        self._bytes = self._commits = 0

    def close(self) -> None:
        """Write what is held, and close the base."""
        try:
            self.settle()
        finally:
            self._base.close()
