"""The blockchain group, what changes the chain or waits for it: invalidate, reconsider, precious, verify, wait, fetch a block."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from ledger.api import Aid
from node.node import Happening, Node, Snapshot
from node.results import TipChanged
from node.rpc.api import Peers
from node.rpc.errors import DATABASE_ERROR, INVALID_ADDRESS_OR_KEY, INVALID_PARAMETER, MISC_ERROR, RpcError
from node.rpc.lookup import find_block
from node.rpc.params import Hash, display_hex
from node.rpc.registry import rpc
from primitives.chain import Entry, Status
from primitives.errors import ChainError, Missing, Refused, SystemFault
from storage.kv import Journal, rewind


def _order(order: Callable[[bytes], None], key: bytes) -> None:
    try:
        order(key)
    except Missing:
        raise RpcError(INVALID_ADDRESS_OR_KEY, "Block not found") from None
    except Refused as e:
        raise RpcError(DATABASE_ERROR, e.detail) from None


@rpc("invalidateblock", family="bitcoin", group="blockchain", cost="write")
def invalidate_block(node: Node, blockhash: Hash) -> None:
    """Hold a block for invalid for ever, as if it broke a rule."""
    _order(node.chain.invalidate, blockhash)


@rpc("reconsiderblock", family="bitcoin", group="blockchain", cost="write")
def reconsider_block(node: Node, blockhash: Hash) -> None:
    """Take the bad marks off a block, its ancestors and its heirs: undoes `invalidateblock`."""
    _order(node.chain.reconsider, blockhash)


@rpc("preciousblock", family="bitcoin", group="blockchain", cost="write")
def precious_block(node: Node, blockhash: Hash) -> None:
    """Treat a block as if it had come before all others of the same work; a later call overrides an earlier one."""
    _order(node.chain.precious, blockhash)


@rpc("verifychain", family="bitcoin", group="blockchain", cost="job")
def verify_chain(at: Snapshot, checklevel: int = 3, nblocks: int = 6) -> bool:
    """Check stored blocks again: 0 read, 1 their form, 2 their undo, 3 disconnect them in memory, 4 connect them again.

    `nblocks` is how many, 0 for all.
    """
    if not 0 <= checklevel <= 4:
        raise RpcError(INVALID_PARAMETER, "checklevel must be between 0 and 4")
    count = min(nblocks, at.tip.height) if nblocks > 0 else at.tip.height
    journal = Journal(at.state)
    undone: list[tuple[Entry[Any], Any]] = []
    ledger, entries = at.spec.ledger, at.view.entries
    entry = at.tip
    try:
        for _ in range(count):
            block = find_block(at, entry)
            branch = entries.branch(entries.parent(entry))
            if checklevel >= 1:
                ledger.check_block(block, branch)
            if checklevel >= 2:
                undo = at.view.undo(entry)
                if checklevel >= 3:
                    rewind(journal, undo)
            undone.append((entry, block))
            entry = entries.parent(entry)
        while checklevel >= 4 and undone:
            entry, block = undone.pop()
            ledger.connect(block, entries.branch(entries.parent(entry)), journal, Aid())
    except (ChainError, RpcError, SystemFault):
        return False
    return True


# -- waiting ---------------------------------------------------------------------------------------------------------


async def wait_until(node: Node, done: Callable[[], bool], seconds: float | None) -> bool:
    """Wait for the connected chain to be as `done` wants it, or for the time or the node to end; whether it is."""
    changed = asyncio.Event()

    def on_event(event: Happening) -> None:
        if isinstance(event, TipChanged):
            changed.set()

    end = node.subscribe(on_event)
    stopping = asyncio.ensure_future(node.stopping.wait())
    until = None if seconds is None else node.env.monotonic() + seconds
    try:
        while not done() and not node.stopping.is_set():
            left = None if until is None else until - node.env.monotonic()
            if left is not None and left <= 0:
                break
            waiting = asyncio.ensure_future(changed.wait())
            try:
                await asyncio.wait((waiting, stopping), timeout=left, return_when=asyncio.FIRST_COMPLETED)
            finally:
                waiting.cancel()
            changed.clear()
    finally:
        stopping.cancel()
        end()
    return done()


def _tip(node: Node) -> dict[str, Any]:
    tip = node.chain.tip
    return {"hash": display_hex(tip.hash), "height": tip.height}


def _seconds(timeout: int) -> float | None:
    if timeout < 0:
        raise RpcError(MISC_ERROR, "Negative timeout")
    return timeout / 1000 if timeout else None


@rpc("waitfornewblock", family="bitcoin", group="blockchain")
async def wait_for_new_block(node: Node, timeout: int = 0, current_tip: Hash | None = None) -> dict[str, Any]:
    """Wait until the tip is another one; returns the tip, on a timeout too (milliseconds, 0: none)."""
    before = current_tip or node.chain.tip.hash
    await wait_until(node, lambda: node.chain.tip.hash != before, _seconds(timeout))
    return _tip(node)


@rpc("waitforblock", family="bitcoin", group="blockchain")
async def wait_for_block(node: Node, blockhash: Hash, timeout: int = 0) -> dict[str, Any]:
    """Wait until a block is the tip; returns the tip, on a timeout too (milliseconds, 0: none)."""
    await wait_until(node, lambda: node.chain.tip.hash == blockhash, _seconds(timeout))
    return _tip(node)


@rpc("waitforblockheight", family="bitcoin", group="blockchain")
async def wait_for_block_height(node: Node, height: int, timeout: int = 0) -> dict[str, Any]:
    """Wait until the chain has a height, at least; returns the tip, on a timeout too (milliseconds, 0: none)."""
    await wait_until(node, lambda: node.chain.tip.height >= height, _seconds(timeout))
    return _tip(node)


@rpc("syncwithvalidationinterfacequeue", family="bitcoin", group="hidden")
async def sync_with_queue(node: Node) -> None:
    """Wait until all that the chain has told so far has been heard."""
    await node.on_chain(lambda: None)
    await asyncio.sleep(0)


@rpc("getblockfrompeer", family="bitcoin", group="blockchain")
def get_block_from_peer(node: Node, peers: Peers, blockhash: Hash, peer_id: int) -> dict[str, Any]:
    """Ask one peer for a block whose header is known; the block comes later, if it comes."""
    entry = node.chain.entry(blockhash)
    if entry is None:
        raise RpcError(MISC_ERROR, "Block header missing")
    if entry.status & Status.BODY:
        raise RpcError(MISC_ERROR, "Block already downloaded")
    wrong = peers.fetch_block(blockhash, peer_id)
    if wrong is not None:
        raise RpcError(MISC_ERROR, wrong)
    return {}
