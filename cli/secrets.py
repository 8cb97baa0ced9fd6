"""Passphrases and words of mnemonics: typed hidden, or read from standard input line by line, and never taken from the command line."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click

from cli.output import USAGE, CliError, call

SECONDS = 60
"""For how long a command that needs keys unlocks a wallet; it is locked again at its end."""


def stdin_option(command: Any) -> Any:
    """Give a command --passphrase-stdin."""
    return click.option(
        "--passphrase-stdin",
        "from_stdin",
        is_flag=True,
        help="Read the passphrase from standard input, not the terminal.",
    )(command)


def ask(what: str, from_stdin: bool, confirm: bool = False) -> str:
    """A secret. Raises CliError where there is neither a terminal nor leave to read standard input."""
    if from_stdin:
        line = sys.stdin.readline()
        if not line:
            raise CliError(f"standard input ended before the {what.lower()}", USAGE)
        return line.rstrip("\r\n")
    if not sys.stdin.isatty():
        raise CliError(f"the {what.lower()} is wanted", USAGE, "use a terminal, or --passphrase-stdin")
    text: str = click.prompt(
        what, hide_input=True, default="", show_default=False, err=True, confirmation_prompt=confirm
    )
    return text


@contextmanager
def unlocked(client: Any, from_stdin: bool) -> Iterator[None]:
    """Unlock the wallet where it is locked, for the time of the block; one that was open stays open."""
    info = call(client, "getwalletinfo")
    if info.get("unlocked_until") != 0:
        yield
        return
    call(client, "walletpassphrase", ask(f"Passphrase of {info['walletname'] or 'the wallet'}", from_stdin), SECONDS)
    try:
        yield
    finally:
        call(client, "walletlock")
