"""RealEnv: files that are closed to others and replaced as a whole, one chain thread, a clock that travels."""

from __future__ import annotations

import asyncio
import os
import stat
import threading
from collections.abc import Iterator
from pathlib import Path
from random import Random, SystemRandom

import pytest

from node.env import RealEnv


@pytest.fixture
def env() -> Iterator[RealEnv]:
    env = RealEnv(seed=1)
    yield env
    env.close()


def test_a_write_is_private_and_leaves_no_other_file(env: RealEnv, tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        path = tmp_path / "a" / "b" / "file"
        env.disk.write(path, b"one")
        env.disk.write(path, b"two")
    finally:
        os.umask(old)
    assert env.disk.read(path) == b"two" and os.listdir(path.parent) == ["file"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == stat.S_IMODE(path.parent.parent.stat().st_mode) == 0o700
    env.disk.remove(path)
    env.disk.remove(path)
    assert env.disk.read(path) is None


def test_a_failed_write_keeps_the_old_contents(env: RealEnv, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    env.disk.write(path, b"old")

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        env.disk.write(path, b"new")
    assert path.read_bytes() == b"old" and os.listdir(tmp_path) == ["file"]


def test_time_travels_and_freezes_without_the_monotonic_clock(env: RealEnv) -> None:
    before, start = env.monotonic(), env.now()
    env.travel(10_000)
    assert 10_000 <= env.now() - start <= 10_002
    env.freeze(5)
    assert env.now() == 5
    env.freeze(None)
    assert env.now() >= start + 10_000 and env.monotonic() - before < 5


def test_the_chain_has_one_thread_and_its_work_is_not_cut_short(env: RealEnv) -> None:
    names: list[str] = []
    begun, go = threading.Event(), threading.Event()

    def slow() -> None:
        begun.set()
        go.wait(5)
        names.append(threading.current_thread().name)

    async def run() -> None:
        task = asyncio.ensure_future(env.on_chain(slow))
        await env.on_reader(lambda: begun.wait(5))
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        go.set()
        await env.on_chain(lambda: names.append(threading.current_thread().name))

    asyncio.run(run())
    assert len(names) == 2 and names[0] == names[1]


def test_sockets_carry_bytes_and_a_used_port_is_refused(env: RealEnv) -> None:
    async def run() -> None:
        async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(await reader.read(10))
            writer.close()

        listener = await env.listen(echo, "127.0.0.1", 0)
        with pytest.raises(OSError):
            await env.listen(echo, *listener.address)
        reader, writer = await env.connect(*listener.address, 5)
        writer.write(b"hello")
        assert await reader.read(10) == b"hello"
        writer.close()
        await listener.close()

    asyncio.run(run())


def test_randomness_comes_from_the_system_unless_a_seed_fixes_it() -> None:
    free, fixed = RealEnv(), RealEnv(seed=5)
    try:
        assert isinstance(free.random, SystemRandom), "keys are made of it, and peers see numbers of it"
        assert fixed.random.randbytes(8) == Random(5).randbytes(8)
    finally:
        free.close()
        fixed.close()
