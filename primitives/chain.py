"""What the shared node sees of a transaction, header, block and chain: protocols, the Format, and the node's own Entry.

It knows no family: concrete formats are in bitcoin.py, peercoin.py, ethereum.py and twin.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, IntFlag
from typing import Any, Generic, Protocol, TypeVar

from primitives.buffer import Reader, Writer


class Tx(Protocol):
    """A transaction of any family."""

    @property
    def id(self) -> bytes: ...


class Header(Protocol):
    """A block header of any family."""

    @property
    def hash(self) -> bytes: ...
    @property
    def parent(self) -> bytes: ...
    @property
    def timestamp(self) -> int: ...


class Block(Protocol):
    """A block of any family; `side_headers` are ommers, elsewhere empty."""

    @property
    def header(self) -> Header: ...
    @property
    def txs(self) -> Sequence[Any]: ...
    @property
    def side_headers(self) -> Sequence[Any]: ...


class Form(Enum):
    """The three named encodings of a Format."""

    STORE = "store"
    """Everything the node keeps."""
    WIRE = "wire"
    """What peers exchange."""
    CLIENT = "client"
    """What that family's tools parse."""
    BARE = "bare"
    """The wire form without what an id does not cover (witnesses), for peers that ask for it so; written only."""


class Format(Protocol):
    """Reads and writes the transactions, headers and blocks of one family. Reading raises DecodeError."""

    @property
    def name(self) -> str: ...
    @property
    def stored_as_sent(self) -> bool:
        """Whether the store and wire forms of a block are the same bytes."""
        ...

    def read_tx(self, r: Reader, form: Form) -> Any: ...
    def write_tx(self, w: Writer, tx: Any, form: Form) -> None: ...
    def read_header(self, r: Reader, form: Form) -> Any: ...
    def write_header(self, w: Writer, header: Any, form: Form) -> None: ...
    def read_block(self, r: Reader, form: Form) -> Any: ...
    def write_block(self, w: Writer, block: Any, form: Form) -> None: ...


H = TypeVar("H", bound=Header)
H_co = TypeVar("H_co", bound=Header, covariant=True)


class Status(IntFlag):
    """What is known of a block. Flags add up; `Entry.invalid` and `Entry.usable` read them."""

    HEADER = 0
    BODY = 1
    """The body is stored."""
    READY = 2
    """The bodies of all ancestors are stored too: a candidate for the tip."""
    VALID = 4
    """Connected in full at least once."""
    BROKEN = 8
    """Breaks a rule, or descends from a block that does."""
    REJECTED = 16
    """The user said no (`invalidateblock`), to it or to an ancestor."""


@dataclass(frozen=True, slots=True)
class Entry(Generic[H_co]):
    """The node's own record of a header; the only thing it compares, stores and walks."""

    header: H_co
    height: int
    weight: int
    """Of the whole chain up to here (work, trust, or count)."""
    seq: int = 0
    """The order in which its body arrived; decides between equals."""
    status: Status = Status.HEADER
    note: bytes = b""
    """Whatever the engine wants to remember of this block (a stake modifier, a signer set)."""

    @property
    def hash(self) -> bytes:
        """Hash of the header, in wire order."""
        return self.header.hash

    @property
    def invalid(self) -> bool:
        """Whether the block or an ancestor is known to be bad, by rule or by the user."""
        return bool(self.status & (Status.BROKEN | Status.REJECTED))


class Branch(Protocol[H_co]):
    """The chain that ends in `tip`, on whichever fork; bound to one view of the store."""

    @property
    def tip(self) -> Entry[H_co]: ...
    def at(self, height: int) -> Entry[H_co]:
        """The ancestor of the tip (or the tip) at a height from 0 to the tip's."""
        ...

    def last(self, count: int) -> Sequence[Entry[H_co]]:
        """The newest entries, newest first, fewer where the chain is shorter."""
        ...

    def median_time(self) -> int:
        """Median of the last eleven timestamps (of fewer, near genesis)."""
        ...
