"""Stake: kernel checks a second, the search over 10,000 coins and 60 seconds, minting a block, connecting the blocks of mainnet.

Run: python -m benchmarks.stake [--blocks N] [--profile]. CPU seconds of one core; the data come from CHAINYARD_VECTORS, else
../shared/vectors beside the checkout. There is no peer to run beside: no other implementation in Python is published.
"""

from __future__ import annotations

import argparse
import cProfile
import json
import pstats
import random
import time
from collections.abc import Callable
from typing import Any

from benchmarks.machine import describe
from chains.peercoin import MAINNET, STAKE_DEV
from consensus.stake import Stake
from consensus.stake_kernel import Stakeable, kernel_hash, meets, search, weight
from consensus.stake_mint import remembered
from consensus.stake_modifier import kernel_modifier
from node.chain import Chain
from primitives.peercoin import decode_block
from storage.memory import MemoryStore
from tests.staking import KeyStaker, Mint
from tests.vectors.catalogue import vectors_root
from tests.vectors.peercoin import mainnet_bytes

COINS, SECONDS = 10_000, 60
HARD = 0x1B00FFFF


def engine(spec: Any) -> Stake:
    """The spec's engine."""
    assert isinstance(spec.engine, Stake)
    return spec.engine


def coins() -> list[Stakeable]:
    """Coins of mainnet's ages and values."""
    rng, now = random.Random(1), 1_700_000_000
    made = [now - rng.randrange(3_000_000, 9_000_000) for _ in range(COINS)]
    return [Stakeable(rng.randrange(10**6, 10**10), at, rng.randrange(81, 9_000), at, rng.randrange(3)) for at in made]


def checks(found: list[Stakeable]) -> float:
    """Whole kernel checks a second: weight, hash, comparison."""
    ages, switches = engine(MAINNET).ages, engine(MAINNET).switches
    begin = time.process_time()
    for _ in range(10):
        for coin in found:
            proof = kernel_hash(coin, 1_700_000_000, 0x1234, HARD)
            meets(proof, HARD, weight(coin, 1_700_000_000, ages, switches))
    return 10 * len(found) / (time.process_time() - begin)


def hunt(found: list[Stakeable]) -> float:
    """CPU seconds for all coins over a minute; no kernel holds at this target."""
    mint = aged()
    ages, switches, rule = engine(MAINNET).ages, engine(MAINNET).switches, engine(STAKE_DEV).modifiers
    now = 1_700_000_000
    with mint.chain.view() as view:
        tip = view.tip.header.timestamp
        branch = view.branch
        begin = time.process_time()
        modifier = remembered(lambda second: kernel_modifier(rule, branch, 0, tip + second - now))
        hits = sum(search(c, now - SECONDS + 1, now, HARD, modifier, ages, switches) is not None for c in found)
        taken = time.process_time() - begin
    assert not hits
    return taken


def aged() -> Mint:
    """A chain of work long enough for modifiers."""
    mint = Mint(STAKE_DEV, [KeyStaker()])
    for _ in range(60):
        mint.work(mint.stakers[0].p2pk, 60)
    return mint


def minting() -> float:
    """Blocks of stake a second from proposal to connection, on the short ages of stake-dev."""
    mint, count = aged(), 0
    begin = time.process_time()
    while count < 200:
        count += mint.stake(mint.stakers[0]) is not None
        mint.now += 15
        if count % 3 == 0:
            mint.work(b"\x51", 5)
    return count / (time.process_time() - begin)


def connecting(most: int) -> tuple[int, float]:
    """Blocks of mainnet connected, and how many a second."""
    blocks = [decode_block(raw) for raw in mainnet_bytes(vectors_root() / "peercoin")[1 : most + 1]]
    chain = Chain(MAINNET, MemoryStore())
    begin = time.process_time()
    chain.extend(blocks, 2_000_000_000)
    taken = time.process_time() - begin
    assert chain.tip.height == len(blocks)
    return len(blocks), len(blocks) / taken


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(prog="benchmarks.stake")
    parser.add_argument("--blocks", type=int, default=6505)
    parser.add_argument("--profile", action="store_true", help="where the time goes while mainnet is connected")
    args = parser.parse_args()
    print(describe())
    found = coins()
    figures: dict[str, float] = {"kernel checks/s": best(lambda: checks(found), max)}
    figures[f"search of {COINS} coins x {SECONDS} s, CPU s"] = best(lambda: hunt(found), min)
    figures["blocks minted/s"] = best(minting, max)
    if (vectors_root() / "peercoin").is_dir():
        if args.profile:
            profile = cProfile.Profile()
            profile.runcall(connecting, args.blocks)
            pstats.Stats(profile).sort_stats("tottime").print_stats(25)
            return
        count, rate = connecting(args.blocks)
        figures[f"mainnet blocks 1-{count} connected/s"] = rate
    for name, figure in figures.items():
        print(f"{name}: {figure:,.3f}" if figure < 100 else f"{name}: {figure:,.0f}")
    print(json.dumps(figures))


def best(run: Callable[[], float], pick: Callable[..., float], rounds: int = 3) -> float:
    """The best of some rounds."""
    return pick(run() for _ in range(rounds))


if __name__ == "__main__":
    main()
