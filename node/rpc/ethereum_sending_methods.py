"""Methods that sign and send: with the keys of a local chain, as an impersonated account, or what a client signed itself."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Annotated, Any

import orjson

from node.node import Node, Snapshot
from node.rpc.errors import RpcError
from node.rpc.ethereum_allowance import Allowance
from node.rpc.ethereum_call_params import CallObject, CallParam
from node.rpc.ethereum_dev_api import Dev
from node.rpc.ethereum_filling import fill
from node.rpc.ethereum_json import Json, checksummed, hexed, transaction_json
from node.rpc.ethereum_lookup import find_mined, receipts_json, server_error
from node.rpc.ethereum_params import Address, Data, Number, wrong
from node.rpc.registry import rpc
from primitives.errors import DecodeError
from primitives.ethereum_tx import EthereumTransaction, decode_network_transaction
from wallet.messages import recover_personal, sign_digest, sign_personal
from wallet.typed_data import digest as typed_digest

SYNC_SECONDS = 20.0
MOST_SYNC_SECONDS = 60.0


@rpc("eth_accounts", "ethereum", "eth", aliases=("eth_requestAccounts", "personal_listAccounts"))
def accounts(dev: Dev) -> list[str]:
    """Accounts whose keys this node holds: those of a local chain, none elsewhere."""
    return [hexed(a) for a in dev.keys]


def _sender(call: CallObject, dev: Dev) -> bytes:
    if call.sender is not None:
        return call.sender
    if not dev.keys:
        raise server_error("unknown account")
    return next(iter(dev.keys))


@rpc("eth_sendTransaction", "ethereum", "eth", cost="write")
def send_transaction(node: Node, dev: Dev, allowance: Allowance, transaction: CallParam) -> str:
    """Sign with a key of this node, send, and return the hash; where blocks are made at once, the receipt is there then."""
    sender = _sender(transaction, dev)
    known = sender in dev.keys
    if not known and not dev.is_impersonated(sender):
        raise server_error("unknown account")
    with node.snapshot() as at:
        tx = fill(transaction, sender, at, allowance)
    return hexed(dev.submit(dev.sign(tx, sender)) if known else dev.send_as(tx, sender))


@rpc("eth_sendUnsignedTransaction", "ethereum", "eth", cost="write")
def send_unsigned(node: Node, dev: Dev, allowance: Allowance, transaction: CallParam) -> str:
    """Send as any account of a local chain, without a signature."""
    sender = _sender(transaction, dev)
    with node.snapshot() as at:
        tx = fill(transaction, sender, at, allowance)
    return hexed(dev.send_as(tx, sender))


def _decoded(raw: bytes) -> EthereumTransaction:
    try:
        tx = decode_network_transaction(raw)
        _ = tx.sender
    except DecodeError as e:
        raise server_error(f"rlp: {e}") from e
    return tx


@rpc("eth_sendRawTransaction", "ethereum", "eth")
async def send_raw(node: Node, dev: Dev, transaction: Data) -> str:
    """Send a signed transaction and return its hash; where blocks are made at once, the receipt is there then."""
    return hexed(await node.on_chain(partial(_submit, dev, transaction)))


def _submit(dev: Dev, raw: bytes) -> bytes:
    return dev.submit(_decoded(raw))


@rpc("eth_sendRawTransactionSync", "ethereum", "eth")
async def send_raw_sync(node: Node, dev: Dev, transaction: Data, timeout: Number | None = None) -> Json:
    """Send a signed transaction and wait for its receipt (EIP-7966); `timeout` in milliseconds."""
    txid = await node.on_chain(partial(_submit, dev, transaction))
    seconds = SYNC_SECONDS if timeout is None else min(timeout / 1000, MOST_SYNC_SECONDS)
    mined = asyncio.Event()
    end = node.subscribe(lambda _: mined.set())
    try:
        async with asyncio.timeout(seconds):
            while True:
                with node.snapshot() as at:
                    found = find_mined(at, txid)
                    if found is not None:
                        return receipts_json(at, found.block, found.index)[0]
                mined.clear()
                await mined.wait()
    except TimeoutError:
        raise RpcError(4, "transaction was added to the pool but not mined in time", hexed(txid)) from None
    finally:
        end()


@rpc("eth_signTransaction", "ethereum", "eth", cost="write")
def sign_transaction(node: Node, dev: Dev, allowance: Allowance, transaction: CallParam) -> Json:
    """Sign with a key of this node and return the bytes; nothing is sent."""
    sender = _sender(transaction, dev)
    with node.snapshot() as at:
        tx = dev.sign(fill(transaction, sender, at, allowance), sender)
    return {"raw": hexed(tx.network), "tx": transaction_json(tx, None)}


@rpc("eth_fillTransaction", "ethereum", "eth", cost="heavy")
def fill_transaction(at: Snapshot, dev: Dev, allowance: Allowance, transaction: CallParam) -> Json:
    """The transaction with nonce, gas and fees filled in, unsigned."""
    sender = _sender(transaction, dev)
    tx = fill(transaction, sender, at, allowance)
    return {"raw": hexed(tx.raw), "tx": transaction_json(tx, None, sender)}


def _key(dev: Dev, account: bytes) -> bytes:
    key = dev.keys.get(account)
    if key is None:
        raise server_error("unknown account")
    return key


@rpc("eth_sign", "ethereum", "eth")
def eth_sign(dev: Dev, address: Address, message: Data) -> str:
    """Sign a message with the prefix of EIP-191."""
    return hexed(sign_personal(message, _key(dev, address)))


@rpc("personal_sign", "ethereum", "personal")
def personal_sign(dev: Dev, message: Data, address: Address, password: Any = None) -> str:
    """Sign a message with the prefix of EIP-191."""
    return hexed(sign_personal(message, _key(dev, address)))


@rpc("personal_ecRecover", "ethereum", "personal")
def personal_recover(message: Data, signature: Data) -> str:
    """The account that signed a message with the prefix of EIP-191."""
    found = recover_personal(message, signature)
    if found is None:
        raise server_error("invalid signature")
    return checksummed(found).lower()


def typed_data(value: Any, name: str) -> Any:
    """A typed message, as an object or its text."""
    if isinstance(value, str):
        try:
            value = orjson.loads(value)
        except orjson.JSONDecodeError:
            raise wrong(f"{name} is not JSON") from None
    if not isinstance(value, dict):
        raise wrong(f"{name} must be an object")
    return value


@rpc("eth_signTypedData_v4", "ethereum", "eth", aliases=("eth_signTypedData", "eth_signTypedData_v3"))
def sign_typed(dev: Dev, address: Address, message: Annotated[Any, typed_data]) -> str:
    """Sign a typed message (EIP-712)."""
    try:
        digest = typed_digest(message)
    except (DecodeError, KeyError, TypeError, ValueError) as e:
        raise wrong(f"not a typed message: {e}") from e
    return hexed(sign_digest(digest, _key(dev, address)))
