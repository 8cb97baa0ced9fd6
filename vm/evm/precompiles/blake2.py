"""The compression function of BLAKE2b, with a free number of rounds (EIP-152).

It knows nothing but its input.
"""

import struct
from typing import Final

from blake2b import compress

from vm.evm.api import Precompile, PrecompileFailed

_SIZE = 213


def _price(data: bytes) -> int:
    return int.from_bytes(data[:4], "big") if len(data) == _SIZE else 0


def _run(data: bytes) -> bytes:
    """Give the state after the rounds. Raises PrecompileFailed for another length or a bad last byte."""
    if len(data) != _SIZE or data[212] > 1:
        raise PrecompileFailed("invalid input length" if len(data) != _SIZE else "invalid final flag")
    rounds = int.from_bytes(data[:4], "big")
    numbers = struct.unpack("<26Q", data[4:212])
    return bytes(compress(rounds, numbers[:8], numbers[8:24], numbers[24:], bool(data[212])))


COMPRESS: Final = Precompile("blake2f", _price, _run)
