"""Chain: THE place where state changes. It judges headers and blocks in order, connects, reorganises and reverts.

It knows no family, no peer and no clock: rules come from the spec, `now` is an argument. One thread calls it; readers use `view()`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Final

from chains.spec import ChainSpec
from ledger.api import Aid, Applied
from node import sides
from node.genesis import begin
from node.headers import HeaderJudge
from node.identity import check_identity, is_empty
from node.index import Entries, EntryCache, Record, StoredBranch
from node.indexes import Index, Progress, open_indexes, unheard
from node.lobby import Lobby
from node.loose import LooseHeaders
from node.results import Event, Known, Observer, Rejected, Result, Stored, TipChanged
from node.tree import (
    StoredTree,
    beats,
    body_arrived,
    body_dropped,
    candidate,
    condemn,
    forget,
    heaviest_header,
    insert,
    pardon,
    prefer,
)
from node.twins import find_twin
from node.undo import encode_changes
from node.view import ChainView
from node.waiting import WaitingRoom
from node.work import BadBlock, Work, merged, still_holds
from primitives.chain import Entry, Status
from primitives.errors import (
    ChainError,
    Invalid,
    InvalidBlock,
    InvalidHeader,
    MalformedBlock,
    Missing,
    Mutated,
    Premature,
    Refused,
    SystemFault,
)
from storage.kv import KV, Delta, Journal, Store, rewind
from storage.layout import UNDO

COMMIT_BLOCKS: Final = 32
COMMIT_SECONDS: Final = 0.25


@dataclass(frozen=True, slots=True)
class Prepared:
    """What our own producer knows of its block: connecting it again would only find the same."""

    delta: Delta
    applied: Applied


class Chain:
    """The block tree of one spec in one store, and the state at its tip."""

    def __init__(
        self,
        spec: ChainSpec,
        store: Store,
        aid: Aid | None = None,
        *,
        monotonic: Callable[[], float] = lambda: 0.0,
        indexes: Sequence[Index] = (),
        observers: Iterable[Observer] = (),
        waiting: WaitingRoom | None = None,
        progress: Progress = unheard,
    ) -> None:
        """Open the chain in a store, or begin it. Raises SystemFault (ForeignData, NewerData, OlderData) where that cannot be."""
        self.spec = spec
        self.store = store
        self.aid = aid or Aid()
        self.observers = list(observers)
        self.waiting = WaitingRoom() if waiting is None else waiting
        self.loose = LooseHeaders()
        self.judge = HeaderJudge(spec)
        self.indexes = tuple(indexes)
        self._monotonic = monotonic
        self._cache = EntryCache()
        self._ledger, self._engine, self._fmt = spec.ledger, spec.engine, spec.ledger.format
        self._lobby = Lobby(self.waiting, self._fmt, spec.network.drift_at, self._take_one, self._tell)
        with store.view() as kv:
            empty = is_empty(kv)
        if empty:
            begin(spec, store, self.indexes)
        with store.view() as kv:
            check_identity(kv, spec.genesis.header.hash, spec.name)
        with self.view() as view:
            self.tip: Entry[Any] = view.tip
            self.best_header: Entry[Any] = heaviest_header(view.entries, view.tip)
            self.judge.recall(view.entries)
        open_indexes(store, self._fmt, self.indexes, progress)
        self._activate()

    @contextmanager
    def view(self) -> Iterator[ChainView]:
        """What can be read, all of one commit, on any thread."""
        with self.store.view() as kv:
            yield ChainView(kv, Entries(kv, self._fmt, self._cache))

    @contextmanager
    def state_at(self, entry: Entry[Any]) -> Iterator[KV]:
        """The state after a block on any branch whose bodies are here. Raises Refused("fork-too-deep") beyond 500 blocks."""
        with self.view() as view:
            work = Work(view.entries, view.tip, self.block)
            yield sides.state_at(view.entries, view.tip, entry, lambda e, j: self._execute(work, e, j))

    @contextmanager
    def tree(self) -> Iterator[Entries]:
        """The index as peers need it, on any thread: with headers that are held and not stored."""
        with self.store.view() as kv:
            yield self._entries(kv)

    def entry(self, key: bytes) -> Entry[Any] | None:
        """What is known of a block."""
        with self.tree() as entries:
            return entries.get(key)

    def block(self, key: bytes) -> Any | None:
        """A stored block."""
        with self.view() as view:
            return view.block(key)

    def check_wanted(self, header: Any) -> None:
        """Would this block be stored if nobody asked for it? Raises Refused, and Missing for an unknown parent."""
        parent = self.entry(header.parent)
        if parent is None:
            raise Missing((header.parent,))
        self.judge.check_wanted(header, parent, self.tip)

    def accept_header(self, header: Any, now: int, source: object = None) -> Entry[Any]:
        """Judge one header and keep it. Raises InvalidHeader, Premature, Missing, Refused."""
        entries, error = self.accept_headers((header,), now, source)
        if error is not None:
            raise error
        return entries[0]

    def accept_headers(
        self, headers: Iterable[Any], now: int, source: object = None
    ) -> tuple[list[Entry[Any]], ChainError | None]:
        """Judge headers in order, up to the first that is not good; returns the entries and what was wrong with that one."""
        found: list[Entry[Any]] = []
        error: ChainError | None = None
        with self._update() as work:
            for header in headers:
                try:
                    found.append(self._take_header(work, header, now, source))
                except ChainError as e:
                    error = e
                    break
        self._lobby.release([e.hash for e in found], now)
        return found, error

    def accept(
        self, block: Any, now: int, prepared: Prepared | None = None, *, source: object = None, park: bool = True
    ) -> Result:
        """Judge a block, store it, and connect it if its chain is the better one.

        Raises Invalid and Mutated. A block that waits is Parked; without `park` its Missing or Premature is raised.
        """
        taken, events, error = self._take(iter((block,)), now, prepared)
        if isinstance(error, (Missing, Premature)) and park:
            return self._lobby.park(block, error, source)
        self.waiting.discard(block.header.hash)
        if error is not None:
            self._lobby.dismiss(block.header.hash, error)
            raise error
        self._lobby.release([block.header.hash], now)
        entry, known = taken[0]
        if known:
            return Known(entry)
        return merged(events) or Stored(entry)

    def extend(self, blocks: Iterable[Any], now: int) -> int:
        """Take in many blocks, 32 to a commit, for sync and import; returns how many. Raises as `accept` without `park`."""
        count = 0
        pending = iter(blocks)
        while True:
            taken, _, error = self._take(pending, now, None)
            count += len(taken)
            self._lobby.release([e.hash for e, _ in taken], now)
            if error is not None:
                raise error
            if not taken:
                return count

    def tick(self, now: int) -> None:
        """The clock moved: take in the blocks that it has reached."""
        self._lobby.tick(now)

    def revert(self, entry: Entry[Any]) -> None:
        """Rewind to a connected block and forget what lies above it, and what has come since that would beat it."""
        with self._update() as work:
            if not work.entries.connected(entry):
                raise SystemFault("only a connected block can be reverted to")
            while work.tip.hash != entry.hash:
                work.disconnect()
            work.forgotten = True
            for child in list(work.entries.children(entry.hash)):
                forget(work.entries, child)
            while (better := candidate(work.entries, work.tip, self.spec.better)) is not None:
                fork = work.entries.fork(better)
                forget(work.entries, work.entries.path(better, fork)[0])
            self.loose.clear()
            work.best_header = heaviest_header(work.entries, work.tip)

    def invalidate(self, key: bytes) -> None:
        """Hold a block and its heirs for invalid, by the user's word. Raises Missing, and Refused for genesis."""
        with self._update() as work:
            entry = self._known(work, key)
            while work.entries.connected(entry):
                work.disconnect()
            condemn(work.entries, entry, Status.REJECTED)
            work.best_header = heaviest_header(work.entries, work.tip)
        self._activate()

    def reconsider(self, key: bytes) -> None:
        """Take the bad marks off a block, its ancestors and its heirs; they are judged again. Raises Missing."""
        with self._update() as work:
            pardon(work.entries, self._known(work, key))
            work.best_header = heaviest_header(work.entries, work.tip)
        self._activate()

    def precious(self, key: bytes) -> None:
        """Prefer a block among those of its weight, as if it had come first. Raises Missing."""
        with self._update() as work:
            entry = self._known(work, key)
            if entry.weight >= work.tip.weight and entry.status & Status.READY and not entry.invalid:
                entry = prefer(work.entries, entry)
                if entry.hash == work.tip.hash:
                    work.tip = entry
        self._activate()

    def _entries(self, kv: KV) -> Entries:
        return Entries(kv, self._fmt, self._cache, self.loose)

    @contextmanager
    def _update(self) -> Iterator[Work]:
        """One update; what it did is told after the commit, and nothing of it is remembered if it fails."""
        with self.store.update() as kv:
            work = Work(self._entries(kv), self.tip, self.block)
            yield work
        self.loose.settle(work.inserted)
        self.tip = work.tip
        self.best_header = work.best_header or self.best_header
        if (event := work.event()) is not None:
            self._tell(event)

    def _tell(self, event: Event) -> None:
        for observer in self.observers:
            observer(event)

    def _known(self, work: Work, key: bytes) -> Entry[Any]:
        entry = work.entries.get(key)
        if entry is None:
            raise Missing((key,))
        if entry.height == 0:
            raise Refused("genesis", "the genesis block cannot be changed")
        return entry

    def _take_header(self, work: Work, header: Any, now: int, source: object) -> Entry[Any]:
        entries = work.entries
        known = entries.get(header.hash)
        if known is not None:
            if known.invalid:
                raise InvalidHeader("duplicate-invalid", "the block is known to be bad")
            return known
        parent = entries.get(header.parent)
        if parent is None:
            raise Missing((header.parent,))
        branch = work.branch(parent)
        entry = self.judge.judge(header, branch, now)
        if self._engine.header_proves:
            self._insert(work, entry, branch)
        else:
            self.loose.add(Record(entry, branch.skip_for_child()), source)
        return entry

    def _insert(self, work: Work, entry: Entry[Any], branch: StoredBranch) -> None:
        insert(work.entries, entry, branch)
        self.judge.stored(entry)
        work.inserted.append(entry.hash)
        if not entry.invalid and entry.weight > (work.best_header or self.best_header).weight:
            work.best_header = entry

    def _take(
        self, blocks: Iterator[Any], now: int, prepared: Prepared | None
    ) -> tuple[list[tuple[Entry[Any], bool]], list[TipChanged], ChainError | None]:
        """Take in blocks within one commit, and reorganise if that is due: the entries (and whether known), changes, first error."""
        taken: list[tuple[Entry[Any], bool]] = []
        error: ChainError | BadBlock | None = None
        stray = False
        with self._update() as work:
            until = self._monotonic() + COMMIT_SECONDS
            for block in blocks:
                try:
                    entry, known, stray = self._take_block(work, block, now, prepared)
                except (ChainError, BadBlock) as e:
                    error = e
                    break
                taken.append((entry, known))
                if stray or len(taken) >= COMMIT_BLOCKS or self._monotonic() > until:
                    break
        events = [event for event in (work.event(),) if event is not None]
        if isinstance(error, BadBlock):
            self._punish(error)
            error = error.error
        if stray:
            moved, bad = self._activate()
            events += moved
            error = bad.get(taken[-1][0].hash)
            if error is None and bad and self._is_invalid(taken[-1][0].hash):
                error = InvalidBlock("bad-prevblk", "an ancestor turned out bad")
        return taken, events, error

    def _take_one(self, block: Any, now: int) -> tuple[Entry[Any] | None, ChainError | None]:
        taken, _, error = self._take(iter((block,)), now, None)
        return (taken[0][0] if taken else None), error

    def _is_invalid(self, key: bytes) -> bool:
        entry = self.entry(key)
        return entry is not None and entry.invalid

    def _take_block(self, work: Work, block: Any, now: int, prepared: Prepared | None) -> tuple[Entry[Any], bool, bool]:
        """Judge a block and store or connect it; the entry, whether it was known, whether a better tip may lie elsewhere now.

        Writes nothing before the last check has passed.
        """
        header, entries = block.header, work.entries
        entry = entries.get(header.hash)
        if entry is not None:
            if entry.invalid:
                raise InvalidBlock("duplicate-invalid", "the block is known to be bad")
            if entry.status & Status.BODY:
                return entry, True, False
        parent = entries.get(header.parent)
        if parent is None:
            raise Missing((header.parent,))
        branch = work.branch(parent)
        stored = entry is not None and header.hash not in self.loose
        if entry is None or not stored:  # a header that shows no proof may have come with other side parts before
            entry = self.judge.judge(header, branch, now)
        proven = self._engine.header_proves
        if not proven and not parent.status & Status.READY:
            raise Missing((parent.hash,))
        try:
            self._ledger.check_block(block, branch)
        except MalformedBlock:
            raise
        except Invalid as e:
            if not (proven or stored):
                raise
            raise BadBlock(entry, e) from e
        if parent.hash == work.tip.hash and beats(entry, work.tip, self.spec.better, work.entries):
            applied, note = self._connect(work, entry, block, branch, prepared, proven or stored)
            entry = replace(entry, note=note) if note else entry
            ready = self._store(work, entry, block, branch, stored, Status.VALID)
            work.joined(ready[0], block, applied, branch)
            return ready[0], False, len(ready) > 1
        if not proven:
            heirs = self.waiting.children(entry.hash)
            entry = sides.prove(
                work, entry, block, branch, self.spec, self.aid, lambda e, j: self._execute(work, e, j), heirs, now
            )
        ready = self._store(work, entry, block, branch, stored, Status.HEADER)
        return entries.require(entry.hash), False, bool(ready)

    def _store(
        self, work: Work, entry: Entry[Any], block: Any, branch: StoredBranch, stored: bool, also: Status
    ) -> list[Entry[Any]]:
        if not stored:
            self._insert(work, entry, branch)
        work.put_body(entry, block)
        return body_arrived(work.entries, entry, entry.note, also)

    def _connect(
        self, work: Work, entry: Entry[Any], block: Any, branch: StoredBranch, prepared: Prepared | None, proven: bool
    ) -> tuple[Applied, bytes]:
        """Connect a block to the tip, in full or not at all, and keep its undo.

        Raises BadBlock; where nothing is `proven` yet, the engine's error as it is.
        """
        journal = Journal(work.kv)
        try:
            note: bytes = self._engine.check_block(block, branch, journal)
        except (Invalid, Mutated) as e:
            if not proven:
                raise
            raise BadBlock(entry, e) from e
        if prepared is not None and still_holds(work.kv, prepared.delta):
            applied = prepared.applied
            rewind(journal, prepared.delta.forward)
            for key, value in prepared.delta.kept:
                journal.keep(key, value)
        else:
            try:
                applied = self._ledger.connect(block, branch, journal, self.judge.aid(self.aid, entry, work.entries))
            except (Invalid, Mutated) as e:
                raise BadBlock(replace(entry, note=note), e) from e
            except ChainError as e:
                raise SystemFault(f"connecting block {entry.hash[::-1].hex()} ended in {type(e).__name__}: {e}") from e
        for index in self.indexes:
            index.on_connect(block, entry, applied, journal)
        undo = journal.commit().undo
        work.kv.put(UNDO + entry.hash, encode_changes(entry.hash, undo))
        sides.discard(work.entries, entry.hash)
        return applied, note

    def _execute(self, work: Work, entry: Entry[Any], journal: Journal) -> None:
        """Connect a stored side block onto its parent's state, to see what it changes."""
        branch = work.entries.branch(work.entries.parent(entry))
        self._ledger.connect(work.body(entry), branch, journal, self.judge.aid(self.aid, entry, work.entries))

    def _activate(self) -> tuple[list[TipChanged], dict[bytes, ChainError]]:
        """Move to the best candidate until the tip is it; what changed, and which blocks turned out bad."""
        events: list[TipChanged] = []
        bad: dict[bytes, ChainError] = {}
        while True:
            with self.tree() as entries:
                target = candidate(entries, entries.require(self.tip.hash), self.spec.better)
            if target is None:
                return events, bad
            try:
                self._reorganise(target, events)
            except BadBlock as e:
                bad[e.entry.hash] = e.error
                self._punish(e)
                self._tell(Rejected(e.entry.hash, e.error))

    def _reorganise(self, target: Entry[Any], events: list[TipChanged]) -> None:
        """Rewind to the fork and connect the new branch: one update until it beats the old tip, then one for some blocks each.

        Raises BadBlock; before the old tip was beaten nothing has changed then, afterwards the blocks before it stay.
        """
        old = self.tip
        path: deque[Entry[Any]] | None = None
        while path is None or path:
            bad: BadBlock | None = None
            with self._update() as work:
                if path is None:
                    fork = work.entries.fork(target)
                    path = deque(work.entries.path(target, fork))
                    while work.tip.hash != fork.hash:
                        work.disconnect()
                until, count, beaten = self._monotonic() + COMMIT_SECONDS, 0, work.tip.hash == old.hash
                while path and not (beaten and (count >= COMMIT_BLOCKS or self._monotonic() > until)):
                    entry = work.entries.require(path[0].hash)
                    block, branch = work.body(entry), work.branch(work.tip)
                    try:
                        applied, note = self._connect(work, entry, block, branch, None, True)
                    except BadBlock as e:
                        if not beaten:
                            raise
                        bad = e
                        break
                    entry = work.entries.change(entry, status=entry.status | Status.VALID, note=note or entry.note)
                    work.joined(entry, block, applied, branch)
                    path.popleft()
                    count += 1
                    beaten = beaten or self.spec.better(entry, old, StoredTree(work.entries))
            events += [event for event in (work.event(),) if event is not None]
            old = work.tip
            if bad is not None:
                raise bad

    def _punish(self, bad: BadBlock) -> None:
        """Remember what a bad block means: its heirs are bad too; of a mutated one only the body goes."""
        with self._update() as work:
            entry = work.entries.get(bad.entry.hash)
            stored = entry is not None and entry.hash not in self.loose
            if isinstance(bad.error, (Mutated, MalformedBlock)):
                if entry is not None and stored and entry.status & Status.BODY:
                    body_dropped(work.entries, entry)
                return
            if entry is None or not stored:
                if find_twin(self.spec, work.entries, bad.entry, sound=False) is not None:
                    return  # one claim is not worth more than one record
                parent = work.entries.require(bad.entry.header.parent)
                insert(work.entries, replace(bad.entry, status=Status.BROKEN), work.branch(parent))
                work.inserted.append(bad.entry.hash)
            else:
                condemn(work.entries, entry, Status.BROKEN)
                work.best_header = heaviest_header(work.entries, work.tip)
