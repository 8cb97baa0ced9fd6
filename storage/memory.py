"""MemoryStore: a KV in memory, for ephemeral chains and for the lab, which may cut its power. It knows no key's meaning.

Writes go straight into one dict. A view keeps the old value of every key that changed after it was opened, so opening one costs nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from random import Random
from threading import Lock, RLock, get_ident

from primitives.errors import SystemFault
from storage.durability import Durability
from storage.kv import KV, Change
from storage.layout import fit
from storage.ordered import OrderedKeys

_SLICE = 512
Commit = dict[bytes, tuple[bytes | None, bytes | None]]
"""What one commit changed: a key's value before and after."""


class MemoryView:
    """One state of the store, however long it is held. Thread-safe beside the one writer."""

    __slots__ = ("_data", "_old", "_store")

    def __init__(self, store: MemoryStore, old: dict[bytes, bytes | None]) -> None:
        self._store = store
        self._data = store.data
        self._old = old

    def get(self, key: bytes) -> bytes | None:
        """The value under a key. The base is read before the old values: a writer sets them in the other order."""
        key = fit(key)
        value = self._data.get(key)
        return self._old.get(key, value)

    def put(self, key: bytes, value: bytes) -> None:
        """Raises SystemFault: a view cannot be written."""
        raise SystemFault("write into a read-only view")

    def delete(self, key: bytes) -> None:
        """Raises SystemFault: a view cannot be written."""
        raise SystemFault("write into a read-only view")

    def keep_old(self, key: bytes, value: bytes | None) -> None:
        """The writer is about to change a key: remember its value, unless an older one is remembered."""
        self._old.setdefault(key, value)

    def scan(self, prefix: bytes, start: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
        """The pairs whose key begins with a prefix, in order, from key `prefix + start` on."""
        low, most = prefix + start, 1
        while True:
            keys, last = self._store.keys_since(prefix, low, most, self._old)
            for key in keys:
                value = self.get(key)
                if value is not None:
                    yield key, value
            if last is None:
                return
            low, most = last + b"\x00", min(4 * most, _SLICE)


class MemoryUpdate(MemoryView):
    """The one write transaction; its writes are seen by itself alone until it ends."""

    __slots__ = ("_undo",)

    def __init__(self, store: MemoryStore, undo: dict[bytes, bytes | None]) -> None:
        super().__init__(store, {})
        self._undo = undo

    def get(self, key: bytes) -> bytes | None:
        """The value under a key, own writes included."""
        return self._data.get(fit(key))

    def put(self, key: bytes, value: bytes) -> None:
        """Set a value."""
        self._store.write(self._undo, fit(key), bytes(value))

    def delete(self, key: bytes) -> None:
        """Remove a key; nothing happens where there is none."""
        self._store.write(self._undo, fit(key), None)


class MemoryStore:
    """A Store without a disk. With `record`, commits since the last sync are remembered, so that `power_loss` can drop them."""

    def __init__(self, durability: Durability = Durability.FULL, record: bool = False) -> None:
        self.durability = durability
        self.data: dict[bytes, bytes] = {}
        self._record = record
        self._ordered: dict[int, OrderedKeys] = {}
        self._views: list[MemoryView] = []
        self._undo: dict[bytes, bytes | None] | None = None
        self._unsynced: list[Commit] = []
        self._lock = RLock()
        self._writer = Lock()
        self._writing_thread: int | None = None
        self._spoilt = False

    @contextmanager
    def view(self) -> Iterator[KV]:
        """A read-only snapshot: what was committed when it was opened."""
        self._check_sound()
        with self._lock:
            view = MemoryView(self, dict(self._undo or {}))
            self._views.append(view)
        try:
            yield view
        finally:
            with self._lock:
                self._views.remove(view)

    def tick(self) -> int:
        """There are no pages to be had back from slow readers."""
        return 0

    def size(self) -> int:
        """Bytes of all keys and values, uncommitted ones included."""
        return sum(len(key) + len(value) for key, value in list(self.data.items()))

    @contextmanager
    def update(self) -> Iterator[KV]:
        """The one write transaction. Raises SystemFault where this thread has one open already."""
        self._check_sound()
        if self._writing_thread == get_ident():
            raise SystemFault("an update inside an update")
        with self._writer:
            self._writing_thread = get_ident()
            undo: dict[bytes, bytes | None] = {}
            self._undo = undo
            try:
                yield MemoryUpdate(self, undo)
            except BaseException:
                for key, old in undo.items():
                    self._set(key, old)
                raise
            else:
                self._committed(undo)
            finally:
                self._undo = None
                self._writing_thread = None

    def _committed(self, undo: dict[bytes, bytes | None]) -> None:
        if self._record:
            self._unsynced.append({key: (old, self.data.get(key)) for key, old in undo.items()})
            if self.durability is Durability.FULL:
                self.sync()

    def write(self, undo: dict[bytes, bytes | None], key: bytes, value: bytes | None) -> None:
        """Change a key for the open update, after its old value is safe with the undo and the views."""
        with self._lock:
            old = self.data.get(key)
            undo.setdefault(key, old)
            for view in self._views:
                view.keep_old(key, old)
            self._set(key, value)

    def _set(self, key: bytes, value: bytes | None) -> None:
        with self._lock:
            ordered = self._ordered.get(key[0])
            if ordered is not None:
                ordered.note(key, value is not None)
            if value is None:
                self.data.pop(key, None)
            else:
                self.data[key] = value

    def keys_since(
        self, prefix: bytes, low: bytes, most: int, old: dict[bytes, bytes | None]
    ) -> tuple[list[bytes], bytes | None]:
        """Some keys of a view's scan, in order, and the last key that was looked at (None: there are no more)."""
        with self._lock:
            ordered = self._ordered.get(prefix[0])
            if ordered is None:
                ordered = self._ordered[prefix[0]] = OrderedKeys([k for k in self.data if k[0] == prefix[0]])
            found = ordered.since(low, most)
            last = found[-1] if len(found) == most else None
            if last is not None and not last.startswith(prefix):
                last = None
            keys = [k for k in found if k.startswith(prefix)]
            if old:
                gone = {k for k in old if k.startswith(prefix) and k >= low and (last is None or k <= last)}
                keys = sorted(gone.union(keys))
            return keys, last

    def sync(self) -> None:
        """What is committed is safe from now on."""
        self._unsynced.clear()

    def power_loss(self, random: Random) -> MemoryStore:
        """What a disk might hold after a power cut now, drawn from `random`: the synced state and the first few commits after it.

        Under NONE with anything unsynced it is spoilt: nobody can tell what is there, so that it does not open.
        """
        image = MemoryStore(self.durability, self._record)
        image.data.update(self.data)
        for commit in reversed(self._unsynced):
            image._apply((key, old) for key, (old, _) in commit.items())
        if self.durability is Durability.NONE:
            image._spoilt = bool(self._unsynced)
        else:
            for commit in self._unsynced[: random.randint(0, len(self._unsynced))]:
                image._apply((key, new) for key, (_, new) in commit.items())
        return image

    def _apply(self, changes: Iterator[Change]) -> None:
        for key, value in changes:
            self._set(key, value)

    def _check_sound(self) -> None:
        if self._spoilt:
            raise SystemFault("the store was not synced before the power went: rebuild it")

    def close(self) -> None:
        """End; what was committed is safe."""
        self.sync()
