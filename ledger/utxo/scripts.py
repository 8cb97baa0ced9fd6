"""Runs the scripts of many inputs, over threads where there are some, and tells the first that fails.

It refuses to know what the failure means for the transaction or block.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from ledger.api import Aid, SignatureCache
from ledger.utxo.coins import Coin
from primitives.bitcoin import Transaction, TxOutput
from vm.script.errors import ScriptError
from vm.script.flags import Flags
from vm.script.sighash import SpendContext
from vm.script.verify import verify_input

BATCH: Final = 12
"""Inputs a thread takes at a time; fewer than two batches are not worth handing over."""


class Job(NamedTuple):
    """A transaction whose inputs are to be checked: the coins that they spend, and under which flags."""

    tx: Transaction
    coins: Sequence[Coin]
    flags: int


@dataclass(frozen=True, slots=True)
class Failure:
    """The input that failed, and why."""

    tx: Transaction
    index: int
    error: ScriptError

    @property
    def where(self) -> str:
        """The input as Core's messages name it."""
        spend = self.tx.inputs[self.index]
        ids = f"{_hex(self.tx.id)} (wtxid {_hex(self.tx.wtxid)})"
        return f"input {self.index} of {ids}, spending {_hex(spend.txid)}:{spend.vout}"


_Check = tuple[SpendContext, int, Flags]


def cache_key(tx: Transaction, flags: int) -> bytes:
    """What a signature cache remembers of a transaction that passed: the hash that covers its witnesses, and the flags.

    The coins need no place in it: the outpoints name the transactions that hold their values and scripts.
    """
    return tx.wtxid + int(flags).to_bytes(4, "little")


def first_failure(jobs: Iterable[Job], aid: Aid) -> Failure | None:
    """Check every input of every job; the failure that comes first in order of jobs and inputs, or None."""
    checks = list(_checks(jobs, aid.cache))
    if aid.executor is None or len(checks) < 2 * BATCH:
        return _run(checks)
    batches = [checks[at : at + BATCH] for at in range(0, len(checks), BATCH)]
    futures = [aid.executor.submit(_run, batch) for batch in batches]
    try:
        for future in futures:
            if (failure := future.result()) is not None:
                return failure
    finally:
        for future in futures:
            future.cancel()
    return None


def remember(job: Job, flags: Iterable[int], cache: SignatureCache | None) -> None:
    """Note that a transaction passed under its job's flags, and so under those of `flags` that ask for no more."""
    if cache is not None:
        cache.add(cache_key(job.tx, job.flags))
        for fewer in flags:
            if fewer | job.flags == job.flags:
                cache.add(cache_key(job.tx, fewer))


def _checks(jobs: Iterable[Job], cache: SignatureCache | None) -> Iterator[_Check]:
    for tx, coins, flags in jobs:
        if cache is not None and cache_key(tx, flags) in cache:
            continue
        context = SpendContext(tx, [TxOutput(c.value, c.script) for c in coins])
        rules = Flags(flags)
        for index in range(len(coins)):
            yield context, index, rules


def _run(checks: Sequence[_Check]) -> Failure | None:
    for context, index, flags in checks:
        try:
            verify_input(context, index, flags)
        except ScriptError as e:
            return Failure(context.tx, index, e)
    return None


def _hex(hash_: bytes) -> str:
    return hash_[::-1].hex()
