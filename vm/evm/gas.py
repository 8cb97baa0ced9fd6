"""Gas that depends on operands: memory expansion, copies, what a caller may pass on.

It knows no opcode; constant prices are in the tables of vm/evm/forks.py.
"""

from vm.evm.api import Frame, OutOfGas

COPY_WORD = 3
KECCAK_WORD = 6
LOG_BYTE = 8
CALL_VALUE = 9_000
CALL_STIPEND = 2_300
NEW_ACCOUNT = 25_000
WARM_ACCESS = 100

MEMORY_LIMIT = 1 << 32  # bytes; expanding so far costs over 2**44 gas, so the limit is never the reason


def words(size: int) -> int:
    """Count the 32-byte words that hold so many bytes."""
    return (size + 31) >> 5


def expand(frame: Frame, offset: int, size: int) -> None:
    """Charge for memory up to offset + size and make it exist. Zero bytes need no memory, wherever they lie.

    Raises OutOfGas, before anything is allocated. Source: Yellow Paper, equation for C_mem.
    """
    if not size:
        return
    memory = frame.memory
    have = len(memory)
    end = offset + size
    if end <= have:
        return
    if end > MEMORY_LIMIT:
        raise OutOfGas
    new, old = (end + 31) >> 5, have >> 5
    frame.charge(3 * (new - old) + (new * new >> 9) - (old * old >> 9))
    memory.extend(bytes((new << 5) - have))


def all_but_reserve(gas: int) -> int:
    """Gas that a caller may pass on: all but one 64th (EIP-150)."""
    return gas - (gas >> 6)
