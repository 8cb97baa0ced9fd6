"""A small chain for suites: accepts blocks on any branch by ledger and engine, keeps every state, follows the heaviest tip."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from ledger.account.ledger import AccountLedger
from ledger.api import Aid, Applied
from primitives.chain import Entry, Status
from primitives.errors import Missing
from primitives.ethereum import EthereumBlock, EthereumHeader
from storage.kv import Journal
from tests.vectors.ethereum_data import Memory


class Layer:
    """The state of one block: shared content-addressed data, and the few journaled keys of its branch."""

    def __init__(self, shared: Memory, own: dict[bytes, bytes]) -> None:
        self.shared = shared
        self.own = own

    def get(self, key: bytes) -> bytes | None:
        """A value."""
        return self.own.get(key) or self.shared.get(key)

    def put(self, key: bytes, value: bytes) -> None:
        """Not here."""
        raise AssertionError("written past the journal")

    def delete(self, key: bytes) -> None:
        """Not here."""
        raise AssertionError("written past the journal")

    def scan(self, prefix: bytes, start: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
        """Not here."""
        raise AssertionError("scan")


class Line:
    """A Branch: the entries from genesis to a tip, found by walking up."""

    def __init__(self, chain: Chain, tip: Entry[EthereumHeader]) -> None:
        self._chain = chain
        self.tip = tip

    def at(self, height: int) -> Entry[EthereumHeader]:
        """An ancestor."""
        entry = self.tip
        while entry.height > height:
            entry = self._chain.entries[entry.header.parent]
        return entry

    def last(self, count: int) -> Sequence[Entry[EthereumHeader]]:
        """Newest first."""
        found: list[Entry[EthereumHeader]] = []
        entry: Entry[EthereumHeader] | None = self.tip
        while entry is not None and len(found) < count:
            found.append(entry)
            entry = self._chain.entries.get(entry.header.parent) if entry.height else None
        return found

    def median_time(self) -> int:
        """Median of eleven."""
        times = sorted(e.header.timestamp for e in self.last(11))
        return times[len(times) // 2]


class Chain:
    """Blocks by hash."""

    def __init__(self, ledger: AccountLedger, engine: Any, genesis: EthereumBlock) -> None:
        self.ledger = ledger
        self.engine = engine
        self.shared = Memory()
        journal = Journal(self.shared)
        ledger.genesis(genesis, journal)
        journal.commit()
        first = Entry(genesis.header, genesis.header.number, engine.weight(genesis.header), 0, Status.VALID)
        self.entries: dict[bytes, Entry[EthereumHeader]] = {genesis.header.hash: first}
        self.own: dict[bytes, dict[bytes, bytes]] = {genesis.header.hash: {}}
        self.tip = first

    def branch(self, entry: Entry[EthereumHeader]) -> Line:
        """The branch that ends in an entry."""
        return Line(self, entry)

    def accept(self, block: EthereumBlock) -> Applied:
        """Judge and connect. Raises ChainError."""
        header = block.header
        parent = self.entries.get(header.parent)
        if parent is None:
            raise Missing([header.parent])
        branch = self.branch(parent)
        own = self.own[parent.hash]
        self.ledger.check_header(header, branch)
        self.engine.check_header(header, branch)
        journal = Journal(Layer(self.shared, own))
        self.ledger.check_block(block, branch)
        self.engine.check_block(block, branch, journal)
        applied = self.ledger.connect(block, branch, journal, Aid())
        delta = journal.delta()
        self.shared.update(delta.kept)
        own = dict(own)
        for key, value in delta.forward:
            if value is None:
                own.pop(key, None)
            else:
                own[key] = value
        weight = parent.weight + self.engine.weight(header)
        entry = Entry(header, parent.height + 1, weight, len(self.entries), Status.VALID)
        self.entries[header.hash], self.own[header.hash] = entry, own
        if entry.weight > self.tip.weight:
            self.tip = entry
        return applied
