"""Who may call, how much, and how a WebSocket is served: the rim of the Ethereum-style RPC."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import pytest

from node.rpc import ethereum_server
from node.rpc.ethereum_server import MAX_BODY, EthereumServer
from tests.node.rpc.ethereum.harness import AccountNode

ASK = {"jsonrpc": "2.0", "id": 1, "method": "eth_chainId", "params": []}
BODY = json.dumps(ASK).encode()
JSON = {"Content-Type": "application/json"}

Use = Callable[[aiohttp.ClientSession, str, AccountNode], Awaitable[None]]


def served(use: Use, hosts: tuple[str, ...] = (), origins: tuple[str, ...] = ()) -> None:
    """Run a test's part against a listening server."""
    node = AccountNode()

    async def run() -> None:
        server = EthereumServer(node.env, node.dispatcher, node.events, hosts, origins)
        await server.start("127.0.0.1", 0)
        try:
            async with aiohttp.ClientSession() as session:
                await use(session, f"http://127.0.0.1:{server.port}", node)
        finally:
            await server.stop()

    try:
        node.loop.run_until_complete(run())
    finally:
        node.close()


async def post(session: aiohttp.ClientSession, url: str, data: bytes = BODY, **headers: str) -> tuple[int, bytes, Any]:
    async with session.post(url, data=data, headers={**JSON, **headers}) as answer:
        return answer.status, await answer.read(), answer.headers


def test_hosts_origins_and_content_types() -> None:
    async def use(session: aiohttp.ClientSession, url: str, node: AccountNode) -> None:
        assert (await post(session, url))[0] == 200
        for host in ("localhost", "localhost:1", "[::1]:8545", "10.0.0.1", "node.test"):
            assert (await post(session, url, Host=host))[0] == 200, host
        for host in ("evil.example", "localhost.evil.example", "127.0.0.1.evil.example"):
            assert (await post(session, url, Host=host))[0] == 403, host
        status, _, headers = await post(session, url, Origin="https://good.example")
        assert status == 200 and headers["Access-Control-Allow-Origin"] == "https://good.example"
        status, _, headers = await post(session, url, Origin="https://evil.example")
        assert "Access-Control-Allow-Origin" not in headers
        async with session.post(url, data=BODY, headers={"Content-Type": "text/plain"}) as answer:
            assert answer.status == 415
        async with session.put(url, data=BODY) as answer:
            assert answer.status == 405
        async with session.options(url, headers={"Origin": "https://good.example"}) as answer:
            assert answer.headers["Access-Control-Allow-Methods"] == "POST"
        for origin, fails in (("https://evil.example", True), ("https://good.example", False)):
            try:
                async with session.ws_connect(url, headers={"Origin": origin}):
                    assert not fails
            except aiohttp.WSServerHandshakeError as e:
                assert fails and e.status == 403

    served(use, hosts=("node.test",), origins=("https://good.example",))


def test_bodies_have_a_limit() -> None:
    async def use(session: aiohttp.ClientSession, url: str, node: AccountNode) -> None:
        async with session.post(url, data=b" " * (MAX_BODY + 1), headers=JSON) as answer:
            assert answer.status == 413

        async def endless() -> Any:
            for _ in range(2 * MAX_BODY // 65_536):
                yield b" " * 65_536

        try:
            async with session.post(url, data=endless(), headers=JSON) as answer:
                assert answer.status == 413
        except aiohttp.ClientConnectionError:
            pass  # cut off while it was still sending
        assert (await post(session, url))[0] == 200
        assert (await post(session, url, **{"Content-Encoding": "gzip"}))[0] == 415

    served(use)


def test_a_web_socket_speaks_text_and_binary_and_pushes() -> None:
    async def use(session: aiohttp.ClientSession, url: str, node: AccountNode) -> None:
        async with session.ws_connect(url) as socket:
            await socket.send_str(json.dumps(ASK))
            assert (await socket.receive_json())["result"] == "0x7a69"
            await socket.send_bytes(json.dumps({**ASK, "method": "eth_subscribe", "params": ["newHeads"]}).encode())
            number = (await socket.receive_json())["result"]
            await node.node.on_chain(node.dev.mine)
            pushed = await socket.receive_json()
            assert pushed["params"]["subscription"] == number and pushed["params"]["result"]["number"] == "0x1"
            assert len(node.events.subscriptions) == 1
        for _ in range(100):
            if not node.events.subscriptions:
                break
            await asyncio.sleep(0)
        assert not node.events.subscriptions

    served(use)


def test_http_has_no_subscriptions() -> None:
    async def use(session: aiohttp.ClientSession, url: str, node: AccountNode) -> None:
        body = json.dumps({**ASK, "method": "eth_subscribe", "params": ["newHeads"]}).encode()
        _, answer, _ = await post(session, url, body)
        assert json.loads(answer)["error"]["message"] == "notifications not supported"

    served(use)


def test_a_client_that_does_not_read_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ethereum_server, "MOST_WAITING", 50)

    async def use(session: aiohttp.ClientSession, url: str, node: AccountNode) -> None:
        port = int(url.rpartition(":")[2])
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1024)
        writer.write(
            b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        )
        await reader.readuntil(b"\r\n\r\n")
        body = json.dumps({**ASK, "method": "eth_subscribe", "params": ["newHeads"]}).encode()
        writer.write(bytes((0x81, 0x80 | len(body))) + bytes(4) + body)
        await reader.read(64)
        assert len(node.events.subscriptions) == 1
        for _ in range(200):
            for subscription in list(node.events.subscriptions.values()):
                for _ in range(200):
                    subscription.send({"filler": "x" * 2000})
            await asyncio.sleep(0)
            if not node.events.subscriptions:
                break
        assert not node.events.subscriptions
        writer.close()

    served(use)
