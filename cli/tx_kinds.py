"""The newer kinds of account transactions on the command line: access lists, blobs, code for an account (EIP-2930, 4844, 7702).

Nothing is sent here: options and files become parts of a Call.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from cli.ethereum import explained, open_client, parse_account
from cli.output import USAGE, CliError
from node.ethereum_client import call_object
from node.rpc.errors import RpcError
from primitives.ethereum_fields import as_bytes, as_list, as_number, number
from primitives.ethereum_tx import AccessList, Authorization, BlobSidecar
from primitives.rlp import decode, encode
from wallet import blobs
from wallet.spend_account import Call

NOBODY = "none"
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


def kind_options(command: Any) -> Any:
    """Give a command the options of newer kinds of transactions."""
    options = (
        click.option("--access-list", default=None, metavar="FILE", help="JSON of what is touched (EIP-2930); `auto`: ask."),
        click.option("--blob", "blob_files", multiple=True, type=_FILE, help="Send the bytes of this file in blobs (EIP-4844)."),
        click.option("--cell-proofs/--blob-proofs", default=None, help="Which proofs blobs bring (the server is asked)."),
        click.option("--max-blob-fee", default=None, metavar="AMOUNT", help="Most to pay for a unit of blob gas."),
        click.option("--delegate", "delegate_to", metavar="CONTRACT", help="Run this code as the sender's own (EIP-7702), or `none`."),
        click.option("--authorization", "authorizations", multiple=True, metavar="HEX", help="From `account authorize`."),
    )  # fmt: skip
    for option in reversed(options):
        command = option(command)
    return command


def code_address(text: str) -> bytes:
    """The address whose code is meant; twenty zero bytes for none. Raises CliError."""
    return bytes(20) if text == NOBODY else parse_account(text)


def enriched(call: Call, given: dict[str, Any]) -> Call:
    """The call with what the options add; `given` then says whose code the sender wants. Raises CliError."""
    given["delegate"] = None if given["delegate_to"] is None else code_address(given["delegate_to"])
    if given["authorizations"]:
        call = replace(call, authorizations=tuple(_authorization(text) for text in given["authorizations"]))
    if given["blob_files"]:
        sidecar, hashes = _sidecar(given["blob_files"], wants_cells(given["cell_proofs"], given["url"]))
        call = replace(call, sidecar=sidecar, blob_hashes=hashes)
    if given["access_list"] == "auto":
        with explained():
            sender = None if given["sender"] is None else parse_account(given["sender"])
            made = open_client(given["url"]).call("eth_createAccessList", call_object(sender, call))
        call = replace(call, access_list=_access_list(made["accessList"]))
    elif given["access_list"] is not None:
        call = replace(call, access_list=_access_list(_json(Path(given["access_list"]))))
    return call


def wants_cells(said: bool | None, url: str | None) -> bool:
    """Whether blobs bring a proof for every cell, as chains want from Osaka on: known by a precompile that came with it (EIP-7910)."""
    if said is not None:
        return said
    with explained():
        try:
            return "P256VERIFY" in open_client(url).call("eth_config")["current"]["precompiles"]
        except (RpcError, KeyError, TypeError):
            return False


def read_sidecar(paths: tuple[Path, ...], cells: bool | None, url: str | None) -> BlobSidecar | None:
    """The blobs of files, none where there is no file. Raises CliError."""
    return _sidecar(paths, wants_cells(cells, url))[0] if paths else None


def _sidecar(paths: tuple[Path, ...], cells: bool) -> tuple[BlobSidecar, tuple[bytes, ...]]:
    with explained():
        packed = [blob for path in paths for blob in blobs.pack(path.read_bytes())]
        if len(packed) > blobs.MOST:
            raise CliError(f"{len(packed)} blobs are too many: a transaction has {blobs.MOST} at most", USAGE)
        return blobs.sidecar(packed, cells)


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text())
    except OSError as e:
        raise CliError(f"{path}: {e.strerror}", USAGE) from e
    except ValueError as e:
        raise CliError(f"{path} is not JSON", USAGE) from e


def _access_list(value: Any) -> AccessList:
    try:
        return tuple(
            (parse_account(one["address"]), tuple(_word(key) for key in one.get("storageKeys") or ())) for one in value
        )
    except (TypeError, KeyError, ValueError, AttributeError) as e:
        raise CliError('an access list is JSON such as [{"address": ..., "storageKeys": [...]}]', USAGE) from e


def _word(text: str) -> bytes:
    key = bytes.fromhex(text.removeprefix("0x"))
    if len(key) != 32:
        raise CliError(f"a storage key has 32 bytes, not {len(key)}", USAGE)
    return key


def authorization_hex(one: Authorization) -> str:
    """An authorization as text that --authorization takes: the RLP of its six fields."""
    fields = (one.chain_id, one.nonce, one.y_parity, one.r, one.s)
    chain_id, nonce, parity, r, s = (number(field) for field in fields)
    return "0x" + encode([chain_id, one.address, nonce, parity, r, s]).hex()


def _authorization(text: str) -> Authorization:
    try:
        raw = bytes.fromhex(text.removeprefix("0x"))
    except ValueError:
        raise CliError("an authorization is hexadecimal", USAGE, "`chainyard account authorize` makes one") from None
    with explained():
        chain_id, address, nonce, parity, r, s = as_list(decode(raw), 6, "authorization")
        made = Authorization(
            as_number(chain_id, 256, "chain id"),
            as_bytes(address, 20, "address"),
            as_number(nonce, 64, "nonce"),
            as_number(parity, 8, "y parity"),
            as_number(r, 256, "r"),
            as_number(s, 256, "s"),
        )
    if made.authority is None:
        raise CliError("the authorization is not signed by anybody", USAGE)
    return made
