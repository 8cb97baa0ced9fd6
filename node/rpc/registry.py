"""@rpc, Method and Registry: the table of methods. A method's signature is its schema, its docstring its help.

A parameter whose annotation is an injected type (Node, Snapshot, Call) is not the client's; the registry does not know those types, it is
given a table of providers.
"""

from __future__ import annotations

import inspect
import json
import types
import typing
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from node.rpc.errors import INVALID_PARAMETER, METHOD_NOT_FOUND, MISC_ERROR, TYPE_ERROR, RpcError
from node.rpc.params import WrongType, coerce
from primitives.lazy import lazy

Cost = Literal["light", "heavy", "job", "write"]
_NONE = inspect.Parameter.empty


def _is_union(annotation: Any) -> bool:
    return typing.get_origin(annotation) in (typing.Union, types.UnionType)


@dataclass(frozen=True, slots=True)
class Param:
    """A parameter that the client gives."""

    name: str
    annotation: Any
    default: Any
    argument: str
    """The name in Python, where the client's is a keyword there."""
    also: str = ""
    """An older name that clients still use."""

    @property
    def required(self) -> bool:
        """Whether it must be given."""
        return self.default is _NONE

    @property
    def shown(self) -> str:
        """How usage lines write it: strings in quotes."""
        options = typing.get_args(self.annotation) if _is_union(self.annotation) else (self.annotation,)
        kinds = {typing.get_args(o)[0] if typing.get_origin(o) is typing.Annotated else o for o in options}
        return f'"{self.name}"' if kinds & {str, bytes} else self.name


@dataclass(frozen=True)
class Method:
    """One method of the table. Its signature is read when it is first asked for: a start has no use for 400 of them."""

    name: str
    family: str
    group: str
    cost: Cost
    run: Callable[..., Any]
    older: Mapping[str, str]
    """Older names of parameters."""
    is_async: bool

    @lazy
    def _signature(self) -> tuple[tuple[Param, ...], tuple[tuple[str, Any], ...]]:
        hints = typing.get_type_hints(self.run, include_extras=True)
        params, inject = [], []
        for parameter in inspect.signature(self.run).parameters.values():
            annotation = hints[parameter.name]
            if isinstance(annotation, type) and annotation in INJECTED:
                inject.append((parameter.name, annotation))
            else:
                shown = parameter.name.rstrip("_")
                params.append(Param(shown, annotation, parameter.default, parameter.name, self.older.get(shown, "")))
        return tuple(params), tuple(inject)

    @property
    def params(self) -> tuple[Param, ...]:
        """The parameters that the client gives."""
        return self._signature[0]

    @property
    def injected(self) -> tuple[tuple[str, Any], ...]:
        """Names and types of the parameters that the server fills in."""
        return self._signature[1]

    @property
    def usage(self) -> str:
        """The name and its parameters, optional ones in brackets, as Core's help shows them."""
        words, closing = [self.name], ""
        for param in self.params:
            if param.required:
                words.append(param.shown)
            else:
                words += ["(", param.shown] if not closing else [param.shown]
                closing = " )"
        return " ".join(words) + closing

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


def rpc(
    name: str,
    family: str,
    group: str,
    cost: Cost = "light",
    aliases: Iterable[str] = (),
    also: Mapping[str, str] | None = None,
) -> Callable[[Any], Any]:
    """Put a function into the table. A name that is there already fails at import. `also`: older names of parameters."""
    older = also or {}

    def register(run: Any) -> Any:
        for one in (name, *aliases):
            if (family, one) in _METHODS:
                raise RuntimeError(f"the method {one} is registered twice in family {family}")
            _METHODS[family, one] = Method(one, family, group, cost, run, older, inspect.iscoroutinefunction(run))
        return run

    return register


def all_methods() -> tuple[Method, ...]:
    """Every method of the table, of whatever family."""
    return tuple(_METHODS.values())


@dataclass(slots=True)
class Registry:
    """The methods of the families that a server offers."""

    families: Iterable[str]
    methods: dict[str, Method] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        self.families = tuple(self.families)
        for (family, name), method in _METHODS.items():
            if family in self.families:
                if name in self.methods:
                    raise RuntimeError(f"{name} is in two of the families {self.families}")
                self.methods[name] = method

    def find(self, name: str) -> Method:
        """The method of this name. Raises RpcError(METHOD_NOT_FOUND)."""
        method = self.methods.get(name)
        if method is None:
            raise RpcError(METHOD_NOT_FOUND, "Method not found")
        return method

    def bind(self, method: Method, params: Any) -> dict[str, Any]:
        """The client's parameters, by position or by name, as Python values. Raises RpcError."""
        if not params:
            given = {}
        else:
            given = _by_name(method, params)
        values: dict[str, Any] = {}
        wrong: dict[str, str] = {}
        for place, param in enumerate(method.params, 1):
            value = given.pop(param.name, _NONE)
            if param.also:
                older = given.pop(param.also, _NONE)
                value = older if value is _NONE else value
            if value is _NONE or (value is None and not param.required):
                if param.required:
                    raise RpcError(MISC_ERROR, method.help)
                values[param.argument] = param.default
                continue
            try:
                values[param.argument] = coerce(value, param.annotation, param.name)
            except WrongType as e:
                if e.value is not value:
                    raise
                wrong[f"Position {place} ({param.name})"] = e.message
        if given:
            raise RpcError(INVALID_PARAMETER, f"Unknown named parameter {next(iter(given))}")
        if wrong:
            raise RpcError(TYPE_ERROR, "Wrong type passed:\n" + json.dumps(wrong, indent=4))
        return values


def _by_name(method: Method, params: Any) -> dict[str, Any]:
    if isinstance(params, Mapping):
        given = dict(params)
        positional = given.pop("args", [])
        if not isinstance(positional, list):
            raise RpcError(INVALID_PARAMETER, "Parameter args must be an array")
    else:
        given, positional = {}, params
    if len(positional) > len(method.params):
        raise RpcError(MISC_ERROR, method.help)
    for param, value in zip(method.params, positional, strict=False):
        if param.name in given or (param.also and param.also in given):
            raise RpcError(
                INVALID_PARAMETER, f"Parameter {param.name} specified twice both as positional and named argument"
            )
        given[param.name] = value
    return given
