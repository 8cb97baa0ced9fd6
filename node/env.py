"""RealEnv: the machine's clock, sockets, disk and threads behind the Env protocol.

It refuses to know what runs on it; the simulation's twin is in lab/.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import partial
from pathlib import Path
from random import Random, SystemRandom
from typing import Any, TypeVar

from primitives.env import Disk, OnConnection, Streams
from storage.readers import brief

T = TypeVar("T")

CHAIN_THREAD = "chain"
READERS = 2
"""Threads for heavy reads; more would only queue at the interpreter's lock."""
BUFFER = 1 << 18
"""Bytes that a stream holds before it pauses reading."""


class RealListener:
    """An open listening socket."""

    def __init__(self, server: asyncio.Server) -> None:
        self._server = server
        host, port = server.sockets[0].getsockname()[:2]
        self.address: tuple[str, int] = (host, port)

    async def close(self) -> None:
        """Stop accepting; open connections stay."""
        self._server.close()


class RealDisk:
    """Files of the data directory: readable by their owner alone, replaced atomically, synced."""

    def __init__(self) -> None:
        self._writing = threading.Lock()

    def read(self, path: Path) -> bytes | None:
        """The contents, None where there is no such file. Raises OSError."""
        try:
            return path.read_bytes()
        except FileNotFoundError:
            return None

    def write(self, path: Path, data: bytes, mode: int = 0o600) -> None:
        """Replace a file as a whole: after a crash it holds the old contents or the new. Raises OSError.

        What a crash leaves half written bears a fixed name, so that the next write takes its place: no old secret stays behind.
        """
        with self._writing:
            make_directory(path.parent)
            half = path.with_name(f".{path.name}.new")
            with contextlib.suppress(FileNotFoundError):
                half.unlink()
            handle = os.open(half, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0), mode)
            try:
                try:
                    os.fchmod(handle, mode)
                    view = memoryview(data)
                    while view:
                        view = view[os.write(handle, view) :]
                    os.fsync(handle)
                finally:
                    os.close(handle)
                os.replace(half, path)
            except BaseException:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(half)
                raise
            _sync_directory(path.parent)

    def remove(self, path: Path) -> None:
        """Remove a file if it is there."""
        try:
            path.unlink()
        except FileNotFoundError:
            return
        _sync_directory(path.parent)


def within(work: Callable[[], T]) -> Callable[[], T]:
    """The same work, in the caller's context (what holds during a call holds on the thread that does its work)."""
    return partial(copy_context().run, work)


def make_directory(path: Path) -> None:
    """Make a directory and its parents, closed to others; what exists keeps its mode."""
    if path.is_dir():
        return
    make_directory(path.parent)
    with contextlib.suppress(FileExistsError):
        path.mkdir(mode=0o700)


def _sync_directory(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


class Apart:
    """An Env with randomness of its own: what it draws does not hang on what others drew before."""

    def __init__(self, env: RealEnv, name: str) -> None:
        self._env = env
        self.random: Random = env.random if env.seed is None else Random(f"{name}/{env.seed}")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._env, name)


class RealEnv:
    """The Env of a daemon. Close it to end its threads."""

    def __init__(self, workers: int | None = None, seed: int | None = None) -> None:
        self.seed = seed
        self.random: Random = SystemRandom() if seed is None else Random(seed)
        self.disk: Disk = RealDisk()
        self._offset = 0
        self._frozen: int | None = None
        self._chain = ThreadPoolExecutor(1, CHAIN_THREAD)
        self._readers = ThreadPoolExecutor(READERS, "reader")
        self._workers = ThreadPoolExecutor(workers or max(4, (os.cpu_count() or 1) + 2), "worker")

    def monotonic(self) -> float:
        """Seconds of the machine's monotonic clock."""
        return time.monotonic()

    def now(self) -> int:
        """Wall clock plus offset, or the second that was set."""
        return int(time.time()) + self._offset if self._frozen is None else self._frozen

    @property
    def offset(self) -> int:
        """Seconds by which `now()` is ahead of the wall clock while it runs."""
        return self._offset

    @property
    def frozen(self) -> int | None:
        """The second at which `now()` is fixed, None while it runs."""
        return self._frozen

    def travel(self, offset: int) -> None:
        """Set the offset between the wall clock and `now()`."""
        self._offset = offset

    def advance(self, seconds: int) -> None:
        """Move `now()` on."""
        if self._frozen is None:
            self._offset += seconds
        else:
            self._frozen += seconds

    def freeze(self, second: int | None) -> None:
        """Fix `now()` at a second; None lets it run again."""
        self._frozen = second

    async def connect(self, host: str, port: int, timeout: float) -> Streams:
        """Open a connection. Raises OSError or TimeoutError."""
        async with asyncio.timeout(timeout):
            return await asyncio.open_connection(host, port, limit=BUFFER)

    async def listen(self, on_connection: OnConnection, host: str, port: int) -> RealListener:
        """Accept connections. Raises OSError."""
        return RealListener(await asyncio.start_server(on_connection, host, port, limit=BUFFER, reuse_address=True))

    async def on_chain(self, work: Callable[[], T]) -> T:
        """Run on the one chain thread. What has begun there is never cut short, even if the caller is cancelled."""
        return await asyncio.shield(asyncio.get_running_loop().run_in_executor(self._chain, within(work)))

    def call_chain(self, work: Callable[[], T]) -> T:
        """Run on the chain thread and wait; a plain call where this is it."""
        if threading.current_thread().name.startswith(CHAIN_THREAD):
            return work()
        return self._chain.submit(work).result()

    async def on_reader(self, work: Callable[[], T]) -> T:
        """Run on one of the reader threads; the store's snapshots are not for long there, unless the work is `lasting`."""
        return await asyncio.get_running_loop().run_in_executor(self._readers, within(brief(work)))

    async def on_worker(self, work: Callable[[], T]) -> T:
        """Run on a thread of the pool for long work."""
        return await asyncio.get_running_loop().run_in_executor(self._workers, within(work))

    def close(self) -> None:
        """Let running work end and refuse more."""
        for pool in (self._chain, self._readers, self._workers):
            pool.shutdown(wait=True, cancel_futures=True)
