"""The curve by the `ecdsa` package and plain arithmetic: the twin of libsecp256k1.py for reading, for tests, and where
that library is missing. Refuses to be fast, or constant in time: what `NAME` says decides who may sign with it.
"""

import hashlib
from typing import Any, Final

from ecdsa import SECP256k1
from ecdsa.ellipticcurve import INFINITY, PointJacobi
from ecdsa.rfc6979 import generate_k

from primitives.hashing import tagged_hash

NAME: Final = "twin"
_CURVE: Final = SECP256k1.curve
_G: Final = SECP256k1.generator
N: Final[int] = SECP256k1.order
P: Final[int] = _CURVE.p()


def _number(data: bytes) -> int:
    return int.from_bytes(data, "big")


def _lift(x: int, odd: int) -> Any:
    """The point with this x and this parity of y, or None."""
    square = (x * x * x + 7) % P
    y = pow(square, (P + 1) // 4, P)
    if x >= P or y * y % P != square:
        return None
    return PointJacobi(_CURVE, x, y if y & 1 == odd else P - y, 1, N)


def _parse(public: bytes) -> Any:
    kind, x = public[0], _number(public[1:33])
    if kind in (2, 3) and len(public) == 33:
        return _lift(x, kind & 1)
    y = _number(public[33:])
    if kind not in (4, 6, 7) or len(public) != 65 or (kind != 4 and y & 1 != kind & 1):
        return None
    if x >= P or y >= P or (y * y - x * x * x - 7) % P:
        return None
    return PointJacobi(_CURVE, x, y, 1, N)


def _write(point: Any, compressed: bool) -> bytes | None:
    if point == INFINITY:
        return None
    x, y = int(point.x()), int(point.y())
    if compressed:
        return bytes([2 + (y & 1)]) + x.to_bytes(32, "big")
    return b"\x04" + x.to_bytes(32, "big") + y.to_bytes(32, "big")


def is_secret(secret: bytes) -> bool:
    return 0 < _number(secret) < N


def create(secret: bytes, compressed: bool) -> bytes | None:
    return _write(_G * _number(secret), compressed) if is_secret(secret) else None


def serialize(public: bytes, compressed: bool) -> bytes | None:
    point = _parse(public)
    return None if point is None else _write(point, compressed)


def is_xonly(public: bytes) -> bool:
    return _lift(_number(public), 0) is not None


def verify(public: bytes, compact: bytes, digest: bytes) -> bool:
    point, r, s = _parse(public), _number(compact[:32]), _number(compact[32:])
    if point is None or not 0 < r < N or not 0 < s <= N // 2:
        return False
    inverse = pow(s, -1, N)
    sum_ = _G.mul_add(_number(digest) * inverse % N, point, r * inverse % N)
    return sum_ != INFINITY and int(sum_.x()) % N == r


def sign(secret: bytes, digest: bytes, extra: bytes | None) -> bytes | None:
    signed = _sign(secret, digest, extra or b"")
    return None if signed is None else signed[0]


def sign_recoverable(secret: bytes, digest: bytes) -> tuple[bytes, int] | None:
    return _sign(secret, digest, b"")


def _sign(secret: bytes, digest: bytes, extra: bytes) -> tuple[bytes, int] | None:
    """RFC 6979, then the lower of the two values of s."""
    if not is_secret(secret):
        return None
    key, retry = _number(secret), 0
    while True:
        k = int(generate_k(N, key, hashlib.sha256, digest, retry_gen=retry, extra_entropy=extra))
        point = _G * k
        x, y = int(point.x()), int(point.y())
        r = x % N
        s = pow(k, -1, N) * (_number(digest) + r * key) % N
        if r and s:
            break
        retry += 1
    parity = (y & 1) | (2 if x >= N else 0)
    if s > N // 2:
        s, parity = N - s, parity ^ 1
    return r.to_bytes(32, "big") + s.to_bytes(32, "big"), parity


def recover(compact: bytes, parity: int, digest: bytes) -> bytes | None:
    r, s = _number(compact[:32]), _number(compact[32:])
    if not 0 < r < N or not 0 < s < N:
        return None
    point = _lift(r + N if parity & 2 else r, parity & 1)
    if point is None:
        return None
    inverse = pow(r, -1, N)
    return _write(_G.mul_add(-_number(digest) * inverse % N, point, s * inverse % N), False)


def _even(secret: bytes) -> tuple[int, bytes] | None:
    """The secret, negated if its point has an odd y, and the point's x."""
    public = create(secret, True)
    if public is None:
        return None
    return (_number(secret) if public[0] == 2 else N - _number(secret)), public[1:]


def sign_schnorr(secret: bytes, message: bytes, aux: bytes) -> bytes | None:
    even = _even(secret)
    if even is None:
        return None
    key, public = even
    masked = (key ^ _number(tagged_hash(b"BIP0340/aux", aux))).to_bytes(32, "big")
    nonce = _number(tagged_hash(b"BIP0340/nonce", masked + public + message)) % N
    pair = _even(nonce.to_bytes(32, "big"))
    if pair is None:
        return None
    k, r = pair
    challenge = _number(tagged_hash(b"BIP0340/challenge", r + public + message)) % N
    return r + ((k + challenge * key) % N).to_bytes(32, "big")


def verify_schnorr(public: bytes, signature: bytes, message: bytes) -> bool:
    point, r, s = _lift(_number(public), 0), _number(signature[:32]), _number(signature[32:])
    if point is None or r >= P or s >= N:
        return False
    challenge = _number(tagged_hash(b"BIP0340/challenge", signature[:32] + public + message)) % N
    sum_ = _G.mul_add(s, point, N - challenge)
    return sum_ != INFINITY and not int(sum_.y()) & 1 and int(sum_.x()) == r


def tweak_xonly(public: bytes, tweak: bytes) -> tuple[bytes, int] | None:
    tweaked = tweak_public(b"\x02" + public, tweak, True)
    return None if tweaked is None else (tweaked[1:], tweaked[0] & 1)


def is_tweaked_xonly(output: bytes, parity: int, public: bytes, tweak: bytes) -> bool:
    return tweak_xonly(public, tweak) == (output, parity)


def tweak_secret_xonly(secret: bytes, tweak: bytes) -> bytes | None:
    even = _even(secret)
    return None if even is None else tweak_secret(even[0].to_bytes(32, "big"), tweak)


def tweak_secret(secret: bytes, tweak: bytes) -> bytes | None:
    total = (_number(secret) + _number(tweak)) % N
    if not is_secret(secret) or _number(tweak) >= N or total == 0:
        return None
    return total.to_bytes(32, "big")


def tweak_public(public: bytes, tweak: bytes, compressed: bool) -> bytes | None:
    point = _parse(public)
    if point is None or _number(tweak) >= N:
        return None
    return _write(point + _G * _number(tweak), compressed)


def combine(publics: list[bytes], compressed: bool) -> bytes | None:
    total: Any = INFINITY
    for public in publics:
        point = _parse(public)
        if point is None:
            return None
        total = point + total
    return _write(total, compressed)
