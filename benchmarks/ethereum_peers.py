"""Local chains of other tools for the benchmarks: Anvil, Hardhat, Ganache as processes on one core, eth-tester in a process of its own.

Each is optional: one that is not in CHAINYARD_TOOLS is named and left out (`python -m tests.scenarios.ethereum.tools` installs them).
It measures nothing.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

TOOLS = Path(os.environ.get("CHAINYARD_TOOLS", Path.home() / ".cache" / "chainyard-tests"))
PHRASE = "test test test test test test test test test test test junk"
CORE, CLIENT_CORE = 0, 1
HOST = "127.0.0.1"
Call = tuple[str, list[object]]


@dataclass(frozen=True, slots=True)
class Words:
    """How a tool says what its tools say otherwise."""

    set_code: str = "hardhat_setCode"
    stop_automine: Call = ("evm_setAutomine", [False])
    start_automine: Call = ("evm_setAutomine", [True])
    mine_1000: Call = ("hardhat_mine", ["0x3e8"])


@dataclass(frozen=True, slots=True)
class Server:
    """A chain that answers."""

    name: str
    url: str
    pid: int
    start: float
    """Seconds until it answered first."""
    words: Words = field(default_factory=Words)


def pinned() -> None:
    """Of a server's process: one core."""
    if hasattr(os, "sched_setaffinity") and (os.cpu_count() or 1) > 1:
        os.sched_setaffinity(0, {CORE})


def keep_to_the_other_core() -> None:
    """Of the client."""
    if hasattr(os, "sched_setaffinity") and (os.cpu_count() or 1) > 1:
        os.sched_setaffinity(0, {CLIENT_CORE})


def _free_port() -> int:
    with socket.socket() as found:
        found.bind((HOST, 0))
        return int(found.getsockname()[1])


def _answers(port: int) -> bool:
    body = b'{"jsonrpc":"2.0","id":1,"method":"eth_blockNumber","params":[]}'
    head = f"POST / HTTP/1.1\r\nHost: {HOST}:{port}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    try:
        with socket.create_connection((HOST, port), 1) as found:
            found.settimeout(5)
            found.sendall(head.encode() + body)
            return b"200" in found.recv(4_096)
    except OSError:
        return False


@contextmanager
def _process(
    name: str, command: Callable[[int], list[str]], words: Words, folder: Path | None = None
) -> Iterator[Server]:
    port = _free_port()
    began = time.perf_counter()
    variables = {**os.environ, "CI": "1", "HARDHAT_DISABLE_TELEMETRY_PROMPT": "true"}
    none = subprocess.DEVNULL
    process = subprocess.Popen(
        command(port), cwd=folder, env=variables, preexec_fn=pinned, stdin=none, stdout=none, stderr=none
    )
    try:
        while not _answers(port):
            if process.poll() is not None or time.perf_counter() - began > 60:
                raise RuntimeError(f"{name} did not start")
            time.sleep(0.01)
        yield Server(name, f"http://{HOST}:{port}", process.pid, time.perf_counter() - began, words)
    finally:
        process.terminate()
        process.wait(30)


@contextmanager
def chainyard() -> Iterator[Server]:
    """Our own."""

    def command(port: int) -> list[str]:
        ours = [sys.executable, "-m", "cli.main", "dev", "--chain", "dev", "--quiet", "--no-listen"]
        return [*ours, "--bitcoin-rpc-port", "0", "--ethereum-rpc-port", str(port)]

    with _process("chainyard", command, Words()) as server:
        yield server


@contextmanager
def anvil() -> Iterator[Server]:
    """The program that npm's package holds."""
    machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    program = TOOLS / "npm-peers/node_modules/@foundry-rs" / f"anvil-{sys.platform}-{machine}" / "bin/anvil"
    if not program.exists():
        raise FileNotFoundError("@foundry-rs/anvil")
    with _process("anvil", lambda port: [str(program), "--port", str(port), "--silent"], Words()) as server:
        yield server


@contextmanager
def hardhat() -> Iterator[Server]:
    """`hardhat node` in an empty project."""
    entry = TOOLS / "npm-hardhat/node_modules/hardhat/internal/cli/cli.js"
    if not entry.exists() or shutil.which("node") is None:
        raise FileNotFoundError("hardhat")
    with tempfile.TemporaryDirectory(dir=TOOLS / "npm-hardhat") as name:
        folder = Path(name)
        (folder / "package.json").write_text('{"name": "bench", "private": true}')
        (folder / "hardhat.config.js").write_text(
            "module.exports = { networks: { hardhat: { loggingEnabled: false } } };"
        )
        node = ["node", str(entry), "node", "--hostname", HOST]
        with _process("hardhat", lambda port: [*node, "--port", str(port)], Words(), folder) as server:
            yield server


@contextmanager
def ganache() -> Iterator[Server]:
    """Ganache with the same accounts."""
    entry = TOOLS / "npm-peers/node_modules/ganache/dist/node/cli.js"
    if not entry.exists() or shutil.which("node") is None:
        raise FileNotFoundError("ganache")
    words = Words("evm_setAccountCode", ("miner_stop", []), ("miner_start", []), ("evm_mine", [{"blocks": 1_000}]))
    options = ["--wallet.mnemonic", PHRASE, "--wallet.defaultBalance", "10000", "--chain.chainId", "31337"]
    with _process(
        "ganache",
        lambda port: ["node", str(entry), "--logging.quiet", "--server.port", str(port), *options],
        words,
    ) as server:
        yield server


SERVERS = {"anvil": anvil, "hardhat": hardhat, "ganache": ganache}


def eth_tester() -> dict[str, float]:
    """The figures of eth-tester over py-evm, in a process of its own. Raises FileNotFoundError."""
    python = next(iter(sorted(TOOLS.glob("venv-eth-tester-*/bin/python"))), None)
    if python is None:
        raise FileNotFoundError("eth-tester")
    made = subprocess.run([str(python), "-c", _TESTER], capture_output=True, text=True, preexec_fn=pinned)
    if made.returncode:
        raise RuntimeError(f"eth-tester: {made.stderr.strip().splitlines()[-1:]}")
    found: dict[str, float] = json.loads(made.stdout)
    return found


_TESTER = """
import json, time
began = time.perf_counter()
from eth_tester import EthereumTester, PyEVMBackend
tester = EthereumTester(PyEVMBackend())
a, b = tester.get_accounts()[:2]
found = {"start, s": time.perf_counter() - began}

def rate(work, count):
    began = time.perf_counter()
    for _ in range(count):
        work()
    return count / (time.perf_counter() - began)

send = lambda: tester.send_transaction({"from": a, "to": b, "value": 1, "gas": 21_000, "gas_price": 10**10})
send()
found["eth_blockNumber/s"] = rate(lambda: tester.get_block_by_number("latest"), 200)
found["eth_getBalance/s"] = rate(lambda: tester.get_balance(a), 500)
made = tester.send_transaction({"from": a, "data": "0x675f545f5260205ff35f5260086018f3", "gas": 100_000, "gas_price": 10**10})
view = tester.get_transaction_receipt(made)["contract_address"]
assert int(tester.call({"from": a, "to": view, "gas": 100_000, "gas_price": 10**10}), 16) == 0
found["eth_call/s"] = rate(lambda: tester.call({"from": a, "to": view, "gas": 100_000, "gas_price": 10**10}), 100)
found["automined sends/s"] = rate(send, 100)
began = time.perf_counter()
tester.mine_blocks(200)
found["1,000 empty blocks, s"] = 5 * (time.perf_counter() - began)
found["snapshot, ms"] = 1_000 / rate(tester.take_snapshot, 50)
print(json.dumps(found))
"""
