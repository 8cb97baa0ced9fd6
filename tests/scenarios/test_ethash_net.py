"""Three processes with small Ethash: fork, heal, ommers, edits that come and go, and `kill -9` while blocks are connected."""

from __future__ import annotations

import os
import random
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import pytest

from chains.ethereum import SPECS
from node.chain import Chain
from node.client import NoConnection, RpcClient
from node.rpc.errors import RpcError
from node.testnet import Testnet, wait_for
from primitives.ethereum import decode_block
from storage.memory import MemoryStore
from tests.scenarios.conftest import NetMaker

pytestmark = [pytest.mark.scenario, pytest.mark.timeout(1_200)]
KILLS = 20 if os.environ.get("CHAINYARD_ALL") else 4
PATIENCE = 120.0
"""Seconds."""
RICH = "0x" + "d1" * 20
LOSER, WINNER = "0x" + "a1" * 20, "0x" + "b1" * 20
REWARD = 2 * 10**18
TIP = 21_000 * 10**9
"""What a payment leaves to the miner."""


class Net:
    """A network with a client of each kind for each node."""

    def __init__(self, net: Testnet) -> None:
        self.net = net

    @property
    def control(self) -> list[RpcClient]:
        """Clients of the control ports."""
        return [self.net.client(m) for m in self.net.members]

    def eth(self, at: int, method: str, *params: Any) -> Any:
        """A call to a node's Ethereum-style port."""
        return self.net.accounts(self.net.members[at]).call(method, *params)

    def mine(self, at: int, count: int, payee: str = WINNER) -> list[str]:
        """Blocks on a node; their hashes, in the order of the bytes."""
        found = self.control[at].call("generatetoaddress", count, payee)
        assert len(found) == count
        return ["0x" + bytes.fromhex(h)[::-1].hex() for h in found]

    def agree(self) -> dict[str, Any]:
        """Wait until all have one tip; the block, which all give alike, state root and all."""
        assert wait_for(lambda: len({c.call("getbestblockhash") for c in self.control}) == 1, PATIENCE), [
            c.call("getblockcount") for c in self.control
        ]
        blocks = [self.eth(i, "eth_getBlockByNumber", "latest", False) for i in range(len(self.net.members))]
        assert all(b["stateRoot"] == blocks[0]["stateRoot"] and b["hash"] == blocks[0]["hash"] for b in blocks)
        found: dict[str, Any] = blocks[0]
        return found

    def balances(self, address: str) -> list[int]:
        """An account's wei on each node."""
        return [int(self.eth(i, "eth_getBalance", address, "latest"), 16) for i in range(len(self.net.members))]

    def pay(self, at: int) -> str:
        """A transaction of the first account of a node."""
        sender = self.eth(at, "eth_accounts")[0]
        found: str = self.eth(at, "eth_sendTransaction", {"from": sender, "to": "0x" + "ee" * 20, "value": "0x1"})
        return found


@pytest.fixture
def three(make_net: NetMaker) -> Net:
    net = Net(make_net(3, chain="ethash-dev"))
    assert wait_for(lambda: all(len(c.call("getpeerinfo")) >= 1 for c in net.control), PATIENCE)
    return net


def replayed(net: Net, at: int) -> str:
    """The state root of a fresh chain that is given a node's blocks one by one."""
    spec = SPECS["ethash-dev"]
    chain: Chain = Chain(spec, MemoryStore())
    now = int(net.eth(at, "eth_getBlockByNumber", "latest", False)["timestamp"], 16)
    for height in range(1, int(net.eth(at, "eth_blockNumber"), 16) + 1):
        raw = bytes.fromhex(net.eth(at, "debug_getRawBlock", hex(height))[2:])
        chain.accept(decode_block(raw), now)
    root: bytes = chain.tip.header.state_root
    return "0x" + root.hex()


def test_two_sides_fork_and_heal_and_the_next_block_names_the_ommer(three: Net) -> None:
    three.mine(0, 1)
    fork = int(three.agree()["number"], 16)
    three.net.partition([["node1"]])
    assert wait_for(lambda: not three.control[0].call("getpeerinfo"), PATIENCE)
    payment = three.pay(0)
    lost = three.mine(0, 1, LOSER)
    assert three.eth(0, "eth_getTransactionReceipt", payment)["blockHash"] == lost[0]
    three.mine(1, 3)
    assert three.balances(LOSER) == [REWARD + TIP, 0, 0]
    three.net.heal()
    tip = three.agree()
    assert int(tip["number"], 16) == fork + 3
    assert three.balances(LOSER) == [0, 0, 0]
    assert three.eth(0, "eth_getTransactionReceipt", payment) is None  # back in the pool
    three.mine(0, 1)
    tip = three.agree()
    assert tip["uncles"] == lost
    assert three.balances(LOSER) == [REWARD * (8 - 3) // 8] * 3  # three generations late
    assert three.eth(2, "eth_getUncleByBlockNumberAndIndex", tip["number"], "0x0")["hash"] == lost[0]
    assert three.eth(2, "eth_getTransactionReceipt", payment)["blockHash"] == tip["hash"]
    assert replayed(three, 1) == tip["stateRoot"]


def test_an_edit_is_seen_everywhere_and_goes_and_comes_with_a_reorganisation(three: Net, make_net: NetMaker) -> None:
    three.agree()
    assert three.eth(0, "hardhat_setBalance", RICH, hex(12345)) is True
    edited = three.agree()
    assert three.balances(RICH) == [12345] * 3
    reversed_hash = bytes.fromhex(edited["hash"][2:])[::-1].hex()

    for control in three.control:
        control.call("invalidateblock", reversed_hash)
    assert three.balances(RICH) == [0, 0, 0]
    for control in three.control:
        control.call("reconsiderblock", reversed_hash)
    assert three.balances(RICH) == [12345] * 3

    three.net.partition([["node1"]])  # a heavier branch without the edit, then a still heavier one on top of it
    assert wait_for(lambda: not three.control[0].call("getpeerinfo"), PATIENCE)
    for control in three.control[1:]:
        control.call("invalidateblock", reversed_hash)
    three.mine(1, 2)
    for control in three.control[1:]:
        control.call("reconsiderblock", reversed_hash)
    three.net.heal()
    three.agree()
    assert three.balances(RICH) == [0, 0, 0]
    assert three.eth(2, "hardhat_setBalance", RICH, hex(777)) is True
    tip = three.agree()
    assert three.balances(RICH) == [777] * 3

    dumped = three.eth(1, "anvil_dumpState")
    fresh = Net(make_net(1, chain="ethash-dev", name="fresh"))
    assert fresh.balances(RICH) == [0]
    assert fresh.eth(0, "anvil_loadState", dumped) is True
    loaded = fresh.eth(0, "eth_getBlockByNumber", "latest", False)
    assert (loaded["hash"], loaded["stateRoot"]) == (tip["hash"], tip["stateRoot"])
    assert fresh.balances(RICH) == [777]
    parent = hex(int(tip["number"], 16) - 1)
    assert int(fresh.eth(0, "eth_getBalance", RICH, parent), 16) == 0


def test_a_live_network_has_no_edits(make_net: NetMaker) -> None:
    net = Net(make_net(1, chain="ethereum-mainnet"))
    before = net.eth(0, "eth_getBlockByNumber", "latest", False)
    for method, *rest in (("hardhat_setBalance", "0x1"), ("anvil_setCode", "0x00"), ("hardhat_setNonce", "0x5")):
        with pytest.raises(RpcError, match="not allowed on this chain"):
            net.eth(0, method, RICH, *rest)
    assert net.eth(0, "eth_getBlockByNumber", "latest", False) == before
    assert net.balances(RICH) == [0]


def _until_dead(client: RpcClient, *call: str) -> None:
    with suppress(NoConnection):
        client.call(*call)


def test_a_node_killed_while_it_connects_loses_nothing(three: Net) -> None:
    """Each node in turn goes back to genesis, connects all blocks again, and is killed at some moment of that."""
    draw = random.Random(2026)
    paid = []
    for _ in range(3):
        paid += [three.pay(0) for _ in range(20)]
        three.mine(0, 1)
    tip = three.agree()
    first = bytes.fromhex(three.eth(0, "eth_getBlockByNumber", "0x1", False)["hash"][2:])[::-1].hex()
    heights = set()
    with ThreadPoolExecutor(1) as pool:
        for turn in range(KILLS):
            at = turn % 3
            victim = three.net.members[at]
            three.control[at].call("invalidateblock", first)
            assert three.control[at].call("getblockcount") == 0
            own = RpcClient(three.control[at].endpoint)
            connecting = pool.submit(_until_dead, own, "reconsiderblock", first)
            threading.Event().wait(draw.uniform(0, 0.2))  # some moment, chosen by the seed
            three.net.kill(victim.name)
            connecting.result(timeout=60)
            three.net.start(only=[victim.name])
            heights.add(three.control[at].call("getblockcount"))
            with suppress(RpcError):
                three.control[at].call("reconsiderblock", first)
            assert three.agree()["hash"] == tip["hash"]
            assert all(three.eth(at, "eth_getTransactionReceipt", key) is not None for key in paid)
    assert heights <= {0, 1, 2, 3}
    assert three.balances("0x" + "ee" * 20) == [len(paid)] * 3
    assert {replayed(three, at) for at in range(3)} == {tip["stateRoot"]}
    paid.append(three.pay(1))
    three.mine(1, 1)
    three.agree()
    assert three.balances("0x" + "ee" * 20) == [len(paid)] * 3
