"""@rpc, Method and Registry: the table of methods. A method's signature is its schema, its docstring its help.

A parameter whose annotation is an injected type (Node, Snapshot, Call) is not the client's; the registry does not know those types, it is
given a table of providers.
"""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from node.rpc.errors import INVALID_PARAMETER, METHOD_NOT_FOUND, MISC_ERROR, RpcError
from node.rpc.params import coerce

Cost = Literal["light", "heavy", "write"]
_NONE = inspect.Parameter.empty


@dataclass(frozen=True, slots=True)
class Param:
    """A parameter that the client gives."""

    name: str
    annotation: Any
    default: Any
    argument: str
    """The name in Python, where the client's is a keyword there."""

    @property
    def required(self) -> bool:
        """Whether it must be given."""
        return self.default is _NONE


@dataclass(frozen=True, slots=True)
class Method:
    """One method of the table."""

    name: str
    family: str
    group: str
    cost: Cost
    run: Callable[..., Any]
    params: tuple[Param, ...]
    injected: tuple[tuple[str, Any], ...]
    """Names and types of the parameters that the server fills in."""
    is_async: bool

    @property
    def usage(self) -> str:
        """The name and its parameters, optional ones in brackets, as Core's help shows them."""
        needed = " ".join(p.name for p in self.params if p.required)
        optional = " ".join(f"( {p.name} )" for p in self.params if not p.required)
        return " ".join(part for part in (self.name, needed, optional) if part)

    @property
    def help(self) -> str:
        """Usage and docstring."""
        return f"{self.usage}\n\n{inspect.getdoc(self.run) or ''}".strip()


_METHODS: dict[tuple[str, str], Method] = {}
INJECTED: set[Any] = set()
"""Types whose parameters the server fills in; each is added by the file that defines it."""


def injected(cls: type) -> type:
    """Mark a class as filled in by the server wherever a method asks for it."""
    INJECTED.add(cls)
    return cls


def rpc(name: str, family: str, group: str, cost: Cost = "light", aliases: Iterable[str] = ()) -> Callable[[Any], Any]:
    """Put a function into the table. A name that is there already fails at import."""

    def register(run: Any) -> Any:
        hints = typing.get_type_hints(run, include_extras=True)
        params, inject = [], []
        for parameter in inspect.signature(run).parameters.values():
            annotation = hints[parameter.name]
            if isinstance(annotation, type) and annotation in INJECTED:
                inject.append((parameter.name, annotation))
            else:
                params.append(Param(parameter.name.rstrip("_"), annotation, parameter.default, parameter.name))
        for one in (name, *aliases):
            if (family, one) in _METHODS:
                raise RuntimeError(f"the method {one} is registered twice in family {family}")
            _METHODS[family, one] = Method(
                one, family, group, cost, run, tuple(params), tuple(inject), inspect.iscoroutinefunction(run)
            )
        return run

    return register


class Registry:
    """The methods of the families that a server offers."""

    def __init__(self, families: Iterable[str]) -> None:
        wanted = tuple(families)
        self.methods: dict[str, Method] = {}
        for (family, name), method in _METHODS.items():
            if family in wanted:
                if name in self.methods:
                    raise RuntimeError(f"{name} is in two of the families {wanted}")
                self.methods[name] = method

    def find(self, name: str) -> Method:
        """The method of this name. Raises RpcError(METHOD_NOT_FOUND)."""
        method = self.methods.get(name)
        if method is None:
            raise RpcError(METHOD_NOT_FOUND, "Method not found")
        return method

    def bind(self, method: Method, params: Any) -> dict[str, Any]:
        """The client's parameters, by position or by name, as Python values. Raises RpcError."""
        given = _by_name(method, params)
        values = {}
        for param in method.params:
            value = given.pop(param.name, _NONE)
            if value is _NONE or (value is None and not param.required):
                if param.required:
                    raise RpcError(MISC_ERROR, method.help)
                value = param.default
            else:
                value = coerce(value, param.annotation, param.name)
            values[param.argument] = value
        if given:
            raise RpcError(INVALID_PARAMETER, f"Unknown named parameter {next(iter(given))}")
        return values


def _by_name(method: Method, params: Any) -> dict[str, Any]:
    if isinstance(params, Mapping):
        given = dict(params)
        positional = given.pop("args", [])
        if not isinstance(positional, list):
            raise RpcError(INVALID_PARAMETER, "Parameter args must be an array")
    else:
        given, positional = {}, params or []
    if len(positional) > len(method.params):
        raise RpcError(MISC_ERROR, method.help)
    for param, value in zip(method.params, positional, strict=False):
        if param.name in given:
            raise RpcError(
                INVALID_PARAMETER, f"Parameter {param.name} specified twice both as positional and named argument"
            )
        given[param.name] = value
    return given
