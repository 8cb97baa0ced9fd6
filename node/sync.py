"""Sync: headers first, then blocks from all peers at once. Sans-I/O: `on(event, now) -> list[Action]`; see actions.py.

It refuses to judge: the chain does, and its verdicts come back as events. Headers are followed in headers_sync.py,
blocks in download.py, new tips are told in announce.py; here they are joined. Source: Bitcoin Core, net_processing.cpp.
"""

from __future__ import annotations

from random import Random

from node.actions import (
    Action,
    BlockJudged,
    Event,
    Got,
    HeadersChecked,
    HeaderView,
    Joined,
    Left,
    Tick,
    TipMoved,
)
from node.announce import announce
from node.download import Download
from node.headers_sync import HeadersSync
from node.sync_peer import Limits, SyncPeer
from p2p.messages import BlockMessage, CompactBlock, Headers, Inv, NotFound, SendHeaders


class Sync:
    """One node's block synchronisation with all its peers."""

    def __init__(self, view: HeaderView, random: Random, version: int, limits: Limits | None = None) -> None:
        self.view = view
        self.peers: dict[int, SyncPeer] = {}
        self.limits = limits or Limits()
        self.headers = HeadersSync(view, self.peers, random, version, self.limits)
        self.download = Download(view, self.peers, self.limits)

    def on(self, event: Event, now: float) -> list[Action]:
        """Take an event and return what to do. Events that are none of its business cause nothing."""
        if isinstance(event, Got):
            return self._on_message(event, now)
        if isinstance(event, BlockJudged):
            actions = self.download.judged(event, now)
            if event.peer in self.peers and event.error is not None:
                actions += self.headers.on_block_error(self.peers[event.peer], event.error, event.requested, now)
            return actions + self._go_on(now)
        if isinstance(event, HeadersChecked):
            actions = self.headers.checked(event, now)
            return actions + self.download.schedule(now)
        if isinstance(event, TipMoved):
            self.download.moved(event, now)
            return announce(self.view, self.peers.values(), event) + self._go_on(now)
        if isinstance(event, Joined):
            self.peers[event.peer] = SyncPeer(event, now)
            return self.headers.start(now)
        if isinstance(event, Left):
            gone = self.peers.pop(event.peer, None)
            if gone is None:
                return []
            self.download.left(gone)
            return self.headers.left(gone, now) + self.download.schedule(now)
        if isinstance(event, Tick):
            return self.headers.tick(now) + self.download.tick(now)
        return []

    def fetch(self, peer: int, digest: bytes, now: float) -> list[Action] | None:
        """Ask a peer for a block by the user's wish; None where there is no such peer."""
        found = self.peers.get(peer)
        return None if found is None else self.download.fetch(found, digest, now)

    def _go_on(self, now: float) -> list[Action]:
        """Ask for more blocks; where there are none to ask for, for the headers that lead to more."""
        actions = self.download.schedule(now)
        return actions + self.headers.ask_for_more(now, self.download.busy)

    def _on_message(self, event: Got, now: float) -> list[Action]:
        peer, message = self.peers.get(event.peer), event.message
        if peer is None:
            return []
        if isinstance(message, BlockMessage):
            return self.download.got(peer, message, now)
        if isinstance(message, Headers):
            return self.headers.on_headers(peer, message.headers, now) + self.download.schedule(now)
        if isinstance(message, CompactBlock):
            return self.headers.on_headers(peer, (message.header,), now, asked=False) + self.download.schedule(now)
        if isinstance(message, Inv):
            return self.headers.on_inv(peer, message.items, now)
        if isinstance(message, NotFound):
            return self.download.not_found(peer, message.items, now)
        if isinstance(message, SendHeaders):
            peer.wants_headers = True
        return []
