"""Bitcoin's merkle tree: root, branch, and the mutation that leaves the root as it was (CVE-2012-2459).

Refuses to know what the leaves are; hashes are in wire order.
"""

from collections.abc import Sequence

from primitives.hashing import sha256d, sha256d_pairs

EMPTY = bytes(32)


def root(hashes: Sequence[bytes]) -> bytes:
    """The merkle root; of no leaves it is 32 zero bytes."""
    return root_and_mutated(hashes)[0]


def root_and_mutated(hashes: Sequence[bytes]) -> tuple[bytes, bool]:
    """The merkle root, and whether two equal neighbours occur on some level, so that another list has the same root.

    Source: Bitcoin Core, consensus/merkle.cpp, ComputeMerkleRoot.
    """
    if not hashes:
        return EMPTY, False
    level = b"".join(hashes)
    if len(level) != 32 * len(hashes):
        raise ValueError("a merkle leaf is 32 bytes")
    mutated = False
    while len(level) > 32:
        mutated = mutated or _equal_neighbours(level)
        level = sha256d_pairs(_even(level))
    return level, mutated


def witness_root(wtxids: Sequence[bytes]) -> bytes:
    """The root over witness hashes, in which the coinbase counts as 32 zero bytes (BIP141)."""
    return root([EMPTY, *wtxids[1:]])


def branch(hashes: Sequence[bytes], index: int) -> list[bytes]:
    """The neighbours on the way from a leaf to the root, the lowest first."""
    if not 0 <= index < len(hashes):
        raise IndexError("no such leaf")
    level, path = b"".join(hashes), []
    while len(level) > 32:
        level = _even(level)
        neighbour = 32 * (index ^ 1)
        path.append(level[neighbour : neighbour + 32])
        level = sha256d_pairs(level)
        index >>= 1
    return path


def fold(leaf: bytes, path: Sequence[bytes], index: int) -> bytes:
    """The root that a leaf and its branch lead to."""
    for neighbour in path:
        leaf = sha256d(neighbour + leaf if index & 1 else leaf + neighbour)
        index >>= 1
    return leaf


def verify(leaf: bytes, path: Sequence[bytes], index: int, expected: bytes) -> bool:
    """True if the branch proves that the leaf stands at `index` under the expected root."""
    return 0 <= index < 1 << len(path) and fold(leaf, path, index) == expected


def _even(level: bytes) -> bytes:
    return level + level[-32:] if len(level) % 64 else level


def _equal_neighbours(level: bytes) -> bool:
    return any(level[at : at + 32] == level[at + 32 : at + 64] for at in range(0, len(level) - 32, 64))
