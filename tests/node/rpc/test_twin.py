"""One twin chain, two RPCs: each client sees a plain chain of its own world, and both see the same chain."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from bitcoin.core import CBlock

from chains.twin_predeploys import EXIT_CODE
from ledger.account.requests import EXITS
from ledger.utxo.assemble import RESERVED
from node.producer import Made, Purse
from node.rpc.errors import RpcError
from node.rpc.ethereum_mining_methods import WorkTable
from primitives import merkle
from primitives.bitcoin import (
    NULL_OUTPOINT,
    BitcoinBlock,
    BitcoinHeader,
    Transaction,
    TxInput,
    TxOutput,
    encode_block,
    read_transaction,
)
from primitives.buffer import Reader
from primitives.ethereum import decode_block
from primitives.twin import deposit_output
from tests.node.rpc.ethereum.harness import RpcFailure
from tests.node.rpc.twin_harness import TwinClient
from tests.twins import ENGINES, call

ACCOUNT = "0x" + "77" * 20
ETHER = 10**18


@pytest.fixture(params=ENGINES)
def each(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[TwinClient]:
    client = TwinClient(tmp_path, request.param)
    yield client
    client.close()


@pytest.fixture
def twin(tmp_path: Path) -> Iterator[TwinClient]:
    client = TwinClient(tmp_path)
    yield client
    client.close()


# -- one chain --------------------------------------------------------------------------------------------------------


def test_blocks_of_either_client_are_blocks_of_both(each: TwinClient) -> None:
    address = each.rich()
    before = each.btc("getblockcount")
    each.eth("evm_mine")
    assert each.btc("getblockcount") == before + 1 == int(each.eth("eth_blockNumber"), 16)
    each.btc("generatetoaddress", 2, address)
    for height in (0, before, before + 3):
        key = each.btc("getblockhash", height)
        payload = each.eth("eth_getBlockByNumber", hex(height), False)
        assert each.btc("getpayload", key)["payload"] == payload["hash"]
        assert [row["blockhash"] for row in each.btc("findpayload", payload["hash"])] == [key]
        assert each.btc("getblockheader", key)["time"] == int(payload["timestamp"], 16)
        assert each.eth("eth_getBlockByHash", payload["hash"], False) == payload
        if height:
            parent = each.btc("getblockheader", key)["previousblockhash"]
            assert payload["mixHash"] == payload["parentBeaconBlockRoot"] == "0x" + bytes.fromhex(parent)[::-1].hex()


def test_a_bitcoin_client_is_given_plain_bitcoin_blocks(twin: TwinClient) -> None:
    twin.rich()
    twin.eth("eth_sendTransaction", {"from": twin.eth("eth_accounts")[0], "to": ACCOUNT, "value": "0x1"})
    key = twin.btc("generatetoaddress", 1, twin.btc("getnewaddress"))[0]
    raw = bytes.fromhex(twin.btc("getblock", key, 0))
    block = CBlock.stream_deserialize(BytesIO(raw))
    assert block.serialize() == raw and block.GetHash()[::-1].hex() == key
    assert block.calc_merkle_root() == block.hashMerkleRoot
    shown = twin.btc("getblock", key, 2)
    assert shown["nTx"] == len(shown["tx"]) == len(block.vtx) == 1
    assert twin.btc("getblockheader", key)["nTx"] == 1
    assert twin.btc("verifychain", 4, 0) is True


def test_an_ethereum_client_is_given_plain_ethereum_blocks(twin: TwinClient) -> None:
    rich, *_ = twin.eth("eth_accounts")
    sent = twin.eth("eth_sendTransaction", {"from": rich, "to": ACCOUNT, "value": hex(ETHER)})
    twin.rich()
    receipt = twin.eth("eth_getTransactionReceipt", sent)
    block = decode_block(bytes.fromhex(twin.eth("debug_getRawBlock", receipt["blockNumber"])[2:]))
    assert "0x" + block.header.hash.hex() == receipt["blockHash"]
    assert [tx.id.hex() for tx in block.txs] == [sent[2:]]
    assert twin.balance(ACCOUNT) == ETHER and twin.balance(ACCOUNT, "0x0") == 0
    traced = twin.eth("debug_traceTransaction", sent, {"tracer": "callTracer"})
    assert traced["to"] == ACCOUNT and traced["value"] == hex(ETHER)
    assert twin.eth("eth_getProof", ACCOUNT, [], "latest")["balance"] == hex(ETHER)
    assert twin.eth("eth_getCode", "0x" + EXITS.hex(), "latest") == "0x" + EXIT_CODE.hex()


def test_block_hashes_in_contracts_are_those_of_payloads(twin: TwinClient) -> None:
    """BLOCKHASH of the parent's number, returned."""
    twin.btc("generatetoaddress", 3, "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080")
    code = "0x" + bytes.fromhex("60014303405f5260205ff3").hex()
    head = twin.eth("eth_getBlockByNumber", "latest", False)
    found = twin.eth("eth_call", {"to": ACCOUNT}, "latest", {ACCOUNT: {"code": code}})
    assert found in (head["hash"], head["parentHash"])


# -- one pool, two lanes ----------------------------------------------------------------------------------------------


def test_each_client_sees_its_own_lane_of_the_pool(twin: TwinClient) -> None:
    address = twin.rich()
    paid = twin.btc("sendtoaddress", address, 1)
    rich = twin.eth("eth_accounts")[0]
    sent = twin.eth("eth_sendTransaction", {"from": rich, "to": ACCOUNT, "value": "0x1"})
    assert twin.btc("getrawmempool") == [paid] and twin.btc("getmempoolinfo")["size"] == 1
    assert twin.eth("txpool_status") == {"pending": "0x1", "queued": "0x0"}
    assert twin.eth("eth_getTransactionByHash", sent)["blockHash"] is None
    assert len(twin.node.pool) == 2
    with pytest.raises(RpcError, match="Transaction not in mempool"):
        twin.btc("getmempoolentry", sent[2:])
    template = twin.btc("getblocktemplate", {"rules": ["segwit"]})
    assert [row["txid"] for row in template["transactions"]] == [paid]
    twin.eth("evm_mine")
    assert twin.btc("getrawmempool") == [] and twin.eth("txpool_status")["pending"] == "0x0"
    assert twin.btc("gettransaction", paid)["confirmations"] == 1
    assert twin.eth("eth_getTransactionReceipt", sent)["status"] == "0x1"


def test_a_nonce_that_waits_is_queued_in_the_account_lane_alone(twin: TwinClient) -> None:
    twin.rich()
    rich = twin.eth("eth_accounts")[0]
    twin.eth("eth_sendTransaction", {"from": rich, "to": ACCOUNT, "value": "0x1", "nonce": "0x1", "gas": "0x5208"})
    assert twin.eth("txpool_status") == {"pending": "0x0", "queued": "0x1"}
    assert twin.btc("getorphantxs") == []
    twin.eth("eth_sendTransaction", {"from": rich, "to": ACCOUNT, "value": "0x1", "nonce": "0x0", "gas": "0x5208"})
    assert twin.eth("txpool_status") == {"pending": "0x2", "queued": "0x0"}


def test_automine_takes_what_either_lane_holds(twin: TwinClient) -> None:
    address = twin.rich()
    paid = twin.btc("sendtoaddress", address, 1)
    twin.eth("evm_setAutomine", True)
    sent = twin.eth("eth_sendTransaction", {"from": twin.eth("eth_accounts")[0], "to": ACCOUNT, "value": "0x1"})
    assert twin.eth("eth_getTransactionReceipt", sent) is not None
    assert twin.btc("gettransaction", paid)["confirmations"] == 1


# -- moves --------------------------------------------------------------------------------------------------------------


def test_a_deposit_is_pooled_credited_undone_and_redone_whole(each: TwinClient) -> None:
    address = each.rich()
    made = each.btc("deposit", "1.5", ACCOUNT)
    (row,) = each.btc("listmoves")
    assert (row["kind"], row["status"], row["amount"]) == ("deposit", "pooled", Decimal("1.5"))
    key = each.btc("generatetoaddress", 1, address)[0]
    (row,) = each.btc("getmove", made["txid"])
    assert (row["status"], row["confirmations"], row["blockhash"], row["vout"]) == ("credited", 1, key, made["vout"])
    assert each.balance(ACCOUNT) == 15 * 10**17
    assert [w["address"] for w in each.eth("eth_getBlockByNumber", "latest", False)["withdrawals"]] == [ACCOUNT]
    assert each.btc("gettxout", made["txid"], made["vout"]) is None
    each.btc("invalidateblock", key)
    assert each.balance(ACCOUNT) == 0
    assert [r["status"] for r in each.btc("listmoves")] == ["pooled"] and each.btc("getrawmempool") == [made["txid"]]
    each.btc("generatetoaddress", 2, address)
    assert each.balance(ACCOUNT) == 15 * 10**17
    assert [r["confirmations"] for r in each.btc("listmoves")] == [2]


def test_an_exit_is_paid_matures_is_spent_and_is_undone_whole(each: TwinClient) -> None:
    address = each.rich()
    rich = each.eth("eth_accounts")[0]
    target = each.btc("getnewaddress", "", "bech32m")
    before = each.balance(rich)
    asked = each.btc("exit", "0.25", target, rich)
    assert [r["status"] for r in each.btc("listmoves")] == ["pooled"]
    key = each.btc("generatetoaddress", 1, address)[0]
    (row,) = each.btc("getmove", asked["hash"])
    assert (row["status"], row["address"], row["confirmations"]) == ("immature", target, 1)
    assert before - each.balance(rich) >= ETHER // 4
    paid = each.btc("getrawtransaction", row["txid"], 2)["vout"][row["vout"]]
    assert (paid["value"], paid["scriptPubKey"]["address"]) == (Decimal("0.25"), target)
    logs = each.eth("eth_getLogs", {"address": "0x" + EXITS.hex(), "fromBlock": "0x0"})
    assert [log["transactionHash"] for log in logs] == [asked["hash"]]
    each.btc("invalidateblock", key)
    assert [r["status"] for r in each.btc("listmoves")] == ["pooled"]
    assert each.balance(rich) == before and each.btc("gettxout", row["txid"], row["vout"]) is None
    each.btc("reconsiderblock", key)
    assert each.btc("getmove", asked["hash"]) == [row]
    each.btc("generatetoaddress", each.btc("getmovesinfo")["maturity"] - 1, address)
    assert each.btc("getmove", asked["hash"])[0]["status"] == "mature"
    spent = each.btc(
        "send", {address: "0.2"}, None, None, None, {"inputs": [{"txid": row["txid"], "vout": row["vout"]}]}
    )
    assert spent["complete"] and spent["txid"] in each.btc("getrawmempool")


def test_more_exits_than_a_block_can_pay_wait_their_turn(twin: TwinClient) -> None:
    address = twin.rich()
    for _ in range(20):
        twin.btc("exit", "0.1", address)
    twin.btc("generatetoaddress", 1, address)
    assert twin.btc("getmovesinfo")["queued"] == 4
    assert [r["status"] for r in twin.btc("listmoves")] == ["immature"] * 16 + ["queued"] * 4
    twin.btc("generatetoaddress", 1, address)
    assert twin.btc("getmovesinfo")["queued"] == 0
    rows = twin.btc("listmoves", 3, 1)
    assert [r["number"] for r in rows] == [16, 17, 18] and len({r["txid"] for r in rows}) == 1


def test_what_cannot_move_is_refused(twin: TwinClient) -> None:
    address = twin.rich()
    for amount, target in (
        ("0.00000999", address),
        ("100000.00000001", address),
        ("1", twin.btc("getnewaddress", "", "legacy")),
    ):
        with pytest.raises((RpcError, RpcFailure)):
            twin.btc("exit", amount, target)
    with pytest.raises(RpcError, match="holds no key"):
        twin.btc("exit", "1", address, ACCOUNT)
    with pytest.raises(RpcError, match="Invalid account"):
        twin.btc("deposit", "1", address)
    with pytest.raises(RpcError, match="one satoshi"):
        twin.btc("deposit", "0", ACCOUNT)
    with pytest.raises(RpcError):
        twin.btc("deposit", "5000", ACCOUNT)
    assert twin.btc("listmoves") == []


def test_a_deposit_is_not_burnt_and_another_unspendable_output_is(twin: TwinClient) -> None:
    address = twin.rich()
    coin = twin.btc("listunspent")[0]
    value = int(coin["amount"] * 10**8)

    def signed(script: bytes) -> str:
        raw = twin.btc("createrawtransaction", [{"txid": coin["txid"], "vout": coin["vout"]}], [{address: "1"}])
        tx = read_transaction(Reader(bytes.fromhex(raw)))
        made = Transaction(tx.version, tx.inputs, (TxOutput(value - 10_000, script),), 0)
        return str(twin.btc("signrawtransactionwithwallet", made.raw.hex())["hex"])

    with pytest.raises(RpcError, match="maxburnamount"):
        twin.btc("sendrawtransaction", signed(b"\x6a\x04burn"))
    txid = twin.btc("sendrawtransaction", signed(b"\x6a\x18DEPO" + b"\x77" * 20))
    assert twin.btc("getmove", txid)[0]["status"] == "pooled"


# -- miners -------------------------------------------------------------------------------------------------------------


def mined(template: dict[str, Any], outputs: list[TxOutput]) -> BitcoinBlock:
    """A block made from nothing but a template, as an outside miner makes it."""
    height = template["height"]
    push = height.to_bytes((height.bit_length() + 8) // 8, "little")
    spend = TxInput(NULL_OUTPOINT, bytes([len(push)]) + push + b"\x00", 0xFFFFFFFF, (RESERVED,))
    coinbase = Transaction(2, (spend,), tuple(outputs), 0)
    txs = (coinbase, *(read_transaction(Reader(bytes.fromhex(row["data"]))) for row in template["transactions"]))
    bits, target = int(template["bits"], 16), int(template["target"], 16)
    parent = bytes.fromhex(template["previousblockhash"])[::-1]
    nonce = 0
    while True:
        root = merkle.root([tx.id for tx in txs])
        header = BitcoinHeader(template["version"], parent, root, template["curtime"], bits, nonce)
        if int.from_bytes(header.hash, "little") <= target:
            return BitcoinBlock(header, txs)
        nonce += 1


def test_an_outside_miner_makes_a_block_from_a_template(twin: TwinClient) -> None:
    address = twin.rich()
    twin.btc("deposit", "1", ACCOUNT)
    twin.btc("exit", "0.5", address)
    template = twin.btc("getblocktemplate", {"rules": ["segwit"]})
    assert {"time", "prevblock"}.isdisjoint(template["mutable"])
    assert template["mintime"] == template["curtime"] == template["maxtime"]
    (exit_,) = template["exits"]
    assert exit_["value"] == 50_000_000
    reward = TxOutput(template["coinbasevalue"], b"\x51")
    witness = TxOutput(0, bytes.fromhex(template["default_witness_commitment"]))
    paid = TxOutput(exit_["value"], bytes.fromhex(exit_["scriptPubKey"]))
    commitment = TxOutput(0, bytes.fromhex(template["payloadcommitment"]))
    block = mined(template, [reward, witness, paid, commitment])
    bare = mined(template, [reward, witness, paid])
    assert twin.btc("submitblock", encode_block(bare).hex()) == "bad-twin-commitment"
    unknown = mined(template, [reward, witness, paid, TxOutput(0, commitment.script[:-1] + b"\0")])
    assert twin.btc("submitblock", encode_block(unknown).hex()) == "payload-unknown"
    unpaid = mined(template, [reward, witness, commitment])
    assert twin.btc("submitblock", encode_block(unpaid).hex()).startswith("bad-twin-exit-")
    assert twin.btc("getblocktemplate", {"mode": "proposal", "data": encode_block(block).hex()}) is None
    assert twin.btc("submitblock", encode_block(block).hex()) is None
    assert twin.btc("getbestblockhash") == block.header.hash[::-1].hex()
    assert twin.btc("submitblock", encode_block(block).hex()) == "duplicate"
    assert twin.balance(ACCOUNT) == ETHER


def test_a_block_of_chosen_transactions_has_a_payload_too(each: TwinClient) -> None:
    address = each.rich()
    paid = each.btc("sendtoaddress", address, 1)
    made = each.btc("generateblock", address, [paid])
    assert each.btc("getbestblockhash") == made["hash"] and each.btc("getblock", made["hash"])["tx"][1:] == [paid]
    held = each.btc("generateblock", address, [], False)
    assert each.btc("getbestblockhash") == made["hash"]
    assert each.btc("submitblock", held["hex"]) is None
    assert each.btc("getbestblockhash") == held["hash"]
    assert each.btc("getmininginfo")["blocks"] == each.btc("getblockcount")


def test_several_deposits_of_one_transaction_are_standard(twin: TwinClient) -> None:
    twin.rich()
    coin = twin.btc("listunspent")[0]
    value = int(coin["amount"] * 10**8)
    parts = (deposit_output(b"\x77" * 20, 1), deposit_output(b"\x78" * 20, value - 20_000))
    spend = TxInput(bytes.fromhex(coin["txid"])[::-1] + coin["vout"].to_bytes(4, "little"))
    signed = twin.btc("signrawtransactionwithwallet", Transaction(2, (spend,), parts, 0).raw.hex())["hex"]
    twin.btc("sendrawtransaction", signed)
    twin.eth("evm_mine")
    assert [m["account"].lower()[2:4] for m in twin.btc("listmoves")] == ["77", "78"]
    assert twin.balance(ACCOUNT) == 10**10


def test_work_by_ethash_is_handed_out_where_the_engine_is_ethash(tmp_path: Path) -> None:
    plain = TwinClient(tmp_path / "a", "twin")
    try:
        with pytest.raises(RpcFailure, match="no proof of work"):
            plain.eth("eth_getWork")
    finally:
        plain.close()
    client = TwinClient(tmp_path / "b", "twin-ethash")
    try:
        work, _, boundary, number = client.eth("eth_getWork")
        assert int(number, 16) == client.btc("getblockcount") + 1 and int(boundary, 16) > 0
        engine: Any = client.coins.producer.engine
        made = next(iter(client_table(client).made.values()))
        sealed = client.node.producer.seal(made.prepared, Purse(b"\x51"), lambda: False)
        assert isinstance(sealed, Made)
        nonce, mix = engine.sealing.seal(sealed.block.header)
        assert not client.eth("eth_submitWork", "0x" + "00" * 8, "0x" + "11" * 32, "0x" + mix.hex())
        assert not client.eth("eth_submitWork", "0x" + "00" * 7 + "ff", work, "0x" + mix.hex())
        assert client.eth("eth_submitWork", "0x" + nonce.to_bytes(8, "big").hex(), work, "0x" + mix.hex())
        assert client.btc("getblockcount") == int(number, 16)
    finally:
        client.close()


def client_table(client: TwinClient) -> Any:
    with client.ethereum.providers[WorkTable](None) as table:  # type: ignore[arg-type]
        return table


def test_a_minted_block_credits_deposits_and_pays_exits_by_its_coinstake(tmp_path: Path) -> None:
    client = TwinClient(tmp_path, "twin-stake")
    try:
        address = client.rich()
        client.btc("generatetoaddress", 30, address)
        client.btc("mint", 1)  # the first of stake may need one of work before it
        client.btc("deposit", "1", ACCOUNT)
        client.btc("exit", "0.25", address)
        (key,) = client.btc("mint", 1)
        block = client.btc("getblock", key, 2)
        assert "proof-of-stake" in block["flags"]
        deposit, exit_ = client.btc("listmoves")
        assert (deposit["status"], exit_["status"]) == ("credited", "immature")
        assert exit_["txid"] == block["tx"][1]["txid"]
        assert client.balance(ACCOUNT) == ETHER
        assert client.btc("getstakinginfo")["coins"] > 0
        client.btc("invalidateblock", key)
        assert client.balance(ACCOUNT) == 0 and {m["status"] for m in client.btc("listmoves")} == {"pooled"}
    finally:
        client.close()


# -- reorganisations ----------------------------------------------------------------------------------------------------


def test_both_clients_hear_of_a_reorganisation(twin: TwinClient) -> None:
    address = twin.rich()
    rich = twin.eth("eth_accounts")[0]
    logger = twin.eth("eth_sendTransaction", {"from": rich, "data": "0x600a600c600039600a6000f360015f5f5fa100"})
    twin.btc("generatetoaddress", 1, address)
    at = twin.eth("eth_getTransactionReceipt", logger)["contractAddress"]
    twin.eth("eth_subscribe", "logs", {"address": at})
    twin.eth("eth_subscribe", "newHeads")
    called = twin.eth("eth_sendTransaction", {"from": rich, "to": at, "gas": "0x10000"})
    key = twin.btc("generatetoaddress", 1, address)[0]
    heads = [t["params"]["result"] for t in twin.told if "number" in t["params"]["result"]]
    logs = [t["params"]["result"] for t in twin.told if "logIndex" in t["params"]["result"]]
    assert [h["hash"] for h in heads] == [twin.btc("getpayload", key)["payload"]]
    assert [(log["transactionHash"], log["removed"]) for log in logs] == [(called, False)]
    twin.told.clear()
    twin.btc("invalidateblock", key)
    logs = [t["params"]["result"] for t in twin.told if "logIndex" in t["params"]["result"]]
    assert [(log["transactionHash"], log["removed"]) for log in logs] == [(called, True)]
    assert twin.eth("eth_getTransactionReceipt", called) is None
    old = twin.eth("eth_getBlockByHash", heads[0]["hash"], False)
    assert old is not None and twin.eth("eth_blockNumber") == hex(twin.btc("getblockcount"))


def test_a_snapshot_brings_back_both_halves(twin: TwinClient) -> None:
    address = twin.rich()
    mark = twin.eth("evm_snapshot")
    tip, head = twin.btc("getbestblockhash"), twin.eth("eth_getBlockByNumber", "latest", False)["hash"]
    twin.btc("deposit", "1", ACCOUNT)
    twin.btc("generatetoaddress", 3, address)
    assert twin.balance(ACCOUNT) == ETHER
    assert twin.eth("evm_revert", mark)
    assert twin.btc("getbestblockhash") == tip
    assert twin.eth("eth_getBlockByNumber", "latest", False)["hash"] == head
    assert twin.balance(ACCOUNT) == 0 and twin.btc("listmoves") == []
    info = twin.btc("getbalances")
    assert info["lastprocessedblock"]["hash"] == tip and info["mine"]["immature"] == 5000


def test_edits_of_accounts_are_blocks_of_both(twin: TwinClient) -> None:
    before = twin.btc("getblockcount")
    twin.eth("hardhat_setBalance", ACCOUNT, hex(5 * ETHER))
    assert twin.btc("getblockcount") == before + 1 and twin.balance(ACCOUNT) == 5 * ETHER
    twin.eth("hardhat_impersonateAccount", ACCOUNT)
    sent = twin.eth("eth_sendTransaction", {"from": ACCOUNT, "to": "0x" + "88" * 20, "value": "0x1"})
    assert twin.eth("eth_getTransactionReceipt", sent)["status"] == "0x1"
    assert twin.btc("verifychain", 4, 0) is True


def test_anvils_controls_move_both_halves(twin: TwinClient) -> None:
    address = twin.rich()
    twin.btc("generatetoaddress", 4, address)
    sent = call(0)
    twin.eth("anvil_reorg", 3, [["0x" + sent.network.hex(), 0]])
    assert {row["branchlen"]: row["status"] for row in twin.btc("getchaintips")} == {0: "active", 3: "valid-fork"}
    assert twin.eth("eth_getTransactionReceipt", "0x" + sent.id.hex())["status"] == "0x1"
    height = twin.btc("getblockcount")
    assert twin.eth("eth_getBlockByNumber", "pending", False)["number"] == hex(height + 1)
    twin.eth("evm_setNextBlockTimestamp", twin.env.now() + 5_000)
    twin.eth("evm_mine")
    twin.eth("anvil_mine", "0x5", "0xa")
    head = twin.eth("eth_getBlockByNumber", "latest", False)
    assert int(head["number"], 16) == twin.btc("getblockcount") == height + 6
    assert int(head["timestamp"], 16) == twin.btc("getblockheader", twin.btc("getbestblockhash"))["time"]
    twin.eth("anvil_rollback", 3)
    assert twin.btc("getblockcount") == height + 3
    twin.eth("hardhat_setNextBlockBaseFeePerGas", "0x5")
    twin.eth("evm_mine")
    assert twin.eth("eth_getBlockByNumber", "latest", False)["baseFeePerGas"] == "0x5"
    assert twin.btc("verifychain", 4, 0) is True
    twin.eth("hardhat_reset")
    assert twin.btc("getblockcount") == 0 and twin.eth("eth_blockNumber") == "0x0"
