"""Real clients from the registries, installed once into a folder outside of the checkout, and a node for them to talk to."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

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
WEB3 = "8.0.0"


def _missing(what: str) -> None:
    if os.environ.get("CHAINYARD_ALL"):
        pytest.fail(what)
    pytest.skip(what)


def npm_folder() -> Path:
    """A folder whose node_modules hold the packages; installed on first use."""
    if shutil.which("npm") is None or shutil.which("node") is None:
        _missing("npm is not here: the clients of its registry cannot run")
    folder = TOOLS / "npm"
    wanted = {"name": "chainyard-tests", "private": True, "dependencies": NPM}
    manifest = folder / "package.json"
    if not manifest.exists() or json.loads(manifest.read_text()).get("dependencies") != NPM:
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
            _missing(f"npm could not install the clients: {made.stderr.strip().splitlines()[-1:]}")
    return folder


def web3_python() -> Path:
    """The Python of an environment that holds web3.py, which wants other versions of libraries than this project."""
    folder = TOOLS / f"venv-web3-{WEB3}"
    python = folder / "bin" / "python"
    if not (folder / "ready").exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        made = subprocess.run(
            [str(python), "-m", "pip", "install", "-q", f"web3=={WEB3}"], capture_output=True, text=True
        )
        if made.returncode:
            _missing(f"pip could not install web3.py: {made.stderr.strip().splitlines()[-1:]}")
        (folder / "ready").touch()
    return python


def foundry(tool: str) -> Path:
    """The native program of a Foundry tool; the wrapper of npm loses exit codes."""
    import platform

    machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    return npm_folder() / "node_modules" / "@foundry-rs" / f"{tool}-{sys.platform}-{machine}" / "bin" / tool


@dataclass(frozen=True, slots=True)
class Running:
    """A node that runs, by what it said at its start."""

    state: dict[str, Any]

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
    command += ["--quiet", "--config-out", str(out), *options]
    with (folder / "stderr.log").open("wb") as errors:
        process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=errors, stderr=errors)
    try:
        for _ in range(1200):
            if process.poll() is not None:
                raise AssertionError((folder / "stderr.log").read_text())
            if out.exists() and out.read_text().endswith("}"):
                break
            with_timeout(process)
        yield Running(json.loads(out.read_text()))
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
