"""`chainyard wallet balance|history|coins|send|bump`: what there is and what happened.

Payments are shown before they are made.
"""

from __future__ import annotations

import datetime
from typing import Any

import click

from cli.amounts import coins, rate, sat_of, shown
from cli.output import USAGE, CliError, call, emit, fitted, wants_json
from cli.payments import (
    HIGH_RATE,
    ask_to_send,
    check_fee,
    confirm,
    described,
    fee_options,
    pairs_of,
    payees,
    plan_of,
    point_of,
    spending_options,
    value_of,
    whole_id,
)
from cli.secrets import unlocked
from cli.wallet import client_of, wallet_options


@click.command("balance")
@wallet_options
def balance_(**node: Any) -> None:
    """What can be spent, what is not mined yet, and rewards that have to wait."""
    client = client_of(node)
    found = call(client, "getbalances")["mine"]
    able = wants_json() or call(client, "getwalletinfo")["private_keys_enabled"]
    rows = (("spendable" if able else "watched", "trusted"), ("pending", "untrusted_pending"), ("immature", "immature"))
    emit(found, lambda r: "\n".join(f"{name:<10} {shown(r[key])}" for name, key in rows))


@click.command("history")
@click.option("-n", "count", type=click.IntRange(1), default=20, show_default=True)
@click.option("--label", default="*", help="Only what was received under this label.")
@wallet_options
def history_(count: int, label: str, **node: Any) -> None:
    """The last payments in and out, oldest first."""
    rows = call(client_of(node), "listtransactions", label, count)
    columns = ("time (UTC)", "what", "amount", "fee", "state", "to", "txid")
    emit(rows, lambda r: fitted([_movement(one) for one in r], columns, "txid") if r else "nothing yet")


def _movement(row: dict[str, Any]) -> dict[str, Any]:
    time = datetime.datetime.fromtimestamp(row["time"], datetime.UTC).strftime("%Y-%m-%d %H:%M")
    name = row.get("label") or row.get("address", "")
    fee = shown(-row["fee"]) if "fee" in row else ""
    what = _WHAT.get(row["category"], "reward")
    return {
        **row,
        "time (UTC)": time,
        "what": what,
        "amount": shown(row["amount"]),
        "fee": fee,
        "state": _state(row),
        "to": name,
    }


_WHAT = {"send": "sent", "receive": "received"}


def _state(row: dict[str, Any]) -> str:
    """What became of a payment, in a word or two."""
    depth = row["confirmations"]
    if depth > 0:
        return "immature" if row["category"] == "immature" else f"{depth} block{'s' if depth > 1 else ''}"
    if row.get("abandoned"):
        return "given up"
    if depth < 0 or row.get("replaced_by_txid") or row.get("mempoolconflicts"):
        return "replaced"
    return "off the chain" if row["category"] == "orphan" else "waiting"


@click.command("coins")
@click.option("--min-depth", type=click.IntRange(0), default=0, show_default=True, help="Confirmations.")
@click.option("--lock", "to_lock", multiple=True, metavar="TXID:VOUT", help="Keep this coin from being spent.")
@click.option("--unlock", "to_unlock", multiple=True, metavar="TXID:VOUT", help="Free it again.")
@wallet_options
def coins_(min_depth: int, to_lock: tuple[str, ...], to_unlock: tuple[str, ...], **node: Any) -> None:
    """The unspent coins, those that are locked too."""
    client = client_of(node)
    if to_lock:
        call(client, "lockunspent", False, [point_of(text) for text in to_lock], True)
    if to_unlock:
        call(client, "lockunspent", True, [point_of(text) for text in to_unlock])
    rows = call(client, "listunspent", min_depth)
    locked = call(client, "listlockunspent")
    found = [{**row, "locked": False} for row in rows] + [{**row, "locked": True} for row in locked]

    def show(found: list[dict[str, Any]]) -> str:
        lines = [_coin(row) for row in found]
        return fitted(lines, ("amount", "blocks", "on", "note", "coin"), "coin") if lines else "no coins"

    emit(found, show)


def _coin(row: dict[str, Any]) -> dict[str, Any]:
    note = "locked" if row["locked"] else "" if row["safe"] else "not safe: unmined, and from others"
    amount = shown(row["amount"]) if "amount" in row else ""
    on = row.get("label") or row.get("address", "")
    return {
        "amount": amount,
        "blocks": row.get("confirmations", ""),
        "on": on,
        "note": note,
        "coin": f"{row['txid']}:{row['vout']}",
    }


@click.command("send")
@click.argument("payments", nargs=-1, required=True, metavar="ADDRESS AMOUNT [ADDRESS AMOUNT]...")
@click.option("--subtract-fee", is_flag=True, help="Take the fee off the amounts.")
@click.option("--coin", "chosen", multiple=True, metavar="TXID:VOUT", help="Spend this coin, and no others.")
@click.option("--no-replace", is_flag=True, help="Do not allow a later `bump`.")
@click.option("--label", default=None, help="Remember the address (of a single payment) by this name.")
@click.option(
    "--locktime", type=click.IntRange(0, 0xFFFFFFFF), default=None, help="Not to be mined before this block or second."
)
@click.option("--bip69", is_flag=True, help="Inputs and outputs in the order of BIP69, not at random.")
@spending_options
def send_(
    payments: tuple[str, ...],
    subtract_fee: bool,
    chosen: tuple[str, ...],
    no_replace: bool,
    label: str | None,
    locktime: int | None,
    bip69: bool,
    fee_rate: str | None,
    target: int | None,
    allow_high_fee: bool,
    dry_run: bool,
    sure: bool,
    from_stdin: bool,
    **node: Any,
) -> None:
    """Pay AMOUNT (0.5btc, 1000sat) to ADDRESS; several at once if more are given."""
    pairs = pairs_of(payments)
    fees = fee_options(fee_rate, target)
    client = client_of(node)
    wanted = payees(client, pairs)
    outputs = [{address: coins(amount)} for address, amount in wanted]
    options: dict[str, Any] = {**fees, "replaceable": not no_replace}
    if subtract_fee:
        options["subtract_fee_from_outputs"] = list(range(len(wanted)))
    options |= {"locktime": locktime} if locktime is not None else {}
    options |= {"bip69": True} if bip69 else {}
    if chosen:
        options |= {"inputs": [point_of(text) for text in chosen], "add_inputs": False}
    with unlocked(client, from_stdin):
        tried = call(client, "send", outputs=outputs, options={**options, "add_to_wallet": False})
        if not tried["complete"]:
            raise CliError("the wallet cannot sign this payment", hint="it has no private keys for it")
        tx = call(client, "decoderawtransaction", tried["hex"])
        plan, fixed = _planned(client, wanted, tx)
        check_fee(sat_of(plan["fee"]), tx["vsize"], sum(a for _, a in wanted), allow_high_fee)
        if dry_run:
            emit({**plan, "hex": tried["hex"], "sent": False}, lambda r: f"would send:\n{described(r)}")
            return
        ask_to_send(f"sending:\n{described(plan)}", sure)
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
    fee = value_of(client, inputs) - sum(sat_of(out["value"]) for out in tx["vout"])
    fixed: dict[str, Any] = {"inputs": inputs, "add_inputs": False}
    if place is not None:
        fixed["change_position"] = place
    return plan_of(paid, fee, tx, change), fixed


@click.command("bump")
@click.argument("txid")
@click.option("--cpfp", is_flag=True, help="Let a child pay: for what was received, or cannot be replaced.")
@spending_options
def bump_(
    txid: str,
    cpfp: bool,
    fee_rate: str | None,
    target: int | None,
    allow_high_fee: bool,
    dry_run: bool,
    sure: bool,
    from_stdin: bool,
    **node: Any,
) -> None:
    """Speed up an unmined payment, TXID or how it begins: replace it by one with a higher fee, or with --cpfp spend it by one
    that pays for both."""
    options = fee_options(fee_rate, target)
    client = client_of(node)
    txid = whole_id(client, txid)
    if fee_rate is not None and float(options["fee_rate"]) > HIGH_RATE and not allow_high_fee:
        raise CliError(f"{rate(fee_rate)} looks like a mistake", USAGE, "lower --fee-rate, or say --allow-high-fee")
    (_child if cpfp else _replacement)(client, txid, options, allow_high_fee, dry_run, sure, from_stdin)


def _replacement(
    client: Any, txid: str, options: dict[str, Any], allow: bool, dry_run: bool, sure: bool, from_stdin: bool
) -> None:
    tried = call(client, "psbtbumpfee", txid, options)
    tx = call(client, "decodepsbt", tried["psbt"])["tx"]
    paid = sum(sat_of(out["value"]) for out in tx["vout"])
    if not allow and sat_of(tried["fee"]) > max(paid, 10_000):
        raise CliError(f"the fee would be {shown(tried['fee'])}", USAGE, "lower --fee-rate, or say --allow-high-fee")
    plan = {"replaces": txid, "origfee": tried["origfee"], "fee": tried["fee"]}
    if dry_run:
        emit({**plan, "sent": False}, lambda r: f"would replace it: fee {shown(r['origfee'])} -> {shown(r['fee'])}")
        return
    if not sure:
        click.echo(f"{txid}\n  fee {shown(tried['origfee'])} -> {shown(tried['fee'])}", err=True)
        confirm("Replace it by one with the higher fee?", sure)
    with unlocked(client, from_stdin):
        done = call(client, "bumpfee", txid, options)
    emit(done, lambda r: f"{r['txid']}\nfee {shown(r['origfee'])} -> {shown(r['fee'])}")


def _child(
    client: Any, txid: str, options: dict[str, Any], allow: bool, dry_run: bool, sure: bool, from_stdin: bool
) -> None:
    tried = call(client, "childpaysforparent", txid, options, True)
    value = sat_of(call(client, "decoderawtransaction", tried["hex"])["vout"][0]["value"])
    check_fee(sat_of(tried["fee"]), tried["packagesize"], value, allow)
    together = rate(f"{sat_of(tried['packagefee']) / tried['packagesize']:.1f}")
    text = f"a child pays {shown(tried['fee'])}; both together {together}"
    if dry_run:
        emit({**tried, "sent": False}, lambda _: f"would send: {text}")
        return
    if not sure:
        click.echo(f"{txid}\n  {text}", err=True)
        confirm("Send it?", sure)
    with unlocked(client, from_stdin):
        done = call(client, "childpaysforparent", txid, options)
    emit(done, lambda r: f"{r['txid']}\nfee {shown(r['fee'])}")
