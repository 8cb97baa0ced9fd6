"""Ethash in Python: the rule as one reads it, the same functions as the C extension, and the stand-in where there is no compiler.

Exact and slow; it refuses to know what a header is. Source: Yellow Paper, appendix J; the Ethash specification.
"""

from __future__ import annotations

from array import array
from collections.abc import MutableSequence, Sequence
from mmap import mmap
from struct import Struct
from typing import Final

from primitives.hashing import keccak256

NODE: Final = 64
ROW: Final = 128
PARENTS: Final = 256
ROUNDS: Final = 3
ACCESSES: Final = 64
PRIME: Final = 0x01000193
_MASK: Final = 0xFFFFFFFF
_NODE: Final = Struct("<16I")
_ROW: Final = Struct("<32I")
Buffer = bytes | bytearray | memoryview | mmap


def keccak512(data: bytes) -> bytes:
    """Keccak-512 with the padding that Ethereum kept."""
    from Crypto.Hash import keccak  # loaded only where Ethash runs in Python

    return bytes(keccak.new(digest_bits=512, data=data).digest())


def fnv(a: int, b: int) -> int:
    """The mixing step, after Fowler, Noll and Vo."""
    return a * PRIME & _MASK ^ b


def cache(seed: bytes, target: bytearray | memoryview | mmap) -> None:
    """Fill the light cache: a chain of hashes, then three rounds in which each node takes in another (RandMemoHash)."""
    count = len(target) // NODE
    nodes = [keccak512(seed)]
    while len(nodes) < count:
        nodes.append(keccak512(nodes[-1]))
    for _ in range(ROUNDS):
        for i in range(count):
            other = nodes[int.from_bytes(nodes[i][:4], "little") % count]
            nodes[i] = keccak512(bytes(a ^ b for a, b in zip(nodes[i - 1], other, strict=True)))
    target[:] = b"".join(nodes)


def item(cache: Buffer, index: int) -> bytes:
    """One 64-byte item of the dataset, from 256 nodes of the cache."""
    count = len(cache) // NODE
    mix = list(_NODE.unpack_from(cache, index % count * NODE))
    mix[0] ^= index
    mix = list(_NODE.unpack(keccak512(_NODE.pack(*mix))))
    for j in range(PARENTS):
        parent = fnv(index ^ j, mix[j % 16]) % count
        mix = [fnv(a, b) for a, b in zip(mix, _NODE.unpack_from(cache, parent * NODE), strict=True)]
    return keccak512(_NODE.pack(*mix))


def fill(cache: Buffer, dataset: bytearray | memoryview | mmap, first: int, items: int) -> None:
    """Write items of the dataset into their places."""
    for index in range(first, first + items):
        dataset[index * NODE : (index + 1) * NODE] = item(cache, index)


def hashimoto(source: Buffer, dataset_size: int, header_hash: bytes, nonce: int) -> tuple[bytes, bytes]:
    """Mix digest and result of a header hash and a nonce, over the dataset, or over the cache that it is made from."""
    rows, light = dataset_size // ROW, len(source) != dataset_size
    seed = keccak512(header_hash + nonce.to_bytes(8, "little"))
    words = _NODE.unpack(seed)
    mix: MutableSequence[int] = array("Q", words * 2)
    for i in range(ACCESSES):
        p = fnv(i ^ words[0], mix[i % 32]) % rows
        row: Sequence[int]
        if light:
            row = _ROW.unpack(item(source, 2 * p) + item(source, 2 * p + 1))
        else:
            row = _ROW.unpack_from(source, p * ROW)
        mix = [fnv(a, b) for a, b in zip(mix, row, strict=True)]
    short = [fnv(fnv(fnv(mix[i], mix[i + 1]), mix[i + 2]), mix[i + 3]) for i in range(0, 32, 4)]
    digest = Struct("<8I").pack(*short)
    return digest, keccak256(seed + digest)


def search(
    source: Buffer, dataset_size: int, header_hash: bytes, boundary: bytes, start: int, count: int, stop: Buffer
) -> tuple[int | None, bytes | None, int]:
    """The first nonce of `count` whose result is at most the boundary, its mix digest, and how many were tried."""
    for tried in range(count):
        if stop[0]:
            return None, None, tried
        mix, result = hashimoto(source, dataset_size, header_hash, start + tried)
        if result <= boundary:
            return start + tried, mix, tried + 1
    return None, None, count


def path() -> str:
    """Which code this is."""
    return "python"
