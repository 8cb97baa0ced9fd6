"""Methods about fees: what the next block asks, what the last ones paid."""

from __future__ import annotations

from typing import Annotated, Any

from ledger.account import fees
from node.node import Node, Snapshot
from node.receipts import receipts_of
from node.rpc.ethereum_json import Json
from node.rpc.ethereum_lookup import ledger_of, rules_at, server_error
from node.rpc.ethereum_params import BlockNumber, number, wrong
from node.rpc.registry import rpc
from primitives.ethereum import EthereumHeader

GWEI = 10**9
SUGGESTED_TIP = GWEI
MOST_BLOCKS = 1_024
MOST_PERCENTILES = 100


def base_fee_after(node: Node, header: EthereumHeader) -> int:
    """The base fee of the next block; 0 where there is no fee market yet."""
    rules = ledger_of(node).schedule.at(header.number + 1, header.timestamp + 1, header.difficulty)
    return fees.next_base_fee(header, rules) or 0


def blob_fee_after(node: Node, header: EthereumHeader) -> int:
    """The price of blob gas in the next block; 0 before blobs."""
    rules = ledger_of(node).schedule.at(header.number + 1, header.timestamp + 1, header.difficulty)
    excess = fees.next_excess_blob_gas(header, rules)
    return 0 if excess is None or rules.fork.blobs is None else fees.blob_base_fee(excess, rules.fork.blobs)


@rpc("eth_baseFee", "ethereum", "eth")
def base_fee(node: Node) -> str:
    """Base fee of the next block, in wei."""
    return hex(base_fee_after(node, node.chain.tip.header))


@rpc("eth_gasPrice", "ethereum", "eth")
def gas_price(node: Node) -> str:
    """A price with which a legacy transaction is mined soon: base fee of the next block plus a tip."""
    return hex(base_fee_after(node, node.chain.tip.header) + SUGGESTED_TIP)


@rpc("eth_maxPriorityFeePerGas", "ethereum", "eth")
def priority_fee(node: Node) -> str:
    """A tip with which a transaction is mined soon."""
    return hex(SUGGESTED_TIP)


@rpc("eth_blobBaseFee", "ethereum", "eth")
def blob_base_fee(node: Node) -> str:
    """Price of blob gas in the next block."""
    return hex(blob_fee_after(node, node.chain.tip.header))


def percentiles(value: Any, name: str) -> list[float]:
    """Rising numbers from 0 to 100."""
    if not isinstance(value, list):
        raise wrong(f"{name} must be an array")
    if len(value) > MOST_PERCENTILES:
        raise wrong(f"over the query limit {MOST_PERCENTILES}")
    last = 0.0
    for p in value:
        if isinstance(p, bool) or not isinstance(p, int | float) or not 0 <= p <= 100:
            raise wrong(f"invalid reward percentile: {str(p)[:40]}")
        if p < last:
            raise wrong(f"invalid reward percentile: {p} follows {last}")
        last = p
    return [float(p) for p in value]


Count = Annotated[int, number]
Percentiles = Annotated[list[float], percentiles]


@rpc("eth_feeHistory", "ethereum", "eth")
def fee_history(
    at: Snapshot, blockCount: Count, newestBlock: BlockNumber, rewardPercentiles: Percentiles | None = None
) -> Json:
    """Base fees, how full blocks were, and what tips were paid, for a range of blocks and the one after it."""
    newest = at.tip.height
    if newestBlock.number is not None:
        newest = newestBlock.number
        if newest > at.tip.height:
            raise server_error(f"request beyond head block: requested {newest}, head {at.tip.height}")
    elif newestBlock.tag == "earliest":
        newest = 0
    count = min(blockCount, MOST_BLOCKS, newest + 1)
    if not count:
        return {"oldestBlock": "0x0", "gasUsedRatio": []}
    headers = [h for n in range(newest - count + 1, newest + 1) if (h := _header(at, n)) is not None]
    answer: Json = {"oldestBlock": hex(newest - count + 1)}
    if rewardPercentiles:
        answer["reward"] = [[hex(r) for r in _rewards(at, h, rewardPercentiles)] for h in headers]
    answer["baseFeePerGas"] = [hex(h.base_fee or 0) for h in headers] + [hex(base_fee_after(at.node, headers[-1]))]
    answer["gasUsedRatio"] = [h.gas_used / h.gas_limit for h in headers]
    answer["baseFeePerBlobGas"] = [hex(_blob_fee(at, h)) for h in headers] + [hex(blob_fee_after(at.node, headers[-1]))]
    answer["blobGasUsedRatio"] = [_blob_ratio(at, h) for h in headers]
    return answer


def _header(at: Snapshot, height: int) -> EthereumHeader | None:
    entry = at.view.at(height)
    return None if entry is None else entry.header


def _blob_fee(at: Snapshot, header: EthereumHeader) -> int:
    blobs = rules_at(at, header).fork.blobs
    return 0 if blobs is None or header.excess_blob_gas is None else fees.blob_base_fee(header.excess_blob_gas, blobs)


def _blob_ratio(at: Snapshot, header: EthereumHeader) -> float:
    blobs = rules_at(at, header).fork.blobs
    return 0 if blobs is None or not header.blob_gas_used else header.blob_gas_used / (blobs.max * fees.BLOB_GAS)


def _rewards(at: Snapshot, header: EthereumHeader, wanted: list[float]) -> list[int]:
    """The tips at these percentiles of a block's gas."""
    block = at.view.block(header.hash)
    if block is None or not block.txs:
        return [0] * len(wanted)
    paid, before = [], 0
    for tx, receipt in zip(block.txs, receipts_of(at.state, header.hash), strict=False):
        paid.append((fees.effective_tip(tx, header.base_fee or 0), receipt.cumulative_gas - before))
        before = receipt.cumulative_gas
    paid.sort()
    found, i, gas = [], 0, paid[0][1]
    for p in wanted:
        while gas < header.gas_used * p / 100 and i < len(paid) - 1:
            i += 1
            gas += paid[i][1]
        found.append(paid[i][0])
    return found
