"""Unsealed: a family's difficulty rule without any seal, for dev chains and for suites whose seals are not real.

Whoever can make a block may; nothing here protects a chain that strangers can reach.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from consensus.api import Purse
from ledger.api import Draft, Stop
from primitives.ancestry import ommer_branch
from primitives.chain import Branch
from primitives.errors import InvalidBlock, InvalidHeader
from storage.kv import KV

Rule = Callable[[Branch[Any], int], int]
"""What a child of the tip must claim at a time."""


def zero(branch: Branch[Any], time: int) -> int:
    """No difficulty at all: what proof of stake left in Ethereum's headers (EIP-3675)."""
    return 0


def claimed_difficulty(header: Any) -> int:
    """What an Ethereum header claims."""
    return int(header.difficulty)


def claimed_bits(header: Any) -> int:
    """What a Bitcoin header claims."""
    return int(header.bits)


@dataclass(frozen=True, slots=True)
class Unsealed:
    """No proof; the claimed difficulty must be what the rule says, and weighs as much (at least 1)."""

    rule: Rule = zero
    claimed: Callable[[Any], int] = claimed_difficulty
    wrong: str = "invalid difficulty"

    @property
    def header_proves(self) -> bool:
        """There is nothing to prove."""
        return True

    def difficulty(self, branch: Branch[Any], timestamp: int, kind: int = 0) -> int:
        """What the rule says."""
        return self.rule(branch, timestamp)

    def check_header(self, header: Any, branch: Branch[Any]) -> None:
        """Raises InvalidHeader("invalid difficulty") or what `wrong` says instead."""
        want = self.rule(branch, header.timestamp)
        if self.claimed(header) != want:
            raise InvalidHeader(self.wrong, f"have {self.claimed(header)}, want {want}")

    def check_block(self, block: Any, branch: Branch[Any], state: KV) -> bytes:
        """The ommers' difficulties. Raises InvalidHeader, InvalidBlock."""
        check_ommer_headers(self, block, branch)
        return b""

    def weight(self, header: Any) -> int:
        """The claimed difficulty, at least 1."""
        return max(1, self.claimed(header))

    def propose(self, branch: Branch[Any], state: KV, purse: Purse, now: int, stop: Stop) -> Draft | None:
        """A draft at `now`, or one second after the tip."""
        timestamp = max(now, branch.tip.header.timestamp + 1)
        return Draft(timestamp, self.rule(branch, timestamp), payee=purse.payee)

    def seal(self, block: Any, purse: Purse, stop: Stop) -> Any:
        """The block as it is."""
        return block


def check_ommer_headers(engine: Any, block: Any, branch: Branch[Any]) -> None:
    """Whether an engine lets each of a block's side headers pass where it was built.

    Raises InvalidHeader, InvalidBlock("uncle's parent is not ancestor").
    """
    for ommer in block.side_headers:
        below = ommer_branch(ommer, branch)
        if below is None:
            raise InvalidBlock("uncle's parent is not ancestor", ommer.hash.hex())
        engine.check_header(ommer, below)
