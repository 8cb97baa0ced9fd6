"""`chainyard wallet balance|history|coins|send|sweep|bump`: what there is and what happened.

Payments are shown before they are made.
"""

from __future__ import annotations

import datetime
import sys
from typing import Any

import click

from cli.amounts import check_amount, coins, parse_amount, rate, sat_of, shown
from cli.output import USAGE, CliError, call, emit, table, wants_json
from cli.secrets import stdin_option, unlocked
from cli.wallet import client_of, wallet_options

HIGH_RATE = 1_000
"""Satoshi per virtual byte: more is a mistake, unless --allow-high-fee says otherwise."""


@click.command("balance")
@wallet_options
def balance_(**node: Any) -> None:
    """What can be spent, what is not mined yet, and rewards that have to wait."""
    found = call(client_of(node), "getbalances")["mine"]
    rows = (("spendable", "trusted"), ("pending", "untrusted_pending"), ("immature", "immature"))
    emit(found, lambda r: "\n".join(f"{name:<10} {shown(r[key])}" for name, key in rows))


@click.command("history")
@click.option("-n", "count", type=click.IntRange(1), default=20, show_default=True)
@click.option("--label", default="*", help="Only what was received under this label.")
@wallet_options
def history_(count: int, label: str, **node: Any) -> None:
    """The last payments in and out, oldest first."""
    rows = call(client_of(node), "listtransactions", label, count)
    columns = ("time", "category", "amount", "fee", "confirmations", "to", "txid")
    emit(rows, lambda r: table([_movement(one) for one in r], columns) if r else "nothing yet")


def _movement(row: dict[str, Any]) -> dict[str, Any]:
    time = datetime.datetime.fromtimestamp(row["time"], datetime.UTC).strftime("%Y-%m-%d %H:%M")
    name = row.get("label") or row.get("address", "")
    fee = shown(-row["fee"]) if "fee" in row else ""
    return {**row, "time": time, "amount": shown(row["amount"]), "fee": fee, "to": name}


@click.command("coins")
@click.option("--min-depth", type=click.IntRange(0), default=0, show_default=True, help="Confirmations.")
@click.option("--lock", "to_lock", multiple=True, metavar="TXID:VOUT", help="Keep this coin from being spent.")
@click.option("--unlock", "to_unlock", multiple=True, metavar="TXID:VOUT", help="Free it again.")
@wallet_options
def coins_(min_depth: int, to_lock: tuple[str, ...], to_unlock: tuple[str, ...], **node: Any) -> None:
    """The unspent coins, those that are locked too."""
    client = client_of(node)
    if to_lock:
        call(client, "lockunspent", False, [_point(text) for text in to_lock], True)
    if to_unlock:
        call(client, "lockunspent", True, [_point(text) for text in to_unlock])
    rows = call(client, "listunspent", min_depth)
    locked = call(client, "listlockunspent")
    found = [{**row, "locked": False} for row in rows] + [{**row, "locked": True} for row in locked]

    def show(found: list[dict[str, Any]]) -> str:
        lines = [{**r, "coin": f"{r['txid']}:{r['vout']}", "safe": r.get("safe", "")} for r in found]
        return table(lines, ("coin", "amount", "confirmations", "address", "safe", "locked")) if lines else "no coins"

    emit(found, show)


def _point(text: str) -> dict[str, Any]:
    txid, colon, vout = text.partition(":")
    if not colon or len(txid) != 64 or not vout.isdigit():
        raise CliError(f"{text!r} is not TXID:VOUT", USAGE)
    return {"txid": txid, "vout": int(vout)}


# -- payments --------------------------------------------------------------------------------------------------------


def _spending(command: Any) -> Any:
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


def _check_address(client: Any, address: str) -> None:
    """Refuse an address of another network or with a typing mistake, and say which it is."""
    found = call(client, "validateaddress", address)
    if not found["isvalid"]:
        if "unsupported" in found["error"]:
            owner = next((name for start, name in _NETWORKS.items() if address.startswith(start)), None)
            if owner is not None:
                raise CliError(f"{address} cannot be paid: it is an address of {owner}, not of this chain", USAGE)
        places = found.get("error_locations") or []
        where = f" (look at character {', '.join(str(at + 1) for at in places)})" if places else ""
        raise CliError(f"{address} cannot be paid: {found['error'].rstrip('.')}{where}", USAGE)


def _fee_options(fee_rate: str | None, target: int | None) -> dict[str, Any]:
    if fee_rate is not None and target is not None:
        raise CliError("--fee-rate and --target exclude each other", USAGE)
    if fee_rate is not None:
        text = fee_rate.lower().removesuffix("sat/vb").strip()
        try:
            if float(text) <= 0:
                raise ValueError
        except ValueError:
            raise CliError(
                f"{fee_rate!r} is not a fee rate", USAGE, "write 5 or 2.5, in satoshi per virtual byte"
            ) from None
        return {"fee_rate": text}
    return {} if target is None else {"conf_target": target, "estimate_mode": "economical"}


def _check_fee(fee: int, size: int, amount: int, allow: bool) -> None:
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


def _ask(text: str, sure: bool) -> None:
    """Show what will be sent, and ask. Raises CliError where the answer is no, or where there is nobody to ask."""
    if not (sure and wants_json()):
        click.echo(text, err=True)
    _confirm("Send it?", sure)


def _confirm(question: str, sure: bool) -> None:
    if sure:
        return
    if not sys.stdin.isatty():
        raise CliError("nothing was sent: there is no terminal to ask", USAGE, "say --yes to send without a question")
    if not click.confirm(question, err=True):
        raise CliError("nothing was sent", USAGE)


def _describe(plan: dict[str, Any]) -> str:
    lines = [f"  to {one['address']}  {shown(one['amount'])}" for one in plan["outputs"]]
    lines.append(f"  fee {shown(plan['fee'])} ({rate(plan['fee_rate'])}, {plan['vsize']} vB, {plan['inputs']} coins)")
    if plan.get("change"):
        lines.append(f"  change {shown(plan['change'])}")
    lines.append(f"  in all {shown(plan['total'])}")
    return "\n".join(lines)


def _plan(outputs: list[tuple[str, int]], fee: int, tx: dict[str, Any], change: int) -> dict[str, Any]:
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


@click.command("send")
@click.argument("payments", nargs=-1, required=True, metavar="ADDRESS AMOUNT [ADDRESS AMOUNT]...")
@click.option("--subtract-fee", is_flag=True, help="Take the fee off the amounts.")
@click.option("--coin", "chosen", multiple=True, metavar="TXID:VOUT", help="Spend this coin, and no others.")
@click.option("--no-replace", is_flag=True, help="Do not allow a later `bump`.")
@click.option("--label", default=None, help="Remember the address (of a single payment) by this name.")
@_spending
def send_(
    payments: tuple[str, ...],
    subtract_fee: bool,
    chosen: tuple[str, ...],
    no_replace: bool,
    label: str | None,
    fee_rate: str | None,
    target: int | None,
    allow_high_fee: bool,
    dry_run: bool,
    sure: bool,
    from_stdin: bool,
    **node: Any,
) -> None:
    """Pay AMOUNT (0.5btc, 1000sat) to ADDRESS; several at once if more are given."""
    if len(payments) % 2:
        raise CliError("each address needs an amount", USAGE, "chainyard wallet send ADDRESS 0.5btc")
    for text in payments[1::2]:
        check_amount(text)
    fee_options = _fee_options(fee_rate, target)
    client = client_of(node)
    wanted = [(address, parse_amount(text)) for address, text in zip(payments[::2], payments[1::2], strict=True)]
    for address, _ in wanted:
        _check_address(client, address)
    outputs = [{address: coins(amount)} for address, amount in wanted]
    options: dict[str, Any] = {**fee_options, "replaceable": not no_replace}
    if subtract_fee:
        options["subtract_fee_from_outputs"] = list(range(len(wanted)))
    if chosen:
        options |= {"inputs": [_point(text) for text in chosen], "add_inputs": False}
    with unlocked(client, from_stdin):
        tried = call(client, "send", outputs=outputs, options={**options, "add_to_wallet": False})
        if not tried["complete"]:
            raise CliError("the wallet cannot sign this payment", hint="it has no private keys for it")
        tx = call(client, "decoderawtransaction", tried["hex"])
        plan, fixed = _planned(client, wanted, tx)
        _check_fee(sat_of(plan["fee"]), tx["vsize"], sum(a for _, a in wanted), allow_high_fee)
        if dry_run:
            emit({**plan, "hex": tried["hex"], "sent": False}, lambda r: f"would send:\n{_describe(r)}")
            return
        _ask(f"sending:\n{_describe(plan)}", sure)
        sent = call(client, "send", outputs=outputs, options={**options, **fixed})
    if label is not None:
        call(client, "setlabel", wanted[0][0], label)
    emit({**plan, "txid": sent["txid"], "sent": True}, lambda r: str(r["txid"]))


def _planned(client: Any, wanted: list[tuple[str, int]], tx: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The plan that a trial transaction stands for, and the options that make the same one again."""
    inputs = [{"txid": i["txid"], "vout": i["vout"]} for i in tx["vin"]]
    left = dict(wanted)
    paid, change, place = [], 0, None
    for at, out in enumerate(tx["vout"]):
        address = out["scriptPubKey"].get("address", "")
        if address in left:
            paid.append((address, sat_of(out["value"])))
            del left[address]
        else:
            change, place = sat_of(out["value"]), at
    fee = _value_of(client, inputs) - sum(sat_of(out["value"]) for out in tx["vout"])
    fixed: dict[str, Any] = {"inputs": inputs, "add_inputs": False}
    if place is not None:
        fixed["change_position"] = place
    return _plan(paid, fee, tx, change), fixed


def _value_of(client: Any, inputs: list[dict[str, Any]]) -> int:
    known = {(row["txid"], row["vout"]): sat_of(row["amount"]) for row in call(client, "listunspent", 0)}
    return sum(known[i["txid"], i["vout"]] for i in inputs)


@click.command("sweep")
@click.argument("address")
@click.option("--send-max", is_flag=True, help="Leave coins that cost more than they are worth.")
@_spending
def sweep_(
    address: str,
    send_max: bool,
    fee_rate: str | None,
    target: int | None,
    allow_high_fee: bool,
    dry_run: bool,
    sure: bool,
    from_stdin: bool,
    **node: Any,
) -> None:
    """Send all that can be spent to ADDRESS, less the fee."""
    client = client_of(node)
    _check_address(client, address)
    options = {**_fee_options(fee_rate, target), **({"send_max": True} if send_max else {})}
    with unlocked(client, from_stdin):
        tried = call(client, "sendall", recipients=[address], options={**options, "add_to_wallet": False})
        tx = call(client, "decoderawtransaction", tried["hex"])
        inputs = [{"txid": i["txid"], "vout": i["vout"]} for i in tx["vin"]]
        value = sat_of(tx["vout"][0]["value"])
        plan = _plan([(address, value)], _value_of(client, inputs) - value, tx, 0)
        _check_fee(sat_of(plan["fee"]), tx["vsize"], value, allow_high_fee)
        if dry_run:
            emit({**plan, "hex": tried["hex"], "sent": False}, lambda r: f"would send:\n{_describe(r)}")
            return
        _ask(f"sending all:\n{_describe(plan)}", sure)
        options.pop("send_max", None)
        sent = call(client, "sendall", recipients=[address], options={**options, "inputs": inputs})
    emit({**plan, "txid": sent["txid"], "sent": True}, lambda r: str(r["txid"]))


@click.command("bump")
@click.argument("txid")
@click.option("--fee-rate", default=None, metavar="SAT/VB")
@click.option("--allow-high-fee", is_flag=True)
@click.option("--yes", "sure", is_flag=True, help="Do not ask.")
@stdin_option
@wallet_options
def bump_(txid: str, fee_rate: str | None, allow_high_fee: bool, sure: bool, from_stdin: bool, **node: Any) -> None:
    """Replace an unmined payment by one with a higher fee."""
    client = client_of(node)
    options = _fee_options(fee_rate, None)
    if fee_rate is not None and float(options["fee_rate"]) > HIGH_RATE and not allow_high_fee:
        raise CliError(f"{rate(fee_rate)} looks like a mistake", USAGE, "lower --fee-rate, or say --allow-high-fee")
    row = call(client, "gettransaction", txid)
    if not sure:
        click.echo(f"{txid} pays a fee of {shown(-row.get('fee', 0))}", err=True)
        _confirm("Replace it by one with a higher fee?", sure)
    with unlocked(client, from_stdin):
        done = call(client, "bumpfee", txid, options)
    emit(done, lambda r: f"{r['txid']}\nfee {shown(r['origfee'])} -> {shown(r['fee'])}")
