"""Assembles a block that only lacks its seal: coinbase, the transactions that apply, commitments, header.

It refuses to know where the transactions come from and who will seal. Source: Bitcoin Core, node/miner.cpp, BlockAssembler.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Final, NamedTuple, TypeAlias

from ledger.api import Admission, Aid, Applied, Draft
from ledger.utxo.checks import (
    COMMITMENT_HEAD,
    block_weight,
    check_transaction,
    commitment_hash,
    height_push,
    is_final,
    sequence_locks_hold,
)
from ledger.utxo.coins import Coin
from ledger.utxo.connect import book, check_unique, connect, spending
from ledger.utxo.rules import Active, AnyBranch, Place, Totals, UtxoRules
from ledger.utxo.scripts import Job, first_failure
from ledger.utxo.sigops import sigop_cost
from primitives import merkle
from primitives.bitcoin import (
    FINAL_SEQUENCE,
    NULL_OUTPOINT,
    BitcoinBlock,
    BitcoinHeader,
    Transaction,
    TxInput,
    TxOutput,
)
from primitives.errors import InvalidTx, Missing
from storage.kv import KV, Delta, Journal
from vm.script.flags import STANDARD

VERSION: Final = 0x20000000
"""Version bits with nothing signalled (BIP9)."""

EXTRA_OUTPUTS: Final = "coinbase_outputs"
"""Draft option: outputs that the coinbase bears after its others, a tuple of TxOutput."""

EXTRA_MINTING: Final = "extra_minting"
"""Draft option: what the reward may mint beside subsidy and fees, in satoshi. It is not paid to the payee."""

RESERVED: Final = bytes(32)
"""The witness reserved value of our coinbases."""

COINBASE_WEIGHT: Final = 8_000
COINBASE_SIGOP_COST: Final = 400
"""Kept free for header and coinbase."""

CoinbaseRule: TypeAlias = Callable[[Draft, Place, int, UtxoRules], Transaction]
BlockRule: TypeAlias = Callable[[Draft, BitcoinHeader, tuple[Transaction, ...]], Any]


def bitcoin_coinbase(draft: Draft, place: Place, fees: int, rules: UtxoRules) -> Transaction:
    """A coinbase that pays subsidy and fees to the payee, then the draft's own outputs.

    It begins with the height (BIP34); lock time and sequence make it unlike any other height's, as BIP54 asks.
    """
    script = height_push(place.height)
    if draft.extra:
        script += bytes((len(draft.extra),)) + draft.extra
    elif len(script) < 2:
        script += b"\x00"
    outputs = (TxOutput(rules.subsidy(place.height) + fees, draft.payee), *draft.options.get(EXTRA_OUTPUTS, ()))
    return Transaction(1, (TxInput(NULL_OUTPOINT, script, FINAL_SEQUENCE - 1),), outputs, place.height - 1)


def bitcoin_block(draft: Draft, header: BitcoinHeader, txs: tuple[Transaction, ...]) -> BitcoinBlock:
    """A plain Bitcoin block."""
    return BitcoinBlock(header, txs)


def assemble(
    draft: Draft,
    txs: Sequence[Admission],
    branch: AnyBranch,
    state: KV,
    rules: UtxoRules,
    coinbase: CoinbaseRule,
    make_block: BlockRule,
) -> tuple[Any, Delta, Applied]:
    """A block of the draft's leading transactions and of those admitted ones that apply, what it changes and what it brings about.

    An admission shows that its scripts hold under the flags of relay; they run again only where a block now asks for more.
    """
    journal = Journal(state)
    header = _header(draft, branch.tip.hash, ())
    place = Place(branch.tip.height + 1, header, branch, draft.options.get(EXTRA_MINTING, 0), journal)
    active = rules.active(None, branch)
    after = len(draft.options.get(EXTRA_OUTPUTS, ()))

    def first(fees: int, rest: Sequence[Transaction]) -> Transaction:
        made = coinbase(draft, place, fees, rules)
        return with_commitment(made, rest, after) if active.witness else made

    cost = rules.max_sigop_cost - COINBASE_SIGOP_COST
    totals = Totals(0, 0, 0)
    taken: list[_Chosen] = []
    for tx in draft.leading:
        one = _judge(tx, place, active, journal, rules, 0)
        totals, cost = _take(one, totals, cost, place, journal, active, rules)
        taken.append(one)
    weight = rules.max_weight - block_weight([first(0, ()), *draft.leading]) - _COUNT_WEIGHT
    cutoff = branch.median_time() if active.median_lock_time else draft.timestamp
    for tx in (admission.tx for admission in txs):
        if weight < tx.weight or not is_final(tx, place.height, cutoff):
            continue
        try:
            one = _judge(tx, place, active, journal, rules, int(STANDARD))
        except (InvalidTx, Missing):
            continue
        if one.cost <= cost:
            totals, cost = _take(one, totals, cost, place, journal, active, rules)
            weight -= tx.weight
            taken.append(one)
    body = [one.tx for one in taken]
    whole = (first(totals.fees, body), *body)
    block = make_block(draft, _header(draft, branch.tip.hash, whole), whole)
    if rules.timed:  # where a coin remembers its place in the block, that is only known now
        journal = Journal(state)
        applied = connect(block, branch, journal, Aid(check_scripts=False), rules, place.extra)
        return block, journal.delta(), applied
    check_unique(whole[:1], state)
    book(whole[0], place.height, journal, active, rules)
    rules.check_reward(block, place._replace(header=block.header), totals, journal, rules)
    spent = tuple(coin for one in taken for coin in one.coins)
    points = frozenset(i.outpoint for one in taken for i in one.tx.inputs)
    return block, journal.delta(), Applied(totals.fees, spent=spent, touched=points)


class _Chosen(NamedTuple):
    tx: Transaction
    coins: list[Coin]
    fee: int
    cost: int


def _take(
    one: _Chosen, totals: Totals, cost: int, place: Place, journal: Journal, active: Active, rules: UtxoRules
) -> tuple[Totals, int]:
    book(one.tx, place.height, journal, active, rules)
    spent = totals.spent + sum(c.value for c in one.coins)
    made = totals.made + sum(o.value for o in one.tx.outputs)
    return Totals(totals.fees + one.fee, spent, made), cost - one.cost


def _judge(tx: Transaction, place: Place, active: Active, state: KV, rules: UtxoRules, passed: int) -> _Chosen:
    """Its coins, fee and sigop cost; its scripts passed under some flags. Raises InvalidTx or Missing where it does not apply."""
    check_transaction(tx, rules)
    coins, fee = spending(tx, place, state, rules)
    if active.sequence_locks and not sequence_locks_hold(tx, [c.height for c in coins], place.branch):
        raise InvalidTx("bad-txns-nonfinal")
    if tx.has_witness and not active.witness:
        raise InvalidTx("unexpected-witness")
    if rules.unique_ids(None, place.branch):
        check_unique([tx], state)
    flags = rules.flags(None, place.branch, tx)
    if flags & ~passed and (failure := first_failure([Job(tx, coins, flags)], Aid())) is not None:
        raise InvalidTx(f"block-script-verify-flag-failed ({failure.error.text})", failure.where)
    return _Chosen(tx, coins, fee, sigop_cost(tx, coins, flags))


def with_commitment(coinbase: Transaction, rest: Sequence[Transaction], after: int) -> Transaction:
    """The coinbase with a commitment to all witnesses (BIP141) before its last `after` outputs."""
    digest = commitment_hash((coinbase, *rest), RESERVED)
    at = len(coinbase.outputs) - after
    outputs = (*coinbase.outputs[:at], TxOutput(0, COMMITMENT_HEAD + digest), *coinbase.outputs[at:])
    spend = coinbase.inputs[0]._replace(witness=(RESERVED,))
    return replace(coinbase, inputs=(spend,), outputs=outputs)


def _header(draft: Draft, parent: bytes, txs: Sequence[Transaction]) -> BitcoinHeader:
    version = VERSION if draft.version is None else draft.version
    root = merkle.root([tx.id for tx in txs])
    return BitcoinHeader(version, parent, root, draft.timestamp, draft.difficulty, 0)


_COUNT_WEIGHT: Final = 4 * 8
"""The number of transactions at its longest."""
