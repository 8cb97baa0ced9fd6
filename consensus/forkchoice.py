"""Which of two tips is better: the heaviest chain, or the heaviest subtree (GHOST). Between equals, what arrived first.

It refuses to know what a weight is; the engine says.
"""

from __future__ import annotations

from typing import Any

from consensus.api import Tree
from primitives.chain import Entry
from primitives.errors import SystemFault


def heaviest(a: Entry[Any], b: Entry[Any], tree: Tree) -> bool:
    """Whether the chain of `a` weighs more than that of `b`, or as much and came first."""
    return a.weight > b.weight or (a.weight == b.weight and a.seq < b.seq)


def ghost(a: Entry[Any], b: Entry[Any], tree: Tree) -> bool:
    """Whether, at the fork of their chains, the subtree that holds `a` weighs more than the one that holds `b`.

    Equal subtrees: the root that came first. On one chain the longer is better. Source: Sompolinsky and Zohar,
    "Secure High-Rate Transaction Processing in Bitcoin" (2013), algorithm 1.
    """
    if a.hash == b.hash:
        return False
    left, right = a, b
    while left.height > right.height:
        left = _parent(left, tree)
    while right.height > left.height:
        right = _parent(right, tree)
    if left.hash == right.hash:
        return a.height > b.height
    while left.header.parent != right.header.parent:
        left, right = _parent(left, tree), _parent(right, tree)
    mine, other = tree.subtree_weight(left), tree.subtree_weight(right)
    return mine > other or (mine == other and left.seq < right.seq)


def _parent(entry: Entry[Any], tree: Tree) -> Entry[Any]:
    parent = tree.parent(entry)
    if parent is None:
        raise SystemFault("the two chains share no genesis")
    return parent
