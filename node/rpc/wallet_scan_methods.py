"""The wallet group, keeping up with the chain: scans of it from a height on, and payments that the mempool lost."""

from __future__ import annotations

from typing import Any

from node.rpc.dispatch import Call
from node.rpc.errors import INVALID_PARAMETER, MISC_ERROR, WALLET_ERROR, RpcError
from node.rpc.params import display_hex
from node.rpc.registry import rpc
from node.rpc.wallet_access import on_wallet
from node.rpc.wallet_control_methods import SCANNING, scan_progress
from node.wallets import Wallets
from wallet.vault import locked
from wallet.wallet import Wallet


@rpc("rescanblockchain", family="wallet", group="wallet")
async def rescan_blockchain(
    wallets: Wallets, call: Call, start_height: int = 0, stop_height: int | None = None
) -> dict[str, Any]:
    """Look for the wallet's payments again in all blocks from a height on; `getwalletinfo` tells how far that is.

    The scan always ends at the tip, since the wallet follows the chain from there; `stop_height` is only checked.
    """

    def work(wallet: Wallet) -> dict[str, Any]:
        if wallet.info().scanning is not None:
            raise RpcError(WALLET_ERROR, SCANNING)
        if wallet.is_locked:
            raise locked()
        tip = wallets.source.tip().height
        if not 0 <= start_height <= tip:
            raise RpcError(INVALID_PARAMETER, "Invalid start_height")
        if stop_height is not None and not 0 <= stop_height <= tip:
            raise RpcError(INVALID_PARAMETER, "Invalid stop_height")
        if stop_height is not None and stop_height < start_height:
            raise RpcError(INVALID_PARAMETER, "stop_height must be greater than start_height")
        start, reached = wallet.rescan(start_height, scan_progress(wallets, wallet.name))
        if reached < tip:
            raise RpcError(MISC_ERROR, "Rescan aborted.")
        return {"start_height": start, "stop_height": reached}

    return await on_wallet(wallets, call, work)


@rpc("abortrescan", family="wallet", group="wallet")
async def abort_rescan(wallets: Wallets, call: Call) -> bool:
    """Stop a scan that is under way; whether there was one."""
    return await on_wallet(wallets, call, lambda wallet: wallet.abort_rescan())


@rpc("resendwallettransactions", family="wallet", group="hidden")
async def resend_wallet_transactions(wallets: Wallets, call: Call) -> list[str]:
    """Hand over again what is neither mined nor in the mempool; the ids of what was taken."""

    def work(wallet: Wallet) -> list[str]:
        return [display_hex(txid) for txid in wallet.rebroadcast()]

    return await on_wallet(wallets, call, work)
