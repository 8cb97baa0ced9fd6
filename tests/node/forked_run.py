"""A chain that grows, forks and reorganises on a store: what the crash and power-loss tests run. Also a program, on LMDB."""

from __future__ import annotations

import sys
from pathlib import Path

from node.chain import Chain
from primitives.errors import ChainError
from storage.durability import Durability
from storage.lmdb import LmdbStore
from tests.node.fake_family import GENESIS, NOW, FakeBlock, fake_block, fake_chain, fake_spec
from tests.storage.power_loss import mark


def blocks() -> list[FakeBlock]:
    """Three forks, each in the end longer than the one before, and a bad block on the way."""
    a = fake_chain(GENESIS, 8)
    b = fake_chain(a[3], 6, b"b")
    c = fake_chain(a[1], 10, b"c")
    bad = fake_block(b[-1], (b"bad", b"1"))
    order = [
        *a[:5],
        *b[:2],
        *a[5:],
        *b[2:],
        bad,
        *fake_chain(bad, 1, b"d"),
        *c[3:5],
        *c[:3],
        *c[5:],
        *fake_chain(a[7], 5, b"e"),
    ]
    return order


def deliver(chain: Chain, order: list[FakeBlock]) -> None:
    """Take all blocks in; what is refused is refused."""
    for block in order:
        try:
            chain.accept(block, NOW)
        except ChainError:
            continue


def main(path: Path, log: Path, durability: Durability) -> None:
    """Run on LMDB, with a mark in the log after every call."""
    store = LmdbStore(path, durability, 1 << 30)
    chain = Chain(fake_spec(), store)
    mark(log, 1)
    for count, block in enumerate(blocks(), 2):
        deliver(chain, [block])
        mark(log, count)
    store.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), Durability(sys.argv[3]))
