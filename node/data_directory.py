"""The data directory: one process at a time, where the store lies in it, and whether a power cut may have spoilt it.

It knows paths and locks, no chain. Wallets and peers keep their files beside the store.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from primitives.errors import SystemFault
from storage.deferred import Deferred
from storage.durability import Durability
from storage.lmdb import MAP_SIZE, LmdbStore

LOCK: Final = ".lock"
STORE: Final = "chain"
NEW: Final = "chain.new"
OLD: Final = "chain.old"
UNSYNCED: Final = "unsynced"
_BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")


class DirectoryTaken(SystemFault):
    """Another process uses the directory."""


class Spoilt(SystemFault):
    """The store was written without waiting for the disk, and the machine stopped meanwhile: rebuild it."""


def free_space(path: Path) -> int:
    """Bytes that may still be written there."""
    found = os.statvfs(path)
    return found.f_bavail * found.f_frsize


class DataDirectory:
    """A directory that this process has locked. Close it, or use it as a context manager."""

    def __init__(self, path: Path) -> None:
        """Create where needed, and lock. Raises DirectoryTaken, and SystemFault where the directory cannot be used."""
        self.path = path
        try:
            path.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._lock = os.open(path / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as e:
            raise SystemFault(f"{path}: {e.strerror or e}") from e
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as e:
            holder = os.pread(self._lock, 32, 0).decode("ascii", "replace").strip()
            os.close(self._lock)
            raise DirectoryTaken(
                f"Cannot obtain a lock on data directory {path}: process {holder or 'unknown'} is using it"
            ) from e
        os.ftruncate(self._lock, 0)
        os.pwrite(self._lock, f"{os.getpid()}\n".encode(), 0)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the lock. Stores must be closed before."""
        if self._lock >= 0:
            os.ftruncate(self._lock, 0)
            os.close(self._lock)
            self._lock = -1

    def open_store(self, durability: Durability = Durability.FULL, map_size: int = MAP_SIZE) -> LmdbStore:
        """Open the chain's store, or create it.

        Raises Spoilt after a power cut under Durability.NONE, and SystemFault where the files are of no use.
        """
        self._finish_exchange()
        self._check_marker()
        if durability is Durability.NONE:
            self._write_marker()
        return LmdbStore(self.path / STORE, durability, map_size)

    def close_store(self, store: LmdbStore) -> None:
        """Sync and close; a store that was not synced before is sound from now on."""
        store.close()
        (self.path / UNSYNCED).unlink(missing_ok=True)

    @contextmanager
    def store(self, durability: Durability = Durability.FULL, map_size: int = MAP_SIZE) -> Iterator[Deferred]:
        """The chain's store, written and closed at the end."""
        store = self.open_store(durability, map_size)
        deferred = Deferred(store)
        try:
            yield deferred
        finally:
            try:
                deferred.settle()
            finally:
                self.close_store(store)

    def new_store(self, map_size: int = MAP_SIZE) -> LmdbStore:
        """An empty store beside the present one, for a rebuild."""
        shutil.rmtree(self.path / NEW, ignore_errors=True)
        return LmdbStore(self.path / NEW, Durability.BATCH, map_size)

    def exchange(self) -> None:
        """Put the new store (closed) in the place of the present one (closed), which is removed."""
        os.rename(self.path / STORE, self.path / OLD)
        self._finish_exchange()
        (self.path / UNSYNCED).unlink(missing_ok=True)

    def _finish_exchange(self) -> None:
        """An old store beside the place means that the new one is complete."""
        old, new, place = self.path / OLD, self.path / NEW, self.path / STORE
        if old.exists():
            if not place.exists() and new.exists():
                os.rename(new, place)
            _sync_directory(self.path)
            shutil.rmtree(old)

    def _check_marker(self) -> None:
        marker = self.path / UNSYNCED
        try:
            boot = marker.read_text()
        except FileNotFoundError:
            return
        if boot != _boot_id():
            raise Spoilt(
                f"{self.path}: the store was not synced before the machine stopped; run `chainyard chain migrate` to rebuild it"
            )

    def _write_marker(self) -> None:
        with open(self.path / UNSYNCED, "w") as file:
            file.write(_boot_id())
            file.flush()
            os.fsync(file.fileno())
        _sync_directory(self.path)


def _boot_id() -> str:
    try:
        return _BOOT_ID.read_text().strip()
    except OSError:
        return "unknown"


def _sync_directory(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
