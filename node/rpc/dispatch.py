"""From a decoded request to an answer: JSON-RPC 1.0 and 2.0, batches, where a method runs. It knows no HTTP.

`cost` says where: light on the loop, heavy on a reader thread, write on the chain thread; asynchronous methods choose for themselves.
"""

from __future__ import annotations

import logging
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import orjson

from node.rpc.errors import (
    INTERNAL_ERROR,
    INVALID_REQUEST,
    METHOD_NOT_FOUND,
    MISC_ERROR,
    PARSE_ERROR,
    RpcError,
)
from node.rpc.params import DECIMALS
from node.rpc.registry import Method, Registry, injected
from primitives.env import Env
from primitives.errors import SystemFault
from storage.readers import lasting

log = logging.getLogger("chainyard.rpc")

Provider = Callable[["Call"], AbstractContextManager[Any]]
"""Opens what an injected parameter stands for, for the time of one call."""


@injected
@dataclass(frozen=True, slots=True)
class Call:
    """Who calls, and through which door."""

    user: str
    wallet: str | None
    """The name in /wallet/<name>, None on the root path."""
    peer: str = ""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one request may ask for."""

    batch_items: int = 1000
    batch_bytes: int = 25_000_000


def encode(value: Any) -> bytes:
    """JSON of an answer; a Decimal keeps its digits (amounts have eight)."""
    return orjson.dumps(value, default=_default)


def _default(value: Any) -> Any:
    if isinstance(value, Decimal):
        return orjson.Fragment(format(value, "f").encode())
    if isinstance(value, bytes):
        return value.hex()
    raise TypeError(f"{type(value).__name__} is not JSON")


class Forbidden(RpcError):
    """The user's whitelist does not hold the method."""


@injected
class Dispatcher:
    """Runs requests against a registry."""

    def __init__(
        self,
        registry: Registry,
        env: Env,
        providers: Mapping[Any, Provider],
        limits: Limits = Limits(),
        translate: Callable[[Method, Exception], RpcError | None] = lambda _method, _error: None,
        bad_params: int | None = None,
        allowed: Callable[[str, str], bool] = lambda _user, _method: True,
        decimals: int = 8,
    ) -> None:
        self.registry = registry
        self.env = env
        self.providers = providers
        self.limits = limits
        self.translate = translate
        self.bad_params = bad_params
        self.allowed = allowed
        self.decimals = decimals
        """Of a coin, in amounts of parameters and answers."""
        self.warmup: str | None = None
        """While the node starts: the reason, answered to every call as IN_WARMUP."""
        self.on_call: Callable[[Call, str, float, RpcError | None], None] = lambda *_: None
        self.as_job: Callable[[Callable[[], Any]], Callable[[], Any]] = lambda work: work
        """Makes a job of the chain thread of what a method does there (Node.as_job)."""
        self.active: dict[int, tuple[str, float]] = {}
        """Calls under way: the method, and since when (`Env.monotonic`)."""
        self._calls = 0

    async def run(self, method: Method, params: Any, call: Call) -> Any:
        """Call a method. Raises RpcError."""
        self._calls = number = self._calls + 1
        self.active[number] = (method.name, self.env.monotonic())
        decimals = DECIMALS.set(self.decimals)
        try:
            return await self._run(method, params, call)
        finally:
            DECIMALS.reset(decimals)
            del self.active[number]

    async def _run(self, method: Method, params: Any, call: Call) -> Any:
        try:
            arguments = self.registry.bind(method, params)
        except RpcError as e:
            if self.bad_params is not None:
                raise RpcError(self.bad_params, e.message) from None
            raise
        try:
            if method.is_async:
                with ExitStack() as stack:
                    return await method.run(**self._inject(method, call, stack), **arguments)

            def work() -> Any:
                with ExitStack() as stack:
                    return method.run(**self._inject(method, call, stack), **arguments)

            if method.cost == "light":
                return work()
            if method.cost == "write":
                return await self.env.on_chain(self.as_job(work))
            return await self.env.on_reader(lasting(work) if method.cost == "job" else work)
        except RpcError:
            raise
        except Exception as e:
            known = self.translate(method, e)
            if known is not None:
                raise known from e
            if isinstance(e, SystemFault):
                log.error("%s: %s", method.name, e)
                raise RpcError(INTERNAL_ERROR, str(e)) from e
            log.exception("the method %s failed", method.name)
            raise RpcError(INTERNAL_ERROR, "internal error (the log has the details)") from e

    def _inject(self, method: Method, call: Call, stack: ExitStack) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name, kind in method.injected:
            if kind is Call:
                found[name] = call
            elif kind is Dispatcher:
                found[name] = self
            else:
                found[name] = stack.enter_context(self.providers[kind](call))
        return found

    async def one(self, request: Any, call: Call) -> tuple[dict[str, Any] | None, int]:
        """Answer one request object; None for a notification. Also the HTTP status that Core would give."""
        version = request.get("jsonrpc", "1.0") if isinstance(request, dict) else "1.0"
        two = version == "2.0"
        ident = request.get("id") if isinstance(request, dict) else None
        started = time.perf_counter()
        name = ""
        try:
            if not isinstance(request, dict):
                raise RpcError(INVALID_REQUEST, "Invalid Request object")
            if version not in ("1.0", "1.1", "2.0"):
                wrong = (
                    "JSON-RPC version not supported" if isinstance(version, str) else "jsonrpc field must be a string"
                )
                raise RpcError(INVALID_REQUEST, wrong)
            if "method" not in request:
                raise RpcError(INVALID_REQUEST, "Missing method")
            if not isinstance(request["method"], str):
                raise RpcError(INVALID_REQUEST, "Method must be a string")
            name = request["method"]
            params = request.get("params", [])
            if params is not None and not isinstance(params, list | dict):
                raise RpcError(INVALID_REQUEST, "Params must be an array or object")
            if self.warmup is not None:
                raise RpcError(-28, self.warmup)
            method = self.registry.find(name)
            if not self.allowed(call.user, name):
                raise Forbidden(MISC_ERROR, f"{call.user} may not call {name}")
            result = await self.run(method, params, call)
            self.on_call(call, name, time.perf_counter() - started, None)
        except RpcError as e:
            self.on_call(call, str(name), time.perf_counter() - started, e)
            if two and "id" not in request:
                return None, 204
            error: dict[str, Any] = {"code": e.code, "message": e.message}
            if e.data is not None:
                error["data"] = e.data
            if two:
                return {"jsonrpc": "2.0", "error": error, "id": ident}, 200
            return {"result": None, "error": error, "id": ident}, _status(e)
        if two and "id" not in request:
            return None, 204
        if two:
            return {"jsonrpc": "2.0", "result": result, "id": ident}, 200
        return {"result": result, "error": None, "id": ident}, 200

    async def answer(self, body: bytes, call: Call) -> tuple[bytes, int]:
        """Answer a request body: the bytes to send (empty for notifications alone) and the HTTP status."""
        try:
            request = orjson.loads(body)
        except (orjson.JSONDecodeError, RecursionError):
            return encode({"result": None, "error": {"code": PARSE_ERROR, "message": "Parse error"}, "id": None}), 500
        if not isinstance(request, list):
            reply, status = await self.one(request, call)
            return (b"", status) if reply is None else (encode_reply(reply), status)
        if not request or len(request) > self.limits.batch_items:
            why = "empty batch" if not request else f"batch of {len(request)} calls, {self.limits.batch_items} allowed"
            return encode({"jsonrpc": "2.0", "error": {"code": INVALID_REQUEST, "message": why}, "id": None}), 200
        parts = [part async for part in self._batch(request, call)]
        return (b"[" + b",".join(parts) + b"]", 200) if parts else (b"", 204)

    async def _batch(self, requests: list[Any], call: Call) -> AsyncIterator[bytes]:
        size = 0
        for request in requests:
            if size > self.limits.batch_bytes:
                ident = request.get("id") if isinstance(request, dict) else None
                reply: dict[str, Any] | None = {
                    "jsonrpc": "2.0",
                    "error": {"code": -32003, "message": "response too large"},
                    "id": ident,
                }
            else:
                reply, _ = await self.one(request, call)
            if reply is not None:
                part = encode_reply(reply)
                size += len(part)
                yield part


def encode_reply(reply: dict[str, Any]) -> bytes:
    """JSON of a reply; what cannot be JSON is our own fault and answered as such."""
    try:
        return encode(reply)
    except TypeError:
        log.exception("a result that is not JSON")
        reply = {k: v for k, v in reply.items() if k != "result"}
        reply["error"] = {"code": INTERNAL_ERROR, "message": "internal error (the log has the details)"}
        return encode(reply)


def _status(error: RpcError) -> int:
    if isinstance(error, Forbidden):
        return 403
    return {INVALID_REQUEST: 400, METHOD_NOT_FOUND: 404}.get(error.code, 500)
