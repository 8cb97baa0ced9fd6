"""A node's events reach the loop in order, each once, whatever a listener does; blocks made together are on the disk together."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chains.ethereum import SPECS
from node.dev_chain import DevChain
from node.env import RealEnv
from node.node import Node
from storage.deferred import Deferred
from storage.durability import Durability
from storage.lmdb import LmdbStore
from storage.memory import MemoryStore


@pytest.fixture
def env() -> Iterator[RealEnv]:
    made = RealEnv(seed=1)
    yield made
    made.close()


def heights(heard: list[Any]) -> list[int]:
    return [event.tip.height for event in heard if hasattr(event, "connected")]


def test_events_of_one_job_come_in_order_to_every_listener(env: RealEnv) -> None:
    async def run() -> None:
        node = Node(SPECS["dev"], env, MemoryStore(Durability.NONE))
        node.attach(asyncio.get_running_loop())
        dev = DevChain(node, {}, automine=False)
        first: list[Any] = []
        second: list[Any] = []
        faults: list[Any] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: faults.append(context["exception"]))

        def fail(event: Any) -> None:
            if hasattr(event, "connected") and event.tip.height == 2:
                raise ValueError("a listener of the test")

        node.subscribe(first.append)
        node.subscribe(fail)
        end = node.subscribe(second.append)
        await node.on_chain(lambda: dev.mine_many(5))
        for _ in range(8):
            await asyncio.sleep(0)
        assert heights(first) == [1, 2, 3, 4, 5]
        assert heights(second) == [1, 3, 4, 5], "what stands behind the listener that failed misses that event alone"
        assert [str(e) for e in faults] == ["a listener of the test"]
        end()
        await node.on_chain(lambda: dev.mine_many(2))
        assert heights(first)[-2:] == [6, 7], "events are heard before the job's result"
        assert heights(second)[-1] == 5

    asyncio.run(run())


def test_blocks_made_together_are_on_the_disk_when_the_call_ends(env: RealEnv, tmp_path: Path) -> None:
    async def run() -> None:
        base = LmdbStore(tmp_path / "chain", Durability.FULL)
        store = Deferred(base)
        commits: list[int] = []
        settle = store.settle
        node = Node(SPECS["dev"], env, store)
        dev = DevChain(node, {}, automine=False)

        def counted() -> None:
            commits.append(int(store.holds))
            settle()

        store.settle = counted  # type: ignore[method-assign]
        await node.on_chain(lambda: dev.mine_many(20))
        assert not store.holds and store.durability is Durability.FULL
        assert sum(commits) == 1, "one commit for all"
        await node.on_chain(dev.mine)
        assert not store.holds
        store.close()
        again = LmdbStore(tmp_path / "chain", Durability.FULL)
        assert Node(SPECS["dev"], env, again).chain.tip.height == 21
        again.close()

    asyncio.run(run())
