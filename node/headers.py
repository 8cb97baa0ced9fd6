"""Is a header a lawful child of its parent, and is it wanted? The order of the checks, and what the spec says beside the rules.

Changes nothing; the rules themselves are the ledger's and the engine's.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from chains.spec import ChainSpec
from ledger.api import Aid
from node.index import Entries, StoredBranch
from primitives.chain import Entry
from primitives.errors import InvalidHeader, Premature, Refused

FAR_AHEAD: Final = 288
"""Unrequested blocks further above the tip are not wanted (Bitcoin Core, MIN_BLOCKS_TO_KEEP)."""


class HeaderJudge:
    """Judges headers of one spec; remembers the checkpoints and the assumed-valid block once they are found."""

    def __init__(self, spec: ChainSpec) -> None:
        self._spec = spec
        self._reached = -1
        self._assumed: Entry[Any] | None = None

    def judge(self, header: Any, branch: StoredBranch, now: int) -> Entry[Any]:
        """The new entry of a header on `branch.tip`. The clock is asked last, so that only proven headers wait for it.

        Raises InvalidHeader (also "bad-prevblk", "bad-fork-prior-to-checkpoint") and Premature("time-too-new").
        """
        parent = branch.tip
        if parent.invalid:
            raise InvalidHeader("bad-prevblk", "the parent is known to be bad")
        spec = self._spec
        spec.ledger.check_header(header, branch)
        spec.engine.check_header(header, branch)
        self._check_checkpoints(header.hash, parent.height + 1)
        if header.timestamp > now + spec.network.drift_at(now):
            raise Premature("time-too-new", f"{header.timestamp - now} s ahead of the clock")
        return Entry(header, parent.height + 1, parent.weight + spec.engine.weight(header))

    def _check_checkpoints(self, key: bytes, height: int) -> None:
        expected = self._spec.checkpoints.get(height)
        if height <= self._reached or (expected is not None and expected != key):
            raise InvalidHeader("bad-fork-prior-to-checkpoint", f"height {height}")

    def stored(self, entry: Entry[Any]) -> None:
        """A header joined the index: a checkpoint may be reached, the assumed-valid block may be here."""
        if entry.height in self._spec.checkpoints:
            self._reached = max(self._reached, entry.height)
        if entry.hash == self._spec.assume_valid and entry.weight >= self._spec.minimum_weight:
            self._assumed = entry

    def recall(self, entries: Entries) -> None:
        """Find at the start what earlier runs have stored."""
        known = [*self._spec.checkpoints.values(), *([self._spec.assume_valid] if self._spec.assume_valid else [])]
        for key in known:
            if (entry := entries.get(key)) is not None:
                self.stored(entry)

    def aid(self, aid: Aid, entry: Entry[Any], entries: Entries) -> Aid:
        """The aid for connecting a block: below the assumed-valid one scripts are not run; nothing else is skipped."""
        assumed = self._assumed
        if assumed is None or entry.height > assumed.height or not aid.check_scripts:
            return aid
        if entries.branch(assumed).at(entry.height).hash != entry.hash:
            return aid
        return replace(aid, check_scripts=False)

    def check_wanted(self, header: Any, parent: Entry[Any], tip: Entry[Any]) -> None:
        """Would a block that nobody asked for be stored? Raises Refused("too-little-chainwork" or "too-far-ahead").

        Source: Bitcoin Core, validation.cpp, AcceptBlock.
        """
        weight = parent.weight + self._spec.engine.weight(header)
        if weight < tip.weight or weight < self._spec.minimum_weight:
            raise Refused("too-little-chainwork", "an unrequested block with less weight than the tip")
        if parent.height + 1 > tip.height + FAR_AHEAD:
            raise Refused("too-far-ahead", f"an unrequested block {parent.height + 1 - tip.height} above the tip")
