"""Networks of real processes for scenarios: made in a folder of the test's own, stopped at its end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from node.testnet import Testnet

NetMaker = Callable[..., Testnet]


@pytest.fixture
def make_net(tmp_path: Path) -> Iterator[NetMaker]:
    """Call it with a number of nodes; further arguments go to each node's command line."""
    made: list[Testnet] = []

    def make(count: int, *extra: str, chain: str = "regtest", name: str = "net", stakers: int = 0) -> Testnet:
        net = Testnet.create(tmp_path / name, chain, count, stakers)
        made.append(net)
        net.start(extra)
        return net

    yield make
    for net in made:
        net.stop()
