"""The published 2,000-block chain between real processes: by submitblock and by peers, ending on the published UTXO hash.

`python -m benchmarks.sync`. Nodes run with their default settings. bitcoind's figures for the same data were measured on a machine of
the same kind on another day (docs/performance.md).
"""

from __future__ import annotations

import lzma
import struct
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks import line
from benchmarks.machine import cpu_seconds, resident
from benchmarks.report import Row, against, run
from node.client import RpcClient, endpoint_of
from node.testnet import Testnet, wait_for
from tests.vectors.catalogue import vectors_root

UTXO_HASH = "1e3d8f39117b92106d79616d2a284a131071f8a3f9997d24e25347a33afb30b6"
BITCOIND_SYNC, BITCOIND_SUBMIT = 925.0, 649.0
LIMIT = 600.0


def chain(folder: Path) -> list[bytes]:
    """The blocks of the bootstrap file."""
    with lzma.open(folder / "sync-chain-2000.dat.xz") as file:
        raw = file.read()
    at, blocks = 0, []
    while at < len(raw):
        (size,) = struct.unpack_from("<I", raw, at + 4)
        blocks.append(raw[at + 8 : at + 8 + size])
        at += 8 + size
    return blocks


def check(client: RpcClient) -> None:
    """The chain's end is the published one."""
    info = client.call("gettxoutsetinfo", "hash_serialized_3")
    if (info["height"], info["txouts"], info["hash_serialized_3"]) != (2000, 30990, UTXO_HASH):
        raise SystemExit(f"another UTXO set than the published one: {info}")


def rows() -> Iterator[Row]:
    """The published 2,000 blocks and 20,000 transactions between processes"""
    blocks = chain(vectors_root() / "bitcoin" / "sync")
    with tempfile.TemporaryDirectory() as root:
        net = Testnet.create(Path(root) / "first", "regtest", 1)
        net.start()
        first = net.members[0]
        endpoint = endpoint_of(Path(first.folder) / "regtest")
        requests = [line.call(endpoint, "submitblock", raw.hex()) for raw in blocks]
        used = cpu_seconds(first.pid)
        seconds = line.seconds(endpoint, requests)
        used = cpu_seconds(first.pid) - used
        check(net.client(first))
        yield _row("submitblock, a call a block", 2000 / seconds, used, BITCOIND_SUBMIT, "blocks/s", 200)
        yield _row("the same, transactions", 20000 / seconds, used, 10 * BITCOIND_SUBMIT, "tx/s", 2000)
        yield Row("resident after it", resident(first.pid), "MiB")
        yield from _by_peers(Path(root) / "second", net, first.port)
        net.stop()


def _by_peers(root: Path, net: Testnet, port: int) -> Iterator[Row]:
    other = Testnet.create(root, "regtest", 1)
    other.start()
    member = other.members[0]
    peer = other.client(member)
    used, source = cpu_seconds(member.pid), cpu_seconds(net.members[0].pid)
    began = time.perf_counter()
    peer.call("addnode", f"127.0.0.1:{port}", "onetry")
    if not wait_for(lambda: peer.call("getblockcount") == 2000, LIMIT, 0.05):
        raise SystemExit(f"sync ended at {peer.call('getblockcount')}")
    seconds = time.perf_counter() - began
    used, source = cpu_seconds(member.pid) - used, cpu_seconds(net.members[0].pid) - source
    check(peer)
    yield _row("sync from another process", 2000 / seconds, used, BITCOIND_SYNC, "blocks/s", 200)
    yield _row("the same, transactions", 20000 / seconds, used, 9200.0, "tx/s", 2000)
    yield Row("what the serving side used", source, "s")
    yield Row("resident after it", resident(member.pid), "MiB")
    other.stop()


def _row(name: str, rate: float, used: float, peer: float, unit: str, least: float) -> Row:
    beside = f"{used:.1f} s of processor; " + against(rate, {"bitcoind, recorded": peer})
    return Row(name, rate, unit, least=least, beside=beside)


if __name__ == "__main__":
    sys.exit(run(rows))
