"""The shapes of scripts that consensus itself tells apart: script hash, witness program, pushes only, unspendable.

Refuses to know the other templates, which are custom, not law.
"""

from __future__ import annotations

from vm.script.opcodes import OP_0, OP_1, OP_16, OP_EQUAL, OP_HASH160, OP_RETURN, Truncated, operations
from vm.script.stack import MAX_SCRIPT_SIZE

_P2SH_HEAD = bytes((OP_HASH160, 20))


def is_script_hash(script: bytes) -> bool:
    """True if it is HASH160, 20 bytes, EQUAL (BIP16)."""
    return len(script) == 23 and script[22] == OP_EQUAL and script.startswith(_P2SH_HEAD)


def witness_program(script: bytes) -> tuple[int, bytes] | None:
    """Version and program, if it is one number from 0 to 16 and one push of 2 to 40 bytes (BIP141)."""
    size = len(script)
    if not 4 <= size <= 42 or script[1] + 2 != size:
        return None
    op = script[0]
    if op == OP_0:
        return 0, script[2:]
    return (op - OP_1 + 1, script[2:]) if OP_1 <= op <= OP_16 else None


def is_push_only(script: bytes, start: int = 0) -> bool:
    """True if it does nothing but push, RESERVED counted among the pushes. Source: Bitcoin Core, CScript::IsPushOnly."""
    try:
        return all(op <= OP_16 for op, _ in operations(script[start:]))
    except Truncated:
        return False


def last_push(script: bytes) -> bytes | None:
    """What a script of pushes pushes last; None if it does anything else."""
    last = b""
    try:
        for op, data in operations(script):
            if op > OP_16:
                return None
            last = data
    except Truncated:
        return None
    return last


def is_unspendable(script: bytes) -> bool:
    """True if no input can ever satisfy it: it begins with RETURN, or is too long to run. Source: Core, IsUnspendable."""
    return script[:1] == bytes((OP_RETURN,)) or len(script) > MAX_SCRIPT_SIZE
