"""Real clients from the registries, installed once into a folder outside of the checkout, and a node for them to talk to."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.needs import missing

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
TOOLS = Path(os.environ.get("CHAINYARD_TOOLS", Path.home() / ".cache" / "chainyard-tests"))
NPM = {
    "viem": "2.57.20",
    "ethers": "6.17.0",
    "ws": "8.18.3",
    "solc": "0.8.37",
    "@openzeppelin/contracts": "5.4.0",
    "@foundry-rs/cast": "1.7.1",
    "@foundry-rs/forge": "1.7.1",
}
"""The packages of the scenarios and their versions."""
OLDER = {"viem": "2.57.13", "ethers": "6.16.0", "ws": "8.18.3"}
"""The versions before."""
HARDHAT = {"hardhat": "2.29.1", "@nomicfoundation/hardhat-ethers": "3.1.3", "ethers": "6.17.0"}
"""Hardhat 3 wants a newer Node than most machines have; both speak to a remote network alike."""
WEB3, WEB3_BEFORE = "8.0.0", "7.16.0"
VYPER, TRIE = "0.4.3", "4.0.0"
PEERS = {"ganache": "7.9.2", "@foundry-rs/anvil": "1.7.1"}
ETHASH, ETH_TESTER = "1.1.0", ("0.14.0b1", "py-evm==0.12.1b1", "eth-hash[pycryptodome]")
"""What the benchmarks are measured beside."""


def npm_folder(name: str = "npm", packages: dict[str, str] = NPM) -> Path:
    """A folder whose node_modules hold the packages; installed on first use."""
    if shutil.which("npm") is None or shutil.which("node") is None:
        missing("npm, which runs the clients of its registry,")
    folder = TOOLS / name
    wanted = {"name": "chainyard-tests", "private": True, "dependencies": packages}
    manifest = folder / "package.json"
    with _alone(name):
        if not manifest.exists() or json.loads(manifest.read_text()).get("dependencies") != packages:
            folder.mkdir(parents=True, exist_ok=True)
            manifest.write_text(json.dumps(wanted, indent=1))
            made = subprocess.run(
                ["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts"],
                cwd=folder,
                capture_output=True,
                text=True,
            )
            if made.returncode:
                manifest.unlink()
                missing(f"a client that npm could not install ({made.stderr.strip().splitlines()[-1:]})")
    return folder


@contextmanager
def _alone(name: str) -> Iterator[None]:
    """One process at a time installs something."""
    TOOLS.mkdir(parents=True, exist_ok=True)
    with (TOOLS / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def venv_python(package: str, version: str, *more: str) -> Path:
    """The Python of an environment that holds a package, which wants other versions of libraries than this project."""
    folder = TOOLS / f"venv-{package}-{version}"
    python = folder / "bin" / "python"
    with _alone(folder.name):
        if not (folder / "ready").exists():
            subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
            command = [str(python), "-m", "pip", "install", "-q", f"{package}=={version}", *more]
            made = subprocess.run(command, capture_output=True, text=True)
            if made.returncode:
                missing(f"{package}, which pip could not install ({made.stderr.strip().splitlines()[-1:]})")
            (folder / "ready").touch()
    return python


def web3_python() -> Path:
    """The Python of an environment that holds the newest web3.py."""
    return venv_python("web3", WEB3)


def foundry(tool: str) -> Path:
    """The native program of a Foundry tool; the wrapper of npm loses exit codes."""
    import platform

    machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    return npm_folder() / "node_modules" / "@foundry-rs" / f"{tool}-{sys.platform}-{machine}" / "bin" / tool


@dataclass(frozen=True, slots=True)
class Running:
    """A node that runs, by what it said at its start."""

    state: dict[str, Any]
    log: Path
    """What it says while it runs: each call too."""

    @property
    def url(self) -> str:
        """Where its Ethereum-style RPC is."""
        return str(self.state["ethereum_rpc"])

    @property
    def ws(self) -> str:
        """The same for WebSockets."""
        return str(self.state["ethereum_ws"])

    @property
    def keys(self) -> list[str]:
        """Private keys of its accounts."""
        return [a["key"] for a in self.state["accounts"]]


@contextmanager
def dev_node(folder: Path, *options: str, chain: str = "dev") -> Iterator[Running]:
    """`chainyard dev` in a process of its own."""
    out = folder / "state.json"
    command = [sys.executable, "-m", "cli.main", "dev", "--chain", chain, "--ethereum-rpc-port", "0"]
    command += ["--quiet", "--log", "rpc=debug", "--config-out", str(out), *options]
    with (folder / "stderr.log").open("wb") as errors:
        process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=errors, stderr=errors)
    try:
        for _ in range(1200):
            if process.poll() is not None:
                raise AssertionError((folder / "stderr.log").read_text())
            if out.exists() and out.read_text().endswith("}"):
                break
            with_timeout(process)
        yield Running(json.loads(out.read_text()), folder / "stderr.log")
    finally:
        process.terminate()
        process.wait(30)


def with_timeout(process: subprocess.Popen[bytes]) -> None:
    """Wait a moment for a process to end, or not."""
    try:
        process.wait(0.05)
    except subprocess.TimeoutExpired:
        return


def compiled(folder: Path) -> Path:
    """The contracts of the scenarios, compiled by solc: a JSON file of ABIs and byte code by name."""
    made = TOOLS / f"contracts-{NPM['solc']}-{(HERE / 'clients' / 'contracts.sol').stat().st_mtime_ns}.json"
    if not made.exists():
        run_node(folder, "compile.cjs", str(HERE / "clients" / "contracts.sol"), str(made))
    return made


def run_node(folder: Path, script: str, *arguments: str) -> str:
    """Run a script of clients/ with the packages at hand; what it prints."""
    import tempfile

    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        copy = Path(scratch) / script
        copy.write_text((HERE / "clients" / script).read_text())
        made = subprocess.run(["node", str(copy), *arguments], capture_output=True, text=True, timeout=240)
    if made.returncode:
        raise AssertionError(f"{script}: {made.stdout[-2000:]}\n{made.stderr[-4000:]}")
    return made.stdout


def check_report(text: str, least: int) -> None:
    """Whether each of a script's checks went well; a line a check, "name: ok" or what was wrong."""
    lines = [line for line in text.splitlines() if ": " in line]
    wrong = [line for line in lines if not line.endswith(": ok")]
    assert not wrong, "\n".join(wrong)
    assert len(lines) >= least, text


def install() -> None:
    """All that scenarios and benchmarks can use, ahead of them; what cannot be installed is named."""
    steps: tuple[Callable[[], Path], ...] = (
        npm_folder,
        lambda: npm_folder("npm-older", OLDER),
        lambda: npm_folder("npm-hardhat", HARDHAT),
        lambda: npm_folder("npm-peers", PEERS),
        web3_python,
        lambda: venv_python("web3", WEB3_BEFORE),
        lambda: venv_python("vyper", VYPER),
        lambda: venv_python("trie", TRIE, "eth-hash[pycryptodome]"),
        lambda: venv_python("ethash", ETHASH),
        lambda: venv_python("eth-tester", *ETH_TESTER),
    )
    for step in steps:
        try:
            print(step(), flush=True)
        except pytest.skip.Exception as e:
            print(e.msg, file=sys.stderr)


if __name__ == "__main__":
    install()
