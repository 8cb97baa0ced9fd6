"""Whether a stored chain is what its blocks make: all of it executed again from genesis in memory, and compared. It changes nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from chains.spec import ChainSpec
from ledger.api import Aid
from node.chain import Chain
from node.identity import check_identity
from node.index import Entries, EntryCache
from node.indexes import Progress, unheard
from node.view import ChainView
from primitives.chain import Entry
from primitives.errors import ChainError, SystemFault
from storage.durability import Durability
from storage.kv import KV, Store
from storage.layout import COIN, HEIGHT, OMMERS, SUPPLY
from storage.memory import MemoryStore

_FAR_FUTURE = 1 << 40
"""No block is ahead of the clock here: it was judged when it came."""
EXACT = {"coins": COIN, "money supply": SUPPLY, "recent ommers": OMMERS, "heights": HEIGHT}
"""Spaces that depend on the connected chain alone. Trie nodes and code are named by their hashes; their roots are in the headers."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was looked at, and every difference that was found."""

    height: int
    tip: bytes
    coins: int
    differences: tuple[str, ...]


def verify(store: Store, spec: ChainSpec, aid: Aid | None = None, progress: Progress = unheard) -> Verdict:
    """Execute the connected chain again and compare. Raises ForeignData, NewerData, OlderData."""
    with store.view() as kv:
        check_identity(kv, spec.genesis.header.hash, spec.name)
        view = ChainView(kv, Entries(kv, spec.ledger.format, EntryCache()))
        fresh = MemoryStore(Durability.NONE)
        chain = Chain(spec, fresh, aid)
        found: list[str] = []
        try:
            chain.extend(_bodies(view, found, progress), _FAR_FUTURE)
        except ChainError as e:
            found.append(f"block {chain.tip.height + 1} does not connect: {e}")
        if chain.tip.hash != view.tip.hash and not found:
            found.append(f"the blocks make tip {_shown(chain.tip)}, the store has {_shown(view.tip)}")
        coins = 0
        if not found:
            with fresh.view() as made:
                for name, prefix in EXACT.items():
                    count = _compare(name, kv, made, prefix, found)
                    coins = count if prefix == COIN else coins
            found += _undo_faults(view, progress)
        return Verdict(view.tip.height, view.tip.hash, coins, tuple(found))


def _shown(entry: Entry[Any]) -> str:
    return f"{entry.hash[::-1].hex()} at height {entry.height}"


def _bodies(view: ChainView, found: list[str], progress: Progress) -> Iterator[Any]:
    """The connected blocks from height 1 on, up to the first that is not what its place says."""
    for height in range(1, view.tip.height + 1):
        try:
            entry = view.at(height)
            block = None if entry is None else view.block(entry.hash)
        except SystemFault as e:
            found.append(f"block {height}: {e}")
            return
        if entry is None or block is None or block.header.hash != entry.hash:
            found.append(f"the body of block {height} is {'missing' if block is None else 'of another block'}")
            return
        yield block
        progress("verify", height, view.tip.height)


def _compare(name: str, stored: KV, made: KV, prefix: bytes, found: list[str]) -> int:
    """Walk a space of both side by side; the number of keys in it."""
    mine, theirs = stored.scan(prefix), made.scan(prefix)
    count = 0
    while True:
        one, other = next(mine, None), next(theirs, None)
        if one != other:
            key = min(pair[0] for pair in (one, other) if pair is not None)
            found.append(f"{name}: the store and the blocks differ at {key[1:].hex()}")
            return count
        if one is None:
            return count
        count += 1


def _undo_faults(view: ChainView, progress: Progress) -> Sequence[str]:
    """What is wrong with the undo records, by their checksums."""
    found = []
    for height in range(1, view.tip.height + 1):
        entry = view.at(height)
        try:
            if entry is not None:
                view.undo(entry)
        except SystemFault as e:
            found.append(f"block {height}: {e}")
        progress("check undo records", height, view.tip.height)
    return found
