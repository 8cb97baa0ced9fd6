"""Tracers on small programs; the published call trees and prestates are in tests/vectors/ethereum_vm.py."""

from typing import Any

from tests.vm.evm.run import BLOCK, CONTRACT, SENDER, code_of, execute, push
from tests.vm.evm.world import MemoryWorld
from vm.evm.addresses import contract_address
from vm.evm.api import Message, TxContext
from vm.evm.forks import OSAKA
from vm.evm.interpreter import run
from vm.evm.tracers.calls import CallTracer, revert_reason
from vm.evm.tracers.prestate import PrestateTracer
from vm.evm.tracers.selectors import SelectorTracer
from vm.evm.tracers.steps import StepTracer

OTHER = b"\xaa" * 20
STORE = code_of(push(7), push(1), 0x55)
FAIL = code_of(push(0), push(0), 0xA0, push(0), push(0), 0xFD)


def call(target: bytes = OTHER, gas: int = 50_000, value: int = 0) -> bytes:
    return code_of(push(0) * 4, push(value), push(int.from_bytes(target, "big")), push(gas), 0xF1)


def test_a_step_costs_what_the_next_event_shows() -> None:
    tracer = StepTracer(memory=True)
    result, _ = execute(
        code_of(push(5), push(0), 0x52, call(gas=30_000), STORE), tracer=tracer, accounts={OTHER: {"code": STORE}}
    )
    steps = tracer.json(1)["structLogs"]
    assert [s["op"] for s in steps[:4]] == ["PUSH1", "PUSH1", "MSTORE", "PUSH1"]
    assert [s["gasCost"] for s in steps[:4]] == [3, 3, 6, 3]
    assert steps[3]["memory"] == [f"0x{5:064x}"]
    called = next(s for s in steps if s["op"] == "CALL")
    assert called["gasCost"] == 2_600 + 30_000  # with the gas that went along
    inner = [s for s in steps if s["depth"] == 2]
    assert [s["op"] for s in inner] == ["PUSH1", "PUSH1", "SSTORE", "STOP"]
    assert inner[2]["gasCost"] == 22_100
    assert inner[2]["storage"] == {f"0x{1:064x}": f"0x{7:064x}"}
    assert inner[2]["stack"] == ["0x7", "0x1"]
    assert steps[-1]["op"] == "STOP"
    assert result.success


def test_a_step_that_lacks_gas_has_the_error() -> None:
    tracer = StepTracer(limit=2)
    execute(code_of(push(1), 0x54), gas=50, tracer=tracer)
    told = tracer.json(50)
    assert told["failed"] is True
    assert told["structLogs"][1]["error"] == "out of gas"
    assert told["structLogs"][1]["op"] == "SLOAD"


def test_the_price_of_return_leaves_the_code_deposit_out() -> None:
    tracer = StepTracer()
    initcode = code_of(push(10), push(0), 0xF3)
    message = Message(SENDER, contract_address(SENDER, 0), 100_000, 0, initcode, is_create=True, kind=0xF0)
    run(message, MemoryWorld(), BLOCK, TxContext(SENDER), OSAKA, tracer)
    assert tracer.json(0)["structLogs"][-1]["gasCost"] == 3


def test_the_call_tree_has_calls_that_fail_at_once_and_drops_their_logs() -> None:
    tracer = CallTracer(with_log=True)
    accounts = {OTHER: {"code": FAIL}}
    code = code_of(push(0), push(0), 0xA0, call(), call(value=9), push(0), push(0), 0xA0)
    execute(code, tracer=tracer, accounts=accounts)
    tree = tracer.json(90_000, 80_000)
    assert tree["gas"] == hex(90_000)
    assert [c["error"] for c in tree["calls"]] == ["execution reverted", "insufficient balance for transfer"]
    assert "logs" not in tree["calls"][0]
    assert [(log["index"], log["position"]) for log in tree["logs"]] == [("0x0", "0x0"), ("0x1", "0x2")]
    top = CallTracer(only_top=True)
    execute(code, tracer=top, accounts=accounts)
    assert "calls" not in top.json(1, 1)


def test_a_failed_creation_has_no_address() -> None:
    tracer = CallTracer()
    message = Message(SENDER, contract_address(SENDER, 0), 100_000, 0, b"\xfe", is_create=True, kind=0xF0)
    run(message, MemoryWorld(), BLOCK, TxContext(SENDER), OSAKA, tracer)
    tree = tracer.json(1, 1)
    assert "to" not in tree
    assert tree["error"] == "invalid opcode: INVALID"


def test_reasons_of_solidity_are_read() -> None:
    text = (32).to_bytes(32, "big") + (4).to_bytes(32, "big") + b"nope".ljust(32, b"\0")
    assert revert_reason(bytes.fromhex("08c379a0") + text) == "nope"
    assert revert_reason(bytes.fromhex("4e487b71") + (0x11).to_bytes(32, "big")) == "arithmetic underflow or overflow"
    assert revert_reason(bytes.fromhex("4e487b71") + (0x99).to_bytes(32, "big")) == "unknown panic code: 0x99"
    for junk in (
        b"",
        b"\x08\xc3\x79\xa0",
        bytes.fromhex("08c379a0") + b"\xff" * 64,
        bytes.fromhex("08c379a0") + text[:66],
    ):
        assert revert_reason(junk) is None


def test_the_prestate_is_what_was_and_the_difference_what_changed() -> None:
    accounts: dict[bytes, dict[str, Any]] = {
        SENDER: {"balance": 10**18, "nonce": 5},
        CONTRACT: {"code": code_of(STORE, call(value=2)), "nonce": 1, "balance": 2, "storage": {1: 3, 9: 9}},
        OTHER: {"balance": 1},
    }
    world = MemoryWorld(accounts)
    tracer = PrestateTracer(world, (SENDER, CONTRACT, BLOCK.coinbase))
    execute(b"", world=world, tracer=tracer, value=1)
    seen = tracer.json()
    assert seen["0x" + SENDER.hex()] == {"balance": hex(10**18), "nonce": 5}
    assert seen["0x" + CONTRACT.hex()]["storage"] == {f"0x{1:064x}": f"0x{3:064x}"}
    assert seen["0x" + OTHER.hex()] == {"balance": "0x1"}
    assert "0x" + BLOCK.coinbase.hex() not in seen
    changed = tracer.diff()
    assert changed["post"]["0x" + CONTRACT.hex()] == {"balance": "0x1", "storage": {f"0x{1:064x}": f"0x{7:064x}"}}
    assert changed["post"]["0x" + OTHER.hex()] == {"balance": "0x3"}
    assert changed["pre"]["0x" + OTHER.hex()] == {"balance": "0x1"}


def test_selectors_are_counted_with_their_arguments_size() -> None:
    tracer = SelectorTracer()
    code = code_of(push(0x11223344 << 224), push(0), 0x52)
    code += (
        code_of(push(0), push(0), push(36), push(0), push(0), push(int.from_bytes(OTHER, "big")), push(9_000), 0xF1) * 2
    )
    code += code_of(push(0), push(0), push(36), push(0), push(0), push(4), push(9_000), 0xF1)  # a precompile
    execute(code, data=b"\x01\x02\x03\x04\x05", tracer=tracer, accounts={OTHER: {"code": b"\x00"}})
    assert tracer.json() == {"0x01020304-1": 1, "0x11223344-32": 2}
