"""Every method with generated parameters: an answer or a clear error each time, never our own fault, and the node still works."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from tests.node.rpc.ethereum.harness import AccountNode

VALUES: list[Any] = [
    None, [], {}, True, False, -1, 0, 1, 2**63, 1e300, "", "0x", "0x0", "0xzz", "0x" + "f" * 400, "latest", "pending",
    "0x" + "00" * 20, "0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266", "0x" + "12" * 32, "\u0000", "newHeads", "logs",
    {"from": "0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266", "to": None}, {"to": "0x" + "00" * 20, "gas": "0x5208"},
    {"fromBlock": "0x0"}, {"topics": [[None]]}, {"blockStateCalls": [{}]}, {"tracer": "callTracer"}, [["0x00", 0]],
    {"blockHash": "0x" + "00" * 32}, [{}], [[]], {"timestamp": "0x5"}, {"depth": 1},
]  # fmt: skip
SLOW = {"eth_sendRawTransactionSync", "evm_setIntervalMining", "anvil_setIntervalMining", "miner_start", "admin_stop"}
"""Those that wait, or start what goes on after the call."""


def test_generated_calls_never_find_a_fault_of_ours() -> None:
    chain, random_ = AccountNode(), random.Random(7)
    try:
        methods = sorted(chain.dispatcher.registry.methods)
        for name in methods:
            if name in SLOW:
                continue
            most = len(chain.dispatcher.registry.methods[name].params)
            for _ in range(8):
                count = random_.randint(0, most + (random_.random() < 0.1))
                params = [random_.choice(VALUES) for _ in range(count)]
                if name.endswith("ine") or name == "evm_mine_detailed":
                    params = [p for p in params if not isinstance(p, int | float)]
                answer = chain.ask({"jsonrpc": "2.0", "id": 1, "method": name, "params": params})
                assert ("result" in answer) != ("error" in answer)
                if "error" in answer:
                    text = json.dumps(answer)
                    assert answer["error"]["code"] != -32603, (name, params, answer)
                    assert "Traceback" not in text and "0x7f" not in text, (name, params, answer)
        chain.call("hardhat_reset")
        chain.call("evm_setAutomine", True)
        chain.call("evm_mine")
        assert int(chain.call("eth_blockNumber"), 16) >= 1
    finally:
        chain.close()


@pytest.mark.parametrize(
    "body",
    [
        b"", b"{", b"null", b"1", b'"x"', b"[" * 100_000, b'{"jsonrpc":"2.0","id":1,"method":"eth_chainId","params":NaN}',
        b'{"id":1,"method":"eth_chainId","params":[1e400]}', b'{"id":1,"method":7}', b'{"id":{},"method":"eth_chainId"}',
        b'{"id":1,"method":"eth_getBalance","params":["\\ud800"]}', b'{"id":1,"method":"eth_chainId","params":"x"}',
        b"[]", b"[1,2,3]", b"\xff\xfe",
    ],
)  # fmt: skip
def test_bodies_that_are_no_requests_are_errors(body: bytes, chain: AccountNode) -> None:
    from tests.node.rpc.ethereum.harness import EthereumCall

    answer, status = chain.loop.run_until_complete(chain.dispatcher.answer(body, EthereumCall("", None)))
    found = json.loads(answer)
    for one in found if isinstance(found, list) else [found]:
        assert one["error"]["code"] in (-32700, -32600, -32602)
    assert status == 200


def test_a_batch_is_answered_in_order_and_within_bounds(chain: AccountNode) -> None:
    batch: list[Any] = [{"jsonrpc": "2.0", "id": i, "method": "eth_chainId"} for i in range(5)]
    batch[2] = {"jsonrpc": "2.0", "method": "eth_chainId"}
    batch[3] = 7
    answers = chain.ask(batch)
    assert [a["id"] for a in answers] == [0, 1, None, 4] and answers[2]["error"]["code"] == -32600
    assert chain.ask([batch[0]] * 1_001)["error"]["message"] == "batch too large"
    assert chain.ask({"jsonrpc": "2.0", "method": "eth_chainId"}) is None
