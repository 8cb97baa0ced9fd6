"""Datasets: the full datasets that a miner works with, in files of one folder or in memory. At most two are held, and two kept.

It decides when one is worth making; what it is made of, ethash_data.py says. Knows no header.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from mmap import mmap
from pathlib import Path
from threading import Lock
from typing import Final

from consensus import ethash_twin as twin
from consensus.ethash_data import (
    Sizes,
    build_dataset,
    check_dataset,
    dataset_size,
    fill_dataset,
    native,
    open_dataset,
    seed_hash,
)

log = logging.getLogger("chainyard.ethash")

Told = Callable[[str, int, int], None]
"""What is made, how many items of it are, of how many."""
SMALL: Final = 1 << 26
"""Bytes of a dataset that is made without asking."""
ITEMS_A_HASH: Final = 128
"""Items that a hash looks up: a light hash makes them all."""
_Key = tuple[int, Sizes]


class Datasets:
    """What a miner asks for the dataset of an epoch. Thread-safe."""

    def __init__(
        self,
        folder: Path | None = None,
        always: bool = False,
        threads: int = 1,
        progress: Told = lambda _what, _done, _of: None,
    ) -> None:
        """Files lie in the folder; without one small datasets are in memory. `always`: large ones too, made by `prepare`."""
        self.folder = folder
        self.always = always
        self._threads = max(1, threads)
        self._progress = progress
        self._held: dict[_Key, mmap] = {}
        self._hashes: dict[_Key, int] = {}
        self._lock = Lock()

    def get(self, epoch: int, sizes: Sizes, cache: mmap, hashes: int, stop: Callable[[], bool]) -> mmap | None:
        """The dataset for a search of so many hashes on average; None where the cache does as well, or where there is none yet.

        A small one is made once the hashes that were asked for cost more than it does.
        """
        with self._lock:
            key = (epoch, sizes)
            self._hashes[key] = self._hashes.get(key, 0) + hashes
            found = self._open(key, cache)
            if found is not None or dataset_size(epoch, sizes) > SMALL or native is twin:
                return found
            if self._hashes[key] * ITEMS_A_HASH * twin.NODE < dataset_size(epoch, sizes):
                return None
            return self._make(key, cache, stop)

    def prepare(self, epoch: int, sizes: Sizes, cache: mmap, stop: Callable[[], bool]) -> dict[Path, bool]:
        """Make a dataset that was asked for and is not there, however large; the file, and whether it was made now.

        Searches go on with the cache meanwhile.
        """
        key = (epoch, sizes)
        with self._lock:
            if not self.always or self.folder is None or native is twin:
                return {}
            if self._open(key, cache) is not None:
                return {self.path(epoch, sizes): False}
        made = self._file(key, cache, stop)
        with self._lock:
            return {self.path(epoch, sizes): True} if made and self._open(key, cache) is not None else {}

    def drop(self, epoch: int, sizes: Sizes) -> None:
        """Forget a dataset that gave a wrong hash, and its file."""
        with self._lock:
            self._held.pop((epoch, sizes), None)
            if self.folder is not None:
                log.warning("the dataset of epoch %d was damaged: it is made again", epoch)
                self.path(epoch, sizes).unlink(missing_ok=True)

    def path(self, epoch: int, sizes: Sizes) -> Path:
        """The file of an epoch's dataset. There must be a folder."""
        assert self.folder is not None
        return self.folder / f"dataset-{seed_hash(epoch)[:8].hex()}-{dataset_size(epoch, sizes)}"

    def _open(self, key: _Key, cache: mmap) -> mmap | None:
        """What is held, or in a file that holds what it should; another is taken away."""
        found = self._held.pop(key, None)
        if found is None and self.folder is not None:
            path = self.path(*key)
            try:
                found = open_dataset(path, *key)
            except OSError:
                return None
            except ValueError:
                found = None
            if found is None or not check_dataset(found, cache):
                log.warning("%s is damaged: it is made again", path)
                path.unlink(missing_ok=True)
                return None
        if found is not None:
            self._hold(key, found)
        return found

    def _hold(self, key: _Key, dataset: mmap) -> None:
        while len(self._held) > 1:
            del self._held[next(iter(self._held))]
        self._held[key] = dataset

    def _make(self, key: _Key, cache: mmap, stop: Callable[[], bool]) -> mmap | None:
        """A small one, in a file or, where that cannot be, in memory."""
        if self.folder is not None and self._file(key, cache, stop):
            return self._open(key, cache)
        dataset = mmap(-1, dataset_size(*key))
        if not fill_dataset(dataset, *key, self._threads, stop=stop, cache=cache):
            return None
        self._hold(key, dataset)
        return dataset

    def _file(self, key: _Key, cache: mmap, stop: Callable[[], bool]) -> bool:
        """Make the file; the oldest beyond two go first. False where it was stopped or cannot be."""
        epoch, sizes = key
        path = self.path(epoch, sizes)
        what = f"Ethash dataset, epoch {epoch}"
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            for old in sorted(path.parent.glob("dataset-*[0-9]"), key=lambda p: p.stat().st_mtime)[:-1]:
                old.unlink(missing_ok=True)
            return build_dataset(
                path, epoch, sizes, self._threads, lambda done, of: self._progress(what, done, of), stop, cache
            )
        except BlockingIOError:
            log.info("%s is being made by another process", path)
        except OSError as e:
            log.warning("%s cannot be made: %s", path, e.strerror or e)
        return False
