"""The checksum of output descriptors (BIP380): eight characters that find any four wrong ones.

Refuses to know what a descriptor says.
"""

from typing import Final

from primitives.errors import DecodeError

INPUT: Final = "0123456789()[],'/*abcdefgh@:$%{}IJKLMNOPQRSTUVWXYZ&+-.;<=>?!^_|~ijklmnopqrstuvwxyzABCDEFGH`#\"\\ "
OUTPUT: Final = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
_GENERATOR: Final = (0xF5DEE51989, 0xA9FDCA3312, 0x1BAB10E32D, 0x3706B1677A, 0x644D626FFD)
_PLACES: Final = {character: place for place, character in enumerate(INPUT)}


def _reduced(top: int) -> int:
    """What is added for the five bits that are shifted out."""
    total = 0
    for bit, term in enumerate(_GENERATOR):
        if top >> bit & 1:
            total ^= term
    return total


_REDUCED: Final = tuple(_reduced(top) for top in range(32))


def checksum(text: str) -> str:
    """The checksum of a descriptor without one. Raises DecodeError for a character that descriptors do not have."""
    places, reduced, state, group, count = _PLACES, _REDUCED, 1, 0, 0
    for character in text:
        place = places.get(character)
        if place is None:
            raise DecodeError(f"invalid character in a descriptor at position {text.index(character)}")
        state = (state & 0x7FFFFFFFF) << 5 ^ place & 31 ^ reduced[state >> 35]
        group = group * 3 + (place >> 5)
        count += 1
        if count == 3:
            state = (state & 0x7FFFFFFFF) << 5 ^ group ^ reduced[state >> 35]
            group, count = 0, 0
    for value in (*((group,) if count else ()), *bytes(8)):
        state = (state & 0x7FFFFFFFF) << 5 ^ value ^ reduced[state >> 35]
    state ^= 1
    return "".join(OUTPUT[state >> 5 * (7 - at) & 31] for at in range(8))


def add(text: str) -> str:
    """The descriptor with its checksum."""
    return f"{text}#{checksum(text)}"


def strip(text: str, required: bool = False) -> str:
    """The descriptor without its checksum, which must be right if it is there, and there if required. Raises DecodeError."""
    body, mark, found = text.partition("#")
    if not mark:
        if required:
            raise DecodeError("missing checksum")
        checksum(body)
        return body
    if "#" in found:
        raise DecodeError("multiple '#' symbols")
    if len(found) != 8:
        raise DecodeError(f"expected 8 character checksum, not {len(found)} characters")
    wanted = checksum(body)
    if wanted != found:
        raise DecodeError(f"provided checksum '{found}' does not match computed checksum '{wanted}'")
    return body
