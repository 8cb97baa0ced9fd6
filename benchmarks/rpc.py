"""RPC calls and mempool accepts of a running node, beside a bare aiohttp handler that answers JSON and does nothing else.

`python -m benchmarks.rpc`. bitcoind's figures were measured on a machine of the same kind on another day (docs/performance.md).
"""

from __future__ import annotations

import json
import lzma
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks import line
from benchmarks.machine import cpu_seconds, resident
from benchmarks.report import Row, against, run
from chains.catalogue import load
from ledger.api import Aid
from node.chain import Chain
from node.client import Endpoint, endpoint_of
from node.gate import Gate, Position
from node.mempool import Mempool
from node.signature_cache import BoundedCache
from node.testnet import Testnet, free_ports, wait_for
from primitives.bitcoin import decode_block, decode_transaction
from storage.memory import MemoryStore
from tests.vectors.catalogue import vectors_root

CALLS = 4000
NOW = 1 << 40


def pool() -> dict[str, Any]:
    """The published blocks and the 5,000 transactions on them."""
    with lzma.open(vectors_root() / "bitcoin" / "sync" / "tx5000.json.xz") as file:
        data: dict[str, Any] = json.load(file)
    return data


def accepts(data: dict[str, Any]) -> tuple[float, float]:
    """Transactions taken into the pool a second, in process and on one thread: by the wall, by the processor."""
    spec = load("regtest")
    chain = Chain(spec, MemoryStore(), Aid(check_scripts=False))
    chain.extend((decode_block(bytes.fromhex(b)) for b in data["blocks"]), NOW)
    gate = Gate(spec.ledger, Mempool(spec.ledger.policy), Aid(BoundedCache()), bytes(16))
    raws = [bytes.fromhex(tx) for tx in data["txs"]]
    began, used = time.perf_counter(), time.process_time()
    for raw in raws:
        with chain.view() as view:
            gate.submit(decode_transaction(raw), Position(view.branch, view.state, NOW))
    wall, cpu = time.perf_counter() - began, time.process_time() - used
    if len(gate.pool) != len(raws):
        raise SystemExit(f"{len(gate.pool)} of {len(raws)} transactions in the pool")
    return len(raws) / wall, len(raws) / cpu


def bare(port: int) -> None:
    """Serve the least that aiohttp can: read a JSON body, answer with a JSON body."""
    import orjson
    from aiohttp import web

    async def answer(request: web.Request) -> web.Response:
        body = orjson.loads(await request.read())
        reply = orjson.dumps({"jsonrpc": "2.0", "result": 0, "id": body["id"]})
        return web.Response(body=reply, content_type="application/json")

    app = web.Application()
    app.router.add_post("/", answer)
    web.run_app(app, host="127.0.0.1", port=port, print=None, access_log=None)


def beside(requests: int, lines: int) -> float:
    """Calls a second of the bare handler."""
    endpoint = Endpoint("127.0.0.1", free_ports(1)[0])
    process = subprocess.Popen([sys.executable, "-m", "benchmarks.rpc", "--bare", str(endpoint.port)])
    try:
        one = line.call(endpoint, "x")

        def answers() -> bool:
            try:
                return bool(line.Line(endpoint).ask(one))
            except OSError:
                return False

        if not wait_for(answers, 20):
            raise SystemExit("the bare handler does not answer")
        return requests / line.seconds(endpoint, [one] * requests, lines)
    finally:
        process.terminate()
        process.wait()


def rows() -> Iterator[Row]:
    """RPC calls, and the published 5,000 transactions into the mempool"""
    data = pool()
    wall, cpu = accepts(data)
    yield Row("mempool accepts, in process, one thread", wall, "tx/s", beside=f"{cpu:,.0f} by processor time")
    with tempfile.TemporaryDirectory() as root:
        net = Testnet.create(Path(root), "regtest", 1)
        net.start()
        member = net.members[0]
        yield Row("resident when it has started", resident(member.pid), "MiB", beside="bitcoind, recorded 52")
        endpoint = endpoint_of(Path(member.folder) / "regtest")
        line.seconds(endpoint, [line.call(endpoint, "submitblock", block) for block in data["blocks"]])
        requests = [line.call(endpoint, "sendrawtransaction", tx) for tx in data["txs"]]
        used = cpu_seconds(member.pid)
        rate = len(requests) / line.seconds(endpoint, requests)
        used = (cpu_seconds(member.pid) - used) / len(requests)
        if net.client(member).call("getmempoolinfo")["size"] != len(requests):
            raise SystemExit("not all transactions are in the pool")
        text = f"{1000 * used:.2f} ms of processor each; " + against(rate, {"bitcoind, recorded": 1320.0})
        yield Row("sendrawtransaction, 5,000 in single calls", rate, "tx/s", least=1000, beside=text)
        yield Row("resident with them in the pool", resident(member.pid), "MiB")
        for method in ("getblockcount", "getblockchaininfo"):
            for lines, recorded in ((1, 7400.0), (8, 14300.0)):
                one = line.call(endpoint, method)
                used = cpu_seconds(member.pid)
                rate = CALLS / line.seconds(endpoint, [one] * CALLS, lines)
                used = (cpu_seconds(member.pid) - used) / CALLS
                peers = {"bare aiohttp": beside(CALLS, lines)}
                if method == "getblockcount":
                    peers["bitcoind, recorded"] = recorded
                text = f"{1000 * used:.2f} ms of processor each; {against(rate, peers)}"
                yield Row(f"{method}, {lines} connection{'s' if lines > 1 else ''}", rate, "calls/s", beside=text)
        batch = line.request(
            endpoint, [{"jsonrpc": "2.0", "id": n, "method": "getblockcount", "params": []} for n in range(1000)]
        )
        rate = 10_000 / line.seconds(endpoint, [batch] * 10)
        yield Row(
            "getblockcount, batches of 1,000", rate, "calls/s", beside=against(rate, {"bitcoind, recorded": 152_000.0})
        )
        net.stop()


if __name__ == "__main__":
    if sys.argv[1:2] == ["--bare"]:
        bare(int(sys.argv[2]))
    else:
        sys.exit(run(rows))
