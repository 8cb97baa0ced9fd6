"""The hash functions of all families, and the search for a nonce. C where it was built; what is written here is its twin.

Refuses to know what is hashed: no transaction, header or key has a name here.
"""

import hashlib
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final

from primitives.native import native

Bytes = bytes | bytearray | memoryview
HEADER_SIZE: Final = 80
NONCES: Final = 1 << 32
_MASK: Final = (1 << 64) - 1
_LOOK_EVERY: Final = 4096  # nonces between two looks at the stop flag


def sha256(data: Bytes) -> bytes:
    """SHA-256."""
    return hashlib.sha256(data).digest()


def sha256d(data: Bytes) -> bytes:
    """SHA-256 of the SHA-256: Bitcoin's hash of headers and transactions."""
    return hashlib.sha256(hashlib.sha256(data).digest()).digest()


def sha256d_pairs(data: Bytes) -> bytes:
    """The double SHA-256 of each 64 bytes, one after the other: one level of a Bitcoin merkle tree."""
    if len(data) % 64:
        raise ValueError("the data are not whole pairs of 32-byte hashes")
    return b"".join(sha256d(data[at : at + 64]) for at in range(0, len(data), 64))


def ripemd160(data: Bytes) -> bytes:
    """RIPEMD-160. OpenSSL 3 keeps it in a provider that many systems do not load."""
    return bytes(_find_ripemd160()(data).digest())


def hash160(data: Bytes) -> bytes:
    """RIPEMD-160 of the SHA-256: Bitcoin's hash of keys and scripts."""
    return ripemd160(hashlib.sha256(data).digest())


def keccak256(data: Bytes) -> bytes:
    """Keccak-256 with the padding from before FIPS 202: Ethereum's hash."""
    return bytes(_find_keccak()(digest_bits=256, data=data).digest())


@lru_cache(maxsize=1)
def _find_ripemd160() -> Callable[[Bytes], Any]:
    try:
        hashlib.new("ripemd160", b"", usedforsecurity=False)
    except ValueError:
        from Crypto.Hash import RIPEMD160

        return RIPEMD160.new
    return lambda data: hashlib.new("ripemd160", data, usedforsecurity=False)


@lru_cache(maxsize=1)
def _find_keccak() -> Callable[..., Any]:
    from Crypto.Hash import keccak  # not needed, and so not loaded, where the extension is there

    return keccak.new


@lru_cache(maxsize=64)
def _tagged(tag: bytes) -> Any:
    digest = hashlib.sha256(tag).digest()
    return hashlib.sha256(digest + digest)


def tagged_hash(tag: bytes, data: Bytes) -> bytes:
    """SHA-256 in a domain of its own: of the tag's hash twice, then the data (BIP340). The prefix is hashed once a tag."""
    state = _tagged(tag).copy()
    state.update(data)
    return bytes(state.digest())


def siphash(k0: int, k1: int, data: Bytes) -> int:
    """SipHash-2-4 of some bytes under a 128-bit key (Aumasson and Bernstein, 2012)."""
    v0, v1 = k0 ^ 0x736F6D6570736575, k1 ^ 0x646F72616E646F6D
    v2, v3 = k0 ^ 0x6C7967656E657261, k1 ^ 0x7465646279746573
    size = len(data)
    padded = bytes(data) + bytes(7 - size % 8) + bytes((size & 0xFF,))
    words = [int.from_bytes(padded[i : i + 8], "little") for i in range(0, len(padded), 8)]
    for word in (*((w, 2) for w in words), (0, 4)):
        block, rounds = word
        if rounds == 4:
            v2 ^= 0xFF
        v3 ^= block
        for _ in range(rounds):
            v0 = (v0 + v1) & _MASK
            v1 = ((v1 << 13 | v1 >> 51) & _MASK) ^ v0
            v0 = (v0 << 32 | v0 >> 32) & _MASK
            v2 = (v2 + v3) & _MASK
            v3 = ((v3 << 16 | v3 >> 48) & _MASK) ^ v2
            v0 = (v0 + v3) & _MASK
            v3 = ((v3 << 21 | v3 >> 43) & _MASK) ^ v0
            v2 = (v2 + v1) & _MASK
            v1 = ((v1 << 17 | v1 >> 47) & _MASK) ^ v2
            v2 = (v2 << 32 | v2 >> 32) & _MASK
        v0 ^= block
    return v0 ^ v1 ^ v2 ^ v3


def scan(
    header: Bytes, target: Bytes, start: int, count: int, stop: Bytes | None = None, path: str | None = None
) -> tuple[int | None, int]:
    """The first nonce at or after `start` whose header's double SHA-256 is at most `target`, and how many were tried.

    None where none of `count` nonces serves, or where `stop[0]`, which another thread may set, is no longer zero.
    `target` is 32 bytes, little-endian; the nonce within `header` does not matter. Releases the interpreter lock.
    Raises ValueError if this machine has no such path.
    """
    if len(header) != HEADER_SIZE or len(target) != 32:
        raise ValueError("a scan takes an 80-byte header and a 32-byte target")
    if not 0 <= start < NONCES or count < 0 or (stop is not None and not stop):
        raise ValueError("the nonces to scan lie outside 32 bits, or the flag is empty")
    if path not in (None, "python"):
        raise ValueError(f"this machine has no way to scan named {path}")
    limit, midstate, tail = int.from_bytes(target, "little"), hashlib.sha256(header[:64]), bytes(header[64:76])
    count = min(count, NONCES - start)
    for tried in range(count):
        if stop is not None and tried % _LOOK_EVERY == 0 and stop[0]:
            return None, tried
        inner = midstate.copy()
        inner.update(tail + (start + tried).to_bytes(4, "little"))
        if int.from_bytes(hashlib.sha256(inner.digest()).digest(), "little") <= limit:
            return start + tried, tried + 1
    return None, count


def scan_paths() -> tuple[str, ...]:
    """Names of the ways in which this machine can scan, the one in use first: avx512, sha-ni, avx2, portable; python."""
    return ("python",)


TWINS: Final[dict[str, Callable[..., Any]]] = {
    f.__name__: f for f in (sha256, sha256d, sha256d_pairs, ripemd160, hash160, keccak256, siphash, scan, scan_paths)
}
if native is not None:
    sha256, sha256d, sha256d_pairs = native.sha256, native.sha256d, native.sha256d_pairs
    ripemd160, hash160, keccak256 = native.ripemd160, native.hash160, native.keccak256
    siphash, scan, scan_paths = native.siphash, native.scan, native.scan_paths
