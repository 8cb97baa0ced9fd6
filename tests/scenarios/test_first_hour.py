"""What a user hits in the first hour: each way a node cannot start or must end, in real processes, is one line and an exit code."""

from __future__ import annotations

import json
import re
import resource
import shutil
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from node.client import RUN_FILE, NoConnection
from node.rpc.errors import RpcError
from node.testnet import wait_for
from storage.layout import SCHEMA_KEY
from storage.lmdb import LmdbStore
from tests.scenarios.processes import COMMAND, Place, environment

pytestmark = pytest.mark.scenario
ANYONE = "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080"
NODE = ("node", "--port", 0, "--bitcoin-rpc-port", 0, "--quiet")


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    """A data directory; what runs on it is stopped at the end."""
    place = Place(tmp_path)
    yield place
    place.close()


def one_line(found: subprocess.CompletedProcess[str], code: int, *words: str) -> None:
    """It ended with this code and one line that says so."""
    lines = [line for line in found.stderr.splitlines() if line.startswith("error:")]
    assert found.returncode == code and len(lines) == 1, found.stderr
    assert "Traceback" not in found.stderr
    for word in words:
        assert word in lines[0], lines[0]


# -- it does not start -----------------------------------------------------------------------------------------------


def test_a_port_in_use(place: Place) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        one_line(place.run("node", "--port", port, "--bitcoin-rpc-port", 0), 5, str(port), "in use", "peers")
        one_line(place.run("node", "--port", 0, "--bitcoin-rpc-port", port), 5, str(port), "in use", "RPC")
        found = place.run("node", "--port", port, "--bitcoin-rpc-port", 0, "--json")
        error = json.loads(found.stderr.splitlines()[-1])["error"]
        assert found.returncode == 5 and str(port) in error["message"] and "another port" in error["hint"]


def test_a_second_node_on_a_data_directory(place: Place) -> None:
    first = place.node()
    second = place.run(*NODE)
    one_line(second, 5, "Cannot obtain a lock", str(first.process.pid))
    assert first.client.call("getblockcount") == 0
    one_line(place.run("chain", "verify"), 5, "Cannot obtain a lock")
    first.process.kill()
    first.process.wait(30)
    assert place.node().client.call("getblockcount") == 0, "a lock that a killed process left behind does not matter"


def test_another_chains_data_directory(place: Place) -> None:
    place.node().interrupt()
    (place.datadir / "regtest").rename(place.datadir / "testnet3")
    one_line(place.run(*NODE, "--chain", "testnet3"), 5, "another chain", "--datadir")


def schema(place: Place, version: int) -> None:
    """Make the store say that it follows another version of the table of keys."""
    store = LmdbStore(place.datadir / "regtest" / "chain")
    with store.update() as kv:
        kv.put(SCHEMA_KEY, version.to_bytes(4, "big"))
    store.close()


def test_the_data_of_a_newer_version(place: Place) -> None:
    place.node().interrupt()
    schema(place, 999)
    one_line(place.run(*NODE), 5, "newer version", "update")


def test_the_data_of_an_older_version_are_migrated(place: Place) -> None:
    node = place.node()
    hashes = node.client.call("generatetoaddress", 20, ANYONE)
    node.interrupt()
    schema(place, 0)
    one_line(place.run(*NODE), 5, "chainyard chain migrate")
    migrated = place.run("chain", "migrate")
    assert migrated.returncode == 0 and "height 20" in migrated.stdout
    assert place.node().client.call("getbestblockhash") == hashes[-1]


@pytest.mark.parametrize("where", ["data", "folder"])
def test_an_unknown_key_comes_with_a_suggestion(place: Place, where: str) -> None:
    folder = place.datadir if where == "data" else place.root
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "chainyard.toml").write_text("txindx = true\n")
    one_line(place.run(*NODE), 2, "unknown key 'txindx'", "did you mean txindex?", "chainyard.toml")


def test_settings_that_cannot_be(place: Place) -> None:
    one_line(place.run(*NODE, "--chain", "regtset"), 2, "regtset")
    one_line(place.run(*NODE, "--log-level", "loud"), 2, "loud")
    one_line(place.run(*NODE, "--rpc-user", "me"), 2, "go together")
    one_line(place.run(*NODE, "--rpc-host", "0.0.0.0"), 2, "password")
    assert place.run("node", "--prot", "5").returncode == 2
    place.datadir.mkdir(parents=True, exist_ok=True)
    (place.datadir / "chainyard.toml").write_text("port = [")
    one_line(place.run(*NODE), 2, "chainyard.toml")


def test_a_place_that_cannot_be_written(place: Place) -> None:
    place.root.mkdir(parents=True, exist_ok=True)
    (place.root / "data").write_text("a file where the directory should be")
    found = place.run(*NODE)
    assert found.returncode in (5, 6) and "Traceback" not in found.stderr
    assert found.stderr.startswith("error:") or "\nerror:" in found.stderr


# -- it must stop ----------------------------------------------------------------------------------------------------


def small_files() -> None:
    """No file of this process grows beyond 1 MB, as on a disk that is full."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))


def test_a_full_disk_stops_the_node_and_loses_nothing(place: Place) -> None:
    node = place.node("--log-level", "warning", prepare=small_files)
    with pytest.raises((RpcError, NoConnection)):
        for _ in range(200):
            node.client.call("generatetoaddress", 50, ANYONE)
    assert node.process.wait(60) == 6, node.log
    assert "Traceback" not in node.log and "error:" in node.log
    again = place.node()
    height = again.client.call("getblockcount")
    assert height > 0
    again.client.call("generatetoaddress", 1, ANYONE)
    again.interrupt()
    verified = place.json("chain", "verify")
    assert verified["height"] == height + 1 and verified["differences"] == []


def test_ctrl_c_stops_within_a_second(place: Place) -> None:
    node = place.node()
    node.client.call("generatetoaddress", 10, ANYONE)
    assert node.interrupt() < 1.0
    assert node.process.returncode == 0
    assert not (node.folder / RUN_FILE).exists() and not (node.folder / ".cookie").exists()


def test_ctrl_c_stops_while_calls_and_mining_are_under_way(place: Place) -> None:
    node = place.node("--mine")
    waiter = place.nodes[0].client

    def wait() -> None:
        try:
            waiter.call("waitforblockheight", 10**6, 0)
        except (NoConnection, RpcError):
            return

    thread = threading.Thread(target=wait, daemon=True)
    thread.start()
    assert wait_for(lambda: place.json("info")["height"] > 3, 60)
    assert node.interrupt() < 1.0
    thread.join(10)
    assert not thread.is_alive()


def test_stop_by_rpc_and_by_the_command(place: Place) -> None:
    node = place.node()
    assert place.run("stop").returncode == 0
    assert node.process.wait(10) == 0
    gone = place.run("info")
    one_line(gone, 3, "no node runs", "chainyard dev")


# -- what it says ----------------------------------------------------------------------------------------------------


def test_the_banner_of_dev_names_the_chain_and_what_to_do_next(place: Place) -> None:
    node = place.popen(
        "dev", "--chain", "regtest", "--port", 0, "--bitcoin-rpc-port", 0, "--config-out", place.root / "dev.json"
    )
    assert wait_for(lambda: (place.root / "dev.json").exists() or node.process.poll() is not None, 60)
    assert wait_for(lambda: "height 0" in node.log, 30), node.log
    node.interrupt()
    assert node.process.stdout is not None
    banner = node.process.stdout.read().decode()
    assert "chain regtest" in banner and "in memory" in banner and "chainyard wallet create" in banner
    state = json.loads((place.root / "dev.json").read_text())
    assert "regtest" in json.dumps(state)
    assert not place.datadir.exists(), "a chain in memory leaves nothing behind"


@pytest.mark.parametrize(("chain", "height"), [("regtest", 102), ("twin", 2)])
def test_the_commands_of_the_banner_work(place: Place, chain: str, height: int) -> None:
    """What `chainyard dev` prints can be copied as it stands."""
    node = place.popen("dev", "--chain", chain, "--port", 0, "--bitcoin-rpc-port", 0, "--ethereum-rpc-port", 0)
    assert node.process.stdout is not None
    lines: list[str] = []
    for raw in node.process.stdout:
        lines.append(raw.decode().rstrip())
        if "curl" in lines[-1]:
            break
    commands = [line.strip() for line in lines if line.startswith("  ") and ("chainyard " in line or "export" in line)]
    assert len(commands) >= 4, lines
    called = " ".join(f"'{word}'" for word in COMMAND)
    script = "\n".join(["set -e", f'chainyard() {{ {called} "$@"; }}', *commands])
    found = subprocess.run(
        ["bash", "-c", script], capture_output=True, text=True, timeout=120, env=environment(place.datadir), cwd=place.root
    )  # fmt: skip
    assert found.returncode == 0, found.stderr
    assert re.search(rf"height +{height}\b", found.stdout), found.stdout
    if shutil.which("curl"):
        curl = next(line.strip() for line in lines if line.strip().startswith("curl"))
        answer = subprocess.run(["bash", "-c", curl], capture_output=True, text=True, timeout=60)
        assert json.loads(answer.stdout)["result"] == height


def test_exit_codes(place: Place) -> None:
    one_line(place.run("rpc", "getblockcount"), 3, "no node runs")
    node = place.node()
    assert place.run("rpc", "getblockcount").stdout.strip() == "0"
    one_line(place.run("rpc", "getblockhash", 7), 1, "out of range")
    assert place.run("rpc", "getblockhash", 7, "--core-exit-codes").returncode == 8
    found = place.run("rpc", "getblockhash", 7, "--json")
    assert json.loads(found.stderr)["error"]["code"] == -8
    assert place.run("rpc").returncode == 2
    one_line(place.run("rpc", "getblockcount", "--rpc-url", "http://x:y@127.0.0.1:1"), 3)
    one_line(place.run("rpc", "getblockcount", "--rpc-url", "nonsense"), 2)
    process = subprocess.Popen(
        [*COMMAND, "rpc", "waitforblockheight", "5", "0"], stderr=subprocess.PIPE, env=environment(place.datadir), cwd=place.root,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a job in the background inherits that it is ignored
    )  # fmt: skip
    assert wait_for(lambda: any(c["method"] == "waitforblockheight" for c in active(node)), 60)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 130 and b"Traceback" not in errors


def active(node: object) -> list[dict[str, str]]:
    found: list[dict[str, str]] = node.client.call("getrpcinfo")["active_commands"]  # type: ignore[attr-defined]
    return found


# -- what it loads and tells -----------------------------------------------------------------------------------------


def imported(place: Place, *arguments: str, stop_after: str = "") -> set[str]:
    """The modules that a command loads."""
    words = [COMMAND[0], "-X", "importtime", *COMMAND[1:], *arguments]
    place.root.mkdir(parents=True, exist_ok=True)
    errors = place.root / "imports"
    with errors.open("wb") as file:
        process = subprocess.Popen(
            words, stdout=subprocess.DEVNULL, stderr=file, cwd=place.root, env=environment(place.datadir)
        )
        if stop_after:
            assert wait_for(lambda: stop_after in errors.read_text(errors="replace"), 90)
            process.send_signal(signal.SIGINT)
        process.wait(60)
    rows = [line for line in errors.read_text(errors="replace").splitlines() if line.startswith("import time:")]
    return {row.rpartition("|")[2].strip() for row in rows}


OURS = {"primitives", "storage", "vm", "ledger", "wallet", "consensus", "chains", "node", "p2p", "lab", "cli"}
HEAVY = (
    "vm.evm", "ledger.account", "ledger.twin", "consensus.ethash", "consensus.stake", "lab", "chains.ethereum", "chains.peercoin",
    "chains.twin", "aiohttp", "py_ecc", "ckzg", "eth_abi", "eth_utils", "ecdsa", "hypothesis", "tests",
)  # fmt: skip
"""What a chain of coins that are mined does not need: it loads when another chain is run."""


def test_what_version_and_a_chain_of_coins_load(place: Place) -> None:
    version = imported(place, "--version")
    assert {m for m in version if m.split(".")[0] in OURS} <= {"cli", "cli.main", "cli.output"}
    assert not version & {"aiohttp", "orjson", "lmdb", "coincurve", "asyncio"}
    dev = imported(
        place, "dev", "--chain", "regtest", "--port", "0", "--bitcoin-rpc-port", "0", stop_after="height 0, tip"
    )
    assert "node.daemon" in dev
    assert not heavy(dev, HEAVY)


def heavy(loaded: set[str], names: tuple[str, ...]) -> list[str]:
    """Which of these packages and modules were loaded."""
    return sorted(m for m in loaded if any(m == n or m.startswith(n + ".") for n in names))


NOT_FOR_TWINS = (
    "aiohttp", "typing_extensions", "lab", "chains.peercoin", "consensus.ethash", "consensus.ethash_bitcoin", "consensus.stake",
    "ledger.utxo.peercoin", "node.staking", "node.rpc.stake_methods", "py_ecc", "ckzg", "eth_abi", "eth_utils",
    "ecdsa", "hypothesis", "tests",
)  # fmt: skip
"""What the default chain does not need before somebody asks for it: other engines, the framework behind unusual requests."""


def test_what_dev_loads_before_it_is_asked_for_anything(place: Place) -> None:
    dev = imported(
        place, "dev", "--port", "0", "--bitcoin-rpc-port", "0", "--ethereum-rpc-port", "0", stop_after="height 1, tip"
    )
    assert {"node.half_node", "node.rpc.ethereum_catalogue"} <= dev
    assert not heavy(dev, NOT_FOR_TWINS)


def test_no_key_and_no_passphrase_in_any_log_or_file(place: Place) -> None:
    node = place.node(
        "--log-level", "debug", "--log", "all=debug", "--rpc-user", "me", "--rpc-password", "rpc-pass-word-5"
    )
    secrets = ["open sesame four", "another passphrase", "rpc-pass-word-5"]
    secrets.append(place.json("wallet", "create", "w", "--passphrase-stdin", input=secrets[0] + "\n")["mnemonic"])
    address = place.json("wallet", "address", "--wallet", "w")["address"]
    node.client.call("generatetoaddress", 101, address)
    stdin = {"input": secrets[0] + "\n"}
    secrets.append(
        place.json("wallet", "export", "--key", address, "--wallet", "w", "--passphrase-stdin", **stdin)["key"]
    )
    listed = place.json("wallet", "export", "--private", "--wallet", "w", "--passphrase-stdin", **stdin)
    secrets += [re.search(r"tprv\w+", row["desc"]).group() for row in listed["descriptors"]]  # type: ignore[union-attr]
    assert place.run("wallet", "send", ANYONE, "1btc", "--yes", "--passphrase-stdin", **stdin).returncode == 0
    wrong = place.run("wallet", "unlock", "--passphrase-stdin", input=secrets[1] + "\n")
    assert wrong.returncode == 1 and secrets[1] not in wrong.stderr
    node.client.call("walletpassphrase", secrets[0], 60)
    with pytest.raises(RpcError):
        node.client.call("walletpassphrase", secrets[1], 60)
    (refused,) = node.client.call("importdescriptors", [{"desc": f"wpkh({secrets[4]})#aaaaaaaa", "timestamp": 0}])
    assert not refused["success"] and secrets[4] not in str(refused)
    command_line = Path(f"/proc/{node.process.pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    node.interrupt()
    words = [w for w in secrets if w != "rpc-pass-word-5"]
    assert not [w for w in words if w in command_line]
    files = [p for p in place.root.rglob("*") if p.is_file()]
    assert any(p.name == "debug.log" and p.stat().st_size > 1000 for p in files)
    for path in files:
        data = path.read_bytes()
        for secret in secrets:
            assert secret.encode() not in data, f"a secret is in {path}"
