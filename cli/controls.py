"""`chainyard control`: what people do to a local chain: money, blocks, clock, snapshots, dumps, branches. One set for both sides."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from cli.amounts import MONEY, coins, parse_amount
from cli.output import USAGE, CliError, call, connect, emit, net_root, node_options
from cli.wei import parse_wei

SPANS = {"s": 1, "m": 60, "min": 60, "h": 3_600, "d": 86_400, "w": 604_800, "": 1}


@click.group()
def control() -> None:
    """Money, blocks, clock, snapshots, dumps and branches of a local chain."""


def _on_node(command: Callable[..., None]) -> Any:
    """A subcommand with the options that find a node."""
    return control.command()(node_options(command))


@_on_node
def status(**where: Any) -> None:
    """Height, clock, mining modes and snapshots of a node."""
    emit(call(connect(**where), "getlocalinfo"), lambda r: "\n".join(f"{k:<14} {v}" for k, v in r.items()))


# -- money -----------------------------------------------------------------------------------------------------------


@control.command()
@click.argument("address")
@click.argument("amount", default="")
@node_options
def faucet(address: str, amount: str, **where: Any) -> None:
    """Give ADDRESS coins (1btc) or, where it is an account (0x...), ether (10ether), in a block at once."""
    client = connect(**where)
    if address.startswith("0x"):
        value = str(parse_wei(amount or "100ether"))
    else:
        value = _coins(amount or "1coin", client)
    result = call(client, "faucet", address, value)
    emit(result, lambda r: f"paid in block {r['height']} ({r['txid'] or r['block']})")


def _coins(text: str, client: Any) -> str:
    """An amount as methods take it, in the chain's own coin."""
    MONEY.follow(lambda: call(client, "getnetworkinfo"))
    return coins(parse_amount(text))


@control.command("set-coins")
@click.argument("address")
@click.argument("amount")
@node_options
def set_coins(address: str, amount: str, **where: Any) -> None:
    """Make coins out of nothing for ADDRESS, as a committed edit (chains that allow edits)."""
    client = connect(**where)
    emit(call(client, "grantcoins", {address: _coins(amount, client)}))


@control.command("set-balance")
@click.argument("account")
@click.argument("amount")
@node_options
def set_balance(account: str, amount: str, **where: Any) -> None:
    """Give ACCOUNT exactly AMOUNT (5ether), as a committed edit."""
    call(connect(**where), "setbalance", account, str(parse_wei(amount)))
    emit({"account": account, "balance": amount}, lambda _: "set")


@control.command("set-code")
@click.argument("account")
@click.argument("code")
@node_options
def set_code(account: str, code: str, **where: Any) -> None:
    """Give ACCOUNT this code (hex), as a committed edit."""
    call(connect(**where), "setcode", account, code)
    emit({"account": account}, lambda _: "set")


@control.command("set-storage")
@click.argument("account")
@click.argument("slot")
@click.argument("value")
@node_options
def set_storage(account: str, slot: str, value: str, **where: Any) -> None:
    """Give a slot of a contract this value (numbers, or 0x and hex), as a committed edit."""
    call(connect(**where), "setstorage", account, slot, value)
    emit({"account": account, "slot": slot, "value": value}, lambda _: "set")


# -- blocks and time -------------------------------------------------------------------------------------------------


@control.command()
@click.argument("blocks", type=click.IntRange(1), default=1)
@click.option("--to", "address", default=None, help="Pay them to this address.")
@node_options
def mine(blocks: int, address: str | None, **where: Any) -> None:
    """Mine BLOCKS at once."""
    hashes = call(connect(**where), "mine", blocks, address)
    emit(hashes, lambda h: f"mined {len(h)} blocks, tip {h[-1]}")


@control.command()
@click.argument("state", type=click.Choice(["on", "off"]))
@node_options
def automine(state: str, **where: Any) -> None:
    """Mine every transaction at once, or only when told to."""
    call(connect(**where), "setautomine", state == "on")
    emit({"automine": state == "on"}, lambda _: state)


@control.command("block-time")
@click.argument("seconds", type=click.FloatRange(0))
@node_options
def block_time(seconds: float, **where: Any) -> None:
    """Mine a block every so many SECONDS; 0 ends it."""
    call(connect(**where), "setinterval", seconds)
    emit({"interval": seconds}, lambda _: f"a block every {seconds:g} s" if seconds else "no longer")


@control.command("time")
@click.argument("when")
@node_options
def time_(when: str, **where: Any) -> None:
    """Move the one clock: +90s, +2h, +30d, or a date ahead (2030-01-01, or 2030-01-01T12:00). Of every node, where it is a net's."""
    clients = _all_nodes(**where)
    now = max(call(client, "movetime", 0) for client in clients)
    target = now + _span(when) if when.startswith("+") else _date(when)
    if target < now:
        raise CliError("the clock does not go back", USAGE, "`chainyard control revert` does, with the chain")
    for client in clients:
        call(client, "movetime", max(0, target - call(client, "movetime", 0)))
    shown = datetime.fromtimestamp(target, UTC).isoformat()
    emit({"time": target, "nodes": len(clients)}, lambda _: f"{shown} on {len(clients)} node(s)")


def _all_nodes(chain: str | None, datadir: Path | None, member: str | None, rpc_url: str | None) -> list[Any]:
    """The node that is meant, and with it all others of its net."""
    from node.testnet import NetError, Testnet

    client = connect(chain, datadir, member, rpc_url)
    try:
        net = Testnet.open(net_root(datadir))
        clients = [net.client(m) for m in net.members if m.running]
    except NetError:
        return [client]
    return clients if any(c.endpoint == client.endpoint for c in clients) else [client]


def _span(text: str) -> int:
    found = re.fullmatch(r"\+([0-9]+)\s*([a-z]*)", text)
    if found is None or found[2] not in SPANS:
        raise CliError(f"{text!r} is not a span of time", USAGE, "write +90s, +5m, +2h, +30d")
    return int(found[1]) * SPANS[found[2]]


def _date(text: str) -> int:
    if text.isdigit():
        return int(text)
    try:
        found = datetime.fromisoformat(text)
    except ValueError as e:
        raise CliError(f"{text!r} is not a date", USAGE, "write 2030-01-01T12:00, or +2h for a span") from e
    return int((found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp())


# -- snapshots and dumps ---------------------------------------------------------------------------------------------


@_on_node
def snapshot(**where: Any) -> None:
    """Remember chain, pool, clock and modes; prints the number for `revert`."""
    emit({"snapshot": call(connect(**where), "snapshot")}, lambda r: str(r["snapshot"]))


@control.command()
@click.argument("number", type=int)
@node_options
def revert(number: int, **where: Any) -> None:
    """Go back to a snapshot, which is used up then."""
    if not call(connect(**where), "revert", number):
        raise CliError(f"there is no snapshot {number}", hint="`chainyard control status` lists them")
    emit({"reverted": number}, lambda _: "reverted")


@control.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--wallets", is_flag=True, help="The loaded wallets too, their secrets as they are kept on disk.")
@node_options
def dump(file: Path, wallets: bool, **where: Any) -> None:
    """Write the whole chain with pool and clock to FILE."""
    result = call(connect(**where), "dumpchain", str(file.absolute()), wallets)
    emit(result, lambda r: f"height {r['height']}, {r['bytes']} bytes in {r['path']}")


@control.command()
@click.argument("file", type=click.Path(path_type=Path))
@node_options
def load(file: Path, **where: Any) -> None:
    """Put the chain of FILE in the place of this one."""
    result = call(connect(**where), "loadchain", str(file.absolute()))
    emit(result, lambda r: f"height {r['height']}, tip {r['tip']}")


# -- branches --------------------------------------------------------------------------------------------------------


@control.command()
@click.option("--depth", type=click.IntRange(1), default=1, show_default=True, help="How many blocks are replaced.")
@click.option("--with", "txs", multiple=True, metavar="TX", help="A raw transaction for the first new block.")
@node_options
def reorg(depth: int, txs: tuple[str, ...], **where: Any) -> None:
    """Grow a competing branch until it wins, here and at every peer."""
    result = call(connect(**where), "reorg", depth, list(txs))
    emit(result, lambda r: f"{depth} blocks replaced, height {r['height']}, tip {r['tip']}")


@control.command()
@click.argument("block")
@node_options
def invalidate(block: str, **where: Any) -> None:
    """Hold BLOCK and what builds on it for invalid."""
    call(connect(**where), "invalidateblock", _bare(block))
    emit({"invalidated": block}, lambda _: "invalid")


@control.command()
@click.argument("block")
@node_options
def reconsider(block: str, **where: Any) -> None:
    """Judge BLOCK again: undoes `invalidate`."""
    call(connect(**where), "reconsiderblock", _bare(block))
    emit({"reconsidered": block}, lambda _: "judged again")


def _bare(block: str) -> str:
    if block.startswith("0x"):
        raise CliError("name the block by the hash that `chainyard control status` shows", USAGE)
    return block
