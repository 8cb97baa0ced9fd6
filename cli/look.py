"""`chainyard block`, `tx`, `receipt`, `logs`: what an account chain holds, from any Ethereum-style RPC."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from cli.contract import block_tag
from cli.ethereum import explained, open_client, parse_account, url_option
from cli.output import RPC_ERROR, USAGE, CliError, emit
from cli.wei import ether
from primitives.address import account_encode

_NUMBERS = frozenset(
    (
        "number", "gasLimit", "gasUsed", "timestamp", "size", "nonce", "gas", "blockNumber", "transactionIndex", "chainId",
        "type", "cumulativeGasUsed", "status", "logIndex", "blobGasUsed", "excessBlobGas", "blockTimestamp",
    )
)  # fmt: skip
_WEI = frozenset(
    (
        "baseFeePerGas", "value", "gasPrice", "maxFeePerGas", "maxPriorityFeePerGas", "effectiveGasPrice", "maxFeePerBlobGas",
        "blobGasPrice",
    )
)  # fmt: skip
_LEFT_OUT = frozenset(("logsBloom", "v", "r", "s", "yParity"))


def shown(key: str, value: Any) -> str:
    """A field for people: numbers in decimal, wei with a unit."""
    if isinstance(value, str) and value.startswith("0x") and len(value) < 66:
        if key in _WEI:
            return ether(int(value, 16))
        if key in _NUMBERS and not (key == "nonce" and len(value) == 18):
            return str(int(value, 16))
    if value is None:
        return "-"
    return str(value)


def fields(found: Mapping[str, Any], indent: str = "") -> str:
    """Fields, one a line; lists below each other."""
    wide = max((len(k) for k in found if k not in _LEFT_OUT), default=0)
    lines = []
    for key, value in found.items():
        if key in _LEFT_OUT:
            continue
        if isinstance(value, list):
            lines.append(f"{indent}{key.ljust(wide)}  {len(value) if value else 'none'}")
            for one in value:
                lines.append(fields(one, indent + "    ") if isinstance(one, dict) else f"{indent}    {one}")
                if isinstance(one, dict):
                    lines.append("")
        else:
            lines.append(f"{indent}{key.ljust(wide)}  {shown(key, value)}")
    return "\n".join(lines)


def _hash(text: str, what: str) -> str:
    digits = text.removeprefix("0x")
    if len(digits) != 64 or any(c not in "0123456789abcdefABCDEF" for c in digits):
        raise CliError(f"{text} is not the hash of a {what}", USAGE, "it has 64 hex digits")
    return "0x" + digits


def _found(value: Any, what: str) -> Any:
    if value is None:
        raise CliError(f"there is no {what}", RPC_ERROR)
    return value


@click.command()
@click.argument("which", default="latest")
@click.option("--full", is_flag=True, help="With whole transactions.")
@url_option
def block(which: str, full: bool, url: str | None) -> None:
    """Show a block: WHICH is a number, a hash, latest, earliest, pending."""
    with explained():
        client = open_client(url)
        if len(which.removeprefix("0x")) == 64:
            found = client.call("eth_getBlockByHash", _hash(which, "block"), full)
        else:
            found = client.call("eth_getBlockByNumber", block_tag(which), full)
    emit(_found(found, f"block {which}"), fields)


@click.command()
@click.argument("hash")
@url_option
def tx(hash: str, url: str | None) -> None:
    """Show a transaction by its hash."""
    with explained():
        found = open_client(url).call("eth_getTransactionByHash", _hash(hash, "transaction"))
    emit(_found(found, f"transaction {hash}"), fields)


@click.command()
@click.argument("hash")
@url_option
def receipt(hash: str, url: str | None) -> None:
    """Show what came of a transaction."""
    with explained():
        found = open_client(url).call("eth_getTransactionReceipt", _hash(hash, "transaction"))
    emit(_found(found, f"receipt of {hash} (it is not mined, or not known)"), fields)


@click.command()
@click.option("--address", "addresses", multiple=True, help="Only of this contract.")
@click.option("--topic", "topics", multiple=True, help="The topics in order; - for any.")
@click.option("--from-block", default="earliest", show_default=True)
@click.option("--to-block", default="latest", show_default=True)
@url_option
def logs(addresses: tuple[str, ...], topics: tuple[str, ...], from_block: str, to_block: str, url: str | None) -> None:
    """Find logs by contract and topics (`contract logs` decodes events)."""
    wanted: dict[str, Any] = {"fromBlock": block_tag(from_block), "toBlock": block_tag(to_block)}
    if addresses:
        wanted["address"] = [account_encode(parse_account(a)) for a in addresses]
    if topics:
        wanted["topics"] = [None if t == "-" else _hash(t, "topic") for t in topics]
    with explained():
        found = open_client(url).call("eth_getLogs", wanted)
    emit(found, lambda rows: "\n\n".join(fields(row) for row in rows) or "no logs")
