"""Producer: propose, assemble, seal - mining and minting alike. What it makes goes through the chain's front door like any other block.

The engine decides whether a block may be made now, the ledger what goes into it; the producer only joins the two.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from chains.spec import ChainSpec
from consensus.api import Engine, Exhausted
from ledger.api import Admission, Draft, Stop
from node.chain import Prepared
from node.gate import Position
from node.mempool import Mempool
from node.template import choose


@dataclass(frozen=True, slots=True)
class Purse:
    """Where the reward goes, on how many threads to search, and the family's own wishes."""

    payee: bytes
    threads: int = 1
    staker: Any = None
    """Who lends coins and keys to minting (consensus/stake_mint.py); with one the block is one of stake."""
    options: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Made:
    """A block and what it changes: the chain need not execute it again."""

    block: Any
    prepared: Any
    """A Prepared for the chain, or what leads a half of a block back to the whole (half_node.py); None: it is executed again."""


class Producer:
    """Makes blocks on top of a position. Its calls block; the node runs them on threads."""

    def __init__(self, spec: ChainSpec, pool: Mempool) -> None:
        self.spec = spec
        self.pool = pool
        self._extra = 0

    @property
    def engine(self) -> Engine[Any, Any]:
        """The engine that seals what is made here."""
        return self.spec.engine

    def draft(self, at: Position, purse: Purse, stop: Stop) -> Draft | None:
        """What the engine fixes of the next block; None where none may be made now. Each draft has another extra nonce."""
        draft = self.spec.engine.propose(at.branch, at.state, purse, at.now, stop)
        if draft is None:
            return None
        self._extra += 1
        extra = draft.extra or self._extra.to_bytes(4, "little")
        return replace(
            draft,
            payee=draft.payee or purse.payee,
            extra=extra,
            side_headers=draft.side_headers or self._side_headers(at),
            options={**draft.options, **purse.options},
        )

    def _side_headers(self, at: Position) -> tuple[Any, ...]:
        """Headers off the branch that the ledger may name in a block (ommers); it takes those that are lawful."""
        generations = getattr(self.spec.ledger, "ommer_generations", 0)
        if not generations:
            return ()
        return tuple(entry.header for entry in at.branch.siblings(generations))  # type: ignore[attr-defined]

    def assemble(self, draft: Draft, at: Position, txs: Sequence[Admission] | None = None) -> Made:
        """An unsealed block with the best of the pool, or with just these transactions."""
        if txs is None:
            txs = choose(self.pool, self.spec.ledger.limits(), self.pool.base_fee) if len(self.pool) else ()
        block, delta, applied = self.spec.ledger.assemble(draft, txs, at.branch, at.state)
        return Made(block, Prepared(delta, applied))

    def seal(self, made: Made, purse: Purse, stop: Stop) -> Made | Exhausted | None:
        """Search or sign. None: stopped."""
        sealed = self.spec.engine.seal(made.block, purse, stop)
        if sealed is None or isinstance(sealed, Exhausted):
            return sealed
        return Made(sealed, made.prepared)

    def header_of(self, made: Made) -> Any:
        """The header that an outside miner seals."""
        return made.block.header

    def with_header(self, made: Made, header: Any) -> Made:
        """The block with its header sealed outside."""
        return Made(replace(made.block, header=header), made.prepared)

    def make(self, at: Position, purse: Purse, stop: Stop, txs: Sequence[Admission] | None = None) -> Made | None:
        """All three steps, again with another extra nonce where a search was exhausted. None: nothing to be made, or stopped."""
        while not stop():
            draft = self.draft(at, purse, stop)
            if draft is None:
                return None
            sealed = self.seal(self.assemble(draft, at, txs), purse, stop)
            if not isinstance(sealed, Exhausted):
                return sealed
        return None
