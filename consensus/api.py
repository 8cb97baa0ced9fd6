"""The Engine protocol: who may make a block, how that is shown, and what it weighs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Protocol, TypeVar

from ledger.api import Draft, Stop
from primitives.chain import Branch, Entry, Header
from storage.kv import KV


class Tree(Protocol):
    """The block tree, for fork choices that look beyond weight (ghost)."""

    def parent(self, entry: Entry[Any]) -> Entry[Any] | None: ...
    def children(self, entry: Entry[Any]) -> Iterator[Entry[Any]]: ...
    def subtree_weight(self, entry: Entry[Any]) -> int: ...


Better = Callable[[Entry[Any], Entry[Any], Tree], bool]
"""Is the first entry a better tip than the second?"""


class Exhausted:
    """The nonce space is used up: assemble again with another extra nonce."""


class Purse(Protocol):
    """What a producer brings: where rewards go, and for stake the coins and their keys. Engines read what they need."""

    @property
    def payee(self) -> bytes: ...
    @property
    def threads(self) -> int: ...


B = TypeVar("B")
H = TypeVar("H", bound=Header, contravariant=True)


class Engine(Protocol[B, H]):
    """One way to agree on who makes the next block. `branch.tip` is the parent.

    An engine that mines with large tables has `equipped` and `prepare` beside these (ethash.py); one that wraps another hands them on.
    """

    @property
    def header_proves(self) -> bool:
        """Whether a header alone can show its proof (stake: no)."""
        ...

    def difficulty(self, branch: Branch[Any], timestamp: int, kind: int = 0) -> int:
        """What a child of the tip must claim, in the header's own encoding."""
        ...

    def check_header(self, header: H, branch: Branch[Any]) -> None:
        """The claimed difficulty is right (first), then the seal holds, where a header can prove it. Raises InvalidHeader."""
        ...

    def check_block(self, block: B, branch: Branch[Any], state: KV) -> bytes:
        """The rest of the proof (stake kernel, signature); returns Entry.note. Raises InvalidBlock, Mutated."""
        ...

    def weight(self, header: H) -> int:
        """What this one block adds to its chain."""
        ...

    def propose(self, branch: Branch[Any], state: KV, purse: Purse, now: int, stop: Stop) -> Draft | None:
        """Fix time, difficulty, kind and leading transactions; None where there is nothing to be made now."""
        ...

    def seal(self, block: B, purse: Purse, stop: Stop) -> B | None | Exhausted:
        """Search the nonce or sign. None: stopped."""
        ...
