"""Calls, reverts, estimates, logs, filters, proofs and traces on a small chain."""

from __future__ import annotations

import pytest

from ledger.account.trie import verify_proof
from primitives import rlp
from primitives.hashing import keccak256
from tests.node.rpc.ethereum.contracts import COUNTER, deployer, revert_with
from tests.node.rpc.ethereum.harness import AccountNode, RpcFailure

A = "0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266"
B = "0x70997970c51812dc3a010c7d01b50e0d17dc79c8"


def deploy(chain: AccountNode, runtime: bytes) -> str:
    sent = chain.call("eth_sendTransaction", {"from": A, "data": deployer(runtime)})
    receipt = chain.call("eth_getTransactionReceipt", sent)
    assert receipt["status"] == "0x1" and receipt["to"] is None
    where: str = receipt["contractAddress"]
    return where


def count(chain: AccountNode, where: str) -> str:
    sent: str = chain.call("eth_sendTransaction", {"from": A, "to": where})
    return sent


def test_a_contract_is_made_called_and_read_at_any_block(chain: AccountNode) -> None:
    where = deploy(chain, COUNTER)
    assert chain.call("eth_getCode", where) == "0x" + COUNTER.hex()
    assert int(chain.call("eth_call", {"to": where}, "latest"), 16) == 1
    count(chain, where)
    count(chain, where)
    assert int(chain.call("eth_call", {"to": where}), 16) == 3
    assert [int(chain.call("eth_getStorageAt", where, "0x0", hex(n)), 16) for n in range(4)] == [0, 0, 1, 2]
    old = chain.call("eth_getBlockByNumber", "0x2", False)["hash"]
    assert int(chain.call("eth_getStorageAt", where, "0x0", {"blockHash": old}), 16) == 1


def test_overrides_of_state_and_block(chain: AccountNode) -> None:
    where = deploy(chain, COUNTER)
    state = {where: {"stateDiff": {"0x" + "00" * 32: "0x" + (41).to_bytes(32, "big").hex()}}}
    assert int(chain.call("eth_call", {"to": where}, "latest", state), 16) == 42
    timestamp = {B: {"code": "0x425f5260205ff3"}}
    assert int(chain.call("eth_call", {"to": B}, "latest", timestamp, {"time": "0x7b"}), 16) == 123


@pytest.mark.parametrize("method", ["eth_call", "eth_estimateGas"])
def test_a_revert_is_error_3_with_its_data(chain: AccountNode, method: str) -> None:
    where = deploy(chain, revert_with("not today"))
    with pytest.raises(RpcFailure, match="execution reverted: not today") as e:
        chain.call(method, {"from": A, "to": where})
    assert e.value.code == 3 and e.value.data.startswith("0x08c379a0")
    with pytest.raises(RpcFailure, match="not today"):
        chain.call("eth_sendTransaction", {"from": A, "to": where})
    sent = chain.call("eth_sendTransaction", {"from": A, "to": where, "gas": "0x186a0"})
    assert chain.call("eth_getTransactionReceipt", sent)["status"] == "0x0"


def test_other_failures_have_geths_words(chain: AccountNode) -> None:
    for code, text in (("0xfe", "invalid opcode: INVALID"), ("0x56", "stack underflow"), ("0x5b5f56", "out of gas")):
        with pytest.raises(RpcFailure, match=text) as e:
            chain.call("eth_call", {"to": B, "gas": "0x10000"}, "latest", {B: {"code": code}})
        assert e.value.code == -32000
    with pytest.raises(RpcFailure, match="gas required exceeds allowance"):
        chain.call("eth_estimateGas", {"to": B, "gas": "0x10000"}, "latest", {B: {"code": "0x5b5f56"}})


def test_logs_by_address_topic_and_block(chain: AccountNode) -> None:
    topics = bytes.fromhex("60ff5f5fa1" + "60ee60ff5f5fa2")
    one, other = deploy(chain, topics), deploy(chain, COUNTER)
    count(chain, one)
    count(chain, other)
    both = chain.call("eth_getLogs", {"fromBlock": "earliest", "address": [one, other]})
    assert [log["logIndex"] for log in both] == ["0x0", "0x1", "0x0"]
    ff, ee = ("0x" + x.rjust(64, "0") for x in ("ff", "ee"))
    assert len(chain.call("eth_getLogs", {"fromBlock": "0x0", "topics": [ff]})) == 2
    assert len(chain.call("eth_getLogs", {"fromBlock": "0x0", "topics": [ff, ee]})) == 1
    assert len(chain.call("eth_getLogs", {"fromBlock": "0x0", "topics": [None, [ee, ff]]})) == 1
    assert chain.call("eth_getLogs", {"fromBlock": "0x0", "topics": [ee]}) == []
    block = both[0]["blockHash"]
    assert len(chain.call("eth_getLogs", {"blockHash": block})) == 2
    with pytest.raises(RpcFailure, match="unknown block"):
        chain.call("eth_getLogs", {"blockHash": "0x" + "11" * 32})


def test_a_filter_that_nobody_asks_is_gone_after_five_minutes(
    chain: AccountNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = chain.call("eth_newBlockFilter")
    assert chain.call("eth_getFilterChanges", number) == []
    now = chain.env.monotonic()
    monkeypatch.setattr(chain.env, "monotonic", lambda: now + 301)
    with pytest.raises(RpcFailure, match="filter not found"):
        chain.call("eth_getFilterChanges", number)


def test_a_connection_has_at_most_a_hundred_subscriptions(chain: AccountNode) -> None:
    for _ in range(100):
        chain.call("eth_subscribe", "newHeads")
    with pytest.raises(RpcFailure, match="at most 100"):
        chain.call("eth_subscribe", "newHeads")
    for number in list(chain.session.subscriptions):
        assert chain.call("eth_unsubscribe", hex(number)) is True
    assert not chain.events.subscriptions


def test_proofs_lead_to_the_state_root(chain: AccountNode) -> None:
    where = deploy(chain, COUNTER)
    count(chain, where)
    proof = chain.call("eth_getProof", where, ["0x0", "0x5"], "latest")
    root = bytes.fromhex(chain.call("eth_getBlockByNumber", "latest", False)["stateRoot"][2:])
    nodes = [bytes.fromhex(n[2:]) for n in proof["accountProof"]]
    account = verify_proof(root, keccak256(bytes.fromhex(where[2:])), nodes)
    assert account is not None
    fields = rlp.decode(account)
    assert "0x" + bytes(fields[2]).hex() == proof["storageHash"]  # type: ignore[arg-type]
    for slot, value in ((0, 1), (5, 0)):
        nodes = [bytes.fromhex(n[2:]) for n in proof["storageProof"][0 if slot == 0 else 1]["proof"]]
        found = verify_proof(bytes.fromhex(proof["storageHash"][2:]), keccak256(slot.to_bytes(32, "big")), nodes)
        assert (found or b"\0")[-1] == value


def test_traces_of_all_kinds(chain: AccountNode) -> None:
    where = deploy(chain, COUNTER)
    sent = count(chain, where)
    steps = chain.call("debug_traceTransaction", sent)
    assert [s["op"] for s in steps["structLogs"]][:4] == ["PUSH0", "SLOAD", "PUSH1", "ADD"] and not steps["failed"]
    receipt = chain.call("eth_getTransactionReceipt", sent)
    assert steps["gas"] == int(receipt["gasUsed"], 16)
    call = chain.call("debug_traceTransaction", sent, {"tracer": "callTracer", "tracerConfig": {"withLog": True}})
    assert (call["to"], call["type"], len(call["logs"])) == (where, "CALL", 1)
    before = chain.call("debug_traceTransaction", sent, {"tracer": "prestateTracer"})
    assert before[where]["code"] == "0x" + COUNTER.hex() and A in before
    diff = chain.call("debug_traceTransaction", sent, {"tracer": "prestateTracer", "tracerConfig": {"diffMode": True}})
    assert diff["post"][where]["storage"] == {"0x" + "00" * 32: "0x" + (1).to_bytes(32, "big").hex()}
    selectors = chain.call("debug_traceCall", {"to": where, "data": "0x12345678"}, "latest", {"tracer": "4byteTracer"})
    assert selectors == {"0x12345678-0": 1}
    block = chain.call("debug_traceBlockByNumber", receipt["blockNumber"], {"tracer": "callTracer"})
    assert block == [{"txHash": sent, "result": {k: v for k, v in call.items() if k != "logs"}}]
    remix = {"disableStorage": True, "disableMemory": False, "disableStack": False, "fullStorage": False}
    assert "storage" not in chain.call("debug_traceTransaction", sent, remix)["structLogs"][1]
    with pytest.raises(RpcFailure, match="is not known"):
        chain.call("debug_traceTransaction", sent, {"tracer": "{step: function() {}}"})


def test_an_access_list_makes_a_call_cheaper_or_as_cheap(chain: AccountNode) -> None:
    where = deploy(chain, COUNTER)
    found = chain.call("eth_createAccessList", {"from": A, "to": where})
    assert found["accessList"] == [{"address": where, "storageKeys": ["0x" + "00" * 32]}]


def test_fees_and_their_history(chain: AccountNode) -> None:
    count(chain, B)
    history = chain.call("eth_feeHistory", "0x5", "latest", [0, 100])
    assert history["oldestBlock"] == "0x0" and len(history["baseFeePerGas"]) == 3 and len(history["reward"]) == 2
    assert history["reward"][1] == ["0x3b9aca00", "0x3b9aca00"]
    assert chain.call("eth_baseFee") == history["baseFeePerGas"][-1]
    with pytest.raises(RpcFailure, match="request beyond head block"):
        chain.call("eth_feeHistory", 1, "0x99", [])


def test_unknown_things_are_null(chain: AccountNode) -> None:
    nobody = "0x" + "12" * 32
    for method in ("eth_getTransactionByHash", "eth_getTransactionReceipt", "eth_getRawTransactionByHash"):
        assert chain.call(method, nobody) is None
    assert chain.call("eth_getBlockByHash", nobody, False) is None
    assert chain.call("eth_getBlockByNumber", "0x99", True) is None
    assert chain.call("eth_getBlockReceipts", "0x99") is None
    with pytest.raises(RpcFailure, match="header not found"):
        chain.call("eth_getBalance", A, "0x99")


def test_the_wait_for_a_receipt_is_in_the_call(chain: AccountNode) -> None:
    raw = chain.call("eth_signTransaction", {"from": A, "to": B, "value": "0x1"})["raw"]
    assert chain.call("eth_sendRawTransactionSync", raw)["status"] == "0x1"


def test_a_method_describes_itself(chain: AccountNode) -> None:
    document = chain.call("rpc_discover")
    names = {m["name"] for m in document["methods"]}
    assert {"eth_call", "debug_traceCall", "anvil_reorg", "hardhat_mine", "evm_snapshot"} <= names
    assert all(m["summary"] for m in document["methods"])
    assert "eth" in chain.call("rpc_modules") and "block" in chain.call("rpc_help", "eth_getBlockByNumber")


def test_wrong_parameters_are_named(chain: AccountNode) -> None:
    for params, text in (
        ([], r"missing value for required argument 0 \(address\)"),
        (["0x12"], r"invalid argument 0 \(address\)"),
        ([A, "newest"], "hex string without 0x prefix"),
        ([A, "latest", 1], "too many arguments"),
    ):
        with pytest.raises(RpcFailure, match=text) as e:
            chain.call("eth_getBalance", *params)
        assert e.value.code == -32602
    with pytest.raises(RpcFailure, match="does not exist/is not available") as e:
        chain.call("eth_nonsense")
    assert e.value.code == -32601


def test_creation_code_beyond_its_limit_is_refused(chain: AccountNode) -> None:
    made = {"data": "0x" + "00" * 49_153, "gas": hex(16_000_000)}
    want = "max initcode size exceeded: code size 49153 limit 49152"
    for method in ("eth_call", "eth_estimateGas"):
        with pytest.raises(RpcFailure, match=want):
            chain.call(method, made)
    with pytest.raises(RpcFailure, match=want) as e:
        chain.call("eth_simulateV1", {"blockStateCalls": [{"calls": [made]}]})
    assert e.value.code == -38025
    assert chain.call("eth_call", {**made, "data": made["data"][:-2]}) == "0x"
