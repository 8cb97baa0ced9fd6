"""HalfNode: a node as the clients of one half use it: chain, mempool, producer and events, each in the half's own terms.

It has Node's face, so that methods, wallets and controls need not know which they have. It decides nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Protocol, TypeVar

from chains.spec import ChainSpec
from consensus.api import Engine, Exhausted
from ledger.api import Admission, Draft, Stop
from node.gate import Changes, Check, Position
from node.half_chain import Half, HalfChain, whole_branch
from node.half_pool import HalfGate, HalfPool, in_lane
from node.mempool import Pooled
from node.node import Happening, Listener, Node, PoolChanged, Snapshot
from node.producer import Made, Purse
from node.results import Result, TipChanged
from primitives.env import Env
from primitives.errors import SystemFault
from storage.kv import Store

T = TypeVar("T")


class Workshop(Half, Protocol):
    """A half that takes part in making blocks."""

    spec: ChainSpec
    engine: Engine[Any, Any]
    """What seals a whole block."""

    def purse(self, purse: Purse) -> Purse:
        """What the half's client brings, for a whole block."""
        ...

    def remember(self, block: Any) -> None:
        """A whole block was made: its half may come back alone."""
        ...

    def join(self, block: Any) -> Any:
        """The whole block of a half. Raises Refused where the other half is not here."""
        ...

    def resealed(self, block: Any, header: Any) -> Any:
        """The whole block with its header sealed outside."""
        ...

    def owns(self, tx: Any) -> bool:
        """Whether a transaction is the half's."""
        ...


class HalfProducer:
    """A Producer whose blocks are the half's; what it gives to `seal` and `take_made` leads back to the whole."""

    def __init__(self, half: Workshop, node: Node) -> None:
        self._half = half
        self._node = node

    def _lane(self, txs: Sequence[Admission] | None) -> Sequence[Admission] | None:
        return None if txs is None else [replace(a, lane=self._half.lane) for a in txs]

    @property
    def engine(self) -> Engine[Any, Any]:
        """The engine that seals outer blocks."""
        return self._half.engine

    def _whole(self, at: Position) -> Position:
        return replace(at, branch=whole_branch(at.branch))

    def draft(self, at: Position, purse: Purse, stop: Stop) -> Draft | None:
        """What the engine fixes of the next block."""
        return self._node.producer.draft(self._whole(at), self._half.purse(purse), stop)

    def assemble(self, draft: Draft, at: Position, txs: Sequence[Admission] | None = None) -> Made:
        """An unsealed block with the best of the pool, or with just these transactions of the half."""
        return self._own(self._node.producer.assemble(draft, self._whole(at), self._lane(txs)))

    def seal(self, made: Made, purse: Purse, stop: Stop) -> Made | Exhausted | None:
        """Search or sign. None: stopped."""
        sealed = self._node.producer.seal(_whole(made), self._half.purse(purse), stop)
        return self._own(sealed) if isinstance(sealed, Made) else sealed

    def make(self, at: Position, purse: Purse, stop: Stop, txs: Sequence[Admission] | None = None) -> Made | None:
        """Propose, assemble and seal. None: nothing to be made, or stopped."""
        made = self._node.producer.make(self._whole(at), self._half.purse(purse), stop, self._lane(txs))
        return None if made is None else self._own(made)

    def header_of(self, made: Made) -> Any:
        """The header that an outside miner seals: the whole block's."""
        return self._node.producer.header_of(_whole(made))

    def with_header(self, made: Made, header: Any) -> Made:
        """The block with its header sealed outside."""
        whole = _whole(made)
        return self._own(Made(self._half.resealed(whole.block, header), whole.prepared))

    def _own(self, made: Made) -> Made:
        self._half.remember(made.block)
        return Made(self._half.block(made.block), made)


def _whole(made: Made) -> Made:
    if not isinstance(made.prepared, Made):
        raise SystemFault("a half of a block was to be sealed that was not assembled here")
    return made.prepared


class HalfNode:
    """One half of a node's chain, with Node's face."""

    def __init__(self, whole: Node, half: Workshop) -> None:
        self.whole = whole
        self.half = half
        self.spec = half.spec
        self.chain = HalfChain(half, whole.chain)
        self.pool = HalfPool(whole.pool, half.lane, half.spec.ledger.policy)
        self.gate = HalfGate(whole.gate, half.owns)
        self.producer = HalfProducer(half, whole)
        self.chain_listeners: list[Listener] = []
        """Called on the chain thread, before the call that caused the event returns."""
        whole.chain_listeners.append(self._on_event)

    def _on_event(self, event: Happening) -> None:
        if self.chain_listeners and (own := self._own(event)) is not None:
            for listener in self.chain_listeners:
                listener(own)

    def _own(self, event: Happening) -> Happening | None:
        """The event as the half sees it; None where it is none of its business."""
        if isinstance(event, TipChanged):
            return self.chain.of(event)
        if isinstance(event, PoolChanged):
            changes = in_lane(event.changes, self.half.lane)
            return PoolChanged(changes) if changes.added or changes.replaced or changes.confirmed else None
        return event

    def purse(self, purse: Purse) -> Purse:
        """What a client of the half brings to a block, for the whole node."""
        return self.half.purse(purse)

    # -- what both halves share -------------------------------------------------------------------------------------

    @property
    def env(self) -> Env:
        """Time, randomness, disk and threads."""
        return self.whole.env

    @property
    def store(self) -> Store:
        """Where the chain lies."""
        return self.whole.store

    @property
    def started(self) -> float:
        """When the node began (`Env.monotonic`)."""
        return self.whole.started

    @property
    def stopping(self) -> asyncio.Event:
        """Set when the node ends."""
        return self.whole.stopping

    @property
    def clock_listeners(self) -> list[Callable[[], None]]:
        """Called on the chain thread when the clock was set or moved by hand."""
        return self.whole.clock_listeners

    def set_clock(self, second: int | None) -> None:
        """Fix the clock at a second, or let it run again."""
        self.whole.set_clock(second)

    def move_clock(self, seconds: int) -> None:
        """Move the clock on."""
        self.whole.move_clock(seconds)

    def stop(self, fault: SystemFault | None = None) -> None:
        """Ask the node to end."""
        self.whole.stop(fault)

    async def on_chain(self, work: Callable[[], T]) -> T:
        """Run on the chain thread."""
        return await self.whole.on_chain(work)

    def relax(self, second: int) -> None:
        """A block of this time is next."""
        self.whole.relax(second)

    # -- reading ----------------------------------------------------------------------------------------------------

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Call this on the loop with every event of the half; returns what ends it."""

        def heard(event: Happening) -> None:
            own = self._own(event)
            if own is not None:
                listener(own)

        return self.whole.subscribe(heard)

    @contextmanager
    def snapshot(self) -> Iterator[Snapshot]:
        """Something to read from, on any thread."""
        with self.chain.view() as view:
            yield Snapshot(self, view, self.pool.view(), self.env.now())  # type: ignore[arg-type]

    @contextmanager
    def position(self) -> Iterator[Position]:
        """Where the chain stands, on the chain thread."""
        with self.chain.view() as view:
            yield Position(view.branch, view.state, self.env.now())

    # -- changing (all on the chain thread) -------------------------------------------------------------------------

    def accept_block(self, block: Any, source: object = None) -> Result:
        """Judge a block that a client brought. Raises Refused("payload-unknown"), Invalid, Mutated."""
        return self.whole.accept_block(self.half.join(block), source)

    def submit_tx(self, tx: Any, source: int | None = None, check: Check = lambda _: None) -> Changes:
        """Take a transaction into the pool."""
        return in_lane(self.whole.submit_tx(tx, source, check), self.half.lane)

    def submit_package(self, txs: Sequence[Any], check: Check = lambda _: None) -> Changes:
        """Take a package into the pool."""
        return in_lane(self.whole.submit_package(txs, check), self.half.lane)

    def drop_tx(self, txid: bytes) -> list[Pooled]:
        """Take a transaction and its heirs out of the pool."""
        return self.whole.drop_tx(txid)

    def make_block(
        self,
        purse: Purse,
        txs: Sequence[Any] | None = None,
        submit: bool = True,
        stop: Callable[[], bool] | None = None,
    ) -> Any | None:
        """Produce one block here and now; the half of it. None: stopped."""
        made = self.whole.make_block(self.half.purse(purse), txs, submit, stop)
        if made is None:
            return None
        self.half.remember(made)
        return self.half.block(made)

    def take_made(self, block: Any, prepared: Any = None) -> Result:
        """Connect a block of our own."""
        if isinstance(prepared, Made):
            return self.whole.take_made(prepared.block, prepared.prepared)
        return self.whole.take_made(self.half.join(block))

    # -- mining -----------------------------------------------------------------------------------------------------

    async def generate(self, count: int, purse: Purse, stop: Callable[[], bool] | None = None) -> list[bytes]:
        """Mine so many blocks; hashes of the whole blocks."""
        return await self.whole.generate(count, self.half.purse(purse), stop)

    def mine(self, purse: Purse) -> None:
        """Begin to mine without end."""
        self.whole.mine(self.half.purse(purse))

    def stop_mining(self) -> None:
        """End it."""
        self.whole.stop_mining()

    @property
    def mining(self) -> bool:
        """Whether blocks are mined without end."""
        return self.whole.mining
