"""debug_trace*: transactions, blocks and calls again, watched by a tracer."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, TypeVar

from ledger.account.block import BlockRun
from ledger.account.state import State
from ledger.account.transaction import Outcome
from node.node import Snapshot
from node.rpc.ethereum_allowance import SECONDS, Allowance
from node.rpc.ethereum_call_params import BlockOverride, CallParam, Overrides, block_override, overrides
from node.rpc.ethereum_calls import GAS_CAP, message_of, run_call, scene_at
from node.rpc.ethereum_json import Json, hexed
from node.rpc.ethereum_lookup import block_at, entry_at, find_mined, ledger_of, server_error
from node.rpc.ethereum_params import LATEST, Address, Block, BlockNumber, BlockRef, Digest, Number, Word, wrong
from node.rpc.registry import rpc
from primitives import rlp
from primitives.ethereum import EthereumBlock
from primitives.ethereum_directives import decode_edits
from primitives.ethereum_tx import EthereumTransaction
from storage.kv import Journal
from vm.evm.addresses import contract_address
from vm.evm.api import Cancelled, Tracer
from vm.evm.tracers.calls import CallTracer
from vm.evm.tracers.prestate import PrestateTracer
from vm.evm.tracers.selectors import SelectorTracer
from vm.evm.tracers.steps import StepTracer

T = TypeVar("T")

MOST_STEPS = 1_000_000
MOST_SECONDS = 300.0
"""However long a client would wait."""
_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3_600.0}
_PART = re.compile(r"(\d{1,9}(?:\.\d{0,9})?)(ns|us|µs|ms|s|m|h)")
_DURATION = re.compile(rf"(?:{_PART.pattern}){{1,8}}")


@dataclass(frozen=True, slots=True)
class TraceOptions:
    """geth's TraceConfig."""

    tracer: str = ""
    config: Mapping[str, Any] = ()  # type: ignore[assignment]
    stack: bool = True
    memory: bool = False
    storage: bool = True
    return_data: bool = False
    limit: int = 0
    timeout: float = SECONDS
    """Of each transaction."""
    state: Overrides | None = None
    block: BlockOverride | None = None


TRACERS = ("", "callTracer", "prestateTracer", "4byteTracer", "noopTracer")


def trace_options(value: Any, name: str) -> TraceOptions:
    """Read the object; Remix's older names are known."""
    if not isinstance(value, dict):
        raise wrong(f"{name} must be an object")
    get = value.get
    tracer, config = get("tracer") or "", get("tracerConfig") or {}
    if not isinstance(tracer, str) or not isinstance(config, dict):
        raise wrong("tracer must be a string, tracerConfig an object")
    if tracer not in TRACERS:
        raise wrong(
            f"tracer {tracer[:40]!r} is not known: there are {', '.join(TRACERS[1:])}, and the steps without one"
        )
    limit = get("limit") or 0
    if isinstance(limit, bool) or not isinstance(limit, int) or limit < 0:
        raise wrong("limit must be a number")
    return TraceOptions(
        tracer,
        config,
        get("disableStack") is not True,
        get("enableMemory") is True or get("disableMemory") is False,
        get("disableStorage") is not True,
        get("enableReturnData") is True or get("disableReturnData") is False,
        limit,
        SECONDS if get("timeout") is None else _seconds(get("timeout")),
        None if get("stateOverrides") is None else overrides(get("stateOverrides")),
        None if get("blockOverrides") is None else block_override(get("blockOverrides")),
    )


def _seconds(value: Any) -> float:
    """A duration as Go writes it: 10s, 1m30s, 500ms."""
    if not isinstance(value, str) or not _DURATION.fullmatch(value):
        raise wrong(f"timeout must be a duration such as 10s, not {str(value)[:40]!r}")
    return min(MOST_SECONDS, sum(float(n) * _UNITS[unit] for n, unit in _PART.findall(value)))


Options = Annotated[TraceOptions, trace_options]
PLAIN = TraceOptions(config={})


class Watch:
    """A tracer for one transaction, and how its findings become JSON."""

    def __init__(
        self, options: TraceOptions, tx: EthereumTransaction, state: State, coinbase: bytes, first_log: int
    ) -> None:
        config = dict(options.config or {})
        self.tracer: Any = None
        self.json: Callable[[Outcome], Any] = lambda _: {}
        if options.tracer == "callTracer":
            calls = CallTracer(config.get("withLog") is True, config.get("onlyTopCall") is True, first_log)
            self.tracer = calls
            self.json = lambda outcome: calls.json(tx.gas_limit, outcome.gas_used)
        elif options.tracer == "prestateTracer":
            target = contract_address(tx.sender, tx.nonce) if tx.to is None else tx.to
            named = (tx.sender, target, coinbase)
            prestate = PrestateTracer(
                state, named, config.get("disableCode") is not True, config.get("disableStorage") is not True
            )
            self.tracer = prestate
            self.json = lambda _: prestate.diff() if config.get("diffMode") is True else prestate.json()
        elif options.tracer == "4byteTracer":
            selectors = SelectorTracer()
            self.tracer = selectors
            self.json = lambda _: selectors.json()
        elif not options.tracer:
            steps = StepTracer(
                options.stack, options.memory, options.storage, options.return_data, options.limit or MOST_STEPS
            )
            self.tracer = steps
            self.json = lambda outcome: steps.json(outcome.gas_used)

    @property
    def watched(self) -> Tracer | None:
        """The tracer for the interpreter."""
        found: Tracer | None = self.tracer
        return found


def in_time(work: Callable[[], T]) -> T:
    """What was executed, or geth's word where its time was over. Raises RpcError."""
    try:
        return work()
    except Cancelled:
        raise server_error("execution timeout") from None


def replay(
    at: Snapshot, block: EthereumBlock, only: int | None, options: TraceOptions, allowance: Allowance
) -> list[Json]:
    """Run a block again on its parent's state, watching all of its transactions or one. Raises RpcError."""
    parent = at.view.entry(block.header.parent)
    if parent is None:
        raise server_error("genesis is not traceable")
    ledger = ledger_of(at.node)
    state = State(Journal(at.state), parent.header.state_root)
    work = BlockRun(block.header, at.view.entries.branch(parent), state, ledger.schedule)
    work.open(decode_edits(block.directives))
    found = []
    for i, tx in enumerate(block.txs):
        if only is not None and i != only:
            work.apply(tx)
            continue
        watch = Watch(options, tx, state, block.header.coinbase, len(work.logs))
        allowance.renew(options.timeout)
        work.stop = allowance
        in_time(partial(work.apply, tx, watch.watched))
        found.append({"txHash": hexed(tx.id), "result": watch.json(work.outcomes[-1])})
        if only is not None:
            break
    return found


@rpc("debug_traceTransaction", "ethereum", "debug", cost="job")
def trace_transaction(at: Snapshot, allowance: Allowance, hash: Digest, options: Options = PLAIN) -> Any:
    """Run a mined transaction again and tell each step, or what a tracer (callTracer, prestateTracer, 4byteTracer) finds."""
    found = find_mined(at, hash)
    if found is None:
        raise server_error("transaction not found")
    return replay(at, found.block, found.index, options, allowance)[0]["result"]


@rpc("debug_traceBlockByNumber", "ethereum", "debug", cost="job")
def trace_by_number(at: Snapshot, allowance: Allowance, block: BlockNumber, options: Options = PLAIN) -> list[Json]:
    """Trace all transactions of a block."""
    found = block_at(at, block)
    if found is None:
        raise server_error(f"block #{block.number} not found")
    return replay(at, found, None, options, allowance)


@rpc("debug_traceBlockByHash", "ethereum", "debug", cost="job")
def trace_by_hash(at: Snapshot, allowance: Allowance, hash: Digest, options: Options = PLAIN) -> list[Json]:
    """Trace all transactions of a block."""
    found = block_at(at, BlockRef(hash=hash))
    if found is None:
        raise server_error(f"block {hexed(hash)} not found")
    return replay(at, found, None, options, allowance)


@rpc("debug_traceCall", "ethereum", "debug", cost="job")
def trace_call(
    at: Snapshot, allowance: Allowance, transaction: CallParam, block: Block = LATEST, options: Options = PLAIN
) -> Any:
    """Trace a call that is no transaction, on the state of a block."""
    allowance.renew(options.timeout)
    scene = scene_at(at, block, options.state, options.block, allowance)
    state = scene.world()
    gas = min(scene.context.gas_limit if transaction.gas is None else transaction.gas, GAS_CAP)
    tx, _ = message_of(transaction, scene, state, gas)
    watch = Watch(options, tx, state, scene.context.coinbase, 0)
    return watch.json(in_time(lambda: run_call(transaction, scene, gas, watch.watched, state)))


@rpc("debug_storageRangeAt", "ethereum", "debug", cost="heavy")
def storage_range(at: Snapshot, block: Block, index: Number, address: Address, start: Word, limit: Number) -> Json:
    """A stretch of a contract's storage as it was before a transaction of a block, in order of the hashes of its slots."""
    found = block_at(at, block)
    if found is None:
        raise server_error("block not found")
    entry = entry_at(at, block)
    state = State(at.state, found.header.state_root)
    if entry is not None and entry.height and index < len(found.txs):
        state = _state_before(at, found, index)
    storage: dict[str, Any] = {}
    following = None
    for key, raw in state.storage_trie(address).items():
        if int.from_bytes(key, "big") < start:
            continue
        if len(storage) >= min(limit, 1_024):
            following = hexed(key)
            break
        value = rlp.decode(raw)
        storage[hexed(key)] = {"key": None, "value": "0x" + bytes(value).hex().rjust(64, "0")}  # type: ignore[arg-type]
    return {"storage": storage, "nextKey": following}


def _state_before(at: Snapshot, block: EthereumBlock, index: int) -> State:
    parent = at.view.entry(block.header.parent)
    assert parent is not None, "a block that is not genesis has a parent"
    state = State(Journal(at.state), parent.header.state_root)
    work = BlockRun(block.header, at.view.entries.branch(parent), state, ledger_of(at.node).schedule)
    work.open(decode_edits(block.directives))
    for tx in block.txs[:index]:
        work.apply(tx)
    state.commit()
    return state
