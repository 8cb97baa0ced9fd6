"""The blockchain group, what is read of the chain itself: tip, headers, blocks, tips, deployments.

Statistics, coins and the mempool have files of their own; what changes the chain is in chain_control_methods.py.
"""

from __future__ import annotations

from typing import Any

from chains.bitcoin import PARAMETERS
from chains.spec import ChainSpec
from ledger.utxo.rules import Activations
from node.filters import FilterIndex, find_filter
from node.indexes import enabled
from node.node import Node, Snapshot
from node.rpc.api import Memory
from node.rpc.bitcoin_json import difficulty
from node.rpc.errors import INVALID_ADDRESS_OR_KEY, INVALID_PARAMETER, MISC_ERROR, RpcError
from node.rpc.lookup import (
    OTHER_DIFFICULTIES,
    block_bytes,
    describe_block,
    describe_header,
    find_block,
    find_entry,
    header_bytes,
)
from node.rpc.params import Hash, Verbosity, display_hex
from node.rpc.registry import rpc
from primitives.chain import Entry, Status
from primitives.target import expand
from vm.script.flags import Flags

DAY = 24 * 60 * 60
LARGE = 200_000
"""Bytes from which on a block is read on another thread than the loop's."""


@rpc("getblockcount", family="bitcoin", group="blockchain")
def get_block_count(node: Node) -> int:
    """Height of the most-work fully-validated chain; the genesis block has height 0."""
    return node.chain.tip.height


@rpc("getbestblockhash", family="bitcoin", group="blockchain")
def get_best_block_hash(node: Node) -> str:
    """Hash of the tip of the most-work fully-validated chain."""
    return display_hex(node.chain.tip.hash)


@rpc("getblockhash", family="bitcoin", group="blockchain")
def get_block_hash(at: Snapshot, height: int) -> str:
    """Hash of the block at a height of the best chain."""
    found = at.view.entries.hash_at(height) if 0 <= height <= at.tip.height else None
    if found is None:
        raise RpcError(INVALID_PARAMETER, "Block height out of range")
    return display_hex(found)


@rpc("getblockheader", family="bitcoin", group="blockchain")
def get_block_header(at: Snapshot, blockhash: Hash, verbose: bool = True) -> Any:
    """A block's header: an object, or its hex if `verbose` is false."""
    entry = find_entry(at, blockhash)
    return describe_header(at, entry) if verbose else header_bytes(at.spec, entry.header).hex()


@rpc("getblock", family="bitcoin", group="blockchain", also={"verbosity": "verbose"})
async def get_block(node: Node, blockhash: Hash, verbosity: Verbosity = 1) -> Any:
    """A block: 0 its hex, 1 with transaction ids, 2 with its transactions and their fees, 3 also with what they spend."""

    def work() -> Any:
        with node.snapshot() as at:
            entry = find_entry(at, blockhash)
            if verbosity <= 0:
                return block_bytes(at.spec, find_block(at, entry)).hex()
            return describe_block(at, entry, verbosity)

    with node.snapshot() as at:
        body = at.view.body(blockhash)
    small = body is None or len(body) < (LARGE if verbosity <= 1 else LARGE // 20)
    return work() if small else await node.env.on_reader(work)


@rpc("getdifficulty", family="bitcoin", group="blockchain")
def get_difficulty(at: Snapshot) -> Any:
    """Proof-of-work difficulty of the tip, as a multiple of the easiest; one for each kind where there are several."""
    for other in OTHER_DIFFICULTIES:
        if (found := other(at)) is not None:
            return found
    return difficulty(at.tip.header.bits)


@rpc("getblockchaininfo", family="bitcoin", group="blockchain")
def get_blockchain_info(at: Snapshot, memory: Memory) -> dict[str, Any]:
    """State of the chain: its name, heights, tip, difficulty, work, and whether it is still catching up."""
    tip, spec = at.tip, at.spec
    best = at.node.chain.best_header
    downloading = in_download(at, memory)
    result = {
        "chain": spec.client_name,
        "blocks": tip.height,
        "headers": max(best.height, tip.height),
        "bestblockhash": display_hex(tip.hash),
        "bits": f"{tip.header.bits:08x}",
        "target": f"{expand(tip.header.bits).target:064x}",
        "difficulty": difficulty(tip.header.bits),
        "time": tip.header.timestamp,
        "mediantime": at.branch.median_time(),
        "verificationprogress": progress(at, best),
        "initialblockdownload": downloading,
        "chainwork": f"{tip.weight:064x}",
        "size_on_disk": at.node.store.size(),
        "pruned": False,
    }
    challenge = signet_challenge(spec)
    if challenge:
        result["signet_challenge"] = challenge.hex()
    result["warnings"] = []
    return result


def in_download(at: Snapshot, memory: Memory) -> bool:
    """Whether the chain is still catching up: latched, and never on a local network, which has nobody to catch up with."""
    if memory.in_download:
        old = at.tip.header.timestamp < at.now - DAY or at.tip.weight < at.spec.minimum_weight
        memory.in_download = old and not at.spec.network.local
    return memory.in_download


def progress(at: Snapshot, best: Entry[Any]) -> float:
    """How much of the chain is verified, by blocks while headers are ahead, else by time."""
    tip = at.tip
    if at.spec.network.local or best.height > tip.height:
        return (tip.height + 1) / (max(best.height, tip.height) + 1)
    begun: int = at.spec.genesis.header.timestamp
    made: int = tip.header.timestamp - begun
    return min(1.0, (made + 2 * 60 * 60) / max(1, at.now - begun))


def signet_challenge(spec: ChainSpec) -> bytes:
    """The script that a signet's blocks satisfy; empty elsewhere."""
    parameters = PARAMETERS.get(spec.name)
    return b"" if parameters is None else parameters.challenge


@rpc("getchaintips", family="bitcoin", group="blockchain")
def get_chain_tips(at: Snapshot) -> list[dict[str, Any]]:
    """All known tips of the block tree, those of orphaned branches too."""
    tips = {entry.hash: entry for entry in at.view.entries.ends()}
    tips[at.tip.hash] = at.tip
    rows = []
    for entry in sorted(tips.values(), key=lambda e: (-e.height, e.seq)):
        active = entry.hash == at.tip.hash
        fork = entry if active else at.view.entries.fork(entry)
        row = {"height": entry.height, "hash": display_hex(entry.hash), "branchlen": entry.height - fork.height}
        rows.append({**row, "status": "active" if active else _tip_status(entry)})
    return rows


def _tip_status(entry: Entry[Any]) -> str:
    if entry.invalid:
        return "invalid"
    if not entry.status & Status.READY:
        return "headers-only"
    return "valid-fork" if entry.status & Status.VALID else "valid-headers"


@rpc("getchainstates", family="bitcoin", group="blockchain")
def get_chain_states(at: Snapshot) -> dict[str, Any]:
    """The chain states that are kept: always the one fully validated one."""
    tip = at.tip
    state = {
        "blocks": tip.height,
        "bestblockhash": display_hex(tip.hash),
        "bits": f"{tip.header.bits:08x}",
        "target": f"{expand(tip.header.bits).target:064x}",
        "difficulty": difficulty(tip.header.bits),
        "verificationprogress": progress(at, at.node.chain.best_header),
        "coins_db_cache_bytes": 0,
        "coins_tip_cache_bytes": 0,
        "validated": True,
    }
    return {"headers": max(at.node.chain.best_header.height, tip.height), "chainstates": [state]}


_BURIED = (("bip34", "bip34"), ("bip66", "bip66"), ("bip65", "bip65"), ("csv", "csv"), ("segwit", "segwit"))


@rpc("getdeploymentinfo", family="bitcoin", group="blockchain")
def get_deployment_info(at: Snapshot, blockhash: Hash | None = None) -> dict[str, Any]:
    """Which soft forks hold at a block, by default the tip. Those that hold from genesis on are not listed."""
    entry = at.tip if blockhash is None else find_entry(at, blockhash)
    rules = at.spec.ledger.rules  # type: ignore[attr-defined]
    parent = entry if entry.height == 0 else at.view.entries.parent(entry)
    flags = rules.flags(entry.header, at.view.entries.branch(parent), None)
    names = sorted(flag.name for flag in Flags if flag & flags and flag.name)
    deployments = {}
    active = getattr(rules.active, "__self__", None)
    if isinstance(active, Activations):
        for name, attribute in _BURIED:
            height = getattr(active, attribute)
            deployments[name] = {"type": "buried", "active": entry.height + 1 >= height, "height": height}
    return {
        "hash": display_hex(entry.hash),
        "height": entry.height,
        "script_flags": names,
        "deployments": deployments,
    }


@rpc("getblockfilter", family="bitcoin", group="blockchain")
def get_block_filter(at: Snapshot, blockhash: Hash, filtertype: str = "basic") -> dict[str, Any]:
    """The compact filter of a block (BIP157), from the index."""
    if filtertype != "basic":
        raise RpcError(INVALID_ADDRESS_OR_KEY, "Unknown filtertype")
    if not enabled(at.state, FilterIndex().name):
        raise RpcError(MISC_ERROR, f"Index is not enabled for filtertype {filtertype}")
    entry = find_entry(at, blockhash)
    found = find_filter(at.state, entry.hash)
    if found is None:
        raise RpcError(INVALID_ADDRESS_OR_KEY, "Filter not found. Block was not connected to active chain.")
    header, data = found
    return {"filter": data.hex(), "header": display_hex(header)}


@rpc("pruneblockchain", family="bitcoin", group="blockchain")
def prune_blockchain(height: int) -> int:
    """Delete old blocks; this node keeps them all."""
    raise RpcError(MISC_ERROR, "Cannot prune blocks because node is not in prune mode.")
