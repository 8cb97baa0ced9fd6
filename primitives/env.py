"""Env: the one door through which time, randomness, sockets, disk and threads reach the node.

RealEnv (node/env.py) opens it onto the machine, the virtual one (lab/) onto a seeded simulation.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from random import Random
from typing import Protocol, TypeVar

T = TypeVar("T")
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
OnConnection = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Listener(Protocol):
    """An open listening socket."""

    @property
    def address(self) -> tuple[str, int]: ...
    async def close(self) -> None: ...


class Disk(Protocol):
    """Small files of the data directory; a write is atomic and synced (temporary file, fsync, rename, fsync of the folder)."""

    def read(self, path: Path) -> bytes | None: ...
    def write(self, path: Path, data: bytes, mode: int = 0o600) -> None: ...
    def remove(self, path: Path) -> None: ...


class Env(Protocol):
    """What the node may know of the world outside."""

    random: Random
    disk: Disk

    def monotonic(self) -> float:
        """Seconds of a clock that never jumps: timeouts, rate limits, bans. Time travel does not move it."""
        ...

    def now(self) -> int:
        """Seconds since 1970 as rules, wallets and stake see them: wall clock plus offset, or the second that was set."""
        ...

    @property
    def offset(self) -> int:
        """Seconds by which `now()` is ahead of the wall clock while it runs."""
        ...

    @property
    def frozen(self) -> int | None:
        """The second at which `now()` is fixed, None while it runs."""
        ...

    def travel(self, offset: int) -> None:
        """Set the offset between the wall clock and `now()`."""
        ...

    def advance(self, seconds: int) -> None:
        """Move `now()` on by so many seconds, whether it runs or is fixed."""
        ...

    def freeze(self, second: int | None) -> None:
        """Fix `now()` at a second (`setmocktime`); None lets it run again."""
        ...

    async def connect(self, host: str, port: int, timeout: float) -> Streams:
        """Open a connection. Raises OSError or TimeoutError."""
        ...

    async def listen(self, on_connection: OnConnection, host: str, port: int) -> Listener:
        """Accept connections; port 0 picks a free one. Raises OSError."""
        ...

    async def on_chain(self, work: Callable[[], T]) -> T:
        """Run on the ONE chain thread, which is the lock of all that changes state (inline in the simulation)."""
        ...

    def call_chain(self, work: Callable[[], T]) -> T:
        """The same for a thread other than the loop's (a wallet at work): waits for the result; on the chain thread itself, just a call."""
        ...

    async def on_reader(self, work: Callable[[], T]) -> T:
        """Run a heavy read on one of at most two reader threads."""
        ...

    async def on_worker(self, work: Callable[[], T]) -> T:
        """Run long work of its own (mining, minting, key stretching) on a thread that nobody else waits for."""
        ...
