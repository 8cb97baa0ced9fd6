"""`chainyard config show` and `chainyard completion`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click

from cli.output import USAGE, CliError, emit, json_option, table


@click.group()
def config() -> None:
    """The settings of a node."""


@config.command()
@click.option("--datadir", type=click.Path(path_type=Path), default=None)
@click.option("--origin", is_flag=True, help="Say where each setting comes from.")
@json_option
def show(datadir: Path | None, origin: bool) -> None:
    """All settings, as a node started here would have them."""
    from node.config import KEYS, SECRET, ConfigError, load

    try:
        found = load({"datadir": datadir}, os.environ, Path.cwd())
    except ConfigError as e:
        raise CliError(str(e), USAGE) from e
    rows: list[dict[str, Any]] = []
    for name in KEYS:
        value = getattr(found, name)
        shown = "***" if name in SECRET and value else str(value) if isinstance(value, Path) else value
        rows.append(
            {
                "key": name,
                "value": list(shown) if isinstance(shown, tuple) else shown,
                "origin": found.origins.get(name, "default"),
            }
        )
    emit(rows, lambda r: table(r, ("key", "value", "origin") if origin else ("key", "value")))


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the completion script of SHELL; put it where your shell reads it."""
    from click.shell_completion import get_completion_class

    chainyard = click.get_current_context().find_root().command

    kind = get_completion_class(shell)
    if kind is None:
        raise CliError(f"no completion for {shell}", USAGE)
    click.echo(kind(chainyard, {}, "chainyard", "_CHAINYARD_COMPLETE").source())
