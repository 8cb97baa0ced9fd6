"""Relay of transactions: asked once, asked elsewhere, told once, told to nobody who does not want to hear."""

from __future__ import annotations

import asyncio
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.network import SimulatedNetwork
from node.actions import (
    Action,
    Announced,
    Disconnect,
    Got,
    Joined,
    JudgeTx,
    Left,
    Penalise,
    PoolGrew,
    Send,
    Serve,
    Tick,
    TipMoved,
    TxJudged,
)
from node.relay import KNOWN_TXS, Relay
from node.requests import EXPIRY, MOST_ANNOUNCED, MOST_ASKED, Requests
from node.treatment import Misbehaviour, Treatment, treatment
from p2p import messages as m
from p2p.bans import subnet
from primitives.errors import (
    DecodeError,
    InvalidBlock,
    InvalidHeader,
    InvalidTx,
    Missing,
    Mutated,
    Premature,
    Refused,
)
from tests.node.fake_chain import BAD_BLOCK, BAD_HEADER, FORMAT, FakeChain, payment
from tests.node.simulation import Raw, SimNode, hostile, simulate
from tests.node.test_sync import got, until


def make(local: bool = True) -> tuple[Relay, FakeChain]:
    chain = FakeChain()
    return Relay(chain, chain, Random(1), local), chain


def join(
    relay: Relay, peer: int, outbound: bool = True, wtxid: bool = True, relays: bool = True, white: bool = False
) -> None:
    relay.on(Joined(peer, outbound, True, relays, wtxid, white), 0.0)


def sent(actions: list[Action], kind: type) -> list[tuple[int, m.Message]]:
    return [(a.peer, a.message) for a in actions if isinstance(a, Send) and isinstance(a.message, kind)]


def inv(key: bytes, kind: int = m.MSG_WTX) -> m.Inv:
    return m.Inv(((kind, key),))


# -- requests -------------------------------------------------------------------------------------------------------------


def test_a_transaction_is_asked_of_one_peer_and_of_another_after_a_minute() -> None:
    relay, _ = make()
    for peer in (1, 2, 3):
        join(relay, peer)
    key = b"\7" * 32
    asks = sent(relay.on(Got(1, inv(key)), 0.0), m.GetData)
    assert asks == [(1, m.GetData(((m.MSG_WTX, key),)))]
    assert sent(relay.on(Got(2, inv(key)), 1.0), m.GetData) == []
    assert sent(relay.on(Tick(), EXPIRY - 1), m.GetData) == []
    assert [peer for peer, _ in sent(relay.on(Tick(), EXPIRY), m.GetData)] == [2]
    relay.on(Got(3, inv(key)), 100.0)
    assert [peer for peer, _ in sent(relay.on(Left(2), 101.0), m.GetData)] == [3]
    assert sent(relay.on(Got(3, m.NotFound(((m.MSG_WTX, key),))), 102.0), m.GetData) == []
    assert len(relay.requests) == 0


def test_outbound_peers_have_the_first_word_on_public_networks() -> None:
    relay, _ = make(local=False)
    join(relay, 1, outbound=False)
    join(relay, 2)
    key = b"\7" * 32
    assert sent(relay.on(Got(1, inv(key)), 0.0), m.GetData) == []
    assert [p for p, _ in sent(relay.on(Got(2, inv(key)), 1.0), m.GetData)] == [2]


def test_a_flood_of_announcements_is_bounded() -> None:
    relay, _ = make()
    join(relay, 1)
    rng = Random(2)
    asked = 0
    for _ in range(6):
        items = tuple((m.MSG_WTX, rng.randbytes(32)) for _ in range(50_000))
        for _, message in sent(relay.on(Got(1, m.Inv(items)), 1.0), m.GetData):
            assert isinstance(message, m.GetData)
            asked += len(message.items)
    assert len(relay.requests) == MOST_ANNOUNCED and asked == MOST_ASKED
    assert len(relay.peers[1].known) <= 2 * KNOWN_TXS
    relay.on(Left(1), 2.0)
    assert len(relay.requests) == 0


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["inv", "poll", "came", "left", "none"]),
            st.integers(0, 3),
            st.integers(0, 5),
            st.floats(0, 50),
        ),
        max_size=80,
    )
)
def test_requests_keep_their_books(steps: list[tuple[str, int, int, float]]) -> None:
    requests = Requests()
    now = 0.0
    asked: dict[bytes, int] = {}
    for what, peer, n, wait in steps:
        now += wait
        key = bytes([n]) * 32
        if what == "inv":
            requests.announced(peer, key, 1, now, peer == 0)
        elif what == "came":
            requests.came(key)
            asked.pop(key, None)
        elif what == "left":
            requests.left(peer, now)
            asked = {k: p for k, p in asked.items() if p != peer}
        elif what == "none":
            requests.not_found(peer, key, now)
        for who, _, k in requests.poll(now):
            assert asked.get(k) != who or requests.wanted[k].until == now + EXPIRY
            asked[k] = who
        for k, wanted in requests.wanted.items():
            assert wanted.announcers and (wanted.asked is None or wanted.asked in wanted.announcers)
            for p in wanted.announcers:
                assert k in requests._by_peer[p]
        counts = {p: sum(w.asked == p for w in requests.wanted.values()) for p in range(4)}
        assert all(requests._asked.get(p, 0) == c for p, c in counts.items())
    while requests.wanted and requests.next is not None:
        now = max(now, requests.next)
        requests.poll(now)
    assert not requests.wanted, "every announcement is asked for or given up in the end"


# -- verdicts -------------------------------------------------------------------------------------------------------------


def test_verdicts_cost_what_the_table_says_and_refusals_last_until_the_tip_moves() -> None:
    relay, chain = make()
    join(relay, 1)
    tx = payment(1)
    message = m.TxMessage.of(tx, FORMAT)
    assert [type(a) for a in relay.on(Got(1, message), 0.0)] == [JudgeTx]
    actions = relay.on(TxJudged(1, tx.id, tx.wtxid, InvalidTx("bad-txns-vin-empty")), 0.0)
    assert [type(a) for a in actions] == [Penalise]
    assert relay.on(Got(1, message), 0.0) == []
    assert sent(relay.on(Got(1, inv(tx.wtxid)), 0.0), m.GetData) == []
    relay.on(TipMoved(chain.tip, ()), 0.0)
    assert [type(a) for a in relay.on(Got(1, message), 0.0)] == [JudgeTx]


def test_missing_parents_are_asked_for_by_id() -> None:
    relay, _ = make()
    join(relay, 1)
    tx, parent = payment(2, b"\5" * 32), b"\5" * 32
    actions = relay.on(TxJudged(1, tx.id, tx.wtxid, Missing((parent,)), (parent,)), 0.0)
    assert sent(actions, m.GetData) == [(1, m.GetData(((m.MSG_WITNESS_TX, parent),)))]
    relay.rejects.add(parent)
    assert relay.on(TxJudged(1, tx.id, tx.wtxid, Missing((parent,)), (parent,)), 0.0) == []
    assert tx.wtxid in relay.rejects


@pytest.mark.parametrize(
    ("error", "outbound", "expected"),
    [
        (InvalidBlock("bad-cb-amount"), False, Treatment.PUNISH),
        (InvalidHeader("high-hash"), False, Treatment.PUNISH),
        (InvalidHeader("bad-prevblk"), False, Treatment.PUNISH),
        (InvalidHeader("duplicate-invalid"), False, Treatment.NOTHING),
        (InvalidHeader("duplicate-invalid"), True, Treatment.PUNISH),
        (Mutated("bad-txnmrklroot"), False, Treatment.PUNISH),
        (Premature("time-too-new"), True, Treatment.NOTHING),
        (Refused("too-little-chainwork"), True, Treatment.NOTHING),
        (Missing((bytes(32),)), False, Treatment.ASK_HEADERS),
        (InvalidTx("bad-txns-vout-negative"), False, Treatment.PUNISH),
        (DecodeError("x"), False, Treatment.NOTHING),
        (m.TooMany("x"), False, Treatment.PUNISH),
        (Misbehaviour("non-continuous-headers"), False, Treatment.PUNISH),
    ],
)
def test_the_table_of_treatments(error: Exception, outbound: bool, expected: Treatment) -> None:
    assert treatment(error, outbound) is expected  # type: ignore[arg-type]


# -- announcements --------------------------------------------------------------------------------------------------------


def announced(chain: FakeChain, n: int, rate: int = 2000) -> Announced:
    tx = payment(n)
    chain.pool[tx.id] = tx
    chain.by_wtxid[tx.wtxid] = tx.id
    return Announced(tx.id, tx.wtxid, rate)


def flushed(relay: Relay, now: float) -> dict[int, list[bytes]]:
    told: dict[int, list[bytes]] = {}
    for peer, message in sent(relay.on(Tick(), now), m.Inv):
        assert isinstance(message, m.Inv)
        told.setdefault(peer, []).extend(key for _, key in message.items)
    return told


def test_each_peer_hears_once_of_what_it_wants_in_its_own_terms() -> None:
    relay, chain = make()
    join(relay, 1)
    join(relay, 2, wtxid=False)
    join(relay, 3, relays=False)
    join(relay, 4)
    relay.on(Got(4, m.FeeFilter(5000)), 0.0)
    a, b = announced(chain, 1), announced(chain, 2, 6000)
    relay.on(Got(1, inv(a.relay_id)), 0.0)
    relay.on(PoolGrew((a, b)), 1.0)
    assert flushed(relay, 2.0) == {1: [b.relay_id], 2: [a.id, b.id], 4: [b.relay_id]}
    relay.on(PoolGrew((a, b)), 3.0)
    assert flushed(relay, 4.0) in ({}, {4: []})


def test_inbound_peers_share_a_clock_and_hear_later() -> None:
    relay, chain = make(local=False)
    for peer in range(1, 5):
        join(relay, peer, outbound=peer == 1)
    times: dict[int, list[float]] = {p: [] for p in range(1, 5)}
    for n in range(200):
        relay.on(PoolGrew((announced(chain, n),)), n * 20.0)
        for step in range(400):
            now = n * 20.0 + step * 0.05
            for peer in flushed(relay, now):
                times[peer].append(now - n * 20.0)
    assert times[2] == times[3] == times[4]
    mean = {p: sum(t) / len(t) for p, t in times.items()}
    assert 1.0 < mean[1] < 3.0 < mean[2] < 7.0


def test_what_was_not_announced_yet_is_not_served() -> None:
    relay, chain = make(local=False)
    join(relay, 1, outbound=False)
    a = announced(chain, 1)
    relay.on(PoolGrew((a,)), 0.0)
    request = m.GetData(((m.MSG_WTX, a.relay_id), (m.MSG_WITNESS_BLOCK, bytes(32))))
    (served,) = relay.on(Got(1, request), 0.0)
    assert isinstance(served, Serve) and served.request == m.GetData(request.items[1:])
    flushed(relay, 1000.0)
    (served,) = relay.on(Got(1, request), 1000.0)
    assert isinstance(served, Serve) and served.request == request


def test_only_whitelisted_peers_may_ask_for_the_mempool() -> None:
    relay, _ = make()
    join(relay, 1)
    join(relay, 2, white=True)
    assert [type(a) for a in relay.on(Got(1, m.MempoolRequest()), 0.0)] == [Disconnect]
    assert [type(a) for a in relay.on(Got(2, m.MempoolRequest()), 0.0)] == [Serve]


# -- over simulated networks ----------------------------------------------------------------------------------------------


def test_transactions_reach_everybody_parents_first() -> None:
    async def body(net: SimulatedNetwork, nodes: list[SimNode]) -> None:
        for i, n in enumerate(nodes):
            n.network.add(nodes[(i + 1) % 5].host)
            n.network.add(nodes[(i + 2) % 5].host)
        await asyncio.sleep(3)
        parent: bytes | None = None
        for i in range(300):
            tx = payment(i, parent if i % 10 else None)
            parent = tx.id
            nodes[i % 2].chain.take_tx(tx, 0)
            if i % 50 == 0:
                await asyncio.sleep(0.5)
        await until(lambda: all(len(n.chain.pool) == 300 for n in nodes), 120)

    assert simulate(5, body, seed=4) == simulate(5, body, seed=4)


def test_an_orphan_is_completed_by_its_sender() -> None:
    async def body(net: SimulatedNetwork, node: SimNode, raw: Raw) -> None:
        await raw.shake()
        parent = payment(1)
        child = payment(2, parent.id)
        raw.send(m.TxMessage.of(child, FORMAT))
        asked = got(await raw.read(1), m.GetData)
        assert asked == [m.GetData(((m.MSG_WITNESS_TX, parent.id),))]
        raw.send(m.TxMessage.of(parent, FORMAT))
        await raw.read(1)
        assert set(node.chain.pool) == {parent.id, child.id}

    hostile(body)


def test_bad_transactions_cost_the_connection_and_refused_ones_nothing() -> None:
    async def body(net: SimulatedNetwork, node: SimNode, raw: Raw) -> None:
        await raw.shake()
        raw.send(m.TxMessage.of(payment(1, version=BAD_HEADER), FORMAT))
        await raw.read(1)
        assert not raw.closed
        raw.send(m.TxMessage.of(payment(1, version=BAD_BLOCK), FORMAT))
        await raw.read(1)
        assert raw.closed and not node.chain.pool

    hostile(body)


def test_the_mempool_is_told_to_the_whitelisted_and_transactions_are_served() -> None:
    async def body(net: SimulatedNetwork, node: SimNode, raw: Raw) -> None:
        txs = [payment(n) for n in range(5)]
        for tx in txs:
            node.chain.take_tx(tx, 0)
        await asyncio.sleep(1)
        await raw.shake()
        raw.send(m.MempoolRequest())
        (told,) = got(await raw.read(1), m.Inv)
        assert [key for _, key in told.items] == [tx.wtxid for tx in txs]  # type: ignore[attr-defined]
        raw.send(m.GetData((*told.items, (m.MSG_WTX, bytes(32)))))  # type: ignore[attr-defined]
        answer = await raw.read(1)
        assert [x.tx for x in got(answer, m.TxMessage)] == txs  # type: ignore[attr-defined]
        assert got(answer, m.NotFound) == [m.NotFound(((m.MSG_WTX, bytes(32)),))]

    hostile(body, whitelist=(subnet("10.0.0.99"),))


def test_a_peer_that_asks_for_the_mempool_is_let_go() -> None:
    async def body(net: SimulatedNetwork, node: SimNode, raw: Raw) -> None:
        await raw.shake()
        raw.send(m.MempoolRequest())
        await raw.read(1)
        assert raw.closed

    hostile(body)
