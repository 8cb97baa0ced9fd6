"""Whether the blobs that travel with a transaction are those it names: versioned hashes, commitments, KZG proofs (EIP-4844, 7594).

Knows no pool and no fork; the caller says which kind of proofs is due. Sources: consensus-specs, deneb/polynomial-commitments.md and
fulu/polynomial-commitments-sampling.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from hashlib import sha256
from typing import Final

from py_arkworks_bls12381 import GT, G1Point, G2Point, Scalar

from ledger.account.kzg_setup import G1_POWERS, G2_POWER_64
from primitives.errors import Refused
from primitives.ethereum_tx import BlobSidecar, EthereumTransaction
from vm.evm.api import PrecompileFailed
from vm.evm.precompiles.kzg import POINT_EVALUATION, point_of

MODULUS: Final = 0x73EDA753299D7D483339D80809A1D80553BDA402FFFE5BFEFFFFFFFF00000001
WORDS: Final = 4_096
"""Field elements of a blob."""
BLOB_SIZE: Final = 32 * WORDS
CELLS: Final = 128
"""Cells of an extended blob, each with a proof."""
CELL: Final = 2 * WORDS // CELLS


def versioned_hash(commitment: bytes) -> bytes:
    """How a transaction names a commitment."""
    return b"\x01" + sha256(commitment).digest()[1:]


def check_sidecar(tx: EthereumTransaction, sidecar: BlobSidecar, cells: bool) -> None:
    """Raises Refused where the side-car is not the transaction's, or a proof does not hold; `cells`: a proof for every cell is due."""
    count = len(tx.blob_hashes)
    if sidecar.version != int(cells):
        raise Refused("unexpected sidecar version", f"want {int(cells)}, got {sidecar.version}")
    if len(sidecar.blobs) != count or any(len(b) != BLOB_SIZE for b in sidecar.blobs):
        raise Refused("invalid number of blobs", f"{len(sidecar.blobs)} compared to {count} blob hashes")
    if len(sidecar.commitments) != count or any(len(c) != 48 for c in sidecar.commitments):
        raise Refused(
            "invalid number of blob commitments", f"{len(sidecar.commitments)} compared to {count} blob hashes"
        )
    per_blob = CELLS if cells else 1
    if len(sidecar.proofs) != count * per_blob or any(len(p) != 48 for p in sidecar.proofs):
        raise Refused("invalid number of blob proofs", f"{len(sidecar.proofs)}, expected {count * per_blob}")
    for i, (commitment, digest) in enumerate(zip(sidecar.commitments, tx.blob_hashes, strict=True)):
        if versioned_hash(commitment) != digest:
            raise Refused("computed hash mismatches transaction one", f"blob {i}")
        proofs = sidecar.proofs[i * per_blob : (i + 1) * per_blob]
        blob = sidecar.blobs[i]
        holds = cells_hold(blob, commitment, proofs) if cells else blob_holds(blob, commitment, proofs[0])
        if not holds:
            raise Refused("invalid blob proof", f"blob {i}")


def words_of(blob: bytes) -> list[int] | None:
    """The blob's field elements; None where one of them is none."""
    words = [int.from_bytes(blob[i : i + 32], "big") for i in range(0, len(blob), 32)]
    return words if all(w < MODULUS for w in words) else None


@lru_cache(maxsize=8)
def roots(order: int) -> tuple[int, ...]:
    """The roots of unity of an order, a power of two, in their natural order."""
    root = pow(7, (MODULUS - 1) // order, MODULUS)
    found = [1]
    for _ in range(order - 1):
        found.append(found[-1] * root % MODULUS)
    return tuple(found)


@lru_cache(maxsize=8)
def reversed_order(count: int) -> tuple[int, ...]:
    """Where each index goes when its bits are read backwards."""
    bits = count.bit_length() - 1
    return tuple(int(f"{i:0{bits}b}"[::-1], 2) for i in range(count))


def blob_holds(blob: bytes, commitment: bytes, proof: bytes) -> bool:
    """Whether a proof shows that the commitment is the blob's (verify_blob_kzg_proof)."""
    words = words_of(blob)
    if words is None:
        return False
    challenge = sha256(b"FSBLOBVERIFY_V1_" + WORDS.to_bytes(16, "big") + blob + commitment).digest()
    z = int.from_bytes(challenge, "big") % MODULUS
    y = evaluate(words, z)
    try:
        POINT_EVALUATION.run(
            versioned_hash(commitment) + z.to_bytes(32, "big") + y.to_bytes(32, "big") + commitment + proof
        )
    except PrecompileFailed:
        return False
    return True


def evaluate(words: Sequence[int], z: int) -> int:
    """The value at `z` of the polynomial that has these values at the roots of unity, in bit-reversed order."""
    count = len(words)
    natural, order = roots(count), reversed_order(count)
    points = [natural[i] for i in order]
    if z in points:
        return words[points.index(z)]
    inverses = invert_all([(z - p) % MODULUS for p in points])
    total = sum(w * p % MODULUS * inverse for w, p, inverse in zip(words, points, inverses, strict=True))
    return total * (pow(z, count, MODULUS) - 1) * pow(count, -1, MODULUS) % MODULUS


def invert_all(numbers: Sequence[int]) -> list[int]:
    """The inverses of numbers, for the price of one (Montgomery's trick)."""
    products = [1]
    for n in numbers:
        products.append(products[-1] * n % MODULUS)
    inverse = pow(products[-1], -1, MODULUS)
    found = [0] * len(numbers)
    for i in range(len(numbers) - 1, -1, -1):
        found[i] = products[i] * inverse % MODULUS
        inverse = inverse * numbers[i] % MODULUS
    return found


def transform(values: Sequence[int], powers: Sequence[int]) -> list[int]:
    """The values at powers of a root of the polynomial with these coefficients: the fast Fourier transform, without recursion."""
    count = len(values)
    found = [values[i] for i in reversed_order(count)]
    size = 2
    while size <= count:
        half, step = size // 2, count // size
        twiddles = powers[: half * step : step]
        for start in range(0, count, size):
            middle = start + half
            low = found[start:middle]
            high = [v * t % MODULUS for v, t in zip(found[middle : middle + half], twiddles, strict=True)]
            found[start:middle] = [(a + b) % MODULUS for a, b in zip(low, high, strict=True)]
            found[middle : middle + half] = [(a - b) % MODULUS for a, b in zip(low, high, strict=True)]
        size *= 2
    return found


def coefficients(values: Sequence[int]) -> list[int]:
    """The polynomial with these values at the roots of unity in their natural order."""
    count = len(values)
    powers = roots(count)
    backwards = (powers[0], *reversed(powers[1:]))
    scale = pow(count, -1, MODULUS)
    return [v * scale % MODULUS for v in transform(values, backwards)]


def cells_of(words: Sequence[int]) -> list[list[int]]:
    """The blob extended to twice its size, in 128 cells of 64 values (compute_cells)."""
    order = reversed_order(WORDS)
    natural = [words[i] for i in order]
    extended = transform([*coefficients(natural), *([0] * WORDS)], roots(2 * WORDS))
    shuffled = [extended[i] for i in reversed_order(2 * WORDS)]
    return [shuffled[i : i + CELL] for i in range(0, 2 * WORDS, CELL)]


def cells_hold(blob: bytes, commitment: bytes, proofs: Sequence[bytes]) -> bool:
    """Whether each proof shows that its cell is of the committed polynomial, all in one pairing (verify_cell_kzg_proof_batch)."""
    words = words_of(blob)
    if words is None:
        return False
    try:
        committed = point_of(commitment)
        points = [point_of(proof) for proof in proofs]
    except ValueError:
        return False
    seed = sha256(b"RCKZGCBATCH__V1_" + blob + commitment + b"".join(proofs)).digest()
    challenge = int.from_bytes(seed, "big") % MODULUS
    mixed, shifted, weights = [0] * CELL, list[int](), list[int]()
    weight = 1
    extended_roots, shifts = roots(2 * WORDS), reversed_order(2 * WORDS)
    order = reversed_order(CELL)
    for k, cell in enumerate(cells_of(words)):
        shift = extended_roots[shifts[CELL * k]]
        polynomial = coefficients([cell[i] for i in order])
        back, factor = pow(shift, -1, MODULUS), weight
        for i, c in enumerate(polynomial):
            mixed[i] = (mixed[i] + c * factor) % MODULUS
            factor = factor * back % MODULUS
        weights.append(weight)
        shifted.append(weight * pow(shift, CELL, MODULUS) % MODULUS)
        weight = weight * challenge % MODULUS
    proof_sum = _sum(points, weights)
    right = committed * _scalar(sum(weights)) - _sum(_powers(), mixed) + _sum(points, shifted)
    return bool(GT.pairing_check([proof_sum, right], [G2Point.from_compressed_bytes(G2_POWER_64), -G2Point()]))


def _scalar(n: int) -> Scalar:
    return Scalar.from_be_bytes((n % MODULUS).to_bytes(32, "big"))


def _sum(points: Sequence[G1Point], factors: Sequence[int]) -> G1Point:
    return G1Point.multiexp_unchecked(list(points), [_scalar(f) for f in factors])


@lru_cache(maxsize=1)
def _powers() -> tuple[G1Point, ...]:
    return tuple(G1Point.from_compressed_bytes(G1_POWERS[i : i + 48]) for i in range(0, len(G1_POWERS), 48))
