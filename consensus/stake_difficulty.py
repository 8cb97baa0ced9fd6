"""How hard the next block of work or of stake must be: PeerCoin's exponential retarget for each kind apart, and ASERT for work.

Pure functions of a branch. Source: Peercoin, pow.cpp at v0.15; ASERT after aserti3-2d (Bitcoin Cash).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from consensus.stake_note import decode_note, is_first, last_of_kind
from ledger.utxo.switches import Switches
from primitives.chain import Branch, Entry
from primitives.target import compact, expand

_RADIX: Final = 16


@dataclass(frozen=True, slots=True)
class StakeRetarget:
    """The two difficulties of one chain."""

    switches: Switches
    limit: int = (1 << 224) - 1
    """The easiest target, of either kind."""
    first: int = (1 << 216) - 1
    """The target of a kind's first two blocks."""
    spacing: int = 600
    """Seconds between two blocks of stake."""
    work_spacing: int = 3_600
    """Seconds between two blocks of work, from version 0.9 on."""
    most_work_spacing: int = 7_200
    """Before that work slowed down with each block of stake, at most to this."""
    timespan: int = 7 * 24 * 60 * 60
    half_life: int = 24 * 60 * 60
    """Of the schedule of work: so many seconds behind it halve the difficulty."""
    fixed: bool = False
    """Regtest: the easiest target always."""
    limit_bits: int = field(init=False, repr=False, compare=False, default=0)

    def __post_init__(self) -> None:
        object.__setattr__(self, "limit_bits", compact(self.limit))


def next_bits(rule: StakeRetarget, branch: Branch[Any], stake: bool) -> int:
    """What a child of the tip must claim. Source: GetNextTargetRequired."""
    if rule.fixed:
        return rule.limit_bits
    tip = branch.tip
    last = last_of_kind(branch, tip.height, stake)
    if is_first(last):
        return compact(rule.first)
    before = last_of_kind(branch, last.height - 1, stake)
    if is_first(before):
        return compact(rule.first)
    if not stake and rule.switches.v14.holds(last):
        return scheduled(rule, branch, last)
    taken = last.header.timestamp - before.header.timestamp
    if not stake and rule.switches.v12.holds(last):
        taken = max(taken, tip.header.timestamp - last.header.timestamp)
    spacing = rule.spacing if stake else _work_spacing(rule, tip, last)
    return scaled(rule, last.header.bits, taken, spacing)


def _work_spacing(rule: StakeRetarget, tip: Entry[Any], last: Entry[Any]) -> int:
    if tip.header.timestamp >= rule.switches.v09:
        return rule.work_spacing
    return min(rule.most_work_spacing, rule.spacing * (1 + tip.height - last.height))


def scaled(rule: StakeRetarget, bits: int, taken: int, spacing: int) -> int:
    """The target moved a little toward what the last interval says, as if a week's blocks had been averaged."""
    blocks = rule.timespan // spacing
    target = expand(bits).target * ((blocks - 1) * spacing + 2 * taken)
    target = abs(target) // ((blocks + 1) * spacing) * (1 if target >= 0 else -1)
    if target <= 0 or target > rule.limit:
        target = rule.limit
    return compact(target)


def scheduled(rule: StakeRetarget, branch: Branch[Any], last: Entry[Any]) -> int:
    """ASERT: the target that the number of blocks of work since the anchor, against the time gone by, asks for."""
    anchor = branch.at(anchor_height(rule.switches, branch, last))
    blocks = _works_between(branch, anchor, last)
    begun = anchor if is_first(anchor) else branch.at(anchor.height - 1)
    gone = branch.tip.header.timestamp - begun.header.timestamp
    behind = (gone - rule.work_spacing * (blocks + 1)) << _RADIX
    exponent = abs(behind) // rule.half_life * (1 if behind >= 0 else -1)
    shift, rest = exponent >> _RADIX, exponent & (1 << _RADIX) - 1
    factor = (1 << _RADIX) + ((195_766_423_245_049 * rest + 971_821_376 * rest**2 + 5_127 * rest**3 + (1 << 47)) >> 48)
    target = expand(anchor.header.bits).target * factor
    shift -= _RADIX
    target = target >> -shift if shift <= 0 else target << min(shift, 512)
    return compact(min(max(target, 1), rule.limit))


def anchor_height(switches: Switches, branch: Branch[Any], entry: Entry[Any]) -> int:
    """Height of the last block of work, at or below one, whose parent is not under the schedule; the first block where none is."""
    while not is_first(entry):
        if entry.note:
            return decode_note(entry.note).anchor
        parent = branch.at(entry.height - 1)
        if not entry.header.stake and not switches.v14.holds(parent):
            return entry.height
        entry = parent
    return entry.height


def _works_between(branch: Branch[Any], anchor: Entry[Any], last: Entry[Any]) -> int:
    return last.height - anchor.height - (_stakes(branch, last, anchor) - _stakes(branch, anchor, anchor))


def _stakes(branch: Branch[Any], entry: Entry[Any], floor: Entry[Any]) -> int:
    """Blocks of stake up to an entry; without notes, those above the floor."""
    counted = 0
    while not entry.note and entry.height > floor.height:
        counted += entry.header.stake
        entry = branch.at(entry.height - 1)
    if entry.note:
        return counted + decode_note(entry.note).stakes
    return counted
