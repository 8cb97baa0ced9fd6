"""A flood of stake headers over sockets: nothing is stored, memory stays flat, and an honest peer's chain comes in as it would without."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from chains.peercoin import SPECS
from node.chain import Chain
from node.data_directory import STORE
from node.testnet import Testnet, wait_for
from primitives.peercoin import decode_block
from storage.layout import ENTRY
from storage.lmdb import LmdbStore
from tests.needs import missing
from tests.vectors.catalogue import vectors_root
from tests.vectors.peercoin import mainnet_bytes

ROOT = Path(__file__).resolve().parents[2]
HEADERS = 1_000_000 if os.environ.get("CHAINYARD_ALL") else 100_000
CONNECTIONS = 10
NOBODY = ("--connect", "127.0.0.1:9")


def recorded(chain: str) -> list[Any]:
    if not (vectors_root() / "peercoin").is_dir():
        missing(f"published data at {vectors_root()}")
    if chain == "peercoin-mainnet":
        raws: Sequence[bytes] = mainnet_bytes(vectors_root() / "peercoin")
    else:
        lines = (vectors_root() / "peercoin" / "regtest-history-chain.jsonl").read_text().splitlines()
        raws = [bytes.fromhex(json.loads(line)["hex"]) for line in lines]
    genesis = SPECS[chain].genesis.header.hash
    return [block for block in map(decode_block, raws) if block.header.hash != genesis]


@contextmanager
def running(root: Path, chain: str) -> Iterator[Testnet]:
    """One node that dials nobody."""
    net = Testnet.create(root, chain, 1) if not root.exists() else Testnet.open(root)
    net.start(NOBODY)
    try:
        yield net
    finally:
        net.stop()


def store_of(net: Testnet) -> Path:
    return Path(net.members[0].folder) / net.chain / STORE


def resident(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096


def synced(net: Testnet, honest: Testnet, height: int) -> float:
    """Seconds until the node has an honest peer's chain."""
    client = net.client(net.members[0])
    begin = time.monotonic()
    client.call("addnode", f"127.0.0.1:{honest.members[0].port}", "onetry")
    assert wait_for(lambda: client.call("getblockcount") == height, 600, 0.05), client.call("getblockcount")
    return time.monotonic() - begin


@pytest.mark.slow
@pytest.mark.timeout(3_600)
@pytest.mark.parametrize("chain", ["peercoin-mainnet", "peercoin-regtest"])
def test_a_flood_of_stake_headers_does_not_hold_up_an_honest_peer(tmp_path: Path, chain: str) -> None:
    blocks = recorded(chain)
    honest = Testnet.create(tmp_path / "honest", chain, 1)
    folder = store_of(honest)
    folder.mkdir(parents=True)
    store = LmdbStore(folder)
    assert Chain(SPECS[chain], store).extend(blocks, 2_000_000_000) == len(blocks)
    store.close()
    with running(tmp_path / "honest", chain) as honest:
        with running(tmp_path / "alone", chain) as net:
            undisturbed = synced(net, honest, len(blocks))
        with running(tmp_path / "flooded", chain) as net:
            member = net.members[0]
            words = [str(member.port), chain, str(HEADERS), str(CONNECTIONS)]
            flooder = subprocess.Popen(
                [sys.executable, "-m", "tests.node.stake_flooder", *words],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                cwd=ROOT,
                text=True,
            )
            try:
                assert flooder.stdin is not None and flooder.stdout is not None
                began = time.monotonic()
                for _ in range(CONNECTIONS // 2):
                    flooder.stdout.readline()  # all share of most connections is used up
                disturbed = synced(net, honest, len(blocks))
                assert flooder.poll() is None, "the flood outlasts the sync"
                middle = resident(member.pid)
                flooder.stdin.close()
                word, total = flooder.stdout.read().splitlines()[-1].split()
                assert word == "done" and int(total) >= HEADERS and flooder.wait(60) == 0
                lasted = time.monotonic() - began
                assert net.client(member).call("getblockcount") == len(blocks), "it lives, on the honest tip"
                grown = resident(member.pid) - middle
            finally:
                flooder.kill()
                flooder.wait()
        store = LmdbStore(store_of(net))
        with store.view() as kv:
            entries = sum(1 for _ in kv.scan(ENTRY))
        store.close()
    print(
        f"{chain}: {len(blocks)} blocks in {undisturbed:.1f} s, {disturbed:.1f} s under {int(total):,} headers in"
        f" {lasted:.1f} s; RSS {grown / 2**20:+.1f} MiB in the rest of the flood; {entries} entries"
    )
    assert entries == len(blocks) + 1
    assert grown < 64 << 20
    assert disturbed < 2 * max(undisturbed, 1.5), "of less than that, connecting is the larger part"
