"""Faucet: coins for whoever asks on a local chain: granted where the chain allows edits, else earned by blocks that anyone may spend.

It works on the chain thread through the node's controls.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from ledger.utxo.coins import decode_coin
from ledger.utxo.grants import grant
from node.controls import ANYONE, Controls, admission_of
from primitives.bitcoin import Transaction, TxInput, TxOutput
from primitives.errors import Refused
from storage.layout import COIN

MOST_BLOCKS: Final = 2_000
"""That are mined for one request at most."""
MOST_COINS: Final = 500
"""Of one payment: each coinbase is a coin of its own."""


def pay(controls: Controls, outputs: Sequence[TxOutput]) -> bytes:
    """Pay these outputs in a block at once; the transaction's id. Raises Refused where that cannot be."""
    if controls.node.spec.dev_edits:
        return grant_coins(controls, outputs)
    return _pay_from_work(controls, outputs)


def grant_coins(controls: Controls, outputs: Sequence[TxOutput]) -> bytes:
    """Make these outputs out of nothing, in a block at once; the transaction's id. Raises Refused."""
    node = controls.node
    if not node.spec.dev_edits:
        raise Refused("dev edits are not allowed on this chain", f"{node.spec.name} keeps to its family's rules")
    rules = _rules(controls)
    tx = grant(node.chain.tip.hash, outputs, 3 if rules.timed else 2)
    return _mine(controls, tx)


def _mine(controls: Controls, tx: Transaction) -> bytes:
    block = controls.mine([admission_of(tx)])
    if tx.id not in {found.id for found in block.txs}:
        raise Refused("transaction does not apply", "the amounts may be too large, or a script too long")
    return tx.id


def _rules(controls: Controls) -> Any:
    rules = getattr(controls.node.spec.ledger, "rules", None)
    if not hasattr(rules, "maturity"):
        raise Refused("no coins", f"{controls.node.spec.name} has no coins")
    return rules


def _pay_from_work(controls: Controls, outputs: Sequence[TxOutput]) -> bytes:
    """Spend mature coins that anyone may spend; where there are too few, blocks are mined for them first."""
    maturity = _rules(controls).maturity
    total = sum(o.value for o in outputs)
    for mined in range(MOST_BLOCKS):
        if mined == 0 or mined > maturity:
            chosen = _spendable(controls, total, maturity)
            if chosen is not None:
                change = sum(value for _, value in chosen) - total
                rest = (TxOutput(change, ANYONE),) if change else ()
                spends = tuple(TxInput(point) for point, _ in chosen)
                return _mine(controls, Transaction(2, spends, (*outputs, *rest), 0))
        controls.mine(())
    raise Refused("the faucet is dry", f"{MOST_BLOCKS} blocks do not earn so much: ask for less")


def _spendable(controls: Controls, total: int, maturity: int) -> list[tuple[bytes, int]] | None:
    """Coins that make the sum, oldest first; None where there are not enough."""
    with controls.node.snapshot() as at:
        height = at.tip.height + 1
        found = []
        for key, raw in at.state.scan(COIN):
            coin = decode_coin(raw)
            if coin.script == ANYONE and not (coin.coinbase and height - coin.height < maturity):
                found.append((coin.height, key[len(COIN) :], coin.value))
    chosen: list[tuple[bytes, int]] = []
    for _, point, value in sorted(found)[:MOST_COINS]:
        chosen.append((point, value))
        total -= value
        if total <= 0:
            return chosen
    return None
