"""What the chain answers and tells: results of `accept`, and the events that observers get. Data only."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from ledger.api import Applied
from primitives.chain import Entry
from primitives.errors import ChainError, Missing, Premature


@dataclass(frozen=True, slots=True)
class Known:
    """The block was here already."""

    entry: Entry[Any]


@dataclass(frozen=True, slots=True)
class Stored:
    """The body is stored; the tip did not move."""

    entry: Entry[Any]


@dataclass(frozen=True, slots=True)
class Parked:
    """The block waits for its parent (Missing) or for the clock (Premature), if there is room."""

    hash: bytes
    reason: Missing | Premature
    kept: bool = True


class Connected:
    """A block that joined the connected chain. `block` is held, or read again where a change was long."""

    __slots__ = ("_block", "applied", "entry")

    def __init__(self, entry: Entry[Any], applied: Applied, block: Callable[[], Any]) -> None:
        self.entry = entry
        self.applied = applied
        """What it brought about; without `spent` and `receipts` where a change was long."""
        self._block = block

    @property
    def block(self) -> Any:
        """The block."""
        return self._block()

    def let_go(self, load: Callable[[], Any]) -> None:
        """Free what is large; the block is read again when somebody asks."""
        self._block = load
        self.applied = replace(self.applied, spent=(), receipts=())


@dataclass(frozen=True, slots=True)
class TipChanged:
    """The connected chain changed: what left it, newest first, and what joined, oldest first. Told after the commit."""

    tip: Entry[Any]
    reverted: tuple[Entry[Any], ...] = ()
    connected: tuple[Connected, ...] = ()
    forgotten: bool = False
    """By `revert`: the reverted blocks are gone from the store too."""


@dataclass(frozen=True, slots=True)
class Rejected:
    """A block that waited, or lay in the store, turned out bad."""

    hash: bytes
    error: ChainError
    source: object = None
    """Who delivered it, where it had waited."""


@dataclass(frozen=True, slots=True)
class Judged:
    """A block that had waited was taken in; the change of tip, if any, is an event of its own."""

    entry: Entry[Any]
    source: object = None


Result = Known | Stored | Parked | TipChanged
Event = TipChanged | Rejected | Judged
Observer = Callable[[Event], None]
