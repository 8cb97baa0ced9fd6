"""Signatures of messages by the key of an address, in Bitcoin Core's older form: 65 bytes from which the key is recovered.

It knows no wallet. Source: Bitcoin Core, common/signmessage.cpp.
"""

from __future__ import annotations

from typing import Final

from primitives import secp256k1
from primitives.buffer import compact_size
from primitives.hashing import hash160, sha256d

MAGIC: Final = b"Bitcoin Signed Message:\n"


def digest(message: bytes) -> bytes:
    """What is signed."""
    return sha256d(b"".join((compact_size(len(MAGIC)), MAGIC, compact_size(len(message)), message)))


def sign(secret: bytes, compressed: bool, message: bytes) -> bytes:
    """65 bytes: how to recover the key, then r and s."""
    compact, recovery = secp256k1.sign_recoverable(secret, digest(message))
    return bytes((27 + recovery + (4 if compressed else 0),)) + compact


def signer(signature: bytes, message: bytes) -> bytes | None:
    """The hash of the key that signed, or None where the bytes are no signature."""
    if len(signature) != 65 or not 27 <= signature[0] <= 34:
        return None
    kind = signature[0] - 27
    whole = secp256k1.recover(signature[1:], kind & 3, digest(message))
    return None if whole is None else hash160(secp256k1.serialize(whole, bool(kind & 4)))
