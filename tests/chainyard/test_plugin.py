"""The pytest plugin in a project that has packages of the program's own names: a run of pytest in a folder of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

EXAMPLE = """
import sys

import node
import wallet
from cli import VALUE


def test_the_packages_are_the_projects_own(request):
    assert wallet.VALUE == node.VALUE == VALUE == "mine"
    request.getfixturevalue("btc").getblockcount()
    mine = str(request.config.rootpath)
    for name in ("wallet", "node", "cli"):
        assert sys.modules[name].__file__.startswith(mine)
    assert not [m for m in sys.modules if m.split(".")[0] in ("primitives", "ledger", "vm", "p2p")]


def test_a_payment_survives_a_reorganisation(node, btc):
    btc.createwallet("shop")
    paid = node.faucet(btc.wallet("shop").getnewaddress(), 3)
    node.mine(2)
    node.reorg(2)
    assert btc.wallet("shop").getbalance() == 3 and btc.getblock(paid["block"])["confirmations"] > 2


HEIGHTS = []


def test_the_chain_is_as_it_was_found_1(node):
    HEIGHTS.append(node.height)
    node.mine(3)


def test_the_chain_is_as_it_was_found_2(node):
    assert not HEIGHTS or HEIGHTS == [node.height]


class TestClass:
    def test_one(self, node, snapshot):
        before = snapshot()
        node.mine(2)
        snapshot.revert(before)

    def test_two(self, node):
        node.mine()


def test_a_network(network):
    net = network(2)
    net[0].mine(2)
    assert net.settle() == net[1].tip


def test_web3(w3):
    assert w3.eth.block_number >= 0
"""


OWN = """
import pytest


@pytest.fixture
def node():
    return "a tree's"


def test_own(node):
    assert node == "a tree's"


class TestOwn:
    def test_own(self, node):
        assert node == "a tree's"
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with packages of its own named like the program's."""
    for name in ("wallet", "node", "cli", "storage"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text('VALUE = "mine"\n')
    (tmp_path / "test_project.py").write_text(EXAMPLE)
    (tmp_path / "pytest.ini").write_text("[pytest]\nchainyard_chain = regtest\npythonpath = .\n")
    return tmp_path


def run(project: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """pytest as the project's author runs it: the program's packages are reachable, behind the project's own."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("CHAINYARD_", "PYTEST_"))}
    environment["PYTHONPATH"] = f"{project}{os.pathsep}{ROOT}"
    words = [sys.executable, "-m", "pytest", "-p", "chainyard.plugin", "-p", "no:cacheprovider", "-rs", *arguments]
    return subprocess.run(words, cwd=project, env=environment, capture_output=True, text=True, timeout=240)


def test_a_project_with_packages_of_the_same_names_is_unharmed(project: Path) -> None:
    found = run(project)
    assert found.returncode == 0, found.stdout + found.stderr
    assert "8 passed" in found.stdout or (
        "7 passed, 1 skipped" in found.stdout and "pip install web3" in found.stdout
    ), found.stdout


def test_a_fixture_of_the_projects_own_called_node_is_left_alone(project: Path) -> None:
    (project / "test_project.py").write_text(OWN)
    found = run(project)
    assert found.returncode == 0 and "2 passed" in found.stdout, found.stdout + found.stderr


def test_workers_have_nodes_of_their_own(project: Path) -> None:
    found = run(project, "-n", "2", "--deselect", "test_project.py::test_a_network")
    assert found.returncode == 0, found.stdout + found.stderr


def test_a_reorganisation_test_takes_five_lines() -> None:
    lines = EXAMPLE.partition("def test_a_payment_survives_a_reorganisation")[2].partition("\n\n")[0].splitlines()
    assert len(lines) - 1 == 5
