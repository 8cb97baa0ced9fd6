"""Which headers to ask of whom, and what to make of those that come. Part of sync.py; it keeps no header itself.

One peer at a time is followed while it has full messages to send; the others are asked once it has caught up.
"""

from __future__ import annotations

from itertools import pairwise
from random import Random
from typing import Any

from node.actions import (
    Action,
    CheckHeaders,
    Disconnect,
    HeadersChecked,
    HeaderView,
    MorePeers,
    Penalise,
    Send,
)
from node.presync import Presync
from node.sync_peer import Limits, SyncPeer, locator
from node.treatment import Misbehaviour
from p2p.messages import MAX_HEADERS, MSG_BLOCK, WITNESS_FLAG, GetHeaders, Item
from primitives.chain import Entry, Status
from primitives.errors import ChainError, Invalid, Missing, Refused

FEW = 8
"""So many headers at most are an announcement, which may come before what it builds on is known."""


MOST_TOLD = 5_000
"""Items of one inventory that are looked at; a list of blocks has at most 500."""


class HeadersSync:
    """Headers of all peers."""

    def __init__(
        self, view: HeaderView, peers: dict[int, SyncPeer], random: Random, version: int, limits: Limits
    ) -> None:
        self.view = view
        self.peers = peers
        self.random = random
        self.version = version
        self.limits = limits
        self.leader: int | None = None
        """The peer whose headers are followed at first."""
        self._extra = 0
        self._tip = view.tip.hash
        self._tip_since = -1.0

    # -- asking -----------------------------------------------------------------------------------------------------

    def start(self, now: float) -> list[Action]:
        """Ask a first peer for headers, and all others once there is no one to be followed any more."""
        actions: list[Action] = []
        fresh = [p for p in self.peers.values() if p.info.serves_blocks and not p.greeted]
        for peer in sorted(fresh, key=lambda p: not p.info.outbound):
            if self.leader is not None:
                break
            best = self.view.best
            below = self.view.ancestors(best, best.height - 1, 1)[0] if best.height else best
            peer.greeted = True
            if self.view.syncing:
                self.leader = peer.id
            actions += self._ask(peer, locator(self.view, below), now)
        return actions

    def _ask(self, peer: SyncPeer, hashes: tuple[bytes, ...], now: float) -> list[Action]:
        peer.asked_at = now
        peer.last_asked = hashes[:1]
        return [Send(peer.id, GetHeaders(self.version, hashes))]

    def ask(self, peer: SyncPeer, now: float) -> list[Action]:
        """Ask for what follows our best header, unless that is being answered already."""
        hashes = locator(self.view, self.view.best)
        if peer.asked_at >= 0 and now - peer.asked_at < self.limits.headers_timeout and peer.last_asked == hashes[:1]:
            return []
        return self._ask(peer, hashes, now)

    def on_inv(self, peer: SyncPeer, items: tuple[Item, ...], now: float) -> list[Action]:
        """Blocks are announced: learn that the peer has them, or ask for the headers that lead there."""
        unknown: bytes | None = None
        for kind, digest in items[:MOST_TOLD]:
            if kind & ~WITNESS_FLAG == MSG_BLOCK:
                entry = self.view.entry(digest)
                if entry is None:
                    unknown = digest
                else:
                    peer.learn(entry)
        if unknown is None:
            return []
        peer.announced = unknown
        if self.leader is not None and self.leader != peer.id and self.view.syncing:
            return []
        return self.ask(peer, now)

    # -- answers ----------------------------------------------------------------------------------------------------

    def on_headers(self, peer: SyncPeer, headers: tuple[Any, ...], now: float, asked: bool = True) -> list[Action]:
        """Headers came: refuse what does not hold together, follow what lacks weight, let the chain judge the rest."""
        full = len(headers) == MAX_HEADERS
        answer = asked and peer.asked_at >= 0
        if asked:
            peer.asked_at = -1.0
        if not headers:
            return self._caught_up(peer, now)
        for a, b in pairwise(headers):
            if b.parent != a.hash:
                return [Penalise(peer.id, Misbehaviour("non-continuous-headers"))]
        if peer.presync is not None:
            if headers[0].parent == peer.presync.next:
                return self._presync(peer, headers, full, now)
            if full:
                peer.presync = None
        known = self.view.entry(headers[-1].hash)
        if known is not None and not known.invalid:
            return self._learned(peer, known, full, now)
        start = self.view.entry(headers[0].parent)
        if start is None:
            return self._unconnecting(peer, len(headers), now)
        peer.unconnecting = 0
        if start.weight < self.view.floor:
            try:
                works = [self.view.work(h) for h in headers]
            except Invalid as e:
                return [Penalise(peer.id, e)]
            if start.weight + sum(works) < self.view.floor:
                if not full:
                    return self._caught_up(peer, now)  # a chain that is too light, and that is all of it
                peer.presync = Presync(start, self.view.floor, self.random.randbytes(16))
                return self._presync(peer, headers, full, now)
        return self._check(peer, headers, full, answer)

    def _check(self, peer: SyncPeer, headers: tuple[Any, ...], full: bool, asked: bool = True) -> list[Action]:
        peer.checking = True
        return [CheckHeaders(peer.id, headers, full, asked)]

    def _presync(self, peer: SyncPeer, headers: tuple[Any, ...], full: bool, now: float) -> list[Action]:
        presync = peer.presync
        assert presync is not None
        try:
            works = [self.view.work(h) for h in headers]
            kept = presync.feed(headers, works, full)
        except (Invalid, Misbehaviour) as e:
            peer.presync = None
            return [Penalise(peer.id, e)]
        if presync.done:
            peer.presync = None
            return self._check(peer, tuple(kept), full) if kept else self._caught_up(peer, now)
        actions = self._ask(peer, (presync.next,), now)
        return [CheckHeaders(peer.id, tuple(kept), False), *actions] if kept else actions

    def _unconnecting(self, peer: SyncPeer, count: int, now: float) -> list[Action]:
        peer.unconnecting += 1
        if count > FEW or peer.unconnecting >= self.limits.unconnecting:
            return [Penalise(peer.id, Misbehaviour("unconnecting-headers", f"{count} headers"))]
        return self.ask(peer, now)

    def checked(self, event: HeadersChecked, now: float) -> list[Action]:
        """The chain has judged headers."""
        peer = self.peers.get(event.peer)
        if peer is None:
            return []
        peer.checking = False
        peer.more = event.full or isinstance(event.error, Refused)
        if event.error is not None:
            if event.entries:
                peer.learn(event.entries[-1])
            actions: list[Action] = [Penalise(peer.id, event.error)]
            return actions + self._caught_up(peer, now)
        if not event.entries:
            return self._caught_up(peer, now)
        return self._learned(peer, event.entries[-1], event.full and peer.presync is None, now)

    def _learned(self, peer: SyncPeer, entry: Entry[Any], full: bool, now: float) -> list[Action]:
        peer.learn(entry)
        peer.unconnecting = 0
        if peer.announced is not None and self.view.entry(peer.announced) is not None:
            peer.announced = None
        if full:
            if peer.asked_at >= 0:
                return []
            return self._ask(peer, locator(self.view, entry), now)
        return self._caught_up(peer, now) if peer.asked_at < 0 else []

    def _caught_up(self, peer: SyncPeer, now: float) -> list[Action]:
        """A peer has no more headers for now: its turn is over."""
        if self.leader == peer.id:
            self.leader = None
            return self.start(now)
        return []

    def ask_for_more(self, now: float, busy: bool) -> list[Action]:
        """Ask peers that had more headers than were taken, once the blocks of those that were are here.

        While blocks are still to come from others, only where each peer's blocks are its own affair.
        """
        actions: list[Action] = []
        for peer in self.peers.values():
            if peer.more and not peer.checking and not peer.flights and peer.asked_at < 0:
                if busy and (self.view.headers_prove or not self._has_all(peer)):
                    continue
                peer.more = False
                actions += self.ask(peer, now)
        return actions

    def _has_all(self, peer: SyncPeer) -> bool:
        """Whether the blocks of all headers that a peer has shown are here, or the headers were let go of."""
        best = None if peer.best is None else self.view.entry(peer.best.hash)
        return best is None or bool(best.status & Status.BODY)

    def on_block_error(self, peer: SyncPeer, error: ChainError, requested: bool, now: float) -> list[Action]:
        """A block was refused, or lacks its parent."""
        if isinstance(error, Missing):
            return self.ask(peer, now)
        if isinstance(error, Refused) and error.rule == "bad-pos" and not requested:
            peer.twins += 1
            if peer.twins >= self.limits.twins:
                return [Penalise(peer.id, Misbehaviour("twin-blocks", f"{peer.twins} from proofs that were used"))]
        return [Penalise(peer.id, error)]

    # -- time -------------------------------------------------------------------------------------------------------

    def left(self, peer: SyncPeer, now: float) -> list[Action]:
        """A peer is gone; if it was followed, another is."""
        if self.leader == peer.id:
            self.leader = None
        return self.start(now)

    def tick(self, now: float) -> list[Action]:
        """Give up on peers that do not answer, and on those of our choice that stay behind."""
        actions: list[Action] = []
        for peer in list(self.peers.values()):
            if 0 <= peer.asked_at <= now - self.limits.headers_timeout:
                peer.asked_at = -1.0
                if self.leader == peer.id:
                    self.leader = None
                    if not peer.info.whitelisted:
                        actions.append(Disconnect(peer.id, "headers-timeout"))
            actions += self._keeps_up(peer, now)
        return actions + self.start(now) + self._stale_tip(now)

    def _keeps_up(self, peer: SyncPeer, now: float) -> list[Action]:
        """An outbound peer must show a chain as heavy as ours within 20 minutes (Bitcoin Core, ConsiderEviction)."""
        if not (peer.info.outbound and peer.info.replaceable):
            return []
        if peer.best is not None and peer.best.weight >= self.view.tip.weight:
            peer.behind_since, peer.last_chance = now, -1.0
        elif peer.last_chance >= 0:
            if now - peer.last_chance > self.limits.chain_sync_answer:
                return [Disconnect(peer.id, "chain-sync-timeout")]
        elif now - peer.behind_since > self.limits.chain_sync:
            peer.last_chance = now
            return self._ask(peer, locator(self.view, self.view.tip), now)
        return []

    def _stale_tip(self, now: float) -> list[Action]:
        """Ask for one more outbound peer while no new tip comes."""
        tip = self.view.tip.hash
        if tip != self._tip or self._tip_since < 0:
            self._tip, self._tip_since = tip, now
        extra = int(now - self._tip_since > self.limits.stale_tip)
        if extra == self._extra:
            return []
        self._extra = extra
        return [MorePeers(extra)]
