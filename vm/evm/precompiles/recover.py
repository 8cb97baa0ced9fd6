"""ECRECOVER: the account that signed a hash.

It knows no transaction; a signature with a high s is lawful here.
"""

from typing import Final

from primitives import secp256k1
from primitives.hashing import keccak256
from vm.evm.api import Precompile


def _run(data: bytes) -> bytes:
    """Give the signer, padded to a word, or nothing if there is none."""
    data = data[:128].ljust(128, b"\0")
    v = int.from_bytes(data[32:64], "big")
    if v not in (27, 28):
        return b""
    public = secp256k1.recover(data[64:128], v - 27, data[:32])
    return b"" if public is None else bytes(12) + keccak256(public[1:])[12:]


RECOVER: Final = Precompile("ecrecover", lambda data: 3_000, _run)
