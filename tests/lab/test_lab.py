"""The virtual loop and network: time jumps, streams stay streams, faults come from the seed, same seed same trace."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time

import pytest

from lab.clock import Deadlock, VirtualLoop, run
from lab.env import VirtualEnv
from lab.network import Conditions, SimulatedNetwork


def test_days_pass_in_no_time_and_timers_fire_in_order() -> None:
    async def main(loop: VirtualLoop) -> list[int]:
        seen: list[int] = []

        async def later(n: int, seconds: float) -> None:
            await asyncio.sleep(seconds)
            seen.append(n)

        await asyncio.gather(later(3, 86_400 * 3), later(1, 1e-6), later(2, 3600))
        assert loop.time() == pytest.approx(86_400 * 3)
        return seen

    start = time.process_time()
    assert run(main) == [1, 2, 3]
    assert time.process_time() - start < 60


def test_a_lost_wake_up_is_a_found_deadlock() -> None:
    async def main(loop: VirtualLoop) -> None:
        await asyncio.Event().wait()

    with pytest.raises(Deadlock):
        run(main)


def test_threads_are_refused_and_lost_errors_are_found() -> None:
    async def threads(loop: VirtualLoop) -> None:
        await asyncio.to_thread(print)

    with pytest.raises(RuntimeError, match="thread"):
        run(threads)

    async def lost(loop: VirtualLoop) -> None:
        loop.call_soon(lambda: 1 / 0)
        await asyncio.sleep(1)

    with pytest.raises(RuntimeError, match="unobserved"):
        run(lost)


def echo_run(seed: int, conditions: Conditions, size: int) -> tuple[str, float]:
    """Send bytes through an echo server; the trace and the virtual time it took."""

    async def main(loop: VirtualLoop) -> tuple[str, float]:
        net = SimulatedNetwork(loop, seed, conditions)
        server, client = VirtualEnv(net, "10.0.0.1", seed), VirtualEnv(net, "10.0.0.2", seed)

        async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            while data := await reader.read(1000):
                writer.write(data)
                await writer.drain()
            writer.close()

        listener = await server.listen(echo, "0.0.0.0", 7)
        reader, writer = await client.connect(*listener.address, 5)
        sent = client.random.randbytes(size)
        writer.write(sent)
        assert await reader.readexactly(size) == sent
        writer.close()
        assert await reader.read() == b""
        return net.trace, loop.time()

    return run(main)


def test_bytes_arrive_whole_whatever_the_segments_and_losses() -> None:
    for seed in range(5):
        echo_run(seed, Conditions(segment=7, loss=0.05), 3_000)


def test_bandwidth_and_latency_take_their_time() -> None:
    _, slow = echo_run(1, Conditions(latency=(0.1, 0.1), bandwidth=1e4), 50_000)
    assert 5.0 < slow < 8.0


def test_same_seed_same_trace_also_under_another_hash_seed() -> None:
    conditions = Conditions(segment=100, loss=0.1)
    trace = echo_run(7, conditions, 5_000)[0]
    assert trace == echo_run(7, conditions, 5_000)[0] != echo_run(8, conditions, 5_000)[0]
    code = "from tests.lab.test_lab import echo_run, Conditions; print(echo_run(7, Conditions(segment=100, loss=0.1), 5_000)[0])"
    for hash_seed in "12":
        env = {**os.environ, "PYTHONHASHSEED": hash_seed}
        out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env, check=True)
        assert out.stdout.strip() == trace


def test_partitions_hold_bytes_and_resets_end_connections() -> None:
    async def main(loop: VirtualLoop) -> None:
        net = SimulatedNetwork(loop, 1)
        a, b = VirtualEnv(net, "10.0.0.1", 1), VirtualEnv(net, "10.0.0.2", 1)
        arrived = asyncio.Event()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            assert await reader.readexactly(5) == b"hello"
            arrived.set()
            with pytest.raises(ConnectionResetError):
                await reader.read(1)

        await a.listen(serve, "", 7)
        with pytest.raises(ConnectionRefusedError):
            await b.connect("10.0.0.1", 8, 5)
        reader, writer = await b.connect("10.0.0.1", 7, 5)
        net.partition(["10.0.0.1"], ["10.0.0.2"])
        writer.write(b"hello")
        await asyncio.sleep(10)
        assert not arrived.is_set()
        with pytest.raises(TimeoutError):
            await b.connect("10.0.0.1", 7, 5)
        net.heal()
        await asyncio.wait_for(arrived.wait(), 1)
        net.reset("10.0.0.2")
        with pytest.raises(ConnectionResetError):
            await reader.read(1)
        await asyncio.sleep(1)

    run(main)


def test_a_slow_reader_stops_the_writer() -> None:
    async def main(loop: VirtualLoop) -> None:
        net = SimulatedNetwork(loop, 1)
        a, b = VirtualEnv(net, "10.0.0.1", 1), VirtualEnv(net, "10.0.0.2", 1)
        stalled = asyncio.Event()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await stalled.wait()
            while await reader.read(1 << 16):
                pass

        await a.listen(serve, "", 7)
        _, writer = await b.connect("10.0.0.1", 7, 5)
        writer.write(bytes(4_000_000))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(writer.drain(), 60)
        held = writer.transport.get_write_buffer_size()
        assert 3_000_000 < held < 4_000_000
        stalled.set()
        await asyncio.wait_for(writer.drain(), 60)
        assert writer.transport.get_write_buffer_size() < held
        writer.close()

    run(main)


def test_the_env_keeps_its_clocks_and_disk_apart() -> None:
    async def main(loop: VirtualLoop) -> None:
        net = SimulatedNetwork(loop, 1)
        env = VirtualEnv(net, "10.0.0.1", 1, skew=-30)
        start = env.now()
        env.travel(500)
        assert env.now() == start + 500 and env.monotonic() == 0.0
        env.freeze(9)
        assert env.now() == 9
        order: list[int] = []
        await asyncio.gather(*(env.on_chain(lambda n=n: order.append(n)) for n in range(20)))  # type: ignore[misc]
        assert order == list(range(20))

    run(main)
