"""Mining: generating, templates, proposals, submitted blocks and headers, hash rates."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

from node.rpc.lookup import block_bytes
from primitives import merkle
from primitives.bitcoin import (
    NULL_OUTPOINT,
    BitcoinBlock,
    BitcoinHeader,
    Transaction,
    TxInput,
    TxOutput,
    decode_block,
    decode_transaction,
)
from tests.builders import sealed
from tests.node.rpc.harness import ANYONE, Client, Key
from tests.node.rpc.test_mempool import child, pay

RULES = {"rules": ["segwit"]}


def block_of(template: dict[str, Any], time: int | None = None) -> BitcoinBlock:
    """The block that a template describes, as a miner would build it."""
    height = template["height"]
    script = bytes((0x50 + height,)) + b"\x00" if height <= 16 else bytes((1 + (height > 0x7F), *_digits(height)))
    outputs = [TxOutput(template["coinbasevalue"], b"\x51")]
    outputs.append(TxOutput(0, bytes.fromhex(template["default_witness_commitment"])))
    coinbase = Transaction(2, (TxInput(NULL_OUTPOINT, script, 0xFFFFFFFF, (bytes(32),)),), tuple(outputs))
    txs = (coinbase, *(decode_transaction(bytes.fromhex(t["data"])) for t in template["transactions"]))
    header = BitcoinHeader(
        template["version"],
        bytes.fromhex(template["previousblockhash"])[::-1],
        merkle.root([tx.id for tx in txs]),
        time or template["curtime"],
        int(template["bits"], 16),
        0,
    )
    return sealed(BitcoinBlock(header, txs))


def _digits(height: int) -> bytes:
    return height.to_bytes(height.bit_length() // 8 + 1, "little")


def hex_of(client: Client, block: BitcoinBlock) -> str:
    """A block as clients send it."""
    return block_bytes(client.node.spec, block).hex()


def test_generating(client: Client) -> None:
    hashes = client.call("generatetoaddress", 2, ANYONE.tr)
    assert client.call("getblock", hashes[0], 2)["tx"][0]["vout"][0]["scriptPubKey"]["address"] == ANYONE.tr
    assert client.error("generatetoaddress", 1, "nowhere") == (-5, "Error: Invalid address")
    (block,) = client.call("generatetodescriptor", 1, f"combo({ANYONE.public.hex()})")
    assert client.call("getblock", block, 2)["tx"][0]["vout"][0]["scriptPubKey"]["address"] == ANYONE.wpkh
    whole = Key(7, False)
    (block,) = client.call("generatetodescriptor", 1, f"combo({whole.public.hex()})")
    assert client.call("getblock", block, 2)["tx"][0]["vout"][0]["scriptPubKey"]["address"] == whole.pkh
    assert client.error("generatetodescriptor", 1, "nonsense(1)")[0] == -5
    xpub = "tpubD6NzVbkrYhZ4WaWSyoBvQwbpLkojyoTZPRsgXELWz3Popb3qkjcJyJUGLnL4qHHoQvao8ESaAstxYSnhyswJ76uZPStJRJCTKvosUCJZL5B"
    assert client.error("generatetodescriptor", 1, f"wpkh({xpub}/*)")[0] == -8
    assert client.error("generatetodescriptor", 1, f"wpkh({xpub}/<0;1>)") == (-8, "Multipath descriptor not accepted")
    assert client.error("generate")[0] == -32601
    assert client.call("generatetoaddress", 0, ANYONE.wpkh) == []


def test_a_block_of_chosen_transactions(rich: Client) -> None:
    rich.mine(2)
    first, second = pay(rich, 1), pay(rich, 2)
    heir = child(rich, first)
    pooled = rich.call("sendrawtransaction", second)
    made = rich.call("generateblock", ANYONE.wpkh, [first, heir])
    assert list(made) == ["hash"]
    assert len(rich.call("getblock", made["hash"])["tx"]) == 3
    assert rich.call("getrawmempool") == [pooled]
    made = rich.call("generateblock", "raw(51)", [pooled], False)
    assert rich.call("getblockcount") == 104
    assert rich.call("submitblock", made["hex"]) is None
    assert rich.call("getbestblockhash") == made["hash"] and rich.call("getrawmempool") == []
    assert rich.error("generateblock", ANYONE.wpkh, ["55" * 32]) == (-5, f"Transaction {'55' * 32} not in mempool.")
    assert rich.error("generateblock", ANYONE.wpkh, ["5555"])[0] == -22
    assert rich.error("generateblock", "nowhere", []) == (-5, "Error: Invalid address or descriptor")
    code, message = rich.error("generateblock", ANYONE.wpkh, [first])
    assert code == -25 and message.startswith("TestBlockValidity failed: ")
    early = rich.error("generateblock", ANYONE.wpkh, [child(rich, pay(rich, 3, "0.1")), pay(rich, 3, "0.1")])
    assert early == (-25, "TestBlockValidity failed: bad-txns-inputs-missingorspent")


def test_a_template_becomes_a_block(rich: Client) -> None:
    parent = pay(rich, 1)
    ids = [rich.call("sendrawtransaction", raw) for raw in (parent, child(rich, parent, "0.01"))]
    template = rich.call("getblocktemplate", RULES)
    assert list(template) == [
        "capabilities", "version", "rules", "vbavailable", "vbrequired", "previousblockhash", "transactions", "coinbaseaux",
        "coinbasevalue", "longpollid", "target", "mintime", "mutable", "noncerange", "sigoplimit", "sizelimit", "weightlimit", "curtime",
        "bits", "height", "default_witness_commitment",
    ]  # fmt: skip
    rows = template["transactions"]
    assert [row["txid"] for row in rows] == ids
    assert [row["depends"] for row in rows] == [[], [1]]
    assert [row["fee"] for row in rows] == [10_000, 1_000_000]
    assert [row["sigops"] for row in rows] == [1, 1]
    assert template["coinbasevalue"] == 50 * 10**8 + 1_010_000 and template["height"] == 102
    block = block_of(template)
    assert rich.call("getblocktemplate", {"mode": "proposal", "data": hex_of(rich, block)}) is None
    assert rich.call("submitblock", hex_of(rich, block)) is None
    assert rich.call("getbestblockhash") == block.header.hash[::-1].hex()
    assert rich.call("submitblock", hex_of(rich, block)) == "duplicate"
    assert rich.call("getblocktemplate", {"mode": "proposal", "data": hex_of(rich, block)}) == "duplicate"
    assert rich.call("getmininginfo")["currentblocktx"] == 2


def test_template_requests_that_make_no_sense(client: Client) -> None:
    needs = 'getblocktemplate must be called with the segwit rule set (call with {"rules": ["segwit"]})'
    assert client.error("getblocktemplate") == (-8, needs)
    assert client.error("getblocktemplate", {"mode": "strange"}) == (-8, "Invalid mode")
    assert client.error("getblocktemplate", {"mode": 1}) == (-8, "Invalid mode")
    assert client.error("getblocktemplate", {"mode": "proposal"}) == (-3, "Missing data String key for proposal")
    assert client.error("getblocktemplate", {"mode": "proposal", "data": "00"}) == (-22, "Block decode failed")
    assert client.error("getblocktemplate", {**RULES, "longpollid": "xx"})[0] == -8
    assert client.error("getblocktemplate", {"rules": [1]})[0] == -3


def test_proposals_are_judged_without_their_seal(client: Client) -> None:
    client.mine(1)
    template = client.call("getblocktemplate", RULES)
    good = block_of(template)

    def verdict(block: BitcoinBlock) -> Any:
        return client.call("getblocktemplate", {"mode": "proposal", "data": hex_of(client, block)})

    assert verdict(good) is None
    unsealed = BitcoinBlock(replace(good.header, nonce=good.header.nonce ^ 0xFFFF), good.txs)
    assert verdict(unsealed) is None
    assert verdict(BitcoinBlock(replace(good.header, bits=0x1D00FFFF), good.txs)) == "bad-diffbits"
    assert verdict(BitcoinBlock(replace(good.header, parent=bytes(32)), good.txs)) == "inconclusive-not-best-prevblk"
    assert verdict(BitcoinBlock(replace(good.header, merkle_root=bytes(32)), good.txs)) == "bad-txnmrklroot"
    assert verdict(BitcoinBlock(replace(good.header, timestamp=1), good.txs)) == "time-too-old"
    assert verdict(BitcoinBlock(replace(good.header, timestamp=2**32 - 1), good.txs)) == "time-too-new"


def test_submitted_blocks_that_are_bad(client: Client) -> None:
    client.mine(1)
    assert client.error("submitblock", "00") == (-22, "Block decode failed")
    assert client.error("submitblock", "xy") == (-22, "Block decode failed")
    template = client.call("getblocktemplate", RULES)
    good = block_of(template)
    orphan = sealed(BitcoinBlock(replace(good.header, parent=b"\x01" * 32), good.txs))
    assert client.call("submitblock", hex_of(client, orphan)) == "prev-blk-not-found"
    greedy = replace(good.txs[0], outputs=(TxOutput(51 * 10**8, b"\x51"), good.txs[0].outputs[1]))
    bad = sealed(BitcoinBlock(replace(good.header, merkle_root=merkle.root([greedy.id])), (greedy,)))
    assert client.call("submitblock", hex_of(client, bad)) == "bad-cb-amount"
    assert client.call("submitblock", hex_of(client, bad)) == "duplicate-invalid"
    assert client.call("submitblock", hex_of(client, good)) is None


def test_a_block_without_its_reserved_value_is_completed(client: Client) -> None:
    client.mine(1)
    whole = block_of(client.call("getblocktemplate", RULES))
    coinbase = replace(whole.txs[0], inputs=(whole.txs[0].inputs[0]._replace(witness=()),))
    stripped = BitcoinBlock(whole.header, (coinbase, *whole.txs[1:]))
    assert client.call("submitblock", hex_of(client, stripped)) is None


def test_a_side_block_is_inconclusive_and_blocks_wait_for_their_parents(client: Client) -> None:
    other = Client()
    try:
        theirs = [bytes.fromhex(other.call("getblock", h, 0)) for h in other.mine(3, Key(9).wpkh)]
    finally:
        other.close()
    client.mine(2)
    assert client.call("submitblock", theirs[2].hex()) == "prev-blk-not-found"
    assert client.call("submitblock", theirs[0].hex()) == "inconclusive"
    assert client.call("submitblock", theirs[0].hex()) == "duplicate"
    assert client.call("submitblock", theirs[1].hex()) is None
    assert client.call("getbestblockhash") == decode_block(theirs[2]).header.hash[::-1].hex()


def test_headers(client: Client) -> None:
    first = client.call("generateblock", "raw(51)", [], False)["hex"]
    assert client.call("submitheader", first[:160]) is None
    assert client.error("submitheader", "00") == (-22, "Block header decode failed")
    orphan = "00" * 4 + "77" * 32 + first[72:160]
    code, message = client.error("submitheader", orphan)
    assert code == -25 and message == f"Must submit previous header ({'77' * 32}) first"
    header = replace(decode_block(bytes.fromhex(first)).header, bits=0x1D00FFFF)
    assert client.error("submitheader", header.raw.hex())[1].startswith("bad-diffbits")


def test_long_polling(rich: Client) -> None:
    async def scenario() -> None:
        template = await rich.acall("getblocktemplate", RULES)
        asked = {**RULES, "longpollid": template["longpollid"]}
        waiting = asyncio.create_task(rich.acall("getblocktemplate", asked))
        done, _ = await asyncio.wait([waiting], timeout=0.05)
        assert not done
        (block,) = await rich.acall("generatetoaddress", 1, ANYONE.wpkh)
        assert (await asyncio.wait_for(waiting, 20))["previousblockhash"] == block
        again = await asyncio.wait_for(rich.acall("getblocktemplate", asked), 20)
        assert again["previousblockhash"] == block

    rich.run(scenario())


def test_hash_rates_and_mining_info(rich: Client) -> None:
    now = rich.call("getblockheader", rich.call("getbestblockhash"))["time"]
    rich.call("setmocktime", now + 100)
    rich.mine(1)
    rate = rich.call("getnetworkhashps", 1)
    assert float(rate) == 2 / 100
    assert rich.call("getnetworkhashps", 120, 0) == 0
    assert rich.call("getnetworkhashps", -1) > 0
    assert rich.error("getnetworkhashps", 0) == (-8, "Invalid nblocks. Must be a positive number or -1.")
    assert rich.error("getnetworkhashps", 1, 500) == (-8, "Block does not exist at specified height")
    info = rich.call("getmininginfo")
    assert (info["blocks"], info["chain"], info["pooledtx"]) == (102, "regtest", 0)
    assert info["next"]["height"] == 103 and info["bits"] == "207fffff"


def test_mining_continues_after_it_was_stopped(client: Client) -> None:
    client.node.stop_mining()
    assert len(client.mine(1)) == 1
