"""viem and ethers, unchanged, against a process; all that viem's test client can do, in Anvil's and Hardhat's words."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.scenarios.ethereum.tools import check_report, compiled, dev_node, npm_folder, run_node

pytestmark = pytest.mark.scenario


@pytest.mark.parametrize(("script", "least"), [("viem_client.mjs", 13), ("ethers_client.mjs", 8)])
def test_a_client_of_npm(script: str, least: int, tmp_path: Path) -> None:
    folder = npm_folder()
    contracts = compiled(folder)
    with dev_node(tmp_path) as node:
        text = run_node(folder, script, node.url, node.ws, str(contracts), node.keys[4])
    check_report(text, least)
