"""The two groups of alt_bn128 in affine coordinates: y^2 = x^3 + 3, and its sextic twist over the quadratic extension.

GMP inverts a field element in the time of a dozen products, so affine formulas are the fast ones here too.
"""

from gmpy2 import invert, mpz

P = 21888242871839275222246405745257275088696311157297823662689037894645226208583
ORDER = 21888242871839275222246405745257275088548364400416034343698204186575808495617

Element = tuple[int, int]  # a + b i, where i * i = -1
AffinePoint = tuple[int, int]
AffineTwistPoint = tuple[Element, Element]
Point = AffinePoint | None  # None is the point at infinity
TwistPoint = AffineTwistPoint | None

_Q = mpz(P)
_TWIST_B = (
    19485874751759354771024239261021720505790618469301721065564631296452457478373,
    266929791119991161246907387137283842545076965332900288569378510910307636690,
)  # 3 / (9 + i)


def on_curve(x: int, y: int) -> bool:
    """Tell whether the first curve has the point."""
    return (y * y - x * x * x - 3) % P == 0


def on_twist(point: AffineTwistPoint) -> bool:
    """Tell whether the twisted curve has the point."""
    x, y = point
    cube = multiply_elements(multiply_elements(x, x), x)
    square = multiply_elements(y, y)
    return (square[0] - cube[0] - _TWIST_B[0]) % P == 0 and (square[1] - cube[1] - _TWIST_B[1]) % P == 0


def add(a: Point, b: Point) -> Point:
    """Add two points of the first group."""
    if a is None or b is None:
        return a or b
    (ax, ay), (bx, by) = a, b
    if ax != bx:
        slope = (by - ay) * invert(mpz(bx - ax), _Q) % _Q
    elif ay == by and ay:
        slope = 3 * ax * ax * invert(mpz(2 * ay), _Q) % _Q
    else:
        return None
    x = (slope * slope - ax - bx) % _Q
    return x, (slope * (ax - x) - ay) % _Q


def multiply(point: Point, factor: int) -> Point:
    """Multiply a point of the first group by a number, from the highest bit down."""
    if point is None:
        return None
    x, y = mpz(point[0]), mpz(point[1])
    point, total = (x, y), None
    for bit in bin(factor % ORDER)[2:]:
        total = add(total, total)
        if bit == "1":
            total = add(total, point)
    return total


def multiply_elements(a: Element, b: Element) -> Element:
    """Multiply in the quadratic extension."""
    (a0, a1), (b0, b1) = a, b
    return (a0 * b0 - a1 * b1) % _Q, (a0 * b1 + a1 * b0) % _Q


def invert_element(a: Element) -> Element:
    """Invert in the quadratic extension."""
    a0, a1 = a
    factor = invert(mpz(a0 * a0 + a1 * a1), _Q)
    return a0 * factor % _Q, -a1 * factor % _Q


def slope_of(a: AffineTwistPoint, b: AffineTwistPoint) -> Element | None:
    """Give the slope of the line through two points of the twist, the tangent if they are one; None if it is upright."""
    ((ax, ay), (bx, by)) = a, b
    if ax != bx:
        rise, run = (by[0] - ay[0], by[1] - ay[1]), (bx[0] - ax[0], bx[1] - ax[1])
    elif ay == by and any(ay):
        square = multiply_elements(ax, ax)
        rise, run = (3 * square[0], 3 * square[1]), (2 * ay[0], 2 * ay[1])
    else:
        return None
    return multiply_elements(rise, invert_element(run))


def third_point(a: AffineTwistPoint, b: AffineTwistPoint, slope: Element) -> AffineTwistPoint:
    """Give the sum of two points of the twist from the slope of their line."""
    ((ax, ay), (bx, _)) = a, b
    square = multiply_elements(slope, slope)
    x = (square[0] - ax[0] - bx[0]) % _Q, (square[1] - ax[1] - bx[1]) % _Q
    rise = multiply_elements(slope, (ax[0] - x[0], ax[1] - x[1]))
    return x, ((rise[0] - ay[0]) % _Q, (rise[1] - ay[1]) % _Q)


def add_twist(a: TwistPoint, b: TwistPoint) -> TwistPoint:
    """Add two points of the second group."""
    if a is None or b is None:
        return a or b
    slope = slope_of(a, b)
    return None if slope is None else third_point(a, b, slope)


def multiply_twist(point: TwistPoint, factor: int) -> TwistPoint:
    """Multiply a point of the second group by a number, from the highest bit down."""
    total: TwistPoint = None
    for bit in bin(factor)[2:]:
        total = add_twist(total, total)
        if bit == "1":
            total = add_twist(total, point)
    return total
