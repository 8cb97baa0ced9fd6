"""Account nodes as processes: mined with small Ethash, parted, healed, edited, stopped and started again."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from node.ethereum_client import EthereumClient
from node.testnet import Testnet, wait_for
from tests.scenarios.conftest import NetMaker
from tests.scenarios.ethereum.tools import dev_node

pytestmark = pytest.mark.scenario

A = "0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266"
C = "0x00000000000000000000000000000000000000cc"


def clients(net: Testnet) -> list[EthereumClient]:
    """A client of each node's Ethereum-style RPC."""
    found = []
    for member in net.members:
        run = json.loads((Path(member.folder) / net.chain / "node.json").read_text())
        found.append(EthereumClient(f"http://127.0.0.1:{run['ethereum_rpc_port']}"))
    return found


def tips(nodes: list[EthereumClient]) -> set[tuple[str, str]]:
    """Hash and state root of every node's tip."""
    blocks = [n.call("eth_getBlockByNumber", "latest", False) for n in nodes]
    return {(b["hash"], b["stateRoot"]) for b in blocks}


def height(node: EthereumClient) -> int:
    """Number of a node's tip."""
    return int(node.call("eth_blockNumber"), 16)


def agree(nodes: list[EthereumClient], also: Callable[[], Any] = lambda: True) -> bool:
    """Whether all come to one tip, in time."""
    return wait_for(lambda: len(tips(nodes)) == 1 and bool(also()), 60, 0.1)


def test_three_nodes_mine_fork_heal_and_agree(make_net: NetMaker) -> None:
    net = make_net(3, "--ethereum-rpc-port", "0", chain="ethash-dev")
    nodes = clients(net)
    assert wait_for(lambda: all(int(n.call("net_peerCount"), 16) >= 1 for n in nodes), 30)
    nodes[0].call("anvil_mine", 3)
    assert agree(nodes, lambda: height(nodes[2]) == 3)
    sent = nodes[1].call("eth_sendTransaction", {"from": A, "to": C, "value": "0x5"})
    assert wait_for(lambda: nodes[2].call("eth_getTransactionByHash", sent) is not None, 30)
    nodes[2].call("anvil_mine", 1)
    assert agree(nodes, lambda: nodes[0].call("eth_getTransactionReceipt", sent) is not None)
    nodes[0].call("hardhat_setBalance", C, "0x77")
    assert agree(nodes, lambda: nodes[2].call("eth_getBalance", C, "latest") == "0x77")
    net.partition([["node3"]])
    nodes[0].call("anvil_mine", 2)
    nodes[2].call("anvil_mine", 4)
    assert tips(nodes[:1]) != tips(nodes[2:])
    net.heal()
    assert agree(nodes, lambda: height(nodes[0]) == height(nodes[2]))
    nodes[0].call("anvil_mine", 1)
    assert agree(nodes)
    last = height(nodes[0])
    named = [n for n in range(1, last + 1) if nodes[0].call("eth_getUncleCountByBlockNumber", hex(n)) != "0x0"]
    assert named, "no ommer was named after the fork"


def test_a_chain_outlives_its_process(tmp_path: Path) -> None:
    data = ("--datadir", str(tmp_path / "data"))
    for n in range(1, 4):
        folder = tmp_path / f"run{n}"
        folder.mkdir()
        with dev_node(folder, *data) as node:
            client = EthereumClient(node.url)
            assert height(client) == 2 * (n - 1)
            client.call("hardhat_setBalance", C, hex(n))
            sent = client.call("eth_sendTransaction", {"from": A, "to": A})
            assert client.call("eth_getTransactionReceipt", sent)["status"] == "0x1"
            assert client.call("eth_getBalance", C, hex(1)) == "0x1"
