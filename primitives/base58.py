"""Base58, and Base58Check with its four bytes of checksum: Bitcoin's older way to write bytes for people.

Refuses to know what the bytes are: prefixes belong to address.py.
"""

from typing import Final

from primitives.errors import DecodeError
from primitives.hashing import sha256d

ALPHABET: Final = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
LONGEST: Final = 1024  # characters; the work grows with their square
_VALUE: Final = {character: value for value, character in enumerate(ALPHABET)}


def encode(data: bytes) -> str:
    """Writes bytes in Base58, each leading zero byte as a 1."""
    number, text = int.from_bytes(data, "big"), ""
    while number:
        number, digit = divmod(number, 58)
        text = ALPHABET[digit] + text
    return "1" * (len(data) - len(data.lstrip(b"\0"))) + text


def decode(text: str) -> bytes:
    """Reads Base58. Raises DecodeError for other characters, white space too, and for more than 1,024 of them."""
    if len(text) > LONGEST:
        raise DecodeError("Base58: the text is too long")
    number = 0
    for character in text:
        value = _VALUE.get(character)
        if value is None:
            raise DecodeError(f"Base58: {character!r} is not one of its characters")
        number = number * 58 + value
    return bytes(len(text) - len(text.lstrip("1"))) + number.to_bytes((number.bit_length() + 7) // 8, "big")


def check_encode(data: bytes) -> str:
    """Writes bytes and the first four of their double SHA-256."""
    return encode(data + sha256d(data)[:4])


def check_decode(text: str) -> bytes:
    """Reads bytes and takes off their checksum. Raises DecodeError."""
    data = decode(text)
    if len(data) < 4:
        raise DecodeError("Base58: too short for a checksum")
    if sha256d(data[:-4])[:4] != data[-4:]:
        raise DecodeError("Base58: bad checksum")
    return data[:-4]
