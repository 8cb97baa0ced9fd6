"""LOG0 to LOG4.

It knows no bloom and no receipt.
"""

from vm.evm.api import Frame, Operation, WriteProtection
from vm.evm.gas import LOG_BYTE, expand


def log(count: int) -> Operation:
    """Make the instruction that logs a piece of memory under so many topics."""

    def run(frame: Frame) -> None:
        if frame.message.is_static:
            raise WriteProtection
        stack = frame.stack
        offset, size = stack.pop(), stack.pop()
        topics = tuple(stack.pop().to_bytes(32, "big") for _ in range(count))
        frame.charge(LOG_BYTE * size)
        expand(frame, offset, size)
        frame.world.add_log(frame.address, topics, bytes(frame.memory[offset : offset + size]))

    return run
