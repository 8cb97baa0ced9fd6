"""Methods that find logs, and those of filters and subscriptions."""

from __future__ import annotations

from typing import Any

from node.node import Snapshot
from node.rpc.errors import INVALID_PARAMS, RpcError
from node.rpc.ethereum_json import Json
from node.rpc.ethereum_lookup import find_logs, server_error
from node.rpc.ethereum_params import LogQuery, Logs, Quantity, log_query
from node.rpc.ethereum_session import Session
from node.rpc.events import Events
from node.rpc.registry import rpc

MOST_SUBSCRIPTIONS = 100
"""Of one connection."""


@rpc("eth_getLogs", "ethereum", "eth", cost="job")
def get_logs(at: Snapshot, filter: Logs) -> list[Json]:
    """Logs of a range of blocks, or of one, by address and topics."""
    return find_logs(at, filter)


@rpc("eth_newFilter", "ethereum", "eth")
def new_filter(events: Events, filter: Logs) -> str:
    """Gather logs from now on; fetch them with eth_getFilterChanges. Gone when nobody asks for five minutes."""
    return hex(events.add_filter("logs", filter))


@rpc("eth_newBlockFilter", "ethereum", "eth")
def new_block_filter(events: Events) -> str:
    """Gather hashes of new blocks from now on."""
    return hex(events.add_filter("newHeads"))


@rpc("eth_newPendingTransactionFilter", "ethereum", "eth")
def new_pending_filter(events: Events) -> str:
    """Gather hashes of transactions that come into the pool from now on."""
    return hex(events.add_filter("newPendingTransactions"))


@rpc("eth_getFilterChanges", "ethereum", "eth")
def filter_changes(events: Events, filter: Quantity) -> list[Any]:
    """What a filter has gathered since it was asked last."""
    found = events.filter(filter)
    if found is None:
        raise server_error("filter not found")
    return events.take(found)


@rpc("eth_getFilterLogs", "ethereum", "eth")
def filter_logs(at: Snapshot, events: Events, filter: Quantity) -> list[Json]:
    """All logs that a filter's question has an answer for now."""
    found = events.filter(filter)
    if found is None or found.query is None:
        raise server_error("filter not found")
    return find_logs(at, found.query)


@rpc("eth_uninstallFilter", "ethereum", "eth")
def uninstall_filter(events: Events, filter: Quantity) -> bool:
    """Gather no more; whether there was such a filter."""
    return events.filters.pop(filter, None) is not None


KINDS = ("newHeads", "logs", "newPendingTransactions", "syncing")


@rpc("eth_subscribe", "ethereum", "eth")
def subscribe(events: Events, session: Session, kind: str, options: Any = None) -> str:
    """Be told of new heads, logs or pending transactions on this WebSocket as they come."""
    if session.send is None:
        raise RpcError(-32601, "notifications not supported")
    if kind not in KINDS:
        raise RpcError(INVALID_PARAMS, f'no "{kind[:40]}" subscription in eth namespace')
    if len(session.subscriptions) >= MOST_SUBSCRIPTIONS:
        raise server_error(f"a connection has at most {MOST_SUBSCRIPTIONS} subscriptions")
    query: LogQuery | None = None
    full = kind == "newHeads"
    if kind == "logs":
        query = log_query({} if options is None else options)
    elif kind == "newPendingTransactions":
        full = options is True or (isinstance(options, dict) and options.get("includeTransactions") is True)
    number = events.subscribe(session.send, kind, query, full)
    session.subscriptions.add(number)
    return hex(number)


@rpc("eth_unsubscribe", "ethereum", "eth")
def unsubscribe(events: Events, session: Session, subscription: Quantity) -> bool:
    """Be told no more."""
    if subscription not in session.subscriptions:
        raise server_error("subscription not found")
    session.subscriptions.discard(subscription)
    return events.unsubscribe(subscription)
