"""The wallet group, passphrases: encrypt, unlock for a time, lock, change. No passphrase ever comes back in an answer."""

from __future__ import annotations

from node.rpc.dispatch import Call
from node.rpc.errors import (
    INVALID_PARAMETER,
    WALLET_ENCRYPTION_FAILED,
    WALLET_ERROR,
    WALLET_WRONG_ENC_STATE,
    RpcError,
)
from node.rpc.registry import rpc
from node.rpc.wallet_access import on_wallet
from node.wallets import Wallets
from wallet.wallet import Wallet

LONGEST = 100_000_000
"""Seconds for which a wallet may be unlocked; more is cut down to it."""
EMPTY = "passphrase cannot be empty"
ENCRYPTED = (
    "wallet encrypted; The seed is the same as before, so older backups can still spend, and they are not encrypted: "
    "make a new backup and destroy the old ones."
)


def _wants_encrypted(wallet: Wallet, method: str) -> None:
    if not wallet.is_encrypted:
        raise RpcError(WALLET_WRONG_ENC_STATE, f"Error: running with an unencrypted wallet, but {method} was called.")


def _no_scan(wallet: Wallet, what: str) -> None:
    if wallet.info().scanning is not None:
        raise RpcError(
            WALLET_ERROR,
            "Error: the wallet is currently being used to rescan the blockchain for related transactions. "
            f"Please call `abortrescan` before {what}.",
        )


@rpc("encryptwallet", family="wallet", group="wallet")
async def encrypt_wallet(wallets: Wallets, call: Call, passphrase: str) -> str:
    """Encrypt a wallet's secrets with a passphrase, for the first time; it is locked afterwards."""

    def work(wallet: Wallet) -> str:
        if not wallet.info().private_keys:
            raise RpcError(WALLET_ENCRYPTION_FAILED, "Error: wallet does not contain private keys, nothing to encrypt.")
        if wallet.is_encrypted:
            raise RpcError(
                WALLET_WRONG_ENC_STATE, "Error: running with an encrypted wallet, but encryptwallet was called."
            )
        _no_scan(wallet, "encrypting the wallet")
        if not passphrase:
            raise RpcError(INVALID_PARAMETER, EMPTY)
        wallet.encrypt(passphrase)
        return ENCRYPTED

    return await on_wallet(wallets, call, work)


@rpc("walletpassphrase", family="wallet", group="wallet")
async def wallet_passphrase(wallets: Wallets, call: Call, passphrase: str, timeout: int) -> None:
    """Unlock a wallet for so many seconds; a later call replaces the time of the one before."""

    def work(wallet: Wallet) -> None:
        _wants_encrypted(wallet, "walletpassphrase")
        if timeout < 0:
            raise RpcError(INVALID_PARAMETER, "Timeout cannot be negative.")
        if not passphrase:
            raise RpcError(INVALID_PARAMETER, EMPTY)
        wallet.unlock(passphrase, min(timeout, LONGEST))

    await on_wallet(wallets, call, work)


@rpc("walletpassphrasechange", family="wallet", group="wallet")
async def wallet_passphrase_change(wallets: Wallets, call: Call, oldpassphrase: str, newpassphrase: str) -> None:
    """Put another passphrase in the place of the present one."""

    def work(wallet: Wallet) -> None:
        _wants_encrypted(wallet, "walletpassphrasechange")
        _no_scan(wallet, "changing the passphrase")
        if not oldpassphrase or not newpassphrase:
            raise RpcError(INVALID_PARAMETER, EMPTY)
        wallet.change_passphrase(oldpassphrase, newpassphrase)

    await on_wallet(wallets, call, work)


@rpc("walletlock", family="wallet", group="wallet")
async def wallet_lock(wallets: Wallets, call: Call) -> None:
    """Forget the key that opens the wallet's secrets."""

    def work(wallet: Wallet) -> None:
        _wants_encrypted(wallet, "walletlock")
        wallet.lock()

    await on_wallet(wallets, call, work)
