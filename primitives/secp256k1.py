"""The curve of Bitcoin and Ethereum: keys, ECDSA, recovery, Schnorr. libsecp256k1 does it, or a slow twin in Python.

Refuses to know what is signed, and which encodings a script's rules allow. Secrets are 32 bytes, big-endian.
A bad signature or key makes a check False and never raises; a digest of another length than 32 is our own mistake.
"""

from collections.abc import Sequence
from typing import Final

from primitives.errors import DecodeError

try:
    from primitives import libsecp256k1 as _curve
except ImportError:  # coincurve is not installed
    from primitives import secp256k1_twin as _curve  # type: ignore[no-redef]

N: Final = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
HALF_N: Final = N // 2
CONSTANT_TIME: Final = _curve.NAME == "libsecp256k1"  # False: the twin is at work, which real money must not rely on
_ZERO: Final = bytes(64)


def _length(data: bytes, size: int, name: str) -> None:
    if len(data) != size:
        raise ValueError(f"a {name} is {size} bytes, not {len(data)}")


def _secret(secret: bytes) -> None:
    if len(secret) != 32 or not _curve.is_secret(secret):
        raise DecodeError("the secret key is out of range")


def is_secret(secret: bytes) -> bool:
    """True if 32 bytes are a secret key: neither zero nor beyond the order of the curve."""
    return len(secret) == 32 and _curve.is_secret(secret)


def is_public(public: bytes) -> bool:
    """True if the bytes are a point: compressed (02, 03), whole (04) or hybrid (06, 07)."""
    return bool(public) and _curve.serialize(public, True) is not None


def is_xonly(public: bytes) -> bool:
    """True if 32 bytes are the x of a point (BIP340)."""
    return len(public) == 32 and _curve.is_xonly(public)


def public_key(secret: bytes, compressed: bool = True) -> bytes:
    """The public key of a secret: 33 bytes, or 65 if not compressed. Raises DecodeError."""
    _secret(secret)
    return _found(_curve.create(secret, compressed))


def serialize(public: bytes, compressed: bool = True) -> bytes:
    """A public key in its compressed or its whole form. Raises DecodeError if it is no point."""
    if not public:
        raise DecodeError("the public key is empty")
    return _found(_curve.serialize(public, compressed))


def _found(public: bytes | None) -> bytes:
    if public is None:
        raise DecodeError("the public key is no point of the curve")
    return public


def der_to_compact(signature: bytes) -> bytes | None:
    """Reads r and s (32 bytes each) as laxly as consensus does; None where even that finds none.

    Tags and the lengths of r and s must be there; the outer length, padding, signs and trailing bytes do not matter. Of an r
    or s beyond the order nothing can be made: both are zero then, and no key verifies them.
    Source: Bitcoin Core, pubkey.cpp, ecdsa_signature_parse_der_lax.
    """
    pair = _lax(signature)
    if pair is None:
        return None
    r, s = pair
    return _ZERO if r >= N or s >= N else r.to_bytes(32, "big") + s.to_bytes(32, "big")


def _lax(signature: bytes) -> tuple[int, int] | None:
    size = len(signature)
    if size < 2 or signature[0] != 0x30:
        return None
    at = 2
    if signature[1] & 0x80:
        at += signature[1] & 0x7F
        if at > size:
            return None
    first = _lax_integer(signature, at, size)
    if first is None:
        return None
    second = _lax_integer(signature, first[1], size)
    return None if second is None else (first[0], second[0])


def _lax_integer(signature: bytes, at: int, size: int) -> tuple[int, int] | None:
    """An unsigned integer and where the next one starts."""
    if at + 2 > size or signature[at] != 0x02:
        return None
    length = signature[at + 1]
    at += 2
    if length & 0x80:
        end = at + (length & 0x7F)
        if end > size:
            return None
        length = int.from_bytes(signature[at:end], "big")
        if length >= 1 << 24:
            return None
        at = end
    end = at + length
    return None if end > size else (int.from_bytes(signature[at:end], "big"), end)


def compact_to_der(compact: bytes) -> bytes:
    """Writes r and s as strict DER (BIP66)."""
    _length(compact, 64, "compact signature")
    body = b""
    for half in (compact[:32], compact[32:]):
        number = int.from_bytes(half, "big")
        size = number.bit_length() // 8 + 1
        body += bytes((0x02, size)) + number.to_bytes(size, "big")
    return bytes((0x30, len(body))) + body


def is_low_s(signature: bytes) -> bool:
    """True if a DER signature's s is in the lower half. Source: Bitcoin Core, pubkey.cpp, CheckLowS."""
    compact = der_to_compact(signature)
    return compact is not None and int.from_bytes(compact[32:], "big") <= HALF_N


def verify(public: bytes, signature: bytes, digest: bytes) -> bool:
    """Checks an ECDSA signature in DER as consensus does: lax encoding, either s, hybrid keys too.

    Source: Bitcoin Core, pubkey.cpp, CPubKey::Verify.
    """
    if len(digest) != 32:
        raise ValueError("a digest is 32 bytes")
    pair = _lax(signature)
    if pair is None or not public:
        return False
    r, s = pair
    if s > HALF_N:
        s = N - s
    if s <= 0 or r >= N:
        return False
    return _curve.verify(public, r.to_bytes(32, "big") + s.to_bytes(32, "big"), digest)


def verify_compact(public: bytes, compact: bytes, digest: bytes) -> bool:
    """Checks an ECDSA signature of 64 bytes, with either s."""
    _length(digest, 32, "digest")
    s = int.from_bytes(compact[32:], "big")
    if not public or len(compact) != 64 or s >= N:
        return False
    return _curve.verify(public, compact[:32] + min(s, N - s).to_bytes(32, "big"), digest)


def sign_compact(secret: bytes, digest: bytes, low_r: bool = False) -> bytes:
    """Signs with ECDSA: RFC 6979 nonce, low s, 64 bytes; what was signed is verified before it is given out.

    With `low_r` it counts further nonces until r takes 32 bytes in DER, as Bitcoin Core's wallet does. Raises DecodeError.
    """
    _length(digest, 32, "digest")
    _secret(secret)
    signature, tries = _curve.sign(secret, digest, None), 0
    while low_r and signature is not None and signature[0] & 0x80:
        tries += 1
        signature = _curve.sign(secret, digest, tries.to_bytes(4, "little") + bytes(28))
    if signature is None or not _curve.verify(public_key(secret), signature, digest):
        raise RuntimeError("the curve library made a signature that does not verify")
    return signature


def sign(secret: bytes, digest: bytes, low_r: bool = False) -> bytes:
    """Signs as `sign_compact` does, in strict DER. Raises DecodeError."""
    return compact_to_der(sign_compact(secret, digest, low_r))


def sign_recoverable(secret: bytes, digest: bytes) -> tuple[bytes, int]:
    """Signs with ECDSA; 64 bytes and the recovery id, 0 to 3 (Ethereum's y parity). Raises DecodeError."""
    _length(digest, 32, "digest")
    _secret(secret)
    signed = _curve.sign_recoverable(secret, digest)
    if signed is None or _curve.recover(*signed, digest) != public_key(secret, False):
        raise RuntimeError("the curve library made a signature that does not verify")
    return signed


def recover(compact: bytes, recovery_id: int, digest: bytes) -> bytes | None:
    """The whole public key (65 bytes) that made a signature, with either s; None where there is none."""
    _length(digest, 32, "digest")
    if len(compact) != 64 or not 0 <= recovery_id <= 3:
        return None
    return _curve.recover(compact, recovery_id, digest)


def verify_schnorr(public: bytes, signature: bytes, message: bytes) -> bool:
    """Checks a Schnorr signature over a message of any length by an x-only key (BIP340)."""
    return len(public) == 32 and len(signature) == 64 and _curve.verify_schnorr(public, signature, message)


def sign_schnorr(secret: bytes, message: bytes, aux: bytes = bytes(32)) -> bytes:
    """Signs with Schnorr (BIP340), and verifies it; `aux` is the auxiliary randomness. Raises DecodeError."""
    _length(aux, 32, "randomness")
    _secret(secret)
    signature = _curve.sign_schnorr(secret, message, aux)
    if signature is None or not _curve.verify_schnorr(public_key(secret)[1:], signature, message):
        raise RuntimeError("the curve library made a signature that does not verify")
    return signature


def tweak_xonly(public: bytes, tweak: bytes) -> tuple[bytes, int]:
    """The x-only key plus `tweak` times the generator, and the parity of its y (BIP341). Raises DecodeError."""
    _length(tweak, 32, "tweak")
    tweaked = _curve.tweak_xonly(public, tweak) if len(public) == 32 else None
    if tweaked is None:
        raise DecodeError("the x-only key or its tweak is out of range")
    return tweaked


def is_tweaked_xonly(output: bytes, parity: int, public: bytes, tweak: bytes) -> bool:
    """True if `output`, with this parity, is the x-only key `public` tweaked: taproot's commitment check."""
    if not len(output) == len(public) == len(tweak) == 32:
        return False
    return _curve.is_tweaked_xonly(output, parity, public, tweak)


def tweak_secret_xonly(secret: bytes, tweak: bytes) -> bytes:
    """The secret of the tweaked x-only key (BIP341, taproot_tweak_seckey). Raises DecodeError."""
    _length(tweak, 32, "tweak")
    _secret(secret)
    return _tweaked(_curve.tweak_secret_xonly(secret, tweak))


def tweak_secret(secret: bytes, tweak: bytes) -> bytes:
    """The secret plus the tweak (BIP32). Raises DecodeError where that is no key."""
    _length(tweak, 32, "tweak")
    _secret(secret)
    return _tweaked(_curve.tweak_secret(secret, tweak))


def tweak_public(public: bytes, tweak: bytes, compressed: bool = True) -> bytes:
    """The key plus `tweak` times the generator (BIP32). Raises DecodeError where that is no key."""
    _length(tweak, 32, "tweak")
    return _tweaked(_curve.tweak_public(public, tweak, compressed) if public else None)


def combine(publics: Sequence[bytes], compressed: bool = True) -> bytes:
    """The sum of public keys. Raises DecodeError where one of them is no point, or the sum is none."""
    return _tweaked(_curve.combine(list(publics), compressed) if publics and all(publics) else None)


def _tweaked(key: bytes | None) -> bytes:
    if key is None:
        raise DecodeError("the key or its tweak is out of range")
    return key
