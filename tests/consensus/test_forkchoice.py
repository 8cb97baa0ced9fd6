"""Heaviest chain, heaviest subtree, and first come first served between equals."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from consensus.forkchoice import ghost, heaviest
from primitives.bitcoin import BitcoinHeader
from primitives.chain import Entry
from primitives.errors import SystemFault


class Tree:
    """A block tree made of lines like "a b": b is a child of a. Each block weighs one."""

    def __init__(self, text: str) -> None:
        self.entries: dict[str, Entry[Any]] = {}
        self.up: dict[bytes, Entry[Any]] = {}
        self.grow("", "g")
        for line in text.split(","):
            self.grow(*line.split())

    def grow(self, parent: str, name: str) -> None:
        over = self.entries.get(parent)
        header = BitcoinHeader(1, over.hash if over else bytes(32), name.encode().ljust(32, b"\0"), 0, 0, 0)
        height = over.height + 1 if over else 0
        self.entries[name] = Entry(header, height, height + 1, seq=len(self.entries))
        if over:
            self.up[header.hash] = over

    def parent(self, entry: Entry[Any]) -> Entry[Any] | None:
        return self.up.get(entry.hash)

    def children(self, entry: Entry[Any]) -> Iterator[Entry[Any]]:
        return (e for e in self.entries.values() if e.header.parent == entry.hash)

    def subtree_weight(self, entry: Entry[Any]) -> int:
        return 1 + sum(self.subtree_weight(c) for c in self.children(entry))


# a long thin chain against a short bushy one
TREE = Tree("g a,a b,b c,c d,g x,x y,x z,x w,y v,g t,t u,u s,u r,u q,u p")


@pytest.mark.parametrize(
    ("one", "other", "by_weight", "by_subtree"),
    [
        ("d", "v", True, False),  # 4 blocks against 3, but 4 in its subtree against 5
        ("d", "s", True, False),
        ("v", "s", True, False),
        ("y", "z", True, True),  # equal in length; y bears a child
        ("z", "w", True, True),  # equal in all: z came first
        ("w", "z", False, False),
        ("d", "c", True, True),
        ("c", "d", False, False),
        ("d", "d", False, False),
    ],
)
def test_which_is_better(one: str, other: str, by_weight: bool, by_subtree: bool) -> None:
    a, b = TREE.entries[one], TREE.entries[other]
    assert heaviest(a, b, TREE) is by_weight
    assert ghost(a, b, TREE) is by_subtree


@pytest.mark.parametrize("rule", [heaviest, ghost])
def test_of_two_tips_at_most_one_is_better(rule: Any) -> None:
    for a in TREE.entries.values():
        for b in TREE.entries.values():
            assert rule(a, b, TREE) + rule(b, a, TREE) == (a is not b)


def test_trees_that_share_nothing() -> None:
    other = Tree("g a")
    stranger = other.entries["a"]
    broken = Tree("g b")
    broken.up.clear()
    with pytest.raises(SystemFault, match="no genesis"):
        ghost(Entry(stranger.header, 5, 5), broken.entries["g"], broken)
