"""The optimal ate pairing of alt_bn128, as a check that a product of pairings is one.

An element of the twelfth extension is a polynomial of degree 11 in w, where w^12 = 18 w^6 - 82, packed into one integer of
twelve slots so that GMP multiplies all coefficients at once. The quadratic extension's i is w^6 - 9.
"""

from collections.abc import Sequence
from functools import cache

from gmpy2 import invert, mpz

from vm.evm.precompiles.bn254_curve import (
    AffinePoint,
    AffineTwistPoint,
    Element,
    P,
    multiply_elements,
    multiply_twist,
    slope_of,
    third_point,
)

Packed = int  # twelve coefficients below P

_BYTES = 64  # of a slot: a product's coefficient is below 12 P^2 < 2^512
_X = 4965661367192848881  # the parameter of the curve
_LOOP = bin(6 * _X + 2)[3:]


def _pack(coefficients: Sequence[int]) -> Packed:
    packed: int = mpz(int.from_bytes(b"".join([int(c).to_bytes(_BYTES, "little") for c in coefficients]), "little"))
    return packed


def _unpack(packed: Packed, count: int = 12) -> list[int]:
    data = int(packed).to_bytes(count * _BYTES, "little")
    return [int.from_bytes(data[at : at + _BYTES], "little") for at in range(0, count * _BYTES, _BYTES)]


_ONE = _pack([1] + [0] * 11)


def _multiply(a: Packed, b: Packed) -> Packed:
    c = _unpack(a * b, 23)
    for k in range(22, 11, -1):
        high = c[k]
        c[k - 6] += 18 * high
        c[k - 12] -= 82 * high
    return _pack([x % P for x in c[:12]])


def _power(a: Packed, exponent: int) -> Packed:
    total = a
    for bit in bin(exponent)[3:]:
        total = _multiply(total, total)
        if bit == "1":
            total = _multiply(total, a)
    return total


def _conjugate(a: Packed) -> Packed:
    """Raise to P^6, which turns w into -w; the inverse of an element whose norm to the sixth extension is one."""
    return _pack([P - c if k & 1 and c else c for k, c in enumerate(_unpack(a))])


@cache
def _images(power: int) -> list[Packed]:
    """Give (w^k)^(P^power) for k in 0..11. Of w^P one needs w to the rest of P modulo 12 less 1, times w."""
    image = _power(_pack([0, 1] + [0] * 10), P)
    first = [_ONE]
    for _ in range(11):
        first.append(_multiply(first[-1], image))
    images = first
    for _ in range(power - 1):
        images = [_combine(_unpack(one), first) for one in images]
    return images


def _combine(coefficients: Sequence[int], images: Sequence[Packed]) -> Packed:
    total = sum((mpz(c) * image for c, image in zip(coefficients, images, strict=True)), start=mpz(0))
    return _pack([x % P for x in _unpack(total)])


def _frobenius(a: Packed, power: int) -> Packed:
    """Raise to P^power, for power in 1..3: linear in the coefficients."""
    return _combine(_unpack(a), _images(power))


def _inverse(a: Packed) -> Packed:
    """Invert by the norm: the product of all other conjugates over the product of all, which is a plain number."""
    one = _frobenius(a, 1)
    two = _multiply(one, _frobenius(one, 1))  # to the power of P + P^2
    four = _multiply(two, _frobenius(two, 2))
    three = _multiply(two, _frobenius(one, 2))
    eight = _frobenius(_frobenius(four, 3), 1)  # P^5 .. P^8
    eleven = _frobenius(_frobenius(_frobenius(three, 3), 3), 2)  # P^9 .. P^11
    others = _multiply(_multiply(four, eight), eleven)
    factor = int(invert(_unpack(_multiply(a, others))[0], P))
    return _pack([c * factor % P for c in _unpack(others)])


def _line(slope: Element, through: AffineTwistPoint, at: AffinePoint) -> Packed:
    """Give the value at a point of the first group of a line on the twist."""
    (x, y), (tx, ty) = at, through
    a0, a1 = -slope[0] * x, -slope[1] * x
    product = multiply_elements(slope, tx)
    b0, b1 = product[0] - ty[0], product[1] - ty[1]
    return _pack([y, (a0 - 9 * a1) % P, 0, (b0 - 9 * b1) % P, 0, 0, 0, a1 % P, 0, b1 % P, 0, 0])


def _element_power(a: Element, exponent: int) -> Element:
    total: Element = (1, 0)
    for bit in bin(exponent)[2:]:
        total = multiply_elements(total, total)
        if bit == "1":
            total = multiply_elements(total, a)
    return total


@cache
def _root(k: int) -> Element:
    """Give (9 + i)^((P - 1) / k)."""
    return _element_power((9, 1), (P - 1) // k)


def _twist_frobenius(point: AffineTwistPoint) -> AffineTwistPoint:
    """Carry the P-power map over to the twist."""
    (x0, x1), (y0, y1) = point
    return multiply_elements((x0, -x1), _root(3)), multiply_elements((y0, -y1), _root(2))


def in_subgroup(point: AffineTwistPoint) -> bool:
    """Tell whether a point of the twist has the order of the first group: where P acts as 6 x^2 does.

    Source: Scott, "A note on group membership tests for G1, G2 and GT" (2021).
    """
    return multiply_twist(point, 6 * _X * _X) == _twist_frobenius(point)


def _miller(pairs: Sequence[tuple[AffinePoint, AffineTwistPoint]]) -> Packed:
    """Evaluate the ate functions of all pairs at once: they share the squarings."""
    total = _ONE
    points = [q for _, q in pairs]

    def advance(index: int, other: AffineTwistPoint) -> None:
        nonlocal total
        point = points[index]
        slope = slope_of(point, other)
        assert slope is not None  # no multiple met here is zero in a group of prime order
        total = _multiply(total, _line(slope, point, pairs[index][0]))
        points[index] = third_point(point, other, slope)

    for bit in _LOOP:
        total = _multiply(total, total)
        for k, (_, q) in enumerate(pairs):
            advance(k, points[k])
            if bit == "1":
                advance(k, q)
    for k, (_, q) in enumerate(pairs):
        first = _twist_frobenius(q)
        x, (y0, y1) = _twist_frobenius(first)
        advance(k, first)
        advance(k, (x, (P - y0, P - y1)))
    return total


def _final_power(a: Packed) -> Packed:
    """Raise to (P^12 - 1) / order. Source: Scott and others, "On the final exponentiation" (2009), section 5."""
    a = _multiply(_conjugate(a), _inverse(a))
    a = _multiply(_frobenius(a, 2), a)
    u = _power(a, _X)
    u2 = _power(u, _X)
    u3 = _power(u2, _X)
    y0 = _multiply(_multiply(_frobenius(a, 1), _frobenius(a, 2)), _frobenius(a, 3))
    y1 = _conjugate(a)
    y2 = _frobenius(u2, 2)
    y3 = _conjugate(_frobenius(u, 1))
    y4 = _conjugate(_multiply(u, _frobenius(u2, 1)))
    y5 = _conjugate(u2)
    y6 = _conjugate(_multiply(u3, _frobenius(u3, 1)))
    low = _multiply(_multiply(_multiply(y6, y6), y4), y5)
    high = _multiply(_multiply(y3, y5), low)
    low = _multiply(low, y2)
    high = _multiply(_multiply(high, high), low)
    high = _multiply(high, high)
    low = _multiply(high, y1)
    high = _multiply(high, y0)
    return _multiply(_multiply(low, low), high)


def pairing_check(pairs: Sequence[tuple[AffinePoint, AffineTwistPoint]]) -> bool:
    """Tell whether the product of the pairings is one; no point is the one at infinity, all are of their groups."""
    return not pairs or _final_power(_miller(pairs)) == _ONE
