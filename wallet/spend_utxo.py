"""Builds and signs one transaction of the coin kind from data given: payments, coins, a rate, secrets.

Refuses to know where coins come from, and who reserves them. What it returns signed has been run by the script interpreter.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Final

from primitives.bitcoin import FINAL_SEQUENCE, Transaction, TxInput, TxOutput
from primitives.buffer import compact_size
from vm.script.sighash import SpendContext
from wallet import ordering, scripts, selection, signing
from wallet.errors import BAD_AMOUNT, DUST, FEE, NOT_SIGNED, WalletError
from wallet.selection import Candidate, Demand
from wallet.signing import InputData, SecretOf

MAX_MONEY: Final = 21_000_000 * 100_000_000
REPLACEABLE: Final = FINAL_SEQUENCE - 2
NOT_FINAL: Final = FINAL_SEQUENCE - 1
MAX_FEE: Final = 10_000_000
"""No transaction pays more than 0.1 coins unless the caller says so (Bitcoin Core, -maxtxfee)."""


@dataclass(frozen=True, slots=True)
class Payment:
    """A value in satoshi to a script; with `subtract_fee` it bears its share of the fee."""

    script: bytes
    value: int
    subtract_fee: bool = False


@dataclass(frozen=True, slots=True)
class Terms:
    """How a transaction is made, whatever it pays."""

    rate: int  # satoshi per 1,000 vbytes
    replaceable: bool = True
    lock_time: int = 0
    version: int = 2
    time: int | None = None
    change_at: int | None = None
    bip69: bool = False
    dust_rate: int = 3000
    max_fee: int = MAX_FEE
    least_fee: int = 0
    max_money: int = MAX_MONEY
    sequences: tuple[tuple[bytes, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Built:
    """An unsigned transaction, the coins it spends in its inputs' order, its fee, and where its change is."""

    tx: Transaction
    spent: tuple[bytes, ...]
    fee: int
    change_at: int | None


def check_payments(payments: Sequence[Payment], terms: Terms) -> None:
    """Raise WalletError("bad-amount") or ("dust") for a payment that nodes would not relay."""
    for payment in payments:
        if not 0 <= payment.value <= terms.max_money:
            raise WalletError(BAD_AMOUNT, f"{payment.value} sat is out of range")
        if payment.value < scripts.dust_limit(payment.script, terms.dust_rate):
            raise WalletError(DUST, f"{payment.value} sat is too small to send: dust")
    if sum(payment.value for payment in payments) > terms.max_money:
        raise WalletError(BAD_AMOUNT, "the sum of the amounts is out of range")


def _base_weight(payments: Sequence[Payment], has_witness: bool, timed: bool) -> int:
    size = 8 + (4 if timed else 0) + 1 + len(compact_size(len(payments) + 1))
    size += sum(8 + len(compact_size(len(p.script))) + len(p.script) for p in payments)
    return 4 * size + (2 if has_witness else 0)


def _outputs(payments: Sequence[Payment], deducted: int, terms: Terms) -> list[TxOutput]:
    """The payments, less the fee where they bear it: equal shares, what is left over from the first."""
    bearers = [at for at, payment in enumerate(payments) if payment.subtract_fee]
    share, extra = divmod(deducted, len(bearers)) if bearers else (0, 0)
    outputs = []
    for at, payment in enumerate(payments):
        value = payment.value
        if payment.subtract_fee:
            value -= share + (extra if at == bearers[0] else 0)
            if value < max(scripts.dust_limit(payment.script, terms.dust_rate), 0):
                raise WalletError(DUST, "the amount is too small to send after the fee has been deducted")
        outputs.append(TxOutput(value, payment.script))
    return outputs


def build(
    coins: Sequence[Candidate],
    required: Sequence[Candidate],
    payments: Sequence[Payment],
    change_script: bytes,
    terms: Terms,
    random: Random,
    has_witness: bool = True,
) -> Built:
    """Choose coins and lay the transaction out; inputs and change lie at random unless the terms say otherwise.

    Raises WalletError: insufficient-funds, dust, bad-amount, bad-fee for a fee above the terms' limit.
    """
    check_payments(payments, terms)
    subtract = any(payment.subtract_fee for payment in payments)
    change_dust = scripts.dust_limit(change_script, terms.dust_rate)
    demand = Demand(
        target=sum(payment.value for payment in payments),
        base_weight=_base_weight(payments, has_witness, terms.time is not None),
        rate=terms.rate,
        change_weight=4 * (9 + len(change_script)),
        dust=max(change_dust, 1),
        subtract_fee=subtract,
        least_fee=terms.least_fee,
    )
    chosen = selection.select(coins, demand, required)
    if chosen.fee > terms.max_fee:
        raise WalletError(FEE, f"a fee of {chosen.fee} sat exceeds the limit of {terms.max_fee} sat")
    deducted = demand.target + chosen.change + chosen.fee - chosen.total
    outputs = _outputs(payments, deducted if subtract else 0, terms)
    spent = [candidate.outpoint for candidate in chosen.chosen]
    change_at = None
    if chosen.change:
        change_at = random.randrange(len(outputs) + 1) if terms.change_at is None else terms.change_at
        if not 0 <= change_at <= len(outputs):
            raise WalletError(BAD_AMOUNT, "the change position is out of bounds")
        outputs.insert(change_at, TxOutput(chosen.change, change_script))
    if terms.bip69:
        spent = [spent[at] for at in ordering.input_order(spent)]
        order = ordering.output_order(outputs)
        change_at = None if change_at is None else order.index(change_at)
        outputs = [outputs[at] for at in order]
    elif not required:
        random.shuffle(spent)
    default = REPLACEABLE if terms.replaceable else NOT_FINAL
    sequences = dict(terms.sequences)
    inputs = tuple(TxInput(point, b"", sequences.get(point, default)) for point in spent)
    tx = Transaction(terms.version, inputs, tuple(outputs), terms.lock_time, terms.time)
    return Built(tx, tuple(spent), chosen.fee, change_at)


def with_final_inputs(tx: Transaction, inputs: Sequence[InputData]) -> Transaction:
    """The transaction with the finished scripts and witnesses of its inputs; unfinished ones stay as they are."""
    new = []
    for old, data in zip(tx.inputs, inputs, strict=True):
        if data.is_final:
            old = old._replace(script=data.final_script, witness=data.final_witness)
        new.append(old)
    return replace(tx, inputs=tuple(new))


def sign_partly(
    tx: Transaction,
    inputs: Sequence[InputData],
    secret_of: SecretOf,
    key_of_hash: Callable[[bytes], bytes | None],
    hash_type: int | None = None,
) -> tuple[Transaction, list[int]]:
    """Sign what can be signed; the transaction, and the inputs that are not finished. Finished ones have been verified."""
    context = SpendContext(tx, [data.spent for data in inputs])
    for index, data in enumerate(inputs):
        if data.spent is not None:
            signing.take_over(context, index, data)
            signing.sign_input(context, index, data, secret_of, key_of_hash, hash_type)
            signing.finalize_input(data)
    done = with_final_inputs(tx, inputs)
    checked = SpendContext(done, [data.spent for data in inputs])
    missing = []
    for index, data in enumerate(inputs):
        if data.is_final and data.spent is not None:
            signing.check_input(checked, index)
        else:
            missing.append(index)
    return done, missing


def sign(
    tx: Transaction, inputs: Sequence[InputData], secret_of: SecretOf, key_of_hash: Callable[[bytes], bytes | None]
) -> Transaction:
    """Sign all inputs and verify each. Raises WalletError("not-signed") where a key or a script is missing."""
    done, missing = sign_partly(tx, inputs, secret_of, key_of_hash)
    if missing:
        raise WalletError(NOT_SIGNED, f"no key for input {missing[0]}")
    return done
