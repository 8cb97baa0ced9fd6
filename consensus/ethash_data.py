"""Ethash's data: sizes as a record, seeds, the light caches (at most two are held), and the full dataset in a mapped file.

Knows no header and no rule about difficulty.
"""

from __future__ import annotations

import fcntl
import mmap as mmap_module
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import lru_cache
from mmap import ACCESS_READ, mmap
from pathlib import Path
from threading import Lock
from typing import IO, Any, Final

from consensus import ethash_twin as twin
from primitives.hashing import keccak256

try:
    from consensus import _ethash as _found
except ImportError:  # there was no compiler at install time
    native: Any = twin
else:
    native = _found

_SLICE: Final = 1 << 14
"""Items that a thread makes before it looks up."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """How large cache and dataset are, and how they grow; sizes in bytes."""

    cache: int = 1 << 24
    cache_growth: int = 1 << 17
    dataset: int = 1 << 30
    dataset_growth: int = 1 << 23
    epoch_length: int = 30_000
    epochs: int = 2_048
    """Numbers beyond this many epochs are refused: nothing is built for them."""

    @property
    def limit(self) -> int:
        """The first block number that is refused."""
        return self.epochs * self.epoch_length


MAINNET_SIZES: Final = Sizes()
SMALL_SIZES: Final = Sizes(cache=1 << 16, cache_growth=0, dataset=1 << 22, dataset_growth=0)
"""For local networks: a cache of 64 KiB, a dataset of 4 MiB, for ever."""


def _is_prime(n: int) -> bool:
    return n > 1 and all(n % d for d in range(2, int(n**0.5) + 1))


@lru_cache(maxsize=64)
def _largest(size: int, unit: int) -> int:
    """The largest size up to this one that is a prime number of units."""
    count = size // unit
    while not _is_prime(count):
        count -= 1
    return count * unit


def cache_size(epoch: int, sizes: Sizes = MAINNET_SIZES) -> int:
    """Bytes of an epoch's cache."""
    return _largest(sizes.cache + sizes.cache_growth * epoch - twin.NODE, twin.NODE)


def dataset_size(epoch: int, sizes: Sizes = MAINNET_SIZES) -> int:
    """Bytes of an epoch's dataset."""
    return _largest(sizes.dataset + sizes.dataset_growth * epoch - twin.ROW, twin.ROW)


@lru_cache(maxsize=8)
def seed_hash(epoch: int) -> bytes:
    """An epoch's seed: zero, hashed once an epoch."""
    seed = bytes(32)
    for _ in range(epoch):
        seed = keccak256(seed)
    return seed


def build_cache(epoch: int, sizes: Sizes = MAINNET_SIZES) -> mmap:
    """An epoch's light cache, in memory."""
    made = mmap(-1, cache_size(epoch, sizes))
    if hasattr(mmap, "madvise"):
        made.madvise(getattr(mmap_module, "MADV_HUGEPAGE", 0))
    native.cache(seed_hash(epoch), made)
    return made


@dataclass(slots=True)
class Caches:
    """The last two light caches that were asked for; thread-safe."""

    _held: dict[tuple[int, Sizes], mmap] = field(default_factory=dict)
    _lock: Any = field(default_factory=Lock)

    def get(self, number: int, sizes: Sizes) -> mmap:
        """The cache for a block number. Raises ValueError for a number beyond the sizes' epochs, and builds nothing then."""
        if not 0 <= number < sizes.limit:
            raise ValueError(f"block {number} is beyond {sizes.epochs} epochs")
        epoch = number // sizes.epoch_length
        key = (epoch, sizes)
        with self._lock:
            found = self._held.pop(key, None)
            if found is None:
                while len(self._held) > 1:
                    del self._held[next(iter(self._held))]
                found = build_cache(epoch, sizes)
            self._held[key] = found
            return found

    def __len__(self) -> int:
        return len(self._held)


Told = Callable[[int, int], None]
"""How many items are made, of how many."""


def _untold(done: int, of: int) -> None:
    return None


def fill_dataset(
    target: mmap,
    epoch: int,
    sizes: Sizes = MAINNET_SIZES,
    threads: int = 1,
    progress: Told = _untold,
    stop: Callable[[], bool] = lambda: False,
    cache: mmap | None = None,
) -> bool:
    """Make an epoch's full dataset in place, by several threads; false where it was stopped."""
    items = dataset_size(epoch, sizes) // twin.NODE
    source = build_cache(epoch, sizes) if cache is None else cache

    def work(first: int) -> int:
        if stop():
            return 0
        count = min(_SLICE, items - first)
        native.fill(source, target, first, count)
        return count

    done = 0
    with ThreadPoolExecutor(threads, thread_name_prefix="dataset") as pool:
        for count in pool.map(work, range(0, items, _SLICE)):
            done += count
            progress(done, items)
    return done == items


def build_dataset(
    path: Path,
    epoch: int,
    sizes: Sizes = MAINNET_SIZES,
    threads: int = 1,
    progress: Told = _untold,
    stop: Callable[[], bool] = lambda: False,
    cache: mmap | None = None,
) -> bool:
    """Make an epoch's full dataset in a file, which appears when it is whole; false where it was stopped.

    The room on the disk is taken first. Raises BlockingIOError where another process makes the same file, and OSError.
    """
    size = dataset_size(epoch, sizes)
    draft = path.with_name(path.name + ".part")
    with draft.open("a+b") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if not draft.exists() or not os.path.samestat(os.fstat(file.fileno()), draft.stat()):
            raise BlockingIOError(f"{path} was made by another process just now")
        try:
            _take_room(file, size)
            with mmap(file.fileno(), size) as target:
                whole = fill_dataset(target, epoch, sizes, threads, progress, stop, cache)
                target.flush()
            os.fsync(file.fileno())
        except BaseException:
            draft.unlink(missing_ok=True)
            raise
        if not whole:
            draft.unlink()
            return False
        draft.replace(path)
    return True


def _take_room(file: IO[bytes], size: int) -> None:
    """A file of just this size whose blocks are there: writing into its mapping cannot fail later."""
    os.ftruncate(file.fileno(), 0)
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(file.fileno(), 0, size)
    else:
        os.ftruncate(file.fileno(), size)


def check_dataset(dataset: mmap, cache: mmap, count: int = 64) -> bool:
    """Whether so many items spread over a dataset, its last among them, are those that the cache makes."""
    items = len(dataset) // twin.NODE
    places = {items - 1 - n * (items - 1) // max(1, count - 1) for n in range(count)}
    return all(native.item(cache, at) == dataset[at * twin.NODE : (at + 1) * twin.NODE] for at in sorted(places))


def open_dataset(path: Path, epoch: int, sizes: Sizes = MAINNET_SIZES) -> mmap:
    """A dataset's file, mapped read-only. Raises FileNotFoundError, and ValueError for a file of another size."""
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        if size != dataset_size(epoch, sizes):
            raise ValueError(
                f"{path.name} has {size} bytes, the dataset of epoch {epoch} has {dataset_size(epoch, sizes)}"
            )
        return mmap(file.fileno(), size, access=ACCESS_READ)
