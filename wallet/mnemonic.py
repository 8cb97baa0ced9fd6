"""Mnemonic phrases of BIP39, in English: entropy to words, words to entropy, words to a seed.

Refuses to know what the seed is for. No error names a word of the phrase.
"""

import hashlib
from collections.abc import Mapping
from functools import lru_cache
from importlib.resources import files
from random import Random
from types import MappingProxyType
from typing import Final
from unicodedata import normalize

from primitives.errors import DecodeError

SIZES: Final = (12, 15, 18, 21, 24)
"""How many words a phrase may have; each stands for 11 bits, every 33rd bit is a check."""


@lru_cache(maxsize=1)
def words() -> tuple[str, ...]:
    """The 2048 words, in their order."""
    return tuple(files("wallet.data").joinpath("english.txt").read_text("ascii").split())


@lru_cache(maxsize=1)
def _positions() -> Mapping[str, int]:
    return MappingProxyType({word: at for at, word in enumerate(words())})


def normalise(phrase: str) -> str:
    """The phrase as the seed is made from it: NFKD, lower case, single spaces."""
    return " ".join(normalize("NFKD", phrase).lower().split())


def from_entropy(entropy: bytes) -> str:
    """The phrase that stands for 16 to 32 bytes. Raises DecodeError for another length."""
    bits = len(entropy) * 8
    if bits // 32 * 3 not in SIZES or bits % 32:
        raise DecodeError(f"entropy of {len(entropy)} bytes; 16, 20, 24, 28 or 32 make a phrase")
    check = bits // 32
    number = int.from_bytes(entropy, "big") << check | hashlib.sha256(entropy).digest()[0] >> (8 - check)
    count = (bits + check) // 11
    return " ".join(words()[number >> 11 * (count - 1 - at) & 2047] for at in range(count))


def to_entropy(phrase: str) -> bytes:
    """The bytes that a phrase stands for. Raises DecodeError: number of words, unknown word (by its place), checksum."""
    parts = normalise(phrase).split()
    if len(parts) not in SIZES:
        raise DecodeError(f"a mnemonic has 12, 15, 18, 21 or 24 words, not {len(parts)}")
    number, positions = 0, _positions()
    for at, word in enumerate(parts, 1):
        if word not in positions:
            raise DecodeError(f"word {at} of the mnemonic is not in the English list")
        number = number << 11 | positions[word]
    check = len(parts) // 3
    entropy = (number >> check).to_bytes(check * 4, "big")
    if hashlib.sha256(entropy).digest()[0] >> (8 - check) != number & ((1 << check) - 1):
        raise DecodeError("the checksum of the mnemonic does not match: a word is wrong or out of place")
    return entropy


def generate(random: Random, count: int = 12) -> str:
    """A new phrase of this many words from a secure source of randomness. Raises DecodeError for an unlawful count."""
    if count not in SIZES:
        raise DecodeError(f"a mnemonic has 12, 15, 18, 21 or 24 words, not {count}")
    return from_entropy(random.randbytes(count // 3 * 4))


def secret_bytes(text: str) -> bytes:
    """UTF-8 of a secret. Raises DecodeError that does not hold the secret, as Python's own error would."""
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise DecodeError("the secret holds a lone surrogate and has no UTF-8 form") from None


def seed(phrase: str, passphrase: str = "") -> bytes:
    """The 64-byte seed of a phrase: PBKDF2-HMAC-SHA512, 2048 rounds. The checksum is `to_entropy`'s affair."""
    salt = b"mnemonic" + secret_bytes(normalize("NFKD", passphrase))
    return hashlib.pbkdf2_hmac("sha512", secret_bytes(normalise(phrase)), salt, 2048)
