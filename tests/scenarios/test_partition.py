"""Three processes: mine, pay, partition, mine on both sides (50 against 49), heal. Then `kill -9` while blocks are connected."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any

import pytest

from node.client import NoConnection, RpcClient
from node.testnet import Testnet, wait_for
from tests.model_utxo import model_of
from tests.scenarios.conftest import NetMaker

pytestmark = [pytest.mark.scenario, pytest.mark.timeout(1_200)]
ANYONE = "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080"


def clients(net: Testnet) -> list[RpcClient]:
    return [net.client(m) for m in net.members]


def agree(nodes: list[RpcClient], seconds: float = 60) -> str:
    """Wait until all have one tip; returns it."""
    assert wait_for(lambda: len({n.call("getbestblockhash") for n in nodes}) == 1, seconds), [
        n.call("getblockcount") for n in nodes
    ]
    tip: str = nodes[0].call("getbestblockhash")
    return tip


def connected(nodes: list[RpcClient], least: int) -> None:
    assert wait_for(lambda: all(len(n.call("getpeerinfo")) >= least for n in nodes), 30)


def recomputed(node: RpcClient) -> str:
    """The hash of the UTXO set by a second model, from the raw blocks of genesis on."""
    heights = range(1, node.call("getblockcount") + 1)
    return model_of(bytes.fromhex(node.call("getblock", node.call("getblockhash", h), 0)) for h in heights).digest()


def test_the_heavier_side_wins_and_the_losers_payments_return(make_net: NetMaker) -> None:
    net = make_net(3)
    nodes = clients(net)
    connected(nodes, 1)
    for name, node in zip(("alice", "bob", "carol"), nodes, strict=True):
        node.call("createwallet", name)
    alice, bob, carol = (n.wallet(w) for n, w in zip(nodes, ("alice", "bob", "carol"), strict=True))
    nodes[0].call("generatetoaddress", 101, alice.call("getnewaddress"))
    agree(nodes)
    alice.call("sendtoaddress", bob.call("getnewaddress"), "10")
    alice.call("sendtoaddress", carol.call("getnewaddress"), "10")
    assert wait_for(lambda: len(nodes[2].call("getrawmempool")) == 2, 30)
    nodes[2].call("generatetoaddress", 1, ANYONE)
    agree(nodes)
    assert bob.call("getbalance") == Decimal(10) and carol.call("getbalance") == Decimal(10)

    net.partition([["node1"], ["node2", "node3"]])
    assert wait_for(lambda: not nodes[0].call("getpeerinfo"), 30)
    lost = alice.call("sendtoaddress", bob.call("getnewaddress"), "3")
    nodes[0].call("generatetoaddress", 49, ANYONE)
    kept = carol.call("sendtoaddress", bob.call("getnewaddress"), "4")
    assert wait_for(lambda: kept in nodes[1].call("getrawmempool"), 30)
    nodes[1].call("generatetoaddress", 50, ANYONE)
    winner = agree(nodes[1:])
    assert nodes[0].call("getbestblockhash") != winner
    assert nodes[0].call("getrawmempool") == []

    net.heal()
    assert agree(nodes) == winner
    assert wait_for(lambda: all(lost in n.call("getrawmempool") for n in nodes), 60)
    assert nodes[0].call("getchaintips")[1]["branchlen"] == 49
    assert alice.call("gettransaction", lost)["confirmations"] == 0
    nodes[0].call("generatetoaddress", 1, ANYONE)
    agree(nodes)
    assert bob.call("getbalance") == Decimal(17)
    assert wait_for(lambda: alice.call("gettransaction", lost)["confirmations"] == 1, 30)
    hashes = {n.call("gettxoutsetinfo")["hash_serialized_3"] for n in nodes}
    assert hashes == {recomputed(nodes[1])}
    for node, wallet in zip(nodes, (alice, bob, carol), strict=True):
        before = wallet.call("getbalances")["mine"]
        wallet.call("rescanblockchain")
        assert wallet.call("getbalances")["mine"] == before, node


def _until_killed(work: Callable[[], Any]) -> None:
    try:
        while True:
            work()
    except NoConnection:
        return


def test_a_node_that_is_killed_comes_back_on_the_old_or_the_new_tip(make_net: NetMaker) -> None:
    """20 kills (6 in the short run), each node in turn, while it connects blocks that another one mines."""
    draw = random.Random(2026)
    net = make_net(3)
    nodes = clients(net)
    connected(nodes, 1)
    nodes[0].call("generatetoaddress", 10, ANYONE)
    agree(nodes)
    with ThreadPoolExecutor(1) as pool:
        for turn in range(20 if os.environ.get("CHAINYARD_ALL") else 6):
            victim = net.members[turn % 3]
            before = clients(net)[turn % 3].call("getblockcount")
            miner = RpcClient(net.client(net.members[(turn + 1) % 3]).endpoint)
            if turn % 2:
                mining = pool.submit(lambda m=miner: m.call("generatetoaddress", 60, ANYONE))
            else:  # the victim itself mines while it dies
                own = RpcClient(net.client(victim).endpoint)
                mining = pool.submit(lambda o=own: _until_killed(lambda: o.call("generatetoaddress", 5, ANYONE)))
            target = before + draw.randrange(1, 20)
            watch = net.client(victim)
            wait_for(lambda w=watch, t=target: w.call("getblockcount") >= t, 20, 0.001)
            net.kill(victim.name)
            mining.result(timeout=60)
            net.start(only=[victim.name])
            back = net.client(net.member(victim.name))
            height = back.call("getblockcount")
            assert height >= before
            info = back.call("gettxoutsetinfo")
            assert info["height"] == height or info["height"] >= height
            others = clients(net)
            tip = agree(others)
            assert back.call("getblockhash", back.call("getblockcount")) == tip
    nodes = clients(net)
    hashes = {n.call("gettxoutsetinfo")["hash_serialized_3"] for n in nodes}
    assert hashes == {recomputed(nodes[0])}
