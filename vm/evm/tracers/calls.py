"""The tree of calls that a transaction makes, as geth's callTracer gives it.

It knows no transaction: gas limit and gas used of the whole are told to `json`.
"""

from typing import Any

from vm.evm.api import Frame, Message, Result, Revert

_KINDS = {0xF0: "CREATE", 0xF1: "CALL", 0xF2: "CALLCODE", 0xF4: "DELEGATECALL", 0xF5: "CREATE2", 0xFA: "STATICCALL"}
_ERROR, _PANIC = bytes.fromhex("08c379a0"), bytes.fromhex("4e487b71")
_PANICS = {
    0x00: "generic panic",
    0x01: "assert(false)",
    0x11: "arithmetic underflow or overflow",
    0x12: "division or modulo by zero",
    0x21: "enum overflow",
    0x22: "invalid encoded storage byte array accessed",
    0x31: "out-of-bounds array access; popping on an empty array",
    0x32: "out-of-bounds access of an array or bytesN",
    0x41: "out of memory",
    0x51: "uninitialized function",
}


def revert_reason(output: bytes) -> str | None:
    """Read Solidity's Error(string) or Panic(uint256); None for any other output."""
    kind, body = output[:4], output[4:]
    if kind == _ERROR and len(body) >= 64:
        start = int.from_bytes(body[:32], "big")
        if start + 32 > len(body):
            return None
        size = int.from_bytes(body[start : start + 32], "big")
        text = body[start + 32 : start + 32 + size]
        return text.decode("utf-8", "replace") if len(text) == size else None
    if kind == _PANIC and len(body) >= 32:
        code = int.from_bytes(body[:32], "big")
        return _PANICS.get(code, f"unknown panic code: {code:#x}")
    return None


def _hex(data: bytes) -> str:
    return "0x" + data.hex()


class CallTracer:
    """Builds the tree; `with_log` adds each call's logs, `only_top` leaves all calls below out.

    `first_log` is how many logs the block has before this transaction's.
    """

    def __init__(self, with_log: bool = False, only_top: bool = False, first_log: int = 0) -> None:
        self._logs = first_log
        self._logs_before: list[int] = []  # of each open call
        self._with_log = with_log
        self._only_top = only_top
        self._open: list[dict[str, Any]] = []
        self._root: dict[str, Any] = {}
        self._destruction: dict[str, Any] | None = None  # a SELFDESTRUCT that is about to run

    def enter(self, frame: Frame) -> None:
        """Begin a call."""
        message = frame.message
        call = _opened(message)
        if not self._open:
            self._root = call
        elif not self._only_top:
            self._open[-1].setdefault("calls", []).append(call)
        self._open.append(call)
        self._logs_before.append(self._logs)
        self._destruction = None

    def step(self, frame: Frame, opcode: int) -> None:
        """Note what is no call of its own: logs and SELFDESTRUCT."""
        stack = frame.stack
        self._destruction = None
        if opcode == 0xFF and stack and not self._only_top:
            self._destruction = {
                "type": "SELFDESTRUCT",
                "from": _hex(frame.address),
                "to": _hex((stack[-1] & (1 << 160) - 1).to_bytes(20, "big")),
                "gas": "0x0",
                "gasUsed": "0x0",
                "input": "0x",
                "value": hex(frame.world.balance(frame.address)),
            }
        elif self._with_log and 0xA0 <= opcode <= 0xA4 and len(stack) >= opcode - 0x9E:
            self._log(frame, opcode - 0xA0)

    def _log(self, frame: Frame, count: int) -> None:
        stack, call = frame.stack, self._open[-1]
        offset, size = stack[-1], stack[-2]
        if size > 1 << 24 or (self._only_top and frame.message.depth):  # so large a log runs out of gas
            self._logs += 1
            return
        data = bytes(frame.memory[offset : offset + size])
        log = {
            "address": _hex(frame.address),
            "topics": [_hex(topic.to_bytes(32, "big")) for topic in reversed(stack[-2 - count : -2])],
            "data": _hex(data.ljust(size, b"\0")),
            "position": hex(len(call.get("calls", ()))),
            "index": hex(self._logs),
        }
        self._logs += 1
        call.setdefault("logs", []).append(log)

    def exit(self, frame: Frame, result: Result) -> None:
        """End a call."""
        call, logs_before = self._open.pop(), self._logs_before.pop()
        call["gasUsed"] = hex(frame.message.gas - result.gas_left)
        halt = result.halt
        if halt is None:
            if self._destruction is not None:
                call.setdefault("calls", []).append(self._destruction)
            if result.output:
                call["output"] = _hex(result.output)
        else:
            call["error"] = str(halt)
            if frame.message.is_create:
                del call["to"]
            if isinstance(halt, Revert) and result.output:
                call["output"] = _hex(result.output)
                reason = revert_reason(result.output)
                if reason is not None:
                    call["revertReason"] = reason
            _drop_logs(call)
            self._logs = logs_before
        self._destruction = None

    def json(self, gas_limit: int, gas_used: int) -> dict[str, Any]:
        """Give the tree, with the transaction's own gas at its root."""
        return {**self._root, "gas": hex(gas_limit), "gasUsed": hex(gas_used)}


def _opened(message: Message) -> dict[str, Any]:
    kind = _KINDS[message.kind]
    call: dict[str, Any] = {
        "type": kind,
        "from": _hex(message.target if kind == "DELEGATECALL" else message.caller),
        "to": _hex(message.code_address or message.target),
        "gas": hex(message.gas),
        "input": _hex(message.data),
    }
    if kind != "STATICCALL":
        call["value"] = hex(message.value)
    return call


def _drop_logs(call: dict[str, Any]) -> None:
    """A call that failed has logged nothing, nor has any below it."""
    waiting = [call]
    while waiting:
        one = waiting.pop()
        one.pop("logs", None)
        waiting += one.get("calls", ())
