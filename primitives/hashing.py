"""The hash functions of all families, and the search for a nonce. C where it was built, its Python twin elsewhere.

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
_STOP_EVERY: Final = 4096


def _sha256(data: Bytes) -> bytes:
    return hashlib.sha256(data).digest()


def _sha256d(data: Bytes) -> bytes:
    return hashlib.sha256(hashlib.sha256(data).digest()).digest()


def _sha256d_pairs(data: Bytes) -> bytes:
    if len(data) % 64:
        raise ValueError("the data are not whole pairs of 32-byte hashes")
    return b"".join(_sha256d(data[at : at + 64]) for at in range(0, len(data), 64))


def _keccak256(data: Bytes) -> bytes:
    return bytes(_pycryptodome_keccak()(digest_bits=256, data=data).digest())


@lru_cache(maxsize=1)
def _pycryptodome_keccak() -> Callable[..., Any]:
    from Crypto.Hash import keccak  # loaded only where the extension is missing

    return keccak.new


def _openssl_ripemd160(data: Bytes) -> bytes:
    return hashlib.new("ripemd160", data, usedforsecurity=False).digest()


def _pycryptodome_ripemd160(data: Bytes) -> bytes:
    from Crypto.Hash import RIPEMD160

    return RIPEMD160.new(data).digest()


def _choose_ripemd160() -> Callable[[Bytes], bytes]:
    """OpenSSL 3 keeps RIPEMD-160 in a provider that many systems do not load."""
    try:
        _openssl_ripemd160(b"")
    except ValueError:
        return _pycryptodome_ripemd160
    return _openssl_ripemd160


def _scan(header: Bytes, target: Bytes, start: int, count: int, stop: Bytes | None = None) -> tuple[int | None, int]:
    if len(header) != HEADER_SIZE or len(target) != 32:
        raise ValueError("a scan takes an 80-byte header and a 32-byte target")
    if not 0 <= start < NONCES or count < 0:
        raise ValueError("the nonces to scan lie outside 32 bits")
    count = min(count, NONCES - start)
    limit = int.from_bytes(target, "little")
    midstate = hashlib.sha256(header[:64])
    tail = bytes(header[64:76])
    for tried in range(count):
        if stop is not None and tried % _STOP_EVERY == 0 and stop[0]:
            return None, tried
        inner = midstate.copy()
        inner.update(tail + (start + tried).to_bytes(4, "little"))
        if int.from_bytes(hashlib.sha256(inner.digest()).digest(), "little") <= limit:
            return start + tried, tried + 1
    return None, count


def sha256(data: Bytes) -> bytes:
    """SHA-256."""
    return hashlib.sha256(data).digest()


def sha256d(data: Bytes) -> bytes:
    """SHA-256 of the SHA-256: Bitcoin's hash of headers and transactions."""
    return hashlib.sha256(hashlib.sha256(data).digest()).digest()


def sha256d_pairs(data: Bytes) -> bytes:
    """The double SHA-256 of each 64 bytes, one after the other: one level of a Bitcoin merkle tree."""
    return _sha256d_pairs(data)


def keccak256(data: Bytes) -> bytes:
    """Keccak-256 with the padding before FIPS 202: Ethereum's hash."""
    return _keccak256(data)


def ripemd160(data: Bytes) -> bytes:
    """RIPEMD-160."""
    return _ripemd160(data)


def hash160(data: Bytes) -> bytes:
    """RIPEMD-160 of the SHA-256: Bitcoin's hash of keys and scripts."""
    return _ripemd160(hashlib.sha256(data).digest())


@lru_cache(maxsize=64)
def _tagged(tag: bytes) -> "hashlib._Hash":
    digest = hashlib.sha256(tag).digest()
    return hashlib.sha256(digest + digest)


def tagged_hash(tag: bytes, data: Bytes) -> bytes:
    """SHA-256 in a domain of its own: of the tag's hash twice, then the data (BIP340). The prefix is hashed once a tag."""
    state = _tagged(tag).copy()
    state.update(data)
    return state.digest()


def scan(header: Bytes, target: Bytes, start: int, count: int, stop: Bytes | None = None) -> tuple[int | None, int]:
    """The first nonce at or after `start` whose header's double SHA-256 is at most `target`, and how many were tried.

    The nonce is None where none of the `count` nonces serves, or where `stop[0]` became other than zero, which another
    thread may do at any time. `target` is 32 bytes, little-endian. The nonce within `header` is ignored. Releases the GIL.
    """
    return _scan(header, target, start, count, stop)


def scan_paths() -> tuple[str, ...]:
    """Names of the code paths that this machine can scan with, the one in use first."""
    return ("python",)


_ripemd160 = _choose_ripemd160()
