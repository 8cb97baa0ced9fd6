"""Rpc: JSON-RPC over HTTP, blocking. Any attribute is a method: `rpc.getblockcount()`. It knows no method."""

from __future__ import annotations

import base64
import http.client
import json
import threading
from decimal import Decimal
from typing import Any
from urllib.parse import quote, unquote, urlsplit


class NoConnection(ConnectionError):
    """No node answers there."""


class RpcError(Exception):
    """The node refused: its code, its message, and what it added."""

    def __init__(self, code: int, message: str, data: Any = None) -> None:
        super().__init__(f"{message} ({code})")
        self.code = code
        self.message = message
        self.data = data


class Rpc:
    """One RPC of a node. Safe for several threads, which take turns."""

    def __init__(self, url: str, user: str = "", password: str = "", timeout: float = 600.0, path: str = "/") -> None:
        """`url` may hold user and password: http://user:password@host:port. Raises ValueError."""
        parts = urlsplit(url)
        if parts.scheme != "http" or not parts.hostname or not parts.port:
            raise ValueError(f"an RPC url is http://host:port, not {url!r}")
        self.host, self.port = parts.hostname, parts.port
        self.url = f"http://{self.host}:{self.port}"
        self._login = (unquote(parts.username or user), unquote(parts.password or password))
        self._timeout = timeout
        self._path = path
        self._turn = threading.Lock()
        self._line: http.client.HTTPConnection | None = None
        self._number = 0

    @property
    def url_with_login(self) -> str:
        """The url as clients take it that want user and password in it."""
        user, password = (quote(text, safe="") for text in self._login)
        return f"http://{user}:{password}@{self.host}:{self.port}" if user else self.url

    def wallet(self, name: str) -> Rpc:
        """The same node, for one of its wallets."""
        return Rpc(self.url, *self._login, self._timeout, "/wallet/" + quote(name, safe=""))

    def call(self, method: str, *params: Any, **named: Any) -> Any:
        """The result of a method; numbers with a fraction are Decimal. Raises RpcError, NoConnection."""
        given: Any = {**named, "args": list(params)} if named and params else named or list(params)
        with self._turn:
            self._number += 1
            body = {"jsonrpc": "2.0", "id": self._number, "method": method, "params": given}
            reply = self._post(json.dumps(body, default=_plain).encode())
        if reply.get("error"):
            error = reply["error"]
            raise RpcError(error["code"], error["message"], error.get("data"))
        return reply["result"]

    def __call__(self, method: str, *params: Any, **named: Any) -> Any:
        """As `call`."""
        return self.call(method, *params, **named)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return lambda *params, **named: self.call(name, *params, **named)

    def __repr__(self) -> str:
        return f"<Rpc {self.url}{self._path}>"

    def close(self) -> None:
        """Close the connection; the next call opens another."""
        if self._line is not None:
            self._line.close()
            self._line = None

    def _post(self, body: bytes) -> Any:
        headers = {"Content-Type": "application/json"}
        if any(self._login):
            headers["Authorization"] = "Basic " + base64.b64encode(":".join(self._login).encode()).decode()
        for last in (False, True):
            fresh = self._line is None
            try:
                if self._line is None:
                    self._line = http.client.HTTPConnection(self.host, self.port, timeout=self._timeout)
                self._line.request("POST", self._path, body, headers)
                response = self._line.getresponse()
                answer = response.read()
            except (OSError, http.client.HTTPException) as e:
                self.close()
                if fresh or last:
                    raise NoConnection(f"no answer from {self.url} ({e or type(e).__name__})") from e
                continue
            try:
                found: Any = json.loads(answer, parse_float=Decimal)
            except ValueError:
                why = "user or password are wrong" if response.status == 401 else f"status {response.status}, not JSON"
                raise NoConnection(f"{self.url}: {why}") from None
            return found
        raise AssertionError("the loop returns or raises")


def _plain(value: Any) -> Any:
    """What JSON has no word for."""
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, bytes):
        return value.hex()
    raise TypeError(f"{type(value).__name__} is not JSON")
