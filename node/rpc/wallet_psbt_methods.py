"""The wallet group, partially signed transactions: funded and processed by a wallet.

What needs no wallet is in psbt_methods.py. Source: Bitcoin Core, wallet/rpc/spend.cpp.
"""

from __future__ import annotations

from typing import Any

from node.node import Node
from node.rpc.api import Memory
from node.rpc.dispatch import Call
from node.rpc.errors import INVALID_PARAMETER, RpcError
from node.rpc.params import coins
from node.rpc.psbt_methods import check_hash_types, completed, read_psbt, unsigned_if_contradictory
from node.rpc.registry import rpc
from node.rpc.signing_methods import parse_hash_type
from node.rpc.wallet_access import on_wallet
from node.rpc.wallet_payments import (
    bearers_of,
    check_options,
    fee_in,
    funding,
    names_of,
    payments_of,
    send_options,
    unsigned,
    with_fee,
)
from node.wallets import Wallets
from wallet import psbt_codec
from wallet.vault import locked
from wallet.wallet import Wallet


@rpc("walletcreatefundedpsbt", family="wallet", group="wallet")
async def wallet_create_funded_psbt(
    wallets: Wallets,
    call: Call,
    node: Node,
    memory: Memory,
    inputs: list[Any] | None = None,
    outputs: Any = None,
    locktime: int = 0,
    options: dict[str, Any] | None = None,
    bip32derivs: bool = True,
    version: int | None = None,
) -> dict[str, Any]:
    """A PSBT that pays outputs ({address: amount} or {"data": hex}) from the wallet's coins; nothing is signed or sent.

    Inputs that are named are spent in any case; others are added unless `add_inputs` forbids it.
    """
    given = check_options(options, older=True)
    fee, named = fee_in(given), inputs or []
    bearers = bearers_of(given.get("subtract_fee_from_outputs"), names_of(outputs))

    def work(wallet: Wallet) -> dict[str, Any]:
        tx = unsigned(node, named, outputs, locktime, given.get("replaceable", True) if named else None, version)
        if not tx.outputs:
            raise RpcError(INVALID_PARAMETER, "TX must have at least one output")
        asked = {**given, "locktime": locktime}
        chosen = with_fee(send_options(node, wallet, asked, tx, add_inputs=not named), fee, wallet, memory)
        with funding():
            psbt, made = wallet.create_psbt(payments_of(tx, bearers), chosen, derivations=bip32derivs)
        place = -1 if made.change_at is None else made.change_at
        return {"psbt": psbt_codec.to_base64(psbt), "fee": coins(made.fee), "changepos": place}

    return await on_wallet(wallets, call, work)


@rpc("walletprocesspsbt", family="wallet", group="wallet")
async def wallet_process_psbt(
    wallets: Wallets,
    call: Call,
    psbt: str,
    sign: bool = True,
    sighashtype: str | None = None,
    bip32derivs: bool = True,
    finalize: bool = True,
) -> dict[str, Any]:
    """Tell a PSBT what the wallet knows of it, sign what the wallet can, and finish the inputs that have all they need."""
    found = read_psbt(psbt)
    hash_type = parse_hash_type(sighashtype)
    check_hash_types(found, hash_type)

    def work(wallet: Wallet) -> dict[str, Any]:
        if sign and wallet.is_locked:
            raise locked()
        complete = False
        with unsigned_if_contradictory():
            complete = wallet.process_psbt(
                found, sign=sign, hash_type=hash_type, derivations=bip32derivs, finalize=finalize
            )
        return completed(found, complete)

    return await on_wallet(wallets, call, work)
