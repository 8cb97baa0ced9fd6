"""Compiled regions do what the stepping loop does: gas, output, halts, memory, logs and storage, for any code."""

import time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.vm.evm.run import CONTRACT, code_of, execute, hot_after, push
from vm.evm import interpreter
from vm.evm.api import Fork, OutOfGas, StackUnderflow
from vm.evm.code import Book
from vm.evm.forks import BERLIN, FORKS, FRONTIER, OSAKA
from vm.evm.regions import LENGTH, compile_region

STEPS, COMPILED = 10**9, 1

# ends, calls, jumps and everything else, in about the shares of real code
WORDS = st.sampled_from([0, 1, 2, 31, 32, 33, 64, 95, 255, 256, 1 << 160, (1 << 255) - 1, 1 << 255, (1 << 256) - 1])
PLAIN = st.sampled_from(
    [
        *(*range(0x01, 0x0C), *range(0x10, 0x1F), 0x20, *range(0x30, 0x4B), *range(0x50, 0x56), *range(0x58, 0x60)),
        *(*range(0x80, 0x90), *range(0x90, 0xA0), *range(0xA0, 0xA5)),
    ]
).map(lambda opcode: bytes([opcode]))
SMALL = st.integers(0, 96).map(push)
FLOW = st.sampled_from([b"\x5b", b"\x5b", b"\x56", b"\x57", b"\x00", b"\xf3", b"\xfd", b"\xfe", b"\x0c", b"\xff"])
CALLS = st.sampled_from([b"\xf0", b"\xf1", b"\xf2", b"\xf4", b"\xf5", b"\xfa"])
PROGRAMS = st.lists(
    st.one_of(PLAIN, PLAIN, PLAIN, SMALL, SMALL, SMALL, WORDS.map(push), FLOW, CALLS), min_size=1, max_size=60
).map(b"".join)


def outcome(code: bytes, hot: int, fork: Fork, gas: int) -> tuple[object, ...]:
    with hot_after(hot):
        result, world = execute(code, fork=fork, gas=gas, data=bytes(range(70)))
        again, _ = execute(code, fork=fork, gas=gas, data=bytes(range(70)), world=world)
    ends = [(r.gas_left, r.output, type(r.halt), str(r.halt)) for r in (result, again)]
    return *ends, world.logs, world.refund, world.accounts, world.marks, world.transients


@settings(max_examples=200, deadline=None)
@given(code=PROGRAMS, fork=st.sampled_from([FRONTIER, BERLIN, OSAKA]), gas=st.sampled_from([50, 400, 3_000, 60_000]))
@example(code=code_of(push(3), 0x5B, push(1), 0x90, 0x03, 0x80, push(2), 0x57, 0x5A), fork=OSAKA, gas=10_000)
@example(code=code_of(0x5B, 0x5A, 0x5A, 0x55, push(0), 0x56), fork=OSAKA, gas=60_000)
def test_a_region_does_what_its_steps_do(code: bytes, fork: Fork, gas: int) -> None:
    assert outcome(code, COMPILED, fork, gas) == outcome(code, STEPS, fork, gas)


@settings(max_examples=60, deadline=None)
@given(body=st.lists(st.one_of(PLAIN, SMALL), max_size=20).map(b"".join), rounds=st.integers(1, 9))
def test_a_loop_does_what_its_steps_do(body: bytes, rounds: int) -> None:
    """A counter at the bottom of the stack, whatever the body leaves above it."""
    code = code_of(push(rounds), 0x5B, body, push(1), 0x90, 0x03, 0x80, push(2), 0x57, push(0), push(0), 0xF3)
    for gas in (500, 100_000):
        assert outcome(code, COMPILED, OSAKA, gas) == outcome(code, STEPS, OSAKA, gas)


def counting(rounds: int) -> bytes:
    return code_of(push(rounds), 0x5B, push(1), 0x90, 0x03, 0x80, push(len(push(rounds))), 0x57, 0x5A, 0x60, 0, 0x52)


def test_gas_of_a_compiled_loop_is_exact_to_the_unit() -> None:
    code = counting(1_000) + code_of(push(32), push(0), 0xF3)
    with hot_after(STEPS):
        result, _ = execute(code)
    used = 1_000_000 - result.gas_left
    for gas, fails in ((used, False), (used - 1, True), (used // 2, True)):
        with hot_after(COMPILED):
            ended, _ = execute(code, gas=gas)
        assert isinstance(ended.halt, OutOfGas) is fails
        assert ended.gas_left == 0


def test_a_path_longer_than_a_region_goes_on_in_the_next() -> None:
    code = code_of(push(7), b"\x80\x01" * (LENGTH * 2), push(0), 0x52, push(32), push(0), 0xF3)
    assert outcome(code, COMPILED, OSAKA, 50_000) == outcome(code, STEPS, OSAKA, 50_000)


def test_a_region_that_lacks_stack_leaves_the_fault_to_the_steps() -> None:
    with hot_after(COMPILED):
        result, _ = execute(code_of(push(1), 0x01))
    assert isinstance(result.halt, StackUnderflow)
    assert str(result.halt) == "stack underflow (1 <=> 2)"


SHAPES = {
    "comparisons of comparisons": code_of(0x30, 0x30, 0x10, b"\x80\x11" * 120),
    "negated comparisons": code_of(0x30, 0x30, 0x10, b"\x80\x15\x14" * 80),
    "exits with a deep stack": code_of(0x5B, b"\x30" * 60, b"\x80\x60\x00\x57" * 100),
    "known words that grow": code_of(push(3), b"\x80\x02" * 120),
    "shifts of shifts": code_of(push(255), push(1), b"\x81\x1b" * 120),
    "swaps": code_of(b"\x30" * 17, b"\x9f\x8f\x50" * 80),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_no_code_makes_a_region_large(shape: str) -> None:
    book = Book(SHAPES[shape])
    begin = time.process_time()
    compile_region(book, OSAKA, 0)
    assert time.process_time() - begin < 5
    assert -book.credit < 1_000_000


def test_compiling_is_paid_by_steps() -> None:
    """Code whose positions are all met often, but leave at once, is compiled only as far as its gas goes."""
    book = Book(b"\x5b" * 2_000)
    spent = 0
    for start in range(2_000):
        book.credit += 100
        spent += 100
        if book.credit >= interpreter.CREDIT:
            book.regions[start] = compile_region(book, OSAKA, start)
    assert book.regions
    assert len(book.regions) < 20


def test_forks_of_one_code_have_regions_of_their_own() -> None:
    code = code_of(push(1), 0x54, 0x00)
    gas = {}
    with hot_after(COMPILED):
        for fork in FORKS:
            result, _ = execute(code, fork=fork)
            gas[fork.name] = 1_000_000 - result.gas_left
    assert gas["frontier"] == 53
    assert gas["tangerine_whistle"] == 203
    assert gas["istanbul"] == 803
    assert gas["berlin"] == gas["bpo2"] == 2_103
    assert CONTRACT
