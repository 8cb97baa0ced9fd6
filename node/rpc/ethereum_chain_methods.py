"""Methods that read blocks, transactions and receipts, and their raw bytes."""

from __future__ import annotations

from node.node import Node, Snapshot
from node.receipts import receipts_of
from node.rpc.ethereum_dev_api import Dev
from node.rpc.ethereum_json import Json, block_json, header_json, hexed, ommer_json, transaction_json
from node.rpc.ethereum_lookup import block_at, entry_at, find_mined, ledger_of, receipts_json, server_error
from node.rpc.ethereum_params import LATEST, Block, BlockNumber, BlockRef, Digest, Flag, Uint64
from node.rpc.registry import rpc
from primitives.ethereum import EthereumBlock, encode_header
from primitives.ethereum_tx import EthereumTransaction


@rpc("eth_blockNumber", "ethereum", "eth")
def block_number(node: Node) -> str:
    """Number of the newest block."""
    return hex(node.chain.tip.height)


@rpc("eth_chainId", "ethereum", "eth")
def chain_id(node: Node) -> str:
    """The id that transactions are signed for (EIP-155)."""
    return hex(ledger_of(node).schedule.chain_id)


def _json(block: EthereumBlock | None, full: bool) -> Json | None:
    return None if block is None else block_json(block, full)


@rpc("eth_getBlockByNumber", "ethereum", "eth")
async def block_by_number(node: Node, dev: Dev, block: BlockNumber, full: Flag = False) -> Json | None:
    """A block by number or tag, with its transactions or their hashes; null where there is none. `pending` is what would be made now."""
    if block.tag == "pending":
        made = await node.on_chain(dev.pending)
        found = _json(made, full)
        if found is not None:
            for name in ("hash", "nonce", "miner"):
                found[name] = None
        return found
    with node.snapshot() as at:
        return _json(block_at(at, block), full)


@rpc("eth_getBlockByHash", "ethereum", "eth")
def block_by_hash(at: Snapshot, hash: Digest, full: Flag = False) -> Json | None:
    """A block by hash, with its transactions or their hashes; null where it is not known."""
    return _json(block_at(at, BlockRef(hash=hash)), full)


@rpc("eth_getBlockTransactionCountByNumber", "ethereum", "eth")
def count_by_number(at: Snapshot, block: BlockNumber) -> str | None:
    """How many transactions a block has; null where there is no such block."""
    found = block_at(at, block)
    return None if found is None else hex(len(found.txs))


@rpc("eth_getBlockTransactionCountByHash", "ethereum", "eth")
def count_by_hash(at: Snapshot, hash: Digest) -> str | None:
    """How many transactions a block has; null where it is not known."""
    found = block_at(at, BlockRef(hash=hash))
    return None if found is None else hex(len(found.txs))


def _uncle_count(block: EthereumBlock | None) -> str | None:
    return None if block is None else hex(len(block.side_headers))


@rpc("eth_getUncleCountByBlockNumber", "ethereum", "eth")
def uncles_by_number(at: Snapshot, block: BlockNumber) -> str | None:
    """How many ommers a block names."""
    return _uncle_count(block_at(at, block))


@rpc("eth_getUncleCountByBlockHash", "ethereum", "eth")
def uncles_by_hash(at: Snapshot, hash: Digest) -> str | None:
    """How many ommers a block names."""
    return _uncle_count(block_at(at, BlockRef(hash=hash)))


def _uncle(block: EthereumBlock | None, index: int) -> Json | None:
    return None if block is None or index >= len(block.side_headers) else ommer_json(block.side_headers[index])


@rpc("eth_getUncleByBlockNumberAndIndex", "ethereum", "eth")
def uncle_by_number(at: Snapshot, block: BlockNumber, index: Uint64) -> Json | None:
    """An ommer that a block names, as a block without body."""
    return _uncle(block_at(at, block), index)


@rpc("eth_getUncleByBlockHashAndIndex", "ethereum", "eth")
def uncle_by_hash(at: Snapshot, hash: Digest, index: Uint64) -> Json | None:
    """An ommer that a block names, as a block without body."""
    return _uncle(block_at(at, BlockRef(hash=hash)), index)


def _pooled(at: Snapshot, txid: bytes) -> EthereumTransaction | None:
    entry = at.node.pool.get(txid)
    if entry is not None:
        tx: EthereumTransaction = entry.tx
        return tx
    return next((w.tx for w in at.node.gate.parked if w.id == txid), None)


@rpc("eth_getTransactionByHash", "ethereum", "eth")
def transaction_by_hash(at: Snapshot, hash: Digest) -> Json | None:
    """A transaction of the chain or the pool; null where it is not known."""
    found = find_mined(at, hash)
    if found is not None:
        return transaction_json(found.tx, found.place)
    tx = _pooled(at, hash)
    return None if tx is None else transaction_json(tx, None)


def _at_place(block: EthereumBlock | None, index: int) -> EthereumTransaction | None:
    return None if block is None or index >= len(block.txs) else block.txs[index]


def _place_json(block: EthereumBlock | None, index: int) -> Json | None:
    return None if block is None or index >= len(block.txs) else block_json(block, True)["transactions"][index]


@rpc("eth_getTransactionByBlockNumberAndIndex", "ethereum", "eth")
def transaction_by_number(at: Snapshot, block: BlockNumber, index: Uint64) -> Json | None:
    """The transaction at a place in a block; null where there is none."""
    return _place_json(block_at(at, block), index)


@rpc("eth_getTransactionByBlockHashAndIndex", "ethereum", "eth")
def transaction_by_block_hash(at: Snapshot, hash: Digest, index: Uint64) -> Json | None:
    """The transaction at a place in a block; null where there is none."""
    return _place_json(block_at(at, BlockRef(hash=hash)), index)


def _raw_at(block: EthereumBlock | None, index: int) -> str | None:
    tx = _at_place(block, index)
    return None if tx is None else hexed(tx.raw)


@rpc("eth_getRawTransactionByBlockNumberAndIndex", "ethereum", "eth")
def raw_by_number(at: Snapshot, block: BlockNumber, index: Uint64) -> str | None:
    """The bytes of the transaction at a place in a block."""
    return _raw_at(block_at(at, block), index)


@rpc("eth_getRawTransactionByBlockHashAndIndex", "ethereum", "eth")
def raw_by_hash(at: Snapshot, hash: Digest, index: Uint64) -> str | None:
    """The bytes of the transaction at a place in a block."""
    return _raw_at(block_at(at, BlockRef(hash=hash)), index)


@rpc("eth_getRawTransactionByHash", "ethereum", "eth", aliases=("debug_getRawTransaction",))
def raw_transaction(at: Snapshot, hash: Digest) -> str | None:
    """The bytes of a transaction of the chain or the pool; null where it is not known."""
    found = find_mined(at, hash)
    tx = found.tx if found is not None else _pooled(at, hash)
    return None if tx is None else hexed(tx.raw)


@rpc("eth_getTransactionReceipt", "ethereum", "eth")
def receipt(at: Snapshot, hash: Digest) -> Json | None:
    """The receipt of a mined transaction; null where there is none yet."""
    found = find_mined(at, hash)
    if found is None:
        return None
    receipts = receipts_json(at, found.block, found.index)
    return receipts[0] if receipts else None


@rpc("eth_getBlockReceipts", "ethereum", "eth")
def block_receipts(at: Snapshot, block: Block) -> list[Json] | None:
    """The receipts of a block; null where it is not known."""
    found = block_at(at, block)
    return None if found is None else receipts_json(at, found)


def _required(at: Snapshot, block: BlockRef) -> EthereumBlock:
    found = block_at(at, block)
    if found is None:
        raise server_error("block not found" if block.hash else f"block #{block.number} not found")
    return found


@rpc("debug_getRawHeader", "ethereum", "debug")
def raw_header(at: Snapshot, block: Block) -> str:
    """The RLP of a header."""
    entry = entry_at(at, block)
    if entry is None:
        raise server_error("header not found")
    return hexed(encode_header(entry.header))


@rpc("debug_getRawBlock", "ethereum", "debug")
def raw_block(at: Snapshot, block: Block) -> str:
    """The RLP of a block as Ethereum's tools read it: without a dev chain's directives, which anvil_dumpState keeps."""
    return hexed(_required(at, block).raw)


@rpc("debug_getRawReceipts", "ethereum", "debug")
def raw_receipts(at: Snapshot, block: Block) -> list[str]:
    """The canonical bytes of a block's receipts."""
    return [hexed(r.raw) for r in receipts_of(at.state, _required(at, block).header.hash)]


@rpc("eth_getHeaderByNumber", "ethereum", "eth", aliases=("erigon_getHeaderByNumber",))
def header_by_number(at: Snapshot, block: BlockNumber = LATEST) -> Json | None:
    """A header by number; null where there is none."""
    entry = entry_at(at, block)
    return None if entry is None else header_json(entry.header)
