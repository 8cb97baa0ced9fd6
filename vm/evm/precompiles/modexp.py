"""Modular exponentiation of numbers of any length, with the prices of four forks.

The price reads only the three lengths and the exponent's first word, so that no hostile length is believed before it is paid.
"""

from collections.abc import Callable
from typing import Final

from gmpy2 import mpz, powmod

from vm.evm.api import Precompile, PrecompileFailed

_BOUND = 1_024  # bytes, EIP-7823


def _slice(data: bytes, start: int, size: int) -> bytes:
    return data[start : start + size].ljust(size, b"\0")


def _lengths(data: bytes) -> tuple[int, int, int]:
    head = data[:96].ljust(96, b"\0")
    return int.from_bytes(head[:32], "big"), int.from_bytes(head[32:64], "big"), int.from_bytes(head[64:], "big")


def _run(data: bytes) -> bytes:
    """Give base ** exponent % modulus, as long as the modulus; zero for a modulus of zero or one."""
    base_size, exponent_size, modulus_size = _lengths(data)
    if modulus_size == 0:
        return b""
    base, exponent, modulus = (
        mpz(int.from_bytes(_slice(data, start, size), "big"))
        for start, size in (
            (96, base_size),
            (96 + base_size, exponent_size),
            (96 + base_size + exponent_size, modulus_size),
        )
    )
    return (int(powmod(base, exponent, modulus)) if modulus else 0).to_bytes(modulus_size, "big")


def _run_bounded(data: bytes) -> bytes:
    """Refuse any number of more than 1,024 bytes (EIP-7823). Raises PrecompileFailed."""
    if max(_lengths(data)) > _BOUND:
        raise PrecompileFailed("modexp: one or more of base/exponent/modulus length exceeded 1024 bytes")
    return _run(data)


def _iterations(data: bytes, base_size: int, exponent_size: int, long_byte: int) -> int:
    """Estimate the squarings from the exponent's length and first word; at least one."""
    head = int.from_bytes(_slice(data, 96 + base_size, min(32, exponent_size)), "big")
    beyond = long_byte * max(0, exponent_size - 32)
    return max(1, beyond + max(0, head.bit_length() - 1))


def _square_by_size(size: int) -> int:
    """Estimate one multiplication of numbers of so many bytes (EIP-198)."""
    if size <= 64:
        return size * size
    if size <= 1_024:
        return size * size // 4 + 96 * size - 3_072
    return size * size // 16 + 480 * size - 199_680


def _square_by_words(size: int) -> int:
    """Estimate one multiplication by 8-byte words (EIP-2565)."""
    return ((size + 7) // 8) ** 2


def _square_raised(size: int) -> int:
    """Estimate one multiplication by 8-byte words, at the price of Osaka (EIP-7883)."""
    return 16 if size <= 32 else 2 * ((size + 7) // 8) ** 2


def _price(square: Callable[[int], int], long_byte: int, divisor: int, least: int) -> Callable[[bytes], int]:
    def price(data: bytes) -> int:
        base_size, exponent_size, modulus_size = _lengths(data)
        iterations = _iterations(data, base_size, exponent_size, long_byte)
        return max(least, square(max(base_size, modulus_size)) * iterations // divisor)

    return price


MODEXP: Final = Precompile("modexp", _price(_square_by_size, 8, 20, 0), _run)
MODEXP_CHEAPER: Final = Precompile("modexp", _price(_square_by_words, 8, 3, 200), _run)
MODEXP_BOUNDED: Final = Precompile("modexp", _price(_square_raised, 16, 1, 500), _run_bounded)
