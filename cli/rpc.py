"""`chainyard rpc METHOD ...`, `info`, `peers` and `stop`: a node through its RPC."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import click

from cli.output import NO_CONNECTION, USAGE, CliError, call, connect, emit, node_options, table

_STRINGS = {
    "addnode": {0, 1}, "createwallet": {0, 3}, "decoderawtransaction": {0}, "disconnectnode": {0}, "encryptwallet": {0}, "getblock": {0},
    "getblockheader": {0}, "getnewaddress": {0, 1}, "getrawtransaction": {0, 2}, "gettransaction": {0}, "invalidateblock": {0},
    "loadwallet": {0}, "sendrawtransaction": {0}, "sendtoaddress": {0, 2, 3}, "setban": {0, 1}, "setlabel": {0, 1}, "signmessage": {0, 1},
    "submitblock": {0}, "unloadwallet": {0}, "verifymessage": {0, 1, 2}, "walletpassphrase": {0}, "walletpassphrasechange": {0, 1},
}  # fmt: skip
"""Positions that are strings even where they look like numbers; all else that parses as JSON is JSON."""


def parse_argument(text: str, method: str, position: int) -> Any:
    """An argument as JSON where it is JSON, else the string itself."""
    if position in _STRINGS.get(method, ()):
        return text
    try:
        return json.loads(text)
    except ValueError:
        return text


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("method")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
@click.option("--named", is_flag=True, help="Arguments are name=value.")
@click.option("--stdin", "from_stdin", is_flag=True, help="Read more arguments from standard input, one a line.")
@click.option("--wait", "wait_seconds", type=float, default=0, help="Wait so many seconds for the node to answer.")
@click.option("--wallet", default=None, help="Speak for this wallet.")
@click.option("--core-exit-codes", is_flag=True, help="Exit with the absolute RPC error code, as bitcoin-cli does.")
@node_options
def rpc(
    method: str,
    arguments: tuple[str, ...],
    named: bool,
    from_stdin: bool,
    wait_seconds: float,
    wallet: str | None,
    core_exit_codes: bool,
    chain: str | None,
    datadir: Path | None,
    member: str | None,
    rpc_url: str | None,
) -> None:
    """Call METHOD with ARGUMENTS and print the bare result."""
    words = [*arguments, *(line.rstrip("\n") for line in sys.stdin)] if from_stdin else list(arguments)
    try:
        client = _wait_for_node(wait_seconds, chain, datadir, member, rpc_url, wallet)
        if named:
            pairs = dict(_pair(word) for word in words)
            result = call(client, method, **pairs)
        else:
            result = call(client, method, *(parse_argument(w, method, i) for i, w in enumerate(words)))
    except CliError as e:
        if core_exit_codes and e.code is not None:
            raise CliError(e.message, abs(e.code), e.hint, e.code, e.data) from e
        if core_exit_codes and e.exit_code == NO_CONNECTION:
            raise CliError(e.message, 1, e.hint) from e
        raise
    if result is not None:
        emit(result)


def _pair(word: str) -> tuple[str, Any]:
    name, equals, value = word.partition("=")
    if not equals:
        raise CliError(f"{word!r} is not name=value", USAGE)
    return name, parse_argument(value, "", 0)


def _wait_for_node(seconds: float, *where: Any) -> Any:
    """The client, once the node answers with something else than its warm-up."""
    from node.testnet import wait_for

    if not seconds:
        return connect(*where)
    found: list[Any] = []

    def answers() -> bool:
        try:
            client = connect(*where)
            call(client, "uptime")
        except CliError as e:
            return e.exit_code != NO_CONNECTION and e.code != -28
        found.append(client)
        return True

    if not wait_for(answers, seconds, 0.1) or not found:
        raise CliError(f"no node answers after {seconds:g} s", NO_CONNECTION)
    return found[0]


@click.command()
@node_options
def info(chain: str | None, datadir: Path | None, member: str | None, rpc_url: str | None) -> None:
    """Chain, height, peers, mempool and wallets at one look."""
    client = connect(chain, datadir, member, rpc_url)
    state = call(client, "getblockchaininfo")
    network = call(client, "getnetworkinfo")
    pool = call(client, "getmempoolinfo")
    result = {
        "version": network["subversion"],
        "chain": state["chain"],
        "height": state["blocks"],
        "headers": state["headers"],
        "tip": state["bestblockhash"],
        "difficulty": state["difficulty"],
        "connections": network["connections"],
        "mempool": pool["size"],
        "wallets": call(client, "listwallets"),
        "uptime": call(client, "uptime"),
    }
    emit(result, lambda r: "\n".join(f"{k:<12} {', '.join(v) if isinstance(v, list) else v}" for k, v in r.items()))


@click.command()
@node_options
def peers(chain: str | None, datadir: Path | None, member: str | None, rpc_url: str | None) -> None:
    """One line a peer."""
    rows = call(connect(chain, datadir, member, rpc_url), "getpeerinfo")
    columns = (
        "id",
        "addr",
        "inbound",
        "subver",
        "synced_headers",
        "synced_blocks",
        "bytesrecv",
        "bytessent",
        "pingtime",
    )
    emit(rows, lambda r: table(r, columns) if r else "no peers")


@click.command()
@node_options
def stop(chain: str | None, datadir: Path | None, member: str | None, rpc_url: str | None) -> None:
    """Ask the node to stop."""
    emit(call(connect(chain, datadir, member, rpc_url), "stop"))
