"""Coin selection: which coins pay for a set of outputs. Branch and bound first, then one coin, then largest first.

Refuses to know scripts and keys: a coin is a value and the weight of the input that will spend it.
Sources: M. Erhardt, An Evaluation of Coin Selection Strategies; Bitcoin Core, wallet/coinselection.cpp (the idea of waste).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Final, NamedTuple

from wallet.errors import INSUFFICIENT, WalletError

MAX_WEIGHT: Final = 400_000
"""The largest transaction that nodes relay (Bitcoin Core, policy.h)."""
TRIES: Final = 20_000
LONG_TERM_RATE: Final = 10_000
"""Satoshi per 1,000 vbytes at which spending a coin is neither cheap nor dear."""


class Candidate(NamedTuple):
    """A coin that may be spent, and what its signed input will weigh."""

    outpoint: bytes
    value: int
    weight: int


@dataclass(frozen=True, slots=True)
class Demand:
    """What the coins must pay: the outputs, and the weight of the transaction but for inputs and change."""

    target: int
    base_weight: int
    rate: int  # satoshi per 1,000 vbytes
    change_weight: int = 4 * 31
    change_spend_weight: int = 271
    dust: int = 294
    subtract_fee: bool = False
    long_term_rate: int = LONG_TERM_RATE
    max_weight: int = MAX_WEIGHT
    least_fee: int = 0


@dataclass(frozen=True, slots=True)
class Selection:
    """The coins chosen, the fee they pay, and the change (0: none, what is left over went to the fee)."""

    chosen: tuple[Candidate, ...]
    fee: int
    change: int

    @property
    def total(self) -> int:
        """The value of all coins chosen."""
        return sum(c.value for c in self.chosen)


def fee_for(weight: int, rate: int) -> int:
    """The fee of a weight at a rate of satoshi per 1,000 vbytes, both rounded up."""
    return ((weight + 3) // 4 * rate + 999) // 1000


def _weight_fee(weight: int, rate: int) -> int:
    """The fee of a part of a transaction: a quarter vbyte is not rounded up, a satoshi is."""
    return (weight * rate + 3999) // 4000


def select(candidates: Sequence[Candidate], demand: Demand, required: Sequence[Candidate] = ()) -> Selection:
    """Choose coins that pay the outputs and the fee; those required are always among them.

    Raises WalletError("insufficient-funds"), also where only too heavy a transaction could pay.
    """
    taken = {c.outpoint for c in required}
    rate = 0 if demand.subtract_fee else demand.rate
    costs = {weight: _weight_fee(weight, rate) for weight in {c.weight for c in candidates}}
    pool = [(c.value - costs[c.weight], c) for c in candidates if c.value > costs[c.weight] and c.outpoint not in taken]
    pool.sort(key=itemgetter(0), reverse=True)
    fixed = sum(c.value - _weight_fee(c.weight, rate) for c in required)
    need = (
        demand.target
        + max(_weight_fee(demand.base_weight, rate), 0 if demand.subtract_fee else demand.least_fee)
        - fixed
    )
    change_fee = _weight_fee(demand.change_weight, rate)
    options = _options(pool, need, change_fee, demand)
    best: tuple[int, int, Selection] | None = None
    heavy = False
    for option in options:
        chosen = (*required, *(c for _, c in option))
        settled = settle(chosen, demand)
        if settled is None:
            continue
        if _total_weight(chosen, demand, settled.change > 0) > demand.max_weight:
            heavy = True
            continue
        score = (_waste(settled, demand), len(chosen), settled)
        if best is None or score[:2] < best[:2]:
            best = score
    if best is not None:
        return best[2]
    if heavy:
        raise WalletError(
            INSUFFICIENT, "the coins are too small: the transaction would exceed the size that nodes relay"
        )
    have = sum(c.value for c in required) + sum(c.value for _, c in pool)
    raise WalletError(INSUFFICIENT, f"{demand.target} sat and the fee wanted, {have} sat spendable")


def _options(
    pool: list[tuple[int, Candidate]], need: int, change_fee: int, demand: Demand
) -> list[list[tuple[int, Candidate]]]:
    """Ways to pay: an exact match, the smallest coin that alone is enough, the largest coins."""
    if need <= 0:
        return [[], pool[:1]]
    options = []
    spread = change_fee + _weight_fee(demand.change_spend_weight, demand.long_term_rate)
    exact = _branch_and_bound(pool, need, max(spread, demand.dust), demand)
    if exact is not None:
        options.append(exact)
    with_change = need + change_fee + demand.dust
    single = [p for p in pool if p[0] >= with_change]
    if single:
        options.append([single[-1]])
    for enough in (with_change, need):
        total, largest = 0, []
        for p in pool:
            largest.append(p)
            total += p[0]
            if total >= enough:
                options.append(largest)
                break
    return options


def _branch_and_bound(
    pool: list[tuple[int, Candidate]], need: int, spread: int, demand: Demand
) -> list[tuple[int, Candidate]] | None:
    """Coins whose sum lies within `spread` above the need, so that no change is made; of the first found the least wasteful.

    Depth first over include and omit, from the largest coin down; a coin of the same value as an omitted one is omitted too.
    """
    values = [p[0] for p in pool]
    rest = [0] * (len(values) + 1)
    for at in range(len(values) - 1, -1, -1):
        rest[at] = rest[at + 1] + values[at]
    if rest[0] < need:
        return None
    chosen: list[int] = []
    total, at = 0, 0
    best: list[int] | None = None
    least = spread + 1
    for _ in range(TRIES):
        if total + rest[at] < need or total > need + spread or total >= need:
            if need <= total <= need + spread and total - need < least:
                best, least = chosen.copy(), total - need
                if least == 0:
                    break
            if not chosen:
                break
            at = chosen.pop()  # omit the last coin included, and its equals
            total -= values[at]
            omitted = values[at]
            at += 1
            while at < len(values) and values[at] == omitted:
                at += 1
        else:
            chosen.append(at)
            total += values[at]
            at += 1
    return None if best is None else [pool[i] for i in best]


def _total_weight(chosen: Sequence[Candidate], demand: Demand, with_change: bool) -> int:
    count = len(chosen)
    prefix = 0 if count < 253 else 8  # the count of inputs takes three bytes
    return demand.base_weight + sum(c.weight for c in chosen) + prefix + (demand.change_weight if with_change else 0)


def settle(chosen: Sequence[Candidate], demand: Demand) -> Selection | None:
    """Fee and change of these coins, or None where they do not suffice. Change that would be dust goes to the fee."""
    total = sum(c.value for c in chosen)
    bare = max(fee_for(_total_weight(chosen, demand, False), demand.rate), demand.least_fee)
    full = max(fee_for(_total_weight(chosen, demand, True), demand.rate), demand.least_fee)
    left = total - demand.target
    if demand.subtract_fee:
        if left < 0 or not chosen:
            return None
        if left >= demand.dust:
            return Selection(tuple(chosen), full, left)
        return Selection(tuple(chosen), max(bare, left), 0)
    if not chosen or left < bare:
        return None
    if left - full >= demand.dust:
        return Selection(tuple(chosen), full, left - full)
    return Selection(tuple(chosen), left, 0)


def _waste(selection: Selection, demand: Demand) -> int:
    """What this choice costs beyond spending the same coins at the long term rate."""
    weight = sum(c.weight for c in selection.chosen)
    timing = _weight_fee(weight, demand.rate) - _weight_fee(weight, demand.long_term_rate)
    if selection.change:
        change = _weight_fee(demand.change_weight, demand.rate)
        return timing + change + _weight_fee(demand.change_spend_weight, demand.long_term_rate)
    needed = demand.target + fee_for(_total_weight(selection.chosen, demand, False), demand.rate)
    return timing + max(0, selection.total - needed)
