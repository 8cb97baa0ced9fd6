"""The wallet group, what pays: sendtoaddress, sendmany, send, sendall. What is sent is on disk before the mempool sees it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from node.node import Node
from node.rpc.api import Memory
from node.rpc.dispatch import Call
from node.rpc.errors import (
    INVALID_PARAMETER,
    WALLET_ERROR,
    WALLET_INSUFFICIENT_FUNDS,
    RpcError,
)
from node.rpc.params import coerce, display_hex, parse_amount
from node.rpc.registry import rpc
from node.rpc.wallet_access import answering, on_wallet
from node.rpc.wallet_payments import (
    bearers_of,
    check_options,
    fee_in,
    fee_of,
    fee_reason,
    funding,
    names_of,
    payments_of,
    send_options,
    unsigned,
    with_arguments,
    with_fee,
)
from node.wallets import Wallets
from primitives.bitcoin import Transaction
from wallet import psbt_codec, psbt_roles, signing
from wallet.errors import BAD_AMOUNT, DUST, INSUFFICIENT
from wallet.history import Coin
from wallet.sources import Owner
from wallet.spend_utxo import Payment
from wallet.spending import SendOptions
from wallet.vault import locked
from wallet.wallet import Wallet

NO_REUSE = 'wallet does not have the "avoid reuse" feature enabled'
NO_KEYS = "Error: Private keys are disabled for this wallet"
POOL_TOO_LOW = (
    "Total value of UTXO pool too low to pay for transaction. "
    "Try using lower feerate or excluding uneconomic UTXOs with 'send_max' option."
)


# -- one payment, several payments -----------------------------------------------------------------------------------


@rpc("sendtoaddress", family="wallet", group="wallet")
async def send_to_address(
    wallets: Wallets,
    call: Call,
    node: Node,
    memory: Memory,
    address: str,
    amount: Any,
    comment: str = "",
    comment_to: str = "",
    subtractfeefromamount: bool = False,
    replaceable: bool = True,
    conf_target: int | None = None,
    estimate_mode: str | None = None,
    avoid_reuse: bool = False,
    fee_rate: Any = None,
    verbose: bool = False,
) -> Any:
    """Pay an amount (in coins) to an address; the id of the transaction.

    `fee_rate` is in satoshi per virtual byte; without it the wallet chooses. The comments stay in the wallet.
    """
    if avoid_reuse:
        raise RpcError(WALLET_ERROR, NO_REUSE)
    fee = fee_of(conf_target, estimate_mode, fee_rate)
    options = SendOptions(replaceable=replaceable, comment=comment, to=comment_to)

    def work(wallet: Wallet) -> Any:
        _wants_keys(wallet)
        tx = unsigned(node, [], {address: amount})
        payments = payments_of(tx, {0} if subtractfeefromamount else set())
        return _pay(wallets, wallet, payments, with_fee(options, fee, wallet, memory), verbose)

    return await on_wallet(wallets, call, work)


@rpc("sendmany", family="wallet", group="wallet")
async def send_many(
    wallets: Wallets,
    call: Call,
    node: Node,
    memory: Memory,
    dummy: str = "",
    amounts: dict[str, Any] | None = None,
    minconf: int | None = None,
    comment: str = "",
    subtractfeefrom: list[Any] | None = None,
    replaceable: bool = True,
    conf_target: int | None = None,
    estimate_mode: str | None = None,
    fee_rate: Any = None,
    verbose: bool = False,
) -> Any:
    """Pay several addresses in one transaction; its id. `minconf` is not heeded, as in Core."""
    del minconf
    if dummy:
        raise RpcError(INVALID_PARAMETER, 'Dummy value must be set to ""')
    if not amounts:
        raise RpcError(INVALID_PARAMETER, "Transaction must have at least one recipient")
    fee = fee_of(conf_target, estimate_mode, fee_rate)
    options = SendOptions(replaceable=replaceable, comment=comment)

    def work(wallet: Wallet) -> Any:
        _wants_keys(wallet)
        payments = payments_of(unsigned(node, [], amounts), bearers_of(subtractfeefrom, list(amounts)))
        return _pay(wallets, wallet, payments, with_fee(options, fee, wallet, memory), verbose)

    return await on_wallet(wallets, call, work)


def _wants_keys(wallet: Wallet) -> None:
    if wallet.is_locked:
        raise locked()
    if not wallet.info().private_keys:
        raise RpcError(WALLET_ERROR, NO_KEYS)


def _pay(wallets: Wallets, wallet: Wallet, payments: Sequence[Payment], options: SendOptions, verbose: bool) -> Any:
    with answering({BAD_AMOUNT: RpcError(WALLET_INSUFFICIENT_FUNDS, "Transaction amounts must not be out of range")}):
        txid = display_hex(wallet.send(payments, options).tx.id)
    return {"txid": txid, "fee_reason": fee_reason(wallets, options)} if verbose else txid


# -- with options ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Wanted:
    """What shall become of a funded transaction."""

    psbt: bool = False
    add_to_wallet: bool = True


def _wanted(options: dict[str, Any]) -> Wanted:
    return Wanted(options.get("psbt", False), options.get("add_to_wallet", True))


def _finish(wallet: Wallet, payments: Sequence[Payment], options: SendOptions, wanted: Wanted) -> dict[str, Any]:
    """Sign and send where that is wanted and can be, else give the transaction back as far as it is signed."""
    can_sign = wallet.info().private_keys and not wallet.is_locked
    if can_sign and wanted.add_to_wallet and not wanted.psbt and not options.outside:
        with funding():
            sent = wallet.send(payments, options)
        return {"txid": display_hex(sent.tx.id), "complete": True}
    with funding():
        psbt, _ = wallet.create_psbt(payments, options)
    complete = wallet.process_psbt(psbt, sign=can_sign)
    if not complete:
        return {"psbt": psbt_codec.to_base64(psbt), "complete": False}
    tx = psbt_roles.extract(psbt)
    result: dict[str, Any] = {"txid": display_hex(tx.id), "complete": True}
    if wanted.add_to_wallet and not wanted.psbt:
        wallet.commit(tx)
        return result
    return {"psbt": psbt_codec.to_base64(psbt), **result, "hex": tx.raw.hex()}


@rpc("send", family="wallet", group="wallet")
async def send(
    wallets: Wallets,
    call: Call,
    node: Node,
    memory: Memory,
    outputs: Any,
    conf_target: int | None = None,
    estimate_mode: str | None = None,
    fee_rate: Any = None,
    options: dict[str, Any] | None = None,
    version: int | None = None,
) -> dict[str, Any]:
    """Pay outputs ({address: amount} or {"data": hex}); where the wallet cannot sign all, or `psbt` is wanted, a PSBT."""
    given = with_arguments(check_options(options, older=False), conf_target, estimate_mode, fee_rate)
    fee, names = fee_in(given), names_of(outputs)
    bearers = bearers_of(given.get("subtract_fee_from_outputs"), names)
    replaceable = given.get("replaceable", True)

    def work(wallet: Wallet) -> dict[str, Any]:
        inputs, locktime = given.get("inputs", []), given.get("locktime", 0)
        tx = unsigned(node, inputs, outputs, locktime, replaceable if inputs else None, version)
        if not tx.outputs:
            raise RpcError(INVALID_PARAMETER, "TX must have at least one output")
        chosen = send_options(node, wallet, given, tx, add_inputs=not tx.inputs)
        return _finish(wallet, payments_of(tx, bearers), with_fee(chosen, fee, wallet, memory), _wanted(given))

    return await on_wallet(wallets, call, work)


@rpc("sendall", family="wallet", group="wallet")
async def send_all(
    wallets: Wallets,
    call: Call,
    node: Node,
    memory: Memory,
    recipients: list[Any],
    conf_target: int | None = None,
    estimate_mode: str | None = None,
    fee_rate: Any = None,
    options: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Spend all that can be spent, or the inputs named: what fixed amounts leave goes in equal shares to the addresses without one."""
    own = dict(options or {})
    send_max = coerce(own.pop("send_max", None) or False, bool, "send_max")
    wanted = own.pop("version", None)
    version = None if wanted is None else coerce(wanted, int, "version")
    given = with_arguments(check_options(own, older=False), conf_target, estimate_mode, fee_rate)
    open_places = {at for at, one in enumerate(recipients) if isinstance(one, str)}
    outputs = [{one: 0} if isinstance(one, str) else one for one in recipients]
    if not open_places:
        raise RpcError(INVALID_PARAMETER, "Must provide at least one address without a specified amount")
    if given.get("minconf", 0) < 0:
        wrong = f"Invalid minconf (minconf cannot be negative): {given['minconf']}"
        raise RpcError(INVALID_PARAMETER, wrong)
    if "inputs" in given and send_max:
        raise RpcError(INVALID_PARAMETER, "Cannot combine send_max with specific inputs.")
    if "inputs" in given and "minconf" in given:
        raise RpcError(INVALID_PARAMETER, "Cannot combine minconf or maxconf with specific inputs.")
    fee = fee_in(given)

    def work(wallet: Wallet) -> dict[str, Any]:
        inputs = given.get("inputs", [])
        replaceable = given.get("replaceable", True) if inputs else None
        tx = unsigned(node, inputs, outputs, given.get("locktime", 0), replaceable, version)
        chosen = with_fee(send_options(node, wallet, given, tx, add_inputs=False), fee, wallet, memory)
        coins = _named_coins(wallet, tx) if inputs else _all_coins(wallet, chosen, send_max)
        chosen = replace(chosen, inputs=tuple(coin.outpoint for coin in coins), outside=())
        shares = _shares(tx, sum(coin.value for coin in coins), open_places)
        answers = {
            DUST: RpcError(WALLET_INSUFFICIENT_FUNDS, "Dynamically assigned remainder results in dust output."),
            INSUFFICIENT: RpcError(WALLET_INSUFFICIENT_FUNDS, POOL_TOO_LOW),
        }
        with answering(answers):
            return _finish(wallet, shares, chosen, _wanted(given))

    return await on_wallet(wallets, call, work)


def _named_coins(wallet: Wallet, tx: Transaction) -> list[Coin[Owner]]:
    history, found = wallet.state.history, []
    with wallet.state.guard:
        for spend in tx.inputs:
            name = f"{display_hex(spend.txid)}:{spend.vout}"
            coin = history.coins.get(spend.outpoint)
            if coin is None:
                raise RpcError(INVALID_PARAMETER, f"Input not found. UTXO ({name}) is not part of wallet.")
            if history.is_spent(spend.outpoint):
                raise RpcError(INVALID_PARAMETER, f"Input not available. UTXO ({name}) was already spent.")
            found.append(coin)
    return found


def _all_coins(wallet: Wallet, options: SendOptions, send_max: bool) -> list[Coin[Owner]]:
    """Every coin that may be spent; with `send_max` those alone that are worth more than spending them costs."""
    spender, state = wallet.spender, wallet.state
    with state.guard:
        coins = spender.spendable(options.least_depth, options.include_unsafe)
        if not send_max:
            return coins
        rate = spender.rate(options)
        return [c for c in coins if c.value * 4_000 > rate * signing.input_weight(state.input_data(_output(c)))]


def _output(coin: Coin[Owner]) -> Any:
    return coin.record.tx.outputs[coin.vout]


def _shares(tx: Transaction, total: int, open_places: set[int]) -> list[Payment]:
    """The fixed payments, and equal shares of what they leave, from which the fee is taken."""
    if total == 0:
        raise RpcError(WALLET_INSUFFICIENT_FUNDS, POOL_TOO_LOW)
    left = total - sum(out.value for at, out in enumerate(tx.outputs) if at not in open_places)
    if left <= 0:
        raise RpcError(WALLET_INSUFFICIENT_FUNDS, "Assigned more value to outputs than available funds.")
    share, extra = divmod(left, len(open_places))
    first = min(open_places)
    return [
        Payment(out.script, share + (extra if at == first else 0), True)
        if at in open_places
        else Payment(out.script, out.value)
        for at, out in enumerate(tx.outputs)
    ]


@rpc("settxfee", family="wallet", group="wallet")
async def set_tx_fee(wallets: Wallets, call: Call, memory: Memory, amount: Any) -> bool:
    """Fix the fee rate of this wallet's payments, in coins per 1,000 virtual bytes, until the node ends; 0: choose again."""
    rate = parse_amount(amount)

    def work(wallet: Wallet) -> bool:
        least = wallet.state.net.relay_rate
        if 0 < rate < least:
            wrong = f"txfee cannot be less than min relay tx fee ({least / 100_000_000:.8f} BTC/kvB)"
            raise RpcError(INVALID_PARAMETER, wrong)
        if rate > 100_000_000:
            raise RpcError(INVALID_PARAMETER, "txfee cannot be more than wallet max tx fee (1.00000000 BTC/kvB)")
        if rate:
            memory.pay_rates[wallet.name] = rate
        else:
            memory.pay_rates.pop(wallet.name, None)
        return True

    return await on_wallet(wallets, call, work)
