"""What happened, through RPC: lists, details, reorganisations, what was received, scans, descriptors in and out."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.node.rpc.harness import ANYONE, Key
from tests.node.rpc.wallet_harness import WalletClient


@pytest.fixture
def client(tmp_path: Path) -> Iterator[WalletClient]:
    found = WalletClient(tmp_path)
    yield found
    found.close()


FIELDS = {
    "amount", "fee", "confirmations", "trusted", "txid", "wtxid", "walletconflicts", "mempoolconflicts", "time", "timereceived",
    "bip125-replaceable", "details", "hex", "lastprocessedblock",
}  # fmt: skip


def test_a_transaction_in_detail(client: WalletClient) -> None:
    wallet = client.funded("a")
    txid = wallet.call("sendtoaddress", ANYONE.wpkh, 1)
    row = wallet.call("gettransaction", txid)
    assert set(row) == FIELDS
    assert row["amount"] == -1 and row["fee"] < 0 and row["confirmations"] == 0
    (sent,) = row["details"]
    assert (sent["category"], sent["address"], sent["amount"], sent["fee"]) == ("send", ANYONE.wpkh, -1, row["fee"])
    assert row["hex"] == client.call("getrawtransaction", txid)
    block = client.mine()[0]
    row = wallet.call("gettransaction", txid, verbose=True)
    assert (row["blockhash"], row["blockheight"], row["confirmations"]) == (block, 102, 1)
    assert row["blockindex"] == 1 and row["decoded"]["txid"] == txid and "hex" not in row["decoded"]
    assert wallet.error("gettransaction", "ab" * 32) == (-5, "Invalid or non-wallet transaction id")
    assert wallet.error("gettransaction", "ab")[0] == -8


def test_lists(client: WalletClient) -> None:
    wallet = client.funded("a")
    shop = wallet.call("getnewaddress", "shop")
    own = wallet.call("sendtoaddress", shop, 2)
    out = wallet.call("sendtoaddress", ANYONE.wpkh, 1)
    rows = wallet.call("listtransactions")
    assert [(r["category"], r["txid"]) for r in rows[1:]] == [("send", own), ("receive", own), ("send", out)]
    assert rows[0]["category"] == "generate" and rows[0]["generated"]
    assert rows[2]["label"] == "shop" and rows[2]["parent_descs"]
    assert [r["txid"] for r in wallet.call("listtransactions", "shop")] == [own]
    assert wallet.call("listtransactions", "*", 1, 3) == rows[:1]
    assert wallet.call("listtransactions", "*", 0) == []
    assert wallet.error("listtransactions", "*", -1) == (-8, "Negative count")
    assert wallet.error("listtransactions", "*", 1, -1) == (-8, "Negative from")
    assert wallet.error("listtransactions", "")[0] == -8
    client.mine()
    assert {r["address"]: r["amount"] for r in wallet.call("listreceivedbyaddress")}[shop] == 2
    assert wallet.call("listreceivedbyaddress", address_filter=shop)[0]["txids"] == [own]
    assert wallet.error("listreceivedbyaddress", address_filter="x")[0] == -4
    empty = wallet.call("getnewaddress", "empty")
    assert empty in {r["address"] for r in wallet.call("listreceivedbyaddress", 1, True)}
    labels = {r["label"]: r["amount"] for r in wallet.call("listreceivedbylabel", 1, True)}
    assert labels == {"": 50, "empty": 0, "shop": 2}
    groups = wallet.call("listaddressgroupings")
    assert any(row[0] == shop and row[2] == "shop" for group in groups for row in group)
    assert sum(row[1] for group in groups for row in group) == wallet.call("getbalance")


def test_a_reorganisation_takes_payments_back_and_brings_them_again(client: WalletClient) -> None:
    payer, wallet = client.funded("payer"), client.made("a")
    since = client.call("getbestblockhash")
    txid = payer.call("sendtoaddress", wallet.call("getnewaddress"), 3)
    first = client.mine()[0]
    assert wallet.call("getbalance") == 3
    client.call("invalidateblock", first)
    assert wallet.call("getbalances")["mine"]["untrusted_pending"] == 3
    client.mine(2)
    row = wallet.call("gettransaction", txid)
    assert row["confirmations"] == 2 and row["blockhash"] != first
    assert wallet.call("getbalance") == 3
    listed = wallet.call("listsinceblock", since)
    assert [r["txid"] for r in listed["transactions"]] == [txid] and listed["removed"] == []
    assert listed["lastblock"] == client.call("getbestblockhash")
    gone = wallet.call("listsinceblock", first)
    assert [r["txid"] for r in gone["removed"]] == [txid] == [r["txid"] for r in gone["transactions"]]
    assert wallet.call("listsinceblock", client.call("getbestblockhash"))["transactions"] == []
    assert wallet.call("listsinceblock", "", 3)["lastblock"] == client.call("getblockhash", 101)
    assert wallet.error("listsinceblock", "ab" * 32) == (-5, "Block not found")
    assert wallet.error("listsinceblock", "", 0)[0] == -8
    before = wallet.call("listtransactions")
    wallet.call("rescanblockchain")
    assert [r["txid"] for r in wallet.call("listtransactions")] == [r["txid"] for r in before]
    assert wallet.call("getbalance") == 3


def test_change_is_listed_on_request(client: WalletClient) -> None:
    wallet = client.funded("a")
    since = client.call("getbestblockhash")
    txid = wallet.call("sendtoaddress", ANYONE.wpkh, 1)
    rows = wallet.call("listsinceblock", since, include_change=True)["transactions"]
    assert [r["category"] for r in rows] == ["send", "send", "receive"] and {r["txid"] for r in rows} == {txid}


def test_scans(client: WalletClient) -> None:
    wallet = client.funded("a")
    assert wallet.call("rescanblockchain") == {"start_height": 0, "stop_height": 101}
    assert wallet.error("rescanblockchain", 102) == (-8, "Invalid start_height")
    assert wallet.error("rescanblockchain", -1)[0] == -8
    assert wallet.error("rescanblockchain", 5, 200) == (-8, "Invalid stop_height")
    assert wallet.error("rescanblockchain", 5, 4) == (-8, "stop_height must be greater than start_height")
    assert wallet.call("abortrescan") is False


def test_a_scan_can_be_stopped_and_goes_on_later(client: WalletClient) -> None:
    wallet = client.funded("a")
    found = client.wallets.get("a")
    assert found is not None
    source, looked = client.wallets.source, found.scanner._chain.block_at

    def slow(height: int) -> Any:
        if height == 20:
            seen["info"] = wallet_info()
            assert found.abort_rescan()
        return looked(height)

    def wallet_info() -> Any:
        return found.info().scanning

    seen: dict[str, Any] = {}
    source.block_at = slow  # type: ignore[method-assign]
    assert wallet.error("rescanblockchain") == (-1, "Rescan aborted.")
    assert 0 < seen["info"] < 1
    source.block_at = looked  # type: ignore[method-assign]
    client.call("unloadwallet", "a")
    client.call("loadwallet", "a")
    assert wallet.call("getbalance") == 50


# -- descriptors -----------------------------------------------------------------------------------------------------


def with_checksum(client: WalletClient, text: str) -> str:
    return f"{text}#{client.call('getdescriptorinfo', text)['checksum']}"


def test_descriptors_move_a_wallet(client: WalletClient) -> None:
    wallet = client.funded("a")
    used = wallet.call("getnewaddress")
    listed = wallet.call("listdescriptors")
    assert listed["wallet_name"] == "a" and len(listed["descriptors"]) == 8
    assert all("tprv" not in row["desc"] and row["range"][0] == 0 for row in listed["descriptors"])
    private = wallet.call("listdescriptors", True)["descriptors"]
    assert all("tprv" in row["desc"] for row in private)
    copy = client.made("copy", blank=True)
    keys = ("desc", "timestamp", "active", "internal", "range", "next_index")
    rows = copy.call("importdescriptors", [{k: row[k] for k in keys if k in row} | {"timestamp": 0} for row in private])
    assert all(row == {"success": True} for row in rows)
    assert copy.call("getbalance") == 50
    assert copy.call("getaddressinfo", used)["ismine"]
    assert copy.call("sendtoaddress", ANYONE.wpkh, 1) in client.call("getrawmempool")
    watching = client.made("w", disable_private_keys=True)
    public = [
        {"desc": row["desc"], "timestamp": 0, "active": True, "internal": row["internal"]}
        for row in listed["descriptors"]
    ]
    rows = watching.call("importdescriptors", public)
    assert all(row["success"] and row["warnings"] for row in rows)
    assert watching.call("getbalances")["mine"]["trusted"] + 0 > 48
    assert watching.error("listdescriptors", True)[0] == -4


def test_what_is_wrong_with_an_import_is_told_for_each(client: WalletClient) -> None:
    wallet = client.made("a")
    key, other = Key(31), Key(32)
    single = with_checksum(client, f"wpkh({key.wif})")
    ranged = wallet.call("listdescriptors", True)["descriptors"][0]["desc"]

    def error(**request: Any) -> tuple[int, str]:
        (row,) = wallet.call("importdescriptors", [{"timestamp": "now", **request}])
        assert not row["success"], row
        return row["error"]["code"], row["error"]["message"]

    assert error()[1] == "Descriptor not found."
    assert error(desc=f"wpkh({key.wif})")[0] == -5
    assert error(desc="nonsense")[0] == -5
    assert error(desc=single, active=True) == (-8, "Active descriptors must be ranged")
    assert error(desc=single, range=5) == (-8, "Range should not be specified for an un-ranged descriptor")
    assert error(desc=single, internal=True, label="x") == (-8, "Internal addresses should not have a label")
    assert error(desc=ranged, label="x", range=5) == (-8, "Ranged descriptors should not have a label")
    assert error(desc=ranged, range=[5, 9], next_index=3) == (-8, "next_index is out of range")
    public = with_checksum(client, f"wpkh({other.public.hex()})")
    assert error(desc=public)[0] == -4
    assert wallet.error("importdescriptors", [{"desc": single}]) == (-3, "Missing required timestamp field for key")
    assert wallet.error("importdescriptors", [{"desc": single, "timestamp": []}])[0] == -3
    watching = client.made("w", disable_private_keys=True)
    (row,) = watching.call("importdescriptors", [{"desc": single, "timestamp": "now"}])
    assert row["error"]["message"] == "Cannot import private keys to a wallet with private keys disabled"
    for secret in (key.wif,):
        assert secret not in str(row) + str(error(desc=f"wpkh({key.wif})#aaaaaaaa"))


def test_an_import_finds_what_was_paid_since_its_timestamp(client: WalletClient) -> None:
    key = Key(41)
    client.mine(1, key.wpkh)
    client.mine(100)
    wallet = client.made("a")
    desc = with_checksum(client, f"wpkh({key.wif})")
    (row,) = wallet.call("importdescriptors", [{"desc": desc, "timestamp": 0, "label": "old"}])
    assert row == {"success": True}
    assert wallet.call("getbalance") == 50
    assert wallet.call("getaddressinfo", key.wpkh)["labels"] == ["old"]
    assert wallet.call("exportprivkey", key.wpkh) == key.wif
    assert wallet.error("exportprivkey", ANYONE.wpkh)[0] == -5
