"""The rawtransactions group, what reads and builds: find, decode, create. Signing and combining are in signing_methods.py."""

from __future__ import annotations

from typing import Any

from node.indexes import TransactionIndex, enabled, find_transaction
from node.node import Node, Snapshot
from node.rpc.bitcoin_json import decode_script, tx_json
from node.rpc.errors import (
    INVALID_ADDRESS_OR_KEY,
    INVALID_PARAMETER,
    MISC_ERROR,
    RpcError,
)
from node.rpc.lookup import find_block, read_tx, spent_of
from node.rpc.params import Hash, Verbosity, coerce, display_hex, expected, parse_amount, parse_hash, parse_hex, shown
from node.rpc.registry import rpc
from primitives import address as addresses
from primitives.bitcoin import FINAL_SEQUENCE, Transaction, TxInput, TxOutput, outpoint
from primitives.chain import Entry, Status
from primitives.errors import DecodeError
from vm.script.templates import null_data

REPLACEABLE = FINAL_SEQUENCE - 2
"""The sequence that signals replacement (BIP125)."""
VERSIONS = range(1, 4)


@rpc("getrawtransaction", family="bitcoin", group="rawtransactions", also={"verbosity": "verbose"})
async def get_raw_transaction(node: Node, txid: Hash, verbosity: Verbosity = 0, blockhash: Hash | None = None) -> Any:
    """A transaction of the mempool, of a block, or of the index: 0 its hex, 1 decoded, 2 with its fee and what it spends."""

    def work() -> Any:
        with node.snapshot() as at:
            return find(at, txid, verbosity, blockhash)

    pooled = blockhash is None and txid in node.pool
    return work() if pooled else await node.env.on_reader(work)


def find(at: Snapshot, txid: bytes, verbosity: int, blockhash: bytes | None) -> Any:
    """What `getrawtransaction` answers. Raises RpcError."""
    if txid == at.spec.genesis.txs[0].id:
        wrong = "The genesis block coinbase is not considered an ordinary transaction and cannot be retrieved"
        raise RpcError(INVALID_ADDRESS_OR_KEY, wrong)
    entry: Entry[Any] | None = None
    if blockhash is not None:
        entry = at.view.entry(blockhash)
        if entry is None:
            raise RpcError(INVALID_ADDRESS_OR_KEY, "Block hash not found")
        tx = _in_block(at, entry, txid)
    else:
        pooled = at.pool.entries.get(txid)
        tx = None if pooled is None else pooled.tx
        if tx is None and (found := find_transaction(at.state, txid)) is not None:
            entry = at.view.entry(found[0])
            if entry is not None:
                tx = find_block(at, entry).txs[found[1]]
    if tx is None:
        raise RpcError(INVALID_ADDRESS_OR_KEY, f"{_missing(at, entry)}. Use gettransaction for wallet transactions.")
    if verbosity <= 0:
        return tx.raw.hex()
    head: dict[str, Any] = {}
    if blockhash is not None and entry is not None:
        head["in_active_chain"] = at.view.connected(entry)
    return head | _describe(at, tx, entry, verbosity)


def _in_block(at: Snapshot, entry: Entry[Any], txid: bytes) -> Any:
    if not entry.status & Status.BODY and entry.height:
        raise RpcError(MISC_ERROR, "Block not available")
    return next((tx for tx in find_block(at, entry).txs if tx.id == txid), None)


def _missing(at: Snapshot, entry: Entry[Any] | None) -> str:
    if entry is not None:
        return "No such transaction found in the provided block"
    if enabled(at.state, TransactionIndex().name):
        return "No such mempool or blockchain transaction"
    return "No such mempool transaction. Use -txindex or provide a block hash to enable blockchain transaction queries"


def _describe(at: Snapshot, tx: Any, entry: Entry[Any] | None, verbosity: int) -> dict[str, Any]:
    style = at.spec.addresses
    spent = None
    if verbosity >= 2 and entry is not None and not tx.is_coinbase and at.view.connected(entry):
        spent = _spent_by(at, entry, tx.id)
    result = tx_json(tx, style, spent=spent, with_prevout=spent is not None)
    if entry is None:
        return result
    result["blockhash"] = display_hex(entry.hash)
    if at.view.connected(entry):
        time = entry.header.timestamp
        confirmations = at.tip.height - entry.height + 1
        result |= {"confirmations": confirmations, "time": time, "blocktime": time}
    else:
        result["confirmations"] = 0
    return result


def _spent_by(at: Snapshot, entry: Entry[Any], txid: bytes) -> list[Any]:
    block = find_block(at, entry)
    spent = iter(spent_of(at, entry, block))
    for tx in block.txs:
        coins = [] if tx.is_coinbase else [next(spent) for _ in tx.inputs]
        if tx.id == txid:
            return coins
    return []


@rpc("decoderawtransaction", family="bitcoin", group="rawtransactions")
def decode_raw_transaction(at: Snapshot, hexstring: str, iswitness: bool | None = None) -> dict[str, Any]:
    """A transaction's hex as an object. `iswitness` says which form it has; else that is guessed from the bytes."""
    tx = read_tx(at.spec, hexstring, "TX decode failed", iswitness is not True, iswitness is not False)
    return tx_json(tx, at.spec.addresses, with_hex=False)


@rpc("decodescript", family="bitcoin", group="rawtransactions")
def decode_script_(at: Snapshot, hexstring: str) -> dict[str, Any]:
    """A script's hex as an object, and how it would look wrapped in a script hash and in a witness program."""
    script = parse_hex(hexstring, "argument") if hexstring else b""
    return decode_script(script, at.spec.addresses)


@rpc("createrawtransaction", family="bitcoin", group="rawtransactions")
def create_raw_transaction(
    at: Snapshot,
    inputs: list[Any],
    outputs: Any,
    locktime: int = 0,
    replaceable: bool | None = None,
    version: int | None = None,
) -> str:
    """An unsigned transaction of inputs {"txid", "vout", "sequence"} and outputs {address: amount} or {"data": hex}, in hex."""
    return build(at, inputs, outputs, locktime, replaceable, version).raw.hex()


def build(
    at: Snapshot, inputs: list[Any], outputs: Any, locktime: int, replaceable: bool | None, version: int | None
) -> Transaction:
    """The transaction that these arguments describe; its version is by default what wallets of the chain write.

    Raises RpcError as Core's ConstructTransaction.
    """
    timed = getattr(at.spec.ledger.format, "timed", False)
    if version is None:
        version = 3 if timed else 2
    if not 0 <= locktime <= 0xFFFFFFFF:
        raise RpcError(INVALID_PARAMETER, "Invalid parameter, locktime out of range")
    if version not in VERSIONS:
        span = f"{VERSIONS[0]}~{VERSIONS[-1]}"
        raise RpcError(INVALID_PARAMETER, f"Invalid parameter, version out of range({span})")
    if replaceable or replaceable is None:
        sequence = REPLACEABLE
    else:
        sequence = FINAL_SEQUENCE - 1 if locktime else FINAL_SEQUENCE
    spends = tuple(_input(one, sequence) for one in inputs)
    time = at.now if timed and version < 3 else None
    tx = Transaction(version, spends, tuple(_outputs(at, outputs)), locktime, time)
    if replaceable and spends and not any(i.sequence <= REPLACEABLE for i in spends):
        wrong = "Invalid parameter combination: Sequence number(s) contradict replaceable option"
        raise RpcError(INVALID_PARAMETER, wrong)
    return tx


def _input(value: Any, sequence: int) -> TxInput:
    if not isinstance(value, dict):
        raise expected(value, "object")
    txid = parse_hash(value.get("txid"), "txid")
    vout = value.get("vout")
    if isinstance(vout, bool) or not isinstance(vout, int | float):
        raise RpcError(INVALID_PARAMETER, "Invalid parameter, missing vout key")
    vout = coerce(vout, int, "vout")
    if vout < 0:
        raise RpcError(INVALID_PARAMETER, "Invalid parameter, vout cannot be negative")
    if vout > 0xFFFFFFFF:
        raise RpcError(MISC_ERROR, "JSON integer out of range")
    given = value.get("sequence")
    if isinstance(given, int | float) and not isinstance(given, bool):
        sequence = coerce(given, int, "sequence")
        if not 0 <= sequence <= FINAL_SEQUENCE:
            raise RpcError(INVALID_PARAMETER, "Invalid parameter, sequence number is out of range")
    return TxInput(outpoint(txid, vout), b"", sequence)


def _pairs(outputs: Any) -> list[tuple[str, Any]]:
    if outputs is None:
        raise RpcError(INVALID_PARAMETER, "Invalid parameter, output argument must be non-null")
    if isinstance(outputs, dict):
        return list(outputs.items())
    if not isinstance(outputs, list):
        raise expected(outputs, "array")
    pairs: list[tuple[str, Any]] = []
    for one in outputs:
        if not isinstance(one, dict):
            raise RpcError(INVALID_PARAMETER, "Invalid parameter, key-value pair not an object as expected")
        if len(one) != 1:
            raise RpcError(INVALID_PARAMETER, "Invalid parameter, key-value pair must contain exactly one key")
        pairs += one.items()
    return pairs


def _outputs(at: Snapshot, outputs: Any) -> list[TxOutput]:
    found: list[TxOutput] = []
    seen: set[bytes] = set()
    data = False
    for name, value in _pairs(outputs):
        if name == "data":
            if data:
                raise RpcError(INVALID_PARAMETER, "Invalid parameter, duplicate key: data")
            data = True
            found.append(TxOutput(0, null_data(parse_hex(value, "Data"))))
            continue
        amount = parse_amount(value)
        try:
            script = addresses.decode(name, at.spec.addresses)
        except DecodeError:
            raise RpcError(INVALID_ADDRESS_OR_KEY, f"Invalid Bitcoin address: {shown(name)}") from None
        if script in seen:
            raise RpcError(INVALID_PARAMETER, f"Invalid parameter, duplicated address: {name}")
        seen.add(script)
        found.append(TxOutput(amount, script))
    return found
