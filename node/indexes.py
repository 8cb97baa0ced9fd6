"""Optional indices: what each writes when a block is connected, on the block's own journal, so that it is undone with the block.

The chain knows them only as Index values. One that is switched on later is built from the stored blocks and their undo records.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from ledger.api import Applied
from node.index import Entries, EntryCache
from node.spent import spent_coins
from node.undo import encode_changes
from node.view import ChainView
from primitives.chain import Entry, Format
from primitives.errors import SystemFault
from storage.kv import KV, Journal, Store
from storage.layout import INDEX_KEY, TX, UNDO

_SLICE = 100

Progress = Callable[[str, int, int], None]
"""Told of long work: what, how much is done, of how much."""


def unheard(what: str, done: int, of: int) -> None:
    """Progress that nobody follows."""


class Index(Protocol):
    """Something kept beside the state, block by block."""

    @property
    def name(self) -> str: ...
    def on_connect(self, block: Any, entry: Entry[Any], applied: Applied, journal: Journal) -> None:
        """Write what the block adds; `applied.spent` holds the coins that it spends. Genesis comes with an empty Applied."""
        ...


@dataclass(frozen=True, slots=True)
class TransactionIndex:
    """Where each transaction of the connected chain is. Genesis is left out, as in Bitcoin Core."""

    name: str = "transactions"

    def on_connect(self, block: Any, entry: Entry[Any], applied: Applied, journal: Journal) -> None:
        """Write block hash and place of every transaction."""
        if entry.height:
            for place, tx in enumerate(block.txs):
                journal.put(TX + tx.id, entry.hash + place.to_bytes(4, "big"))


def find_transaction(kv: KV, txid: bytes) -> tuple[bytes, int] | None:
    """Block hash and place in it, or None."""
    found = kv.get(TX + txid)
    return None if found is None else (found[:32], int.from_bytes(found[32:], "big"))


def enabled(kv: KV, name: str) -> bool:
    """Whether an index is kept and complete."""
    return kv.get(INDEX_KEY + name.encode()) is not None


def open_indexes(store: Store, fmt: Format, indexes: Sequence[Index], progress: Progress) -> None:
    """Build what was switched on since the last start; an index that is off is incomplete from now on."""
    names = {INDEX_KEY + index.name.encode(): index for index in indexes}
    with store.view() as kv:
        complete = {key for key, _ in kv.scan(INDEX_KEY)}
    if complete - names.keys():
        with store.update() as kv:
            for key in complete - names.keys():
                kv.delete(key)
    for key, index in names.items():
        if key not in complete:
            _build(store, fmt, index, progress)
            with store.update() as kv:
                kv.put(key, b"")


def _build(store: Store, fmt: Format, index: Index, progress: Progress) -> None:
    cache = EntryCache()
    height, tip = 0, 0
    while height <= tip:
        with store.update() as kv:
            view = ChainView(kv, Entries(kv, fmt, cache))
            tip = view.tip.height
            for at in range(height, min(height + _SLICE, tip + 1)):
                _add(view, index, at)
        height += _SLICE
        progress(f"index {index.name}", min(height, tip + 1), tip + 1)


def _add(view: ChainView, index: Index, height: int) -> None:
    entry = view.entries.at(height)
    block = None if entry is None else view.block(entry.hash)
    if entry is None or block is None:
        raise SystemFault(f"the block at height {height} is missing, the index {index.name} cannot be built")
    undo = view.undo(entry)
    journal = Journal(view.state)
    index.on_connect(block, entry, Applied(spent=spent_coins(block, undo)), journal)
    added = journal.commit().undo
    if height and added:
        view.state.put(UNDO + entry.hash, encode_changes(entry.hash, (*undo, *added)))
