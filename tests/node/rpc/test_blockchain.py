"""The chain as methods show it: tip, headers, blocks, tips, deployments, filters, and what changes it."""

from __future__ import annotations

import asyncio
from decimal import Decimal

import pytest

from tests.node.rpc.harness import ANYONE, Client

UNKNOWN = "11" * 32


def test_a_fresh_chain_is_genesis(client: Client) -> None:
    genesis = "0f9188f13cb7b2c71f2a335e3a4fc328bf5beb436012afca590b1a11466e2206"
    assert client.call("getblockcount") == 0
    assert client.call("getbestblockhash") == client.call("getblockhash", 0) == genesis
    assert client.call("getdifficulty") == Decimal("4.6565423739069247E-10")
    header = client.call("getblockheader", genesis)
    assert "previousblockhash" not in header and "nextblockhash" not in header
    assert header["nTx"] == 1 and header["confirmations"] == 1
    assert header["time"] == header["mediantime"] == 1296688602


def test_heights_out_of_range_and_of_other_types(client: Client) -> None:
    assert client.error("getblockhash", 1) == (-8, "Block height out of range")
    assert client.error("getblockhash", -1) == (-8, "Block height out of range")
    assert client.error("getblockhash", 2**62) == (-8, "Block height out of range")
    assert client.error("getblockhash", 2**63)[0] == -1
    code, message = client.error("getblockhash", "0")
    assert code == -3
    assert message == (
        'Wrong type passed:\n{\n    "Position 1 (height)": '
        '"JSON value of type string is not of expected type number"\n}'
    )
    assert client.error("getblockhash")[0] == -1
    assert client.error("getblockhash", 1, 2)[0] == -1


def test_hashes_that_are_none(client: Client) -> None:
    assert client.error("getblock", "00") == (-8, "blockhash must be of length 64 (not 2, for '00')")
    bad = "zz" * 32
    assert client.error("getblock", bad) == (-8, f"blockhash must be hexadecimal string (not '{bad}')")
    spaced = "ab " * 21 + "a"
    assert client.error("getblock", spaced)[0] == -8
    for method in ("getblock", "getblockheader", "invalidateblock", "reconsiderblock", "preciousblock"):
        assert client.error(method, UNKNOWN) == (-5, "Block not found")


def test_levels_of_a_block(client: Client) -> None:
    first, second = client.mine(2)
    raw = client.call("getblock", first, 0)
    assert raw == client.call("getblock", first, False)
    assert raw.startswith(client.call("getblockheader", first, False))
    block = client.call("getblock", first)
    assert block == client.call("getblock", first, True) == client.call("getblock", blockhash=first, verbose=1)
    assert list(block) == [
        "hash", "confirmations", "height", "version", "versionHex", "merkleroot", "time", "mediantime", "nonce", "bits", "target",
        "difficulty", "chainwork", "nTx", "previousblockhash", "nextblockhash", "strippedsize", "size", "weight", "coinbase_tx", "tx",
    ]  # fmt: skip
    assert block["size"] == len(raw) // 2 and block["nextblockhash"] == second and block["confirmations"] == 2
    assert block["merkleroot"] == block["tx"][0]
    detailed = client.call("getblock", first, 2)["tx"][0]
    assert detailed["txid"] == block["tx"][0] and "fee" not in detailed
    assert detailed["vout"][0]["value"] == Decimal("50.00000000")
    assert detailed["vout"][0]["scriptPubKey"]["address"] == ANYONE.wpkh


def test_fees_and_prevouts_of_a_block(rich: Client) -> None:
    coinbase = rich.call("getblock", rich.call("getblockhash", 1))["tx"][0]
    raw = rich.call("createrawtransaction", [{"txid": coinbase, "vout": 0}], {ANYONE.pkh: "49.9999"})
    signed = rich.call("signrawtransactionwithkey", raw, [ANYONE.wif])
    txid = rich.call("sendrawtransaction", signed["hex"])
    (block,) = rich.mine()
    assert rich.call("getblock", block, 2)["tx"][1]["fee"] == Decimal("0.0001")
    with_prevout = rich.call("getblock", block, 3)["tx"][1]
    assert with_prevout["txid"] == txid
    assert with_prevout["vin"][0]["prevout"]["height"] == 1
    assert with_prevout["vin"][0]["prevout"]["generated"] is True
    assert "prevout" not in rich.call("getblock", block, 2)["tx"][1]["vin"][0]


def test_blockchain_info(client: Client) -> None:
    (tip,) = client.mine()
    info = client.call("getblockchaininfo")
    assert list(info) == [
        "chain", "blocks", "headers", "bestblockhash", "bits", "target", "difficulty", "time", "mediantime", "verificationprogress",
        "initialblockdownload", "chainwork", "size_on_disk", "pruned", "warnings",
    ]  # fmt: skip
    assert (info["chain"], info["blocks"], info["headers"], info["bestblockhash"]) == ("regtest", 1, 1, tip)
    assert info["chainwork"] == f"{4:064x}" and info["pruned"] is False and info["initialblockdownload"] is False
    assert info["verificationprogress"] == 1 and info["warnings"] == []
    client.mine()
    assert client.call("getblockchaininfo")["size_on_disk"] > info["size_on_disk"] > 0


def test_invalidate_and_reconsider(client: Client) -> None:
    hashes = client.mine(4)
    client.call("invalidateblock", hashes[2])
    assert client.call("getblockcount") == 2
    tips = client.call("getchaintips")
    assert [(t["status"], t["branchlen"], t["height"]) for t in tips] == [("invalid", 2, 4), ("active", 0, 2)]
    assert client.call("getblockheader", hashes[2])["confirmations"] == -1
    other = client.mine(1)[0]
    client.call("reconsiderblock", hashes[2])
    assert client.call("getbestblockhash") == hashes[3]
    tips = client.call("getchaintips")
    assert [(t["hash"], t["status"], t["branchlen"]) for t in tips] == [
        (hashes[3], "active", 0),
        (other, "valid-fork", 1),
    ]
    assert client.error("invalidateblock", client.call("getblockhash", 0))[0] == -20


def test_a_precious_block_wins_against_its_equal(client: Client) -> None:
    first = client.mine(1)[0]
    client.call("invalidateblock", first)
    second = client.call("generateblock", "raw(52)", [])["hash"]
    client.call("reconsiderblock", first)
    for chosen in (first, second, first):
        client.call("preciousblock", chosen)
        assert client.call("getbestblockhash") == chosen


def test_headers_only_are_a_tip(client: Client) -> None:
    header = client.call("generateblock", "raw(51)", [], False)["hex"][:160]
    client.call("submitheader", header)
    tips = client.call("getchaintips")
    assert [t["status"] for t in tips] == ["headers-only", "active"]
    assert client.call("getblockchaininfo")["headers"] == 1
    unknown = tips[0]["hash"]
    assert client.error("getblock", unknown) == (-1, "Block not available (not fully downloaded)")
    assert client.call("getblockheader", unknown)["nTx"] == 0
    assert client.error("getblockfrompeer", unknown, 9) == (-1, "Peer does not exist")
    assert client.call("getblockfrompeer", unknown, 2) == {}
    assert client.peers.asked == [(bytes.fromhex(unknown)[::-1], 2)]
    assert client.error("getblockfrompeer", UNKNOWN, 2) == (-1, "Block header missing")
    assert client.error("getblockfrompeer", client.mine()[0], 2) == (-1, "Block already downloaded")


def test_deployments_and_states(client: Client) -> None:
    client.mine(1)
    info = client.call("getdeploymentinfo")
    assert info["height"] == 1 and info["deployments"]["segwit"] == {"type": "buried", "active": True, "height": 0}
    assert {"P2SH", "WITNESS", "TAPROOT", "NULLDUMMY"} <= set(info["script_flags"])
    assert client.call("getdeploymentinfo", client.call("getblockhash", 0))["height"] == 0
    states = client.call("getchainstates")
    assert states["headers"] == 1 and states["chainstates"][0]["validated"] is True


def test_block_filters(client: Client) -> None:
    (block,) = client.mine()
    found = client.call("getblockfilter", block)
    assert found["filter"].startswith("01") and len(found["header"]) == 64
    assert client.error("getblockfilter", block, "strange") == (-5, "Unknown filtertype")
    assert client.error("getblockfilter", UNKNOWN) == (-5, "Block not found")
    plain = Client(indexed=False)
    try:
        wrong = (-1, "Index is not enabled for filtertype basic")
        assert plain.error("getblockfilter", plain.call("getbestblockhash")) == wrong
    finally:
        plain.close()


def test_verify_chain_and_prune(client: Client) -> None:
    client.mine(8)
    for level in range(5):
        assert client.call("verifychain", level, 0) is True
    assert client.call("verifychain") is True
    assert client.error("verifychain", 5)[0] == -8
    wrong = (-1, "Cannot prune blocks because node is not in prune mode.")
    assert client.error("pruneblockchain", 1) == wrong


def test_waiting_for_blocks(client: Client) -> None:
    async def scenario() -> None:
        tip = await client.acall("getbestblockhash")
        waiting = [
            asyncio.create_task(client.acall("waitfornewblock", 20_000)),
            asyncio.create_task(client.acall("waitforblockheight", 2, 20_000)),
        ]
        await asyncio.sleep(0)
        first, second = await client.acall("generatetoaddress", 2, ANYONE.wpkh)
        assert (await waiting[0])["hash"] in (first, second)
        assert await waiting[1] == {"hash": second, "height": 2}
        assert await client.acall("waitforblock", second, 20_000) == {"hash": second, "height": 2}
        assert await client.acall("waitforblock", tip, 1) == {"hash": second, "height": 2}
        assert await client.acall("waitfornewblock", 20_000, tip) == {"hash": second, "height": 2}

    client.run(scenario())
    assert client.error("waitfornewblock", -1) == (-1, "Negative timeout")


@pytest.mark.parametrize("method", ["waitfornewblock", "waitforblockheight"])
def test_waiting_ends_with_the_node(client: Client, method: str) -> None:
    async def scenario() -> None:
        task = asyncio.create_task(client.acall(method, *(() if method == "waitfornewblock" else (5,))))
        await asyncio.sleep(0)
        client.node.stop()
        assert (await asyncio.wait_for(task, 10))["height"] == 0

    client.run(scenario())
