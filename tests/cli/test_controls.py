"""`chainyard control` against a running twin chain, and `chainyard console` in a terminal of its own."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from chainyard import Network, Node
from tests.cli.conftest import Run

ADDRESS = "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080"
ACCOUNT = "0x00000000000000000000000000000000000000aa"
ROOT = Path(__file__).resolve().parents[2]
Control = Callable[..., Any]


@pytest.fixture(scope="module")
def twin() -> Iterator[Node]:
    with Node("twin") as node:
        yield node


@pytest.fixture
def control(run: Run, twin: Node) -> Control:
    """Runs a control on the twin chain; the JSON that it prints."""

    def call(*words: object, fails: int = 0) -> Any:
        found = run("control", *words, "--rpc-url", twin.url, "--json")
        assert found.code == fails, found.err
        return found.error if fails else found.json

    return call


def test_money_on_both_sides(control: Control, twin: Node) -> None:
    paid = control("faucet", ADDRESS, "2btc")
    assert twin.rpc.getrawtransaction(paid["txid"], True)["confirmations"] == 1
    control("faucet", ACCOUNT, "2ether")
    control("faucet", ACCOUNT, "1ether")
    assert int(twin.eth.eth_getBalance(ACCOUNT, "latest"), 16) == 3 * 10**18
    assert len(control("set-coins", ADDRESS, "1000sat")) == 64
    assert control("faucet", "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4", "1btc", fails=1)["code"] == -5


def test_edits_of_an_account(control: Control, twin: Node) -> None:
    control("set-balance", ACCOUNT, "5gwei")
    control("set-code", ACCOUNT, "0x6001")
    control("set-storage", ACCOUNT, "0x2", "9")
    eth = twin.eth
    assert int(eth.eth_getBalance(ACCOUNT, "latest"), 16) == 5 * 10**9
    assert (
        eth.eth_getCode(ACCOUNT, "latest") == "0x6001" and int(eth.eth_getStorageAt(ACCOUNT, "0x2", "latest"), 16) == 9
    )
    assert control("set-code", ACCOUNT, "zz", fails=1)["code"] == -8


def test_blocks_and_modes(control: Control, twin: Node) -> None:
    height = twin.height
    assert len(control("mine", 2, "--to", ADDRESS)) == 2 and twin.height == height + 2
    control("automine", "on")
    assert control("status")["automine"] is True
    control("automine", "off")
    assert control("status")["automine"] is False
    control("block-time", 3_600)
    assert control("status")["interval"] == 3_600
    control("block-time", 0)


def test_the_clock_goes_forward_alone(control: Control, twin: Node) -> None:
    second = twin.time
    assert control("time", "+2h")["time"] >= second + 7_200
    assert control("time", "2040-01-01")["time"] == 2_208_988_800
    assert "does not go back" in control("time", "2039-01-01", fails=2)["message"]
    assert "span" in control("time", "+2y", fails=2)["message"]


def test_back_and_aside(control: Control, twin: Node, tmp_path: Path) -> None:
    control("mine", 3)
    tip, mark = twin.tip, control("snapshot")["snapshot"]
    control("reorg", "--depth", 2)
    assert twin.tip != tip
    control("revert", mark)
    assert twin.tip == tip
    control("revert", mark, fails=1)
    control("invalidate", tip)
    assert twin.tip != tip
    control("reconsider", tip)
    assert twin.tip == tip
    control("dump", tmp_path / "file")
    control("mine")
    control("load", tmp_path / "file")
    assert twin.tip == tip


def test_the_clock_of_a_net_is_one(run: Run, tmp_path: Path) -> None:
    up = run("net", "up", "-n", "2", "--chain", "regtest", "--json")
    try:
        assert up.code == 0, up.err
        moved = run("control", "time", "+1d", "--json").json
        assert moved["nodes"] == 2
        for name in ("node1", "node2"):
            assert run("control", "status", "--node", name, "--json").json["time"] >= moved["time"]
        assert run("net", "link", "1", "2", "--latency", "10ms", "--loss", "1%", "--json").json[0]["latency"] == 0.01
        assert run("net", "link", "1", "2", "--latency", "10y").code == 2
        added = run("net", "add", "--json").json
        assert run("control", "status", "--node", added["name"], "--json").json["time"] >= moved["time"]
        assert run("net", "remove", "2").code == 0
        assert [row["name"] for row in run("net", "status", "--json").json] == ["node1", "node3"]
    finally:
        run("net", "down", "--delete")


def test_transactions_are_mined_as_they_come() -> None:
    with Network(2, "regtest") as net:
        net[0].automine()
        net[0].rpc.createwallet("w")
        net[0].mine(101, to=net[0].wallet("w").getnewaddress())
        txid = net[0].wallet("w").sendtoaddress(ADDRESS, 1)
        assert net[0].rpc.waitforblockheight(102, 30_000)["height"] == 102
        assert net[0].rpc.getrawtransaction(txid, True)["confirmations"] == 1
        net.settle()


# -- the console -----------------------------------------------------------------------------------------------------


def test_a_script_in_the_console(run: Run, twin: Node) -> None:
    where = ("--rpc-url", twin.url)
    assert run("console", "--exec", "btc.getblockcount()", *where).out.strip() == str(twin.height)
    assert run("console", "--exec", "eth.blockNumber()", *where).out.strip() == hex(twin.height)
    assert run("console", "--exec", "for _ in range(2): node.mine()\nprint('done')", *where).out.strip() == "done"
    failed = run("console", "--exec", "1 / 0", *where)
    assert failed.code == 1 and "ZeroDivisionError" in failed.err
    assert run("console", "--exec", "btc.nothing()", *where).code == 1


def test_the_console_in_a_terminal(twin: Node, tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    kept = {k: v for k, v in os.environ.items() if not k.startswith("CHAINYARD_")}
    environment = {
        **kept,
        "PYTHONPATH": str(ROOT),
        "CHAINYARD_DATADIR": str(tmp_path),
        "TERM": "dumb",
        "HOME": str(tmp_path),
    }
    words = [sys.executable, "-m", "cli.main", "console", "--rpc-url", twin.url, "--datadir", str(tmp_path)]
    process = subprocess.Popen(
        words, stdin=theirs, stdout=theirs, stderr=theirs, cwd=tmp_path, env=environment, close_fds=True
    )
    os.close(theirs)
    seen = ""

    def until(wanted: str) -> None:
        nonlocal seen
        while wanted not in seen:
            ready, _, _ = select.select([ours], [], [], 60)
            assert ready, seen
            seen += os.read(ours, 4_096).decode(errors="replace")

    try:
        until(">>> ")
        assert f"twin at height {twin.height}" in seen and "eth.blockNumber()" in seen
        os.write(ours, b"'tip ' + btc.getbestblockhash()\n")
        until(f"tip {twin.tip}'\r\n>>> ")
        os.write(ours, b"\x04")
        assert process.wait(60) == 0
    finally:
        process.kill()
        process.wait()
        os.close(ours)
    assert "getbestblockhash" in (tmp_path / "console_history").read_text()
