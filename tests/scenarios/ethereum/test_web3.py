"""web3.py, unchanged, against a process: payments, contracts, reverts, logs, filters, subscriptions, proofs, signatures."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.scenarios.ethereum.recorded import check_calls
from tests.scenarios.ethereum.tools import (
    HERE,
    WEB3,
    WEB3_BEFORE,
    check_report,
    compiled,
    dev_node,
    npm_folder,
    venv_python,
)

pytestmark = pytest.mark.scenario


@pytest.mark.parametrize("version", [WEB3, WEB3_BEFORE])
def test_web3_py(version: str, tmp_path: Path) -> None:
    python, contracts = venv_python("web3", version), compiled(npm_folder())
    with dev_node(tmp_path) as node:
        script = str(HERE / "clients" / "web3_client.py")
        made = subprocess.run(
            [str(python), script, node.url, node.ws, str(contracts), node.keys[4]],
            capture_output=True,
            text=True,
            timeout=240,
        )
    assert made.returncode == 0, made.stderr[-4000:]
    check_report(made.stdout, 17)
    check_calls(f"web3.py {version}", node.log, 25)
