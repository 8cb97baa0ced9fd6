"""Mempool: a graph of lawful transactions over opaque tokens. It does not know what a token means, nor any family.

At most one pooled transaction holds a claim; an edge runs from the one that gives a token to the one that needs it. What differs between
families (rates, replacement, limits) is the ledger's Policy.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from ledger.api import Admission, Cluster, Policy
from primitives.errors import Refused

ROLLING_HALF_LIFE = 60 * 60 * 12
"""Seconds in which the minimum rate that an eviction left behind halves (Bitcoin Core, txmempool.h)."""


@dataclass(frozen=True, slots=True)
class Pooled:
    """A pooled transaction: its admission, when it came, and at which height of the tip."""

    admission: Admission
    time: int
    height: int
    sequence: int
    fee_delta: int = 0
    """What `prioritisetransaction` added."""

    @property
    def id(self) -> bytes:
        """Transaction id."""
        return self.admission.id

    @property
    def tx(self) -> Any:
        """The transaction itself."""
        return self.admission.tx

    @property
    def fee(self) -> int:
        """The fee that decides its order, priority included."""
        return self.admission.tip_cap + self.fee_delta


@dataclass(frozen=True, slots=True)
class PoolView:
    """The pool at one moment, immutable."""

    entries: Mapping[bytes, Pooled]
    givers: Mapping[bytes, bytes]
    holders: Mapping[bytes, bytes]
    memory: int
    sequence: int


class Mempool:
    """Belongs to the chain thread; other threads read `view()`."""

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        self.max_bytes = policy.max_bytes
        self.base_fee = 0
        self.entries: dict[bytes, Pooled] = {}
        self.by_relay: dict[bytes, bytes] = {}
        self.holders: dict[bytes, bytes] = {}
        """claim -> id of the transaction that holds it"""
        self.givers: dict[bytes, bytes] = {}
        """token -> id of the transaction that gives it"""
        self.takers: dict[bytes, bytes] = {}
        """token -> id of the transaction that needs it"""
        self.shown: dict[bytes, bytes] = {}
        """state pairs of pooled transactions, read by those that build on them"""
        self.memory = 0
        self.sequence = 0
        self.deltas: dict[bytes, int] = {}
        self._rolling = 0.0
        self._rolled_at = 0
        self._view: PoolView | None = None

    # -- reading ----------------------------------------------------------------------------------------------------

    def __len__(self) -> int:
        return len(self.entries)

    def __contains__(self, txid: bytes) -> bool:
        return txid in self.entries

    def get(self, txid: bytes) -> Pooled | None:
        """The entry of a transaction id."""
        return self.entries.get(txid)

    def by_relay_id(self, relay_id: bytes) -> Pooled | None:
        """The entry that is announced under this hash."""
        txid = self.by_relay.get(relay_id)
        return None if txid is None else self.entries.get(txid)

    def parents(self, admission: Admission) -> set[bytes]:
        """Ids of the pooled transactions that give what this one needs."""
        givers = self.givers
        return {givers[token] for token in admission.needs if token in givers}

    def children(self, admission: Admission) -> set[bytes]:
        """Ids of the pooled transactions that need what this one gives."""
        takers = self.takers
        return {takers[token] for token in admission.gives if token in takers}

    def ancestors(self, admission: Admission) -> set[bytes]:
        """All pooled transactions that this one builds on, itself left out."""
        return self._closure(self.parents(admission), self.parents)

    def descendants(self, admission: Admission) -> set[bytes]:
        """All pooled transactions that build on this one, itself left out."""
        return self._closure(self.children(admission), self.children)

    def _closure(self, start: set[bytes], step: Any) -> set[bytes]:
        found = set(start)
        todo = list(start)
        while todo:
            for txid in step(self.entries[todo.pop()].admission):
                if txid not in found:
                    found.add(txid)
                    todo.append(txid)
        return found

    def conflicts(self, admission: Admission) -> set[bytes]:
        """Ids of the pooled transactions that hold one of its claims."""
        holders = self.holders
        return {holders[c] for c in admission.claims if c in holders} - {admission.id}

    def view(self) -> PoolView:
        """The pool as it is now; the same object until something changes."""
        view = self._view
        if view is None or view.sequence != self.sequence:
            view = self._view = PoolView(
                MappingProxyType(dict(self.entries)),
                MappingProxyType(dict(self.givers)),
                MappingProxyType(dict(self.holders)),
                self.memory,
                self.sequence,
            )
        return view

    def min_rate(self, now: int) -> int:
        """The rate below which nothing is taken: what the last eviction left, halving with time; 0 on a pool that has room."""
        if self._rolling and now > self._rolled_at + 10:
            half_life = ROLLING_HALF_LIFE
            if self.memory < self.max_bytes // 4:
                half_life //= 4
            elif self.memory < self.max_bytes // 2:
                half_life //= 2
            self._rolling /= 2.0 ** ((now - self._rolled_at) / half_life)
            self._rolled_at = now
            if self._rolling < self.policy.increment / 2:
                self._rolling = 0.0
        return max(round(self._rolling), self.policy.increment) if self._rolling else 0

    # -- changing ---------------------------------------------------------------------------------------------------

    def check(self, newcomers: list[Admission], now: int, any_fee: bool = False) -> set[bytes]:
        """May they come in, together? Returns the ids that they would displace, heirs included. Raises Refused."""
        direct: set[bytes] = set()
        for new in newcomers:
            direct |= self.conflicts(new)
        evicted = set(direct)
        given = {token for new in newcomers for token in new.gives}
        for txid in direct:
            admission = self.entries[txid].admission
            if not admission.gives <= given:  # else its heirs find in a newcomer what they need
                evicted |= self.descendants(admission)
        for new in newcomers:
            if evicted and self.ancestors(new) & evicted:
                raise Refused("bad-txns-spends-conflicting-tx", f"{new.id[::-1].hex()} builds on what it would replace")
        least = 0 if any_fee else self.min_rate(now)
        if least and self._package_rate(newcomers) < least:
            raise Refused("mempool min fee not met", f"{self._package_rate(newcomers)} < {least} per 1,000 units")
        if evicted:
            gone = [self.entries[i].admission for i in evicted]
            self.policy.may_replace(newcomers, gone, [self.entries[i].admission for i in direct])
        for at, new in enumerate(newcomers):
            if self.policy.packages(new.lane):
                self.policy.limits(self._cluster(new, newcomers[:at], evicted))
        return evicted

    def _package_rate(self, newcomers: list[Admission]) -> int:
        if len(newcomers) == 1:
            return self.policy.rate(newcomers[0], self.base_fee)
        total = sum(n.tip_cap + self.deltas.get(n.id, 0) for n in newcomers)
        return total * 1000 // max(1, sum(n.size for n in newcomers))

    def _cluster(self, new: Admission, before: list[Admission], evicted: set[bytes]) -> Cluster:
        """Count what a newcomer joins; `before` are the members of its package that come first."""
        if not before and not self.parents(new):
            return Cluster(1, new.size, 1, new.size, new.lane)
        known = {b.id: b for b in before}
        gives = {token: b.id for b in before for token in b.gives}
        found: dict[bytes, Admission] = {}
        todo = [new]
        while todo:
            one = todo.pop()
            for token in one.needs:
                txid = gives.get(token) or self.givers.get(token)
                if txid is not None and txid not in found:
                    found[txid] = known[txid] if txid in known else self.entries[txid].admission
                    todo.append(found[txid])
        most, most_size = 1, new.size
        for ancestor in found.values():
            heirs = (self.descendants(ancestor) - evicted) | {b.id for b in before}
            sizes = sum((known.get(i) or self.entries[i].admission).size for i in heirs)
            count = len(heirs | {ancestor.id}) + 1
            size = sizes + new.size + (0 if ancestor.id in heirs else ancestor.size)
            most, most_size = max(most, count), max(most_size, size)
        return Cluster(len(found) + 1, new.size + sum(a.size for a in found.values()), most, most_size, new.lane)

    def add(self, newcomers: list[Admission], now: int, height: int, any_fee: bool = False) -> list[Pooled]:
        """Take them in, displace what they replace, and shrink to the cap. Returns what left. Raises Refused and changes nothing."""
        left = [self._drop(i) for i in self._heirs_first(self.check(newcomers, now, any_fee))]
        for new in newcomers:
            self._insert(Pooled(new, now, height, self.sequence + 1, self.deltas.get(new.id, 0)))
        left += self.shrink(now)
        if any(n.id not in self.entries for n in newcomers):
            ours = {n.id for n in newcomers}
            for txid in ours & self.entries.keys():
                self._drop(txid)
            for old in sorted((e for e in left if e.id not in ours), key=lambda e: e.sequence):
                self._insert(old)
            raise Refused("mempool full", "the pool is at its cap and the fee is too low")
        return left

    def _insert(self, entry: Pooled) -> None:
        admission = entry.admission
        self.entries[admission.id] = entry
        self.by_relay[admission.relay_id or admission.id] = admission.id
        for claim in admission.claims:
            self.holders[claim] = admission.id
        for token in admission.gives:
            self.givers[token] = admission.id
        for token in admission.needs:
            self.takers[token] = admission.id
        self.shown.update(admission.shows)
        self.memory += admission.memory or admission.size
        self.sequence += 1

    def _drop(self, txid: bytes) -> Pooled:
        entry = self.entries.pop(txid)
        admission = entry.admission
        del self.by_relay[admission.relay_id or admission.id]
        for claim in admission.claims:
            if self.holders.get(claim) == txid:
                del self.holders[claim]
        for token in admission.gives:
            if self.givers.get(token) == txid:
                del self.givers[token]
        for token in admission.needs:
            if self.takers.get(token) == txid:
                del self.takers[token]
        for key, _ in admission.shows:
            self.shown.pop(key, None)
        self.memory -= admission.memory or admission.size
        self.sequence += 1
        return entry

    def _heirs_first(self, ids: Iterable[bytes]) -> list[bytes]:
        return sorted(ids, key=lambda i: -self.entries[i].sequence)

    def remove(self, txid: bytes) -> list[Pooled]:
        """Drop a transaction and all that build on it."""
        if txid not in self.entries:
            return []
        gone = self.descendants(self.entries[txid].admission) | {txid}
        return [self._drop(i) for i in self._heirs_first(gone)]

    def confirm(self, txid: bytes) -> Pooled | None:
        """Drop a transaction that a block took in; those that build on it stay."""
        self.deltas.pop(txid, None)
        return self._drop(txid) if txid in self.entries else None

    def release(self, claims: Iterable[bytes]) -> list[Pooled]:
        """Drop whoever holds one of these claims: a block has used them. Heirs go too, unless the block gives what they need."""
        gone: list[Pooled] = []
        for claim in claims:
            holder = self.holders.get(claim)
            if holder is not None and claim in self.entries[holder].admission.gives:
                gone.append(self._drop(holder))
            elif holder is not None:
                gone += self.remove(holder)
        return gone

    def expire(self, now: int) -> list[Pooled]:
        """Drop what has waited longer than the policy allows."""
        old = [i for i, e in self.entries.items() if e.time + self.policy.expiry < now]
        return [gone for i in old for gone in self.remove(i)]

    def shrink(self, now: int) -> list[Pooled]:
        """Evict the lowest package rates until the pool is within its cap; the minimum rate rises above what was evicted."""
        gone: list[Pooled] = []
        while self.memory > self.max_bytes and self.entries:
            for rate, txid in sorted((self._descendant_rate(e), i) for i, e in self.entries.items()):
                if self.memory <= self.max_bytes:
                    break
                if txid in self.entries:
                    gone += self.remove(txid)
                    self._rolling = max(self._rolling, float(rate + self.policy.increment))
                    self._rolled_at = now
        return gone

    def _descendant_rate(self, entry: Pooled) -> int:
        """The better of its own rate and that of it with all its heirs, as Core judges eviction."""
        own = self.policy.rate(entry.admission, self.base_fee)
        heirs = self.descendants(entry.admission)
        if not heirs:
            return own
        fees = entry.fee + sum(self.entries[i].fee for i in heirs)
        size = entry.admission.size + sum(self.entries[i].admission.size for i in heirs)
        return max(own, fees * 1000 // max(1, size))

    def prioritise(self, txid: bytes, delta: int) -> None:
        """Add to the fee that decides a transaction's order, now or when it comes."""
        self.deltas[txid] = self.deltas.get(txid, 0) + delta
        if (entry := self.entries.get(txid)) is not None:
            self.entries[txid] = Pooled(entry.admission, entry.time, entry.height, entry.sequence, self.deltas[txid])
            self.sequence += 1

    def clear(self) -> list[Pooled]:
        """Empty the pool; returns what was in it, parents first."""
        all_of_it = sorted(self.entries.values(), key=lambda e: e.sequence)
        for entry in reversed(all_of_it):
            self._drop(entry.id)
        return all_of_it

    def __iter__(self) -> Iterator[Pooled]:
        return iter(sorted(self.entries.values(), key=lambda e: e.sequence))
