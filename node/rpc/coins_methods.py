"""The blockchain group, coins: one of them, those of some scripts, and proofs that a transaction is in a block."""

from __future__ import annotations

from typing import Any

from ledger.utxo.coins import Coin, CoinView, decode_coin
from node.indexes import find_transaction
from node.node import Node, Snapshot
from node.rpc.api import Memory, Scan
from node.rpc.bitcoin_json import script_json
from node.rpc.descriptor_use import scan_scripts
from node.rpc.errors import (
    DESERIALIZATION_ERROR,
    INVALID_ADDRESS_OR_KEY,
    INVALID_PARAMETER,
    MISC_ERROR,
    RpcError,
)
from node.rpc.lookup import count_txs, find_block, find_entry
from node.rpc.params import Hash, Hex, coins, display_hex, shown
from node.rpc.registry import rpc
from p2p.filters import MerkleBlock
from primitives.bitcoin import outpoint
from primitives.buffer import Reader, Writer
from primitives.chain import Entry
from primitives.errors import DecodeError
from storage.layout import COIN
from storage.readers import lasting


@rpc("gettxout", family="bitcoin", group="blockchain")
def get_tx_out(at: Snapshot, txid: Hash, n: int, include_mempool: bool = True) -> Any:
    """An unspent output, or null. With the mempool, what a pooled transaction spends is spent, and what it makes is there."""
    if not 0 <= n <= 0xFFFFFFFF:
        raise RpcError(MISC_ERROR, "JSON integer out of range")
    point = outpoint(txid, n)
    coin, confirmations = CoinView(at.state).get(point), 0
    if coin is not None:
        confirmations = at.tip.height - coin.height + 1
    if include_mempool:
        if point in at.pool.holders:
            return None
        giver = at.pool.givers.get(point) if coin is None else None
        if giver is not None:
            out = at.pool.entries[giver].tx.outputs[n]
            coin = Coin(out.value, out.script, at.tip.height + 1)
    if coin is None:
        return None
    return {
        "bestblock": display_hex(at.tip.hash),
        "confirmations": confirmations,
        "value": coins(coin.value),
        "scriptPubKey": script_json(coin.script, at.spec.addresses),
        "coinbase": coin.coinbase,
    }


# -- scanning --------------------------------------------------------------------------------------------------------


@rpc("scantxoutset", family="bitcoin", group="blockchain")
async def scan_tx_out_set(node: Node, memory: Memory, action: str, scanobjects: list[Any] | None = None) -> Any:
    """Find all coins of some descriptors ("start"), ask how far that is ("status"), or end it ("abort")."""
    if action == "status":
        return None if memory.scan is None else {"progress": int(memory.scan.progress)}
    if action == "abort":
        if memory.scan is None:
            return False
        memory.scan.stop = True
        return True
    if action != "start":
        raise RpcError(INVALID_PARAMETER, f"Invalid action '{shown(action)}'")
    if memory.scan is not None:
        raise RpcError(INVALID_PARAMETER, 'Scan already in progress, use action "abort" or "status"')
    if scanobjects is None:
        raise RpcError(MISC_ERROR, "scanobjects argument is required for the start action")
    scan = memory.scan = Scan()
    try:
        return await node.env.on_reader(lasting(lambda: _scan(node, scanobjects, scan)))
    finally:
        memory.scan = None


def _scan(node: Node, objects: list[Any], scan: Scan) -> dict[str, Any]:
    wanted: dict[bytes, str] = {}
    for one in objects:
        wanted.update(scan_scripts(one, node.spec.addresses))
    with node.snapshot() as at:
        found: list[tuple[bytes, Coin]] = []
        count, success = 0, True
        for key, value in at.state.scan(COIN):
            count += 1
            if not count & 0xFFF:
                scan.progress = 100 * int.from_bytes(key[1:3], "big") / 65536
                if scan.stop or node.stopping.is_set():
                    success = False
                    break
            coin = decode_coin(value)
            if coin.script in wanted:
                found.append((key[1:], coin))
        found.sort(key=lambda item: (item[0][31::-1], int.from_bytes(item[0][32:], "little")))
        return {
            "success": success,
            "txouts": count,
            "height": at.tip.height,
            "bestblock": display_hex(at.tip.hash),
            "unspents": [_unspent(at, point, coin, wanted[coin.script]) for point, coin in found],
            "total_amount": coins(sum(coin.value for _, coin in found)),
        }


def _unspent(at: Snapshot, point: bytes, coin: Coin, descriptor: str) -> dict[str, Any]:
    return {
        "txid": display_hex(point[:32]),
        "vout": int.from_bytes(point[32:], "little"),
        "scriptPubKey": coin.script.hex(),
        "desc": descriptor,
        "amount": coins(coin.value),
        "coinbase": coin.coinbase,
        "height": coin.height,
        "blockhash": display_hex(at.view.entries.hash_at(coin.height) or b""),
        "confirmations": at.tip.height - coin.height + 1,
    }


# -- proofs ----------------------------------------------------------------------------------------------------------


def find_block_of(at: Snapshot, txids: list[bytes]) -> Entry[Any]:
    """The block that holds these transactions: from an unspent coin of one of them, or the index. Raises RpcError."""
    for txid in txids:
        for _, value in at.state.scan(COIN + txid):
            found = at.view.at(decode_coin(value).height)
            if found is not None:
                return found
    indexed = find_transaction(at.state, txids[0])
    if indexed is None:
        raise RpcError(INVALID_ADDRESS_OR_KEY, "Transaction not yet in block")
    return find_entry(at, indexed[0])


@rpc("gettxoutproof", family="bitcoin", group="blockchain", cost="heavy")
def get_tx_out_proof(at: Snapshot, txids: list[Hash], blockhash: Hash | None = None) -> str:
    """A proof, in hex, that transactions are in a block; the block must be named unless an output is unspent or there is an index."""
    if not txids:
        raise RpcError(INVALID_PARAMETER, "Parameter 'txids' cannot be empty")
    for place, txid in enumerate(txids):
        if txid in txids[:place]:
            raise RpcError(INVALID_PARAMETER, f"Invalid parameter, duplicated txid: {display_hex(txid)}")
    entry = find_block_of(at, txids) if blockhash is None else find_entry(at, blockhash)
    block = find_block(at, entry)
    ids = [tx.id for tx in block.txs]
    wanted = set(txids)
    if not wanted <= set(ids):
        raise RpcError(INVALID_ADDRESS_OR_KEY, "Not all transactions found in specified or retrieved block")
    proof = MerkleBlock.of(block.header, ids, [key in wanted for key in ids], at.spec.ledger.format)
    w = Writer()
    proof.write(w)
    return w.done().hex()


@rpc("verifytxoutproof", family="bitcoin", group="blockchain")
def verify_tx_out_proof(at: Snapshot, proof: Hex) -> list[str]:
    """The transactions that a proof shows to be in a block of this chain; none where it shows nothing."""
    r = Reader(proof)
    try:
        tree = MerkleBlock.read(r, at.spec.ledger.format)
        r.finish()
    except DecodeError as e:
        raise RpcError(DESERIALIZATION_ERROR, str(e)) from None
    try:
        root, matched = tree.prove()
    except DecodeError:
        return []
    if root != tree.header.merkle_root:
        return []
    entry = at.view.entry(tree.header.hash)
    if entry is None or not at.view.connected(entry):
        raise RpcError(INVALID_ADDRESS_OR_KEY, "Block not found in chain")
    if count_txs(at.view, entry.hash) != tree.total:
        return []
    return [display_hex(txid) for _, txid in matched]
