"""What fee rate gets a transaction into one of the next blocks: read off the blocks that were made lately. Pure figures.

A block that was nearly full shows the rate that its cheapest tenth paid; one with room shows that any rate would have done.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from node.node import Node, Snapshot
from node.rpc.api import Memory
from node.rpc.lookup import find_block, spent_of

BLOCKS = 24
"""How many recent blocks are looked at, at most."""
NEARLY_FULL = 0.9
MOST_REMEMBERED = 64
FALLBACK = 10_000
"""Satoshi per 1,000 virtual bytes, where a local network shows nothing."""


def block_rate(at: Snapshot, memory: Memory, height: int) -> tuple[int, int]:
    """The rate below which a tenth of a connected block's weight paid (satoshi per 1,000 virtual bytes), and the block's weight."""
    entry = at.branch.at(height)
    known = memory.rates.get(entry.hash)
    if known is None:
        block = find_block(at, entry)
        known = (_low_rate(block, spent_of(at, entry, block)), block.weight)
        while len(memory.rates) >= MOST_REMEMBERED:
            memory.rates.pop(next(iter(memory.rates)), None)
        memory.rates[entry.hash] = known
    return known


def _low_rate(block: Any, spent: Sequence[Any]) -> int:
    coins = iter(spent)
    paid: list[tuple[int, int]] = []
    for tx in block.txs:
        if not tx.is_coinbase:
            value = sum(next(coins).value for _ in tx.inputs)
            paid.append(((value - sum(o.value for o in tx.outputs)) * 4_000 // tx.weight, tx.weight))
    bound, passed = sum(weight for _, weight in paid) / 10, 0
    for rate, weight in sorted(paid):
        passed += weight
        if passed >= bound:
            return rate
    return 0


def estimate(at: Snapshot, memory: Memory, target: int, conservative: bool) -> int | None:
    """A rate at which a transaction would, lately, have been in one of any `target` blocks in a row; None where too little is known.

    Economical: in 8 of 10 such rows, conservative: in 19 of 20.
    """
    count = min(BLOCKS, at.tip.height)
    if count < min(target, BLOCKS // 2) or count < 2:
        return None
    limit = at.spec.ledger.rules.max_weight  # type: ignore[attr-defined]
    needed = []
    for height in range(at.tip.height - count + 1, at.tip.height + 1):
        rate, weight = block_rate(at, memory, height)
        needed.append(rate if weight >= NEARLY_FULL * limit else 0)
    return _over_rows(needed, min(target, count), 0.95 if conservative else 0.8)


def estimator(node: Node) -> Callable[[int], int | None]:
    """What wallets ask of this node: the economical rate for a number of blocks, None where too little is known."""
    memory = Memory()

    def rate(blocks: int) -> int | None:
        with node.snapshot() as at:
            return estimate(at, memory, max(2, blocks), False)

    return rate


def _over_rows(needed: Sequence[int], target: int, share: float) -> int:
    """The rate that would have sufficed in this share of all rows of `target` neighbours, the easiest of each row counting."""
    rows = sorted(min(needed[at : at + target]) for at in range(len(needed) - target + 1))
    return rows[min(len(rows) - 1, int(share * len(rows)))]
