"""The stake modifier: 64 bits drawn from blocks of the recent past, generated anew each interval, and which of them a kernel takes.

It is a function of a branch alone, so that it differs from fork to fork. Source: Peercoin, kernel.cpp.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from heapq import heappop, heappush
from typing import Any, Final, NamedTuple

from consensus.stake_note import ENTROPY, GENERATED, Note, lent, note_of
from ledger.utxo.switches import Switches
from primitives.chain import Branch, Entry
from primitives.hashing import hash160, sha256d

ROUNDS: Final = 64
_RATIO: Final = 3
"""The last round's section is so many times as long as the first's."""


@dataclass(frozen=True)
class ModifierRule:
    """How often a modifier is generated, and how old a coin must be to stake, which sets how far back a kernel looks."""

    switches: Switches
    genesis: Note
    interval: int = 6 * 60 * 60
    min_age: int = 30 * 24 * 60 * 60

    @cached_property
    def sections(self) -> tuple[int, ...]:
        """The seconds that each round adds to the span from which it may choose."""
        last = ROUNDS - 1
        return tuple(self.interval * last // (last + (last - i) * (_RATIO - 1)) for i in range(ROUNDS))

    @cached_property
    def span(self) -> int:
        """All sections together: the past that a modifier is drawn from, and the delay before a kernel may know it."""
        return sum(self.sections)


class Candidate(NamedTuple):
    """A block that a modifier may be drawn from; in order of time, then of hash as a number."""

    time: int
    number: int
    hash: bytes
    proof: bytes
    """The kernel's hash; empty in a block of work."""
    entropy: int
    height: int


def genesis_note(switches: Switches, header: Any, signature: bytes = b"") -> Note:
    """The first block's: it counts as a block of work that generated modifier 0."""
    flags = GENERATED | (ENTROPY if entropy_bit(switches, header, signature) else 0)
    return Note(flags, 0, checksum(None, flags, b"", 0), 0, 0, 0, 0, 0)


def entropy_bit(switches: Switches, header: Any, signature: bytes) -> int:
    """The bit that a block lends: the lowest of its hash; before version 0.4 the highest of its signature's hash."""
    if header.timestamp >= switches.v04:
        return int(header.hash[0]) & 1
    return hash160(signature)[19] >> 7


def checksum(before: int | None, flags: int, proof: bytes, modifier: int) -> int:
    """The first 32 bits of a hash over the parent's checksum and this block's record, to compare with checkpoints."""
    head = b"" if before is None else before.to_bytes(4, "little")
    body = flags.to_bytes(4, "little") + (proof or bytes(32)) + modifier.to_bytes(8, "little")
    return int.from_bytes(sha256d(head + body)[28:], "little")


def next_modifier(rule: ModifierRule, branch: Branch[Any], time: int) -> tuple[int, bool]:
    """The modifier of a child of the tip with this time, and whether it is generated there. Source: ComputeNextStakeModifier."""
    parent = branch.tip
    note = note_of(parent, rule.genesis)
    interval = rule.interval
    generated = branch.at(note.generator).header.timestamp // interval
    if generated >= parent.header.timestamp // interval:
        return note.modifier, False
    if time >= rule.switches.v04 and generated >= time // interval:
        return note.modifier, False
    start = parent.header.timestamp // interval * interval - rule.span
    modifier = 0
    for place, chosen in enumerate(select(rule, candidates(rule, branch, start), start, note.modifier)):
        modifier |= chosen.entropy << place
    return modifier, True


def candidates(rule: ModifierRule, branch: Branch[Any], start: int) -> list[Candidate]:
    """The blocks from the tip back to the first that lies before `start`, sorted."""
    found = []
    count = 64
    entries: Sequence[Entry[Any]] = branch.last(count)
    at = 0
    while True:
        if at == len(entries):
            if len(entries) < count:
                break
            count *= 2
            entries = branch.last(count)
            continue
        entry = entries[at]
        header = entry.header
        if header.timestamp < start:
            break
        entropy, proof = lent(entry, rule.genesis)
        hash_ = header.hash
        found.append(Candidate(header.timestamp, int.from_bytes(hash_, "little"), hash_, proof, entropy, entry.height))
        at += 1
    found.sort()
    return found


def select(rule: ModifierRule, found: Sequence[Candidate], start: int, modifier: int) -> list[Candidate]:
    """The winner of each round: the lowest score among those within its span, or the next later one where none is left there.

    A block of stake scores 2^32 times lower than one of work.
    """
    word = modifier.to_bytes(8, "little")
    chosen: list[Candidate] = []
    within: list[tuple[int, int]] = []
    reached, stop = 0, start
    for section in rule.sections[: len(found)]:
        stop += section
        while reached < len(found) and (found[reached].time <= stop or not within):
            heappush(within, (_score(found[reached], word), reached))
            reached += 1
        chosen.append(found[heappop(within)[1]])
    return chosen


def _score(candidate: Candidate, word: bytes) -> int:
    score = int.from_bytes(sha256d((candidate.proof or candidate.hash) + word), "little")
    return score >> 32 if candidate.proof else score


def kernel_modifier(rule: ModifierRule, branch: Branch[Any], coin_height: int, time: int) -> int | None:
    """The modifier that a kernel takes, for a coin of this height in a child of the tip; None where there is none (yet)."""
    if time >= rule.switches.v05:
        return _modifier_before(rule, branch, time)
    return _modifier_after(rule, branch, coin_height)


def _modifier_before(rule: ModifierRule, branch: Branch[Any], time: int) -> int | None:
    """The one in force about min age less the span before the stake. Source: GetKernelStakeModifierV05."""
    ahead = rule.min_age - rule.span
    entry = branch.tip
    if entry.header.timestamp + ahead <= time:
        return None
    while entry.height:
        note = note_of(branch.at(entry.height - 1), rule.genesis)
        entry = branch.at(note.generator)
        if entry.header.timestamp + ahead <= time:
            return note.modifier
    return None


def _modifier_after(rule: ModifierRule, branch: Branch[Any], height: int) -> int | None:
    """The first one generated a span after the coin. Source: GetKernelStakeModifierV03."""
    due = branch.at(height).header.timestamp + rule.span
    while height < branch.tip.height:
        height += 1
        entry = branch.at(height)
        note = note_of(entry, rule.genesis)
        if note.generated and entry.header.timestamp >= due:
            return note.modifier
    return None
