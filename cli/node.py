"""`chainyard node` and `chainyard dev`: a node in this process, until it is stopped."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from cli.output import USAGE, CliError, emit, json_option

ENGINES = {"sha256d": "twin", "ethash": "twin-ethash", "stake": "twin-stake"}
"""The twin chain by its engine."""
DEFAULT_CHAIN = "twin"
"""Of `chainyard dev` and `chainyard net up`: both worlds on one chain."""


def _settings(command: Any) -> Any:
    options = [
        click.option("--chain", default=None, help="Name of a chain, or a .toml file that describes one."),
        click.option("--datadir", type=click.Path(path_type=Path), default=None, help="Where everything is kept."),
        click.option("--host", default=None, help="Address that peers connect to."),
        click.option("--port", type=int, default=None, help="Port that peers connect to; 0: a free one."),
        click.option(
            "--bitcoin-rpc-port", type=int, default=None, help="Port of the Bitcoin-style RPC; 0: a free one."
        ),
        click.option(
            "--ethereum-rpc-port", type=int, default=None, help="Port of the Ethereum-style RPC; 0: a free one."
        ),
        click.option(
            "--ethereum-rpc-hosts", multiple=True, metavar="NAME", help="Answer requests to this host name; * for all."
        ),
        click.option(
            "--ethereum-rpc-origins", multiple=True, metavar="URL", help="Let pages of this site call; * for all."
        ),
        click.option("--rpc-host", default=None, help="Address of the RPC servers."),
        click.option("--rpc-user", default=None),
        click.option("--rpc-password", default=None, help="Better: CHAINYARD_RPC_PASSWORD, or the cookie."),
        click.option(
            "--connect", multiple=True, metavar="HOST:PORT", help="Keep a connection to this peer, and to no others."
        ),
        click.option("--addnode", multiple=True, metavar="HOST:PORT", help="Keep a connection to this peer too."),
        click.option("--whitelist", multiple=True, metavar="ADDR", help="Never ban or limit peers from here."),
        click.option("--mine/--no-mine", default=None, help="Mine without end."),
        click.option("--mine-to", default=None, metavar="ADDRESS"),
        click.option("--threads", type=int, default=None, help="Mining threads; 0: all cores."),
        click.option(
            "--ethash-dataset/--no-ethash-dataset",
            default=None,
            help="Make Ethash's full dataset to mine with, however large.",
        ),
        click.option("--name", default=None, help="A name to show to peers."),
        click.option("--wallet", "wallets", multiple=True, help="Load this wallet at the start."),
        click.option("--durability", type=click.Choice(["full", "batch", "none"]), default=None),
        click.option("--min-relay-fee", type=int, default=None, help="Satoshi for 1,000 virtual bytes."),
        click.option("--accept-nonstandard/--require-standard", default=None),
        click.option("--max-mempool", type=int, default=None, help="Megabytes."),
        click.option("--max-connections", type=int, default=None),
        click.option("--listen/--no-listen", default=None),
        click.option("--txindex/--no-txindex", default=None),
        click.option("--blockfilterindex/--no-blockfilterindex", default=None),
        click.option("--seed", type=int, default=None, help="Fix all randomness, and with `dev` the clock's start."),
        click.option("--log-level", default=None, help="debug, info, warning or error."),
        click.option("--log", multiple=True, metavar="CATEGORY=LEVEL"),
        click.option("--log-format", type=click.Choice(["text", "json"]), default=None),
        click.option("--block-time", type=float, default=None, metavar="SECONDS", help="Make a block every so often."),
        click.option("--automine/--no-automine", default=None, help="Make a block of every transaction at once."),
        click.option("--quiet", is_flag=True, default=None, help="No banner."),
    ]
    for option in reversed(options):
        command = option(command)
    return json_option(command)


@click.command()
@_settings
def node(**settings: Any) -> None:
    """Run a node until it is stopped (Ctrl-C)."""
    run({k: v for k, v in settings.items() if v is not None}, dev=False)


@click.command()
@_settings
@click.option(
    "--engine",
    type=click.Choice(list(ENGINES)),
    default=None,
    help="What seals the blocks of the twin chain: work by SHA-256d or Ethash, or stake.",
)
@click.option(
    "--accounts", type=click.IntRange(0, 1000), default=None, help="How many accounts on each side have money (10)."
)
@click.option(
    "--config-out",
    type=click.Path(path_type=Path),
    default=None,
    help="Write addresses, keys and URLs to this JSON file.",
)
def dev(config_out: Path | None, engine: str | None, **settings: Any) -> None:
    """A local chain in this process, ready at once: accounts with money, both RPCs, a block when you ask for one.

    Without --datadir it lives in memory and ends with the process. With --seed two runs of the same inputs make the same chain.
    """
    given = {k: v for k, v in settings.items() if v is not None}
    if engine is not None:
        if "chain" in given:
            raise CliError("--engine chooses the chain: it does not go with --chain", USAGE)
        given["chain"] = ENGINES[engine]
    if "datadir" not in given:
        given["ephemeral"] = True
    run(given, dev=True, config_out=config_out)


def run(settings: dict[str, Any], dev: bool, config_out: Path | None = None) -> None:
    """Load the configuration and run the daemon. Raises CliError with the exit code that fits."""
    from node.banner import banner
    from node.config import ConfigError, load
    from node.daemon import run_node
    from node.opening import StartError

    try:
        config = load(settings, os.environ, Path.cwd())
    except ConfigError as e:
        raise CliError(str(e), USAGE) from e
    if dev and "chain" not in config.origins:
        config = replace(config, chain=DEFAULT_CHAIN)

    def announce(state: dict[str, Any]) -> None:
        if config_out is not None:
            config_out.write_text(json.dumps(state, indent=1))
        if not config.quiet:
            emit(state, lambda found: banner(found, dev))

    try:
        status = run_node(config, announce, dev)
    except StartError as e:
        raise CliError(str(e), e.exit_code, e.hint) from e
    if status:
        raise SystemExit(status)
