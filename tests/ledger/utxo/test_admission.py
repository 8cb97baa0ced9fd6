"""Transactions on their way into the mempool: what the ledger says of them, and in which class."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from ledger.api import Admission, Aid
from ledger.utxo.coins import MEMPOOL_HEIGHT, Coin
from ledger.utxo.scripts import cache_key
from primitives.bitcoin import NULL_OUTPOINT, Transaction, TxInput, TxOutput, outpoint
from primitives.errors import ChainError, InvalidTx, Missing, Premature, Refused, RuleError
from storage.kv import Journal
from tests.builders import COIN, Chainlet, Key, block, spend, state_pairs
from vm.script.flags import STANDARD
from vm.script.templates import null_data, pay_to_witness_script

KEY = Key()


@pytest.fixture(scope="module")
def chain() -> Chainlet:
    grown = Chainlet()
    for _ in range(120):
        grown.mine(payee=KEY.script)
    return grown


def admit(
    chain: Chainlet, *txs: Transaction, aid: Aid | None = None, pooled: Sequence[Admission] = ()
) -> list[Admission]:
    view = Journal(chain.state)
    for one in pooled:
        for key, value in one.shows:
            view.put(key, value)
    return chain.spec.ledger.admit(txs, chain.branch, view, aid or Aid())


def refused(chain: Chainlet, *txs: Transaction) -> ChainError:
    before = state_pairs(chain.state)
    with pytest.raises(ChainError) as e:
        admit(chain, *txs)
    assert state_pairs(chain.state) == before
    return e.value


def pay(
    chain: Chainlet, at: int = 1, fee: int = 1_000, outputs: Sequence[TxOutput] = (), **options: Any
) -> Transaction:
    made = tuple(outputs) or (TxOutput(50 * COIN - fee, KEY.script),)
    coin = chain.blocks[at].coinbase
    return KEY.sign(spend([(coin, 0)], made, **options), coin.outputs[:1])


def on(parent: Transaction, fee: int = 1_000) -> Transaction:
    value = parent.outputs[0].value - fee
    return KEY.sign(spend([(parent, 0)], [TxOutput(value, KEY.script)]), parent.outputs[:1])


class Cache(set[bytes]):
    """A cache that forgets nothing."""


def test_what_an_admission_tells(chain: Chainlet) -> None:
    made, cache = pay(chain, fee=777, sequence=0xFFFFFFFD), Cache()
    (found,) = admit(chain, made, aid=Aid(cache=cache))
    assert found.claims == found.needs == {made.inputs[0].outpoint}
    assert found.gives == {outpoint(made.id, 0)}
    assert found.shows == ((b"c" + outpoint(made.id, 0), Coin(50 * COIN - 777, KEY.script, MEMPOOL_HEIGHT).encode()),)
    assert (found.id, found.relay_id, found.tx) == (made.id, made.wtxid, made)
    assert (found.fee_cap, found.tip_cap, found.size, found.resources) == (777, 777, made.vsize, (made.weight, 1))
    assert found.replaceable and found.memory > len(made.raw)
    flags = chain.spec.ledger.rules.flags(None, chain.branch, made)  # type: ignore[attr-defined]
    assert cache == {cache_key(made, flags), cache_key(made, int(STANDARD))}
    assert not admit(chain, pay(chain))[0].replaceable


def test_a_block_of_what_was_admitted_asks_the_cache(chain: Chainlet) -> None:
    made, cache = pay(chain), Cache()
    admit(chain, made, aid=Aid(cache=cache))

    class Asked(Cache):
        hits = 0

        def __contains__(self, key: object) -> bool:
            found = super().__contains__(key)
            self.hits += found
            return found

    asked = Asked(cache)
    chain.spec.ledger.connect(block(chain.branch, [made]), chain.branch, Journal(chain.state), Aid(cache=asked))
    assert asked.hits == 1


@pytest.mark.parametrize(
    ("change", "kind", "rule"),
    [
        ({"outputs": ()}, InvalidTx, "bad-txns-vout-empty"),
        ({"inputs": (TxInput(NULL_OUTPOINT, b"12"),)}, InvalidTx, "coinbase"),
        ({"version": 9}, Refused, "version"),
        ({"outputs": (TxOutput(COIN, b"\x51"),)}, Refused, "scriptpubkey"),
        ({"outputs": (TxOutput(0, b"\x6a"),)}, Refused, "tx-size-small"),
        ({"lock_time": 121}, Premature, "non-final"),
        ({"outputs": (TxOutput(51 * COIN, KEY.script),)}, InvalidTx, "bad-txns-in-belowout"),
        ({"outputs": (TxOutput(50 * COIN - 100, KEY.script),)}, Refused, "min relay fee not met"),
    ],
)
def test_why_one_is_not_admitted(chain: Chainlet, change: dict[str, Any], kind: type[ChainError], rule: str) -> None:
    made = pay(chain, sequence=0)
    error = refused(chain, replace(made, **change))
    assert (type(error), getattr(error, "rule", None)) == (kind, rule)


def test_waiting_is_not_an_offence(chain: Chainlet) -> None:
    young = refused(chain, pay(chain, at=120))
    assert isinstance(young, Premature) and young.rule == "bad-txns-premature-spend-of-coinbase"
    locked = refused(chain, pay(chain, sequence=121))
    assert isinstance(locked, Premature) and locked.rule == "non-BIP68-final"


def test_unknown_inputs_are_named(chain: Chainlet) -> None:
    parent = pay(chain, outputs=[TxOutput(COIN, KEY.script)] * 2)
    child = spend([(parent, 0), (chain.blocks[2].coinbase, 0), (parent, 1)], [TxOutput(COIN, KEY.script)])
    error = refused(chain, child)
    assert isinstance(error, Missing)
    assert error.hashes == (outpoint(parent.id, 0), outpoint(parent.id, 1))


def test_a_transaction_of_the_chain_is_known() -> None:
    chain = Chainlet()
    for _ in range(101):
        chain.mine(payee=KEY.script)
    made = pay(chain)
    chain.mine([made])
    error = refused(chain, made)
    assert isinstance(error, Refused) and error.rule == "txn-already-known"


def test_nonstandard_ones_where_they_are_wanted(chain: Chainlet) -> None:
    made = pay(chain, outputs=[TxOutput(49 * COIN, b"\x51"), TxOutput(0, b"\x51")])
    assert refused(chain, made).rule == "scriptpubkey"  # type: ignore[attr-defined]
    ledger: Any = chain.spec.ledger
    loose = replace(ledger, policy=replace(ledger.policy, require_standard=False))
    assert loose.admit([made], chain.branch, chain.state, Aid())[0].fee_cap == COIN


def test_scripts_that_no_block_could_hold(chain: Chainlet) -> None:
    good = pay(chain)
    signature, public = good.inputs[0].witness
    wrong = signature[:9] + bytes((signature[9] ^ 1,)) + signature[10:]
    broken = replace(good, inputs=(good.inputs[0]._replace(witness=(wrong, public)),))
    error = refused(chain, broken)
    assert isinstance(error, InvalidTx) and error.rule.startswith("mempool-script-verify-flag-failed (")
    assert error.detail.startswith(f"input 0 of {good.id[::-1].hex()} (wtxid ")
    extra = replace(good, inputs=(good.inputs[0]._replace(witness=(signature, public, b"")),))
    assert isinstance(refused(chain, extra), InvalidTx)


def test_what_only_relay_minds_a_block_may_hold() -> None:
    nop = b"\xb0\x51"
    chain = Chainlet()
    chain.mine(count=101)
    fund = spend([(chain.blocks[1].coinbase, 0)], [TxOutput(COIN, pay_to_witness_script(nop))])
    chain.mine([fund])
    made = spend([(fund, 0)], [TxOutput(COIN - 1_000, KEY.script)])
    made = replace(made, inputs=(made.inputs[0]._replace(witness=(nop,)),))
    error = refused(chain, made)
    assert isinstance(error, Refused)
    assert error.rule == "mempool-script-verify-flag-failed (NOPx reserved for soft-fork upgrades)"
    chain.mine([made])


# Packages and pooled parents


def test_a_child_of_a_pooled_parent(chain: Chainlet) -> None:
    parent = pay(chain)
    child = on(parent)
    assert isinstance(refused(chain, child), Missing)
    pooled = admit(chain, parent)
    (found,) = admit(chain, child, pooled=pooled)
    assert found.needs <= pooled[0].gives
    waiting = spend([(parent, 0)], [TxOutput(COIN, KEY.script)], sequence=1)
    with pytest.raises(Premature, match="non-BIP68-final"):
        admit(chain, KEY.sign(waiting, parent.outputs), pooled=pooled)


def test_a_package_pays_together(chain: Chainlet) -> None:
    parent = pay(chain, fee=0)
    assert refused(chain, parent).rule == "min relay fee not met"  # type: ignore[attr-defined]
    assert refused(chain, parent, on(parent, 200)).rule == "min relay fee not met"  # type: ignore[attr-defined]
    found = admit(chain, parent, on(parent, 1_000))
    assert [a.fee_cap for a in found] == [0, 1_000]
    assert isinstance(refused(chain, on(parent), parent), Missing)


def test_a_package_does_not_spend_twice(chain: Chainlet) -> None:
    error = refused(chain, pay(chain), pay(chain, fee=2_000))
    assert isinstance(error, RuleError) and error.rule == "conflict-in-package"


def test_data_is_carried(chain: Chainlet) -> None:
    made = pay(chain, outputs=[TxOutput(49 * COIN, KEY.script), TxOutput(0, null_data(b"hello"))])
    (found,) = admit(chain, made)
    assert len(found.gives) == 1
