"""What commands of account chains share: the way to an Ethereum-style RPC, who signs, and the question before a transaction is sent.

A signer is a key of the node (local chains), an account of a wallet on this machine, or a keystore file.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import click

from cli.account_wallets import opened
from cli.output import NO_CONNECTION, RPC_ERROR, USAGE, CliError, json_option, wants_json
from cli.secrets import ask
from cli.wei import ether, parse_wei
from node.client import NoConnection
from node.ethereum_client import DEFAULT_URL, EthereumClient, EthereumSource, Reverted, call_object, hexed, revert_of
from node.rpc.errors import RpcError
from primitives.address import account_decode, account_encode
from primitives.errors import ChainError, DecodeError
from primitives.ethereum_tx import ACCESS_LIST, LEGACY
from wallet import abi, keystore, spend_account
from wallet.abi import Entry
from wallet.accounts import GAS_MARGIN, SendTerms
from wallet.errors import WalletError
from wallet.spend_account import BLOB_GAS, Call, Fees

RECEIPT_SECONDS = 120.0


# -- errors and the way to a server ----------------------------------------------------------------------------------


@contextmanager
def explained(entries: tuple[Entry, ...] = ()) -> Iterator[None]:
    """Every error of the libraries and the server as one line; a revert with its reason, decoded by the ABI where it can be."""
    try:
        yield
    except NoConnection as e:
        raise CliError(
            str(e), NO_CONNECTION, "start a node with `chainyard dev --chain dev`, or name it with --eth-rpc-url"
        ) from e
    except RpcError as e:
        data = revert_of(e)
        if data is None:
            raise CliError(e.message, RPC_ERROR, "", e.code, e.data) from e
        raise _reverted(data, e.code, entries) from e
    except WalletError as e:
        cause = e.__context__
        if isinstance(cause, Reverted):
            raise _reverted(cause.data, 3, entries) from e
        raise CliError(e.detail or e.rule, RPC_ERROR) from e
    except Reverted as e:
        raise _reverted(e.data, 3, entries) from e
    except DecodeError as e:
        raise CliError(str(e), USAGE) from e
    except ChainError as e:
        raise CliError(str(e), RPC_ERROR) from e


def _reverted(data: bytes, code: int, entries: tuple[Entry, ...]) -> CliError:
    return CliError(f"the call would revert: {abi.decode_revert(data, entries).text}", RPC_ERROR, "", code, hexed(data))


def url_option(command: Any) -> Any:
    """Give a command --eth-rpc-url and --json."""
    option = click.option("--eth-rpc-url", "url", default=None, help=f"The server ({DEFAULT_URL}, or ETH_RPC_URL).")
    return option(json_option(command))


def open_client(url: str | None) -> EthereumClient:
    """A client of the server that is meant. Raises CliError."""
    try:
        return EthereumClient(url or os.environ.get("ETH_RPC_URL") or DEFAULT_URL)
    except ValueError as e:
        raise CliError(str(e), USAGE) from e


def parse_account(text: str) -> bytes:
    """An address. Raises CliError with the reason why it is none."""
    try:
        return account_decode(text)
    except DecodeError as e:
        raise CliError(f"{text} is not an address that can be used: {e}", USAGE) from e


# -- who signs -------------------------------------------------------------------------------------------------------


class Sender(Protocol):
    """Somebody who can send."""

    @property
    def address(self) -> bytes: ...
    def completed(self, call: Call, terms: SendTerms) -> Call:
        """The call with the sender's own authorization where the terms want one. Raises WalletError, CliError."""
        ...

    def send(self, call: Call, terms: SendTerms) -> bytes:
        """Send, and return the transaction's hash. Raises WalletError, RpcError, ChainError."""
        ...


class NodeKey:
    """A key that the node itself holds, on local chains."""

    def __init__(self, source: EthereumSource, address: bytes) -> None:
        self._source = source
        self.address = address

    def completed(self, call: Call, terms: SendTerms) -> Call:
        """The call as it is: the node signs transactions, not authorizations. Raises CliError."""
        if terms.delegate is not None or call.sidecar is not None:
            raise CliError("a key of the node cannot sign this", USAGE, "say --wallet NAME or --keystore FILE")
        return call

    def send(self, call: Call, terms: SendTerms) -> bytes:
        """Let the node sign and send."""
        request = call_object(self.address, call)
        if terms.gas_limit is None:
            self._source.estimate_gas(self.address, call)  # the reason of a revert is told before anything is sent
        else:
            request["gas"] = hex(terms.gas_limit)
        if terms.nonce is not None:
            request["nonce"] = hex(terms.nonce)
        if terms.fees is not None and terms.kind == LEGACY:
            request["gasPrice"] = hex(terms.fees.fee_cap)
        elif terms.fees is not None:
            request |= {"maxFeePerGas": hex(terms.fees.fee_cap), "maxPriorityFeePerGas": hex(terms.fees.tip_cap)}
        return bytes.fromhex(self._source.client.call("eth_sendTransaction", request)[2:])


class OpenKey:
    """A private key in this process: of a keystore file."""

    def __init__(self, source: EthereumSource, secret: bytes) -> None:
        self._source = source
        self._secret = secret
        self.address = keystore.address_of(secret)

    def __repr__(self) -> str:
        return f"OpenKey({account_encode(self.address)})"

    def completed(self, call: Call, terms: SendTerms) -> Call:
        """The call with the key's own authorization where the terms want one."""
        if terms.delegate is None:
            return call
        nonce = self._source.pending_nonce(self.address) if terms.nonce is None else terms.nonce
        return spend_account.delegating(call, self._secret, self._source.chain_id(), terms.delegate, nonce)

    def send(self, call: Call, terms: SendTerms) -> bytes:
        """Sign here, and send."""
        source, call = self._source, self.completed(call, terms)
        gas = terms.gas_limit or source.estimate_gas(self.address, call)
        if terms.gas_limit is None and gas != spend_account.TRANSFER_GAS:
            gas = gas * GAS_MARGIN // 100
        nonce = source.pending_nonce(self.address) if terms.nonce is None else terms.nonce
        fees = terms.fees or source.fees()
        tx = spend_account.build(call, nonce, gas, fees, source.chain_id(), terms.kind, terms.max_fee)
        signed = spend_account.sign_checked(tx, self._secret)
        source.submit(signed)
        return signed.id


def sender_options(command: Any) -> Any:
    """Give a command the options that say who sends, what it offers, and whether to ask."""
    options = (
        click.option("--from", "sender", default=None, metavar="ADDRESS", help="An account of the wallet, or of the node."),
        click.option("--wallet", "wallet_name", default=None, help="The wallet that holds it (see `chainyard account`)."),
        click.option("--keystore", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Sign with this file's key."),
        click.option("--passphrase-stdin", "from_stdin", is_flag=True, help="Read the passphrase from standard input."),
        click.option("--gas", type=click.IntRange(21_000), default=None, help="Gas limit; else it is estimated."),
        click.option("--max-fee", default=None, metavar="AMOUNT", help="Most to pay for a unit of gas, such as 20gwei."),
        click.option("--tip", default=None, metavar="AMOUNT", help="Of that, what the producer gets at most."),
        click.option("--legacy", is_flag=True, help="A transaction of the old type, with one gas price."),
        click.option("--nonce", type=click.IntRange(0), default=None, help="Take this nonce; an old one replaces."),
        click.option("--allow-high-fee", is_flag=True, help="Permit more than one ether in fees."),
        click.option("--dry-run", is_flag=True, help="Show what would be sent."),
        click.option("--yes", "-y", "sure", is_flag=True, help="Do not ask."),
        click.option("--no-wait", is_flag=True, help="Do not wait for the receipt."),
    )  # fmt: skip
    for option in reversed(options):
        command = option(command)
    return url_option(command)


def terms_of(given: dict[str, Any], source: EthereumSource) -> SendTerms:
    """What the options say of fees and nonce. Raises CliError."""
    max_fee, tip = given["max_fee"], given["tip"]
    fees = None
    if max_fee is not None or tip is not None:
        usual = source.fees()
        least = parse_wei(tip) if tip is not None else usual.tip_cap
        most = parse_wei(max_fee) if max_fee is not None else max(usual.fee_cap, least)
        if tip is not None and least > most:
            raise CliError("--tip is more than --max-fee", USAGE)
        fees = Fees(min(least, most), most, usual.blob_fee_cap)
    if given.get("max_blob_fee") is not None:
        fees = replace(fees or source.fees(), blob_fee_cap=parse_wei(given["max_blob_fee"]))
    limit = 1 << 256 if given["allow_high_fee"] else spend_account.MAX_FEE
    kind = LEGACY if given["legacy"] else None
    if given["legacy"] and given.get("access_list"):
        kind = ACCESS_LIST
    return SendTerms(kind, given["gas"], fees, given["nonce"], limit, given.get("delegate"))


@contextmanager
def sender_of(given: dict[str, Any], source: EthereumSource) -> Iterator[Sender]:
    """Who sends: the keystore's key, else an account of the wallet, else a key of the node. Raises CliError."""
    address = None if given["sender"] is None else parse_account(given["sender"])
    if given["keystore"] is not None:
        key = OpenKey(source, read_keystore(given["keystore"], given["from_stdin"]))
        if address not in (None, key.address):
            raise CliError("the keystore holds the key of another address than --from", USAGE)
        yield key
        return
    if given["wallet_name"] is not None:
        with opened(given["wallet_name"], source.chain_id(), source, given["from_stdin"]) as accounts:
            yield accounts.sender(address)
        return
    held = [account_decode(text) for text in source.client.call("eth_accounts")]
    if address is None:
        if not held:
            raise CliError(
                "nobody is named who could sign", USAGE, "say --wallet NAME, --keystore FILE or --from ADDRESS"
            )
        address = held[0]
    if address not in held:
        raise CliError(
            f"the node has no key of {account_encode(address)}", USAGE, "say --wallet NAME or --keystore FILE"
        )
    yield NodeKey(source, address)


def read_keystore(path: Path, from_stdin: bool) -> bytes:
    """The key in a keystore file. Raises CliError."""
    text = path.read_bytes()
    with explained():
        return keystore.decrypt(text, ask(f"Passphrase of {path.name}", from_stdin), allow_weak=True).rjust(32, b"\x00")


# -- sent ------------------------------------------------------------------------------------------------------------


def confirm(lines: list[str], sure: bool) -> None:
    """Show what will be sent, and ask. Raises CliError where the answer is no, or where there is nobody to ask."""
    if not (sure and wants_json()):
        click.echo("\n".join(lines), err=True)
    if sure:
        return
    if not sys.stdin.isatty():
        raise CliError("nothing was sent: there is no terminal to ask", USAGE, "say --yes to send without a question")
    if not click.confirm("Send it?", err=True):
        raise CliError("nothing was sent", USAGE)


def send_asked(what: str, call: Call, given: dict[str, Any], entries: tuple[Entry, ...] = ()) -> dict[str, Any]:
    """Show, ask, send and wait for the receipt. Raises CliError; a transaction that was mined and failed is one too."""
    source = EthereumSource(open_client(given["url"]))
    with explained(entries), sender_of(given, source) as sender:
        terms = terms_of(given, source)
        gas = terms.gas_limit or source.estimate_gas(sender.address, sender.completed(call, terms))
        fees = terms.fees or source.fees()
        cost = gas * fees.fee_cap + len(call.blob_hashes) * BLOB_GAS * fees.blob_fee_cap
        if cost > terms.max_fee:
            why = f"a fee of up to {ether(cost)} exceeds the limit of {ether(terms.max_fee)}"
            raise CliError(why, USAGE, "lower --max-fee, or say --allow-high-fee")
        plan = {
            "chain_id": source.chain_id(),
            "from": account_encode(sender.address),
            "to": None if call.to is None else account_encode(call.to),
            "value": str(call.value),
            "data": hexed(call.data),
            "gas": gas,
            "max_fee_per_gas": str(fees.fee_cap),
            "max_fee": str(cost),
        }
        if call.blob_hashes:
            plan |= {"blobs": len(call.blob_hashes), "max_fee_per_blob_gas": str(fees.blob_fee_cap)}
        if terms.delegate is not None:
            plan["delegate"] = account_encode(terms.delegate)
        if given["dry_run"]:
            return plan
        lines = [
            f"  {what}",
            f"  from {plan['from']} on chain {plan['chain_id']}",
            f"  {f'value {ether(call.value)}, ' if call.value else ''}fee at most {ether(cost)} (gas {gas:,})",
        ]
        if call.blob_hashes:
            lines.append(f"  {len(call.blob_hashes)} blob(s), at most {ether(fees.blob_fee_cap)} a unit of blob gas")
        if terms.delegate is not None:
            lines.append(f"  from then on {plan['from']} runs the code of {plan['delegate']}")
        confirm(lines, given["sure"])
        sent = sender.send(call, terms)
        result: dict[str, Any] = {"hash": hexed(sent), "from": plan["from"]}
        if given["no_wait"]:
            return result
        return result | _mined(source, sent, call, sender.address, entries)


def _mined(
    source: EthereumSource, sent: bytes, call: Call, sender: bytes, entries: tuple[Entry, ...]
) -> dict[str, Any]:
    receipt = wait_for_receipt(source.client, sent)
    if receipt is None:
        return {"status": "pending"}
    block = int(receipt["blockNumber"], 16)
    if int(receipt.get("status", "0x1"), 16) == 0:
        try:  # the same call again, to learn the reason
            source.client.call("eth_call", call_object(sender, call), hex(block))
        except RpcError as e:
            data = revert_of(e)
            reason = e.message if data is None else abi.decode_revert(data, entries).text
        else:
            reason = "the reason is not known"
        raise CliError(f"{hexed(sent)} was mined in block {block} and failed: {reason}", RPC_ERROR)
    found: dict[str, Any] = {"status": "mined", "block": block, "gas_used": int(receipt["gasUsed"], 16)}
    if receipt.get("contractAddress"):
        found["contract"] = account_encode(bytes.fromhex(receipt["contractAddress"][2:]))
    found["events"] = [event_json(log, entries) for log in receipt.get("logs") or ()]
    return found


def wait_for_receipt(client: EthereumClient, sent: bytes, seconds: float = RECEIPT_SECONDS) -> Any:
    """The receipt of a transaction, None where it is not mined in time."""
    from node.testnet import wait_for

    found: list[Any] = []

    def mined() -> bool:
        receipt = client.call("eth_getTransactionReceipt", hexed(sent))
        if receipt is not None:
            found.append(receipt)
        return bool(found)

    wait_for(mined, seconds, 0.2)
    return found[0] if found else None


def plain(value: Any) -> Any:
    """A decoded value as JSON takes it: bytes as 0x text, numbers that JavaScript would round as text."""
    if isinstance(value, bytes | bytearray):
        return hexed(bytes(value))
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= 1 << 53:
        return str(value)
    return value


def event_json(log: dict[str, Any], entries: tuple[Entry, ...]) -> dict[str, Any]:
    """A log, with its name and values where the ABI or a token interface knows it."""
    topics = [bytes.fromhex(topic[2:]) for topic in log["topics"]]
    data = bytes.fromhex(log["data"][2:])
    found: dict[str, Any] = {"address": account_encode(bytes.fromhex(log["address"][2:]))}
    if log.get("blockNumber"):
        found |= {
            "block": int(log["blockNumber"], 16),
            "hash": log["transactionHash"],
            "index": int(log["logIndex"], 16),
        }
    event = abi.decode_log(entries, topics, data)
    if event is None:
        return found | {"topics": log["topics"], "data": log["data"]}
    return found | {"event": event.entry.name, "values": {name: plain(value) for name, value in event.named()}}


def event_text(found: dict[str, Any]) -> str:
    """An event in one line."""
    where = f"block {found['block']}  " if "block" in found else ""
    if "event" not in found:
        return f"{where}{found['address']}  topics {', '.join(found['topics'])}  data {found['data']}"
    values = ", ".join(f"{name}={abi.show(value)}" for name, value in found["values"].items())
    return f"{where}{found['address']}  {found['event']}({values})"


def sent_text(found: dict[str, Any]) -> str:
    """What became of a transaction, for people."""
    if "hash" not in found:
        return "\n".join(f"{name:<16} {'' if value is None else value}" for name, value in found.items())
    lines = [f"sent {found['hash']}"]
    if found.get("status") == "mined":
        lines.append(f"mined in block {found['block']}, gas used {found['gas_used']:,}")
    elif "status" in found:
        lines.append("not mined yet")
    if "contract" in found:
        lines.append(f"contract {found['contract']}")
    events = ({name: value for name, value in one.items() if name != "block"} for one in found.get("events", ()))
    return "\n".join([*lines, *(f"  {event_text(one)}" for one in events)])
