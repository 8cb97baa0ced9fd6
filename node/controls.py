"""Controls: what people do to a local chain of any family: blocks at once, one clock, snapshots, reorganisations, granted coins.

All of it runs on the chain thread and goes through the producer and the chain's front door. It knows no RPC and no format of a transaction.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

from ledger.api import Admission
from node.gate import Position
from node.node import Node
from node.producer import Purse
from primitives.buffer import Reader, Writer
from primitives.chain import Entry, Form
from primitives.errors import ChainError, Refused, SystemFault

log = logging.getLogger("chainyard.node")

ANYONE: Final = b"\x51"
"""A script that anyone may spend: where blocks pay when nobody said where."""
NOBODY: Final = bytes(20)
"""The account that blocks pay then, on chains of accounts alone."""
OURS: Final = -1
"""The source of transactions that this node's own users brought."""
_ACCOUNTS: Final = 1
"""The lane of accounts where a chain has two."""
FILE: Final = "snapshots.json"
MOST_BLOCKS: Final = 1_000_000
"""That are mined by one order."""
MOST_DEEPER: Final = 1_000
"""Blocks by which a branch may have to be longer than the one that it beats, where proof weighs unequally."""


class Beside(Protocol):
    """What a family keeps beside its chain, for snapshots (mining modes of an account chain)."""

    def save(self) -> dict[str, Any]:
        """As plain JSON."""
        ...

    def restore(self, saved: Mapping[str, Any]) -> None:
        """Be as it was."""
        ...


@dataclass(frozen=True, slots=True)
class Mark:
    """A snapshot: where the chain stood, and all beside it that `revert` brings back."""

    hash: bytes
    offset: int
    frozen: int | None
    pooled: tuple[bytes, ...]
    """Transactions in store form, parents first."""
    beside: Mapping[str, Any]

    def encode(self) -> dict[str, Any]:
        """As plain JSON."""
        pooled = [raw.hex() for raw in self.pooled]
        clock = [self.offset, self.frozen]
        return {"block": self.hash.hex(), "clock": clock, "pool": pooled, "beside": dict(self.beside)}

    @classmethod
    def decode(cls, saved: Mapping[str, Any]) -> Mark:
        """Back from JSON. Raises ValueError, KeyError, TypeError."""
        offset, frozen = saved["clock"]
        pooled = tuple(bytes.fromhex(text) for text in saved["pool"])
        return cls(bytes.fromhex(saved["block"]), offset, frozen, pooled, saved["beside"])


class Controls:
    """The controls of one node. `folder`: where snapshots outlive the process; None: they end with it."""

    def __init__(self, node: Node, folder: Path | None = None) -> None:
        self.node = node
        self.beside: Beside | None = None
        self.payee = ANYONE if "bitcoin" in node.spec.rpc else NOBODY
        """Whom blocks pay that nobody else claims."""
        self.maker: Callable[[Sequence[Admission] | None], Any] = self.make
        """What makes a block of the pool, or of just these transactions (an account chain has wishes of its own)."""
        self.marks: dict[int, Mark] = {}
        self._last = 0
        self._file = None if folder is None else folder / FILE
        self._recall()

    # -- blocks -----------------------------------------------------------------------------------------------------

    def mine(self, txs: Sequence[Admission] | None = None, payee: bytes | None = None) -> Any:
        """One block on the tip, of the pool or of just these transactions. Raises Refused where none can be made."""
        return self.maker(txs) if payee is None else self.make(txs, payee)

    def make(self, txs: Sequence[Admission] | None, payee: bytes | None = None) -> Any:
        """One block as the chain's rules have it, without further wishes. Raises Refused."""
        block = self.node.make_block(Purse(self.payee if payee is None else payee), txs)
        if block is None:
            raise Refused("no block could be made")
        return block

    def move_clock(self, seconds: int) -> int:
        """Move the one clock on; the second that it shows then."""
        self.node.move_clock(seconds)
        return self.node.env.now()

    # -- snapshots --------------------------------------------------------------------------------------------------

    def snapshot(self) -> int:
        """Remember where everything stands; the number is given to `revert`."""
        self._last += 1
        env = self.node.env
        beside = {} if self.beside is None else self.beside.save()
        self.marks[self._last] = Mark(self.node.chain.tip.hash, env.offset, env.frozen, self.pooled(), beside)
        self._keep()
        return self._last

    def revert(self, number: int) -> bool:
        """Go back; this snapshot and those after it are used up. False where there is no such snapshot."""
        mark = self.marks.get(number)
        if mark is None or not self._go_back(mark.hash):
            return False
        for later in [n for n in self.marks if n >= number]:
            del self.marks[later]
        self._keep()
        self.empty_pool()
        env = self.node.env
        env.travel(mark.offset)
        self.node.set_clock(mark.frozen)
        self.refill(mark.pooled)
        if self.beside is not None:
            self.beside.restore(mark.beside)
        return True

    def forget(self) -> None:
        """No snapshot holds any more."""
        self.marks.clear()
        self._keep()

    def _go_back(self, key: bytes) -> bool:
        """Make a block the tip again, also where a reorganisation left it behind; whether it is still known."""
        chain = self.node.chain
        entry = chain.entry(key)
        if entry is not None and entry.invalid:  # the user has condemned it since
            chain.reconsider(key)
        with chain.view() as view:
            entry = view.entries.get(key)
            if entry is None or entry.invalid:
                return False
            fork = view.entries.fork(entry)
            path = [] if fork.hash == key else view.entries.path(entry, fork)
            blocks = [block for e in path if (block := view.block(e.hash)) is not None]
        if len(blocks) < len(path):
            return False
        if chain.tip.hash != fork.hash:
            chain.revert(fork)
        if blocks:
            newest: int = blocks[-1].header.timestamp
            chain.extend(iter(blocks), max(self.node.env.now(), newest))
        if chain.tip.hash != key:
            raise SystemFault("a snapshot's block did not become the tip again")
        return True

    def _recall(self) -> None:
        data = None if self._file is None else self.node.env.disk.read(self._file)
        if not data:
            return
        try:
            saved = json.loads(data)
            self.marks = {int(n): Mark.decode(mark) for n, mark in saved["marks"].items()}
            self._last = int(saved["last"])
        except (ValueError, KeyError, TypeError, AttributeError) as e:
            log.warning("the snapshots in %s cannot be read: %s", self._file, e)

    def _keep(self) -> None:
        if self._file is not None:
            saved = {"last": self._last, "marks": {str(n): mark.encode() for n, mark in self.marks.items()}}
            self.node.env.disk.write(self._file, json.dumps(saved).encode())

    # -- the pool ---------------------------------------------------------------------------------------------------

    def pooled(self) -> tuple[bytes, ...]:
        """All transactions that wait, in store form: the pool's in the order in which they came, then the parked ones."""
        node, fmt = self.node, self.node.spec.ledger.format
        entries = sorted(node.pool.view().entries.values(), key=lambda e: e.sequence)
        found = []
        for tx in [*(e.tx for e in entries), *(w.tx for w in node.gate.parked)]:
            w = Writer()
            fmt.write_tx(w, tx, Form.STORE)
            found.append(w.done())
        return tuple(found)

    def refill(self, pooled: Sequence[bytes]) -> None:
        """Bring transactions back that were pooled; those that are no longer lawful stay away."""
        fmt = self.node.spec.ledger.format
        for raw in pooled:
            try:
                reader = Reader(raw)
                tx = fmt.read_tx(reader, Form.STORE)
                reader.finish()
                self.node.submit_tx(tx, OURS)
            except ChainError as e:
                log.debug("a transaction does not come back: %s", e)

    def empty_pool(self) -> None:
        """Drop all that waits."""
        for entry in list(self.node.pool):
            self.node.drop_tx(entry.id)
        self.node.gate.parked.drain()

    # -- reorganisations --------------------------------------------------------------------------------------------

    def reorganise(
        self,
        depth: int,
        txs: Mapping[int, Sequence[Any]],
        purse: Callable[[Entry[Any]], Purse] | None = None,
        outweigh: bool = True,
    ) -> None:
        """Replace the last `depth` blocks by others with these transactions, by growing a side branch until it is the better chain.

        To outweigh the old branch takes one block more where all weigh the same; then every other node follows too. Without it a branch
        of the same weight is preferred here alone. Raises Refused where the chain is not so long, or a transaction does not apply.
        """
        node = self.node
        with node.chain.view() as view:
            if not 0 < depth <= view.tip.height:
                raise Refused(f"the chain is {view.tip.height} blocks long, it cannot lose {depth}")
            parent = view.entries.at(view.tip.height - depth)
        assert parent is not None, "a height below the tip's"
        if wrong := [at for at in txs if not 0 <= at < depth]:
            raise Refused(f"block number {wrong[0]} does not lie within the {depth} new blocks")
        paid = purse or (lambda _: Purse(self.payee))
        for i in range(depth):
            parent = self._side_block(parent, txs.get(i, ()), paid)
        if not outweigh and node.chain.tip.hash != parent.hash:
            node.chain.precious(parent.hash)
        for _ in range(MOST_DEEPER):
            if node.chain.tip.hash == parent.hash:
                return
            parent = self._side_block(parent, (), paid)
        raise Refused(f"the new branch does not beat the old one by {MOST_DEEPER} blocks more")

    def _side_block(self, parent: Entry[Any], txs: Sequence[Any], purse: Callable[[Entry[Any]], Purse]) -> Entry[Any]:
        node = self.node
        with node.chain.view() as view, node.chain.state_at(parent) as state:
            at = Position(view.entries.branch(parent), state, parent.header.timestamp + 1)
            chosen = [admission_of(tx) for tx in txs]
            made = node.producer.make(at, purse(parent), node.stopping.is_set, chosen)
        if made is None:
            raise Refused("no block could be made")
        included = {tx.id for tx in made.block.txs}
        for tx in txs:
            if tx.id not in included:
                raise Refused("transaction does not apply", f"{tx.id.hex()} does not go into the new branch")
        node.take_made(made.block)
        entry = node.chain.entry(made.block.header.hash)
        assert entry is not None, "a block that was just taken in"
        return entry


def admission_of(tx: Any) -> Admission:
    """A transaction that goes into a block whatever the pool's taste; whether it applies, the ledger says when the block is assembled."""
    nothing: frozenset[bytes] = frozenset()
    if hasattr(tx, "vsize"):
        return Admission(tx, tx.id, nothing, nothing, nothing, 0, 0, tx.vsize, resources=(tx.weight, 0))
    return Admission(tx, tx.id, nothing, nothing, nothing, tx.fee_cap, tx.tip_cap, tx.gas_limit, lane=_ACCOUNTS)
