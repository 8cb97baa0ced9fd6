"""What sync remembers of a peer, and the limits it works by. Data only."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from node.actions import HeaderView, Joined
from node.presync import Presync
from p2p.limits import RecentSet
from primitives.chain import Entry


@dataclass(frozen=True, slots=True)
class Limits:
    """Sizes and times of SECURITY's table; a test may use smaller ones."""

    in_flight: int = 16
    """Blocks asked of one peer at a time."""
    refill: int = 12
    """A peer is asked for more once it owes no more than this."""
    window: int = 1024
    """How far above the highest block whose ancestors are all here blocks are asked for."""
    judging: int = 64
    judging_bytes: int = 64_000_000
    """Blocks that arrived and wait for the chain, before no more are asked for; those on their way count too."""
    stall_first: float = 2.0
    stall_last: float = 64.0
    block_timeout: float = 60.0
    block_timeout_more: float = 30.0
    """For each other peer that sends blocks at the same time."""
    second_source: float = 10.0
    """After this a block is asked of a second peer too, if one is idle."""
    headers_timeout: float = 120.0
    unconnecting: int = 10
    twins: int = 10
    """Blocks that nobody asked for, each a second one from one proof of stake: to judge each costs what a block costs."""
    chain_sync: float = 20 * 60.0
    """A peer chosen by us that stays behind our tip so long is asked for headers a last time."""
    chain_sync_answer: float = 120.0
    stale_tip: float = 30 * 60.0
    """No new tip for so long: another outbound peer is tried."""


class SyncPeer:
    """One peer's part."""

    __slots__ = (
        "announced",
        "asked_at",
        "behind_since",
        "best",
        "block_at",
        "checking",
        "claim",
        "claim_of",
        "claim_top",
        "flights",
        "greeted",
        "id",
        "info",
        "joined_at",
        "last_asked",
        "last_chance",
        "more",
        "presync",
        "refused",
        "stalling_since",
        "told",
        "twins",
        "unconnecting",
        "wants_headers",
    )

    def __init__(self, info: Joined, now: float) -> None:
        self.id = info.peer
        self.info = info
        self.joined_at = now
        self.best: Entry[Any] | None = None
        """The heaviest block that it has shown to have."""
        self.told: Entry[Any] | None = None
        """The last block that was announced to it."""
        self.announced: bytes | None = None
        """A block that it announced and that is not known here yet."""
        self.asked_at = -1.0
        """When headers were asked of it that have not come yet."""
        self.last_asked: tuple[bytes, ...] = ()
        self.checking = False
        """Headers of it lie with the chain."""
        self.more = False
        """It has headers beyond those that were taken."""
        self.block_at = now
        """When a block that was asked of it last came."""
        self.greeted = False
        """It was asked for headers once."""
        self.presync: Presync | None = None
        self.flights: dict[bytes, float] = {}
        self.refused = RecentSet(50)
        """Blocks that it brought in a form that is refused: not asked of it again."""
        self.claim: deque[bytes] = deque()
        """Blocks of its own chain that are to be asked of it, where headers prove nothing; see download.py."""
        self.claim_of: tuple[bytes, int] = (b"", -1)
        self.claim_top = 0
        self.stalling_since = -1.0
        self.unconnecting = 0
        self.twins = 0
        self.wants_headers = False
        self.behind_since = now
        self.last_chance = -1.0

    def has(self, view: HeaderView, entry: Entry[Any]) -> bool:
        """Whether the peer is known to have a block: it showed, or was told of, it or a descendant."""
        for mine in (self.best, self.told):
            if mine is not None and mine.height >= entry.height:
                if mine.hash == entry.hash:
                    return True
                below = view.ancestors(mine, entry.height, 1)
                if below and below[0].hash == entry.hash:
                    return True
        return False

    def learn(self, entry: Entry[Any]) -> None:
        """It has this block."""
        if self.best is None or entry.weight > self.best.weight:
            self.best = entry


def locator(view: HeaderView, entry: Entry[Any]) -> tuple[bytes, ...]:
    """Hashes from an entry down: the last ten one by one, then ever farther apart, genesis last."""
    hashes: list[bytes] = []
    if view.entry(entry.hash) is None:  # it was let go of
        entry = view.best
    height, step = entry.height, 1
    while height > 0:
        hashes.append(entry.hash if height == entry.height else view.ancestors(entry, height, 1)[0].hash)
        if len(hashes) >= 10:
            step *= 2
        height -= step
    genesis: Sequence[Entry[Any]] = (entry,) if entry.height == 0 else view.ancestors(entry, 0, 1)
    return (*hashes, genesis[0].hash)
