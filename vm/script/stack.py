"""What lies on the stack of a script: bytes, read as numbers or as truth values; and the limits on it.

Refuses to know opcodes.
"""

from __future__ import annotations

from typing import Final

from vm.script.errors import ScriptError

MAX_ELEMENT_SIZE: Final = 520
MAX_SCRIPT_SIZE: Final = 10_000
MAX_OPS: Final = 201
MAX_STACK_SIZE: Final = 1_000
MAX_MULTISIG_KEYS: Final = 20

TRUE: Final = b"\x01"
FALSE: Final = b""


def truth(item: bytes) -> bool:
    """Zero of any length, with either sign, is false. Source: Bitcoin Core, CastToBool."""
    if not item:
        return False
    if item[-1] == 0x80:
        return any(item[:-1])
    return any(item)


def to_number(item: bytes, minimal: bool, most: int = 4) -> int:
    """Reads a little-endian number, its sign in the highest bit, of at most so many bytes. Raises ScriptError SCRIPTNUM.

    With `minimal` it must be as short as can be. Source: Bitcoin Core, script/script.h, CScriptNum.
    """
    size = len(item)
    if size == 0:
        return 0
    if size > most:
        raise ScriptError("SCRIPTNUM")
    last = item[-1]
    if minimal and not last & 0x7F and (size == 1 or not item[-2] & 0x80):
        raise ScriptError("SCRIPTNUM")
    value = int.from_bytes(item, "little")
    return (0x80 << 8 * (size - 1)) - value if last & 0x80 else value


def from_number(value: int) -> bytes:
    """Writes a number in its shortest form; a result may take five bytes, which no operation takes as an operand again."""
    if value == 0:
        return b""
    size = abs(value).bit_length() // 8 + 1
    sign = 0x80 << 8 * (size - 1) if value < 0 else 0
    return (abs(value) | sign).to_bytes(size, "little")
