"""The wallet group, what happened: transactions with their details, lists of them, what was received, and scans of the chain."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from node.mempool import PoolView
from node.node import Node, Snapshot
from node.rpc.bitcoin_json import address_of, tx_json
from node.rpc.dispatch import Call
from node.rpc.errors import (
    INTERNAL_ERROR,
    INVALID_ADDRESS_OR_KEY,
    INVALID_PARAMETER,
    WALLET_ERROR,
    RpcError,
)
from node.rpc.mempool_methods import closure, parents
from node.rpc.params import Hash, coins, display_hex, parse_hash
from node.rpc.registry import rpc
from node.rpc.wallet_access import check_label, last_processed, on_wallet, script_of
from node.rpc.wallet_coins_methods import counts
from node.wallets import Wallets
from primitives.bitcoin import FINAL_SEQUENCE
from wallet import listing
from wallet.history import Record
from wallet.listing import Movement
from wallet.wallet import Wallet

NO_TX = "Invalid or non-wallet transaction id"
REPLACEABLE = FINAL_SEQUENCE - 2
_NOTES = {"replaces": "replaces_txid", "replaced_by": "replaced_by_txid"}
"""Notes of the wallet that clients know by another name."""


def find_record(wallet: Wallet, txid: bytes) -> Record:
    """A transaction of the wallet. Raises RpcError."""
    record = wallet.state.history.records.get(txid)
    if record is None:
        raise RpcError(INVALID_ADDRESS_OR_KEY, NO_TX)
    return record


# -- descriptions ----------------------------------------------------------------------------------------------------


def describe_record(wallet: Wallet, record: Record, pool: PoolView) -> dict[str, Any]:
    """What all lists say of a transaction (Bitcoin Core, WalletTxToJSON). The caller holds the wallet's guard."""
    seen = listing.view(wallet.state, record)
    row: dict[str, Any] = {"confirmations": seen.confirmations}
    if record.generated:
        row["generated"] = True
    if record.place is not None:
        row |= {
            "blockhash": display_hex(record.place.hash),
            "blockheight": record.place.height,
            "blockindex": record.place.position,
            "blocktime": record.place.time,
        }
    else:
        row["trusted"] = seen.trusted
    row |= {
        "txid": display_hex(record.tx.id),
        "wtxid": display_hex(record.tx.wtxid),
        "walletconflicts": [display_hex(txid) for txid in seen.conflicts],
        "mempoolconflicts": [display_hex(txid) for txid in _pool_conflicts(record, pool)],
        "time": seen.time,
        "timereceived": record.received,
        "bip125-replaceable": _replaceable(record, pool) if seen.confirmations <= 0 else "no",
    }
    return row | {_NOTES.get(name, name): text for name, text in seen.notes.items()}


def _pool_conflicts(record: Record, pool: PoolView) -> list[bytes]:
    if record.place is not None:
        return []
    holders = {pool.holders.get(spend.outpoint) for spend in record.tx.inputs}
    return sorted(txid for txid in holders if txid is not None and txid != record.tx.id)


def _replaceable(record: Record, pool: PoolView) -> str:
    if any(spend.sequence <= REPLACEABLE for spend in record.tx.inputs):
        return "yes"
    entry = pool.entries.get(record.tx.id)
    if entry is None:
        return "unknown"
    return "yes" if any(e.admission.replaceable for e in closure(pool, entry, parents)) else "no"


def describe_movement(wallet: Wallet, one: Movement) -> dict[str, Any]:
    """One output of a transaction as it concerns the wallet (Bitcoin Core, ListTransactions), without the transaction."""
    row: dict[str, Any] = {}
    if (address := address_of(one.script, wallet.state.net.addresses)) is not None:
        row["address"] = address
    sends = one.category == "send"
    if not sends and (owner := wallet.state.sources.owner_of(one.script)) is not None:
        row["parent_descs"] = [owner.source.text]
    row |= {"category": one.category, "amount": coins(one.amount)}
    if one.label is not None:
        row["label"] = one.label
    row["vout"] = one.vout
    if sends and one.fee is not None:
        row["fee"] = coins(one.fee)
    return row | {"abandoned": one.record.abandoned}


def _rows(wallet: Wallet, movements: Iterable[Movement], pool: PoolView) -> list[dict[str, Any]]:
    known: dict[int, dict[str, Any]] = {}
    rows = []
    for one in movements:
        about = known.get(id(one.record))
        if about is None:
            about = known[id(one.record)] = describe_record(wallet, one.record, pool)
        rows.append({**describe_movement(wallet, one), **about})
    return rows


# -- transactions ----------------------------------------------------------------------------------------------------


@rpc("gettransaction", family="wallet", group="wallet")
async def get_transaction(
    wallets: Wallets, call: Call, node: Node, txid: Hash, include_watchonly: bool = True, verbose: bool = False
) -> dict[str, Any]:
    """A transaction of the wallet: what the wallet gained or lost, the fee, where it was mined, its outputs."""
    del include_watchonly

    def work(wallet: Wallet) -> dict[str, Any]:
        state = wallet.state
        with state.guard:
            record = find_record(wallet, txid)
            seen = listing.view(state, record)
            row: dict[str, Any] = {"amount": coins(seen.amount)}
            if seen.fee is not None:
                row["fee"] = coins(seen.fee)
            row |= describe_record(wallet, record, node.pool.view())
            row["details"] = [describe_movement(wallet, one) for one in seen.movements]
            row["hex"] = record.tx.raw.hex()
            if verbose:
                row["decoded"] = tx_json(record.tx, state.net.addresses, with_hex=False)
            return row | {"lastprocessedblock": last_processed(wallet)}

    return await on_wallet(wallets, call, work)


@rpc("listtransactions", family="wallet", group="wallet", also={"label": "dummy"})
async def list_transactions(
    wallets: Wallets,
    call: Call,
    node: Node,
    label: str = "*",
    count: int = 10,
    skip: int = 0,
    include_watchonly: bool = True,
) -> list[dict[str, Any]]:
    """The last `count` movements of the wallet, oldest first, without the newest `skip`; with a label, what it received."""
    del include_watchonly
    if not label:
        raise RpcError(INVALID_PARAMETER, 'Label argument must be a valid label name or "*".')
    if count < 0:
        raise RpcError(INVALID_PARAMETER, "Negative count")
    if skip < 0:
        raise RpcError(INVALID_PARAMETER, "Negative from")

    def work(wallet: Wallet) -> list[dict[str, Any]]:
        state = wallet.state
        with state.guard:
            if label == "*":
                found = listing.latest(state, count, skip)
            else:
                every = listing.latest(state, len(state.history.records) * 4 + count + skip, 0, label)
                received = [one for one in every if one.category != "send"]
                end = len(received) - skip
                found = received[max(0, end - count) : max(0, end)]
            return _rows(wallet, found, node.pool.view())

    return await on_wallet(wallets, call, work)


@rpc("listsinceblock", family="wallet", group="wallet")
async def list_since_block(
    wallets: Wallets,
    call: Call,
    node: Node,
    blockhash: str = "",
    target_confirmations: int = 1,
    include_watchonly: bool = True,
    include_removed: bool = True,
    include_change: bool = False,
    label: str | None = None,
) -> dict[str, Any]:
    """All movements since a block, or since it left the chain; `lastblock` is the hash to ask with the next time."""
    del include_watchonly
    if target_confirmations < 1:
        raise RpcError(INVALID_PARAMETER, "Invalid parameter")
    if label is not None:
        check_label(label)
    wanted = _with_label(label)

    def work(wallet: Wallet) -> dict[str, Any]:
        with node.snapshot() as at, wallet.state.guard:
            height, gone = _branch_point(at, blockhash, include_removed)
            rows = [m for m in _since(wallet, height, include_change) if wanted(m)]
            result: dict[str, Any] = {"transactions": _rows(wallet, rows, at.pool)}
            if include_removed:
                records = [r for txid in gone if (r := wallet.state.history.records.get(txid)) is not None]
                lost = [m for r in records for m in _movements(wallet, r, include_change) if wanted(m)]
                result["removed"] = _rows(wallet, lost, at.pool)
            last = at.view.at(max(0, at.tip.height + 1 - target_confirmations))
            if last is None:
                raise RpcError(INTERNAL_ERROR, "the chain has no such block")
            return result | {"lastblock": display_hex(last.hash)}

    return await on_wallet(wallets, call, work)


def _with_label(label: str | None) -> Callable[[Movement], bool]:
    return lambda one: label is None or (one.category != "send" and (one.label or "") == label)


def _branch_point(at: Snapshot, blockhash: str, bodies: bool) -> tuple[int, list[bytes]]:
    """The height at which a block's branch left the chain (-1: no block named), and the transactions that it left with."""
    if not blockhash:
        return -1, []
    entry = at.view.entry(parse_hash(blockhash, "blockhash"))
    if entry is None:
        raise RpcError(INVALID_ADDRESS_OR_KEY, "Block not found")
    gone: list[bytes] = []
    while not at.view.connected(entry):
        block = at.view.block(entry.hash) if bodies else None
        if bodies and block is None:
            raise RpcError(INTERNAL_ERROR, "Can't read block from disk")
        gone += [tx.id for tx in block.txs] if block is not None else []
        entry = at.view.entries.parent(entry)
    return entry.height, gone


def _since(wallet: Wallet, height: int, change: bool) -> list[Movement]:
    records = sorted(wallet.state.history.records.values(), key=lambda r: r.order)
    found = []
    for record in records:
        lost_at = record.rival.height if record.rival is not None else None
        at = record.place.height if record.place is not None else lost_at
        if at is None or at > height:
            found += _movements(wallet, record, change)
    return found


def _movements(wallet: Wallet, record: Record, change: bool) -> list[Movement]:
    """The movements of a transaction, on request with its change, which counts as sent and as received."""
    state = wallet.state
    found = list(listing.movements(state, record))
    if not change or record.debit == 0 or record.generated:
        return found
    fee = listing.fee_of(record)
    for vout, out in enumerate(record.tx.outputs):
        if state.is_change(out.script):
            address = state.address_of(out.script)
            found.append(Movement("send", address, out.script, -out.value, vout, None, fee, record))
            found.append(Movement("receive", address, out.script, out.value, vout, None, None, record))
    return found


@rpc("abandontransaction", family="wallet", group="wallet")
async def abandon_transaction(wallets: Wallets, call: Call, txid: Hash) -> None:
    """Give up a transaction that is neither mined nor in the mempool, and what builds on it: its coins can be spent again."""

    def work(wallet: Wallet) -> None:
        with wallet.state.guard:
            record = find_record(wallet, txid)
            if record.abandoned:
                return
            if record.place is not None or record.pooled or record.rival is not None:
                raise RpcError(INVALID_ADDRESS_OR_KEY, "Transaction not eligible for abandonment")
            wallet.abandon(txid)

    await on_wallet(wallets, call, work)


# -- what was received -----------------------------------------------------------------------------------------------


@rpc("listreceivedbyaddress", family="wallet", group="wallet")
async def list_received_by_address(
    wallets: Wallets,
    call: Call,
    minconf: int = 1,
    include_empty: bool = False,
    include_watchonly: bool = False,
    address_filter: str = "",
    include_immature_coinbase: bool = False,
) -> list[dict[str, Any]]:
    """What each address of the wallet was paid in all, and by which transactions."""
    del include_watchonly

    def work(wallet: Wallet) -> list[dict[str, Any]]:
        only = None
        if address_filter:
            script = _filter(wallet, address_filter)
            only = wallet.state.address_of(script)
        rows = []
        for address, (label, one) in _tally(wallet, minconf, include_immature_coinbase).items():
            if (one is None and not include_empty) or (only is not None and address != only):
                continue
            rows.append(
                {
                    "address": address,
                    "amount": coins(one.amount if one else 0),
                    "confirmations": one.confirmations if one else 0,
                    "label": label,
                    "txids": [display_hex(txid) for txid in one.txids] if one else [],
                }
            )
        return rows

    return await on_wallet(wallets, call, work)


def _filter(wallet: Wallet, address: str) -> bytes:
    try:
        return script_of(wallet, address)
    except RpcError:
        raise RpcError(WALLET_ERROR, "address_filter parameter was invalid") from None


@rpc("listreceivedbylabel", family="wallet", group="wallet")
async def list_received_by_label(
    wallets: Wallets,
    call: Call,
    minconf: int = 1,
    include_empty: bool = False,
    include_watchonly: bool = False,
    include_immature_coinbase: bool = False,
) -> list[dict[str, Any]]:
    """What the addresses of each label were paid in all."""
    del include_watchonly

    def work(wallet: Wallet) -> list[dict[str, Any]]:
        sums: dict[str, list[int]] = {}
        for label, one in _tally(wallet, minconf, include_immature_coinbase).values():
            if one is None and not include_empty:
                continue
            row = sums.setdefault(label, [0, -1])
            if one is not None:
                row[0] += one.amount
                row[1] = one.confirmations if row[1] < 0 else min(row[1], one.confirmations)
        return [
            {"amount": coins(total), "confirmations": max(0, depth), "label": label}
            for label, (total, depth) in sorted(sums.items())
        ]

    return await on_wallet(wallets, call, work)


def _tally(wallet: Wallet, minconf: int, immature: bool) -> dict[str, tuple[str, listing.Received | None]]:
    """By address that was given out: its label, and what it was paid."""
    state = wallet.state
    with state.guard:
        sums: dict[str, listing.Received] = {}
        for coin in state.history.coins.values():
            address = state.address_of(coin.script)
            if address is None or not counts(wallet, coin.record, minconf, immature):
                continue
            depth, txid = state.history.depth(coin.record), coin.record.tx.id
            old = sums.get(address, listing.Received(address, 0, depth, ()))
            ids = old.txids if txid in old.txids else (*old.txids, txid)
            sums[address] = listing.Received(address, old.amount + coin.value, min(old.confirmations, depth), ids)
        return {address: (label, sums.get(address)) for address, label in listing.addresses(state)}
