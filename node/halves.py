"""Halves: a node as the clients of either world get it. A twin chain's node is two, each with one half's face; any other is both.

It refuses to know how a half is made: that is twin_halves.py, which only twin chains load.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass

from node.node import Node


@dataclass(frozen=True, slots=True)
class Halves:
    """Whom the servers and wallets of each world are given."""

    coins: Node
    accounts: Node


def halves_of(node: Node) -> Halves:
    """The halves of a node's chain."""
    if not node.spec.is_twin:
        return Halves(node, node)
    halves: Halves = importlib.import_module("node.twin_halves").split(node)
    return halves
