"""Blocks that the ledger assembles are lawful, full, and do what their delta says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from ledger.api import Admission, Aid, Draft
from ledger.utxo.assemble import EXTRA_MINTING, EXTRA_OUTPUTS
from ledger.utxo.checks import block_weight, witness_commitment
from ledger.utxo.coins import CoinView
from ledger.utxo.rules import Place
from primitives.bitcoin import BitcoinBlock, Transaction, TxOutput, encode_block, outpoint
from primitives.errors import InvalidTx
from storage.kv import Delta, Journal, apply
from tests.builders import COIN, TRUE, Chainlet, DictKV, Key, Purse, sealed, spend

KEY = Key()


@pytest.fixture
def chain() -> Chainlet:
    grown = Chainlet()
    for _ in range(120):
        grown.mine(payee=KEY.script)
    return grown


def draft(chain: Chainlet, **options: Any) -> Draft:
    made = chain.spec.engine.propose(chain.branch, chain.state, Purse(KEY.script), 0, lambda: False)
    assert made is not None
    return replace(made, **options)


def admitted(tx: Transaction, weight: int | None = None) -> Admission:
    none: frozenset[bytes] = frozenset()
    return Admission(tx, tx.id, none, none, none, 0, 0, tx.vsize)


def pay(chain: Chainlet, at: int, fee: int = 1_000) -> Transaction:
    coin = chain.blocks[at].coinbase
    return KEY.sign(spend([(coin, 0)], [TxOutput(50 * COIN - fee, KEY.script)]), coin.outputs[:1])


def assemble(chain: Chainlet, wanted: Draft, txs: Sequence[Transaction] = ()) -> tuple[BitcoinBlock, Delta]:
    made, delta, _ = chain.spec.ledger.assemble(wanted, [admitted(t) for t in txs], chain.branch, chain.state)
    return made, delta


def test_an_assembled_block_is_lawful_and_its_delta_is_what_connecting_does(chain: Chainlet) -> None:
    first = pay(chain, 1)
    child = KEY.sign(spend([(first, 0)], [TxOutput(COIN, KEY.script), TxOutput(7, b"\x6a")]), first.outputs)
    before = dict(chain.state.pairs)
    made, delta = assemble(chain, draft(chain, extra=b"\x01\x02"), [first, child])
    assert chain.state.pairs == before
    assert made.txs[1:] == (first, child)
    told = chain.spec.ledger.assemble(draft(chain), [admitted(first), admitted(child)], chain.branch, chain.state)[2]
    assert made.coinbase.outputs[0] == TxOutput(50 * COIN + 1_000 + 50 * COIN - 1_000 - COIN - 7, KEY.script)
    assert made.coinbase.inputs[0].script == b"\x01\x79\x02\x01\x02"
    assert (made.header.version, made.coinbase.lock_time) == (0x20000000, 120)
    block = sealed(made)
    chain.check(block)
    journal = Journal(chain.state)
    assert chain.spec.ledger.connect(block, chain.branch, journal, Aid()) == told
    assert sorted(journal.delta().forward) == sorted(delta.forward)
    assert sorted(journal.delta().undo) == sorted(delta.undo)
    other = DictKV()
    other.pairs = dict(before)
    apply(other, delta)
    chain.accept(block)
    assert other.pairs == chain.state.pairs


@pytest.mark.parametrize("height", [1, 2, 16, 17, 128])
def test_a_first_coinbase_of_every_height_is_lawful(height: int) -> None:
    chain = Chainlet()
    if height > 1:
        chain.mine(count=height - 1)
    made, _ = assemble(chain, draft(chain))
    chain.accept(sealed(made))
    assert len(made.coinbase.inputs[0].script) >= 2


def test_what_does_not_apply_is_dropped(chain: Chainlet) -> None:
    good = pay(chain, 1)
    twice = pay(chain, 1, fee=5_000)
    heir = KEY.sign(spend([(twice, 0)], [TxOutput(1, KEY.script)]), twice.outputs)
    young = pay(chain, 115)
    late = replace(pay(chain, 3), lock_time=500)
    late = replace(late, inputs=tuple(i._replace(sequence=0) for i in late.inputs))
    waiting = spend([(good, 0)], [TxOutput(1, KEY.script)], sequence=1)
    rich = pay(chain, 4, fee=-1)
    made, _ = assemble(chain, draft(chain), [good, twice, heir, young, late, waiting, rich, pay(chain, 5)])
    assert made.txs[1:] == (good, pay(chain, 5))
    assert made.coinbase.outputs[0].value == 50 * COIN + 2_000
    chain.accept(sealed(made))


def test_a_block_is_filled_to_its_limit_and_not_beyond(chain: Chainlet) -> None:
    def heavy(at: int, size: int) -> Transaction:
        coin = chain.blocks[at].coinbase
        made = spend([(coin, 0)], [TxOutput(0, b"\x6a" + bytes(size))])
        return KEY.sign(made, coin.outputs[:1])

    big = [heavy(n, 330_000) for n in range(1, 5)]
    small = pay(chain, 6)
    made, _ = assemble(chain, draft(chain), [*big, small])
    assert made.txs[1:] == (*big[:3], small)
    assert 3_900_000 < block_weight(made.txs) <= 4_000_000
    chain.accept(sealed(made))


def test_signature_operations_are_limited(chain: Chainlet) -> None:
    loud = [
        KEY.sign(
            spend([(chain.blocks[n].coinbase, 0)], [TxOutput(1, b"\xac" * 9_000)]), chain.blocks[n].coinbase.outputs[:1]
        )
        for n in (1, 2, 3)
    ]
    made, _ = assemble(chain, draft(chain), loud)
    assert made.txs[1:] == tuple(loud[:2])
    chain.accept(sealed(made))


def test_a_drafts_own_outputs_and_minting(chain: Chainlet) -> None:
    """What a chain beside this one asks for: exits paid in the coinbase, a commitment as its last output."""
    own = (TxOutput(5 * COIN, b"\x51\x20" + bytes(32)), TxOutput(0, b"\x6a\x04last"))
    options = {EXTRA_OUTPUTS: own, EXTRA_MINTING: 5 * COIN}
    made, _ = assemble(chain, draft(chain, options=options), [pay(chain, 1)])
    assert made.coinbase.outputs[-2:] == own and len(made.coinbase.outputs) == 4
    assert witness_commitment(made.coinbase) is not None
    assert made.coinbase.outputs[0].value == 50 * COIN + 1_000
    ledger: Any = chain.spec.ledger
    ledger.connect(sealed(made), chain.branch, Journal(chain.state), Aid(), 5 * COIN)


def test_leading_transactions_come_first_and_are_checked(chain: Chainlet) -> None:
    lead = pay(chain, 1)
    made, _ = assemble(chain, draft(chain, leading=(lead,)), [pay(chain, 2)])
    assert made.txs[1:] == (lead, pay(chain, 2))
    signature, key = lead.inputs[0].witness
    bad = replace(lead, inputs=(lead.inputs[0]._replace(witness=(signature[:-2] + b"\x00\x01", key)),))
    with pytest.raises(InvalidTx, match="block-script-verify-flag-failed"):
        assemble(chain, draft(chain, leading=(bad,)))


def test_the_states_coins_are_spent_and_made(chain: Chainlet) -> None:
    tx = pay(chain, 1)
    made, delta = assemble(chain, draft(chain, payee=TRUE), [tx])
    apply(chain.state, delta)
    view = CoinView(chain.state)
    assert tx.inputs[0].outpoint not in view
    coin = view.get(outpoint(made.coinbase.id, 0))
    assert coin is not None and (coin.script, coin.height, coin.coinbase) == (TRUE, 121, True)


def test_coins_that_remember_their_place_in_the_block(chain: Chainlet) -> None:
    """Chains whose proof of stake hashes the offset of a transaction; the assembled delta knows it too."""
    ledger: Any = chain.spec.ledger
    chain.spec = replace(chain.spec, ledger=replace(ledger, rules=replace(ledger.rules, timed=True)))
    stake = pay(chain, 1)
    stake = KEY.sign(replace(stake, outputs=(TxOutput(0, b""), *stake.outputs)), chain.blocks[1].coinbase.outputs[:1])
    made, delta = assemble(chain, draft(chain), [stake, pay(chain, 2)])
    block = sealed(made)
    chain.accept(block)
    assert sorted(delta.forward) == sorted(chain.deltas[-1].forward)
    raw, view = encode_block(block), CoinView(chain.state)
    for at, tx in enumerate(block.txs):
        coin = view.get(outpoint(tx.id, at == 1))
        assert coin is not None
        assert raw[coin.offset :].startswith(tx.raw)
        assert (coin.stake, coin.coinbase) == (at == 1, at == 0)
    early = KEY.sign(spend([(block.txs[1], 1)], [TxOutput(1, KEY.script)]), block.txs[1].outputs[1:])
    assert assemble(chain, draft(chain), [early])[0].txs[1:] == ()  # a coinstake ripens like a coinbase


def test_rules_may_ask_more_of_form_and_fee(chain: Chainlet) -> None:
    def no_dust(tx: Transaction) -> None:
        if any(o.value < 1_000 for o in tx.outputs):
            raise InvalidTx("bad-txns-vout-minimum")

    def dear(tx: Transaction, coins: object, value_in: int, value_out: int, place: Place) -> int:
        if value_in - value_out < 5_000:
            raise InvalidTx("bad-txns-fee-not-enough", str(place.height))
        return value_in - value_out

    ledger: Any = chain.spec.ledger
    rules = replace(ledger.rules, check_form=no_dust, fee=dear)
    chain.spec = replace(chain.spec, ledger=replace(ledger, rules=rules))
    small = spend([(chain.blocks[1].coinbase, 0)], [999])
    cheap, good = pay(chain, 1, fee=4_999), pay(chain, 2, fee=5_000)
    assert assemble(chain, draft(chain, extra=b"x"), [small, cheap, good])[0].txs[1:] == (good,)
    with pytest.raises(InvalidTx, match="bad-txns-fee-not-enough, 121"):
        chain.spec.ledger.admit([cheap], chain.branch, chain.state, Aid())
