"""Point evaluation: does a committed polynomial have a value at a point? (EIP-4844)

Of the trusted setup it needs one point only; commitments to whole blobs are checked elsewhere.
"""

from hashlib import sha256
from typing import Final

from py_arkworks_bls12381 import GT, G1Point, G2Point, Scalar

from vm.evm.api import Precompile, PrecompileFailed

_MODULUS = 0x73EDA753299D7D483339D80809A1D80553BDA402FFFE5BFEFFFFFFFF00000001
_RESULT = (4_096).to_bytes(32, "big") + _MODULUS.to_bytes(32, "big")

# the second of the setup's monomial points in the second group, as the ceremony published it
_SECRET_POINT = bytes.fromhex(
    "b5bfd7dd8cdeb128843bc287230af38926187075cbfbefa81009a2ce615ac53d2914e5870cb452d2afaaab24f3499f72"
    "185cbfee53492714734429b7b38608e23926c911cceceac9a36851477ba4c60b087041de621000edc98edada20c1def2"
)


def point_of(data: bytes) -> G1Point:
    """Read a compressed point in its one lawful form. Raises ValueError.

    The library takes any bytes with the flag of the point at infinity for it; the specification does not.
    """
    point = G1Point.from_compressed_bytes(data)
    if point.to_compressed_bytes() != data:
        raise ValueError("point not in canonical form")
    return point


def _run(data: bytes) -> bytes:
    """Give the setup's size and modulus for a proof that holds. Raises PrecompileFailed for any other input."""
    if len(data) != 192:
        raise PrecompileFailed("invalid input length")
    if data[:32] != b"\x01" + sha256(data[96:144]).digest()[1:]:
        raise PrecompileFailed("mismatched versioned hash")
    point, value = int.from_bytes(data[32:64], "big"), int.from_bytes(data[64:96], "big")
    if point >= _MODULUS or value >= _MODULUS:
        raise PrecompileFailed("invalid field element")
    try:
        commitment, proof = point_of(data[96:144]), point_of(data[144:192])
    except ValueError as error:
        raise PrecompileFailed("invalid point") from error
    # e(C - y G1, G2) == e(proof, (tau - z) G2)
    left = commitment - G1Point() * Scalar.from_be_bytes(data[64:96])
    right = G2Point.from_compressed_bytes(_SECRET_POINT) - G2Point() * Scalar.from_be_bytes(data[32:64])
    if not GT.pairing_check([left, proof], [-G2Point(), right]):
        raise PrecompileFailed("can't verify opening proof")
    return _RESULT


POINT_EVALUATION: Final = Precompile("kzg_point_evaluation", lambda data: 50_000, _run)
