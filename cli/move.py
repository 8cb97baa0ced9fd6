"""`chainyard wallet deposit|exit|moves`: value between the two halves of a twin chain, and what became of it.

A deposit is a payment of a wallet of the node; an exit is a transaction of an account, whoever holds its key.
"""

from __future__ import annotations

from typing import Any

import click

from cli.amounts import coins, parse_amount, shown
from cli.ethereum import explained, parse_account, send_asked, sender_options, sent_text
from cli.output import USAGE, CliError, call, emit, table, wants_json
from cli.payments import confirm, fee_options
from cli.secrets import stdin_option, unlocked
from cli.wallet import client_of, wallet_options
from primitives import address as addresses
from primitives.address import account_encode
from primitives.errors import DecodeError
from wallet.contracts import entry_of
from wallet.moves import exit_call

EVENT = "Exit(uint256 indexed number,address indexed account,uint8 version,bytes32 program,uint64 satoshi)"
COLUMNS = ("kind", "amount", "account", "status", "confirmations", "transaction")


@click.command("deposit")
@click.argument("amount")
@click.argument("account")
@click.option("--fee-rate", default=None, metavar="SAT/VB", help="Satoshi per virtual byte.")
@click.option("--yes", "-y", "sure", is_flag=True, help="Do not ask.")
@stdin_option
@wallet_options
def deposit_(amount: str, account: str, fee_rate: str | None, sure: bool, from_stdin: bool, **node: Any) -> None:
    """Move AMOUNT (0.5btc, 1000sat) of the wallet's coins to ACCOUNT (0x...), where they are ether: one coin is one ether."""
    owner = account_encode(parse_account(account))
    rate = fee_options(fee_rate, None).get("fee_rate")
    client = client_of(node)
    value = parse_amount(amount)
    if not (sure and wants_json()):
        click.echo(f"moving {shown(coins(value))} to the account {owner}", err=True)
    confirm("Move it?", sure, "nothing was moved")
    with unlocked(client, from_stdin):
        made = call(client, "deposit", coins(value), owner, rate)
    emit(made, lambda r: f"{r['txid']}\nfee {shown(r['fee'])}; `chainyard wallet moves` tells when it is credited")


@click.command("exit")
@click.argument("amount")
@click.argument("address")
@sender_options
def exit_(amount: str, address: str, **given: Any) -> None:
    """Move AMOUNT (0.5btc, 1000sat) of an account's ether to ADDRESS (bc1..., bcrt1...), where it is coins: one ether is one coin.

    It is paid by the block that takes the call in, or as soon as its turn comes, and matures like a block's reward.
    """
    from chains.twin import STYLE  # slow to load
    from ledger.account.requests import EXITS

    value = parse_amount(amount)
    try:
        script = addresses.decode(address, STYLE)
    except DecodeError as e:
        raise CliError(f"{address} cannot be paid: {e}", USAGE) from e
    with explained():
        made = exit_call(EXITS, script, value)
    entries = (entry_of(EVENT, kind="event"),)
    emit(send_asked(f"moving {shown(coins(value))} to {address}", made, given, entries), sent_text)


@click.command("moves")
@click.option("-n", "count", type=click.IntRange(1, 1000), default=20, show_default=True)
@wallet_options
def moves_(count: int, **node: Any) -> None:
    """The last deposits and exits of the chain, oldest first: how far each is."""
    rows = call(client_of(node), "listmoves", count)
    emit(rows, lambda r: table([_row(one) for one in r], COLUMNS) if r else "nothing moved yet")


def _row(move: dict[str, Any]) -> dict[str, Any]:
    status = move["status"]
    if status == "immature":
        status = f"spendable from block {move['spendable_height']} on"
    name = move["hash"] if move["kind"] == "exit" else move["txid"]
    return {**move, "amount": shown(move["amount"]), "status": status, "transaction": name}
