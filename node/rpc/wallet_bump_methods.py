"""The wallet group, higher fees: replacements, signed or as a PSBT, and children that pay for their parents.

Source: Bitcoin Core, wallet/rpc/spend.cpp (bumpfee_helper) and wallet/feebumper.cpp.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from node.node import Node
from node.rpc.api import Memory
from node.rpc.dispatch import Call
from node.rpc.errors import INVALID_PARAMETER, WALLET_ERROR, RpcError
from node.rpc.lookup import check_keys
from node.rpc.mempool_methods import closure, parents
from node.rpc.params import Hash, coerce, coins, display_hex
from node.rpc.registry import rpc
from node.rpc.wallet_access import answering, on_wallet
from node.rpc.wallet_history_methods import find_record
from node.rpc.wallet_payments import Fee, fee_of, funding, payments_of, unsigned, with_fee
from node.wallets import Wallets
from primitives.bitcoin import outpoint
from wallet import psbt_codec, psbt_roles, wallet_psbt
from wallet.bumping import Bumped
from wallet.errors import BAD_PARAMETER, INSUFFICIENT, WalletError
from wallet.history import Record
from wallet.spend_utxo import REPLACEABLE, Payment
from wallet.spending import SendOptions
from wallet.vault import locked
from wallet.wallet import Wallet

_BUMP = ("confTarget", "conf_target", "fee_rate", "replaceable", "estimate_mode", "outputs", "original_change_index")
_BOTH = (
    'The options "outputs" and "original_change_index" are incompatible. You can only either specify a new set of outputs, '
    "or designate a change output to be recycled."
)
UNABLE = "Unable to create transaction. Insufficient funds"


@dataclass(frozen=True, slots=True)
class Bump:
    """What the options object of a bump says."""

    options: SendOptions
    fee: Fee
    outputs: tuple[Payment, ...] = ()
    change_at: int | None = None


def bump_options(node: Node, options: dict[str, Any] | None, names: tuple[str, ...] = _BUMP) -> Bump:
    """What the options object of a bump says. Raises RpcError."""
    given = {name: value for name, value in (options or {}).items() if value is not None}
    check_keys(given, names)
    if "confTarget" in given:
        if "conf_target" in given:
            wrong = (
                "confTarget and conf_target options should not both be set. Use conf_target (confTarget is deprecated)."
            )
            raise RpcError(INVALID_PARAMETER, wrong)
        given["conf_target"] = given.pop("confTarget")
    target = given.get("conf_target")
    mode = given.get("estimate_mode")
    fee = fee_of(
        None if target is None else coerce(target, int, "conf_target"),
        None if mode is None else coerce(mode, str, "estimate_mode"),
        given.get("fee_rate"),
    )
    asked = SendOptions(replaceable=coerce(given.get("replaceable", True), bool, "replaceable"))
    if "outputs" not in given:
        place = given.get("original_change_index")
        return Bump(asked, fee, (), None if place is None else coerce(place, int, "original_change_index"))
    if "original_change_index" in given:
        raise RpcError(INVALID_PARAMETER, _BOTH)
    outputs = coerce(given["outputs"], list, "outputs")
    if not outputs:
        raise RpcError(INVALID_PARAMETER, "Invalid parameter, output argument cannot be an empty array")
    return Bump(asked, fee, tuple(payments_of(unsigned(node, [], outputs), set())))


def replaced(node: Node, wallet: Wallet, txid: Hash, asked: Bump, memory: Memory, submit: bool) -> Bumped:
    """A replacement, handed over or unsigned. Raises RpcError."""
    with wallet.state.guard:
        record = find_record(wallet, txid)
        check_bumpable(node, wallet, record)
        if asked.change_at is not None and not 0 <= asked.change_at < len(record.tx.outputs):
            raise RpcError(INVALID_PARAMETER, "Change position is out of range")
    if submit and wallet.is_locked:
        raise locked()
    chosen = with_fee(asked.options, asked.fee, wallet, memory)
    with funding(), answering({INSUFFICIENT: RpcError(WALLET_ERROR, UNABLE)}):
        return wallet.bump(txid, chosen, submit, asked.outputs, asked.change_at)


@rpc("bumpfee", family="wallet", group="wallet")
async def bump_fee(
    wallets: Wallets, call: Call, node: Node, memory: Memory, txid: Hash, options: dict[str, Any] | None = None
) -> dict[str, Any]:
    """Replace an unmined transaction of the wallet by one with a higher fee (BIP125), which pays the same, or other `outputs`.

    `original_change_index` says which output is the change, so that it bears the fee.
    """
    asked = bump_options(node, options)

    def work(wallet: Wallet) -> dict[str, Any]:
        if not wallet.info().private_keys:
            wrong = "bumpfee is not available with wallets that have private keys disabled. Use psbtbumpfee instead."
            raise RpcError(WALLET_ERROR, wrong)
        made = replaced(node, wallet, txid, asked, memory, submit=True)
        return {
            "txid": display_hex(made.tx.id),
            "origfee": coins(made.old_fee),
            "fee": coins(made.fee),
            "errors": [],
        }

    return await on_wallet(wallets, call, work)


@rpc("psbtbumpfee", family="wallet", group="wallet")
async def psbt_bump_fee(
    wallets: Wallets, call: Call, node: Node, memory: Memory, txid: Hash, options: dict[str, Any] | None = None
) -> dict[str, Any]:
    """A PSBT of a replacement that pays a higher fee (BIP125), for wallets whose keys are elsewhere. Nothing is sent."""
    asked = bump_options(node, options)

    def work(wallet: Wallet) -> dict[str, Any]:
        made = replaced(node, wallet, txid, asked, memory, submit=False)
        psbt = psbt_roles.create(made.tx)
        with wallet.state.guard:
            wallet_psbt.fill(wallet.state, psbt)
        return {
            "psbt": psbt_codec.to_base64(psbt),
            "origfee": coins(made.old_fee),
            "fee": coins(made.fee),
            "errors": [],
        }

    return await on_wallet(wallets, call, work)


def check_bumpable(node: Node, wallet: Wallet, record: Record) -> None:
    """Raises RpcError as Core's feebumper, PreconditionChecks."""
    history, name = wallet.state.history, display_hex(record.tx.id)
    if any(history.descendants(record)):
        raise RpcError(INVALID_PARAMETER, "Transaction has descendants in the wallet")
    pool = node.pool.view()
    if any(outpoint(record.tx.id, at) in pool.holders for at in range(len(record.tx.outputs))):
        raise RpcError(INVALID_PARAMETER, "Transaction has descendants in the mempool")
    if record.place is not None or record.rival is not None or record.abandoned:
        wrong = "Transaction has been mined, or is conflicted with a mined transaction"
        raise RpcError(WALLET_ERROR, wrong)
    if all(spend.sequence > REPLACEABLE for spend in record.tx.inputs):
        raise RpcError(WALLET_ERROR, "Transaction is not BIP 125 replaceable")
    by = wallet.state.keys.notes.get(name, {}).get("replaced_by")
    if by is not None:
        wrong = f"Cannot bump transaction {name} which was already bumped by transaction {by}"
        raise RpcError(WALLET_ERROR, wrong)
    if any(spend.outpoint not in history.coins for spend in record.tx.inputs):
        raise RpcError(WALLET_ERROR, "Transaction contains inputs that don't belong to this wallet")


# -- children --------------------------------------------------------------------------------------------------------

_CHILD = ("conf_target", "fee_rate", "estimate_mode", "replaceable")


@rpc("childpaysforparent", family="wallet", group="wallet")
async def child_pays_for_parent(
    wallets: Wallets,
    call: Call,
    node: Node,
    memory: Memory,
    txid: Hash,
    options: dict[str, Any] | None = None,
    dry_run: bool = False,
) -> dict[str, Any]:
    """Spend an output of an unmined transaction to the wallet itself, with a fee that lifts both to the rate wanted.

    For payments that were received, or that cannot be replaced. With `dry_run` nothing is signed or sent.
    """
    asked = bump_options(node, options, _CHILD)

    def work(wallet: Wallet) -> dict[str, Any]:
        find_record(wallet, txid)
        if not dry_run and wallet.is_locked:
            raise locked()
        pool = node.pool.view()
        entry = pool.entries.get(txid)
        if entry is None:
            raise RpcError(WALLET_ERROR, "Transaction is not in the mempool")
        below = [entry, *closure(pool, entry, parents)]
        package = sum(e.admission.size for e in below), sum(e.fee for e in below)
        chosen = with_fee(asked.options, asked.fee, wallet, memory)
        try:
            with funding(), answering({INSUFFICIENT: RpcError(WALLET_ERROR, UNABLE)}):
                made = wallet.bump_child(txid, chosen, not dry_run, package)
        except WalletError as e:
            if e.rule != BAD_PARAMETER:
                raise
            raise RpcError(WALLET_ERROR, e.detail[:1].upper() + e.detail[1:]) from None
        return {
            "txid": display_hex(made.tx.id),
            "fee": coins(made.fee),
            "packagefee": coins(made.fee + package[1]),
            "packagesize": made.tx.vsize + package[0],
        } | ({"hex": made.tx.raw.hex()} if dry_run else {})

    return await on_wallet(wallets, call, work)
