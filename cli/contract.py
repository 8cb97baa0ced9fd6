"""`chainyard contract deploy|call|send|logs|address|proxy`: contracts by an ABI file, or by a signature on the command line.

Encoding and decoding are wallet/abi.py's; who signs is cli/ethereum.py's.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import click

from cli.ethereum import (
    event_json,
    event_text,
    explained,
    open_client,
    parse_account,
    plain,
    send_asked,
    sender_options,
    sent_text,
    url_option,
)
from cli.output import USAGE, CliError, emit
from cli.tx_kinds import enriched, kind_options
from cli.wei import parse_wei
from node.ethereum_client import EthereumClient, EthereumSource, call_object, hexed, unhexed
from primitives.address import account_encode
from primitives.errors import DecodeError
from wallet import abi, contracts, spend_account
from wallet.abi import Entry
from wallet.spend_account import Call

_ABI = click.option(
    "--abi", "abi_file", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="A file with the ABI, or a compiler's output."
)  # fmt: skip
_BLOCK = click.option(
    "--block", default="latest", show_default=True, help="At this height, or latest, pending, earliest."
)


@click.group()
def contract() -> None:
    """Contracts of an account chain: deployed, called, sent to, watched."""


def read_abi(path: Path | None) -> tuple[Entry, ...]:
    """The entries of a file, none where there is no file. Raises CliError."""
    if path is None:
        return ()
    with explained():
        return tuple(abi.parse_abi(path.read_text(errors="replace")))


def block_tag(text: str) -> str:
    """A block as the RPC takes it. Raises CliError."""
    if text in ("latest", "pending", "earliest", "safe", "finalized"):
        return text
    if text.isdecimal():
        return hex(int(text))
    raise CliError(f"{text!r} is not a block", USAGE, "write a height, or latest")


def read_code(text: str) -> tuple[bytes, Path | None]:
    """Init code from hex, from standard input (-), or from a file with hex or a compiler's output; and that file if it has an ABI too."""
    path = None
    if text == "-":
        text = sys.stdin.read()
    elif not _is_hex(text):
        path = Path(text)
        if not path.is_file():
            raise CliError(f"{text[:60]!r} is neither hexadecimal nor a file", USAGE)
        text = path.read_text(errors="replace")
        if text.lstrip().startswith("{"):
            return _compiled(text), path
        path = None
    text = "".join(text.split())
    if not _is_hex(text):
        raise CliError("the code is not hexadecimal", USAGE)
    return bytes.fromhex(text.removeprefix("0x")), path


def _is_hex(text: str) -> bool:
    digits = text.strip().removeprefix("0x")
    return bool(digits) and len(digits) % 2 == 0 and all(c in "0123456789abcdefABCDEF" for c in digits)


def _compiled(text: str) -> bytes:
    try:
        found = json.loads(text)
    except ValueError as e:
        raise CliError("the file with the code is not JSON", USAGE) from e
    code = found.get("bytecode", found.get("bin"))
    if isinstance(code, dict):
        code = code.get("object")
    if not isinstance(code, str) or not _is_hex(code):
        unlinked = " (its libraries are not linked)" if isinstance(code, str) and "__" in code else ""
        raise CliError(f"the file holds no bytecode{unlinked}", USAGE)
    return bytes.fromhex(code.removeprefix("0x"))


# -- made ------------------------------------------------------------------------------------------------------------


@contract.command("deploy")
@click.argument("code")
@click.argument("arguments", nargs=-1)
@click.option(
    "--constructor", default="", metavar="SIGNATURE", help="Types of the arguments, such as '(string,uint256)'."
)
@click.option("--value", default="0", metavar="AMOUNT", help="Ether to send along, such as 1ether.")
@_ABI
@sender_options
def deploy(
    code: str, arguments: tuple[str, ...], constructor: str, value: str, abi_file: Path | None, **given: Any
) -> None:
    """Create a contract from CODE: hex, a file of hex or of a compiler (solc, hardhat, forge), or - for standard input."""
    raw, artifact = read_code(code)
    entries = read_abi(abi_file or artifact)
    with explained(entries):
        data = contracts.init_code(raw, arguments, entries, constructor)
    call = Call(None, parse_wei(value), data)
    emit(send_asked(f"create a contract of {len(data):,} bytes of code", call, given, _known(entries)), sent_text)


def _known(entries: tuple[Entry, ...]) -> tuple[Entry, ...]:
    return (*entries, *contracts.KNOWN)


# -- called ----------------------------------------------------------------------------------------------------------


@contract.command("call", context_settings={"ignore_unknown_options": True})
@click.argument("address")
@click.argument("function")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
@click.option("--from", "sender", default=None, metavar="ADDRESS", help="Call as this account.")
@click.option("--value", default="0", metavar="AMOUNT")
@_BLOCK
@_ABI
@url_option
def call_(
    address: str,
    function: str,
    arguments: tuple[str, ...],
    sender: str | None,
    value: str,
    block: str,
    abi_file: Path | None,
    url: str | None,
) -> None:
    """Ask a contract; nothing is sent. FUNCTION is a name of the ABI, or a signature such as 'balanceOf(address)(uint256)'."""
    entries = read_abi(abi_file)
    with explained(entries):
        entry = contracts.entry_of(function, entries, len(arguments))
        call = Call(parse_account(address), parse_wei(value), entry.encode(arguments))
        client = open_client(url)
        request = call_object(None if sender is None else parse_account(sender), call)
        raw = unhexed(client.call("eth_call", request, block_tag(block)))
        if (
            not raw
            and entry.outputs
            and not unhexed(client.call("eth_getCode", account_encode(call.to or b""), block_tag(block)))
        ):
            raise CliError(f"there is no contract at {address}")
        values = entry.decode_result(raw) if entry.outputs else ((raw,) if raw else ())
    result = {"values": [plain(one) for one in values], "raw": hexed(raw)}
    emit(result, lambda _: "\n".join(abi.show(one) for one in values) or "(nothing)")


@contract.command("send", context_settings={"ignore_unknown_options": True})
@click.argument("address")
@click.argument("function")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
@click.option("--value", default="0", metavar="AMOUNT", help="Ether to send along, such as 1ether.")
@_ABI
@kind_options
@sender_options
def send_(
    address: str, function: str, arguments: tuple[str, ...], value: str, abi_file: Path | None, **given: Any
) -> None:
    """Send a transaction to a contract. FUNCTION is a name of the ABI, or a signature such as 'transfer(address,uint256)'."""
    entries = read_abi(abi_file)
    with explained(entries):
        entry = contracts.entry_of(function, entries, len(arguments))
        call = Call(parse_account(address), parse_wei(value), entry.encode(arguments))
    call = enriched(call, given)
    shown = ", ".join(arguments)
    emit(send_asked(f"{entry.name}({shown}) of {address}", call, given, _known(entries)), sent_text)


@contract.command("logs")
@click.argument("address")
@click.argument("event", default="")
@click.option("--from-block", default="earliest", show_default=True)
@click.option("--to-block", default="latest", show_default=True)
@_ABI
@url_option
def logs(address: str, event: str, from_block: str, to_block: str, abi_file: Path | None, url: str | None) -> None:
    """The events of a contract. EVENT is a name of the ABI, or a signature such as 'Transfer(address indexed,address indexed,uint256)'."""
    entries = read_abi(abi_file)
    account = account_encode(parse_account(address))
    wanted: dict[str, Any] = {"address": account, "fromBlock": block_tag(from_block), "toBlock": block_tag(to_block)}
    with explained():
        known = _known(entries)
        if event:
            if "(" in event or entries:
                found = [contracts.entry_of(event, entries, kind="event")]
            else:
                found = [e for e in contracts.KNOWN if e.kind == "event" and e.name == event]
                if not found:
                    raise DecodeError(f"the event {event!r} is not known: give its signature or an ABI file")
            wanted["topics"] = [[hexed(topic) for topic in dict.fromkeys(e.topic for e in found)]]
            known = (*found, *known)
        rows = [event_json(log, known) for log in open_client(url).call("eth_getLogs", wanted)]
    emit(rows, lambda r: "\n".join(event_text(one) for one in r) or "no events")


# -- where ------------------------------------------------------------------------------------------------------------


@contract.command("address")
@click.argument("deployer")
@click.option(
    "--nonce", type=click.IntRange(0), default=None, help="Of the transaction that creates it (the next one)."
)
@click.option("--salt", default=None, metavar="HEX", help="For CREATE2.")
@click.option("--code", default=None, metavar="CODE", help="Init code, for CREATE2; as `deploy` takes it.")
@url_option
def address_(deployer: str, nonce: int | None, salt: str | None, code: str | None, url: str | None) -> None:
    """Where a contract will be: by its creator's nonce, or with --salt and --code by CREATE2 (EIP-1014)."""
    creator = parse_account(deployer)
    if (salt is None) != (code is None):
        raise CliError("--salt and --code belong together", USAGE)
    if salt is not None and code is not None:
        raw = bytes.fromhex(salt.removeprefix("0x")) if _is_hex(salt) else b"\x00" * 33
        if len(raw) > 32:
            raise CliError("a salt has at most 32 bytes of hexadecimal digits", USAGE)
        found = spend_account.create2_address(creator, raw, read_code(code)[0])
    else:
        if nonce is None:
            with explained():
                nonce = EthereumSource(open_client(url)).pending_nonce(creator)
        found = spend_account.create_address(creator, nonce)
    emit(account_encode(found))


@contract.command("proxy")
@click.argument("address")
@_BLOCK
@url_option
def proxy(address: str, block: str, url: str | None) -> None:
    """What a proxy runs: read from its code (EIP-1167, 7702), or from the slots of EIP-1967, EIP-1822 and OpenZeppelin."""
    account, tag = account_encode(parse_account(address)), block_tag(block)
    client = open_client(url)
    with explained():
        found = find_proxy(client, account, tag)
        if found is None:
            raise CliError(f"{account} is not a proxy of a known kind")
        admin = contracts.address_in_slot(
            unhexed(client.call("eth_getStorageAt", account, hexed(contracts.ADMIN_SLOT), tag))
        )
    result = {"kind": found.kind, "implementation": account_encode(found.implementation)}
    if admin is not None:
        result["admin"] = account_encode(admin)
    emit(result, lambda r: "\n".join(f"{name:<15} {value}" for name, value in r.items()))


def find_proxy(client: EthereumClient, account: str, tag: str) -> contracts.Proxy | None:
    """How an account delegates, if it does."""
    found = contracts.proxy_in_code(unhexed(client.call("eth_getCode", account, tag)))
    if found is not None:
        return found
    for kind, slot in contracts.SLOTS.items():
        address = contracts.address_in_slot(unhexed(client.call("eth_getStorageAt", account, hexed(slot), tag)))
        if address is not None:
            return contracts.Proxy(kind, address)
    beacon = contracts.address_in_slot(
        unhexed(client.call("eth_getStorageAt", account, hexed(contracts.BEACON_SLOT), tag))
    )
    if beacon is None:
        return None
    answer = client.call(
        "eth_call", call_object(None, Call(beacon, 0, contracts.BEACON_IMPLEMENTATION.encode(()))), tag
    )
    (text,) = contracts.BEACON_IMPLEMENTATION.decode_result(unhexed(answer))
    return contracts.Proxy("eip1967 beacon", parse_account(text))
