"""Finding what clients name in a snapshot: blocks, states, transactions, receipts and logs. It changes nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, cast

from ledger.account.ledger import AccountLedger
from ledger.account.rules import AccountRules
from ledger.account.state import State
from node.indexes import find_transaction
from node.node import Node, Snapshot
from node.receipts import receipts_of
from node.rpc.errors import INVALID_PARAMS, RpcError
from node.rpc.ethereum_json import Json, Place, log_json, receipt_json
from node.rpc.ethereum_params import BlockRef, LogQuery
from node.rpc.registry import injected
from primitives.chain import Entry
from primitives.ethereum import EthereumBlock, EthereumHeader, Receipt, bloom_bits
from primitives.ethereum_tx import EthereumTransaction

injected(Node)
injected(Snapshot)

SERVER_ERROR = -32000
MOST_BLOCKS = 100_000
"""Blocks that one question for logs may span."""
MOST_LOGS = 20_000


def ledger_of(node: Node) -> AccountLedger:
    """The rules of an account chain."""
    return cast(AccountLedger, node.spec.ledger)


def server_error(message: str) -> RpcError:
    """geth's general error."""
    return RpcError(SERVER_ERROR, message)


def entry_at(at: Snapshot, ref: BlockRef) -> Entry[Any] | None:
    """The block that is meant. `safe` and `finalized` are the tip: nobody on a local chain votes. `pending` is the tip too."""
    if ref.hash is not None:
        entry = at.view.entry(ref.hash)
        if entry is not None and ref.canonical and not at.view.connected(entry):
            raise server_error("hash is not currently canonical")
        return entry
    if ref.number is not None:
        return at.view.at(ref.number) if ref.number < 1 << 32 else None
    return at.view.at(0) if ref.tag == "earliest" else at.tip


def required_entry(at: Snapshot, ref: BlockRef) -> Entry[Any]:
    """The same, for methods that read a state. Raises RpcError("header not found")."""
    entry = entry_at(at, ref)
    if entry is None:
        raise server_error("header for hash not found" if ref.hash is not None else "header not found")
    return entry


def block_at(at: Snapshot, ref: BlockRef) -> EthereumBlock | None:
    """The block with its body, None where it is not known."""
    entry = entry_at(at, ref)
    return None if entry is None else cast("EthereumBlock | None", at.view.block(entry.hash))


def state_at(at: Snapshot, ref: BlockRef) -> State:
    """The accounts after a block. Raises RpcError("header not found")."""
    return State(at.state, required_entry(at, ref).header.state_root)


def rules_at(at: Snapshot, header: EthereumHeader) -> AccountRules:
    """The rules of a header's block."""
    return ledger_of(at.node).schedule.of(header)


@dataclass(frozen=True, slots=True)
class Found:
    """A transaction of the connected chain."""

    block: EthereumBlock
    index: int

    @property
    def tx(self) -> EthereumTransaction:
        """The transaction."""
        return self.block.txs[self.index]

    @property
    def place(self) -> Place:
        """Where it lies."""
        return Place(self.block.header, self.index)


def pending_txs(node: Node) -> list[EthereumTransaction]:
    """The pooled transactions that a block can take, in the order they came."""
    return [e.tx for e in sorted(node.pool.view().entries.values(), key=lambda e: e.sequence)]


def queued_txs(node: Node) -> list[EthereumTransaction]:
    """Those that wait for a nonce before theirs."""
    return [w.tx for w in node.gate.parked]


def find_mined(at: Snapshot, txid: bytes) -> Found | None:
    """A transaction of the connected chain by its hash."""
    found = find_transaction(at.state, txid)
    if found is None:
        return None
    block = at.view.block(found[0])
    return None if block is None else Found(block, found[1])


def receipts_json(at: Snapshot, block: EthereumBlock, only: int | None = None) -> list[Json]:
    """The receipts of a block, or the one at a place."""
    receipts = receipts_of(at.state, block.header.hash)
    blobs = rules_at(at, block.header).fork.blobs
    found, gas, logs = [], 0, 0
    for i, (tx, receipt) in enumerate(zip(block.txs, receipts, strict=False)):
        if only is None or only == i:
            place = Place(block.header, i)
            found.append(receipt_json(receipt, tx, place, receipt.cumulative_gas - gas, logs, blobs))
        gas = receipt.cumulative_gas
        logs += len(receipt.logs)
    return found


def block_logs(
    block: EthereumBlock, receipts: Sequence[Receipt], query: LogQuery | None = None, removed: bool = False
) -> Iterator[Json]:
    """The logs of a block that a query wants."""
    index = 0
    for i, (tx, receipt) in enumerate(zip(block.txs, receipts, strict=False)):
        for log in receipt.logs:
            if query is None or query.fits(log.address, log.topics):
                yield log_json(log, tx.id, Place(block.header, i), index, removed)
            index += 1


def find_logs(at: Snapshot, query: LogQuery) -> list[Json]:
    """The logs that a query wants, oldest first. Raises RpcError for a range that cannot be or is too large."""
    if query.block is not None:
        entry = at.view.entry(query.block)
        if entry is None:
            raise server_error("unknown block")
        return _logs_of(at, entry, query)
    first, last = (_number(at, ref) for ref in (query.first, query.last))
    if first > last or (query.first is not None and query.first.number is not None and first > at.tip.height):
        if first > last:
            raise RpcError(INVALID_PARAMS, "invalid block range params")
        return []
    last = min(last, at.tip.height)
    if last - first >= MOST_BLOCKS:
        raise server_error(f"exceed maximum block range: {MOST_BLOCKS}")
    wanted = _bloom_of(query)
    found: list[Json] = []
    for height in range(first, last + 1):
        entry = at.view.at(height)
        if entry is not None and _may_hold(entry.header, wanted):
            found += _logs_of(at, entry, query)
            if len(found) > MOST_LOGS:
                raise server_error(f"query returned more than {MOST_LOGS} results")
    return found


def _number(at: Snapshot, ref: BlockRef | None) -> int:
    if ref is None:
        return at.tip.height
    if ref.number is not None:
        return ref.number
    return 0 if ref.tag == "earliest" else at.tip.height


def _bloom_of(query: LogQuery) -> list[list[int]]:
    """What a header's bloom must hold: of each list one."""
    sets = [query.addresses, *query.topics]
    return [[bloom_bits(v) for v in values] for values in sets if values]


def _may_hold(header: EthereumHeader, wanted: list[list[int]]) -> bool:
    if not header.gas_used:
        return False
    bits = int.from_bytes(header.bloom, "big")
    return bool(bits) and all(any(bits & b == b for b in options) for options in wanted)


def _logs_of(at: Snapshot, entry: Entry[Any], query: LogQuery) -> list[Json]:
    receipts = receipts_of(at.state, entry.hash)
    if not any(r.logs for r in receipts):
        return []
    block = at.view.block(entry.hash)
    return [] if block is None else list(block_logs(block, receipts, query))
