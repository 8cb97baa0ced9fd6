"""HalfPool: the lane of a twin chain's mempool that one half's clients see; what they change goes to the one pool.

It refuses to know what a lane means.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from ledger.api import Admission, Policy
from node.gate import Changes, Gate, Position
from node.half_chain import whole_branch
from node.mempool import Mempool, Pooled, PoolView
from node.parked import Parked, Waiting


def in_lane(changes: Changes, lane: int) -> Changes:
    """What a step did to one lane."""
    parts = (
        [e for e in part if e.admission.lane == lane] for part in (changes.added, changes.replaced, changes.confirmed)
    )
    return Changes(*parts)


class HalfPool:
    """A Mempool as one half sees it."""

    def __init__(self, pool: Mempool, lane: int, policy: Policy) -> None:
        self.pool = pool
        self.lane = lane
        self.policy = policy
        self.max_bytes = pool.max_bytes
        self._seen: PoolView | None = None
        self._view: PoolView | None = None

    @property
    def entries(self) -> Mapping[bytes, Pooled]:
        """The half's transactions, by id."""
        return self.view().entries

    @property
    def givers(self) -> dict[bytes, bytes]:
        """token -> id of the transaction that gives it; tokens of the halves never meet."""
        return self.pool.givers

    @property
    def holders(self) -> dict[bytes, bytes]:
        """claim -> id of the transaction that holds it"""
        return self.pool.holders

    @property
    def deltas(self) -> dict[bytes, int]:
        """Priorities that were set."""
        return self.pool.deltas

    @property
    def sequence(self) -> int:
        """Rises with every change of the pool."""
        return self.pool.sequence

    @property
    def memory(self) -> int:
        """Bytes that the pool counts for this lane."""
        return self.view().memory

    @property
    def base_fee(self) -> int:
        """What the account half's next block takes of each unit of gas."""
        return self.pool.base_fee

    @base_fee.setter
    def base_fee(self, wei: int) -> None:
        self.pool.base_fee = wei

    def __len__(self) -> int:
        return len(self.entries)

    def __contains__(self, txid: bytes) -> bool:
        return self.get(txid) is not None

    def __iter__(self) -> Iterator[Pooled]:
        return iter(sorted(self.entries.values(), key=lambda e: e.sequence))

    def get(self, txid: bytes) -> Pooled | None:
        """The entry of a transaction id."""
        return self._mine(self.pool.get(txid))

    def by_relay_id(self, relay_id: bytes) -> Pooled | None:
        """The entry that is announced under this hash."""
        return self._mine(self.pool.by_relay_id(relay_id))

    def _mine(self, entry: Pooled | None) -> Pooled | None:
        return entry if entry is not None and entry.admission.lane == self.lane else None

    def view(self) -> PoolView:
        """The lane as it is now; the same object until something changes."""
        seen = self.pool.view()
        view = self._view
        if view is None or self._seen is not seen:
            entries = {key: e for key, e in seen.entries.items() if e.admission.lane == self.lane}
            memory = sum(e.admission.memory or e.admission.size for e in entries.values())
            view = PoolView(MappingProxyType(entries), seen.givers, seen.holders, memory, seen.sequence)
            self._seen, self._view = seen, view
        return view

    def min_rate(self, now: int) -> int:
        """The rate below which nothing is taken."""
        return self.pool.min_rate(now)

    def prioritise(self, txid: bytes, delta: int) -> None:
        """Add to the fee that decides a transaction's order."""
        self.pool.prioritise(txid, delta)

    def ancestors(self, admission: Admission) -> set[bytes]:
        """All pooled transactions that this one builds on."""
        return self.pool.ancestors(admission)

    def descendants(self, admission: Admission) -> set[bytes]:
        """All pooled transactions that build on this one."""
        return self.pool.descendants(admission)


class HalfParked:
    """The parked transactions of one half."""

    def __init__(self, parked: Parked, owns: Callable[[Any], bool]) -> None:
        self._parked = parked
        self._owns = owns

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __contains__(self, txid: bytes) -> bool:
        return txid in self._parked

    def __iter__(self) -> Iterator[Waiting]:
        return (waiting for waiting in self._parked if self._owns(waiting.tx))

    def remove(self, txid: bytes) -> Waiting | None:
        """Take it out."""
        return self._parked.remove(txid)

    def drain(self) -> list[Waiting]:
        """All of the half, in the order they came; none is left."""
        items = list(self)
        for item in items:
            self._parked.remove(item.id)
        return items


class HalfGate:
    """A Gate as one half's methods use it."""

    def __init__(self, gate: Gate, owns: Callable[[Any], bool]) -> None:
        self._gate = gate
        self.parked = HalfParked(gate.parked, owns)

    def judge(self, txs: Sequence[Any], at: Position) -> list[Admission]:
        """What the ledger says of them. Raises Invalid, Missing, Refused, Premature; changes nothing."""
        return self._gate.judge(txs, _whole(at))

    def test(self, txs: Sequence[Any], at: Position) -> list[Admission]:
        """Would they be taken, together? Raises as `Gate.submit`; changes nothing."""
        return self._gate.test(txs, _whole(at))


def _whole(at: Position) -> Position:
    return replace(at, branch=whole_branch(at.branch))
