"""An account chain for each test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.node.rpc.ethereum.harness import AccountNode


@pytest.fixture
def chain() -> Iterator[AccountNode]:
    """The dev chain, mining at once."""
    node = AccountNode()
    yield node
    node.close()
