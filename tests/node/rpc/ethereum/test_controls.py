"""What a test does to its chain: mining, time, snapshots, edits, impersonation, reorganisations."""

from __future__ import annotations

from itertools import pairwise

import pytest

from tests.node.rpc.ethereum.harness import AccountNode, RpcFailure

A = "0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266"
B = "0x70997970c51812dc3a010c7d01b50e0d17dc79c8"
C = "0x00000000000000000000000000000000000000cc"
STORE = "0x600160005500"
"""Sets slot 0 to 1."""


def height(chain: AccountNode) -> int:
    return int(chain.call("eth_blockNumber"), 16)


def send(chain: AccountNode, **fields: str) -> str:
    sent: str = chain.call("eth_sendTransaction", {"from": A, "to": B, "value": "0x1", **fields})
    return sent


def test_the_receipt_is_there_when_the_send_returns(chain: AccountNode) -> None:
    receipt = chain.call("eth_getTransactionReceipt", send(chain))
    assert receipt["status"] == "0x1" and receipt["blockNumber"] == "0x1" and receipt["gasUsed"] == "0x5208"


def test_without_automine_transactions_wait_and_one_block_takes_them(chain: AccountNode) -> None:
    chain.call("evm_setAutomine", False)
    hashes = [send(chain) for _ in range(5)]
    assert chain.call("eth_getTransactionReceipt", hashes[0]) is None
    assert chain.call("txpool_status") == {"pending": "0x5", "queued": "0x0"}
    assert chain.call("eth_getTransactionCount", A, "pending") == "0x5"
    assert len(chain.call("eth_getBlockByNumber", "pending", False)["transactions"]) == 5
    chain.call("evm_mine")
    assert chain.call("eth_getBlockByNumber", "latest", False)["transactions"] == hashes


def test_a_gap_of_nonces_queues_and_is_filled(chain: AccountNode) -> None:
    later = chain.call("eth_sendTransaction", {"from": A, "to": B, "nonce": "0x1", "gas": "0x5208"})
    assert chain.call("eth_getTransactionReceipt", later) is None
    assert chain.call("txpool_status") == {"pending": "0x0", "queued": "0x1"}
    send(chain, nonce="0x0")
    assert chain.call("eth_getTransactionReceipt", later)["status"] == "0x1"


def test_mining_many_blocks_with_a_spacing(chain: AccountNode) -> None:
    chain.call("hardhat_mine", "0xa", "0x3c")
    blocks = [chain.call("eth_getBlockByNumber", hex(n), False) for n in range(1, 11)]
    times = [int(b["timestamp"], 16) for b in blocks]
    assert [b - a for a, b in pairwise(times)] == [60] * 9


def test_time_travel(chain: AccountNode) -> None:
    chain.call("evm_mine")
    before = int(chain.call("eth_getBlockByNumber", "latest", False)["timestamp"], 16)
    assert chain.call("evm_increaseTime", 3600) == 3600
    chain.call("evm_mine")
    after = int(chain.call("eth_getBlockByNumber", "latest", False)["timestamp"], 16)
    assert 3600 <= after - before < 3700
    chain.call("evm_setNextBlockTimestamp", after + 1000)
    chain.call("evm_mine")
    assert int(chain.call("eth_getBlockByNumber", "latest", False)["timestamp"], 16) == after + 1000
    chain.call("evm_mine")
    assert after + 1000 < int(chain.call("eth_getBlockByNumber", "latest", False)["timestamp"], 16) < after + 1100
    with pytest.raises(RpcFailure, match="lower than or equal"):
        chain.call("evm_setNextBlockTimestamp", after)


def test_what_the_next_block_is_to_have(chain: AccountNode) -> None:
    chain.call("hardhat_setNextBlockBaseFeePerGas", "0x77359400")
    chain.call("evm_setBlockGasLimit", "0x1000000")
    chain.call("hardhat_setCoinbase", C)
    chain.call("hardhat_setPrevRandao", "0x2a")
    chain.call("evm_mine")
    block = chain.call("eth_getBlockByNumber", "latest", False)
    assert (block["baseFeePerGas"], block["gasLimit"], block["miner"]) == ("0x77359400", "0x1000000", C)
    assert int(block["mixHash"], 16) == 42
    chain.call("evm_mine")
    block = chain.call("eth_getBlockByNumber", "latest", False)
    assert int(block["baseFeePerGas"], 16) < 0x77359400 and block["gasLimit"] == "0x1000000"
    send(chain)
    assert chain.call("eth_getBlockByNumber", "latest", False)["gasUsed"] == "0x5208"


def test_edits_of_accounts_are_blocks_of_their_own(chain: AccountNode) -> None:
    chain.call("hardhat_setBalance", C, "0xde0b6b3a7640000")
    chain.call("anvil_setNonce", C, "0x7")
    chain.call("hardhat_setStorageAt", C, "0x1", "0x" + "ab" * 32)
    chain.call("anvil_setCode", C, "0x6001600055")
    assert height(chain) == 4
    assert chain.call("eth_getBalance", C, "latest") == "0xde0b6b3a7640000"
    assert chain.call("eth_getTransactionCount", C, "latest") == "0x7"
    assert chain.call("eth_getStorageAt", C, "0x1", "latest") == "0x" + "ab" * 32
    assert chain.call("eth_getCode", C, "latest") == "0x6001600055"
    assert chain.call("eth_getBalance", C, "0x0") == "0x0"


def test_an_edit_makes_pooled_transactions_be_judged_again(chain: AccountNode) -> None:
    chain.call("evm_setAutomine", False)
    send(chain)
    chain.call("hardhat_setBalance", A, "0x0")
    assert chain.call("txpool_status")["pending"] == "0x0"


def test_an_impersonated_account_sends_without_a_key(chain: AccountNode) -> None:
    with pytest.raises(RpcFailure, match="unknown account"):
        chain.call("eth_sendTransaction", {"from": C, "to": B, "value": "0x1"})
    chain.call("hardhat_setBalance", C, "0xde0b6b3a7640000")
    chain.call("hardhat_impersonateAccount", C)
    sent = chain.call("eth_sendTransaction", {"from": C, "to": B, "value": "0x1"})
    receipt = chain.call("eth_getTransactionReceipt", sent)
    assert receipt["from"] == C and receipt["status"] == "0x1"
    assert chain.call("eth_getTransactionByHash", sent)["from"] == C
    block = chain.call("eth_getBlockByNumber", receipt["blockNumber"], True)
    assert block["transactions"][0]["from"] == C
    assert chain.call("debug_traceTransaction", sent, {"tracer": "callTracer"})["from"] == C
    assert chain.call("hardhat_stopImpersonatingAccount", C) is True
    with pytest.raises(RpcFailure, match="unknown account"):
        chain.call("eth_sendTransaction", {"from": C, "to": B, "value": "0x1"})


def test_an_impersonated_contract_may_send(chain: AccountNode) -> None:
    chain.call("anvil_setCode", C, "0x00")
    chain.call("hardhat_setBalance", C, "0xde0b6b3a7640000")
    chain.call("anvil_autoImpersonateAccount", True)
    sent = chain.call("eth_sendTransaction", {"from": C, "to": B, "value": "0x1"})
    assert chain.call("eth_getTransactionReceipt", sent)["status"] == "0x1"


def test_an_impersonated_account_still_has_to_pay(chain: AccountNode) -> None:
    chain.call("hardhat_impersonateAccount", C)
    with pytest.raises(RpcFailure, match="insufficient funds"):
        chain.call("eth_sendTransaction", {"from": C, "to": B, "value": "0x1", "gas": "0x5208"})


def test_revert_brings_back_chain_pool_clock_and_modes(chain: AccountNode) -> None:
    send(chain)
    chain.call("evm_setAutomine", False)
    pooled = send(chain)
    mark = chain.call("evm_snapshot")
    balance, now = chain.call("eth_getBalance", B, "latest"), chain.env.now()
    chain.call("evm_setAutomine", True)
    chain.call("evm_increaseTime", 10_000)
    for _ in range(3):
        send(chain)
    assert chain.call("evm_revert", mark) is True
    assert (height(chain), chain.call("eth_getBalance", B, "latest")) == (1, balance)
    assert chain.call("txpool_status")["pending"] == "0x1"
    assert chain.call("eth_getTransactionByHash", pooled)["blockHash"] is None
    assert chain.call("hardhat_getAutomine") is False
    assert abs(chain.env.now() - now) < 60
    assert chain.call("evm_revert", mark) is False


def test_a_reverted_block_is_forgotten(chain: AccountNode) -> None:
    mark = chain.call("evm_snapshot")
    sent = send(chain)
    gone = chain.call("eth_getTransactionReceipt", sent)["blockHash"]
    chain.call("evm_revert", mark)
    assert chain.call("eth_getTransactionReceipt", sent) is None
    assert chain.call("eth_getBlockByHash", gone, False) is None


def test_reset_goes_back_to_genesis(chain: AccountNode) -> None:
    send(chain)
    chain.call("hardhat_reset")
    assert height(chain) == 0 and chain.call("eth_getTransactionCount", A, "latest") == "0x0"


def test_a_reorganisation_takes_logs_back_and_gives_transactions_to_the_pool(chain: AccountNode) -> None:
    code = "0x60006000a000"
    chain.call("anvil_setCode", C, code)
    number = chain.call("eth_newFilter", {"address": C})
    subscription = chain.call("eth_subscribe", "logs", {"address": C})
    heads = chain.call("eth_subscribe", "newHeads")
    sent = chain.call("eth_sendTransaction", {"from": A, "to": C, "gas": "0x186a0"})
    old = chain.call("eth_getTransactionReceipt", sent)["blockHash"]
    chain.call("anvil_reorg", 1, [])
    assert height(chain) == 2
    assert chain.call("eth_getTransactionReceipt", sent) is None
    assert chain.call("eth_getTransactionByHash", sent)["blockHash"] is None
    changes = chain.call("eth_getFilterChanges", number)
    assert [(c["removed"], c["blockHash"] == old) for c in changes] == [(False, True), (True, True)]
    pushed = [t["params"] for t in chain.told]
    assert [p["result"]["removed"] for p in pushed if p["subscription"] == subscription] == [False, True]
    assert [p["result"]["number"] for p in pushed if p["subscription"] == heads] == ["0x2", "0x2"]
    chain.call("evm_mine")
    again = chain.call("eth_getTransactionReceipt", sent)
    assert again["blockNumber"] == "0x3"
    assert [c["removed"] for c in chain.call("eth_getFilterChanges", number)] == [False]
    assert len(chain.call("eth_getLogs", {"address": C, "fromBlock": "0x0"})) == 1


def test_a_reorganisation_with_transactions_of_its_own(chain: AccountNode) -> None:
    for _ in range(4):
        chain.call("evm_mine")
    chain.call("anvil_reorg", {"depth": 3, "tx_block_pairs": [[{"from": A, "to": B, "value": "0x5"}, 1]]})
    assert height(chain) == 4
    assert len(chain.call("eth_getBlockByNumber", "0x3", False)["transactions"]) == 1
    with pytest.raises(RpcFailure, match="cannot lose"):
        chain.call("anvil_reorg", 5)


def test_dropping_transactions(chain: AccountNode) -> None:
    chain.call("evm_setAutomine", False)
    first, second = send(chain), send(chain)
    assert chain.call("hardhat_dropTransaction", second) is True
    assert chain.call("anvil_dropTransaction", second) is None
    assert chain.call("anvil_dropTransaction", first) == first
    send(chain)
    chain.call("anvil_dropAllTransactions")
    assert chain.call("txpool_status")["pending"] == "0x0"


def test_a_replacement_must_pay_more(chain: AccountNode) -> None:
    chain.call("evm_setAutomine", False)
    send(chain, nonce="0x0", gasPrice="0x77359400")
    with pytest.raises(RpcFailure, match="replacement transaction underpriced"):
        send(chain, nonce="0x0", gasPrice="0x77359401")
    send(chain, nonce="0x0", gasPrice="0x87359400")
    assert chain.call("txpool_status")["pending"] == "0x1"


def test_the_words_of_geth(chain: AccountNode) -> None:
    raw = chain.call("eth_signTransaction", {"from": A, "to": B, "value": "0x1"})["raw"]
    chain.call("evm_setAutomine", False)
    chain.call("eth_sendRawTransaction", raw)
    with pytest.raises(RpcFailure, match="already known"):
        chain.call("eth_sendRawTransaction", raw)
    chain.call("evm_mine")
    with pytest.raises(RpcFailure, match="nonce too low: next nonce 1, tx nonce 0"):
        chain.call("eth_sendRawTransaction", raw)
    with pytest.raises(RpcFailure, match="insufficient funds for gas") as e:
        send(chain, value=hex(10**24), gas="0x5208")
    assert e.value.code == -32000


def test_rollback_forgets_blocks(chain: AccountNode) -> None:
    for _ in range(3):
        chain.call("evm_mine")
    chain.call("anvil_rollback", 2)
    assert height(chain) == 1


def test_a_dump_holds_the_whole_history_and_loads_into_another_node(chain: AccountNode) -> None:
    chain.call("hardhat_setBalance", C, "0x5")
    chain.call("hardhat_impersonateAccount", A)
    sent = send(chain)
    chain.call("evm_increaseTime", 5_000)
    chain.call("evm_mine")
    chain.call("evm_setAutomine", False)
    pooled = send(chain)
    state, tip = chain.call("anvil_dumpState"), chain.call("eth_getBlockByNumber", "latest", False)["hash"]
    other = AccountNode(automine=False)
    try:
        other.call("evm_mine")
        assert other.call("anvil_loadState", state) is True
        assert other.call("eth_getBlockByNumber", "latest", False)["hash"] == tip
        assert other.call("eth_getBalance", C, "latest") == "0x5"
        assert other.call("eth_getTransactionReceipt", sent)["status"] == "0x1"
        assert other.call("eth_getTransactionByHash", pooled)["blockHash"] is None
        assert abs(other.env.now() - chain.env.now()) < 60
        for bad in ("0x00", state[:-20]):
            with pytest.raises(RpcFailure):
                other.call("anvil_loadState", bad)
        assert other.call("eth_getBlockByNumber", "latest", False)["hash"] == tip
    finally:
        other.close()
