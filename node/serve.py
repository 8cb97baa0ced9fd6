"""What peers are given when they ask: blocks, transactions, headers, inventories. It reads and answers; it changes nothing.

Each answer is made when the peer has room for it, so that a request costs no more memory than one block.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from node.actions import Bodies
from p2p.messages import (
    MAX_HEADERS,
    MAX_INV,
    MSG_BLOCK,
    MSG_COMPACT_BLOCK,
    MSG_FILTERED_BLOCK,
    MSG_TX,
    MSG_WTX,
    WITNESS_FLAG,
    GetBlocks,
    GetData,
    GetHeaders,
    Headers,
    Inv,
    Item,
    MempoolRequest,
    Message,
    NotFound,
    Unknown,
)
from primitives.chain import Format

MOST_BLOCKS_TOLD = 500
"""Hashes that answer a getblocks."""

Step = Callable[[], Message | None]
_BLOCKS = frozenset({MSG_BLOCK, MSG_FILTERED_BLOCK, MSG_COMPACT_BLOCK})


def steps(request: Message, bodies: Bodies, fmt: Format, by_wtxid: bool, least_rate: int = 0) -> Iterator[Step]:
    """The answer to a request, as functions to call one after the other, each when the peer has room."""
    if isinstance(request, GetData):
        yield from _items(request.items, bodies)
    elif isinstance(request, GetHeaders):
        yield lambda: Headers.of(tuple(bodies.headers_after(request.locator, request.stop, MAX_HEADERS)), fmt)
    elif isinstance(request, GetBlocks):
        yield lambda: _inventory(request, bodies)
    elif isinstance(request, MempoolRequest):
        yield lambda: _pooled(bodies, by_wtxid, least_rate)


def _items(items: tuple[Item, ...], bodies: Bodies) -> Iterator[Step]:
    missing: list[Item] = []

    def one(kind: int, key: bytes) -> Message | None:
        base, stripped = kind & ~WITNESS_FLAG, not kind & WITNESS_FLAG
        if base in _BLOCKS:
            raw = bodies.block(key, stripped and base != MSG_COMPACT_BLOCK)
            command = "block"
        elif base in (MSG_TX, MSG_WTX):
            raw = bodies.tx(key, stripped and base == MSG_TX)
            command = "tx"
        else:
            return None
        if raw is None:
            missing.append((kind, key))
            return None
        return Unknown(command, raw)

    for kind, key in items:
        yield lambda kind=kind, key=key: one(kind, key)  # type: ignore[misc]
    yield lambda: NotFound(tuple(missing)) if missing else None


def _inventory(request: GetBlocks, bodies: Bodies) -> Message | None:
    headers = bodies.headers_after(request.locator, request.stop, MOST_BLOCKS_TOLD)
    items = tuple((MSG_BLOCK, h.hash) for h in headers if request.locator)
    return Inv(items) if items else None


def _pooled(bodies: Bodies, by_wtxid: bool, least_rate: int) -> Message | None:
    kind = MSG_WTX if by_wtxid else MSG_TX
    txs = [tx for tx in bodies.pooled() if tx.rate >= least_rate]
    items = tuple((kind, tx.relay_id if by_wtxid else tx.id) for tx in txs[:MAX_INV])
    return Inv(items) if items else None
