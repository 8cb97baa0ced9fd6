"""Partially signed transactions through RPC: Core's vectors, every field, payments that several wallets sign, and what is refused."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.needs import missing
from tests.node.rpc.harness import ANYONE, Key
from tests.node.rpc.wallet_harness import WalletClient
from wallet import checksum

VECTORS = Path(os.environ.get("CHAINYARD_VECTORS", Path(__file__).parents[4] / "shared/vectors")) / "bitcoin/psbt"
FIFTY = Decimal(50)


def vectors(name: str) -> Any:
    """One of Core's files of cases."""
    path = VECTORS / f"rpc_psbt_{name}.json"
    if not path.exists():
        missing(str(path))
    return json.loads(path.read_bytes())


@pytest.fixture
def client(tmp_path: Path) -> Iterator[WalletClient]:
    found = WalletClient(tmp_path)
    yield found
    found.close()


def combo(wif: str) -> str:
    return checksum.add(f"combo({wif})")


# -- Core's own cases ------------------------------------------------------------------------------------------------


def test_the_cases_of_core(client: WalletClient) -> None:
    for case in vectors("creator"):
        assert client.call("createpsbt", case["inputs"], case["outputs"], replaceable=False) == case["result"]
    for case in vectors("combiner"):
        assert client.call("combinepsbt", case["combine"]) == case["result"]
    for case in vectors("finalizer"):
        assert client.call("finalizepsbt", case["finalize"], False)["psbt"] == case["result"]
    for case in vectors("extractor"):
        assert client.call("finalizepsbt", case["extract"]) == {"hex": case["result"], "complete": True}
    for text in vectors("valid"):
        assert client.call("decodepsbt", text)["psbt_version"] in (0, 2)
        client.call("analyzepsbt", text)
    for text in vectors("invalid"):
        assert client.error("decodepsbt", text)[0] == -22
    for text, _ in vectors("invalid_with_msg"):
        code, message = client.error("decodepsbt", text)
        assert code == -22 and message.startswith("TX decode failed ")


@pytest.mark.parametrize("by", ["wallet", "descriptors"])
def test_the_signers_of_core(client: WalletClient, by: str) -> None:
    for number, case in enumerate(vectors("signer")):
        if by == "wallet":
            wallet = client.made(f"signer{number}", blank=True)
            rows = [{"desc": combo(wif), "timestamp": "now"} for wif in case["privkeys"]]
            assert all(row["success"] for row in wallet.call("importdescriptors", rows))
            done = wallet.call("walletprocesspsbt", case["psbt"], True, "ALL", False, False)
        else:
            done = client.call(
                "descriptorprocesspsbt", case["psbt"], [combo(wif) for wif in case["privkeys"]], "ALL", False, False
            )
        assert done["psbt"] == case["result"]


# -- a payment, step by step -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["legacy", "p2sh-segwit", "bech32", "bech32m"])
def test_a_wallet_funds_signs_and_sends(client: WalletClient, kind: str) -> None:
    wallet = client.made("a")
    client.mine(1, wallet.call("getnewaddress", "", kind))
    client.mine(100)
    made = wallet.call("walletcreatefundedpsbt", [], {ANYONE.wpkh: 1}, 0, {"fee_rate": 10, "change_type": kind})
    shown = client.call("decodepsbt", made["psbt"])
    assert shown["fee"] == made["fee"] > 0
    assert shown["tx"]["vin"][0]["sequence"] == 0xFFFFFFFD
    one, change = shown["inputs"][0], shown["outputs"][made["changepos"]]
    assert ("non_witness_utxo" in one) == (kind != "bech32m")
    assert ("witness_utxo" in one) == (kind != "legacy")
    derivations = "taproot_bip32_derivs" if kind == "bech32m" else "bip32_derivs"
    assert one[derivations][0]["path"].startswith("m/") and change[derivations]
    before = client.call("analyzepsbt", made["psbt"])
    assert before["next"] == "signer" and before["inputs"][0]["next"] == "signer" and before["fee"] == made["fee"]
    assert abs(before["estimated_feerate"] - Decimal("0.0001")) < Decimal("0.000003")

    signed = wallet.call("walletprocesspsbt", made["psbt"], True, None, True, False)
    assert signed["complete"] and client.call("analyzepsbt", signed["psbt"])["next"] == "finalizer"
    final = client.call("finalizepsbt", signed["psbt"], False)
    after = client.call("analyzepsbt", final["psbt"])
    assert after["next"] == "extractor" and after["inputs"][0]["is_final"]
    done = client.call("finalizepsbt", signed["psbt"])
    assert done["complete"] and done["hex"] == signed["hex"]
    size = client.call("decoderawtransaction", done["hex"])["vsize"]
    assert after["estimated_vsize"] == size and 0 <= before["estimated_vsize"] - size <= 2
    txid = client.call("sendrawtransaction", done["hex"])
    client.mine(1)
    assert wallet.call("gettransaction", txid)["confirmations"] == 1


def test_an_update_without_a_wallet(client: WalletClient) -> None:
    key = Key(11)
    for kind, address, form in (
        ("witness_v0_keyhash", key.wpkh, "wpkh"),
        ("pubkeyhash", key.pkh, "pkh"),
        ("scripthash", key.nested, "sh(wpkh"),
        ("witness_v1_taproot", key.tr, "tr"),
    ):
        block = client.mine(1, address)[0]
        client.mine(100)
        coinbase = client.call("getblock", block, 2)["tx"][0]
        txid, reward = coinbase["txid"], coinbase["vout"][0]["value"]
        bare = client.call("createpsbt", [{"txid": txid, "vout": 0}], [{ANYONE.wpkh: str(reward - Decimal("0.001"))}])
        assert client.call("analyzepsbt", bare)["inputs"] == [{"has_utxo": False, "is_final": False, "next": "updater"}]
        public = checksum.add(f"{form}({key.public.hex()})" + (")" if "(" in form else ""))
        told = client.call("utxoupdatepsbt", bare, [public])
        one = client.call("decodepsbt", told)["inputs"][0]
        where = one.get("witness_utxo", {}).get("scriptPubKey") or one["non_witness_utxo"]["vout"][0]["scriptPubKey"]
        assert where["type"] == kind
        assert ("redeem_script" in one) == (kind == "scripthash")
        state = client.call("analyzepsbt", told)
        assert state["next"] == "signer" and state["fee"] == Decimal("0.001")
        private = checksum.add(f"{form}({key.wif})" + (")" if "(" in form else ""))
        none = client.call("descriptorprocesspsbt", bare, [public])
        assert not none["complete"] and "hex" not in none
        half = client.call("descriptorprocesspsbt", bare, [private], None, True, False)
        assert half["complete"] and client.call("analyzepsbt", half["psbt"])["next"] == "finalizer"
        done = client.call("descriptorprocesspsbt", told, [private])
        assert done["complete"] and half["hex"] == done["hex"]
        assert client.call("testmempoolaccept", [done["hex"]])[0]["allowed"]


def test_two_of_three(client: WalletClient) -> None:
    names, keys = ("a", "b", "c"), []
    for name in names:
        wallet = client.made(name)
        found = wallet.call("listdescriptors")["descriptors"]
        text = next(d["desc"] for d in found if d["desc"].startswith("wpkh(") and "/0/*" in d["desc"])
        keys.append(text[len("wpkh(") : text.index(")")])
    watch = client.made("watch", disable_private_keys=True)
    both = checksum.add(f"wsh(sortedmulti(2,{','.join(keys)}))")
    rows = [{"desc": both, "timestamp": "now", "active": True, "range": [0, 20]}]
    rows.append({**rows[0], "desc": checksum.add(both[:-9].replace("/0/*", "/1/*")), "internal": True})
    assert all(row["success"] for row in watch.call("importdescriptors", rows))
    client.mine(1, watch.call("getnewaddress"))
    client.mine(100)
    made = watch.call("walletcreatefundedpsbt", [], [{ANYONE.wpkh: 20}])
    assert len(client.call("decodepsbt", made["psbt"])["inputs"][0]["bip32_derivs"]) == 3
    assert len(client.call("analyzepsbt", made["psbt"])["inputs"][0]["missing"]["signatures"]) == 3
    one = client.on("a").call("walletprocesspsbt", made["psbt"])
    two = client.on("c").call("walletprocesspsbt", made["psbt"])
    assert not one["complete"] and not two["complete"]
    assert client.call("finalizepsbt", one["psbt"]) == {"psbt": one["psbt"], "complete": False}
    whole = client.call("combinepsbt", [one["psbt"], two["psbt"]])
    assert len(client.call("decodepsbt", whole)["inputs"][0]["partial_signatures"]) == 2
    done = client.call("finalizepsbt", whole)
    assert done["complete"]
    client.call("sendrawtransaction", done["hex"])
    client.mine(1)
    assert watch.call("getbalance") == FIFTY - 20 - made["fee"]


def test_joined_payments(client: WalletClient) -> None:
    a, b = client.funded("a"), client.funded("b")
    one = a.call("walletcreatefundedpsbt", [], [{Key(21).wpkh: 1}])
    two = b.call("walletcreatefundedpsbt", [], [{Key(22).wpkh: 2}])
    joined = client.call("joinpsbts", [one["psbt"], two["psbt"]])
    shown = client.call("decodepsbt", joined)
    assert len(shown["inputs"]) == 2 and len(shown["outputs"]) == 4
    assert shown["fee"] == one["fee"] + two["fee"]
    joined = a.call("walletprocesspsbt", joined)["psbt"]
    done = b.call("walletprocesspsbt", joined)
    assert done["complete"]
    client.call("sendrawtransaction", done["hex"])
    assert client.error("joinpsbts", [one["psbt"]]) == (-8, "At least two PSBTs are required to join PSBTs.")
    place = client.call("decodepsbt", one["psbt"])["tx"]["vin"][0]
    name = f"{place['txid']}:{place['vout']}"
    assert client.error("joinpsbts", [one["psbt"]] * 2) == (-8, f"Input {name} exists in multiple PSBTs")
    assert client.error("combinepsbt", [one["psbt"], two["psbt"]]) == (
        -8,
        "PSBTs not compatible (different transactions)",
    )


def test_a_bump_that_is_signed_elsewhere(client: WalletClient) -> None:
    wallet = client.funded("a")
    txid = wallet.call("sendtoaddress", ANYONE.wpkh, 1, fee_rate=5)
    made = wallet.call("psbtbumpfee", txid, {"fee_rate": 20})
    assert made["fee"] > made["origfee"] and made["errors"] == [] and "txid" not in made
    assert wallet.call("gettransaction", txid)["confirmations"] == 0
    shown = client.call("decodepsbt", made["psbt"])
    assert shown["fee"] == made["fee"]
    assert {out["value"] for out in shown["tx"]["vout"]} & {Decimal(1)}
    done = wallet.call("walletprocesspsbt", made["psbt"])
    new = client.call("sendrawtransaction", done["hex"])
    assert client.call("getrawmempool") == [new]
    client.mine(1)
    assert wallet.error("psbtbumpfee", new)[0] == -4
    assert wallet.error("psbtbumpfee", "00" * 32)[0] == -5


def test_coins_that_are_named(client: WalletClient) -> None:
    wallet = client.funded("a", 2)
    rows = wallet.call("listunspent")
    named = [{"txid": rows[0]["txid"], "vout": rows[0]["vout"]}]
    made = wallet.call("walletcreatefundedpsbt", named, [{ANYONE.wpkh: 1}], 7, {"lockUnspents": True})
    shown = client.call("decodepsbt", made["psbt"])["tx"]
    assert [(i["txid"], i["vout"]) for i in shown["vin"]] == [(rows[0]["txid"], rows[0]["vout"])]
    assert shown["locktime"] == 7 and wallet.call("listlockunspent") == named
    wallet.call("lockunspent", True)
    code, _ = wallet.error("walletcreatefundedpsbt", named, [{ANYONE.wpkh: 60}])
    assert code == -4
    both = wallet.call("walletcreatefundedpsbt", named, [{ANYONE.wpkh: 60}], 0, {"add_inputs": True})
    assert len(client.call("decodepsbt", both["psbt"])["tx"]["vin"]) == 2
    paid = wallet.call("walletcreatefundedpsbt", [], [{ANYONE.wpkh: 10}], 0, {"subtractFeeFromOutputs": [0]})
    values = {out["value"] for out in client.call("decodepsbt", paid["psbt"])["tx"]["vout"]}
    assert values == {10 - paid["fee"], FIFTY - 10}
    plain = wallet.call("walletcreatefundedpsbt", [], [{ANYONE.wpkh: 1}], 0, {}, False)
    assert "bip32_derivs" not in client.call("decodepsbt", plain["psbt"])["inputs"][0]


# -- converted and decoded -------------------------------------------------------------------------------------------


def test_raw_transactions_become_psbts(client: WalletClient) -> None:
    wallet = client.funded("a")
    row = wallet.call("listunspent")[0]
    raw = client.call("createrawtransaction", [{"txid": row["txid"], "vout": row["vout"]}], [{ANYONE.wpkh: 49}])
    made = client.call("converttopsbt", raw)
    assert made == client.call("createpsbt", [{"txid": row["txid"], "vout": row["vout"]}], [{ANYONE.wpkh: 49}])
    signed = wallet.call("signrawtransactionwithwallet", raw)["hex"]
    refused = (-22, "Inputs must not have scriptSigs and scriptWitnesses")
    assert client.error("converttopsbt", signed) == refused
    assert client.call("converttopsbt", signed, True) == made
    assert client.error("converttopsbt", "00")[0] == -22


def test_version_2(client: WalletClient) -> None:
    wallet = client.funded("a")
    row = wallet.call("listunspent")[0]
    bare = client.call(
        "createpsbt", [{"txid": row["txid"], "vout": row["vout"]}], [{ANYONE.wpkh: "49.99"}], psbt_version=2
    )
    shown = client.call("decodepsbt", bare)
    assert shown["psbt_version"] == 2 and shown["input_count"] == shown["output_count"] == 1
    assert shown["inputs"][0]["previous_txid"] == row["txid"]
    assert shown["outputs"][0]["amount"] == Decimal("49.99") and shown["inputs_modifiable"]
    done = wallet.call("walletprocesspsbt", bare)
    assert done["complete"] and client.call("testmempoolaccept", [done["hex"]])[0]["allowed"]
    assert client.error("createpsbt", [], [{ANYONE.wpkh: 1}], psbt_version=1)[0] == -8


def test_fields_of_every_kind(client: WalletClient) -> None:
    """A PSBT put together by hand, with the fields that our own roles do not write."""

    def field(kind: int, key: bytes, value: bytes) -> bytes:
        whole = bytes([kind]) + key
        return bytes([len(whole)]) + whole + bytes([len(value)]) + value

    tx = bytes.fromhex(client.call("createrawtransaction", [{"txid": "11" * 32, "vout": 0}], [{ANYONE.wpkh: 1}]))
    public = Key(5).public
    preimages = {0x0A: ("ripemd160", 20), 0x0B: ("sha256", 32), 0x0C: ("hash160", 20), 0x0D: ("hash256", 32)}
    own = b"\x04abcd\x07rest"
    data = b"psbt\xff" + field(0, b"", tx) + field(0xFC, own, b"\x01") + field(0xEE, b"\x02", b"\x03") + b"\x00"
    data += b"".join(field(kind, b"\x22" * size, b"\x33" * 8) for kind, (_, size) in preimages.items())
    data += field(0x03, b"", (0x83).to_bytes(4, "little"))
    data += field(0x1A, public, public * 2) + field(0x1B, public * 2 + b"\x44" * 32, b"\x55" * 66)
    data += field(0x1C, public * 2, b"\x66" * 32) + b"\x00"
    data += field(0x06, b"", bytes([1, 0xC0, 1, 0x51, 1, 0xC0, 1, 0x52])) + field(0x08, public, public) + b"\x00"
    shown = client.call("decodepsbt", base64.b64encode(data).decode())
    assert shown["proprietary"] == [{"identifier": b"abcd".hex(), "subtype": 7, "key": b"rest".hex(), "value": "01"}]
    assert shown["unknown"] == {"ee02": "03"} and "fee" not in shown
    one, out = shown["inputs"][0], shown["outputs"][0]
    for name, size in preimages.values():
        assert one[f"{name}_preimages"] == {"22" * size: "33" * 8}
    assert one["sighash"] == "SINGLE|ANYONECANPAY"
    group = {"aggregate_pubkey": public.hex(), "participant_pubkeys": [public.hex()] * 2}
    assert one["musig2_participant_pubkeys"] == [group]
    named = {"participant_pubkey": public.hex(), "aggregate_pubkey": public.hex()}
    assert one["musig2_pubnonces"] == [{**named, "leaf_hash": "44" * 32, "pubnonce": "55" * 66}]
    assert one["musig2_partial_sigs"] == [{**named, "partial_sig": "66" * 32}]
    assert out["taproot_tree"] == [
        {"depth": 1, "leaf_ver": 0xC0, "script": "51"},
        {"depth": 1, "leaf_ver": 0xC0, "script": "52"},
    ]
    assert out["musig2_participant_pubkeys"][0]["participant_pubkeys"] == [public.hex()]


# -- refused ---------------------------------------------------------------------------------------------------------


def test_what_is_refused(client: WalletClient) -> None:
    wallet = client.funded("a")
    made = wallet.call("walletcreatefundedpsbt", [], [{ANYONE.wpkh: 1}])["psbt"]
    for method in ("decodepsbt", "analyzepsbt", "finalizepsbt", "utxoupdatepsbt", "walletprocesspsbt"):
        assert client.error(method, "not base64!") == (-22, "TX decode failed invalid base64")
        assert client.error(method, base64.b64encode(b"psbt").decode())[0] == -22
        assert client.error(method, 5)[0] == -3
    assert client.error("combinepsbt", []) == (-8, "Parameter 'txs' cannot be empty")
    assert client.error("combinepsbt", [made, 5])[0] == -3
    assert client.error("createpsbt", [{"txid": "00"}], [{ANYONE.wpkh: 1}])[0] == -8
    assert client.error("utxoupdatepsbt", made, [{"range": 5}])[0] == -8
    assert client.error("utxoupdatepsbt", made, ["wpkh(nothing)"])[0] == -5
    assert client.error("descriptorprocesspsbt", made, [], "SOME") == (-8, "'SOME' is not a valid sighash parameter.")
    assert client.error("walletcreatefundedpsbt", [], [])[0] == -8
    assert client.error("walletcreatefundedpsbt", [], [{ANYONE.wpkh: 100}])[0] == -4
    assert client.error("walletcreatefundedpsbt", [], [{ANYONE.wpkh: 1}], 0, {"nonsense": 1}) == (
        -3,
        "Unexpected key nonsense",
    )
    marked = wallet.call("walletprocesspsbt", made, False)["psbt"]
    data = base64.b64decode(marked)
    asked = base64.b64encode(data.replace(b"\x01\x01\x1f", b"\x01\x03\x04\x81\x00\x00\x00\x01\x01\x1f")).decode()
    assert client.call("decodepsbt", asked)["inputs"][0]["sighash"] == "ALL|ANYONECANPAY"
    wrong = (-22, "Specified sighash value does not match value stored in PSBT")
    assert wallet.error("walletprocesspsbt", asked, True, "ALL") == wrong
    assert client.error("descriptorprocesspsbt", asked, [], "ALL") == wrong
    done = wallet.call("walletprocesspsbt", asked, True, None)
    assert done["complete"] and client.call("testmempoolaccept", [done["hex"]])[0]["allowed"]


def test_a_locked_wallet_does_not_sign(client: WalletClient) -> None:
    wallet = client.funded("a")
    made = wallet.call("walletcreatefundedpsbt", [], [{ANYONE.wpkh: 1}])["psbt"]
    wallet.call("encryptwallet", "secret")
    assert wallet.error("walletprocesspsbt", made)[0] == -13
    assert not wallet.call("walletprocesspsbt", made, False)["complete"]
    wallet.call("walletpassphrase", "secret", 60)
    assert wallet.call("walletprocesspsbt", made)["complete"]


def test_a_signature_that_does_not_hold_is_not_finished(client: WalletClient) -> None:
    wallet = client.funded("a")
    made = wallet.call("walletcreatefundedpsbt", [], [{ANYONE.wpkh: 1}])["psbt"]
    signed = wallet.call("walletprocesspsbt", made, True, None, True, False)["psbt"]
    data = bytearray(base64.b64decode(signed))
    at = data.index(b"\x30\x44\x02\x20") + 20
    data[at] ^= 1
    broken = base64.b64encode(bytes(data)).decode()
    assert client.call("finalizepsbt", broken) == {"psbt": broken, "complete": False}
