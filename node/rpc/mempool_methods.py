"""The blockchain group, what is read of the mempool: its state, its transactions, their ancestors and heirs, who spends an output."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from node.mempool import Pooled, PoolView
from node.node import Node, Snapshot
from node.pool_file import write_pool
from node.rpc.api import Control
from node.rpc.errors import INVALID_ADDRESS_OR_KEY, INVALID_PARAMETER, MISC_ERROR, TYPE_ERROR, RpcError
from node.rpc.lookup import check_keys
from node.rpc.params import Hash, coerce, coins, display_hex, parse_hash
from node.rpc.registry import rpc
from primitives.bitcoin import outpoint


def parents(pool: PoolView, entry: Pooled) -> set[bytes]:
    """Ids of the pooled transactions that an entry spends from."""
    return {pool.givers[token] for token in entry.admission.needs if token in pool.givers}


def children(pool: PoolView, entry: Pooled) -> set[bytes]:
    """Ids of the pooled transactions that spend from an entry."""
    return {pool.holders[token] for token in entry.admission.gives if token in pool.holders}


def closure(pool: PoolView, entry: Pooled, step: Callable[[PoolView, Pooled], set[bytes]]) -> list[Pooled]:
    """All that is reached from an entry, in order of arrival, itself left out."""
    found: dict[bytes, Pooled] = {}
    todo = [entry]
    while todo:
        for txid in step(pool, todo.pop()):
            if txid not in found:
                found[txid] = pool.entries[txid]
                todo.append(found[txid])
    return sorted(found.values(), key=lambda e: e.sequence)


def describe(pool: PoolView, entry: Pooled) -> dict[str, Any]:
    """A pooled transaction as `getmempoolentry` shows it."""
    above, below = closure(pool, entry, parents), closure(pool, entry, children)
    one = entry.admission
    return {
        "vsize": one.size,
        "weight": one.tx.weight,
        "time": entry.time,
        "height": entry.height,
        "descendantcount": len(below) + 1,
        "descendantsize": one.size + sum(e.admission.size for e in below),
        "ancestorcount": len(above) + 1,
        "ancestorsize": one.size + sum(e.admission.size for e in above),
        "wtxid": display_hex(one.tx.wtxid),
        "fees": {
            "base": coins(one.tip_cap),
            "modified": coins(entry.fee),
            "ancestor": coins(entry.fee + sum(e.fee for e in above)),
            "descendant": coins(entry.fee + sum(e.fee for e in below)),
        },
        "depends": sorted(display_hex(key) for key in parents(pool, entry)),
        "spentby": sorted(display_hex(key) for key in children(pool, entry)),
        "bip125-replaceable": one.replaceable or any(e.admission.replaceable for e in above),
        "unbroadcast": False,
    }


def _find(pool: PoolView, txid: bytes) -> Pooled:
    entry = pool.entries.get(txid)
    if entry is None:
        raise RpcError(INVALID_ADDRESS_OR_KEY, "Transaction not in mempool")
    return entry


def _list(pool: PoolView, entries: Iterable[Pooled], verbose: bool) -> Any:
    if verbose:
        return {display_hex(e.id): describe(pool, e) for e in entries}
    return [display_hex(e.id) for e in entries]


@rpc("getmempoolinfo", family="bitcoin", group="blockchain")
def get_mempool_info(node: Node) -> dict[str, Any]:
    """How full the mempool is, and what it takes at least."""
    pool, policy = node.pool, node.spec.ledger.policy
    view = pool.view()
    least = getattr(policy, "min_relay_rate", 0)
    return {
        "loaded": True,
        "size": len(view.entries),
        "bytes": sum(e.admission.size for e in view.entries.values()),
        "usage": view.memory,
        "total_fee": coins(sum(e.admission.tip_cap for e in view.entries.values())),
        "maxmempool": pool.max_bytes,
        "mempoolminfee": coins(max(least, pool.min_rate(node.env.now()))),
        "minrelaytxfee": coins(least),
        "incrementalrelayfee": coins(policy.increment),
        "unbroadcastcount": 0,
        "fullrbf": bool(getattr(policy, "full_replacement", True)),
        "permitbaremultisig": bool(getattr(policy, "bare_multisig", True)),
        "maxdatacarriersize": getattr(policy, "data_carrier", 0),
    }


@rpc("getrawmempool", family="bitcoin", group="blockchain")
def get_raw_mempool(node: Node, verbose: bool = False, mempool_sequence: bool = False) -> Any:
    """Ids of all pooled transactions, or all that is known of them; with `mempool_sequence` the pool's change count too."""
    if verbose and mempool_sequence:
        raise RpcError(INVALID_PARAMETER, "Verbose results cannot contain mempool sequence values.")
    pool = node.pool.view()
    listed = _list(pool, pool.entries.values(), verbose)
    return {"txids": listed, "mempool_sequence": pool.sequence} if mempool_sequence else listed


@rpc("getmempoolentry", family="bitcoin", group="blockchain")
def get_mempool_entry(node: Node, txid: Hash) -> dict[str, Any]:
    """What is known of a pooled transaction."""
    pool = node.pool.view()
    return describe(pool, _find(pool, txid))


@rpc("getmempoolancestors", family="bitcoin", group="blockchain")
def get_mempool_ancestors(node: Node, txid: Hash, verbose: bool = False) -> Any:
    """All pooled transactions that one builds on."""
    pool = node.pool.view()
    return _list(pool, closure(pool, _find(pool, txid), parents), verbose)


@rpc("getmempooldescendants", family="bitcoin", group="blockchain")
def get_mempool_descendants(node: Node, txid: Hash, verbose: bool = False) -> Any:
    """All pooled transactions that build on one."""
    pool = node.pool.view()
    return _list(pool, closure(pool, _find(pool, txid), children), verbose)


@rpc("gettxspendingprevout", family="bitcoin", group="blockchain")
def get_tx_spending_prevout(at: Snapshot, outputs: list[dict[str, Any]], options: dict[str, Any] | None = None) -> Any:
    """For each {"txid", "vout"}: which pooled transaction spends it, if one does. Option return_spending_tx: its hex too."""
    wished = options or {}
    check_keys(wished, ("mempool_only", "return_spending_tx"))
    if not outputs:
        raise RpcError(INVALID_PARAMETER, "Invalid parameter, outputs are missing")
    rows = []
    for output in outputs:
        txid, vout = _point(output)
        row: dict[str, Any] = {"txid": display_hex(txid), "vout": vout}
        spender = at.pool.holders.get(outpoint(txid, vout))
        if spender is not None:
            row["spendingtxid"] = display_hex(spender)
            if wished.get("return_spending_tx"):
                row["spendingtx"] = at.pool.entries[spender].tx.raw.hex()
        rows.append(row)
    return rows


def _point(output: dict[str, Any]) -> tuple[bytes, int]:
    check_keys(output, ("txid", "vout"))
    for name in ("txid", "vout"):
        if name not in output:
            raise RpcError(TYPE_ERROR, f"Missing {name}")
    vout = coerce(output["vout"], int, "vout")
    if vout < 0:
        raise RpcError(INVALID_PARAMETER, "Invalid parameter, vout cannot be negative")
    if vout > 0xFFFFFFFF:
        raise RpcError(MISC_ERROR, "JSON integer out of range")
    return parse_hash(output["txid"], "txid"), vout


@rpc("savemempool", family="bitcoin", group="blockchain")
async def save_mempool(node: Node, control: Control) -> dict[str, str]:
    """Write the mempool's transactions to a file in the data directory: one a line, parents first, in hex with their times."""
    folder = control.data_directory
    if folder is None:
        raise RpcError(MISC_ERROR, "Unable to dump mempool to disk")
    try:
        path = await node.env.on_worker(lambda: write_pool(node, folder))
    except OSError:
        raise RpcError(MISC_ERROR, "Unable to dump mempool to disk") from None
    return {"filename": str(path)}


@rpc("getorphantxs", family="bitcoin", group="hidden", cost="write")
def get_orphan_txs(node: Node, verbosity: int = 0) -> list[Any]:
    """Transactions that wait for their parents: 0 their ids, 1 what they are, 2 also their hex."""
    if not 0 <= verbosity <= 2:
        raise RpcError(INVALID_PARAMETER, f"Invalid verbosity value {verbosity}")
    waiting = list(node.gate.parked)
    if verbosity == 0:
        return [display_hex(w.id) for w in waiting]
    rows = []
    for one in waiting:
        tx = one.tx
        row: dict[str, Any] = {
            "txid": display_hex(tx.id),
            "wtxid": display_hex(tx.wtxid),
            "bytes": len(tx.raw),
            "vsize": tx.vsize,
            "weight": tx.weight,
            "from": [] if one.source is None else [one.source],
        }
        if verbosity == 2:
            row["hex"] = tx.raw.hex()
        rows.append(row)
    return rows
