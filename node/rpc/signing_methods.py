"""The rawtransactions group, signing: with keys that the call brings, and combining copies that others signed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ledger.utxo.coins import CoinView
from ledger.utxo.rules import amount
from node.node import Snapshot
from node.rpc.errors import (
    DESERIALIZATION_ERROR,
    INVALID_ADDRESS_OR_KEY,
    INVALID_PARAMETER,
    MISC_ERROR,
    TYPE_ERROR,
    VERIFY_ERROR,
    RpcError,
)
from node.rpc.lookup import read_tx
from node.rpc.params import coerce, display_hex, expected, json_name, parse_amount, parse_hash, parse_hex, shown
from node.rpc.raw_signing import Keyring, merge, sign
from node.rpc.registry import rpc
from primitives import address as addresses
from primitives.bitcoin import Transaction, TxOutput, outpoint
from primitives.errors import DecodeError
from vm.script.asm import to_asm
from vm.script.shapes import is_script_hash, witness_program
from wallet import scripts

HASH_TYPES = {
    "DEFAULT": 0x00,
    "ALL": 0x01,
    "NONE": 0x02,
    "SINGLE": 0x03,
    "ALL|ANYONECANPAY": 0x81,
    "NONE|ANYONECANPAY": 0x82,
    "SINGLE|ANYONECANPAY": 0x83,
}


def parse_hash_type(name: str | None) -> int | None:
    """A signature hash type by name; None where the input's own default is meant. Raises RpcError."""
    if name is None:
        return None
    if name not in HASH_TYPES:
        raise RpcError(INVALID_PARAMETER, f"'{shown(name)}' is not a valid sighash parameter.")
    return HASH_TYPES[name] or None


def find_spent(at: Snapshot, tx: Transaction) -> dict[bytes, TxOutput]:
    """The coins that a transaction spends, as far as chain and mempool know them, by outpoint."""
    found = {}
    view = CoinView(at.state)
    for spend in tx.inputs:
        coin = view.get(spend.outpoint)
        if coin is not None:
            found[spend.outpoint] = TxOutput(coin.value, coin.script)
        elif (giver := at.pool.givers.get(spend.outpoint)) is not None:
            found[spend.outpoint] = at.pool.entries[giver].tx.outputs[spend.vout]
    return found


@rpc("signrawtransactionwithkey", family="bitcoin", group="rawtransactions", cost="heavy")
def sign_raw_transaction_with_key(
    at: Snapshot,
    hexstring: str,
    privkeys: list[str],
    prevtxs: list[Any] | None = None,
    sighashtype: str | None = None,
) -> dict[str, Any]:
    """Sign a transaction's inputs with these keys alone; `prevtxs` names coins (and redeem scripts) that the chain does not know."""
    tx = read_tx(at.spec, hexstring)
    ring = Keyring()
    for text in privkeys:
        try:
            ring.add_secret(*addresses.wif_decode(text, at.spec.addresses))
        except DecodeError:
            raise RpcError(INVALID_ADDRESS_OR_KEY, "Invalid private key") from None
    coins = find_spent(at, tx)
    unpriced = parse_previous(prevtxs or [], coins, ring)
    return sign_with(tx, coins, ring, parse_hash_type(sighashtype), unpriced)


def sign_with(
    tx: Transaction, coins: dict[bytes, TxOutput], ring: Keyring, hash_type: int | None, unpriced: Sequence[bytes] = ()
) -> dict[str, Any]:
    """Sign and describe the result, as Core's SignTransactionResultToJSON. Raises RpcError("Missing amount for ...")."""
    for point in unpriced:
        coin = coins[point]
        script = coin.script
        if is_script_hash(script):
            script = ring.scripts.get(script[2:22], b"")
        if witness_program(script) is not None:
            shown = f"CTxOut(nValue={amount(coin.value)}, scriptPubKey={coin.script.hex()[:30]})"
            raise RpcError(TYPE_ERROR, f"Missing amount for {shown}")
    signed, errors = sign(tx, [coins.get(i.outpoint) for i in tx.inputs], ring, hash_type)
    result: dict[str, Any] = {"hex": signed.raw.hex(), "complete": not errors}
    if errors:
        result["errors"] = [_error(signed, index, text) for index, text in sorted(errors.items())]
    return result


def _error(tx: Transaction, index: int, text: str) -> dict[str, Any]:
    spend = tx.inputs[index]
    return {
        "txid": display_hex(spend.txid),
        "vout": spend.vout,
        "witness": [item.hex() for item in spend.witness],
        "scriptSig": spend.script.hex(),
        "sequence": spend.sequence,
        "error": text,
    }


def parse_previous(previous: Sequence[Any], coins: dict[bytes, TxOutput], ring: Keyring) -> list[bytes]:
    """Take in coins and scripts that the caller names; the outpoints of those without an amount. Raises RpcError (ParsePrevouts)."""
    unpriced = []
    for one in previous:
        if not isinstance(one, dict):
            raise RpcError(DESERIALIZATION_ERROR, 'expected object with {"txid\'","vout","scriptPubKey"}')
        for name, kind in (("txid", "string"), ("vout", "number"), ("scriptPubKey", "string")):
            _check_type(one, name, kind)
        vout = coerce(one["vout"], int, "vout")
        if vout < 0:
            raise RpcError(DESERIALIZATION_ERROR, "vout cannot be negative")
        if vout > 0xFFFFFFFF:
            raise RpcError(MISC_ERROR, "JSON integer out of range")
        point = outpoint(parse_hash(one["txid"], "txid"), vout)
        script = parse_hex(one["scriptPubKey"], "scriptPubKey")
        if point in coins and coins[point].script != script:
            both = f"{to_asm(coins[point].script)}\nvs:\n{to_asm(script)}"
            raise RpcError(DESERIALIZATION_ERROR, f"Previous output scriptPubKey mismatch:\n{both}")
        value = 21_000_000 * 100_000_000
        if one.get("amount") is not None:
            value = parse_amount(one["amount"])
        else:
            unpriced.append(point)
        coins[point] = TxOutput(value, script)
        program = witness_program(script)
        if is_script_hash(script) or (program is not None and program[0] == 0 and len(program[1]) == 32):
            _take_scripts(one, script, ring)
    return unpriced


def _check_type(one: dict[str, Any], name: str, kind: str) -> None:
    if name not in one:
        raise RpcError(TYPE_ERROR, f"Missing {name}")
    if json_name(one[name]) != kind:
        raise RpcError(
            TYPE_ERROR, f"JSON value of type {json_name(one[name])} for field {name} is not of expected type {kind}"
        )


def _take_scripts(one: dict[str, Any], script: bytes, ring: Keyring) -> None:
    redeem, witness = one.get("redeemScript"), one.get("witnessScript")
    if redeem is None and witness is None:
        raise RpcError(INVALID_PARAMETER, "Missing redeemScript/witnessScript")
    inner = parse_hex(witness, "witnessScript") if witness is not None else parse_hex(redeem, "redeemScript")
    wrapped = scripts.p2wsh(inner)
    ring.add_script(inner)
    ring.add_script(wrapped)
    if (
        witness is not None
        and redeem is not None
        and witness != redeem
        and parse_hex(redeem, "redeemScript") != wrapped
    ):
        raise RpcError(INVALID_PARAMETER, "redeemScript does not correspond to witnessScript")
    lawful = (scripts.p2sh(inner), scripts.p2sh(wrapped)) if is_script_hash(script) else (wrapped,)
    if script not in lawful:
        raise RpcError(INVALID_PARAMETER, "redeemScript/witnessScript does not match scriptPubKey")


@rpc("combinerawtransaction", family="bitcoin", group="rawtransactions", cost="heavy")
def combine_raw_transaction(at: Snapshot, txs: list[Any]) -> str:
    """One transaction, in hex, with the signatures of several half-signed copies of it."""
    copies: list[Transaction] = []
    for place, text in enumerate(txs):
        if not isinstance(text, str):
            raise expected(text, "string")
        copies.append(
            read_tx(at.spec, text, f"TX decode failed for tx {place}. Make sure the tx has at least one input.")
        )
    if not copies:
        raise RpcError(DESERIALIZATION_ERROR, "Missing transactions")
    coins = find_spent(at, copies[0])
    if any(i.outpoint not in coins for i in copies[0].inputs):
        raise RpcError(VERIFY_ERROR, "Input not found or already spent")
    return merge(copies[0], copies, [coins[i.outpoint] for i in copies[0].inputs]).raw.hex()
