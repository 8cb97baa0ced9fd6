"""The opcodes: their numbers, Bitcoin Core's names for them, and how a script falls apart into them.

Refuses to know what they do.
"""

from __future__ import annotations

from collections.abc import Iterator
from types import MappingProxyType
from typing import Final

OP_0: Final = 0x00
OP_PUSHDATA1: Final = 0x4C
OP_PUSHDATA2: Final = 0x4D
OP_PUSHDATA4: Final = 0x4E
OP_1NEGATE: Final = 0x4F
OP_RESERVED: Final = 0x50
OP_1: Final = 0x51
OP_2: Final = 0x52
OP_3: Final = 0x53
OP_16: Final = 0x60
OP_NOP: Final = 0x61
OP_VER: Final = 0x62
OP_IF: Final = 0x63
OP_NOTIF: Final = 0x64
OP_VERIF: Final = 0x65
OP_VERNOTIF: Final = 0x66
OP_ELSE: Final = 0x67
OP_ENDIF: Final = 0x68
OP_VERIFY: Final = 0x69
OP_RETURN: Final = 0x6A
OP_TOALTSTACK: Final = 0x6B
OP_FROMALTSTACK: Final = 0x6C
OP_2DROP: Final = 0x6D
OP_2DUP: Final = 0x6E
OP_3DUP: Final = 0x6F
OP_2OVER: Final = 0x70
OP_2ROT: Final = 0x71
OP_2SWAP: Final = 0x72
OP_IFDUP: Final = 0x73
OP_DEPTH: Final = 0x74
OP_DROP: Final = 0x75
OP_DUP: Final = 0x76
OP_NIP: Final = 0x77
OP_OVER: Final = 0x78
OP_PICK: Final = 0x79
OP_ROLL: Final = 0x7A
OP_ROT: Final = 0x7B
OP_SWAP: Final = 0x7C
OP_TUCK: Final = 0x7D
OP_CAT: Final = 0x7E
OP_SUBSTR: Final = 0x7F
OP_LEFT: Final = 0x80
OP_RIGHT: Final = 0x81
OP_SIZE: Final = 0x82
OP_INVERT: Final = 0x83
OP_AND: Final = 0x84
OP_OR: Final = 0x85
OP_XOR: Final = 0x86
OP_EQUAL: Final = 0x87
OP_EQUALVERIFY: Final = 0x88
OP_RESERVED1: Final = 0x89
OP_RESERVED2: Final = 0x8A
OP_1ADD: Final = 0x8B
OP_1SUB: Final = 0x8C
OP_2MUL: Final = 0x8D
OP_2DIV: Final = 0x8E
OP_NEGATE: Final = 0x8F
OP_ABS: Final = 0x90
OP_NOT: Final = 0x91
OP_0NOTEQUAL: Final = 0x92
OP_ADD: Final = 0x93
OP_SUB: Final = 0x94
OP_MUL: Final = 0x95
OP_DIV: Final = 0x96
OP_MOD: Final = 0x97
OP_LSHIFT: Final = 0x98
OP_RSHIFT: Final = 0x99
OP_BOOLAND: Final = 0x9A
OP_BOOLOR: Final = 0x9B
OP_NUMEQUAL: Final = 0x9C
OP_NUMEQUALVERIFY: Final = 0x9D
OP_NUMNOTEQUAL: Final = 0x9E
OP_LESSTHAN: Final = 0x9F
OP_GREATERTHAN: Final = 0xA0
OP_LESSTHANOREQUAL: Final = 0xA1
OP_GREATERTHANOREQUAL: Final = 0xA2
OP_MIN: Final = 0xA3
OP_MAX: Final = 0xA4
OP_WITHIN: Final = 0xA5
OP_RIPEMD160: Final = 0xA6
OP_SHA1: Final = 0xA7
OP_SHA256: Final = 0xA8
OP_HASH160: Final = 0xA9
OP_HASH256: Final = 0xAA
OP_CODESEPARATOR: Final = 0xAB
OP_CHECKSIG: Final = 0xAC
OP_CHECKSIGVERIFY: Final = 0xAD
OP_CHECKMULTISIG: Final = 0xAE
OP_CHECKMULTISIGVERIFY: Final = 0xAF
OP_NOP1: Final = 0xB0
OP_CHECKLOCKTIMEVERIFY: Final = 0xB1
OP_CHECKSEQUENCEVERIFY: Final = 0xB2
OP_NOP4: Final = 0xB3
OP_NOP5: Final = 0xB4
OP_NOP6: Final = 0xB5
OP_NOP7: Final = 0xB6
OP_NOP8: Final = 0xB7
OP_NOP9: Final = 0xB8
OP_NOP10: Final = 0xB9
OP_CHECKSIGADD: Final = 0xBA
OP_INVALIDOPCODE: Final = 0xFF

MAX_OPCODE: Final = OP_NOP10
"""The highest opcode that a script outside of tapscript may hold (Core's MAX_OPCODE)."""

_SMALL: Final = {OP_0: "0", OP_1NEGATE: "-1"} | {OP_1 + n: str(n + 1) for n in range(16)}
NAMES: Final = MappingProxyType(
    {
        number: name
        for name, number in list(globals().items())
        if name.startswith("OP_") and number not in _SMALL and isinstance(number, int)
    }
    | _SMALL
)
"""Core's GetOpName: small numbers are themselves, everything else has its name with the prefix."""

BY_NAME: Final = MappingProxyType(
    {
        spelling: number
        for number, name in NAMES.items()
        if number >= OP_NOP or number == OP_RESERVED
        if number <= MAX_OPCODE
        for spelling in (name, name.removeprefix("OP_"))
    }
)
"""What an opcode is called in written scripts, with and without the prefix. Source: Core, core_io.cpp, OpCodeParser."""

DISABLED: Final = frozenset(
    {OP_CAT, OP_SUBSTR, OP_LEFT, OP_RIGHT, OP_INVERT, OP_AND, OP_OR, OP_XOR}
    | {OP_2MUL, OP_2DIV, OP_MUL, OP_DIV, OP_MOD, OP_LSHIFT, OP_RSHIFT}
)
"""Fails a script even where it is not reached (CVE-2010-5137)."""

SUCCESS: Final = frozenset(
    {0x50, 0x62, *range(0x7E, 0x82), *range(0x83, 0x87), 0x89, 0x8A, 0x8D, 0x8E, *range(0x95, 0x9A), *range(0xBB, 0xFF)}
)
"""OP_SUCCESS: makes a whole tapscript succeed (BIP342)."""

_LENGTH_BYTES: Final = {OP_PUSHDATA1: 1, OP_PUSHDATA2: 2, OP_PUSHDATA4: 4}


class Truncated(ValueError):
    """A push is announced that the script is too short for. Never leaves this package."""


def read_op(script: bytes, at: int) -> tuple[int, bytes, int]:
    """The opcode at a position, the data it pushes, and where the next one begins. Raises Truncated."""
    op = script[at]
    at += 1
    if op > OP_PUSHDATA4:
        return op, b"", at
    size = op
    if op >= OP_PUSHDATA1:
        width = _LENGTH_BYTES[op]
        if at + width > len(script):
            raise Truncated
        size = int.from_bytes(script[at : at + width], "little")
        at += width
    end = at + size
    if end > len(script):
        raise Truncated
    return op, script[at:end], end


def operations(script: bytes) -> Iterator[tuple[int, bytes]]:
    """The opcodes of a script in order, with the data that each pushes. Raises Truncated at a push without its data."""
    at = 0
    while at < len(script):
        op, data, at = read_op(script, at)
        yield op, data


def push(data: bytes) -> bytes:
    """Pushes bytes as they are, with the shortest length prefix. Source: Bitcoin Core, CScript::operator<<(vector)."""
    size = len(data)
    if size < OP_PUSHDATA1:
        return bytes((size,)) + data
    if size <= 0xFF:
        return bytes((OP_PUSHDATA1, size)) + data
    if size <= 0xFFFF:
        return bytes((OP_PUSHDATA2,)) + size.to_bytes(2, "little") + data
    return bytes((OP_PUSHDATA4,)) + size.to_bytes(4, "little") + data


def is_minimal_push(op: int, data: bytes) -> bool:
    """True if no shorter opcode pushes the same (BIP62 rule 3). Source: Bitcoin Core, CheckMinimalPush."""
    size = len(data)
    if size == 0:
        return op == OP_0
    if size == 1 and (1 <= data[0] <= 16 or data[0] == 0x81):
        return False
    if size <= 75:
        return op == size
    if size <= 0xFF:
        return op == OP_PUSHDATA1
    return op == OP_PUSHDATA2 or size > 0xFFFF
