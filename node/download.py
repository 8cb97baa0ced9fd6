"""Which blocks to ask of whom, who stalls, and what to do with those that come. Part of sync.py; bodies pass through as bytes.

The plan is the chain of the best header above the fork, up to a window; blocks leave it when the chain has judged them.
"""

from __future__ import annotations

from typing import Any

from node.actions import Action, BlockJudged, Deliver, Disconnect, HeaderView, Send, TipMoved
from node.sync_peer import Limits, SyncPeer
from p2p.messages import MSG_WITNESS_BLOCK, WITNESS_FLAG, BlockMessage, GetData, Item
from primitives.chain import Entry, Status
from primitives.errors import Missing, Premature, Refused

BATCH = 512
"""How many blocks of the best chain are read from the index at a time."""
SLICE = 128
"""The same of a claimed chain: some requests' worth."""
PARKED_SECONDS = 60.0


class Download:
    """Blocks of all peers."""

    def __init__(self, view: HeaderView, peers: dict[int, SyncPeer], limits: Limits) -> None:
        self.view = view
        self.peers = peers
        self.limits = limits
        self.plan: dict[bytes, int] = {}
        """Blocks to get, lowest first, with their heights."""
        self.flights: dict[bytes, dict[int, float]] = {}
        """Blocks asked for: of whom, and when."""
        self.judging: dict[bytes, int] = {}
        """Blocks that lie with the chain, and their sizes."""
        self.parked: dict[bytes, float] = {}
        """Blocks that wait for their parent or the clock, and until when they are not asked for again."""
        self.stall = limits.stall_first
        self._judging_bytes = 0
        self._typical = 0.0
        """Bytes of a block, as they were lately."""
        self._target: Entry[Any] | None = None
        self._top = 0
        self._dirty = True
        self._holes = 0
        """How often a block that was asked for did not come, or did not fit: claims are gone through from their start again."""

    @property
    def busy(self) -> bool:
        """Whether blocks are planned, on their way, or with the chain."""
        return bool(self.plan or self.flights or self.judging)

    # -- the plan ---------------------------------------------------------------------------------------------------

    def _extend_plan(self, now: float) -> None:
        """Bring the plan up to the best header: anew where the chain is another one, else on from where it ended."""
        best, tip = self.view.best, self.view.tip
        target = self._target
        if self._dirty or target is None or not self._continues(target, best):
            self.plan.clear()
            self._dirty = False
            self._target = best
            self._top = self.view.fork_height(best)
        elif target.hash != best.hash:
            self._target = best
        if best.weight <= tip.weight and not self.plan:
            self._dirty = True  # whatever becomes the best next is planned from its own fork
            return
        lowest = next(iter(self.plan.values()), self._top + 1)
        last = min(best.height, lowest - 1 + self.limits.window)
        while self._top < last:
            if len(self.plan) > BATCH:
                return
            entries = self.view.ancestors(best, self._top + 1, min(BATCH, last - self._top))
            for entry in entries:
                if not entry.status & Status.BODY and self.parked.get(entry.hash, 0.0) <= now:
                    self.plan[entry.hash] = entry.height
            self._top += len(entries)
            if not self.plan:
                last = min(best.height, self._top + self.limits.window)

    def _continues(self, old: Entry[Any], new: Entry[Any]) -> bool:
        """Whether the plan made for one header's chain is a part of another's."""
        if old.hash == new.hash:
            return True
        return new.height > old.height and self.view.ancestors(new, old.height, 1)[0].hash == old.hash

    # -- asking -----------------------------------------------------------------------------------------------------

    def schedule(self, now: float) -> list[Action]:
        """Ask every peer with room for blocks that it has and nobody else was asked for."""
        coming = self._judging_bytes + len(self.flights) * self._typical
        if len(self.judging) >= self.limits.judging or coming > self.limits.judging_bytes:
            return []
        free = [p for p in self.peers.values() if p.best is not None and len(p.flights) <= self.limits.refill]
        if not free:
            return []
        self._extend_plan(now)
        actions: list[Action] = []
        free.sort(key=lambda p: (not p.info.outbound, len(p.flights)))
        for peer in free:
            hashes = self._for(peer, now) or self._aside(peer, now)
            if hashes:
                for digest in hashes:
                    peer.flights[digest] = now
                    self.flights.setdefault(digest, {})[peer.id] = now
                actions.append(Send(peer.id, GetData(tuple((MSG_WITNESS_BLOCK, h) for h in hashes))))
        return actions

    def _for(self, peer: SyncPeer, now: float) -> list[bytes]:
        """The next blocks for a peer; where all within the window are asked of others, the first of those stalls."""
        best, target = peer.best, self._target
        assert best is not None
        if not self.plan or target is None:
            return []
        limit = best.height if self._continues(best, target) else self._shared_height(best, target)
        room = self.limits.in_flight - len(peer.flights)
        found: list[bytes] = []
        first_flying: bytes | None = None
        for digest, height in self.plan.items():
            if height > limit or len(found) >= room:
                break
            flight = self.flights.get(digest)
            if flight is None:
                if digest not in self.judging and digest not in peer.refused:
                    found.append(digest)
            elif first_flying is None:
                first_flying = digest
        if not found and not peer.flights and first_flying is not None:
            found = self._second_source(peer, first_flying, now)
        return found

    def _aside(self, peer: SyncPeer, now: float) -> list[bytes]:
        """Blocks of a peer's own chain that is not the plan's, where it is no lighter than what is connected.

        Where headers prove nothing there is no plan: whoever claims a chain is asked for it, and nobody is asked for another's claims.
        """
        best, tip = peer.best, self.view.tip
        if best is None or best.weight < tip.weight or best.hash == tip.hash:
            return []
        if not self.view.headers_prove:
            return self._claimed(peer, best, now)
        if peer.flights:
            return []
        if self.plan and self._target is not None and self._continues(best, self._target):
            return []
        now_known = self.view.entry(best.hash)
        if now_known is None or now_known.invalid or now_known.status & Status.BODY:
            return []
        start = self.view.fork_height(best) + 1
        entries = self.view.ancestors(best, start, self.limits.window)
        return [e.hash for e in entries if self._is_free(e, peer, now)][: self.limits.in_flight]

    def _is_free(self, entry: Entry[Any], peer: SyncPeer, now: float) -> bool:
        """Whether a block is to be got, and nobody was asked for it."""
        key = entry.hash
        if entry.status & Status.BODY or key in self.flights or key in self.judging or key in peer.refused:
            return False
        return self.parked.get(key, 0.0) <= now

    def _claimed(self, peer: SyncPeer, best: Entry[Any], now: float) -> list[bytes]:
        """The next blocks of the chain that a peer claims to have."""
        known = self.view.entry(best.hash)
        if known is None:  # its headers were let go of: it is asked for them again
            peer.best, peer.more = None, True
            return []
        if known.invalid or known.status & Status.BODY:
            return []
        if peer.claim_of != (best.hash, self._holes):
            peer.claim_of, peer.claim_top = (best.hash, self._holes), self.view.fork_height(best)
            peer.claim.clear()
        found: list[bytes] = []
        room = self.limits.in_flight - len(peer.flights)
        while len(found) < room and (peer.claim or self._claim_more(peer, best)):
            entry = self.view.entry(peer.claim.popleft())
            if entry is not None and self._is_free(entry, peer, now):
                found.append(entry.hash)
        return found

    def _claim_more(self, peer: SyncPeer, best: Entry[Any]) -> bool:
        """Read on in the chain that a peer claims to have; whether there was more, within the window."""
        last = min(best.height, self.view.fork_height(best) + self.limits.window)
        entries = (
            self.view.ancestors(best, peer.claim_top + 1, min(SLICE, last - peer.claim_top))
            if peer.claim_top < last
            else ()
        )
        peer.claim_top += len(entries)
        peer.claim.extend(e.hash for e in entries)
        return bool(entries)

    def _shared_height(self, best: Entry[Any], target: Entry[Any]) -> int:
        """Up to which height a peer's chain is the plan's."""
        low = min(self.view.fork_height(best), self.view.fork_height(target))
        high = min(best.height, target.height)
        while low < high:
            middle = (low + high + 1) // 2
            mine, planned = (self.view.ancestors(e, middle, 1)[0].hash for e in (best, target))
            low, high = (middle, high) if mine == planned else (low, middle - 1)
        return low

    def _second_source(self, peer: SyncPeer, digest: bytes, now: float) -> list[bytes]:
        """An idle peer may be asked for what another owes too long; within a full window that other is stalling."""
        flight = self.flights[digest]
        if peer.id in flight or digest in peer.refused:
            return []
        staller = self.peers.get(next(iter(flight)))
        lowest = next(iter(self.plan.values()))
        if staller is not None and staller.stalling_since < 0 and self._top >= lowest - 1 + self.limits.window:
            staller.stalling_since = now
        waited = now - min(flight.values())
        return [digest] if waited >= self.limits.second_source and len(flight) < 2 else []

    def fetch(self, peer: SyncPeer, digest: bytes, now: float) -> list[Action]:
        """Ask a peer for a block that the user wants of it, whatever its weight."""
        peer.refused.discard(digest)
        peer.flights[digest] = now
        self.flights.setdefault(digest, {})[peer.id] = now
        return [Send(peer.id, GetData(((MSG_WITNESS_BLOCK, digest),)))]

    # -- answers ----------------------------------------------------------------------------------------------------

    def got(self, peer: SyncPeer, message: BlockMessage, now: float) -> list[Action]:
        """A block came, asked for or not."""
        digest = message.header.hash
        requested = self._landed(peer, digest)
        if requested:
            peer.stalling_since, peer.block_at = -1.0, now
        if digest in self.judging:
            return self.schedule(now)
        entry = self.view.entry(digest)
        if entry is not None:
            peer.learn(entry)
            if entry.status & Status.BODY:
                self.plan.pop(digest, None)
                return self.schedule(now)
        size = len(message.raw)
        self.judging[digest] = size
        self._judging_bytes += size
        self._typical += (size - self._typical) / 16
        return [Deliver(peer.id, message.header, message.raw, requested), *self.schedule(now)]

    def _landed(self, peer: SyncPeer, digest: bytes) -> bool:
        """A block is no longer on its way from a peer; whether it was."""
        if peer.flights.pop(digest, None) is None:
            return False
        flight = self.flights.get(digest)
        if flight is not None:
            flight.pop(peer.id, None)
            if not flight:
                del self.flights[digest]
        return True

    def judged(self, event: BlockJudged, now: float) -> list[Action]:
        """The chain has judged a block: it leaves the plan, or is asked of somebody else."""
        self._judging_bytes -= self.judging.pop(event.hash, 0)
        self._holes += event.error is not None
        peer = self.peers.get(event.peer)
        if isinstance(event.error, Missing | Premature):
            self.parked = {h: t for h, t in self.parked.items() if t > now}
            self.parked[event.hash] = now + PARKED_SECONDS
            self.plan.pop(event.hash, None)
            if peer is not None and isinstance(event.error, Missing):
                for key in event.error.hashes:  # what we had no wish for may be wanted now that something builds on it
                    peer.refused.discard(key)
        elif event.error is not None:
            refused_by_us = isinstance(event.error, Refused)
            self._dirty = self._dirty or not refused_by_us
            if peer is not None and (event.requested or not refused_by_us):
                peer.refused.add(event.hash)
        else:
            self.plan.pop(event.hash, None)
            entry = self.view.entry(event.hash)
            if entry is not None and peer is not None:
                peer.learn(entry)
            for other in self.flights.get(event.hash, {}):
                self.peers[other].flights.pop(event.hash, None)
            self.flights.pop(event.hash, None)
        return []

    def moved(self, event: TipMoved, now: float) -> None:
        """The chain grew or turned: blocks that it has are no longer planned, and patience returns to what it was."""
        for entry in event.connected:
            self.plan.pop(entry.hash, None)
        if self._target is not None and not event.connected:
            self._dirty = True
        self.stall = max(self.limits.stall_first, self.stall * 0.85)

    def not_found(self, peer: SyncPeer, items: tuple[Item, ...], now: float) -> list[Action]:
        """A peer does not have what it was asked for: it is asked of others."""
        for kind, digest in items:
            if kind & ~WITNESS_FLAG != 1 and self._landed(peer, digest):
                peer.refused.add(digest)
                self._holes += 1
        return self.schedule(now)

    def left(self, peer: SyncPeer) -> None:
        """A peer is gone: what it owed is asked of others, and blocks that waited, perhaps its own, may be asked for again."""
        self.parked.clear()
        self._holes += 1
        for digest in list(peer.flights):
            self._landed(peer, digest)

    # -- time -------------------------------------------------------------------------------------------------------

    def tick(self, now: float) -> list[Action]:
        """Let go of peers that stall the window, or owe a block for too long; then ask again."""
        actions: list[Action] = []
        sending = sum(1 for p in self.peers.values() if p.flights)
        patience = self.limits.block_timeout + self.limits.block_timeout_more * max(0, sending - 1)
        for peer in list(self.peers.values()):
            reason = ""
            if 0 <= peer.stalling_since <= now - self.stall:
                reason = "stalls-download"
                self.stall = min(self.limits.stall_last, self.stall * 2)
            elif peer.flights and now - max(peer.block_at, next(iter(peer.flights.values()))) > patience:
                reason = "block-timeout"
            if reason:
                for digest in list(peer.flights):
                    self._landed(peer, digest)
                    peer.refused.add(digest)
                peer.stalling_since = -1.0
                self._holes += 1
                if not peer.info.whitelisted:
                    actions.append(Disconnect(peer.id, reason))
        if not self.busy:
            self._holes += 1
            if self.view.best.weight > self.view.tip.weight:
                self._dirty = True  # nothing is under way, yet something is missing
        return actions + self.schedule(now)
