"""Methods that show the pool: what can go into the next block (pending), and what waits for a nonce before it (queued)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from node.node import Node
from node.rpc.ethereum_json import Json, checksummed, transaction_json
from node.rpc.ethereum_lookup import pending_txs, queued_txs
from node.rpc.ethereum_params import Address
from node.rpc.registry import rpc
from primitives.ethereum_tx import EthereumTransaction

Rows = dict[str, dict[str, Any]]


def _by_sender(txs: Iterable[EthereumTransaction], show: Callable[[EthereumTransaction], Any]) -> Rows:
    found: Rows = {}
    for tx in txs:
        found.setdefault(checksummed(tx.sender), {})[str(tx.nonce)] = show(tx)
    return {sender: dict(sorted(row.items(), key=lambda item: int(item[0]))) for sender, row in sorted(found.items())}


def _json(tx: EthereumTransaction) -> Json:
    return transaction_json(tx, None)


def _line(tx: EthereumTransaction) -> str:
    target = "contract creation" if tx.to is None else checksummed(tx.to)
    return f"{target}: {tx.value} wei + {tx.gas_limit} gas × {tx.fee_cap} wei"


@rpc("txpool_status", "ethereum", "txpool", cost="write")
def status(node: Node) -> Json:
    """How many transactions are pending and queued."""
    return {"pending": hex(len(node.pool)), "queued": hex(len(node.gate.parked))}


@rpc("txpool_content", "ethereum", "txpool", cost="write")
def content(node: Node) -> Json:
    """All transactions, by sender and nonce."""
    return {"pending": _by_sender(pending_txs(node), _json), "queued": _by_sender(queued_txs(node), _json)}


@rpc("txpool_contentFrom", "ethereum", "txpool", cost="write")
def content_from(node: Node, address: Address) -> Json:
    """The transactions of one sender, by nonce."""

    def of(txs: list[EthereumTransaction]) -> dict[str, Any]:
        rows = _by_sender((tx for tx in txs if tx.sender == address), _json)
        return next(iter(rows.values()), {})

    return {"pending": of(pending_txs(node)), "queued": of(queued_txs(node))}


@rpc("txpool_inspect", "ethereum", "txpool", cost="write")
def inspect(node: Node) -> Json:
    """All transactions, by sender and nonce, one line each."""
    return {"pending": _by_sender(pending_txs(node), _line), "queued": _by_sender(queued_txs(node), _line)}


@rpc("eth_pendingTransactions", "ethereum", "eth", cost="write")
def pending_transactions(node: Node) -> list[Json]:
    """All transactions of the pool."""
    return [_json(tx) for tx in pending_txs(node)]
