"""What sending methods share: fee instructions, options objects, outputs and inputs as the wallet understands them.

It sends nothing. Sources: Bitcoin Core, wallet/rpc/spend.cpp (SetFeeEstimateMode, FundTransaction, InterpretFeeEstimationInstructions).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from node.node import Node
from node.rpc.api import Memory
from node.rpc.errors import (
    INVALID_PARAMETER,
    TYPE_ERROR,
    WALLET_ERROR,
    RpcError,
)
from node.rpc.lookup import check_keys, script_of
from node.rpc.params import coerce, parse_amount
from node.rpc.rawtransaction_methods import build
from node.rpc.signing_methods import find_spent
from node.rpc.translate import of_wallet
from node.rpc.util_methods import MAX_TARGET, MODES
from node.rpc.wallet_address_methods import check_kind
from node.wallets import Wallets
from primitives.bitcoin import Transaction
from wallet.errors import BAD_AMOUNT, DUST, FEE, INSUFFICIENT, WalletError
from wallet.signing import InputData
from wallet.spend_utxo import Payment
from wallet.spending import SendOptions
from wallet.wallet import Wallet

FUNDING = {
    "add_inputs": bool,
    "include_unsafe": bool,
    "add_to_wallet": bool,
    "bip69": bool,
    "change_address": str,
    "change_position": int,
    "change_type": str,
    "include_watching": bool,
    "inputs": list,
    "lock_unspents": bool,
    "locktime": int,
    "fee_rate": None,
    "psbt": bool,
    "solving_data": dict,
    "subtract_fee_from_outputs": list,
    "replaceable": bool,
    "conf_target": int,
    "estimate_mode": str,
    "minconf": int,
    "maxconf": int,
    "input_weights": list,
    "max_tx_weight": int,
}
"""The options of funding methods and their types; None: checked where it is read."""
OLDER = {
    "feeRate": "fee_rate",
    "changeAddress": "change_address",
    "changePosition": "change_position",
    "lockUnspents": "lock_unspents",
    "subtractFeeFromOutputs": "subtract_fee_from_outputs",
    "includeWatching": "include_watching",
}
"""Names that only the older methods (fundrawtransaction, walletcreatefundedpsbt) still take."""
UNSUPPORTED = ("solving_data", "input_weights", "max_tx_weight", "maxconf")


@dataclass(frozen=True, slots=True)
class Fee:
    """What the caller said of the fee: a rate in satoshi per 1,000 virtual bytes, or within how many blocks."""

    rate: int | None = None
    target: int = 6


def parse_fee_rate(value: Any) -> int:
    """Satoshi per 1,000 virtual bytes from satoshi per virtual byte with at most 3 decimals. Raises RpcError."""
    if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal):
        raise RpcError(TYPE_ERROR, "Amount is not a number or string")
    try:
        rate = Decimal(str(value)) * 1000
    except ArithmeticError:
        raise RpcError(TYPE_ERROR, "Invalid amount") from None
    if not rate.is_finite() or rate.adjusted() > 15 or rate != int(rate):
        raise RpcError(TYPE_ERROR, "Invalid amount")
    if rate < 0:
        raise RpcError(TYPE_ERROR, "Amount out of range")
    return int(rate)


def fee_of(conf_target: int | None, estimate_mode: str | None, fee_rate: Any) -> Fee:
    """The fee instructions of a method. Raises RpcError where they contradict each other."""
    if fee_rate is not None:
        if conf_target is not None:
            raise RpcError(
                INVALID_PARAMETER,
                "Cannot specify both conf_target and fee_rate. Please provide either a confirmation target in blocks "
                "for automatic fee estimation, or an explicit fee rate.",
            )
        if estimate_mode is not None and estimate_mode != "unset":
            raise RpcError(INVALID_PARAMETER, "Cannot specify both estimate_mode and fee_rate")
        return Fee(parse_fee_rate(fee_rate))
    if estimate_mode is not None and estimate_mode.lower() not in MODES:
        names = '", "'.join(MODES)
        raise RpcError(INVALID_PARAMETER, f'Invalid estimate_mode parameter, must be one of: "{names}"')
    if conf_target is None:
        return Fee()
    if not 1 <= conf_target <= MAX_TARGET:
        raise RpcError(INVALID_PARAMETER, f"Invalid conf_target, must be between 1 and {MAX_TARGET}")
    return Fee(target=conf_target)


def with_fee(options: SendOptions, fee: Fee, wallet: Wallet, memory: Memory) -> SendOptions:
    """Options with the rate that was given, else the one that `settxfee` fixed, else none but the target."""
    rate = fee.rate if fee.rate is not None else memory.pay_rates.get(wallet.name)
    return replace(options, rate=rate, target=fee.target)


def fee_reason(wallets: Wallets, options: SendOptions) -> str:
    """Why the wallet pays the rate that it pays, in Core's words."""
    if options.rate is not None:
        return "None"
    return "Target 85% Threshold" if wallets.source.fee_rate(options.target) else "Fallback fee"


# -- outputs ---------------------------------------------------------------------------------------------------------


def unsigned(
    node: Node,
    inputs: list[Any],
    outputs: Any,
    locktime: int = 0,
    replaceable: bool | None = None,
    version: int | None = None,
) -> Transaction:
    """The transaction that these arguments of a method describe. Raises RpcError as `createrawtransaction`."""
    with node.snapshot() as at:
        return build(at, inputs, outputs, locktime, replaceable, version)


def names_of(outputs: Any) -> list[str]:
    """The addresses (and "data") of an outputs argument, in order."""
    if isinstance(outputs, dict):
        return list(outputs)
    if not isinstance(outputs, list):
        return []
    return [name for one in outputs if isinstance(one, dict) for name in one]


def payments_of(tx: Transaction, bearers: set[int]) -> list[Payment]:
    """The outputs of a transaction as payments; those at the places in `bearers` bear the fee."""
    return [Payment(out.script, out.value, at in bearers) for at, out in enumerate(tx.outputs)]


def bearers_of(value: Any, names: Sequence[str]) -> set[int]:
    """The places of the outputs that bear the fee, given as places or addresses. Raises RpcError as Core."""
    found: set[int] = set()
    what = "Invalid parameter 'subtract fee from output'"
    for one in value or ():
        if isinstance(one, str):
            if one not in names:
                raise RpcError(INVALID_PARAMETER, f"{what}, destination {one} not found in tx outputs")
            place = names.index(one)
        elif isinstance(one, int | float) and not isinstance(one, bool):
            place = coerce(one, int, "subtract_fee_from_outputs")
        else:
            raise RpcError(INVALID_PARAMETER, f"{what}, invalid value type: {type(one).__name__}")
        if place in found:
            raise RpcError(INVALID_PARAMETER, f"{what}, duplicated position: {place}")
        if place < 0:
            raise RpcError(INVALID_PARAMETER, f"{what}, negative position: {place}")
        if place >= len(names):
            raise RpcError(INVALID_PARAMETER, f"{what}, position too large: {place}")
        found.add(place)
    return found


# -- options ---------------------------------------------------------------------------------------------------------


def check_options(options: dict[str, Any] | None, older: bool) -> dict[str, Any]:
    """The options with their present names and right types. Raises RpcError; one that cannot be heeded is refused, not ignored."""
    found = dict(options or {})
    check_keys(found, {*FUNDING, *OLDER})
    for old, new in OLDER.items():
        if old not in found:
            continue
        if not older and old != "includeWatching":
            unit = " (sat/vB)" if old == "feeRate" else ""
            raise RpcError(INVALID_PARAMETER, f"Use {new}{unit} instead of {old}")
        if old == "feeRate":
            if "fee_rate" in found:
                raise RpcError(INVALID_PARAMETER, "Cannot specify both fee_rate (sat/vB) and feeRate (BTC/kvB)")
            for other in ("conf_target", "estimate_mode"):
                if other in found:
                    raise RpcError(INVALID_PARAMETER, f"Cannot specify both {other} and feeRate")
            found["fee_rate"] = Decimal(parse_amount(found.pop(old))) / 1000
        else:
            found.setdefault(new, found.pop(old))
    for name in [name for name, value in found.items() if value is None]:
        del found[name]
    for name, kind in FUNDING.items():
        if name in found and kind is not None:
            found[name] = coerce(found[name], kind, name)
    for name in UNSUPPORTED:
        if found.get(name):
            raise RpcError(INVALID_PARAMETER, f"The option {name} is not supported")
    return found


def with_arguments(
    options: dict[str, Any], conf_target: int | None, estimate_mode: str | None, fee_rate: Any
) -> dict[str, Any]:
    """The options with the fee instructions that stand as arguments. Raises RpcError where both say something."""
    if "conf_target" in options or "estimate_mode" in options:
        if conf_target is not None or estimate_mode is not None:
            raise RpcError(
                INVALID_PARAMETER,
                "Pass conf_target and estimate_mode either as arguments or in the options object, but not both",
            )
    else:
        options = options | {"conf_target": conf_target, "estimate_mode": estimate_mode}
    if fee_rate is not None:
        if "fee_rate" in options:
            raise RpcError(
                INVALID_PARAMETER, "Pass the fee_rate either as an argument, or in the options object, but not both"
            )
        options = options | {"fee_rate": fee_rate}
    if options.get("conf_target") is not None and options.get("estimate_mode") in (None, "unset"):
        raise RpcError(INVALID_PARAMETER, "Specify estimate_mode")
    return options


def fee_in(options: dict[str, Any]) -> Fee:
    """The fee instructions in an options object."""
    return fee_of(options.get("conf_target"), options.get("estimate_mode"), options.get("fee_rate"))


def send_options(node: Node, wallet: Wallet, options: dict[str, Any], tx: Transaction, add_inputs: bool) -> SendOptions:
    """What an options object and the inputs chosen by hand mean for the wallet. Raises RpcError."""
    change = options.get("change_address")
    if change is not None:
        if "change_type" in options:
            raise RpcError(INVALID_PARAMETER, "Cannot specify both change address and address type options")
        script_of(node.spec, change, "Change address must be a valid bitcoin address")
    place = options.get("change_position")
    if place is not None and not 0 <= place <= len(tx.outputs):
        raise RpcError(INVALID_PARAMETER, "changePosition out of bounds")
    minconf = options.get("minconf", 0)
    if minconf < 0:
        raise RpcError(INVALID_PARAMETER, "Negative minconf")
    return SendOptions(
        replaceable=options.get("replaceable", True),
        inputs=tuple(i.outpoint for i in tx.inputs),
        add_inputs=options.get("add_inputs", add_inputs),
        least_depth=minconf,
        include_unsafe=options.get("include_unsafe", False),
        change_address=change,
        change_kind=check_kind(options.get("change_type"), "change"),
        change_at=place,
        sequences=tuple((i.outpoint, i.sequence) for i in tx.inputs),
        lock_inputs=options.get("lock_unspents", False),
        lock_time=options.get("locktime"),
        bip69=options.get("bip69", False),
        version=tx.version,
        outside=outside(node, wallet, tx),
    )


def outside(node: Node, wallet: Wallet, tx: Transaction) -> tuple[tuple[bytes, InputData], ...]:
    """The coins of inputs that are not the wallet's, as chain and mempool know them."""
    known = wallet.state.history.coins
    foreign = [i for i in tx.inputs if i.outpoint not in known]
    if not foreign:
        return ()
    with node.snapshot() as at:
        found = find_spent(at, tx)
    return tuple((i.outpoint, InputData(found[i.outpoint])) for i in foreign if i.outpoint in found)


@contextmanager
def funding() -> Iterator[None]:
    """The wallet's refusals while a transaction is funded, in the code that Core has for them there (-4)."""
    try:
        yield
    except WalletError as e:
        if e.rule in (INSUFFICIENT, FEE, DUST, BAD_AMOUNT):
            raise RpcError(WALLET_ERROR, of_wallet(e).message) from None
        raise
