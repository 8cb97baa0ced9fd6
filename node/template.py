"""Which pooled transactions go into the next block: highest package rate first, parents before children.

Each lane of the pool is filled to its own limits; nothing here knows what a resource is.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from ledger.api import Admission
from node.mempool import Mempool, Pooled


def choose(
    pool: Mempool,
    limits: Mapping[int, Sequence[int]],
    base_fee: int = 0,
    lawful: Callable[[Admission], bool] = lambda _: True,
    least_rate: int = 0,
) -> list[Admission]:
    """Transactions for a block, in an order that applies. `limits`: the most of each resource, by lane.

    A transaction is weighed with the ancestors that are not chosen yet (Bitcoin Core, node/miner.cpp: addPackageTxs); where the
    lane's policy knows no packages, each by itself once its parents are chosen.
    """
    chosen: list[Admission] = []
    for lane, most in limits.items():
        entries = {i: e for i, e in pool.entries.items() if e.admission.lane == lane}
        one = _Lane(pool, entries, most, base_fee, lawful, least_rate)
        chosen += _by_packages(one) if pool.policy.packages(lane) else _in_turn(one)
    return chosen


@dataclass(frozen=True, slots=True)
class _Lane:
    """One lane while it is filled. Nothing in it builds on another lane's transactions."""

    pool: Mempool
    entries: Mapping[bytes, Pooled]
    most: Sequence[int]
    base_fee: int
    lawful: Callable[[Admission], bool]
    least_rate: int


def _by_packages(lane: _Lane) -> list[Admission]:
    pool, entries = lane.pool, lane.entries
    used = [0] * len(lane.most)
    chosen: dict[bytes, Admission] = {}
    failed: set[bytes] = set()
    ancestors = {i: pool.ancestors(e.admission) for i, e in entries.items()}

    def score(txid: bytes) -> tuple[float, int, bytes]:
        entry = entries[txid]
        rest = [entries[a] for a in ancestors[txid] if a not in chosen]
        own = _rate(pool, [entry], lane.base_fee)
        rate = min(own, _rate(pool, [entry, *rest], lane.base_fee)) if rest else own
        return (-rate, entry.sequence, txid)

    heap = [score(i) for i in entries]
    heapq.heapify(heap)
    while heap:
        rate, _, txid = heapq.heappop(heap)
        if txid in chosen or txid in failed:
            continue
        fresh = score(txid)
        if fresh[0] != rate:
            heapq.heappush(heap, fresh)
            continue
        package = sorted((a for a in ancestors[txid] | {txid} if a not in chosen), key=lambda i: entries[i].sequence)
        members = [entries[i].admission for i in package]
        if (
            -rate < lane.least_rate
            or not all(lane.lawful(m) and m.id not in failed for m in members)
            or not _fits(members, used, lane.most)
        ):
            failed.add(txid)
            continue
        for member in members:
            chosen[member.id] = member
            _take(member, used)
        for heir in {i for m in members for i in pool.descendants(m)} - chosen.keys():
            heapq.heappush(heap, score(heir))  # it carries fewer ancestors now
    return list(chosen.values())


def _in_turn(lane: _Lane) -> list[Admission]:
    """The best of those whose turn it is, again and again (geth, core/types: TransactionsByPriceAndNonce)."""
    pool, entries, policy = lane.pool, lane.entries, lane.pool.policy
    used = [0] * len(lane.most)
    waiting = {txid: count for txid, e in entries.items() if (count := len(pool.parents(e.admission)))}

    def score(txid: bytes) -> tuple[int, int, bytes]:
        entry = entries[txid]
        return -policy.rate(entry.admission, lane.base_fee) - entry.fee_delta, entry.sequence, txid

    heap = [score(txid) for txid in entries if txid not in waiting]
    heapq.heapify(heap)
    chosen: list[Admission] = []
    while heap:
        rate, _, txid = heapq.heappop(heap)
        admission = entries[txid].admission
        if -rate < lane.least_rate or not lane.lawful(admission) or not _fits([admission], used, lane.most):
            continue  # and so its heirs never have their turn
        chosen.append(admission)
        _take(admission, used)
        for heir in pool.children(admission):
            waiting[heir] -= 1
            if not waiting[heir]:
                heapq.heappush(heap, score(heir))
    return chosen


def _rate(pool: Mempool, entries: list[Pooled], base_fee: int) -> float:
    if len(entries) == 1 and not entries[0].fee_delta:
        return float(pool.policy.rate(entries[0].admission, base_fee))
    size = max(1, sum(e.admission.size for e in entries))
    return sum(pool.policy.rate(e.admission, base_fee) * e.admission.size + e.fee_delta * 1000 for e in entries) / size


def _fits(members: list[Admission], used: Sequence[int], most: Sequence[int]) -> bool:
    return all(used[at] + sum(m.resources[at] for m in members) <= limit for at, limit in enumerate(most))


def _take(member: Admission, used: list[int]) -> None:
    for at, amount in enumerate(member.resources):
        used[at] += amount
