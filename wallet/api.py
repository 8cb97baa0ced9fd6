"""What a wallet asks of a chain, and what it must know of a network. The node answers in process, a client over RPC.

Refuses to know either of them.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import NamedTuple, Protocol

from primitives.address import AddressStyle
from primitives.bitcoin import Transaction
from primitives.env import Disk

Progress = Callable[[int, int], None]
"""Called with the height reached and the height wanted."""


class Point(NamedTuple):
    """A block of the active chain."""

    height: int
    hash: bytes


class HeaderLike(Protocol):
    """What the wallet reads of a header."""

    @property
    def hash(self) -> bytes: ...
    @property
    def parent(self) -> bytes: ...
    @property
    def timestamp(self) -> int: ...


class BlockLike(Protocol):
    """A block of any family whose transactions are Bitcoin's."""

    @property
    def header(self) -> HeaderLike: ...
    @property
    def txs(self) -> Sequence[Transaction]: ...


class ChainSource(Protocol):
    """The chain as the wallet sees it. Every method may be called from any thread."""

    def tip(self) -> Point:
        """The tip of the active chain."""
        ...

    def hash_at(self, height: int) -> bytes | None:
        """The hash of the active chain's block at a height; None above the tip."""
        ...

    def block_at(self, height: int) -> BlockLike | None:
        """The active chain's block at a height; None above the tip."""
        ...

    def pooled(self) -> Sequence[Transaction]:
        """The transactions of the mempool, parents before their children."""
        ...

    def submit(self, tx: Transaction) -> None:
        """Hand a transaction to the mempool and to peers. Raises ChainError where it is refused; known already is no error."""
        ...

    def fee_rate(self, blocks: int) -> int | None:
        """The rate, in satoshi per 1,000 vbytes, to be mined within so many blocks; None where nobody can tell."""
        ...


class WalletEnv(Protocol):
    """The part of Env that a wallet needs: clocks, secure randomness, small files."""

    @property
    def random(self) -> Random: ...
    @property
    def disk(self) -> Disk: ...
    def monotonic(self) -> float: ...
    def now(self) -> int: ...


@dataclass(frozen=True, slots=True)
class CoinNet:
    """What differs between networks for a wallet of coins."""

    name: str
    addresses: AddressStyle
    coin_type: int = 1  # SLIP-44: 0 mainnet, 1 any test network, 6 PeerCoin
    maturity: int = 100
    dust_rate: int = 3_000
    relay_rate: int = 1_000
    fallback_rate: int | None = 20_000
    timed: bool = False  # PeerCoin: transactions below version 3 carry their time
    max_money: int = 21_000_000 * 100_000_000
    default_kind: str = "bech32"

    @property
    def real(self) -> bool:
        """Whether its coins are money: every network but the test networks, which share a coin type."""
        return self.coin_type != 1
