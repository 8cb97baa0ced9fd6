"""SHA-256, RIPEMD-160 and the identity.

They know nothing but their input.
"""

from collections.abc import Callable
from typing import Final

from primitives.hashing import ripemd160, sha256
from vm.evm.api import Precompile
from vm.evm.gas import words


def _per_word(base: int, word: int) -> Callable[[bytes], int]:
    return lambda data: base + word * words(len(data))


SHA256: Final = Precompile("sha256", _per_word(60, 12), sha256)
RIPEMD160: Final = Precompile("ripemd160", _per_word(600, 120), lambda data: bytes(12) + ripemd160(data))
IDENTITY: Final = Precompile("identity", _per_word(15, 3), lambda data: data)
