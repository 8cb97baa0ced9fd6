"""Finding things for methods: entries, headers, blocks, transactions from hex. Every miss is an RpcError in Core's words.

It renders headers and blocks too, since both need the chain around them; plain rendering is in bitcoin_json.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from chains.spec import ChainSpec
from node.index import MEDIAN_SPAN
from node.node import Snapshot
from node.rpc.bitcoin_json import block_json, coinbase_json, header_json, tx_json
from node.rpc.errors import (
    DESERIALIZATION_ERROR,
    INVALID_ADDRESS_OR_KEY,
    INVALID_PARAMETER,
    MISC_ERROR,
    TYPE_ERROR,
    RpcError,
)
from node.rpc.params import display_hex, is_hex, json_name, parse_hash
from node.rpc.tx_decoding import decode_tx
from node.spent import spent_coins
from node.view import ChainView
from primitives import address as addresses
from primitives.buffer import Reader, Writer
from primitives.chain import Entry, Form
from primitives.errors import DecodeError

MORE_FIELDS: list[Callable[[Snapshot, Entry[Any], Any], dict[str, Any]]] = []
"""What families show of a block beside Bitcoin's fields; their files of methods add to it."""

OTHER_DIFFICULTIES: list[Callable[[Snapshot], dict[str, Any] | None]] = []
"""What families answer to `getdifficulty`, None where it is not their chain."""

TX_DECODE_FAILED = "TX decode failed. Make sure the tx has at least one input."


def find_entry(at: Snapshot, key: bytes) -> Entry[Any]:
    """What is known of a block. Raises RpcError."""
    entry = at.view.entry(key)
    if entry is None:
        raise RpcError(INVALID_ADDRESS_OR_KEY, "Block not found")
    return entry


def find_place(at: Snapshot, value: Any) -> Entry[Any]:
    """A block by hash or by height of the connected chain. Raises RpcError as Core's ParseHashOrHeight."""
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise RpcError(TYPE_ERROR, f"JSON value of type {json_name(value)} is not of expected type string")
    if isinstance(value, str):
        return find_entry(at, parse_hash(value, "hash_or_height"))
    if value < 0:
        raise RpcError(INVALID_PARAMETER, f"Target block height {value} is negative")
    entry = at.view.at(value)
    if entry is None:
        raise RpcError(INVALID_PARAMETER, f"Target block height {value} after current tip {at.tip.height}")
    return entry


def find_block(at: Snapshot, entry: Entry[Any]) -> Any:
    """A block's body. Raises RpcError where only its header is here."""
    block = at.view.block(entry.hash)
    if block is None:
        raise RpcError(MISC_ERROR, "Block not available (not fully downloaded)")
    return block


def count_txs(view: ChainView, key: bytes) -> int:
    """How many transactions a block has; 0 where its body is not here."""
    raw = view.body(key)
    if raw is None:
        return 0
    r = Reader(raw)
    view.entries.fmt.read_header(r, Form.STORE)
    return r.compact()


def median_time(at: Snapshot, entry: Entry[Any]) -> int:
    """Median time past of a block on any branch."""
    if entry.hash == at.tip.hash:
        return at.branch.median_time()
    if at.view.connected(entry):
        low = max(0, entry.height - MEDIAN_SPAN + 1)
        times = sorted(at.view.entries.at(h).header.timestamp for h in range(low, entry.height + 1))  # type: ignore[union-attr]
        return int(times[len(times) // 2])
    return at.view.entries.branch(entry).median_time()


def confirmations_of(at: Snapshot, entry: Entry[Any]) -> int:
    """How deep a block lies, 1 for the tip, -1 off the connected chain."""
    return at.tip.height - entry.height + 1 if at.view.connected(entry) else -1


def describe_header(at: Snapshot, entry: Entry[Any]) -> dict[str, Any]:
    """A header as `getblockheader` shows it."""
    confirmations = confirmations_of(at, entry)
    following = at.view.entries.hash_at(entry.height + 1) if confirmations > 1 else None
    return header_json(
        entry.header,
        entry.height,
        entry.weight,
        median_time(at, entry),
        confirmations,
        following,
        count_txs(at.view, entry.hash),
    )


def describe_block(at: Snapshot, entry: Entry[Any], level: int) -> dict[str, Any]:
    """A block as `getblock` shows it: 1 transaction ids, 2 transactions with fees, 3 with what their inputs spend."""
    block = find_block(at, entry)
    if level <= 1:
        txs: list[Any] = [display_hex(tx.id) for tx in block.txs]
    else:
        txs = describe_txs(at, entry, block, level >= 3)
    result = block_json(block, describe_header(at, entry), txs, coinbase_json(block.txs[0]))
    for more in MORE_FIELDS:
        result |= more(at, entry, block)
    return result


def describe_txs(at: Snapshot, entry: Entry[Any], block: Any, with_prevout: bool) -> list[Any]:
    """The transactions of a block, with fees where the block is connected, so that what it spent is known."""
    style = at.spec.addresses
    if not at.view.connected(entry):
        return [tx_json(tx, style) for tx in block.txs]
    spent = iter(spent_of(at, entry, block))
    rows = []
    for tx in block.txs:
        coins = [] if tx.is_coinbase else [next(spent) for _ in tx.inputs]
        rows.append(tx_json(tx, style, spent=coins, with_prevout=with_prevout))
    return rows


def spent_of(at: Snapshot, entry: Entry[Any], block: Any) -> Sequence[Any]:
    """The coins that a connected block spent, in input order; one made in the block itself is as high as the block."""
    coins = spent_coins(block, at.view.undo(entry))
    return [coin if coin.height >= 0 else coin._replace(height=entry.height) for coin in coins]


# -- from hex --------------------------------------------------------------------------------------------------------


def read_tx(spec: ChainSpec, text: str, failed: str = TX_DECODE_FAILED, old: bool = True, new: bool = True) -> Any:
    """A transaction from hex; `old` and `new` say whether the forms without and with witnesses are tried. Raises RpcError."""
    if not is_hex(text):
        raise RpcError(DESERIALIZATION_ERROR, failed)
    try:
        return decode_tx(bytes.fromhex(text), spec.ledger.format, old, new)
    except DecodeError:
        raise RpcError(DESERIALIZATION_ERROR, failed) from None


def read_block(spec: ChainSpec, text: str) -> Any:
    """A block from hex, as clients write it. Raises RpcError(DESERIALIZATION_ERROR)."""
    failed = RpcError(DESERIALIZATION_ERROR, "Block decode failed")
    if not is_hex(text):
        raise failed
    r = Reader(bytes.fromhex(text))
    try:
        block = spec.ledger.format.read_block(r, Form.CLIENT)
        r.finish()
    except DecodeError:
        raise failed from None
    return block


def read_header(spec: ChainSpec, text: str) -> Any:
    """A header from hex. Raises RpcError(DESERIALIZATION_ERROR)."""
    failed = RpcError(DESERIALIZATION_ERROR, "Block header decode failed")
    if not is_hex(text):
        raise failed
    r = Reader(bytes.fromhex(text))
    try:
        header = spec.ledger.format.read_header(r, Form.CLIENT)
        r.finish()
    except DecodeError:
        raise failed from None
    return header


def block_bytes(spec: ChainSpec, block: Any) -> bytes:
    """A block as that family's tools read it."""
    w = Writer()
    spec.ledger.format.write_block(w, block, Form.CLIENT)
    return w.done()


def header_bytes(spec: ChainSpec, header: Any) -> bytes:
    """A header as that family's tools read it."""
    w = Writer()
    spec.ledger.format.write_header(w, header, Form.CLIENT)
    return w.done()


def script_of(spec: ChainSpec, address: str, wrong: str) -> bytes:
    """The script that an address stands for. Raises RpcError(INVALID_ADDRESS_OR_KEY) with the message given."""
    try:
        return addresses.decode(address, spec.addresses)
    except DecodeError:
        raise RpcError(INVALID_ADDRESS_OR_KEY, wrong) from None


def check_keys(value: dict[str, Any], known: Iterable[str]) -> None:
    """Refuse an object's keys that mean nothing here. Raises RpcError(TYPE_ERROR) as Core's RPCTypeCheckObj."""
    for key in value:
        if key not in known:
            raise RpcError(TYPE_ERROR, f"Unexpected key {key}")
