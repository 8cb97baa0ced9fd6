"""P256VERIFY: an ECDSA signature on the curve secp256r1 (EIP-7951).

It knows no key format but the two coordinates.
"""

from typing import Final

from vm.evm.api import Precompile

_P = 2**256 - 2**224 + 2**192 + 2**96 - 1
_N = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
_VALID = (1).to_bytes(32, "big")


def _run(data: bytes) -> bytes:
    """Give the word 1 for a good signature, else nothing."""
    if len(data) != 160:
        return b""
    r, s, x, y = (int.from_bytes(data[at : at + 32], "big") for at in range(32, 160, 32))
    if not (0 < r < _N and 0 < s < _N and x < _P and y < _P):
        return b""
    return _VALID if _verify(data[:32], r, s, x, y) else b""


def _verify(digest: bytes, r: int, s: int, x: int, y: int) -> bool:
    # OpenSSL is slow to load, and few chains ever come here
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric import ec, utils
    from cryptography.hazmat.primitives.hashes import SHA256

    try:
        key = ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key()
    except ValueError:  # not on the curve
        return False
    try:
        key.verify(utils.encode_dss_signature(r, s), digest, ec.ECDSA(utils.Prehashed(SHA256())))
    except InvalidSignature:
        return False
    return True


VERIFY: Final = Precompile("p256verify", lambda data: 6_900, _run)
