"""The wallet group, keys: descriptors in and out, the mnemonic, single keys, and what Core says to calls of the older kind of wallet.

Secrets leave here in answers that were asked for by name, and never in an error or a log line.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from node.node import Node, Snapshot
from node.rpc.descriptor_use import parse_all, parse_range
from node.rpc.dispatch import Call
from node.rpc.errors import (
    INVALID_ADDRESS_OR_KEY,
    INVALID_PARAMETER,
    TYPE_ERROR,
    WALLET_ERROR,
    RpcError,
)
from node.rpc.params import coerce, expected, json_name
from node.rpc.registry import rpc
from node.rpc.translate import of_wallet
from node.rpc.wallet_access import answering, check_label, on_wallet, script_of
from node.rpc.wallet_control_methods import SCANNING, scan_progress
from node.wallets import Wallets
from primitives import address as addresses
from wallet.descriptors import Descriptor
from wallet.errors import NO_KEY, WalletError
from wallet.sources import Source
from wallet.vault import locked
from wallet.wallet import Wallet

TIMESTAMP_WINDOW = 2 * 60 * 60
"""Seconds by which a block's time may differ from the clock: a scan begins so much earlier."""
LEGACY = "Only legacy wallets are supported by this command"
_LEGACY_METHODS = (
    "addmultisigaddress", "dumpprivkey", "dumpwallet", "importaddress", "importmulti", "importprivkey", "importpubkey", "importwallet",
    "newkeypool", "sethdseed",
)  # fmt: skip
_REQUEST = ("desc", "active", "range", "next_index", "timestamp", "internal", "label")


# -- in --------------------------------------------------------------------------------------------------------------


@rpc("importdescriptors", family="wallet", group="wallet")
async def import_descriptors(wallets: Wallets, call: Call, node: Node, requests: list[Any]) -> list[dict[str, Any]]:
    """Watch descriptors, keep their private keys, and look for what they were paid since the earliest of their timestamps."""

    def work(wallet: Wallet) -> list[dict[str, Any]]:
        if wallet.info().scanning is not None:
            raise RpcError(WALLET_ERROR, SCANNING)
        if wallet.is_locked:
            raise locked()
        with node.snapshot() as at:
            now = at.branch.median_time()
        times = [_timestamp(one, now) for one in requests]
        rows = [_import(wallet, one, time) for one, time in zip(requests, times, strict=True)]
        done = [time for time, row in zip(times, rows, strict=True) if row["success"]]
        if done:
            start = _first_height(node, min(done) - TIMESTAMP_WINDOW)
            if start <= wallets.source.tip().height:
                wallet.rescan(start, scan_progress(wallets, wallet.name))
        return rows

    return await on_wallet(wallets, call, work)


def _timestamp(request: Any, now: int) -> int:
    if not isinstance(request, dict):
        raise expected(request, "object")
    if "timestamp" not in request:
        raise RpcError(TYPE_ERROR, "Missing required timestamp field for key")
    value = request["timestamp"]
    if value == "now":
        return now
    if isinstance(value, int | float) and not isinstance(value, bool):
        time: int = coerce(value, int, "timestamp")
        return max(1, time)
    wrong = f'Expected number or "now" timestamp value for key. got type {json_name(value)}'
    raise RpcError(TYPE_ERROR, wrong)


def _first_height(node: Node, time: int) -> int:
    """The first height whose block, or one below it, is as late as this; one above the tip where there is none."""
    with node.snapshot() as at:
        low, high = 0, at.tip.height + 1
        while low < high:
            middle = (low + high) // 2
            if _latest(at, middle) >= time:
                high = middle
            else:
                low = middle + 1
        return low


def _latest(at: Snapshot, height: int) -> int:
    """The latest time of a block and the ten below it: it falls by less than the window above, so one can search by it."""
    return max(int(at.branch.at(h).header.timestamp) for h in range(max(0, height - 10), height + 1))


def _import(wallet: Wallet, request: dict[str, Any], time: int) -> dict[str, Any]:
    """One request; what is wrong with it is part of the answer, not an error of the call."""
    warnings: list[str] = []
    try:
        _take(wallet, request, time, warnings)
        row: dict[str, Any] = {"success": True}
    except RpcError as e:
        row = {"success": False, "error": {"code": e.code, "message": e.message}}
    except WalletError as e:
        known = of_wallet(e)
        row = {"success": False, "error": {"code": known.code, "message": known.message}}
    return row | ({"warnings": warnings} if warnings else {})


def _take(wallet: Wallet, request: dict[str, Any], time: int, warnings: list[str]) -> None:
    for name in request:
        if name not in _REQUEST:
            raise RpcError(TYPE_ERROR, f"Unexpected key {name}")
    if "desc" not in request:
        raise RpcError(INVALID_PARAMETER, "Descriptor not found.")
    text: str = coerce(request["desc"], str, "desc")
    active: bool = coerce(request.get("active", False), bool, "active")
    label: str | None = check_label(coerce(request["label"], str, "label")) if "label" in request else None
    found = parse_all(text, wallet.state.net.addresses, checksum_required=True)
    internal: bool | None = coerce(request["internal"], bool, "internal") if "internal" in request else None
    end, following = _range(wallet, found[0], request, warnings)
    _check_request(wallet, found, active, internal, label)
    style = wallet.state.net.addresses
    for place, one in enumerate(found):
        way = place == 1 if len(found) == 2 else bool(internal)
        desc = one.text(style, private=one.has_private)
        wallet.import_descriptor(desc, active=active, internal=way, label=label, first=following, end=end, born=time)


def _range(wallet: Wallet, found: Descriptor, request: dict[str, Any], warnings: list[str]) -> tuple[int | None, int]:
    """The end, and the next index to give out."""
    if not found.is_range:
        if "range" in request:
            raise RpcError(INVALID_PARAMETER, "Range should not be specified for an un-ranged descriptor")
        return None, 0
    if "range" in request:
        low, last = parse_range(request["range"])
        end = last + 1
    else:
        warnings.append("Range not given, using default keypool range")
        low, end = 0, wallet.state.sources.gap
    following = low
    if "next_index" in request:
        following = coerce(request["next_index"], int, "next_index")
        if not low <= following < end:
            raise RpcError(INVALID_PARAMETER, "next_index is out of range")
    return end, following


def _check_request(
    wallet: Wallet, found: list[Descriptor], active: bool, internal: bool | None, label: str | None
) -> None:
    """Raises RpcError as Core's ProcessDescriptorImport."""
    first, private = found[0], any(one.has_private for one in found)
    if len(found) > 1 and internal is not None:
        wrong = "Cannot have multipath descriptor while also specifying 'internal'"
        raise RpcError(INVALID_ADDRESS_OR_KEY, wrong)
    if active and not first.is_range:
        raise RpcError(INVALID_PARAMETER, "Active descriptors must be ranged")
    if label is not None and len(found) > 1:
        raise RpcError(INVALID_PARAMETER, "Multipath descriptors should not have a label")
    if label is not None and first.is_range:
        raise RpcError(INVALID_PARAMETER, "Ranged descriptors should not have a label")
    if label is not None and internal:
        raise RpcError(INVALID_PARAMETER, "Internal addresses should not have a label")
    if active and first.kind == "combo":
        raise RpcError(WALLET_ERROR, "Combo descriptors cannot be set to active")
    keys = wallet.info().private_keys
    if private and not keys:
        raise RpcError(WALLET_ERROR, "Cannot import private keys to a wallet with private keys disabled")
    if keys and not private:
        wrong = "Cannot import descriptor without private keys to a wallet with private keys enabled"
        raise RpcError(WALLET_ERROR, wrong)


# -- out -------------------------------------------------------------------------------------------------------------


@rpc("listdescriptors", family="wallet", group="wallet")
async def list_descriptors(wallets: Wallets, call: Call, private: bool = False) -> dict[str, Any]:
    """The descriptors that the wallet watches; with `private`, their private keys too."""

    def work(wallet: Wallet) -> dict[str, Any]:
        if private and not wallet.info().private_keys:
            raise RpcError(WALLET_ERROR, "Can't get private descriptor string for watch-only wallets")
        if private and wallet.is_locked:
            raise locked()
        rows = [_listed(wallet, source, private) for source in wallet.descriptors()]
        return {"wallet_name": wallet.name, "descriptors": sorted(rows, key=lambda row: str(row["desc"]))}

    return await on_wallet(wallets, call, work)


def _listed(wallet: Wallet, source: Source, private: bool) -> dict[str, Any]:
    row: dict[str, Any] = {
        "desc": wallet.export_descriptor(source) if private else source.text,
        "timestamp": source.born,
        "active": source.active,
    }
    if source.active:
        row["internal"] = source.internal
    if source.is_range:
        row |= {"range": [0, source.end - 1], "next": source.next, "next_index": source.next}
    return row


@rpc("getmnemonic", family="wallet", group="wallet")
async def get_mnemonic(wallets: Wallets, call: Call) -> str:
    """The words that the wallet was made from: who has them has its money."""
    return await on_wallet(wallets, call, lambda wallet: wallet.export_phrase())


@rpc("exportprivkey", family="wallet", group="wallet")
async def export_privkey(wallets: Wallets, call: Call, address: str) -> str:
    """The private key of one address of the wallet, in wallet import format."""

    def work(wallet: Wallet) -> str:
        script_of(wallet, address)
        if wallet.is_locked:
            raise locked()
        none = RpcError(INVALID_ADDRESS_OR_KEY, f"Private key for address {address} is not known")
        with answering({NO_KEY: none}):
            secret, compressed = wallet.secret_of(address)
        return addresses.wif_encode(secret, compressed, wallet.state.net.addresses)

    return await on_wallet(wallets, call, work)


# -- the older kind of wallet ----------------------------------------------------------------------------------------


def _refuse_legacy(name: str) -> Callable[..., Any]:
    async def refuse(wallets: Wallets, call: Call, a: Any = None, b: Any = None, c: Any = None, d: Any = None) -> None:
        del a, b, c, d
        await on_wallet(wallets, call, lambda _wallet: None)
        raise RpcError(WALLET_ERROR, LEGACY)

    refuse.__doc__ = "Is for wallets of the older kind, which are not made here: importdescriptors and listdescriptors take its place."
    refuse.__name__ = name
    return refuse


for _name in _LEGACY_METHODS:
    rpc(_name, family="wallet", group="hidden")(_refuse_legacy(_name))
