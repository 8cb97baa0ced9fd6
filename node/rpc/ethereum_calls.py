"""Calls that are no transactions: eth_call, gas estimates and access lists, on the state of any block, with overrides.

It reads a snapshot and knows no JSON but that of errors. Source of the words and the search: geth, internal/ethapi, eth/gasestimator.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sized
from dataclasses import dataclass, replace
from typing import Any

from ledger.account import fees
from ledger.account.block import block_context
from ledger.account.rules import AccountRules
from ledger.account.state import State
from ledger.account.transaction import Outcome, execute
from node.node import Snapshot
from node.rpc.errors import RpcError
from node.rpc.ethereum_call_params import BlockOverride, CallObject, Overrides
from node.rpc.ethereum_json import checksummed, hexed
from node.rpc.ethereum_lookup import ledger_of, required_entry, server_error
from node.rpc.ethereum_params import BlockRef
from primitives.ancestry import Upto
from primitives.ethereum import EthereumHeader
from primitives.ethereum_tx import ACCESS_LIST, BLOB, DYNAMIC_FEE, LEGACY, SET_CODE, EthereumTransaction, impersonated
from vm.evm.addresses import contract_address
from vm.evm.api import BlockContext, Fork, Halt, Precompile, Result, Revert, Tracer
from vm.evm.tracers.accesses import AccessTracer
from vm.evm.tracers.calls import revert_reason

GAS_CAP = 50_000_000
"""Gas of one call, however much it asks for."""
_STIPEND = 2_300
_ERROR_RATIO = 0.015
_NOBODY = bytes(20)


@dataclass(frozen=True, slots=True)
class Scene:
    """Where a call happens."""

    at: Snapshot
    header: EthereumHeader
    context: BlockContext
    rules: AccountRules
    overrides: Overrides
    stop: Sized = ()
    """Ends what runs here once it is not empty (Allowance)."""

    def world(self) -> State:
        """The accounts, with what is pretended of them; a new one for each run."""
        state = State(self.at.state, self.header.state_root)
        pretend(state, self.overrides)
        return state


def pretend(state: State, overrides: Overrides) -> None:
    """Give accounts what a call pretends of them."""
    for address, o in overrides.items():
        if o.state is not None:
            nonce, code = state.nonce(address), state.code(address)
            state.create_account(address)
            state.set_nonce(address, nonce)
            if code:
                state.set_code(address, code)
        if o.balance is not None:
            state.set_balance(address, o.balance)
        if o.nonce is not None:
            state.set_nonce(address, o.nonce)
        if o.code is not None:
            state.set_code(address, o.code)
        for slots in (o.state, o.state_diff):
            for slot, value in (slots or {}).items():
                state.set_storage(address, slot, value)
    if overrides:
        state.end_transaction(False)


class Moved(dict[bytes, Precompile]):
    """Precompiles that a call pretends to lie elsewhere; counted through, it names the old places: those are what is warm, as in geth."""

    def __init__(self, real: Mapping[bytes, Precompile]) -> None:
        super().__init__(real)
        self._real = real

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._real)


def with_precompiles_moved(fork: Fork, overrides: Overrides) -> Fork:
    """The fork whose precompiles lie where the overrides say; one whose code is pretended is none."""
    precompiles = Moved(fork.precompiles)
    changed = False
    for address, o in overrides.items():
        moved = precompiles.get(address)
        if o.move_precompile_to is not None:
            if moved is None:
                raise server_error(f"account {checksummed(address)} is not a precompile")
            if o.move_precompile_to in overrides:
                raise RpcError(-32000, f"account {checksummed(o.move_precompile_to)} is already overridden")
            del precompiles[address]
            precompiles[o.move_precompile_to] = moved
            changed = True
        elif moved is not None:
            del precompiles[address]
            changed = True
    return replace(fork, precompiles=precompiles) if changed else fork


def scene_at(
    at: Snapshot,
    ref: BlockRef,
    overrides: Overrides | None = None,
    block: BlockOverride | None = None,
    stop: Sized = (),
) -> Scene:
    """The block that a call is to see. Raises RpcError."""
    entry = required_entry(at, ref)
    header: EthereumHeader = entry.header
    ledger = ledger_of(at.node)
    rules = ledger.schedule.of(header)
    branch = at.view.entries.branch(entry)
    below: Any = Upto(branch, entry.height - 1) if entry.height else branch
    context = block_context(header, below, rules, ledger.schedule.chain_id)
    if block is not None:
        context = overridden(context, block)
    if overrides:
        fork = with_precompiles_moved(rules.fork, overrides)
        rules = replace(rules, fork=fork) if fork is not rules.fork else rules
    return Scene(at, header, context, rules, overrides or {}, stop)


def overridden(context: BlockContext, o: BlockOverride) -> BlockContext:
    """The context as a call pretends it."""
    changes: dict[str, Any] = {
        "number": o.number,
        "timestamp": o.time,
        "gas_limit": o.gas_limit,
        "coinbase": o.coinbase,
        "randao": o.randao,
        "base_fee": o.base_fee,
        "blob_base_fee": o.blob_base_fee,
        "difficulty": o.difficulty,
    }
    return replace(context, **{k: v for k, v in changes.items() if v is not None})


def kind_of(call: CallObject, rules: AccountRules) -> int:
    """The type of transaction that a call object means."""
    if call.authorizations is not None:
        return SET_CODE
    if call.blob_hashes is not None:
        return BLOB
    if call.kind is not None and call.kind <= SET_CODE:
        return call.kind
    if call.fee_cap is not None or call.tip_cap is not None:
        return DYNAMIC_FEE
    if call.access_list is not None:
        return ACCESS_LIST if call.gas_price is not None or not rules.fee_market else DYNAMIC_FEE
    return LEGACY if call.gas_price is not None or not rules.fee_market else DYNAMIC_FEE


def unsigned(
    call: CallObject, kind: int, chain_id: int, nonce: int, gas: int, tip: int, cap: int
) -> EthereumTransaction:
    """The transaction of a call object, with what it leaves open filled in."""
    return EthereumTransaction(
        kind, chain_id, nonce, tip, cap, gas, call.to, call.value or 0, call.data,
        access_list=(call.access_list or ()) if kind != LEGACY else (),
        blob_fee_cap=call.blob_fee_cap or 0, blob_hashes=call.blob_hashes or (), authorizations=call.authorizations or (),
    )  # fmt: skip


def message_of(call: CallObject, scene: Scene, state: State, gas: int) -> tuple[EthereumTransaction, BlockContext]:
    """The transaction that a call runs as, and the block it sees: without a price, one in which gas costs nothing."""
    sender = call.sender or _NOBODY
    context = scene.context
    cap = call.gas_price if call.gas_price is not None else call.fee_cap or 0
    tip = call.gas_price if call.gas_price is not None else call.tip_cap or 0
    if call.fee_cap is None and call.gas_price is None and tip:
        cap = tip + context.base_fee
    if not cap:
        context = replace(context, base_fee=0)
    if not call.blob_fee_cap:
        context = replace(context, blob_base_fee=0)
    nonce = state.nonce(sender) if call.nonce is None else call.nonce
    tx = unsigned(call, kind_of(call, scene.rules), scene.context.chain_id, nonce, gas, tip, cap)
    return impersonated(tx, sender), context


def run_call(
    call: CallObject, scene: Scene, gas: int | None = None, tracer: Tracer | None = None, state: State | None = None
) -> Outcome:
    """Carry it out. Raises RpcError where it could not even begin."""
    state = scene.world() if state is None else state
    wanted = call.gas if gas is None else gas
    limit = GAS_CAP if wanted is None else min(wanted, GAS_CAP)
    tx, context = message_of(call, scene, state, limit)
    check_call(tx, context, scene.rules, state)
    return execute(tx, state, context, scene.rules, tracer, scene.stop)


def check_call(tx: EthereumTransaction, context: BlockContext, rules: AccountRules, state: State) -> None:
    """What geth asks of a call. Raises RpcError."""

    def refuse(why: str) -> RpcError:
        return server_error(f"err: {why} (supplied gas {tx.gas_limit})")

    name = checksummed(tx.sender)
    if tx.fee_cap and rules.fee_market:
        if tx.tip_cap > tx.fee_cap:
            raise refuse(
                f"max priority fee per gas higher than max fee per gas: address {name}, "
                f"maxPriorityFeePerGas: {tx.tip_cap}, maxFeePerGas: {tx.fee_cap}"
            )
        if tx.fee_cap < context.base_fee:
            raise refuse(
                f"max fee per gas less than block base fee: address {name}, "
                f"maxFeePerGas: {tx.fee_cap}, baseFee: {context.base_fee}"
            )
    limit = rules.fork.max_initcode_size
    if tx.to is None and limit is not None and len(tx.data) > limit:
        raise refuse(f"max initcode size exceeded: code size {len(tx.data)} limit {limit}")
    want = tx.gas_limit * tx.fee_cap + tx.value + fees.blob_gas(tx) * tx.blob_fee_cap
    have = state.balance(tx.sender)
    if have < want:
        raise refuse(f"insufficient funds for gas * price + value: address {name} have {have} want {want}")
    need = max(fees.intrinsic_gas(tx, rules.fork), fees.floor_gas(tx, rules.fork))
    if tx.gas_limit < need:
        raise refuse(f"intrinsic gas too low: have {tx.gas_limit}, want {need}")


def failure(halt: Halt, output: bytes) -> RpcError:
    """A failed call as clients know it: code 3 and the raw data for a revert, geth's word for everything else."""
    if isinstance(halt, Revert):
        reason = revert_reason(output)
        text = "execution reverted" + (f": {reason}" if reason is not None else "")
        return RpcError(3, text, hexed(output))
    return server_error(str(halt))


def returned(result: Result) -> bytes:
    """What a call gave back. Raises RpcError where it failed."""
    if result.halt is not None:
        raise failure(result.halt, result.output)
    return result.output


def estimate(call: CallObject, scene: Scene) -> int:
    """The least gas, within 1.5 %, with which a call goes through. Raises RpcError."""
    highest = _highest(call, scene)
    fork = scene.rules.fork
    if not call.data and call.to is not None and highest >= fork.tx_gas and not call.access_list:
        world = scene.world()
        plain = not world.code(call.to) and call.to not in fork.precompiles and not call.authorizations
        if plain and run_call(call, scene, fork.tx_gas, state=world).result.success:
            return fork.tx_gas
    outcome = run_call(call, scene, highest)
    if outcome.result.halt is not None:
        if isinstance(outcome.result.halt, Revert):
            raise failure(outcome.result.halt, outcome.result.output)
        raise server_error(f"gas required exceeds allowance ({highest})")
    return _search(lambda gas: _goes_through(call, scene, gas), outcome.gas_used, highest)


def _goes_through(call: CallObject, scene: Scene, gas: int) -> bool:
    try:
        return run_call(call, scene, gas).result.success
    except RpcError as e:
        if "intrinsic gas too low" in e.message:
            return False
        raise


def _highest(call: CallObject, scene: Scene) -> int:
    highest = call.gas if call.gas is not None and call.gas >= scene.rules.fork.tx_gas else scene.context.gas_limit
    if scene.rules.fork.tx_gas_cap is not None:
        highest = min(highest, scene.rules.fork.tx_gas_cap)
    cap = call.gas_price if call.gas_price is not None else call.fee_cap
    if cap:
        balance = scene.world().balance(call.sender or _NOBODY)
        if balance < (call.value or 0):
            raise server_error("insufficient funds for transfer")
        highest = min(highest, (balance - (call.value or 0)) // cap)
    return min(highest, GAS_CAP)


def _search(fits: Callable[[int], bool], used: int, high: int) -> int:
    low = used - 1
    optimistic = (used + _STIPEND) * 64 // 63
    if optimistic < high:
        if fits(optimistic):
            high = optimistic
        else:
            low = optimistic
    while low + 1 < high:
        if (high - low) / high < _ERROR_RATIO:
            break
        middle = min((low + high) // 2, low * 2)
        if fits(middle):
            high = middle
        else:
            low = middle
    return high


def access_list_of(call: CallObject, scene: Scene) -> tuple[Any, int, str | None]:
    """The access list with which a call touches nothing cold, the gas it takes then, and why it failed if it did."""
    sender, world = call.sender or _NOBODY, scene.world()
    target = call.to
    if target is None:
        from_nonce = world.nonce(sender) if call.nonce is None else call.nonce
        target = contract_address(sender, from_nonce)
    left_out = (sender, target, scene.context.coinbase, *scene.rules.fork.precompiles)
    known = call.access_list or ()
    while True:
        tracer = AccessTracer(left_out)
        outcome = run_call(replace(call, access_list=known), scene, tracer=tracer)
        found = tracer.found()
        if found == known:
            halt = outcome.result.halt
            return found, outcome.gas_used, None if halt is None else failure(halt, outcome.result.output).message
        known = found
