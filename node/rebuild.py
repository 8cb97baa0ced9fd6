"""Rebuilds a chain from the bodies in a store: after a change of schema, a spoilt store, or by wish. Trusts nothing but the bodies.

The place of a body (its prefix and the block's hash) is the one thing that every schema keeps.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from chains.spec import ChainSpec
from ledger.api import Aid
from node.chain import Chain
from node.data_directory import DataDirectory
from node.identity import check_genesis
from node.indexes import Index, Progress, unheard
from node.view import read_block
from primitives.chain import Format
from primitives.errors import ChainError, SystemFault
from storage.kv import KV, Store
from storage.layout import BODY
from storage.lmdb import LmdbStore

_FAR_FUTURE = 1 << 40
"""No block is ahead of the clock here: it was judged when it came."""


def rebuild(
    directory: DataDirectory,
    spec: ChainSpec,
    indexes: Sequence[Index] = (),
    aid: Aid | None = None,
    progress: Progress = unheard,
) -> int:
    """Build a new store from the bodies of the present one and put it in its place; returns the height reached.

    Raises SystemFault; the present store is untouched until the new one is complete.
    """
    old = LmdbStore(directory.path / "chain")
    try:
        new = directory.new_store()
        try:
            height = replay(old, new, spec, indexes, aid, progress)
        finally:
            new.close()
    finally:
        old.close()
    directory.exchange()
    return height


def replay(
    old: Store, new: Store, spec: ChainSpec, indexes: Sequence[Index], aid: Aid | None, progress: Progress
) -> int:
    """Take the blocks of one store into another; those that are not good any more are left out."""
    with old.view() as kv:
        check_genesis(kv, spec.genesis.header.hash, spec.name)
        order = _order(kv, spec, progress)
        chain = Chain(spec, new, aid, indexes=indexes)
        blocks = _blocks(kv, spec.ledger.format, order, progress)
        while True:
            try:
                chain.extend(blocks, _FAR_FUTURE)
                return chain.tip.height
            except ChainError:
                continue


def _order(kv: KV, spec: ChainSpec, progress: Progress) -> list[bytes]:
    """The hashes of all bodies that go back to genesis, parents before children."""
    children: dict[bytes, list[bytes]] = {}
    for count, (key, raw) in enumerate(kv.scan(BODY), 1):
        block = read_block(raw, spec.ledger.format)
        if block.header.hash != key[1:]:
            raise SystemFault(f"the body of block {key[1:][::-1].hex()} is another block's")
        children.setdefault(block.header.parent, []).append(key[1:])
        progress("read stored blocks", count, 0)
    order = [spec.genesis.header.hash]
    for key in order:
        order += children.get(key, ())
    return order[1:]


def _blocks(kv: KV, fmt: Format, order: list[bytes], progress: Progress) -> Iterator[Any]:
    for count, key in enumerate(order, 1):
        raw = kv.get(BODY + key)
        if raw is None:
            raise SystemFault(f"the body of block {key[::-1].hex()} is missing")
        yield read_block(raw, fmt)
        progress("rebuild", count, len(order))
