"""feature_block delivered as it was in Bitcoin Core's own test: by a peer over TCP, headers first, to a node with pool, sync and relay.

A step passes when the tip, the reject word and the fate of the peer are those that Core showed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

from ledger.utxo.coins import CoinView
from ledger.utxo.policy import UtxoPolicy
from node.config import Config
from node.env import RealEnv
from node.node import Happening, Node
from node.peering import Peering
from node.results import Rejected
from p2p.framing import Framer, pack
from p2p.messages import GetData, Ping, Pong, Verack, Version, decode
from p2p.wire import command_of, encode
from primitives.bitcoin import BitcoinFormat, BitcoinHeader, read_header
from primitives.buffer import Reader, compact_size
from primitives.errors import ChainError, RuleError
from storage.memory import MemoryStore
from tests.vectors.bitcoin_node import agrees, battery_spec, steps

FORMAT = BitcoinFormat()
SECONDS = 60.0


class Deliverer:
    """The peer: tells headers, serves the blocks that it is asked for, and sends them unasked where the step says so."""

    def __init__(self, port: int, magic: bytes, blocks: dict[bytes, bytes]) -> None:
        self.port = port
        self.magic = magic
        self.blocks = blocks
        self.closed = False
        self.ponged = 0
        self.ready = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def connect(self) -> None:
        """Shake hands."""
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self.port)
        self.closed = False
        self.ready.clear()
        self.send(Version(70016, 9, 0, user_agent="/feature_block/", nonce=1))
        self._task = asyncio.get_running_loop().create_task(self._listen())
        await asyncio.wait_for(self.ready.wait(), SECONDS)

    async def close(self) -> None:
        """Hang up."""
        self.writer.close()
        if self._task is not None:
            await self._task

    def send(self, message: Any) -> None:
        """Send a message."""
        self.writer.write(pack(self.magic, command_of(message), encode(message)))

    def send_block(self, raw: bytes) -> None:
        """Send a block whether it was asked for or not."""
        self.writer.write(pack(self.magic, "block", raw))

    def send_headers(self, headers: list[BitcoinHeader]) -> None:
        """Tell headers."""
        payload = compact_size(len(headers)) + b"".join(h.raw + b"\0" for h in headers)
        self.writer.write(pack(self.magic, "headers", payload))

    async def _listen(self) -> None:
        framer = Framer(self.magic, 4_000_000)
        try:
            while data := await self.reader.read(1 << 16):
                for frame in framer.feed(data):
                    self._on(decode(frame, FORMAT))
        except OSError:
            pass
        self.closed = True

    def _on(self, message: Any) -> None:
        if isinstance(message, Version):
            self.send(Verack())
        elif isinstance(message, Verack):
            self.ready.set()
        elif isinstance(message, Ping):
            self.send(Pong(message.nonce))
        elif isinstance(message, Pong):
            self.ponged = message.nonce
        elif isinstance(message, GetData):
            for _, key in message.items:
                if key in self.blocks:
                    self.send_block(self.blocks[key])


class Delivery:
    """A node that listens, and the peer."""

    def __init__(self, head: dict[str, Any]) -> None:
        self.env = RealEnv(seed=1)
        self.env.freeze(int(head["mock_time"]))
        spec = battery_spec(int(head["bip34_height"]))
        spec = replace(spec, ledger=replace(spec.ledger, policy=UtxoPolicy(require_standard=False)))
        self.node = Node(spec, self.env, MemoryStore())
        self.peering = Peering(self.node, self.env, Config(connect=("127.0.0.1:1",)), None)
        self.peering.remove("127.0.0.1:1")
        self.words: list[str] = []
        self.blocks: dict[bytes, bytes] = {}
        self.nonce = 0
        self.node.subscribe(self._hear)
        self._wrap()

    def _wrap(self) -> None:
        judge = self.peering.judge
        take_blocks, take_headers = judge.take_blocks, judge.take_headers

        def blocks(run: Any) -> Any:
            verdicts = take_blocks(run)
            for verdict in verdicts:
                self._note(verdict.error)
            return verdicts

        def headers(some: Any, peer: int) -> Any:
            entries, error = take_headers(some, peer)
            self._note(error)
            return entries, error

        judge.take_blocks, judge.take_headers = blocks, headers  # type: ignore[method-assign]

    def _note(self, error: ChainError | None) -> None:
        if error is not None:
            self.words.append(error.rule if isinstance(error, RuleError) else str(error))

    def _hear(self, event: Happening) -> None:
        if isinstance(event, Rejected):
            self._note(event.error)

    async def run(self, rest: list[dict[str, Any]]) -> list[Exception | None]:
        """Deliver all steps; what was wrong with each."""
        loop = asyncio.get_running_loop()
        self.node.attach(loop)
        await self.peering.listen("127.0.0.1", 0)
        peers = loop.create_task(self.peering.run())
        await asyncio.sleep(0)
        self.peer = Deliverer(self.peering.port, self.node.spec.network.magic, self.blocks)
        await self.peer.connect()
        errors: list[Exception | None] = []
        for step in rest:
            try:
                await (self._act(step) if "action" in step else self._send(step))
            except Exception as e:
                errors.append(e)
            else:
                errors.append(None)
            if self.peer.closed:
                self.blocks.clear()  # as Core's test does: a new connection knows no old blocks
                await self.peer.connect()
        await self.peer.close()
        peers.cancel()
        await asyncio.gather(peers, return_exceptions=True)
        self.env.close()
        return errors

    async def _send(self, step: dict[str, Any]) -> None:
        self.words.clear()
        raws = [bytes.fromhex(b["hex"]) for b in step["blocks"]]
        headers = [read_header(Reader(raw)) for raw in raws]
        self.blocks.update({h.hash: raw for h, raw in zip(headers, raws, strict=True)})
        if step["force_send"]:
            for raw in raws:
                self.peer.send_block(raw)
        else:
            for start in range(0, len(headers), 2000):
                self.peer.send_headers(headers[start : start + 2000])
        await self._settle()
        if not step["force_send"] and not self.peer.closed and not self._judged(headers[-1]):
            self.peer.send_block(raws[-1])  # not asked for, as it would not be the tip: sent all the same
            await self._settle()
        tip = self.node.chain.tip
        last = headers[-1].hash
        assert (tip.hash == last) == step["tip_becomes_last"], f"tip at height {tip.height}, {self.words}"
        reason = step["reject_reason"]
        if reason not in (None, "*"):
            assert any(agrees(reason, w) for w in self.words), f"{self.words}, not {reason}"
        elif reason == "*":
            assert self.words
        assert self.peer.closed == step["peer_disconnected"], f"peer closed: {self.peer.closed}, {self.words}"

    def _judged(self, header: BitcoinHeader) -> bool:
        with self.node.chain.view() as view:
            return view.body(header.hash) is not None or bool(self.words)

    async def _settle(self) -> None:
        """Wait until nothing that the peer sent is on its way to a verdict."""
        exchange = self.peering.exchange
        async with asyncio.timeout(SECONDS):
            quiet = 0
            while quiet < 3 and not (self.peer.closed and not self.peering.network.peers):
                self.nonce += 1
                self.peer.send(Ping(self.nonce))
                while self.peer.ponged != self.nonce and not self.peer.closed:  # noqa: ASYNC110 - a real socket
                    await asyncio.sleep(0.001)
                await self.env.on_chain(lambda: None)
                await asyncio.sleep(0)
                coming = any(key in self.blocks for p in exchange.sync.peers.values() for key in p.flights)
                busy = coming or any(p.checking for p in exchange.sync.peers.values())
                quiet = 0 if busy or exchange.busy else quiet + 1

    async def _act(self, step: dict[str, Any]) -> None:
        match step["action"]:
            case "setmocktime":
                self.env.freeze(int(step["time"]))
                await self.env.on_chain(lambda: self.node.chain.tick(self.env.now()))
            case "invalidateblock":
                await self.env.on_chain(lambda: self.node.chain.invalidate(bytes.fromhex(step["hash"])[::-1]))
            case "expect_tip":
                assert self.node.chain.tip.hash[::-1].hex() == step["hash"]
            case "gettxout":
                with self.node.chain.view() as view:
                    coin = CoinView(view.state).get(bytes.fromhex(step["txid"])[::-1] + step["n"].to_bytes(4, "little"))
                    assert coin is not None and view.tip.height - coin.height + 1 == step["confirmations"]
            case "mempool_size":
                assert len(self.node.pool) == step["size"], f"{len(self.node.pool)} in the pool, not {step['size']}"
            case other:
                raise AssertionError(f"unknown action {other}")


@lru_cache(1)
def delivered(root: Path) -> list[Exception | None]:
    """What was wrong with each step."""
    head, *rest = steps(root)

    async def main() -> list[Exception | None]:
        return await Delivery(head).run(rest)

    return asyncio.run(main())


def _step(root: Path, number: int) -> None:
    error = delivered(root)[number]
    if error is not None:
        raise error


def batteries_tcp(root: Path) -> Iterator[tuple[str, Callable[[], None]]]:
    """One case a step; the first that a process runs delivers them all."""
    for number, step in enumerate(steps(root)[1:]):
        what = step.get("action") or ",".join(b["name"] for b in step["blocks"][:3])
        yield f"by a peer: {step['seq']} {what} {step.get('section', '')}".strip(), partial(_step, root, number)


SUITES = {"batteries_tcp": batteries_tcp}
