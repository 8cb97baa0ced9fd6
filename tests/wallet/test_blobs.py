"""Blobs of a transaction: packing as other clients do, and proofs that the pool's own checks accept."""

from __future__ import annotations

import random

import pytest
from py_arkworks_bls12381 import GT, G1Point, G2Point, Scalar

from ledger.account.blobs import blob_holds, cells_hold
from primitives.errors import DecodeError
from primitives.ethereum_tx import versioned_hash
from vm.evm.polynomials import BLOB_SIZE
from vm.evm.precompiles import kzg
from wallet import blobs


@pytest.mark.parametrize("size", [1, 30, 31, 32, 4096 * 31 - 1, 4096 * 31, 6 * 4096 * 31 - 1])
def test_what_is_packed_comes_out_again(size: int) -> None:
    data = random.Random(size).randbytes(size)
    packed = blobs.pack(data)
    assert len(packed) == -(-(size + 1) // blobs.CAPACITY)
    assert all(len(blob) == BLOB_SIZE and not any(blob[::32]) for blob in packed)
    assert blobs.unpack(packed) == data


def test_what_cannot_be_packed() -> None:
    for data in (b"", bytes(6 * 4096 * 31)):
        with pytest.raises(DecodeError):
            blobs.pack(data)
    with pytest.raises(DecodeError):
        blobs.unpack([bytes(BLOB_SIZE)])
    with pytest.raises(DecodeError):
        blobs.sidecar([b"\xff" * BLOB_SIZE])
    with pytest.raises(DecodeError):
        blobs.sidecar([bytes(BLOB_SIZE - 1)])


def test_a_proof_for_each_blob_holds() -> None:
    made, hashes = blobs.sidecar(blobs.pack(random.Random(1).randbytes(130_000)))
    assert made.version == 0 and len(made.blobs) == len(made.proofs) == 2
    assert hashes == tuple(versioned_hash(c) for c in made.commitments)
    for blob, commitment, proof in zip(made.blobs, made.commitments, made.proofs, strict=True):
        assert blob_holds(blob, commitment, proof)
    assert not blob_holds(made.blobs[0], made.commitments[0], made.proofs[1])


@pytest.mark.slow
def test_a_proof_for_each_cell_holds() -> None:
    made, _ = blobs.sidecar(blobs.pack(b"cells"), cells=True)
    assert made.version == 1 and len(made.proofs) == 128
    assert cells_hold(made.blobs[0], made.commitments[0], made.proofs)


def test_the_powers_are_those_of_one_secret() -> None:
    """Each is the one before times the secret: seen by one pairing over a random sum of all."""
    points = [G1Point.from_compressed_bytes(bytes.fromhex(line)) for line in blobs._POWERS.read_text().split()]
    assert len(points) == 4096 and points[0].to_compressed_bytes() == G1Point().to_compressed_bytes()
    factors = [Scalar(n) for n in random.Random(2).sample(range(1, 1 << 32), 4095)]
    low = G1Point.multiexp_unchecked(points[:-1], factors)
    high = G1Point.multiexp_unchecked(points[1:], factors)
    secret = G2Point.from_compressed_bytes(kzg._SECRET_POINT)
    assert GT.pairing_check([low, high], [secret, -G2Point()])
