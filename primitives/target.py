"""Compact bits, targets and work: three ways to say how hard a block was.

Refuses to know how the next difficulty is found, and raises nothing: any 32 bits have a meaning.
Source: Bitcoin Core, arith_uint256.cpp (SetCompact, GetCompact) and chain.cpp (GetBlockProof).
"""

from typing import Final, NamedTuple

_MAX: Final = (1 << 256) - 1
_SIGN: Final = 0x00800000


class Expanded(NamedTuple):
    """What compact bits stand for. Of a target too large for 256 bits the low ones are kept, as Core keeps them."""

    target: int
    negative: bool
    overflow: bool


def expand(bits: int) -> Expanded:
    """Reads compact bits: a byte of size, a sign bit and 23 bits of mantissa."""
    size, word = bits >> 24 & 0xFF, bits & 0x007FFFFF
    if size <= 3:
        word >>= 8 * (3 - size)
        target = word
    else:
        target = word << 8 * (size - 3) & _MAX
    negative = word != 0 and bits & _SIGN != 0
    overflow = word != 0 and (size > 34 or (word > 0xFF and size > 33) or (word > 0xFFFF and size > 32))
    return Expanded(target, negative, overflow)


def compact(target: int, negative: bool = False) -> int:
    """The compact bits of a target, which lose all but its leading 15 to 23 bits."""
    size = (target.bit_length() + 7) // 8
    word = target << 8 * (3 - size) if size <= 3 else target >> 8 * (size - 3)
    if word & _SIGN:
        word >>= 8
        size += 1
    return word | size << 24 | (_SIGN if negative and word & 0x007FFFFF else 0)


def work(bits: int) -> int:
    """The number of hashes that a block with these bits takes on average; 0 where no hash can serve."""
    target, negative, overflow = expand(bits)
    return 0 if negative or overflow or target == 0 else (1 << 256) // (target + 1)


def check_target(bits: int, pow_limit: int) -> int | None:
    """The target that the bits stand for, or None if it is negative, zero, too large for 256 bits or above the limit.

    Source: Bitcoin Core, pow.cpp, DeriveTarget.
    """
    target, negative, overflow = expand(bits)
    return None if negative or overflow or target == 0 or target > pow_limit else target


def meets(block_hash: bytes, bits: int, pow_limit: int) -> bool:
    """True if a hash in wire order is at most the target, and the target is a lawful one."""
    target = check_target(bits, pow_limit)
    return target is not None and int.from_bytes(block_hash, "little") <= target
