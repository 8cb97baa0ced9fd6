"""Polynomials of blobs over the scalar field of BLS12-381: values, coefficients, roots of unity (EIP-4844, 7594).

Refuses to know points and transactions. Source: consensus-specs, deneb/polynomial-commitments.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from hashlib import sha256
from typing import Final

MODULUS: Final = 0x73EDA753299D7D483339D80809A1D80553BDA402FFFE5BFEFFFFFFFF00000001
WORDS: Final = 4_096
"""Field elements of a blob."""
BLOB_SIZE: Final = 32 * WORDS
CELLS: Final = 128
"""Cells of an extended blob, each with a proof."""
CELL: Final = 2 * WORDS // CELLS


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


def challenge(blob: bytes, commitment: bytes) -> int:
    """The point at which a blob's proof opens its polynomial (compute_challenge)."""
    digest = sha256(b"FSBLOBVERIFY_V1_" + WORDS.to_bytes(16, "big") + blob + commitment).digest()
    return int.from_bytes(digest, "big") % MODULUS
