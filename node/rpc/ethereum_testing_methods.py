"""testing_buildBlockV1: a block built on the tip as a test wants it, shown and thrown away."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any

from ledger.account import fees
from ledger.account.block import BlockRun
from ledger.account.state import State
from ledger.account.trie import list_root
from ledger.api import Draft
from node.node import Snapshot
from node.rpc.ethereum_json import Json, hexed, withdrawal_json
from node.rpc.ethereum_lookup import ledger_of, server_error
from node.rpc.ethereum_params import Data, Digest, address, data, digest, quantity, wrong
from node.rpc.registry import rpc
from primitives import rlp
from primitives.ethereum import EthereumHeader, Withdrawal
from primitives.ethereum_tx import EthereumTransaction, decode_network_transaction
from storage.kv import Journal


@dataclass(frozen=True, slots=True)
class Attributes:
    """What the test fixes of the block."""

    timestamp: int
    randao: bytes
    recipient: bytes
    withdrawals: tuple[Withdrawal, ...]
    beacon_root: bytes


def attributes(value: Any, name: str) -> Attributes:
    """The engine API's payload attributes."""
    if not isinstance(value, Mapping) or not isinstance(value.get("withdrawals") or [], list):
        raise wrong(f"{name} must be an object")
    return Attributes(
        quantity(value.get("timestamp"), "timestamp", 64),
        digest(value.get("prevRandao"), "prevRandao"),
        address(value.get("suggestedFeeRecipient"), "suggestedFeeRecipient"),
        tuple(_withdrawal(w) for w in value.get("withdrawals") or ()),
        bytes(32)
        if value.get("parentBeaconBlockRoot") is None
        else digest(value["parentBeaconBlockRoot"], "parentBeaconBlockRoot"),
    )


def _withdrawal(value: Any) -> Withdrawal:
    if not isinstance(value, Mapping):
        raise wrong("withdrawals must hold objects")
    return Withdrawal(
        quantity(value.get("index"), "index", 64),
        quantity(value.get("validatorIndex"), "validatorIndex", 64),
        address(value.get("address")),
        quantity(value.get("amount"), "amount", 64),
    )


def raw_transactions(value: Any, name: str) -> list[EthereumTransaction]:
    """Signed transactions."""
    if not isinstance(value, list):
        raise wrong(f"{name} must be an array")
    return [decode_network_transaction(data(raw, "transaction")) for raw in value]


@rpc("testing_buildBlockV1", "ethereum", "testing", cost="job")
def build_block(
    at: Snapshot,
    parent: Digest,
    payload: Annotated[Attributes, attributes],
    transactions: Annotated[list[EthereumTransaction], raw_transactions],
    extraData: Data = b"",
) -> Json:
    """The block with exactly these transactions on the tip, as an execution payload. A transaction that does not apply is an error."""
    if parent != at.tip.hash:
        raise server_error("parentHash is not current head")
    ledger, tip = ledger_of(at.node), at.tip.header
    options = {"prev_randao": payload.randao, "parent_beacon_root": payload.beacon_root}
    difficulty = at.node.spec.engine.difficulty(at.branch, payload.timestamp)
    draft = Draft(payload.timestamp, difficulty, payee=payload.recipient, extra=extraData, options=options)
    header = ledger.draft_header(draft, tip)
    work = BlockRun(header, at.branch, State(Journal(at.state), tip.state_root), ledger.schedule)
    work.open()
    for tx in transactions:
        work.add(tx)
    withdrawals = payload.withdrawals if work.rules.withdrawals else None
    totals = work.close(withdrawals, ())
    header = replace(
        header,
        state_root=totals.state_root,
        transactions_root=list_root([tx.raw for tx in transactions]),
        receipts_root=totals.receipts_root,
        bloom=totals.bloom,
        gas_used=totals.gas_used,
        withdrawals_root=None if withdrawals is None else list_root([rlp.encode(w.item) for w in withdrawals]),
        blob_gas_used=None if header.blob_gas_used is None else totals.blob_gas_used,
        requests_hash=totals.requests_hash,
    )
    value = sum(
        outcome.gas_used * fees.effective_tip(tx, header.base_fee or 0)
        for tx, outcome in zip(transactions, work.outcomes, strict=True)
    )
    sidecars = [tx.sidecar for tx in transactions if tx.sidecar is not None]
    return {
        "executionPayload": _payload(header, transactions, withdrawals),
        "blockValue": hex(value),
        "blobsBundle": {
            "commitments": [hexed(c) for s in sidecars for c in s.commitments],
            "proofs": [hexed(p) for s in sidecars for p in s.proofs],
            "blobs": [hexed(b) for s in sidecars for b in s.blobs],
        },
        "executionRequests": [],
        "shouldOverrideBuilder": False,
    }


def _payload(h: EthereumHeader, txs: list[EthereumTransaction], withdrawals: tuple[Withdrawal, ...] | None) -> Json:
    return {
        "parentHash": hexed(h.parent),
        "feeRecipient": hexed(h.coinbase),
        "stateRoot": hexed(h.state_root),
        "receiptsRoot": hexed(h.receipts_root),
        "logsBloom": hexed(h.bloom),
        "prevRandao": hexed(h.mix_hash),
        "blockNumber": hex(h.number),
        "gasLimit": hex(h.gas_limit),
        "gasUsed": hex(h.gas_used),
        "timestamp": hex(h.timestamp),
        "extraData": hexed(h.extra_data),
        "baseFeePerGas": hex(h.base_fee or 0),
        "blockHash": hexed(h.hash),
        "transactions": [hexed(tx.raw) for tx in txs],
        "withdrawals": [withdrawal_json(w) for w in withdrawals or ()],
        "blobGasUsed": hex(h.blob_gas_used or 0),
        "excessBlobGas": hex(h.excess_blob_gas or 0),
    }
