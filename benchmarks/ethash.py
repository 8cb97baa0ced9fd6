"""Ethash on one core, tables of mainnet's first epoch: cache, light verification, dataset items, full hashes; beside the `ethash` package.

`python -m benchmarks.ethash`. The package (PyPI, the C++ library of the same name) is called through its own compiled module, without
cffi; it is looked for here and in CHAINYARD_TOOLS. Full hashes run over a gigabyte of noise: how fast they are does not depend on it.
What pip builds of the package may lack optimisation: "recorded" are figures of the library built with it, of another day on a machine
of this kind.
"""

from __future__ import annotations

import ctypes
import importlib.util
import os
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from mmap import mmap
from pathlib import Path
from typing import Any

from benchmarks.report import Row, against, run
from consensus.ethash_data import build_cache, cache_size, dataset_size, native, seed_hash

TOOLS = Path(os.environ.get("CHAINYARD_TOOLS", Path.home() / ".cache" / "chainyard-tests"))
WANTED = 0.9
ROUNDS = 3
WORK, NOTHING = bytes(range(32)), bytes(32)
LIGHT, ITEMS, FULL = 200, 12_000, 60_000


def spent(work: Callable[[], object]) -> float:
    """Processor seconds of this thread: the machine may be shared. The best of some rounds."""
    best = float("inf")
    for _ in range(ROUNDS):
        began = time.thread_time()
        work()
        best = min(best, time.thread_time() - began)
    return best


RECORDED = {"cache": "0.41-0.48 s", "light": "373-433/s", "items": "24-29k/s", "full": "37.3k/s"}


@dataclass(frozen=True, slots=True)
class Figures:
    """What is measured of each."""

    cache: float
    light: float
    items: float
    full: float


def ours(noise: mmap) -> Figures:
    """Our C."""
    cache, size = build_cache(0), dataset_size(0)
    target = mmap(-1, 64 * ITEMS)
    return Figures(
        spent(lambda: native.cache(seed_hash(0), mmap(-1, cache_size(0)))),
        LIGHT / spent(lambda: [native.hashimoto(cache, size, WORK, n) for n in range(LIGHT)]),
        ITEMS / spent(lambda: native.fill(cache, target, 0, ITEMS)),
        FULL / spent(lambda: native.search(noise, size, WORK, NOTHING, 0, FULL, bytearray(1))),
    )


class _Hash256(ctypes.Structure):
    _fields_ = [("raw", ctypes.c_uint64 * 4)]


class _Result(ctypes.Structure):
    _fields_ = [("final", _Hash256), ("mix", _Hash256)]


class _Item(ctypes.Structure):
    _fields_ = [("raw", ctypes.c_uint64 * 16)]


class _Found(ctypes.Structure):
    _fields_ = [("yes", ctypes.c_bool), ("nonce", ctypes.c_uint64), ("final", _Hash256), ("mix", _Hash256)]


def module_of_the_package() -> Path | None:
    """The compiled module of the `ethash` package."""
    spec = importlib.util.find_spec("_ethash")
    if spec is not None and spec.origin is not None:
        return Path(spec.origin)
    return next(iter(sorted(TOOLS.glob("venv-ethash-*/lib/python*/site-packages/_ethash*.so"))), None)


def package(noise: mmap, module: Path) -> Figures:
    """The package's C++."""
    library = ctypes.CDLL(str(module))
    pointer, number, long = ctypes.c_void_p, ctypes.c_int, ctypes.c_uint64
    create = _function(library, "ethash_create_epoch_context", pointer, number)
    destroy = _function(library, "ethash_destroy_epoch_context", None, pointer)
    hashed = _function(library, "ethash_hash", _Result, pointer, pointer, long)
    item = _function(
        library, "_ZN6ethash27calculate_dataset_item_1024ERK20ethash_epoch_contextj", _Item, pointer, ctypes.c_uint32
    )
    search = _function(
        library, "_ZN6ethash6searchERK25ethash_epoch_context_fullRK14ethash_hash256S5_mm", _Found,
        pointer, pointer, pointer, long, long,
    )  # fmt: skip
    whole = _function(
        library, "_ZN25ethash_epoch_context_fullC1EiiPK14ethash_hash512iP15ethash_hash1024", None,
        pointer, number, number, pointer, number, pointer,
    )  # fmt: skip
    context = create(0)
    work, none = ctypes.create_string_buffer(WORK, 32), ctypes.create_string_buffer(NOTHING, 32)
    mixed = native.hashimoto(build_cache(0), dataset_size(0), WORK, 7)[0]
    if bytes(hashed(context, work, 7).mix) != mixed:
        raise SystemExit("the package hashes otherwise")
    table = (ctypes.c_char * len(noise)).from_buffer(noise)
    space = ctypes.create_string_buffer(256)
    cache = build_cache(0)
    held = (ctypes.c_char * len(cache)).from_buffer(cache)
    whole(space, 0, len(cache) // 64, ctypes.addressof(held), len(noise) // 128, ctypes.addressof(table))
    found = Figures(
        spent(lambda: destroy(create(0))),
        LIGHT / spent(lambda: [hashed(context, work, n) for n in range(LIGHT)]),
        ITEMS / spent(lambda: [item(context, n) for n in range(ITEMS // 2)]),
        FULL / spent(lambda: search(space, work, none, 0, FULL)),
    )
    destroy(context)
    return found


def _function(library: Any, name: str, result: Any, *arguments: Any) -> Any:
    made = getattr(library, name)
    made.restype, made.argtypes = result, arguments
    return made


def rows() -> Iterator[Row]:
    """Ethash on one core, epoch 0 of mainnet"""
    noise = mmap(-1, dataset_size(0))
    block = os.urandom(1 << 22)
    for at in range(0, len(noise), len(block)):
        noise[at : at + len(block)] = block[: len(noise) - at]
    mine = ours(noise)
    module = module_of_the_package()
    theirs = None if module is None else package(noise, module)
    if theirs is None:
        print("the `ethash` package is not here: no figures beside ours", flush=True)
    yield Row(
        f"cache, path {native.path()}", mine.cache, "s",
        most=None if theirs is None else theirs.cache / WANTED,
        beside=_beside("cache", mine.cache, None if theirs is None else theirs.cache, " s"),
    )  # fmt: skip
    for name, unit in (("light", "light verifications/s"), ("items", "dataset items/s"), ("full", "full hashes/s")):
        figure = getattr(mine, name)
        peer = None if theirs is None else getattr(theirs, name)
        least = None if peer is None else WANTED * peer
        yield Row(unit, figure, "/s", least=least, beside=_beside(name, figure, peer, "/s"))


def _beside(name: str, figure: float, peer: float | None, unit: str) -> str:
    package = "" if peer is None else against(figure, {"ethash": peer}, unit) + "; "
    return f"{package}recorded {RECORDED[name]}"


if __name__ == "__main__":
    sys.exit(run(rows))
