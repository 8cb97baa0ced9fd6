"""Fixtures: a client of a fresh node, and one of a node whose first hundred blocks are mined."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.node.rpc.harness import Client


@pytest.fixture
def client() -> Iterator[Client]:
    """A client of a fresh regtest node."""
    client = Client()
    yield client
    client.close()


@pytest.fixture
def rich(client: Client) -> Client:
    """A client of a node with 101 blocks, so that one coinbase can be spent."""
    client.mine(101)
    return client
