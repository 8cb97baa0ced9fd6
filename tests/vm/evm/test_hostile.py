"""Inputs made to break a machine: depth, stack, memory, code size, jumps, aliasing. All end in a halt of their own, cheaply."""

import resource
import sys
import threading
from collections.abc import Callable
from typing import Any

import pytest

from tests.vm.evm.run import BLOCK, CONTRACT, SENDER, code_of, execute, hot_after, push
from tests.vm.evm.world import MemoryWorld
from vm.evm.addresses import contract_address, salted_address
from vm.evm.api import (
    AddressCollision,
    Cancelled,
    CodeTooLarge,
    Fork,
    Frame,
    Halt,
    InitCodeTooLarge,
    InvalidCode,
    InvalidJump,
    InvalidOpcode,
    Message,
    OutOfGas,
    Result,
    ReturnDataOutOfBounds,
    StackOverflow,
    StackUnderflow,
    TxContext,
    WriteProtection,
)
from vm.evm.forks import BYZANTIUM, FORKS, FRONTIER, HOMESTEAD, LONDON, OSAKA, SHANGHAI, SPURIOUS_DRAGON
from vm.evm.interpreter import run

CALL_SELF = code_of(
    *(push(0), push(0), push(0), push(0), push(0), 0x30, 0x5A, 0xF1),  # call(gas, self)
    *(push(0), 0x54, push(1), 0x01, push(0), 0x55),  # storage[0] += 1
)
RETURN_TOP = code_of(push(0), 0x52, push(32), push(0), 0xF3)


def returned(code: bytes, **options: Any) -> int:
    result, _ = execute(code + RETURN_TOP, **options)
    assert result.success, result.halt
    return int.from_bytes(result.output, "big")


class Depths:
    """Remembers the deepest frame and the halts."""

    def __init__(self) -> None:
        self.deepest = 0
        self.halts: list[str] = []

    def enter(self, frame: Frame) -> None:
        self.deepest = max(self.deepest, frame.message.depth)

    def step(self, frame: Frame, opcode: int) -> None: ...

    def exit(self, frame: Frame, result: Result) -> None:
        if result.halt:
            self.halts.append(str(result.halt))


@pytest.mark.parametrize("hot", [1, 10**9])
def test_calls_go_1024_deep_on_a_small_python_stack(hot: int) -> None:
    """SECURITY E19: frames are objects, so neither the recursion limit nor a 512 KiB thread stack matters."""
    outcome: list[tuple[Result, MemoryWorld]] = []

    def deep() -> None:
        with hot_after(hot):
            # before EIP-150 a call takes exactly the gas asked: leave 30,000 a frame
            code = CALL_SELF.replace(b"\x5a\xf1", code_of(push(25_100), 0x5A, 0x03, 0xF1))
            outcome.append(execute(code, fork=HOMESTEAD, gas=50_000_000))

    limit, size = sys.getrecursionlimit(), threading.stack_size(512 * 1024)
    try:
        thread = threading.Thread(target=deep)
        sys.setrecursionlimit(300)
        thread.start()
        thread.join()
    finally:
        sys.setrecursionlimit(limit)
        threading.stack_size(size)
    result, world = outcome[0]
    assert result.success
    assert world.storage(CONTRACT, 0) == 1_025


def test_the_call_at_depth_1025_fails_and_its_gas_comes_back() -> None:
    tracer = Depths()
    code = CALL_SELF.replace(b"\x5a\xf1", code_of(push(25_100), 0x5A, 0x03, 0xF1))
    execute(code, fork=HOMESTEAD, gas=50_000_000, tracer=tracer)
    assert tracer.deepest == 1_025
    assert tracer.halts == ["max call depth exceeded"]


def test_the_63_64_rule_stops_recursion_long_before() -> None:
    tracer = Depths()
    execute(CALL_SELF, gas=30_000_000, tracer=tracer)
    assert 300 < tracer.deepest < 700


@pytest.mark.parametrize("hot", [1, 10**9])
def test_the_stack_holds_1024_words(hot: int) -> None:
    with hot_after(hot):
        assert execute(push(1) * 1_024)[0].success
        for code in (push(1) * 1_025, push(1) * 1_024 + b"\x80", push(1) * 1_024 + b"\x30"):
            assert isinstance(execute(code)[0].halt, StackOverflow)
        assert execute(push(1) * 1_024 + b"\x90\x01\x30")[0].success
        for code in (b"\x50", b"\x80", b"\x90", push(1) + b"\x01", push(1) * 15 + b"\x8f", push(1) * 16 + b"\x9f"):
            assert isinstance(execute(code)[0].halt, StackUnderflow)


FAR = [1 << 32, 1 << 63, (1 << 64) - 1, 1 << 64, (1 << 255) + 1, (1 << 256) - 1]
TOUCHING: dict[str, Callable[[int], bytes]] = {
    "mload": lambda far: code_of(push(far), 0x51),
    "mstore": lambda far: code_of(push(1), push(far), 0x52),
    "mstore8": lambda far: code_of(push(1), push(far), 0x53),
    "keccak": lambda far: code_of(push(1), push(far), 0x20),
    "keccak size": lambda far: code_of(push(far), push(0), 0x20),
    "calldatacopy": lambda far: code_of(push(1), push(0), push(far), 0x37),
    "codecopy size": lambda far: code_of(push(far), push(0), push(0), 0x39),
    "extcodecopy": lambda far: code_of(push(1), push(0), push(far), push(0), 0x3C),
    "mcopy": lambda far: code_of(push(1), push(far), push(0), 0x5E),
    "mcopy size": lambda far: code_of(push(far), push(0), push(0), 0x5E),
    "log": lambda far: code_of(push(1), push(far), 0xA0),
    "log size": lambda far: code_of(push(far), push(0), 0xA0),
    "return": lambda far: code_of(push(1), push(far), 0xF3),
    "revert size": lambda far: code_of(push(far), push(0), 0xFD),
    "create": lambda far: code_of(push(1), push(far), push(0), 0xF0),
    "create2": lambda far: code_of(push(0), push(1), push(far), push(0), 0xF5),
    "call in": lambda far: code_of(push(0), push(0), push(1), push(far), push(0), push(0), push(0), 0xF1),
    "call out": lambda far: code_of(push(1), push(far), push(0), push(0), push(0), push(0), push(0), 0xF1),
}


@pytest.mark.parametrize("hot", [1, 10**9])
@pytest.mark.parametrize("name", TOUCHING)
def test_far_memory_runs_out_of_gas_before_it_is_allocated(name: str, hot: int) -> None:
    """SECURITY E21."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with hot_after(hot):
        for far in FAR:
            result, _ = execute(TOUCHING[name](far), gas=30_000_000)
            assert isinstance(result.halt, OutOfGas), (name, far)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64 * 1024  # KiB


def test_nothing_of_size_zero_needs_memory_wherever_it_lies() -> None:
    far = push((1 << 256) - 1)
    code = code_of(*(push(0), far, 0x20, 0x50), *(push(0), far, far, 0x37), *(push(0), far, far, 0x5E), 0x59)
    assert returned(code) == 0


def test_30_million_gas_buy_at_most_4_megabytes_in_one_frame() -> None:
    largest = 0
    for shift in range(10, 32):
        result, _ = execute(code_of(push(1), push(1 << shift), 0x52), gas=30_000_000)
        if result.success:
            largest = 1 << shift
    assert largest == 1 << 21  # 2 MiB pass, 4 MiB do not: 3 w + w^2 / 512 words


def test_memory_of_many_frames_is_paid_in_each() -> None:
    """A chain of calls that each expand memory by what they have: the sum stays within what the gas paid for."""

    class Sum:
        def __init__(self) -> None:
            self.held: list[int] = []
            self.peak = 0

        def enter(self, frame: Frame) -> None:
            self.held.append(0)

        def step(self, frame: Frame, opcode: int) -> None:
            self.held[-1] = len(frame.memory)
            self.peak = max(self.peak, sum(self.held))

        def exit(self, frame: Frame, result: Result) -> None:
            self.held.pop()

    tracer = Sum()
    code = code_of(push(1), push(96 * 1024), 0x52) + CALL_SELF
    execute(code, gas=30_000_000, tracer=tracer)
    assert tracer.peak < 64 << 20


def test_init_code_has_a_greatest_size() -> None:
    """SECURITY E22, EIP-3860."""

    def code(size: int) -> bytes:
        return code_of(push(size), push(0), push(0), 0xF0)

    assert returned(code(49_152), gas=10_000_000) != 0
    result, _ = execute(code(49_153), gas=10_000_000)
    assert isinstance(result.halt, InitCodeTooLarge)
    assert result.gas_left == 0
    assert returned(code(49_153), gas=10_000_000, fork=LONDON) != 0


def created(initcode: bytes, fork: Fork = OSAKA, gas: int = 10_000_000) -> Result:
    target = contract_address(SENDER, 0)
    world = MemoryWorld({SENDER: {"balance": 10**20}})
    message = Message(SENDER, target, gas, 0, initcode, is_create=True, kind=0xF0)
    return run(message, world, BLOCK, TxContext(SENDER), fork)


def returning(size: int) -> bytes:
    return code_of(push(size), push(0), 0xF3)


def test_deployed_code_has_a_greatest_size_and_a_forbidden_first_byte() -> None:
    assert created(returning(24_576)).success
    assert isinstance(created(returning(24_577)).halt, CodeTooLarge)
    assert created(returning(24_577), HOMESTEAD).success
    assert isinstance(created(returning(24_577), SPURIOUS_DRAGON).halt, CodeTooLarge)
    forbidden = code_of(push(0xEF), push(0), 0x53, push(1), push(0), 0xF3)
    assert isinstance(created(forbidden).halt, InvalidCode)
    assert created(forbidden, FORKS[10]).success  # Berlin


def test_code_that_cannot_be_paid_is_a_failure_since_homestead() -> None:
    poor = 5_000
    assert str(created(returning(64), HOMESTEAD, poor).halt) == "contract creation code storage out of gas"
    result = created(returning(64), FRONTIER, poor)
    assert result.success
    assert result.output == b""
    assert result.gas_left > 4_000


@pytest.mark.parametrize("there", [{"nonce": 1}, {"code": b"\x00"}, {"storage": {1: 1}}])
def test_an_address_in_use_cannot_be_created(there: dict[str, Any]) -> None:
    """SECURITY E24; storage counts too (EIP-7610)."""
    world = MemoryWorld({SENDER: {"balance": 1}, contract_address(SENDER, 0): there})
    message = Message(SENDER, contract_address(SENDER, 0), 100_000, 0, b"", is_create=True)
    result = run(message, world, BLOCK, TxContext(SENDER), OSAKA)
    assert isinstance(result.halt, AddressCollision)
    assert result.gas_left == 0


def test_create2_twice_collides_and_costs_all_but_a_64th() -> None:
    initcode = code_of(push(1), push(0), 0xF3)
    once = code_of(
        push(int.from_bytes(initcode, "big")), push(0), 0x52, push(7), push(len(initcode)), push(32 - len(initcode)),
        push(0), 0xF5,
    )  # fmt: skip
    result, world = execute(once + once + code_of(push(1), 0x55, push(0), 0x55), gas=10_000_000)
    assert result.success
    target = salted_address(CONTRACT, (7).to_bytes(32, "big"), initcode)
    assert world.storage(CONTRACT, 0) == int.from_bytes(target, "big")
    assert world.storage(CONTRACT, 1) == 0
    assert world.nonce(CONTRACT) == 3  # the failed one counts too
    assert result.gas_left < 160_000


def test_a_creator_with_the_greatest_nonce_creates_nothing() -> None:
    """SECURITY E3, EIP-2681."""
    accounts: dict[bytes, dict[str, Any]] = {
        SENDER: {"balance": 1},
        CONTRACT: {"code": code_of(push(0), push(0), push(0), 0xF0) + RETURN_TOP},
    }
    accounts[CONTRACT]["nonce"] = 2**64 - 1
    result, world = execute(b"", world=MemoryWorld(accounts))
    assert result.success
    assert result.output == bytes(32)
    assert world.nonce(CONTRACT) == 2**64 - 1


def test_return_data_has_an_end() -> None:
    """SECURITY E25, EIP-211."""
    call = code_of(push(0), push(0), push(4), push(0), push(0), push(4), 0x5A, 0xF1, 0x50)  # the identity of 4 bytes
    for offset, size, fails in (
        (0, 4, 0),
        (4, 0, 0),
        (5, 0, 1),
        (0, 5, 1),
        ((1 << 256) - 1, 1, 1),
        (1 << 255, 1 << 255, 1),
    ):
        result, _ = execute(call + code_of(push(size), push(offset), push(0), 0x3E), gas=5_000_000)
        expected = (ReturnDataOutOfBounds, OutOfGas) if fails else type(None)
        assert isinstance(result.halt, expected), (offset, size)


WRITES = {
    "sstore": code_of(push(1), push(0), 0x55),
    "tstore": code_of(push(1), push(0), 0x5D),
    "log0": code_of(push(0), push(0), 0xA0),
    "log4": code_of(push(0) * 6, 0xA4),
    "create": code_of(push(0) * 3, 0xF0),
    "create2": code_of(push(0) * 4, 0xF5),
    "selfdestruct": code_of(push(0), 0xFF),
    "call with value": code_of(push(0) * 4, push(1), push(0), push(0), 0xF1),
}


@pytest.mark.parametrize("hot", [1, 10**9])
@pytest.mark.parametrize("name", WRITES)
def test_a_static_call_writes_nothing(name: str, hot: int) -> None:
    with hot_after(hot):
        result, world = execute(WRITES[name], static=True)
        assert isinstance(result.halt, WriteProtection)
        assert result.gas_left == 0
        assert not world.logs
        # and one frame deeper, through a plain call out of a static one
        inner = b"\xaa" * 20
        code = code_of(push(0) * 5, push(int.from_bytes(inner, "big")), 0x5A, 0xF1) + RETURN_TOP
        outer, _ = execute(code, static=True, accounts={inner: {"code": WRITES[name], "balance": 5}})
        assert outer.output == bytes(32)


def test_a_static_call_may_call_code_with_value() -> None:
    result, _ = execute(code_of(push(0) * 4, push(0), push(4), push(100), 0xF2), static=True)
    assert result.success


@pytest.mark.parametrize("hot", [1, 10**9])
@pytest.mark.parametrize(
    "code",
    [
        code_of(push(4), 0x56, 0x60, 0x5B, 0x00),  # into push data
        code_of(push(3), 0x56, 0x00),  # onto another instruction
        code_of(push(99), 0x56),  # beyond the code
        code_of(push((1 << 256) - 1), 0x56),
        code_of(push(1), push(6), 0x57, 0x7F, 0x5B),  # into the data of a PUSH that the code cuts off
        code_of(push(0), 0x35, 0x56),  # dynamic, to zero
    ],
)
def test_jumps_land_on_jumpdests_only(code: bytes, hot: int) -> None:
    with hot_after(hot):
        assert isinstance(execute(code)[0].halt, InvalidJump)


@pytest.mark.parametrize("opcode", [0x0C, 0x1F, 0x21, 0x4B, 0xA5, 0xB0, 0xEF, 0xF6, 0xFB, 0xFE])
def test_a_byte_that_is_no_instruction_halts(opcode: int) -> None:
    result, _ = execute(bytes([opcode]))
    assert isinstance(result.halt, InvalidOpcode)
    assert result.gas_left == 0


def test_instructions_come_with_their_forks() -> None:
    since = {
        0x5F: SHANGHAI,
        0x5E: FORKS[16],
        0x1E: OSAKA,
        0x48: LONDON,
        0xFA: BYZANTIUM,
        0xFD: BYZANTIUM,
        0xF4: HOMESTEAD,
    }
    for opcode, first in since.items():
        for at, fork in enumerate(FORKS):
            assert (opcode in fork.instructions) is (at >= FORKS.index(first)), (hex(opcode), fork.name)


def test_the_identity_does_not_alias_memory() -> None:
    """SECURITY E26: output of a call that lies over its own input (CVE-2020-26241)."""
    code = code_of(
        *(push(0x11223344), push(0), 0x52),
        *(push(32), push(4), push(32), push(0), push(0), push(4), 0x5A, 0xF1, 0x50),  # identity: 0..32 -> 4..36
        *(push(0xFF), push(31), 0x53),  # change memory after the call
        *(push(32), push(0), push(64), 0x3E, push(64), 0x51),  # what it returned is still the old
    )
    assert returned(code) == 0x11223344


def test_a_contract_destroyed_and_called_again_still_runs_until_the_transaction_ends() -> None:
    doomed = b"\xaa" * 20
    call = code_of(push(0) * 5, push(int.from_bytes(doomed, "big")), 0x5A, 0xF1)
    code = call + call + code_of(0x01)
    for fork in (LONDON, OSAKA):
        assert returned(code, fork=fork, accounts={doomed: {"code": code_of(push(0), 0xFF), "balance": 3}}) == 2


def test_halts_stay_inside() -> None:
    """`run` returns whatever happens; its exceptions are a tree of their own."""
    assert all(issubclass(kind, Halt) and not issubclass(kind, ValueError) for kind in Halt.__subclasses__())


@pytest.mark.parametrize("traced", [False, True])
@pytest.mark.parametrize("hot", [1, 10**9])
@pytest.mark.parametrize("code", [code_of(0x5B, push(0), 0x56), code_of(0x5B, push(1), push(0), 0x57)], ids=str)
def test_another_thread_can_stop_an_endless_loop(code: bytes, hot: int, traced: bool) -> None:
    stop: list[bool] = []
    world = MemoryWorld({SENDER: {"balance": 1}, CONTRACT: {"code": code}})
    ended: list[BaseException] = []

    def endless() -> None:
        try:
            run(
                Message(SENDER, CONTRACT, 10**14),
                world,
                BLOCK,
                TxContext(SENDER),
                HOMESTEAD,
                Depths() if traced else None,
                stop,
            )
        except Cancelled as cancelled:
            ended.append(cancelled)

    with hot_after(hot):
        thread = threading.Thread(target=endless)
        thread.start()
        stop.append(True)
        thread.join(10)
        assert not thread.is_alive()
    assert len(ended) == 1
