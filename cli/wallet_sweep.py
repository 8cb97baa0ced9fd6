"""`chainyard wallet sweep`: all that can be spent, at once: of the wallet, or of a private key that is typed.

A key that is swept never reaches the node: the coins are found by its public form, and signed for here.
"""

from __future__ import annotations

from random import SystemRandom
from typing import Any

import click

from cli.amounts import sat_of
from cli.output import USAGE, CliError, call, emit
from cli.payments import (
    ask_to_send,
    check_address,
    check_fee,
    described,
    fee_options,
    plan_of,
    spending_options,
    value_of,
)
from cli.psbt_files import plain_errors, spec_of
from cli.secrets import ask, unlocked
from cli.wallet import client_of
from primitives import address as addresses
from primitives.address import AddressStyle
from primitives.bitcoin import Transaction, TxOutput, outpoint
from primitives.errors import DecodeError
from wallet import descriptors, signing, spend_utxo
from wallet.descriptors import Descriptor
from wallet.loose_keys import SPAN, check_strong, is_real
from wallet.psbt_updating import Provider
from wallet.selection import Candidate
from wallet.signing import InputData
from wallet.spend_utxo import Payment, Terms
from wallet.state import expansion_data

_TARGET = 6


@click.command("sweep")
@click.argument("address", default="")
@click.option("--send-max", is_flag=True, help="Leave coins that cost more than they are worth.")
@click.option(
    "--key", "typed", is_flag=True, help="Of a private key (WIF) or private descriptor, which is typed, hidden."
)
@click.option("--key-stdin", is_flag=True, help="The same, read from standard input.")
@spending_options
def sweep_(
    address: str,
    send_max: bool,
    typed: bool,
    key_stdin: bool,
    fee_rate: str | None,
    target: int | None,
    allow_high_fee: bool,
    dry_run: bool,
    sure: bool,
    from_stdin: bool,
    **node: Any,
) -> None:
    """Send all that can be spent to ADDRESS, less the fee; with --key what a key can spend, to the wallet if no ADDRESS is given."""
    options = fee_options(fee_rate, target)
    of_key = typed or key_stdin
    if not address and not of_key:
        raise CliError("an ADDRESS is wanted", USAGE, "or --key, to take in what a private key can spend")
    chain = node["chain"]
    client = client_of(node)
    if address:
        check_address(client, address)
    if of_key:
        spec = _chain_of(client, chain)
        text = ask("Private key", key_stdin)
        address = address or call(client, "getnewaddress", "swept")
        _sweep_key(client, spec, text, address, options, allow_high_fee, dry_run, sure)
        return
    if send_max:
        options["send_max"] = True
    _sweep_wallet(client, address, options, allow_high_fee, dry_run, sure, from_stdin)


def _sweep_wallet(
    client: Any, address: str, options: dict[str, Any], allow: bool, dry_run: bool, sure: bool, from_stdin: bool
) -> None:
    with unlocked(client, from_stdin):
        tried = call(client, "sendall", recipients=[address], options={**options, "add_to_wallet": False})
        tx = call(client, "decoderawtransaction", tried["hex"])
        inputs = [{"txid": i["txid"], "vout": i["vout"]} for i in tx["vin"]]
        value = sat_of(tx["vout"][0]["value"])
        plan = plan_of([(address, value)], value_of(client, inputs) - value, tx, 0)
        check_fee(sat_of(plan["fee"]), tx["vsize"], value, allow)
        if dry_run:
            emit({**plan, "hex": tried["hex"], "sent": False}, lambda r: f"would send:\n{described(r)}")
            return
        ask_to_send(f"sending all:\n{described(plan)}", sure)
        options.pop("send_max", None)
        sent = call(client, "sendall", recipients=[address], options={**options, "inputs": inputs})
    emit({**plan, "txid": sent["txid"], "sent": True}, lambda r: str(r["txid"]))


# -- of a key --------------------------------------------------------------------------------------------------------


def _chain_of(client: Any, chain: str | None) -> Any:
    """The chain of the node, which knows how its keys are written. Raises CliError where another one is named."""
    spec = spec_of(chain)
    found = call(client, "getblockchaininfo")["chain"]
    unit = (call(client, "getnetworkinfo").get("coin") or {}).get("unit", "btc")
    if (spec.client_name, spec.network.coin_unit) != (found, unit):
        raise CliError(f"the node is not of {spec.name}", USAGE, "say with --chain which it is of")
    return spec


def _read(text: str, style: AddressStyle) -> list[tuple[Descriptor, range]]:
    """The descriptors that a key may stand behind, or the one that was typed."""
    texts = descriptors.expand_multipath(text) if "(" in text else [f"combo({text})", f"tr({text})"]
    found = [descriptors.parse(texts[0], style)]
    if all(key.compressed for key in found[0].all_keys()):  # taproot knows no other keys
        found += [descriptors.parse(one, style) for one in texts[1:]]
    if not any(key.has_private for one in found for key in one.all_keys()):
        raise DecodeError("this is not a private key")
    return [(one, range(SPAN if one.is_range else 1)) for one in found]


def _sweep_key(
    client: Any, spec: Any, text: str, address: str, options: dict[str, Any], allow: bool, dry_run: bool, sure: bool
) -> None:
    style = spec.addresses
    with plain_errors():
        check_strong(is_real(style))
        read = _read(text.strip(), style)
        provider = Provider(read)
    objects = [{"desc": one.text(style), "range": SPAN - 1} if one.is_range else one.text(style) for one, _ in read]
    found = call(client, "scantxoutset", "start", objects)
    ripe = found["height"] + 1 - spec.ledger.rules.maturity
    unspent = {
        outpoint(bytes.fromhex(row["txid"])[::-1], row["vout"]): TxOutput(
            sat_of(row["amount"]), bytes.fromhex(row["scriptPubKey"])
        )
        for row in found["unspents"]
        if not row["coinbase"] or row["height"] <= ripe
    }
    if not unspent:
        waiting = len(found["unspents"])
        raise CliError(
            "there is nothing that this key can spend" + (f" yet: {waiting} rewards wait" if waiting else "")
        )
    data = {}
    for point, coin in unspent.items():
        expansion = provider.expansion_of(coin.script)
        if expansion is None:
            raise RuntimeError("the scan found a coin that the descriptors do not have")
        data[point] = expansion_data(expansion, coin)
    with plain_errors():
        tx, fee = _made(spec, style, unspent, data, address, _rate(client, options), provider)
    plan = plan_of([(address, tx.outputs[0].value)], fee, {"vsize": tx.vsize, "vin": tx.inputs}, 0)
    check_fee(fee, tx.vsize, tx.outputs[0].value, allow)
    if dry_run:
        emit({**plan, "hex": tx.raw.hex(), "sent": False}, lambda r: f"would send:\n{described(r)}")
        return
    ask_to_send(f"sweeping:\n{described(plan)}", sure)
    sent = call(client, "sendrawtransaction", tx.raw.hex(), *([0] if allow else []))
    emit({**plan, "txid": sent, "sent": True}, lambda r: str(r["txid"]))


def _rate(client: Any, options: dict[str, Any]) -> int:
    """Satoshi per 1,000 vbytes."""
    if "fee_rate" in options:
        return int(float(options["fee_rate"]) * 1000)
    least = sat_of(call(client, "getnetworkinfo")["relayfee"])
    found = call(client, "estimatesmartfee", options.get("conf_target", _TARGET)).get("feerate")
    if found is None and not options:
        raise CliError("nobody can tell the fee", USAGE, "say it with --fee-rate")
    return max(least, sat_of(found or 0))


def _made(
    spec: Any,
    style: AddressStyle,
    unspent: dict[bytes, TxOutput],
    data: dict[bytes, InputData],
    address: str,
    rate: int,
    provider: Provider,
) -> tuple[Transaction, int]:
    """The signed transaction and its fee. Raises WalletError: dust where nothing would be left."""
    script = addresses.decode(address, style)
    required = [Candidate(point, coin.value, signing.input_weight(data[point])) for point, coin in unspent.items()]
    payment = Payment(script, sum(coin.value for coin in unspent.values()), subtract_fee=True)
    terms = Terms(rate, version=3 if getattr(spec.ledger.format, "timed", False) else 2)
    built = spend_utxo.build((), required, (payment,), script, terms, SystemRandom())
    inputs = [data[i.outpoint] for i in built.tx.inputs]
    return spend_utxo.sign(built.tx, inputs, provider.secret_of, provider.key_of_hash), built.fee
