"""Which pooled transactions go into the next block: highest package rate first, parents before children.

Each lane of the pool is filled to its own limits; nothing here knows what a resource is.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Mapping, Sequence

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
    policy knows no packages, each by itself once its parents are chosen.
    """
    if not pool.policy.packages:
        return _in_turn(pool, limits, base_fee, lawful, least_rate)
    used = {lane: [0] * len(most) for lane, most in limits.items()}
    entries = pool.entries
    chosen: dict[bytes, Admission] = {}
    failed: set[bytes] = set()
    ancestors = {i: pool.ancestors(e.admission) for i, e in entries.items()}

    def score(txid: bytes) -> tuple[float, int, bytes]:
        entry = entries[txid]
        rest = [entries[a] for a in ancestors[txid] if a not in chosen]
        own = _rate(pool, [entry], base_fee)
        rate = min(own, _rate(pool, [entry, *rest], base_fee)) if rest else own
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
            -rate < least_rate
            or not all(lawful(m) and m.id not in failed for m in members)
            or not _fits(members, used, limits)
        ):
            failed.add(txid)
            continue
        for member in members:
            chosen[member.id] = member
            for at, amount in enumerate(member.resources):
                used[member.lane][at] += amount
        for heir in {i for m in members for i in pool.descendants(m)} - chosen.keys():
            heapq.heappush(heap, score(heir))  # it carries fewer ancestors now
    return list(chosen.values())


def _in_turn(
    pool: Mempool,
    limits: Mapping[int, Sequence[int]],
    base_fee: int,
    lawful: Callable[[Admission], bool],
    least_rate: int,
) -> list[Admission]:
    """The best of those whose turn it is, again and again (geth, core/types: TransactionsByPriceAndNonce)."""
    used = {lane: [0] * len(most) for lane, most in limits.items()}
    entries, policy = pool.entries, pool.policy
    waiting = {txid: count for txid, e in entries.items() if (count := len(pool.parents(e.admission)))}

    def score(txid: bytes) -> tuple[int, int, bytes]:
        entry = entries[txid]
        return -policy.rate(entry.admission, base_fee) - entry.fee_delta, entry.sequence, txid

    heap = [score(txid) for txid in entries if txid not in waiting]
    heapq.heapify(heap)
    chosen: list[Admission] = []
    while heap:
        rate, _, txid = heapq.heappop(heap)
        admission = entries[txid].admission
        if -rate < least_rate or not lawful(admission) or not _fits([admission], used, limits):
            continue  # and so its heirs never have their turn
        chosen.append(admission)
        for at, amount in enumerate(admission.resources):
            used[admission.lane][at] += amount
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


def _fits(members: list[Admission], used: Mapping[int, list[int]], limits: Mapping[int, Sequence[int]]) -> bool:
    for lane, most in limits.items():
        for at, limit in enumerate(most):
            extra = sum(m.resources[at] for m in members if m.lane == lane)
            if used[lane][at] + extra > limit:
                return False
    return all(m.lane in limits for m in members)
