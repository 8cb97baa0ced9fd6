"""The Bitcoin-style server over real sockets: who may call, statuses, kept connections, and what is left to the framework."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import pytest

from node.rpc import server as server_module
from node.rpc.auth import Credentials
from node.rpc.server import BitcoinServer
from tests.node.rpc.harness import Client

Use = Callable[[asyncio.StreamReader, asyncio.StreamWriter, BitcoinServer], Awaitable[None]]
RIGHT = base64.b64encode(b"u:secret")


def connected(client: Client, use: Use) -> None:
    """Run a test's part on one raw connection."""

    async def run() -> None:
        server = BitcoinServer(client.env, client.dispatcher, (Credentials("u", "secret"),))
        await server.start("127.0.0.1", 0)
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        try:
            async with asyncio.timeout(20):
                await use(reader, writer, server)
        finally:
            writer.close()
            await server.stop()

    client.run(run())


def post(method: str, *params: Any, path: str = "/", token: bytes = RIGHT, more: bytes = b"", **fields: Any) -> bytes:
    body = json.dumps({"id": 1, "method": method, "params": params, **fields}).encode()
    head = b"POST %b HTTP/1.1\r\nHost: x\r\nAuthorization: Basic %b\r\n%b" % (path.encode(), token, more)
    return head + b"Content-Length: %d\r\n\r\n" % len(body) + body


async def answer(reader: asyncio.StreamReader) -> tuple[int, Any]:
    head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
    status = int(head.split(" ")[1])
    if status == 204:
        return status, None
    body = await reader.readexactly(int(head.split("content-length:")[1].split("\r\n")[0]))
    return status, json.loads(body) if "application/json" in head else body


async def until(condition: Callable[[], bool]) -> None:
    for _ in range(10_000):
        if condition():
            return
        await asyncio.sleep(0)
    raise AssertionError("it never came to be")


def test_calls_in_a_row_on_one_connection(client: Client) -> None:
    async def use(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, server: BitcoinServer) -> None:
        calls = [
            (post("getblockcount"), 200), (post("getblockhash", 5), 500), (post("nope"), 404), (post("nope", jsonrpc="2.0"), 200),
            (post("getblockcount", jsonrpc="3.0"), 400), (post("getmempoolinfo"), 200), (post("savemempool"), 500),
        ]  # fmt: skip
        writer.write(b"".join(raw for raw, _ in calls))
        assert [(await answer(reader))[0] for _ in calls] == [status for _, status in calls]
        quiet = json.dumps({"jsonrpc": "2.0", "method": "getblockcount"}).encode()
        head = b"POST / HTTP/1.1\r\nHost: x\r\nAuthorization: Basic %b\r\nContent-Length: %d\r\n\r\n"
        writer.write(head % (RIGHT, len(quiet)) + quiet)
        assert await answer(reader) == (204, None)
        for byte in post("getblockcount", path="/wallet/a%20b"):
            writer.write(bytes((byte,)))
            await asyncio.sleep(0)
        assert await answer(reader) == (200, {"result": 0, "error": None, "id": 1})
        assert len(server._plain) == 1, "none of that needed the framework"

    connected(client, use)


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (post("getblockcount", token=b"!!"), 401),
        (post("getblockcount", token=base64.b64encode(b"u:wrong")), 401),
        (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}", 401),
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", 405),
        (post("getblockcount", path="/elsewhere"), 404),
        (post("getblockcount", path="/?x=1"), 200),
        (post("getblockcount", more=b"X-Other: 1\r\n"), 200),
        (post("getblockcount", more=b"Connection: close\r\n"), 200),
    ],
)
def test_whatever_is_unusual_is_judged_by_the_framework(
    client: Client, monkeypatch: pytest.MonkeyPatch, request_: bytes, status: int
) -> None:
    monkeypatch.setattr(server_module, "WRONG_PASSWORD_DELAY", 0)

    async def use(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, server: BitcoinServer) -> None:
        writer.write(request_)
        assert int((await reader.readuntil(b"\r\n")).split(b" ")[1]) == status
        assert not len(server._plain)

    connected(client, use)


def test_the_framework_is_made_once_for_all_who_need_it(client: Client) -> None:
    request = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"

    async def use(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, server: BitcoinServer) -> None:
        assert server._framework.server is None, "nobody needs it yet"
        others = [await asyncio.open_connection("127.0.0.1", server.port) for _ in range(3)]
        for _, other in others:
            other.write(request)
        writer.write(b"G")
        others[0][1].close()  # it leaves before the framework is there
        await until(lambda: any(not c.waiting for c in server._plain._connections))
        writer.write(request[1:] + post("getblockcount"))
        for each in (reader, others[1][0], others[2][0]):
            assert b" 405 " in await each.readuntil(b"\r\n")
        await reader.readuntil(b"POST requests\n")
        assert await answer(reader) == (200, {"result": 0, "error": None, "id": 1})
        await until(lambda: not len(server._plain))

    connected(client, use)


def test_stopping_while_the_framework_is_made(client: Client) -> None:
    async def use(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, server: BitcoinServer) -> None:
        async def never() -> None:
            await asyncio.Event().wait()

        server._framework.prepare = never  # type: ignore[method-assign]
        writer.write(b"GET / HTTP/1.1\r\n\r\n")
        await until(lambda: any(not c.waiting for c in server._plain._connections))
        await server.stop()
        with suppress(ConnectionError):
            assert await reader.read() == b""

    connected(client, use)


def test_a_call_that_waits_ends_at_its_time_or_at_a_new_block(client: Client) -> None:
    async def use(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, server: BitcoinServer) -> None:
        writer.write(post("waitfornewblock", 1))
        assert (await answer(reader))[1]["result"]["height"] == 0
        miner, mines = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(post("waitforblockheight", 1))
        await until(lambda: server.under_way == 1)
        mines.write(post("generatetoaddress", 1, "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080"))
        assert (await answer(reader))[1]["result"]["height"] == 1 and (await answer(miner))[0] == 200
        mines.close()

    connected(client, use)


def test_beyond_the_work_queue_calls_are_turned_away(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_module, "WORK_QUEUE", 1)

    async def use(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, server: BitcoinServer) -> None:
        _, waiter = await asyncio.open_connection("127.0.0.1", server.port)
        waiter.write(post("waitfornewblock"))
        await until(lambda: server.under_way == 1)
        writer.write(post("getblockcount"))
        assert await answer(reader) == (503, b"Work queue depth exceeded\n")
        waiter.close()

    connected(client, use)


def test_stopping_ends_idle_connections_and_calls_that_wait(client: Client) -> None:
    async def use(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, server: BitcoinServer) -> None:
        waiting, waiter = await asyncio.open_connection("127.0.0.1", server.port)
        waiter.write(post("waitfornewblock"))
        writer.write(post("getblockcount"))
        assert (await answer(reader))[0] == 200
        await until(lambda: server.under_way == 1)
        await server.stop()
        assert await reader.read() == b"" and server.under_way == 0
        with suppress(ConnectionError):
            assert await waiting.read() == b""
        waiter.close()

    connected(client, use)
