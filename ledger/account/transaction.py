"""One transaction: is it lawful, then buy gas, run, refund, pay.

Knows no block but its context. Messages are geth's (core/error.go, core/state_transition.go).
"""

from __future__ import annotations

from collections.abc import Sized
from dataclasses import dataclass
from typing import Final

from ledger.account import fees
from ledger.account.rules import AccountRules
from ledger.account.state import State
from primitives.errors import InvalidTx
from primitives.ethereum import EMPTY_CODE, Log
from primitives.ethereum_directives import is_sent_as
from primitives.ethereum_tx import BLOB, DYNAMIC_FEE, HALF_ORDER, LEGACY, SET_CODE, Authorization, EthereumTransaction
from vm.evm.addresses import DELEGATION_PREFIX, contract_address, delegate_of
from vm.evm.api import BlockContext, Fork, Message, Result, Tracer, TxContext
from vm.evm.interpreter import run

MAX_NONCE: Final = 2**64 - 1
_CREATE, _CALL = 0xF0, 0xF1
_BLOB_VERSION: Final = 1


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a transaction did; changes are in the state."""

    gas_used: int
    gas_price: int
    result: Result
    logs: tuple[Log, ...]
    created: bytes | None
    """Address of the contract that it was to create."""
    tip: int
    """Wei that the beneficiary got."""


def _hex(address: bytes | None) -> str:
    return "<nil>" if address is None else "0x" + address.hex()


def check_form(tx: EthereumTransaction, rules: AccountRules, chain_id: int) -> None:
    """What can be told of a transaction without the state: type, chain, signature, sizes, gas it needs at least.

    Raises InvalidTx with geth's words: "transaction type not supported", "invalid chain id for signer", "invalid transaction
    v, r, s values", "intrinsic gas too low", "max initcode size exceeded", ...
    """
    fork = rules.fork
    if tx.kind > rules.newest_kind:
        raise InvalidTx("transaction type not supported")
    if tx.chain_id is not None:
        if tx.kind == LEGACY and not rules.replay_protection:
            raise InvalidTx("invalid transaction v, r, s values", "replay protection before its fork")
        if tx.chain_id != chain_id:
            raise InvalidTx("invalid chain id for signer", f"have {tx.chain_id} want {chain_id}")
    if rules.low_s and tx.s > HALF_ORDER:
        raise InvalidTx("invalid transaction v, r, s values", "s is high")
    _ = tx.sender
    if fork.tx_gas_cap is not None and tx.gas_limit > fork.tx_gas_cap:
        raise InvalidTx("transaction gas limit too high", f"cap: {fork.tx_gas_cap}, tx: {tx.gas_limit}")
    if tx.kind >= DYNAMIC_FEE and tx.tip_cap > tx.fee_cap:
        detail = f"address {_hex(tx.sender)}, maxPriorityFeePerGas: {tx.tip_cap}, maxFeePerGas: {tx.fee_cap}"
        raise InvalidTx("max priority fee per gas higher than max fee per gas", detail)
    if tx.kind == BLOB:
        _check_blobs(tx, fork)
    if tx.kind == SET_CODE:
        if tx.to is None:
            raise InvalidTx("EIP-7702 transaction cannot be used to create contract")
        if not tx.authorizations:
            raise InvalidTx("EIP-7702 transaction with empty auth list", f"sender {_hex(tx.sender)}")
    need = fees.intrinsic_gas(tx, fork)
    if tx.gas_limit < need:
        raise InvalidTx("intrinsic gas too low", f"have {tx.gas_limit}, want {need}")
    floor = fees.floor_gas(tx, fork)
    if tx.gas_limit < floor:
        raise InvalidTx("insufficient gas for floor data gas cost", f"have {tx.gas_limit}, want {floor}")
    if tx.to is None and fork.max_initcode_size is not None and len(tx.data) > fork.max_initcode_size:
        detail = f"code size {len(tx.data)} limit {fork.max_initcode_size}"
        raise InvalidTx("max initcode size exceeded", detail)


def _check_blobs(tx: EthereumTransaction, fork: Fork) -> None:
    if tx.to is None:
        raise InvalidTx("blob transaction of type create")
    if not tx.blob_hashes:
        raise InvalidTx("blob transaction missing blob hashes")
    if fork.tx_blob_cap is not None and len(tx.blob_hashes) > fork.tx_blob_cap:
        raise InvalidTx("blob transaction has too many blobs", f"have {len(tx.blob_hashes)}, max: {fork.tx_blob_cap}")
    for i, digest in enumerate(tx.blob_hashes):
        if digest[0] != _BLOB_VERSION:
            raise InvalidTx("blob has invalid hash version", f"blob {i}")


def check_possible(tx: EthereumTransaction) -> None:
    """What no state could make lawful: the last nonce (EIP-2681), a price for all gas that no balance can hold.

    Raises InvalidTx("nonce has max value" | "insufficient funds for gas * price + value").
    """
    if tx.nonce == MAX_NONCE:
        raise InvalidTx("nonce has max value", f"address {_hex(tx.sender)}, nonce: {tx.nonce}")
    if tx.gas_limit * tx.fee_cap >= 1 << 256:
        raise InvalidTx("insufficient funds for gas * price + value", f"address {_hex(tx.sender)}, beyond 256 bits")


def check_state(tx: EthereumTransaction, state: State, block: BlockContext, rules: AccountRules) -> None:
    """Whether the sender may send this now, in this block: nonce, code, fee caps, balance.

    Raises InvalidTx with geth's words: "nonce too low", "nonce too high", "nonce has max value", "sender not an eoa", "max fee per
    gas less than block base fee", "insufficient funds for gas * price + value", ...
    """
    sender = tx.sender
    nonce = state.nonce(sender)
    if tx.nonce != nonce:
        rule = "nonce too low" if tx.nonce < nonce else "nonce too high"
        raise InvalidTx(rule, f"address {_hex(sender)}, tx: {tx.nonce} state: {nonce}")
    if nonce == MAX_NONCE:
        raise InvalidTx("nonce has max value", f"address {_hex(sender)}, nonce: {nonce}")
    if state.code_hash(sender) != EMPTY_CODE and not is_sent_as(tx):
        code = state.code(sender)
        if not (rules.fork.has_delegation and delegate_of(code) is not None):
            raise InvalidTx("sender not an eoa", f"address {_hex(sender)}, len(code): {len(code)}")
    if rules.fee_market and tx.fee_cap < block.base_fee:
        detail = f"address {_hex(sender)}, maxFeePerGas: {tx.fee_cap}, baseFee: {block.base_fee}"
        raise InvalidTx("max fee per gas less than block base fee", detail)
    want = tx.gas_limit * tx.fee_cap + tx.value
    if tx.kind == BLOB:
        if tx.blob_fee_cap < block.blob_base_fee:
            detail = f"address {_hex(sender)} blobGasFeeCap: {tx.blob_fee_cap}, blobBaseFee: {block.blob_base_fee}"
            raise InvalidTx("max fee per blob gas less than block blob gas fee", detail)
        want += fees.blob_gas(tx) * tx.blob_fee_cap
    have = state.balance(sender)
    if have < want:
        raise InvalidTx("insufficient funds for gas * price + value", f"address {_hex(sender)} have {have} want {want}")


def execute(
    tx: EthereumTransaction,
    state: State,
    block: BlockContext,
    rules: AccountRules,
    tracer: Tracer | None = None,
    stop: Sized = (),
) -> Outcome:
    """Run a transaction that `check_form` and `check_state` let pass, and end it in the state.

    Calls that are no transactions (eth_call) run here too, with a gas price of zero and unchecked; they may be stopped (vm/evm).
    """
    fork, sender = rules.fork, tx.sender
    price = block.base_fee + fees.effective_tip(tx, block.base_fee) if rules.fee_market else tx.fee_cap
    cost = tx.gas_limit * price
    if tx.kind == BLOB:
        cost += fees.blob_gas(tx) * block.blob_base_fee
    target = contract_address(sender, tx.nonce) if tx.to is None else tx.to
    if fork.has_access_sets:
        _warm(tx, state, block, fork, target)
    else:
        state.begin_transaction(())
    state.set_balance(sender, state.balance(sender) - cost)
    state.set_nonce(sender, tx.nonce + 1)
    for authorization in tx.authorizations:
        _set_delegation(authorization, state, block.chain_id, fork)
    gas = tx.gas_limit - fees.intrinsic_gas(tx, fork)
    if fork.has_delegation and tx.to is not None and (delegate := delegate_of(state.code(target))) is not None:
        state.warm_address(delegate)
    creates = tx.to is None
    message = Message(sender, target, gas, tx.value, tx.data, creates, kind=_CREATE if creates else _CALL)
    result = run(message, state, block, TxContext(sender, price, tx.blob_hashes), fork, tracer, stop)

    used = tx.gas_limit - result.gas_left
    used -= min(used // fork.refund_quotient, state.refund)
    used = max(used, fees.floor_gas(tx, fork))
    state.add_balance(sender, (tx.gas_limit - used) * price)
    tip = used * (price - block.base_fee if rules.fee_market else price)
    state.add_balance(block.coinbase, tip)
    logs = state.logs
    state.end_transaction(fork.clears_empty)
    return Outcome(used, price, result, logs, target if creates else None, tip)


def _warm(tx: EthereumTransaction, state: State, block: BlockContext, fork: Fork, target: bytes) -> None:
    """What is warm from the start (EIP-2929, 2930, 3651)."""
    state.begin_transaction((tx.sender, target, *fork.precompiles))
    if fork.warm_coinbase:
        state.warm_address(block.coinbase)
    for address, keys in tx.access_list:
        state.warm_address(address)
        for key in keys:
            state.warm_slot(address, int.from_bytes(key, "big"))


def _set_delegation(authorization: Authorization, state: State, chain_id: int, fork: Fork) -> None:
    """Let an authority's account run another's code; what does not hold is passed over (EIP-7702, behaviour)."""
    if authorization.chain_id not in (0, chain_id) or authorization.nonce >= MAX_NONCE:
        return
    authority = authorization.authority
    if authority is None:
        return
    state.warm_address(authority)
    if state.code_hash(authority) != EMPTY_CODE and delegate_of(state.code(authority)) is None:
        return
    if state.nonce(authority) != authorization.nonce:
        return
    if state.exists(authority):
        state.add_refund(fork.authorization_refund)
    none = not any(authorization.address)
    state.set_code(authority, b"" if none else DELEGATION_PREFIX + authorization.address)
    state.set_nonce(authority, authorization.nonce + 1)
