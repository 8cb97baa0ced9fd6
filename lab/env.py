"""VirtualEnv: one simulated host's clock, randomness, sockets, disk and threads, all from a seed.

Work that a real node gives to threads runs inline, after a drawn delay; nothing here touches the machine.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import TypeVar

from lab.network import SimulatedListener, SimulatedNetwork
from primitives.env import Disk, OnConnection, Streams

T = TypeVar("T")

EPOCH = 1_700_000_000
"""The wall clock's second at virtual time 0."""


class VirtualDisk:
    """Files in memory. A write is atomic and durable, as the protocol promises, or fails when the disk is full."""

    def __init__(self) -> None:
        self.files: dict[Path, bytes] = {}
        self.full = False

    def read(self, path: Path) -> bytes | None:
        """The contents, or None."""
        return self.files.get(path)

    def write(self, path: Path, data: bytes, mode: int = 0o600) -> None:
        """Replace a file. Raises OSError while the disk is full."""
        if self.full:
            raise OSError(28, "No space left on device")
        self.files[path] = bytes(data)

    def remove(self, path: Path) -> None:
        """Remove a file."""
        self.files.pop(path, None)


class VirtualEnv:
    """The Env of one host. A restarted node gets a new one with the old one's disk."""

    def __init__(
        self,
        net: SimulatedNetwork,
        host: str,
        seed: int,
        skew: float = 0.0,
        work: tuple[float, float] = (0.0001, 0.002),
        disk: VirtualDisk | None = None,
    ) -> None:
        self.net = net
        self.host = host
        self.random: Random = Random(f"{host}/{seed}")
        self.disk: Disk = disk or VirtualDisk()
        self.skew = skew
        """Seconds by which this host's wall clock is wrong."""
        self.work = work
        self._delays = Random(f"work/{host}/{seed}")
        self._offset = 0
        self._frozen: int | None = None
        self._chain = asyncio.Lock()

    def monotonic(self) -> float:
        """Virtual seconds."""
        return self.net.loop.time()

    def now(self) -> int:
        """The simulated wall clock plus skew and offset, or the second that was set."""
        if self._frozen is not None:
            return self._frozen
        return int(EPOCH + self.net.loop.time() + self.skew) + self._offset

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
        """Open a simulated connection. Raises OSError or TimeoutError."""
        return await self.net.connect(self.host, host, port, timeout)

    async def listen(self, on_connection: OnConnection, host: str, port: int) -> SimulatedListener:
        """Listen on this host, whatever interface is named."""
        return self.net.listen(on_connection, self.host, port)

    async def on_chain(self, work: Callable[[], T]) -> T:
        """Run inline, one after the other in the order of the calls."""
        async with self._chain:
            await asyncio.sleep(self._delays.uniform(*self.work))
            return work()

    def call_chain(self, work: Callable[[], T]) -> T:
        """There is one thread: just a call."""
        return work()

    async def on_reader(self, work: Callable[[], T]) -> T:
        """Run inline after a drawn delay."""
        await asyncio.sleep(self._delays.uniform(*self.work))
        return work()

    async def on_worker(self, work: Callable[[], T]) -> T:
        """Run inline after a drawn delay."""
        await asyncio.sleep(self._delays.uniform(*self.work))
        return work()
