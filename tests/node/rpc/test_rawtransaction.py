"""Raw transactions: finding, decoding, building, signing with every kind of script, combining."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from primitives.hashing import hash160
from tests.node.rpc.harness import ANYONE, Client, Key
from tests.node.rpc.test_mempool import coinbase, pay, txid_of
from wallet import scripts

ONE, TWO, THREE = Key(11), Key(12), Key(13)


def test_getrawtransaction_finds_by_pool_index_and_block(rich: Client) -> None:
    raw = pay(rich, 1)
    txid = rich.call("sendrawtransaction", raw)
    assert rich.call("getrawtransaction", txid) == raw
    pooled = rich.call("getrawtransaction", txid, True)
    assert "blockhash" not in pooled and "confirmations" not in pooled and pooled["hex"] == raw
    (block,) = rich.mine()
    rich.mine()
    found = rich.call("getrawtransaction", txid, verbose=1)
    assert (found["blockhash"], found["confirmations"]) == (block, 2) and "in_active_chain" not in found
    assert found["time"] == found["blocktime"] == rich.call("getblockheader", block)["time"]
    there = rich.call("getrawtransaction", txid, 2, block)
    assert there["in_active_chain"] is True and there["fee"] == Decimal("0.0001")
    assert there["vin"][0]["prevout"]["generated"] is True
    assert "fee" not in found
    code, message = rich.error("getrawtransaction", "44" * 32)
    assert (code, message) == (
        -5,
        "No such mempool or blockchain transaction. Use gettransaction for wallet transactions.",
    )
    assert rich.error("getrawtransaction", txid, 0, "44" * 32) == (-5, "Block hash not found")
    assert rich.error("getrawtransaction", txid, 0, rich.call("getblockhash", 1))[1].startswith(
        "No such transaction found in the provided block"
    )
    genesis = rich.call("getblock", rich.call("getblockhash", 0))["tx"][0]
    assert rich.error("getrawtransaction", genesis)[0] == -5


def test_without_an_index_the_error_says_so() -> None:
    client = Client(indexed=False)
    try:
        block = client.mine()[0]
        txid = client.call("getblock", block)["tx"][0]
        code, message = client.error("getrawtransaction", txid)
        assert code == -5 and message.startswith("No such mempool transaction. Use -txindex or provide a block hash")
        assert client.call("getrawtransaction", txid, 0, block)
    finally:
        client.close()


def test_createrawtransaction(client: Client) -> None:
    txid = "ab" * 32
    raw = client.call(
        "createrawtransaction",
        [{"txid": txid, "vout": 1}],
        [{ANYONE.wpkh: 1}, {"data": "00ff"}, {ANYONE.pkh: "0.5"}],
        500,
    )
    decoded = client.call("decoderawtransaction", raw)
    assert decoded["locktime"] == 500 and decoded["version"] == 2
    assert decoded["vin"][0] == {
        "txid": txid, "vout": 1, "scriptSig": {"asm": "", "hex": ""}, "sequence": 0xFFFFFFFD,
    }  # fmt: skip
    assert [o["value"] for o in decoded["vout"]] == [1, 0, Decimal("0.5")]
    assert decoded["vout"][1]["scriptPubKey"]["hex"] == "6a0200ff"
    plain = client.call(
        "createrawtransaction", inputs=[{"txid": txid, "vout": 0}], outputs={}, replaceable=False, version=1
    )
    final = client.call("decoderawtransaction", plain)
    assert final["vin"][0]["sequence"] == 0xFFFFFFFF and final["version"] == 1
    late = client.call("createrawtransaction", [{"txid": txid, "vout": 0}], {}, 1, False)
    assert client.call("decoderawtransaction", late)["vin"][0]["sequence"] == 0xFFFFFFFE
    own = client.call("createrawtransaction", [{"txid": txid, "vout": 0, "sequence": 7}], {})
    assert client.call("decoderawtransaction", own)["vin"][0]["sequence"] == 7


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ([[{}], {}], -3, "JSON value of type null is not of expected type string"),
        ([[{"txid": "ab" * 32}], {}], -8, "Invalid parameter, missing vout key"),
        ([[{"txid": "ab" * 32, "vout": -1}], {}], -8, "Invalid parameter, vout cannot be negative"),
        ([[{"txid": "ab", "vout": 0}], {}], -8, "txid must be of length 64 (not 2, for 'ab')"),
        ([[{"txid": "ab" * 32, "vout": 0, "sequence": -1}], {}], -8, "Invalid parameter, sequence number is out of range"),
        ([[], None], -8, "Invalid parameter, output argument must be non-null"),
        ([[], [1]], -8, "Invalid parameter, key-value pair not an object as expected"),
        ([[], [{}]], -8, "Invalid parameter, key-value pair must contain exactly one key"),
        ([[], {"nobody": 1}], -5, "Invalid Bitcoin address: nobody"),
        ([[], {ANYONE.pkh: -1}], -3, "Amount out of range"),
        ([[], {ANYONE.pkh: "1.123456789"}], -3, "Invalid amount"),
        ([[], {ANYONE.pkh: True}], -3, "Amount is not a number or string"),
        ([[], {ANYONE.pkh: "1e400"}], -3, "Amount out of range"),
        ([[], [{ANYONE.pkh: 1}, {ANYONE.pkh: 2}]], -8, f"Invalid parameter, duplicated address: {ANYONE.pkh}"),
        ([[], [{"data": "00"}, {"data": "01"}]], -8, "Invalid parameter, duplicate key: data"),
        ([[], [{"data": "0"}]], -8, "Data must be hexadecimal string (not '0')"),
        ([[], {}, -1], -8, "Invalid parameter, locktime out of range"),
        ([[], {}, 0, True, 4], -8, "Invalid parameter, version out of range(1~3)"),
    ],
)  # fmt: skip
def test_createrawtransaction_refuses(client: Client, arguments: list[Any], code: int, message: str) -> None:
    assert client.error("createrawtransaction", *arguments) == (code, message)


def test_decoding(client: Client) -> None:
    assert client.error("decoderawtransaction", "00") == (-22, "TX decode failed")
    assert client.error("decoderawtransaction", "xx") == (-22, "TX decode failed")
    block = client.mine()[0]
    raw = client.call("getrawtransaction", client.call("getblock", block)["tx"][0])
    assert client.error("decoderawtransaction", raw, False) == (-22, "TX decode failed")
    assert client.call("decoderawtransaction", raw, True)["vin"][0]["txinwitness"] == ["00" * 32]
    assert client.call("decodescript", "")["type"] == "nonstandard"
    multisig = scripts.multisig(1, [ONE.public, TWO.public])
    found = client.call("decodescript", multisig.hex())
    assert found["type"] == "multisig" and found["segwit"]["type"] == "witness_v0_scripthash"
    assert client.error("decodescript", "abc") == (-8, "argument must be hexadecimal string (not 'abc')")


def spendable(client: Client, script: bytes) -> dict[str, Any]:
    """A mature coin under a script, as an input that the chain knows."""
    txid, _ = client.coin(script, 50)
    return {"txid": txid, "vout": 0}


MULTISIG = scripts.multisig(2, [ONE.public, TWO.public, THREE.public])


@pytest.mark.parametrize(
    ("name", "script", "keys", "more"),
    [
        ("pk", scripts.p2pk(ONE.public), [ONE], {}),
        ("pkh", scripts.p2pkh(ONE.hash), [ONE], {}),
        ("pkh, uncompressed", scripts.p2pkh(hash160(Key(11, False).public)), [Key(11, False)], {}),
        ("wpkh", scripts.p2wpkh(ONE.hash), [ONE], {}),
        ("sh(wpkh)", scripts.p2sh(scripts.p2wpkh(ONE.hash)), [ONE], {}),
        ("tr", bytes.fromhex("5120"), [ONE], {}),
        ("multi", MULTISIG, [ONE, THREE], {}),
        ("sh(multi)", scripts.p2sh(MULTISIG), [ONE, THREE], {"redeemScript": MULTISIG.hex()}),
        ("wsh(multi)", scripts.p2wsh(MULTISIG), [TWO, THREE], {"witnessScript": MULTISIG.hex()}),
        (
            "sh(wsh(multi))",
            scripts.p2sh(scripts.p2wsh(MULTISIG)),
            [ONE, TWO],
            {"witnessScript": MULTISIG.hex(), "redeemScript": scripts.p2wsh(MULTISIG).hex()},
        ),
    ],
)
def test_every_kind_of_script_is_signed_and_mined(
    client: Client, name: str, script: bytes, keys: list[Key], more: dict[str, str]
) -> None:
    if name == "tr":
        script = bytes.fromhex(client.call("validateaddress", ONE.tr)["scriptPubKey"])
    coin = spendable(client, script)
    raw = client.call("createrawtransaction", [coin], {ANYONE.wpkh: "49.999"})
    previous = [{**coin, "scriptPubKey": script.hex(), "amount": 50, **more}] if more else None
    result = client.call("signrawtransactionwithkey", raw, [key.wif for key in keys], previous)
    assert result["complete"] is True, (name, result)
    txid = client.call("sendrawtransaction", result["hex"])
    (block,) = client.mine()
    assert txid in client.call("getblock", block)["tx"]


@pytest.mark.parametrize(
    "hash_type", ["ALL", "NONE", "SINGLE", "ALL|ANYONECANPAY", "NONE|ANYONECANPAY", "SINGLE|ANYONECANPAY"]
)
def test_signature_hash_types(client: Client, hash_type: str) -> None:
    coin = spendable(client, scripts.p2wpkh(ONE.hash))
    raw = client.call("createrawtransaction", [coin], {ANYONE.wpkh: "49.999"})
    result = client.call("signrawtransactionwithkey", raw, [ONE.wif], None, hash_type)
    assert result["complete"] is True
    client.call("sendrawtransaction", result["hex"])
    wrong = client.error("signrawtransactionwithkey", raw, [ONE.wif], None, "SOME")
    assert wrong == (-8, "'SOME' is not a valid sighash parameter.")


@pytest.mark.parametrize("wrap", ["sh", "wsh"])
def test_half_signed_copies_are_combined(client: Client, wrap: str) -> None:
    script = scripts.p2sh(MULTISIG) if wrap == "sh" else scripts.p2wsh(MULTISIG)
    coin = spendable(client, script)
    named = {"redeemScript" if wrap == "sh" else "witnessScript": MULTISIG.hex()}
    previous = [{**coin, "scriptPubKey": script.hex(), "amount": 50, **named}]
    raw = client.call("createrawtransaction", [coin], {ANYONE.wpkh: "49.999"})
    halves = [client.call("signrawtransactionwithkey", raw, [key.wif], previous) for key in (THREE, ONE)]
    assert [half["complete"] for half in halves] == [False, False]
    assert halves[0]["errors"][0]["txid"] == coin["txid"]
    whole = client.call("combinerawtransaction", [half["hex"] for half in halves])
    assert client.call("sendrawtransaction", whole) == txid_of(client, whole)
    onwards = client.call("signrawtransactionwithkey", halves[0]["hex"], [TWO.wif], previous)
    assert onwards["complete"] is True
    assert client.error("combinerawtransaction", []) == (-22, "Missing transactions")
    assert client.error("combinerawtransaction", ["00"])[1].startswith("TX decode failed for tx 0.")


def test_signing_says_what_is_missing(rich: Client) -> None:
    coin = {"txid": coinbase(rich, 1), "vout": 0}
    raw = rich.call("createrawtransaction", [coin], {ANYONE.wpkh: 49})
    other = rich.call("signrawtransactionwithkey", raw, [ONE.wif])
    assert other["complete"] is False
    assert other["errors"][0]["error"] == "Witness program hash mismatch"
    lost = rich.call("createrawtransaction", [{"txid": "ab" * 32, "vout": 3}], {ANYONE.wpkh: 49})
    result = rich.call("signrawtransactionwithkey", lost, [ONE.wif])
    assert result["errors"] == [
        {"txid": "ab" * 32, "vout": 3, "witness": [], "scriptSig": "", "sequence": 0xFFFFFFFD, "error": "Input not found or already spent"}
    ]  # fmt: skip
    assert rich.error("signrawtransactionwithkey", raw, ["nokey"]) == (-5, "Invalid private key")
    script = scripts.p2wpkh(ONE.hash).hex()
    unpriced = [{"txid": "ab" * 32, "vout": 3, "scriptPubKey": script}]
    code, message = rich.error("signrawtransactionwithkey", lost, [ONE.wif], unpriced)
    assert code == -3 and message.startswith("Missing amount for CTxOut(nValue=21000000.00000000, scriptPubKey=0014")
    nested = [{"txid": "ab" * 32, "vout": 3, "scriptPubKey": scripts.p2sh(MULTISIG).hex(), "amount": 1}]
    assert rich.error("signrawtransactionwithkey", lost, [], nested) == (-8, "Missing redeemScript/witnessScript")
    nested[0]["redeemScript"] = "51"
    assert rich.error("signrawtransactionwithkey", lost, [], nested)[1].endswith("does not match scriptPubKey")
    assert rich.error("signrawtransactionwithkey", lost, [], [{"txid": "ab" * 32}]) == (-3, "Missing vout")
    other_script = [{**coin, "scriptPubKey": "51", "amount": 1}]
    code, message = rich.error("signrawtransactionwithkey", raw, [], other_script)
    assert code == -22 and message.startswith("Previous output scriptPubKey mismatch:\n")


def test_no_error_repeats_a_private_key(rich: Client) -> None:
    broken = ONE.wif[:-1] + ("1" if ONE.wif[-1] != "1" else "2")
    _, message = rich.error("signrawtransactionwithkey", "00" * 10, [broken])
    assert broken not in message
    _, message = rich.error("signmessagewithprivkey", broken, "text")
    assert broken not in message
