"""viem and ethers, unchanged, against a process; all that viem's test client can do, in Anvil's and Hardhat's words."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.scenarios.ethereum.recorded import check_calls
from tests.scenarios.ethereum.tools import NPM, OLDER, check_report, compiled, dev_node, npm_folder, run_node

pytestmark = pytest.mark.scenario


@pytest.mark.parametrize("packages", [NPM, OLDER], ids=["newest", "before"])
@pytest.mark.parametrize(("client", "least", "calls"), [("viem", 13, 45), ("ethers", 8, 18)])
def test_a_client_of_npm(client: str, least: int, calls: int, packages: dict[str, str], tmp_path: Path) -> None:
    contracts = compiled(npm_folder())
    folder = npm_folder() if packages is NPM else npm_folder("npm-older", packages)
    with dev_node(tmp_path) as node:
        text = run_node(folder, f"{client}_client.mjs", node.url, node.ws, str(contracts), node.keys[4])
    check_report(text, least)
    check_calls(f"{client} {packages[client]}", node.log, calls)
