"""Reads and writes of a frame's memory.

It knows no other frame's memory and no storage.
"""

from vm.evm.api import Frame
from vm.evm.gas import COPY_WORD, expand, words


def mload(frame: Frame) -> None:
    """Push the word at an offset."""
    stack = frame.stack
    offset = stack[-1]
    expand(frame, offset, 32)
    stack[-1] = int.from_bytes(frame.memory[offset : offset + 32], "big")


def mstore(frame: Frame) -> None:
    """Write a word at an offset."""
    stack = frame.stack
    offset = stack.pop()
    expand(frame, offset, 32)
    frame.memory[offset : offset + 32] = stack.pop().to_bytes(32, "big")


def mstore8(frame: Frame) -> None:
    """Write a word's lowest byte at an offset."""
    stack = frame.stack
    offset = stack.pop()
    expand(frame, offset, 1)
    frame.memory[offset] = stack.pop() & 0xFF


def msize(frame: Frame) -> None:
    """Push the length of memory."""
    frame.stack.append(len(frame.memory))


def mcopy(frame: Frame) -> None:
    """Copy within memory; areas may overlap (EIP-5656)."""
    stack = frame.stack
    target, source, size = stack.pop(), stack.pop(), stack.pop()
    frame.charge(COPY_WORD * words(size))
    expand(frame, max(target, source), size)
    if size:
        frame.memory[target : target + size] = frame.memory[source : source + size]
