"""The staking methods, called as clients call them, on a local chain of work and stake with wallets."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from chains.bitcoin import REGTEST
from chains.catalogue import load
from chains.peercoin import STAKE_DEV
from node.rpc.catalogue import bitcoin_dispatcher, given
from node.rpc.errors import RpcError
from node.staking import Staking
from node.wallets import Wallets
from tests.node.rpc.wallet_harness import WalletClient

FAMILIES = ("bitcoin", "wallet", "peercoin")


class StakeClient(WalletClient):
    """A client of a node on stake-dev."""

    def __init__(self, folder: Path, spec: Any = STAKE_DEV) -> None:
        super().__init__(folder, spec)
        self.staking = Staking(self.node, self.wallets)
        more = {Wallets: given(self.wallets), Staking: given(self.staking)}
        self.dispatcher = bitcoin_dispatcher(self.node, self.peers, self.control, more, FAMILIES)


@pytest.fixture
def client(tmp_path: Path) -> Iterator[StakeClient]:
    made = StakeClient(tmp_path)
    made.env.freeze(STAKE_DEV.genesis.header.timestamp + 60)
    yield made
    made.close()


def funded(client: StakeClient, blocks: int = 20, kinds: tuple[str, ...] = ("legacy", "bech32", "bech32m")) -> Any:
    wallet = client.made("w")
    for at in range(blocks):
        client.env.advance(60)
        client.mine(1, wallet.call("getnewaddress", "", kinds[at % len(kinds)]))
    return wallet


def test_blocks_are_minted_at_once_and_shown_with_their_fields(client: StakeClient) -> None:
    wallet = funded(client)
    hashes = wallet.call("mint", 12)
    assert len(hashes) == 12 and client.call("getbestblockhash") == hashes[-1]
    kinds = set()
    for name in hashes:
        block = client.call("getblock", name, 2)
        assert block["flags"].startswith("proof-of-stake") and len(block["proofhash"]) == 64
        assert block["entropybit"] in (0, 1) and len(block["modifier"]) == 16 and int(block["trust"], 16) >= 2
        assert block["mint"] >= 0 and block["blocksignature"].startswith("30")
        coinstake = block["tx"][1]
        assert coinstake["vout"][1]["scriptPubKey"]["type"] == "pubkey"
        kinds.add(coinstake["vout"][-1]["scriptPubKey"]["type"])
    assert len(kinds) > 1, "coins of different kinds staked"
    work = client.call("getblock", client.call("getblockhash", 3))
    assert work["flags"].startswith("proof-of-work") and work["mint"] == 50 and work["nHeightStake"] == 0
    assert work["proofhash"] == work["hash"]
    both = client.call("getdifficulty")
    assert set(both) == {"proof-of-work", "proof-of-stake", "search-interval"}


def test_the_wallet_keeps_what_it_staked(client: StakeClient) -> None:
    wallet = funded(client)
    client.env.advance(700)
    client.mine(12)
    before = wallet.call("getbalances")["mine"]
    wallet.call("mint", 3)
    client.mine(12)
    after = wallet.call("getbalances")["mine"]
    assert sum(after[k] for k in ("trusted", "immature")) > sum(before[k] for k in ("trusted", "immature"))


def test_what_could_be_minted(client: StakeClient) -> None:
    wallet = funded(client)
    rows = wallet.call("listminting")
    assert len(rows) == 20 and {r["status"] for r in rows} == {"immature", "mature"}
    assert all(r["amount"] == 50 for r in rows) and rows == sorted(rows, key=lambda r: r["time"])
    assert wallet.call("listminting", 2, 1) == rows[1:3]
    ripe = [r for r in rows if r["status"] == "mature" and r["coin-day-weight"]]
    assert ripe and all(0 < r["minting-probability-10min"] <= r["minting-probability-24h"] <= 1 for r in ripe)
    info = wallet.call("getstakinginfo")
    assert (info["enabled"], info["staking"], info["coins"], info["moneysupply"]) == (False, False, 20, 1000)
    assert info["ripe"] == len([r for r in rows if r["status"] == "mature"]) and info["weight"] > 0
    assert info["expectedtime"] >= 1


def test_a_reserve_is_kept_out(client: StakeClient) -> None:
    wallet = funded(client)
    assert wallet.call("reservebalance") == {"reserve": False, "amount": 0}
    assert wallet.call("reservebalance", True, 120) == {"reserve": True, "amount": 120}
    assert len(wallet.call("listminting")) == 17
    assert wallet.call("reservebalance", False)["reserve"] is False
    assert len(wallet.call("listminting")) == 20
    for wrong in ((True,), (False, 5)):
        with pytest.raises(RpcError):
            wallet.call("reservebalance", *wrong)


def test_coins_that_stake_beside_a_reserve_are_not_spent(client: StakeClient) -> None:
    wallet = funded(client)
    client.mine(20)
    target = wallet.call("getnewaddress")
    wallet.call("reservebalance", True, 120)
    assert wallet.call("staking", True) is True
    before = {(c["input-txid"], c["vout"]) for c in wallet.call("listminting")}
    refused = wallet.error("sendtoaddress", target, 200)
    assert refused[0] == -6 and "kept for minting" in refused[1]
    sent = wallet.call("sendtoaddress", target, 130)
    spent = client.call("getrawtransaction", sent, True)["vin"]
    assert len(spent) == 3 and not before & {(i["txid"], i["vout"]) for i in spent}
    by_hand = sorted(before)[0]
    chosen = {"inputs": [{"txid": by_hand[0], "vout": by_hand[1]}], "add_inputs": False}
    assert wallet.call("send", [{target: 20}], options=chosen)["complete"] is True
    assert wallet.call("staking", False) is False
    assert wallet.call("sendtoaddress", target, 300)


@pytest.mark.parametrize(("name", "version"), [("stake-dev", 2), ("peercoin-regtest", 3)])
def test_payments_are_bumped_and_paid_for_by_children(tmp_path: Path, name: str, version: int) -> None:
    client = StakeClient(tmp_path, load(name))
    try:
        client.env.freeze(1_750_000_000)
        wallet, other = funded(client, kinds=("bech32",)), client.made("other")
        own = wallet.call("getnewaddress")
        client.mine(client.wallets.net.maturity + 1, own)
        first = wallet.call("sendtoaddress", other.call("getnewaddress"), 5)
        second = wallet.call("bumpfee", first)
        assert client.call("getrawmempool") == [second["txid"]]
        child = other.call("childpaysforparent", second["txid"])
        assert set(client.call("getrawmempool")) == {second["txid"], child["txid"]}
        pooled = [client.call("getrawtransaction", txid, True) for txid in client.call("getrawmempool")]
        assert {tx["version"] for tx in pooled} == {version}
        client.mine(1, own)
        assert other.call("getbalance") == 5 - child["fee"]
    finally:
        client.close()


def test_why_nothing_can_stake(client: StakeClient) -> None:
    poor = client.made("poor")
    client.mine(3)
    with pytest.raises(RpcError) as e:
        poor.call("mint")
    assert "no-coins" in e.value.message
    poor.call("encryptwallet", "secret")
    with pytest.raises(RpcError) as e:
        poor.call("mint")
    assert "locked" in e.value.message
    assert poor.call("getstakinginfo")["state"] == "locked"


def test_staking_goes_on_and_off(client: StakeClient) -> None:
    wallet = funded(client, 4)
    assert wallet.call("staking", True) is True
    assert wallet.call("getstakinginfo")["enabled"] is True
    assert wallet.call("staking", False) is False
    assert wallet.call("getstakinginfo")["enabled"] is False
    with pytest.raises(RpcError):
        wallet.call("mint", 0)


def test_a_chain_without_stake_says_so(tmp_path: Path) -> None:
    client = StakeClient(tmp_path, REGTEST)
    try:
        wallet = client.made("w")
        for method in ("listminting", "getstakinginfo", "mint", "staking", "reservebalance"):
            with pytest.raises(RpcError):
                wallet.call(method)
        client.mine(1)
        assert "flags" not in client.call("getblock", client.call("getbestblockhash"))
        assert isinstance(client.call("getdifficulty"), Decimal)
    finally:
        client.close()
