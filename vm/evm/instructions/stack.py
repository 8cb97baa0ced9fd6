"""PUSH, POP, DUP and SWAP.

It knows nothing beyond the stack and the code's immediate bytes.
"""

from vm.evm.api import Frame, Operation


def pop(frame: Frame) -> None:
    """Drop the top."""
    frame.stack.pop()


def push0(frame: Frame) -> None:
    """Push zero (EIP-3855)."""
    frame.stack.append(0)


def push(size: int) -> Operation:
    """Make PUSH1 to PUSH32; bytes beyond the code's end are zeros."""

    def run(frame: Frame) -> None:
        start = frame.pc
        end = start + size
        frame.pc = end
        value = int.from_bytes(frame.code[start:end], "big")
        missing = end - len(frame.code)
        frame.stack.append(value << 8 * min(missing, size) if missing > 0 else value)

    return run


def dup(depth: int) -> Operation:
    """Make DUP1 to DUP16."""

    def run(frame: Frame) -> None:
        stack = frame.stack
        stack.append(stack[-depth])

    return run


def swap(depth: int) -> Operation:
    """Make SWAP1 to SWAP16."""
    place = -depth - 1

    def run(frame: Frame) -> None:
        stack = frame.stack
        stack[-1], stack[place] = stack[place], stack[-1]

    return run
