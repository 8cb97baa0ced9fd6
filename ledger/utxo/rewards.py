"""What PeerCoin pays for work and for stake, and the least fee: pure functions of numbers, all in the chain's smallest unit.

They refuse to know blocks and coins. Source: Peercoin, validation.cpp (GetProofOfWorkReward, GetProofOfStakeReward), tx_verify.cpp.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from primitives.target import compact, expand

COIN: Final = 1_000_000
"""Units in a peercoin."""

YEAR: Final = 365
"""Days whose age a coin is paid for at most, from version 0.9 on."""


@dataclass(frozen=True, slots=True)
class Money:
    """The scale of a chain's money: what one coin is, and what is paid and asked in parts of it."""

    coin: int = COIN
    most_work_reward: int = 9_999 * COIN
    most_work_reward_v10: int = 50 * COIN
    least_fee: int = COIN // 1_000
    """Of a transaction below 100 bytes."""
    fee_per_byte: int = 10
    fee_per_kilobyte: int = COIN // 100
    """Per kilobyte begun, before version 0.7; and the part of a coinstake's own fee that it need not pay."""
    least_output: int = COIN // 100
    day: int = 24 * 60 * 60
    """Seconds in a day of coin age. Chains that are in a hurry have shorter ones."""

    @property
    def cent(self) -> int:
        """A hundredth of a coin, to which rewards are rounded."""
        return self.coin // 100


def least_fee(money: Money, size: int, by_byte: bool) -> int:
    """What a transaction of so many bytes, witnesses included, pays at least."""
    if by_byte:
        return money.least_fee if size < 100 else size * money.fee_per_byte
    return (1 + size // 1_000) * money.fee_per_kilobyte


def stake_cost(money: Money, size: int, by_byte: bool) -> int:
    """What a coinstake's size takes off its reward: its fee beyond the first kilobyte's."""
    return max(0, least_fee(money, size, by_byte) - money.fee_per_kilobyte)


@lru_cache(maxsize=256)
def work_reward(money: Money, bits: int, limit: int, v10: bool) -> int:
    """What a block of work may claim: it falls with the fourth root of the target, to a cent, and never exceeds the most."""
    target, easiest = expand(bits).target, expand(compact(limit)).target
    cap, cent = money.most_work_reward, money.cent
    low, high = cent, cap
    bound = cap**4 * target
    while low + cent <= high:
        middle = (low + high) // 2
        if middle**4 * easiest > bound:
            high = middle
        else:
            low = middle
    return min(high // cent * cent, money.most_work_reward_v10 if v10 else cap)


def stake_reward(money: Money, coin_days: int, supply: int, v09: bool) -> int:
    """What a coinstake may mint: one per cent a year of its age in whole coin-years; later three, and a share of all money.

    The share is a quarter of a per cent of the supply a year, paid out over 144 blocks a day.
    """
    reward = coin_days * 33 // (365 * 33 + 8) * money.cent
    if v09:
        reward = reward * 3 + supply * 25 * 33 // (1_000 * 10 * 144) // (365 * 33 + 8)
    return reward
