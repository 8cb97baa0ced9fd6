"""HalfChain and HalfView: the chain and its index as one half sees them: its own blocks at the twin chain's places.

They refuse to know what a half's blocks are: a Half says how to get from one to the other. Nothing is stored here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol, cast

from node.chain import Chain
from node.index import Entries, StoredBranch
from node.results import Connected, TipChanged
from node.view import ChainView
from primitives.chain import Branch, Entry, Format
from storage.kv import KV, Change


class Half(Protocol):
    """How one half of a twin chain is got from the whole, and back."""

    @property
    def lane(self) -> int:
        """Its lane of the mempool."""
        ...

    @property
    def format(self) -> Format:
        """How its clients write blocks and transactions."""
        ...

    def entry(self, kv: KV, entry: Entry[Any]) -> Entry[Any]:
        """The entry with the half's own header."""
        ...

    def branch(self, kv: KV, whole: Branch[Any]) -> Branch[Any]:
        """The branch with the half's own entries."""
        ...

    def place(self, entry: Entry[Any]) -> bytes:
        """The hash of the whole block, of an entry that `entry` made."""
        ...

    def find(self, entries: Entries, key: bytes) -> bytes | None:
        """The hash of the whole block that holds the half's block of this hash, of a connected one if there is one."""
        ...

    def block(self, block: Any) -> Any:
        """The half's own block."""
        ...

    def connected(self, kv: KV, connected: Connected) -> Connected:
        """What the connecting of a block meant for the half."""
        ...


class HalfBranch:
    """A Branch of the half's entries."""

    __slots__ = ("_half", "_kv", "tip", "whole")

    def __init__(self, half: Half, kv: KV, whole: Branch[Any]) -> None:
        self._half = half
        self._kv = kv
        self.whole = whole
        self.tip: Entry[Any] = half.entry(kv, whole.tip)

    def at(self, height: int) -> Entry[Any]:
        """The ancestor of the tip (or the tip) at a height."""
        return self._half.entry(self._kv, self.whole.at(height))

    def last(self, count: int) -> Sequence[Entry[Any]]:
        """The newest entries, newest first."""
        return [self._half.entry(self._kv, entry) for entry in self.whole.last(count)]

    def median_time(self) -> int:
        """Median of the last eleven timestamps; both halves have the same."""
        return self.whole.median_time()


class HalfEntries:
    """The index as the half's clients ask it."""

    __slots__ = ("_half", "_whole")

    def __init__(self, half: Half, whole: Entries) -> None:
        self._half = half
        self._whole = whole

    @property
    def fmt(self) -> Format:
        """How the whole chain's headers are written."""
        return self._whole.fmt

    def _own(self, entry: Entry[Any] | None) -> Entry[Any] | None:
        return None if entry is None else self._half.entry(self._whole.kv, entry)

    def whole(self, entry: Entry[Any]) -> Entry[Any]:
        """The whole chain's entry of one of the half's."""
        return self._whole.require(self._half.place(entry))

    def get(self, key: bytes) -> Entry[Any] | None:
        """What is known of a block."""
        found = self._half.find(self._whole, key)
        return None if found is None else self._own(self._whole.get(found))

    def parent(self, entry: Entry[Any]) -> Entry[Any]:
        """The entry before it."""
        return self._half.entry(self._whole.kv, self._whole.parent(self.whole(entry)))

    def at(self, height: int) -> Entry[Any] | None:
        """The connected block at a height."""
        return self._own(self._whole.at(height))

    def hash_at(self, height: int) -> bytes | None:
        """Its hash."""
        entry = self.at(height)
        return None if entry is None else entry.hash

    def connected(self, entry: Entry[Any]) -> bool:
        """Whether a block lies on the connected chain."""
        return self._whole.hash_at(entry.height) == self._half.place(entry)

    def fork(self, entry: Entry[Any]) -> Entry[Any]:
        """The highest ancestor (or the entry itself) on the connected chain."""
        return self._half.entry(self._whole.kv, self._whole.fork(self.whole(entry)))

    def ends(self) -> Iterator[Entry[Any]]:
        """Entries without any child."""
        return (self._half.entry(self._whole.kv, entry) for entry in self._whole.ends())

    def branch(self, tip: Entry[Any]) -> Branch[Any]:
        """The chain that ends in an entry."""
        return self._half.branch(self._whole.kv, self._whole.branch(self.whole(tip)))


class HalfView:
    """A ChainView of the half."""

    __slots__ = ("_half", "entries", "state", "tip", "whole")

    def __init__(self, half: Half, whole: ChainView) -> None:
        self._half = half
        self.whole = whole
        self.state = whole.state
        self.entries = HalfEntries(half, whole.entries)
        self.tip: Entry[Any] = half.entry(whole.state, whole.tip)

    @property
    def branch(self) -> Branch[Any]:
        """The connected chain."""
        return self._half.branch(self.state, self.whole.branch)

    def entry(self, key: bytes) -> Entry[Any] | None:
        """What is known of a block."""
        return self.entries.get(key)

    def at(self, height: int) -> Entry[Any] | None:
        """The connected block at a height."""
        return self.entries.at(height) if 0 <= height <= self.tip.height else None

    def connected(self, entry: Entry[Any]) -> bool:
        """Whether a block lies on the connected chain."""
        return self.entries.connected(entry)

    def body(self, key: bytes) -> bytes | None:
        """The whole block in store form, undecoded."""
        found = self._half.find(self.whole.entries, key)
        return None if found is None else self.whole.body(found)

    def block(self, key: bytes) -> Any | None:
        """The half's block, or None where its body is not stored."""
        found = self._half.find(self.whole.entries, key)
        block = None if found is None else self.whole.block(found)
        return None if block is None else self._half.block(block)

    def undo(self, entry: Entry[Any]) -> tuple[Change, ...]:
        """The keys that the whole block changed, with the values they had before it."""
        return self.whole.undo(self.entries.whole(entry))


class HalfChain:
    """A Chain as the half's methods use it."""

    def __init__(self, half: Half, whole: Chain) -> None:
        self._half = half
        self.whole = whole
        self._tip: tuple[bytes, Entry[Any]] | None = None

    @property
    def tip(self) -> Entry[Any]:
        """The tip of the connected chain."""
        whole = self.whole.tip
        if self._tip is None or self._tip[0] != whole.hash or self._tip[1].status != whole.status:
            with self.whole.view() as view:
                self._tip = whole.hash, self._half.entry(view.state, whole)
        return self._tip[1]

    @property
    def best_header(self) -> Entry[Any]:
        """The heaviest header; what it holds for the half is not known before its body is."""
        return self.whole.best_header

    @contextmanager
    def view(self) -> Iterator[HalfView]:
        """What can be read, all of one commit."""
        with self.whole.view() as view:
            yield HalfView(self._half, view)

    @contextmanager
    def state_at(self, entry: Entry[Any]) -> Iterator[KV]:
        """The state after a block on any branch. Raises Refused("fork-too-deep")."""
        with self.whole.view() as view:
            whole = view.entries.require(self._half.place(entry))
        with self.whole.state_at(whole) as state:
            yield state

    def entry(self, key: bytes) -> Entry[Any] | None:
        """What is known of a block."""
        with self.view() as view:
            return view.entry(key)

    def block(self, key: bytes) -> Any | None:
        """A stored block."""
        with self.view() as view:
            return view.block(key)

    def _find(self, key: bytes) -> bytes:
        with self.whole.view() as view:
            return self._half.find(view.entries, key) or key

    def accept_header(self, header: Any, now: int) -> Entry[Any]:
        """Judge a header by itself."""
        return self.whole.accept_header(header, now)

    def revert(self, entry: Entry[Any]) -> None:
        """Rewind to a connected block and forget what lies above it."""
        with self.whole.view() as view:
            whole = view.entries.require(self._half.place(entry))
        self.whole.revert(whole)

    def invalidate(self, key: bytes) -> None:
        """Hold a block and its heirs for invalid, by the user's word."""
        self.whole.invalidate(self._find(key))

    def reconsider(self, key: bytes) -> None:
        """Take the bad marks off a block."""
        self.whole.reconsider(self._find(key))

    def precious(self, key: bytes) -> None:
        """Prefer a block among those of its weight."""
        self.whole.precious(self._find(key))

    def of(self, event: TipChanged) -> TipChanged:
        """A change of tip as the half sees it."""
        with self.whole.view() as view:
            kv, half = view.state, self._half
            return TipChanged(
                half.entry(kv, event.tip),
                tuple(half.entry(kv, entry) for entry in event.reverted),
                tuple(half.connected(kv, connected) for connected in event.connected),
                event.forgotten,
            )


def whole_branch(branch: Any) -> StoredBranch:
    """The whole chain's branch behind a half's."""
    whole: Any = branch.whole if isinstance(branch, HalfBranch) else branch
    return cast(StoredBranch, whole)
