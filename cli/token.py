"""`chainyard token info|balance|transfer|approve|owner`: tokens of ERC-20, ERC-721 and ERC-1155; which of them a contract is, it is asked.

Amounts of ERC-20 tokens are in units as people write them, by the token's decimals.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import click

from cli.ethereum import explained, open_client, parse_account, send_asked, sender_options, sent_text, url_option
from cli.output import USAGE, CliError, emit
from cli.wei import parse_units, units
from node.ethereum_client import EthereumClient, call_object, unhexed
from node.rpc.errors import RpcError
from primitives.address import account_encode
from primitives.errors import DecodeError
from wallet import abi, contracts
from wallet.abi import Entry
from wallet.spend_account import Call

MOST_DECIMALS = 77


@click.group()
def token() -> None:
    """Tokens of an account chain."""


@dataclass(frozen=True, slots=True)
class Token:
    """A contract of tokens, and of which kind it is."""

    client: EthereumClient
    address: bytes
    kind: str
    entries: tuple[Entry, ...]

    def read(self, name: str, *arguments: Any) -> Any:
        """The one value that a function returns. Raises RpcError, DecodeError."""
        return read(self.client, self.address, abi.find(self.entries, name, len(arguments)), *arguments)

    def decimals(self) -> int:
        """How many decimals amounts have. Raises CliError where it says something absurd."""
        try:
            found = int(self.read("decimals"))
        except (RpcError, DecodeError):
            return 0
        if found > MOST_DECIMALS:
            raise CliError(f"the token claims {found} decimals")
        return found

    def text(self, name: str) -> str:
        """Its name or symbol, empty where it has none."""
        try:
            return "".join(c for c in str(self.read(name)) if c.isprintable())[:64]
        except (RpcError, DecodeError):
            return ""


def read(client: EthereumClient, address: bytes, entry: Entry, *arguments: Any) -> Any:
    """The one value that a function returns. Raises RpcError, DecodeError."""
    answer = client.call("eth_call", call_object(None, Call(address, 0, entry.encode(arguments))), "latest")
    return entry.decode_result(unhexed(answer))[0]


def open_token(client: EthereumClient, text: str) -> Token:
    """The token at an address. Raises CliError where there is none."""
    address = parse_account(text)
    if not unhexed(client.call("eth_getCode", account_encode(address), "latest")):
        raise CliError(f"there is no contract at {text}")
    for kind, entries in (("erc721", contracts.ERC721), ("erc1155", contracts.ERC1155)):
        try:
            if read(client, address, contracts.SUPPORTS, contracts.INTERFACES[kind]):
                return Token(client, address, kind, entries)
        except (RpcError, DecodeError):
            break  # older than ERC-165
    try:
        read(client, address, abi.find(contracts.ERC20, "totalSupply"))
    except (RpcError, DecodeError):
        raise CliError(f"the contract at {text} is no token of a known kind") from None
    return Token(client, address, "erc20", contracts.ERC20)


@token.command("info")
@click.argument("address")
@url_option
def info(address: str, url: str | None) -> None:
    """What a token is."""
    with explained():
        found = open_token(open_client(url), address)
        result: dict[str, Any] = {"kind": found.kind, "name": found.text("name"), "symbol": found.text("symbol")}
        if found.kind == "erc20":
            result["decimals"] = found.decimals()
            result["supply"] = units(found.read("totalSupply"), result["decimals"])
    emit(result, lambda r: "\n".join(f"{name:<9} {value}" for name, value in r.items()))


@token.command("balance")
@click.argument("address")
@click.argument("owner")
@click.option("--id", "number", type=click.IntRange(0), default=None, help="Which token, for ERC-1155.")
@url_option
def balance(address: str, owner: str, number: int | None, url: str | None) -> None:
    """How much OWNER has."""
    account = account_encode(parse_account(owner))
    with explained():
        found = open_token(open_client(url), address)
        if found.kind == "erc1155":
            if number is None:
                raise CliError("this contract has many kinds of tokens", USAGE, "say which with --id")
            amount, decimals = found.read("balanceOf", account, number), 0
        else:
            amount, decimals = found.read("balanceOf", account), found.decimals() if found.kind == "erc20" else 0
        symbol = found.text("symbol")
    result = {"amount": units(amount, decimals), "raw": str(amount), "symbol": symbol}
    emit(result, lambda r: f"{r['amount']} {r['symbol']}".rstrip())


@token.command("owner")
@click.argument("address")
@click.argument("number", type=click.IntRange(0))
@url_option
def owner(address: str, number: int, url: str | None) -> None:
    """Who has token NUMBER of an ERC-721 collection."""
    with explained():
        found = open_token(open_client(url), address)
        if found.kind != "erc721":
            raise CliError(f"the contract is {found.kind}: its tokens have no single owner", USAGE)
        emit(str(found.read("ownerOf", number)))


@token.command("transfer")
@click.argument("address")
@click.argument("to")
@click.argument("amount", default="")
@click.option("--id", "number", type=click.IntRange(0), default=None, help="Which token, for ERC-721 and ERC-1155.")
@sender_options
def transfer(address: str, to: str, amount: str, number: int | None, **given: Any) -> None:
    """Send AMOUNT of a token, or the one with --id, TO an address."""
    target = account_encode(parse_account(to))
    with explained():
        found = open_token(open_client(given["url"]), address)
        if found.kind != "erc20" and number is None:
            raise CliError(f"the contract is {found.kind}", USAGE, "say which token with --id")
        symbol = found.text("symbol") or "tokens"
        if found.kind == "erc20":
            value = parse_units(amount, found.decimals())
            what, arguments = f"{amount} {symbol} to {to}", [target, value]
            entry = abi.find(found.entries, "transfer")
        else:
            source = _owner(found, given, number)
            entry = abi.find(found.entries, "safeTransferFrom" if found.kind == "erc1155" else "transferFrom")
            what, arguments = f"{symbol} number {number} to {to}", [source, target, number]
            if found.kind == "erc1155":
                what, arguments = f"{amount or 1} of {what}", [*arguments, parse_units(amount or "1", 0), b""]
        call = Call(found.address, 0, entry.encode(arguments))
    emit(send_asked(what, call, given, contracts.KNOWN), sent_text)


def _owner(found: Token, given: dict[str, Any], number: int | None) -> str:
    """Whose token it is: the owner of an ERC-721 token is asked for, of an ERC-1155 one it is who sends."""
    if found.kind == "erc721":
        return str(found.read("ownerOf", number))
    if given["sender"] is not None:
        return account_encode(parse_account(given["sender"]))
    held = found.client.call("eth_accounts")
    if given["keystore"] is not None or given["wallet_name"] is not None or not held:
        raise CliError("whose tokens are sent is not known", USAGE, "name the account with --from")
    return account_encode(bytes.fromhex(held[0][2:]))


@token.command("approve")
@click.argument("address")
@click.argument("spender")
@click.argument("amount")
@sender_options
def approve(address: str, spender: str, amount: str, **given: Any) -> None:
    """Let SPENDER take up to AMOUNT of an ERC-20 token; 0 ends it."""
    with explained():
        found = open_token(open_client(given["url"]), address)
        if found.kind != "erc20":
            raise CliError(
                f"the contract is {found.kind}", USAGE, "`chainyard contract send ... setApprovalForAll(address,bool)`"
            )
        value = parse_units(amount, found.decimals())
        data = abi.find(found.entries, "approve").encode([account_encode(parse_account(spender)), value])
    what = f"let {spender} spend {amount} {found.text('symbol') or 'tokens'}"
    emit(send_asked(what, Call(found.address, 0, data), given, contracts.KNOWN), sent_text)
