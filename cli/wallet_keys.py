"""`chainyard wallet address|label|sign|verify|export|import`: addresses and names, signed messages, keys out and in."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import click

from cli.amounts import shown
from cli.output import USAGE, VALIDATION, CliError, call, emit, table
from cli.secrets import ask, stdin_option, unlocked
from cli.wallet import client_of, wallet_options

KINDS = ["legacy", "p2sh-segwit", "bech32", "bech32m"]
_LETTER = "[1-9A-HJ-NP-Za-km-z]"
SECRET = re.compile(f"[xt]prv{_LETTER}{{50,}}|(?<!{_LETTER})[5KLc9]{_LETTER}{{50,51}}(?!{_LETTER})")
"""What looks like a private key in a descriptor."""


@click.command("address")
@click.option("--label", default="", help="A name for what will be received.")
@click.option("--type", "kind", type=click.Choice(KINDS), default=None)
@click.option("--change", is_flag=True, help="One for change.")
@click.option("--all", "every", is_flag=True, help="List the addresses given out so far instead.")
@wallet_options
def address_(label: str, kind: str | None, change: bool, every: bool, **node: Any) -> None:
    """A new address to receive on."""
    client = client_of(node)
    if every:
        rows = call(client, "listreceivedbyaddress", 0, True)
        emit(rows, lambda r: table([_given(one) for one in r], ("address", "label", "received")) if r else "none yet")
        return
    given = [] if kind is None else [kind]
    found = call(client, "getrawchangeaddress", *given) if change else call(client, "getnewaddress", label, *given)
    emit({"address": found, "label": label}, lambda r: str(r["address"]))


def _given(row: dict[str, Any]) -> dict[str, Any]:
    return {**row, "received": shown(row["amount"]) if row["txids"] else "not used yet"}


@click.command("label")
@click.argument("address", required=False)
@click.argument("label", required=False)
@wallet_options
def label_(address: str | None, label: str | None, **node: Any) -> None:
    """Name ADDRESS, one's own or another's; without arguments, list all names."""
    client = client_of(node)
    if address is None:
        found = {name: call(client, "getaddressesbylabel", name) for name in call(client, "listlabels")}
        rows = [{"label": name, "address": a, **about} for name, every in found.items() for a, about in every.items()]
        emit(rows, lambda r: table(r, ("label", "address", "purpose")) if r else "no labels")
        return
    if label is None:
        emit(call(client, "getaddressinfo", address)["labels"], "\n".join)
        return
    call(client, "setlabel", address, label)
    emit({"address": address, "label": label}, lambda _: f"{address} is {label!r} now")


# -- messages --------------------------------------------------------------------------------------------------------


def _is_legacy(client: Any, address: str) -> bool:
    found = call(client, "validateaddress", address)
    if not found["isvalid"]:
        raise CliError(f"{address} is no address of this chain: {found['error'].rstrip('.')}", USAGE)
    return not found["iswitness"] and not found["isscript"]


@click.command("sign")
@click.argument("address")
@click.argument("message")
@stdin_option
@wallet_options
def sign_(address: str, message: str, from_stdin: bool, **node: Any) -> None:
    """Sign MESSAGE with the key of ADDRESS: the legacy form for addresses of old, BIP322 for all others."""
    client = client_of(node)
    form = "legacy" if _is_legacy(client, address) else "bip322"
    with unlocked(client, from_stdin):
        signature = call(client, "signmessage" if form == "legacy" else "signmessagebip322", address, message)
    emit({"address": address, "form": form, "signature": signature}, lambda r: str(r["signature"]))


@click.command("verify")
@click.argument("address")
@click.argument("signature")
@click.argument("message")
@wallet_options
def verify_(address: str, signature: str, message: str, **node: Any) -> None:
    """Whether the owner of ADDRESS signed MESSAGE; exit code 4 where not."""
    client = client_of(node)
    method = "verifymessage" if _is_legacy(client, address) else "verifymessagebip322"
    if not call(client, method, address, signature, message):
        raise CliError("the signature does not hold", VALIDATION)
    emit({"valid": True}, lambda _: "the signature holds")


# -- keys ------------------------------------------------------------------------------------------------------------


@click.command("export")
@click.option("--mnemonic", is_flag=True, help="The words that the wallet was made from.")
@click.option("--key", "address", default=None, metavar="ADDRESS", help="The private key of one address.")
@click.option("--private", is_flag=True, help="Descriptors with their private keys.")
@click.option("--out", type=click.Path(path_type=Path), default=None, help="Write to this new file, closed to others.")
@stdin_option
@wallet_options
def export_(
    mnemonic: bool, address: str | None, private: bool, out: Path | None, from_stdin: bool, **node: Any
) -> None:
    """The wallet's descriptors, public unless --private; or its words, or one key."""
    if mnemonic + private + (address is not None) > 1:
        raise CliError("--mnemonic, --key and --private exclude each other", USAGE)
    client = client_of(node)
    if mnemonic or private or address is not None:
        click.echo("Whoever sees what follows can take the money.", err=True)
        with unlocked(client, from_stdin):
            found = _secret(client, mnemonic, address)
    else:
        found = call(client, "listdescriptors")
    if out is not None:
        _write(out, found)
        emit({"file": str(out)}, lambda _: f"saved to {out}")
        return
    emit(found, _shown)


def _secret(client: Any, mnemonic: bool, address: str | None) -> Any:
    if mnemonic:
        return {"mnemonic": call(client, "getmnemonic")}
    if address is not None:
        return {"address": address, "key": call(client, "exportprivkey", address)}
    return call(client, "listdescriptors", True)


def _shown(found: dict[str, Any]) -> str:
    if "descriptors" in found:
        return "\n".join(row["desc"] for row in found["descriptors"])
    return str(found.get("mnemonic") or found["key"])


def _write(path: Path, found: dict[str, Any]) -> None:
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as e:
        raise CliError(f"{path}: {e.strerror}", USAGE, "choose a file that does not exist yet") from e
    with os.fdopen(handle, "w") as file:
        file.write(_shown(found) + "\n")


@click.command("import")
@click.argument("descriptor", required=False)
@click.option("--key", "single", is_flag=True, help="Ask for a private key (WIF) instead.")
@click.option("--type", "kind", type=click.Choice(KINDS), default="bech32", show_default=True, help="With --key.")
@click.option("--stdin", "desc_stdin", is_flag=True, help="Read the descriptor, or the key, from standard input.")
@click.option("--label", default=None)
@click.option("--active", is_flag=True, help="Take new addresses from it.")
@click.option("--internal", is_flag=True, help="For change.")
@click.option(
    "--since", default="0", show_default=True, metavar="SECOND", help="Look for payments since; `now`: do not."
)
@stdin_option
@wallet_options
def import_(
    descriptor: str | None,
    single: bool,
    kind: str,
    desc_stdin: bool,
    label: str | None,
    active: bool,
    internal: bool,
    since: str,
    from_stdin: bool,
    **node: Any,
) -> None:
    """Watch DESCRIPTOR, or take in a private key, and find what they were paid."""
    if since != "now" and not since.isdigit():
        raise CliError(f"--since is a second since 1970 or `now`, not {since!r}", USAGE)
    if descriptor is not None and SECRET.search(descriptor):
        raise CliError("a private key on the command line is seen by others", USAGE, "use --stdin")
    if single or desc_stdin or descriptor is None:
        descriptor = ask("Private key" if single else "Descriptor", desc_stdin)
    if single:
        form = {"legacy": "pkh({})", "p2sh-segwit": "sh(wpkh({}))", "bech32": "wpkh({})", "bech32m": "tr({})"}[kind]
        descriptor = form.format(descriptor)
    client = client_of(node)
    if "#" not in descriptor:
        descriptor += "#" + call(client, "getdescriptorinfo", descriptor)["checksum"]
    request = {"desc": descriptor, "timestamp": "now" if since == "now" else int(since)}
    request |= (
        {"active": active} | ({"internal": True} if internal else {}) | ({} if label is None else {"label": label})
    )
    with unlocked(client, from_stdin):
        (row,) = call(client, "importdescriptors", [request])
    if not row["success"]:
        raise CliError(row["error"]["message"], code=row["error"]["code"])
    for warning in row.get("warnings", ()):
        click.echo(f"warning: {warning}", err=True)
    emit(row, lambda _: "imported")
