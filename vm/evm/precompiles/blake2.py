"""The compression function of BLAKE2b, with a free number of rounds (EIP-152).

It knows nothing but its input. The loop here is the slow twin of _blake2.c.
"""

import struct
from typing import Final

from vm.evm.api import Precompile, PrecompileFailed
from vm.evm.precompiles.native import native

_SIZE = 213
_MASK = 2**64 - 1
_INITIAL = (
    *(0x6A09E667F3BCC908, 0xBB67AE8584CAA73B, 0x3C6EF372FE94F82B, 0xA54FF53A5F1D36F1),
    *(0x510E527FADE682D1, 0x9B05688C2B3E6C1F, 0x1F83D9ABFB41BD6B, 0x5BE0CD19137E2179),
)
_ORDER = (  # of the words in ten rounds, as hex digits
    *("0123456789abcdef", "ea489fd61c02b753", "b8c052fdae367194", "7931dcbe265a40f8", "905724afe1bc683d"),
    *("2c6a0b834d75fe19", "c51fed4a0763928b", "db7ec13950f4862a", "6fe9b308c2d714a5", "a2847615fb9e3cd0"),
)
_SCHEDULE = [[int(digit, 16) for digit in row] for row in _ORDER]
_QUARTERS = (
    *((0, 4, 8, 12), (1, 5, 9, 13), (2, 6, 10, 14), (3, 7, 11, 15)),
    *((0, 5, 10, 15), (1, 6, 11, 12), (2, 7, 8, 13), (3, 4, 9, 14)),
)


def compress(data: bytes) -> bytes:
    """Give the state after the rounds that the first four bytes name. Source: RFC 7693, section 3.2."""
    numbers = struct.unpack("<26Q", data[4:212])
    h, m, counters = numbers[:8], numbers[8:24], numbers[24:]
    v = [*h, *_INITIAL]
    v[12] ^= counters[0]
    v[13] ^= counters[1]
    if data[212]:
        v[14] ^= _MASK
    for number in range(int.from_bytes(data[:4], "big")):
        order = _SCHEDULE[number % 10]
        for k, (a, b, c, d) in enumerate(_QUARTERS):
            for word, far, near in ((m[order[2 * k]], 32, 24), (m[order[2 * k + 1]], 16, 63)):
                v[a] = (v[a] + v[b] + word) & _MASK
                mixed = v[d] ^ v[a]
                v[d] = mixed >> far | (mixed << (64 - far) & _MASK)
                v[c] = (v[c] + v[d]) & _MASK
                mixed = v[b] ^ v[c]
                v[b] = mixed >> near | (mixed << (64 - near) & _MASK)
    return struct.pack("<8Q", *(h[i] ^ v[i] ^ v[i + 8] for i in range(8)))


_compress = native.blake2_compress if native else compress


def _price(data: bytes) -> int:
    return int.from_bytes(data[:4], "big") if len(data) == _SIZE else 0


def _run(data: bytes) -> bytes:
    """Compress. Raises PrecompileFailed for another length or a bad last byte."""
    if len(data) != _SIZE:
        raise PrecompileFailed("invalid input length")
    if data[212] > 1:
        raise PrecompileFailed("invalid final flag")
    state: bytes = _compress(data)
    return state


COMPRESS: Final = Precompile("blake2f", _price, _run)
