"""The rawtransactions group, partially signed transactions (BIP174, 370): made, decoded, updated, signed, combined, finalized.

Wallets have no part in it (wallet_psbt_methods.py). Source: Bitcoin Core, rpc/rawtransaction.cpp.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from node.indexes import find_transaction
from node.node import Node, Snapshot
from node.rpc.descriptor_use import DEFAULT_END, parse_all, parse_range
from node.rpc.errors import DESERIALIZATION_ERROR, INVALID_PARAMETER, TYPE_ERROR, RpcError
from node.rpc.lookup import find_block, read_tx
from node.rpc.params import display_hex, expected, shown
from node.rpc.psbt_json import analysis_json, psbt_json
from node.rpc.rawtransaction_methods import build
from node.rpc.registry import rpc
from node.rpc.signing_methods import find_spent, parse_hash_type
from primitives.bitcoin import Transaction
from primitives.errors import DecodeError
from wallet import psbt_codec, psbt_roles, psbt_updating
from wallet.descriptors import Descriptor
from wallet.errors import BAD_PARAMETER, WalletError
from wallet.psbt import Psbt
from wallet.psbt_updating import Provider

INCOMPATIBLE = "PSBTs not compatible (different transactions)"


def read_psbt(text: Any) -> Psbt:
    """The PSBT that a base64 text is. Raises RpcError."""
    if not isinstance(text, str):
        raise expected(text, "string")
    try:
        return psbt_codec.from_base64(text)
    except DecodeError as e:
        raise RpcError(DESERIALIZATION_ERROR, f"TX decode failed {e}") from None


def completed(psbt: Psbt, complete: bool) -> dict[str, Any]:
    """The PSBT and whether it is complete; then also the transaction, while the PSBT stays as it is."""
    result: dict[str, Any] = {"psbt": psbt_codec.to_base64(psbt), "complete": complete}
    if complete:
        whole = copy.deepcopy(psbt)
        if psbt_roles.finalize(whole):
            result["hex"] = psbt_roles.extract(whole).raw.hex()
    return result


# -- made ------------------------------------------------------------------------------------------------------------


@rpc("createpsbt", family="bitcoin", group="rawtransactions")
def create_psbt(
    at: Snapshot,
    inputs: list[Any],
    outputs: Any,
    locktime: int = 0,
    replaceable: bool | None = None,
    version: int | None = None,
    psbt_version: int = 0,
) -> str:
    """A PSBT of inputs {"txid", "vout", "sequence"} and outputs {address: amount} or {"data": hex}, in base64."""
    if psbt_version not in (0, 2):
        raise RpcError(INVALID_PARAMETER, "The PSBT version can only be 2 or 0")
    tx = build(at, inputs, outputs, locktime, replaceable, version)
    return psbt_codec.to_base64(psbt_roles.create(tx, psbt_version))


@rpc("converttopsbt", family="bitcoin", group="rawtransactions")
def convert_to_psbt(at: Snapshot, hexstring: str, permitsigdata: bool = False, iswitness: bool | None = None) -> str:
    """A PSBT of a transaction in hex. Signatures in it are refused, or with `permitsigdata` thrown away."""
    tx = read_tx(at.spec, hexstring, "TX decode failed", iswitness is not True, iswitness is not False)
    if not permitsigdata and any(i.script or i.witness for i in tx.inputs):
        raise RpcError(DESERIALIZATION_ERROR, "Inputs must not have scriptSigs and scriptWitnesses")
    return psbt_codec.to_base64(psbt_roles.create(tx))


# -- looked at -------------------------------------------------------------------------------------------------------


@rpc("decodepsbt", family="bitcoin", group="rawtransactions")
def decode_psbt(at: Snapshot, psbt: str) -> dict[str, Any]:
    """A PSBT as an object, field by field."""
    return psbt_json(read_psbt(psbt), at.spec.addresses)


@rpc("analyzepsbt", family="bitcoin", group="rawtransactions", cost="heavy")
def analyze_psbt(psbt: str) -> dict[str, Any]:
    """How far a PSBT is: what its inputs still lack, who acts next, what size and fee the transaction will have."""
    return analysis_json(psbt_roles.analyse(read_psbt(psbt)))


# -- put together ----------------------------------------------------------------------------------------------------


@rpc("combinepsbt", family="bitcoin", group="rawtransactions", cost="heavy")
def combine_psbt(txs: list[Any]) -> str:
    """One PSBT with all that several PSBTs of the same transaction know."""
    if not txs:
        raise RpcError(INVALID_PARAMETER, "Parameter 'txs' cannot be empty")
    found = [read_psbt(text) for text in txs]
    if any(one.version != found[0].version or one.tx.id != found[0].tx.id for one in found):
        raise RpcError(INVALID_PARAMETER, INCOMPATIBLE)
    return psbt_codec.to_base64(psbt_roles.combine(found))


@rpc("joinpsbts", family="bitcoin", group="rawtransactions", cost="heavy")
def join_psbts(node: Node, txs: list[Any]) -> str:
    """One PSBT with the inputs and outputs of several, in random order, so that it does not tell whose is which."""
    if len(txs) < 2:
        raise RpcError(INVALID_PARAMETER, "At least two PSBTs are required to join PSBTs.")
    found = [read_psbt(text) for text in txs]
    seen: set[bytes] = set()
    for one in found:
        for i in one.inputs:
            if i.point in seen:
                name = f"{display_hex(i.point[:32])}:{int.from_bytes(i.point[32:], 'little')}"
                raise RpcError(INVALID_PARAMETER, f"Input {name} exists in multiple PSBTs")
            seen.add(i.point)
    joined = psbt_roles.join(found)
    node.env.random.shuffle(joined.inputs)
    node.env.random.shuffle(joined.outputs)
    return psbt_codec.to_base64(joined)


@rpc("finalizepsbt", family="bitcoin", group="rawtransactions", cost="heavy")
def finalize_psbt(psbt: str, extract: bool = True) -> dict[str, Any]:
    """Finish the inputs that have all their signatures; where all have, the transaction in hex, else the PSBT."""
    found = read_psbt(psbt)
    complete = finish(found)
    if complete and extract:
        return {"hex": psbt_roles.extract(found).raw.hex(), "complete": True}
    return {"psbt": psbt_codec.to_base64(found), "complete": complete}


def finish(psbt: Psbt) -> bool:
    """Finalize in place; a PSBT with an input that does not verify stays as it is, and is not complete."""
    tried = copy.deepcopy(psbt)
    try:
        complete = psbt_roles.finalize(tried)
    except WalletError as e:
        if e.rule != BAD_PARAMETER:
            raise
        return False
    psbt.inputs = tried.inputs
    return complete


# -- updated from the chain and from descriptors ---------------------------------------------------------------------


def whole_transactions(at: Snapshot, psbt: Psbt) -> dict[bytes, Transaction]:
    """The transactions whose outputs a PSBT spends, by id, as far as mempool and index have them."""
    found: dict[bytes, Transaction] = {}
    for i in psbt.inputs:
        txid = i.point[:32]
        pooled = at.pool.entries.get(txid)
        if pooled is not None:
            found[txid] = pooled.tx
        elif (place := find_transaction(at.state, txid)) is not None:
            entry = at.view.entry(place[0])
            if entry is not None and at.view.connected(entry):
                found[txid] = find_block(at, entry).txs[place[1]]
    return found


def parse_descriptors(at: Snapshot, given: list[Any]) -> list[tuple[Descriptor, range]]:
    """Descriptors with the indexes that they are wanted for. Raises RpcError as Core's EvalDescriptorStringOrObject."""
    found = []
    for one in given:
        low, high, text = 0, DEFAULT_END, one
        if isinstance(one, dict):
            text = one.get("desc")
            if text is None:
                raise RpcError(INVALID_PARAMETER, "Descriptor needs to be provided in scan object")
            if one.get("range") is not None:
                low, high = parse_range(one["range"])
        elif not isinstance(one, str):
            raise RpcError(INVALID_PARAMETER, "Scan object needs to be either a string or an object")
        if not isinstance(text, str):
            raise RpcError(TYPE_ERROR, f"{shown(str(text))} is not a descriptor")
        found += [(descriptor, range(low, high + 1)) for descriptor in parse_all(text, at.spec.addresses)]
    return found


def _updated(at: Snapshot, text: str, descriptors: list[Any], derivations: bool) -> tuple[Psbt, Provider]:
    psbt = read_psbt(text)
    provider = Provider(parse_descriptors(at, descriptors))
    spent, whole = find_spent(at, psbt.tx), whole_transactions(at, psbt)
    psbt_updating.update(psbt, spent, whole, provider.expansion_of, derivations)
    return psbt, provider


@rpc("utxoupdatepsbt", family="bitcoin", group="rawtransactions", cost="heavy")
def utxo_update_psbt(at: Snapshot, psbt: str, descriptors: list[Any] | None = None) -> str:
    """Tell a PSBT the coins that it spends, as chain, index and mempool know them, and what descriptors say of their scripts."""
    found, _ = _updated(at, psbt, descriptors or [], True)
    return psbt_codec.to_base64(found)


@rpc("descriptorprocesspsbt", family="bitcoin", group="rawtransactions", cost="heavy")
def descriptor_process_psbt(
    at: Snapshot,
    psbt: str,
    descriptors: list[Any],
    sighashtype: str | None = None,
    bip32derivs: bool = True,
    finalize: bool = True,
) -> dict[str, Any]:
    """Update a PSBT by descriptors, and sign it with the private keys that are in them."""
    hash_type = parse_hash_type(sighashtype)
    found, provider = _updated(at, psbt, descriptors, bip32derivs)
    check_hash_types(found, hash_type)
    with unsigned_if_contradictory() as refused:
        psbt_roles.sign(found, provider.secret_of, provider.key_of_hash, hash_type)
    complete = not refused and (finish(found) if finalize else ready(found))
    return completed(found, complete)


@contextmanager
def unsigned_if_contradictory() -> Iterator[list[WalletError]]:
    """A PSBT whose parts contradict each other is not signed, which is no error to Core's clients; what was refused is in the list."""
    refused: list[WalletError] = []
    try:
        yield refused
    except WalletError as e:
        if e.rule != BAD_PARAMETER:
            raise
        refused.append(e)


def check_hash_types(psbt: Psbt, hash_type: int | None) -> None:
    """Raises RpcError where an input asks for another signature hash type than the call."""
    if hash_type is not None and any(i.data.hash_type not in (None, hash_type) for i in psbt.inputs):
        raise RpcError(DESERIALIZATION_ERROR, "Specified sighash value does not match value stored in PSBT")


def ready(psbt: Psbt) -> bool:
    """Whether every input is final or could be finished."""
    states = psbt_roles.analyse(psbt).inputs
    return bool(states) and all(one.next in ("finalizer", "extractor") for one in states)
