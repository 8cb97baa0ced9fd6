"""The twin group: moves between coins and accounts, and which payload belongs to which block. What moved, twin_moves.py keeps."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ledger.account.requests import EXITS
from node.dev_chain import DevChain
from node.node import Node, Snapshot
from node.rpc import templates
from node.rpc.api import Memory
from node.rpc.dispatch import Call
from node.rpc.errors import INVALID_ADDRESS_OR_KEY, INVALID_PARAMETER, WALLET_ERROR, RpcError
from node.rpc.ethereum_call_params import CallObject
from node.rpc.ethereum_filling import fill
from node.rpc.ethereum_json import checksummed, hexed
from node.rpc.lookup import confirmations_of, find_place, script_of
from node.rpc.params import Amount, coins, display_hex, is_hex
from node.rpc.registry import injected, rpc
from node.rpc.wallet_access import on_wallet
from node.rpc.wallet_payments import fee_of, with_fee
from node.twin_indexes import own_header, places_of
from node.twin_moves import DepositRecord, ExitRecord, counts, deposits_from, exits_from
from node.wallets import Wallets
from primitives.address import account_decode
from primitives.address import encode as encode_address
from primitives.errors import DecodeError
from primitives.ethereum_tx import EthereumTransaction
from primitives.twin import WEI_PER_SATOSHI, Exit, carrier_of, commitment_of, deposit_of
from wallet.moves import deposit_payment, exit_call
from wallet.spending import SendOptions
from wallet.wallet import Wallet

MOST_ROWS = 1_000


@injected
@dataclass(frozen=True, slots=True)
class Accounts:
    """The account side of a twin chain's node, and the keys that it holds on a local chain."""

    node: Node
    dev: DevChain


def _account(text: str) -> bytes:
    try:
        return account_decode(text)
    except DecodeError as e:
        raise RpcError(INVALID_ADDRESS_OR_KEY, f"Invalid account: {e}") from None


# -- making moves ----------------------------------------------------------------------------------------------------


@rpc("deposit", family="twin", group="twin")
async def deposit(
    wallets: Wallets, call: Call, memory: Memory, amount: Amount, account: str, fee_rate: Any = None
) -> dict[str, Any]:
    """Move coins of a wallet to an account, where they are ether from the block on that takes the payment in.

    `fee_rate` is in satoshi per virtual byte; without it the wallet chooses.
    """
    fee, payment = fee_of(None, None, fee_rate), deposit_payment(_account(account), amount)

    def work(wallet: Wallet) -> dict[str, Any]:
        if not wallet.info().private_keys:
            raise RpcError(WALLET_ERROR, "Error: Private keys are disabled for this wallet")
        sent = wallet.send([payment], with_fee(SendOptions(), fee, wallet, memory))
        vout = next(n for n, out in enumerate(sent.tx.outputs) if out.script == payment.script)
        return {"txid": display_hex(sent.tx.id), "vout": vout, "fee": coins(sent.fee)}

    return await on_wallet(wallets, call, work)


@rpc("exit", family="twin", group="twin", cost="write")
def exit_(node: Node, accounts: Accounts, amount: Amount, address: str, account: str | None = None) -> dict[str, Any]:
    """Move ether of an account whose key this node holds to a witness address, as coins.

    It calls the exit contract; from any other wallet the same is a payment to it, with the witness version and program as data.
    """
    dev = accounts.dev
    sender = next(iter(dev.keys), None) if account is None else _account(account)
    if sender not in dev.keys:
        raise RpcError(
            INVALID_ADDRESS_OR_KEY, "This node holds no key of the account: call the exit contract from its wallet"
        )
    asked = exit_call(EXITS, script_of(node.spec, address, "Invalid address"), amount)
    with accounts.node.snapshot() as at:
        tx = fill(CallObject(to=asked.to, value=asked.value, data=asked.data), sender, at)
    return {
        "hash": hexed(dev.submit(dev.sign(tx, sender))),
        "account": checksummed(sender),
        "contract": checksummed(EXITS),
    }


# -- what became of them ---------------------------------------------------------------------------------------------


def _deposit_row(at: Snapshot, found: DepositRecord) -> dict[str, Any]:
    return {
        "kind": "deposit",
        "number": found.number,
        "amount": coins(found.satoshi),
        "account": checksummed(found.account),
        "txid": display_hex(found.txid),
        "vout": found.vout,
        "status": "credited",
        "height": found.height,
        "confirmations": at.tip.height - found.height + 1,
        "blockhash": display_hex(at.view.entries.hash_at(found.height) or b""),
    }


def _exit_row(at: Snapshot, found: ExitRecord) -> dict[str, Any]:
    row = {
        "kind": "exit",
        "number": found.number,
        "amount": coins(found.exit.satoshi),
        "account": checksummed(found.exit.source),
        "address": encode_address(found.exit.output.script, at.spec.addresses),
        "hash": hexed(found.txid),
        "status": "queued",
        "height": found.height,
        "confirmations": at.tip.height - found.height + 1,
        "blockhash": display_hex(at.view.entries.hash_at(found.height) or b""),
    }
    if found.paid_by:
        mature_at = found.paid_height + at.spec.ledger.rules.maturity  # type: ignore[attr-defined]
        row |= {
            "status": "mature" if at.tip.height + 1 >= mature_at else "immature",
            "txid": display_hex(found.paid_by),
            "vout": found.paid_at,
            "paid_height": found.paid_height,
            "spendable_height": mature_at,
        }
    return row


def _pooled(at: Snapshot, accounts: Accounts) -> Iterator[dict[str, Any]]:
    """Moves that no block has taken in yet."""
    pending = {"status": "pooled", "confirmations": 0}
    for entry in sorted(at.pool.entries.values(), key=lambda e: e.sequence):
        for vout, output in enumerate(entry.tx.outputs):
            if (made := deposit_of(output)) is not None:
                row = {"kind": "deposit", "amount": coins(made.satoshi), "account": checksummed(made.address)}
                yield {**row, "txid": display_hex(entry.tx.id), "vout": vout, **pending}
    for entry in accounts.node.pool:
        tx: EthereumTransaction = entry.tx
        if tx.to == EXITS and len(tx.data) in (21, 33) and not tx.value % WEI_PER_SATOSHI:
            asked = Exit(tx.sender, tx.data[0], tx.data[1:], tx.value // WEI_PER_SATOSHI)
            row = {"kind": "exit", "amount": coins(asked.satoshi), "account": checksummed(tx.sender)}
            address = encode_address(asked.output.script, at.spec.addresses)
            yield {**row, "address": address, "hash": hexed(tx.id), **pending}


@rpc("listmoves", family="twin", group="twin", cost="heavy")
def list_moves(at: Snapshot, accounts: Accounts, count: int = 20, skip: int = 0) -> list[dict[str, Any]]:
    """The last deposits and exits of the chain, oldest first, and behind them those that wait in the pool.

    A deposit is credited with its block. An exit is queued, then paid by a block's first transaction, whose output matures like a reward.
    """
    if not 0 <= count <= MOST_ROWS or skip < 0:
        raise RpcError(INVALID_PARAMETER, f"count is between 0 and {MOST_ROWS}, skip at least 0")
    kv, sums, wanted = at.state, counts(at.state), count + skip
    rows = [_deposit_row(at, d) for d in deposits_from(kv, max(0, sums.deposits - wanted))]
    rows += [_exit_row(at, e) for e in exits_from(kv, max(0, sums.exits - wanted))]
    rows.sort(key=lambda row: row["height"])
    rows += _pooled(at, accounts)
    end = max(0, len(rows) - skip)
    return rows[max(0, end - count) : end]


@rpc("getmove", family="twin", group="twin", cost="heavy")
def get_move(at: Snapshot, accounts: Accounts, txid: str) -> list[dict[str, Any]]:
    """The moves that a transaction made: by the id of one of coins, or by the 0x hash of one of accounts."""
    digits = txid.removeprefix("0x")
    if len(digits) != 64 or not is_hex(digits):
        raise RpcError(INVALID_PARAMETER, "txid is a hash of 64 hexadecimal digits")
    if digits is txid:
        key = bytes.fromhex(digits)[::-1]
        rows = [_deposit_row(at, d) for d in deposits_from(at.state, 0) if d.txid == key]
    else:
        key = bytes.fromhex(digits)
        rows = [_exit_row(at, e) for e in exits_from(at.state, 0) if e.txid == key]
    rows += [row for row in _pooled(at, accounts) if txid.lower() in (row.get("txid"), row.get("hash"))]
    if not rows:
        raise RpcError(INVALID_ADDRESS_OR_KEY, "No move of this transaction is known")
    return rows


@rpc("getmovesinfo", family="twin", group="twin")
def get_moves_info(at: Snapshot) -> dict[str, Any]:
    """How much moved so far, the contract that exits call, and after how many blocks an exit's coins can be spent."""
    sums = counts(at.state)
    return {
        "deposits": sums.deposits,
        "exits": sums.exits,
        "paid": sums.paid,
        "queued": sums.exits - sums.paid,
        "contract": checksummed(EXITS),
        "maturity": at.spec.ledger.rules.maturity,  # type: ignore[attr-defined]
    }


# -- which payload belongs to which block ----------------------------------------------------------------------------


@rpc("getpayload", family="twin", group="twin")
def get_payload(at: Snapshot, hash_or_height: Any) -> dict[str, Any]:
    """The payload that a block commits to: its hash as Ethereum's clients write it, and its number."""
    entry = find_place(at, hash_or_height)
    header = own_header(at.state, entry.hash)
    if header is None:
        raise RpcError(INVALID_ADDRESS_OR_KEY, "The payload of this block is not known")
    return {
        "blockhash": display_hex(entry.hash),
        "payload": hexed(header.hash),
        "number": header.number,
        "stateroot": hexed(header.state_root),
        "confirmations": confirmations_of(at, entry),
    }


@rpc("findpayload", family="twin", group="twin")
def find_payload(at: Snapshot, payload: str) -> list[dict[str, Any]]:
    """The blocks that commit to a payload: siblings may share one, at most one of them is on the active chain."""
    digits = payload.removeprefix("0x")
    if len(digits) != 64 or not is_hex(digits):
        raise RpcError(INVALID_PARAMETER, "payload is a hash of 64 hexadecimal digits")
    found = [entry for key in places_of(at.state, bytes.fromhex(digits)) if (entry := at.view.entry(key)) is not None]
    return [
        {"blockhash": display_hex(e.hash), "height": e.height, "confirmations": confirmations_of(at, e)} for e in found
    ]


# -- templates -------------------------------------------------------------------------------------------------------


def payload_fields(template: templates.Template, at: Snapshot) -> dict[str, Any]:
    """What a template of a twin block says more: the outputs that its coinbase must end with, and what may not be changed."""
    carrier = carrier_of(template.block)
    commitment = commitment_of(carrier)
    if not at.spec.is_twin or commitment is None:
        return {}
    time = template.block.header.timestamp
    paid = [o for o in carrier.outputs[1 : commitment.at] if o.value]
    return {
        "payloadcommitment": carrier.outputs[commitment.at].script.hex(),
        "payloadhash": hexed(commitment.digest),
        "exits": [{"value": o.value, "scriptPubKey": o.script.hex()} for o in paid],
        "mutable": ["transactions", "coinbase/append"],
        "curtime": time,
        "mintime": time,
        "maxtime": time,
    }


templates.MORE_FIELDS.append(payload_fields)
