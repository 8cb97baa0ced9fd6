"""What a node of a chain will load, loaded ahead of it: for a process that forks into several nodes.

It refuses to run anything: no store, no thread, no socket.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import suppress

from chains.catalogue import load
from chains.overrides import ChainFileError
from chains.spec import ChainSpec
from node.rpc.catalogue import LATER


def preload(chain: str) -> None:
    """Load the chain of this name or file, and the parts of the daemon that serve it. What is wrong with it, a node will say."""
    with suppress(ChainFileError):
        for name in _modules(load(chain)):
            importlib.import_module(name)


def _modules(spec: ChainSpec) -> Iterator[str]:
    yield "node.daemon"
    accounts = "ethereum" in spec.rpc
    if accounts:
        yield "node.ethereum_service"
    if spec.is_twin:
        yield from ("node.twin_halves", "node.twin_indexes", "node.twin_moves")
    local = ("local", *(("local-account",) if accounts else ())) if spec.network.local else ()
    yield from (LATER[family] for family in (*spec.rpc, *local) if family in LATER)
