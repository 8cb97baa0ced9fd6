"""Blob proofs, on polynomials whose commitments and proofs can be written down: c, x, x^63 and x^64."""

from __future__ import annotations

from dataclasses import replace

import pytest
from py_arkworks_bls12381 import G1Point, Scalar

from ledger.account.blobs import blob_holds, cells_hold, cells_of, check_sidecar
from ledger.account.kzg_setup import G1_POWERS
from primitives.errors import Refused
from primitives.ethereum_tx import BLOB, BlobSidecar, EthereumTransaction, versioned_hash
from tests.accounts import transfer
from tests.ledger.account.test_admission import Pool
from vm.evm.api import PrecompileFailed
from vm.evm.polynomials import (
    CELLS,
    MODULUS,
    WORDS,
    coefficients,
    evaluate,
    reversed_order,
    roots,
    transform,
    words_of,
)
from vm.evm.precompiles.kzg import POINT_EVALUATION

ONE = G1Point().to_compressed_bytes()
NOTHING = G1Point.identity().to_compressed_bytes()
POWER_64 = bytes.fromhex(
    "a9ef67304dc297ab5af778cf8afa849eeac27db4b6978963e97b95ef7a8d3264d0d07775f728c298a2b6daed2ecf5053"
)
"""The commitment to x^64, as the ceremony published it."""


def blob_of(power: int, factor: int = 1) -> bytes:
    """The blob of factor * x^power."""
    order, natural = reversed_order(WORDS), roots(WORDS)
    words = (factor * pow(natural[i], power, MODULUS) % MODULUS for i in order)
    return b"".join(w.to_bytes(32, "big") for w in words)


def commitment_of(power: int, factor: int = 1) -> bytes:
    point = G1Point.from_compressed_bytes(G1_POWERS[48 * power : 48 * (power + 1)])
    return (point * Scalar.from_be_bytes(factor.to_bytes(32, "big"))).to_compressed_bytes()


def test_a_constant_needs_no_quotient() -> None:
    blob, commitment = blob_of(0, 7), commitment_of(0, 7)
    assert blob_holds(blob, commitment, NOTHING)
    assert not blob_holds(blob, commitment, ONE)
    assert not blob_holds(blob, commitment_of(0, 8), NOTHING)
    assert cells_hold(blob, commitment, (NOTHING,) * CELLS)
    assert not cells_hold(blob, commitment, (*(NOTHING,) * 127, ONE))


def test_the_quotient_of_x_is_one() -> None:
    assert blob_holds(blob_of(1), commitment_of(1), ONE)
    assert not blob_holds(blob_of(1), commitment_of(1), NOTHING)
    assert cells_hold(blob_of(1), commitment_of(1), (NOTHING,) * CELLS)
    assert cells_hold(blob_of(63), commitment_of(63), (NOTHING,) * CELLS)


def test_the_cells_of_the_64th_power_have_the_quotient_one() -> None:
    blob = blob_of(64)
    assert cells_hold(blob, POWER_64, (ONE,) * CELLS)
    assert not cells_hold(blob, POWER_64, (NOTHING,) * CELLS)
    assert not cells_hold(blob_of(63), POWER_64, (ONE,) * CELLS)


def test_the_first_half_of_the_cells_is_the_blob() -> None:
    words = [n * n for n in range(WORDS)]
    cells = cells_of(words)
    assert [w for cell in cells[: CELLS // 2] for w in cell] == words
    assert len(cells) == CELLS


def test_transform_and_evaluation_agree() -> None:
    values = [pow(3, n, MODULUS) for n in range(16)]
    polynomial = coefficients(values)
    assert transform(polynomial, roots(16)) == values
    shuffled = [values[i] for i in reversed_order(16)]
    for z in (5, roots(16)[3]):
        assert evaluate(shuffled, z) == sum(c * pow(z, i, MODULUS) for i, c in enumerate(polynomial)) % MODULUS


def test_a_word_beyond_the_field_is_none() -> None:
    blob = MODULUS.to_bytes(32, "big") + bytes(32 * (WORDS - 1))
    assert words_of(blob) is None
    assert not blob_holds(blob, NOTHING, NOTHING)
    assert not cells_hold(blob, NOTHING, (NOTHING,) * CELLS)


def test_points_that_are_none_hold_nothing() -> None:
    blob = blob_of(0)
    assert not blob_holds(blob, b"\xff" * 48, NOTHING)
    assert not cells_hold(blob, commitment_of(0), (b"\xff" * 48,) * CELLS)


@pytest.mark.parametrize("bad", [b"\xff" * 48, b"\xc0" + bytes(46) + b"\1", b"\xe0" + bytes(47)])
def test_the_point_at_infinity_has_one_form(bad: bytes) -> None:
    """Zero is committed to by the point at infinity: other bytes that a library takes for it must not do."""
    zero = bytes(32 * WORDS)
    assert blob_holds(zero, NOTHING, NOTHING)
    assert not blob_holds(zero, bad, NOTHING)
    assert not blob_holds(zero, NOTHING, bad)
    assert not cells_hold(zero, bad, (NOTHING,) * CELLS)
    data = versioned_hash(bad) + bytes(64) + bad + NOTHING
    with pytest.raises(PrecompileFailed):
        POINT_EVALUATION.run(data)


def blob_tx(sidecar: BlobSidecar | None, nonce: int = 0) -> EthereumTransaction:
    hashes = tuple(versioned_hash(c) for c in sidecar.commitments) if sidecar else ()
    tx = transfer(nonce, kind=BLOB, blob_fee_cap=10, blob_hashes=hashes)
    return replace(tx, sidecar=sidecar)


CELL_SIDECAR = BlobSidecar((blob_of(1),), (commitment_of(1),), (NOTHING,) * CELLS, 1)
OLD_SIDECAR = BlobSidecar((blob_of(1),), (commitment_of(1),), (ONE,), 0)


def test_side_cars_that_hold_are_taken() -> None:
    check_sidecar(blob_tx(CELL_SIDECAR), CELL_SIDECAR, cells=True)
    check_sidecar(blob_tx(OLD_SIDECAR), OLD_SIDECAR, cells=False)
    pool = Pool()
    tx = blob_tx(CELL_SIDECAR)
    assert pool.submit(tx) == [tx.id]
    block = pool.chain.mine(*(pool.pool.entries[i].tx for i in pool.best()))
    assert block.txs == (tx,)
    assert block.txs[0].sidecar is None
    assert block.header.blob_gas_used == 131_072


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"version": 0}, "unexpected sidecar version"),
        ({"blobs": ()}, "invalid number of blobs"),
        ({"blobs": (bytes(5),)}, "invalid number of blobs"),
        ({"commitments": ()}, "invalid number of blob commitments"),
        ({"proofs": (NOTHING,)}, "invalid number of blob proofs"),
        ({"commitments": (ONE,)}, "computed hash mismatches transaction one"),
        ({"blobs": (blob_of(2),)}, "invalid blob proof"),
        ({"proofs": (ONE,) * CELLS}, "invalid blob proof"),
    ],
)
def test_side_cars_that_do_not_hold_have_their_word(change: dict[str, object], word: str) -> None:
    with pytest.raises(Refused) as e:
        check_sidecar(blob_tx(CELL_SIDECAR), replace(CELL_SIDECAR, **change), cells=True)  # type: ignore[arg-type]
    assert e.value.rule == word
