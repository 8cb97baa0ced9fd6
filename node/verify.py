"""Checks the newest blocks of a chain against its own records: bodies, undo, and that connecting them again changes nothing.

It only reads: the work is done on an overlay. What it finds wrong is our own fault, never a block's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from node.chain import Chain
from node.view import ChainView
from primitives.chain import Entry, Status
from primitives.errors import ChainError, SystemFault
from storage.kv import Journal, rewind

DEPTH: Final = 6
"""How many blocks are checked at the start (Bitcoin Core, DEFAULT_CHECKBLOCKS)."""


def verify_tail(
    chain: Chain, depth: int = DEPTH, level: int = 4, pause: Callable[[int, int], None] = lambda done, of: None
) -> None:
    """Check the last `depth` blocks. Raises SystemFault with what is wrong.

    Levels as Bitcoin Core's: 0 the bodies are readable and their headers' own, 1 they are lawful by themselves, 2 undo records
    are sound, 3 the state can be rewound, 4 connecting the blocks again ends in the present state.
    """
    with chain.view() as view:
        journal = Journal(view.state)
        blocks: list[tuple[Entry[Any], Any]] = []
        entry = view.tip
        while entry.height > 0 and len(blocks) < depth:
            block = _body(view, entry)
            if level >= 1:
                _lawful(chain, view, entry, block)
            if level >= 2:
                undo = view.undo(entry)
                if level >= 3:
                    rewind(journal, undo)
            blocks.append((entry, block))
            entry = view.entries.parent(entry)
            pause(len(blocks), depth)
        if level >= 4:
            for at, block in reversed(blocks):
                _connect(chain, view, at, block, journal)
            for key, _ in journal.delta().forward:
                raise SystemFault(f"the state is not what the last {len(blocks)} blocks make of it (key {key.hex()})")


def _body(view: ChainView, entry: Entry[Any]) -> Any:
    block = view.block(entry.hash)
    if block is None or block.header.hash != entry.hash or not entry.status & Status.VALID:
        raise SystemFault(f"the body of block {entry.hash[::-1].hex()} is missing or another block's")
    return block


def _lawful(chain: Chain, view: ChainView, entry: Entry[Any], block: Any) -> None:
    try:
        chain.spec.ledger.check_block(block, view.entries.branch(view.entries.parent(entry)))
    except ChainError as e:
        raise SystemFault(f"the stored block {entry.hash[::-1].hex()} is not lawful any more: {e}") from e


def _connect(chain: Chain, view: ChainView, entry: Entry[Any], block: Any, journal: Journal) -> None:
    branch = view.entries.branch(view.entries.parent(entry))
    try:
        chain.spec.engine.check_block(block, branch, journal)
        applied = chain.spec.ledger.connect(block, branch, journal, chain.judge.aid(chain.aid, entry, view.entries))
    except ChainError as e:
        raise SystemFault(f"the stored block {entry.hash[::-1].hex()} does not connect any more: {e}") from e
    for index in chain.indexes:
        index.on_connect(block, entry, applied, journal)
