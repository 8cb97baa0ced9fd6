"""Judges transactions for the mempool: one, or a package whose later members may spend the earlier ones' outputs.

It refuses to know what is pooled: the state it is given shows that. Order and words are Bitcoin Core's (MemPoolAccept::PreChecks).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from ledger.api import Admission, Aid
from ledger.utxo.checks import check_transaction, is_final, sequence_locks_hold
from ledger.utxo.coins import Coin, CoinView, pooled_coins
from ledger.utxo.connect import PREMATURE, check_inputs, find_coins
from ledger.utxo.policy import UtxoPolicy, fee_at, virtual_size
from ledger.utxo.rules import Active, AnyBranch, Place, UtxoRules
from ledger.utxo.scripts import Job, first_failure, remember
from ledger.utxo.sigops import sigop_cost
from ledger.utxo.standard import check_inputs_standard, check_standard, check_witness_standard
from primitives.bitcoin import Transaction, outpoint
from primitives.errors import InvalidTx, Missing, Premature, Refused
from storage.kv import KV, Journal
from vm.script.flags import STANDARD

SIGNALS_REPLACEMENT: Final = 0xFFFFFFFE
"""A sequence below this says that the transaction may be replaced (BIP125)."""

LEAST_SIZE: Final = 65
"""Smaller ones could pass for an inner node of a merkle tree (CVE-2017-12842)."""

_OVERHEAD, _PER_BYTE, _PER_INPUT, _PER_OUTPUT = 1_600, 3, 500, 450


def admit(
    txs: Sequence[Transaction], branch: AnyBranch, state: KV, aid: Aid, rules: UtxoRules, policy: UtxoPolicy
) -> list[Admission]:
    """Admissions in the order given, or raise for the first that may not come in.

    Raises InvalidTx, Missing, Refused and Premature ("non-final", "non-BIP68-final", "bad-txns-premature-spend-of-coinbase").
    """
    view = Journal(state)
    active = rules.active(None, branch)
    place = Place(branch.tip.height + 1, None, branch, state=view)
    admissions: list[Admission] = []
    jobs: list[Job] = []
    for tx in txs:
        admission, job = _judge(tx, place, active, view, rules, policy)
        if any(admission.claims & earlier.claims for earlier in admissions):
            raise Refused("conflict-in-package", "package spends an output twice")
        for key, value in admission.shows:
            view.put(key, value)
        admissions.append(admission)
        jobs.append(job)
    _check_rate(admissions, policy)
    for job in jobs:
        _check_scripts(job, rules.flags(None, branch, job.tx), aid)
    return admissions


def _judge(
    tx: Transaction, place: Place, active: Active, view: KV, rules: UtxoRules, policy: UtxoPolicy
) -> tuple[Admission, Job]:
    check_transaction(tx, rules)
    if tx.is_coinbase:
        raise InvalidTx("coinbase")
    if policy.require_standard:
        check_standard(tx, policy)
    if len(tx.base) < LEAST_SIZE:
        raise Refused("tx-size-small")
    if tx.lock_time and not is_final(tx, place.height, place.branch.median_time()):
        raise Premature("non-final")
    if tx.has_witness and not active.witness:
        raise Refused("no-witness-yet")
    coins = _coins(tx, view)
    if active.sequence_locks and not sequence_locks_hold(tx, [c.height for c in coins], place.branch):
        raise Premature("non-BIP68-final")
    try:
        fee = check_inputs(tx, coins, place, rules)
    except InvalidTx as e:
        if e.rule.startswith(PREMATURE):
            raise Premature(e.rule, e.detail) from e
        raise
    if policy.require_standard:
        check_inputs_standard(tx, coins)
        if tx.has_witness:
            check_witness_standard(tx, coins)
    cost = sigop_cost(tx, coins, STANDARD)
    if cost > policy.max_sigop_cost:
        raise Refused("bad-txns-too-many-sigops", str(cost))
    return _admission(tx, fee, cost, policy), Job(tx, coins, int(STANDARD))


def _coins(tx: Transaction, view: KV) -> list[Coin]:
    try:
        return find_coins(tx, view)
    except Missing:
        known, txid = CoinView(view), tx.id
        if any(outpoint(txid, n) in known for n in range(len(tx.outputs))):
            raise Refused("txn-already-known") from None
        raise


def _admission(tx: Transaction, fee: int, cost: int, policy: UtxoPolicy) -> Admission:
    claims = frozenset([i.outpoint for i in tx.inputs])
    shows = pooled_coins(tx)
    raw = len(tx.raw)
    return Admission(
        tx=tx,
        id=tx.id,
        claims=claims,
        needs=claims,
        gives=frozenset([key[1:] for key, _ in shows]),
        fee_cap=fee,
        tip_cap=fee,
        size=virtual_size(tx.weight, cost, policy),
        resources=(tx.weight, cost),
        memory=_OVERHEAD + _PER_BYTE * raw + _PER_INPUT * len(tx.inputs) + _PER_OUTPUT * len(tx.outputs),
        relay_id=tx.wtxid,
        shows=shows,
        replaceable=any(i.sequence < SIGNALS_REPLACEMENT for i in tx.inputs),
    )


def _check_rate(admissions: Sequence[Admission], policy: UtxoPolicy) -> None:
    """Each pays its way, or, in a package, all of them together do."""
    short = [a for a in admissions if a.fee_cap < fee_at(policy.min_relay_rate, a.size)]
    if not short:
        return
    fees, size = sum(a.fee_cap for a in admissions), sum(a.size for a in admissions)
    if len(admissions) == 1 or fees < fee_at(policy.min_relay_rate, size):
        first = short[0]
        raise Refused("min relay fee not met", f"{first.fee_cap} < {fee_at(policy.min_relay_rate, first.size)}")


def _check_scripts(job: Job, block_flags: int, aid: Aid) -> None:
    """Scripts pass under the flags of relay, which ask for all that a block asks for and more.

    Raises InvalidTx or Refused, both with "mempool-script-verify-flag-failed (...)": by whether a block could hold it.
    """
    flags = job.flags | block_flags
    failure = first_failure([job._replace(flags=flags)], aid)
    if failure is None:
        remember(job._replace(flags=flags), (block_flags,), aid.cache)
        return
    word = f"mempool-script-verify-flag-failed ({failure.error.text})"
    if first_failure([job._replace(flags=block_flags)], aid) is None:
        raise Refused(word, failure.where)
    raise InvalidTx(word, failure.where)
