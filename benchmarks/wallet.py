"""The wallet of coins: balance and payment with 10,000 coins, a rescan of the published 2,000 blocks, and the command line.

`python -m benchmarks.wallet`. The coins lie on 500 addresses; a payment is chosen, signed, checked by the chain and written to the disk.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

from benchmarks.report import Row, run
from benchmarks.start import command
from benchmarks.sync import chain
from chains.catalogue import load
from node.env import RealEnv
from node.node import Node
from node.testnet import Testnet
from node.wallets import Wallets
from primitives.bitcoin import Transaction, TxInput, TxOutput, decode_block
from storage.durability import Durability
from storage.lmdb import LmdbStore
from tests.vectors.catalogue import vectors_root
from tests.wallet.world import ANYONE, Chain, World, make

COINS, ADDRESSES, PAYMENTS = 10_000, 500, 5
ROUNDS = 5


def timed(work: Callable[[], object]) -> tuple[float, float]:
    """Wall and processor seconds."""
    began, used = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - began, time.process_time() - used


def with_coins() -> Iterator[Row]:
    """Balance and payments of a wallet with many coins."""
    world, random = Chain(), Random(1)
    with tempfile.TemporaryDirectory() as root:
        env = World()
        env.disk = RealEnv().disk  # type: ignore[assignment]
        wallet = make(world, env, folder=str(Path(root) / "wallet"), gap=100)
        addresses = [wallet.new_address() for _ in range(ADDRESSES)]
        scripts = [wallet.state.script_of(address) for address in addresses]
        for part in range(0, COINS, 1000):
            world.mine()
            source = TxInput(world.blocks[-1].txs[0].id + bytes(4))
            outputs = tuple(
                TxOutput(random.randrange(10_000, 5_000_000), scripts[(part + n) % ADDRESSES]) for n in range(1000)
            )
            world.mine(txs=[Transaction(2, (source,), outputs)])
        world.mine(count=3)
        if len(wallet.coins()) != COINS:
            raise SystemExit(f"the wallet has {len(wallet.coins())} coins")
        wall, cpu = min(timed(wallet.balances) for _ in range(ROUNDS))
        yield Row(f"balance, {COINS:,} coins", 1000 * wall, "ms", most=10, beside=f"{1000 * cpu:.1f} ms of processor")
        wall, cpu = min(
            timed(lambda: wallet.pay(addresses[0], random.randrange(10_000_000, 50_000_000))) for _ in range(PAYMENTS)
        )
        yield Row(f"payment, {COINS:,} coins", 1000 * wall, "ms", most=200, beside=f"{1000 * cpu:.1f} ms of processor")
        world.mine(ANYONE)


def rescan() -> Iterator[Row]:
    """A wallet that looks through the published blocks, which lie in LMDB."""
    with tempfile.TemporaryDirectory() as root:
        store, env = LmdbStore(Path(root) / "store", Durability.BATCH), RealEnv()
        node = Node(load("regtest"), env, store)
        node.chain.extend((decode_block(raw) for raw in chain(vectors_root() / "bitcoin" / "sync")), 1 << 40)
        wallets = Wallets(node, Path(root) / "wallets", env)
        wallet = wallets.create("rescan")
        wall, cpu = timed(lambda: wallet.rescan(0))
        yield Row("rescan of 2,000 blocks", 2000 / wall, "blocks/s", beside=f"{2000 / cpu:,.0f} by processor time")
        wallets.close()
        env.close()
        store.close()


def terminal() -> Iterator[Row]:
    """`chainyard wallet balance` against a running node."""
    with tempfile.TemporaryDirectory() as root:
        net = Testnet.create(Path(root), "regtest", 1)
        net.start()
        member = net.members[0]
        client = net.client(member)
        client.call("createwallet", "w")
        client.call("generatetoaddress", 101, client.wallet("w").call("getnewaddress"))
        arguments = ("wallet", "balance", "--chain", "regtest", "--datadir", member.folder)
        wall, cpu = min(command(*arguments) for _ in range(ROUNDS))
        yield Row("chainyard wallet balance", wall, "s", most=0.5, beside=f"{cpu:.2f} s of processor")
        net.stop()


def rows() -> Iterator[Row]:
    """The wallet"""
    yield from with_coins()
    yield from rescan()
    yield from terminal()


if __name__ == "__main__":
    sys.exit(run(rows))
