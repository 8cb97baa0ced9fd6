"""Where the frame goes next: jumps, the program counter, the gas that is left, and the ends of a frame.

It knows no calls: those are in system.py.
"""

from vm.evm.api import ENDED, Frame, InvalidJump, Revert
from vm.evm.code import JUMPDEST
from vm.evm.gas import expand


def stop(frame: Frame) -> bool:
    """End the frame with no output."""
    frame.output = b""
    frame.pc = ENDED
    return True


def check_jump(frame: Frame, target: int) -> None:
    """Raises InvalidJump unless a JUMPDEST that is no push data is there."""
    jumps = frame.book.jumps
    if target >= len(jumps) or jumps[target] != JUMPDEST:
        raise InvalidJump


def jump(frame: Frame) -> bool:
    """Go to a JUMPDEST."""
    target = frame.stack.pop()
    check_jump(frame, target)
    frame.pc = target
    return True


def jumpi(frame: Frame) -> bool:
    """Go to a JUMPDEST if the condition is not zero."""
    stack = frame.stack
    target = stack.pop()
    if not stack.pop():
        return False
    check_jump(frame, target)
    frame.pc = target
    return True


def pc(frame: Frame) -> None:
    """Push this instruction's own position."""
    frame.stack.append(frame.pc - 1)


def gas(frame: Frame) -> None:
    """Push the gas left after this instruction."""
    frame.stack.append(frame.gas)


def jumpdest(frame: Frame) -> None:
    """Mark where jumps may land."""


def return_(frame: Frame) -> bool:
    """End the frame with a piece of memory as output."""
    stack = frame.stack
    offset, size = stack.pop(), stack.pop()
    expand(frame, offset, size)
    frame.output = bytes(frame.memory[offset : offset + size])
    frame.pc = ENDED
    return True


def revert(frame: Frame) -> None:
    """End the frame with output, its changes undone and its gas kept (EIP-140). Raises Revert."""
    return_(frame)
    raise Revert
