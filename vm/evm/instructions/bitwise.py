"""Comparisons, logic and shifts on words of 256 bits.

It knows no gas; the table charges all.
"""

from vm.evm.api import Frame
from vm.evm.instructions.arithmetic import MASK, SIGN, signed


def lt(frame: Frame) -> None:
    """Push whether a < b."""
    stack = frame.stack
    a = stack.pop()
    stack[-1] = 1 if a < stack[-1] else 0


def gt(frame: Frame) -> None:
    """Push whether a > b."""
    stack = frame.stack
    a = stack.pop()
    stack[-1] = 1 if a > stack[-1] else 0


def slt(frame: Frame) -> None:
    """Push whether a < b as signed words. Flipping the sign bits makes the order the unsigned one."""
    stack = frame.stack
    a = stack.pop() ^ SIGN
    stack[-1] = 1 if a < stack[-1] ^ SIGN else 0


def sgt(frame: Frame) -> None:
    """Push whether a > b as signed words."""
    stack = frame.stack
    a = stack.pop() ^ SIGN
    stack[-1] = 1 if a > stack[-1] ^ SIGN else 0


def eq(frame: Frame) -> None:
    """Push whether a = b."""
    stack = frame.stack
    a = stack.pop()
    stack[-1] = 1 if a == stack[-1] else 0


def iszero(frame: Frame) -> None:
    """Push whether a = 0."""
    stack = frame.stack
    stack[-1] = 0 if stack[-1] else 1


def and_(frame: Frame) -> None:
    """Push a AND b."""
    stack = frame.stack
    a = stack.pop()
    stack[-1] &= a


def or_(frame: Frame) -> None:
    """Push a OR b."""
    stack = frame.stack
    a = stack.pop()
    stack[-1] |= a


def xor(frame: Frame) -> None:
    """Push a XOR b."""
    stack = frame.stack
    a = stack.pop()
    stack[-1] ^= a


def not_(frame: Frame) -> None:
    """Push the complement of a."""
    stack = frame.stack
    stack[-1] ^= MASK


def byte(frame: Frame) -> None:
    """Push byte number a of b, counted from the most significant; zero from 32 on."""
    stack = frame.stack
    a = stack.pop()
    stack[-1] = (stack[-1] >> (248 - 8 * a)) & 0xFF if a < 32 else 0


def shl(frame: Frame) -> None:
    """Push b shifted left by a bits (EIP-145)."""
    stack = frame.stack
    a = stack.pop()
    stack[-1] = (stack[-1] << a) & MASK if a < 256 else 0


def shr(frame: Frame) -> None:
    """Push b shifted right by a bits (EIP-145)."""
    stack = frame.stack
    a = stack.pop()
    stack[-1] = stack[-1] >> a if a < 256 else 0


def sar(frame: Frame) -> None:
    """Push signed b shifted right by a bits (EIP-145)."""
    stack = frame.stack
    a = stack.pop()
    stack[-1] = (signed(stack[-1]) >> min(a, 256)) & MASK


def clz(frame: Frame) -> None:
    """Push the count of leading zero bits of a, 256 for zero (EIP-7939)."""
    stack = frame.stack
    stack[-1] = 256 - stack[-1].bit_length()
