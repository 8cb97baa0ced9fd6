"""The control group: help, stop, uptime, logging, memory, time, and a machine-readable description of all methods."""

from __future__ import annotations

import resource
import sys
from collections.abc import Sequence
from typing import Any

from node import log as logs
from node.node import Node
from node.rpc.api import Control
from node.rpc.dispatch import Dispatcher
from node.rpc.errors import INVALID_PARAMETER, MISC_ERROR, RpcError
from node.rpc.openrpc import describe
from node.rpc.params import shown
from node.rpc.registry import Method, rpc

MAX_TIME = 0xFFFFFFFF


@rpc("help", family="bitcoin", group="control")
def help_(dispatcher: Dispatcher, command: str = "") -> str:
    """All methods, by group, or what one does."""
    methods = dispatcher.registry.methods
    if command:
        found = methods.get(command)
        return f"help: unknown command: {shown(command)}" if found is None else found.help
    groups: dict[str, list[Method]] = {}
    for method in methods.values():
        if method.group != "hidden" and not method.name.startswith("rpc."):
            groups.setdefault(method.group, []).append(method)
    return "\n\n".join(
        "\n".join([f"== {group.capitalize()} ==", *(m.usage for m in sorted(groups[group], key=lambda m: m.name))])
        for group in sorted(groups)
    )


@rpc("stop", family="bitcoin", group="control")
def stop(control: Control) -> str:
    """End the node in order."""
    control.stop()
    return "Chainyard stopping"


@rpc("uptime", family="bitcoin", group="control")
def uptime(node: Node) -> int:
    """Seconds since the node was started."""
    return int(node.env.monotonic() - node.started)


@rpc("getrpcinfo", family="bitcoin", group="control")
def get_rpc_info(dispatcher: Dispatcher, control: Control) -> dict[str, Any]:
    """The calls under way (microseconds each), and where the log is."""
    now = dispatcher.env.monotonic()
    active = [{"method": name, "duration": int((now - since) * 1e6)} for name, since in dispatcher.active.values()]
    return {"active_commands": active, "logpath": "" if control.log_path is None else str(control.log_path)}


@rpc("logging", family="bitcoin", group="control")
def logging(include: list[str] | None = None, exclude: list[str] | None = None) -> dict[str, bool]:
    """Which categories are logged in full; `include` switches some on, `exclude` some off. "all" is every one."""
    for names, level in ((include or [], "debug"), (exclude or [], "info")):
        for name in names:
            try:
                logs.set_category(f"{'all' if name in ('1', '') else name}={level}")
            except logs.LogError:
                raise RpcError(INVALID_PARAMETER, f"unknown logging category {shown(name)}") from None
    return logs.categories()


@rpc("getmemoryinfo", family="bitcoin", group="control")
def get_memory_info(mode: str = "stats") -> Any:
    """The process's memory, in bytes. There is no pool of locked pages: its counts are those of the whole process."""
    if mode == "mallocinfo":
        raise RpcError(INVALID_PARAMETER, "mallocinfo mode not available")
    if mode != "stats":
        raise RpcError(INVALID_PARAMETER, f"unknown mode {shown(mode)}")
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return {"locked": {"used": used, "free": 0, "total": used, "locked": 0, "chunks_used": 0, "chunks_free": 0}}


@rpc("setmocktime", family="bitcoin", group="control", cost="write")
def set_mock_time(node: Node, timestamp: int) -> None:
    """Fix the node's clock at a second since 1970; 0 lets it run again. Only on local networks."""
    if not node.spec.network.local:
        raise RpcError(MISC_ERROR, "setmocktime is for regression testing (-regtest mode) only")
    if not 0 <= timestamp <= MAX_TIME:
        raise RpcError(INVALID_PARAMETER, f"Mocktime must be in the range [0, {MAX_TIME}], not {timestamp}.")
    node.set_clock(timestamp or None)


@rpc("getzmqnotifications", family="bitcoin", group="control")
def get_zmq_notifications() -> list[Any]:
    """The active ZeroMQ publishers."""
    return []


def _echo(arguments: Sequence[Any]) -> list[Any]:
    given = list(arguments)
    while given and given[-1] is None:
        given.pop()
    return given


def _register_echo(name: str) -> None:
    @rpc(name, family="bitcoin", group="hidden")
    def echo(
        arg0: Any = None,
        arg1: Any = None,
        arg2: Any = None,
        arg3: Any = None,
        arg4: Any = None,
        arg5: Any = None,
        arg6: Any = None,
        arg7: Any = None,
        arg8: Any = None,
        arg9: Any = None,
    ) -> list[Any]:
        """Give back what was given, to test clients."""
        return _echo((arg0, arg1, arg2, arg3, arg4, arg5, arg6, arg7, arg8, arg9))


_register_echo("echo")
_register_echo("echojson")


@rpc("rpc.discover", family="bitcoin", group="control")
def discover(dispatcher: Dispatcher, node: Node) -> dict[str, Any]:
    """All methods as an OpenRPC document, made from the table."""
    return describe(dispatcher.registry, node.spec.name)
