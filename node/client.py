"""RpcClient: a small blocking JSON-RPC client over HTTP, and how to find a node that runs on this machine.

It imports little, since every command of the command line begins with it.
"""

from __future__ import annotations

import base64
import http.client
import json
import socket
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from node.rpc.errors import RpcError

RUN_FILE = "node.json"
COOKIE_FILE = ".cookie"
BATCH_ITEMS = 1_000
"""Calls that a node accepts in one request."""


class NoConnection(Exception):
    """No node answers there."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a node's Bitcoin-style RPC is, and how to sign in."""

    host: str
    port: int
    user: str = ""
    password: str = ""

    def __repr__(self) -> str:
        return f"Endpoint({self.host}:{self.port})"


def endpoint_of(chain_folder: Path) -> Endpoint:
    """The endpoint of the node that runs on this folder. Raises NoConnection."""
    try:
        run = json.loads((chain_folder / RUN_FILE).read_text())
        user, _, password = (chain_folder / COOKIE_FILE).read_text().partition(":")
    except (OSError, ValueError) as e:
        raise NoConnection(f"no node runs on {chain_folder}") from e
    return Endpoint(run["rpc_host"], run["bitcoin_rpc_port"], user, password)


def endpoint_from_url(url: str) -> Endpoint:
    """An endpoint written as http://user:password@host:port. Raises ValueError."""
    parts = urlsplit(url)
    if parts.scheme != "http" or not parts.hostname or not parts.port:
        raise ValueError("an RPC url is http://user:password@host:port")
    return Endpoint(parts.hostname, parts.port, unquote(parts.username or ""), unquote(parts.password or ""))


class RpcClient:
    """Calls methods over one kept connection; not for several threads at once."""

    def __init__(self, endpoint: Endpoint, wallet: str | None = None, timeout: float = 600.0) -> None:
        self.endpoint = endpoint
        self.timeout = timeout
        self.path = "/" if wallet is None else "/wallet/" + quote(wallet, safe="")
        self._connection: http.client.HTTPConnection | None = None
        token = base64.b64encode(f"{endpoint.user}:{endpoint.password}".encode()).decode()
        self._headers = {"Authorization": f"Basic {token}", "Content-Type": "application/json"}

    def wallet(self, name: str) -> RpcClient:
        """A client of the same node that speaks for one wallet."""
        return RpcClient(self.endpoint, name, self.timeout)

    def call(self, method: str, *params: Any, **named: Any) -> Any:
        """The result of a method; numbers with a fraction come as Decimal. Raises RpcError, NoConnection."""
        given: Any = {**named, "args": list(params)} if named and params else named or list(params)
        return self._result(self._post({"jsonrpc": "2.0", "id": 1, "method": method, "params": given}))

    def batch(self, calls: list[tuple[str, list[Any]]]) -> list[Any]:
        """Several calls in as few requests as a node accepts; an error takes the place of a result.

        Raises NoConnection, and RpcError where a whole request is refused.
        """
        results: list[Any] = []
        for start in range(0, len(calls), BATCH_ITEMS):
            part = enumerate(calls[start : start + BATCH_ITEMS])
            replies = self._post([{"jsonrpc": "2.0", "id": i, "method": m, "params": p} for i, (m, p) in part])
            if isinstance(replies, dict):
                self._result(replies)
            for r in sorted(replies, key=lambda r: int(r["id"])):
                results.append(RpcError(r["error"]["code"], r["error"]["message"]) if "error" in r else r["result"])
        return results

    @staticmethod
    def _result(reply: Any) -> Any:
        error = reply.get("error")
        if error:
            raise RpcError(error["code"], error["message"], error.get("data"))
        return reply["result"]

    def _post(self, body: Any) -> Any:
        data = json.dumps(body, default=_number).encode()
        for attempt in (1, 2):
            fresh = self._connection is None
            try:
                if self._connection is None:
                    self._connection = http.client.HTTPConnection(
                        self.endpoint.host, self.endpoint.port, timeout=self.timeout
                    )
                    self._connection.connect()
                    self._connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._connection.request("POST", self.path, data, self._headers)
                response = self._connection.getresponse()
                answer = response.read()
            except (OSError, http.client.HTTPException) as e:
                self.close()
                if fresh or attempt == 2:
                    raise NoConnection(f"no answer from {self.endpoint.host}:{self.endpoint.port} ({e})") from e
                continue
            if response.status == 401:
                raise NoConnection(f"{self.endpoint.host}:{self.endpoint.port} does not accept this user and password")
            if response.status == 503:
                raise NoConnection(
                    f"{self.endpoint.host}:{self.endpoint.port} is overloaded: {answer.decode(errors='replace').strip()}"
                )
            try:
                return json.loads(answer, parse_float=Decimal)
            except ValueError as e:
                raise NoConnection(
                    f"{self.endpoint.host}:{self.endpoint.port} answered {response.status}, not JSON"
                ) from e
        raise AssertionError("the loop returns or raises")

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def __enter__(self) -> RpcClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return lambda *params, **named: self.call(name, *params, **named)


def _number(value: Any) -> Any:
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, bytes):
        return value.hex()
    raise TypeError(f"{type(value).__name__} is not JSON")
