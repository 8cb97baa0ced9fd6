"""Three stakers and a miner as processes, their clocks moved together.

One tip, both kinds on schedule, exact rewards; the heavier side wins after a partition, and kills lose nothing.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from chains.peercoin import STAKE_DEV
from node.chain import Chain
from node.client import NoConnection, RpcClient
from node.data_directory import STORE
from node.rpc.errors import RpcError
from node.testnet import STAKE_COINS, STAKE_SPAN, Testnet, wait_for
from primitives.bitcoin import BitcoinFormat, Transaction, outpoint
from primitives.buffer import Reader
from primitives.chain import Form
from storage.lmdb import LmdbStore
from tests.scenarios.conftest import NetMaker

pytestmark = pytest.mark.scenario
MINER = "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080"
STEP = 15
"""Seconds that the clocks move at a time."""
HASHES = 0.2
"""What the miner tries in a second of chain time; the blocks themselves are really mined."""
COIN, CENT, DAY, LEAST_AGE = 100_000_000, 1_000_000, 600, 600
STAKE_SPACING, WORK_SPACING = 30, 180


@dataclass
class Scene:
    """The network and its one clock."""

    net: Testnet
    draw: random.Random
    pool: ThreadPoolExecutor
    now: int = STAKE_DEV.genesis.header.timestamp + STAKE_SPAN + 60
    clients: dict[str, RpcClient] = field(default_factory=dict)

    def begin(self) -> None:
        """Connect, pay the stakers, and let them stake."""
        assert wait_for(lambda: all(len(self.call(m.name, "getpeerinfo")) >= 3 for m in self.net.members), 60)
        self.net.fund(self.now)
        self.net.set_clocks(self.now)
        self.net.stake()

    def client(self, name: str) -> RpcClient:
        """A connection of our own to a node, made anew after its restart."""
        if name not in self.clients:
            self.clients[name] = RpcClient(self.net.client(self.net.member(name)).endpoint)
        return self.clients[name]

    def call(self, name: str, method: str, *params: Any) -> Any:
        return self.client(name).call(method, *params)

    @property
    def names(self) -> list[str]:
        return [m.name for m in self.net.members]

    def trust(self, name: str) -> int:
        """What the node's chain weighs."""
        return int(self.call(name, "getblockchaininfo")["chainwork"], 16)

    def height(self) -> int:
        return int(self.call("node1", "getblockcount"))

    def _one(self, name: str, mine: bool) -> None:
        """Move one node's clock, and wait until it has done what it does in that time."""
        self.call(name, "setmocktime", self.now)
        if name in self.net.stakers:
            wallet = self.client(name)
            wait = wait_for(lambda: self._searched(wallet) >= self.now, 60, 0.01)
            assert wait, f"{name} does not search: {wallet.call('getstakinginfo')}"
        elif mine:
            self.call(name, "generatetoaddress", 1, MINER)

    def _searched(self, client: RpcClient) -> int:
        return int(client.call("getstakinginfo")["searched"])

    def _luck(self) -> bool:
        """Whether a miner of HASHES a second finds a block in one step, at the present difficulty of work."""
        difficulty = float(self.call("node1", "getdifficulty")["proof-of-work"])
        chance = min(0.5, 1 / (difficulty * 2**32))
        return self.draw.random() < 1 - float((1 - chance) ** (HASHES * STEP))

    def step(self, sides: Iterable[Sequence[str]] = ()) -> None:
        """Move the clock of all, let them work, and wait until each side has heard of what it made."""
        mine = self._luck()
        self.now += STEP
        list(self.pool.map(lambda name: self._one(name, mine), self.names))
        for side in list(sides) or [self.names]:
            assert wait_for(lambda side=side: len({self.trust(n) for n in side}) == 1, 60, 0.005), self.net.status()  # type: ignore[misc]

    def agree(self) -> str:
        """Go on until all have one tip: of two blocks made at once the next one decides."""
        for _ in range(200):
            tips = {self.call(n, "getbestblockhash") for n in self.names}
            if len(tips) == 1:
                return str(tips.pop())
            self.step()
        raise AssertionError(self.net.status())

    def on_chain(self, name: str, block: str) -> bool:
        """Whether a block is the node's tip, or an ancestor: a staker that has changed sides may have built on it already."""
        try:
            return bool(self.call(name, "getblockheader", block)["confirmations"] > 0)
        except RpcError:
            return False

    def coins(self) -> set[str]:
        """The hashes of the coin sets at one block; one, where nothing was lost. (A staker may mint while they are asked.)"""
        for _ in range(50):
            infos = [self.call(n, "gettxoutsetinfo") for n in self.names]
            if len({info["bestblock"] for info in infos}) == 1:
                return {info["hash_serialized_3"] for info in infos}
            self.agree()
        raise AssertionError(self.net.status())

    def kill_in_work(self, name: str) -> None:
        """Kill a node somewhere within a step; it must come back with all that it had told, or with more."""
        before = self.trust(name)
        done = Event()

        def work(one: str) -> None:
            try:
                self._one(one, True)
            except NoConnection:
                assert one == name
            finally:
                if one == name:
                    done.set()

        self.now += STEP
        jobs = [self.pool.submit(work, one) for one in self.names]
        done.wait(self.draw.uniform(0.0, 0.06))
        self.net.kill(name)
        for job in jobs:
            job.result(timeout=90)
        tip, weight = stored_tip(Path(self.net.member(name).folder) / self.net.chain / STORE)
        assert weight >= before, "it forgot what it had connected"
        self.net.start(only=[name])
        del self.clients[name]
        self.call(name, "setmocktime", self.now)
        if name in self.net.stakers:
            self.net.staker(name).call("staking", True)
        assert self.call(name, "getblockheader", tip)["hash"] == tip
        assert wait_for(lambda: len({self.trust(n) for n in self.names}) == 1, 90), self.net.status()

    def blocks(self) -> list[tuple[Any, bytes]]:
        """What the first node says of each block above genesis, and its bytes."""
        client, top = self.client("node1"), self.height()
        hashes = client.batch([("getblockhash", [h]) for h in range(1, top + 1)])
        raw = client.batch([("getblock", [h, 0]) for h in hashes])
        return list(zip(client.batch([("getblock", [h, 1]) for h in hashes]), map(bytes.fromhex, raw), strict=True))


def stored_tip(folder: Path) -> tuple[str, int]:
    """Tip and weight of the chain in a store that nobody uses."""
    store = LmdbStore(folder)
    try:
        tip = Chain(STAKE_DEV, store).tip
    finally:
        store.close()
    return tip.hash[::-1].hex(), tip.weight


def root_in_cents(bits: int) -> int:
    """The reward of work, without bisection: 9,999 coins by the fourth root of the target's share, in whole cents, 50 coins at most."""
    size, mantissa = bits >> 24, bits & 0x7FFFFF
    target = mantissa << 8 * (size - 3)
    low, high = 0, 999_900
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if middle**4 * (0x7FFFFF << 232) <= 999_900**4 * target else (low, middle - 1)
    return min(low * CENT, 50 * COIN)


def check_rewards(blocks: Sequence[tuple[Any, bytes]]) -> int:
    """Recompute every reward from the bytes of the blocks alone; returns how many were of stake."""
    coins: dict[bytes, tuple[int, int]] = {}
    supply = stakes = 0

    def value_in(tx: Transaction) -> int:
        return sum(coins[i.outpoint][0] for i in tx.inputs)

    for shown, raw in blocks:
        block = BitcoinFormat().read_block(Reader(raw), Form.CLIENT)
        time, txs = block.header.timestamp, block.txs
        earned = sum(o.value for o in txs[0].outputs)
        staked = "proof-of-stake" in shown["flags"]
        if staked:
            cents = sum(
                value * min(time - made, 365 * DAY) // CENT
                for value, made in (coins[i.outpoint] for i in txs[1].inputs)
                if made + LEAST_AGE <= time
            )
            days = cents * CENT // COIN // DAY
            reward = days * 33 // (365 * 33 + 8) * CENT * 3 + supply * 825 // 1_440_000 // 12_053
            minted = sum(o.value for o in txs[1].outputs) - value_in(txs[1])
            assert (earned, minted) == (0, reward), shown["hash"]
            assert int(shown["mint"] * COIN) == reward
            stakes += 1
        else:
            assert earned == root_in_cents(block.header.bits), shown["hash"]
        for at, tx in enumerate(txs):
            made_out = sum(o.value for o in tx.outputs)
            supply += made_out - (value_in(tx) if at else 0)
            for spend in tx.inputs if at else ():
                del coins[spend.outpoint]
            coins |= {outpoint(tx.id, n): (o.value, time) for n, o in enumerate(tx.outputs)}
    return stakes


def means(blocks: Sequence[tuple[Any, bytes]], since: int) -> tuple[float, float]:
    """Mean seconds between two blocks of stake, and of work, from a height on."""
    found = []
    for kind in ("proof-of-stake", "proof-of-work"):
        times = [b["time"] for b, _ in blocks if kind in b["flags"] and b["height"] >= since]
        found.append((times[-1] - times[0]) / (len(times) - 1))
    return found[0], found[1]


def scene_of(make_net: NetMaker, pool: ThreadPoolExecutor, seed: int) -> Scene:
    scene = Scene(make_net(4, chain="stake-dev", stakers=3), random.Random(seed), pool)
    scene.begin()
    return scene


def until(scene: Scene, height: int, every: Callable[[], None] = lambda: None) -> None:
    while scene.height() < height:
        scene.step()
        every()


def cut_and_heal(scene: Scene, steps: int) -> None:
    """Part miner and one staker from the two others for a while; all end on the side that weighs more."""
    left, right = ["node1", "node2"], ["node3", "node4"]
    scene.net.partition([left, right])
    begun = scene.trust("node1")
    for _ in range(steps):
        scene.step((left, right))
    while scene.trust("node1") == scene.trust("node3"):
        scene.step((left, right))
    trusts = {side[0]: scene.trust(side[0]) for side in (left, right)}
    assert all(trust > begun + 1_000 for trust in trusts.values()), "both sides minted"
    heavier = max(trusts, key=lambda name: trusts[name])
    side = left if heavier in left else right
    tips = {scene.call(n, "getbestblockhash") for n in side}
    scene.net.heal()
    assert wait_for(lambda: any(all(scene.on_chain(n, tip) for n in scene.names) for tip in tips), 90), (
        scene.net.status()
    )
    scene.agree()
    assert len(scene.coins()) == 1


def run(scene: Scene, blocks: int, warm: int, kills: int, tolerance: float) -> None:
    start = scene.height()
    first, rest = start + blocks * 2 // 5, start + blocks
    until(scene, first)
    cut_and_heal(scene, 12 if blocks < 1_000 else 40)
    gap = max(1, (rest - scene.height()) // (kills + 1))
    for turn in range(kills):
        until(scene, scene.height() + gap)
        scene.kill_in_work(scene.names[turn % 4])
        scene.agree()
        assert len(scene.coins()) == 1
    until(scene, rest)
    scene.agree()
    assert len(scene.coins()) == 1, "one tip, one set of coins"
    chain = scene.blocks()
    stakes = check_rewards(chain)
    stake, work = means(chain, warm)
    kinds = f"{stakes} of stake, {len(chain) - stakes} of work"
    print(f"{len(chain)} blocks, {kinds}; mean spacing from block {warm} on: stake {stake:.1f} s, work {work:.1f} s")
    assert abs(stake / STAKE_SPACING - 1) < tolerance and abs(work / WORK_SPACING - 1) < tolerance


def test_stakers_and_a_miner_for_200_blocks_with_a_partition_and_kills(make_net: NetMaker) -> None:
    """The means are over too few blocks to be near their targets; that they are of the order is all that is asked."""
    with ThreadPoolExecutor(4) as pool:
        scene = scene_of(make_net, pool, 1)
        run(scene, blocks=200, warm=3 * STAKE_COINS + 60, kills=4, tolerance=0.75)


@pytest.mark.slow
@pytest.mark.timeout(3_600)
def test_stakers_and_a_miner_for_2000_blocks_with_a_partition_and_20_kills(make_net: NetMaker) -> None:
    with ThreadPoolExecutor(4) as pool:
        scene = scene_of(make_net, pool, 2)
        run(scene, blocks=2_000, warm=500, kills=20, tolerance=0.15)
