"""Other wallets' libraries, installed once into a cache outside the repository, and asked through JSON on stdin and stdout.

Where npm or an index cannot be reached the tests say which tool is missing and are skipped; with CHAINYARD_ALL set they fail.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from tests.needs import missing

HERE = Path(__file__).parent
TOOLS = Path(os.environ.get("CHAINYARD_TOOLS", Path.home() / ".cache/chainyard-tests"))
ETH_ACCOUNT = "eth-account==0.14.0"
Ask = Callable[..., Any]


@contextlib.contextmanager
def alone(folder: Path) -> Iterator[None]:
    """One process at a time installs."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def installed(folder: Path, mark: str, *commands: list[str]) -> bool:
    """Run the commands in the folder unless they were run there with success before."""
    done = folder / ".installed"
    with alone(folder):
        if done.exists() and done.read_text() == mark:
            return True
        for command in commands:
            if subprocess.run(command, cwd=folder, capture_output=True, timeout=280).returncode:
                return False
        done.write_text(mark)
        return True


def _asked(command: list[str], cwd: Path) -> Ask:
    def ask(action: str, **request: Any) -> Any:
        done = subprocess.run(
            command, cwd=cwd, input=json.dumps({"action": action, **request}).encode(), capture_output=True, timeout=120
        )
        assert done.returncode == 0, done.stderr.decode()[-3000:]
        return json.loads(done.stdout)

    return ask


@pytest.fixture(scope="session")
def node_folder() -> Path:
    """A folder with the packages of package.json."""
    if shutil.which("npm") is None or shutil.which("node") is None:
        missing("npm")
    wanted = (HERE / "package.json").read_bytes()
    folder = TOOLS / f"node-{sha256(wanted).hexdigest()[:12]}"
    with alone(folder):
        for name in ("package.json", "bitcoin.mjs", "ethereum.mjs"):
            text = (HERE / name).read_bytes()
            if not (folder / name).exists() or (folder / name).read_bytes() != text:
                (folder / name).write_bytes(text)
    if not installed(folder, "1", ["npm", "install", "--no-audit", "--no-fund"]):
        missing("a registry of npm packages")
    return folder


@pytest.fixture(scope="session")
def js_bitcoin(node_folder: Path) -> Ask:
    """@scure/btc-signer and bitcoinjs-lib."""
    return _asked(["node", "bitcoin.mjs"], node_folder)


@pytest.fixture(scope="session")
def js_ethereum(node_folder: Path) -> Ask:
    """viem and ethers."""
    return _asked(["node", "ethereum.mjs"], node_folder)


@pytest.fixture(scope="session")
def eth_account() -> Ask:
    """eth-account, in an environment of its own: it wants another version of pycryptodome than ours may be."""
    folder = TOOLS / ETH_ACCOUNT
    python = folder / "venv/bin/python"
    made = installed(
        folder,
        ETH_ACCOUNT,
        [sys.executable, "-m", "venv", "venv"],
        [str(python), "-m", "pip", "install", "-q", ETH_ACCOUNT],
    )
    if not made:
        missing(ETH_ACCOUNT)
    return _asked([str(python), str(HERE / "ethereum_account.py")], HERE)
