"""Connects a block: spends its inputs, adds its outputs, runs its scripts. THE place where a UTXO block is judged with its coins.

It refuses to know how to undo: the journal does. Words and order are Bitcoin Core's (validation.cpp, ConnectBlock).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from ledger.api import Aid, Applied
from ledger.utxo.checks import sequence_locks_hold
from ledger.utxo.coins import Coin, decode_coin
from ledger.utxo.grants import granted_coin, is_grant
from ledger.utxo.rules import Active, Place, Totals, UtxoRules
from ledger.utxo.scripts import Job, first_failure
from ledger.utxo.sigops import sigop_cost
from primitives.bitcoin import Transaction, outpoint
from primitives.buffer import compact_size
from primitives.errors import InvalidBlock, InvalidTx, Missing
from storage.kv import KV
from storage.layout import COIN
from vm.script.shapes import is_unspendable

PREMATURE: Final = "bad-txns-premature-spend-of-coinbase"
"""The word for coins of a reward that is too young; where there are coinstakes, "/coinstake" follows."""


def connect(block: Any, branch: Any, state: KV, aid: Aid, rules: UtxoRules, extra: int = 0) -> Applied:
    """Apply a block whose form and place were checked; `extra` is what its reward may mint beside subsidy and fees.

    Raises InvalidBlock with "bad-txns-BIP30", "bad-txns-inputs-missingorspent", "bad-txns-premature-spend-of-coinbase",
    "bad-txns-inputvalues-outofrange", "bad-txns-in-belowout", "bad-txns-accumulated-fee-outofrange", "bad-txns-nonfinal",
    "bad-blk-sigops", "bad-cb-amount" or "block-script-verify-flag-failed (...)". Of scripts that fail, the first is named.
    """
    header, txs = block.header, block.txs
    place = Place(branch.tip.height + 1, header, branch, extra, state)
    active = rules.active(header, branch)
    if rules.unique_ids(header, branch):
        try:
            check_unique(txs, state)
        except InvalidTx as e:
            raise InvalidBlock(e.rule, e.detail) from e
    fees = cost = value_in = value_out = 0
    offset = 80 + len(compact_size(len(txs)))
    jobs: list[Job] = []
    spent: list[Coin] = []
    points: list[bytes] = []
    for at, tx in enumerate(txs):
        flags = rules.flags(header, branch, tx)
        coins: list[Coin] = []
        if at:
            try:
                coins, fee = spending(tx, place, state, rules)
            except Missing as e:
                raise InvalidBlock("bad-txns-inputs-missingorspent", _in("inputs missing/spent", tx)) from e
            except InvalidTx as e:
                raise InvalidBlock(e.rule, _in(e.detail, tx)) from e
            fees += fee
            if fees > rules.max_money:
                raise InvalidBlock("bad-txns-accumulated-fee-outofrange", "accumulated fee in the block out of range")
            if active.sequence_locks and not sequence_locks_hold(tx, [c.height for c in coins], branch):
                raise InvalidBlock("bad-txns-nonfinal", _in("contains a non-BIP68-final transaction", tx))
            value_in += sum([c.value for c in coins])
            value_out += sum([o.value for o in tx.outputs])
            spent += coins
            points += [i.outpoint for i in tx.inputs]
            jobs.append(Job(tx, coins, flags))
        cost += sigop_cost(tx, coins, flags)
        if cost > rules.max_sigop_cost:
            raise InvalidBlock("bad-blk-sigops", "too many sigops")
        book(tx, place.height, state, active, rules, offset)
        if rules.timed:
            offset += len(tx.raw)
    rules.check_reward(block, place, Totals(fees, value_in, value_out), state, rules)
    if aid.check_scripts and (failure := first_failure(jobs, aid)) is not None:
        raise InvalidBlock(f"block-script-verify-flag-failed ({failure.error.text})", failure.where)
    return Applied(fees=fees, spent=tuple(spent), touched=frozenset(points))


def check_unique(txs: Sequence[Transaction], state: KV) -> None:
    """No transaction repeats the id of one that has unspent outputs (BIP30). Raises InvalidTx("bad-txns-BIP30")."""
    get = state.get
    for tx in txs:
        head = COIN + tx.id
        for n in range(len(tx.outputs)):
            if get(head + n.to_bytes(4, "little")) is not None:
                raise InvalidTx("bad-txns-BIP30", "tried to overwrite transaction")


def find_coins(tx: Transaction, state: KV) -> list[Coin]:
    """The coins that a transaction spends, in input order. Raises Missing with the outpoints where there is none."""
    get = state.get
    found = [get(COIN + spend[0]) for spend in tx.inputs]
    if None in found:
        raise Missing(i.outpoint for i, data in zip(tx.inputs, found, strict=True) if data is None)
    return [decode_coin(data) for data in found if data is not None]


def spending(tx: Transaction, place: Place, state: KV, rules: UtxoRules) -> tuple[list[Coin], int]:
    """The coins that a transaction of a block spends, and its fee. Raises Missing, and InvalidTx as check_inputs does."""
    if rules.grants and is_grant(tx, place.branch.tip.hash):
        return [granted_coin(tx, place.height)], 0
    coins = find_coins(tx, state)
    return coins, check_inputs(tx, coins, place, rules)


def check_inputs(tx: Transaction, coins: Sequence[Coin], place: Place, rules: UtxoRules) -> int:
    """Coins mature and values in range. Returns the fee, as the rules have it.

    Raises InvalidTx("bad-txns-premature-spend-of-coinbase"), InvalidTx("bad-txns-inputvalues-outofrange") and what the fee rule
    raises. Source: Bitcoin Core, consensus/tx_verify.cpp, CheckTxInputs.
    """
    total = 0
    for coin in coins:
        if (coin.coinbase or coin.stake) and place.height - coin.height < rules.maturity:
            depth = place.height - coin.height
            word = f"{PREMATURE}/coinstake" if rules.timed else PREMATURE
            raise InvalidTx(word, f"tried to spend coinbase at depth {depth}")
        total += coin.value
        if total > rules.max_money:
            raise InvalidTx("bad-txns-inputvalues-outofrange")
    return rules.fee(tx, coins, total, sum([o.value for o in tx.outputs]), place)


def book(tx: Transaction, height: int, state: KV, active: Active, rules: UtxoRules, offset: int = 0) -> None:
    """Take the coins that a transaction spends and put those that it makes."""
    coinbase = tx.is_coinbase
    if not coinbase:
        for spend in tx.inputs:
            state.delete(COIN + spend[0])
    stake, time = False, 0
    if rules.timed:
        stake, time = is_coinstake(tx), tx.time or 0
    else:
        offset = 0
    txid = tx.id
    for n, (value, script) in enumerate(tx.outputs):
        if not is_unspendable(script) and (value or active.empty_coins):
            state.put(COIN + outpoint(txid, n), Coin(value, script, height, coinbase, stake, time, offset).encode())


def is_coinstake(tx: Transaction) -> bool:
    """Whether a transaction has the shape of a coinstake: it spends a coin, and its first output of two or more is empty."""
    return len(tx.outputs) >= 2 and bool(tx.inputs) and not tx.is_coinbase and tx.outputs[0] == (0, b"")


def coinbase_reward(block: Any, place: Place, totals: Totals, state: KV, rules: UtxoRules) -> None:
    """The coinbase pays at most subsidy, fees and what the caller allows beside them, all in satoshi.

    Raises InvalidBlock("bad-cb-amount"). Source: Bitcoin Core, validation.cpp, ConnectBlock.
    """
    paid = sum(o.value for o in block.txs[0].outputs)
    limit = rules.subsidy(place.height) + totals.fees + place.extra
    if paid > limit:
        raise InvalidBlock("bad-cb-amount", f"coinbase pays too much (actual={paid} vs limit={limit})")


def _in(detail: str, tx: Transaction) -> str:
    return f"{detail} in transaction {tx.id[::-1].hex()}".lstrip()
