"""The wallet group, addresses: new ones, what is known of one, labels, and messages signed by their keys."""

from __future__ import annotations

from typing import Any

from node.node import Node
from node.rpc.address_faults import address_fault
from node.rpc.bitcoin_json import address_of
from node.rpc.dispatch import Call
from node.rpc.errors import (
    INVALID_ADDRESS_OR_KEY,
    INVALID_PARAMETER,
    TYPE_ERROR,
    WALLET_ERROR,
    WALLET_INVALID_LABEL_NAME,
    WALLET_KEYPOOL_RAN_OUT,
    RpcError,
)
from node.rpc.params import coins, shown
from node.rpc.registry import rpc
from node.rpc.util_methods import describe_script
from node.rpc.wallet_access import answering, check_label, on_wallet, script_of
from node.wallets import Wallets
from primitives import address as addresses
from primitives.errors import DecodeError
from vm.script.templates import Kind, classify
from wallet import messages
from wallet.address_book import AddressInfo
from wallet.errors import NO_KEY, NOT_FOUND
from wallet.sources import KINDS
from wallet.vault import locked
from wallet.wallet import Wallet

LARGEST_POOL = 100_000
NO_KEYS = "Error: This wallet has no available keys"


def check_kind(kind: str | None, what: str = "address") -> str | None:
    """A kind of address by Core's name. Raises RpcError."""
    if kind is not None and kind not in KINDS:
        raise RpcError(INVALID_ADDRESS_OR_KEY, f"Unknown {what} type '{shown(kind)}'")
    return kind


def _new(wallet: Wallet, kind: str | None, internal: bool, label: str = "") -> str:
    if not any(source.active and source.internal == internal for source in wallet.descriptors()):
        raise RpcError(WALLET_ERROR, NO_KEYS)
    chosen = kind or wallet.state.net.default_kind
    none = RpcError(WALLET_KEYPOOL_RAN_OUT, f"Error: No {chosen} addresses available.")
    with answering({NOT_FOUND: none}):
        return wallet.change_address(chosen) if internal else wallet.new_address(label, chosen)


@rpc("getnewaddress", family="wallet", group="wallet")
async def get_new_address(wallets: Wallets, call: Call, label: str = "", address_type: str | None = None) -> str:
    """An address for one payment, which nobody was told of before: legacy, p2sh-segwit, bech32 or bech32m."""
    check_label(label)
    kind = check_kind(address_type)
    return await on_wallet(wallets, call, lambda wallet: _new(wallet, kind, False, label))


@rpc("getrawchangeaddress", family="wallet", group="wallet")
async def get_raw_change_address(wallets: Wallets, call: Call, address_type: str | None = None) -> str:
    """An address for the change of a transaction that is put together by hand."""
    kind = check_kind(address_type)
    return await on_wallet(wallets, call, lambda wallet: _new(wallet, kind, True))


@rpc("getaddressinfo", family="wallet", group="wallet")
async def get_address_info(wallets: Wallets, call: Call, address: str) -> dict[str, Any]:
    """What the wallet knows of an address: whose it is, its script, its key and where that comes from, its label."""

    def work(wallet: Wallet) -> dict[str, Any]:
        style = wallet.state.net.addresses
        script = script_of(wallet, address, address_fault(address, style)[0])
        shown = wallet.state.address_of(script) or address
        info = wallet.address_info(shown)
        result: dict[str, Any] = {
            "address": shown,
            "scriptPubKey": script.hex(),
            "ismine": info.is_mine,
            "solvable": info.solvable,
        }
        if info.solvable and info.descriptor is not None:
            result["desc"] = info.descriptor
        if info.parent is not None:
            result["parent_desc"] = info.parent
        result |= {"iswatchonly": False, **describe_script(script), **_inside(wallet, info)}
        result["ischange"] = info.is_change
        if info.is_mine:
            result["timestamp"] = info.created
        if info.path is not None and info.fingerprint is not None:
            result |= {
                "hdkeypath": info.path,
                "hdseedid": "0" * 40,
                "hdmasterfingerprint": info.fingerprint.hex(),
            }
        return result | {"labels": list(info.labels)}

    return await on_wallet(wallets, call, work)


def _inside(wallet: Wallet, info: AddressInfo) -> dict[str, Any]:
    """What is behind the hash of an address of ours."""
    style = wallet.state.net.addresses
    script = info.redeem or info.witness_script
    if script:
        return _script_inside(script, info, style)
    if info.public_key is None or classify(info.script).kind is Kind.WITNESS_V1_TAPROOT:
        return {}
    result: dict[str, Any] = {"pubkey": info.public_key.hex()}
    if classify(info.script).kind is Kind.PUBKEYHASH:
        result["iscompressed"] = len(info.public_key) == 33
    return result


def _script_inside(script: bytes, info: AddressInfo, style: Any) -> dict[str, Any]:
    found = classify(script)
    result: dict[str, Any] = {"script": found.kind.value, "hex": script.hex()}
    if found.kind is Kind.MULTISIG:
        return result | {"sigsrequired": found.number, "pubkeys": [key.hex() for key in found.items]}
    address = address_of(script, style)
    if address is None:
        return result
    embedded: dict[str, Any] = {**describe_script(script), "address": address, "scriptPubKey": script.hex()}
    if found.kind is Kind.WITNESS_V0_SCRIPTHASH and info.witness_script:
        embedded |= _script_inside(info.witness_script, info, style)
    elif info.public_key is not None:
        embedded["pubkey"] = info.public_key.hex()
        result["pubkey"] = info.public_key.hex()
    return result | {"embedded": embedded}


# -- labels ----------------------------------------------------------------------------------------------------------


@rpc("setlabel", family="wallet", group="wallet")
async def set_label(wallets: Wallets, call: Call, address: str, label: str) -> None:
    """Name an address, the wallet's or another's."""

    def work(wallet: Wallet) -> None:
        script = script_of(wallet, address)
        wallet.set_label(wallet.state.address_of(script) or address, check_label(label))

    await on_wallet(wallets, call, work)


@rpc("listlabels", family="wallet", group="wallet")
async def list_labels(wallets: Wallets, call: Call, purpose: str = "") -> list[str]:
    """All labels, or those of addresses to receive on ("receive"), or to send to ("send")."""
    if purpose not in ("", "send", "receive", "refund"):
        raise RpcError(
            INVALID_PARAMETER,
            "Invalid 'purpose' argument, must be a known purpose string, typically 'send', or 'receive'.",
        )
    return await on_wallet(wallets, call, lambda wallet: wallet.labels(purpose or None))


@rpc("getaddressesbylabel", family="wallet", group="wallet")
async def get_addresses_by_label(wallets: Wallets, call: Call, label: str) -> dict[str, Any]:
    """The addresses with a label, and whether they are to receive on or to send to."""

    def work(wallet: Wallet) -> dict[str, Any]:
        none = RpcError(WALLET_INVALID_LABEL_NAME, f"No addresses with label {label}")
        with answering({NOT_FOUND: none}):
            return {address: {"purpose": purpose} for address, purpose in wallet.addresses(check_label(label)).items()}

    return await on_wallet(wallets, call, work)


@rpc("listaddressgroupings", family="wallet", group="wallet")
async def list_address_groupings(wallets: Wallets, call: Call) -> list[Any]:
    """Addresses that anybody can tell belong together, since one transaction spent from them, with what each holds."""
    return await on_wallet(wallets, call, _groupings)


def _groupings(wallet: Wallet) -> list[Any]:
    state = wallet.state
    with state.guard:
        group: dict[bytes, bytes] = {}

        def top(script: bytes) -> bytes:
            while group.setdefault(script, script) != script:
                group[script] = script = group[group[script]]
            return script

        held: dict[bytes, int] = {}
        for coin in state.history.coins.values():
            if coin.record.is_active:
                top(coin.script)
        for coin in state.history.unspent.values():
            if coin.record.place is not None and state.history.is_mature(coin.record):
                held[coin.script] = held.get(coin.script, 0) + coin.value
        for record in state.history.records.values():
            spent = [
                state.history.coins[i.outpoint].script for i in record.tx.inputs if i.outpoint in state.history.coins
            ]
            if spent and record.is_active:
                change = [out.script for out in record.tx.outputs if state.is_change(out.script)]
                for script in (*spent[1:], *change):
                    group[top(script)] = top(spent[0])
        rows: dict[bytes, list[Any]] = {}
        for script in group:
            address, label = state.address_of(script), state.label_of(script)
            if address is not None:
                row = [address, coins(held.get(script, 0))]
                rows.setdefault(top(script), []).append(row if label is None else [*row, label])
        return list(rows.values())


# -- keys ------------------------------------------------------------------------------------------------------------


@rpc("keypoolrefill", family="wallet", group="wallet")
async def keypool_refill(wallets: Wallets, call: Call, newsize: int = 0) -> None:
    """Watch so many addresses ahead of those given out (0: as many as the wallet always does)."""
    if newsize < 0:
        raise RpcError(INVALID_PARAMETER, "Invalid parameter, expected valid size.")
    if newsize > LARGEST_POOL:
        raise RpcError(INVALID_PARAMETER, f"Invalid parameter, no more than {LARGEST_POOL} addresses are kept ready.")

    def work(wallet: Wallet) -> None:
        if wallet.is_locked:
            raise locked()
        state = wallet.state
        with state.guard:
            for source in state.sources:
                if source.active:
                    state.sources.top_up(source, source.next + (newsize or state.sources.gap))
            state.history.adopt()
            state.save()

    await on_wallet(wallets, call, work)


@rpc("signmessage", family="wallet", group="wallet")
async def sign_message(wallets: Wallets, call: Call, address: str, message: str) -> str:
    """Sign a message with the key of a legacy address of the wallet; `verifymessage` checks it."""

    def work(wallet: Wallet) -> str:
        if classify(script_of(wallet, address, "Invalid address")).kind is not Kind.PUBKEYHASH:
            raise RpcError(TYPE_ERROR, "Address does not refer to key")
        return _sign(wallet, address, message, bip322=False)

    return await on_wallet(wallets, call, work)


def _sign(wallet: Wallet, address: str, message: str, bip322: bool) -> str:
    if wallet.is_locked:
        raise locked()
    with answering({NO_KEY: RpcError(INVALID_ADDRESS_OR_KEY, "Private key not available")}):
        return wallet.sign_message(address, message, bip322)


@rpc("signmessagebip322", family="wallet", group="wallet")
async def sign_message_bip322(wallets: Wallets, call: Call, address: str, message: str) -> str:
    """Sign a message for any address of the wallet in the form of BIP322; `verifymessagebip322` checks it."""

    def work(wallet: Wallet) -> str:
        script_of(wallet, address, "Invalid address")
        return _sign(wallet, address, message, bip322=True)

    return await on_wallet(wallets, call, work)


@rpc("verifymessagebip322", family="wallet", group="util")
def verify_message_bip322(node: Node, address: str, signature: str, message: str) -> bool:
    """Whether the owner of any address signed a message, in the form of BIP322."""
    try:
        script = addresses.decode(address, node.spec.addresses)
    except DecodeError:
        raise RpcError(INVALID_ADDRESS_OR_KEY, "Invalid address") from None
    try:
        return messages.verify_bip322(message.encode(), signature, script)
    except DecodeError:
        raise RpcError(TYPE_ERROR, "Malformed base64 encoding") from None
