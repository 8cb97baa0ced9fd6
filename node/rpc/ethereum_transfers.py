"""LogTracer: the logs of a call, with movements of ether among them where wanted, as if it were a token (eth_simulateV1, ERC-7528)."""

from __future__ import annotations

from primitives.ethereum import Log
from primitives.hashing import keccak256
from vm.evm.api import Frame, Result

ETHER = bytes.fromhex("ee" * 20)
_TRANSFER = keccak256(b"Transfer(address,address,uint256)")
_DELEGATECALL = 0xF4


class LogTracer:
    """Watches calls; what a frame that fails has logged is taken back, but its numbers are used up, as in geth."""

    def __init__(self, transfers: bool, first: int) -> None:
        self.logs: list[tuple[int, Log]] = []
        """Each with its number in the block."""
        self.count = first
        self._transfers = transfers
        self._marks: list[int] = []

    def enter(self, frame: Frame) -> None:
        """Note the ether that a call brings."""
        message = frame.message
        self._marks.append(len(self.logs))
        if self._transfers and message.value and message.kind != _DELEGATECALL:
            self._moved(message.caller, message.target, message.value)

    def _moved(self, sender: bytes, target: bytes, value: int) -> None:
        topics = (_TRANSFER, bytes(12) + sender, bytes(12) + target)
        self._add(Log(ETHER, topics, value.to_bytes(32, "big")))

    def _add(self, log: Log) -> None:
        self.logs.append((self.count, log))
        self.count += 1

    def step(self, frame: Frame, opcode: int) -> None:
        """Note logs, and what a contract that destroys itself gives away."""
        stack = frame.stack
        if 0xA0 <= opcode <= 0xA4 and len(stack) >= opcode - 0x9E:
            count = opcode - 0xA0
            offset, size = stack[-1], stack[-2]
            if size < 1 << 24:
                data = bytes(frame.memory[offset : offset + size]).ljust(size, b"\0")
                topics = tuple(t.to_bytes(32, "big") for t in reversed(stack[len(stack) - 2 - count : len(stack) - 2]))
                self._add(Log(frame.address, topics, data))
        elif opcode == 0xFF and stack and self._transfers:
            balance = frame.world.balance(frame.address)
            if balance:
                self._moved(frame.address, (stack[-1] & (1 << 160) - 1).to_bytes(20, "big"), balance)

    def exit(self, frame: Frame, result: Result) -> None:
        """Take back what a failed frame has logged."""
        mark = self._marks.pop()
        if result.halt is not None:
            del self.logs[mark:]
