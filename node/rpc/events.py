"""Filters that are polled and subscriptions that are pushed, fed by the node's events, through reorganisations.

It runs on the loop, knows no socket (a subscriber is a function), and holds no more than is bounded here.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from node.node import Happening, Node, PoolChanged
from node.receipts import receipts_of
from node.results import TipChanged
from node.rpc.ethereum_json import Json, header_json, hexed, transaction_json
from node.rpc.ethereum_lookup import block_logs
from node.rpc.ethereum_params import LogQuery
from node.rpc.registry import injected
from primitives.ethereum import EthereumBlock, Receipt, decode_receipt

EXPIRY = 5 * 60.0
"""Seconds after which a filter that nobody asked is gone."""
MOST_FILTERS = 1_000
MOST_HELD = 50_000
"""Things that a filter holds for its owner; beyond, the filter is gone."""
MOST_RECENT = 256
"""Blocks whose logs can be taken back even when a revert has forgotten them."""

Send = Callable[[Json], None]


@dataclass(slots=True)
class Filter:
    """What one client wants to be told of, and what it has not fetched yet."""

    kind: str
    """newHeads, logs, newPendingTransactions, syncing."""
    query: LogQuery | None = None
    full: bool = False
    held: list[Any] = field(default_factory=list)
    asked: float = 0.0


@dataclass(slots=True)
class Subscription:
    """A filter whose findings go out at once."""

    filter: Filter
    send: Send


@injected
class Events:
    """All filters and subscriptions of one node."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self.filters: dict[int, Filter] = {}
        self.subscriptions: dict[int, Subscription] = {}
        self._recent: OrderedDict[bytes, tuple[EthereumBlock, Sequence[Receipt]]] = OrderedDict()
        self._end = node.subscribe(self._on_event)

    def close(self) -> None:
        """Hear no more."""
        self._end()

    def _number(self) -> int:
        while True:
            number = self.node.env.random.getrandbits(64) | 1 << 63
            if number not in self.filters and number not in self.subscriptions:
                return number

    # -- filters ----------------------------------------------------------------------------------------------------

    def add_filter(self, kind: str, query: LogQuery | None = None) -> int:
        """A new filter; the oldest goes where there are too many."""
        self.expire()
        if len(self.filters) >= MOST_FILTERS:
            del self.filters[min(self.filters, key=lambda n: self.filters[n].asked)]
        number = self._number()
        self.filters[number] = Filter(kind, query, asked=self.node.env.monotonic())
        return number

    def filter(self, number: int) -> Filter | None:
        """A filter that lives; being asked for keeps it alive."""
        self.expire()
        found = self.filters.get(number)
        if found is not None:
            found.asked = self.node.env.monotonic()
        return found

    def take(self, found: Filter) -> list[Any]:
        """What it has gathered since it was asked last."""
        held, found.held = found.held, []
        return held

    def expire(self) -> None:
        """Drop filters that nobody asked for five minutes."""
        until = self.node.env.monotonic() - EXPIRY
        for number in [n for n, f in self.filters.items() if f.asked < until]:
            del self.filters[number]

    # -- subscriptions ----------------------------------------------------------------------------------------------

    def subscribe(self, send: Send, kind: str, query: LogQuery | None = None, full: bool = False) -> int:
        """Push from now on; `send` gets the notification."""
        number = self._number()
        self.subscriptions[number] = Subscription(Filter(kind, query, full), send)
        return number

    def unsubscribe(self, number: int) -> bool:
        """Push no more; whether there was such a subscription."""
        return self.subscriptions.pop(number, None) is not None

    # -- events -----------------------------------------------------------------------------------------------------

    def _on_event(self, event: Happening) -> None:
        if not self.filters and not self.subscriptions:
            self._recent.clear()
            return
        if isinstance(event, TipChanged):
            self._on_tip(event)
        elif isinstance(event, PoolChanged):
            txs = [entry.tx for entry in event.changes.added]
            self._tell("newPendingTransactions", lambda f: [_pending(tx, f.full) for tx in txs])

    def _on_tip(self, event: TipChanged) -> None:
        wants_logs = self._wanted("logs")
        if wants_logs:
            for entry in event.reverted:
                self._logs(self._recent.pop(entry.hash, None) or self._read(entry.hash), removed=True)
        headers = [c.entry.header for c in event.connected]
        self._tell(
            "newHeads", lambda f: [header_json(h) for h in headers] if f.full else [hexed(h.hash) for h in headers]
        )
        if wants_logs:
            for connected in event.connected:
                if not connected.entry.header.gas_used:
                    continue
                block, raw = connected.block, connected.applied.receipts
                receipts = [decode_receipt(r) for r in raw] if raw else self._receipts(connected.entry.hash)
                self._recent[connected.entry.hash] = block, receipts
                if len(self._recent) > MOST_RECENT:
                    self._recent.popitem(last=False)
                self._logs((block, receipts), removed=False)

    def _wanted(self, kind: str) -> bool:
        return any(f.kind == kind for f in self.filters.values()) or any(
            s.filter.kind == kind for s in self.subscriptions.values()
        )

    def _read(self, key: bytes) -> tuple[EthereumBlock, Sequence[Receipt]] | None:
        block = self.node.chain.block(key)
        return None if block is None else (block, self._receipts(key))

    def _receipts(self, key: bytes) -> Sequence[Receipt]:
        with self.node.store.view() as kv:
            return receipts_of(kv, key)

    def _logs(self, found: tuple[EthereumBlock, Sequence[Receipt]] | None, removed: bool) -> None:
        if found is not None and any(r.logs for r in found[1]):
            block, receipts = found
            self._tell("logs", lambda f: list(block_logs(block, receipts, f.query, removed)))

    def _tell(self, kind: str, found: Callable[[Filter], list[Any]]) -> None:
        for number, one in list(self.filters.items()):
            if one.kind == kind:
                one.held += found(one)
                if len(one.held) > MOST_HELD:
                    del self.filters[number]
        for number, subscription in list(self.subscriptions.items()):
            if subscription.filter.kind == kind:
                for result in found(subscription.filter):
                    subscription.send(notification(number, result))


def notification(number: int, result: Any) -> Json:
    """What a subscriber receives."""
    return {
        "jsonrpc": "2.0",
        "method": "eth_subscription",
        "params": {"subscription": hex(number), "result": result},
    }


def _pending(tx: Any, full: bool) -> Any:
    return transaction_json(tx, None) if full else hexed(tx.id)
