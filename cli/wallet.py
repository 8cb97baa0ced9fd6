"""`chainyard wallet`: wallets of a running node - made, restored, locked, backed up.

Money is in wallet_money.py, keys in wallet_keys.py.
"""

from __future__ import annotations

import importlib
import sys
import threading
import time
from pathlib import Path
from typing import Any

import click

from cli.amounts import MONEY, shown
from cli.output import USAGE, CliError, call, connect, emit, node_options, table, wants_json
from cli.secrets import ask, stdin_option, unlocked

ELSEWHERE = {
    "balance": "wallet_money", "history": "wallet_money", "coins": "wallet_money", "send": "wallet_money", "sweep": "wallet_sweep",
    "bump": "wallet_money", "address": "wallet_keys", "label": "wallet_keys", "sign": "wallet_keys", "verify": "wallet_keys",
    "export": "wallet_keys", "import": "wallet_keys", "psbt": "wallet_psbt", "stake": "stake", "deposit": "move",
    "exit": "move", "moves": "move",
}  # fmt: skip
"""Commands that other files have; each is imported when it is called."""


class _Wallet(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*super().list_commands(ctx), *ELSEWHERE})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name in ELSEWHERE:
            found: click.Command = getattr(importlib.import_module(f"cli.{ELSEWHERE[cmd_name]}"), cmd_name + "_")
            return found
        return super().get_command(ctx, cmd_name)


@click.group(cls=_Wallet)
def wallet() -> None:
    """Keys, payments and history. The wallets belong to a running node."""


def wallet_options(command: Any) -> Any:
    """Give a command --wallet and the options that find a node."""
    option = click.option("--wallet", "wallet_name", default=None, help="Which wallet (default: the only loaded one).")
    return option(node_options(command))


def client_of(options: dict[str, Any], wallet_name: str | None = None) -> Any:
    """A client of the node that the options mean, on the path of a wallet if one is named. Raises CliError."""
    name = options.pop("wallet_name", None) if wallet_name is None else wallet_name
    client = connect(options["chain"], options["datadir"], options["member"], options["rpc_url"], name)
    MONEY.follow(lambda: call(client, "getnetworkinfo"))
    return client


# -- which there are -------------------------------------------------------------------------------------------------


@wallet.command("create")
@click.argument("name", default="")
@click.option("--encrypt/--no-encrypt", default=None, help="Set a passphrase (a terminal is asked in any case).")
@click.option("--watch-only", is_flag=True, help="A wallet without private keys, for descriptors to watch.")
@click.option("--blank", is_flag=True, help="A wallet without keys, to import some.")
@stdin_option
@node_options
def create(name: str, encrypt: bool | None, watch_only: bool, blank: bool, from_stdin: bool, **node: Any) -> None:
    """Make a wallet NAME and load it; its words are shown once."""
    client = client_of(node, wallet_name=None)
    passphrase = "" if watch_only or blank else _new_passphrase(encrypt, from_stdin)
    call(
        client,
        "createwallet",
        wallet_name=name,
        disable_private_keys=watch_only,
        blank=blank,
        load_on_startup=True,
        **({"passphrase": passphrase} if passphrase else {}),
    )
    result: dict[str, Any] = {"name": name, "encrypted": bool(passphrase)}
    if not watch_only and not blank:
        result["mnemonic"] = _words(client.wallet(name), passphrase)
    emit(result, _created)


def _new_passphrase(encrypt: bool | None, from_stdin: bool) -> str:
    """The passphrase for a new wallet, empty for none."""
    if encrypt is False or (encrypt is None and not from_stdin and not sys.stdin.isatty()):
        return ""
    what = "New passphrase for the wallet"
    text = ask(f"{what} (empty: none)" if encrypt is None else what, from_stdin, confirm=not from_stdin)
    if encrypt and not text:
        raise CliError("the passphrase is empty", USAGE)
    return text


def _words(client: Any, passphrase: str) -> str:
    if passphrase:
        call(client, "walletpassphrase", passphrase, 30)
    try:
        words: str = call(client, "getmnemonic")
        return words
    finally:
        if passphrase:
            call(client, "walletlock")


def _created(result: dict[str, Any]) -> str:
    lines = [f"wallet {result['name'] or '(default)'} created{', encrypted' if result['encrypted'] else ''}"]
    if "mnemonic" not in result:
        lines.append("it has no keys yet: `chainyard wallet import` takes descriptors and keys in")
    else:
        words = result["mnemonic"].split()
        lines += ["", "WRITE THESE WORDS DOWN, in this order. They are shown once; whoever has them has the money.", ""]
        for at in range(0, len(words), 4):
            lines.append(
                "  " + "".join(f"{n + 1:>3} {words[n]:<12}" for n in range(at, min(at + 4, len(words)))).rstrip()
            )
        lines += ["", "They alone restore the wallet: chainyard wallet restore NAME"]
    return "\n".join(lines)


@wallet.command("restore")
@click.argument("name", default="")
@click.option("--file", "backup", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="A backup file.")
@click.option("--mnemonic-stdin", is_flag=True, help="Read the words from standard input (first line).")
@click.option("--with-mnemonic-passphrase", is_flag=True, help="The words have a passphrase of their own (BIP39).")
@click.option("--from-height", type=click.IntRange(0), default=0, help="Look for payments from this block on.")
@click.option("--encrypt/--no-encrypt", default=None, help="Set a passphrase.")
@stdin_option
@node_options
def restore(
    name: str,
    backup: Path | None,
    mnemonic_stdin: bool,
    with_mnemonic_passphrase: bool,
    from_height: int,
    encrypt: bool | None,
    from_stdin: bool,
    **node: Any,
) -> None:
    """Make a wallet NAME again, of its words or of a backup file, and find its payments."""
    client = client_of(node, wallet_name=None)
    if backup is not None:
        result = call(client, "restorewallet", name, str(backup.resolve()), True)
    else:
        words = ask("Words of the mnemonic", mnemonic_stdin)
        extra = ask("Passphrase of the mnemonic", from_stdin or mnemonic_stdin) if with_mnemonic_passphrase else ""
        passphrase = _new_passphrase(encrypt, from_stdin)
        result = call(
            client,
            "createwallet",
            wallet_name=name,
            mnemonic=" ".join(words.lower().split()),
            mnemonic_passphrase=extra,
            start_height=from_height,
            load_on_startup=True,
            **({"passphrase": passphrase} if passphrase else {}),
        )
    balances = call(client.wallet(name), "getbalances")["mine"]
    ready, waiting = shown(balances["trusted"]), shown(balances["untrusted_pending"])
    text = f"wallet {name or '(default)'} restored: {ready} spendable, {waiting} pending"
    emit({**result, "balances": balances}, lambda _: text)


@wallet.command("list")
@node_options
def list_(**node: Any) -> None:
    """All wallets of the node, loaded or not."""
    client = client_of(node, wallet_name=None)
    loaded = call(client, "listwallets")
    names = [row["name"] for row in call(client, "listwalletdir")["wallets"]]
    rows = []
    for name in dict.fromkeys([*loaded, *names]):
        row: dict[str, Any] = {"name": name, "loaded": name in loaded}
        if row["loaded"]:
            info = call(client.wallet(name), "getwalletinfo")
            until = info.get("unlocked_until")
            state = "plain" if until is None else "unlocked" if until else "locked"
            row |= {"state": state, "balance": info["balance"], "transactions": info["txcount"]}
        rows.append(row)
    columns = ("name", "loaded", "state", "balance", "transactions")

    def show(rows: list[dict[str, Any]]) -> str:
        lines = [{**r, "balance": shown(r["balance"]) if r["loaded"] else ""} for r in rows]
        return table(lines, columns) if rows else "no wallets - make one with `chainyard wallet create NAME`"

    emit(rows, show)


@wallet.command("load")
@click.argument("name")
@node_options
def load(name: str, **node: Any) -> None:
    """Open the wallet NAME, now and at each start of the node."""
    emit(call(client_of(node, None), "loadwallet", name, True), lambda _: f"{name} is loaded")


@wallet.command("unload")
@click.argument("name")
@node_options
def unload(name: str, **node: Any) -> None:
    """Close the wallet NAME."""
    emit(call(client_of(node, None), "unloadwallet", name, False), lambda _: f"{name} is unloaded")


# -- locks -----------------------------------------------------------------------------------------------------------


@wallet.command("lock")
@wallet_options
def lock(**node: Any) -> None:
    """Forget the passphrase now."""
    call(client_of(node), "walletlock")
    emit({"locked": True}, lambda _: "locked")


@wallet.command("unlock")
@click.option("--for", "seconds", type=click.IntRange(1), default=300, show_default=True, help="Seconds.")
@stdin_option
@wallet_options
def unlock(seconds: int, from_stdin: bool, **node: Any) -> None:
    """Let the node use the keys for a while."""
    call(client_of(node), "walletpassphrase", ask("Passphrase", from_stdin), seconds)
    emit({"unlocked": seconds}, lambda _: f"unlocked for {seconds} s")


@wallet.command("encrypt")
@stdin_option
@wallet_options
def encrypt(from_stdin: bool, **node: Any) -> None:
    """Set a passphrase; from then on the keys are used only when it was given."""
    message = call(client_of(node), "encryptwallet", ask("New passphrase", from_stdin, confirm=not from_stdin))
    emit({"encrypted": True, "message": message}, lambda r: str(r["message"]))


@wallet.command("passwd")
@stdin_option
@wallet_options
def passwd(from_stdin: bool, **node: Any) -> None:
    """Change the passphrase (from standard input: the old one, then the new one)."""
    client = client_of(node)
    old = ask("Passphrase", from_stdin)
    call(client, "walletpassphrasechange", old, ask("New passphrase", from_stdin, confirm=not from_stdin))
    emit({"changed": True}, lambda _: "changed")


# -- safety ----------------------------------------------------------------------------------------------------------


@wallet.command("backup")
@click.argument("file", type=click.Path(path_type=Path))
@wallet_options
def backup(file: Path, **node: Any) -> None:
    """Copy the wallet to FILE; `restore --file` reads it."""
    target = file.resolve()
    call(client_of(node), "backupwallet", str(target))
    emit({"file": str(target)}, lambda _: f"saved to {target}")


@wallet.command("rescan")
@click.option("--from-height", type=click.IntRange(0), default=0, show_default=True)
@stdin_option
@wallet_options
def rescan(from_height: int, from_stdin: bool, **node: Any) -> None:
    """Look for the wallet's payments in all blocks again."""
    client = client_of(node)
    with unlocked(client, from_stdin), _watched(client):
        result = call(client, "rescanblockchain", from_height)
    emit(result, lambda r: f"looked at blocks {r['start_height']} to {r['stop_height']}")


class _watched:
    """Shows how far a scan is, asked over a second connection, while the block runs."""

    def __init__(self, client: Any) -> None:
        self._done = threading.Event()
        self._client = type(client)(client.endpoint)
        self._client.path = client.path
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> None:
        if sys.stderr.isatty() and not wants_json():
            self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._done.set()
        if self._thread.is_alive():
            self._thread.join(2)

    def _watch(self) -> None:
        from node.progress import Progress

        show = Progress(time.monotonic)
        while not self._done.wait(0.3):
            scanning = call(self._client, "getwalletinfo")["scanning"]
            if scanning:
                show("rescan", int(scanning["progress"] * 1000), 1000)
