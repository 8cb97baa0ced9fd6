"""Runs bare code in a world of dictionaries; builders for the machine's tests."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.vm.evm.world import MemoryWorld
from vm.evm import interpreter
from vm.evm.api import BlockContext, Fork, Message, Result, Tracer, TxContext
from vm.evm.forks import OSAKA
from vm.evm.regions import forget

CONTRACT = bytes(18) + b"\xc0\xde"
SENDER = bytes(19) + b"\x77"
BLOCK = BlockContext(bytes(19) + b"\xcb", 1_000, 1_700_000_000, 30_000_000, base_fee=7, randao=b"\x11" * 32)


def push(number: int) -> bytes:
    """Give the shortest PUSH of a number; zero is PUSH1 0."""
    data = number.to_bytes(max(1, (number.bit_length() + 7) // 8), "big")
    return bytes([0x5F + len(data)]) + data


def code_of(*parts: int | bytes) -> bytes:
    """Join opcodes and pieces of code."""
    return b"".join(bytes([part]) if isinstance(part, int) else part for part in parts)


def execute(
    code: bytes,
    *,
    fork: Fork = OSAKA,
    gas: int = 1_000_000,
    data: bytes = b"",
    value: int = 0,
    accounts: dict[bytes, dict[str, Any]] | None = None,
    world: MemoryWorld | None = None,
    tracer: Tracer | None = None,
    static: bool = False,
) -> tuple[Result, MemoryWorld]:
    """Call a contract with this code."""
    if world is None:
        world = MemoryWorld({SENDER: {"balance": 10**20}, **(accounts or {}), CONTRACT: {"code": code, "nonce": 1}})
    message = Message(SENDER, CONTRACT, gas, value, data, is_static=static)
    return interpreter.run(message, world, BLOCK, TxContext(SENDER, 10, (b"\x01" * 32,)), fork, tracer), world


@contextmanager
def hot_after(arrivals: int) -> Iterator[None]:
    """Compile regions after so many arrivals: 1 for at once, a large number for never."""
    before = interpreter.HOT, interpreter.CREDIT
    interpreter.HOT, interpreter.CREDIT = arrivals, -(10**18)
    forget()
    try:
        yield
    finally:
        interpreter.HOT, interpreter.CREDIT = before
        forget()
