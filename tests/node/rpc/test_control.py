"""Control, utilities, coins and figures."""

from __future__ import annotations

import hashlib
from decimal import Decimal
from pathlib import Path

import pytest

from node import log as logs
from primitives.hashing import sha256d
from tests.node.rpc.harness import ANYONE, Client, Key
from tests.node.rpc.test_mempool import coinbase, pay
from wallet import checksum, scripts

ONE, TWO = Key(11), Key(12)
XPUB = "tpubD6NzVbkrYhZ4WaWSyoBvQwbpLkojyoTZPRsgXELWz3Popb3qkjcJyJUGLnL4qHHoQvao8ESaAstxYSnhyswJ76uZPStJRJCTKvosUCJZL5B"


def test_help_lists_and_explains(client: Client) -> None:
    listing = client.call("help")
    assert "== Blockchain ==\n" in listing and "\n\n== Control ==\n" in listing
    assert '\ngetblock "blockhash" ( verbosity )\n' in listing
    assert "echojson" not in listing
    names = {line.split()[0] for line in listing.splitlines() if line and not line.startswith("==")}
    assert len(names) > 70
    for name in sorted(names):
        text = client.call("help", name)
        assert text.startswith(name) and "\n\n" in text
    assert client.call("help", "nothing") == "help: unknown command: nothing"


def test_discovery_describes_every_method(client: Client) -> None:
    document = client.call("rpc.discover")
    methods = {m["name"]: m for m in document["methods"]}
    assert set(methods) == set(client.dispatcher.registry.methods)
    assert methods["getblock"]["params"][1] == {
        "name": "verbosity", "required": False, "schema": {"type": ["integer", "boolean"], "default": 1},
    }  # fmt: skip
    assert all(m["summary"].endswith((".", ":", ";")) or m["summary"] for m in methods.values())


def test_process(client: Client, tmp_path: Path) -> None:
    assert client.call("stop") == "Chainyard stopping" and client.control.stopped
    assert client.call("uptime") >= 0
    info = client.call("getrpcinfo")
    assert info["logpath"] == "" and [c["method"] for c in info["active_commands"]] == ["getrpcinfo"]
    client.control.log_path = tmp_path / "debug.log"
    assert client.call("getrpcinfo")["logpath"] == str(tmp_path / "debug.log")
    assert client.call("getmemoryinfo")["locked"]["used"] > 0
    assert client.error("getmemoryinfo", "mallocinfo") == (-8, "mallocinfo mode not available")
    assert client.error("getmemoryinfo", "x") == (-8, "unknown mode x")
    assert client.call("getzmqnotifications") == []
    assert client.call("echo", 1, "a", None, None) == [1, "a"]
    assert client.call("echojson", arg1={"a": [1]}) == [None, {"a": [1]}]
    assert client.call("syncwithvalidationinterfacequeue") is None


def test_logging_categories(client: Client) -> None:
    before = client.call("logging")
    assert set(before) == set(logs.CATEGORIES)
    try:
        assert client.call("logging", ["net"])["net"] is True
        assert client.call("logging", [], ["net"])["net"] is False
    finally:
        logs.set_category("net=warning")
    assert client.error("logging", ["nothing"]) == (-8, "unknown logging category nothing")
    assert client.error("logging", [1])[0] == -3


def test_the_clock_can_be_fixed(client: Client) -> None:
    client.call("setmocktime", 2_000_000_000)
    assert client.env.now() == 2_000_000_000
    (block,) = client.mine()
    assert client.call("getblockheader", block)["time"] == 2_000_000_000
    client.call("setmocktime", 0)
    assert client.env.now() < 2_000_000_000
    assert client.error("setmocktime", -1) == (-8, "Mocktime must be in the range [0, 4294967295], not -1.")


def test_validateaddress(client: Client) -> None:
    found = client.call("validateaddress", ONE.wpkh)
    assert found == {
        "isvalid": True, "address": ONE.wpkh, "scriptPubKey": "0014" + ONE.hash.hex(), "isscript": False, "iswitness": True,
        "witness_version": 0, "witness_program": ONE.hash.hex(),
    }  # fmt: skip
    assert client.call("validateaddress", ONE.pkh)["iswitness"] is False
    assert client.call("validateaddress", ONE.nested)["isscript"] is True
    assert client.call("validateaddress", ONE.tr)["witness_version"] == 1
    for text, message in (
        ("", "Invalid or unsupported Segwit (Bech32) or Base58 encoding."),
        ("bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4", "Invalid or unsupported Segwit (Bech32) or Base58 encoding."),
        ("1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2", "Invalid or unsupported Base58-encoded address."),
        (ONE.pkh[:-1] + "1", "Invalid checksum or length of Base58 address (P2PKH or P2SH)"),
        (ONE.wpkh[:-1] + ("q" if ONE.wpkh[-1] != "q" else "p"), "Invalid Bech32 checksum"),
        (ONE.wpkh[:-1] + "b", "Invalid Base 32 character"),
        (ONE.wpkh[:-2] + ONE.wpkh[-2:].upper(), "Invalid character or mixed case"),
    ):
        answer = client.call("validateaddress", text)
        assert answer["isvalid"] is False
        assert answer["error"] == message, (text, answer)


def test_multisigs(client: Client) -> None:
    keys = [ONE.public.hex(), TWO.public.hex()]
    script = scripts.multisig(1, [ONE.public, TWO.public])
    for kind, wrapped in (
        ("legacy", scripts.p2sh(script)),
        ("bech32", scripts.p2wsh(script)),
        ("p2sh-segwit", scripts.p2sh(scripts.p2wsh(script))),
    ):
        found = client.call("createmultisig", 1, keys, kind)
        assert found["redeemScript"] == script.hex()
        assert client.call("validateaddress", found["address"])["scriptPubKey"] == wrapped.hex()
        assert client.call("deriveaddresses", found["descriptor"]) == [found["address"]]
    whole = Key(11, False).public.hex()
    assert "warnings" in client.call("createmultisig", 1, [whole], "bech32")
    assert (
        client.error("createmultisig", 0, keys)[1] == "a multisignature address must require at least one key to redeem"
    )
    assert client.error("createmultisig", 3, keys)[1].startswith(
        "not enough keys supplied (got 2 keys, but need at least 3"
    )
    assert client.error("createmultisig", 1, keys, "bech32m")[0] == -5
    assert client.error("createmultisig", 1, keys, "x") == (-5, "Unknown address type 'x'")
    assert client.error("createmultisig", 1, ["zz"])[1] == 'Pubkey "zz" must be a hex string'
    assert client.error("createmultisig", 1, ["02" + "ff" * 32])[0] == -5


def test_descriptors(client: Client) -> None:
    text = f"wpkh({ONE.public.hex()})"
    info = client.call("getdescriptorinfo", text)
    assert info["descriptor"] == checksum.add(text) and info["checksum"] == checksum.checksum(text)
    assert (info["isrange"], info["issolvable"], info["hasprivatekeys"]) == (False, True, False)
    private = client.call("getdescriptorinfo", f"wpkh({ONE.wif})")
    assert private["descriptor"] == checksum.add(text) and private["hasprivatekeys"] is True
    assert private["checksum"] == checksum.checksum(f"wpkh({ONE.wif})")
    paths = client.call("getdescriptorinfo", f"wpkh({XPUB}/<0;1>/*)")
    assert len(paths["multipath_expansion"]) == 2 and paths["isrange"] is True
    assert client.error("getdescriptorinfo", "x")[0] == -5
    ranged = checksum.add(f"wpkh({XPUB}/0/*)")
    four = client.call("deriveaddresses", ranged, 3)
    assert len(four) == 4 and client.call("deriveaddresses", ranged, [1, 2]) == four[1:3]
    both = client.call("deriveaddresses", checksum.add(f"wpkh({XPUB}/<0;1>/*)"), [0, 0])
    assert both[0] == four[:1] and both[1] != both[0]
    assert client.error("deriveaddresses", f"wpkh({XPUB}/0/*)", 1) == (-5, "Missing checksum")
    assert client.error("deriveaddresses", ranged)[1] == "Range must be specified for a ranged descriptor"
    assert client.error("deriveaddresses", checksum.add(text), 1)[1].startswith("Range should not be specified")
    for wrong, message in (
        (-1, "End of range is too high"),
        ([-1, 2], "Range should be greater or equal than 0"),
        ([2, 1], "Range specified as [begin,end] must not have begin after end"),
        ("x", "Range must be specified as end or as [begin,end]"),
        (2**31, "End of range is too high"),
        (1_000_000, "Range is too large"),
    ):
        assert client.error("deriveaddresses", ranged, wrong) == (-8, message)
    hard = checksum.add(f"wpkh({XPUB}/1h/*)")
    assert client.error("deriveaddresses", hard, 0) == (-5, "Cannot derive script without private keys")
    assert client.error("deriveaddresses", checksum.add("raw(51)"))[1].endswith("does not have a corresponding address")


def test_signed_messages(client: Client) -> None:
    for key in (ONE, Key(11, False)):
        signature = client.call("signmessagewithprivkey", key.wif, "Привет")
        assert client.call("verifymessage", key.pkh, signature, "Привет") is True
        assert client.call("verifymessage", key.pkh, signature, "other") is False
        assert client.call("verifymessage", TWO.pkh, signature, "Привет") is False
    assert client.error("verifymessage", "x", signature, "") == (-5, "Invalid address")
    assert client.error("verifymessage", ONE.wpkh, signature, "") == (-3, "Address does not refer to key")
    assert client.error("verifymessage", ONE.pkh, "???", "") == (-3, "Malformed base64 encoding")
    assert client.call("verifymessage", ONE.pkh, "", "") is False
    assert client.error("signmessagewithprivkey", "x", "") == (-5, "Invalid private key")


def test_fee_estimates_always_answer_on_a_local_network(client: Client) -> None:
    assert client.call("estimatesmartfee", 2, "CONSERVATIVE") == {"feerate": Decimal("0.0001"), "blocks": 2}
    assert client.call("estimatesmartfee", 1)["blocks"] == 2
    assert client.call("estimatesmartfee", 100, "ECONOMICAL")["blocks"] == 100
    assert client.error("estimatesmartfee", 0) == (-8, "Invalid conf_target, must be between 1 and 1008")
    assert client.error("estimatesmartfee", 6, "fast")[1].startswith("Invalid estimate_mode parameter, must be one of")
    assert "errors" in client.call("estimaterawfee", 6)["short"]
    client.mine(30)
    assert client.call("estimaterawfee", 6)["short"]["feerate"] == 0
    assert client.error("estimaterawfee", 6, 2) == (-8, "Invalid threshold")


def test_index_info(client: Client) -> None:
    client.mine(2)
    row = {"synced": True, "best_block_height": 2}
    assert client.call("getindexinfo") == {"txindex": row, "basic block filter index": row}
    assert client.call("getindexinfo", "txindex") == {"txindex": row}
    assert client.call("getindexinfo", "no") == {}


def test_one_coin(rich: Client) -> None:
    txid = coinbase(rich, 1)
    coin = rich.call("gettxout", txid, 0)
    assert coin["value"] == 50 and coin["confirmations"] == 101 and coin["coinbase"] is True
    assert coin["scriptPubKey"]["address"] == ANYONE.wpkh and coin["bestblock"] == rich.call("getbestblockhash")
    assert rich.call("gettxout", txid, 1) is None and rich.call("gettxout", "aa" * 32, 0) is None
    spender = rich.call("sendrawtransaction", pay(rich, 1))
    assert rich.call("gettxout", txid, 0) is None
    assert rich.call("gettxout", txid, 0, False)["confirmations"] == 101
    pooled = rich.call("gettxout", spender, 0)
    assert (pooled["confirmations"], pooled["coinbase"], pooled["value"]) == (0, False, Decimal("49.9999"))
    assert rich.call("gettxout", spender, 0, False) is None
    assert rich.error("gettxout", txid, -1)[0] == -1


def test_the_coin_set_and_its_hashes(rich: Client) -> None:
    info = rich.call("gettxoutsetinfo")
    assert (info["height"], info["txouts"], info["transactions"], info["total_amount"]) == (101, 101, 101, 5050)
    rows = []
    for height in range(1, 102):
        txid = bytes.fromhex(coinbase(rich, height))[::-1]
        code = (height << 1 | 1).to_bytes(4, "little")
        script = scripts.p2wpkh(ANYONE.hash)
        value = (50 * 10**8).to_bytes(8, "little")
        rows.append((txid, txid + bytes(4) + code + value + bytes((len(script),)) + script))
    digest = hashlib.sha256(hashlib.sha256(b"".join(row for _, row in sorted(rows))).digest()).digest()
    assert info["hash_serialized_3"] == digest[::-1].hex() == sha256d(b"".join(r for _, r in sorted(rows)))[::-1].hex()
    mu = rich.call("gettxoutsetinfo", "muhash")
    assert len(mu["muhash"]) == 64 and "hash_serialized_3" not in mu
    plain = rich.call("gettxoutsetinfo", "none")
    assert "muhash" not in plain and plain["bogosize"] == 101 * (50 + 22)
    assert rich.error("gettxoutsetinfo", "x") == (-8, "'x' is not a valid hash_type")
    assert rich.error("gettxoutsetinfo", "muhash", 1)[1] == "Querying specific block heights requires coinstatsindex"
    raw = rich.call("sendrawtransaction", pay(rich, 1))
    (block,) = rich.mine()
    assert raw and rich.call("gettxoutsetinfo", "muhash")["muhash"] != mu["muhash"]
    rich.call("invalidateblock", block)
    assert rich.call("gettxoutsetinfo", "muhash")["muhash"] == mu["muhash"]


def test_scanning_for_coins(rich: Client) -> None:
    found = rich.call("scantxoutset", "start", [f"wpkh({ANYONE.public.hex()})"])
    assert found["success"] is True and found["txouts"] == 101 and found["total_amount"] == 5050
    row = next(u for u in found["unspents"] if u["height"] == 1)
    origin = f"[{ANYONE.hash[:4].hex()}]"
    assert row["desc"] == checksum.add(f"wpkh({origin}{ANYONE.public.hex()})")
    assert row["txid"] == coinbase(rich, 1) and row["confirmations"] == 101 and row["coinbase"] is True
    assert row["blockhash"] == rich.call("getblockhash", 1)
    by_address = rich.call("scantxoutset", "start", [f"addr({ANYONE.wpkh})", {"desc": "raw(51)"}])
    assert len(by_address["unspents"]) == 101 and by_address["unspents"][0]["desc"].startswith("addr(")
    combo = rich.call("scantxoutset", "start", [f"combo({ANYONE.public.hex()})"])
    assert combo["unspents"][0]["desc"].startswith("wpkh([")
    assert rich.call("scantxoutset", "start", [{"desc": f"wpkh({XPUB}/*)", "range": 5}])["unspents"] == []
    assert rich.call("scantxoutset", "status") is None and rich.call("scantxoutset", "abort") is False
    assert rich.error("scantxoutset", "jump") == (-8, "Invalid action 'jump'")
    assert rich.error("scantxoutset", "start") == (-1, "scanobjects argument is required for the start action")
    assert rich.error("scantxoutset", "start", [{}])[1] == "Descriptor needs to be provided in scan object"
    assert rich.error("scantxoutset", "start", [1])[1] == "Scan object needs to be either a string or an object"
    assert rich.error("scantxoutset", "start", ["x"])[0] == -5
    assert rich.call("scantxoutset", "status") is None


def test_proofs(rich: Client) -> None:
    txid = rich.call("sendrawtransaction", pay(rich, 1))
    assert rich.error("gettxoutproof", [txid]) == (-5, "Transaction not yet in block")
    (block,) = rich.mine()
    proof = rich.call("gettxoutproof", [txid])
    assert proof == rich.call("gettxoutproof", [txid], block)
    assert rich.call("verifytxoutproof", proof) == [txid]
    assert rich.call("verifytxoutproof", proof[:-2] + "00") == []
    both = rich.call("gettxoutproof", [coinbase(rich, 102), txid], block)
    assert len(rich.call("verifytxoutproof", both)) == 2
    assert rich.error("gettxoutproof", []) == (-8, "Parameter 'txids' cannot be empty")
    assert rich.error("gettxoutproof", [txid, txid]) == (-8, f"Invalid parameter, duplicated txid: {txid}")
    assert rich.error("gettxoutproof", [txid], rich.call("getblockhash", 1))[0] == -5
    assert rich.error("verifytxoutproof", "00")[0] == -22
    rich.call("invalidateblock", block)
    assert rich.error("verifytxoutproof", proof) == (-5, "Block not found in chain")


def test_block_figures(rich: Client) -> None:
    raw = pay(rich, 1, "0.0002")
    rich.call("sendrawtransaction", raw)
    (block,) = rich.mine()
    stats = rich.call("getblockstats", block)
    assert stats == rich.call("getblockstats", 102)
    size, weight = len(raw) // 2, rich.call("decoderawtransaction", raw)["weight"]
    expected = {
        "avgfee": 20_000, "maxfee": 20_000, "minfee": 20_000, "medianfee": 20_000, "totalfee": 20_000, "txs": 2, "ins": 1, "outs": 3,
        "height": 102, "blockhash": block, "subsidy": 50 * 10**8, "swtxs": 1, "swtotal_size": size, "swtotal_weight": weight,
        "total_size": size, "total_weight": weight, "mediantxsize": size, "avgfeerate": 80_000 // weight, "utxo_increase": 2,
        "total_out": 50 * 10**8 - 20_000, "utxo_increase_actual": 1,
    }  # fmt: skip
    assert {name: stats[name] for name in expected} == expected
    assert stats["feerate_percentiles"] == [80_000 // weight] * 5
    assert rich.call("getblockstats", 102, ["txs", "height"]) == {"height": 102, "txs": 2}
    assert rich.error("getblockstats", 102, ["x"]) == (-8, "Invalid selected statistic 'x'")
    assert rich.error("getblockstats", 500) == (-8, "Target block height 500 after current tip 102")
    assert rich.error("getblockstats", -1) == (-8, "Target block height -1 is negative")
    assert rich.error("getblockstats", "aa" * 32) == (-5, "Block not found")
    assert rich.call("getblockstats", 0)["utxo_increase_actual"] == 0


def test_figures_of_the_chain(rich: Client) -> None:
    stats = rich.call("getchaintxstats")
    assert (stats["txcount"], stats["window_block_count"], stats["window_tx_count"]) == (102, 100, 100)
    assert stats["window_final_block_height"] == 101 and stats["window_interval"] >= 0
    rich.call("sendrawtransaction", pay(rich, 1))
    (block,) = rich.mine()
    stats = rich.call("getchaintxstats", 1)
    assert (stats["txcount"], stats["window_tx_count"]) == (104, 2)
    assert rich.call("getchaintxstats", 1, rich.call("getblockhash", 101))["txcount"] == 102
    assert "window_interval" not in rich.call("getchaintxstats", 0)
    assert rich.error("getchaintxstats", 102)[0] == rich.error("getchaintxstats", -1)[0] == -8
    rich.call("invalidateblock", block)
    assert rich.error("getchaintxstats", 1, block) == (-8, "Block is not in main chain")
    assert rich.call("getchaintxstats", 1)["txcount"] == 102


@pytest.mark.parametrize("target", [2, 6, 30])
def test_full_blocks_show_a_rate(rich: Client, target: int, monkeypatch: pytest.MonkeyPatch) -> None:
    from node.rpc import fee_estimates

    monkeypatch.setattr(fee_estimates, "NEARLY_FULL", 0.0)
    for height in range(2, 14):
        rich.call("sendrawtransaction", pay(rich, height - 1, "0.01"))
        rich.mine()
    answer = rich.call("estimatesmartfee", target, "conservative")["feerate"]
    assert answer >= Decimal("0.0001")
    assert (answer > Decimal("0.01")) == (target < 12)
