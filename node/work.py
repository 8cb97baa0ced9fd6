"""Work: one update of the store, and what it has done to the connected chain so far. It decides nothing."""

from __future__ import annotations

from collections import deque
from typing import Any, Final

from ledger.api import Applied
from node.index import Entries, StoredBranch
from node.results import Connected, TipChanged
from node.undo import decode_changes
from node.view import encode_block, read_block
from primitives.chain import Entry
from primitives.errors import ChainError, SystemFault
from storage.kv import KV, Delta, rewind
from storage.layout import BODY, TIP_KEY, UNDO, height_key

HELD_BYTES: Final = 8 << 20
"""Bodies of so many bytes, the newest, are kept decoded by a change of tip (tenfold in memory); older ones are read again."""


class BadBlock(Exception):
    """A block broke a rule, or its body is not its header's; what the chain knows of it must change after the update."""

    def __init__(self, entry: Entry[Any], error: ChainError) -> None:
        super().__init__(str(error))
        self.entry = entry
        self.error = error


class Work:
    """The open update: its KV, the index over it, the tip as it is now, and what was reverted and connected."""

    def __init__(self, entries: Entries, tip: Entry[Any], load: Any) -> None:
        self.entries = entries
        self.kv: KV = entries.kv
        self.tip = tip
        self.best_header: Entry[Any] | None = None
        """The heaviest header that this update brought."""
        self.inserted: list[bytes] = []
        """Blocks that this update put into the index."""
        self.reverted: list[Entry[Any]] = []
        self.forgotten = False
        self._connected: list[Connected] = []
        self._held: deque[tuple[Connected, int]] = deque()
        self._held_bytes = 0
        self._size = 0
        self._load = load
        self._branch: StoredBranch | None = None

    def branch(self, tip: Entry[Any]) -> StoredBranch:
        """The chain that ends in an entry; the one of the tip is kept from block to block."""
        if self._branch is None or self._branch.tip.hash != tip.hash:
            branch = self.entries.branch(tip)
            if tip.hash != self.tip.hash:
                return branch
            self._branch = branch
        return self._branch

    def body(self, entry: Entry[Any]) -> Any:
        """A stored block. Raises SystemFault where it is missing or damaged."""
        raw = self.kv.get(BODY + entry.hash)
        if raw is None:
            raise SystemFault(f"the body of block {entry.hash[::-1].hex()} is missing")
        self._size = len(raw)
        return read_block(raw, self.entries.fmt)

    def put_body(self, entry: Entry[Any], block: Any) -> None:
        """Store a block."""
        raw = encode_block(block, self.entries.fmt)
        self._size = len(raw)
        self.kv.put(BODY + entry.hash, raw)

    def joined(self, entry: Entry[Any], block: Any, applied: Applied, branch: StoredBranch) -> None:
        """A block, whose body was the last read or stored, was connected: it is the tip."""
        self.kv.put(height_key(entry.height), entry.hash)
        self.kv.put(TIP_KEY, entry.hash)
        self._branch = branch.extended(entry)
        self.tip = entry
        connected = Connected(entry, applied, lambda: block)
        self._connected.append(connected)
        self._held.append((connected, self._size))
        self._held_bytes += self._size
        while self._held_bytes > HELD_BYTES and len(self._held) > 1:
            self._let_go(*self._held.popleft())

    def _let_go(self, old: Connected, size: int) -> None:
        self._held_bytes -= size
        old.let_go(lambda: self._load(old.entry.hash))

    def disconnect(self) -> None:
        """Undo the tip. Raises SystemFault where its undo record is missing or damaged."""
        entry = self.tip
        if entry.height == 0:
            raise SystemFault("the genesis block cannot be disconnected")
        rewind(self.kv, decode_changes(entry.hash, self.kv.get(UNDO + entry.hash), "undo record"))
        self.kv.delete(UNDO + entry.hash)
        self.kv.delete(height_key(entry.height))
        self.tip = self.entries.parent(entry)
        self.kv.put(TIP_KEY, self.tip.hash)
        self._branch = None
        if self._connected and self._connected[-1].entry.hash == entry.hash:
            self._connected.pop()
            self._held = deque(held for held in self._held if held[0].entry.hash != entry.hash)
        else:
            self.reverted.append(entry)

    def event(self) -> TipChanged | None:
        """What this update did to the connected chain, if anything."""
        if not self.reverted and not self._connected:
            return None
        return TipChanged(self.tip, tuple(self.reverted), tuple(self._connected), self.forgotten)


def merged(events: list[TipChanged]) -> TipChanged | None:
    """Several changes in a row as one."""
    if not events:
        return None
    reverted: list[Entry[Any]] = []
    connected: list[Connected] = []
    for event in events:
        for entry in event.reverted:
            if connected and connected[-1].entry.hash == entry.hash:
                connected.pop()
            else:
                reverted.append(entry)
        connected += event.connected
    return TipChanged(events[-1].tip, tuple(reverted), tuple(connected))


def still_holds(kv: KV, delta: Delta) -> bool:
    """Whether the state is the one that a delta was made on."""
    return all(kv.get(key) == old for key, old in delta.undo)
