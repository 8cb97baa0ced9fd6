import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from primitives import merkle

LEAVES = [hashlib.sha256(bytes([i])).digest() for i in range(40)]


def model(hashes: list[bytes]) -> bytes:
    """The tree by its definition, recursion and all."""
    if len(hashes) == 1:
        return hashes[0]
    if len(hashes) % 2:
        hashes = [*hashes, hashes[-1]]
    pairs = [hashes[i] + hashes[i + 1] for i in range(0, len(hashes), 2)]
    return model([hashlib.sha256(hashlib.sha256(pair).digest()).digest() for pair in pairs])


@pytest.mark.parametrize("count", range(1, 40))
def test_root_and_every_branch(count: int) -> None:
    leaves = LEAVES[:count]
    expected = model(leaves)
    assert merkle.root_and_mutated(leaves) == (expected, False)
    for index, leaf in enumerate(leaves):
        path = merkle.branch(leaves, index)
        assert merkle.verify(leaf, path, index, expected)
        assert not merkle.verify(leaf, path, index + (1 << len(path)), expected)
        assert not merkle.verify(bytes(32), path, index, expected)


def test_no_leaves() -> None:
    assert merkle.root_and_mutated([]) == (bytes(32), False)


@given(st.integers(3, 39))
def test_repeating_the_odd_end_keeps_the_root_and_shows_as_mutated(count: int) -> None:
    leaves = LEAVES[:count]
    lowest = count & -count
    if lowest == count:
        return
    repeated = [*leaves, *leaves[-lowest:]]
    assert merkle.root_and_mutated(repeated) == (merkle.root(leaves), True)


def test_witness_root_counts_the_coinbase_as_zero() -> None:
    assert merkle.witness_root(LEAVES[:3]) == merkle.root([bytes(32), *LEAVES[1:3]])


def test_a_leaf_of_another_size_is_our_own_mistake() -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        merkle.root([b"short", bytes(32)])
