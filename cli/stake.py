"""`chainyard wallet stake on|off|status` and `chainyard mint`: coins that mint blocks. What may stake, the node says."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cli.output import NO_CONNECTION, CliError, call, emit, net_root
from cli.wallet import client_of, wallet_options

if TYPE_CHECKING:
    from node.testnet import Testnet

_MOST_REASONABLE = 365 * 24 * 60 * 60


@click.command("stake")
@click.argument("action", type=click.Choice(["on", "off", "status"]), default="status")
@wallet_options
def stake_(action: str, **node: Any) -> None:
    """Let the wallet's coins mint blocks, stop it, or say how it goes."""
    client = client_of(node)
    if action != "status":
        call(client, "staking", action == "on")
    emit(call(client, "getstakinginfo"), described)


def described(info: dict[str, Any]) -> str:
    """How it goes, for people."""
    rows = [
        ("staking", "on" if info["enabled"] else "off"),
        ("last search", info["errors"] or info["state"]),
        ("coins", f"{info['coins']}, {info['ripe']} of them old enough"),
        ("weight", f"{info['weight']} coin-days"),
        ("difficulty", str(info["difficulty"])),
        ("next block", _expected(info)),
    ]
    if info["reserve"]:
        rows.append(("reserve", str(info["reserve"])))
    return "\n".join(f"{name:<12} {text}" for name, text in rows)


def _expected(info: dict[str, Any]) -> str:
    seconds = info["expectedtime"]
    if info["coins"] and not info["ripe"] and "earliest" in info:
        return f"no coin is old enough before {info['earliest']} (seconds since 1970)"
    if not seconds:
        return "none to be expected"
    return f"in about {seconds} s" if seconds < _MOST_REASONABLE else "in more than a year"


@click.command("mint")
@click.argument("blocks", type=click.IntRange(1), default=1)
@wallet_options
def mint(blocks: int, **node: Any) -> None:
    """Mint BLOCKS by stake at once, the clock of the local network moving as far as they need.

    Where the tip has become too old to stake on, a block of work comes first; it does not count.
    """
    network = None if node["rpc_url"] or node["chain"] else _network(node["datadir"])
    if network is not None and node["member"] is None:
        node["member"] = next(iter(network.stakers), None)
    client = client_of(node)
    hashes = call(client, "mint", blocks)
    moved = 0
    if network is not None:
        from node.client import NoConnection

        try:
            moved = network.reach(call(client, "getblockheader", hashes[-1])["time"])
        except NoConnection as e:
            raise CliError(str(e), NO_CONNECTION) from e
    emit({"blocks": hashes, "clocks": moved}, lambda r: f"minted {len(r['blocks'])} blocks, tip {r['blocks'][-1]}")


def _network(datadir: Path | None) -> Testnet | None:
    """The local network, if one runs here: its nodes' clocks are to go together."""
    from node.testnet import NetError, Testnet

    try:
        network = Testnet.open(net_root(datadir))
    except NetError:
        return None  # a node by itself
    return network if any(m.running for m in network.members) else None
