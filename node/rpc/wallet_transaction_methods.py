"""The wallet group, transactions put together by hand: fund, sign, bump, and what some would change in the wallet."""

from __future__ import annotations

from typing import Any

from node.node import Node
from node.rpc.api import Memory
from node.rpc.dispatch import Call
from node.rpc.errors import (
    INVALID_PARAMETER,
    RpcError,
)
from node.rpc.lookup import check_keys, read_tx
from node.rpc.params import coins
from node.rpc.raw_signing import Keyring
from node.rpc.registry import rpc
from node.rpc.signing_methods import find_spent, parse_hash_type, parse_previous, sign_with
from node.rpc.wallet_access import on_wallet
from node.rpc.wallet_payments import (
    bearers_of,
    check_options,
    fee_in,
    funding,
    payments_of,
    send_options,
    with_fee,
)
from node.wallets import Wallets
from primitives.bitcoin import Transaction, TxOutput, outpoint
from vm.script.shapes import is_script_hash
from wallet.signing import InputData
from wallet.vault import locked
from wallet.wallet import Wallet


@rpc("fundrawtransaction", family="wallet", group="rawtransactions")
async def fund_raw_transaction(
    wallets: Wallets,
    call: Call,
    node: Node,
    memory: Memory,
    hexstring: str,
    options: dict[str, Any] | None = None,
    iswitness: bool | None = None,
) -> dict[str, Any]:
    """Add coins of the wallet to a transaction until its outputs and the fee are paid, and at most one output for change."""
    del iswitness
    given = check_options(options, older=True)
    fee = fee_in(given)

    def work(wallet: Wallet) -> dict[str, Any]:
        tx = read_tx(node.spec, hexstring, "TX decode failed")
        if not tx.outputs:
            raise RpcError(INVALID_PARAMETER, "TX must have at least one output")
        bearers = bearers_of(given.get("subtract_fee_from_outputs"), ["dummy"] * len(tx.outputs))
        asked = {"locktime": tx.lock_time, **given}
        chosen = with_fee(send_options(node, wallet, asked, tx, add_inputs=True), fee, wallet, memory)
        with funding():
            made = wallet.fund(payments_of(tx, bearers), chosen)
        place = -1 if made.change_at is None else made.change_at
        return {"hex": made.tx.raw.hex(), "fee": coins(made.fee), "changepos": place}

    return await on_wallet(wallets, call, work)


@rpc("signrawtransactionwithwallet", family="wallet", group="rawtransactions")
async def sign_raw_transaction_with_wallet(
    wallets: Wallets,
    call: Call,
    node: Node,
    hexstring: str,
    prevtxs: list[Any] | None = None,
    sighashtype: str | None = None,
) -> dict[str, Any]:
    """Sign what the wallet can of a transaction; `prevtxs` names coins (and redeem scripts) that the chain does not know."""
    hash_type = parse_hash_type(sighashtype)

    def work(wallet: Wallet) -> dict[str, Any]:
        tx = read_tx(node.spec, hexstring)
        if wallet.is_locked:
            raise locked()
        with node.snapshot() as at:
            known = find_spent(at, tx)
        with wallet.state.guard:
            for spend in tx.inputs:
                coin = wallet.state.history.coins.get(spend.outpoint)
                if coin is not None and spend.outpoint not in known:
                    known[spend.outpoint] = TxOutput(coin.value, coin.script)
        ring = Keyring()
        unpriced = parse_previous(prevtxs or [], known, ring)
        outside = {point: _with_scripts(spent, ring) for point, spent in known.items()}
        signed, missing = wallet.sign(tx, outside, hash_type)
        _lend_keys(wallet, ring, [known[tx.inputs[at].outpoint] for at in missing if tx.inputs[at].outpoint in known])
        return sign_with(signed, known, ring, hash_type, unpriced)

    return await on_wallet(wallets, call, work)


def _with_scripts(spent: TxOutput, ring: Keyring) -> InputData:
    """A coin with the scripts that the caller named for it."""
    redeem = ring.scripts.get(spent.script[2:22], b"") if is_script_hash(spent.script) else b""
    program = redeem or spent.script
    witness = ring.scripts.get(program[2:34], b"") if len(program) == 34 and program[:2] == b"\x00\x20" else b""
    return InputData(spent, redeem=redeem, witness_script=witness)


def _lend_keys(wallet: Wallet, ring: Keyring, spent: list[TxOutput]) -> None:
    """Scripts and keys of coins that the wallet cannot finish alone, so that its part of the signatures is made."""
    state = wallet.state
    with state.guard:
        signer = state.signer()
        for out in spent:
            expansion = state.expansion_of(out.script)
            if expansion is None:
                continue
            for script in (expansion.redeem, expansion.witness_script):
                if script:
                    ring.add_script(script)
            for key in expansion.keys:
                signer.learn(key)
                secret = signer.secret_of(key.public)
                if secret is not None:
                    ring.add_secret(secret, len(key.public) != 65)


# -- what if ---------------------------------------------------------------------------------------------------------


@rpc("simulaterawtransaction", family="wallet", group="wallet")
async def simulate_raw_transaction(
    wallets: Wallets, call: Call, node: Node, rawtxs: list[str] | None = None, options: dict[str, Any] | None = None
) -> dict[str, Any]:
    """How the wallet's balance would change if these transactions were signed and mined."""
    check_keys(options or {}, ("include_watchonly",))

    def work(wallet: Wallet) -> dict[str, Any]:
        change = 0
        made: dict[bytes, int] = {}
        spent: set[bytes] = set()
        for text in rawtxs or []:
            tx: Transaction = read_tx(node.spec, text, "Transaction hex string decoding failure.")
            with node.snapshot() as at:
                known = find_spent(at, tx)
                taken = {i.outpoint for i in tx.inputs if i.outpoint in at.pool.holders}
            for spend in tx.inputs:
                point = spend.outpoint
                if point in spent:
                    wrong = "Transaction(s) are spending the same output more than once"
                    raise RpcError(INVALID_PARAMETER, wrong)
                spent.add(point)
                if point in made:
                    change -= made.pop(point)
                elif point not in known or point in taken:
                    wrong = "One or more transaction inputs are missing or have been spent already"
                    raise RpcError(INVALID_PARAMETER, wrong)
                else:
                    change -= _own(wallet, known[point])
            for place, out in enumerate(tx.outputs):
                made[outpoint(tx.id, place)] = value = _own(wallet, out)
                change += value
        return {"balance_change": coins(change)}

    return await on_wallet(wallets, call, work)


def _own(wallet: Wallet, out: TxOutput) -> int:
    return out.value if wallet.state.sources.owner_of(out.script) is not None else 0
