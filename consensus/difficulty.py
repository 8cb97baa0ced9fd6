"""How hard the next block must be, in Bitcoin's compact bits: pure functions of a branch.

They refuse to know seals and clocks. Source: Bitcoin Core, pow.cpp; BIP94 for the rules of testnet 4.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from primitives.chain import Branch
from primitives.target import compact, expand

MOST_BACK: Final = 600
"""Seconds that the first block of a period may lie before its parent where the time warp is closed (BIP94)."""


@dataclass(frozen=True, slots=True)
class Retarget:
    """Bitcoin's difficulty rule: a new target every `timespan // spacing` blocks, by at most a factor of four."""

    limit: int
    """The easiest target."""
    timespan: int = 14 * 24 * 60 * 60
    spacing: int = 10 * 60
    min_after: int = 0
    """Testnet: a block this many seconds after its parent may claim the limit; 0 where none may."""
    fixed: bool = False
    """Regtest: the target never changes at the end of a period."""
    closed_warp: bool = False
    """BIP94: a period's target is based on its first block, and the next may not begin long before it ended."""

    @property
    def interval(self) -> int:
        """Blocks in a period."""
        return self.timespan // self.spacing

    @property
    def limit_bits(self) -> int:
        """The limit as compact bits."""
        return compact(self.limit)


def next_bits(rule: Retarget, branch: Branch[Any], timestamp: int) -> int:
    """What a child of the tip with this timestamp must claim. Source: GetNextWorkRequired."""
    tip = branch.tip
    if (tip.height + 1) % rule.interval == 0:
        return retarget(rule, branch)
    if not rule.min_after:
        return int(tip.header.bits)
    if timestamp > tip.header.timestamp + rule.min_after:
        return rule.limit_bits
    return last_real_bits(rule, branch)


def last_real_bits(rule: Retarget, branch: Branch[Any]) -> int:
    """The bits of the newest block of the period that did not use the testnet rule, else of its first."""
    entry, limit = branch.tip, rule.limit_bits
    if rule.fixed and branch.at(0).header.bits == limit:
        return limit  # regtest: no block ever had others
    while entry.height and entry.height % rule.interval and entry.header.bits == limit:
        entry = branch.at(entry.height - 1)
    return int(entry.header.bits)


def retarget(rule: Retarget, branch: Branch[Any]) -> int:
    """The bits of the first block of a new period. Source: CalculateNextWorkRequired."""
    tip = branch.tip
    if rule.fixed:
        return int(tip.header.bits)
    first = branch.at(tip.height - (rule.interval - 1))
    base = first if rule.closed_warp else tip
    return scaled(rule, base.header.bits, tip.header.timestamp - first.header.timestamp)


def scaled(rule: Retarget, bits: int, taken: int) -> int:
    """The bits after a period that took so many seconds, held between a quarter and four times the timespan.

    The product is cut to 256 bits as Bitcoin Core's numbers are; only limits near 2^256 could meet that.
    """
    taken = min(max(taken, rule.timespan // 4), rule.timespan * 4)
    target = (expand(bits).target * taken & (1 << 256) - 1) // rule.timespan
    return compact(min(target, rule.limit))


def earliest(rule: Retarget, branch: Branch[Any]) -> int:
    """The earliest timestamp that a child of the tip may bear. Source: Bitcoin Core, node/miner.cpp, GetMinimumTime."""
    least = branch.median_time() + 1
    if begins_period(rule, branch):
        least = max(least, branch.tip.header.timestamp - MOST_BACK)
    return int(least)


def begins_period(rule: Retarget, branch: Branch[Any]) -> bool:
    """Whether a child of the tip is the first of a period."""
    return (branch.tip.height + 1) % rule.interval == 0
