"""The command line's own RPC client against a real node."""

from __future__ import annotations

import pytest

from node.client import BATCH_ITEMS
from node.rpc.errors import RpcError
from tests.scenarios.conftest import NetMaker

pytestmark = pytest.mark.scenario


def test_a_batch_may_be_longer_than_a_request_and_keeps_its_order(make_net: NetMaker) -> None:
    net = make_net(1)
    with_fault = [("getblockhash", [n % 2]) for n in range(2 * BATCH_ITEMS + 1)]
    answers = net.client(net.members[0]).batch(with_fault)
    genesis = answers[0]
    assert answers[::2] == [genesis] * (BATCH_ITEMS + 1)
    assert all(isinstance(a, RpcError) and a.code == -8 for a in answers[1::2])
    assert net.client(net.members[0]).batch([]) == []
