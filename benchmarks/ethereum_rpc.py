"""The Ethereum-style RPC over HTTP: reads, calls, automined sends, 5,000 transfers until mined, empty blocks, snapshots; peers beside it.

    python -m benchmarks.ethereum_rpc [URL ...]

Without a URL it starts `chainyard dev`. Each URL is a local chain of another tool with the same accounts (Anvil, Hardhat), measured in the
same run. The client is one process with plain sockets; give it a core of its own.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from benchmarks.machine import describe
from node.dev_keys import dev_keys
from primitives.ethereum_tx import DYNAMIC_FEE, EthereumTransaction, sign

A = "0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266"
B = "0x70997970c51812dc3a010c7d01b50e0d17dc79c8"
TRANSFERS = 5_000
CONNECTIONS = 8
VIEW = "0x5f545f5260205ff3"
"""Returns slot 0."""


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


def transfers(url: str, client: Client) -> float:
    """Pre-signed transfers a second, until all are mined."""
    raw = []
    for address, key in dev_keys().items():
        first = int(client.call("eth_getTransactionCount", "0x" + address.hex(), "latest"), 16)
        for i in range(TRANSFERS // 10):
            tx = EthereumTransaction(DYNAMIC_FEE, 31_337, first + i, 10**9, 10**11, 21_000, bytes(19) + b"\x01", 1, b"")
            raw.append(request("eth_sendRawTransaction", "0x" + sign(tx, key).raw.hex()))
    rows = [raw[i * TRANSFERS // 10 : (i + 1) * TRANSFERS // 10] for i in range(10)]
    client.call("evm_setAutomine", False)
    start = time.perf_counter()
    with ThreadPoolExecutor(10) as pool:
        list(pool.map(lambda row: _post_all(Client(url), row), rows))
    while _left(client):
        client.call("evm_mine")
    took = time.perf_counter() - start
    client.call("evm_setAutomine", True)
    return TRANSFERS / took


def _post_all(client: Client, bodies: list[bytes]) -> None:
    for body in bodies:
        client.post(body)


def _left(client: Client) -> bool:
    return bool(client.call("eth_getBlockByNumber", "pending", False)["transactions"])


def measure(url: str) -> dict[str, float]:
    """All figures of one server."""
    client, found = Client(url), dict[str, float]()
    client.call("hardhat_setCode", "0x00000000000000000000000000000000000000cc", VIEW)
    view = request("eth_call", {"to": "0x00000000000000000000000000000000000000cc"}, "latest")
    found["eth_blockNumber/s"] = many(url, request("eth_blockNumber"), 8_000)
    found["eth_getBalance/s"] = many(url, request("eth_getBalance", A, "latest"), 4_000)
    found["eth_call/s"] = many(url, view, 2_000)
    send = request("eth_sendTransaction", {"from": A, "to": B, "value": "0x1", "gas": "0x5208"})
    found["automined sends/s"] = rate(lambda: client.post(send), 500)
    found["transfers until mined/s"] = transfers(url, client)
    start = time.perf_counter()
    client.call("hardhat_mine", hex(1_000))
    found["1,000 empty blocks, s"] = time.perf_counter() - start
    found["snapshot, ms"] = 1_000 / rate(lambda: client.call("evm_snapshot"), 200)
    mark = client.call("evm_snapshot")
    client.call("evm_setAutomine", False)
    for _ in range(10):
        client.post(send)
    client.call("evm_mine")
    client.call("evm_setAutomine", True)
    start = time.perf_counter()
    client.call("evm_revert", mark)
    found["revert of 10 transfers, ms"] = (time.perf_counter() - start) * 1_000
    return found


@contextmanager
def own() -> Iterator[str]:
    """A dev chain of ours; its URL."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "state.json"
        command = [sys.executable, "-m", "cli.main", "dev", "--chain", "dev", "--ethereum-rpc-port", "0", "--quiet"]
        began = time.perf_counter()
        process = subprocess.Popen([*command, "--config-out", str(out)], stderr=subprocess.DEVNULL)
        try:
            while not (out.exists() and out.read_text().endswith("}")):
                time.sleep(0.01)
            print(f"start: {time.perf_counter() - began:.2f} s")
            yield json.loads(out.read_text())["ethereum_rpc"]
            status = Path(f"/proc/{process.pid}/status").read_text()
            print("resident: " + next(x.split(":")[1].strip() for x in status.splitlines() if x.startswith("VmRSS")))
        finally:
            process.terminate()
            process.wait()


def main() -> None:
    """Print a table."""
    print(describe(), f"load {os.getloadavg()[0]:.1f}")
    columns: dict[str, dict[str, float]] = {}
    with own() as url:
        columns["chainyard"] = measure(url)
    for url in sys.argv[1:]:
        columns[url] = measure(url)
    names = list(columns)
    print(f"{'':28}" + "".join(n.rjust(24) for n in names))
    for row in columns["chainyard"]:
        print(f"{row:28}" + "".join(f"{columns[n][row]:24,.2f}" for n in names))


if __name__ == "__main__":
    main()
