"""Import of Sepolia's proof-of-work blocks 1-8191 into an empty node's store: seals, rewards, ommers, state roots, LMDB.

`python -m benchmarks.sepolia`. One thread, commits held as in a sync. Data: CHAINYARD_VECTORS, else ../shared/vectors beside
the checkout. No peer in Python verifies proof of work; recorded figures of geth are for other data.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.machine import resident
from benchmarks.report import Row, run
from chains.catalogue import load
from node.chain import Chain
from primitives.ethereum import decode_block
from storage.lmdb import LmdbStore
from tests.vectors.catalogue import vectors_root
from tests.vectors.ethereum_pow import split_items

RANGE = "ethereum/real/sepolia-pow/000000-008191.blocks.rlp"
NOW = 1_700_000_000


def rows() -> Iterator[Row]:
    """Sepolia's first blocks, from its genesis"""
    path = vectors_root() / RANGE
    encoded = split_items(path.read_bytes())[1:]
    with tempfile.TemporaryDirectory() as folder:
        store = LmdbStore(Path(folder))
        chain = Chain(load("sepolia"), store)
        wall, spent = time.perf_counter(), time.process_time()
        blocks = [decode_block(raw) for raw in encoded]
        chain.extend(blocks, NOW)
        wall, spent = time.perf_counter() - wall, time.process_time() - spent
        assert chain.tip.height == len(blocks)
        store.close()
    yield Row(f"{len(blocks)} blocks imported", len(blocks) / wall, "blocks/s", beside=f"{spent:.1f} s of processor")
    yield Row("resident memory at the end", resident(os.getpid()), "MiB")


if __name__ == "__main__":
    sys.exit(run(rows))
