"""What commands that pay share: options, fees that nobody means, addresses that cannot be paid, the plan, and the question.

Nothing is sent here.
"""

from __future__ import annotations

import sys
from typing import Any

import click

from cli.amounts import check_amount, coins, parse_amount, rate, sat_of, shown
from cli.output import USAGE, CliError, call, wants_json
from cli.secrets import stdin_option
from cli.wallet import wallet_options

HIGH_RATE = 1_000
"""Satoshi per virtual byte: more is a mistake, unless --allow-high-fee says otherwise."""
_FEWEST_DIGITS = 6
_FEW = 50
"""So many coins are looked up one by one."""


def point_of(text: str) -> dict[str, Any]:
    """A coin as RPC methods take it. Raises CliError."""
    txid, colon, vout = text.partition(":")
    if not colon or len(txid) != 64 or not vout.isdigit():
        raise CliError(f"{text!r} is not TXID:VOUT", USAGE)
    return {"txid": txid, "vout": int(vout)}


def spending_options(command: Any) -> Any:
    """Give a command the options of payments."""
    options = (
        click.option("--fee-rate", default=None, metavar="SAT/VB", help="Satoshi per virtual byte."),
        click.option("--target", type=click.IntRange(1, 1008), default=None, help="Mined within so many blocks."),
        click.option("--allow-high-fee", is_flag=True, help="Do not refuse a fee that looks like a mistake."),
        click.option("--dry-run", is_flag=True, help="Show what would be sent, and send nothing."),
        click.option("--yes", "sure", is_flag=True, help="Do not ask."),
    )
    for option in reversed(options):
        command = option(command)
    return stdin_option(wallet_options(command))


_NETWORKS = {
    "bc1": "Bitcoin's main network", "tb1": "Bitcoin's test networks", "bcrt1": "Bitcoin's regtest", "ltc1": "Litecoin", "pc1": "PeerCoin",
    "tpc1": "PeerCoin's test network", "0x": "an account chain", "1": "Bitcoin's main network", "3": "Bitcoin's main network",
    "m": "Bitcoin's test networks", "n": "Bitcoin's test networks", "2": "Bitcoin's test networks", "P": "PeerCoin",
}  # fmt: skip
"""How addresses begin, and whose they are."""


def owner_of(address: str) -> str | None:
    """Whose network an address seems to be of."""
    return next((name for start, name in _NETWORKS.items() if address.startswith(start)), None)


def check_address(client: Any, address: str) -> None:
    """Refuse an address of another network or with a typing mistake, and say which it is."""
    found = call(client, "validateaddress", address)
    if not found["isvalid"]:
        if "unsupported" in found["error"]:
            owner = owner_of(address)
            if owner is not None:
                raise CliError(f"{address} cannot be paid: it is an address of {owner}, not of this chain", USAGE)
        places = found.get("error_locations") or []
        where = f" (look at character {', '.join(str(at + 1) for at in places)})" if places else ""
        raise CliError(f"{address} cannot be paid: {found['error'].rstrip('.')}{where}", USAGE)


def fee_options(fee_rate: str | None, target: int | None) -> dict[str, Any]:
    """The fee as RPC methods take it. Raises CliError."""
    if fee_rate is not None and target is not None:
        raise CliError("--fee-rate and --target exclude each other", USAGE)
    if fee_rate is not None:
        text = fee_rate.lower().removesuffix("sat/vb").strip()
        try:
            if not 0 < float(text) < float("inf"):
                raise ValueError
        except ValueError:
            raise CliError(
                f"{fee_rate!r} is not a fee rate", USAGE, "write 5 or 2.5, in satoshi per virtual byte"
            ) from None
        return {"fee_rate": text}
    return {} if target is None else {"conf_target": target, "estimate_mode": "economical"}


def check_fee(fee: int, size: int, amount: int, allow: bool) -> None:
    """Refuse a fee that nobody means to pay."""
    if allow:
        return
    paid = fee / max(1, size)
    if paid > HIGH_RATE or (fee > amount and fee > 10_000):
        raise CliError(
            f"the fee would be {shown(coins(fee))} ({rate(f'{paid:.0f}')}) for a payment of {shown(coins(amount))}",
            USAGE,
            "lower --fee-rate, or say --allow-high-fee",
        )


def ask_to_send(text: str, sure: bool) -> None:
    """Show what will be sent, and ask. Raises CliError where the answer is no, or where there is nobody to ask."""
    if not (sure and wants_json()):
        click.echo(text, err=True)
    confirm("Send it?", sure)


def confirm(question: str, sure: bool, undone: str = "nothing was sent") -> None:
    """Ask. Raises CliError where the answer is no, or where there is nobody to ask."""
    if sure:
        return
    if not sys.stdin.isatty():
        raise CliError(f"{undone}: there is no terminal to ask", USAGE, "say --yes to go on without a question")
    if not click.confirm(question, err=True):
        raise CliError(undone, USAGE)


def described(plan: dict[str, Any]) -> str:
    """A plan for people."""
    lines = [f"  to {one['address']}  {shown(one['amount'])}" for one in plan["outputs"]]
    size = f"{plan['vsize']} vB, {plan['inputs']} coin{'s' if plan['inputs'] > 1 else ''}"
    lines.append(f"  fee {shown(plan['fee'])} ({rate(plan['fee_rate'])}, {size})")
    if plan.get("change"):
        lines.append(f"  change {shown(plan['change'])}")
    lines.append(f"  in all {shown(plan['total'])}")
    return "\n".join(lines)


def plan_of(outputs: list[tuple[str, int]], fee: int, tx: dict[str, Any], change: int) -> dict[str, Any]:
    """What a payment will look like; sizes are those of the signed transaction where it is signed already."""
    return {
        "outputs": [{"address": address, "amount": coins(amount)} for address, amount in outputs],
        "fee": coins(fee),
        "fee_rate": round(fee / max(1, tx["vsize"]), 2),
        "vsize": tx["vsize"],
        "inputs": len(tx["vin"]),
        "change": coins(change),
        "total": coins(sum(amount for _, amount in outputs) + fee),
    }


def value_of(client: Any, inputs: list[dict[str, Any]]) -> int:
    """What coins are worth together: few of them are looked up, of many the wallet gives a list. Raises CliError."""
    if len(inputs) <= _FEW:
        found = [call(client, "gettxout", i["txid"], i["vout"], True) for i in inputs]
        if all(found):
            return sum(sat_of(one["value"]) for one in found)
    known = {(row["txid"], row["vout"]): sat_of(row["amount"]) for row in call(client, "listunspent", 0)}
    return sum(known[i["txid"], i["vout"]] for i in inputs)


def pairs_of(payments: tuple[str, ...]) -> list[tuple[str, str]]:
    """Addresses and amounts, in pairs. Raises CliError for an address without an amount, and for what is no amount."""
    if len(payments) % 2:
        raise CliError("each address needs an amount", USAGE, "write ADDRESS 0.5btc")
    for text in payments[1::2]:
        check_amount(text)
    return list(zip(payments[::2], payments[1::2], strict=True))


def payees(client: Any, pairs: list[tuple[str, str]]) -> list[tuple[str, int]]:
    """Addresses that can be paid, and satoshi for each. Raises CliError."""
    found = [(address, parse_amount(text)) for address, text in pairs]
    for address, _ in found:
        check_address(client, address)
    return found


def whole_id(client: Any, text: str) -> str:
    """The id of the wallet's unmined transaction that begins so; a whole id stays as it is. Raises CliError."""
    if len(text) >= 64:
        return text
    begin = text.rstrip("\u2026.").lower()
    rows = call(client, "listsinceblock")["transactions"] if len(begin) >= _FEWEST_DIGITS else []
    found = sorted({row["txid"] for row in rows if row["txid"].startswith(begin)})
    if len(found) != 1:
        why = "begins several transactions" if found else "begins no unmined transaction of this wallet"
        raise CliError(f"{text!r} {why}", USAGE, "`chainyard wallet history` shows them")
    return str(found[0])
