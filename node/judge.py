"""ChainJudge: chain and pool as peers need them: what sync and relay ask, what is served, and the taking of what peers bring.

It joins protocols and decides nothing that a rule or policy does not. `take_*` run on the chain thread.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

from node.actions import Announced, Deliver
from node.exchange import Verdict
from node.index import Entries
from node.mempool import Pooled
from node.node import Happening, Node
from node.results import Parked, TipChanged
from primitives.buffer import Reader, Writer
from primitives.chain import Entry, Form, Format
from primitives.errors import ChainError, DecodeError, InvalidHeader, Missing, Premature, Refused, SystemFault

T = TypeVar("T")
NEAR_TIP = 144
"""Headers of a chain that is so many blocks of work behind the tip are not kept (Bitcoin Core, GetAntiDoSWorkThreshold)."""
OLD_TIP = 24 * 60 * 60
"""A tip older than this means initial download, on a public network."""
STALE_SECRET = 30 * 24 * 60 * 60
"""Blocks off the chain that are older are not told, so that nobody can be known by them."""
RECENT = 30_000
"""Ids of mined transactions that are not asked for again."""


class ChainJudge:
    """One node's answers to its peers."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self.chain = node.chain
        self._synced = False
        self._unproven = not node.spec.engine.header_proves
        self._recent: dict[bytes, None] = {}
        self._tasks: set[asyncio.Future[Any]] = set()
        node.chain_listeners.append(self._on_event)

    # -- what sync asks (HeaderView) --------------------------------------------------------------------------------

    @property
    def tip(self) -> Entry[Any]:
        """The tip of the connected chain."""
        return self.chain.tip

    @property
    def best(self) -> Entry[Any]:
        """The heaviest header that is not known to be bad."""
        return self.chain.best_header

    @property
    def headers_prove(self) -> bool:
        """Whether a header shows its weight by itself."""
        return not self._unproven

    @property
    def format(self) -> Format:
        """How headers are written."""
        return self.node.spec.ledger.format

    @property
    def syncing(self) -> bool:
        """Whether this is initial download; on a local network, whether many blocks are still to come."""
        if not self._synced:
            tip, spec = self.chain.tip, self.node.spec
            if spec.network.local:
                return self.chain.best_header.height - tip.height > NEAR_TIP
            self._synced = tip.weight >= spec.minimum_weight and tip.header.timestamp > self.node.env.now() - OLD_TIP
        return not self._synced

    @property
    def floor(self) -> int:
        """The network's minimum weight, and not far below the tip."""
        tip = self.chain.tip
        return max(self.node.spec.minimum_weight, tip.weight - NEAR_TIP * self.node.spec.engine.weight(tip.header))

    def entry(self, key: bytes) -> Entry[Any] | None:
        """What is known of a block."""
        return self.chain.entry(key)

    def ancestors(self, entry: Entry[Any], start: int, count: int) -> Sequence[Entry[Any]]:
        """The blocks on an entry's chain from a height on, lowest first; none where the entry was let go of."""

        def read(entries: Entries) -> Sequence[Entry[Any]]:
            at = entries.branch(entry).at(min(start + count - 1, entry.height))
            found = [at]
            while at.height > start:
                at = entries.parent(at)
                found.append(at)
            return found[::-1] if at.height == start else ()

        return self._read(entry, read) or ()

    def fork_height(self, entry: Entry[Any]) -> int:
        """Height of the entry's highest ancestor on the connected chain; genesis' where the entry was let go of."""
        return self._read(entry, lambda entries: entries.fork(entry).height) or 0

    def _read(self, entry: Entry[Any], read: Callable[[Entries], T]) -> T | None:
        """Read what lies below an entry; None where it is not known. Headers without proof may be stored or dropped meanwhile."""
        for again in (True, True, False):
            with self.chain.tree() as entries:
                if entries.get(entry.hash) is None:
                    return None
                try:
                    return read(entries)
                except SystemFault:
                    if not again or not self._unproven:
                        raise
        return None

    def work(self, header: Any) -> int:
        """What a header by itself adds. Raises InvalidHeader("high-hash")."""
        engine = self.node.spec.engine
        proves = getattr(engine, "proves", None)
        if proves is not None and not proves(header):
            raise InvalidHeader("high-hash", "proof of work failed")
        return engine.weight(header)

    # -- what relay asks (PoolFacts) --------------------------------------------------------------------------------

    def has(self, key: bytes) -> bool:
        """Whether a transaction is pooled, parked, refused of late, or in a recent block."""
        pool, gate = self.node.pool, self.node.gate
        return key in pool or key in pool.by_relay or key in gate.parked or key in gate.rejects or key in self._recent

    def fee_filter(self) -> int:
        """The least rate that the pool takes now."""
        return max(getattr(self.node.pool.policy, "min_relay_rate", 0), self.node.pool.min_rate(self.node.env.now()))

    def _on_event(self, event: Happening) -> None:
        if isinstance(event, TipChanged):
            if event.reverted:
                self._recent.clear()
            for connected in event.connected[-10:]:
                for tx in connected.block.txs:
                    self._recent[tx.id] = None
                    self._recent[getattr(tx, "wtxid", tx.id)] = None
            while len(self._recent) > RECENT:
                del self._recent[next(iter(self._recent))]

    # -- what is served (Bodies), on a reader thread ----------------------------------------------------------------

    def block(self, key: bytes, stripped: bool) -> bytes | None:
        """A block in wire form, bare where it is wanted so; None where it is not here or not to be told."""
        with self.chain.view() as view:
            entry, raw = view.entry(key), view.body(key)
            if entry is None or raw is None or entry.invalid:
                return None
            if not view.connected(entry) and entry.header.timestamp < self.chain.tip.header.timestamp - STALE_SECRET:
                return None
            if self.format.stored_as_sent and not stripped:
                return raw
            block = view.block(key)
        w = Writer()
        self.format.write_block(w, block, Form.BARE if stripped else Form.WIRE)
        return w.done()

    def tx(self, key: bytes, stripped: bool) -> bytes | None:
        """A pooled transaction in wire form."""
        entry = self.node.pool.get(key) or self.node.pool.by_relay_id(key)
        if entry is None:
            return None
        w = Writer()
        self.format.write_tx(w, entry.tx, Form.BARE if stripped else Form.WIRE)
        return w.done()

    def headers_after(self, locator: Sequence[bytes], stop: bytes, most: int) -> Sequence[Any]:
        """Headers of the connected chain after the first known hash of a locator; for an empty locator the one at `stop`."""
        with self.chain.view() as view:
            if not locator:
                entry = view.entry(stop)
                return () if entry is None or entry.invalid else (entry.header,)
            first = next((e for key in locator if (e := view.entry(key)) is not None and view.connected(e)), None)
            headers: list[Any] = []
            for height in range(first.height + 1 if first is not None else 1, view.tip.height + 1):
                entry = view.at(height)
                if entry is None or len(headers) >= most:
                    break
                headers.append(entry.header)
                if entry.hash == stop:
                    break
        return headers

    def pooled(self) -> Sequence[Announced]:
        """All pooled transactions, parents first."""
        entries = self.node.pool.view().entries.values()
        return [self.announced(e) for e in sorted(entries, key=lambda e: e.sequence)]

    def announced(self, entry: Pooled) -> Announced:
        """A pooled transaction as relay tells it."""
        admission, pool = entry.admission, self.node.pool
        return Announced(admission.id, admission.relay_id or admission.id, pool.policy.rate(admission, pool.base_fee))

    # -- what peers bring, on the chain thread ----------------------------------------------------------------------

    def take_headers(self, headers: Sequence[Any], peer: int) -> tuple[Sequence[Entry[Any]], ChainError | None]:
        """Judge headers in order up to the first that is not good."""
        return self.chain.accept_headers(headers, self.node.env.now(), source=peer)

    def take_blocks(self, blocks: Sequence[Deliver]) -> Sequence[Verdict]:
        """One verdict for each; requested ones in a row share their commits."""
        verdicts: list[Verdict] = []
        while len(verdicts) < len(blocks):
            rest = blocks[len(verdicts) :]
            run = 0
            while run < len(rest) and rest[run].requested:
                run += 1
            if run > 1:
                verdicts += self._take_run(rest[:run])
            else:
                verdicts.append(self._take_one(rest[0]))
        return verdicts

    def _decode(self, deliver: Deliver) -> Any:
        r = Reader(deliver.raw)
        block = self.format.read_block(r, Form.WIRE)
        r.finish()
        return block

    def _take_run(self, run: Sequence[Deliver]) -> list[Verdict]:
        """Take requested blocks in one go; ends after the first that is not good."""
        verdicts: list[Verdict] = []

        def blocks() -> Iterator[Any]:
            for deliver in run:
                try:
                    block = self._decode(deliver)
                except DecodeError as e:  # raised here it would undo the commit of the blocks before
                    undecodable.append(Verdict(False, e))
                    return
                verdicts.append(Verdict(True))
                yield block

        undecodable: list[Verdict] = []
        self.node.relax(min(deliver.header.timestamp for deliver in run))
        try:
            self.chain.extend(blocks(), self.node.env.now())
        except (Missing, Premature):
            verdicts.pop()
            verdicts.append(self._take_one(run[len(verdicts)]))  # it waits
        except ChainError as e:
            verdicts[-1] = Verdict(False, e)
        return verdicts + undecodable

    def _take_one(self, deliver: Deliver) -> Verdict:
        try:
            block = self._decode(deliver)
            if not deliver.requested:
                self.chain.check_wanted(block.header)
        except Missing:
            pass  # it may wait for its parent
        except Refused:
            return Verdict(False, self._keep_header(block.header, deliver.peer))
        except ChainError as e:
            return Verdict(False, e)
        try:
            result = self.node.accept_block(block, source=deliver.peer)
        except ChainError as e:
            return Verdict(False, e)
        return Verdict(False, result.reason) if isinstance(result, Parked) else Verdict(True)

    def _keep_header(self, header: Any, peer: int) -> ChainError | None:
        """The header of a block that is not wanted, where its chain has the weight for one; what is wrong with it."""
        parent, engine = self.chain.entry(header.parent), self.node.spec.engine
        if parent is not None and engine.header_proves and parent.weight + engine.weight(header) >= self.floor:
            return self.take_headers((header,), peer)[1]
        return None

    def take_tx(self, tx: Any, peer: int) -> tuple[ChainError | None, tuple[bytes, ...]]:
        """Judge a transaction; ids of parents to ask for where inputs are missing."""
        try:
            self.node.submit_tx(tx, source=peer)
        except Missing as e:
            return e, tuple(dict.fromkeys(token[:32] for token in e.hashes if len(token) == 36))
        except Refused as e:
            if e.rule == "txn-already-in-mempool":
                return None, ()
            return self._refuse(tx, e), ()
        except ChainError as e:
            return self._refuse(tx, e), ()
        return None, ()

    def _refuse(self, tx: Any, error: ChainError) -> ChainError:
        self.node.gate.rejects.add(getattr(tx, "wtxid", tx.id))
        if not getattr(tx, "has_witness", False):
            self.node.gate.rejects.add(tx.id)
        return error

    def dropped(self, peer: int) -> None:
        """A peer is gone: let go of what is held for it alone."""

        def work() -> None:
            self.chain.waiting.drop_source(peer)
            self.chain.loose.drop_source(peer)
            self.node.gate.parked.forget_peer(peer)

        task = asyncio.ensure_future(self.node.env.on_chain(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
