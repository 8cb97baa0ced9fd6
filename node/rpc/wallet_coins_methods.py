"""The wallet group, money: balances, unspent coins, coins that are kept from being spent, what an address or a label received."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from node.mempool import PoolView
from node.node import Node
from node.rpc.dispatch import Call
from node.rpc.errors import (
    INVALID_PARAMETER,
    METHOD_DEPRECATED,
    WALLET_ERROR,
    RpcError,
)
from node.rpc.lookup import check_keys
from node.rpc.mempool_methods import closure, parents
from node.rpc.params import MAX_MONEY, coerce, coins, display_hex, expected, parse_amount, parse_hash, shown
from node.rpc.registry import rpc
from node.rpc.wallet_access import check_label, last_processed, on_wallet, script_of
from node.wallets import Wallets
from primitives.bitcoin import outpoint
from wallet import listing
from wallet.listing import CoinView
from wallet.wallet import Wallet

NO_REUSE = 'wallet does not have the "avoid reuse" feature enabled'


# -- balances --------------------------------------------------------------------------------------------------------


@rpc("getbalance", family="wallet", group="wallet")
async def get_balance(
    wallets: Wallets,
    call: Call,
    dummy: str = "*",
    minconf: int = 0,
    include_watchonly: bool = False,
    avoid_reuse: bool = False,
) -> Any:
    """What the wallet can spend: mined `minconf` blocks ago or more, or its own unmined change."""
    if dummy != "*":
        raise RpcError(METHOD_DEPRECATED, 'dummy first argument must be excluded or set to "*".')
    if avoid_reuse:
        raise RpcError(WALLET_ERROR, NO_REUSE)
    del include_watchonly
    return await on_wallet(wallets, call, lambda wallet: coins(wallet.balances(minconf).trusted))


@rpc("getbalances", family="wallet", group="wallet")
async def get_balances(wallets: Wallets, call: Call) -> dict[str, Any]:
    """The wallet's money: to be spent now, not mined and from others, and rewards that have to wait."""

    def work(wallet: Wallet) -> dict[str, Any]:
        sums = wallet.balances()
        mine = {
            "trusted": coins(sums.trusted),
            "untrusted_pending": coins(sums.pending),
            "immature": coins(sums.immature),
        }
        return {"mine": mine, "lastprocessedblock": last_processed(wallet)}

    return await on_wallet(wallets, call, work)


@rpc("getunconfirmedbalance", family="wallet", group="wallet")
async def get_unconfirmed_balance(wallets: Wallets, call: Call) -> Any:
    """What others paid that is not mined yet."""
    return await on_wallet(wallets, call, lambda wallet: coins(wallet.balances().pending))


# -- coins -----------------------------------------------------------------------------------------------------------

_QUERY = ("minimumAmount", "maximumAmount", "minimumSumAmount", "maximumCount", "include_immature_coinbase")


@rpc("listunspent", family="wallet", group="wallet")
async def list_unspent(
    wallets: Wallets,
    call: Call,
    node: Node,
    minconf: int = 1,
    maxconf: int = 9_999_999,
    addresses: list[str] | None = None,
    include_unsafe: bool = True,
    query_options: dict[str, Any] | None = None,
) -> list[dict[str, Any]]:
    """The wallet's unspent coins, of some addresses or of all, that have between `minconf` and `maxconf` confirmations."""
    query = _Query(query_options or {})

    def work(wallet: Wallet) -> list[dict[str, Any]]:
        scripts = _scripts(wallet, addresses) if addresses else None
        found = _unspent(wallet, minconf, maxconf, scripts, include_unsafe, query.immature)
        pool = node.pool.view()
        return [_describe(one, pool) for one in query.choose(found)]

    return await on_wallet(wallets, call, work)


class _Query:
    """Which coins a caller wants, by value and number."""

    def __init__(self, options: dict[str, Any]) -> None:
        check_keys(options, _QUERY)
        self.least = parse_amount(options.get("minimumAmount", 0))
        self.most = parse_amount(options["maximumAmount"]) if "maximumAmount" in options else MAX_MONEY
        self.total = parse_amount(options["minimumSumAmount"]) if "minimumSumAmount" in options else None
        self.count = coerce(options.get("maximumCount", 0), int, "maximumCount")
        self.immature: bool = coerce(options.get("include_immature_coinbase", False), bool, "include_immature_coinbase")

    def choose(self, found: Iterable[CoinView]) -> Iterator[CoinView]:
        """Those that fit, until there are enough."""
        count = total = 0
        for one in found:
            if not self.least <= one.coin.value <= self.most:
                continue
            yield one
            count, total = count + 1, total + one.coin.value
            if (self.total is not None and total >= self.total) or count == self.count > 0:
                return


def _scripts(wallet: Wallet, addresses: list[str]) -> frozenset[bytes]:
    found: set[bytes] = set()
    for address in addresses:
        script = script_of(wallet, address, f"Invalid Bitcoin address: {shown(address)}")
        if script in found:
            raise RpcError(INVALID_PARAMETER, f"Invalid parameter, duplicated address: {address}")
        found.add(script)
    return frozenset(found)


def _unspent(
    wallet: Wallet, minconf: int, maxconf: int, scripts: frozenset[bytes] | None, unsafe: bool, immature: bool
) -> list[CoinView]:
    state = wallet.state
    with state.guard:
        found = listing.coins(state, minconf, maxconf, scripts, unsafe)
        if immature:
            history = state.history
            for coin in history.unspent.values():
                waits = not history.is_mature(coin.record) and minconf <= history.depth(coin.record) <= maxconf
                if waits and (scripts is None or coin.script in scripts):
                    found.append(listing.coin_view(state, coin, True))
        return found


def _describe(one: CoinView, pool: PoolView) -> dict[str, Any]:
    txid = one.coin.outpoint[:32]
    row: dict[str, Any] = {"txid": display_hex(txid), "vout": one.coin.vout}
    if one.address is not None:
        row["address"] = one.address
        if one.label is not None:
            row["label"] = one.label
        if one.redeem:
            row["redeemScript"] = one.redeem.hex()
        if one.witness_script:
            row["witnessScript"] = one.witness_script.hex()
    row |= {
        "scriptPubKey": one.coin.script.hex(),
        "amount": coins(one.coin.value),
        "confirmations": one.confirmations,
    }
    entry = pool.entries.get(txid)
    if entry is not None and not one.confirmations:
        above = [entry, *closure(pool, entry, parents)]
        row |= {
            "ancestorcount": len(above),
            "ancestorsize": sum(e.admission.size for e in above),
            "ancestorfees": sum(e.fee for e in above),
        }
    row |= {"spendable": one.spendable, "solvable": one.solvable}
    if one.solvable:
        row["desc"] = one.descriptor
    return row | {"parent_descs": [one.parent], "safe": one.safe}


@rpc("lockunspent", family="wallet", group="wallet")
async def lock_unspent(
    wallets: Wallets, call: Call, unlock: bool, transactions: list[Any] | None = None, persistent: bool = False
) -> bool:
    """Keep coins from being chosen for payments (`unlock` false), until the wallet closes or for good; or free them, or free all."""

    def work(wallet: Wallet) -> bool:
        if transactions is None:
            if unlock:
                wallet.unfreeze_all()
            return True
        with wallet.state.guard:
            points = [_check_point(wallet, _point(one), unlock, persistent) for one in transactions]
            wallet.freeze(points, not unlock, persistent)
        return True

    return await on_wallet(wallets, call, work)


def _point(value: Any) -> bytes:
    if not isinstance(value, dict):
        raise expected(value, "object")
    check_keys(value, ("txid", "vout"))
    txid = parse_hash(value.get("txid"), "txid")
    vout: int = coerce(value.get("vout"), int, "vout")
    if vout < 0:
        raise RpcError(INVALID_PARAMETER, "Invalid parameter, vout cannot be negative")
    return outpoint(txid, min(vout, 0xFFFFFFFF))


def _check_point(wallet: Wallet, point: bytes, unlock: bool, persistent: bool) -> bytes:
    """The outpoint, if it may be locked or unlocked. Raises RpcError in Core's words."""
    state = wallet.state
    record = state.history.records.get(point[:32])
    if record is None:
        raise RpcError(INVALID_PARAMETER, "Invalid parameter, unknown transaction")
    if int.from_bytes(point[32:], "little") >= len(record.tx.outputs):
        raise RpcError(INVALID_PARAMETER, "Invalid parameter, vout index out of bounds")
    if state.history.is_spent(point) or point not in state.history.coins:
        raise RpcError(INVALID_PARAMETER, "Invalid parameter, expected unspent output")
    held = point in state.frozen or point in state.reserved
    if unlock and not held:
        raise RpcError(INVALID_PARAMETER, "Invalid parameter, expected locked output")
    if not unlock and held and not persistent:
        raise RpcError(INVALID_PARAMETER, "Invalid parameter, output already locked")
    return point


@rpc("listlockunspent", family="wallet", group="wallet")
async def list_lock_unspent(wallets: Wallets, call: Call) -> list[dict[str, Any]]:
    """The coins that are kept from being chosen."""

    def work(wallet: Wallet) -> list[dict[str, Any]]:
        points = wallet.frozen()
        return [{"txid": display_hex(p[:32]), "vout": int.from_bytes(p[32:], "little")} for p in points]

    return await on_wallet(wallets, call, work)


# -- what was received -----------------------------------------------------------------------------------------------


@rpc("getreceivedbyaddress", family="wallet", group="wallet")
async def get_received_by_address(
    wallets: Wallets, call: Call, address: str, minconf: int = 1, include_immature_coinbase: bool = False
) -> Any:
    """All that an address of the wallet was ever paid in transactions with `minconf` confirmations."""

    def work(wallet: Wallet) -> Any:
        script = script_of(wallet, address)
        if wallet.state.sources.owner_of(script) is None:
            raise RpcError(WALLET_ERROR, "Address not found in wallet")
        return coins(_received(wallet, {script}, minconf, include_immature_coinbase))

    return await on_wallet(wallets, call, work)


@rpc("getreceivedbylabel", family="wallet", group="wallet")
async def get_received_by_label(
    wallets: Wallets, call: Call, label: str, minconf: int = 1, include_immature_coinbase: bool = False
) -> Any:
    """All that the wallet's addresses with a label were ever paid in transactions with `minconf` confirmations."""
    check_label(label)

    def work(wallet: Wallet) -> Any:
        named = [address for address, purpose in wallet.addresses().items() if purpose == "receive"]
        state = wallet.state
        scripts = {script for a in named if state.label_of(script := state.script_of(a)) == label}
        if not scripts:
            raise RpcError(WALLET_ERROR, "Label not found in wallet")
        return coins(_received(wallet, scripts, minconf, include_immature_coinbase))

    return await on_wallet(wallets, call, work)


def _received(wallet: Wallet, scripts: set[bytes], minconf: int, immature: bool) -> int:
    """What scripts were paid, spent since or not."""
    state, total = wallet.state, 0
    with state.guard:
        history = state.history
        for coin in history.coins.values():
            if coin.script in scripts and counts(wallet, coin.record, minconf, immature):
                total += coin.value
    return total


def counts(wallet: Wallet, record: Any, minconf: int, immature: bool) -> bool:
    """Whether a payment counts as received: deep enough, not a reward off the chain, and ripe unless unripe ones are wanted."""
    history = wallet.state.history
    depth = history.depth(record)
    if depth < minconf or not record.is_active or (record.generated and depth < 1):
        return False
    return immature or history.is_mature(record)
