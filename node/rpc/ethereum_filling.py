"""From what a client says of a transaction to one that can be signed: nonce, gas, fees and type as geth fills them in. It signs nothing."""

from __future__ import annotations

from collections.abc import Sized
from dataclasses import replace

from node.node import Snapshot
from node.rpc.ethereum_call_params import CallObject
from node.rpc.ethereum_calls import estimate, kind_of, scene_at, unsigned
from node.rpc.ethereum_fee_methods import SUGGESTED_TIP, base_fee_after, blob_fee_after
from node.rpc.ethereum_lookup import ledger_of, server_error, state_at
from node.rpc.ethereum_params import LATEST
from primitives.ethereum_tx import ACCESS_LIST, LEGACY, EthereumTransaction


def next_nonce(at: Snapshot, sender: bytes) -> int:
    """The nonce after the pooled transactions of an account."""
    nonce = state_at(at, LATEST).nonce(sender)
    givers = at.node.pool.givers
    while sender + nonce.to_bytes(8, "big") in givers:
        nonce += 1
    return nonce


def fill(call: CallObject, sender: bytes, at: Snapshot, stop: Sized = ()) -> EthereumTransaction:
    """The transaction, unsigned. Raises RpcError."""
    ledger, header = ledger_of(at.node), at.tip.header
    chain_id = ledger.schedule.chain_id
    if call.chain_id is not None and call.chain_id != chain_id:
        raise server_error(f"chainId does not match node's (have={call.chain_id}, want={chain_id})")
    if call.to is None and not call.data:
        raise server_error("contract creation without any data provided")
    rules = ledger.schedule.at(header.number + 1, header.timestamp + 1, header.difficulty)
    call = replace(call, sender=sender, nonce=next_nonce(at, sender) if call.nonce is None else call.nonce)
    kind = kind_of(call, rules)
    base_fee = base_fee_after(at.node, header)
    if kind in (LEGACY, ACCESS_LIST):
        price = call.gas_price
        tip = cap = base_fee + SUGGESTED_TIP if price is None else price
    else:
        tip = call.tip_cap if call.tip_cap is not None else SUGGESTED_TIP
        if call.gas_price is not None:
            tip = cap = call.gas_price
        elif call.fee_cap is not None:
            cap = call.fee_cap
            tip = min(tip, cap) if call.tip_cap is None else tip
        else:
            cap = 2 * base_fee + tip
        if cap < tip:
            raise server_error(f"maxFeePerGas ({cap:#x}) < maxPriorityFeePerGas ({tip:#x})")
    if call.blob_hashes is not None and call.blob_fee_cap is None:
        call = replace(call, blob_fee_cap=2 * blob_fee_after(at.node, header))
    gas = call.gas
    if gas is None:
        scene = scene_at(at, LATEST, stop=stop)
        gas = estimate(replace(call, gas_price=None, fee_cap=None, tip_cap=None), scene)
    return unsigned(call, kind, chain_id, call.nonce or 0, gas, tip, cap)
