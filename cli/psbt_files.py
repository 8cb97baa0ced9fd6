"""Partially signed transactions on the command line: read from text, a file or standard input, written, and shown for people.

It asks no node: which chain's addresses are meant, --chain says.
"""

from __future__ import annotations

import base64
import binascii
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from chains.catalogue import load
from chains.overrides import ChainFileError
from chains.spec import ChainSpec
from cli.amounts import BITCOIN, COINS, MONEY, coins, rate, shown
from cli.output import RPC_ERROR, USAGE, CliError, emit, json_option
from primitives import address as addresses
from primitives.address import AddressStyle
from primitives.errors import DecodeError
from wallet import psbt_codec, psbt_roles
from wallet.errors import WalletError
from wallet.psbt import Psbt

MAGIC = b"psbt\xff"


def out_option(command: Any) -> Any:
    """Give a command --out."""
    return click.option(
        "--out", type=click.Path(path_type=Path), default=None, help="Write a file (binary, as BIP174 has it) instead."
    )(command)


def offline_options(command: Any) -> Any:
    """Give a command --chain and --json: it asks no node."""
    option = click.option("--chain", default=None, help="Whose addresses and coins they are (regtest).")
    return json_option(option(command))


@contextmanager
def plain_errors() -> Iterator[None]:
    """What the library refuses, as one line."""
    try:
        yield
    except DecodeError as e:
        raise CliError(str(e), USAGE) from e
    except WalletError as e:
        raise CliError(e.detail or e.rule, RPC_ERROR) from e


def spec_of(chain: str | None) -> ChainSpec:
    """The chain that is meant; from now on its coin is the one that amounts are in. Raises CliError."""
    try:
        spec = load(chain or os.environ.get("CHAINYARD_CHAIN", "regtest"))
    except ChainFileError as e:
        raise CliError(str(e), USAGE) from e
    MONEY.use(COINS.get(spec.network.coin_unit, BITCOIN))
    return spec


def style_of(chain: str | None) -> AddressStyle:
    """How addresses of a chain look; its coin is the one that amounts are in. Raises CliError."""
    return spec_of(chain).addresses


# -- in and out ------------------------------------------------------------------------------------------------------


def read_psbt(text: str) -> Psbt:
    """The PSBT that an argument means: base64, the name of a file (of either form), or - for standard input. Raises CliError."""
    with plain_errors():
        if text == "-":
            return _decoded(sys.stdin.buffer.read(), "standard input")
        path = Path(text)
        if len(text) < 1024 and path.is_file():
            return _decoded(path.read_bytes(), text)
        return _decoded(text.encode(), "the argument")


def _decoded(data: bytes, name: str) -> Psbt:
    if data.startswith(MAGIC):
        return psbt_codec.decode(data)
    try:
        raw = base64.b64decode(b"".join(data.split()), validate=True)
    except binascii.Error:
        raise DecodeError(f"{name} is neither base64 nor a file of a partially signed transaction") from None
    return psbt_codec.decode(raw)


def put(psbt: Psbt, out: Path | None, note: str = "", **more: Any) -> None:
    """Print a PSBT, or write it to a file; a note for people goes to standard error."""
    text = psbt_codec.to_base64(psbt)
    if note:
        click.echo(note, err=True)
    if out is None:
        emit({"psbt": text, **more}, lambda r: str(r["psbt"]))
        return
    try:
        out.write_bytes(psbt_codec.encode(psbt))
    except OSError as e:
        raise CliError(f"{out}: {e.strerror}", USAGE) from e
    emit({"file": str(out), **more}, lambda r: f"written to {r['file']}")


# -- for people ------------------------------------------------------------------------------------------------------


def described(psbt: Psbt, style: AddressStyle) -> str:
    """What a PSBT would do, and how far it is."""
    lines = [f"transaction {psbt.tx.id[::-1].hex()} (PSBT version {psbt.version})"]
    for i in psbt.inputs:
        name = f"{i.point[:32][::-1].hex()}:{int.from_bytes(i.point[32:], 'little')}"
        spent = i.spent
        coin = "unknown coin" if spent is None else f"{shown(coins(spent.value))} of {_owner(spent.script, style)}"
        lines.append(f"  spends {name}  {coin}")
    for o in psbt.outputs:
        own = "  (perhaps change: its keys are named)" if o.origins or o.tap_origins else ""
        lines.append(f"  pays   {shown(coins(o.value))} to {_owner(o.script, style)}{own}")
    return "\n".join([*lines, *(f"  {line}" for line in progress(psbt))])


def _owner(script: bytes, style: AddressStyle) -> str:
    return addresses.encode(script, style) or f"script {script.hex()}"


def progress(psbt: Psbt) -> list[str]:
    """The fee, who acts next, and what each unfinished input lacks, a line each."""
    found = psbt_roles.analyse(psbt)
    if found.error:
        return [f"wrong: {found.error}"]
    lines = []
    if found.fee is not None:
        size = f" ({rate(f'{found.fee / found.vsize:.1f}')}, {found.vsize} vB)" if found.vsize else ""
        lines.append(f"fee {shown(coins(found.fee))}{size}")
    else:
        lines.append("fee unknown: not every coin is told")
    lines.append(f"next: {found.next}")
    for at, one in enumerate(found.inputs):
        if one.is_final:
            continue
        lacks = [f"signatures of {len(one.missing_signatures)} key(s)"] if one.missing_signatures else []
        lacks += ["the coin"] if not one.has_utxo else []
        lacks += ["a public key"] if one.missing_keys else []
        lacks += ["a redeem script"] if one.missing_redeem else []
        lacks += ["a witness script"] if one.missing_witness_script else []
        lines.append(f"input {at}: {one.next}{', lacks ' + ', '.join(lacks) if lacks else ''}")
    return lines
