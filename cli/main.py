"""The `chainyard` command. Each group loads on first use, so that `--version` costs nothing."""

from __future__ import annotations

import importlib
import sys
from typing import Any

import click

from cli.output import INTERRUPTED, CliError, wants_json

VERSION = "0.1.0"

COMMANDS = {
    "dev": ("cli.node", "dev", "A local chain in one process, ready at once."),
    "node": ("cli.node", "node", "Run a node."),
    "net": ("cli.net", "net", "A local network of several nodes."),
    "control": ("cli.controls", "control", "Money, blocks, clock, snapshots, dumps and branches of a local chain."),
    "console": ("cli.console", "console", "A Python console with the node at hand."),
    "rpc": ("cli.rpc", "rpc", "Call an RPC method of a node."),
    "info": ("cli.rpc", "info", "What a node is doing."),
    "peers": ("cli.rpc", "peers", "Whom a node is connected to."),
    "stop": ("cli.rpc", "stop", "Stop a node."),
    "wallet": ("cli.wallet", "wallet", "Keys, payments and history."),
    "mint": ("cli.stake", "mint", "Mint blocks by stake at once."),
    "account": ("cli.account", "account", "Accounts and ether: keys on this machine."),
    "block": ("cli.look", "block", "Show a block of an account chain."),
    "tx": ("cli.look", "tx", "Show a transaction."),
    "receipt": ("cli.look", "receipt", "Show what came of a transaction."),
    "logs": ("cli.look", "logs", "Find logs."),
    "call": ("cli.contract", "call_", "Ask a contract; nothing is sent."),
    "contract": ("cli.contract", "contract", "Deploy, call and watch contracts."),
    "token": ("cli.token", "token", "Tokens: balances, transfers, approvals."),
    "chain": ("cli.chain", "chain", "Export, import and verify blocks."),
    "config": ("cli.config", "config", "Show the settings and where they come from."),
    "completion": ("cli.config", "completion", "Completion for a shell."),
}


class _Lazy(click.Group):
    """Knows its commands by name and imports the one that is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, name, _ = COMMANDS[cmd_name]
        command: click.Command = getattr(importlib.import_module(module), name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, _, text) in COMMANDS.items()])


@click.group(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(VERSION, prog_name="chainyard")
@click.option("--debug", is_flag=True, help="Show a traceback with an error.")
def chainyard(debug: bool) -> None:
    """A minimal, exact blockchain node for your own machine."""


def main(arguments: list[str] | None = None) -> Any:
    """Run the command line; every error is one line and an exit code."""
    try:
        status = chainyard.main(arguments, "chainyard", standalone_mode=False)
        sys.exit(status if isinstance(status, int) else 0)
    except click.exceptions.Exit as e:
        sys.exit(e.exit_code)
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted", err=True)
        sys.exit(INTERRUPTED)
    except CliError as e:
        e.show()
        if "--debug" in sys.argv:
            raise
        sys.exit(e.exit_code)
    except click.ClickException as e:
        message = " ".join(e.format_message().split())
        if wants_json():
            CliError(message, e.exit_code).show()
        else:
            usage = f" - see `{e.ctx.command_path} --help`" if isinstance(e, click.UsageError) and e.ctx else ""
            click.echo(f"error: {message}{usage}", err=True)
        sys.exit(e.exit_code)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(0)


if __name__ == "__main__":
    main()
