"""Coin selection: what it returns pays, and whatever it may, it never loses or invents a satoshi."""

from hypothesis import given, settings
from hypothesis import strategies as st

from wallet import selection
from wallet.errors import WalletError
from wallet.selection import Candidate, Demand, Selection

INPUT = 271


def coins(values: list[int]) -> list[Candidate]:
    return [Candidate(n.to_bytes(36, "big"), value, INPUT) for n, value in enumerate(values)]


def weight_of(found: Selection, demand: Demand) -> int:
    change = demand.change_weight if found.change else 0
    return demand.base_weight + sum(c.weight for c in found.chosen) + change + (8 if len(found.chosen) >= 253 else 0)


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.integers(1, 10_000_000), min_size=1, max_size=60),
    st.integers(1_000, 30_000_000),
    st.integers(1_000, 100_000),
    st.booleans(),
)
def test_what_is_chosen_pays_exactly(values: list[int], target: int, rate: int, subtract: bool) -> None:
    demand = Demand(target, 4 * 42, rate, subtract_fee=subtract)
    try:
        found = selection.select(coins(values), demand)
    except WalletError as e:
        assert e.rule == "insufficient-funds"
        if not subtract:
            useful = sum(v - (INPUT * rate + 3999) // 4000 for v in values if v > (INPUT * rate + 3999) // 4000)
            assert useful < target + selection.fee_for(demand.base_weight, rate) + 2
        else:
            assert sum(values) < target
        return
    assert len({c.outpoint for c in found.chosen}) == len(found.chosen)
    if subtract:
        assert found.total >= target and found.total - target - found.change >= 0
    else:
        assert found.total == target + found.change + found.fee
    assert found.change == 0 or found.change >= demand.dust
    assert found.fee >= selection.fee_for(weight_of(found, demand), rate)


def test_an_exact_match_makes_no_change() -> None:
    values = [1_000_000, 700_000, 300_123, 55_000, 20_000]
    demand = Demand(0, 4 * 42, 1_000)
    fee = selection.fee_for(demand.base_weight + 2 * INPUT, 1_000)
    found = selection.select(coins(values), Demand(700_000 + 300_123 - fee - 2, 4 * 42, 1_000))
    assert found.change == 0 and sorted(c.value for c in found.chosen) == [300_123, 700_000]


def test_one_coin_is_preferred_to_many_at_a_high_rate() -> None:
    values = [60_000] * 30 + [2_000_000]
    found = selection.select(coins(values), Demand(1_000_000, 4 * 42, 100_000))
    assert [c.value for c in found.chosen] == [2_000_000]


def test_change_that_would_be_dust_goes_to_the_fee() -> None:
    fee = selection.fee_for(4 * 42 + INPUT, 2_000)
    found = selection.select(coins([100_000]), Demand(100_000 - fee - 200, 4 * 42, 2_000))
    assert found.change == 0 and found.fee == fee + 200


def test_required_coins_are_spent_first_and_worthless_ones_left() -> None:
    found = selection.select(coins([500, 90_000, 80_000]), Demand(50_000, 4 * 42, 10_000), coins([500])[:1])
    assert 500 in [c.value for c in found.chosen] and len(found.chosen) == 2
    without = selection.select(coins([500, 90_000]), Demand(50_000, 4 * 42, 10_000))
    assert [c.value for c in without.chosen] == [90_000]


def test_a_transaction_too_heavy_to_relay_is_refused() -> None:
    import pytest

    with pytest.raises(WalletError) as caught:
        selection.select(coins([2_000] * 3_000), Demand(4_000_000, 4 * 42, 1_000))
    assert "size" in caught.value.detail


def test_selection_is_quick_among_many_coins() -> None:
    import random
    import time

    r = random.Random(3)
    many = coins([r.randrange(10_000, 10_000_000) for _ in range(10_000)])
    started = time.process_time()
    selection.select(many, Demand(123_456_789, 4 * 42, 2_000))
    assert time.process_time() - started < 5
