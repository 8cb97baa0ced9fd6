"""Hardhat with the node as its remote network: `hardhat run` with the node's keys and with its own, and the console."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.scenarios.ethereum.recorded import check_calls
from tests.scenarios.ethereum.tools import HARDHAT, HERE, Running, check_report, compiled, dev_node, npm_folder

pytestmark = pytest.mark.scenario
CONSOLE = """
const { abi, bytecode } = JSON.parse((await import("fs")).readFileSync(process.env.YARD_CONTRACTS, "utf8")).Token;
const token = await (await ethers.getContractFactory(abi, bytecode)).deploy();
await token.waitForDeployment();
console.log("symbol " + await token.symbol());
await token.refuse();
"""


@pytest.fixture
def project() -> Iterator[Path]:
    """A project beside Hardhat's packages."""
    folder = npm_folder("npm-hardhat", HARDHAT)
    with tempfile.TemporaryDirectory(dir=folder) as name:
        made = Path(name)
        shutil.copy(HERE / "clients" / "hardhat.config.cjs", made)
        shutil.copy(HERE / "clients" / "hardhat_client.cjs", made)
        (made / "package.json").write_text('{"name": "project", "private": true}')
        yield made


def hardhat(project: Path, node: Running, *arguments: str, typed: str = "") -> subprocess.CompletedProcess[str]:
    """Run Hardhat in the project."""
    variables = {
        **os.environ,
        "YARD_URL": node.url,
        "YARD_KEY": node.keys[4],
        "YARD_CONTRACTS": str(compiled(npm_folder())),
        "HARDHAT_DISABLE_TELEMETRY_PROMPT": "true",
        "CI": "1",
    }
    command = [
        "node",
        str(project.parent / "node_modules/hardhat/internal/cli/cli.js"),
        "--config",
        "hardhat.config.cjs",
        *arguments,
    ]
    return subprocess.run(command, cwd=project, env=variables, input=typed, capture_output=True, text=True, timeout=240)


def test_hardhat_run(project: Path, tmp_path: Path) -> None:
    with dev_node(tmp_path) as node:
        for network in ("yard", "keyed"):
            made = hardhat(project, node, "--network", network, "run", "--no-compile", "hardhat_client.cjs")
            assert made.returncode == 0, made.stderr[-4000:]
            check_report(made.stdout, 6)
    check_calls(f"Hardhat {HARDHAT['hardhat']}", node.log, 20)


def test_the_console_shows_why_a_call_reverts(project: Path, tmp_path: Path) -> None:
    with dev_node(tmp_path) as node:
        made = hardhat(project, node, "console", "--no-compile", typed=CONSOLE)
    said = made.stdout + made.stderr
    assert "symbol YRD" in said, said[-4000:]
    assert "execution reverted: not today" in said, said[-4000:]
    check_calls(f"Hardhat {HARDHAT['hardhat']}", node.log, 3)
