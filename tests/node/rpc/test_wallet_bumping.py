"""Raising the fee of a payment through RPC: by a replacement, to other outputs, by a child, from a watching wallet."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from primitives.bitcoin import Transaction
from primitives.errors import Refused
from tests.node.rpc.harness import ANYONE
from tests.node.rpc.wallet_harness import WalletClient

FIFTY = Decimal(50)
OTHER_NETWORK = "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4"


@pytest.fixture
def client(tmp_path: Path) -> Iterator[WalletClient]:
    found = WalletClient(tmp_path)
    yield found
    found.close()


def test_bumping_a_fee(client: WalletClient) -> None:
    wallet = client.funded("a", 2)
    txid = wallet.call("sendtoaddress", ANYONE.wpkh, 1, fee_rate=2)
    low = wallet.error("bumpfee", txid, {"fee_rate": 2})
    assert low[0] == -4
    bumped = wallet.call("bumpfee", txid, {"fee_rate": 50})
    assert bumped["fee"] > bumped["origfee"] and bumped["errors"] == []
    assert client.call("getrawmempool") == [bumped["txid"]]
    assert wallet.call("gettransaction", txid)["replaced_by_txid"] == bumped["txid"]
    new = wallet.call("gettransaction", bumped["txid"])
    assert new["replaces_txid"] == txid and new["bip125-replaceable"] == "yes"
    assert new["walletconflicts"] == [txid]
    assert wallet.call("gettransaction", txid)["mempoolconflicts"] == [bumped["txid"]]
    already = wallet.error("bumpfee", txid)
    assert already == (-4, f"Cannot bump transaction {txid} which was already bumped by transaction {bumped['txid']}")
    assert wallet.error("bumpfee", "ab" * 32) == (-5, "Invalid or non-wallet transaction id")
    empty = wallet.error("bumpfee", bumped["txid"], {"outputs": []})
    assert empty == (-8, "Invalid parameter, output argument cannot be an empty array")
    final = wallet.call("sendtoaddress", ANYONE.tr, 1, replaceable=False)
    assert wallet.error("bumpfee", final) == (-4, "Transaction is not BIP 125 replaceable")
    client.mine()
    mined = wallet.error("bumpfee", bumped["txid"])
    assert mined == (-4, "Transaction has been mined, or is conflicted with a mined transaction")


def test_bumping_to_other_outputs(client: WalletClient) -> None:
    wallet = client.funded("a", 2)
    txid = wallet.call("sendtoaddress", ANYONE.wpkh, 1, fee_rate=2)
    both = wallet.error("bumpfee", txid, {"outputs": [{ANYONE.tr: 2}], "original_change_index": 0})
    assert both[0] == -8 and "incompatible" in both[1]
    wrong = wallet.error("bumpfee", txid, {"outputs": [{"bc1q": 2}]})
    assert wrong[0] == -5
    bumped = wallet.call("bumpfee", txid, {"outputs": [{ANYONE.tr: 2}, {"data": "beef"}], "fee_rate": 20})
    tx = client.call("getrawtransaction", bumped["txid"], True)
    paid = {out["scriptPubKey"].get("address"): out["value"] for out in tx["vout"]}
    assert paid[ANYONE.tr] == 2 and ANYONE.wpkh not in paid and len(paid) == 3
    assert sum(out["value"] for out in tx["vout"]) + bumped["fee"] == 50


def test_the_change_that_bears_a_bump_may_be_named(client: WalletClient) -> None:
    wallet = client.funded("a", 2)
    own = wallet.call("getnewaddress")
    txid = wallet.call("send", [{own: 3}, {ANYONE.wpkh: 1}], fee_rate=2)["txid"]
    before = client.call("getrawtransaction", txid, True)["vout"]
    place = next(n for n, out in enumerate(before) if out["scriptPubKey"]["address"] == own)
    assert wallet.error("bumpfee", txid, {"original_change_index": 9}) == (-8, "Change position is out of range")
    bumped = wallet.call("bumpfee", txid, {"original_change_index": place, "fee_rate": 20})
    after = {
        out["scriptPubKey"]["address"]: out["value"]
        for out in client.call("getrawtransaction", bumped["txid"], True)["vout"]
    }
    assert after[ANYONE.wpkh] == 1
    assert after[own] == 3 - (bumped["fee"] - bumped["origfee"])


def test_a_payment_to_change_alone_is_bumped(client: WalletClient) -> None:
    wallet = client.funded("a", 2)
    change = wallet.call("getrawchangeaddress")
    txid = wallet.call("sendall", [change], fee_rate=2)["txid"]
    bumped = wallet.call("bumpfee", txid, {"fee_rate": 20})
    (out,) = client.call("getrawtransaction", bumped["txid"], True)["vout"]
    assert out["scriptPubKey"]["address"] == change and out["value"] == 100 - bumped["fee"]


def test_a_replacement_that_the_mempool_refuses_leaves_the_first_as_it_was(client: WalletClient) -> None:
    wallet = client.funded("a", 2)
    txid = wallet.call("sendtoaddress", ANYONE.wpkh, 1, fee_rate=2)
    before = wallet.call("getbalances"), wallet.call("listtransactions")

    def refuse(tx: Transaction) -> None:
        raise Refused("no", "not today")

    kept = client.wallets.source.submit
    client.wallets.source.submit = refuse  # type: ignore[method-assign]
    refused = wallet.error("bumpfee", txid)
    assert refused[0] == -4 and "not today" in refused[1]
    client.wallets.source.submit = kept  # type: ignore[method-assign]
    assert (wallet.call("getbalances"), wallet.call("listtransactions")) == before
    assert wallet.call("bumpfee", txid)["txid"] in client.call("getrawmempool")


def test_a_child_pays_for_a_payment_that_was_received(client: WalletClient) -> None:
    sender, receiver = client.funded("a", 2), client.made("b")
    first = sender.call("sendtoaddress", receiver.call("getnewaddress"), 1, fee_rate=1)
    tried = receiver.call("childpaysforparent", first, {"fee_rate": 30}, True)
    assert client.call("getrawmempool") == [first]
    made = receiver.call("childpaysforparent", first, {"fee_rate": 30})
    assert made["fee"] == tried["fee"] and set(client.call("getrawmempool")) == {first, made["txid"]}
    entry = client.call("getmempoolentry", made["txid"])
    rate = entry["fees"]["ancestor"] * 100_000_000 / entry["ancestorsize"]
    assert 30 <= rate < 31
    assert entry["fees"]["ancestor"] == made["packagefee"] and entry["ancestorsize"] <= made["packagesize"]
    assert sender.error("childpaysforparent", "ab" * 32)[0] == -5
    again = receiver.error("childpaysforparent", first)
    assert again == (-4, "No output of the transaction is unspent and ours")
    client.mine()
    assert receiver.error("childpaysforparent", first) == (-4, "Transaction is not in the mempool")
    assert receiver.call("getbalance") == 1 - made["fee"]


def test_a_watching_wallet_funds_and_bumps_what_others_sign(client: WalletClient) -> None:
    signer = client.funded("cold", 2)
    watch = client.made("watch", disable_private_keys=True)
    public = signer.call("listdescriptors")["descriptors"]
    wanted = [{k: one[k] for k in ("desc", "active", "internal")} | {"timestamp": 0} for one in public]
    assert all(row["success"] for row in watch.call("importdescriptors", wanted))
    assert watch.call("getbalance") == 100
    assert [c["spendable"] for c in watch.call("listunspent")] == [False, False]
    assert watch.error("sendtoaddress", ANYONE.wpkh, 1)[0] == -4
    raw = client.call("createrawtransaction", [], [{ANYONE.wpkh: 60}])
    assert watch.call("fundrawtransaction", raw)["fee"] > 0
    made = watch.call("walletcreatefundedpsbt", [], [{ANYONE.wpkh: 60}], 0, {"fee_rate": 2})
    signed = signer.call("walletprocesspsbt", made["psbt"])
    assert signed["complete"]
    txid = client.call("sendrawtransaction", signed["hex"])
    assert watch.call("getbalances")["mine"]["trusted"] == 40 - made["fee"]
    assert watch.error("bumpfee", txid)[0] == -4
    bumped = watch.call("psbtbumpfee", txid, {"fee_rate": 20})
    again = client.call("sendrawtransaction", signer.call("walletprocesspsbt", bumped["psbt"])["hex"])
    assert client.call("getrawmempool") == [again]
    client.mine()
    for wallet in (watch, signer):
        lost = wallet.call("gettransaction", txid)
        assert lost["confirmations"] == -1 and lost["walletconflicts"] == [again]
        assert wallet.call("getbalance") == 40 - bumped["fee"]
