"""Exchange: carries messages from the network to sync and relay, and their actions to network, chain and pool. The rim.

It decides nothing: sync.py and relay.py do, the chain and the pool judge. Everything here runs on the event loop.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

from node.actions import (
    Action,
    BlockJudged,
    Bodies,
    CheckHeaders,
    Deliver,
    Disconnect,
    Event,
    Got,
    HeadersChecked,
    HeaderView,
    Joined,
    JudgeTx,
    Left,
    MorePeers,
    Penalise,
    PoolFacts,
    PoolGrew,
    Send,
    Serve,
    Tick,
    TipMoved,
    TxJudged,
    Wake,
)
from node.relay import Relay
from node.serve import Step, steps
from node.sync import Sync
from node.sync_peer import Limits
from node.treatment import Treatment, reason, treatment
from p2p.api import Settings
from p2p.handshake import NODE_NETWORK, NODE_NETWORK_LIMITED
from p2p.messages import GetData, Message, SendCompact, SendHeaders
from p2p.network import Network
from p2p.peer import Kind, Peer
from primitives.chain import Entry, Format
from primitives.env import Env
from primitives.errors import ChainError, DecodeError, Refused
from storage.readers import SlowRead

log = logging.getLogger("chainyard.net")

HEADER_SLICE = 200
"""Headers that the chain judges in one go."""
REFUSED_PAUSE = 0.2
"""Seconds that a peer is not listened to after headers that nobody asked for and that are not held."""
BLOCKS_AT_ONCE = 32
"""Blocks that the chain is handed at a time."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the chain says of a delivered block."""

    stored: bool
    error: ChainError | None = None


class Judge(HeaderView, PoolFacts, Bodies, Protocol):
    """Chain and pool as peers need them. `take_*` run on the chain thread, Bodies on a reader thread, the rest on the loop."""

    def take_headers(self, headers: Sequence[Any], peer: int) -> tuple[Sequence[Entry[Any]], ChainError | None]:
        """Judge headers in order up to the first that is not good."""
        ...

    def take_blocks(self, blocks: Sequence[Deliver]) -> Sequence[Verdict]:
        """Decode and judge blocks in wire form, one verdict each; unrequested ones only where they are wanted."""
        ...

    def take_tx(self, tx: Any, peer: int) -> tuple[ChainError | None, tuple[bytes, ...]]:
        """Judge a transaction; what is wrong with it, and the ids of parents to ask for where inputs are missing."""
        ...

    def dropped(self, peer: int) -> None:
        """A peer is gone: let go of what is held for it alone (headers without proof, blocks and transactions that wait)."""
        ...


class Exchange:
    """The handler of one node's network. `run()` lasts until it is cancelled."""

    def __init__(self, env: Env, fmt: Format, settings: Settings, judge: Judge, limits: Limits | None = None) -> None:
        self.env = env
        self.fmt = fmt
        self.judge = judge
        self.settings = settings
        self.network = Network(env, fmt, settings, self)
        self.sync = Sync(judge, env.random, settings.protocol_version, limits)
        self.relay = Relay(judge, judge, env.random, settings.local)
        self._blocks: asyncio.Queue[tuple[Deliver, asyncio.Future[None] | None]] = asyncio.Queue()
        self._headers: asyncio.Queue[tuple[CheckHeaders, asyncio.Future[ChainError | None] | None]] = asyncio.Queue()
        self._judging = 0
        self._wake_at = float("inf")
        self._wake = asyncio.Event()

    async def run(self) -> None:
        """Run the network, the judging of headers and blocks, and the clock of sync and relay."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.network.run(), name="network")
            tasks.create_task(self._judge_blocks(), name="blocks")
            tasks.create_task(self._judge_headers(), name="headers")
            tasks.create_task(self._keep_time(), name="sync clock")

    @property
    def busy(self) -> bool:
        """Whether headers or blocks wait for the chain's verdict."""
        return self._judging > 0 or not self._blocks.empty() or not self._headers.empty()

    # -- the network's handler --------------------------------------------------------------------------------------

    def height(self) -> int:
        """The height of the tip."""
        return self.judge.tip.height

    def joined(self, peer: Peer) -> None:
        """Greet a peer, and let sync and relay know."""
        agreed = peer.agreed
        assert agreed is not None
        peer.send(SendHeaders())
        if agreed.version >= 70014:
            peer.send(SendCompact(False, 2))
        self._feed(
            Joined(
                peer.id,
                outbound=not peer.inbound,
                serves_blocks=bool(agreed.services & (NODE_NETWORK | NODE_NETWORK_LIMITED)),
                relays_txs=peer.relays_txs,
                wtxid_relay=agreed.wtxid_relay,
                whitelisted=peer.whitelisted,
                replaceable=peer.kind in (Kind.FULL, Kind.BLOCK_ONLY),
            )
        )

    async def received(self, peer: Peer, message: Message) -> None:
        """Pass a message on; what the peer was not asked for is judged before its next message is read."""
        event = Got(peer.id, message)
        now = self.env.monotonic()
        for action in (*self.sync.on(event, now), *self.relay.on(event, now)):
            if isinstance(action, JudgeTx):
                await self._judge_tx(action)
            elif isinstance(action, Deliver) and not action.requested:
                done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
                self._blocks.put_nowait((action, done))
                await done
            elif isinstance(action, CheckHeaders) and not action.asked:
                judged: asyncio.Future[ChainError | None] = asyncio.get_running_loop().create_future()
                self._headers.put_nowait((action, judged))
                if isinstance(await judged, Refused):
                    await asyncio.sleep(REFUSED_PAUSE)  # more than is held was shown; what it has is asked for in time
            else:
                self._do(action)

    def malformed(self, peer: Peer, error: DecodeError) -> None:
        """A message did not decode."""
        self._do(Penalise(peer.id, error))

    def left(self, peer: Peer) -> None:
        """A peer is gone."""
        self.judge.dropped(peer.id)
        self._feed(Left(peer.id))

    # -- events of chain and pool -----------------------------------------------------------------------------------

    def tip_moved(self, tip: Entry[Any], connected: tuple[Entry[Any], ...]) -> None:
        """The connected chain changed. Call on the loop."""
        self._feed(TipMoved(tip, connected))

    def pool_grew(self, event: PoolGrew) -> None:
        """Transactions entered the pool. Call on the loop."""
        self._feed(event)

    def block_refused(self, peer: int, error: ChainError) -> None:
        """A block that had waited turned out bad. Call on the loop."""
        self._do(Penalise(peer, error))

    def fetch(self, peer: int, digest: bytes) -> bool:
        """Ask a peer for a block by the user's wish; whether there is such a peer. Call on the loop."""
        actions = self.sync.fetch(peer, digest, self.env.monotonic())
        self._perform(actions or ())
        return actions is not None

    # -- actions ----------------------------------------------------------------------------------------------------

    def _feed(self, event: Event) -> None:
        now = self.env.monotonic()
        self._perform(self.sync.on(event, now))
        self._perform(self.relay.on(event, now))

    def _perform(self, actions: Iterable[Action]) -> None:
        for action in actions:
            self._do(action)

    def _do(self, action: Action) -> None:
        if isinstance(action, Send):
            self.network.send(action.peer, action.message)
        elif isinstance(action, Deliver):
            self._blocks.put_nowait((action, None))
        elif isinstance(action, CheckHeaders):
            self._headers.put_nowait((action, None))
        elif isinstance(action, Wake):
            if action.at < self._wake_at:
                self._wake_at = action.at
                self._wake.set()
        elif isinstance(action, Serve):
            self._serve(action)
        elif isinstance(action, Penalise):
            self._penalise(action)
        elif isinstance(action, Disconnect):
            log.info("peer %d: %s", action.peer, action.reason)
            self.network.disconnect(action.peer, action.reason)
        elif isinstance(action, MorePeers):
            self.network.dialer.extra = action.count

    def _penalise(self, action: Penalise) -> None:
        peer = self.network.peers.get(action.peer)
        if peer is None:
            return
        verdict = treatment(action.error, not peer.inbound)
        log.debug("peer %d: %s: %s", peer.id, action.error, verdict.value)
        if verdict is Treatment.PUNISH:
            self.network.punish(peer.id, reason(action.error))

    def _serve(self, action: Serve) -> None:
        peer = self.network.peers.get(action.peer)
        if peer is None or peer.agreed is None:
            return
        relay = self.relay.peers.get(peer.id)
        least = relay.least_rate if relay is not None else 0
        answer = steps(action.request, self.judge, self.fmt, peer.agreed.wtxid_relay, least)

        async def serve() -> None:
            for step in answer:
                await peer.drained()
                if peer.closed is not None:
                    return
                await self._step(peer, step)

        weight = len(action.request.items) if isinstance(action.request, GetData) else 1
        peer.later(serve, weight)

    async def _step(self, peer: Peer, step: Step) -> None:
        try:
            message = await self.env.on_reader(step)
        except SlowRead as e:
            log.warning("peer %d: what it asked for is not answered: %s", peer.id, e)
            return
        if message is not None:
            peer.send(message)

    # -- judging ----------------------------------------------------------------------------------------------------

    async def _judge_tx(self, action: JudgeTx) -> None:
        error, parents = await self.env.on_chain(partial(self.judge.take_tx, action.tx, action.peer))
        if error is None:
            self._mark(action.peer, "last_tx")
        self._feed(TxJudged(action.peer, action.id, action.relay_id, error, parents))

    async def _judge_headers(self) -> None:
        while True:
            action, done = await self._headers.get()
            self._judging += 1
            entries: list[Entry[Any]] = []
            error: ChainError | None = None
            for start in range(0, len(action.headers), HEADER_SLICE):
                part = action.headers[start : start + HEADER_SLICE]
                found, error = await self.env.on_chain(partial(self.judge.take_headers, part, action.peer))
                entries += found
                if error is not None:
                    break
            self._judging -= 1
            self._feed(HeadersChecked(action.peer, tuple(entries), error, action.full))
            if done is not None and not done.done():
                done.set_result(error)

    async def _judge_blocks(self) -> None:
        queue = self._blocks
        while True:
            batch = [await queue.get()]
            while len(batch) < BLOCKS_AT_ONCE and not queue.empty():
                batch.append(queue.get_nowait())
            self._judging += 1
            blocks = [deliver for deliver, _ in batch]
            verdicts = await self.env.on_chain(partial(self.judge.take_blocks, blocks))
            self._judging -= 1
            for (deliver, done), verdict in zip(batch, verdicts, strict=True):
                if verdict.stored and verdict.error is None:
                    self._mark(deliver.peer, "last_block")
                self._feed(
                    BlockJudged(deliver.peer, deliver.header.hash, deliver.requested, verdict.stored, verdict.error)
                )
                if done is not None and not done.done():
                    done.set_result(None)

    def _mark(self, id: int, name: str) -> None:
        peer = self.network.peers.get(id)
        if peer is not None:
            setattr(peer, name, self.env.monotonic())

    async def _keep_time(self) -> None:
        """Tick once a second, and when sync or relay asked for it."""
        tick_at = self.env.monotonic()
        while True:
            delay = min(tick_at, self._wake_at) - self.env.monotonic()
            self._wake.clear()
            if delay > 0:
                with suppress(TimeoutError):
                    async with asyncio.timeout(delay):
                        await self._wake.wait()
                continue
            self._wake_at = float("inf")
            tick_at = self.env.monotonic() + self.settings.tick
            self._feed(Tick())
            await asyncio.sleep(0)
