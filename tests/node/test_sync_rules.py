"""Sync by itself, event by event: who is waited for, how long, and what is asked instead."""

from __future__ import annotations

from random import Random

from node.actions import (
    Action,
    BlockJudged,
    CheckHeaders,
    Deliver,
    Disconnect,
    Got,
    HeadersChecked,
    Joined,
    Left,
    MorePeers,
    Penalise,
    Send,
    Tick,
    TipMoved,
)
from node.sync import Sync
from node.sync_peer import Limits, locator
from p2p import messages as m
from primitives.errors import Mutated, Refused
from tests.node.fake_chain import FORMAT, GENESIS, FakeChain, chain

BLOCKS = chain(1500)
HEADERS = [h for h, _ in BLOCKS]


class Bench:
    """A Sync over a fake chain; headers and blocks that it hands over are judged at once."""

    def __init__(self, limits: Limits | None = None, have: int = 0) -> None:
        self.chain = FakeChain()
        for made in BLOCKS[:have]:
            self.chain.add(made)
        self.sync = Sync(self.chain, Random(1), 70016, limits)
        self.out: list[Action] = []

    def on(self, event: object, now: float = 0.0) -> list[Action]:
        """Feed an event and what follows from it; returns what goes to peers."""
        todo: list[object] = [event]
        seen: list[Action] = []
        while todo:
            for action in self.sync.on(todo.pop(0), now):  # type: ignore[arg-type]
                if isinstance(action, CheckHeaders):
                    entries, error = self.chain.take_headers(action.headers, action.peer)
                    todo.append(HeadersChecked(action.peer, tuple(entries), error, action.full))
                elif isinstance(action, Deliver):
                    before = self.chain.tip
                    (verdict,) = self.chain.take_blocks([action])
                    if self.chain.tip.hash != before.hash:
                        todo.append(TipMoved(self.chain.tip, (self.chain.tip,)))
                    digest = action.header.hash
                    todo.append(BlockJudged(action.peer, digest, action.requested, verdict.stored, verdict.error))
                else:
                    seen.append(action)
        self.out += seen
        return seen

    def join(self, peer: int, outbound: bool = True, now: float = 0.0, white: bool = False) -> list[Action]:
        return self.on(Joined(peer, outbound, True, True, True, white), now)

    def headers(self, peer: int, count: int, now: float = 0.0, start: int = 0) -> list[Action]:
        return self.on(Got(peer, m.Headers.of(tuple(HEADERS[start:count]), FORMAT)), now)

    def block(self, peer: int, height: int, now: float = 0.0) -> list[Action]:
        return self.on(Got(peer, m.BlockMessage(*BLOCKS[height - 1])), now)


def asked(actions: list[Action]) -> dict[int, list[int]]:
    """Heights of the blocks asked of each peer."""
    heights = {h.hash: i + 1 for i, h in enumerate(HEADERS)}
    found: dict[int, list[int]] = {}
    for a in actions:
        if isinstance(a, Send) and isinstance(a.message, m.GetData):
            found.setdefault(a.peer, []).extend(heights[key] for _, key in a.message.items)
    return found


def let_go(actions: list[Action]) -> list[tuple[int, str]]:
    return [(a.peer, a.reason) for a in actions if isinstance(a, Disconnect)]


def test_sixteen_blocks_are_asked_of_each_and_none_twice() -> None:
    bench = Bench()
    bench.join(1)
    bench.join(2)
    first = asked(bench.headers(1, 100))
    second = asked(bench.headers(2, 100))
    assert first == {1: list(range(1, 17))} and second == {2: list(range(17, 33))}
    for height in range(1, 5):
        more = asked(bench.block(1, height))
    assert more == {1: [33, 34, 35, 36]}


def test_a_staller_of_the_window_goes_after_two_seconds_then_four() -> None:
    bench = Bench(Limits(window=20, second_source=1000.0))
    for peer in (1, 2):
        bench.join(peer)
        bench.headers(peer, 100)
    for height in range(17, 21):
        bench.block(2, height, 1.0)
    assert let_go(bench.on(Tick(), 2.9)) == []
    assert let_go(bench.on(Tick(), 3.1)) == [(1, "stalls-download")]
    assert bench.sync.download.stall == 4.0
    assert asked(bench.on(Left(1), 3.1)) == {} and asked(bench.out[-1:]) == {2: list(range(1, 17))}
    for height in range(1, 17):
        bench.block(2, height, 3.2)
    assert bench.sync.download.stall < 4.0, "patience returns to what it was as blocks connect"


def test_a_block_that_never_comes_is_asked_of_a_second_peer_and_then_costs_the_first() -> None:
    bench = Bench(have=10)
    for peer in (1, 2):
        bench.join(peer)
    assert asked(bench.headers(1, 11, start=10)) == {1: [11]}
    assert asked(bench.headers(2, 11, 1.0, start=10)) == {}
    assert asked(bench.on(Tick(), 5.0)) == {}
    assert asked(bench.on(Tick(), 11.0)) == {2: [11]}
    bench.block(2, 11, 12.0)
    assert bench.chain.tip.height == 11 and not bench.sync.download.busy
    assert let_go(bench.on(Tick(), 500.0)) == []


def test_a_lone_peer_that_sends_nothing_is_let_go_after_a_minute() -> None:
    bench = Bench()
    bench.join(1)
    bench.headers(1, 5)
    assert let_go(bench.on(Tick(), 59.0)) == []
    assert let_go(bench.on(Tick(), 61.0)) == [(1, "block-timeout")]
    white = Bench()
    white.join(1, white=True)
    white.headers(1, 5)
    assert let_go(white.on(Tick(), 61.0)) == []


def test_a_slow_but_steady_peer_is_kept() -> None:
    bench = Bench()
    bench.join(1)
    bench.headers(1, 40)
    for height in range(1, 17):
        bench.block(1, height, height * 20.0)
        assert let_go(bench.on(Tick(), height * 20.0 + 15.0)) == []


def test_what_is_refused_is_asked_of_another() -> None:
    bench = Bench()
    for peer in (1, 2):
        bench.join(peer)
        bench.headers(peer, 1)
    header, raw = BLOCKS[0]
    actions = bench.on(Got(1, m.BlockMessage(header, raw[:-1] + b"\0")), 1.0)
    assert [type(a.error) for a in actions if isinstance(a, Penalise)] == [Mutated]
    assert asked(actions) == {2: [1]}


def test_not_found_moves_the_request_on() -> None:
    bench = Bench()
    for peer in (1, 2):
        bench.join(peer)
        bench.headers(peer, 1)
    item = (m.MSG_WITNESS_BLOCK, HEADERS[0].hash)
    assert asked(bench.on(Got(1, m.NotFound((item,))), 1.0)) == {2: [1]}


def test_a_peer_of_our_choice_that_stays_behind_gets_a_last_question_and_goes() -> None:
    bench = Bench(have=20)
    bench.join(1)
    bench.join(2, outbound=False)
    bench.headers(1, 10)
    assert let_go(bench.on(Tick(), 1190.0)) == []
    question = [a for a in bench.on(Tick(), 1201.0) if isinstance(a, Send) and isinstance(a.message, m.GetHeaders)]
    assert [a.peer for a in question] == [1]
    assert let_go(bench.on(Tick(), 1322.0)) == [(1, "chain-sync-timeout")]


def test_a_stale_tip_asks_for_one_more_peer_until_it_moves() -> None:
    bench = Bench(have=1)
    bench.join(1)
    bench.on(Tick(), 0.0)
    assert MorePeers(1) in bench.on(Tick(), 1801.0)
    bench.headers(1, 2, 1802.0, start=1)
    bench.block(1, 2, 1802.0)
    assert MorePeers(0) in bench.on(Tick(), 1803.0)


def test_one_peer_is_followed_at_first_and_the_others_asked_when_it_has_caught_up() -> None:
    bench = Bench()
    bench.chain.syncing = True
    assert any(isinstance(a, Send) for a in bench.join(1))
    assert bench.join(2) == [] and bench.join(3) == []
    actions = bench.headers(1, 100)
    assert [a.peer for a in actions if isinstance(a, Send) and isinstance(a.message, m.GetHeaders)] == [2]
    assert [a.peer for a in bench.on(Left(2)) if isinstance(a, Send)] == [3]


def test_headers_held_for_one_peer_alone_are_asked_on_when_their_blocks_are_here() -> None:
    bench = Bench()
    bench.join(1)
    headers = tuple(HEADERS[:3])
    entries, _ = bench.chain.take_headers(headers, 1)
    bench.sync.on(HeadersChecked(1, tuple(entries), Refused("too-many-headers"), True), 0.0)
    bench.sync.peers[1].asked_at = -1.0
    bench.on(Tick())
    questions: list[Action] = []
    for height in (1, 2, 3):
        questions += bench.block(1, height, 1.0)
    assert [a.peer for a in questions if isinstance(a, Send) and isinstance(a.message, m.GetHeaders)] == [1]


def test_arrived_blocks_bound_what_is_asked() -> None:
    bench = Bench(Limits(judging=4))
    bench.join(1)
    bench.headers(1, 100)
    for height in range(1, 9):
        bench.sync.on(Got(1, m.BlockMessage(*BLOCKS[height - 1])), 0.0)
    assert len(bench.sync.download.judging) == 8 and len(bench.sync.peers[1].flights) == 8


def test_a_locator_is_dense_at_the_tip_and_ends_in_genesis() -> None:
    bench = Bench(have=1500)
    heights = [bench.chain.entries[h].height for h in locator(bench.chain, bench.chain.tip)]
    assert heights[:10] == [*range(1500, 1490, -1)] and heights[-1] == 0
    assert len(heights) < 25 and heights == sorted(heights, reverse=True)
    assert locator(bench.chain, bench.chain.entries[GENESIS.hash]) == (GENESIS.hash,)
