"""How new tips are told: by headers to those who asked for that and know what they build on, by inventory to the rest."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from node.actions import Action, HeaderView, Send, TipMoved
from node.sync_peer import SyncPeer
from p2p.messages import MSG_BLOCK, Headers, Inv
from primitives.chain import Entry

MOST = 8
"""More blocks at once are told by the inventory of the last (Bitcoin Core, MAX_BLOCKS_TO_ANNOUNCE)."""


def announce(view: HeaderView, peers: Iterable[SyncPeer], event: TipMoved) -> list[Action]:
    """Tell all peers of the blocks that joined the chain, unless this node is itself catching up."""
    if not event.connected or view.syncing or view.best.weight > event.tip.weight:
        return []
    actions: list[Action] = []
    cached: dict[bytes, Headers] = {}
    for peer in peers:
        if peer.has(view, event.tip):
            continue
        new = _to_tell(view, peer, event.connected)
        peer.told = event.tip
        if new and peer.wants_headers:
            first = new[0].hash
            if first not in cached:
                cached[first] = Headers.of(tuple(e.header for e in new), view.format)
            actions.append(Send(peer.id, cached[first]))
        else:
            actions.append(Send(peer.id, Inv(((MSG_BLOCK, event.tip.hash),))))
    return actions


def _to_tell(view: HeaderView, peer: SyncPeer, connected: Sequence[Entry[Any]]) -> Sequence[Entry[Any]]:
    """The headers from the first that the peer lacks on, if it has their parent; none where there are too many."""
    if len(connected) > MOST:
        return ()
    for at, entry in enumerate(connected):
        if not peer.has(view, entry):
            parent = connected[at - 1] if at else view.entry(entry.header.parent)
            return connected[at:] if parent is not None and (at or peer.has(view, parent)) else ()
    return ()
