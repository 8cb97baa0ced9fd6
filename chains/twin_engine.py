"""Outer: an engine of outer blocks as the engine of a chain of twin blocks. It hands on, and keeps proposals after their parent's time.

It refuses to know which engine it is, and what a payload holds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Self

from consensus.api import Engine, Exhausted, Purse
from ledger.api import Draft, Stop
from ledger.twin.ledger import SIGN
from ledger.utxo.coins import CoinView
from primitives.bitcoin import Transaction, TxOutput
from primitives.chain import Branch
from primitives.errors import Refused, SystemFault
from primitives.twin import OuterHeader, TwinBlock
from storage.kv import KV

LATEST: Final = (1 << 32) - 1
"""The last second that an outer header can bear."""


@dataclass(frozen=True, slots=True)
class Outer:
    """Wraps an engine that knows outer blocks alone."""

    inner: Engine[Any, Any]

    @property
    def header_proves(self) -> bool:
        """As the engine has it."""
        return self.inner.header_proves

    def difficulty(self, branch: Branch[Any], timestamp: int, kind: int = 0) -> int:
        """As the engine has it."""
        return self.inner.difficulty(branch, timestamp, kind)

    def check_header(self, header: OuterHeader, branch: Branch[Any]) -> None:
        """As the engine has it. Raises InvalidHeader."""
        self.inner.check_header(header, branch)

    def check_block(self, block: TwinBlock, branch: Branch[Any], state: KV) -> bytes:
        """As the engine has it, of the outer block. Raises InvalidBlock, Mutated."""
        return self.inner.check_block(block.outer, branch, state)

    def weight(self, header: OuterHeader) -> int:
        """As the engine has it."""
        return self.inner.weight(header)

    def claim(self, note: bytes) -> bytes:
        """What a block was made from that could have made others; nothing where the engine knows no such thing."""
        claim: Callable[[bytes], bytes] | None = getattr(self.inner, "claim", None)
        return b"" if claim is None else claim(note)

    def propose(self, branch: Branch[Any], state: KV, purse: Purse, now: int, stop: Stop) -> Draft | None:
        """As the engine has it, but after the parent's time; beside a coinstake, how it is signed once it commits to a payload.

        Raises Refused("time-too-new") where the clock shows what no header of 80 bytes can bear.
        """
        before = branch.tip.header.timestamp
        if max(now, before + 1) > LATEST:
            raise Refused("time-too-new", f"no header can bear the second {max(now, before + 1)}")
        staker = getattr(purse, "staker", None)
        if staker is not None:
            purse = replace(purse, staker=_Later(staker, before))  # type: ignore[type-var]
        draft = self.inner.propose(branch, state, purse, now, stop)
        if draft is None:
            return None
        if draft.kind:
            return replace(draft, options={**draft.options, SIGN: _signer(staker, draft.leading[0], state)})
        if draft.timestamp <= before:
            time = before + 1
            draft = replace(draft, timestamp=time, difficulty=self.inner.difficulty(branch, time))
        return draft

    def seal(self, block: TwinBlock, purse: Purse, stop: Stop) -> TwinBlock | None | Exhausted:
        """As the engine has it, of the outer block."""
        sealed = self.inner.seal(block.outer, purse, stop)
        return sealed if sealed is None or isinstance(sealed, Exhausted) else replace(block, outer=sealed)

    def equipped(self, *tools: Any) -> Self:
        """The engine with what it mines with, where it takes such (ethash.py)."""
        equip = getattr(self.inner, "equipped", None)
        return self if equip is None else replace(self, inner=equip(*tools))

    def prepare(self, height: int, stop: Stop) -> dict[Path, bool]:
        """What the engine prepares, where it prepares something."""
        prepare = getattr(self.inner, "prepare", None)
        files: dict[Path, bool] = {} if prepare is None else prepare(height, stop)
        return files


class _Later:
    """A staker that has searched all seconds up to its tip's: a block of those could not follow it."""

    def __init__(self, staker: Any, least: int) -> None:
        self._staker = staker
        self._least = least

    def __getattr__(self, name: str) -> Any:
        return getattr(self._staker, name)

    def searched(self, tip: bytes) -> int:
        """The last second that was searched on this tip, its own at least."""
        return max(self._least, int(self._staker.searched(tip)))


def _signer(staker: Any, coinstake: Transaction, state: KV) -> Callable[[Transaction], Transaction | None]:
    """Signs all inputs anew; the coins are those that the coinstake spends."""
    coins = [CoinView(state).get(i.outpoint) for i in coinstake.inputs]
    spent: Sequence[TxOutput] = [TxOutput(coin.value, coin.script) for coin in coins if coin is not None]
    if len(spent) < len(coins):
        raise SystemFault("a coinstake was proposed whose coins are not in the state")

    def sign(tx: Transaction) -> Transaction | None:
        bare = tuple(i._replace(script=b"", witness=()) for i in tx.inputs)
        signed: Transaction | None = staker.sign(replace(tx, inputs=bare), spent)
        return signed

    return sign
