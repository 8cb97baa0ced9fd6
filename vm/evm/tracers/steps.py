"""Every instruction with gas and stack, as geth's struct logger gives them.

An instruction's price is known when the next event comes; it is the difference of the frame's gas.
"""

from typing import Any

from vm.evm.api import Frame, OutOfGas, Result, StackOverflow, StackUnderflow

_SLOAD, _SSTORE = 0x54, 0x55


def _word(number: int) -> str:
    return f"0x{number:064x}"


class StepTracer:
    """Collects one record an instruction, at most `limit` of them (0: all)."""

    def __init__(
        self,
        stack: bool = True,
        memory: bool = False,
        storage: bool = True,
        return_data: bool = False,
        limit: int = 0,
    ) -> None:
        self._stack, self._memory, self._storage, self._return_data = stack, memory, storage, return_data
        self._limit = limit
        self._steps: list[dict[str, Any]] = []
        self._frames: list[Frame] = []  # that are open, and of each its last step
        self._last: list[dict[str, Any] | None] = []
        self._slots: dict[bytes, dict[str, str]] = {}
        self._result: Result | None = None

    def enter(self, frame: Frame) -> None:
        """Begin a frame; its caller's last step has cost what is gone, the gas passed on included."""
        if self._frames:
            self._price()
        self._frames.append(frame)
        self._last.append(None)

    def step(self, frame: Frame, opcode: int) -> None:
        """Record an instruction."""
        self._price()
        self._last[-1] = None
        if self._limit and len(self._steps) >= self._limit:
            return
        instruction = frame.fork.instructions.get(opcode)
        name = instruction.name if instruction else "INVALID" if opcode == 0xFE else f"opcode {opcode:#x} not defined"
        record: dict[str, Any] = {
            "pc": frame.pc,
            "op": name,
            "gas": frame.gas,
            "gasCost": 0,
            "depth": frame.message.depth + 1,
        }
        if self._stack:
            record["stack"] = [hex(word) for word in frame.stack]
        if self._memory and frame.memory:
            memory = frame.memory
            record["memory"] = ["0x" + memory[at : at + 32].hex() for at in range(0, len(memory), 32)]
        if self._return_data and frame.return_data:
            record["returnData"] = "0x" + frame.return_data.hex()
        if self._storage and opcode in (_SLOAD, _SSTORE):
            slots = self._touched(frame, opcode)
            if slots is not None:
                record["storage"] = slots
        if frame.world.refund:
            record["refund"] = frame.world.refund
        self._steps.append(record)
        self._last[-1] = record

    def _touched(self, frame: Frame, opcode: int) -> dict[str, str] | None:
        """Give the slots of this account that were read or written so far, this one included."""
        stack = frame.stack
        if len(stack) < (1 if opcode == _SLOAD else 2):
            return None
        slots = self._slots.setdefault(frame.address, {})
        value = frame.world.storage(frame.address, stack[-1]) if opcode == _SLOAD else stack[-2]
        slots[_word(stack[-1])] = _word(value)
        return dict(slots)

    def _price(self) -> None:
        """Tell the innermost frame's last step what it has cost, unless its call has told already."""
        last = self._last[-1]
        if last is not None and not last["gasCost"]:
            last["gasCost"] = last["gas"] - self._frames[-1].gas

    def exit(self, frame: Frame, result: Result) -> None:
        """End a frame."""
        self._frames.pop()
        last = self._last.pop()
        if last is not None:
            deposit = 0
            if frame.message.is_create and result.success:
                deposit = frame.fork.code_deposit_gas * len(result.output)
            last["gasCost"] = last["gas"] - frame.gas - deposit
            if isinstance(result.halt, OutOfGas | StackOverflow | StackUnderflow):
                last["error"] = str(result.halt)
        self._result = result

    def json(self, gas_used: int) -> dict[str, Any]:
        """Give the records, and how the outermost call ended."""
        result = self._result
        return {
            "gas": gas_used,
            "failed": result is not None and not result.success,
            "returnValue": "0x" + (result.output.hex() if result else ""),
            "structLogs": self._steps,
        }
