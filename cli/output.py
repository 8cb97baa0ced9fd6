"""What every command shares: errors of one line with an exit code, results as text or JSON, and the way to a node.

Exit codes: 0 ok, 1 RPC error, 2 usage or configuration, 3 no connection, 4 validation failed, 5 the node cannot start here
(port, lock, foreign data), 6 the machine failed it (disk), 130 interrupted.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, NoReturn

import click

HINTS = {
    -13: "`chainyard wallet unlock`",
    -18: "`chainyard wallet list` shows the wallets",
    -19: "name it with --wallet; `chainyard wallet list` shows the wallets",
}
"""What to do about an RPC error, by its code."""
RPC_ERROR, USAGE, NO_CONNECTION, VALIDATION, START, MACHINE, INTERRUPTED = 1, 2, 3, 4, 5, 6, 130


class CliError(click.ClickException):
    """An error that ends the command: what is wrong, and what to do."""

    def __init__(
        self, message: str, exit_code: int = RPC_ERROR, hint: str = "", code: int | None = None, data: Any = None
    ) -> None:
        super().__init__(message)
        self.exit_code = exit_code  # type: ignore[misc]
        self.hint = hint
        self.code = code
        self.data = data

    def show(self, file: Any = None) -> None:
        """One line on stderr, or one JSON object where --json was given."""
        if wants_json():
            error = {"code": self.code, "message": self.message, "data": self.data, "hint": self.hint}
            click.echo(json.dumps({"error": error}), err=True)
            return
        click.echo(f"error: {self.message}" + (f" - {self.hint}" if self.hint else ""), err=True)


def wants_json() -> bool:
    """Whether --json stands on the command line."""
    return "--json" in sys.argv[1:]


class _Encoder(json.JSONEncoder):
    def default(self, o: Any) -> Any:
        return float(o) if isinstance(o, Decimal) else super().default(o)


def emit(value: Any, text: Callable[[Any], str] | None = None) -> None:
    """Print a result: as JSON with --json, else by `text`, else strings bare and the rest as indented JSON."""
    if wants_json():
        click.echo(_dumps(value))
    elif text is not None:
        click.echo(text(value))
    elif isinstance(value, str):
        click.echo(value)
    else:
        click.echo(_dumps(value, 2))


def _dumps(value: Any, indent: int | None = None) -> str:
    """JSON in which a Decimal keeps its digits."""
    marks: dict[str, str] = {}

    def mark(v: Any) -> Any:
        if isinstance(v, Decimal):
            key = f"\x00{len(marks)}\x00"
            marks[json.dumps(key)] = format(v, "f")
            return key
        if isinstance(v, dict):
            return {k: mark(x) for k, x in v.items()}
        return [mark(x) for x in v] if isinstance(v, list | tuple) else v

    out = json.dumps(mark(value), indent=indent, cls=_Encoder)
    for key, digits in marks.items():
        out = out.replace(key, digits)
    return out


def table(rows: Sequence[dict[str, Any]], columns: Sequence[str]) -> str:
    """Rows as aligned columns."""
    cells = [list(columns)] + [[_cell(row.get(c)) for c in columns] for row in rows]
    widths = [max(len(line[i]) for line in cells) for i in range(len(columns))]
    return "\n".join("  ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)).rstrip() for line in cells)


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "" if value is None else str(value)


def fitted(rows: Sequence[dict[str, Any]], columns: Sequence[str], long: str) -> str:
    """Rows as aligned columns, the hashes of one column cut where a terminal is too narrow for them; files get them whole."""
    text = table(rows, columns)
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else len(text)
    if max(map(len, text.splitlines())) <= width:
        return text
    return table([{**row, long: _cut(str(row[long]))} for row in rows], columns)


def _cut(text: str) -> str:
    digits, colon, rest = text.partition(":")
    return f"{digits[:12]}\u2026{colon}{rest}"


def json_option(command: Any) -> Any:
    """Give a command `--json`; `emit` and errors look at it."""
    return click.option("--json", "as_json", is_flag=True, expose_value=False, help="Print JSON.")(command)


def node_options(command: Any) -> Any:
    """Give a command the options that find a node, and `--json`."""
    options = (
        click.option("--chain", default=None, help="Chain of the node; without it, the one that was started last."),
        click.option("--datadir", type=click.Path(path_type=Path), default=None, help="Data directory of the node."),
        click.option("--node", "member", default=None, help="A node of the local network, by name."),
        click.option("--rpc-url", default=None, help="http://user:password@host:port"),
    )
    for option in reversed(options):
        command = option(command)
    return json_option(command)


def connect(
    chain: str | None, datadir: Path | None, member: str | None, rpc_url: str | None, wallet: str | None = None
) -> Any:
    """A client of the node that the options mean. Raises CliError."""
    from node.client import NoConnection, RpcClient, endpoint_from_url, endpoint_of
    from node.config import Config
    from node.testnet import NetError, Testnet

    url = rpc_url or os.environ.get("CHAINYARD_RPC_URL")
    if url:
        try:
            return RpcClient(endpoint_from_url(url), wallet)
        except ValueError as e:
            raise CliError(str(e), USAGE) from e
    config = Config(
        datadir=datadir or _env_path("CHAINYARD_DATADIR"), chain=chain or os.environ.get("CHAINYARD_CHAIN", "regtest")
    )
    try:
        if member is None:
            folder = config.chain_folder
            if chain is None and "CHAINYARD_CHAIN" not in os.environ:
                folder = _running(config.root) or folder
            return RpcClient(endpoint_of(folder), wallet)
    except NoConnection:
        pass
    try:
        net = Testnet.open(net_root(datadir))
        chosen = net.member(member) if member else next((m for m in net.members if m.running), net.members[0])
        return RpcClient(endpoint_of(Path(chosen.folder) / Path(net.chain).stem), wallet)
    except (NetError, NoConnection) as e:
        if member is not None:
            raise CliError(str(e), NO_CONNECTION) from e
    raise CliError(
        f"no node runs on {config.chain_folder}",
        NO_CONNECTION,
        "start one with `chainyard dev` or `chainyard net up`, or name it with --rpc-url",
    )


def _running(root: Path) -> Path | None:
    """The folder of the chain whose node was started last, of those that say that they run."""
    from node.client import RUN_FILE

    found = sorted(root.glob(f"*/{RUN_FILE}"), key=lambda p: p.stat().st_mtime)
    return found[-1].parent if found else None


def program() -> str:
    """What to type for this program: its name where the shell finds it, else the path of its script."""
    own = Path(sys.argv[0])
    if shutil.which("chainyard") or own.name != "chainyard":
        return "chainyard"
    return os.path.relpath(own) if own.is_relative_to(Path.cwd()) else str(own)


def net_root(datadir: Path | None) -> Path:
    """Where the local network lives."""
    from node.config import Config

    return Config(datadir=datadir or _env_path("CHAINYARD_DATADIR")).root / "net"


def _env_path(name: str) -> Path | None:
    return Path(os.environ[name]) if name in os.environ else None


def call(client: Any, method: str, *params: Any, **named: Any) -> Any:
    """The result of a method. Raises CliError with the exit code that fits."""
    from node.client import NoConnection
    from node.rpc.errors import RpcError

    try:
        return client.call(method, *params, **named)
    except RpcError as e:
        message = e.message.splitlines()[0] if e.code == -1 else e.message
        hint = HINTS.get(e.code, "")
        raise CliError(message.removeprefix("Error: "), RPC_ERROR, hint, e.code, e.data) from e
    except NoConnection as e:
        raise CliError(str(e), NO_CONNECTION, "is the node running?") from e


def fail(message: str, exit_code: int, hint: str = "") -> NoReturn:
    """End the command with an error."""
    raise CliError(message, exit_code, hint)
