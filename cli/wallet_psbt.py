"""`chainyard wallet psbt`: partially signed transactions, from the first outputs to the last signature (BIP174, 370, 371).

What needs no chain asks no node: create, combine, join, convert, finalize, extract, analyse, decode, and sign with keys that are typed.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from cli.amounts import coins, parse_amount, sat_of, shown
from cli.output import USAGE, CliError, call, emit
from cli.payments import (
    ask_to_send,
    check_fee,
    confirm,
    fee_options,
    owner_of,
    pairs_of,
    payees,
    point_of,
    spending_options,
)
from cli.psbt_files import (
    described,
    offline_options,
    out_option,
    plain_errors,
    progress,
    put,
    read_psbt,
    spec_of,
    style_of,
)
from cli.secrets import ask, stdin_option, unlocked
from cli.wallet import client_of, wallet_options
from cli.wallet_keys import SECRET
from primitives import address as addresses
from primitives.address import AddressStyle
from primitives.bitcoin import FINAL_SEQUENCE, Transaction, TxInput, TxOutput, outpoint
from primitives.errors import DecodeError
from vm.script.templates import null_data
from wallet import descriptors, psbt_codec, psbt_roles, psbt_updating
from wallet.loose_keys import SPAN, LooseKeys, check_strong, is_real
from wallet.psbt import Psbt
from wallet.psbt_updating import Provider
from wallet.spend_utxo import NOT_FINAL, REPLACEABLE

_PSBT = click.argument("psbt")
_V2 = click.option("--v2", is_flag=True, help="Of version 2 (BIP370).")


@click.group("psbt")
def psbt_() -> None:
    """Partially signed transactions. A PSBT is given as base64, as a file, or as - for standard input."""


# -- made ------------------------------------------------------------------------------------------------------------


def _script(address: str, style: AddressStyle) -> bytes:
    try:
        return addresses.decode(address, style)
    except DecodeError as e:
        owner = owner_of(address)
        other = f"it is an address of {owner}, not of this chain" if owner and "network" in str(e) else str(e)
        raise CliError(f"{address} cannot be paid: {other}", USAGE) from e


def _input(text: str, sequence: int) -> TxInput:
    point = point_of(text)
    return TxInput(outpoint(bytes.fromhex(point["txid"])[::-1], point["vout"]), b"", sequence)


@psbt_.command("create")
@click.argument("payments", nargs=-1, metavar="[ADDRESS AMOUNT]...")
@click.option("--coin", "chosen", multiple=True, metavar="TXID:VOUT", help="Spend this coin.")
@click.option("--data", multiple=True, metavar="HEX", help="An output that holds data.")
@click.option("--locktime", type=click.IntRange(0, 0xFFFFFFFF), default=0, show_default=True)
@click.option("--no-replace", is_flag=True, help="Do not allow a later replacement (BIP125).")
@_V2
@out_option
@offline_options
def create(
    payments: tuple[str, ...],
    chosen: tuple[str, ...],
    data: tuple[str, ...],
    locktime: int,
    no_replace: bool,
    v2: bool,
    out: Path | None,
    chain: str | None,
) -> None:
    """Put together what is named, and nothing else: no coin is added, no change. `fund` does that."""
    spec = spec_of(chain)
    style = spec.addresses
    outputs = [TxOutput(parse_amount(text), _script(address, style)) for address, text in pairs_of(payments)]
    for text in data:
        try:
            outputs.append(TxOutput(0, null_data(bytes.fromhex(text))))
        except ValueError:
            raise CliError("--data is hexadecimal", USAGE) from None
    if not chosen and not outputs:
        raise CliError("there is nothing to put together", USAGE, "name coins with --coin, and ADDRESS AMOUNT")
    sequence = REPLACEABLE if not no_replace else NOT_FINAL if locktime else FINAL_SEQUENCE
    inputs = tuple(_input(text, sequence) for text in chosen)
    if len({i.outpoint for i in inputs}) < len(inputs):
        raise CliError("a coin is named twice", USAGE)
    version = 3 if getattr(spec.ledger.format, "timed", False) else 2
    put(psbt_roles.create(Transaction(version, inputs, tuple(outputs), locktime), 2 if v2 else 0), out)


@psbt_.command("fund")
@click.argument("payments", nargs=-1, required=True, metavar="ADDRESS AMOUNT [ADDRESS AMOUNT]...")
@click.option("--coin", "chosen", multiple=True, metavar="TXID:VOUT", help="Spend this coin, and no others.")
@click.option("--subtract-fee", is_flag=True, help="Take the fee off the amounts.")
@click.option("--lock", is_flag=True, help="Keep the coins from other payments.")
@click.option("--no-replace", is_flag=True, help="Do not allow a later replacement (BIP125).")
@_V2
@out_option
@spending_options
def fund(
    payments: tuple[str, ...],
    chosen: tuple[str, ...],
    subtract_fee: bool,
    lock: bool,
    no_replace: bool,
    v2: bool,
    out: Path | None,
    fee_rate: str | None,
    target: int | None,
    allow_high_fee: bool,
    dry_run: bool,
    sure: bool,
    from_stdin: bool,
    **node: Any,
) -> None:
    """Choose coins of the wallet, also of one that only watches, and lay out a payment with its change. Nothing is signed or sent."""
    del sure, from_stdin
    pairs = pairs_of(payments)
    options: dict[str, Any] = {**fee_options(fee_rate, target), "replaceable": not no_replace}
    client = client_of(node)
    wanted = payees(client, pairs)
    if subtract_fee:
        options["subtract_fee_from_outputs"] = list(range(len(wanted)))
    options |= {"lock_unspents": lock and not dry_run}
    inputs = [point_of(text) for text in chosen]
    outputs = [{address: coins(amount)} for address, amount in wanted]
    made = call(client, "walletcreatefundedpsbt", inputs, outputs, 0, options)
    psbt = psbt_codec.from_base64(made["psbt"])
    size = psbt_roles.analyse(psbt).vsize or psbt.tx.vsize
    check_fee(sat_of(made["fee"]), size, sum(amount for _, amount in wanted), allow_high_fee)
    with plain_errors():
        psbt = psbt_roles.convert(psbt, 2 if v2 else 0)
    change = None if made["changepos"] < 0 else coins(psbt.outputs[made["changepos"]].value)
    note = f"fee {shown(made['fee'])}" + (f", change {shown(change)}" if change is not None else ", no change")
    put(psbt, out, note, fee=made["fee"], change=change)


# -- told and signed -------------------------------------------------------------------------------------------------


_DESCRIPTOR = click.option(
    "--descriptor", "texts", multiple=True, help="Public descriptor of the coins (with a checksum, or without)."
)


@psbt_.command("update")
@_PSBT
@_DESCRIPTOR
@click.option("--offline", is_flag=True, help="Ask no node: only what descriptors say.")
@out_option
@wallet_options
def update(psbt: str, texts: tuple[str, ...], offline: bool, out: Path | None, **node: Any) -> None:
    """Tell a PSBT its coins, as chain and mempool know them, and what a wallet or descriptors know of their scripts."""
    if any(SECRET.search(text) for text in texts):
        raise CliError("a private key on the command line is seen by others", USAGE, "give the public descriptor")
    found = read_psbt(psbt)
    style = style_of(node["chain"])
    if offline:
        with plain_errors():
            parsed = [descriptors.parse(one, style) for text in texts for one in descriptors.expand_multipath(text)]
            psbt_updating.update(found, {}, {}, Provider((one, range(SPAN)) for one in parsed).expansion_of)
    else:
        named = node["wallet_name"]
        client = client_of(node)
        text = call(client, "utxoupdatepsbt", psbt_codec.to_base64(found), list(texts))
        if named is not None or len(call(client, "listwallets")) == 1:
            text = call(client, "walletprocesspsbt", text, False, None, True, False)["psbt"]
        found = psbt_codec.from_base64(text)
    put(found, out, "\n".join(progress(found)))


@psbt_.command("sign")
@_PSBT
@click.option("--offline", is_flag=True, help="Ask no node: the keys are typed, hidden.")
@click.option("--keys-stdin", is_flag=True, help="Offline too: the keys are lines of standard input.")
@click.option("--with-mnemonic-passphrase", is_flag=True, help="The words have a passphrase of their own (BIP39).")
@click.option("--no-finalize", is_flag=True, help="Leave signatures of complete inputs as they are.")
@click.option("--yes", "sure", is_flag=True, help="Do not ask.")
@out_option
@stdin_option
@wallet_options
def sign(
    psbt: str,
    offline: bool,
    keys_stdin: bool,
    with_mnemonic_passphrase: bool,
    no_finalize: bool,
    sure: bool,
    out: Path | None,
    from_stdin: bool,
    **node: Any,
) -> None:
    """Sign all that the wallet can. Offline: with words, an extended key, a WIF or a private descriptor, on a machine without a node."""
    if psbt == "-" and (keys_stdin or from_stdin):
        raise CliError("standard input cannot hold both the PSBT and keys", USAGE, "save the PSBT in a file")
    found = read_psbt(psbt)
    style = style_of(node["chain"])
    _ask_to_sign(found, style, sure)
    if offline or keys_stdin:
        _sign_offline(found, style, keys_stdin, with_mnemonic_passphrase, not no_finalize)
    else:
        client = client_of(node)
        with unlocked(client, from_stdin):
            text = call(client, "walletprocesspsbt", psbt_codec.to_base64(found), True, None, True, not no_finalize)[
                "psbt"
            ]
        found = psbt_codec.from_base64(text)
    put(found, out, "\n".join(progress(found)), complete=_is_complete(found))


def _ask_to_sign(found: Psbt, style: AddressStyle, sure: bool) -> None:
    if not sure:
        click.echo(described(found, style), err=True)
        confirm("Sign it?", sure, "nothing was signed")


def _is_complete(found: Psbt) -> bool:
    return bool(found.inputs) and psbt_roles.analyse(found).next in ("finalizer", "extractor")


def _sign_offline(found: Psbt, style: AddressStyle, keys_stdin: bool, extra: bool, finalize: bool) -> None:
    keys = LooseKeys(found, style)
    if keys_stdin:
        lines = [line.strip() for line in sys.stdin if line.strip()]
        passphrase = lines.pop() if extra and lines else ""
        if not lines:
            raise CliError("standard input holds no key", USAGE)
    else:
        lines = [ask("Words, private key or descriptor", False)]
        passphrase = ask("Passphrase of the mnemonic", False) if extra else ""
    with plain_errors():
        check_strong(is_real(style))
        for line in lines:
            keys.add(line, passphrase)
        if not psbt_roles.sign(found, keys.secret_of, keys.key_of_hash):
            raise CliError("these keys sign nothing here", hint="`update` tells a PSBT what its inputs want")
        if finalize:
            psbt_roles.finalize(found)


# -- put together ----------------------------------------------------------------------------------------------------


@psbt_.command("combine")
@click.argument("psbts", nargs=-1, required=True)
@out_option
@offline_options
def combine(psbts: tuple[str, ...], out: Path | None, chain: str | None) -> None:
    """One PSBT with all that several PSBTs of the same transaction know: the signatures of each owner."""
    style_of(chain)
    with plain_errors():
        found = psbt_roles.combine([read_psbt(text) for text in psbts])
    put(found, out, "\n".join(progress(found)))


@psbt_.command("join")
@click.argument("psbts", nargs=-1, required=True)
@out_option
@offline_options
def join(psbts: tuple[str, ...], out: Path | None, chain: str | None) -> None:
    """One PSBT with the inputs and outputs of several."""
    style_of(chain)
    with plain_errors():
        put(psbt_roles.join([read_psbt(text) for text in psbts]), out)


@psbt_.command("convert")
@_PSBT
@click.option("--to", "version", type=click.Choice(["0", "2"]), required=True, help="The version wanted.")
@out_option
@offline_options
def convert(psbt: str, version: str, out: Path | None, chain: str | None) -> None:
    """The same PSBT in the other version (BIP174: 0, BIP370: 2)."""
    del chain
    with plain_errors():
        put(psbt_roles.convert(read_psbt(psbt), int(version)), out)


@psbt_.command("finalize")
@_PSBT
@out_option
@offline_options
def finalize(psbt: str, out: Path | None, chain: str | None) -> None:
    """Finish the inputs that have all their signatures."""
    style_of(chain)
    found = read_psbt(psbt)
    with plain_errors():
        complete = psbt_roles.finalize(found)
    put(found, out, "" if complete else "\n".join(progress(found)), complete=complete)


@psbt_.command("extract")
@_PSBT
@click.option("--send", is_flag=True, help="Hand it to the node, after a question.")
@click.option("--allow-high-fee", is_flag=True, help="Do not refuse a fee that looks like a mistake.")
@click.option("--yes", "sure", is_flag=True, help="Do not ask.")
@wallet_options
def extract(psbt: str, send: bool, allow_high_fee: bool, sure: bool, **node: Any) -> None:
    """The signed transaction in hex, or with --send its id."""
    found, style = read_psbt(psbt), style_of(node["chain"])
    with plain_errors():
        if not psbt_roles.finalize(found):
            raise CliError("the PSBT is not complete", hint="; ".join(progress(found)[1:]))
        tx = psbt_roles.extract(found)
    txid, raw = tx.id[::-1].hex(), tx.raw.hex()
    if not send:
        emit({"hex": raw, "txid": txid}, lambda r: str(r["hex"]))
        return
    check_fee(found.fee() or 0, tx.vsize, sum(out.value for out in tx.outputs), allow_high_fee)
    ask_to_send(described(found, style), sure)
    sent = call(client_of(node), "sendrawtransaction", raw, *([0] if allow_high_fee else []))
    emit({"txid": sent, "sent": True}, lambda r: str(r["txid"]))


# -- looked at -------------------------------------------------------------------------------------------------------


@psbt_.command("analyse")
@_PSBT
@offline_options
def analyse(psbt: str, chain: str | None) -> None:
    """How far a PSBT is: who acts next, what inputs lack, what it will cost."""
    from node.rpc.psbt_json import analysis_json

    style_of(chain)
    found = read_psbt(psbt)
    emit(analysis_json(psbt_roles.analyse(found)), lambda _: "\n".join(progress(found)))


@psbt_.command("decode")
@_PSBT
@offline_options
def decode(psbt: str, chain: str | None) -> None:
    """What a PSBT spends and pays; with --json each field."""
    from node.rpc.psbt_json import psbt_json

    style = style_of(chain)
    found = read_psbt(psbt)
    with plain_errors():
        emit(psbt_json(found, style), lambda _: described(found, style))
