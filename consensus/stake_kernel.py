"""The kernel of a stake: what is hashed, what it is compared with, and whether a coin may stake at a second. Pure functions.

It refuses to know where the modifier comes from. Source: Peercoin, kernel.cpp, CheckStakeKernelHash.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from struct import Struct
from typing import Final

from ledger.utxo.switches import Switches
from primitives.hashing import sha256d
from primitives.target import expand

_STREAM: Final = Struct("<QIIIII")
_STREAM_V02: Final = Struct("<IIIIII")


@dataclass(frozen=True, slots=True)
class Ages:
    """How old a coin must be to stake, and up to what age it gains weight, in seconds; what is called a day of age."""

    least: int = 30 * 24 * 60 * 60
    most: int = 90 * 24 * 60 * 60
    day: int = 24 * 60 * 60
    coin: int = 1_000_000
    """Units in a coin."""


@dataclass(frozen=True, slots=True)
class Stakeable:
    """A coin as a kernel sees it: nothing that its owner could still vary."""

    value: int
    block_time: int
    """Of the header of the block that made it."""
    offset: int
    """Of its transaction in that block, in bytes from the first of an 80-byte header."""
    tx_time: int
    """Of its transaction, or the block's where that has none."""
    index: int
    """Which output it is."""


def weight(coin: Stakeable, time: int, ages: Ages, switches: Switches) -> int:
    """The coin's weight in coin-days; from version 0.3 on it begins at 0 when the coin may stake. Both divisions round down."""
    age = min(time - coin.tx_time, ages.most)
    if time >= switches.v03:
        age -= ages.least
    return max(0, coin.value * age // ages.coin // ages.day)


def is_ripe(coin: Stakeable, time: int, ages: Ages) -> bool:
    """Whether the coin may stake at this time: its block is old enough, and it was not made later."""
    return coin.tx_time <= time and coin.block_time + ages.least <= time


def kernel_stream(coin: Stakeable, time: int, modifier: int | None, bits: int) -> bytes:
    """What is hashed: the modifier (before version 0.3 the bits), what fixes the coin's place in the chain, and the time."""
    head, form = (bits, _STREAM_V02) if modifier is None else (modifier, _STREAM)
    return form.pack(head, coin.block_time, coin.offset, coin.tx_time, coin.index, time)


def kernel_hash(coin: Stakeable, time: int, modifier: int | None, bits: int) -> bytes:
    """The kernel's hash in wire order. `modifier` is None before version 0.3."""
    return sha256d(kernel_stream(coin, time, modifier, bits))


def threshold(bits: int, coin_days: int) -> int:
    """The most that a kernel's hash may be: weight times target, which may exceed 256 bits."""
    return expand(bits).target * coin_days


def meets(proof: bytes, bits: int, coin_days: int) -> bool:
    """Whether a kernel's hash is at most weight times target."""
    return int.from_bytes(proof, "little") <= threshold(bits, coin_days)


Modifier = Callable[[int], int | None]
"""The modifier for a stake at a second; None where there is none yet."""


def search(
    coin: Stakeable, first: int, last: int, bits: int, modifier: Modifier, ages: Ages, switches: Switches
) -> tuple[int, bytes] | None:
    """The latest second from `last` back to `first` at which this coin's kernel holds, and the hash; None where none does.

    From version 0.3 on only; nothing older is ever minted anew.
    """
    target = expand(bits).target
    ceiling = target * weight(
        coin, last, ages, switches
    )  # weight only grows, so that most seconds need no more than this
    pack, tail = _STREAM.pack, (coin.block_time, coin.offset, coin.tx_time, coin.index)
    for time in range(last, max(first, coin.block_time + ages.least, coin.tx_time) - 1, -1):
        found = modifier(time)
        if found is None:
            continue
        proof = sha256(sha256(pack(found, *tail, time)).digest()).digest()
        number = int.from_bytes(proof, "little")
        if number <= ceiling and number <= target * weight(coin, time, ages, switches):
            return time, proof
    return None
