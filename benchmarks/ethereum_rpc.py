"""The Ethereum-style RPC over HTTP: reads, calls, automined sends, 5,000 transfers until mined, empty blocks, snapshots; peers beside it.

    python -m benchmarks.ethereum_rpc [NAME ...]

It starts `chainyard dev` and, in the same run and on the same core, those of anvil, hardhat, ganache and eth-tester (in process) that
are installed, or only those that are named. The client has plain sockets and the other core. Exit code 1 where a figure is missed.
"""

from __future__ import annotations

import json
import socket
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from benchmarks import ethereum_peers as peers
from benchmarks.ethereum_peers import Server, Words
from benchmarks.machine import cpu_seconds, resident
from benchmarks.report import Row, number, run
from node.dev_keys import dev_keys
from primitives.ethereum_tx import DYNAMIC_FEE, EthereumTransaction, sign

A = "0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266"
B = "0x70997970c51812dc3a010c7d01b50e0d17dc79c8"
VIEWED = "0x00000000000000000000000000000000000000cc"
TRANSFERS = 5_000
CONNECTIONS = 8
VIEW = "0x5f545f5260205ff3"
"""Returns slot 0."""
AT_LEAST = {
    "eth_blockNumber/s": 1.0,
    "eth_call/s": 0.5,
    "automined sends/s": 1.0,
    "transfers until mined/s": 1.0,
}
"""Of Hardhat's."""
AT_MOST = {"1,000 empty blocks, s": 0.5, "snapshot, ms": 0.2, "revert of 10 transfers, ms": 2.0, "start, s": 1.5}


class Client:
    """One kept connection."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self.host = f"{parts.hostname}:{parts.port}"
        self._socket = socket.create_connection((parts.hostname, parts.port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._rest = b""

    def post(self, body: bytes) -> bytes:
        """The body of the answer."""
        head = f"POST / HTTP/1.1\r\nHost: {self.host}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        self._socket.sendall(head.encode() + body)
        data = self._rest
        while b"\r\n\r\n" not in data:
            data += self._socket.recv(1 << 16)
        head_bytes, _, data = data.partition(b"\r\n\r\n")
        lower = head_bytes.lower()
        if b"content-length:" in lower:
            size = int(lower.split(b"content-length:")[1].split(b"\r\n")[0])
            while len(data) < size:
                data += self._socket.recv(1 << 16)
            self._rest = data[size:]
            return data[:size]
        while not data.endswith(b"0\r\n\r\n"):
            data += self._socket.recv(1 << 16)
        return data.split(b"\r\n", 1)[1].rsplit(b"\r\n0", 1)[0]

    def call(self, method: str, *params: Any) -> Any:
        """The result of a method. Raises RuntimeError."""
        answer = json.loads(self.post(request(method, *params)))
        if "error" in answer:
            raise RuntimeError(f"{method}: {answer['error']}")
        return answer["result"]


def request(method: str, *params: Any) -> bytes:
    """The bytes of a call."""
    return json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()


def rate(work: Callable[[], object], count: int) -> float:
    """Times a second."""
    start = time.perf_counter()
    for _ in range(count):
        work()
    return count / (time.perf_counter() - start)


def many(url: str, body: bytes, count: int) -> float:
    """Requests a second over several connections."""
    clients = [Client(url) for _ in range(CONNECTIONS)]
    start = time.perf_counter()
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        list(pool.map(lambda c: [c.post(body) for _ in range(count // CONNECTIONS)], clients))
    return count / (time.perf_counter() - start)


def transfers(server: Server, client: Client) -> float:
    """Pre-signed transfers a second, until all are mined."""
    raw, last = [], {}
    for address, key in dev_keys().items():
        name = "0x" + address.hex()
        first = int(client.call("eth_getTransactionCount", name, "latest"), 16)
        last[name] = first + TRANSFERS // 10
        for i in range(TRANSFERS // 10):
            tx = EthereumTransaction(DYNAMIC_FEE, 31_337, first + i, 10**9, 10**11, 21_000, bytes(19) + b"\x01", 1, b"")
            raw.append(request("eth_sendRawTransaction", "0x" + sign(tx, key).raw.hex()))
    rows = [raw[i * TRANSFERS // 10 : (i + 1) * TRANSFERS // 10] for i in range(10)]
    say(client, server.words.stop_automine)
    start = time.perf_counter()
    with ThreadPoolExecutor(10) as pool:
        list(pool.map(lambda row: _post_all(Client(server.url), row), rows))
    while any(int(client.call("eth_getTransactionCount", name, "latest"), 16) < n for name, n in last.items()):
        client.call("evm_mine")
    took = time.perf_counter() - start
    say(client, server.words.start_automine)
    return TRANSFERS / took


def _post_all(client: Client, bodies: list[bytes]) -> None:
    for body in bodies:
        client.post(body)


def say(client: Client, call: tuple[str, list[object]]) -> Any:
    """A call in the tool's own words."""
    return client.call(call[0], *call[1])


def timed(work: Callable[[], object]) -> float:
    """Seconds."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def reverted(client: Client, words: Words, send: bytes) -> float:
    """Milliseconds for going back by a block of ten transfers."""
    mark = client.call("evm_snapshot")
    say(client, words.stop_automine)
    for _ in range(10):
        client.post(send)
    client.call("evm_mine")
    say(client, words.start_automine)
    return 1_000 * timed(lambda: client.call("evm_revert", mark))


def reverted_100(client: Client) -> float:
    """Milliseconds for going back by a hundred empty blocks."""
    mark = client.call("evm_snapshot")
    for _ in range(100):
        client.call("evm_mine")
    return 1_000 * timed(lambda: client.call("evm_revert", mark))


def measure(server: Server) -> dict[str, tuple[float, float]]:
    """All figures of one server by name, each with the processor seconds that it cost the server."""
    client, found, words = Client(server.url), dict[str, tuple[float, float]](), server.words
    found["start, s"] = server.start, cpu_seconds(server.pid)
    found["resident, MiB"] = resident(server.pid), 0.0
    client.call(words.set_code, VIEWED, VIEW)
    view = request("eth_call", {"to": VIEWED}, "latest")
    send = request("eth_sendTransaction", {"from": A, "to": B, "value": "0x1", "gas": "0x5208"})
    parts: dict[str, Callable[[], float]] = {
        "eth_blockNumber/s": partial(many, server.url, request("eth_blockNumber"), 8_000),
        "eth_getBalance/s": partial(many, server.url, request("eth_getBalance", A, "latest"), 4_000),
        "eth_call/s": partial(many, server.url, view, 2_000),
        "automined sends/s": lambda: rate(lambda: client.post(send), 500),
        "transfers until mined/s": lambda: transfers(server, client),
        "1,000 empty blocks, s": lambda: timed(lambda: say(client, words.mine_1000)),
        "snapshot, ms": lambda: 1_000 / rate(lambda: client.call("evm_snapshot"), 200),
        "revert of 10 transfers, ms": lambda: reverted(client, words, send),
        "revert of 100 blocks, ms": lambda: reverted_100(client),
    }
    for name, work in parts.items():
        before = cpu_seconds(server.pid)
        try:
            figure = work()
        except (RuntimeError, OSError) as e:
            print(f"{server.name}, {name}: {e}", flush=True)
            client = Client(server.url)
            continue
        found[name] = figure, cpu_seconds(server.pid) - before
    found["resident after, MiB"] = resident(server.pid), 0.0
    return found


def rows() -> Iterator[Row]:
    """The Ethereum-style RPC over HTTP, the server on one core"""
    names = sys.argv[1:]
    peers.keep_to_the_other_core()
    with peers.chainyard() as server:
        ours = measure(server)
    beside: dict[str, dict[str, tuple[float, float]]] = {}
    for name, start in peers.SERVERS.items():
        if names and name not in names:
            continue
        try:
            with start() as server:
                beside[name] = measure(server)
        except (FileNotFoundError, RuntimeError) as e:
            print(f"{name} is not here: {e}", flush=True)
    if not names or "eth-tester" in names:
        try:
            beside["eth-tester"] = {k: (v, 0.0) for k, v in peers.eth_tester().items()}
        except (FileNotFoundError, RuntimeError) as e:
            print(f"eth-tester is not here: {e}", flush=True)
    for name, (figure, spent) in ours.items():
        theirs = ", ".join(f"{peer} {number(found[name][0])}" for peer, found in beside.items() if name in found)
        hardhat = beside.get("hardhat", {}).get(name)
        least = AT_LEAST[name] * hardhat[0] if name in AT_LEAST and hardhat else None
        title, _, unit = name.rpartition(", ") if ", " in name else name.rpartition("/")
        used = f"{spent:.2f} s of processor; " if spent else ""
        yield Row(title, figure, unit if ", " in name else "/" + unit, least, AT_MOST.get(name), used + theirs)


if __name__ == "__main__":
    sys.exit(run(rows))
