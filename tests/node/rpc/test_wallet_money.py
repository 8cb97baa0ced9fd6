"""Addresses, coins and payments through RPC: what is received, kept back, sent, bumped, given up, signed by hand."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from node.rpc.fee_estimates import estimator
from tests.node.rpc.harness import ANYONE, Key
from tests.node.rpc.wallet_harness import WalletClient

FIFTY = Decimal(50)
OTHER_NETWORK = "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4"


@pytest.fixture
def client(tmp_path: Path) -> Iterator[WalletClient]:
    found = WalletClient(tmp_path)
    yield found
    found.close()


# -- addresses -------------------------------------------------------------------------------------------------------


def test_addresses_of_each_kind(client: WalletClient) -> None:
    wallet = client.made("a")
    seen = {}
    for kind, prefix in (
        ("legacy", ("m", "n")),
        ("p2sh-segwit", ("2",)),
        ("bech32", ("bcrt1q",)),
        ("bech32m", ("bcrt1p",)),
    ):
        address = seen[kind] = wallet.call("getnewaddress", "label " + kind, kind)
        assert address.startswith(prefix)
        assert wallet.call("getrawchangeaddress", kind).startswith(prefix)
        info = wallet.call("getaddressinfo", address)
        assert info["ismine"] and info["solvable"] and not info["ischange"] and not info["iswatchonly"]
        assert info["labels"] == ["label " + kind]
        assert info["hdkeypath"].startswith("m/") and len(info["hdmasterfingerprint"]) == 8
        assert client.call("deriveaddresses", info["desc"]) == [address]
    assert len({wallet.call("getnewaddress") for _ in range(20)}) == 20
    legacy = wallet.call("getaddressinfo", seen["legacy"])
    assert legacy["iscompressed"] and len(legacy["pubkey"]) == 66
    nested = wallet.call("getaddressinfo", seen["p2sh-segwit"])
    assert nested["script"] == "witness_v0_keyhash" and nested["embedded"]["pubkey"] == nested["pubkey"]
    change = wallet.call("getaddressinfo", wallet.call("getrawchangeaddress"))
    assert change["ischange"] and change["labels"] == []
    stranger = wallet.call("getaddressinfo", ANYONE.wpkh)
    assert not stranger["ismine"] and stranger["labels"] == [] and "desc" not in stranger
    assert wallet.error("getnewaddress", "", "bech64") == (-5, "Unknown address type 'bech64'")
    assert wallet.error("getnewaddress", "*") == (-11, "Invalid label name")
    assert wallet.error("getaddressinfo", OTHER_NETWORK)[0] == -5
    blank = client.made("blank", blank=True)
    assert blank.error("getnewaddress") == (-4, "Error: This wallet has no available keys")


def test_labels(client: WalletClient) -> None:
    wallet = client.made("a")
    one = wallet.call("getnewaddress", "shop")
    wallet.call("setlabel", ANYONE.wpkh.upper(), "friend")
    assert wallet.call("getaddressinfo", ANYONE.wpkh)["labels"] == ["friend"]
    assert wallet.call("listlabels") == ["friend", "shop"]
    assert wallet.call("listlabels", "send") == ["friend"]
    assert wallet.call("getaddressesbylabel", "shop") == {one: {"purpose": "receive"}}
    assert wallet.call("getaddressesbylabel", "friend") == {ANYONE.wpkh: {"purpose": "send"}}
    wallet.call("setlabel", one, "")
    assert wallet.error("getaddressesbylabel", "shop") == (-11, "No addresses with label shop")
    assert wallet.error("setlabel", "nowhere", "x")[0] == -5
    assert wallet.error("listlabels", "spend")[0] == -8


def test_messages(client: WalletClient) -> None:
    wallet = client.made("a")
    legacy, segwit = wallet.call("getnewaddress", "", "legacy"), wallet.call("getnewaddress")
    signature = wallet.call("signmessage", legacy, "hello")
    assert client.call("verifymessage", legacy, signature, "hello") is True
    assert client.call("verifymessage", legacy, signature, "hallo") is False
    assert wallet.error("signmessage", segwit, "hello") == (-3, "Address does not refer to key")
    assert wallet.error("signmessage", ANYONE.pkh, "hello") == (-5, "Private key not available")
    for address in (segwit, wallet.call("getnewaddress", "", "bech32m")):
        signature = wallet.call("signmessagebip322", address, "hello")
        assert client.call("verifymessagebip322", address, signature, "hello") is True
        assert client.call("verifymessagebip322", address, signature, "hallo") is False


# -- money -----------------------------------------------------------------------------------------------------------


def test_balances_and_unspent_coins(client: WalletClient) -> None:
    wallet = client.made("a")
    address = wallet.call("getnewaddress", "mine")
    client.mine(1, address)
    assert wallet.call("getbalances")["mine"] == {"trusted": 0, "untrusted_pending": 0, "immature": FIFTY}
    assert wallet.call("listunspent") == []
    assert len(wallet.call("listunspent", 1, 9, [], True, {"include_immature_coinbase": True})) == 1
    client.mine(100)
    assert wallet.call("getbalance") == wallet.call("getbalance", "*", 1) == FIFTY
    assert wallet.call("getbalance", minconf=102) == 0
    (coin,) = wallet.call("listunspent")
    assert coin["address"] == address and coin["label"] == "mine" and coin["amount"] == FIFTY
    assert coin["confirmations"] == 101 and coin["spendable"] and coin["solvable"] and coin["safe"]
    assert coin["parent_descs"][0].startswith("wpkh(")
    assert wallet.call("listunspent", 102) == []
    assert wallet.call("listunspent", 1, 200, [ANYONE.wpkh]) == []
    assert wallet.call("listunspent", query_options={"minimumAmount": 51}) == []
    assert wallet.error("listunspent", 1, 9, [address, address])[0] == -8
    assert wallet.error("listunspent", 1, 9, ["x"]) == (-5, "Invalid Bitcoin address: x")
    assert wallet.error("listunspent", query_options={"most": 1})[0] == -3
    assert wallet.error("getbalance", "x")[0] == -32
    assert wallet.call("getunconfirmedbalance") == 0


def test_what_others_pay_counts_when_it_is_mined(client: WalletClient) -> None:
    payer, wallet = client.funded("payer"), client.made("a")
    address = wallet.call("getnewaddress", "in")
    txid = payer.call("sendtoaddress", address, 3, "rent", "landlord")
    assert wallet.call("getbalances")["mine"]["untrusted_pending"] == 3
    assert wallet.call("getbalance") == 0
    (coin,) = wallet.call("listunspent", 0)
    assert not coin["safe"] and coin["ancestorcount"] == 1 and coin["ancestorfees"] > 0
    assert wallet.call("listunspent", 0, 9, [], False) == []
    row = payer.call("gettransaction", txid)
    assert row["comment"] == "rent" and row["to"] == "landlord" and row["trusted"]
    client.mine()
    assert wallet.call("getbalance") == 3
    assert wallet.call("getreceivedbyaddress", address) == wallet.call("getreceivedbylabel", "in") == 3
    assert wallet.call("getreceivedbyaddress", address, 2) == 0
    assert wallet.error("getreceivedbyaddress", ANYONE.wpkh) == (-4, "Address not found in wallet")
    assert wallet.error("getreceivedbylabel", "none") == (-4, "Label not found in wallet")


def test_locked_coins_are_not_spent(client: WalletClient) -> None:
    wallet = client.funded("a")
    (coin,) = wallet.call("listunspent")
    point = {"txid": coin["txid"], "vout": coin["vout"]}
    assert wallet.call("lockunspent", False, [point]) is True
    assert wallet.call("listlockunspent") == [point]
    assert wallet.call("listunspent") == []
    assert wallet.error("sendtoaddress", ANYONE.wpkh, 1) == (-6, "Insufficient funds")
    locked = (-8, "Invalid parameter, output already locked")
    assert wallet.error("lockunspent", False, [point]) == locked
    assert wallet.call("lockunspent", False, [point], True) is True
    client.call("unloadwallet", "a")
    client.call("loadwallet", "a")
    assert wallet.call("listlockunspent") == [point]
    assert wallet.call("lockunspent", True) is True
    assert wallet.call("listlockunspent") == []
    unlocked = (-8, "Invalid parameter, expected locked output")
    assert wallet.error("lockunspent", True, [point]) == unlocked
    assert (
        wallet.error("lockunspent", False, [{"txid": "ab" * 32, "vout": 0}])[1]
        == "Invalid parameter, unknown transaction"
    )
    wrong = "Invalid parameter, vout index out of bounds"
    assert wallet.error("lockunspent", False, [point | {"vout": 99}])[1] == wrong
    assert wallet.error("lockunspent", False, [point | {"vout": -1}])[0] == -8


# -- sending ---------------------------------------------------------------------------------------------------------


def test_sending(client: WalletClient) -> None:
    wallet = client.funded("a", 2)
    txid = wallet.call("sendtoaddress", ANYONE.wpkh, "1.5", fee_rate=25)
    entry = client.call("getmempoolentry", txid)
    assert 25 <= entry["fees"]["base"] * 100_000_000 / entry["vsize"] <= Decimal("25.5")
    paid = wallet.call("sendtoaddress", ANYONE.tr, 2, subtractfeefromamount=True, verbose=True)
    assert paid["fee_reason"] == "Fallback fee"
    out = [
        o["value"] for o in client.call("decoderawtransaction", client.call("getrawtransaction", paid["txid"]))["vout"]
    ]
    assert any(Decimal("1.99") < value < 2 for value in out)
    assert wallet.error("sendtoaddress", OTHER_NETWORK, 1) == (-5, f"Invalid Bitcoin address: {OTHER_NETWORK}")
    assert wallet.error("sendtoaddress", ANYONE.wpkh[:-1] + "q", 1)[0] == -5
    assert wallet.error("sendtoaddress", ANYONE.wpkh, -1) == (-3, "Amount out of range")
    assert wallet.error("sendtoaddress", ANYONE.wpkh, "one") == (-3, "Invalid amount")
    assert wallet.error("sendtoaddress", ANYONE.wpkh, 0.00000001)[0] == -6
    assert wallet.error("sendtoaddress", ANYONE.wpkh, 1000) == (-6, "Insufficient funds")
    absurd = wallet.error("sendtoaddress", ANYONE.wpkh, 1, fee_rate=100_000)
    assert absurd[0] == -6 and "exceeds" in absurd[1]
    assert wallet.error("sendtoaddress", ANYONE.wpkh, 1, fee_rate="0.1234") == (-3, "Invalid amount")
    assert wallet.error("sendtoaddress", ANYONE.wpkh, 1, fee_rate=1, conf_target=2)[0] == -8
    assert wallet.error("sendtoaddress", ANYONE.wpkh, 1, conf_target=5000)[1].startswith("Invalid conf_target")
    assert wallet.error("sendtoaddress", ANYONE.wpkh, 1, estimate_mode="fast")[1].startswith("Invalid estimate_mode")
    watching = client.made("w", disable_private_keys=True)
    assert watching.error("sendtoaddress", ANYONE.wpkh, 1) == (-4, "Error: Private keys are disabled for this wallet")


def test_sending_to_many(client: WalletClient) -> None:
    wallet = client.funded("a", 2)
    txid = wallet.call("sendmany", "", {ANYONE.wpkh: 1, ANYONE.tr: "2"}, 1, "both", [ANYONE.wpkh])
    row = wallet.call("gettransaction", txid)
    sent = {one["address"]: one["amount"] for one in row["details"]}
    assert sent[ANYONE.tr] == -2 and -1 < sent[ANYONE.wpkh] < 0
    assert row["comment"] == "both" and row["amount"] + row["fee"] == -3
    assert wallet.error("sendmany", "x", {ANYONE.wpkh: 1})[0] == -8
    assert wallet.error("sendmany", "", {})[0] == -8
    assert wallet.error("sendmany", "", {ANYONE.wpkh: 1}, subtractfeefrom=[ANYONE.tr])[0] == -8


def test_the_fee_rate_can_be_fixed(client: WalletClient) -> None:
    wallet = client.funded("a")
    assert wallet.call("settxfee", "0.0003") is True
    entry = client.call("getmempoolentry", wallet.call("sendtoaddress", ANYONE.wpkh, 1))
    assert 30 <= entry["fees"]["base"] * 100_000_000 / entry["vsize"] < 31
    assert wallet.call("getwalletinfo")["paytxfee"] == Decimal("0.0003")
    assert wallet.error("settxfee", "0.000001")[0] == -8
    assert wallet.call("settxfee", 0) is True


def test_send_with_options(client: WalletClient) -> None:
    wallet = client.funded("a", 2)
    done = wallet.call("send", {ANYONE.wpkh: 1}, None, None, 5)
    assert done["complete"] and done["txid"] in client.call("getrawmempool")
    coin = wallet.call("listunspent")[0]
    chosen = [{"txid": coin["txid"], "vout": coin["vout"]}]
    dry = wallet.call(
        "send", [{ANYONE.wpkh: 2}], options={"inputs": chosen, "add_to_wallet": False, "change_position": 0}
    )
    assert dry["complete"] and dry["psbt"].startswith("cHNidP8") and dry["txid"] not in client.call("getrawmempool")
    tx = client.call("decoderawtransaction", dry["hex"])
    assert [i["txid"] for i in tx["vin"]] == [coin["txid"]]
    assert tx["vout"][1]["value"] == 2
    assert wallet.call("send", {ANYONE.wpkh: 1}, options={"psbt": True})["psbt"]
    assert (
        wallet.error("send", {ANYONE.wpkh: 1}, options={"feeRate": 1})[1] == "Use fee_rate (sat/vB) instead of feeRate"
    )
    assert wallet.error("send", {ANYONE.wpkh: 1}, options={"nonsense": 1})[0] == -3
    assert wallet.error("send", {ANYONE.wpkh: 1}, 6)[1] == "Specify estimate_mode"
    assert wallet.error("send", {ANYONE.wpkh: 1000}) == (-4, "Insufficient funds")
    assert wallet.error("send", {ANYONE.wpkh: 1}, options={"change_position": 7})[1] == "changePosition out of bounds"
    assert wallet.error("send", {ANYONE.wpkh: 1}, options={"max_tx_weight": 7})[0] == -8
    wallet.call("encryptwallet", "x")
    left = wallet.call("send", {ANYONE.wpkh: 1})
    assert not left["complete"] and left["psbt"]


def test_send_all(client: WalletClient) -> None:
    wallet = client.funded("a", 3)
    assert wallet.error("sendall", [{ANYONE.wpkh: 1}])[0] == -8
    too_much = wallet.error("sendall", [{ANYONE.wpkh: 150}, ANYONE.tr])
    assert too_much == (-6, "Assigned more value to outputs than available funds.")
    coin = wallet.call("listunspent")[0]
    point = {"txid": coin["txid"], "vout": coin["vout"]}
    assert wallet.error("sendall", [ANYONE.wpkh], options={"inputs": [point], "send_max": True})[0] == -8
    one = wallet.call("sendall", [ANYONE.wpkh], options={"inputs": [point]})
    assert one["complete"] and wallet.call("getbalance") == 100
    spent = wallet.error("sendall", [ANYONE.wpkh], options={"inputs": [point]})
    assert spent[1] == f"Input not available. UTXO ({point['txid']}:0) was already spent."
    done = wallet.call("sendall", [{ANYONE.wpkh: 10}, ANYONE.tr, ANYONE.pkh], fee_rate=10, options={"send_max": True})
    values = sorted(o["value"] for o in client.call("getrawtransaction", done["txid"], 1)["vout"])
    assert values[0] == 10 and values[2] - values[1] <= Decimal("0.00000001") and 44 < values[1] < 45
    assert wallet.call("getbalance") == 0
    assert wallet.error("sendall", [ANYONE.wpkh])[0] == -6


def test_concurrent_sends_use_no_coin_twice(client: WalletClient) -> None:
    wallet = client.funded("a", 4)

    async def all_at_once() -> list[str]:
        return list(await asyncio.gather(*(client.acall("sendtoaddress", ANYONE.wpkh, 1) for _ in range(20))))

    ids = client.run(all_at_once())
    assert len(set(ids)) == 20 and set(ids) <= set(client.call("getrawmempool"))
    spent = [(i["txid"], i["vout"]) for txid in ids for i in client.call("getrawtransaction", txid, 1)["vin"]]
    assert len(spent) == len(set(spent))
    fees = sum(client.call("getmempoolentry", txid)["fees"]["base"] for txid in ids)
    assert wallet.call("getbalance") == 200 - 20 - fees
    client.mine()
    assert client.call("getrawmempool") == [] and wallet.call("getbalance", "*", 0) == 180 - fees


def test_giving_up_a_transaction(client: WalletClient) -> None:
    wallet = client.funded("a")
    txid = wallet.call("sendtoaddress", ANYONE.wpkh, 1)
    refused = (-5, "Transaction not eligible for abandonment")
    assert wallet.error("abandontransaction", txid) == refused
    client.run(client.env.on_chain(lambda: client.node.drop_tx(bytes.fromhex(txid)[::-1])))
    assert wallet.call("getbalance") == 0
    assert wallet.call("gettransaction", txid)["trusted"] is False
    wallet.call("abandontransaction", txid)
    wallet.call("abandontransaction", txid)
    assert wallet.call("getbalance") == 50
    assert all(one["abandoned"] for one in wallet.call("gettransaction", txid)["details"])


def test_what_the_mempool_lost_can_be_sent_again(client: WalletClient) -> None:
    wallet = client.funded("a")
    txid = wallet.call("sendtoaddress", ANYONE.wpkh, 1)
    client.run(client.env.on_chain(lambda: client.node.drop_tx(bytes.fromhex(txid)[::-1])))
    assert wallet.call("resendwallettransactions") == [txid] == client.call("getrawmempool")


# -- by hand ---------------------------------------------------------------------------------------------------------


def test_funding_and_signing_by_hand(client: WalletClient) -> None:
    wallet = client.funded("a", 2)
    raw = client.call("createrawtransaction", [], {ANYONE.wpkh: 1, ANYONE.tr: 2})
    funded = wallet.call("fundrawtransaction", raw, {"changePosition": 1, "feeRate": "0.0002", "lockUnspents": True})
    tx = client.call("decoderawtransaction", funded["hex"])
    assert funded["changepos"] == 1 and [tx["vout"][0]["value"], tx["vout"][2]["value"]] == [1, 2]
    assert funded["fee"] == sum(FIFTY for _ in tx["vin"]) - sum(o["value"] for o in tx["vout"])
    assert len(wallet.call("listlockunspent")) == len(tx["vin"])
    signed = wallet.call("signrawtransactionwithwallet", funded["hex"])
    assert signed["complete"] and "errors" not in signed
    assert client.call("testmempoolaccept", [signed["hex"]])[0]["allowed"]
    client.call("sendrawtransaction", signed["hex"])
    assert wallet.error("fundrawtransaction", client.call("createrawtransaction", [], {}))[0] in (-8, -22)
    assert wallet.error("fundrawtransaction", "zz") == (-22, "TX decode failed")
    big = client.call("createrawtransaction", [], {ANYONE.wpkh: 1000})
    assert wallet.error("fundrawtransaction", big) == (-4, "Insufficient funds")
    assert wallet.error("fundrawtransaction", raw, {"subtractFeeFromOutputs": [2]})[0] == -8
    assert wallet.error("fundrawtransaction", raw, {"changeAddress": "x"})[0] == -5
    assert wallet.error("fundrawtransaction", raw, {"fee_rate": 1, "feeRate": 1})[0] == -8


def test_foreign_inputs_stay_unsigned(client: WalletClient) -> None:
    wallet = client.funded("a")
    client.mine(101)
    foreign = client.call("getblock", client.call("getblockhash", 102), 2)["tx"][0]["txid"]
    coin = wallet.call("listunspent")[0]
    inputs = [
        {"txid": coin["txid"], "vout": coin["vout"]},
        {"txid": foreign, "vout": 0},
        {"txid": "cd" * 32, "vout": 5},
    ]
    raw = client.call("createrawtransaction", inputs, {ANYONE.wpkh: 1})
    signed = wallet.call("signrawtransactionwithwallet", raw)
    assert not signed["complete"]
    assert [(one["txid"], one["error"]) for one in signed["errors"]][1] == (
        "cd" * 32,
        "Input not found or already spent",
    )
    assert [one["txid"] for one in signed["errors"]] == [foreign, "cd" * 32]
    half = client.call("createrawtransaction", inputs[:2], {ANYONE.wpkh: 1})
    mine = wallet.call("signrawtransactionwithwallet", half)
    assert not mine["complete"]
    both = client.call("signrawtransactionwithkey", mine["hex"], [ANYONE.wif])
    assert both["complete"]


def test_two_wallets_sign_a_multisig_in_turn(client: WalletClient) -> None:
    keys = [Key(n) for n in (21, 22, 23)]
    wallets = []
    for at, key in enumerate(keys[:2]):
        wallet = client.made(f"m{at}", blank=True)
        publics = ",".join(k.wif if k is key else k.public.hex() for k in keys)
        desc = f"wsh(multi(2,{publics}))"
        whole = client.call("getdescriptorinfo", desc)
        (row,) = wallet.call("importdescriptors", [{"desc": f"{desc}#{whole['checksum']}", "timestamp": "now"}])
        assert row["success"], row
        wallets.append(wallet)
    public = client.call("getdescriptorinfo", f"wsh(multi(2,{','.join(k.public.hex() for k in keys)}))")["descriptor"]
    (address,) = client.call("deriveaddresses", public)
    client.mine(1, address)
    client.mine(100)
    assert [w.call("getbalance") for w in wallets] == [50, 50]
    coin = wallets[0].call("listunspent")[0]
    raw = client.call("createrawtransaction", [{"txid": coin["txid"], "vout": 0}], {ANYONE.wpkh: "49.999"})
    first = wallets[0].call("signrawtransactionwithwallet", raw)
    assert not first["complete"]
    second = wallets[1].call("signrawtransactionwithwallet", first["hex"])
    assert second["complete"]
    assert client.call("sendrawtransaction", second["hex"])


def test_what_transactions_would_change(client: WalletClient) -> None:
    wallet = client.funded("a")
    raw = client.call("createrawtransaction", [], {ANYONE.wpkh: 10})
    funded = wallet.call("fundrawtransaction", raw)
    change = wallet.call("simulaterawtransaction", [funded["hex"]])["balance_change"]
    assert change == -10 - funded["fee"]
    assert wallet.error("simulaterawtransaction", [funded["hex"], funded["hex"]])[0] == -8
    assert wallet.error("simulaterawtransaction", ["00"])[0] == -22


def test_the_nodes_estimate_is_what_the_wallet_pays(client: WalletClient) -> None:
    source, estimate = client.wallets.source, estimator(client.node)
    assert estimate(6) is None, "nothing is known of a chain without blocks"
    wallet = client.funded("a")
    assert estimate(6) == 0, "blocks with room take any rate"
    source.estimate = estimate
    assert wallet.call("sendtoaddress", ANYONE.wpkh, 1, verbose=True)["fee_reason"] == "Fallback fee"
    source.estimate = lambda blocks: 1_000 * blocks
    paid = wallet.call("sendtoaddress", ANYONE.wpkh, 1, conf_target=9, estimate_mode="economical", verbose=True)
    assert paid["fee_reason"] == "Target 85% Threshold"
    entry = client.call("getmempoolentry", paid["txid"])
    assert 9 <= entry["fees"]["base"] * 100_000_000 / entry["vsize"] < Decimal("9.2")
