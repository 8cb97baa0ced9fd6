"""`chainyard wallet` before it reaches a node: what is refused, and that no secret is taken from the command line."""

from __future__ import annotations

import click
import pytest

from cli.main import COMMANDS, chainyard
from cli.wallet import ELSEWHERE, wallet
from tests.cli.conftest import Run

ADDRESS = "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080"


def test_every_command_is_there_and_takes_json() -> None:
    context = wallet.make_context("wallet", [], resilient_parsing=True)
    names = wallet.list_commands(context)
    assert set(names) >= {
        "create", "restore", "list", "load", "unload", "address", "balance", "history", "send", "sign", "verify", "bump", "sweep",
        "export", "import", "lock", "unlock", "passwd", "encrypt", "label", "coins", "rescan", "backup", *ELSEWHERE,
    }  # fmt: skip
    commands = {name: wallet.get_command(context, name) for name in names}
    group = commands["psbt"]
    assert isinstance(group, click.Group)
    commands |= {f"psbt {name}": command for name, command in group.commands.items()}
    for name, command in commands.items():
        assert command is not None and command.help, name
        options = {text for parameter in command.params for text in parameter.opts}
        assert not options & {"--passphrase", "--mnemonic-words", "--private-key", "--password"}, name
        if not isinstance(command, click.Group):
            assert "--json" in options and options & {"--node", "--eth-rpc-url", "--chain"}, name
    for name in ("send", "sweep", "bump", "psbt fund"):
        options = {text for parameter in commands[name].params for text in parameter.opts}  # type: ignore[union-attr]
        assert {"--yes", "--dry-run", "--allow-high-fee", "--fee-rate"} <= options, name


def test_psbt_has_every_role() -> None:
    context = wallet.make_context("wallet", [], resilient_parsing=True)
    group = wallet.get_command(context, "psbt")
    assert isinstance(group, click.Group)
    assert set(group.commands) == {
        "create", "fund", "update", "sign", "combine", "join", "convert", "finalize", "extract", "analyse", "decode",
    }  # fmt: skip


def test_the_top_level_knows_each_command() -> None:
    context = chainyard.make_context("chainyard", [], resilient_parsing=True)
    for name in COMMANDS:
        assert chainyard.get_command(context, name) is not None  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("send", ADDRESS, "1"), "no unit"),
        (("send", ADDRESS), "each address needs an amount"),
        (("send", ADDRESS, "1btc", "--fee-rate", "fast"), "not a fee rate"),
        (("send", ADDRESS, "1btc", "--fee-rate", "-1"), "not a fee rate"),
        (("send", ADDRESS, "1btc", "--fee-rate", "1", "--target", "2"), "exclude each other"),
        (("import", "wpkh(cVt4o7BGAig1UXywgGSmARhxMdzP5qvQsxKkSsc1XEkw3tDTQFpy)"), "command line is seen by others"),
        (("import", "wpkh(tprv8ZgxMBicQKsPd7Uf69XL1XwhmjHopUGep8GuEiJDZmbQz6o58LninorQAfcKZWARbtRtfnLcJ5MQ2AtHcQJCCRUcMRvmDUjyEmNUWwx8UbK/0/*)"), "command line is seen by others"),  # noqa: E501
        (("import", "addr(x)", "--since", "yesterday"), "--since"),
        (("export", "--mnemonic", "--private"), "exclude each other"),
        (("coins", "--frozen"), "No such option"),
        (("send",), "Missing argument"),
    ],
)  # fmt: skip
def test_what_is_refused_at_once(run: Run, words: tuple[str, ...], why: str) -> None:
    found = run("wallet", *words)
    assert found.code == 2 and why in found.err, found
    assert found.err.startswith("error: ") and len(found.err.strip().splitlines()) == 1
    assert "tprv8" not in found.err and "cVt4o7" not in found.err


def test_without_a_node_it_says_how_to_start_one(run: Run) -> None:
    found = run("wallet", "balance", "--json")
    assert found.code == 3 and "chainyard dev" in found.error["hint"]


def test_a_secret_is_not_asked_of_something_that_is_no_terminal(run: Run) -> None:
    found = run("wallet", "unlock", "--rpc-url", "http://u:p@127.0.0.1:1", "--json")
    assert found.code in (2, 3)
