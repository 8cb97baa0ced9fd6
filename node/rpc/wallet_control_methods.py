"""The wallet group, wallets as a whole: make, load, unload, list, back up and restore them, and what one is like."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from node.progress import Progress
from node.rpc.api import Memory
from node.rpc.dispatch import Call
from node.rpc.errors import (
    INVALID_PARAMETER,
    WALLET_ALREADY_EXISTS,
    WALLET_ALREADY_LOADED,
    WALLET_ENCRYPTION_FAILED,
    WALLET_ERROR,
    WALLET_NOT_FOUND,
    RpcError,
)
from node.rpc.params import coins
from node.rpc.registry import rpc
from node.rpc.wallet_access import NOT_LOADED, answering, last_processed, on_wallet
from node.wallets import Wallets
from primitives.errors import DecodeError
from wallet.errors import EXISTS, NOT_FOUND
from wallet.file import WALLET_FILE
from wallet.wallet import Wallet

VERSION = 169900
"""What Core calls the version of a descriptor wallet."""
SCANNING = "Wallet is currently rescanning. Abort existing rescan or wait."


def scan_progress(wallets: Wallets, name: str) -> Any:
    """Lines in the log while a wallet is brought into step with the chain."""
    show = Progress(wallets.env.monotonic, quiet=True)
    return lambda at, of: show(f"scanning wallet {name!r}", at, of)


def _remember(wallets: Wallets, name: str, load_on_startup: bool | None) -> None:
    if load_on_startup is not None:
        wallets.remember(name, load_on_startup)


@rpc("createwallet", family="wallet", group="wallet")
async def create_wallet(
    wallets: Wallets,
    wallet_name: str,
    disable_private_keys: bool = False,
    blank: bool = False,
    passphrase: str | None = None,
    avoid_reuse: bool = False,
    descriptors: bool = True,
    load_on_startup: bool | None = None,
    external_signer: bool = False,
    mnemonic: str | None = None,
    mnemonic_passphrase: str = "",
    start_height: int | None = None,
) -> dict[str, Any]:
    """Make a wallet and load it: of a new mnemonic, or of the one given, whose payments are then looked for from `start_height` on.

    With a passphrase its secrets are encrypted from the start.
    """
    if not descriptors:
        wrong = 'descriptors argument must be set to "true"; it is no longer possible to create a legacy wallet.'
        raise RpcError(WALLET_ERROR, wrong)
    if external_signer:
        raise RpcError(WALLET_ERROR, "Compiled without external signing support (required for external signing)")
    if avoid_reuse:
        raise RpcError(WALLET_ERROR, "avoid_reuse is not supported: each payment gets a fresh address")
    if passphrase and disable_private_keys:
        wrong = (
            "Passphrase provided but private keys are disabled. A passphrase is only used to encrypt private keys, "
            "so cannot be used for wallets with private keys disabled."
        )
        raise RpcError(WALLET_ENCRYPTION_FAILED, wrong)
    if mnemonic is not None and (blank or disable_private_keys):
        raise RpcError(INVALID_PARAMETER, "A wallet with a mnemonic has private keys and is not blank")
    if start_height is not None and not 0 <= start_height <= wallets.node.chain.tip.height:
        raise RpcError(INVALID_PARAMETER, "Invalid start_height")
    warnings = []
    if passphrase == "":
        warnings.append("Empty string given as passphrase, wallet will not be encrypted.")

    def work() -> None:
        exists = RpcError(
            WALLET_ERROR,
            f"Wallet file verification failed. Failed to create database path '{wallets.path(wallet_name)}'. Database already exists.",
        )
        try:
            with answering({EXISTS: exists}):
                wallets.create(
                    wallet_name,
                    passphrase=passphrase or "",
                    phrase=mnemonic,
                    phrase_passphrase=mnemonic_passphrase,
                    private_keys=not disable_private_keys,
                    blank=blank,
                    scan_from=start_height,
                )
        except DecodeError as e:
            raise RpcError(INVALID_PARAMETER, f"The mnemonic is none: {e}") from None
        _remember(wallets, wallet_name, load_on_startup)

    await wallets.env.on_worker(work)
    return _named(wallet_name, warnings)


def _named(name: str, warnings: list[str]) -> dict[str, Any]:
    return {"name": name, **({"warnings": warnings} if warnings else {})}


@rpc("loadwallet", family="wallet", group="wallet")
async def load_wallet(wallets: Wallets, filename: str, load_on_startup: bool | None = None) -> dict[str, Any]:
    """Open a wallet of this node's directory and bring it into step with the chain."""
    if wallets.get(filename) is not None:
        raise RpcError(WALLET_ALREADY_LOADED, f'Wallet "{filename}" is already loaded.')

    def work() -> None:
        missing = f"Wallet file verification failed. Failed to load database path '{filename}'. Path does not exist."
        with answering({NOT_FOUND: RpcError(WALLET_NOT_FOUND, missing)}):
            wallets.load(filename, scan_progress(wallets, filename))
        _remember(wallets, filename, load_on_startup)

    await wallets.env.on_worker(work)
    return _named(filename, [])


@rpc("unloadwallet", family="wallet", group="wallet")
async def unload_wallet(
    wallets: Wallets, call: Call, wallet_name: str | None = None, load_on_startup: bool | None = None
) -> dict[str, Any]:
    """Write and close a wallet: that of the request's path, or the one named."""
    if call.wallet is not None and wallet_name not in (None, call.wallet):
        wrong = "The RPC endpoint wallet and the wallet name parameter specify different wallets"
        raise RpcError(INVALID_PARAMETER, wrong)
    name = call.wallet if call.wallet is not None else wallet_name
    if name is None:
        wrong = "Either the RPC endpoint wallet or the wallet name parameter must be provided"
        raise RpcError(INVALID_PARAMETER, wrong)
    wallet = wallets.get(name)
    if wallet is None:
        raise RpcError(WALLET_NOT_FOUND, NOT_LOADED)
    if wallet.info().scanning is not None:
        raise RpcError(WALLET_ERROR, SCANNING)

    def work() -> None:
        wallets.unload(name)
        _remember(wallets, name, load_on_startup)

    await wallets.env.on_worker(work)
    return {}


@rpc("listwallets", family="wallet", group="wallet")
def list_wallets(wallets: Wallets) -> list[str]:
    """The names of the loaded wallets."""
    return list(wallets.loaded)


@rpc("listwalletdir", family="wallet", group="wallet")
async def list_wallet_dir(wallets: Wallets) -> dict[str, Any]:
    """The wallets in this node's directory, loaded or not."""
    names = await wallets.env.on_worker(wallets.names)
    return {"wallets": [{"name": name, "warnings": []} for name in names]}


@rpc("getwalletinfo", family="wallet", group="wallet")
async def get_wallet_info(wallets: Wallets, call: Call, memory: Memory) -> dict[str, Any]:
    """What a wallet holds and how it is: balances, keys ready, locked or not, whether it is scanning."""

    def work(wallet: Wallet) -> dict[str, Any]:
        info, sums = wallet.info(), wallet.balances()
        result: dict[str, Any] = {
            "walletname": wallet.name,
            "walletversion": VERSION,
            "format": "json",
            "balance": coins(sums.trusted),
            "unconfirmed_balance": coins(sums.pending),
            "immature_balance": coins(sums.immature),
            "txcount": info.tx_count,
            "keypoolsize": info.keypool,
            "keypoolsize_hd_internal": info.keypool_internal,
        }
        if info.unlocked_for is not None:
            result["unlocked_until"] = wallets.env.now() + int(info.unlocked_for) if info.unlocked_for else 0
        scanning: Any = False
        if info.scanning is not None:
            began = wallet.scanner.began
            scanning = {"duration": int(wallets.env.monotonic() - began), "progress": info.scanning}
        return result | {
            "paytxfee": coins(memory.pay_rates.get(wallet.name, 0)),
            "private_keys_enabled": info.private_keys,
            "avoid_reuse": False,
            "scanning": scanning,
            "descriptors": True,
            "external_signer": False,
            "blank": not wallet.descriptors(),
            "birthtime": info.created,
            "flags": ["last_hardened_xpub_cached", "descriptor_wallet"]
            + ([] if info.private_keys else ["disable_private_keys"]),
            "lastprocessedblock": last_processed(wallet),
        }

    return await on_wallet(wallets, call, work)


@rpc("backupwallet", family="wallet", group="wallet")
async def backup_wallet(wallets: Wallets, call: Call, destination: str) -> None:
    """Copy the wallet file to a file, or into a directory; what it lacks the chain tells again."""

    def work(wallet: Wallet) -> None:
        if "\0" in destination:
            raise RpcError(WALLET_ERROR, "Error: Wallet backup failed!")
        target = Path(destination).expanduser()
        if target.is_dir():
            target = target / f"{wallet.name or 'wallet'}.json"
        if _same(target, wallet.state.folder / WALLET_FILE):
            raise RpcError(WALLET_ERROR, "Error: Wallet backup failed!")
        try:
            wallet.backup(target)
        except OSError as e:
            raise RpcError(WALLET_ERROR, f"Error: Wallet backup failed! {e.strerror or ''}".rstrip()) from None

    await on_wallet(wallets, call, work)


def _same(one: Path, other: Path) -> bool:
    return os.path.realpath(one) == os.path.realpath(other)


@rpc("restorewallet", family="wallet", group="wallet")
async def restore_wallet(
    wallets: Wallets, wallet_name: str, backup_file: str, load_on_startup: bool | None = None
) -> dict[str, Any]:
    """Make a wallet of a backup, load it, and look for its payments in the whole chain."""
    disk = wallets.env.disk

    def work() -> None:
        source, target = Path(backup_file).expanduser(), wallets.path(wallet_name) / WALLET_FILE
        try:
            data = disk.read(source)
        except (OSError, ValueError):
            data = None
        if data is None:
            raise RpcError(INVALID_PARAMETER, "Backup file does not exist")
        if disk.read(target) is not None:
            wrong = f"Failed to create database path '{target.parent}'. Database already exists."
            raise RpcError(WALLET_ALREADY_EXISTS, wrong)
        disk.write(target, data)
        try:
            wallets.load(wallet_name, scan_progress(wallets, wallet_name))
        except BaseException:
            if wallets.get(wallet_name) is None:
                disk.remove(target)
            raise
        _remember(wallets, wallet_name, load_on_startup)

    await wallets.env.on_worker(work)
    return _named(wallet_name, [])
