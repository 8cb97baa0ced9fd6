"""Ommers on a real node's chain: the producer offers what lies beside its branch, the ledger takes what is lawful."""

from __future__ import annotations

from typing import Any

import pytest

from chains.ethereum import SPECS
from ledger.account.state import State
from node.chain import Chain
from node.gate import Position
from node.mempool import Mempool
from node.producer import Producer, Purse
from node.results import TipChanged
from primitives.ethereum import EthereumBlock
from storage.memory import MemoryStore

SPEC = SPECS["ethash-dev"]
NOW = SPEC.genesis.header.timestamp + 100_000  # type: ignore[attr-defined]


def never() -> bool:
    return False


class Miner:
    """A chain and a producer on it."""

    def __init__(self) -> None:
        self.chain = Chain(SPEC, MemoryStore())
        self.producer = Producer(SPEC, Mempool(SPEC.ledger.policy))

    def make(self, payee: bytes) -> EthereumBlock:
        with self.chain.view() as view:
            made = self.producer.make(Position(view.branch, view.state, NOW), Purse(payee), never)
        assert made is not None
        block: EthereumBlock = made.block
        return block

    def take(self, block: EthereumBlock) -> Any:
        return self.chain.accept(block, NOW)

    def balance(self, address: bytes) -> int:
        with self.chain.view() as view:
            return State(view.state, view.tip.header.state_root).balance(address)


A, B = b"\xa1" * 20, b"\xb1" * 20


def test_a_sibling_becomes_an_ommer_and_survives_a_reorganisation() -> None:
    miner, other = Miner(), Miner()
    mine, theirs = miner.make(A), other.make(B)
    assert mine.header.hash != theirs.header.hash
    for node, blocks in ((miner, (mine, theirs)), (other, (theirs, mine))):
        for block in blocks:
            node.take(block)
    second = miner.make(A)
    assert [h.hash for h in second.side_headers] == [theirs.header.hash]
    result = other.take(second)
    assert isinstance(result, TipChanged)
    assert [e.hash for e in result.reverted] == [theirs.header.hash]
    reward = 2 * 10**18
    for node in (miner, other):
        node.take(second)
        assert node.balance(A) == 2 * reward + reward // 32
        assert node.balance(B) == reward * 7 // 8
    third = other.make(B)
    assert third.side_headers == ()


def test_connecting_and_rewinding_forgets_named_ommers() -> None:
    miner, other = Miner(), Miner()
    mine, theirs = miner.make(A), other.make(B)
    for block in (mine, theirs):
        miner.take(block)
    second = miner.make(A)
    miner.take(second)
    with miner.chain.view() as view:
        entry = view.branch.at(1)
    miner.chain.revert(entry)
    again = miner.make(A)
    assert [h.hash for h in again.side_headers] == [h.hash for h in second.side_headers]


@pytest.mark.parametrize("generations", [0, 1, 7])
def test_only_recent_siblings_are_offered(generations: int) -> None:
    miner, other = Miner(), Miner()
    theirs = other.make(B)
    miner.take(miner.make(A))
    miner.take(theirs)
    miner.take(miner.make(A))
    with miner.chain.view() as view:
        found = [e.hash for e in view.branch.siblings(generations)]
    assert found == ([theirs.header.hash] if generations == 7 else [])
