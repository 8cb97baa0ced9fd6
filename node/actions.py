"""The vocabulary of sync and relay: events in, actions out, and what they ask of chain and pool. Data and Protocols only.

Both are plain objects with `on(event, now) -> list[Action]`; `now` is monotonic seconds. exchange.py carries their
actions out on the event loop. Peers are numbers, hashes are in wire order, and every tuple is in order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from p2p.messages import Message
from primitives.chain import Entry, Format
from primitives.errors import ChainError

# -- events -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Joined:
    """A peer's handshake is done."""

    peer: int
    outbound: bool
    """This side opened the connection; such a peer is preferred, and held to more."""
    serves_blocks: bool
    relays_txs: bool
    wtxid_relay: bool
    whitelisted: bool
    replaceable: bool = True
    """Chosen by this node itself: if it does not keep up, another is chosen."""


@dataclass(frozen=True, slots=True)
class Left:
    """A peer is gone."""

    peer: int


@dataclass(frozen=True, slots=True)
class Got:
    """A message arrived."""

    peer: int
    message: Message


@dataclass(frozen=True, slots=True)
class HeadersChecked:
    """The chain judged headers: those that are good (known ones too), and what was wrong with the first that is not."""

    peer: int
    entries: tuple[Entry[Any], ...]
    error: ChainError | None
    full: bool
    """The message held as many headers as one can hold: there are more."""


@dataclass(frozen=True, slots=True)
class BlockJudged:
    """The chain judged a delivered block. `stored` is false where it is refused, waits, or is not wanted."""

    peer: int
    hash: bytes
    requested: bool
    stored: bool
    error: ChainError | None = None
    """Missing and Premature where the block waits for its parent or for the clock."""


@dataclass(frozen=True, slots=True)
class TipMoved:
    """The connected chain changed; `connected` is what joined, oldest first (none of it for a rewind)."""

    tip: Entry[Any]
    connected: tuple[Entry[Any], ...]


@dataclass(frozen=True, slots=True)
class Announced:
    """A transaction that is worth announcing: under which hashes, and what it pays."""

    id: bytes
    relay_id: bytes
    rate: int


@dataclass(frozen=True, slots=True)
class TxJudged:
    """The pool judged a transaction that a peer sent. `parents`: ids to ask for, where inputs are missing."""

    peer: int
    id: bytes
    relay_id: bytes
    error: ChainError | None = None
    parents: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class PoolGrew:
    """Transactions entered the pool, from a peer, a wallet or a reorganisation."""

    txs: tuple[Announced, ...]


@dataclass(frozen=True, slots=True)
class Tick:
    """Time passed: what was asked for by Wake, or a second at most."""


Event = Joined | Left | Got | HeadersChecked | BlockJudged | TipMoved | TxJudged | PoolGrew | Tick

# -- actions ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Send:
    """Send a message to a peer."""

    peer: int
    message: Message


@dataclass(frozen=True, slots=True)
class Serve:
    """Answer a request from store and pool as fast as the peer takes it: getdata (the items), getheaders, getblocks, mempool."""

    peer: int
    request: Message


@dataclass(frozen=True, slots=True)
class Disconnect:
    """Let a peer go without blame."""

    peer: int
    reason: str


@dataclass(frozen=True, slots=True)
class Penalise:
    """A peer brought something bad; treatment.py says what that costs."""

    peer: int
    error: ChainError


@dataclass(frozen=True, slots=True)
class CheckHeaders:
    """Let the chain judge headers, a slice at a time; HeadersChecked comes back."""

    peer: int
    headers: tuple[Any, ...]
    full: bool
    asked: bool = True
    """The peer was asked for them; others are judged before its next message is read."""


@dataclass(frozen=True, slots=True)
class Deliver:
    """Let the chain judge a block; its body is still bytes in wire form. BlockJudged comes back."""

    peer: int
    header: Any
    raw: bytes
    requested: bool


@dataclass(frozen=True, slots=True)
class JudgeTx:
    """Let the pool judge a transaction; TxJudged comes back."""

    peer: int
    tx: Any
    id: bytes
    relay_id: bytes


@dataclass(frozen=True, slots=True)
class Wake:
    """Send a Tick at this time (monotonic seconds)."""

    at: float


@dataclass(frozen=True, slots=True)
class MorePeers:
    """Hold so many outbound peers beyond the usual number."""

    count: int


Action = Send | Serve | Disconnect | Penalise | CheckHeaders | Deliver | JudgeTx | Wake | MorePeers

# -- what they ask ----------------------------------------------------------------------------------------------------


class HeaderView(Protocol):
    """The block tree as sync reads it, on the event loop: quick, and of the latest commit at each call."""

    @property
    def tip(self) -> Entry[Any]:
        """The tip of the connected chain."""
        ...

    @property
    def best(self) -> Entry[Any]:
        """The heaviest header that is not known to be bad."""
        ...

    @property
    def headers_prove(self) -> bool:
        """Whether a header shows by itself what it weighs (work). Where not (stake), `best` counts only blocks that are here."""
        ...

    @property
    def format(self) -> Format:
        """How headers are written."""
        ...

    @property
    def syncing(self) -> bool:
        """Initial download: the tip is old; no transactions are asked for, nothing is announced. Once false it stays so."""
        ...

    @property
    def floor(self) -> int:
        """Weight that a chain must show before its headers are kept (the network's minimum, and not far below the tip)."""
        ...

    def entry(self, key: bytes) -> Entry[Any] | None:
        """What is known of a block, headers that are held in memory only among it."""
        ...

    def ancestors(self, entry: Entry[Any], start: int, count: int) -> Sequence[Entry[Any]]:
        """The blocks on an entry's chain from a height on, lowest first, at most `count`, the entry itself the last; none where
        the entry was let go of since (a header held in memory only)."""
        ...

    def fork_height(self, entry: Entry[Any]) -> int:
        """Height of the entry's highest ancestor (or itself) on the connected chain."""
        ...

    def work(self, header: Any) -> int:
        """What a header by itself adds to a chain's weight. Raises InvalidHeader where it does not prove that."""
        ...


class PoolFacts(Protocol):
    """The pool as relay reads it, on the event loop."""

    def has(self, key: bytes) -> bool:
        """Whether a transaction is pooled, parked, or in a recent block, under its id or its relay id."""
        ...

    def fee_filter(self) -> int:
        """The least rate that the pool takes now, in the units of a feefilter message."""
        ...


class Bodies(Protocol):
    """What is served to peers; called off the loop, by serve.py."""

    def block(self, key: bytes, stripped: bool) -> bytes | None:
        """A block in wire form (`stripped`: without witnesses), None where it is not here or not to be told."""
        ...

    def tx(self, key: bytes, stripped: bool) -> bytes | None:
        """A pooled transaction in wire form, by its id or relay id."""
        ...

    def headers_after(self, locator: Sequence[bytes], stop: bytes, most: int) -> Sequence[Any]:
        """Headers of the connected chain after the first known hash of a locator; for an empty locator the one at `stop`."""
        ...

    def pooled(self) -> Sequence[Announced]:
        """All pooled transactions, parents first."""
        ...
