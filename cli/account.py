"""`chainyard account`: accounts whose keys are in wallets on this machine, not in the node - made, restored, sent from, signed with.

The keys are wallet/accounts.py's; the server sees signed transactions alone.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from cli.account_wallets import alone, net_of, opened, path_of
from cli.ethereum import (
    confirm,
    explained,
    open_client,
    parse_account,
    send_asked,
    sender_options,
    sent_text,
    url_option,
)
from cli.output import USAGE, CliError, emit, table
from cli.secrets import ask, stdin_option
from cli.tx_kinds import authorization_hex, code_address, enriched, kind_options, read_sidecar
from cli.wei import ether, parse_wei
from node.ethereum_client import EthereumSource, hexed
from primitives.address import account_encode
from primitives.ethereum_tx import BlobSidecar, EthereumTransaction
from wallet import keyring, messages, mnemonic, spend_account, typed_data
from wallet.accounts import Accounts
from wallet.cipher import Scrypt
from wallet.spend_account import Call
from wallet.state import WalletState


@click.group()
def account() -> None:
    """Accounts with their keys in wallets on this machine."""


def _source(url: str | None, chain_id: int | None) -> EthereumSource:
    return EthereumSource(open_client(url), chain_id)


def wallet_options(command: Any) -> Any:
    """Give a command --wallet, --chain-id and the way to a server."""
    options = (
        click.option("--wallet", "name", default="main", show_default=True, help="Which wallet."),
        click.option(
            "--chain-id", type=click.IntRange(1), default=None, help="The chain, where no server is to be asked."
        ),
    )
    for option in reversed(options):
        command = option(command)
    return url_option(command)


# -- made ------------------------------------------------------------------------------------------------------------


def _make(
    name: str, url: str | None, chain_id: int | None, phrase: str | None, extra: str, passphrase: str
) -> dict[str, Any]:
    source = _source(url, chain_id)
    with explained():
        number = source.chain_id()
        folder = path_of(name, number)
        with alone(folder) as env:
            state = WalletState.create(name, folder, env, net_of(number), 1, private_keys=True)
            words = phrase or mnemonic.generate(env.random, 12)
            keyring.add_seed(state, words, extra)
            if passphrase:
                state.vault.encrypt(passphrase, Scrypt())
            state.save()
            first = Accounts(state, source).new("")
    result = {"name": name, "chain_id": number, "address": first.text, "encrypted": bool(passphrase)}
    return result if phrase else result | {"mnemonic": words}


def _passphrase(from_stdin: bool, no_encrypt: bool) -> str:
    return "" if no_encrypt else ask("New passphrase for the wallet (empty: none)", from_stdin, confirm=not from_stdin)


def _made(result: dict[str, Any]) -> str:
    sealed = ", encrypted" if result["encrypted"] else ""
    lines = [f"wallet {result['name']} for chain {result['chain_id']} made{sealed}", f"account {result['address']}"]
    if "mnemonic" in result:
        words = result["mnemonic"].split()
        lines += ["", "WRITE THESE WORDS DOWN, in this order. They are shown once; whoever has them has the money.", ""]
        rows = [words[at : at + 4] for at in range(0, len(words), 4)]
        lines += [
            "  " + " ".join(f"{4 * r + n + 1:>2} {w:<10}" for n, w in enumerate(row)).rstrip()
            for r, row in enumerate(rows)
        ]
        lines += ["", "They alone restore the wallet: chainyard account restore NAME"]
    return "\n".join(lines)


_PLAIN = click.option("--no-encrypt", is_flag=True, help="No passphrase.")
_NAME = click.argument("name", default="main")
_CHAIN = click.option(
    "--chain-id", type=click.IntRange(1), default=None, help="The chain, where no server is to be asked."
)


@account.command("create")
@_NAME
@_PLAIN
@_CHAIN
@stdin_option
@url_option
def create(name: str, no_encrypt: bool, chain_id: int | None, from_stdin: bool, url: str | None) -> None:
    """Make a wallet NAME and its first account; its words are shown once."""
    emit(_make(name, url, chain_id, None, "", _passphrase(from_stdin, no_encrypt)), _made)


@account.command("restore")
@_NAME
@click.option("--mnemonic-stdin", is_flag=True, help="Read the words from standard input (first line).")
@click.option("--with-mnemonic-passphrase", is_flag=True, help="The words have a passphrase of their own (BIP39).")
@_PLAIN
@_CHAIN
@stdin_option
@url_option
def restore(
    name: str,
    mnemonic_stdin: bool,
    with_mnemonic_passphrase: bool,
    no_encrypt: bool,
    chain_id: int | None,
    from_stdin: bool,
    url: str | None,
) -> None:
    """Make a wallet NAME again, of its words."""
    words = ask("Words of the mnemonic", mnemonic_stdin)
    with explained():
        mnemonic.to_entropy(words)
    extra = ask("Passphrase of the mnemonic", from_stdin or mnemonic_stdin) if with_mnemonic_passphrase else ""
    emit(_make(name, url, chain_id, words, extra, _passphrase(from_stdin, no_encrypt)), _made)


@account.command("new")
@click.option("--label", default="", help="What it is for.")
@wallet_options
def new(label: str, name: str, chain_id: int | None, url: str | None) -> None:
    """The next account of a wallet. Its key is on disk before the address is shown."""
    source = _source(url, chain_id)
    with explained(), opened(name, source.chain_id(), source, False) as wallet:
        made = wallet.accounts.new(label)
    emit({"address": made.text, "label": made.label, "path": made.path}, lambda r: str(r["address"]))


@account.command("list")
@wallet_options
def list_(name: str, chain_id: int | None, url: str | None) -> None:
    """The accounts of a wallet, with what they hold where a server answers."""
    source = _source(url, chain_id)
    with explained():
        number = source.chain_id()
        with opened(name, number, source, False) as wallet:
            found = wallet.accounts.all()
        rows: list[dict[str, Any]] = [
            {"address": a.text, "label": a.label, "path": a.path or "imported"} for a in found
        ]
        if chain_id is None:
            for row, one in zip(rows, found, strict=True):
                row |= {"wei": str(source.balance(one.address)), "nonce": source.mined_nonce(one.address)}
                row["balance"] = ether(int(row["wei"]))
    columns = [c for c in ("address", "balance", "nonce", "label", "path") if rows and c in rows[0]]
    emit(rows, lambda r: table(r, columns) if r else "no accounts yet: `chainyard account new`")


@account.command("balance")
@click.argument("address")
@url_option
def balance(address: str, url: str | None) -> None:
    """What any account holds."""
    with explained():
        wei = EthereumSource(open_client(url)).balance(parse_account(address))
    emit({"wei": str(wei), "ether": ether(wei)}, lambda r: str(r["ether"]))


# -- keys in and out -------------------------------------------------------------------------------------------------


@account.command("import")
@click.option(
    "--keystore",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A keystore file (v1, v3); else a raw key is asked for.",
)
@click.option("--label", default="")
@stdin_option
@wallet_options
def import_(keystore: Path | None, **given: Any) -> None:
    """Take in a key. What is asked for (passphrase of the wallet, then of the file or the key) is never taken from the command line."""
    source = _source(given["url"], given["chain_id"])
    with explained(), opened(given["name"], source.chain_id(), source, given["from_stdin"]) as wallet:
        wallet.unlock()
        if keystore is not None:
            text = keystore.read_text(errors="replace")
            made = wallet.accounts.import_keystore(
                text, ask(f"Passphrase of {keystore.name}", given["from_stdin"]), given["label"]
            )
        else:
            typed = ask("Private key", given["from_stdin"]).strip().removeprefix("0x")
            if len(typed) != 64 or any(c not in "0123456789abcdefABCDEF" for c in typed):
                raise CliError("a private key is 64 hexadecimal digits", USAGE)
            made = wallet.accounts.import_secret(bytes.fromhex(typed), given["label"])
    emit({"address": made.text}, lambda r: str(r["address"]))


@account.command("export")
@click.argument("address", default="")
@click.option("--out", type=click.Path(path_type=Path), default=None, help="The new file to write, closed to others.")
@click.option("--raw", is_flag=True, help="The bare key, not a keystore.")
@click.option("--words", "words", is_flag=True, help="The words of the wallet, which are the keys of all its accounts.")
@stdin_option
@wallet_options
def export(address: str, out: Path | None, raw: bool, words: bool, from_stdin: bool, **given: Any) -> None:
    """Write the key of an account to a keystore file (v3) under a passphrase of its own; or show it bare, or the wallet's words."""
    if bool(address) == words or (raw and words):
        raise CliError("say an ADDRESS, or --words", USAGE)
    if out is None and not raw and not words:
        raise CliError("a keystore goes to a file", USAGE, "say --out FILE")
    if out is not None and out.exists():
        raise CliError(f"{out} is there already", USAGE)
    source = _source(given["url"], given["chain_id"])
    with explained(), opened(given["name"], source.chain_id(), source, from_stdin) as wallet:
        wallet.unlock()
        if words:
            text = keyring.export_phrase(wallet.state)
        elif raw:
            text = hexed(wallet.accounts.secret_of(wallet.pick(parse_account(address))))
        else:
            passphrase = ask("Passphrase for the file", from_stdin, confirm=not from_stdin)
            if not passphrase:
                raise CliError("the passphrase is empty", USAGE)
            random = wallet.state.env.random
            text = wallet.accounts.export_keystore(wallet.pick(parse_account(address)), passphrase, random)
        if out is not None:
            wallet.state.env.disk.write(out.resolve(), text.encode())
            emit({"file": str(out)}, lambda r: f"written to {r['file']}")
            return
    click.echo("Whoever sees what follows can take the money.", err=True)
    emit({"mnemonic" if words else "key": text}, lambda _: text)


# -- sent ------------------------------------------------------------------------------------------------------------


@account.command("send")
@click.argument("to")
@click.argument("amount")
@click.option("--data", default="", metavar="HEX", help="Bytes to send along.")
@kind_options
@sender_options
def send_(to: str, amount: str, data: str, **given: Any) -> None:
    """Send AMOUNT (such as 0.5ether) TO an address; with blobs, an access list or leave to run code too."""
    given["wallet_name"] = given["wallet_name"] or _usual_wallet(given)
    try:
        raw = bytes.fromhex(data.removeprefix("0x"))
    except ValueError:
        raise CliError("the data are not hexadecimal", USAGE) from None
    call = enriched(Call(parse_account(to), parse_wei(amount), raw), given)
    emit(send_asked(f"{ether(call.value)} to {to}", call, given), sent_text)


def _usual_wallet(given: dict[str, Any]) -> str | None:
    """The wallet `main`, where it is there and nobody else is named."""
    if given["keystore"] is not None or given["sender"] is not None:
        return None
    with explained():
        number = _source(given["url"], None).chain_id()
    return "main" if (path_of("main", number) / "wallet.json").exists() else None


@account.command("history")
@wallet_options
def history(name: str, chain_id: int | None, url: str | None) -> None:
    """What this wallet sent, oldest first."""
    source = _source(url, chain_id)
    with explained(), opened(name, source.chain_id(), source, False) as wallet:
        rows = [_sent_row(tx) for tx in wallet.accounts.sent()]
    emit(rows, lambda r: table(r, ("nonce", "hash", "to", "value", "max_fee_per_gas")) if r else "nothing was sent yet")


def _sent_row(tx: EthereumTransaction) -> dict[str, Any]:
    to = "(new contract)" if tx.to is None else account_encode(tx.to)
    return {
        "nonce": tx.nonce,
        "hash": hexed(tx.id),
        "from": account_encode(tx.sender),
        "to": to,
        "value": ether(tx.value),
        "max_fee_per_gas": ether(tx.fee_cap),
    }


def _replace(tx_hash: str, cancel: bool, given: dict[str, Any], sidecar: BlobSidecar | None = None) -> None:
    text = tx_hash.removeprefix("0x")
    if len(text) != 64 or any(c not in "0123456789abcdefABCDEF" for c in text):
        raise CliError(f"{tx_hash} is not the hash of a transaction", USAGE)
    source = _source(given["url"], given["chain_id"])
    with explained(), opened(given["name"], source.chain_id(), source, given["from_stdin"]) as wallet:
        old = next((tx for tx in wallet.accounts.sent() if tx.id.hex() == text.lower()), None)
        if old is None:
            raise CliError(
                "this wallet did not send that transaction", USAGE, "`chainyard account history` lists what it sent"
            )
        what, fees = "cancel" if cancel else "replace", spend_account.replacement_fees(old, source.fees())
        offer = {"replaces": hexed(old.id), "nonce": old.nonce, "max_fee_per_gas": str(fees.fee_cap)}
        lines = [
            f"  {what} nonce {old.nonce} of {account_encode(old.sender)}",
            f"  at most {ether(old.fee_cap)} -> {ether(fees.fee_cap)} for a unit of gas",
        ]
        if given["dry_run"]:
            emit(offer, lambda _: "\n".join(lines))
            return
        confirm(lines, given["sure"])
        wallet.unlock()
        made = wallet.accounts.replace(old.id, cancel=cancel, sidecar=sidecar)
    emit({"hash": hexed(made.id), "nonce": made.nonce, "max_fee_per_gas": str(made.fee_cap)}, sent_text)


def _asking(command: Any) -> Any:
    """Give a command --yes and --dry-run."""
    command = click.option("--dry-run", is_flag=True, help="Show what would be offered.")(command)
    return click.option("--yes", "-y", "sure", is_flag=True, help="Do not ask.")(command)


@account.command("replace")
@click.argument("tx_hash")
@click.option(
    "--blob",
    "blob_files",
    multiple=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The files of a blob transaction, which the wallet does not keep.",
)
@click.option("--cell-proofs/--blob-proofs", default=None, help="Which proofs blobs bring (the server is asked).")
@_asking
@stdin_option
@wallet_options
def replace(tx_hash: str, blob_files: tuple[Path, ...], cell_proofs: bool | None, **given: Any) -> None:
    """Send a transaction that waits again, with fees high enough to take its place."""
    _replace(tx_hash, False, given, read_sidecar(blob_files, cell_proofs, given["url"]))


@account.command("cancel")
@click.argument("tx_hash")
@_asking
@stdin_option
@wallet_options
def cancel(tx_hash: str, **given: Any) -> None:
    """Put a transfer of nothing to oneself in the place of a transaction that waits."""
    _replace(tx_hash, True, given)


@account.command("authorize")
@click.argument("contract")
@click.option("--from", "sender", default=None, metavar="ADDRESS", help="Which account gives leave.")
@click.option(
    "--nonce", type=click.IntRange(0), default=None, help="The account's nonce when it is used (the next one)."
)
@click.option("--any-chain", is_flag=True, help="Let it hold on every chain.")
@stdin_option
@wallet_options
def authorize(
    contract: str,
    sender: str | None,
    nonce: int | None,
    any_chain: bool,
    from_stdin: bool,
    name: str,
    chain_id: int | None,
    url: str | None,
) -> None:
    """Sign an account's leave to run the code of CONTRACT as its own (EIP-7702), for somebody else to send; `none` ends it."""
    source = _source(url, chain_id)
    code = code_address(contract)
    with explained(), opened(name, source.chain_id(), source, from_stdin) as wallet:
        chosen = wallet.pick(None if sender is None else parse_account(sender))
        wallet.unlock()
        number = source.pending_nonce(chosen) if nonce is None else nonce
        made = wallet.accounts.authorize(chosen, code, number, 0 if any_chain else None)
    result = {
        "authorization": authorization_hex(made),
        "authority": account_encode(chosen),
        "contract": account_encode(code),
        "nonce": number,
        "chain_id": made.chain_id,
    }
    emit(result, lambda r: str(r["authorization"]))


@account.command("label")
@click.argument("address")
@click.argument("label")
@wallet_options
def label_(address: str, label: str, name: str, chain_id: int | None, url: str | None) -> None:
    """Name an account of a wallet."""
    source = _source(url, chain_id)
    with explained(), opened(name, source.chain_id(), source, False) as wallet:
        chosen = wallet.pick(parse_account(address))
        wallet.accounts.set_label(chosen, label)
    emit({"address": account_encode(chosen), "label": label}, lambda r: f"{r['address']} is {r['label']!r} now")


# -- signatures ------------------------------------------------------------------------------------------------------


def _typed(path: Path) -> Any:
    try:
        return json.loads(path.read_text())
    except ValueError as e:
        raise CliError(f"{path} is not JSON", USAGE) from e


_TYPED = click.option(
    "--typed", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="A file of typed data (EIP-712)."
)


@account.command("sign")
@click.argument("message", default="")
@_TYPED
@click.option("--from", "sender", default=None, metavar="ADDRESS")
@stdin_option
@wallet_options
def sign(
    message: str,
    typed: Path | None,
    sender: str | None,
    from_stdin: bool,
    name: str,
    chain_id: int | None,
    url: str | None,
) -> None:
    """Sign a MESSAGE (EIP-191), or typed data."""
    if bool(message) == (typed is not None):
        raise CliError("there is a MESSAGE to sign, or --typed FILE", USAGE)
    source = _source(url, chain_id)
    with explained(), opened(name, source.chain_id(), source, from_stdin) as wallet:
        chosen = wallet.pick(None if sender is None else parse_account(sender))
        wallet.unlock()
        if typed is not None:
            signature = wallet.accounts.sign_typed(chosen, _typed(typed))
        else:
            signature = wallet.accounts.sign_personal(chosen, message.encode())
    result = {"address": account_encode(chosen), "signature": hexed(signature)}
    emit(result, lambda r: str(r["signature"]))


@account.command("verify")
@click.argument("address")
@click.argument("signature")
@click.argument("message", default="")
@_TYPED
@url_option
def verify(address: str, signature: str, message: str, typed: Path | None, url: str | None) -> None:
    """Whether the owner of ADDRESS signed a MESSAGE or typed data. No server is asked."""
    del url
    try:
        raw = bytes.fromhex(signature.removeprefix("0x"))
    except ValueError:
        raise CliError("the signature is not hexadecimal", USAGE) from None
    with explained():
        digest = typed_data.digest(_typed(typed)) if typed is not None else messages.personal_hash(message.encode())
    signer = messages.recover_account(digest, raw)
    valid = signer is not None and signer == parse_account(address)
    if not valid:
        raise CliError("the signature is not of this address and message", 4)
    emit({"valid": True}, lambda _: "the signature is valid")
