"""Node: builds the parts from a ChainSpec, owns their tasks, starts and stops them. It knows no RPC.

All that changes state runs on the chain thread, which is the lock; the loop only carries messages. What happened there
comes back to the loop as events (`subscribe`), in order.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from chains.spec import ChainSpec
from ledger.api import Aid, SignatureCache
from node.chain import Chain
from node.gate import Changes, Check, Gate, Position
from node.indexes import Index
from node.mempool import Mempool, Pooled, PoolView
from node.producer import Made, Producer, Purse
from node.results import Event, Judged, Rejected, Result, TipChanged
from node.view import ChainView
from primitives.chain import Branch, Entry
from primitives.env import Env
from primitives.errors import SystemFault
from storage.deferred import Deferred
from storage.durability import Durability
from storage.kv import KV, Store

T = TypeVar("T")
log = logging.getLogger("chainyard.node")

OLD_BLOCK = 24 * 60 * 60
"""Seconds behind the clock at which a block is history: others have it too, and many more of its kind are still to come."""

PREPARE = 10
"""Seconds between two looks at what mining will take."""


@dataclass(frozen=True, slots=True)
class PoolChanged:
    """The mempool took something in or let something go, outside of a change of tip or because of one."""

    changes: Changes


Happening = TipChanged | Rejected | Judged | PoolChanged
Listener = Callable[[Happening], None]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Chain, state, index and mempool to read from, the chain's parts all of one commit."""

    node: Node
    view: ChainView
    pool: PoolView
    now: int

    @property
    def tip(self) -> Entry[Any]:
        """The tip of the connected chain."""
        return self.view.tip

    @property
    def branch(self) -> Branch[Any]:
        """The connected chain."""
        return self.view.branch

    @property
    def state(self) -> KV:
        """The state after the tip."""
        return self.view.state

    @property
    def spec(self) -> ChainSpec:
        """What this chain is."""
        return self.node.spec


class Node:
    """One chain, its mempool and its producer. Peers are in `peering`, wallets in `wallets`, servers in daemon.py."""

    def __init__(
        self,
        spec: ChainSpec,
        env: Env,
        store: Store,
        *,
        indexes: Sequence[Index] = (),
        cache: SignatureCache | None = None,
        executor: Any = None,
        progress: Callable[[str, int, int], None] = lambda _what, _done, _of: None,
    ) -> None:
        """Open the chain in a store. Raises SystemFault where the store holds another one."""
        self.spec = spec
        self.env = env
        self.store = store
        self._durability = store.durability
        self.aid = Aid(cache, executor)
        self.chain = Chain(spec, store, self.aid, monotonic=env.monotonic, indexes=indexes, progress=progress)
        self.chain.observers.append(self._on_chain_event)
        self.pool = Mempool(spec.ledger.policy)
        self.gate = Gate(spec.ledger, self.pool, self.aid, env.random.randbytes(16))
        self.producer = Producer(spec, self.pool)
        self.started = env.monotonic()
        self.stopping = asyncio.Event()
        self.fault: SystemFault | None = None
        self.chain_listeners: list[Listener] = []
        """Called on the chain thread, before the call that caused the event returns (wallets)."""
        self.clock_listeners: list[Callable[[], None]] = []
        """Called on the chain thread when the clock was set or moved by hand (staking)."""
        self._listeners: list[Listener] = []
        self._told: deque[Happening] = deque()
        """Events on their way to the loop, in order."""
        self._woken = self._in_job = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._tasks: asyncio.TaskGroup | None = None
        self._mining: asyncio.Task[None] | None = None
        self._stop_mining = False
        self._at_once = False

    @property
    def whole(self) -> Node:
        """The node itself: of what has a node's face (half_node.py), the node behind it."""
        return self

    def purse(self, purse: Purse) -> Purse:
        """What a client brings to a block, for the node itself (half_node.py): the same."""
        return purse

    # -- life -------------------------------------------------------------------------------------------------------

    def attach(self, loop: asyncio.AbstractEventLoop) -> None:
        """From now on events reach the listeners on this loop."""
        self._loop = loop

    async def keep_time(self) -> None:
        """Once a second: blocks that the clock has reached, and commits that a store holds."""
        while not self.stopping.is_set():
            await asyncio.sleep(1)
            self.store.tick()
            if isinstance(self.store, Deferred) and self.store.holds:
                await self.on_chain(self.store.settle)
            if self.chain.waiting:
                await self.on_chain(lambda: self.chain.tick(self.env.now()))

    async def keep_prepared(self) -> None:
        """Have what mining the next blocks takes made beside it, where the engine makes such things (large tables)."""
        prepare = getattr(self.spec.engine, "prepare", None)
        while prepare is not None and not self.stopping.is_set():
            await self.env.on_worker(partial(prepare, self.chain.tip.height + 1, self.stopping.is_set))
            await asyncio.sleep(PREPARE)

    def set_clock(self, second: int | None) -> None:
        """Fix the clock at a second, or let it run again, and take in what it has reached. On the chain thread."""
        self.env.freeze(second)
        self._clock_moved()

    def move_clock(self, seconds: int) -> None:
        """Move the clock on. On the chain thread."""
        self.env.advance(seconds)
        self._clock_moved()

    def _clock_moved(self) -> None:
        self.chain.tick(self.env.now())
        for heard in self.clock_listeners:
            heard()

    def stop(self, fault: SystemFault | None = None) -> None:
        """Ask the node to end; with the fault that makes it."""
        if fault is not None and self.fault is None:
            self.fault = fault
            log.error("%s", fault)
        self._stop_mining = True
        self.stopping.set()

    async def on_chain(self, work: Callable[[], T]) -> T:
        """Run on the chain thread; a fault of our own there stops the node."""
        try:
            return await self.env.on_chain(self.as_job(work))
        except SystemFault as e:
            self.stop(e)
            raise

    def as_job(self, work: Callable[[], T]) -> Callable[[], T]:
        """The work as one job of the chain thread: its events wake the loop once, when it ends, and before its result does."""

        def job() -> T:
            self._in_job = True
            try:
                return work()
            finally:
                self._in_job = False
                self._wake()

        return job

    # -- events -----------------------------------------------------------------------------------------------------

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Call this on the loop with every event; returns what ends it."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener) if listener in self._listeners else None

    def _on_chain_event(self, event: Event) -> None:
        """On the chain thread, after a commit."""
        changes = Changes()
        if isinstance(event, TipChanged):
            changes = self._follow(event)
        self._publish(event)
        if changes.added or changes.replaced or changes.confirmed:
            self._publish(PoolChanged(changes))

    def _follow(self, event: TipChanged) -> Changes:
        if not (event.reverted or len(self.pool) or len(self.gate.parked)):
            self.gate.rejects.clear()
            return Changes()
        reverted = [b for e in event.reverted if (b := self.chain.block(e.hash)) is not None]
        connected = [(c.block, c.applied.touched) for c in event.connected]
        with self.position() as at:
            return self.gate.on_tip(reverted, connected, at)

    def _publish(self, event: Happening) -> None:
        for listener in self.chain_listeners:
            listener(event)
        if self._loop is not None and self._listeners and not self._loop.is_closed():
            self._told.append(event)
            if not self._in_job:
                self._wake()

    def _wake(self) -> None:
        if self._told and not self._woken and self._loop is not None and not self._loop.is_closed():
            self._woken = True
            self._loop.call_soon_threadsafe(self._deliver)

    def _deliver(self) -> None:
        self._woken = False  # what is told from here on wakes the loop again
        try:
            while self._told:
                event = self._told.popleft()
                for listener in list(self._listeners):
                    listener(event)
        finally:
            self._wake()  # a listener that failed keeps nobody from hearing the rest

    # -- reading ----------------------------------------------------------------------------------------------------

    @contextmanager
    def snapshot(self) -> Iterator[Snapshot]:
        """Something to read from, on any thread, for as long as the block lasts."""
        with self.chain.view() as view:
            yield Snapshot(self, view, self.pool.view(), self.env.now())

    @contextmanager
    def position(self) -> Iterator[Position]:
        """Where the chain stands, on the chain thread."""
        with self.chain.view() as view:
            yield Position(view.branch, view.state, self.env.now())

    # -- changing (all on the chain thread) -------------------------------------------------------------------------

    def accept_block(self, block: Any, source: object = None) -> Result:
        """Judge a block from anywhere. Raises Invalid, Mutated."""
        self.relax(block.header.timestamp)
        return self.chain.accept(block, self.env.now(), source=source)

    @contextmanager
    def at_once(self) -> Iterator[None]:
        """What is done within is on the disk when it ends, not block by block: blocks that are made together. On the chain thread."""
        self._at_once = True
        try:
            yield
        finally:
            self._at_once = False
            self.store.durability = self._durability
            if isinstance(self.store, Deferred):
                self.store.settle()

    def relax(self, second: int) -> None:
        """A block of this time is next: one that is history can be had again, so its commit may be lost to a power cut, whole."""
        if self._at_once and self._durability is Durability.FULL:
            self.store.durability = Durability.BATCH
        elif self._durability is Durability.FULL:
            old = second < self.env.now() - OLD_BLOCK
            self.store.durability = Durability.BATCH if old else Durability.FULL

    def submit_tx(self, tx: Any, source: int | None = None, check: Check = lambda _: None) -> Changes:
        """Take a transaction into the pool. Raises as Gate.submit."""
        with self.position() as at:
            changes = self.gate.submit(tx, at, source, check)
        self._publish(PoolChanged(changes))
        return changes

    def submit_package(self, txs: Sequence[Any], check: Check = lambda _: None) -> Changes:
        """Take a package into the pool. Raises as Gate.submit_package."""
        with self.position() as at:
            changes = self.gate.submit_package(txs, at, check)
        self._publish(PoolChanged(changes))
        return changes

    def drop_tx(self, txid: bytes) -> list[Pooled]:
        """Take a transaction and its heirs out of the pool."""
        gone = self.pool.remove(txid)
        if gone:
            self._publish(PoolChanged(Changes(replaced=gone)))
        return gone

    def make_block(
        self,
        purse: Purse,
        txs: Sequence[Any] | None = None,
        submit: bool = True,
        stop: Callable[[], bool] | None = None,
    ) -> Any | None:
        """Produce one block here and now, of the pool or of just these admitted transactions, and connect it. None: stopped."""
        with self.position() as at:
            made = self.producer.make(at, purse, stop or self.stopping.is_set, txs)
        if made is None:
            return None
        if submit:
            self.take_made(made.block, made.prepared)
        return made.block

    def take_made(self, block: Any, prepared: Any = None) -> Result:
        """Connect a block of our own. On a local network the clock follows where blocks come faster than seconds."""
        now = self.env.now()
        self.relax(now)
        if self.spec.network.local and block.header.timestamp > now:
            self.env.advance(block.header.timestamp - now)
            now = block.header.timestamp
        return self.chain.accept(block, now, prepared)

    # -- mining -----------------------------------------------------------------------------------------------------

    async def generate(self, count: int, purse: Purse, stop: Callable[[], bool] | None = None) -> list[bytes]:
        """Mine so many blocks, one chain job each, so that others have their turn; hashes in wire order."""
        hashes: list[bytes] = []
        while len(hashes) < count and not self.stopping.is_set():
            block = await self.on_chain(lambda: self.make_block(purse, stop=stop))
            if block is None:
                break
            hashes.append(block.header.hash)
        return hashes

    def mine(self, purse: Purse) -> None:
        """Begin to mine without end, in a task of its own."""
        self.stop_mining()
        self._stop_mining = False
        self._mining = asyncio.get_running_loop().create_task(self._mine(purse), name="mining")
        self._mining.add_done_callback(_log_failure)

    def stop_mining(self) -> None:
        """End it."""
        self._stop_mining = True
        if self._mining is not None:
            self._mining.cancel()
            self._mining = None

    @property
    def mining(self) -> bool:
        """Whether blocks are mined without end."""
        return self._mining is not None and not self._mining.done()

    async def _mine(self, purse: Purse) -> None:
        while not self.stopping.is_set():
            tip = self.chain.tip.hash

            def stale(tip: bytes = tip) -> bool:
                return self._stop_mining or self.chain.tip.hash != tip

            made: Made | None = await self.on_chain(partial(self._unsealed, purse, stale))
            if made is None:
                await asyncio.sleep(0.5)
                continue
            sealed = await self.env.on_worker(partial(self.producer.seal, made, purse, stale))
            if isinstance(sealed, Made):
                await self.on_chain(partial(self.take_made, sealed.block, sealed.prepared))

    def _unsealed(self, purse: Purse, stop: Callable[[], bool]) -> Any:
        with self.position() as at:
            draft = self.producer.draft(at, purse, stop)
            return None if draft is None else self.producer.assemble(draft, at)


def _log_failure(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        log.error("mining ended: %s", error)
