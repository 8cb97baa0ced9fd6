"""Relay: transactions between peers. Sans-I/O: `on(event, now) -> list[Action]`; see actions.py.

It refuses to judge a transaction and to know a family: the pool does the one, two opaque hashes serve for the other.
Source of the rules: Bitcoin Core, net_processing.cpp; BIP133, BIP339, BIP35.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from node.actions import (
    Action,
    Announced,
    Disconnect,
    Event,
    Got,
    HeaderView,
    Joined,
    JudgeTx,
    Left,
    Penalise,
    PoolFacts,
    PoolGrew,
    Send,
    Serve,
    Tick,
    TipMoved,
    TxJudged,
    Wake,
)
from node.requests import Requests
from p2p.limits import RecentSet
from p2p.messages import (
    MSG_BLOCK,
    MSG_TX,
    MSG_WITNESS_TX,
    MSG_WTX,
    WITNESS_FLAG,
    FeeFilter,
    GetBlocks,
    GetData,
    GetHeaders,
    Inv,
    Item,
    MempoolRequest,
    Message,
    NotFound,
    TxMessage,
)
from primitives.errors import Missing

KNOWN_TXS = 5_000
MOST_PER_INV = 1_000
MOST_WAITING = 50_000
INBOUND_MEAN, OUTBOUND_MEAN = 5.0, 2.0
"""Mean seconds between announcements, drawn anew each time, so that nobody can tell where a transaction came from."""
LOCAL_DELAY = 0.02
"""On a net that people run for themselves: only long enough to gather several in one message."""
INBOUND_DELAY = TXID_DELAY = 2.0
"""What an outbound peer, and one that announces by wtxid, has for an advance before others are asked."""
FEE_FILTER_INTERVAL = 600.0
REJECTS = 25_000


@dataclass(slots=True)
class RelayPeer:
    """One peer's part."""

    id: int
    info: Joined
    known: RecentSet
    waiting: dict[bytes, Announced]
    """What is to be announced to it, by the hash that it goes by there."""
    flush_at: float = -1.0
    least_rate: int = 0
    told_rate: int = -1
    tell_rate_at: float = 0.0


class Relay:
    """One node's transaction traffic with all its peers."""

    def __init__(self, view: HeaderView, pool: PoolFacts, random: Random, local: bool = False) -> None:
        self.view = view
        self.pool = pool
        self.random = random
        self.local = local
        self.peers: dict[int, RelayPeer] = {}
        self.requests = Requests()
        self.rejects = RecentSet(REJECTS)
        """Refused since the last change of tip: not asked for again."""
        self._inbound_flush = 0.0

    def on(self, event: Event, now: float) -> list[Action]:
        """Take an event and return what to do. Events that are none of its business cause nothing."""
        if isinstance(event, Got):
            peer = self.peers.get(event.peer)
            return [] if peer is None else self._on_message(peer, event.message, now)
        if isinstance(event, TxJudged):
            return self._judged(event, now)
        if isinstance(event, PoolGrew):
            return self._announce(event.txs, now)
        if isinstance(event, TipMoved):
            self.rejects.clear()
            return []
        if isinstance(event, Joined):
            peer = RelayPeer(event.peer, event, RecentSet(KNOWN_TXS), {})
            self.peers[event.peer] = peer
            return self._tell_rate(peer, now)
        if isinstance(event, Left):
            self.peers.pop(event.peer, None)
            self.requests.left(event.peer, now)
            return self._ask(now)
        if isinstance(event, Tick):
            return self._tick(now)
        return []

    # -- what peers say ---------------------------------------------------------------------------------------------

    def _on_message(self, peer: RelayPeer, message: Message, now: float) -> list[Action]:
        if isinstance(message, Inv):
            return self._on_inv(peer, message.items, now)
        if isinstance(message, TxMessage):
            return self._on_tx(peer, message)
        if isinstance(message, GetData):
            return [Serve(peer.id, self._servable(peer, message))]
        if isinstance(message, NotFound):
            for kind, key in message.items:
                if kind & ~WITNESS_FLAG in (MSG_TX, MSG_WTX):
                    self.requests.not_found(peer.id, key, now)
            return self._ask(now)
        if isinstance(message, FeeFilter):
            peer.least_rate = max(0, message.rate)
            return []
        if isinstance(message, MempoolRequest):
            if not peer.info.whitelisted:
                return [Disconnect(peer.id, "mempool-not-offered")]
            return [Serve(peer.id, message)]
        if isinstance(message, GetHeaders | GetBlocks):
            return [Serve(peer.id, message)]
        return []

    def _on_inv(self, peer: RelayPeer, items: tuple[Item, ...], now: float) -> list[Action]:
        wanted_kind = MSG_WTX if peer.info.wtxid_relay else MSG_TX
        fresh = False
        room = self.requests.room(peer.id)
        for kind, key in items[:room]:  # what goes beyond that is dropped unread: a flood costs its sender
            if kind & ~WITNESS_FLAG not in (MSG_TX, MSG_WTX):
                continue
            peer.known.add(key)
            if kind & ~WITNESS_FLAG != wanted_kind or self.view.syncing or not peer.info.relays_txs:
                continue
            if key in self.rejects or self.pool.has(key):
                continue
            ask = MSG_WTX if kind == MSG_WTX else MSG_WITNESS_TX
            self.requests.announced(peer.id, key, ask, now + self._delay(peer), peer.info.outbound)
            fresh = True
        return self._ask(now) if fresh else []

    def _delay(self, peer: RelayPeer) -> float:
        """How long a peer that is not the best source waits, so that an attacker's word is not taken first."""
        if self.local or peer.info.whitelisted:
            return 0.0
        return INBOUND_DELAY * (not peer.info.outbound) + TXID_DELAY * (not peer.info.wtxid_relay)

    def _ask(self, now: float) -> list[Action]:
        asks: dict[int, list[Item]] = {}
        for peer, kind, key in self.requests.poll(now):
            if self.pool.has(key):
                self.requests.came(key)
            else:
                asks.setdefault(peer, []).append((kind, key))
        actions: list[Action] = [Send(peer, GetData(tuple(items))) for peer, items in asks.items()]
        if self.requests.next is not None:
            actions.append(Wake(self.requests.next))
        return actions

    def _on_tx(self, peer: RelayPeer, message: TxMessage) -> list[Action]:
        tx = message.tx
        relay_id: bytes = getattr(tx, "wtxid", tx.id)
        peer.known.add(tx.id)
        peer.known.add(relay_id)
        self.requests.came(tx.id)
        self.requests.came(relay_id)
        if relay_id in self.rejects or self.pool.has(relay_id) or self.view.syncing:
            return []
        return [JudgeTx(peer.id, tx, tx.id, relay_id)]

    def _judged(self, event: TxJudged, now: float) -> list[Action]:
        if event.error is None:
            return []
        if isinstance(event.error, Missing):
            peer = self.peers.get(event.peer)
            if peer is None:
                return []
            if any(p in self.rejects for p in event.parents):
                self.rejects.add(event.relay_id)  # what builds on a refused transaction is refused with it
                return []
            for parent in event.parents:
                if not self.pool.has(parent):
                    self.requests.announced(peer.id, parent, MSG_WITNESS_TX, now, peer.info.outbound)
            return self._ask(now)
        self.rejects.add(event.relay_id)
        return [Penalise(event.peer, event.error)]

    def _servable(self, peer: RelayPeer, request: GetData) -> GetData:
        """The request without transactions that were not announced to this peer yet: their time is nobody's business."""
        if not peer.waiting:
            return request
        return GetData(tuple(i for i in request.items if i[0] & ~WITNESS_FLAG == MSG_BLOCK or i[1] not in peer.waiting))

    # -- what peers are told ----------------------------------------------------------------------------------------

    def _announce(self, txs: tuple[Announced, ...], now: float) -> list[Action]:
        wake: float | None = None
        for peer in self.peers.values():
            if not peer.info.relays_txs:
                continue
            for tx in txs:
                key = tx.relay_id if peer.info.wtxid_relay else tx.id
                if key in peer.known or tx.rate < peer.least_rate or len(peer.waiting) >= MOST_WAITING:
                    continue
                peer.waiting[key] = tx
            if peer.waiting and peer.flush_at < now:
                peer.flush_at = self._next_flush(peer, now)
            if peer.waiting and (wake is None or peer.flush_at < wake):
                wake = peer.flush_at
        return [] if wake is None else [Wake(wake)]

    def _next_flush(self, peer: RelayPeer, now: float) -> float:
        """When to announce next: all inbound peers share one clock, so that more connections show nothing more."""
        if self.local or peer.info.whitelisted:
            return now + LOCAL_DELAY
        if peer.info.outbound:
            return now + self.random.expovariate(1 / OUTBOUND_MEAN)
        if self._inbound_flush <= now:
            self._inbound_flush = now + self.random.expovariate(1 / INBOUND_MEAN)
        return self._inbound_flush

    def _flush(self, peer: RelayPeer, now: float) -> list[Action]:
        kind = MSG_WTX if peer.info.wtxid_relay else MSG_TX
        items: list[Item] = []
        for key in list(peer.waiting)[:MOST_PER_INV]:
            tx = peer.waiting.pop(key)
            if key not in peer.known and tx.rate >= peer.least_rate and self.pool.has(key):
                peer.known.add(key)
                items.append((kind, key))
        actions: list[Action] = [Send(peer.id, Inv(tuple(items)))] if items else []
        if peer.waiting:
            peer.flush_at = self._next_flush(peer, now)
            actions.append(Wake(peer.flush_at))
        else:
            peer.flush_at = -1.0
        return actions

    def _tell_rate(self, peer: RelayPeer, now: float) -> list[Action]:
        """Tell the least rate that is worth announcing, when it has changed (BIP133)."""
        if not peer.info.relays_txs:
            return []
        peer.tell_rate_at = now + FEE_FILTER_INTERVAL * (0.5 + self.random.random())
        rate = self.pool.fee_filter()
        if rate == peer.told_rate:
            return []
        peer.told_rate = rate
        return [Send(peer.id, FeeFilter(rate))]

    def _tick(self, now: float) -> list[Action]:
        actions = self._ask(now)
        for peer in self.peers.values():
            if peer.waiting and peer.flush_at <= now:
                actions += self._flush(peer, now)
            if peer.tell_rate_at <= now:
                actions += self._tell_rate(peer, now)
        return actions
