"""Blobs that travel with a transaction: data packed into them, their commitments and proofs (EIP-4844, 7594).

Refuses to know fees and to send. Sources: consensus-specs, deneb/polynomial-commitments.md and
fulu/polynomial-commitments-sampling.md; the powers in kzg_powers.txt are the ceremony's result, monomial form.
"""

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Final

from py_arkworks_bls12381 import G1Point, Scalar

from primitives.errors import DecodeError
from primitives.ethereum_tx import BlobSidecar, versioned_hash
from vm.evm.polynomials import (
    BLOB_SIZE,
    CELL,
    CELLS,
    MODULUS,
    WORDS,
    challenge,
    coefficients,
    evaluate,
    reversed_order,
    roots,
    words_of,
)

_POWERS: Final = Path(__file__).with_name("kzg_powers.txt")
_PIECE: Final = 31
_END: Final = 0x80
CAPACITY: Final = _PIECE * WORDS
"""Bytes that a blob holds, less the one that ends the data."""
MOST: Final = 6
"""Blobs of one transaction (EIP-7594 limits them to this)."""


def pack(data: bytes) -> list[bytes]:
    """Data in as few blobs as hold them: 31 bytes in each field element, and 0x80 behind the last one.

    As viem and other clients pack. Raises DecodeError for nothing, and for what needs more blobs than a transaction may have.
    """
    if not data:
        raise DecodeError("there are no data to put into blobs")
    whole = data + bytes([_END])
    parts = [whole[at : at + CAPACITY] for at in range(0, len(whole), CAPACITY)]
    if len(parts) > MOST:
        raise DecodeError(f"{len(data)} bytes need {len(parts)} blobs; a transaction has {MOST} at most")
    return [_blob(part) for part in parts]


def _blob(part: bytes) -> bytes:
    pieces = [part[at : at + _PIECE] for at in range(0, len(part), _PIECE)]
    return b"".join(b"\x00" + piece.ljust(_PIECE, b"\x00") for piece in pieces).ljust(BLOB_SIZE, b"\x00")


def unpack(blobs: Sequence[bytes]) -> bytes:
    """The data that were packed. Raises DecodeError where nothing ends them."""
    whole = b"".join(blob[at + 1 : at + 32] for blob in blobs for at in range(0, BLOB_SIZE, 32)).rstrip(b"\x00")
    if not whole or whole[-1] != _END:
        raise DecodeError("the blobs do not hold packed data")
    return whole[:-1]


def sidecar(blobs: Sequence[bytes], cells: bool = False) -> tuple[BlobSidecar, tuple[bytes, ...]]:
    """What travels with the transaction, and the hashes by which it names its blobs; `cells`: with a proof for every cell, as
    chains from Osaka on want them. Raises DecodeError for a blob that is none."""
    commitments: list[bytes] = []
    proofs: list[bytes] = []
    for blob in blobs:
        words = words_of(blob) if len(blob) == BLOB_SIZE else None
        if words is None:
            raise DecodeError("a blob has 4096 words, each of them below the field's modulus")
        order = reversed_order(WORDS)
        polynomial = coefficients([words[at] for at in order])
        commitment = bytes(_commit(polynomial).to_compressed_bytes())
        commitments.append(commitment)
        proofs += _cell_proofs(polynomial) if cells else [_proof(blob, words, polynomial, commitment)]
    made = BlobSidecar(tuple(blobs), tuple(commitments), tuple(proofs), int(cells))
    return made, tuple(versioned_hash(c) for c in commitments)


@lru_cache(maxsize=1)
def _powers() -> list[G1Point]:
    return [G1Point.from_compressed_bytes_unchecked(bytes.fromhex(line)) for line in _POWERS.read_text().split()]


def _sum(points: Sequence[G1Point], factors: Sequence[int]) -> G1Point:
    return G1Point.multiexp_unchecked(list(points), [Scalar.from_be_bytes(n.to_bytes(32, "big")) for n in factors])


def _commit(polynomial: Sequence[int]) -> G1Point:
    return _sum(_powers()[: len(polynomial)], polynomial)


def _proof(blob: bytes, words: Sequence[int], polynomial: Sequence[int], commitment: bytes) -> bytes:
    """That the commitment is the blob's: the quotient by X - z, committed to (compute_blob_kzg_proof)."""
    z = challenge(blob, commitment)
    above, quotient = 0, [0] * (WORDS - 1)
    for at in range(WORDS - 2, -1, -1):
        above = quotient[at] = (polynomial[at + 1] + z * above) % MODULUS
    if (polynomial[0] + z * above - evaluate(words, z)) % MODULUS:
        raise RuntimeError("two ways to evaluate a blob disagree")
    return bytes(_commit(quotient).to_compressed_bytes())


def _cell_proofs(polynomial: Sequence[int]) -> list[bytes]:
    """That each cell is of the polynomial (compute_cells_and_kzg_proofs).

    The quotient by X^64 - a is the sum over s of a^s times the coefficients from 64 (s + 1) on, which are committed to once for
    all cells.
    """
    tails = [_commit(polynomial[start:]) for start in range(CELL, WORDS, CELL)]
    extended, order = roots(2 * WORDS), reversed_order(2 * WORDS)
    found = []
    for k in range(CELLS):
        a = pow(extended[order[CELL * k]], CELL, MODULUS)
        powers = [pow(a, s, MODULUS) for s in range(len(tails))]
        found.append(bytes(_sum(tails, powers).to_compressed_bytes()))
    return found
