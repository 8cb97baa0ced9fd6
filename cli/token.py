"""`chainyard token`: tokens of ERC-20, ERC-721 and ERC-1155. Which of them a contract is, it is asked.

Amounts of ERC-20 tokens are in units as people write them, by the token's decimals.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import click

from cli.account_wallets import opened
from cli.ethereum import explained, open_client, parse_account, send_asked, sender_options, sent_text, url_option
from cli.output import USAGE, CliError, emit, table
from cli.wei import parse_units, units
from node.ethereum_client import EthereumClient, EthereumSource, call_object, unhexed
from node.rpc.errors import RpcError
from primitives.address import account_encode
from primitives.errors import DecodeError
from wallet import abi, contracts
from wallet.abi import Entry
from wallet.spend_account import Call

MOST_DECIMALS = 77
MOST = (1 << 256) - 1
"""An allowance without an end."""


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
@click.option(
    "--id", "numbers", multiple=True, type=click.IntRange(0), help="Which token, for ERC-1155; several at once."
)
@url_option
def balance(address: str, owner: str, numbers: tuple[int, ...], url: str | None) -> None:
    """How much OWNER has."""
    account = account_encode(parse_account(owner))
    with explained():
        found = open_token(open_client(url), address)
        symbol = found.text("symbol")
        if found.kind == "erc1155":
            if not numbers:
                raise CliError("this contract has many kinds of tokens", USAGE, "say which with --id")
            amounts = found.read("balanceOfBatch", [account] * len(numbers), list(numbers))
            rows = [{"id": n, "amount": str(v), "raw": str(v)} for n, v in zip(numbers, amounts, strict=True)]
            result: Any = {**rows[0], "symbol": symbol} if len(rows) == 1 else rows
        else:
            raw, decimals = found.read("balanceOf", account), found.decimals() if found.kind == "erc20" else 0
            result = {"amount": units(raw, decimals), "raw": str(raw), "symbol": symbol}
    if isinstance(result, list):
        emit(result, lambda r: table(r, ("id", "amount")))
    else:
        emit(result, lambda r: f"{r['amount']} {r['symbol']}".rstrip())


@token.command("uri")
@click.argument("address")
@click.argument("number", type=click.IntRange(0))
@url_option
def uri(address: str, number: int, url: str | None) -> None:
    """Where token NUMBER of an ERC-721 or ERC-1155 contract is described."""
    with explained():
        found = open_token(open_client(url), address)
        if found.kind == "erc20":
            raise CliError("the contract is erc20: its tokens are all alike", USAGE)
        text = str(found.read("tokenURI" if found.kind == "erc721" else "uri", number))
    emit("".join(c for c in text if c.isprintable()).replace("{id}", f"{number:064x}"))


@token.command("allowance")
@click.argument("address")
@click.argument("owner")
@click.argument("spender")
@click.option("--id", "number", type=click.IntRange(0), default=None, help="Of this token alone, for ERC-721.")
@url_option
def allowance(address: str, owner: str, spender: str, number: int | None, url: str | None) -> None:
    """What SPENDER may take of OWNER's tokens."""
    holder, taker = (account_encode(parse_account(text)) for text in (owner, spender))
    with explained():
        found = open_token(open_client(url), address)
        if found.kind == "erc20":
            raw, decimals = found.read("allowance", holder, taker), found.decimals()
            amount = "all" if raw == MOST else units(raw, decimals)
            result = {"amount": amount, "raw": str(raw)}
        else:
            allowed = bool(found.read("isApprovedForAll", holder, taker))
            if not allowed and number is not None and found.kind == "erc721":
                allowed = str(found.read("getApproved", number)) == taker
            result = {"amount": "all" if allowed and number is None else "this one" if allowed else "nothing"}
    emit(result, lambda r: str(r["amount"]))


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
@click.option("--unsafe", is_flag=True, help="ERC-721: do not ask a contract whether it can hold the token.")
@sender_options
def transfer(address: str, to: str, amount: str, number: int | None, unsafe: bool, **given: Any) -> None:
    """Send AMOUNT of a token, or the one with --id, TO an address."""
    target = account_encode(parse_account(to))
    with explained():
        found = open_token(open_client(given["url"]), address)
        if found.kind != "erc20" and number is None:
            raise CliError(f"the contract is {found.kind}", USAGE, "say which token with --id")
        symbol = found.text("symbol") or "tokens"
        if found.kind == "erc20":
            if not amount:
                raise CliError("how much?", USAGE, "chainyard token transfer TOKEN TO AMOUNT")
            arguments: list[Any] = [target, parse_units(amount, found.decimals())]
            name, what = "transfer", f"{amount} {symbol} to {to}"
        elif found.kind == "erc721":
            if amount not in ("", "1"):
                raise CliError("each token of this contract is the only one of its number", USAGE)
            arguments = [str(found.read("ownerOf", number)), target, number]
            name, what = "transferFrom" if unsafe else "safeTransferFrom", f"{symbol} number {number} to {to}"
        else:
            arguments = [_sender(found, given), target, number, parse_units(amount or "1", 0), b""]
            name, what = "safeTransferFrom", f"{amount or 1} of {symbol} number {number} to {to}"
        call = Call(found.address, 0, abi.find(found.entries, name, len(arguments)).encode(arguments))
    emit(send_asked(what, call, given, contracts.KNOWN), sent_text)


@token.command("batch")
@click.argument("address")
@click.argument("to")
@click.argument("pairs", nargs=-1, required=True, metavar="ID AMOUNT [ID AMOUNT]...")
@sender_options
def batch(address: str, to: str, pairs: tuple[str, ...], **given: Any) -> None:
    """Send several tokens of an ERC-1155 contract TO an address at once."""
    target = account_encode(parse_account(to))
    if len(pairs) % 2:
        raise CliError("each id needs an amount", USAGE)
    ids, amounts = ([parse_units(text, 0) for text in pairs[start::2]] for start in (0, 1))
    with explained():
        found = open_token(open_client(given["url"]), address)
        if found.kind != "erc1155":
            raise CliError(f"the contract is {found.kind}, which sends one at a time", USAGE)
        data = abi.find(found.entries, "safeBatchTransferFrom").encode(
            [_sender(found, given), target, ids, amounts, b""]
        )
    shown = ", ".join(f"{amount} of number {number}" for number, amount in zip(ids, amounts, strict=True))
    emit(send_asked(f"{shown} to {to}", Call(found.address, 0, data), given, contracts.KNOWN), sent_text)


def _sender(found: Token, given: dict[str, Any]) -> str:
    """Whose tokens are sent, which the call itself must say."""
    if given["sender"] is not None:
        return account_encode(parse_account(given["sender"]))
    source = EthereumSource(found.client)
    if given["wallet_name"] is not None:
        with opened(given["wallet_name"], source.chain_id(), source, False) as wallet:
            return account_encode(wallet.pick(None))
    held = found.client.call("eth_accounts")
    if given["keystore"] is not None or not held:
        raise CliError("whose tokens are sent is not known", USAGE, "name the account with --from")
    return account_encode(bytes.fromhex(held[0][2:]))


@token.command("approve")
@click.argument("address")
@click.argument("spender")
@click.argument("amount", default="")
@click.option("--id", "number", type=click.IntRange(0), default=None, help="This token alone, for ERC-721.")
@click.option("--all/--none", "everything", default=None, help="All tokens, of whatever kind; or none any more.")
@sender_options
def approve(address: str, spender: str, amount: str, number: int | None, everything: bool | None, **given: Any) -> None:
    """Let SPENDER take up to AMOUNT of an ERC-20 token (0 ends it), the token with --id, or --all."""
    taker = account_encode(parse_account(spender))
    if (amount != "") + (number is not None) + (everything is not None) != 1:
        raise CliError("say one of AMOUNT, --id, --all and --none", USAGE)
    with explained():
        found = open_token(open_client(given["url"]), address)
        symbol = found.text("symbol") or "tokens"
        arguments: list[Any]
        if everything is not None:
            name, arguments = "setApprovalForAll", [taker, everything]
            what = f"let {spender} take all {symbol}" if everything else f"let {spender} take no {symbol} any more"
            if found.kind == "erc20":
                name, arguments = "approve", [taker, MOST if everything else 0]
        elif number is not None:
            if found.kind != "erc721":
                raise CliError(f"the contract is {found.kind}: its tokens are not approved one by one", USAGE)
            name, arguments, what = "approve", [taker, number], f"let {spender} take {symbol} number {number}"
        else:
            if found.kind != "erc20":
                raise CliError(f"the contract is {found.kind}", USAGE, "say --id or --all")
            name, arguments = "approve", [taker, parse_units(amount, found.decimals())]
            what = f"let {spender} spend {amount} {symbol}"
        data = abi.find(found.entries, name, len(arguments)).encode(arguments)
    emit(send_asked(what, Call(found.address, 0, data), given, contracts.KNOWN), sent_text)
