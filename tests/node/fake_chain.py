"""A block tree of the simplest kind, for sync and relay: Bitcoin headers without proof, a body that its merkle root commits to.

Weight is one a block, or what the header's `bits` say. It stands where node/judge.py stands over the real chain.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from hashlib import sha256
from typing import Any

from node.actions import Announced, Deliver
from node.exchange import Verdict
from primitives.bitcoin import BitcoinFormat, BitcoinHeader, Transaction, TxInput, TxOutput
from primitives.chain import Entry, Status
from primitives.errors import ChainError, InvalidBlock, InvalidHeader, InvalidTx, Missing, Mutated, Refused

FORMAT = BitcoinFormat()
GENESIS = BitcoinHeader(1, bytes(32), sha256(b"genesis").digest(), 0, 1, 0)
BAD_HEADER, BAD_BLOCK = -2, -3
"""Versions that break a rule."""


def body_of(seed: int, size: int = 200) -> bytes:
    """A body's bytes."""
    return (sha256(seed.to_bytes(8, "little", signed=True)).digest() * (size // 32 + 1))[:size]


def block(
    parent: BitcoinHeader, seed: int, size: int = 200, version: int = 1, bits: int = 1
) -> tuple[BitcoinHeader, bytes]:
    """A block on a parent: its header, and its wire form."""
    body = body_of(seed, size)
    header = BitcoinHeader(version, parent.hash, sha256(body).digest(), parent.timestamp + 1, bits, seed & 0xFFFFFFFF)
    return header, header.raw + body


def chain(
    length: int, parent: BitcoinHeader = GENESIS, salt: int = 0, size: int = 200
) -> list[tuple[BitcoinHeader, bytes]]:
    """A chain of blocks above a parent."""
    blocks = []
    for i in range(length):
        made = block(parent, (salt << 32) + i, size)
        blocks.append(made)
        parent = made[0]
    return blocks


def payment(seed: int, spends: bytes | None = None, version: int = 2) -> Transaction:
    """A transaction; `spends` names one that must be pooled before."""
    point = (spends or bytes(31) + b"\1") + bytes(4)
    return Transaction(version, (TxInput(point),), (TxOutput(seed, b"\x51"),), seed)


def any_header(header: BitcoinHeader) -> Any:
    """The header, its family forgotten."""
    return header


class FakeChain:
    """Chain and pool of one node; `moved` and `grew` are called as the real ones publish events."""

    def __init__(self, floor: int = 0) -> None:
        genesis: Entry[Any] = Entry(any_header(GENESIS), 0, 0, 0, Status.BODY | Status.READY | Status.VALID)
        self.entries: dict[bytes, Entry[Any]] = {GENESIS.hash: genesis}
        self.raw: dict[bytes, bytes] = {}
        self.waiting: dict[bytes, list[Deliver]] = {}
        self.active: list[bytes] = [GENESIS.hash]
        self.spine: list[bytes] = [GENESIS.hash]
        """Hashes of the best header's chain by height."""
        self.children: dict[bytes, list[bytes]] = {}
        self.tip = self.best = genesis
        self.format = FORMAT
        self.headers_prove = True
        self.syncing = False
        self.floor = floor
        self.pool: dict[bytes, Transaction] = {}
        self.by_wtxid: dict[bytes, bytes] = {}
        self.orphans: dict[bytes, Transaction] = {}
        self.moved: Callable[[Entry[Any], tuple[Entry[Any], ...]], object] = lambda tip, connected: None
        self.grew: Callable[[tuple[Announced, ...]], object] = lambda txs: None
        self.headers_taken = self.blocks_taken = 0
        self.bytes_judged = 0

    # -- HeaderView -------------------------------------------------------------------------------------------------

    def entry(self, key: bytes) -> Entry[Any] | None:
        return self.entries.get(key)

    def ancestors(self, entry: Entry[Any], start: int, count: int) -> Sequence[Entry[Any]]:
        last = min(entry.height, start + count - 1)
        found = []
        at = entry.hash
        for line in (self.active, self.spine):
            if entry.height < len(line) and line[entry.height] == entry.hash:
                return [self.entries[h] for h in line[start : last + 1]]
        while (e := self.entries[at]).height >= start:
            if e.height <= last:
                found.append(e)
            if e.height == 0:
                break
            at = e.header.parent
        return found[::-1]

    def fork_height(self, entry: Entry[Any]) -> int:
        while entry.height >= len(self.active) or self.active[entry.height] != entry.hash:
            entry = self.entries[entry.header.parent]
        return entry.height

    def work(self, header: BitcoinHeader) -> int:
        if header.version == BAD_HEADER:
            raise InvalidHeader("high-hash")
        return header.bits

    # -- PoolFacts and Bodies ---------------------------------------------------------------------------------------

    def has(self, key: bytes) -> bool:
        return key in self.pool or key in self.by_wtxid or key in self.orphans

    def fee_filter(self) -> int:
        return 1000

    def block(self, key: bytes, stripped: bool) -> bytes | None:
        return self.raw.get(key)

    def tx(self, key: bytes, stripped: bool) -> bytes | None:
        tx = self.pool.get(self.by_wtxid.get(key, key))
        return None if tx is None else tx.base if stripped else tx.raw

    def headers_after(self, locator: Sequence[bytes], stop: bytes, most: int) -> Sequence[BitcoinHeader]:
        if not locator:
            return [self.entries[stop].header] if stop in self.entries else []
        at = next((self.entries[h].height for h in locator if h in self.entries and self._active(h)), 0)
        found = []
        for key in self.active[at + 1 : at + 1 + most]:
            found.append(self.entries[key].header)
            if key == stop:
                break
        return found

    def pooled(self) -> Sequence[Announced]:
        return [Announced(tx.id, tx.wtxid, 2000) for tx in self.pool.values()]

    def _active(self, key: bytes) -> bool:
        e = self.entries[key]
        return e.height < len(self.active) and self.active[e.height] == key

    # -- Judge ------------------------------------------------------------------------------------------------------

    def take_headers(
        self, headers: Sequence[BitcoinHeader], peer: int
    ) -> tuple[Sequence[Entry[Any]], ChainError | None]:
        found = []
        for header in headers:
            try:
                found.append(self._header(header))
            except ChainError as e:
                return found, e
        return found, None

    def _header(self, header: BitcoinHeader) -> Entry[Any]:
        known = self.entries.get(header.hash)
        if known is not None:
            if known.invalid:
                raise InvalidHeader("duplicate-invalid")
            return known
        parent = self.entries.get(header.parent)
        if parent is None:
            raise Missing((header.parent,))
        if header.version == BAD_HEADER:
            raise InvalidHeader("high-hash")
        if parent.invalid:
            raise InvalidHeader("bad-prevblk")
        self.headers_taken += 1
        entry: Entry[Any] = Entry(any_header(header), parent.height + 1, parent.weight + header.bits)
        self.entries[header.hash] = entry
        self.children.setdefault(header.parent, []).append(header.hash)
        self._best()
        return entry

    def _best(self) -> None:
        good = [e for e in self.entries.values() if not e.invalid] if self.best.invalid else []
        newest = next(reversed(self.entries.values()))
        for e in (*good, newest, self.tip):
            if not e.invalid and (self.entries[self.best.hash].invalid or e.weight > self.best.weight):
                self.best = e
        self.best = self.entries[self.best.hash]
        line, at = [], self.best
        while at.height >= len(self.spine) or self.spine[at.height] != at.hash:
            line.append(at.hash)
            at = self.entries[at.header.parent]
        self.spine[at.height + 1 :] = line[::-1]

    def take_blocks(self, blocks: Sequence[Deliver]) -> Sequence[Verdict]:
        return [self._block(b) for b in blocks]

    def _block(self, deliver: Deliver) -> Verdict:
        header, raw = deliver.header, deliver.raw
        self.bytes_judged += len(raw)
        try:
            entry = self._header(header)
            if sha256(raw[80:]).digest() != header.merkle_root:
                raise Mutated("bad-txnmrklroot")
            if not deliver.requested and entry.weight < self.tip.weight:
                raise Refused("too-little-chainwork")
        except Missing as e:
            self.waiting.setdefault(header.parent, []).append(deliver)
            return Verdict(False, e)
        except ChainError as e:
            return Verdict(False, e)
        if entry.status & Status.BODY:
            return Verdict(True)
        self.blocks_taken += 1
        self.raw[header.hash] = raw
        self.entries[header.hash] = replace(entry, status=entry.status | Status.BODY)
        error = self._connect(header.hash)
        for waiter in self.waiting.pop(header.hash, ()):
            self._block(waiter)
        return Verdict(error is None, error)

    def add(self, made: tuple[BitcoinHeader, bytes]) -> None:
        """Take a block of our own."""
        verdict = self._block(Deliver(0, made[0], made[1], True))
        assert verdict.error is None, verdict

    def _connect(self, key: bytes) -> ChainError | None:
        """Move to the heaviest chain of bodies."""
        error: ChainError | None = None
        ready = [e for e in self._ready(key) if e.weight > self.tip.weight]
        for target in sorted(ready, key=lambda e: -e.weight):
            fork = self.fork_height(target)
            path = self.ancestors(target, fork + 1, target.height - fork)
            bad = next((e for e in path if e.header.version == BAD_BLOCK), None)
            if bad is not None:
                self._condemn(bad)
                error = InvalidBlock("bad-cb-amount")
                continue
            if target.invalid or target.weight <= self.tip.weight:
                continue
            self.active[fork + 1 :] = [e.hash for e in path]
            self.tip = self.entries[target.hash]
            self._best()
            self.moved(self.tip, tuple(path))
        return error

    def _ready(self, key: bytes) -> list[Entry[Any]]:
        at = self.entries[key]
        while at.status & Status.BODY and not (at.height < len(self.active) and self.active[at.height] == at.hash):
            at = self.entries[at.header.parent]
        if not at.status & Status.BODY:
            return []
        found, todo = [], [key]
        while todo:
            e = self.entries[todo.pop()]
            if e.status & Status.BODY and not e.invalid:
                found.append(e)
                todo += self.children.get(e.hash, [])
        return found

    def _condemn(self, bad: Entry[Any]) -> None:
        condemned = {bad.hash}
        for e in sorted(self.entries.values(), key=lambda e: e.height):
            if e.hash in condemned or e.header.parent in condemned:
                condemned.add(e.hash)
                self.entries[e.hash] = replace(e, status=e.status | Status.BROKEN)
        self.best = self.entries[self.best.hash]
        self._best()

    def take_tx(self, tx: Transaction, peer: int) -> tuple[ChainError | None, tuple[bytes, ...]]:
        if tx.version == BAD_BLOCK:
            return InvalidTx("bad-txns-vout-negative"), ()
        if tx.version == BAD_HEADER:
            return Refused("min relay fee not met"), ()
        parent = tx.inputs[0].outpoint[:32]
        if parent != bytes(31) + b"\1" and parent not in self.pool:
            if len(self.orphans) < 100:
                self.orphans[tx.id] = tx
            return Missing((tx.inputs[0].outpoint,)), (parent,)
        self.pool_add(tx)
        return None, ()

    def pool_add(self, tx: Transaction) -> None:
        """Pool a transaction and the orphans that waited for it."""
        self.orphans.pop(tx.id, None)
        self.pool[tx.id] = tx
        self.by_wtxid[tx.wtxid] = tx.id
        self.grew((Announced(tx.id, tx.wtxid, 2000),))
        for orphan in [o for o in self.orphans.values() if o.inputs[0].outpoint[:32] == tx.id]:
            self.pool_add(orphan)

    def dropped(self, peer: int) -> None:
        """Nothing is held for a peer."""
