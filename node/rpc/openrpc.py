"""The method table as an OpenRPC document: names, parameters and their JSON Schema, from the annotations. It knows no method."""

from __future__ import annotations

import inspect
import types
from typing import Annotated, Any, Union, get_args, get_origin

from node.rpc.params import Amount, Hash, Hex, Verbosity
from node.rpc.registry import Method, Param, Registry

_NAMED: dict[Any, dict[str, Any]] = {
    Hash: {"type": "string", "pattern": "^[0-9a-fA-F]{64}$"},
    Hex: {"type": "string", "pattern": "^([0-9a-fA-F]{2})+$"},
    Amount: {"type": ["number", "string"]},
    Verbosity: {"type": ["integer", "boolean"]},
}
_PLAIN: dict[Any, str] = {
    bool: "boolean",
    int: "integer",
    float: "number",
    str: "string",
    list: "array",
    dict: "object",
    type(None): "null",
}


def schema(annotation: Any) -> dict[str, Any]:
    """The JSON Schema of a parameter's annotation; of one that it does not know, any value."""
    if annotation in _NAMED:
        return _NAMED[annotation]
    origin = get_origin(annotation)
    if origin in (Union, types.UnionType):
        options = [schema(option) for option in get_args(annotation) if option is not type(None)]
        return options[0] if len(options) == 1 else {"anyOf": options}
    if origin is Annotated or annotation is Any:
        return {}
    found: dict[str, Any] = {"type": _PLAIN[origin or annotation]}
    if origin is list and get_args(annotation):
        found["items"] = schema(get_args(annotation)[0])
    return found


def _param(param: Param) -> dict[str, Any]:
    shape = dict(schema(param.annotation))
    if not param.required and isinstance(param.default, bool | int | float | str):
        shape["default"] = param.default
    return {"name": param.name, "required": param.required, "schema": shape}


def _method(method: Method) -> dict[str, Any]:
    text = inspect.getdoc(method.run) or ""
    return {
        "name": method.name,
        "summary": text.partition("\n")[0],
        "description": text,
        "tags": [{"name": method.group}],
        "paramStructure": "either",
        "params": [_param(p) for p in method.params],
        "result": {"name": "result", "schema": {}},
    }


def describe(registry: Registry, title: str) -> dict[str, Any]:
    """The whole document. Source: OpenRPC specification 1.3."""
    return {
        "openrpc": "1.3.2",
        "info": {"title": f"Chainyard {title}", "version": "0.1.0"},
        "methods": [_method(m) for _, m in sorted(registry.methods.items())],
    }
