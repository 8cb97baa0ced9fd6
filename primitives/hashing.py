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
    f.__name__: f for f in (sha256, sha256d, sha256d_pairs, ripemd160, hash160, keccak256, scan, scan_paths)
}
if native is not None:
    sha256, sha256d, sha256d_pairs = native.sha256, native.sha256d, native.sha256d_pairs
    ripemd160, hash160, keccak256 = native.ripemd160, native.hash160, native.keccak256
    scan, scan_paths = native.scan, native.scan_paths
