"""Proof of work: ethash-dev mines and names ommers, outside miners get work, and public chains know no edits."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from chains.ethereum import SPECS
from consensus.ethash import search
from consensus.ethash_data import SMALL_SIZES, Caches, dataset_size
from tests.node.rpc.ethereum.harness import AccountNode, RpcFailure

A = "0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266"
B = "0x70997970c51812dc3a010c7d01b50e0d17dc79c8"


@pytest.fixture
def worked() -> Iterator[AccountNode]:
    """The chain with small Ethash and ommers, mining at once."""
    node = AccountNode(SPECS["ethash-dev"])
    yield node
    node.close()


def test_blocks_are_sealed_and_pay_two_ether(worked: AccountNode) -> None:
    worked.call("hardhat_setCoinbase", B)
    before = int(worked.call("eth_getBalance", B, "latest"), 16)
    sent = worked.call("eth_sendTransaction", {"from": A, "to": A, "maxPriorityFeePerGas": "0x0"})
    block = worked.call("eth_getBlockByHash", worked.call("eth_getTransactionReceipt", sent)["blockHash"], False)
    assert int(block["difficulty"], 16) >= 4096 and int(block["mixHash"], 16)
    assert int(worked.call("eth_getBalance", B, "latest"), 16) - before == 2 * 10**18


def test_an_outside_miner_seals_a_block(worked: AccountNode) -> None:
    work, seed, target, number = worked.call("eth_getWork")
    assert int(seed, 16) == 0 and number == "0x1"
    cache = Caches().get(1, SMALL_SIZES)
    difficulty = (1 << 256) // int(target, 16)
    found = search(cache, dataset_size(0, SMALL_SIZES), bytes.fromhex(work[2:]), difficulty, 1, lambda: False)
    assert found is not None
    nonce, mix = "0x" + found[0].to_bytes(8, "big").hex(), "0x" + found[1].hex()
    assert worked.call("eth_submitWork", nonce, work, "0x" + "00" * 32) is False
    assert worked.call("eth_submitWork", nonce, work, mix) is True
    assert worked.call("eth_blockNumber") == "0x1"
    assert worked.call("eth_submitWork", nonce, work, mix) is False
    assert worked.call("eth_submitHashrate", "0x10", "0x" + "01" * 32) is True
    assert worked.call("eth_hashrate") == "0x10"


def test_a_block_that_lost_becomes_an_ommer(worked: AccountNode) -> None:
    worked.call("evm_mine")
    lost = worked.call("eth_getBlockByNumber", "latest", False)
    worked.call("anvil_reorg", 1)
    worked.call("evm_mine")
    newest = worked.call("eth_getBlockByNumber", "latest", False)
    named = [
        u
        for n in range(1, int(newest["number"], 16) + 1)
        for u in worked.call("eth_getBlockByNumber", hex(n), False)["uncles"]
    ]
    assert named == [lost["hash"]]
    holder = next(
        n
        for n in range(1, int(newest["number"], 16) + 1)
        if worked.call("eth_getUncleCountByBlockNumber", hex(n)) == "0x1"
    )
    ommer = worked.call("eth_getUncleByBlockNumberAndIndex", hex(holder), "0x0")
    assert ommer["hash"] == lost["hash"] and ommer["uncles"] == [] and "transactions" not in ommer


def test_a_chain_without_work_has_none(chain: AccountNode) -> None:
    with pytest.raises(RpcFailure, match="no mining work"):
        chain.call("eth_getWork")


def test_a_public_chain_knows_no_edits_and_no_keys() -> None:
    node = AccountNode(SPECS["sepolia"], automine=False)
    try:
        assert node.call("eth_accounts") == []
        calls: list[tuple[str, list[Any]]] = [
            ("hardhat_setBalance", [A, "0x1"]),
            ("anvil_setCode", [A, "0x00"]),
            ("hardhat_impersonateAccount", [A]),
            ("hardhat_setNextBlockBaseFeePerGas", ["0x1"]),
            ("anvil_loadState", ["0x00"]),
        ]
        for method, params in calls:
            with pytest.raises(RpcFailure, match="dev edits are not allowed"):
                node.call(method, *params)
        assert node.call("eth_chainId") == hex(11155111)
    finally:
        node.close()
