"""web3.py, unchanged, against a process: payments, contracts, reverts, logs, filters, subscriptions, proofs, signatures."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.scenarios.ethereum.tools import HERE, check_report, compiled, dev_node, npm_folder, web3_python

pytestmark = pytest.mark.scenario


def test_web3_py(tmp_path: Path) -> None:
    python, contracts = web3_python(), compiled(npm_folder())
    with dev_node(tmp_path) as node:
        script = str(HERE / "clients" / "web3_client.py")
        made = subprocess.run(
            [str(python), script, node.url, node.ws, str(contracts), node.keys[4]],
            capture_output=True,
            text=True,
            timeout=240,
        )
    assert made.returncode == 0, made.stderr[-4000:]
    check_report(made.stdout, 15)
