"""The blockchain group, figures: of one block, of a window of the chain, of the coin set."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from ledger.utxo.statistics import statistics
from node.node import Snapshot
from node.rpc.api import Memory
from node.rpc.errors import INVALID_ADDRESS_OR_KEY, INVALID_PARAMETER, MISC_ERROR, RpcError
from node.rpc.lookup import count_txs, find_block, find_entry, find_place, median_time, spent_of
from node.rpc.params import Hash, coins, display_hex, shown
from node.rpc.registry import rpc
from primitives.bitcoin import TxOutput
from primitives.errors import SystemFault
from vm.script.shapes import is_unspendable

OVERHEAD = 36 + 4
"""Bytes that a coin takes beside its output (Bitcoin Core, PER_UTXO_OVERHEAD)."""
MONTH = 30 * 24 * 60 * 60
CHECKPOINT = 1_000
"""How often a running count of transactions is remembered."""


class _Tally:
    """The figures of one block, in satoshi, bytes and weight units. Source: Bitcoin Core, getblockstats."""

    def __init__(self, block: Any, spent: Iterator[Any], genesis: bool) -> None:
        self.outs = self.ins = self.total_out = self.coins = 0
        self.size_change = self.coin_size_change = 0
        self.segwit_txs = self.segwit_size = self.segwit_weight = 0
        self.fees: list[int] = []
        self.rates: list[tuple[int, int]] = []
        """Rate in satoshi a virtual byte, and weight."""
        self.sizes: list[int] = []
        self.weight = 0
        for tx in block.txs:
            self._add_outputs(tx, genesis)
            if not tx.is_coinbase:
                self._add(tx, [next(spent) for _ in tx.inputs])

    def _add_outputs(self, tx: Any, genesis: bool) -> None:
        self.outs += len(tx.outputs)
        for out in tx.outputs:
            size = len(out.encode()) + OVERHEAD
            self.size_change += size
            if not genesis and not is_unspendable(out.script):
                self.coins += 1
                self.coin_size_change += size

    def _add(self, tx: Any, coins_spent: Sequence[Any]) -> None:
        out = sum(o.value for o in tx.outputs)
        self.ins += len(tx.inputs)
        self.total_out += out
        size, weight = len(tx.raw), tx.weight
        self.sizes.append(size)
        self.weight += weight
        if tx.has_witness:
            self.segwit_txs += 1
            self.segwit_size += size
            self.segwit_weight += weight
        for coin in coins_spent:
            taken = len(TxOutput(coin.value, coin.script).encode()) + OVERHEAD
            self.size_change -= taken
            self.coin_size_change -= taken
        fee = sum(c.value for c in coins_spent) - out
        self.fees.append(fee)
        self.rates.append((fee * 4 // weight, weight))


def median(values: Sequence[int]) -> int:
    """The middle one, of an even number the truncated mean of both; 0 of none."""
    ordered, half = sorted(values), len(values) // 2
    if not ordered:
        return 0
    return ordered[half] if len(ordered) % 2 else (ordered[half - 1] + ordered[half]) // 2


def percentiles(rates: Sequence[tuple[int, int]], total: int) -> list[int]:
    """Rates at the 10th, 25th, 50th, 75th and 90th percentile of weight."""
    if not rates:
        return [0] * 5
    bounds = [total * share / 100 for share in (10, 25, 50, 75, 90)]
    found: list[int] = []
    passed = 0
    for rate, weight in sorted(rates):
        passed += weight
        while len(found) < 5 and passed >= bounds[len(found)]:
            found.append(rate)
    return found + [max(rates)[0]] * (5 - len(found))


@rpc("getblockstats", family="bitcoin", group="blockchain", cost="heavy")
def get_block_stats(at: Snapshot, hash_or_height: Any, stats: list[str] | None = None) -> dict[str, Any]:
    """Figures of a block, in satoshi: fees, rates, sizes, change of the coin set; all, or those that `stats` names."""
    entry = find_place(at, hash_or_height)
    if not at.view.connected(entry):
        raise RpcError(MISC_ERROR, "Undo data not available")
    block = find_block(at, entry)
    tally = _Tally(block, iter(spent_of(at, entry, block)), entry.height == 0)
    others = len(block.txs) - 1
    sizes, fees, rates = tally.sizes, tally.fees, [rate for rate, _ in tally.rates]
    rules = at.spec.ledger.rules  # type: ignore[attr-defined]
    found: dict[str, Any] = {
        "avgfee": sum(fees) // others if others else 0,
        "avgfeerate": sum(fees) * 4 // tally.weight if tally.weight else 0,
        "avgtxsize": sum(sizes) // others if others else 0,
        "blockhash": display_hex(entry.hash),
        "feerate_percentiles": percentiles(tally.rates, tally.weight),
        "height": entry.height,
        "ins": tally.ins,
        "maxfee": max(fees, default=0),
        "maxfeerate": max(rates, default=0),
        "maxtxsize": max(sizes, default=0),
        "medianfee": median(fees),
        "mediantime": median_time(at, entry),
        "mediantxsize": median(sizes),
        "minfee": min(fees, default=0),
        "minfeerate": min(rates, default=0),
        "mintxsize": min(sizes, default=0),
        "outs": tally.outs,
        "subsidy": rules.subsidy(entry.height),
        "swtotal_size": tally.segwit_size,
        "swtotal_weight": tally.segwit_weight,
        "swtxs": tally.segwit_txs,
        "time": entry.header.timestamp,
        "total_out": tally.total_out,
        "total_size": sum(sizes),
        "total_weight": tally.weight,
        "totalfee": sum(fees),
        "txs": len(block.txs),
        "utxo_increase": tally.outs - tally.ins,
        "utxo_size_inc": tally.size_change,
        "utxo_increase_actual": tally.coins - tally.ins,
        "utxo_size_inc_actual": tally.coin_size_change,
    }
    if not stats:
        return found
    for name in stats:
        if name not in found:
            raise RpcError(INVALID_PARAMETER, f"Invalid selected statistic '{shown(name)}'")
    return {name: value for name, value in found.items() if name in stats}


@rpc("getchaintxstats", family="bitcoin", group="blockchain", cost="heavy")
def get_chain_tx_stats(
    at: Snapshot, memory: Memory, nblocks: int | None = None, blockhash: Hash | None = None
) -> dict[str, Any]:
    """How many transactions there are, and at what rate they came in a window of blocks, by default a month."""
    last = at.tip if blockhash is None else find_entry(at, blockhash)
    if not at.view.connected(last):
        raise RpcError(INVALID_PARAMETER, "Block is not in main chain")
    if nblocks is None:
        spacing = getattr(getattr(at.spec.engine, "rule", None), "spacing", 600)
        count = max(0, min(MONTH // spacing, last.height - 1))
    else:
        count = nblocks
        if count < 0 or (count > 0 and count >= last.height):
            raise RpcError(INVALID_PARAMETER, "Invalid block count: should be between 0 and the block's height - 1")
    first = at.branch.at(last.height - count)
    total = count_up_to(at, memory, last.height)
    result: dict[str, Any] = {
        "time": last.header.timestamp,
        "txcount": total,
        "window_final_block_hash": display_hex(last.hash),
        "window_final_block_height": last.height,
        "window_block_count": count,
    }
    if count > 0:
        span = median_time(at, last) - median_time(at, first)
        window = total - count_up_to(at, memory, first.height)
        result |= {"window_interval": span, "window_tx_count": window}
        if span > 0:
            result["txrate"] = window / span
    return result


def count_up_to(at: Snapshot, memory: Memory, height: int) -> int:
    """How many transactions the connected chain holds up to a height; counts go on from the nearest that is remembered."""
    start, total = -1, 0
    for known in sorted(memory.counts, reverse=True):
        if known <= height and at.view.entries.hash_at(known) == memory.counts[known][0]:
            start, total = known, memory.counts[known][1]
            break
    for h in range(start + 1, height + 1):
        key = at.view.entries.hash_at(h)
        if key is None:
            raise SystemFault(f"no block at height {h} of the connected chain")
        total += count_txs(at.view, key)
        if h == height or h % CHECKPOINT == 0:
            memory.counts[h] = (key, total)
    for h in [h for h in memory.counts if h % CHECKPOINT and h != height]:
        memory.counts.pop(h, None)
    return total


@rpc("gettxoutsetinfo", family="bitcoin", group="blockchain", cost="job")
def get_tx_out_set_info(
    at: Snapshot, hash_type: str = "hash_serialized_3", hash_or_height: Any = None, use_index: bool = True
) -> dict[str, Any]:
    """Counts, sums and a hash of all coins: "hash_serialized_3", "muhash" or "none". It walks them all, which may take a while."""
    if hash_type not in ("hash_serialized_3", "muhash", "none"):
        raise RpcError(INVALID_PARAMETER, f"'{shown(hash_type)}' is not a valid hash_type")
    if hash_or_height is not None:
        if hash_type == "hash_serialized_3":
            raise RpcError(INVALID_PARAMETER, "hash_serialized_3 hash type cannot be queried for a specific block")
        raise RpcError(INVALID_PARAMETER, "Querying specific block heights requires coinstatsindex")
    found = statistics(
        at.state,
        serialized=hash_type == "hash_serialized_3",
        muhash=hash_type == "muhash",
        pause=stop_with(at),
    )
    result: dict[str, Any] = {
        "height": at.tip.height,
        "bestblock": display_hex(at.tip.hash),
        "txouts": found.txouts,
        "bogosize": found.bogosize,
    }
    if found.hash_serialized is not None:
        result["hash_serialized_3"] = display_hex(found.hash_serialized)
    if found.muhash is not None:
        result["muhash"] = display_hex(found.muhash)
    return result | {
        "total_amount": coins(found.total_amount),
        "transactions": found.transactions,
        "disk_size": found.disk_size,
    }


def stop_with(at: Snapshot) -> Callable[[], None]:
    """What long reads call now and then: it ends them when the node stops."""

    def pause() -> None:
        if at.node.stopping.is_set():
            raise RpcError(INVALID_ADDRESS_OR_KEY, "Shutting down")

    return pause
