"""`chainyard console`: Python with a node at hand. It knows no method; names become calls."""

from __future__ import annotations

import atexit
import code
import contextlib
import sys
import traceback
from pathlib import Path
from typing import Any

import click

from cli.output import CliError, call, connect, node_options

HISTORY = "console_history"
MOST_LINES = 2_000


class Accounts:
    """The Ethereum-style RPC: `eth.blockNumber()` is eth_blockNumber, names with an underscore are sent as they are."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        method = name if "_" in name else f"eth_{name}"
        return lambda *params: self._client.call(method, *params)

    def __repr__(self) -> str:
        return f"<eth {self._client.endpoint.host}:{self._client.endpoint.port}>"


class Coins:
    """The Bitcoin-style RPC: `btc.getblockcount()`; `btc.wallet("alice").getbalance()` speaks for a wallet."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def wallet(self, name: str) -> Coins:
        """The same for one wallet."""
        return Coins(self._client.wallet(name))

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return lambda *params, **named: self._client.call(name, *params, **named)

    def __repr__(self) -> str:
        return f"<btc {self._client.endpoint.host}:{self._client.endpoint.port}{self._client.path}>"


def names_of(client: Any) -> tuple[dict[str, Any], str]:
    """What the console binds, and what it says of it."""
    info = call(client, "getlocalinfo")
    bound: dict[str, Any] = {"node": Coins(client), "btc": Coins(client)}
    told = [
        "  node   controls: node.mine(3), node.faucet(address, 1), node.snapshot(), node.revert(1), node.reorg(2), node.movetime(60)"
    ]
    told.append("  btc    Bitcoin-style RPC: btc.getblockcount(), btc.wallet('alice').getbalance()")
    url = info["ethereum_rpc"]
    if url:
        from node.ethereum_client import EthereumClient

        bound["eth"] = Accounts(EthereumClient(url))
        told.append("  eth    Ethereum-style RPC: eth.blockNumber(), eth.evm_mine()")
        try:
            from web3 import Web3  # type: ignore[import-not-found, unused-ignore]
        except ImportError:
            told.append("  w3     not bound: `pip install web3` beside chainyard")
        else:
            bound["w3"] = Web3(Web3.HTTPProvider(url))
            told.append("  w3     web3.py: w3.eth.block_number")
    head = f"Chainyard console: {info['chain']} at height {info['height']}. Ctrl-D ends it."
    return bound, "\n".join([head, *told])


@click.command()
@click.option(
    "--exec", "source", default=None, metavar="CODE", help="Run this and end; `-` reads it from standard input."
)
@node_options
def console(
    source: str | None, chain: str | None, datadir: Path | None, member: str | None, rpc_url: str | None
) -> None:
    """A Python console with node, btc, eth and (where web3 is installed) w3 bound."""
    bound, banner = names_of(connect(chain, datadir, member, rpc_url))
    if source is not None:
        _run(sys.stdin.read() if source == "-" else source, bound)
        return
    _remember(bound, datadir)
    code.interact(banner, local=bound, exitmsg="")


def _run(source: str, bound: dict[str, Any]) -> None:
    """A script; the value of a lone expression is printed. Raises CliError with the last line of a traceback."""
    try:
        try:
            value = eval(compile(source, "<exec>", "eval"), bound)
        except SyntaxError:
            exec(compile(source, "<exec>", "exec"), bound)
        else:
            if value is not None:
                print(value if isinstance(value, str) else repr(value))
    except Exception as e:
        lines = traceback.format_exception_only(e)
        raise CliError(lines[-1].strip()) from e


def _remember(bound: dict[str, Any], datadir: Path | None) -> None:
    """History across sessions, and completion of the names that are bound, where the platform has readline."""
    from node.config import Config

    with contextlib.suppress(ImportError):
        import readline
        import rlcompleter

        path = Config(datadir=datadir).root / HISTORY
        with contextlib.suppress(OSError):
            readline.read_history_file(path)
        readline.set_history_length(MOST_LINES)
        readline.set_completer(rlcompleter.Completer(bound).complete)
        readline.parse_and_bind("tab: complete")
        atexit.register(_write_history, path)


def _write_history(path: Path) -> None:
    import readline

    with contextlib.suppress(OSError):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.touch(0o600)
        readline.write_history_file(path)
