"""Rows of a benchmark: a figure, what is wanted of it, and what stands beside it. It measures nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from benchmarks.machine import describe


@dataclass(frozen=True, slots=True)
class Row:
    """One figure. `least` or `most` is what is wanted of it, if anything is."""

    name: str
    figure: float
    unit: str
    least: float | None = None
    most: float | None = None
    beside: str = ""
    """The peers' figures, with the ratio to each."""

    @property
    def missed(self) -> bool:
        """Whether the figure is not what is wanted."""
        return (self.least is not None and self.figure < self.least) or (
            self.most is not None and self.figure > self.most
        )

    @property
    def verdict(self) -> str:
        """The wanted figure, ok or MISSED, and by how much."""
        if self.least is not None:
            off = f"MISSED by {100 * (1 - self.figure / self.least):.0f} %" if self.missed else "ok"
            return f">= {number(self.least)} {off}"
        if self.most is not None:
            off = f"MISSED by {100 * (self.figure / self.most - 1):.0f} %" if self.missed else "ok"
            return f"<= {number(self.most)} {off}"
        return "-"

    def __str__(self) -> str:
        return f"{self.name:58} {number(self.figure):>9} {self.unit:10} {self.verdict:24} {self.beside}".rstrip()


def number(value: float) -> str:
    """A figure with three digits that count."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def against(figure: float, peers: dict[str, float], unit: str = "") -> str:
    """What stands beside a figure: each peer's, and the figure's ratio to it."""
    return ", ".join(f"{peer} {number(rate)}{unit} ({figure / rate:.2f} of it)" for peer, rate in peers.items())


def run(*parts: Callable[[], Iterable[Row]]) -> int:
    """Print machine and rows as they come; 1 where a figure is missed."""
    print(describe(), flush=True)
    missed = 0
    for row in (row for part in parts for row in _told(part)):
        print(row, flush=True)
        missed += row.missed
    if missed:
        print(f"{missed} missed")
    return int(bool(missed))


def _told(part: Callable[[], Iterable[Row]]) -> Iterator[Row]:
    title = (part.__doc__ or part.__name__).splitlines()[0]
    print(f"\n# {title}", flush=True)
    yield from part()
