"""Addition to exponentiation on words of 256 bits.

It knows no gas but EXP's; the table charges the rest.
"""

from gmpy2 import powmod

from vm.evm.api import Frame

WORD = 1 << 256
MASK = WORD - 1
SIGN = 1 << 255


def signed(word: int) -> int:
    """Read a word as two's complement."""
    return word - WORD if word & SIGN else word


def add(frame: Frame) -> None:
    """Push a + b."""
    stack = frame.stack
    a = stack.pop()
    stack[-1] = (a + stack[-1]) & MASK


def mul(frame: Frame) -> None:
    """Push a * b."""
    stack = frame.stack
    a = stack.pop()
    stack[-1] = (a * stack[-1]) & MASK


def sub(frame: Frame) -> None:
    """Push a - b."""
    stack = frame.stack
    a = stack.pop()
    stack[-1] = (a - stack[-1]) & MASK


def div(frame: Frame) -> None:
    """Push a / b, rounded down; zero for b = 0."""
    stack = frame.stack
    a = stack.pop()
    b = stack[-1]
    stack[-1] = a // b if b else 0


def sdiv(frame: Frame) -> None:
    """Push a / b of signed words, rounded towards zero; zero for b = 0."""
    stack = frame.stack
    stack[-1] = signed_quotient(stack.pop(), stack[-1])


def signed_quotient(a: int, b: int) -> int:
    """Divide signed words as SDIV does."""
    if b == 0:
        return 0
    a, b = signed(a), signed(b)
    quotient = abs(a) // abs(b)
    return (quotient if (a < 0) == (b < 0) else -quotient) & MASK


def mod(frame: Frame) -> None:
    """Push a modulo b; zero for b = 0."""
    stack = frame.stack
    a = stack.pop()
    b = stack[-1]
    stack[-1] = a % b if b else 0


def smod(frame: Frame) -> None:
    """Push the rest of a / b of signed words, with the sign of a; zero for b = 0."""
    stack = frame.stack
    stack[-1] = signed_rest(stack.pop(), stack[-1])


def signed_rest(a: int, b: int) -> int:
    """Give the rest of signed words as SMOD does."""
    if b == 0:
        return 0
    a, b = signed(a), signed(b)
    rest = abs(a) % abs(b)
    return (-rest if a < 0 else rest) & MASK


def addmod(frame: Frame) -> None:
    """Push (a + b) modulo n, the sum not wrapped; zero for n = 0."""
    stack = frame.stack
    a, b = stack.pop(), stack.pop()
    n = stack[-1]
    stack[-1] = (a + b) % n if n else 0


def mulmod(frame: Frame) -> None:
    """Push (a * b) modulo n, the product not wrapped; zero for n = 0."""
    stack = frame.stack
    a, b = stack.pop(), stack.pop()
    n = stack[-1]
    stack[-1] = (a * b) % n if n else 0


def exp(frame: Frame) -> None:
    """Push a to the power of b, priced by the length of b."""
    stack = frame.stack
    a, b = stack.pop(), stack[-1]
    frame.charge(frame.fork.exp_byte_gas * ((b.bit_length() + 7) >> 3))
    stack[-1] = power(a, b)


def power(base: int, exponent: int) -> int:
    """Raise as EXP does; GMP knows that the modulus is a power of two."""
    return int(powmod(base, exponent, WORD))


def signextend(frame: Frame) -> None:
    """Extend the sign of the number in the low a + 1 bytes of b."""
    stack = frame.stack
    stack[-1] = sign_extended(stack.pop(), stack[-1])


def sign_extended(size: int, word: int) -> int:
    """Extend a sign as SIGNEXTEND does."""
    if size > 30:
        return word
    bits = 8 * size + 8
    low = word & ((1 << bits) - 1)
    return low | (MASK ^ ((1 << bits) - 1)) if low >> (bits - 1) else low
