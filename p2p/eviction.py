"""Which inbound peer makes room when all slots are taken: the one that an attacker finds cheapest to be.

A pure function of what is known of each. Source: Bitcoin Core, node/eviction.cpp.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Candidate:
    """What decides over an inbound peer. Times are monotonic seconds, 0 for never."""

    id: int
    group: bytes
    group_key: int
    """A keyed hash of the group: which groups are favoured is not known outside."""
    connected: float
    min_ping: float
    last_block: float
    last_tx: float
    relays_txs: bool
    protected: bool = False
    """Whitelisted: never chosen."""
    discouraged: bool = False


def choose(candidates: Sequence[Candidate]) -> int | None:
    """The id of the peer to evict, or None where all are protected.

    Protected are 4 by netgroup, 8 by ping, 4 by their last transaction, 8 block-relay peers and 4 others by their last
    block, and then the half that is connected longest. Of the rest, the youngest of the largest group goes;
    one that misbehaved before goes first of all.
    """
    left = [c for c in candidates if not c.protected]
    if any(c.discouraged for c in left):
        return max((c for c in left if c.discouraged), key=lambda c: (c.connected, c.id)).id
    left = _spare(left, 4, lambda c: (c.group_key, -c.id))
    left = _spare(left, 8, lambda c: (-c.min_ping, -c.id))
    left = _spare(left, 4, lambda c: (c.last_tx, -c.connected, -c.id))
    block_only = [c for c in left if not c.relays_txs]
    spared = {c.id for c in block_only} - {c.id for c in _spare(block_only, 8, _by_block)}
    left = [c for c in left if c.id not in spared]
    left = _spare(left, 4, _by_block)
    left = _spare(left, len(left) // 2, lambda c: (-c.connected, -c.id))
    if not left:
        return None
    sizes = Counter(c.group for c in left)
    youngest: dict[bytes, float] = {}
    for c in left:
        youngest[c.group] = max(youngest.get(c.group, 0.0), c.connected)
    worst = max(sizes, key=lambda g: (sizes[g], youngest[g], g))
    return max((c for c in left if c.group == worst), key=lambda c: (c.connected, c.id)).id


def _by_block(c: Candidate) -> tuple[float, float, int]:
    return c.last_block, -c.connected, -c.id


def _spare(candidates: list[Candidate], count: int, merit: Callable[[Candidate], tuple[float, ...]]) -> list[Candidate]:
    """All but those with the most merit, in the order given."""
    spared = {c.id for c in sorted(candidates, key=merit, reverse=True)[:count]}
    return [c for c in candidates if c.id not in spared]
