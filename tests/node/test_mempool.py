"""The mempool knows tokens only: these admissions belong to no family."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.api import Admission, Cluster
from node.mempool import Mempool
from node.parked import Parked, Waiting
from node.template import choose
from primitives.errors import Refused


@dataclass(frozen=True)
class TestPolicy:
    """Rate is fee per 1,000; a replacement must pay more; five in a row at most."""

    __test__ = False
    max_bytes: int = 10_000
    expiry: int = 100
    increment: int = 10
    most: int = 5

    def rate(self, admission: Admission, base_fee: int) -> int:
        return admission.tip_cap * 1000 // admission.size

    def packages(self, lane: int) -> bool:
        return True

    def may_replace(self, new: Sequence[Admission], evicted: Sequence[Admission], direct: Sequence[Admission]) -> None:
        if sum(n.tip_cap for n in new) <= sum(e.tip_cap for e in evicted):
            raise Refused("insufficient fee")

    def limits(self, cluster: Cluster) -> None:
        if cluster.ancestors > self.most or cluster.descendants > self.most:
            raise Refused("too-long-mempool-chain")


def admission(
    name: str, needs: str = "", gives: str = "", fee: int = 100, size: int = 100, claims: str | None = None
) -> Admission:
    """A transaction called `name`; tokens are words."""
    return Admission(
        tx=name,
        id=name.encode(),
        claims=frozenset(c.encode() for c in (needs if claims is None else claims).split()),
        needs=frozenset(n.encode() for n in needs.split()),
        gives=frozenset(g.encode() for g in gives.split()),
        fee_cap=fee,
        tip_cap=fee,
        size=size,
        resources=(size,),
        memory=size,
        shows=tuple((g.encode(), name.encode()) for g in gives.split()),
    )


def pool(**policy: int) -> Mempool:
    return Mempool(TestPolicy(**policy))


def test_a_chain_of_transactions_has_its_ancestors_and_descendants() -> None:
    p = pool()
    a, b, c = admission("a", "x", "a1 a2"), admission("b", "a1", "b1"), admission("c", "b1 a2")
    for one in (a, b, c):
        p.add([one], 0, 1)
    assert p.ancestors(c) == {b"a", b"b"}
    assert p.descendants(a) == {b"b", b"c"}
    assert p.shown == {b"a1": b"a", b"a2": b"a", b"b1": b"b"}
    assert [e.id for e in p] == [b"a", b"b", b"c"]


def test_a_claim_is_held_once_and_a_better_payer_takes_it_with_all_heirs_of_the_old_holder() -> None:
    p = pool()
    p.add([admission("a", "x", "a1", 100)], 0, 1)
    p.add([admission("b", "a1", "b1", 100)], 0, 1)
    with pytest.raises(Refused) as e:
        p.add([admission("r", "x", fee=200)], 0, 1)
    assert e.value.rule == "insufficient fee"
    assert set(p.entries) == {b"a", b"b"}
    gone = p.add([admission("r", "x", fee=201)], 0, 1)
    assert [g.id for g in gone] == [b"b", b"a"]
    assert set(p.entries) == {b"r"} and p.holders == {b"x": b"r"} and not p.givers and not p.shown


def test_a_replacement_may_not_build_on_what_it_replaces() -> None:
    p = pool()
    p.add([admission("a", "x", "a1")], 0, 1)
    with pytest.raises(Refused) as e:
        p.add([admission("r", "x a1", fee=1000)], 0, 1)
    assert e.value.rule == "bad-txns-spends-conflicting-tx"


def test_a_chain_that_is_too_long_is_refused_whole() -> None:
    p = pool(most=3)
    for n in range(3):
        p.add([admission(f"t{n}", f"o{n}", f"o{n + 1}")], 0, 1)
    with pytest.raises(Refused) as e:
        p.add([admission("t3", "o3", "o4")], 0, 1)
    assert e.value.rule == "too-long-mempool-chain"
    assert len(p) == 3


def test_over_the_cap_the_lowest_rate_leaves_and_the_minimum_rises_then_falls() -> None:
    p = pool(max_bytes=1000)
    for n in range(10):
        p.add([admission(f"t{n}", f"o{n}", fee=100 + n)], 0, 1)
    gone = p.add([admission("rich", "r", fee=500)], 0, 1)
    assert [g.id for g in gone] == [b"t0"]
    assert p.memory == 1000
    least = p.min_rate(0)
    assert least == 1000 + 10
    with pytest.raises(Refused) as e:
        p.add([admission("poor", "q", fee=100)], 0, 1)
    assert e.value.rule == "mempool min fee not met"
    assert p.min_rate(12 * 3600) < least
    assert p.min_rate(20 * 24 * 3600) == 0


def test_what_is_too_poor_for_a_full_pool_is_refused() -> None:
    p = pool(max_bytes=200)
    p.add([admission("a", "x", fee=200)], 0, 1)
    p.add([admission("b", "y", fee=200)], 0, 1)
    with pytest.raises(Refused) as e:
        p.add([admission("c", "z", fee=100)], 0, 1)
    assert e.value.rule == "mempool full"
    assert set(p.entries) == {b"a", b"b"}


def test_a_newcomer_that_has_no_room_displaces_nobody() -> None:
    p = pool(max_bytes=300)
    p.add([admission("a", "x", "a1", fee=100)], 0, 1)
    p.add([admission("b", "a1", fee=400)], 0, 1)
    p.add([admission("c", "y", fee=500)], 0, 1)
    with pytest.raises(Refused) as e:
        p.add([admission("r", "x", fee=501, size=301)], 0, 1)
    assert e.value.rule in ("mempool full", "insufficient fee")
    assert [entry.id for entry in p] == [b"a", b"b", b"c"] and p.memory == 300 and p.holders[b"x"] == b"a"


def test_confirmed_heirs_stay_and_conflicts_go() -> None:
    p = pool()
    for one in (admission("a", "x", "a1"), admission("b", "a1"), admission("c", "y", "c1"), admission("d", "c1")):
        p.add([one], 0, 1)
    assert p.confirm(b"a") is not None
    assert set(p.entries) == {b"b", b"c", b"d"}
    assert [g.id for g in p.release([b"y"])] == [b"d", b"c"]
    assert set(p.entries) == {b"b"}


def test_old_transactions_expire() -> None:
    p = pool()
    p.add([admission("a", "x", "a1")], 0, 1)
    p.add([admission("b", "a1")], 90, 1)
    assert p.expire(100) == []
    assert {g.id for g in p.expire(101)} == {b"a", b"b"}


def test_the_view_is_of_one_moment() -> None:
    p = pool()
    p.add([admission("a", "x")], 0, 1)
    view = p.view()
    assert p.view() is view
    p.add([admission("b", "y")], 0, 1)
    assert set(view.entries) == {b"a"} and set(p.view().entries) == {b"a", b"b"}


def test_a_template_takes_packages_by_rate_and_parents_first() -> None:
    p = pool()
    p.add([admission("poor-parent", "x", "p1", fee=1)], 0, 1)
    p.add([admission("rich-child", "p1", fee=900)], 0, 1)
    p.add([admission("middle", "y", fee=300)], 0, 1)
    assert [a.tx for a in choose(p, {0: (300,)})] == ["poor-parent", "rich-child", "middle"]
    assert [a.tx for a in choose(p, {0: (100,)})] == ["middle"]
    assert choose(p, {0: (1000,)}, least_rate=4000) and [a.tx for a in choose(p, {0: (1000,)}, least_rate=4000)] == [
        "poor-parent",
        "rich-child",
    ]


def test_a_priority_moves_a_transaction_up() -> None:
    p = pool()
    p.add([admission("a", "x", fee=10)], 0, 1)
    p.add([admission("b", "y", fee=300)], 0, 1)
    p.prioritise(b"a", 1000)
    assert [t.tx for t in choose(p, {0: (100,)})] == ["a"]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12), st.integers(1, 500)), max_size=40),
    st.integers(300, 2000),
)
def test_the_pool_is_consistent_after_any_sequence(steps: list[tuple[int, int, int]], cap: int) -> None:
    """Claims, givers, shown pairs and memory always are those of the entries; no child is without its parent."""
    p = pool(max_bytes=cap)
    for n, (need, give, fee) in enumerate(steps):
        with contextlib.suppress(Refused):
            p.add([admission(f"t{n}", f"o{need}", f"o{give + 13 * (n + 1)} n{n}", fee, claims=f"o{need}")], n, 1)
        if n % 7 == 6 and p.entries:
            p.confirm(next(iter(p.entries)))
    entries = [e.admission for e in p.entries.values()]
    assert p.holders == {c: a.id for a in entries for c in a.claims}
    assert p.givers == {g: a.id for a in entries for g in a.gives}
    assert p.shown == dict(pair for a in entries for pair in a.shows)
    assert p.memory == sum(a.memory for a in entries) <= cap
    order = {e.id: n for n, e in enumerate(p)}
    chosen = [a.id for a in choose(p, {0: (10**9,)})]
    assert sorted(chosen) == sorted(order)
    for a in entries:
        for parent in p.parents(a):
            assert chosen.index(parent) < chosen.index(a.id)


def test_parked_transactions_come_out_when_what_they_need_is_there() -> None:
    room = Parked(most=2)
    assert room.add(Waiting("a", b"a", 10, 1, frozenset({b"x", b"y"}), 0))
    assert not room.add(Waiting("a", b"a", 10, 1, frozenset({b"x"}), 0))
    assert not room.add(Waiting("big", b"big", 100_001, 1, frozenset({b"x"}), 0))
    room.add(Waiting("b", b"b", 10, 2, frozenset({b"y"}), 5))
    assert [w.tx for w in room.take([b"y"])] == ["a", "b"]
    for n in range(3):
        room.add(Waiting(n, bytes([n]), 10, n, frozenset({b"z"}), n))
    assert len(room) == 2 and bytes([0]) not in room
    room.forget_peer(1)
    assert len(room) == 1
    room.expire(2 + 20 * 60)
    assert len(room) == 1
    room.expire(3 + 20 * 60)
    assert len(room) == 0


def test_a_row_of_an_account_keeps_its_heirs_when_one_is_replaced_or_used() -> None:
    """Account transactions claim what they give: the place in their sender's row."""
    pool = Mempool(TestPolicy())
    row = [admission(f"n{i}", needs=f"r{i - 1}" if i else "", gives=f"r{i}", claims=f"r{i}") for i in range(3)]
    for one in row:
        pool.add([one], 0, 0)
    assert pool.descendants(row[0]) == {row[1].id, row[2].id}
    assert pool.children(row[0]) == {row[1].id}
    better = admission("better", gives="r0", claims="r0", fee=200)
    assert [gone.id for gone in pool.add([better], 0, 0)] == [row[0].id]
    assert pool.children(better) == {row[1].id}
    assert [gone.id for gone in pool.release([b"r0"])] == [better.id]
    assert len(pool) == 2
    assert {gone.id for gone in pool.remove(row[1].id)} == {row[1].id, row[2].id}
