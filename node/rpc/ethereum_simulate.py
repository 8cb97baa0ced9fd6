"""eth_simulateV1: blocks of calls on top of a block, with overrides, executed as real blocks are but never kept.

Source of what is left open by the specification (order, defaults, words): go-ethereum, internal/ethapi/simulate.go.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Sized
from dataclasses import dataclass, replace
from typing import Annotated, Any

from ledger.account import fees
from ledger.account.block import BlockRun
from ledger.account.rules import AccountRules
from ledger.account.state import State
from ledger.account.transaction import MAX_NONCE
from ledger.account.trie import list_root
from node.node import Snapshot
from node.rpc.errors import INTERNAL_ERROR, INVALID_PARAMS, RpcError
from node.rpc.ethereum_call_params import (
    BlockOverride,
    CallObject,
    Overrides,
    block_override,
    call_object,
    overrides,
)
from node.rpc.ethereum_calls import GAS_CAP, failure, pretend, unsigned, with_precompiles_moved
from node.rpc.ethereum_json import Json, Place, block_json, checksummed, hexed, log_json
from node.rpc.ethereum_lookup import ledger_of, required_entry
from node.rpc.ethereum_params import BlockRef, flag, wrong
from node.rpc.ethereum_transfers import LogTracer
from primitives.chain import Entry
from primitives.ethereum import EMPTY_BLOOM, EMPTY_OMMERS, EMPTY_ROOT, EthereumBlock, EthereumHeader, Log
from primitives.ethereum_tx import BLOB, DYNAMIC_FEE, LEGACY, SET_CODE, EthereumTransaction, impersonated
from storage.kv import Journal
from vm.evm.api import BlockContext, Revert

MOST_BLOCKS = 256
SPACING = 12
_NOBODY = bytes(20)
NumberedLogs = Sequence[tuple[int, Log]]
VM_ERROR = -32015
NUMBER_ORDER, TIME_ORDER, GAS_LIMIT, TOO_MANY = -38020, -38021, -38015, -38026
NONCE_LOW, NONCE_HIGH, FEE_LOW, INTRINSIC, FUNDS, INIT_CODE = -38010, -38011, -38012, -38013, -38014, -38025


@dataclass(frozen=True, slots=True)
class Part:
    """One block that is asked for."""

    block: BlockOverride
    accounts: Overrides | None = None
    calls: tuple[CallObject, ...] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """The whole request."""

    parts: tuple[Part, ...]
    validation: bool = False
    transfers: bool = False
    full: bool = False


def plan(value: Any, name: str) -> Plan:
    """Read the request."""
    if not isinstance(value, Mapping):
        raise wrong(f"{name} must be an object")
    parts = value.get("blockStateCalls")
    if not isinstance(parts, list):
        raise wrong("blockStateCalls must be an array")
    if not parts:
        raise RpcError(INVALID_PARAMS, "empty input")
    if len(parts) > MOST_BLOCKS:
        raise RpcError(TOO_MANY, "too many blocks")
    return Plan(
        tuple(_part(p) for p in parts),
        *(flag(value.get(k) or False, k) for k in ("validation", "traceTransfers", "returnFullTransactions")),
    )


def _part(value: Any) -> Part:
    if not isinstance(value, Mapping):
        raise wrong("blockStateCalls must hold objects")
    calls = value.get("calls") or []
    if not isinstance(calls, list):
        raise wrong("calls must be an array")
    block, accounts = value.get("blockOverrides"), value.get("stateOverrides")
    return Part(
        BlockOverride() if block is None else block_override(block),
        None if accounts is None else overrides(accounts),
        tuple(call_object(c, "call") for c in calls),
    )


PlanParam = Annotated[Plan, plan]


def in_order(parts: Sequence[Part], base: EthereumHeader) -> list[Part]:
    """The blocks with number and time, gaps filled with empty ones. Raises RpcError where they do not rise."""
    found: list[Part] = []
    number, time = base.number, base.timestamp
    for part in parts:
        wanted = number + 1 if part.block.number is None else part.block.number
        if wanted <= number:
            raise RpcError(NUMBER_ORDER, f"block numbers must be in order: {wanted} <= {number}")
        if wanted - base.number > MOST_BLOCKS:
            raise RpcError(TOO_MANY, "too many blocks")
        for n in range(number + 1, wanted):
            time += SPACING
            found.append(Part(BlockOverride(number=n, time=time)))
        when = time + SPACING if part.block.time is None else part.block.time
        if when <= time:
            raise RpcError(TIME_ORDER, f"block timestamps must be in order: {when} <= {time}")
        number, time = wanted, when
        found.append(replace(part, block=replace(part.block, number=number, time=time)))
    return found


class Line:
    """The branch that simulated blocks extend: real ones, then those made so far."""

    def __init__(self, at: Snapshot, base: Entry[Any]) -> None:
        self._real = at.view.entries.branch(base)
        self._made: dict[int, Entry[Any]] = {}
        self.tip = base

    def add(self, header: EthereumHeader) -> None:
        """A block was made."""
        self.tip = self._made[header.number] = Entry(header, header.number, 0)

    def at(self, height: int) -> Entry[Any]:
        """An ancestor."""
        return self._made.get(height) or self._real.at(height)

    def last(self, count: int) -> Sequence[Entry[Any]]:
        """The newest entries."""
        return [self.at(h) for h in range(self.tip.height, max(-1, self.tip.height - count), -1)]

    def median_time(self) -> int:
        """Median of the last eleven timestamps."""
        times: list[int] = sorted(e.header.timestamp for e in self.last(11))
        return times[len(times) // 2]


class Simulation:
    """A chain of blocks that are executed and forgotten."""

    def __init__(self, at: Snapshot, ref: BlockRef, asked: Plan, stop: Sized = ()) -> None:
        base = required_entry(at, ref)
        self.asked = asked
        self.ledger = ledger_of(at.node)
        self.line = Line(at, base)
        self.parts = in_order(asked.parts, base.header)
        self.state = State(Journal(at.state), base.header.state_root)
        self.gas_left = GAS_CAP
        self.stop = stop
        self.logs = 0
        """Logs of the block so far."""
        self.chain_id = self.ledger.schedule.chain_id

    def run(self) -> list[Json]:
        """The blocks with what their calls returned. Raises RpcError for a call that could not even begin."""
        return [self._block(part) for part in self.parts]

    def _header(self, part: Part, rules: AccountRules) -> EthereumHeader:
        parent: EthereumHeader = self.line.tip.header
        o = part.block
        base_fee = o.base_fee
        if base_fee is None and rules.fee_market:
            base_fee = fees.next_base_fee(parent, rules) if self.asked.validation else 0
        blobs = rules.fork.blobs is not None
        return EthereumHeader(
            parent=parent.hash,
            ommers_hash=EMPTY_OMMERS,
            coinbase=parent.coinbase if o.coinbase is None else o.coinbase,
            state_root=EMPTY_ROOT,
            transactions_root=EMPTY_ROOT,
            receipts_root=EMPTY_ROOT,
            bloom=EMPTY_BLOOM,
            difficulty=parent.difficulty if o.difficulty is None else o.difficulty,
            number=o.number or 0,
            gas_limit=parent.gas_limit if o.gas_limit is None else o.gas_limit,
            gas_used=0,
            timestamp=o.time or 0,
            extra_data=b"",
            mix_hash=bytes(32) if o.randao is None else o.randao,
            nonce=bytes(8),
            base_fee=base_fee if rules.fee_market else None,
            withdrawals_root=EMPTY_ROOT if rules.withdrawals else None,
            blob_gas_used=0 if blobs else None,
            excess_blob_gas=fees.next_excess_blob_gas(parent, rules),
            parent_beacon_root=(o.beacon_root or bytes(32)) if rules.beacon_roots is not None else None,
            requests_hash=bytes(32) if rules.has_requests else None,
        )

    def _block(self, part: Part) -> Json:
        parent: EthereumHeader = self.line.tip.header
        rules = self.ledger.schedule.at(part.block.number or 0, part.block.time or 0, parent.difficulty)
        header = self._header(part, rules)
        work = BlockRun(header, self.line, self.state, self.ledger.schedule)
        work.stop = self.stop
        if part.block.blob_base_fee is not None:
            work.context = replace(work.context, blob_base_fee=part.block.blob_base_fee)
        if part.accounts:
            fork = with_precompiles_moved(rules.fork, part.accounts)
            if fork is not rules.fork:
                work.rules = rules = replace(rules, fork=fork)
            pretend(self.state, part.accounts)
        work.open()
        self.logs = 0
        context, txs, results = work.context, list[EthereumTransaction](), list[tuple[Json, NumberedLogs]]()
        for call in part.calls:
            tx, answer, logs = self._call(call, work, context, rules)
            txs.append(tx)
            results.append((answer, logs))
        work.context = context
        withdrawals = () if rules.withdrawals else None
        totals = work.close(withdrawals, ())
        header = replace(
            header,
            state_root=totals.state_root,
            transactions_root=list_root([tx.raw for tx in txs]),
            receipts_root=totals.receipts_root,
            bloom=totals.bloom,
            gas_used=totals.gas_used,
            blob_gas_used=None if header.blob_gas_used is None else totals.blob_gas_used,
            requests_hash=totals.requests_hash,
        )
        self.line.add(header)
        return self._json(EthereumBlock(header, tuple(txs), (), withdrawals), results)

    def _json(self, block: EthereumBlock, results: Sequence[tuple[Json, NumberedLogs]]) -> Json:
        calls = []
        for i, (answer, logs) in enumerate(results):
            place = Place(block.header, i)
            shown = [log_json(log, block.txs[i].id, place, index) for index, log in logs]
            calls.append({**answer, "logs": shown})
        return {**block_json(block, self.asked.full, [tx.sender for tx in block.txs]), "calls": calls}

    def _call(
        self, call: CallObject, work: BlockRun, context: BlockContext, rules: AccountRules
    ) -> tuple[EthereumTransaction, Json, NumberedLogs]:
        tx = self._transaction(call, work, context)
        free = not self.asked.validation
        if free and not tx.fee_cap and not tx.tip_cap:
            context = replace(context, base_fee=0)
        if free and not tx.blob_fee_cap:
            context = replace(context, blob_base_fee=0)
        self._check(tx, context, rules, free)
        tracer = LogTracer(self.asked.transfers, self.logs)
        work.context = context
        self._apply(tx, work, tracer)
        self.logs = tracer.count
        outcome = work.outcomes[-1]
        self.gas_left -= outcome.gas_used
        result = outcome.result
        peak = max(tx.gas_limit - result.gas_left, fees.floor_gas(tx, rules.fork))
        answer: Json = {
            "returnData": hexed(result.output if result.halt is None or isinstance(result.halt, Revert) else b""),
            "gasUsed": hex(outcome.gas_used),
            "maxUsedGas": hex(peak),
            "status": hex(int(result.success)),
        }
        if result.halt is not None:
            if not isinstance(result.halt, Revert):
                answer["error"] = {"message": str(result.halt), "code": VM_ERROR}
            else:
                error = failure(result.halt, result.output)
                answer["error"] = {"message": error.message, "code": error.code, "data": error.data}
                answer["returnData"] = "0x"
        return tx, answer, tracer.logs

    def _apply(self, tx: EthereumTransaction, work: BlockRun, tracer: LogTracer) -> None:
        """Run it with the nonce that the account has, which rises by one, from the last to the first."""
        nonce = self.state.nonce(tx.sender)
        work.apply(impersonated(replace(tx, nonce=nonce), tx.sender), tracer)
        if nonce == MAX_NONCE:
            self.state.set_nonce(tx.sender, 0)
            self.state.end_transaction(False)

    def _transaction(self, call: CallObject, work: BlockRun, context: BlockContext) -> EthereumTransaction:
        sender = call.sender or _NOBODY
        nonce = self.state.nonce(sender) if call.nonce is None else call.nonce
        gas = context.gas_limit - work.gas_used if call.gas is None else call.gas
        if work.gas_used + gas > context.gas_limit:
            raise RpcError(GAS_LIMIT, f"block gas limit reached: {work.gas_used + gas} >= {context.gas_limit}")
        gas = min(gas, self.gas_left)
        price = call.gas_price
        cap = price if price is not None else call.fee_cap or 0
        tip = price if price is not None else call.tip_cap or 0
        tx = unsigned(call, _kind(call), self.chain_id, nonce, gas, tip, cap)
        made = impersonated(tx, sender)
        return made

    def _check(self, tx: EthereumTransaction, context: BlockContext, rules: AccountRules, free: bool) -> None:
        """What geth asks of a call before it runs. Raises RpcError."""

        def refuse(code: int, why: str) -> RpcError:
            return RpcError(code, f"err: {why} (supplied gas {tx.gas_limit})")

        name, state = checksummed(tx.sender), self.state
        if not free:
            nonce = state.nonce(tx.sender)
            if tx.nonce < nonce:
                raise refuse(NONCE_LOW, f"nonce too low: address {name}, tx: {tx.nonce} state: {nonce}")
            if tx.nonce > nonce:
                raise refuse(NONCE_HIGH, f"nonce too high: address {name}, tx: {tx.nonce} state: {nonce}")
            if nonce == MAX_NONCE:
                raise refuse(INTERNAL_ERROR, f"nonce has max value: address {name}, nonce: {nonce}")
        if rules.fee_market and not (free and not tx.fee_cap and not tx.tip_cap):
            if tx.fee_cap < tx.tip_cap:
                raise refuse(
                    INVALID_PARAMS,
                    f"max priority fee per gas higher than max fee per gas: address {name}, "
                    f"maxPriorityFeePerGas: {tx.tip_cap}, maxFeePerGas: {tx.fee_cap}",
                )
            if tx.fee_cap < context.base_fee:
                raise refuse(
                    FEE_LOW,
                    f"max fee per gas less than block base fee: address {name}, "
                    f"maxFeePerGas: {tx.fee_cap}, baseFee: {context.base_fee}",
                )
        limit = rules.fork.max_initcode_size
        if tx.to is None and limit is not None and len(tx.data) > limit:
            raise refuse(INIT_CODE, f"max initcode size exceeded: code size {len(tx.data)} limit {limit}")
        want = tx.gas_limit * tx.fee_cap + tx.value + fees.blob_gas(tx) * tx.blob_fee_cap
        have = state.balance(tx.sender)
        if have < want:
            raise refuse(FUNDS, f"insufficient funds for gas * price + value: address {name} have {have} want {want}")
        need = fees.intrinsic_gas(tx, rules.fork)
        if tx.gas_limit < need:
            raise refuse(INTRINSIC, f"intrinsic gas too low: have {tx.gas_limit}, want {need}")
        floor = fees.floor_gas(tx, rules.fork)
        if tx.gas_limit < floor:
            raise refuse(INTERNAL_ERROR, f"insufficient gas for floor data gas cost: have {tx.gas_limit}, want {floor}")


def _kind(call: CallObject) -> int:
    if call.gas_price is not None:
        return LEGACY
    if call.authorizations is not None:
        return SET_CODE
    return BLOB if call.blob_hashes is not None else DYNAMIC_FEE
