"""SipHash, partial merkle trees and compact blocks on their own terms; published messages are in tests/vectors."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2p.compact import CompactBlock
from p2p.filters import MerkleBlock, build_tree
from p2p.messages import Prefilled
from primitives.bitcoin import BitcoinHeader
from primitives.errors import DecodeError
from primitives.hashing import sha256d
from tests.p2p.strategies import FORMAT, hashes

HEADER = BitcoinHeader(1, bytes(32), bytes(32), 0, 0, 0)


def merkle_root(level: list[bytes]) -> bytes:
    while len(level) > 1:
        level = [sha256d(level[i] + level[min(i + 1, len(level) - 1)]) for i in range(0, len(level), 2)]
    return level[0]


@given(st.lists(st.tuples(hashes, st.booleans()), min_size=1, max_size=40, unique_by=lambda pair: pair[0]))
def test_a_partial_tree_proves_its_matches(leaves: list[tuple[bytes, bool]]) -> None:
    txids, matches = [t for t, _ in leaves], [b for _, b in leaves]
    root, found = MerkleBlock.of(HEADER, txids, matches, FORMAT).prove()
    assert root == merkle_root(txids)
    assert found == [(i, t) for i, (t, b) in enumerate(leaves) if b]


@given(st.lists(hashes, min_size=2, max_size=20, unique=True), st.data())
def test_a_tree_with_leftovers_or_gaps_is_refused(txids: list[bytes], data: st.DataObject) -> None:
    tree = MerkleBlock.of(HEADER, txids, [data.draw(st.booleans()) for _ in txids], FORMAT)
    for wrong in (
        MerkleBlock(HEADER, HEADER.raw, tree.total, (*tree.hashes, bytes(32)), tree.flags),
        MerkleBlock(HEADER, HEADER.raw, tree.total, tree.hashes[:-1], tree.flags),
        MerkleBlock(HEADER, HEADER.raw, tree.total, tree.hashes, tree.flags + b"\0"),
        MerkleBlock(HEADER, HEADER.raw, 0, tree.hashes, tree.flags),
        MerkleBlock(HEADER, HEADER.raw, 1 << 31, tree.hashes, tree.flags),
    ):
        with pytest.raises(DecodeError):
            wrong.prove()


def test_equal_siblings_are_refused() -> None:
    hashes_, bits = build_tree([b"a" * 32, b"a" * 32], [True, True])
    flags = sum(bit << i for i, bit in enumerate(bits))
    with pytest.raises(DecodeError, match="equal siblings"):
        MerkleBlock(HEADER, HEADER.raw, 2, tuple(hashes_), bytes([flags])).prove()


def test_a_compact_block_is_filled_from_the_pool() -> None:
    block = CompactBlock(HEADER, HEADER.raw, 7, (b"aaaaaa", b"bbbbbb"), (Prefilled(1, "coinbase", b""),))
    assert block.fill({b"aaaaaa": "a"}) == ["a", "coinbase", None]
    assert len(block.short_id(bytes(32))) == 6
