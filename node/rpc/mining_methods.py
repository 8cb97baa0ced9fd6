"""The mining group: templates and finished blocks for miners, what the network's hash rate is, priorities of pooled transactions."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ledger.utxo.assemble import RESERVED
from ledger.utxo.checks import witness_commitment
from node.node import Node, Snapshot
from node.results import Known, Parked, TipChanged
from node.rpc import templates
from node.rpc.api import Memory, Peers
from node.rpc.bitcoin_json import difficulty
from node.rpc.blockchain_methods import in_download, signet_challenge
from node.rpc.chain_control_methods import wait_until
from node.rpc.errors import (
    CLIENT_IN_INITIAL_DOWNLOAD,
    CLIENT_NOT_CONNECTED,
    INVALID_PARAMETER,
    MISC_ERROR,
    TYPE_ERROR,
    VERIFY_ERROR,
    RpcError,
)
from node.rpc.lookup import read_block, read_header
from node.rpc.params import Hash, coins, display_hex, expected, parse_hash
from node.rpc.registry import rpc
from node.rpc.translate import full_reason, reason
from primitives.chain import Branch, Status
from primitives.errors import ChainError, Missing
from primitives.target import expand

MOST_DELTA = 2**63 - 1
FIRST_LOOK, NEXT_LOOK = 60.0, 10.0
"""Seconds after which a long poll is answered for new transactions alone."""


@rpc("getblocktemplate", family="bitcoin", group="mining")
async def get_block_template(
    node: Node, peers: Peers, memory: Memory, template_request: dict[str, Any] | None = None
) -> Any:
    """What a miner needs for the next block (BIP22, BIP23, BIP145), or, in mode "proposal", the verdict on a block.

    `rules` must name "segwit". With the `longpollid` of an earlier template the answer waits until there is a better one.
    """
    request = template_request or {}
    mode = request.get("mode", "template")
    if mode == "proposal":
        return await _proposal(node, request.get("data"))
    if mode not in ("template", None):
        raise RpcError(INVALID_PARAMETER, "Invalid mode")
    if not node.spec.network.local:
        if not peers.infos():
            raise RpcError(CLIENT_NOT_CONNECTED, "Chainyard is not connected!")
        with node.snapshot() as at:
            if in_download(at, memory):
                raise RpcError(CLIENT_IN_INITIAL_DOWNLOAD, "Chainyard is in initial sync and waiting for blocks...")
    if (poll := request.get("longpollid")) is not None:
        await _long_poll(node, poll)
    challenge = signet_challenge(node.spec)
    _check_rules(request.get("rules"), challenge)
    template = memory.template
    if template is None or not templates.is_fresh(template, node):
        template = memory.template = await node.on_chain(lambda: templates.make(node))
    if template is None:
        raise RpcError(MISC_ERROR, "No block can be made on this chain now")
    with node.snapshot() as at:
        if template.tip != at.tip.hash:
            raise RpcError(MISC_ERROR, "The tip changed while the template was made; ask again")
        return templates.show(template, at, challenge)


def _check_rules(rules: Any, challenge: bytes) -> None:
    names = rules if isinstance(rules, list) else []
    for name in names:
        if not isinstance(name, str):
            raise expected(name, "string")
    for name, wanted in (("signet", '"segwit", "signet"'), ("segwit", '"segwit"')):
        if name not in names and (name == "segwit" or challenge):
            raise RpcError(
                INVALID_PARAMETER,
                f'getblocktemplate must be called with the {name} rule set (call with {{"rules": [{wanted}]}})',
            )


async def _proposal(node: Node, data: Any) -> str | None:
    if not isinstance(data, str):
        raise RpcError(TYPE_ERROR, "Missing data String key for proposal")
    block = read_block(node.spec, data)

    def work() -> str | None:
        with node.snapshot() as at:
            return templates.judge(at, block)

    return await node.env.on_reader(work)


async def _long_poll(node: Node, poll: Any) -> None:
    """Wait until the tip is another than the client's, or, after a minute, for new transactions."""
    if not isinstance(poll, str):
        watched, sequence = node.chain.tip.hash, str(node.pool.sequence)
    else:
        watched, sequence = parse_hash(poll[:64], "longpollid"), poll[64:]
    wait = FIRST_LOOK
    while not node.stopping.is_set():
        if await wait_until(node, lambda: node.chain.tip.hash != watched, wait):
            return
        if str(node.pool.sequence) != sequence:
            return
        wait = NEXT_LOOK
    raise RpcError(CLIENT_NOT_CONNECTED, "Shutting down")


@rpc("submitblock", family="bitcoin", group="mining", cost="write")
def submit_block(node: Node, hexdata: str, dummy: str = "") -> str | None:
    """Hand in a finished block; null where it was taken, else BIP22's word for what is wrong with it."""
    block = _with_reserved_value(read_block(node.spec, hexdata))
    key = block.header.hash
    try:
        result = node.accept_block(block)
    except ChainError as e:
        return reason(e)
    if isinstance(result, Known):
        return "duplicate"
    if isinstance(result, Parked):
        return "prev-blk-not-found" if isinstance(result.reason, Missing) else result.reason.rule
    if isinstance(result, TipChanged) and any(c.entry.hash == key for c in result.connected):
        return None
    entry = node.chain.entry(key)
    return None if entry is not None and entry.status & Status.VALID else "inconclusive"


def _with_reserved_value(block: Any) -> Any:
    """The block with the witness reserved value that miners may leave out (Bitcoin Core, UpdateUncommittedBlockStructures)."""
    if not block.txs or not block.txs[0].is_coinbase:
        return block
    coinbase = block.txs[0]
    if witness_commitment(coinbase) is None or coinbase.has_witness:
        return block
    first = replace(coinbase, inputs=(coinbase.inputs[0]._replace(witness=(RESERVED,)),))
    return replace(block, txs=(first, *block.txs[1:]))


@rpc("submitheader", family="bitcoin", group="mining", cost="write")
def submit_header(node: Node, hexdata: str) -> None:
    """Hand in a header, which becomes a candidate of the header chain."""
    header = read_header(node.spec, hexdata)
    try:
        node.chain.accept_header(header, node.env.now())
    except Missing:
        raise RpcError(VERIFY_ERROR, f"Must submit previous header ({display_hex(header.parent)}) first") from None
    except ChainError as e:
        raise RpcError(VERIFY_ERROR, full_reason(e)) from None


def hash_rate(branch: Branch[Any], blocks: int, height: int, interval: int) -> float:
    """Hashes a second that the work of some blocks up to a height amounts to. Raises RpcError. Source: GetNetworkHashPS."""
    if blocks < -1 or blocks == 0:
        raise RpcError(INVALID_PARAMETER, "Invalid nblocks. Must be a positive number or -1.")
    if height < -1 or height > branch.tip.height:
        raise RpcError(INVALID_PARAMETER, "Block does not exist at specified height")
    last = branch.tip if height < 0 else branch.at(height)
    if last.height == 0:
        return 0
    count = min(last.height % interval + 1 if blocks == -1 else blocks, last.height)
    times = [branch.at(h).header.timestamp for h in range(last.height - count, last.height + 1)]
    span = max(times) - min(times)
    return float((last.weight - branch.at(last.height - count).weight) / span) if span else 0


def _interval(node: Node) -> int:
    rule = getattr(node.spec.engine, "rule", None)
    return int(getattr(rule, "interval", 2016))


@rpc("getnetworkhashps", family="bitcoin", group="mining", cost="heavy")
def get_network_hash_ps(at: Snapshot, nblocks: int = 120, height: int = -1) -> float:
    """Estimated hashes a second of the network, from the last `nblocks` blocks (-1: since the last change of difficulty)."""
    return hash_rate(at.branch, nblocks, height, _interval(at.node))


@rpc("getmininginfo", family="bitcoin", group="mining")
def get_mining_info(at: Snapshot, memory: Memory) -> dict[str, Any]:
    """What concerns a miner: height, difficulty, hash rate, pooled transactions, the next block."""
    tip, node, last = at.tip, at.node, memory.template
    when = max(at.now, templates.earliest_time(node, at.branch))
    bits = node.spec.engine.difficulty(at.branch, when)
    result: dict[str, Any] = {"blocks": tip.height}
    if last is not None:
        result |= {"currentblockweight": last.block.weight, "currentblocktx": len(last.block.txs) - 1}
    result |= {
        "bits": f"{tip.header.bits:08x}",
        "difficulty": difficulty(tip.header.bits),
        "target": f"{expand(tip.header.bits).target:064x}",
        "networkhashps": hash_rate(at.branch, 120, -1, _interval(node)),
        "pooledtx": len(node.pool),
        "blockmintxfee": coins(0),
        "chain": node.spec.client_name,
        "next": {
            "height": tip.height + 1,
            "bits": f"{bits:08x}",
            "difficulty": difficulty(bits),
            "target": f"{expand(bits).target:064x}",
        },
    }
    challenge = signet_challenge(node.spec)
    if challenge:
        result["signet_challenge"] = challenge.hex()
    return result | {"warnings": []}


@rpc("prioritisetransaction", family="bitcoin", group="mining", cost="write")
def prioritise_transaction(node: Node, txid: Hash, dummy: float | None = None, fee_delta: int | None = None) -> bool:
    """Let a transaction count as if it paid so many satoshi more (or less) when blocks are made; `dummy` is 0 or null."""
    if dummy:
        wrong = "Priority is no longer supported, dummy argument to prioritisetransaction must be 0."
        raise RpcError(INVALID_PARAMETER, wrong)
    if fee_delta is None:
        raise RpcError(MISC_ERROR, 'prioritisetransaction "txid" ( dummy ) fee_delta')
    before = node.pool.deltas.get(txid, 0)
    node.pool.prioritise(txid, max(-MOST_DELTA, min(before + fee_delta, MOST_DELTA)) - before)
    return True


@rpc("getprioritisedtransactions", family="bitcoin", group="mining", cost="write")
def get_prioritised_transactions(node: Node) -> dict[str, Any]:
    """All priorities that were set, by transaction id."""
    rows = {}
    for txid, delta in node.pool.deltas.items():
        if delta:
            entry = node.pool.get(txid)
            row: dict[str, Any] = {"fee_delta": delta, "in_mempool": entry is not None}
            if entry is not None:
                row["modified_fee"] = entry.fee
            rows[display_hex(txid)] = row
    return rows
