"""What is known of code before it runs: where its jumps may land.

It knows no gas and no fork. The cache is bounded in entries, and holds no long code.
"""

import re
from functools import lru_cache

JUMPDEST = 0x5B
CACHED_SIZE = 1 << 16  # longer init code (lawful before EIP-3860) is analysed anew each time

_PUSH = re.compile(b"|".join(b"\\x%02x.{0,%d}" % (0x5F + size, size) for size in range(1, 33)), re.DOTALL)
_BLANKS = [bytes(size) for size in range(34)]


def _blank(match: re.Match[bytes]) -> bytes:
    return _BLANKS[match.end() - match.start()]


def _blanked(code: bytes) -> bytes:
    return _PUSH.sub(_blank, code)


_cached = lru_cache(maxsize=512)(_blanked)


def jump_map(code: bytes) -> bytes:
    """Give the code with its PUSH instructions blanked, so that a JUMPDEST byte in it is one to jump to."""
    return _cached(code) if len(code) <= CACHED_SIZE else _blanked(code)
