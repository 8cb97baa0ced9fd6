"""Admission of account transactions: what the mempool gets to see of them (claims, needs, what they show to their heirs).

Knows no pool: that earlier transactions of a sender are pooled, it reads from the state that it is shown.
"""

from __future__ import annotations

from collections.abc import Sequence

from ledger.account import fees
from ledger.account.policy import GethPolicy
from ledger.account.rules import Schedule
from ledger.account.state import State
from ledger.account.transaction import check_form, check_possible
from ledger.api import Admission
from primitives.errors import InvalidTx, Missing, Refused
from primitives.ethereum import EMPTY_CODE, EthereumHeader
from primitives.ethereum_directives import is_sent_as
from primitives.ethereum_tx import EthereumTransaction
from storage.kv import KV
from storage.layout import POOLED
from vm.evm.addresses import delegate_of


def token(sender: bytes, nonce: int) -> bytes:
    """What a transaction claims: its place in the sender's row."""
    return sender + nonce.to_bytes(8, "big")


def cost_of(tx: EthereumTransaction) -> int:
    """The most that a transaction may take from its sender."""
    return tx.gas_limit * tx.fee_cap + tx.value + fees.blob_gas(tx) * tx.blob_fee_cap


def admit(
    txs: Sequence[EthereumTransaction], tip: EthereumHeader, state: KV, schedule: Schedule, policy: GethPolicy
) -> list[Admission]:
    """Judge transactions against the state at the tip, those pooled before them, and each other.

    Raises InvalidTx with geth's words, Refused, and Missing with the token of the nonce before, where there is a gap.
    """
    rules = schedule.at(tip.number + 1, tip.timestamp + 1, tip.difficulty)
    world = State(state, tip.state_root)
    spent: dict[bytes, int] = {}
    admissions = []
    for tx in txs:
        check_form(tx, rules, schedule.chain_id)
        if is_sent_as(tx):  # back from a reverted block: peers could not judge it
            raise Refused("unsigned transaction")
        policy.check(tx, rules, tip.gas_limit)
        sender = tx.sender
        check_possible(tx)
        before = _spent_before(tx, world.nonce(sender), state, spent)
        if tx.nonce - world.nonce(sender) >= policy.account_slots:
            raise Refused("account limit exceeded", f"pooled {policy.account_slots}, limit {policy.account_slots}")
        code = world.code(sender) if world.code_hash(sender) != EMPTY_CODE else b""
        if code and not (rules.fork.has_delegation and delegate_of(code) is not None):
            raise InvalidTx("sender not an eoa", f"address 0x{sender.hex()}, len(code): {len(code)}")
        total, balance = before + cost_of(tx), world.balance(sender)
        if balance < total:
            detail = f"balance {balance}, tx cost {cost_of(tx)}, overshot {total - balance}"
            if before:
                detail = f"balance {balance}, queued cost {before}, tx cost {cost_of(tx)}, overshot {total - balance}"
            raise InvalidTx("insufficient funds for gas * price + value", detail)
        own = token(sender, tx.nonce)
        spent[own] = total
        admissions.append(_admission(tx, own, tx.nonce == world.nonce(sender), total))
    return admissions


def _spent_before(tx: EthereumTransaction, nonce: int, state: KV, spent: dict[bytes, int]) -> int:
    """What the sender's transactions before this one may cost. Raises InvalidTx("nonce too low"), Missing."""
    if tx.nonce < nonce:
        raise InvalidTx("nonce too low", f"next nonce {nonce}, tx nonce {tx.nonce}")
    if tx.nonce == nonce:
        return 0
    before = token(tx.sender, tx.nonce - 1)
    if before in spent:
        return spent[before]
    shown = state.get(POOLED + before)
    if shown is None:
        raise Missing([before])
    return int.from_bytes(shown, "big")


def _admission(tx: EthereumTransaction, own: bytes, first: bool, total: int) -> Admission:
    sender = tx.sender
    return Admission(
        tx=tx,
        id=tx.id,
        claims=frozenset((own,)),
        needs=frozenset() if first else frozenset((token(sender, tx.nonce - 1),)),
        gives=frozenset((own,)),
        fee_cap=tx.fee_cap,
        tip_cap=tx.tip_cap,
        size=tx.gas_limit,
        depends=frozenset((sender,)),
        resources=(tx.gas_limit, fees.blob_gas(tx)),
        memory=len(tx.network) + 512,
        shows=((POOLED + own, total.to_bytes((total.bit_length() + 7) // 8 or 1, "big")),),
    )
