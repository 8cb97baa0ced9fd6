"""The pytest plugin: a node for the tests, networks on demand, and every test on the chain that it found.

Fixtures: `node`, `network`, `w3`, `btc`, `snapshot`. Settings (ini, or `--chainyard-chain`): `chainyard_chain`, `chainyard_arguments`,
`chainyard_isolation`. It imports none of the program's packages.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from chainyard.network import Network
from chainyard.node import Node
from chainyard.rpc import Rpc

THE_NODE = "_chainyard_node"
"""What all fixtures of the node stand on: a test whose fixtures do not lead here is left alone, whatever they are called."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """The plugin's settings."""
    group = parser.getgroup("chainyard")
    group.addoption("--chainyard-chain", default=None, help="Chain of the fixtures `node` and `network`.")
    parser.addini("chainyard_chain", "Chain of the fixtures `node` and `network` (the program's default).", default="")
    parser.addini(
        "chainyard_arguments", "More arguments of `chainyard dev` for the fixture `node`.", "args", default=[]
    )
    parser.addini(
        "chainyard_isolation",
        "Whether each test, class and module leaves the chain as it found it.",
        "bool",
        default=True,
    )


def _chain(config: pytest.Config) -> str | None:
    return config.getoption("--chainyard-chain") or config.getini("chainyard_chain") or None


@pytest.fixture(scope="session")
def _chainyard_node(request: pytest.FixtureRequest) -> Iterator[Node]:
    with Node(_chain(request.config), arguments=request.config.getini("chainyard_arguments")) as found:
        yield found


@pytest.fixture(scope="session")
def node(_chainyard_node: Node) -> Node:
    """A node of this test run (of this worker, under xdist), on free ports and in memory, with accounts that have money."""
    return _chainyard_node


@pytest.fixture
def network(request: pytest.FixtureRequest) -> Iterator[Callable[..., Network]]:
    """`network(3)` starts so many nodes of one chain, connected; they end with the test."""
    made: list[Network] = []

    def start(count: int = 2, chain: str | None = None, **options: Any) -> Network:
        found = Network(count, chain or _chain(request.config), **options)
        made.append(found)
        return found.start()

    yield start
    for found in made:
        found.stop()


@pytest.fixture(scope="session")
def w3(_chainyard_node: Node) -> Any:
    """web3.py on the node's account side; the test is skipped where web3 is not installed."""
    web3 = pytest.importorskip("web3", reason="web3 is not installed: pip install web3")
    if not _chainyard_node.has_accounts:
        pytest.skip(f"{_chainyard_node.state['chain']} has no accounts: choose another --chainyard-chain")
    return web3.Web3(web3.Web3.HTTPProvider(_chainyard_node.eth_url))


@pytest.fixture(scope="session")
def btc(_chainyard_node: Node) -> Rpc:
    """The node's coin side by the names of Bitcoin's RPC: btc.getblockcount(), btc.wallet("alice").getbalance()."""
    return _chainyard_node.rpc


class Snapshots:
    """Snapshots that a test takes; what is left of them ends with the test."""

    def __init__(self, node: Node) -> None:
        self._node = node

    def take(self) -> int:
        """Remember where the chain stands."""
        return self._node.snapshot()

    def revert(self, number: int) -> None:
        """Go back there."""
        self._node.revert(number)

    __call__ = take


@pytest.fixture
def snapshot(_chainyard_node: Node) -> Iterator[Snapshots]:
    """Snapshots on demand: `before = snapshot()` ... `snapshot.revert(before)`. After the test the chain is as before it in any case."""
    with _chainyard_node.kept():
        yield Snapshots(_chainyard_node)


def _isolated(request: pytest.FixtureRequest, names: Any) -> Iterator[None]:
    if not request.config.getini("chainyard_isolation") or THE_NODE not in names:
        yield
        return
    found: Node = request.getfixturevalue(THE_NODE)
    with found.kept():
        yield


@pytest.fixture(autouse=True, scope="module")
def _module_leaves_no_trace(request: pytest.FixtureRequest) -> Iterator[None]:
    yield from _isolated(request, _names_in(request, request.node))


@pytest.fixture(autouse=True, scope="class")
def _class_leaves_no_trace(request: pytest.FixtureRequest) -> Iterator[None]:
    yield from _isolated(request, _names_in(request, request.node) if request.cls is not None else ())


@pytest.fixture(autouse=True)
def _test_leaves_no_trace(request: pytest.FixtureRequest) -> Iterator[None]:
    yield from _isolated(request, request.fixturenames)


def _names_in(request: pytest.FixtureRequest, collector: Any) -> set[str]:
    """The fixtures that the tests of a class or module use."""
    below = [item for item in request.session.items if collector in item.listchain()]
    return {name for item in below for name in getattr(item, "fixturenames", ())}
