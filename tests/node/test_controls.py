"""Controls of a chain in this process: grants, snapshots, branches and dumps, and what must not be lawful elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from chains.bitcoin import REGTEST
from chains.catalogue import from_table
from chains.spec import ChainSpec
from ledger.utxo.grants import grant, is_grant
from node.controls import ANYONE, Controls, admission_of
from node.dump import dump, load, read
from node.env import RealEnv
from node.faucet import grant_coins, pay
from node.node import Node
from node.spent import spent_coins
from primitives.bitcoin import TxInput, TxOutput, outpoint
from primitives.errors import DecodeError, Invalid, Missing, Refused
from storage.layout import COIN as COIN_KEY
from storage.memory import MemoryStore

EDITS = from_table({"base": "regtest", "name": "edits", "dev_edits": True})
SCRIPT = bytes.fromhex("0014751e76e8199196d454941c45d1b3a323f1433bd6")
COIN = 100_000_000


def controls_of(spec: ChainSpec) -> tuple[Controls, RealEnv]:
    env = RealEnv(seed=1)
    env.freeze(1_750_000_000)
    return Controls(Node(spec, env, MemoryStore())), env


@pytest.fixture
def edits() -> Iterator[Controls]:
    controls, env = controls_of(EDITS)
    yield controls
    env.close()


@pytest.fixture
def regtest() -> Iterator[Controls]:
    controls, env = controls_of(REGTEST)
    yield controls
    env.close()


def coins_of(controls: Controls) -> dict[bytes, bytes]:
    with controls.node.snapshot() as at:
        return dict(at.state.scan(COIN_KEY))


def tip_block(controls: Controls) -> Any:
    return controls.node.chain.block(controls.node.chain.tip.hash)


def test_a_grant_makes_coins_that_can_be_spent_at_once(edits: Controls) -> None:
    txid = grant_coins(edits, [TxOutput(7 * COIN, SCRIPT), TxOutput(3 * COIN, ANYONE)])
    spend = replace(grant(b"", [TxOutput(3 * COIN, SCRIPT)]), inputs=(TxInput(outpoint(txid, 1)),))
    edits.mine([admission_of(spend)])
    assert spend.id in {tx.id for tx in tip_block(edits).txs}


def test_a_grant_is_undone_and_leaves_no_coin(edits: Controls) -> None:
    edits.mine()
    before, mark = coins_of(edits), edits.snapshot()
    grant_coins(edits, [TxOutput(COIN, SCRIPT)])
    assert len(coins_of(edits)) == len(before) + 2
    assert edits.revert(mark) and coins_of(edits) == before


def test_what_a_grant_spent_is_read_back(edits: Controls) -> None:
    grant_coins(edits, [TxOutput(COIN, SCRIPT), TxOutput(COIN, SCRIPT)])
    block = tip_block(edits)
    with edits.node.chain.view() as view:
        found = spent_coins(block, view.undo(view.tip))
    assert [c.value for c in found] == [2 * COIN]


def test_a_grant_holds_on_its_own_parent_alone(edits: Controls) -> None:
    early = grant(edits.node.chain.tip.hash, [TxOutput(COIN, SCRIPT)])
    edits.mine()
    assert not is_grant(early, edits.node.chain.tip.hash)
    edits.mine([admission_of(early)])
    assert early.id not in {tx.id for tx in tip_block(edits).txs}
    with pytest.raises(Missing):
        edits.node.submit_tx(early)


def test_a_block_with_a_grant_is_invalid_where_there_are_no_edits(edits: Controls, regtest: Controls) -> None:
    grant_coins(edits, [TxOutput(COIN, SCRIPT)])
    assert edits.node.spec.genesis == regtest.node.spec.genesis, "the block's parent is known to both"
    with pytest.raises(Invalid) as refused:
        regtest.node.accept_block(tip_block(edits))
    assert refused.value.rule == "bad-txns-inputs-missingorspent"
    with pytest.raises(Refused, match="dev edits are not allowed"):
        grant_coins(regtest, [TxOutput(COIN, SCRIPT)])


def test_a_grant_pays_no_more_coins_than_there_can_be(edits: Controls) -> None:
    with pytest.raises(Refused, match="does not apply"):
        grant_coins(edits, [TxOutput(21_000_000 * COIN, SCRIPT), TxOutput(1, SCRIPT)])


def test_the_faucet_of_a_chain_without_edits_pays_from_work(regtest: Controls) -> None:
    paid = pay(regtest, [TxOutput(120 * COIN, SCRIPT)])
    block = tip_block(regtest)
    [tx] = [tx for tx in block.txs if tx.id == paid]
    assert tx.outputs[0] == TxOutput(120 * COIN, SCRIPT) and sum(o.value for o in tx.outputs) == 150 * COIN
    height = regtest.node.chain.tip.height
    pay(regtest, [TxOutput(COIN, SCRIPT)])
    assert regtest.node.chain.tip.height == height + 1, "its change pays the next one"


def test_a_branch_outweighs_what_it_replaces(regtest: Controls) -> None:
    for _ in range(4):
        regtest.mine()
    old = regtest.node.chain.tip
    regtest.reorganise(3, {})
    new = regtest.node.chain.tip
    assert new.height == old.height + 1 and new.weight > old.weight
    with regtest.node.chain.view() as view:
        old_entry = view.entries.get(old.hash)
        assert old_entry is not None and view.entries.fork(old_entry).height == 1


@pytest.mark.parametrize("depth", [0, 5, -1])
def test_no_more_is_replaced_than_there_is(regtest: Controls, depth: int) -> None:
    for _ in range(4):
        regtest.mine()
    with pytest.raises(Refused, match="cannot lose"):
        regtest.reorganise(depth, {})


def test_a_transaction_beyond_the_branch_is_refused(edits: Controls) -> None:
    edits.mine()
    tx = grant(b"x" * 32, [TxOutput(COIN, SCRIPT)])
    with pytest.raises(Refused, match="does not lie within"):
        edits.reorganise(1, {1: [tx]})


def test_snapshots_nest_and_are_used_up(regtest: Controls) -> None:
    tips = []
    marks = []
    for _ in range(3):
        regtest.mine()
        tips.append(regtest.node.chain.tip.hash)
        marks.append(regtest.snapshot())
    assert regtest.revert(marks[1]) and regtest.node.chain.tip.hash == tips[1]
    assert not regtest.revert(marks[2]), "a later one went with it"
    regtest.reorganise(2, {})
    assert regtest.revert(marks[0]) and regtest.node.chain.tip.hash == tips[0], "also from another branch"


def test_a_snapshot_brings_the_clock_back(regtest: Controls) -> None:
    mark, second = regtest.snapshot(), regtest.node.env.now()
    regtest.move_clock(5_000)
    regtest.revert(mark)
    assert regtest.node.env.now() == second


def test_dump_load_dump_gives_equal_bytes(edits: Controls) -> None:
    grant_coins(edits, [TxOutput(COIN, SCRIPT)])
    edits.mine()
    edits.move_clock(77)
    data = dump(edits, {"w": "{}"})
    other, env = controls_of(EDITS)
    env.freeze(None)
    found = load(data, other)
    assert found.wallets == {"w": "{}"} and other.node.chain.tip.hash == edits.node.chain.tip.hash
    assert coins_of(other) == coins_of(edits)
    assert dump(other, found.wallets) == data
    env.close()


@pytest.mark.parametrize("cut", [0, 10, -1])
def test_a_dump_cut_short_is_refused_and_the_chain_kept(edits: Controls, cut: int) -> None:
    edits.mine()
    data, tip = dump(edits), edits.node.chain.tip.hash
    with pytest.raises(DecodeError):
        load(data[:cut], edits)
    assert edits.node.chain.tip.hash == tip


def test_a_dump_of_another_chain_is_refused(edits: Controls) -> None:
    other, env = controls_of(
        from_table({"base": "regtest", "name": "apart", "genesis": {"timestamp": 1_600_000_000, "nonce": 1}})
    )
    with pytest.raises(Refused, match="another genesis"):
        read(dump(other), edits.node)
    env.close()
