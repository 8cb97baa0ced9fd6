"""The mempool of a twin chain: each lane by its own family's rules, in one pool."""

from __future__ import annotations

from typing import Any

import pytest

from chains.catalogue import load
from ledger.utxo.grants import grant
from node.env import RealEnv
from node.node import Node
from node.producer import Purse
from node.template import choose
from primitives.bitcoin import TxOutput
from primitives.errors import Refused
from primitives.twin import ACCOUNTS, COINS
from storage.memory import MemoryStore
from tests.twins import KEY, admission, call, first_coins, pay

GWEI = 10**9


@pytest.fixture
def node() -> Any:
    env = RealEnv(seed=1)
    yield Node(load("twin"), env, MemoryStore())
    env.close()


def funded(node: Node, count: int) -> list[Any]:
    """So many coins of KEY."""
    tx = grant(node.chain.tip.hash, [TxOutput(10_000_000, KEY.script)] * count)
    node.make_block(Purse(b"\x51"), [admission(tx)])
    return first_coins(tx)


def test_a_row_of_an_account_is_as_long_as_its_own_family_allows(node: Node) -> None:
    """Core's 25 in a row bind coins alone: counting an account's row like that would forbid it, and cost its length squared."""
    coin = funded(node, 1)[0]
    for nonce in range(60):
        node.submit_tx(call(nonce, gas_limit=21_000))
    for left in range(25):
        tx = pay([coin], [TxOutput(10_000_000 - 10_000 * (left + 1), KEY.script)])
        node.submit_tx(tx)
        coin = (tx, 0)
    with pytest.raises(Refused, match="too-long-mempool-chain"):
        node.submit_tx(pay([coin], [TxOutput(9_000_000, KEY.script)]))
    block: Any = node.make_block(Purse(b"\x51"))
    assert len(block.outer.txs) == 26 and len(block.payload.txs) == 60


def test_each_lane_is_filled_to_its_own_limits_in_its_own_order(node: Node) -> None:
    """A child pays for its parent among coins; among accounts each waits for its turn."""
    one, two = funded(node, 2)
    parent = pay([one], [TxOutput(10_000_000 - 200, KEY.script)])
    other = pay([two], [TxOutput(10_000_000 - 400, KEY.script)])
    child = pay([(parent, 0)], [TxOutput(9_900_000, KEY.script)])
    poor, rich = call(0, gas_limit=21_000, tip_cap=GWEI), call(1, gas_limit=21_000, tip_cap=50 * GWEI)
    for tx in (other, parent, child, poor, rich):
        node.submit_tx(tx)
    room = {COINS: (10_000, 1_000), ACCOUNTS: (42_000, 0)}
    assert [a.id for a in choose(node.pool, room)] == [parent.id, child.id, other.id, poor.id, rich.id]
    weight = parent.weight + child.weight
    small = choose(node.pool, {COINS: (weight, 1_000), ACCOUNTS: (21_000, 0)})
    assert [a.id for a in small] == [parent.id, child.id, poor.id]


def test_a_replacement_obeys_its_own_familys_rule(node: Node) -> None:
    (coin,) = funded(node, 1)
    node.submit_tx(pay([coin], [TxOutput(9_990_000, KEY.script)]))
    node.submit_tx(call(0, gas_limit=21_000, tip_cap=10 * GWEI))
    with pytest.raises(Refused, match="insufficient fee"):
        node.submit_tx(pay([coin], [TxOutput(9_989_999, KEY.script)]))
    with pytest.raises(Refused, match="replacement transaction underpriced"):
        node.submit_tx(call(0, gas_limit=21_000, tip_cap=10 * GWEI, value=2))
    bumped = pay([coin], [TxOutput(9_980_000, KEY.script)])
    dearer = call(0, gas_limit=21_000, tip_cap=20 * GWEI, fee_cap=200 * GWEI)
    for tx in (bumped, dearer):
        node.submit_tx(tx)
    assert {e.id for e in node.pool} == {bumped.id, dearer.id}
