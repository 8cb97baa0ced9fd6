"""Bech32 and Bech32m: a prefix, a 1, groups of five bits and a checksum that locates typing errors (BIP173, BIP350).

Refuses to know which prefixes there are; a witness program's version and size it does check, as the BIPs define them here.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from primitives.errors import DecodeError

CHARSET: Final = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
LONGEST: Final = 90
_VALUE: Final = {character: value for value, character in enumerate(CHARSET)}
_GENERATOR: Final = (0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)


class Variant(IntEnum):
    """What the checksum leaves over."""

    BECH32 = 1
    BECH32M = 0x2BC830A3


@dataclass(frozen=True, slots=True)
class Bech32:
    """A decoded text: the prefix in lower case, and values of five bits."""

    hrp: str
    values: bytes
    variant: Variant


def _reduced(top: int) -> int:
    """What is added for the five bits that are shifted out."""
    total = 0
    for bit, generator in enumerate(_GENERATOR):
        if top >> bit & 1:
            total ^= generator
    return total


_REDUCED: Final = tuple(_reduced(top) for top in range(32))


def _polymod(values: Iterable[int]) -> int:
    checksum = 1
    for value in values:
        checksum = (checksum & 0x1FFFFFF) << 5 ^ value ^ _REDUCED[checksum >> 25]
    return checksum


def _expand(hrp: str) -> list[int]:
    return [ord(c) >> 5 for c in hrp] + [0] + [ord(c) & 31 for c in hrp]


def encode(hrp: str, values: Sequence[int], variant: Variant) -> str:
    """Writes values of five bits under a lower-case prefix."""
    checksum = _polymod([*_expand(hrp), *values, 0, 0, 0, 0, 0, 0]) ^ variant
    return hrp + "1" + "".join(CHARSET[v] for v in (*values, *(checksum >> 5 * (5 - i) & 31 for i in range(6))))


def decode(text: str) -> Bech32:
    """Reads a text of at most 90 characters. Raises DecodeError, and says what is wrong with it."""
    if len(text) > LONGEST:
        raise DecodeError(f"Bech32: {len(text)} characters, {LONGEST} allowed")
    if any(not 33 <= ord(character) <= 126 for character in text):
        raise DecodeError("Bech32: a character out of range")
    if text != text.lower() and text != text.upper():
        raise DecodeError("Bech32: upper and lower case mixed")
    hrp, one, data = text.lower().rpartition("1")
    if not one:
        raise DecodeError("Bech32: no separator")
    if not hrp:
        raise DecodeError("Bech32: the prefix is empty")
    if len(data) < 6:
        raise DecodeError("Bech32: too short for a checksum")
    if any(character not in _VALUE for character in data):
        raise DecodeError("Bech32: a character after the separator is not one of its own")
    values = bytes(_VALUE[character] for character in data)
    rest = _polymod([*_expand(hrp), *values])
    if rest not in (Variant.BECH32, Variant.BECH32M):
        raise DecodeError("Bech32: bad checksum")
    return Bech32(hrp, values[:-6], Variant(rest))


def regroup(values: Iterable[int], old: int, new: int, pad: bool) -> bytes:
    """Regroups values of `old` bits into values of `new` bits. Without padding, at most `old` - 1 zero bits may be left over.

    Raises DecodeError for padding that is longer, or not zero.
    """
    held, bits, out = 0, 0, bytearray()
    for value in values:
        held = (held << old | value) & 0xFFF
        bits += old
        while bits >= new:
            bits -= new
            out.append(held >> bits & ((1 << new) - 1))
    rest = held << (new - bits) & ((1 << new) - 1)
    if pad:
        if bits:
            out.append(rest)
    elif bits >= old or rest:
        raise DecodeError("Bech32: the padding is too long, or not zero")
    return bytes(out)


def check_program(version: int, program: bytes) -> None:
    """A witness program has version 0 to 16 and 2 to 40 bytes; of version 0, 20 or 32 (BIP141). Raises DecodeError."""
    if not 0 <= version <= 16:
        raise DecodeError(f"witness version {version}, at most 16 allowed")
    if not 2 <= len(program) <= 40:
        raise DecodeError(f"witness program of {len(program)} bytes, 2 to 40 allowed")
    if version == 0 and len(program) not in (20, 32):
        raise DecodeError(f"witness program of {len(program)} bytes, version 0 has 20 or 32")


def program_encode(hrp: str, version: int, program: bytes) -> str:
    """Writes a witness program as an address: version 0 in Bech32, any other in Bech32m. Raises DecodeError."""
    check_program(version, program)
    variant = Variant.BECH32M if version else Variant.BECH32
    return encode(hrp, [version, *regroup(program, 8, 5, pad=True)], variant)


def program_decode(text: str) -> tuple[str, int, bytes]:
    """Reads an address: its prefix, witness version and program. Raises DecodeError."""
    found = decode(text)
    if not found.values:
        raise DecodeError("Bech32: no witness version")
    version = found.values[0]
    program = regroup(found.values[1:], 5, 8, pad=False)
    check_program(version, program)
    if found.variant != (Variant.BECH32M if version else Variant.BECH32):
        raise DecodeError("Bech32: version 0 takes the first checksum, later ones that of Bech32m")
    return found.hrp, version, program
