"""The plain shape of request is answered at once; whatever else comes goes to the framework, bytes and all."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from node.rpc.eager import begin
from node.rpc.ethereum_server import EthereumServer
from tests.node.rpc.ethereum.harness import AccountNode

BODY = b'{"jsonrpc":"2.0","id":1,"method":"eth_chainId"}'
HEAD = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
Use = Callable[[asyncio.StreamReader, asyncio.StreamWriter, EthereumServer], Awaitable[None]]


def connected(use: Use) -> None:
    """Run a test's part on one raw connection."""
    node = AccountNode()

    async def run() -> None:
        server = EthereumServer(node.env, node.dispatcher, node.events)
        await server.start("127.0.0.1", 0)
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        try:
            async with asyncio.timeout(20):
                await use(reader, writer, server)
        finally:
            writer.close()
            await server.stop()

    try:
        node.loop.run_until_complete(run())
    finally:
        node.close()


def post(body: bytes = BODY, extra: bytes = b"") -> bytes:
    return HEAD + extra + b"Content-Length: %d\r\n\r\n" % len(body) + body


async def answer(reader: asyncio.StreamReader) -> tuple[int, Any]:
    head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
    size = int(head.split("content-length:")[1].split("\r\n")[0])
    body = await reader.readexactly(size)
    return int(head.split(" ")[1]), json.loads(body) if body.startswith((b"{", b"[")) else body


def test_requests_in_a_row_in_pieces_and_all_at_once() -> None:
    async def use(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, server: EthereumServer) -> None:
        slow = json.dumps({"jsonrpc": "2.0", "id": 2, "method": "evm_mine"}).encode()
        writer.write(post() + post(slow) + post() + post(slow))
        found = [await answer(reader) for _ in range(4)]
        assert [f[1]["id"] for f in found] == [1, 2, 1, 2] and all(f[0] == 200 for f in found)
        for byte in post():
            writer.write(bytes((byte,)))
            await asyncio.sleep(0)
        assert (await answer(reader))[1]["result"] == "0x7a69"
        assert len(server._plain) == 1
        writer.write(post(extra=b"Origin: https://evil.example\r\n"))
        assert (await answer(reader))[0] == 200
        assert not server._plain
        writer.write(post())
        assert (await answer(reader))[1]["result"] == "0x7a69"

    connected(use)


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", 200),
        (b"PUT / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n", 405),
        (HEAD + b"Content-Length: 5\r\nContent-Length: 47\r\n\r\n" + BODY, 400),
        (HEAD + b"Transfer-Encoding: chunked\r\nContent-Length: 47\r\n\r\n0\r\n\r\n", 400),
        (
            b"POST / HTTP/1.1\r\nHost: evil.example\r\nContent-Type: application/json\r\nContent-Length: 47\r\n\r\n"
            + BODY,
            403,
        ),
        (b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/plain\r\nContent-Length: 47\r\n\r\n" + BODY, 415),
        (HEAD + b"Content-Length: 99999999\r\n\r\n", 413),
        (b"nonsense\r\n\r\n", 400),
    ],
)
def test_whatever_is_unusual_is_judged_by_the_framework(request_: bytes, status: int) -> None:
    async def use(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, server: EthereumServer) -> None:
        writer.write(request_)
        head = await reader.readuntil(b"\r\n")
        assert int(head.split(b" ")[1]) == status
        assert not server._plain

    connected(use)


def test_a_head_without_end_is_no_plain_request() -> None:
    async def use(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, server: EthereumServer) -> None:
        writer.write(HEAD + b"User-Agent: " + b"x" * 9_000)
        assert b" 400 " in await reader.readline() and not server._plain

    connected(use)


def test_a_coroutine_begins_at_once_and_goes_on_in_a_task() -> None:
    async def quick() -> int:
        return 1

    async def slow(event: asyncio.Event) -> int:
        await event.wait()
        async with asyncio.timeout(5):
            await asyncio.sleep(0)
        return 2

    async def fails() -> int:
        await asyncio.sleep(0)
        raise ValueError("no")

    async def run() -> None:
        loop = asyncio.get_running_loop()
        assert begin(quick(), loop) == 1
        event = asyncio.Event()
        task = begin(slow(event), loop)
        assert isinstance(task, asyncio.Task) and not task.done()
        event.set()
        assert await task == 2
        failing = begin(fails(), loop)
        assert isinstance(failing, asyncio.Task)
        with pytest.raises(ValueError, match="no"):
            await failing
        endless = begin(slow(asyncio.Event()), loop)
        assert isinstance(endless, asyncio.Task)
        endless.cancel()
        with pytest.raises(asyncio.CancelledError):
            await endless

    asyncio.run(run())
