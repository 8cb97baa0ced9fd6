"""The addresses and slots that a call touches, as geth's access list tracer gathers them.

Accounts that are warm anyway (sender, target, precompiles) are named by whoever makes it and left out where they have no slots.
"""

from collections.abc import Iterable

from vm.evm.addresses import contract_address
from vm.evm.api import Address, Frame, Result

_ACCOUNT_ON_TOP = frozenset((0x31, 0x3B, 0x3C, 0x3F, 0xFF))  # BALANCE, EXTCODE*, SELFDESTRUCT
_CALLS = frozenset((0xF1, 0xF2, 0xF4, 0xFA))


class AccessTracer:
    """Collects what an access list (EIP-2930) could name."""

    def __init__(self, left_out: Iterable[Address]) -> None:
        self._left_out = frozenset(left_out)
        self._found: dict[Address, dict[int, None]] = {}

    def enter(self, frame: Frame) -> None:
        """Ignore beginnings."""

    def step(self, frame: Frame, opcode: int) -> None:
        """Note what the instruction names."""
        stack = frame.stack
        if opcode in (0x54, 0x55) and stack:  # SLOAD, SSTORE
            self._found.setdefault(frame.address, {})[stack[-1]] = None
        elif opcode in _ACCOUNT_ON_TOP and stack:
            self._note(_address(stack[-1]))
        elif opcode in _CALLS and len(stack) >= 5:
            self._note(_address(stack[-2]))
        elif opcode == 0xF0:  # CREATE
            self._note(contract_address(frame.address, frame.world.nonce(frame.address)))

    def _note(self, address: Address) -> None:
        if address not in self._left_out:
            self._found.setdefault(address, {})

    def exit(self, frame: Frame, result: Result) -> None:
        """Ignore ends."""

    def found(self) -> tuple[tuple[Address, tuple[bytes, ...]], ...]:
        """Give the list, in order of addresses and slots."""
        return tuple(
            (address, tuple(slot.to_bytes(32, "big") for slot in sorted(slots)))
            for address, slots in sorted(self._found.items())
        )


def _address(word: int) -> Address:
    return (word & (1 << 160) - 1).to_bytes(20, "big")
