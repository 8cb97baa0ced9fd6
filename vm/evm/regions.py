"""Compiles hot stretches of code into Python functions: one for a path of instructions, with stack items in local variables.

It changes no rule: a path that lacks gas or stack for the whole of its next stretch gives back to the stepping loop, which
finds the exact halt. It knows no tracer; traced frames never come here.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from vm.evm.api import ENDED, STACK_LIMIT, Fork, Frame, Instruction
from vm.evm.code import JUMPDEST, Book
from vm.evm.templates import COLD_SLOAD, CONDITIONS, LINES, NAMES, PURE, READS

Region = Callable[[Frame], int]
"""Runs from its start and tells the next position; ENDED if the frame stops or waits; `stepped(pc)` to go on in steps."""

LENGTH = 256  # instructions in one region
LETTER_GAS, INSTRUCTION_GAS = 5, 100  # what could be run in steps in the time that compiling takes
KEPT_SIZE = 1 << 16  # bytes of code
KEPT_SOURCE = 1 << 25  # characters of all regions made; then all are forgotten

_LEAVES = frozenset(("CALL", "CALLCODE", "DELEGATECALL", "STATICCALL", "CREATE", "CREATE2"))
_ENDS = frozenset(("RETURN", "REVERT", "SELFDESTRUCT"))
_SEES_GAS = frozenset(("GAS", "SSTORE"))  # the constant gas of what follows must not be taken before these


def stepped(pc: int) -> int:
    """Encode, or decode, a position that the stepping loop must go on from."""
    return -2 - pc


@dataclass(frozen=True, slots=True)
class Condition:
    """A word that is 0 or 1, not yet computed."""

    text: str
    opposite: str


Value = int | str | Condition  # known beforehand; a variable; a comparison


def _text(value: Value) -> str:
    if isinstance(value, Condition):
        return f"(1 if {value.text} else 0)"
    return value if isinstance(value, str) else f"{value:#x}"


@dataclass(slots=True)
class _Exit:
    """A place where the path is left: writes the stack back, then the gas, then says where to go."""

    indent: int
    before: str  # an `if` in front, or nothing
    items: list[Value]
    need: int
    after: str


@dataclass(slots=True)
class _Charge:
    """The start of a stretch: takes its constant gas at once, or leaves to the stepping loop."""

    leave: _Exit
    gas: int = 0


Line = str | _Exit | _Charge


@dataclass(slots=True)
class _Path:
    """One region while it is written."""

    code: bytes
    jumps: bytes
    fork: Fork
    start: int
    pc: int = 0
    items: list[Value] = field(default_factory=list)  # of the stack, top last, as far as the path has touched it
    need: int = 0  # items that it found there when it began
    growth: int = 0
    variables: int = 0
    loops: bool = False
    lines: list[Line] = field(default_factory=list)
    charge: _Charge | None = None
    seen: set[tuple[int, ...]] = field(default_factory=set)  # where the path has been, and with which words known
    length: int = 0

    def write(self) -> None:
        """Follow the path from its start until it ends, leaves, or meets itself."""
        self.pc = self.start
        while self.length < LENGTH:
            if self.code[self.pc : self.pc + 1] == b"\x5b":
                known = (word for word in self.items if isinstance(word, int))
                here = (self.pc, len(self.items) - self.need, *known)
                if here in self.seen:  # a loop; a function met twice has another place to return to
                    break
                self.seen.add(here)
            self.length += 1
            if self.charge is None:
                self.charge = _Charge(self._exit(f"return {stepped(self.pc)}"))
                self.lines.append(self.charge)
            instruction = self.fork.instructions.get(self.code[self.pc]) if self.pc < len(self.code) else None
            if not (self._stop() if instruction is None else self._instruction(instruction)):
                return
        self.lines.append(self._exit(f"return {self.pc}"))

    def _stop(self) -> bool:
        if self.pc >= len(self.code):
            self.lines += ["frame.gas = gas", 'frame.output = b""', f"return {ENDED}"]
        else:
            self.lines.append(f"raise undefined({self.code[self.pc]})")
        return False

    def _instruction(self, instruction: Instruction) -> bool:
        """Write one instruction; False if the path ends with it."""
        name, here = instruction.name, self.pc
        assert self.charge is not None
        self.charge.gas += instruction.gas
        self.pc += 1
        if name.startswith("PUSH"):
            size = int(name[4:])
            data = self.code[self.pc : self.pc + size].ljust(size, b"\0")
            self.pc += size
            self._push(int.from_bytes(data, "big"))
        elif name.startswith("DUP"):
            depth = int(name[3:])
            self._reach(depth)
            self._push(self.items[-depth])
        elif name.startswith("SWAP"):
            depth = int(name[4:]) + 1
            self._reach(depth)
            self.items[-1], self.items[-depth] = self.items[-depth], self.items[-1]
        elif name == "STOP":
            self.lines += ["frame.gas = gas", 'frame.output = b""', f"return {ENDED}"]
            return False
        elif name == "JUMP":
            return self._jump(self._pop())
        elif name == "JUMPI":
            target, condition = self._pop(), self._pop()
            return self._branch(target, condition)
        elif name == "PC":
            self._push(here)
        elif name in _LEAVES:
            self._reach(instruction.pops)
            self.lines.append(self._exit(f"frame.pc = {self.pc}; run_{name}(frame); return {ENDED}"))
            return False
        elif name not in ("POP", "JUMPDEST"):
            return self._operation(instruction)
        else:
            for _ in range(instruction.pops):
                self._pop()
        return True

    def _operation(self, instruction: Instruction) -> bool:
        name, fork = instruction.name, self.fork
        operands = [self._pop() for _ in range(instruction.pops)]
        if name == "ISZERO":
            self._push(_negated(operands[0]))
            return True
        # a comparison of comparisons would double their text at each turn
        operands = [self._assign(_text(o)) if isinstance(o, Condition) else o for o in operands]
        letters = dict(zip("abc", map(_text, operands), strict=False))
        if name in CONDITIONS:
            text, opposite = (t.format(**letters) for t in CONDITIONS[name])
            known = all(isinstance(o, int) for o in operands)
            self._push(int(eval(text)) if known else Condition(text, opposite))
        elif name in PURE:
            text = PURE[name].format(**letters)
            known = all(isinstance(o, int) for o in operands)
            self._push(eval(text, dict(NAMES)) if known else self._assign(text))
        elif name in READS:
            self._push(self._assign(READS[name].format(**letters)))
        elif name == "SLOAD":
            if fork.has_access_sets:
                cold = fork.cold_slot_gas - instruction.gas
                self.lines += [line.format(cold=cold, **letters) for line in COLD_SLOAD]
            self._push(self._assign(f"world.storage(address, {letters['a']})"))
        elif name in LINES:
            out = self._variable() if instruction.pushes else ""
            self.lines += [line.format(out=out, exp_byte_gas=fork.exp_byte_gas, **letters) for line in LINES[name]]
            if out:
                self._push(out)
        else:
            return self._call(instruction, operands)
        if name in _SEES_GAS:
            self.charge = None
        return True

    def _call(self, instruction: Instruction, operands: list[Value]) -> bool:
        """Call the instruction's own function, with its operands put on the real stack."""
        if operands:
            self.lines.append(f"stack += ({', '.join(_text(o) for o in reversed(operands))},)")
        self.lines += ["frame.gas = gas", f"run_{instruction.name}(frame)"]
        if instruction.name in _ENDS:
            self.lines.append(f"return {ENDED}")
            return False
        self.lines.append("gas = frame.gas")
        if instruction.pushes:
            self._push(self._assign("stack.pop()"))
        if instruction.name in _SEES_GAS:
            self.charge = None
        return True

    def _jump(self, target: Value) -> bool:
        if not isinstance(target, int):
            self._check_jump(_text(target))
            self.lines.append(self._exit(f"return {_text(target)}"))
            return False
        if not self._can_land(target):
            self.lines.append("raise InvalidJump")
            return False
        if target == self.start and len(self.items) == self.need:
            self._repeat(0)
            return False
        self.pc = target
        return True

    def _branch(self, target: Value, condition: Value) -> bool:
        """Go on with the side that is not taken, unless that one only fails; the other side leaves or repeats."""
        self.charge = None
        if isinstance(condition, int):
            return self._jump(target) if condition else True
        taken, passed = (
            (condition.text, condition.opposite)
            if isinstance(condition, Condition)
            else (condition, f"not {condition}")
        )
        if not isinstance(target, int):
            self.lines.append(f"if {taken}:")
            self._check_jump(_text(target), 1)
            self.lines.append(self._exit(f"return {_text(target)}", "", 1))
        elif not self._can_land(target):
            self.lines.append(f"if {taken}: raise InvalidJump")
        elif target == self.start and len(self.items) == self.need:
            self.lines.append(f"if {taken}:")
            self._repeat(1)
        elif self._only_fails(self.pc):
            self.lines.append(self._exit(f"return {self.pc}", f"if {passed}:"))
            self.pc = target
        else:
            self.lines.append(self._exit(f"return {target}", f"if {taken}:"))
        return True

    def _only_fails(self, pc: int) -> bool:
        """Tell whether the code from here soon ends in REVERT or an invalid instruction, with no choice between."""
        pushed: int | None = None
        for _ in range(24):
            if pc >= len(self.code):
                return False
            instruction = self.fork.instructions.get(self.code[pc])
            if instruction is None or instruction.name == "REVERT":
                return True
            if instruction.name in ("JUMPI", "STOP", "RETURN", "SELFDESTRUCT"):
                return False
            if instruction.name == "JUMP":
                if pushed is None or not self._can_land(pushed):
                    return False
                pc, pushed = pushed, None
            else:
                size = int(instruction.name[4:]) if instruction.name.startswith("PUSH") else None
                pushed = None if size is None else int.from_bytes(self.code[pc + 1 : pc + 1 + size], "big")
                pc += 1 + (size or 0)
        return False

    def _repeat(self, indent: int) -> None:
        """Begin the same path again, its stack items still in variables."""
        self.loops = True
        pairs = [(f"s{k}", value) for k, value in enumerate(reversed(self.items)) if value != f"s{k}"]
        pad = "    " * indent
        self.lines.append(f"{pad}if stop: raise Cancelled")
        if pairs:
            names, values = zip(*pairs, strict=True)
            self.lines.append(f"{pad}{', '.join(names)} = {', '.join(map(_text, values))}")
        self.lines.append(f"{pad}continue")

    def _check_jump(self, target: str, indent: int = 0) -> None:
        test = f"if {target} >= {len(self.jumps)} or jumps[{target}] != {JUMPDEST}: raise InvalidJump"
        self.lines.append("    " * indent + test)

    def _can_land(self, target: int) -> bool:
        return target < len(self.jumps) and self.jumps[target] == JUMPDEST

    def _reach(self, depth: int) -> None:
        while len(self.items) < depth:
            self.items.insert(0, f"s{self.need}")
            self.need += 1

    def _pop(self) -> Value:
        self._reach(1)
        return self.items.pop()

    def _push(self, value: Value) -> None:
        self.items.append(value)
        self.growth = max(self.growth, len(self.items) - self.need)

    def _variable(self) -> str:
        self.variables += 1
        return f"v{self.variables}"

    def _assign(self, text: str) -> str:
        out = self._variable()
        self.lines.append(f"{out} = {text}")
        return out

    def _exit(self, after: str, before: str = "", indent: int = 0) -> _Exit:
        return _Exit(indent, before, list(self.items), self.need, after)

    def source(self) -> str:
        """Give the function's text."""
        body = [text for line in self.lines for text in self._rendered(line)]
        whole = "\n".join(body)
        head = ["stack = frame.stack", "gas = frame.gas"]
        if self.need or self.growth:
            test = [f"n < {self.need}"] * bool(self.need) + [f"n > {STACK_LIMIT - self.growth}"] * bool(self.growth)
            head += ["n = len(stack)", f"if {' or '.join(test)}: return {stepped(self.start)}"]
        for name, value in (
            *(("message", "frame.message"), ("memory", "frame.memory"), ("world", "frame.world")),
            *(
                ("address", "frame.address"),
                ("data", "frame.data"),
                ("jumps", "frame.book.jumps"),
                ("stop", "frame.stop"),
            ),
        ):
            if name in whole:
                head.append(f"{name} = {value}")
        head += [f"s{k} = stack[{-1 - k}]" for k in range(self.need)]
        if self.loops:
            head.append("while True:")
            body = ["    " + line for line in body]
        return "\n    ".join(["def region(frame):", *head, *body])

    def _rendered(self, line: Line) -> Iterator[str]:
        if isinstance(line, str):
            yield line
        elif isinstance(line, _Exit):
            pad = "    " * line.indent
            text = "; ".join([*self._written_back(line), "frame.gas = gas", line.after])
            yield f"{pad}{line.before} {text}" if line.before else pad + text
        elif line.gas:
            leave = "; ".join([*self._written_back(line.leave), "frame.gas = gas", line.leave.after])
            yield f"if gas < {line.gas}: {leave}"
            yield f"gas -= {line.gas}"

    def _written_back(self, leave: _Exit) -> list[str]:
        """Write the path's items over those that it found. What a repeated path found has changed since it began."""
        items, need = leave.items, leave.need
        if self.loops:
            items = [*(f"s{k}" for k in range(self.need - 1, need - 1, -1)), *items]
            need = self.need
        else:
            same = 0
            while same < min(need, len(items)) and items[same] == f"s{need - 1 - same}":
                same += 1
            items, need = items[same:], need - same
        texts = [_text(item) for item in items]
        if not need:
            return [f"stack += ({', '.join(texts)},)"] if texts else []
        if not texts:
            return [f"del stack[-{need}:]"]
        if need == len(texts) == 1:
            return [f"stack[-1] = {texts[0]}"]
        return [f"stack[-{need}:] = ({', '.join(texts)},)"]


def _negated(value: Value) -> Value:
    if isinstance(value, int):
        return int(not value)
    if isinstance(value, Condition):
        return Condition(value.opposite, value.text)
    return Condition(f"not {value}", value)


@lru_cache(maxsize=64)
def _names(fork: Fork) -> dict[str, Any]:
    """Give what the functions of a fork's regions may name."""
    return {**NAMES, **{f"run_{instruction.name}": instruction.run for instruction in fork.instructions.values()}}


@lru_cache(maxsize=512)
def _book_of(code: bytes, fork: Fork) -> Book:
    return Book(code)


def book_of(code: bytes, fork: Fork) -> Book:
    """Give what is known of the code, kept for the codes that ran last. Long init code is not kept."""
    return _book_of(code, fork) if len(code) <= KEPT_SIZE else Book(code)


def forget() -> None:
    """Drop all that is known of any code."""
    _book_of.cache_clear()


_written = 0


def compile_region(book: Book, fork: Fork, start: int) -> Region:
    """Compile the path that begins at a position, and take what that costs from the book's credit."""
    global _written
    path = _Path(book.code, book.jumps, fork, start)
    path.write()
    source = path.source()
    book.credit -= LETTER_GAS * len(source) + INSTRUCTION_GAS * path.length
    _written += len(source)
    if _written > KEPT_SOURCE:
        _written = 0
        forget()
    scope: dict[str, Region] = {}
    exec(compile(source, f"<region {start}>", "exec"), _names(fork), scope)
    return scope["region"]
