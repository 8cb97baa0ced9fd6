"""Sending transactions, and what is read of the mempool."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from node.rpc.errors import RpcError
from tests.node.rpc.harness import ANYONE, Client, Key

OTHER = Key(8)


def coinbase(client: Client, height: int) -> str:
    """Id of the coinbase at a height."""
    txid: str = client.call("getblock", client.call("getblockhash", height))["tx"][0]
    return txid


def signed(client: Client, inputs: list[Any], outputs: Any, key: Key = ANYONE, prevtxs: Any = None, **more: Any) -> str:
    """A signed transaction in hex."""
    raw = client.call("createrawtransaction", inputs=inputs, outputs=outputs, **more)
    result = client.call("signrawtransactionwithkey", raw, [key.wif], prevtxs)
    assert result["complete"], result
    hexstring: str = result["hex"]
    return hexstring


def pay(client: Client, height: int, fee: str = "0.0001", **more: Any) -> str:
    """A transaction that spends the coinbase at a height."""
    value = str(Decimal(50) - Decimal(fee))
    return signed(client, [{"txid": coinbase(client, height), "vout": 0}], {ANYONE.wpkh: value}, **more)


def child(client: Client, parent: str, fee: str = "0.0001", **more: Any) -> str:
    """A transaction that spends the first output of another one."""
    decoded = client.call("decoderawtransaction", parent)
    value = decoded["vout"][0]["value"]
    coin = {
        "txid": decoded["txid"],
        "vout": 0,
        "scriptPubKey": decoded["vout"][0]["scriptPubKey"]["hex"],
        "amount": str(value),
    }
    outputs = {ANYONE.wpkh: str(value - Decimal(fee))}
    return signed(client, [{"txid": decoded["txid"], "vout": 0}], outputs, prevtxs=[coin], **more)


def txid_of(client: Client, raw: str) -> str:
    """Id of a transaction in hex."""
    txid: str = client.call("decoderawtransaction", raw)["txid"]
    return txid


def test_a_transaction_is_taken_once_and_mined(rich: Client) -> None:
    raw = pay(rich, 1)
    txid = rich.call("sendrawtransaction", raw)
    assert rich.call("sendrawtransaction", raw) == txid
    assert rich.call("getrawmempool") == [txid]
    (block,) = rich.mine()
    assert rich.call("getrawmempool") == []
    assert rich.call("getblock", block)["tx"][1] == txid
    assert rich.error("sendrawtransaction", raw) == (-27, "Transaction outputs already in utxo set")


def test_refusals_have_cores_codes_and_words(rich: Client) -> None:
    assert rich.error("sendrawtransaction", "00") == (
        -22,
        "TX decode failed. Make sure the tx has at least one input.",
    )
    assert rich.error("sendrawtransaction", "zz")[0] == -22
    young = pay(rich, 90)
    code, message = rich.error("sendrawtransaction", young)
    assert code == -26 and message.startswith("bad-txns-premature-spend-of-coinbase")
    lost = signed(
        rich,
        [{"txid": "22" * 32, "vout": 0}],
        {ANYONE.wpkh: 1},
        prevtxs=[{"txid": "22" * 32, "vout": 0, "scriptPubKey": "0014" + ANYONE.hash.hex(), "amount": 2}],
    )
    assert rich.error("sendrawtransaction", lost) == (-25, "bad-txns-inputs-missingorspent")
    assert rich.call("getorphantxs") == []
    free = pay(rich, 1, "0")
    code, message = rich.error("sendrawtransaction", free)
    assert code == -26 and message.startswith("min relay fee not met")
    dear = pay(rich, 1, "1")
    too_much = (-25, "Fee exceeds maximum configured by user (e.g. -maxtxfee, maxfeerate)")
    assert rich.error("sendrawtransaction", dear) == too_much
    assert rich.error("sendrawtransaction", dear, 1)[0] == -8
    unsigned = rich.call("createrawtransaction", [{"txid": coinbase(rich, 1), "vout": 0}], {ANYONE.wpkh: 49})
    code, message = rich.error("sendrawtransaction", unsigned, 0)
    assert code == -26 and message.startswith("mempool-script-verify-flag-failed")
    assert rich.call("getrawmempool") == []
    assert rich.call("sendrawtransaction", dear, 0) == txid_of(rich, dear)


def test_burning_needs_leave(rich: Client) -> None:
    inputs = [{"txid": coinbase(rich, 1), "vout": 0}]
    raw = rich.call("createrawtransaction", inputs, [{"data": "abcd"}, {ANYONE.wpkh: "49.9"}])
    burning = raw.replace("0000000000000000046a02abcd", "e803000000000000046a02abcd")
    assert burning != raw
    ready = rich.call("signrawtransactionwithkey", burning, [ANYONE.wif])["hex"]
    wrong = (-25, "Unspendable output exceeds maximum configured by user (maxburnamount)")
    assert rich.error("sendrawtransaction", ready, 0) == wrong
    assert rich.call("sendrawtransaction", ready, 0, "0.00001") == txid_of(rich, ready)


def test_entries_ancestors_and_descendants(rich: Client) -> None:
    first = pay(rich, 1)
    second = child(rich, first, "0.0002")
    third = child(rich, second, "0.0003")
    ids = [rich.call("sendrawtransaction", raw) for raw in (first, second, third)]
    entry = rich.call("getmempoolentry", ids[1])
    assert list(entry) == [
        "vsize", "weight", "time", "height", "descendantcount", "descendantsize", "ancestorcount", "ancestorsize", "wtxid", "fees",
        "depends", "spentby", "bip125-replaceable", "unbroadcast",
    ]  # fmt: skip
    assert entry["depends"] == [ids[0]] and entry["spentby"] == [ids[2]]
    assert (entry["ancestorcount"], entry["descendantcount"], entry["height"]) == (2, 2, 101)
    assert entry["fees"] == {
        "base": Decimal("0.0002"), "modified": Decimal("0.0002"), "ancestor": Decimal("0.0003"), "descendant": Decimal("0.0005"),
    }  # fmt: skip
    assert rich.call("getmempoolancestors", ids[2]) == ids[:2]
    assert rich.call("getmempooldescendants", ids[0]) == ids[1:]
    assert rich.call("getmempooldescendants", ids[0], True)[ids[1]] == entry
    assert rich.call("getrawmempool", True)[ids[1]] == entry
    missing = (-5, "Transaction not in mempool")
    for method in ("getmempoolentry", "getmempoolancestors", "getmempooldescendants"):
        assert rich.error(method, "33" * 32) == missing
    assert rich.call("gettxspendingprevout", [{"txid": ids[0], "vout": 0}, {"txid": ids[2], "vout": 0}]) == [
        {"txid": ids[0], "vout": 0, "spendingtxid": ids[1]},
        {"txid": ids[2], "vout": 0},
    ]
    shown = rich.call("gettxspendingprevout", [{"txid": ids[0], "vout": 0}], {"return_spending_tx": True})
    assert shown[0]["spendingtx"] == second
    assert rich.error("gettxspendingprevout", []) == (-8, "Invalid parameter, outputs are missing")
    assert rich.error("gettxspendingprevout", [{"txid": ids[0]}]) == (-3, "Missing vout")
    assert rich.error("gettxspendingprevout", [{"txid": ids[0], "vout": -1}])[0] == -8
    assert rich.error("gettxspendingprevout", [{"txid": ids[0], "vout": 0, "x": 1}]) == (-3, "Unexpected key x")


def test_mempool_info_and_sequence(rich: Client) -> None:
    empty = rich.call("getmempoolinfo")
    assert (empty["size"], empty["bytes"], empty["total_fee"]) == (0, 0, 0)
    before = rich.call("getrawmempool", False, True)["mempool_sequence"]
    raw = pay(rich, 1)
    txid = rich.call("sendrawtransaction", raw)
    info = rich.call("getmempoolinfo")
    assert info["size"] == 1 and info["total_fee"] == Decimal("0.0001") and info["loaded"] is True
    assert info["bytes"] == rich.call("getmempoolentry", txid)["vsize"] and info["usage"] > 0
    assert info["mempoolminfee"] == info["minrelaytxfee"] == Decimal("0.00001")
    after = rich.call("getrawmempool", mempool_sequence=True)
    assert after == {"txids": [txid], "mempool_sequence": before + 1}
    assert rich.error("getrawmempool", True, True)[0] == -8


def test_mempool_accept_is_a_question(rich: Client) -> None:
    raw = pay(rich, 1)
    (verdict,) = rich.call("testmempoolaccept", [raw])
    decoded = rich.call("decoderawtransaction", raw)
    assert verdict == {
        "txid": decoded["txid"],
        "wtxid": decoded["hash"],
        "allowed": True,
        "vsize": decoded["vsize"],
        "fees": {
            "base": Decimal("0.0001"),
            "effective-feerate": verdict["fees"]["effective-feerate"],
            "effective-includes": [decoded["hash"]],
        },
    }
    assert rich.call("getrawmempool") == []
    (dear,) = rich.call("testmempoolaccept", [pay(rich, 1, "1")])
    assert dear["allowed"] is False and dear["reject-reason"] == "max-fee-exceeded"
    (orphan,) = rich.call("testmempoolaccept", [child(rich, raw)])
    assert orphan["reject-reason"] == "missing-inputs"
    both = rich.call("testmempoolaccept", [raw, child(rich, raw)])
    assert [row["allowed"] for row in both] == [True, True]
    wrong_way = rich.call("testmempoolaccept", [child(rich, raw), raw])
    assert {row["package-error"] for row in wrong_way} == {"package-not-sorted"}
    assert rich.call("testmempoolaccept", [raw, raw])[0]["package-error"] == "package-contains-duplicates"
    assert rich.error("testmempoolaccept", [])[0] == rich.error("testmempoolaccept", [raw] * 26)[0] == -8
    assert rich.error("testmempoolaccept", ["00"])[0] == -22
    rich.call("sendrawtransaction", raw)
    (known,) = rich.call("testmempoolaccept", [raw])
    assert known["reject-reason"] == "txn-already-in-mempool"
    (double,) = rich.call("testmempoolaccept", [pay(rich, 1, "0.0001", replaceable=False)])
    assert double["reject-reason"] == "insufficient fee" and double["reject-details"].startswith("insufficient fee, ")


def test_a_package_pays_together(rich: Client) -> None:
    parent = pay(rich, 1, "0")
    heir = child(rich, parent, "0.001")
    assert rich.error("sendrawtransaction", parent)[0] == -26
    result = rich.call("submitpackage", [parent, heir])
    assert result["package_msg"] == "success" and result["replaced-transactions"] == []
    rows = list(result["tx-results"].values())
    assert [row["fees"]["base"] for row in rows] == [0, Decimal("0.001")]
    assert rows[0]["fees"]["effective-feerate"] == rows[1]["fees"]["effective-feerate"]
    assert sorted(rich.call("getrawmempool")) == sorted(txid_of(rich, raw) for raw in (parent, heir))
    again = rich.call("submitpackage", [parent, heir])
    assert again["package_msg"] == "success"
    assert rich.error("submitpackage", [])[0] == -8
    stranger = pay(rich, 2)
    code, message = rich.error("submitpackage", [stranger, heir])
    assert code == -26 and message.startswith("package topology disallowed")


def test_a_package_that_fails_says_why(rich: Client) -> None:
    parent = pay(rich, 1, "0")
    result = rich.call("submitpackage", [parent, child(rich, parent, "0")])
    assert result["package_msg"] == "transaction failed"
    assert all(row["error"].startswith("min relay fee not met") for row in result["tx-results"].values())
    assert rich.call("getrawmempool") == []


def test_priorities_move_a_transaction(rich: Client) -> None:
    txid = rich.call("sendrawtransaction", pay(rich, 1))
    assert rich.call("prioritisetransaction", txid, 0, 5000) is True
    assert rich.call("prioritisetransaction", txid=txid, fee_delta=-1000) is True
    assert rich.call("getprioritisedtransactions") == {
        txid: {"fee_delta": 4000, "in_mempool": True, "modified_fee": 14000}
    }
    assert rich.call("getmempoolentry", txid)["fees"]["modified"] == Decimal("0.00014")
    assert rich.error("prioritisetransaction", txid, 1, 5)[0] == -8
    assert rich.error("prioritisetransaction", txid)[0] == -1


def test_saving_needs_a_directory(rich: Client, tmp_path: Any) -> None:
    txid = rich.call("sendrawtransaction", pay(rich, 1))
    assert rich.error("savemempool") == (-1, "Unable to dump mempool to disk")
    rich.control.data_directory = tmp_path
    path = rich.call("savemempool")["filename"]
    with open(path) as file:
        (line,) = file.read().splitlines()
    assert txid_of(rich, line.split()[0]) == txid


def test_a_replaced_transaction_leaves(rich: Client) -> None:
    old = rich.call("sendrawtransaction", pay(rich, 1))
    new = rich.call("sendrawtransaction", pay(rich, 1, "0.001"))
    assert rich.call("getrawmempool") == [new] and old != new
    try:
        rich.call("getmempoolentry", old)
    except RpcError as e:
        assert e.code == -5


def test_reverted_transactions_come_back(rich: Client) -> None:
    txid = rich.call("sendrawtransaction", pay(rich, 1))
    (block,) = rich.mine()
    assert rich.call("getrawmempool") == []
    rich.call("invalidateblock", block)
    assert rich.call("getrawmempool") == [txid]


def test_what_a_reorganisation_brings_back_needs_no_fee(rich: Client) -> None:
    free = pay(rich, 1, "0")
    heir = child(rich, free, "0")
    assert rich.error("sendrawtransaction", free)[1] == "min relay fee not met, 0 < 110"
    block = rich.call("generateblock", "raw(51)", [free, heir])["hash"]
    assert rich.call("getrawmempool") == []
    rich.call("invalidateblock", block)
    ids = {txid_of(rich, free), txid_of(rich, heir)}
    assert set(rich.call("getrawmempool")) == ids
    (other,) = rich.mine()
    assert set(rich.call("getblock", other)["tx"][1:]) == ids or set(rich.call("getrawmempool")) == ids
    rich.call("invalidateblock", other)
    assert set(rich.call("getrawmempool")) == ids, "again, they that came back once"
