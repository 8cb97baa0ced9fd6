"""What a call executes has its time: code that would run until its gas is gone is stopped, in every method that executes some."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from typing import Any

import pytest

from node.env import RealEnv
from node.rpc import ethereum_allowance
from node.rpc.dispatch import Call
from node.rpc.errors import RpcError
from node.rpc.ethereum_allowance import SECONDS, Allowances
from node.rpc.ethereum_calls import GAS_CAP
from node.rpc.ethereum_debug_methods import MOST_SECONDS, trace_options
from tests.node.rpc.ethereum.harness import AccountNode, RpcFailure

LOOP = "0x5b5f56"
"""Jumps to its start until the gas is gone."""
AT = "0x" + "c0" * 20
BRIEF = "0x60015f5500"


@pytest.fixture
def speed() -> list[int]:
    """How fast the node's clock runs: so fast that five seconds are soon over."""
    return [1_000]


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch, speed: list[int]) -> Iterator[AccountNode]:
    """A node with that clock."""
    began = time.monotonic()
    monkeypatch.setattr(RealEnv, "monotonic", lambda self: (time.monotonic() - began) * speed[0])
    monkeypatch.setattr(ethereum_allowance, "LOOK", 0.01)
    node = AccountNode()
    yield node
    node.close()


def test_a_call_without_end_is_stopped(hasty: AccountNode) -> None:
    hasty.call("hardhat_setCode", AT, LOOP)
    me = hasty.call("eth_accounts")[0]
    to = {"from": me, "to": AT}
    calls: tuple[tuple[Any, ...], ...] = (
        ("eth_call", to),
        ("eth_call", {**to, "to": me}, "latest", {me: {"code": LOOP}}),
        ("eth_createAccessList", to),
        ("eth_simulateV1", {"blockStateCalls": [{"calls": [to] * 3}]}),
        ("eth_sendTransaction", to),
        ("eth_fillTransaction", to),
    )
    for method, *params in calls:
        with pytest.raises(RpcFailure) as e:
            hasty.call(method, *params)
        assert (e.value.code, e.value.message) == (-32000, "execution aborted (timeout = 5s)"), method
    for tracer in ({}, {"tracer": "callTracer"}, {"timeout": "1s"}):
        with pytest.raises(RpcFailure) as e:
            hasty.call("debug_traceCall", to, "latest", tracer)
        assert e.value.message == "execution timeout"
    assert hasty.call("eth_getTransactionCount", me) == "0x0"
    assert hasty.call("eth_blockNumber") == "0x1"


def test_an_estimate_without_end_is_stopped(hasty: AccountNode) -> None:
    hasty.call("hardhat_setCode", AT, LOOP)
    with pytest.raises(RpcFailure, match="execution aborted"):
        hasty.call("eth_estimateGas", {"to": AT})


def test_a_mined_transaction_is_traced_in_its_time(hasty: AccountNode, speed: list[int]) -> None:
    hasty.call("hardhat_setCode", AT, LOOP)
    me = hasty.call("eth_accounts")[0]
    digest = hasty.call("eth_sendTransaction", {"from": me, "to": AT, "gas": hex(1_000_000)})
    with pytest.raises(RpcFailure, match="execution timeout"):
        hasty.call("debug_traceTransaction", digest, {"tracer": "callTracer"})
    speed[0] = 1
    found = hasty.call("debug_traceTransaction", digest, {"tracer": "callTracer", "timeout": "5m"})
    assert found["error"] == "out of gas"
    assert (
        hasty.call("debug_traceBlockByNumber", "latest", {"tracer": "callTracer", "timeout": "5m"})[0]["result"]
        == found
    )


def test_calls_that_end_are_left_alone(hasty: AccountNode) -> None:
    hasty.call("hardhat_setCode", AT, BRIEF)
    for _ in range(20):
        assert hasty.call("eth_call", {"to": AT}) == "0x"
    assert int(hasty.call("eth_estimateGas", {"to": AT}), 16) > 21_000


def test_the_gas_of_a_traced_call_is_capped(chain: AccountNode) -> None:
    chain.call("hardhat_setCode", AT, "0x5a5f5260205ff3")  # returns the gas that is left
    for method, gas in (("eth_call", 10**12), ("debug_traceCall", 10**12)):
        found = chain.call(method, {"to": AT, "gas": hex(gas)}, "latest", *([{}] if method != "eth_call" else []))
        left = int(found if method == "eth_call" else found["returnValue"], 16)
        assert GAS_CAP - 30_000 < left < GAS_CAP


def test_the_clock_is_looked_at_while_there_are_calls() -> None:
    now, busy = [0.0], [True]
    found = Allowances(lambda: now[0], lambda: busy[0])
    call = Call("", None)

    async def run() -> None:
        with found.provide(call) as first:
            found.watch()
            found.look()
            assert not first
            now[0] = SECONDS + 0.1
            with found.provide(call) as second:
                found.look()
                assert first and not second
                second.renew(100)
                now[0] += 99
                found.look()
                assert not second
                now[0] += 2
                found.look()
                found.look()
                assert list(second) == [True]
        assert found._timer is not None
        busy[0] = False
        found.look()
        assert found._timer is None

    asyncio.run(run())


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("10s", 10.0), ("1m30s", 90.0), ("500ms", 0.5), ("1.5s", 1.5), ("2h", MOST_SECONDS), ("20us", 2e-5)],
)
def test_a_timeout_as_go_writes_it(text: str, seconds: float) -> None:
    assert trace_options({"timeout": text}, "options").timeout == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "10", "s", "-1s", "1 s", "1s,", 5, ["1s"], "1d", "9" * 5_000 + "s"])
def test_a_timeout_that_is_none(text: Any) -> None:
    with pytest.raises(RpcError, match="timeout"):
        trace_options({"timeout": text}, "options")
