"""LmdbStore: a KV on disk. It knows no key's meaning.

The map is sparse and never grows while open. One writer; readers hold snapshots. Every value carries a CRC over key and value, because
LMDB has none: a flipped bit is a SystemFault, never an answer. Trouble with the disk is a SystemFault in one line.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final
from zlib import crc32

import lmdb

from primitives.errors import SystemFault
from storage.durability import Durability
from storage.kv import KV
from storage.layout import LONGEST_KEY, fit
from storage.readers import Readers, SlowRead

MAP_SIZE: Final = 1 << 40
READERS: Final = 256
_SLICE: Final = 512
_TEXTS: Final = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EFBIG: "the file may not grow further",
    errno.EIO: "the disk reports an input/output error",
    errno.EROFS: "the file system is read-only",
    errno.EACCES: "permission denied",
}


def fault(path: Path, error: Exception) -> SystemFault:
    """Our own trouble with the disk, in one line for the user."""
    if isinstance(error, lmdb.MapFullError):
        return SystemFault(f"{path}: the store is full (its map size is reached); restart with a larger one")
    if isinstance(error, (lmdb.InvalidError, lmdb.CorruptedError, lmdb.VersionMismatchError, lmdb.PageNotFoundError)):
        return SystemFault(f"{path}: not a sound store ({error})")
    code = getattr(error, "code", None) or getattr(error, "errno", None)
    text = next(
        (text for number, text in _TEXTS.items() if number == code or os.strerror(number) in str(error)), str(error)
    )
    return SystemFault(f"{path}: {text}")


def _open_value(path: Path, key: bytes, stored: memoryview) -> bytes:
    value = bytes(stored[:-4])
    if len(stored) < 4 or crc32(value, crc32(key)) != int.from_bytes(stored[-4:], "big"):
        raise SystemFault(f"{path}: the record {key[:1]!r} {key[1:].hex()} is damaged")
    return value


def _refuse(key: bytes) -> Any:
    raise SlowRead


class LmdbView:
    """A snapshot of the store."""

    __slots__ = ("_get", "_is_cut", "_path", "_txn")

    def __init__(self, txn: Any, path: Path) -> None:
        self._txn = txn
        self._get: Callable[[bytes], Any] = txn.get
        self._path = path
        self._is_cut = False

    def cut(self) -> None:
        """From now on every read raises SlowRead; the thread that reads gives the snapshot back."""
        self._is_cut = True
        self._get = _refuse

    def get(self, key: bytes) -> bytes | None:
        """The value under a key. Raises SystemFault where it is damaged."""
        if len(key) > LONGEST_KEY:
            key = fit(key)
        stored = self._get(key)
        if stored is None:
            return None
        value: bytes = stored[:-4].tobytes()
        if len(stored) < 4 or crc32(value, crc32(key)) != int.from_bytes(stored[-4:], "big"):
            raise SystemFault(f"{self._path}: the record {key[:1]!r} {key[1:].hex()} is damaged")
        return value

    def put(self, key: bytes, value: bytes) -> None:
        """Raises SystemFault: a view cannot be written."""
        raise SystemFault("write into a read-only view")

    def delete(self, key: bytes) -> None:
        """Raises SystemFault: a view cannot be written."""
        raise SystemFault("write into a read-only view")

    def scan(self, prefix: bytes, start: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
        """The pairs whose key begins with a prefix, in order, from key `prefix + start` on."""
        low, most = prefix + start, 1
        while True:
            pairs: list[tuple[bytes, bytes]] = []
            if self._is_cut:
                raise SlowRead
            with self._txn.cursor() as cursor:
                if cursor.set_range(low):
                    for stored_key, stored in cursor.iternext():
                        key = stored_key.tobytes()
                        if not key.startswith(prefix):
                            break
                        pairs.append((key, _open_value(self._path, key, stored)))
                        if len(pairs) == most:
                            break
            yield from pairs
            if len(pairs) < most:
                return
            low, most = pairs[-1][0] + b"\x00", min(4 * most, _SLICE)


class LmdbUpdate(LmdbView):
    """The one write transaction."""

    __slots__ = ("_delete", "_put")

    def __init__(self, txn: Any, path: Path) -> None:
        super().__init__(txn, path)
        self._put: Callable[[bytes, bytes], Any] = txn.put
        self._delete: Callable[[bytes], Any] = txn.delete

    def put(self, key: bytes, value: bytes) -> None:
        """Set a value. Raises SystemFault where the disk or the map is full."""
        if len(key) > LONGEST_KEY:
            key = fit(key)
        try:
            self._put(key, value + crc32(value, crc32(key)).to_bytes(4, "big"))
        except lmdb.Error as e:
            raise fault(self._path, e) from e

    def delete(self, key: bytes) -> None:
        """Remove a key; nothing happens where there is none."""
        if len(key) > LONGEST_KEY:
            key = fit(key)
        try:
            self._delete(key)
        except lmdb.Error as e:
            raise fault(self._path, e) from e


class LmdbStore:
    """A Store in a directory. The caller holds the directory's lock; the environment never crosses a fork.

    `durability` may change between FULL and BATCH while open; NONE is for good.
    """

    def __init__(self, path: Path, durability: Durability = Durability.FULL, map_size: int = MAP_SIZE) -> None:
        """Open or create. Raises SystemFault where the files cannot be used."""
        self.path = path
        self.durability = durability
        self._process = os.getpid()
        self._readers = Readers()
        self._synced = durability is not Durability.NONE
        try:
            path.mkdir(parents=True, exist_ok=True)
            self._env = lmdb.open(
                str(path),
                map_size=map_size,
                max_dbs=0,
                max_readers=READERS,
                subdir=True,
                metasync=False,
                sync=self._synced,
                mode=0o600,
            )
            self._env.reader_check()
        except (lmdb.Error, OSError) as e:
            raise fault(path, e) from e

    def _same_process(self) -> None:
        if os.getpid() != self._process:
            raise SystemFault(f"{self.path}: an open store must not cross a fork")

    @contextmanager
    def view(self) -> Iterator[KV]:
        """A read-only snapshot."""
        self._same_process()
        try:
            txn = self._env.begin(buffers=True)
        except lmdb.Error as e:
            raise fault(self.path, e) from e
        view = LmdbView(txn, self.path)
        self._readers.enter(view)
        try:
            yield view
        except lmdb.Error as e:
            raise fault(self.path, e) from e
        finally:
            self._readers.leave(view)
            txn.abort()

    @contextmanager
    def update(self) -> Iterator[KV]:
        """The one write transaction; under FULL it is on the disk when the block ends."""
        self._same_process()
        try:
            txn = self._env.begin(write=True, buffers=True)
        except lmdb.Error as e:
            raise fault(self.path, e) from e
        try:
            yield LmdbUpdate(txn, self.path)
        except lmdb.Error as e:
            txn.abort()
            raise fault(self.path, e) from e
        except BaseException:
            txn.abort()
            raise
        try:
            txn.commit()
            if self._synced and self.durability is Durability.FULL:
                self._env.sync(True)
        except (lmdb.Error, OSError) as e:
            raise fault(self.path, e) from e

    def sync(self) -> None:
        """Wait until all that is committed is on the disk."""
        try:
            self._env.sync(True)
        except (lmdb.Error, OSError) as e:
            raise fault(self.path, e) from e

    def tick(self) -> int:
        """A second has passed: brief reads that last too long are cut off (readers.py); how many those are."""
        return self._readers.tick()

    def size(self) -> int:
        """Bytes that the store takes on the disk; the file has holes and may be longer."""
        try:
            return sum(file.stat().st_blocks * 512 for file in self.path.glob("*.mdb"))
        except OSError as e:
            raise fault(self.path, e) from e

    def copy(self, target: Path) -> None:
        """A compacted copy of one committed state into an empty directory, beside running readers and the writer."""
        target.mkdir(parents=True, exist_ok=True)
        try:
            self._env.copy(str(target), compact=True)
        except (lmdb.Error, OSError) as e:
            raise fault(target, e) from e

    def close(self) -> None:
        """Sync and close."""
        if os.getpid() != self._process:
            return
        try:
            self._env.sync(True)
        except (lmdb.Error, OSError) as e:
            raise fault(self.path, e) from e
        finally:
            self._env.close()
