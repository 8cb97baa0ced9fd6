"""Whether the blobs that travel with a transaction are those it names: versioned hashes, commitments, KZG proofs (EIP-4844, 7594).

Knows no pool and no fork; the caller says which kind of proofs is due. Sources: consensus-specs, deneb/polynomial-commitments.md and
fulu/polynomial-commitments-sampling.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from hashlib import sha256

from py_arkworks_bls12381 import GT, G1Point, G2Point, Scalar

from ledger.account.kzg_setup import G1_POWERS, G2_POWER_64
from primitives.errors import Refused
from primitives.ethereum_tx import BlobSidecar, EthereumTransaction, versioned_hash
from vm.evm.api import PrecompileFailed
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
    transform,
    words_of,
)
from vm.evm.precompiles.kzg import POINT_EVALUATION, point_of


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


def blob_holds(blob: bytes, commitment: bytes, proof: bytes) -> bool:
    """Whether a proof shows that the commitment is the blob's (verify_blob_kzg_proof)."""
    words = words_of(blob)
    if words is None:
        return False
    z = challenge(blob, commitment)
    y = evaluate(words, z)
    try:
        POINT_EVALUATION.run(
            versioned_hash(commitment) + z.to_bytes(32, "big") + y.to_bytes(32, "big") + commitment + proof
        )
    except PrecompileFailed:
        return False
    return True


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
    mix = int.from_bytes(seed, "big") % MODULUS
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
        weight = weight * mix % MODULUS
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
