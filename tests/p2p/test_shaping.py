"""Shaped lines under virtual time: late, slow and lossy, but whole and in order."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.clock import VirtualLoop
from p2p.shaping import RETRY, Link, Shaper, retries


def arrivals(
    link: Link, messages: list[bytes], act: Callable[[Shaper], None] = lambda _: None
) -> list[tuple[float, bytes]]:
    """When each message arrives, all sent at time 0."""
    loop = VirtualLoop()
    found: list[tuple[float, bytes]] = []

    async def run() -> None:
        began = loop.time()
        shaper = Shaper(link, Random(1), loop.time, lambda data: found.append((loop.time() - began, data)))
        for message in messages:
            shaper.send(message)
        assert shaper.waiting == sum(map(len, messages))
        act(shaper)
        await asyncio.sleep(1_000)
        assert shaper.waiting == 0

    loop.run_until_complete(run())
    loop.close()
    return found


def test_latency_delays_each_message_by_the_same() -> None:
    assert [round(at, 6) for at, _ in arrivals(Link(latency=0.2), [b"a", b"b"])] == [0.2, 0.2]


def test_bandwidth_spreads_bytes_over_time() -> None:
    found = arrivals(Link(latency=0.1, bandwidth=1_000), [bytes(500), bytes(1_500)])
    assert [round(at, 6) for at, _ in found] == [0.6, 2.1]


def test_loss_costs_rounds_of_retries() -> None:
    times = [at for at, _ in arrivals(Link(loss=0.5), [bytes(1_000)] * 40)]
    assert times == sorted(times) and times[-1] >= RETRY and times[0] % RETRY == pytest.approx(0, abs=1e-9)


@given(st.lists(st.binary(min_size=1, max_size=4_000), max_size=20), st.floats(0, 0.9), st.floats(0, 1))
def test_whatever_the_line_all_arrives_in_order(messages: list[bytes], loss: float, jitter: float) -> None:
    assert [data for _, data in arrivals(Link(0.05, jitter, loss, 50_000), messages)] == messages


def test_what_is_under_way_is_dropped_when_the_line_is_cut() -> None:
    assert arrivals(Link(latency=1), [b"a"], Shaper.cut) == []


def test_retries_need_loss() -> None:
    assert retries(10**6, 0.0, Random(1)) == 0
    assert retries(10**6, 0.5, Random(1)) > 3
    assert not Link(latency=0.1).plain and Link().plain
