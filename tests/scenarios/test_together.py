"""Nodes that are started together, by one process that forks: each is a process of its own, and says its own last words."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from node.testnet import NetError, Testnet, wait_for

ROOT = Path(__file__).parents[2]
pytestmark = [
    pytest.mark.scenario,
    pytest.mark.skipif(sys.platform != "linux", reason="nodes are forked on Linux alone"),
]


def test_five_nodes_are_five_processes_that_know_each_other(tmp_path: Path) -> None:
    net = Testnet.create(tmp_path / "net", "twin", 5)
    net.start()
    try:
        pids = [member.pid for member in net.members]
        assert len(set(pids)) == 5
        assert [os.getsid(pid) for pid in pids] == pids, "each leads a session of its own"
        clients = [net.client(member) for member in net.members]
        assert wait_for(lambda: all(len(client.call("getpeerinfo")) >= 4 for client in clients), 60)
        (tip,) = clients[0].call("generatetoaddress", 1, "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080")
        assert wait_for(lambda: all(client.call("getbestblockhash") == tip for client in clients), 60)
        net.kill("node2")
        net.start()  # that one alone, by the other way
        assert net.members[1].pid not in pids and [m.pid for m in net.members if m.name != "node2"] == [
            pid for at, pid in enumerate(pids) if at != 1
        ]
        assert net.client(net.members[1]).call("getblockcount") == 1
    finally:
        net.stop()
    assert wait_for(lambda: not any(member.running for member in net.members), 30)


def test_a_node_that_cannot_start_says_why(tmp_path: Path) -> None:
    net = Testnet.create(tmp_path / "net", "regtest", 3)
    try:
        with socket.create_server(("127.0.0.1", net.members[1].port)), pytest.raises(NetError, match=r"node2.*in use"):
            net.start()
        net.stop()
        net.chain = "nowhere"
        with pytest.raises(NetError, match="no chain 'nowhere'"):
            net.start()
    finally:
        net.stop()


PROBE = """
import os, signal, sys, threading
from pathlib import Path
from node.preload import preload
chain, folder = sys.argv[1:]
preload(chain)
assert threading.active_count() == 1
ahead = set(sys.modules)
from node.config import load
from node.daemon import run_node

def announce(state):
    print(*sorted(set(sys.modules) - ahead))
    os.kill(os.getpid(), signal.SIGINT)

ports = {"port": 0, "bitcoin_rpc_port": 0, "ethereum_rpc_port": 0}
sys.exit(run_node(load({"chain": chain, "datadir": Path(folder), "quiet": True, **ports}, {}, Path(folder)), announce))
"""
FAMILIES = ("chains", "cli", "consensus", "ledger", "node", "p2p", "primitives", "storage", "vm", "wallet")


@pytest.mark.parametrize("chain", ["regtest", "dev", "ethash-dev", "stake-dev", "twin", "twin-ethash", "twin-stake"])
def test_all_that_a_node_loads_is_loaded_ahead_without_a_thread(tmp_path: Path, chain: str) -> None:
    command = [sys.executable, "-c", PROBE, chain, str(tmp_path)]
    found = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=120, check=False)
    assert found.returncode == 0, found.stderr
    later = {name for name in found.stdout.split() if name.split(".")[0] in FAMILIES}
    assert not later - {"cli"}, later
