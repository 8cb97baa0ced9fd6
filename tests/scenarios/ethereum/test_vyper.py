"""A contract that Vyper compiled: deployed, called, its events read and its reverts decoded by web3.py."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.scenarios.ethereum.tools import HERE, VYPER, WEB3, check_report, dev_node, venv_python

pytestmark = pytest.mark.scenario


def test_vyper(tmp_path: Path) -> None:
    vyper, web3 = venv_python("vyper", VYPER), venv_python("web3", WEB3)
    source = str(HERE / "clients" / "vyper_token.vy")
    command = [str(vyper.parent / "vyper"), "-f", "combined_json", source]
    made = subprocess.run(command, capture_output=True, text=True, timeout=240)
    assert made.returncode == 0, made.stderr
    found = next(c for name, c in json.loads(made.stdout).items() if name.endswith(".vy"))
    contract = tmp_path / "contract.json"
    contract.write_text(json.dumps({"abi": found["abi"], "bytecode": found["bytecode"]}))
    with dev_node(tmp_path) as node:
        client = [str(web3), str(HERE / "clients" / "vyper_client.py"), node.url, str(contract)]
        ran = subprocess.run(client, capture_output=True, text=True, timeout=240)
    assert ran.returncode == 0, ran.stderr[-4000:]
    check_report(ran.stdout, 4)
