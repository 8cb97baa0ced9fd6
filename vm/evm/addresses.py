"""Where contracts come to lie, and where a delegation points.

It knows no state: the nonce, salt and code are given.
"""

from primitives import rlp
from primitives.hashing import keccak256

DELEGATION_PREFIX = b"\xef\x01\x00"


def contract_address(creator: bytes, nonce: int) -> bytes:
    """Address of a contract made by CREATE or by a transaction with this nonce."""
    encoded_nonce = nonce.to_bytes((nonce.bit_length() + 7) // 8, "big")
    return keccak256(rlp.encode([creator, encoded_nonce]))[12:]


def salted_address(creator: bytes, salt: bytes, initcode: bytes) -> bytes:
    """Address of a contract made by CREATE2 (EIP-1014)."""
    return keccak256(b"\xff" + creator + salt + keccak256(initcode))[12:]


def delegate_of(code: bytes) -> bytes | None:
    """Address that an account's code delegates to, or None if it is ordinary code (EIP-7702)."""
    return code[3:] if len(code) == 23 and code[:3] == DELEGATION_PREFIX else None
