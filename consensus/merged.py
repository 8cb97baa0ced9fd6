"""Merged: a chain that leaves proof of work at a terminal total difficulty; from there on zero difficulty, order by height.

The consensus layer that chose blocks on the real networks is not here: whoever feeds blocks chooses (EIP-3675).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

from consensus.api import Engine, Exhausted, Purse
from ledger.api import Draft, Stop
from primitives.chain import Branch
from primitives.errors import InvalidHeader
from primitives.ethereum import EthereumHeader
from storage.kv import KV


@dataclass(frozen=True, slots=True)
class Merged:
    """`before` holds while a parent's total difficulty is below `ttd`."""

    before: Engine[Any, Any]
    ttd: int

    @property
    def header_proves(self) -> bool:
        """What proof of work leaves can be told from headers."""
        return self.before.header_proves

    def _is_past(self, branch: Branch[Any]) -> bool:
        return branch.tip.header.difficulty == 0 or branch.tip.weight >= self.ttd

    def difficulty(self, branch: Branch[Any], timestamp: int, kind: int = 0) -> int:
        """Zero once the terminal total difficulty is reached."""
        return 0 if self._is_past(branch) else self.before.difficulty(branch, timestamp, kind)

    def check_header(self, header: EthereumHeader, branch: Branch[Any]) -> None:
        """Raises InvalidHeader("invalid difficulty" | "invalid terminal block"), and what the engine before raises."""
        if not self._is_past(branch):
            if header.difficulty == 0:
                raise InvalidHeader("invalid terminal block", f"total difficulty {branch.tip.weight} below {self.ttd}")
            self.before.check_header(header, branch)
        elif header.difficulty:
            raise InvalidHeader("invalid difficulty", f"have {header.difficulty}, want 0")

    def check_block(self, block: Any, branch: Branch[Any], state: KV) -> bytes:
        """Proof of work's checks before the merge, none after it."""
        return b"" if self._is_past(branch) else self.before.check_block(block, branch, state)

    def weight(self, header: EthereumHeader) -> int:
        """The difficulty; 1 for a block without, so that the longer chain is the heavier."""
        return self.before.weight(header) if header.difficulty else 1

    def propose(self, branch: Branch[Any], state: KV, purse: Purse, now: int, stop: Stop) -> Draft | None:
        """Proof of work's draft before the merge; after it one at `now`, or one second after the tip."""
        if not self._is_past(branch):
            return self.before.propose(branch, state, purse, now, stop)
        return Draft(max(now, branch.tip.header.timestamp + 1), 0, payee=purse.payee)

    def seal(self, block: Any, purse: Purse, stop: Stop) -> Any | None | Exhausted:
        """Proof of work's seal before the merge; after it the block as it is."""
        return self.before.seal(block, purse, stop) if block.header.difficulty else block

    def equipped(self, *tools: Any) -> Self:
        """Proof of work's engine with what it mines with, where it takes such (ethash.py)."""
        equip = getattr(self.before, "equipped", None)
        return self if equip is None else replace(self, before=equip(*tools))

    def prepare(self, height: int, stop: Stop) -> dict[Path, bool]:
        """What proof of work prepares, where it prepares something."""
        prepare = getattr(self.before, "prepare", None)
        files: dict[Path, bool] = {} if prepare is None else prepare(height, stop)
        return files
