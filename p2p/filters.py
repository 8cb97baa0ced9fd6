"""Bloom filter messages and the merkle block (BIP37): codecs and the partial merkle tree.

This node offers no bloom service; it reads these messages, proves and checks merkle branches, and filters nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

from p2p.wire import TooMany, message
from primitives.buffer import Reader, Writer
from primitives.chain import Form, Format
from primitives.errors import DecodeError
from primitives.hashing import sha256d

MAX_FILTER = 36_000
MAX_HASH_FUNCTIONS = 50
MAX_ELEMENT = 520
MAX_TREE = 4_000_000 // 60
"""No block holds more transactions than its weight over the smallest one's (Bitcoin Core, merkleblock.cpp)."""


@message("filterload")
@dataclass(frozen=True, slots=True)
class FilterLoad:
    """Sets a bloom filter."""

    data: bytes
    hash_functions: int
    tweak: int
    flags: int

    def write(self, w: Writer) -> None:
        w.var_bytes(self.data).u32(self.hash_functions).u32(self.tweak).u8(self.flags)

    @classmethod
    def read(cls, r: Reader, fmt: Format) -> Self:
        m = cls(r.var_bytes(), r.u32(), r.u32(), r.u8())
        if len(m.data) > MAX_FILTER or m.hash_functions > MAX_HASH_FUNCTIONS:
            raise TooMany(f"filter of {len(m.data)} bytes and {m.hash_functions} functions")
        return m


@message("filteradd")
@dataclass(frozen=True, slots=True)
class FilterAdd:
    """Adds an element to the filter."""

    data: bytes

    def write(self, w: Writer) -> None:
        w.var_bytes(self.data)

    @classmethod
    def read(cls, r: Reader, fmt: Format) -> Self:
        data = r.var_bytes()
        if len(data) > MAX_ELEMENT:
            raise TooMany(f"filter element of {len(data)} bytes, {MAX_ELEMENT} allowed")
        return cls(data)


@message("filterclear")
@dataclass(frozen=True, slots=True)
class FilterClear:
    """Drops the filter."""

    def write(self, w: Writer) -> None:
        return None

    @classmethod
    def read(cls, r: Reader, fmt: Format) -> Self:
        return cls()


@message("merkleblock")
@dataclass(frozen=True, slots=True)
class MerkleBlock:
    """A header and a partial merkle tree that proves some of the block's transactions. `flags` is packed bits."""

    header: Any
    header_raw: bytes
    total: int
    hashes: tuple[bytes, ...]
    flags: bytes

    def write(self, w: Writer) -> None:
        w.bytes(self.header_raw).u32(self.total).compact(len(self.hashes)).bytes(b"".join(self.hashes))
        w.var_bytes(self.flags)

    @classmethod
    def read(cls, r: Reader, fmt: Format) -> Self:
        start = r.pos
        header = fmt.read_header(r, Form.WIRE)
        raw = r.data[start : r.pos]
        total = r.u32()
        hashes = tuple(r.bytes(32) for _ in range(r.count(32)))
        return cls(header, raw, total, hashes, r.var_bytes())

    @classmethod
    def of(cls, header: Any, txids: Sequence[bytes], matches: Sequence[bool], fmt: Format) -> Self:
        """Prove the matching transactions of a block."""
        w = Writer()
        fmt.write_header(w, header, Form.WIRE)
        hashes, bits = build_tree(txids, matches)
        packed = bytearray((len(bits) + 7) // 8)
        for i, bit in enumerate(bits):
            packed[i // 8] |= bit << (i % 8)
        return cls(header, w.done(), len(txids), tuple(hashes), bytes(packed))

    def prove(self) -> tuple[bytes, list[tuple[int, bytes]]]:
        """The merkle root that the tree hashes to, and position and id of each match.

        Raises DecodeError for a tree that is not canonical: unused or missing bits or hashes, or equal siblings
        (CVE-2012-2459). Source: Bitcoin Core, merkleblock.cpp, CPartialMerkleTree::ExtractMatches.
        """
        if not 0 < self.total <= MAX_TREE or len(self.hashes) > self.total or len(self.flags) * 8 < len(self.hashes):
            raise DecodeError("partial merkle tree of impossible size")
        walk = _Walk(self.total, self.hashes, self.flags)
        root = walk.node(tree_height(self.total), 0)
        if (walk.bit + 7) // 8 != len(self.flags) or walk.hash != len(self.hashes):
            raise DecodeError("partial merkle tree with leftovers")
        return root, walk.matches


def tree_width(total: int, height: int) -> int:
    """How many nodes a level has; level 0 is the transactions."""
    return (total + (1 << height) - 1) >> height


def tree_height(total: int) -> int:
    """The level of the root."""
    return max(0, (total - 1).bit_length())


def build_tree(txids: Sequence[bytes], matches: Sequence[bool]) -> tuple[list[bytes], list[bool]]:
    """Hashes and flag bits of the partial tree, depth first."""
    levels, marks = [list(txids)], [list(matches)]
    while len(levels[-1]) > 1:
        below, flags = levels[-1], marks[-1]
        pairs = range(0, len(below), 2)
        levels.append([sha256d(below[i] + below[min(i + 1, len(below) - 1)]) for i in pairs])
        marks.append([flags[i] or flags[min(i + 1, len(below) - 1)] for i in pairs])
    hashes: list[bytes] = []
    bits: list[bool] = []

    def visit(height: int, pos: int) -> None:
        bits.append(bool(marks[height][pos]))
        if height == 0 or not marks[height][pos]:
            hashes.append(levels[height][pos])
            return
        visit(height - 1, 2 * pos)
        if 2 * pos + 1 < len(levels[height - 1]):
            visit(height - 1, 2 * pos + 1)

    visit(len(levels) - 1, 0)
    return hashes, bits


class _Walk:
    """The descent through a partial tree; its depth is that of a tree of at most MAX_TREE leaves."""

    __slots__ = ("bit", "flags", "hash", "hashes", "matches", "total")

    def __init__(self, total: int, hashes: Sequence[bytes], flags: bytes) -> None:
        self.total, self.hashes, self.flags = total, hashes, flags
        self.bit = self.hash = 0
        self.matches: list[tuple[int, bytes]] = []

    def node(self, height: int, pos: int) -> bytes:
        if self.bit >= len(self.flags) * 8:
            raise DecodeError("partial merkle tree lacks bits")
        parent_of_match = self.flags[self.bit // 8] >> (self.bit % 8) & 1
        self.bit += 1
        if height == 0 or not parent_of_match:
            if self.hash >= len(self.hashes):
                raise DecodeError("partial merkle tree lacks hashes")
            digest = self.hashes[self.hash]
            self.hash += 1
            if height == 0 and parent_of_match:
                self.matches.append((pos, digest))
            return digest
        left = right = self.node(height - 1, 2 * pos)
        if 2 * pos + 1 < tree_width(self.total, height - 1):
            right = self.node(height - 1, 2 * pos + 1)
            if right == left:
                raise DecodeError("partial merkle tree with equal siblings")
        return sha256d(left + right)
