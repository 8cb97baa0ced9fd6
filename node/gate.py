"""Gate: the way into the mempool: ask the ledger, then the pool, park what lacks something, admit again when the tip changed.

It runs on the chain thread and knows no family, peer or RPC.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

from ledger.api import Admission, Aid, Ledger
from node.mempool import Mempool, Pooled
from node.parked import Parked, Waiting
from primitives.chain import Branch
from primitives.errors import ChainError, Invalid, Missing, Premature, Refused
from storage.kv import KV

log = logging.getLogger("chainyard.mempool")

MOST_REJECTS = 50_000

Check = Callable[[Admission], None]
"""A caller's own condition (a limit on the fee)."""


class Shown:
    """The state at the tip together with what pooled transactions would add to it; read only."""

    __slots__ = ("_added", "_base")

    def __init__(self, base: KV, added: dict[bytes, bytes]) -> None:
        self._base = base
        self._added = added

    def get(self, key: bytes) -> bytes | None:
        """The value in the state, else what a pooled transaction shows."""
        value = self._base.get(key)
        return self._added.get(key) if value is None else value

    def put(self, key: bytes, value: bytes) -> None:
        """Nothing is ever written here."""
        raise RuntimeError("the state shown to the mempool is read only")

    def delete(self, key: bytes) -> None:
        """Nothing is ever deleted here."""
        raise RuntimeError("the state shown to the mempool is read only")

    def scan(self, prefix: bytes, start: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
        """The pairs of the state alone."""
        return self._base.scan(prefix, start)


@dataclass(frozen=True, slots=True)
class Position:
    """Where the chain stands while a transaction is judged."""

    branch: Branch[Any]
    state: KV
    now: int

    @property
    def height(self) -> int:
        """Height of the tip."""
        return self.branch.tip.height


@dataclass(slots=True)
class Changes:
    """What a step did to the pool, in order."""

    added: list[Pooled] = field(default_factory=list)
    replaced: list[Pooled] = field(default_factory=list)
    """Left for another transaction, for room, or because they are no longer lawful."""
    confirmed: list[Pooled] = field(default_factory=list)


class Rejects:
    """Hashes that were refused since the last change of tip; bounded, and only ever saves work."""

    def __init__(self, salt: bytes) -> None:
        self._salt = salt
        self._seen: dict[bytes, None] = {}

    def __contains__(self, key: bytes) -> bool:
        return self._digest(key) in self._seen

    def add(self, key: bytes) -> None:
        """Remember it; the oldest goes where there is no room."""
        if len(self._seen) >= MOST_REJECTS:
            del self._seen[next(iter(self._seen))]
        self._seen[self._digest(key)] = None

    def clear(self) -> None:
        """The tip has changed: all may be lawful now."""
        self._seen.clear()

    def _digest(self, key: bytes) -> bytes:
        return hashlib.blake2b(key, key=self._salt, digest_size=16).digest()


@runtime_checkable
class Lenient(Protocol):
    """A ledger that knows a least fee, and can do without it."""

    def for_mined(self) -> Any:
        """The ledger that judges transactions which were in a block already."""
        ...


class Gate:
    """Ledger, pool, parked transactions and the filter of recent rejects, together."""

    def __init__(self, ledger: Ledger[Any, Any], pool: Mempool, aid: Aid, salt: bytes) -> None:
        self.ledger = ledger
        self._for_mined: Ledger[Any, Any] = ledger.for_mined() if isinstance(ledger, Lenient) else ledger
        self.pool = pool
        self.aid = aid
        self.parked = Parked()
        self.rejects = Rejects(salt)

    def judge(self, txs: Sequence[Any], at: Position) -> list[Admission]:
        """What the ledger says of them. Raises Invalid, Missing, Refused, Premature; changes nothing."""
        return self.ledger.admit(txs, at.branch, Shown(at.state, self.pool.shown), self.aid)

    def test(self, txs: Sequence[Any], at: Position) -> list[Admission]:
        """Would they be taken, together? Raises as `submit`; changes nothing."""
        admissions = self.judge(txs, at)
        self.pool.check(admissions, at.now)
        return admissions

    def submit(self, tx: Any, at: Position, source: int | None = None, check: Check = lambda _: None) -> Changes:
        """Take a transaction, and then the parked ones that waited for it.

        `check` sees the admission first; what it raises keeps the transaction out. Raises Refused("txn-already-in-mempool"), Missing (one
        that a peer sent is parked then), Invalid, Refused, Premature.
        """
        changes = Changes()
        self._take([tx], at, source, changes, check)
        self._unpark(changes, at)
        return changes

    def submit_package(self, txs: Sequence[Any], at: Position, check: Check = lambda _: None) -> Changes:
        """Take several that are weighed together, parents first. Raises as `submit`; all or none."""
        changes = Changes()
        self._take(list(txs), at, None, changes, check)
        self._unpark(changes, at)
        return changes

    def _take(
        self, txs: list[Any], at: Position, source: int | None, changes: Changes, check: Check = lambda _: None
    ) -> None:
        fresh = [tx for tx in txs if tx.id not in self.pool]
        if not fresh:
            raise Refused("txn-already-in-mempool")
        try:
            admissions = self.judge(fresh, at)
            for admission in admissions:
                check(admission)
            changes.replaced += self.pool.add(admissions, at.now, at.height)
        except Missing as e:
            if len(fresh) == 1 and source is not None:
                tx = fresh[0]
                size = len(getattr(tx, "raw", b""))
                self.parked.add(Waiting(tx, tx.id, size, source, frozenset(e.hashes), at.now))
            raise
        changes.added += [self.pool.entries[a.id] for a in admissions]

    def _unpark(self, changes: Changes, at: Position) -> None:
        done = 0
        while done < len(changes.added):
            given = changes.added[done].admission.gives
            done += 1
            for waiting in self.parked.take(given):
                self._try(waiting, at, changes)

    def _try(self, waiting: Waiting, at: Position, changes: Changes) -> None:
        try:
            self._take([waiting.tx], at, waiting.source, changes)
        except Missing:
            pass  # parked again, for what is still missing
        except (Invalid, Refused, Premature) as e:
            self.rejects.add(waiting.tx.id)
            log.debug("parked transaction %s refused: %s", waiting.id[::-1].hex(), e)

    def on_tip(
        self, reverted: Sequence[Any], connected: Sequence[tuple[Any, frozenset[bytes]]], at: Position
    ) -> Changes:
        """The tip has moved. `reverted`: blocks that left, newest first; `connected`: blocks that came, with what they touched.

        Reverted transactions come back first, then everything pooled is judged again; parked ones last.
        """
        changes = Changes()
        self.rejects.clear()
        for block, touched in connected:
            for tx in block.txs:
                if (entry := self.pool.confirm(tx.id)) is not None:
                    changes.confirmed.append(entry)
                self.parked.remove(tx.id)
            changes.replaced += self.pool.release(touched)
        if reverted:
            self._admit_all_again(reverted, at, changes)
        changes.replaced += self.pool.expire(at.now)
        self.parked.expire(at.now)
        for waiting in self.parked.drain():
            self._try(waiting, at, changes)
        self._unpark(changes, at)
        return changes

    def _admit_all_again(self, reverted: Sequence[Any], at: Position, changes: Changes) -> None:
        before = self.pool.clear()
        back = [tx for block in reversed(reverted) for tx in block.txs]
        times = {e.id: e for e in before}
        for tx in [*back, *(e.tx for e in before)]:
            if tx.id in self.pool:
                continue
            try:
                admissions = self._for_mined.admit([tx], at.branch, Shown(at.state, self.pool.shown), self.aid)
                since = times[tx.id].time if tx.id in times else at.now
                changes.replaced += self.pool.add(admissions, since, at.height, any_fee=True)
            except ChainError as e:
                log.debug("transaction %s does not come back: %s", tx.id[::-1].hex(), e)
                if tx.id in times:
                    changes.replaced.append(times[tx.id])
                continue
            if tx.id not in times:
                changes.added.append(self.pool.entries[tx.id])
