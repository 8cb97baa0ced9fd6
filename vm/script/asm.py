"""Scripts in writing: Bitcoin Core's rendering of one for people, and the notation its test vectors are written in.

Refuses to know what a script means.
"""

from __future__ import annotations

import re
from typing import Final

from primitives.errors import DecodeError
from vm.script.errors import ScriptError
from vm.script.flags import Flags
from vm.script.opcodes import BY_NAME, NAMES, OP_0, OP_1, OP_PUSHDATA4, Truncated, push, read_op
from vm.script.shapes import is_unspendable
from vm.script.signatures import check_signature_encoding
from vm.script.stack import from_number, to_number

HASH_TYPES: Final = {
    0x01: "ALL",
    0x02: "NONE",
    0x03: "SINGLE",
    0x81: "ALL|ANYONECANPAY",
    0x82: "NONE|ANYONECANPAY",
    0x83: "SINGLE|ANYONECANPAY",
}
"""The hash types that have a name. Source: Bitcoin Core, core_io.cpp."""

_NUMBER: Final = re.compile(r"-?[0-9]+")
_RAW: Final = re.compile(r"0x(?:[0-9a-fA-F]{2})+")
_LIMIT: Final = 0xFFFFFFFF


def to_asm(script: bytes, hash_types: bool = False) -> str:
    """Bitcoin Core's ScriptToAsmStr; with `hash_types`, what looks like a signature ends with the name of its hash type."""
    hash_types = hash_types and not is_unspendable(script)
    words, at = [], 0
    while at < len(script):
        try:
            op, data, at = read_op(script, at)
        except Truncated:
            words.append("[error]")
            break
        if op > OP_PUSHDATA4:
            words.append(NAMES.get(op, "OP_UNKNOWN"))
        elif len(data) <= 4:
            words.append(str(to_number(data, False)))
        else:
            words.append(_signature(data) if hash_types else data.hex())
    return " ".join(words)


def _signature(data: bytes) -> str:
    try:
        check_signature_encoding(data, int(Flags.STRICTENC))
    except ScriptError:
        return data.hex()
    return f"{data[:-1].hex()}[{HASH_TYPES[data[-1]]}]"


def push_number(number: int) -> bytes:
    """Pushes a number by the shortest opcode. Source: Bitcoin Core, CScript::operator<<(int64_t)."""
    if number == 0:
        return bytes((OP_0,))
    if number == -1 or 1 <= number <= 16:
        return bytes((OP_1 - 1 + number,))
    return push(from_number(number))


def from_asm(text: str) -> bytes:
    """Bitcoin Core's ParseScript: decimal numbers and 'text' are pushed, 0xHEX stands as it is, opcodes go by name.

    Raises DecodeError.
    """
    return b"".join(map(_word, text.split()))


def _word(word: str) -> bytes:
    if _NUMBER.fullmatch(word):
        number = int(word)
        if abs(number) > _LIMIT:
            raise DecodeError(f"{word} is beyond the numbers that a script may be written with")
        return push_number(number)
    if _RAW.fullmatch(word):
        return bytes.fromhex(word[2:])
    if len(word) >= 2 and word[0] == word[-1] == "'":
        return push(word[1:-1].encode())
    if word not in BY_NAME:
        raise DecodeError(f"{word} is no opcode")
    return bytes((BY_NAME[word],))
