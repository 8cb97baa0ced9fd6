"""A lean HTTP client of a JSON-RPC server, so that a benchmark measures the server: requests are made beforehand, answers hardly read."""

from __future__ import annotations

import base64
import json
import socket
import threading
import time
from collections.abc import Sequence
from typing import Any

from node.client import Endpoint


def request(endpoint: Endpoint, body: Any) -> bytes:
    """An HTTP request with this body."""
    data = json.dumps(body).encode()
    token = base64.b64encode(f"{endpoint.user}:{endpoint.password}".encode()).decode()
    head = (
        f"POST / HTTP/1.1\r\nHost: {endpoint.host}:{endpoint.port}\r\nAuthorization: Basic {token}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(data)}\r\n\r\n"
    )
    return head.encode() + data


def call(endpoint: Endpoint, method: str, *params: Any) -> bytes:
    """The HTTP request of one call."""
    return request(endpoint, {"jsonrpc": "2.0", "id": 1, "method": method, "params": params})


class Line:
    """One kept connection."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._socket = socket.create_connection((endpoint.host, endpoint.port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._held = b""

    def ask(self, data: bytes) -> bytes:
        """Send a request and wait for the body of its answer."""
        self._socket.sendall(data)
        held = self._held
        while (end := held.find(b"\r\n\r\n")) < 0:
            held += self._more()
        head = held[:end].lower()
        at = head.index(b"content-length:") + 15
        size = int(head[at:].split(b"\r\n", 1)[0])
        parts, have = [held[end + 4 :]], len(held) - end - 4
        while have < size:
            parts.append(self._more())
            have += len(parts[-1])
        body = b"".join(parts)
        self._held = body[size:]
        return body[:size]

    def _more(self) -> bytes:
        data = self._socket.recv(1 << 18)
        if not data:
            raise SystemExit("the server closed the connection")
        return data

    def close(self) -> None:
        """Close the connection."""
        self._socket.close()


def seconds(endpoint: Endpoint, requests: Sequence[bytes], lines: int = 1) -> float:
    """How long it takes to have all of them answered, dealt over so many connections. Ends the run at an answer that is an error."""
    shares = [requests[n::lines] for n in range(lines)]

    def work(share: Sequence[bytes]) -> None:
        line = Line(endpoint)
        for data in share:
            answer = line.ask(data)
            if b'"error":{' in answer:
                failed.append(answer)
                break
        line.close()

    failed: list[bytes] = []
    threads = [threading.Thread(target=work, args=(share,)) for share in shares]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failed:
        raise SystemExit(f"an answer of the server: {failed[0][:300].decode()}")
    return time.perf_counter() - began
