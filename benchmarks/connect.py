"""Full connect of real blocks into LMDB: checked, every input verified, coins, undo and body written and committed to the disk.

`python -m benchmarks.connect`. Their coins are put into the store first. One thread; the peer is libbitcoinkernel, which takes in the
published regtest chain block by block beside our own chain (a real block cannot be given to it without its ancestors).
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.report import Row, against, run
from benchmarks.script import BLOCKS
from benchmarks.sync import chain
from chains.catalogue import load
from ledger.api import Aid
from ledger.utxo.coins import Coin, CoinView
from node.chain import Chain
from node.undo import encode_changes
from primitives.bitcoin import decode_block, outpoint
from storage.durability import Durability
from storage.kv import Journal
from storage.layout import BODY, UNDO
from storage.lmdb import LmdbStore
from tests.vectors.bitcoin_chain import Around
from tests.vectors.catalogue import vectors_root

ROUNDS = 3


def coins(folder: Path) -> list[tuple[bytes, Coin]]:
    """The coins that a block spends and that were there before it."""
    found = []
    for told in json.loads((folder / "prevouts.json").read_text()):
        if not told.get("same_block"):
            coin = Coin(
                told["value_sat"], bytes.fromhex(told["script_hex"]), told.get("height", 0), told.get("coinbase", False)
            )
            found.append((outpoint(bytes.fromhex(told["txid"])[::-1], told["vout"]), coin))
    return found


def connect(folder: Path) -> tuple[float, float, int, int]:
    """Wall and processor seconds of the best round, and the block's inputs and transactions."""
    raw = bytes.fromhex((folder / "block.hex").read_text())
    meta = json.loads((folder / "meta.json").read_text())
    ledger: Any = load("mainnet" if meta["network"] == "mainnet" else "testnet3").ledger
    before = coins(folder)
    medians = {
        t["height"]: t["mtp"]
        for t in json.loads((folder / "prevouts.json").read_text())
        if "mtp" in t and "height" in t
    }
    best = (float("inf"), float("inf"))
    for _ in range(ROUNDS):
        with tempfile.TemporaryDirectory() as root:
            store = LmdbStore(Path(root) / "store", Durability.FULL)
            with store.update() as kv:
                view = CoinView(kv)
                for point, coin in before:
                    view.add(point, coin)
            began, used = time.perf_counter(), time.process_time()
            block = decode_block(raw)
            branch = Around(block, meta["height"], medians, meta.get("prev_11_timestamps", ()))
            ledger.check_header(block.header, branch)
            ledger.check_block(block, branch)
            with store.update() as kv:
                journal = Journal(kv)
                applied = ledger.connect(block, branch, journal, Aid())
                undo = journal.commit().undo
                kv.put(UNDO + block.header.hash, encode_changes(block.header.hash, undo))
                kv.put(BODY + block.header.hash, raw)
            best = min(best, (time.perf_counter() - began, time.process_time() - used))
            store.close()
        if (applied.fees, len(applied.spent)) != (meta["fees_sat"], meta["inputs"]):
            raise SystemExit(f"{folder.name}: fees or inputs are not those that are published")
    return *best, meta["inputs"], meta["txs"]


def ours(blocks: list[bytes]) -> tuple[float, float]:
    """Blocks a second, by the wall and by the processor: the published chain, one commit a block, one thread."""
    with tempfile.TemporaryDirectory() as root:
        store = LmdbStore(Path(root) / "store", Durability.BATCH)
        node = Chain(load("regtest"), store)
        began, used = time.perf_counter(), time.process_time()
        for raw in blocks:
            node.accept(decode_block(raw), 1 << 40)
        wall, cpu = time.perf_counter() - began, time.process_time() - used
        if node.tip.height != len(blocks):
            raise SystemExit(f"the chain ended at {node.tip.height}")
        store.close()
    return len(blocks) / wall, len(blocks) / cpu


def kernel(blocks: list[bytes]) -> tuple[float, float]:
    """The same by libbitcoinkernel."""
    import pbk

    with tempfile.TemporaryDirectory() as root:
        manager = pbk.load_chainman(root, pbk.ChainType.REGTEST)
        began, used = time.perf_counter(), time.process_time()
        for raw in blocks:
            manager.process_block(pbk.Block(raw))
        wall, cpu = time.perf_counter() - began, time.process_time() - used
        if manager.get_active_chain().height != len(blocks):
            raise SystemExit(f"libbitcoinkernel ended at {manager.get_active_chain().height}")
    return len(blocks) / wall, len(blocks) / cpu


def rows() -> Iterator[Row]:
    """Full connect into LMDB, signatures and commit included, one thread"""
    root = vectors_root() / "bitcoin"
    for name in BLOCKS:
        wall, cpu, inputs, txs = connect(root / "blocks" / name)
        beside = f"{1000 * wall:.0f} ms, {1000 * cpu:.0f} ms of processor; {txs / wall:,.0f} transactions/s"
        yield Row(f"{name}, {txs} transactions", inputs / wall, "inputs/s", beside=beside)
    blocks = chain(root / "sync")
    mine, theirs = ours(blocks), kernel(blocks)
    yield Row(
        "bitcoin/sync block by block, in process",
        mine[0],
        "blocks/s",
        beside=against(mine[0], {"libbitcoinkernel": theirs[0]}),
    )
    yield Row(
        "the same by processor time", mine[1], "blocks/s", beside=against(mine[1], {"libbitcoinkernel": theirs[1]})
    )


if __name__ == "__main__":
    sys.exit(run(rows))
