"""JSON-RPC 2.0 as Ethereum's clients speak it: geth's words for what is wrong, always HTTP 200, no 1.0. It knows no HTTP and no method."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from typing import Any

import orjson

from node.rpc.dispatch import Call, Dispatcher, Provider, encode_reply
from node.rpc.errors import INVALID_PARAMS, INVALID_REQUEST, METHOD_NOT_FOUND, PARSE_ERROR, RpcError
from node.rpc.ethereum_allowance import SECONDS, Allowance, Allowances
from node.rpc.ethereum_json import checksummed
from node.rpc.params import coerce
from node.rpc.registry import Method, Registry
from primitives.env import Env
from primitives.errors import ChainError, DecodeError, Missing, RuleError, SystemFault
from vm.evm.api import Cancelled

_ADDRESS = re.compile(r"0x[0-9a-f]{40}(?![0-9a-f])")
_MISSING = object()


class EthereumRegistry(Registry):
    """The table with geth's errors. Parameters come by place; by name too, for the sake of OpenRPC's tools."""

    def find(self, name: str) -> Method:
        """The method of this name. Raises RpcError(METHOD_NOT_FOUND)."""
        method = self.methods.get(name)
        if method is None:
            raise RpcError(METHOD_NOT_FOUND, f"the method {name[:80]} does not exist/is not available")
        return method

    def bind(self, method: Method, params: Any) -> dict[str, Any]:
        """The client's parameters as Python values. Raises RpcError(INVALID_PARAMS) that names the argument."""
        given: Mapping[str, Any] | None = params if isinstance(params, Mapping) else None
        positional = [] if given is not None else params or []
        if len(positional) > len(method.params):
            raise RpcError(INVALID_PARAMS, f"too many arguments, want at most {len(method.params)}")
        if given is not None:
            for name in given:
                if all(name != p.name for p in method.params):
                    raise RpcError(INVALID_PARAMS, f"unknown argument {str(name)[:80]}")
        values: dict[str, Any] = {}
        for i, param in enumerate(method.params):
            if given is not None:
                value = given.get(param.name, _MISSING)
            else:
                value = positional[i] if i < len(positional) else _MISSING
            if value is _MISSING or (value is None and not param.required):
                if param.required:
                    raise RpcError(INVALID_PARAMS, f"missing value for required argument {i} ({param.name})")
                values[param.argument] = param.default
                continue
            try:
                values[param.argument] = coerce(value, param.annotation, param.name)
            except RpcError as e:
                raise RpcError(INVALID_PARAMS, argument(i, param.name, e.message)) from None
        return values


def argument(place: int, name: str, why: str) -> str:
    """What is wrong with an argument; geth's own sentences stay as they are."""
    if why.startswith(("invalid hex in storage key", "storage key too long")):
        return why
    if why == "hex string without 0x prefix":
        return f"invalid argument {place}: {why}"
    return f"invalid argument {place} ({name}): {why}"


class EthereumDispatcher(Dispatcher):
    """Answers JSON-RPC 2.0. What its methods execute has an allowance of time."""

    def __init__(self, registry: EthereumRegistry, env: Env, providers: Mapping[Any, Provider]) -> None:
        super().__init__(registry, env, providers, translate=translate, bad_params=INVALID_PARAMS)
        self._allowances = Allowances(env.monotonic, lambda: bool(self.active))
        self.providers = {**providers, Allowance: self._allowances.provide}

    async def run(self, method: Method, params: Any, call: Call) -> Any:
        """Call a method. Raises RpcError."""
        self._allowances.watch()
        return await super().run(method, params, call)

    async def one(self, request: Any, call: Call) -> tuple[dict[str, Any] | None, int]:
        """Answer one request object; None for a notification."""
        started = time.perf_counter()
        name, ident = "", None
        try:
            if not isinstance(request, dict):
                raise RpcError(INVALID_REQUEST, "invalid request")
            ident = request.get("id")
            method_name = request.get("method")
            if not isinstance(method_name, str) or request.get("jsonrpc", "2.0") != "2.0":
                raise RpcError(INVALID_REQUEST, "invalid request")
            if isinstance(ident, dict | list | bool):
                ident = None
                raise RpcError(INVALID_REQUEST, "invalid request")
            name = method_name
            params = request.get("params")
            if params is not None and not isinstance(params, list | dict):
                raise RpcError(INVALID_PARAMS, "params must be an array or an object")
            method = self.registry.find(name)
            result = await self.run(method, params, call)
            self.on_call(call, name, time.perf_counter() - started, None)
        except RpcError as e:
            self.on_call(call, name, time.perf_counter() - started, e)
            if isinstance(request, dict) and "id" not in request and e.code != INVALID_REQUEST:
                return None, 200
            error: dict[str, Any] = {"code": e.code, "message": e.message}
            if e.data is not None:
                error["data"] = e.data
            return {"jsonrpc": "2.0", "id": ident, "error": error}, 200
        if "id" not in request:
            return None, 200
        return {"jsonrpc": "2.0", "id": ident, "result": result}, 200

    async def answer(self, body: bytes | str, call: Call) -> tuple[bytes, int]:
        """Answer a request body, one call or a batch; empty for notifications alone."""
        try:
            request = orjson.loads(body)
        except (orjson.JSONDecodeError, RecursionError):
            return _refusal(PARSE_ERROR, "parse error"), 200
        if not isinstance(request, list):
            reply, status = await self.one(request, call)
            return (b"" if reply is None else encode_reply(reply)), status
        if not request:
            return _refusal(INVALID_REQUEST, "empty batch"), 200
        if len(request) > self.limits.batch_items:
            return _refusal(INVALID_REQUEST, "batch too large"), 200
        parts = [part async for part in self._batch(request, call)]
        return (b"[" + b",".join(parts) + b"]" if parts else b""), 200


def _refusal(code: int, message: str) -> bytes:
    return orjson.dumps({"jsonrpc": "2.0", "id": None, "error": {"code": code, "message": message}})


def words(error: ChainError) -> str:
    """What a rule's error says, in geth's form: the rule, a colon, the detail with addresses as geth prints them."""
    if isinstance(error, Missing):
        return "nonce too high"
    if not isinstance(error, RuleError):
        return str(error)
    if not error.detail:
        return error.rule
    detail = _ADDRESS.sub(lambda m: checksummed(bytes.fromhex(m.group()[2:])), error.detail)
    return f"{error.rule}: {detail}"


def translate(method: Method, error: Exception) -> RpcError | None:
    """The answer that an error of ours means; None where it is a fault that the log must tell of."""
    if isinstance(error, Cancelled):
        return RpcError(-32000, f"execution aborted (timeout = {SECONDS:.0f}s)")
    if isinstance(error, DecodeError):
        return RpcError(-32000, f"rlp: {error}")
    if isinstance(error, ChainError):
        return RpcError(-32000, words(error))
    if isinstance(error, SystemFault) and str(error).startswith("missing trie node"):
        return RpcError(-32000, f"{error}: the state of this block is not kept")
    return None
