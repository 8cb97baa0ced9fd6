"""Random programs for the EVM that mostly keep their stack in order, so that they get far. It knows no transaction."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random

from tests.ledger.account.fuzz_inputs import precompile

_ONE_OPERAND = (0x15, 0x19, 0x1E)
_TWO_OPERANDS = (*range(0x01, 0x08), 0x0A, 0x0B, *range(0x10, 0x15), 0x16, 0x17, 0x18, *range(0x1A, 0x1E))
_THREE_OPERANDS = (0x08, 0x09)
_CONTEXT = (0x30, 0x32, 0x33, 0x34, 0x36, 0x38, 0x3A, 0x3D, *range(0x41, 0x49), 0x4A, 0x58, 0x59, 0x5A)
_NUMBERS = (0, 1, 2, 3, 5, 31, 32, 33, 255, 256, 1 << 31, 1 << 32, 1 << 64, 1 << 255, (1 << 255) - 1, (1 << 256) - 1)
_POP, _MSTORE, _DUP1, _SWAP1, _RETURN, _REVERT, _STOP = 0x50, 0x52, 0x80, 0x90, 0xF3, 0xFD, 0x00


@dataclass
class Program:
    """A program while it is written."""

    draw: Random
    places: Sequence[bytes]
    """Addresses that it may meet."""
    depth: int = 0
    """How many creations it is inside of."""
    code: bytearray = field(default_factory=bytearray)
    tail: bytearray = field(default_factory=bytearray)
    _links: list[tuple[int, int]] = field(default_factory=list)

    def op(self, *codes: int) -> None:
        """Append opcodes."""
        self.code += bytes(codes)

    def push(self, value: int) -> None:
        """Append a number in the shortest form, or at times a longer one."""
        data = (value % (1 << 256)).to_bytes(32, "big").lstrip(b"\0")
        if self.draw.random() < 0.1:
            data = data.rjust(self.draw.randrange(len(data), 33), b"\0")
        self.code += bytes((0x5F + len(data),)) + data

    def push_place(self) -> None:
        """Append an address, at times with something above it."""
        place = self.draw.choice(self.places)
        extra = self.draw.randbytes(12) if self.draw.random() < 0.03 else b""
        self.push(int.from_bytes(extra + place, "big"))

    def number(self) -> int:
        """A number that matters, or any."""
        draw = self.draw
        if draw.random() < 0.7:
            return draw.choice(_NUMBERS)
        return draw.getrandbits(draw.choice((8, 16, 64, 160, 256)))

    def size(self) -> int:
        """A length or an offset: small, and rarely absurd."""
        draw = self.draw
        if draw.random() < 0.01:
            return draw.choice((1 << 20, 1 << 32, 1 << 64, (1 << 256) - 1))
        return draw.choice((0, 0, 1, 4, 31, 32, 33, 64, 100, 200))

    def to_memory(self, data: bytes, at: int = 0) -> None:
        """Append code that copies bytes of the program's end into memory."""
        self.push(len(data))
        self._links.append((len(self.code) + 1, len(self.tail)))
        self.op(0x61, 0, 0)
        self.push(at)
        self.op(0x39)
        self.tail += data

    def finish(self) -> bytes:
        """The whole program."""
        if self.tail:
            self.op(_STOP)
        for at, offset in self._links:
            self.code[at : at + 2] = (len(self.code) + offset).to_bytes(2, "big")
        return bytes(self.code + self.tail)


def _arithmetic(p: Program) -> None:
    for _ in range(p.draw.randrange(1, 4)):
        codes, count = p.draw.choice(((_ONE_OPERAND, 1), (_TWO_OPERANDS, 2), (_TWO_OPERANDS, 2), (_THREE_OPERANDS, 3)))
        for _ in range(count):
            p.push(p.number())
        p.op(p.draw.choice(codes))
    _keep(p)


def _keep(p: Program) -> None:
    """Put what is on top somewhere where it is seen, or drop it."""
    kind = p.draw.randrange(4)
    if kind == 0:
        p.push(p.draw.randrange(4))
        p.op(0x55)
    elif kind == 1:
        p.push(p.size() if p.draw.random() < 0.2 else p.draw.randrange(0, 128))
        p.op(_MSTORE)
    elif kind == 2:
        p.push(p.draw.randrange(3))
        p.op(0x5D)
    else:
        p.op(_POP)


def _context(p: Program) -> None:
    p.op(p.draw.choice(_CONTEXT))
    _keep(p)


def _outside(p: Program) -> None:
    kind = p.draw.choice((0x31, 0x3B, 0x3F, 0x3C, 0x40, 0x35, 0x49, 0x37, 0x39, 0x3E))
    if kind in (0x31, 0x3B, 0x3F):
        p.push_place()
    elif kind == 0x3C:
        for _ in range(3):
            p.push(p.size())
        p.push_place()
    elif kind == 0x40:
        p.push(p.draw.choice((0, 43, 44, 45, 299, 300, 301, (1 << 256) - 1)))
    elif kind in (0x35, 0x49):
        p.push(p.size())
    elif kind == 0x3E:
        for value in (p.draw.choice((0, 0, 1, 32)), 0, p.size()):
            p.push(value)
    else:
        for _ in range(3):
            p.push(p.size())
    p.op(kind)
    if kind not in (0x3C, 0x37, 0x39, 0x3E):
        _keep(p)


def _memory(p: Program) -> None:
    kind = p.draw.choice((0x51, _MSTORE, 0x53, 0x5E, 0x20))
    if kind == 0x5E:
        for _ in range(3):
            p.push(p.size())
    elif kind == 0x20:
        p.push(p.size())
        p.push(p.size())
    else:
        if kind != 0x51:
            p.push(p.number())
        p.push(p.size())
    p.op(kind)
    if kind in (0x51, 0x20):
        _keep(p)


def _storage(p: Program) -> None:
    """Writes to one slot in a row meet every price and refund."""
    slot = p.draw.randrange(4)
    for _ in range(p.draw.randrange(1, 4)):
        load, store = p.draw.choice(((0x54, 0x55), (0x54, 0x55), (0x5C, 0x5D)))
        if p.draw.random() < 0.4:
            p.push(slot)
            p.op(load)
            _keep(p)
        else:
            p.push(p.draw.choice((0, 0, 1, 2, p.draw.getrandbits(256))))
            p.push(slot)
            p.op(store)


def _log(p: Program) -> None:
    topics = p.draw.randrange(5)
    for _ in range(topics):
        p.push(p.number())
    p.push(p.size())
    p.push(p.size())
    p.op(0xA0 + topics)


def _call(p: Program) -> None:
    draw = p.draw
    kind = draw.choice((0xF1, 0xF1, 0xF2, 0xF4, 0xFA))
    p.push(p.size())  # of the output, and where
    p.push(p.size())
    p.push(p.size())
    p.push(p.size())
    if kind in (0xF1, 0xF2):
        p.push(draw.choice((0, 0, 0, 1, 1_000, 1 << 128)))
    p.push_place()
    _gas(p)
    p.op(kind)
    _after_call(p)


def _gas(p: Program) -> None:
    if p.draw.random() < 0.6:
        p.op(0x5A)
    else:
        p.push(p.draw.choice((0, 100, 2_300, 9_000, 30_000, 100_000, (1 << 256) - 1)))


def _after_call(p: Program) -> None:
    _keep(p)
    if p.draw.random() < 0.4:
        p.op(0x3D, 0x5F, 0x5F, 0x3E)  # the whole output to memory
    if p.draw.random() < 0.3:
        p.op(0x5F, 0x51)
        _keep(p)


def _precompile(p: Program) -> None:
    at, data = precompile(p.draw)
    p.to_memory(data)
    p.push(p.draw.choice((0, 32, 64, 256)))
    p.push(0)
    p.push(len(data))
    p.push(0)
    kind = p.draw.choice((0xF1, 0xF2, 0xF4, 0xFA, 0xFA))
    if kind in (0xF1, 0xF2):
        p.push(p.draw.choice((0, 0, 1)))
    p.push(at)
    _gas(p)
    p.op(kind)
    _after_call(p)


def _create(p: Program) -> None:
    draw = p.draw
    data = init_code(draw, p.places, p.depth + 1)
    p.to_memory(data)
    kind = draw.choice((0xF0, 0xF5))
    if kind == 0xF5:
        p.push(draw.choice((0, 1)))  # the salt: two of a kind collide
    p.push(len(data) if draw.random() < 0.95 else draw.choice((0, 49_152, 49_153)))
    p.push(0)
    p.push(draw.choice((0, 0, 1, 1 << 128)))
    p.op(kind)
    if draw.random() < 0.6:  # call what was made
        p.op(*[0x5F] * 5, _DUP1 + 5)
        _gas(p)
        p.op(0xF1, _POP, _POP)
    else:
        _after_call(p)


def _loop(p: Program) -> None:
    p.push(p.draw.randrange(1, 5))
    start = len(p.code)
    p.op(0x5B)
    _piece(p, p.draw.choice((_arithmetic, _storage, _memory, _log, _context)))
    p.push(1)
    p.op(_SWAP1, 0x03, _DUP1)
    p.op(0x61, *start.to_bytes(2, "big"), 0x57, _POP)


def _jump(p: Program) -> None:
    """Over some code, under a condition or not; rarely to where no jump may land."""
    conditional = p.draw.random() < 0.6
    if conditional:
        p.push(p.draw.choice((0, 1)))
    at = len(p.code)
    p.op(0x61, 0, 0, 0x57 if conditional else 0x56)
    _piece(p, p.draw.choice((_arithmetic, _storage, _memory, _end)))
    target = len(p.code) + (1 if p.draw.random() < 0.03 else 0)
    p.code[at + 1 : at + 3] = target.to_bytes(2, "big")
    p.op(0x5B)


def _stack(p: Program) -> None:
    count = p.draw.randrange(1, 17)
    for _ in range(count + 1):
        p.push(p.number())
    for _ in range(4):
        p.op(p.draw.choice((_DUP1, _SWAP1)) + p.draw.randrange(count))
    for _ in range(p.draw.randrange(count)):
        p.op(_POP)


def _end(p: Program) -> None:
    kind = p.draw.choice((_RETURN, _RETURN, _REVERT, _REVERT, _STOP, 0xFF, 0xFF, 0xFE))
    if kind in (_RETURN, _REVERT):
        p.push(p.size())
        p.push(p.size())
    elif kind == 0xFF:
        p.push_place()
    p.op(kind)


def _noise(p: Program) -> None:
    p.code += p.draw.randbytes(p.draw.randrange(1, 4))


_PIECES = (
    *(
        (_arithmetic, 5),
        (_context, 4),
        (_outside, 4),
        (_memory, 3),
        (_storage, 6),
        (_log, 2),
        (_call, 8),
        (_precompile, 3),
    ),
    *((_create, 3), (_loop, 2), (_jump, 3), (_stack, 1), (_noise, 0.15)),
)
_KINDS = [piece for piece, _ in _PIECES]
_WEIGHTS = [weight for _, weight in _PIECES]


def _piece(p: Program, kind: Callable[[Program], None]) -> None:
    kind(p)


def program(draw: Random, places: Sequence[bytes], depth: int = 0, most: int = 14) -> bytes:
    """A program; one in thirty is noise."""
    if draw.random() < 0.03:
        return draw.randbytes(draw.randrange(1, 60))
    p = Program(draw, places, depth)
    for _ in range(draw.randrange(1, most)):
        kind = draw.choices(_KINDS, _WEIGHTS)[0]
        if kind is _create and depth >= 2:
            kind = _storage
        _piece(p, kind)
    if draw.random() < 0.6:
        _end(p)
    return p.finish()


def init_code(draw: Random, places: Sequence[bytes], depth: int = 0) -> bytes:
    """A program that makes a contract: runs something, then returns code."""
    p = Program(draw, places, depth)
    for _ in range(draw.randrange(3)):
        _piece(p, draw.choice((_storage, _arithmetic, _context, _call, _log)))
    kind = draw.random()
    if kind < 0.1:
        _end(p)
        return p.finish()
    runtime = program(draw, places, depth + 1, 5)
    if kind < 0.15:
        runtime = b"\xef" + runtime
    elif kind < 0.18:
        p.push(draw.choice((24_576, 24_577)))
        p.op(0x5F, _RETURN)
        return p.finish()
    p.to_memory(runtime)
    p.push(len(runtime))
    p.op(0x5F, _RETURN)
    return p.finish()
