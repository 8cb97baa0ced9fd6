"""What is known of code beside its bytes: where its jumps may land, and which of its stretches are compiled.

It knows no instruction but PUSH and JUMPDEST, and no fork: a book belongs to one.
"""

import re
from collections.abc import Callable
from functools import cached_property
from typing import Any, Final

JUMPDEST: Final = 0x5B

_PUSH = re.compile(b"|".join(b"\\x%02x.{0,%d}" % (0x5F + size, size) for size in range(1, 33)), re.DOTALL)
_BLANKS = [bytes(size) for size in range(34)]


def _blank(match: re.Match[bytes]) -> bytes:
    return _BLANKS[match.end() - match.start()]


class Book:
    """What the interpreter has learnt of one code under one fork."""

    def __init__(self, code: bytes) -> None:
        self.code = code
        self.heat: dict[int, int] = {}  # how often control came to a position
        self.credit = (
            0  # gas that was spent in steps, and not yet on compiling: so hostile code cannot make us compile for ever
        )
        self.regions: dict[int, Callable[[Any], int]] = {}

    @cached_property
    def jumps(self) -> bytes:
        """The code with its PUSH instructions blanked: where it has a JUMPDEST, a jump may land."""
        return _PUSH.sub(_blank, self.code)


NO_CODE: Final = Book(b"")
