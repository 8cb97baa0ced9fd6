"""How hard the next block must be on Ethereum, from Frontier to Gray Glacier, bombs included: pure functions of the parent.

They refuse to know seals and clocks. Sources: Yellow Paper, 4.4.4; EIPs 2, 100, 649, 1234, 2384, 3554, 4345, 5133.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from primitives.chain import Branch
from primitives.ethereum import EMPTY_OMMERS, EthereumHeader

MINIMUM: Final = 131_072
QUOTIENT: Final = 2_048
BOMB_PERIOD: Final = 100_000


@dataclass(frozen=True, slots=True)
class Era:
    """How the difficulty moves while a fork holds; made from the one before it."""

    spacing: int | None
    """Seconds by which one step less is taken; None is Frontier's single step."""
    counts_ommers: bool = False
    """One step more where the parent has ommers (EIP-100)."""
    bomb_delay: int | None = 0
    """Blocks by which the bomb is put off; None is no bomb."""
    minimum: int = MINIMUM


FRONTIER: Final = Era(None)
HOMESTEAD: Final = Era(10)
BYZANTIUM: Final = Era(9, True, 3_000_000)
CONSTANTINOPLE: Final = Era(9, True, 5_000_000)
MUIR_GLACIER: Final = Era(9, True, 9_000_000)
LONDON: Final = Era(9, True, 9_700_000)
ARROW_GLACIER: Final = Era(9, True, 10_700_000)
GRAY_GLACIER: Final = Era(9, True, 11_400_000)


def child_difficulty(
    era: Era, parent_difficulty: int, parent_time: int, parent_has_ommers: bool, number: int, time: int
) -> int:
    """The difficulty of block `number` at `time`. Source: geth, consensus/ethash/difficulty.go."""
    step = parent_difficulty // QUOTIENT
    if era.spacing is None:
        difficulty = parent_difficulty + (step if time < parent_time + 13 else -step)
    else:
        most = 2 if era.counts_ommers and parent_has_ommers else 1
        difficulty = parent_difficulty + step * max(most - (time - parent_time) // era.spacing, -99)
    if era.bomb_delay is not None:
        period = max(0, number - era.bomb_delay) // BOMB_PERIOD
        difficulty += 1 << (period - 2) if period > 1 else 0
    return max(difficulty, era.minimum)


@dataclass(frozen=True, slots=True)
class Difficulty:
    """A chain's eras by the block from which each holds, first to last."""

    eras: tuple[tuple[int, Era], ...]

    def era(self, number: int) -> Era:
        """The era of a block number."""
        found = self.eras[0][1]
        for first, era in self.eras:
            if number >= first:
                found = era
        return found

    def next(self, parent: EthereumHeader, time: int) -> int:
        """The difficulty of a child of `parent` at a time."""
        number = parent.number + 1
        has_ommers = parent.ommers_hash != EMPTY_OMMERS
        return child_difficulty(self.era(number), parent.difficulty, parent.timestamp, has_ommers, number, time)

    def __call__(self, branch: Branch[Any], time: int) -> int:
        """The difficulty of a child of the tip at a time."""
        return self.next(branch.tip.header, time)


MAINNET: Final = Difficulty(
    (
        (0, FRONTIER),
        (1_150_000, HOMESTEAD),
        (4_370_000, BYZANTIUM),
        (7_280_000, CONSTANTINOPLE),
        (9_200_000, MUIR_GLACIER),
        (12_965_000, LONDON),
        (13_773_000, ARROW_GLACIER),
        (15_050_000, GRAY_GLACIER),
    )
)
