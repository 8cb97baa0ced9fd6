"""`chainyard wallet stake` and `chainyard mint` on real processes, and amounts of PeerCoin's coin."""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from chains.peercoin import STAKE_DEV
from node.testnet import wait_for
from tests.scenarios.processes import Place

pytestmark = pytest.mark.scenario
START = STAKE_DEV.genesis.header.timestamp + 60


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    made = Place(tmp_path)
    yield made
    made.close()


def stake_dev(place: Place, blocks: int = 20) -> Any:
    """A node whose wallet mined coins, a minute apart; its client. Commands find it with `--chain stake-dev`."""
    client = place.node(chain="stake-dev").client
    place.json("wallet", "create", "w", "--chain", "stake-dev")
    address = place.json("wallet", "address", "--chain", "stake-dev")["address"]
    for at in range(blocks):
        client.call("setmocktime", START + 60 * at)
        client.call("generatetoaddress", 1, address)
    return client


def test_coins_stake_once_they_are_old_enough(place: Place) -> None:
    there = ("--chain", "stake-dev")
    client = stake_dev(place, 12)
    empty = place.run("wallet", "stake", *there)
    assert empty.returncode == 0 and empty.stdout.startswith("staking      off\n"), empty
    assert place.json("wallet", "stake", "status", *there)["enabled"] is False
    assert place.json("wallet", "stake", "on", *there)["enabled"] is True
    info = place.json("wallet", "stake", *there)
    assert info["ripe"] < info["coins"]
    place.json("wallet", "stake", "off", *there)
    before = client.call("getblockcount")
    hashes = place.json("mint", 3, *there)["blocks"]
    grown = [
        client.call("getblock", client.call("getblockhash", h))
        for h in range(before + 1, client.call("getblockcount") + 1)
    ]
    staked = [block["hash"] for block in grown if block["flags"].startswith("proof-of-stake")]
    assert staked == hashes and len(hashes) == 3 and client.call("getbestblockhash") == hashes[-1]
    assert len(grown) == 3 + sum(
        block["flags"].startswith("proof-of-work") for block in grown
    )  # work for a tip too old
    told = place.run("mint", *there)
    assert told.returncode == 0 and told.stdout.startswith("minted 1 blocks, tip "), told
    assert place.json("wallet", "stake", "on", *there)["enabled"] is True
    shown = place.run("wallet", "stake", "off", *there)
    rows = dict(line.split(maxsplit=1) for line in shown.stdout.splitlines() if not line.startswith(("last", "next")))
    assert rows["staking"] == "off" and rows["weight"].endswith(" coin-days") and "old enough" in rows["coins"]
    assert place.json("wallet", "stake", *there)["enabled"] is False


def test_why_nothing_stakes_is_one_line(place: Place) -> None:
    there = ("--chain", "stake-dev")
    place.node(chain="stake-dev")
    nobody = place.run("wallet", "stake", *there)
    assert nobody.returncode == 1 and "wallet list" in nobody.stderr and len(nobody.stderr.splitlines()) == 1
    place.json("wallet", "create", "w", *there)
    poor = place.run("mint", *there)
    assert poor.returncode == 1 and poor.stderr.startswith("error: ") and len(poor.stderr.splitlines()) == 1, poor
    assert "coin" in poor.stderr
    assert place.run("mint", "0", *there).returncode == 2
    assert place.run("wallet", "stake", "perhaps", *there).returncode == 2


def test_a_chain_without_stake_says_so(place: Place) -> None:
    place.node()
    place.json("wallet", "create", "w")
    for words in (("wallet", "stake"), ("wallet", "stake", "on"), ("mint",)):
        found = place.run(*words)
        assert found.returncode == 1 and len(found.stderr.splitlines()) == 1, found


def test_without_a_node_it_says_how_to_start_one(place: Place) -> None:
    place.root.mkdir(exist_ok=True)
    for words in (("mint",), ("wallet", "stake")):
        found = place.run(*words, "--json")
        assert found.returncode == 3 and "chainyard dev" in found.stderr


def test_minting_on_a_local_network_moves_every_clock(place: Place) -> None:
    place.root.mkdir(exist_ok=True)
    up = place.run("net", "up", "--chain", "stake-dev", "--stakers", "1")
    assert up.returncode == 0, up.stderr
    try:
        done = place.json("mint", 4)
        assert len(done["blocks"]) == 4 and done["clocks"]
        names, last = [row["name"] for row in place.json("net", "status")], done["blocks"][-1]

        def has_it(name: str) -> bool:
            found = place.run("rpc", "getblockheader", last, "--node", name, "--json")
            return found.returncode == 0 and json.loads(found.stdout)["confirmations"] > 0

        assert len(names) > 1 and wait_for(lambda: all(map(has_it, names)), 30), "it is ahead of no clock"
        assert place.json("wallet", "stake", "--node", "node2")["enabled"] is True
    finally:
        assert place.run("net", "down").returncode == 0


def test_amounts_are_in_the_chains_own_coin(place: Place) -> None:
    there = ("--chain", "peercoin-regtest")
    client = place.node(chain="peercoin-regtest").client
    place.json("wallet", "create", "w", *there)
    address = place.json("wallet", "address", *there)["address"]
    client.call("generatetoaddress", 61, address)
    assert client.call("getnetworkinfo")["coin"] == {"unit": "ppc", "decimals": 6}
    for wrong in ("1btc", "5sat"):
        found = place.run("wallet", "send", address, wrong, "--yes", *there)
        assert found.returncode == 2 and "not a unit of this chain" in found.stderr and "ppc" in found.stderr
    assert "finer than 0.000001 ppc" in place.run("wallet", "send", address, "0.0000001ppc", "--yes", *there).stderr
    dry = place.json("wallet", "send", address, "1.5ppc", "--dry-run", *there)
    assert dry["outputs"] == [{"address": address, "amount": "1.500000"}]
    sent = place.run("wallet", "send", address, "1.5ppc", "--yes", *there)
    assert sent.returncode == 0 and "1.5 ppc" in sent.stderr and "unit/vB" in sent.stderr, sent
    txid = sent.stdout.strip()
    tx = client.call("getrawtransaction", txid, 1)
    assert tx["version"] == 3 and "time" not in tx
    fee = Decimal(dry["fee"])
    assert fee * 1_000_000 >= 10 * tx["size"], "the least fee of the chain's consensus"
    (block,) = client.call("generatetoaddress", 1, address)
    assert txid in client.call("getblock", block)["tx"]
    balance = place.run("wallet", "balance", *there)
    assert balance.returncode == 0 and balance.stdout.splitlines()[0].endswith(" ppc")


def test_raw_transactions_bear_the_version_and_time_of_the_chain(place: Place) -> None:
    client = place.node(chain="peercoin-regtest").client
    client.call("setmocktime", 1_750_000_000)
    spent = [{"txid": "11" * 32, "vout": 0}]
    address = "mkHS9ne12qx9pS9VojpwU5xtRd4T7X7ZUt"
    raw = client.call("createrawtransaction", spent, [{address: 1.5}])
    plain = client.call("decoderawtransaction", raw)
    assert plain["version"] == 3 and "time" not in plain and plain["vout"][0]["value"] == Decimal("1.500000")
    older = client.call("createrawtransaction", spent, [{address: 1.5}], 0, True, 2)
    assert bytes.fromhex(older)[:8] == (2).to_bytes(4, "little") + (1_750_000_000).to_bytes(4, "little")
    assert client.call("decoderawtransaction", older)["time"] == 1_750_000_000
