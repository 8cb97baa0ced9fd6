"""What a client reads of its half of a twin chain: indices, proofs, statistics, dumps; the same after a restart."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from decimal import Decimal
from pathlib import Path

import pytest

from node.config import Config
from node.filters import basic_filter, decode_filter
from node.node import Node
from node.opening import indexes_of
from node.rpc.lookup import read_block
from node.verify import verify_tail
from storage.durability import Durability
from storage.lmdb import LmdbStore
from storage.memory import MemoryStore
from tests.node.rpc.ethereum.harness import RpcFailure
from tests.node.rpc.twin_harness import TwinClient

ACCOUNT = "0x" + "77" * 20


@pytest.fixture
def twin(tmp_path: Path) -> Iterator[TwinClient]:
    client = TwinClient(tmp_path)
    yield client
    client.close()


def busy(client: TwinClient) -> tuple[str, str, str]:
    """A block with a payment, a deposit and an exit: its hash, the payment's id, the exit's hash."""
    address = client.rich()
    paid = client.btc("sendtoaddress", address, 1)
    client.btc("deposit", "2", ACCOUNT)
    left = client.btc("exit", "0.5", address)["hash"]
    return client.btc("generatetoaddress", 1, address)[0], paid, left


def test_indices_and_proofs_are_of_the_outer_block(twin: TwinClient) -> None:
    key, paid, _ = busy(twin)
    assert set(twin.btc("getindexinfo")) >= {"txindex", "basic block filter index"}
    assert twin.btc("getrawtransaction", paid, True)["blockhash"] == key
    raw = bytes.fromhex(twin.btc("getblockfilter", key)["filter"])
    block = read_block(twin.coins.spec, twin.btc("getblock", key, 0))
    count, _ = decode_filter(raw)
    assert count > 0 and len(basic_filter(block, ())) <= len(raw)
    proof = twin.btc("gettxoutproof", [paid], key)
    assert twin.btc("verifytxoutproof", proof) == [paid]
    found = twin.btc("scantxoutset", "start", ["raw(51)"])
    assert found["success"] and found["height"] == twin.btc("getblockcount")


def test_statistics_count_coins_alone(twin: TwinClient) -> None:
    key, _, _ = busy(twin)
    stats = twin.btc("getblockstats", key)
    assert stats["txs"] == 3 and stats["ins"] >= 2
    shown = twin.btc("getblock", key, 3)
    assert [tx.get("fee") is not None for tx in shown["tx"]] == [False, True, True]
    total = twin.btc("gettxoutsetinfo")["total_amount"]
    height = twin.btc("getblockcount")
    assert total == 50 * height - 2 + Decimal("0.5"), "minted, less deposited, and exited"
    assert twin.btc("getchaintxstats")["txcount"] == height + 3


def test_accounts_see_the_block_of_the_move(twin: TwinClient) -> None:
    key, _, left = busy(twin)
    payload = twin.btc("getpayload", key)["payload"]
    receipt = twin.eth("eth_getTransactionReceipt", left)
    assert receipt["blockHash"] == payload
    assert twin.eth("eth_getBlockReceipts", payload) == [receipt]
    assert twin.eth("eth_getTransactionByBlockHashAndIndex", payload, "0x0")["hash"] == left
    steps = twin.eth("debug_traceBlockByHash", payload, {"tracer": "callTracer"})
    assert steps[0]["result"]["value"] == hex(5 * 10**17)
    history = twin.eth("eth_feeHistory", "0x2", "latest", [50])
    assert int(history["oldestBlock"], 16) == twin.btc("getblockcount") - 1
    with pytest.raises(RpcFailure):
        twin.eth("eth_getBalance", ACCOUNT, "0x" + key)
    assert twin.eth("eth_getBlockByHash", "0x" + key, False) is None


def test_a_dump_brings_both_halves_to_a_fresh_node(twin: TwinClient, tmp_path: Path) -> None:
    busy(twin)
    twin.eth("eth_sendTransaction", {"from": twin.eth("eth_accounts")[3], "to": ACCOUNT, "value": "0x1"})
    dumped = twin.eth("anvil_dumpState")
    other = TwinClient(tmp_path / "other")
    try:
        assert other.eth("anvil_loadState", dumped)
        assert other.btc("getbestblockhash") == twin.btc("getbestblockhash")
        assert other.eth("eth_getBlockByNumber", "latest", True) == twin.eth("eth_getBlockByNumber", "latest", True)
        assert other.btc("listmoves") == twin.btc("listmoves")
        assert other.eth("txpool_status") == {"pending": "0x1", "queued": "0x0"}
    finally:
        other.close()


def test_both_halves_are_there_after_a_restart(tmp_path: Path) -> None:
    folder = tmp_path / "store"
    folder.mkdir()
    with closing(LmdbStore(folder, Durability.BATCH)) as store:
        client = TwinClient(tmp_path, store=store)
        key, _, left = busy(client)
        told = (
            client.eth("eth_getBlockByNumber", "latest", True),
            client.btc("listmoves"),
            client.btc("getblock", key, 2),
        )
        receipt = client.eth("eth_getTransactionReceipt", left)
        client.close()
    with closing(LmdbStore(folder, Durability.BATCH)) as store:
        client = TwinClient(tmp_path, store=store)
        client.btc("loadwallet", "alice")
        assert client.eth("eth_getBlockByNumber", "latest", True) == told[0]
        assert (client.btc("listmoves"), client.btc("getblock", key, 2)) == told[1:]
        assert client.eth("eth_getTransactionReceipt", left) == receipt
        verify_tail(client.node.chain, level=3)
        client.btc("invalidateblock", key)
        assert client.eth("eth_getTransactionReceipt", left) is None
        client.btc("generatetoaddress", 1, client.btc("getnewaddress"))
        assert client.btc("listmoves")[0]["status"] == "credited"
        client.close()


def test_an_index_of_coins_that_is_switched_on_later_is_built_from_the_bodies(tmp_path: Path) -> None:
    store = MemoryStore(Durability.NONE)
    client = TwinClient(tmp_path, store=store)
    key, paid, _ = busy(client)
    filters = client.btc("getblockfilter", key)
    client.close()
    plain = Config(chain="twin")
    Node(client.spec, client.env, store, indexes=indexes_of(plain, client.spec))
    again = TwinClient(tmp_path / "again", store=store)
    try:
        assert again.btc("getblockfilter", key) == filters
        assert again.btc("getrawtransaction", paid, True)["blockhash"] == key
    finally:
        again.close()


def test_siblings_may_share_a_payload(twin: TwinClient) -> None:
    """Two blocks on one parent, of one second, with one payload: each is found, and the connected one is meant."""
    address = twin.rich()
    twin.btc("setmocktime", twin.env.now() + 1_000)
    parent = twin.btc("getbestblockhash")
    (one,) = twin.btc("generatetoaddress", 1, address)
    payload = twin.btc("getpayload", one)["payload"]
    twin.btc("invalidateblock", one)
    (two,) = twin.btc("generatetoaddress", 1, twin.btc("getnewaddress"))
    assert one != two and twin.btc("getpayload", two)["payload"] == payload
    rows = {row["blockhash"]: row["confirmations"] for row in twin.btc("findpayload", payload)}
    assert rows == {one: -1, two: 1}
    twin.btc("generatetoaddress", 1, address)
    assert twin.eth("eth_getBlockByHash", payload, False)["number"] == hex(twin.btc("getblockcount") - 1)
    twin.btc("reconsiderblock", one)
    twin.btc("invalidateblock", two)
    assert twin.btc("getbestblockhash") == one and twin.btc("getblockheader", one)["previousblockhash"] == parent
    assert twin.eth("eth_getBlockByNumber", "latest", False)["hash"] == payload
    assert {r["blockhash"]: r["confirmations"] for r in twin.btc("findpayload", payload)} == {one: 1, two: -1}
