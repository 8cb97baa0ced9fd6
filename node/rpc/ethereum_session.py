"""Session: one connection of a client, as methods see it: where its notifications go, and which it has asked for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from node.rpc.registry import injected


@injected
@dataclass(slots=True, eq=False)
class Session:
    """`send` is None where nothing can be pushed (plain HTTP)."""

    send: Callable[[dict[str, Any]], None] | None = None
    subscriptions: set[int] = field(default_factory=set)
