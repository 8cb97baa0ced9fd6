"""python-bitcoinlib's RPC proxy against a real process, with payments signed by embit: each kind of output is mined and spent."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any

import bitcoin
import bitcoin.rpc
import pytest
from bitcoin.core import CTransaction, b2lx, lx
from embit import ec, hashes, script
from embit.networks import NETWORKS
from embit.transaction import Transaction, TransactionInput, TransactionOutput
from embit.util import secp256k1

from tests.scenarios.conftest import NetMaker

pytestmark = pytest.mark.scenario

REGTEST = NETWORKS["regtest"]
KEYS = [ec.PrivateKey(bytes([n]) * 32) for n in range(1, 5)]
FEE = 10_000
LEAF = script.Script(b"\x20" + KEYS[1].get_public_key().xonly() + b"\xac")


def tagged(tag: str, data: bytes) -> bytes:
    return hashes.tagged_hash(tag, data)


LEAF_HASH = tagged("TapLeaf", b"\xc0" + LEAF.serialize())


def outputs() -> dict[str, Any]:
    """One output script of each kind, as embit builds it."""
    key = KEYS[0].get_public_key()
    multi = script.multisig(2, [k.get_public_key() for k in KEYS[:3]])
    return {
        "p2pkh": script.p2pkh(key),
        "p2sh-p2wpkh": script.p2sh(script.p2wpkh(key)),
        "p2wpkh": script.p2wpkh(key),
        "p2wsh 2-of-3": script.p2wsh(multi),
        "p2tr key path": script.p2tr(key),
        "p2tr script path": script.Script(b"\x51\x20" + key.taproot_tweak(LEAF_HASH).xonly()),
    }


def sign(kind: str, tx: Transaction, locked: Any, value: int) -> None:
    """Fill in what unlocks the only input."""
    key, spend = KEYS[0], tx.vin[0]
    public = key.get_public_key()
    if kind == "p2pkh":
        signature = key.sign(tx.sighash_legacy(0, locked)).serialize() + b"\x01"
        spend.script_sig = script.script_sig_p2pkh(key.sign(tx.sighash_legacy(0, locked)), public)
        assert signature in spend.script_sig.data
    elif kind in ("p2wpkh", "p2sh-p2wpkh"):
        digest = tx.sighash_segwit(0, script.p2pkh(public), value)
        spend.witness = script.witness_p2wpkh(key.sign(digest), public)
        if kind == "p2sh-p2wpkh":
            spend.script_sig = script.script_sig_p2sh(script.p2wpkh(public))
    elif kind == "p2wsh 2-of-3":
        multi = script.multisig(2, [k.get_public_key() for k in KEYS[:3]])
        digest = tx.sighash_segwit(0, multi, value)
        signatures = [k.sign(digest).serialize() + b"\x01" for k in (KEYS[0], KEYS[2])]
        spend.witness = script.Witness([b"", *signatures, multi.data])
    elif kind == "p2tr key path":
        digest = tx.sighash_taproot(0, [locked], [value])
        spend.witness = script.Witness([key.taproot_tweak(b"").schnorr_sign(digest).serialize()])
    else:
        digest = tx.sighash_taproot(0, [locked], [value], ext_flag=1, script=LEAF)
        even = secp256k1.ec_pubkey_parse(b"\x02" + public.xonly())
        output = secp256k1.ec_pubkey_add(even, tagged("TapTweak", public.xonly() + LEAF_HASH))
        parity = secp256k1.ec_pubkey_serialize(output)[0] & 1  # embit's own tweak forgets it
        control = bytes([0xC0 | parity]) + public.xonly()
        spend.witness = script.Witness([KEYS[1].schnorr_sign(digest).serialize(), LEAF.data, control])


@pytest.fixture
def proxy(make_net: NetMaker, tmp_path: Path) -> Any:
    """The proxy, finding the node by its configuration file and cookie as it would find bitcoind."""
    net = make_net(1)
    member = net.members[0]
    conf = tmp_path / "bitcoin.conf"
    conf.write_text(f"rpcport={member.bitcoin_rpc_port}\nregtest=1\n")
    bitcoin.SelectParams("regtest")
    cookie = (Path(member.folder) / "regtest" / ".cookie").read_text()
    url = f"http://{cookie}@127.0.0.1:{member.bitcoin_rpc_port}"
    return bitcoin.rpc.Proxy(service_url=url, btc_conf_file=str(conf))


def test_each_kind_of_output_is_paid_mined_and_spent(proxy: Any) -> None:
    scripts = outputs()
    funding = str(script.p2wpkh(KEYS[3].get_public_key()).address(REGTEST))
    first = proxy.call("generatetoaddress", 101, funding)[0]
    block = proxy.getblock(lx(first))
    coinbase = block.vtx[0]
    value = coinbase.vout[0].nValue
    share = (value - FEE) // len(scripts)
    fund = Transaction(
        vin=[TransactionInput(coinbase.GetTxid()[::-1], 0)],
        vout=[TransactionOutput(share, s) for s in scripts.values()],
    )
    key = KEYS[3]
    digest = fund.sighash_segwit(0, script.p2pkh(key.get_public_key()), value)
    fund.vin[0].witness = script.witness_p2wpkh(key.sign(digest), key.get_public_key())
    raw = fund.serialize()
    assert proxy.call("testmempoolaccept", [raw.hex()])[0]["allowed"]
    txid = proxy.sendrawtransaction(CTransaction.stream_deserialize(BytesIO(raw)))
    assert txid == fund.txid()[::-1]
    assert txid in proxy.getrawmempool()
    proxy.call("generatetoaddress", 1, funding)
    assert proxy.getrawmempool() == []

    spends = []
    for n, (kind, locked) in enumerate(scripts.items()):
        tx = Transaction(
            vin=[TransactionInput(fund.txid(), n)],
            vout=[TransactionOutput(share - FEE, script.p2wpkh(KEYS[3].get_public_key()))],
        )
        wrong = Transaction(
            vin=[TransactionInput(fund.txid(), n)], vout=[TransactionOutput(share - 2 * FEE, scripts["p2wpkh"])]
        )
        sign(kind, wrong, locked, share)
        wrong.vout[0].value += 1
        refused = proxy.call("testmempoolaccept", [wrong.serialize().hex()])[0]
        assert not refused["allowed"] and "script-verify-flag-failed" in refused["reject-reason"], (kind, refused)
        sign(kind, tx, locked, share)
        proxy.call("sendrawtransaction", tx.serialize().hex())
        spends.append(tx)
    mined = proxy.call("generatetoaddress", 1, funding)[0]
    found = proxy.getblock(lx(mined))
    assert {b2lx(t.GetTxid()) for t in found.vtx[1:]} == {t.txid().hex() for t in spends}
    decoded = proxy.call("getblock", mined, 2)
    assert [t["hex"] for t in decoded["tx"][1:]] == [t.serialize().hex() for t in spends] or {
        t["txid"] for t in decoded["tx"][1:]
    } == {t.txid().hex() for t in spends}
    for n in range(len(scripts)):
        assert proxy.call("gettxout", fund.txid().hex(), n) is None


def test_the_proxys_own_calls(proxy: Any) -> None:
    proxy.call("createwallet", "w")
    address = proxy.getnewaddress()
    proxy.call("generatetoaddress", 101, str(address))
    assert proxy.getblockcount() == 101
    assert proxy.getbalance() == 50 * 10**8
    tip = proxy.getbestblockhash()
    assert proxy.getblockhash(101) == tip
    assert proxy.getblockheader(tip).GetHash() == tip
    assert proxy.getblock(tip).GetHash() == tip
    with pytest.raises(IndexError):
        proxy.getblockhash(102)
    with pytest.raises(IndexError):
        proxy.getblock(bytes(32))
    coins = proxy.listunspent()
    assert len(coins) == 1 and coins[0]["amount"] == 50 * 10**8
    out = proxy.gettxout(coins[0]["outpoint"])
    assert out["txout"].nValue == 50 * 10**8 and out["confirmations"] == 101
    txid = proxy.sendtoaddress(proxy.getnewaddress(), 10**8)
    assert proxy.getrawmempool() == [txid]
    assert proxy.gettransaction(txid)["confirmations"] == 0
    tx = proxy.getrawtransaction(txid)
    assert tx.GetTxid() == txid
    assert proxy.validateaddress(str(address))["isvalid"]
    assert proxy.getreceivedbyaddress(address) == 50 * 10**8
    assert proxy.call("getmininginfo")["chain"] == "regtest"
    change = proxy.listunspent(0)[0]["outpoint"]
    assert proxy.lockunspent(False, [change])
