"""Inputs of precompiled contracts for the fuzzer: good ones, and good ones with something wrong. It knows no transaction."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from random import Random

from py_arkworks_bls12381 import G1Point, Scalar

from primitives import secp256k1
from primitives.hashing import keccak256
from vm.evm.precompiles import bls12

_BN254_FIELD = 0x30644E72E131A029B85045B68181585D97816A916871CA8D3C208C16D87CFD47
_BN254_ORDER = 0x30644E72E131A029B85045B68181585D2833E84879B9709143E1F593F0000001
_BLS_ORDER = 0x73EDA753299D7D483339D80809A1D80553BDA402FFFE5BFEFFFFFFFF00000001
_BN254_G2 = bytes.fromhex(
    "198e9393920d483a7260bfb731fb5d25f1aa493335a9e71297e485b7aef312c2"
    "1800deef121f1e76426a00665e5c4479674322d4f75edadd46debd5cd992f6ed"
    "090689d0585ff075ec9e99ad690c3395bc4b313370b38ef355acdadcd122975b"
    "12c85ea5db8c6deb4aab71808dcb408fe3d1e7690c43d37b4ce6cc0166fa7daa"
)


def word(value: int) -> bytes:
    """A word of 32 bytes."""
    return (value % (1 << 256)).to_bytes(32, "big")


def _scalar(draw: Random, order: int) -> bytes:
    return word(
        draw.choice((0, 1, 2, order - 1, order, order + 1, (1 << 256) - 1, draw.getrandbits(64), draw.getrandbits(256)))
    )


def recover(draw: Random) -> bytes:
    """A signature with its hash."""
    digest = draw.randbytes(32)
    signature, parity = secp256k1.sign_recoverable(bytes(31) + bytes((draw.randrange(1, 9),)), digest)
    return digest + word(27 + parity) + signature


def modexp(draw: Random) -> bytes:
    """Base, exponent and modulus of small lengths, and at times of a length at a limit."""
    sizes = [draw.choice((0, 1, 2, 31, 32, 33, 64, 100)) for _ in range(3)]
    stated = list(sizes)
    if draw.random() < 0.15:
        stated[draw.randrange(3)] = draw.choice(
            (1_023, 1_024, 1_025, 1 << 32, 1 << 64)
        )  # near 2**256 EELS itself stops: it adds in 256 bits
    parts = [
        draw.randbytes(n) if draw.random() < 0.8 else bytes(max(0, n - 1)) + bytes((draw.choice((0, 1, 3)),))
        for n in sizes
    ]
    return b"".join(map(word, stated)) + b"".join(parts)


def _bn254_point(draw: Random) -> bytes:
    kind = draw.randrange(6)
    if kind == 0:
        return bytes(64)
    if kind == 1:
        return word(1) + word(_BN254_FIELD - 2)
    if kind == 2:
        return word(draw.choice((0, 1, _BN254_FIELD, _BN254_FIELD + 1))) + word(draw.choice((0, 2, _BN254_FIELD + 2)))
    return word(1) + word(2)


def bn254_add(draw: Random) -> bytes:
    """Two points."""
    return _bn254_point(draw) + _bn254_point(draw)


def bn254_mul(draw: Random) -> bytes:
    """A point and a scalar."""
    return _bn254_point(draw) + _scalar(draw, _BN254_ORDER)


def bn254_pairing(draw: Random) -> bytes:
    """A pair of pairs that is one, or nearly; one pair; or none."""
    good = word(1) + word(2) + _BN254_G2
    other = word(1) + word(_BN254_FIELD - 2) + _BN254_G2
    zero = bytes(64) + _BN254_G2
    return draw.choice((b"", good, good + other, zero, bytes(192), good + bytes(64) + bytes(128)))


def blake2(draw: Random) -> bytes:
    """A state and a block of BLAKE2b with few rounds."""
    return draw.choice((0, 1, 12, 40)).to_bytes(4, "big") + draw.randbytes(208) + bytes((draw.choice((0, 1, 1, 2)),))


def kzg(draw: Random) -> bytes:
    """The proof that a constant polynomial has its value everywhere."""
    value = draw.randrange(1, _BLS_ORDER)
    commitment = (G1Point() * Scalar.from_be_bytes(word(value))).to_compressed_bytes()
    digest = b"\x01" + sha256(commitment).digest()[1:]
    return digest + word(draw.randrange(_BLS_ORDER)) + word(value) + commitment + b"\xc0" + bytes(47)


def _element(draw: Random) -> bytes:
    return bytes(16) + (draw.getrandbits(380)).to_bytes(48, "big")


def _g1(draw: Random) -> bytes:
    return bytes(128) if draw.random() < 0.15 else bls12.MAP_FP_TO_G1.run(_element(draw))


def _g2(draw: Random) -> bytes:
    return bytes(256) if draw.random() < 0.15 else bls12.MAP_FP2_TO_G2.run(_element(draw) + _element(draw))


def bls_pairing(draw: Random) -> bytes:
    """One pair of points."""
    return _g1(draw) + _g2(draw)


def p256(draw: Random) -> bytes:
    """A hash, two numbers, and a point that is on the curve: the key that makes the numbers a signature, or another."""
    from ecdsa import NIST256p, SigningKey
    from ecdsa.util import sigencode_string

    key = SigningKey.from_secret_exponent(draw.randrange(1, 1 << 200), NIST256p)
    digest = draw.randbytes(32)
    signature = key.sign_digest_deterministic(digest, sha256, sigencode_string)
    return b"".join((digest, signature, key.verifying_key.to_string()))


MAKERS: dict[int, Callable[[Random], bytes]] = {
    1: recover,
    2: lambda draw: draw.randbytes(draw.randrange(80)),
    3: lambda draw: draw.randbytes(draw.randrange(80)),
    4: lambda draw: draw.randbytes(draw.randrange(80)),
    5: modexp,
    6: bn254_add,
    7: bn254_mul,
    8: bn254_pairing,
    9: blake2,
    10: kzg,
    11: lambda draw: _g1(draw) + _g1(draw),
    12: lambda draw: b"".join(_g1(draw) + _scalar(draw, _BLS_ORDER) for _ in range(draw.randrange(1, 3))),
    13: lambda draw: _g2(draw) + _g2(draw),
    14: lambda draw: _g2(draw) + _scalar(draw, _BLS_ORDER),
    15: bls_pairing,
    16: _element,
    17: lambda draw: _element(draw) + _element(draw),
    0x100: p256,
}
_SLOW = (8, 10, 12, 13, 14, 15, 17)
"""Those that take the executable specification a second or more."""


def precompile(draw: Random) -> tuple[int, bytes]:
    """The number of a contract, and an input for it that is wrong one time in four."""
    at = draw.choice(tuple(MAKERS))
    if at in _SLOW and draw.random() < 0.7:
        at = draw.choice((1, 2, 3, 5, 6, 9, 11, 0x100))
    data = MAKERS[at](draw)
    if draw.random() < 0.25:
        data = _spoilt(draw, data)
    return at, data


def _spoilt(draw: Random, data: bytes) -> bytes:
    kind = draw.randrange(4)
    if kind == 0:
        return data[: draw.randrange(len(data) + 1)]
    if kind == 1:
        return data + draw.randbytes(draw.randrange(1, 33))
    if kind == 2 and data:
        at = draw.randrange(len(data))
        return data[:at] + bytes((data[at] ^ 1 << draw.randrange(8),)) + data[at + 1 :]
    return keccak256(data)
