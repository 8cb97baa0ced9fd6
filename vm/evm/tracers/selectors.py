"""How often each function selector was called, as geth's 4byteTracer counts.

Creations, precompiles and inputs under four bytes do not count.
"""

from collections import Counter

from vm.evm.api import Frame, Result


class SelectorTracer:
    """Counts `0x<selector>-<size of the arguments>`."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()

    def enter(self, frame: Frame) -> None:
        """Count a call."""
        message = frame.message
        if message.is_create or len(message.data) < 4:
            return
        if (message.code_address or message.target) not in frame.fork.precompiles:
            self._counts[f"0x{message.data[:4].hex()}-{len(message.data) - 4}"] += 1

    def step(self, frame: Frame, opcode: int) -> None:
        """Ignore instructions."""

    def exit(self, frame: Frame, result: Result) -> None:
        """Ignore ends."""

    def json(self) -> dict[str, int]:
        """Give the counts."""
        return dict(self._counts)
