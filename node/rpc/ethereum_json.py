"""Blocks, transactions, receipts, logs and proofs as Ethereum's clients read them. It reads no store and knows no method.

Source of the fields: ethereum/execution-apis; the order and the optional ones as geth gives them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ledger.account import fees
from primitives.ethereum import EthereumBlock, EthereumHeader, Log, Receipt, Withdrawal
from primitives.ethereum_tx import ACCESS_LIST, BLOB, DYNAMIC_FEE, LEGACY, SET_CODE, EthereumTransaction
from primitives.hashing import keccak256
from primitives.rlp import encode as rlp_encode
from vm.evm.addresses import contract_address
from vm.evm.api import BlobSchedule

Json = dict[str, Any]


def hexed(data: bytes) -> str:
    """Bytes with 0x."""
    return "0x" + data.hex()


def checksummed(address: bytes) -> str:
    """An address with its check sum in the case of its letters (EIP-55)."""
    digits = address.hex()
    marks = keccak256(digits.encode()).hex()
    return "0x" + "".join(d.upper() if int(m, 16) > 7 else d for d, m in zip(digits, marks, strict=False))


@dataclass(frozen=True, slots=True)
class Place:
    """Where a transaction lies."""

    header: EthereumHeader
    index: int


def header_json(h: EthereumHeader) -> Json:
    """A header, as subscriptions send it."""
    found = {
        "number": hex(h.number),
        "hash": hexed(h.hash),
        "parentHash": hexed(h.parent),
        "nonce": hexed(h.nonce),
        "mixHash": hexed(h.mix_hash),
        "sha3Uncles": hexed(h.ommers_hash),
        "logsBloom": hexed(h.bloom),
        "transactionsRoot": hexed(h.transactions_root),
        "stateRoot": hexed(h.state_root),
        "receiptsRoot": hexed(h.receipts_root),
        "miner": hexed(h.coinbase),
        "difficulty": hex(h.difficulty),
        "extraData": hexed(h.extra_data),
        "gasLimit": hex(h.gas_limit),
        "gasUsed": hex(h.gas_used),
        "timestamp": hex(h.timestamp),
    }
    if h.base_fee is not None:
        found["baseFeePerGas"] = hex(h.base_fee)
    if h.withdrawals_root is not None:
        found["withdrawalsRoot"] = hexed(h.withdrawals_root)
    if h.blob_gas_used is not None and h.excess_blob_gas is not None:
        found["blobGasUsed"] = hex(h.blob_gas_used)
        found["excessBlobGas"] = hex(h.excess_blob_gas)
    if h.parent_beacon_root is not None:
        found["parentBeaconBlockRoot"] = hexed(h.parent_beacon_root)
    if h.requests_hash is not None:
        found["requestsHash"] = hexed(h.requests_hash)
    return found


def block_json(block: EthereumBlock, full: bool, senders: Sequence[bytes] | None = None) -> Json:
    """A block; `full`: with its transactions, else with their hashes. `senders`: where they are not all to be had from signatures."""
    found = header_json(block.header)
    found["size"] = hex(len(block.raw))
    if full:
        found["transactions"] = [
            transaction_json(tx, Place(block.header, i), senders[i] if senders else None)
            for i, tx in enumerate(block.txs)
        ]
    else:
        found["transactions"] = [hexed(tx.id) for tx in block.txs]
    found["uncles"] = [hexed(h.hash) for h in block.side_headers]
    if block.withdrawals is not None:
        found["withdrawals"] = [withdrawal_json(w) for w in block.withdrawals]
    return found


def ommer_json(header: EthereumHeader) -> Json:
    """An ommer, as a block without body."""
    size = len(rlp_encode(EthereumBlock(header).item))
    return {**header_json(header), "size": hex(size), "uncles": []}


def withdrawal_json(w: Withdrawal) -> Json:
    """A withdrawal."""
    return {
        "index": hex(w.index),
        "validatorIndex": hex(w.validator),
        "address": hexed(w.address),
        "amount": hex(w.amount_gwei),
    }


def access_list_json(tx_list: Any) -> list[Json]:
    """An access list."""
    return [{"address": hexed(a), "storageKeys": [hexed(k) for k in keys]} for a, keys in tx_list]


def effective_price(tx: EthereumTransaction, base_fee: int | None) -> int:
    """What a unit of gas costs the sender in a block with this base fee."""
    return tx.fee_cap if base_fee is None else base_fee + fees.effective_tip(tx, base_fee)


def transaction_json(tx: EthereumTransaction, place: Place | None, sender: bytes | None = None) -> Json:
    """A transaction, mined or pooled."""
    header = None if place is None else place.header
    mined = header is not None
    found: Json = {
        "blockHash": hexed(header.hash) if header is not None else None,
        "blockNumber": hex(header.number) if header is not None else None,
        "blockTimestamp": hex(header.timestamp) if header is not None else None,
        "from": hexed(sender or tx.sender),
        "gas": hex(tx.gas_limit),
        "gasPrice": hex(effective_price(tx, header.base_fee) if mined and header is not None else tx.fee_cap),
    }
    if tx.kind in (DYNAMIC_FEE, BLOB, SET_CODE):
        found["maxFeePerGas"] = hex(tx.fee_cap)
        found["maxPriorityFeePerGas"] = hex(tx.tip_cap)
    if tx.kind == BLOB:
        found["maxFeePerBlobGas"] = hex(tx.blob_fee_cap)
    found |= {
        "hash": hexed(tx.id),
        "input": hexed(tx.data),
        "nonce": hex(tx.nonce),
        "to": None if tx.to is None else hexed(tx.to),
        "transactionIndex": hex(place.index) if place is not None else None,
        "value": hex(tx.value),
        "type": hex(tx.kind),
    }
    if tx.kind >= ACCESS_LIST:
        found["accessList"] = access_list_json(tx.access_list)
    if tx.chain_id is not None:
        found["chainId"] = hex(tx.chain_id)
    if tx.kind == BLOB:
        found["blobVersionedHashes"] = [hexed(h) for h in tx.blob_hashes]
    if tx.kind == SET_CODE:
        found["authorizationList"] = [
            {
                "chainId": hex(a.chain_id),
                "address": hexed(a.address),
                "nonce": hex(a.nonce),
                "yParity": hex(a.y_parity),
                "r": hex(a.r),
                "s": hex(a.s),
            }
            for a in tx.authorizations
        ]
    found |= {"v": hex(tx.v), "r": hex(tx.r), "s": hex(tx.s)}
    if tx.kind != LEGACY:
        found["yParity"] = hex(tx.v)
    return found


def receipt_json(
    receipt: Receipt,
    tx: EthereumTransaction,
    place: Place,
    gas_used: int,
    first_log: int,
    blobs: BlobSchedule | None,
    sender: bytes | None = None,
) -> Json:
    """A receipt; `first_log` is how many logs the block has before it."""
    header = place.header
    origin = sender or tx.sender
    found: Json = {
        "blockHash": hexed(header.hash),
        "blockNumber": hex(header.number),
        "contractAddress": hexed(contract_address(origin, tx.nonce)) if tx.to is None else None,
        "cumulativeGasUsed": hex(receipt.cumulative_gas),
        "effectiveGasPrice": hex(effective_price(tx, header.base_fee)),
        "from": hexed(origin),
        "gasUsed": hex(gas_used),
        "logs": [log_json(log, tx.id, place, first_log + i) for i, log in enumerate(receipt.logs)],
        "logsBloom": hexed(receipt.bloom),
        "to": None if tx.to is None else hexed(tx.to),
        "transactionHash": hexed(tx.id),
        "transactionIndex": hex(place.index),
        "type": hex(tx.kind),
    }
    if isinstance(receipt.outcome, bytes):
        found["root"] = hexed(receipt.outcome)
    else:
        found["status"] = hex(receipt.outcome)
    if tx.kind == BLOB and blobs is not None:
        found["blobGasUsed"] = hex(fees.blob_gas(tx))
        found["blobGasPrice"] = hex(fees.blob_base_fee(header.excess_blob_gas or 0, blobs))
    return found


def log_json(log: Log, tx_id: bytes, place: Place, index: int, removed: bool = False) -> Json:
    """A log; `removed`: a reorganisation took it back."""
    return {
        "address": hexed(log.address),
        "topics": [hexed(t) for t in log.topics],
        "data": hexed(log.data),
        "blockNumber": hex(place.header.number),
        "transactionHash": hexed(tx_id),
        "transactionIndex": hex(place.index),
        "blockHash": hexed(place.header.hash),
        "blockTimestamp": hex(place.header.timestamp),
        "logIndex": hex(index),
        "removed": removed,
    }
