"""Points of the curve alt_bn128 (BN254): sums, products and the pairing check (EIP-196, EIP-197).

It knows encodings and prices; the arithmetic is in _bn254.c, and in bn254_curve.py and bn254_pairing.py.
"""

from collections.abc import Callable
from typing import Final

from vm.evm.api import Precompile, PrecompileFailed
from vm.evm.precompiles import bn254_curve as curve
from vm.evm.precompiles.bn254_pairing import in_subgroup, pairing_check
from vm.evm.precompiles.native import native

_PAIR = 192  # bytes


def _numbers(data: bytes) -> list[int]:
    return [int.from_bytes(data[at : at + 32], "big") for at in range(0, len(data), 32)]


def _point(x: int, y: int) -> curve.Point:
    """Check a point of the first group; zeros are the one at infinity (None). Raises PrecompileFailed."""
    if x >= curve.P or y >= curve.P:
        raise PrecompileFailed("coordinate exceeds modulus")
    if x == y == 0:
        return None
    if not curve.on_curve(x, y):
        raise PrecompileFailed("malformed point")
    return x, y


def _twist_point(data: bytes) -> curve.TwistPoint:
    """Check a point of the second group, imaginary parts first. Raises PrecompileFailed."""
    x_imaginary, x_real, y_imaginary, y_real = numbers = _numbers(data)
    if max(numbers) >= curve.P:
        raise PrecompileFailed("coordinate exceeds modulus")
    if not any(numbers):
        return None
    point = ((x_real, x_imaginary), (y_real, y_imaginary))
    if not curve.on_twist(point):
        raise PrecompileFailed("malformed point")
    if not (native.bn254_in_subgroup(data) if native else in_subgroup(point)):
        raise PrecompileFailed("point is not in the correct subgroup")
    return point


def _encoded(point: curve.Point) -> bytes:
    x, y = point or (0, 0)
    return int(x).to_bytes(32, "big") + int(y).to_bytes(32, "big")


def _add(data: bytes) -> bytes:
    """Add two points; input is cut or zero-padded to two."""
    a, b, c, d = _numbers(data[:128].ljust(128, b"\0"))
    return _encoded(curve.add(_point(a, b), _point(c, d)))


def _mul(data: bytes) -> bytes:
    """Multiply a point by a number; input is cut or zero-padded."""
    data = data[:96].ljust(96, b"\0")
    x, y, factor = _numbers(data)
    point = _point(x, y)
    if point is None or native is None:
        return _encoded(curve.multiply(point, factor))
    product: bytes = native.bn254_multiply(data)
    return product


def _pairing(data: bytes) -> bytes:
    """Tell whether the product of the pairings is one; it is for no pairs, and for a pair with infinity in it."""
    if len(data) % _PAIR:
        raise PrecompileFailed("bad elliptic curve pairing size")
    pairs, encoded = [], []
    for at in range(0, len(data), _PAIR):
        left, right = _point(*_numbers(data[at : at + 64])), _twist_point(data[at + 64 : at + _PAIR])
        if left is not None and right is not None:
            pairs.append((left, right))
            encoded.append(data[at : at + _PAIR])
    one = native.bn254_pairing_check(b"".join(encoded)) if native else pairing_check(pairs)
    return int(one).to_bytes(32, "big")


def _pairing_price(base: int, pair: int) -> Callable[[bytes], int]:
    return lambda data: base + pair * (len(data) // _PAIR)


ADD: Final = Precompile("ecadd", lambda data: 500, _add)
MUL: Final = Precompile("ecmul", lambda data: 40_000, _mul)
PAIRING: Final = Precompile("ecpairing", _pairing_price(100_000, 80_000), _pairing)
ADD_CHEAPER: Final = Precompile("ecadd", lambda data: 150, _add)
MUL_CHEAPER: Final = Precompile("ecmul", lambda data: 6_000, _mul)
PAIRING_CHEAPER: Final = Precompile("ecpairing", _pairing_price(45_000, 34_000), _pairing)
