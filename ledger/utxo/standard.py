"""Which transactions are standard: the forms that nodes relay, beyond what a block may hold.

It refuses to know fees and the pool. Order and words are Bitcoin Core's (policy/policy.cpp).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from ledger.utxo.coins import Coin
from ledger.utxo.policy import UtxoPolicy, fee_at
from ledger.utxo.sigops import sigops
from primitives.bitcoin import Transaction, TxOutput
from primitives.errors import Refused
from vm.script.shapes import is_push_only, is_script_hash, is_unspendable, last_push, witness_program
from vm.script.templates import ANCHOR, Kind, classify

_MAX_SCRIPT_SIG, _MAX_KEYS = 1_650, 3
_MAX_SCRIPT_HASH_SIGOPS, _MAX_LEGACY_SIGOPS = 15, 2_500
_MAX_WITNESS_SCRIPT, _MAX_WITNESS_ITEMS, _MAX_WITNESS_ITEM = 3_600, 100, 80
_ANNEX, _LEAF_MASK, _TAPSCRIPT = b"\x50", 0xFE, 0xC0

_SPEND_SIZE: Final = 32 + 4 + 1 + 107 + 4
_WITNESS_SPEND_SIZE: Final = 32 + 4 + 1 + 107 // 4 + 4


def dust_threshold(output: TxOutput, rate: int) -> int:
    """The value below which an output costs more to spend than it is worth; 0 for one that nobody can spend."""
    if is_unspendable(output.script):
        return 0
    spend = _SPEND_SIZE if witness_program(output.script) is None else _WITNESS_SPEND_SIZE
    return fee_at(rate, len(output.encode()) + spend)


def check_standard(tx: Transaction, policy: UtxoPolicy) -> None:
    """The form of a transaction that nodes relay.

    Raises Refused with "version", "tx-size", "scriptsig-size", "scriptsig-not-pushonly", "scriptpubkey", "datacarrier",
    "bare-multisig" or "dust".
    """
    if not 1 <= tx.version <= 3:
        raise Refused("version")
    if tx.weight > policy.max_weight:
        raise Refused("tx-size")
    for spend in tx.inputs:
        if len(spend.script) > _MAX_SCRIPT_SIG:
            raise Refused("scriptsig-size")
        if spend.script and not is_push_only(spend.script):
            raise Refused("scriptsig-not-pushonly")
    left = policy.data_carrier
    for output in tx.outputs:
        kind, keys, threshold = classify(output.script)
        if kind is Kind.NONSTANDARD or (kind is Kind.MULTISIG and not 1 <= threshold <= len(keys) <= _MAX_KEYS):
            raise Refused("scriptpubkey")
        if kind is Kind.NULLDATA:
            left -= len(output.script)
            if left < 0:
                raise Refused("datacarrier")
        elif kind is Kind.MULTISIG and not policy.bare_multisig:
            raise Refused("bare-multisig")
    if any(o.value < dust_threshold(o, policy.dust_rate) for o in tx.outputs):
        raise Refused("dust")


def check_inputs_standard(tx: Transaction, coins: Sequence[Coin]) -> None:
    """The scripts that are spent are known ones, and few signature operations.

    Raises Refused("bad-txns-nonstandard-inputs"). Source: ValidateInputsStandardness; the limit of 2,500 is BIP54's.
    """
    word, total = "bad-txns-nonstandard-inputs", 0
    for spend, coin in zip(tx.inputs, coins, strict=True):
        inner = last_push(spend.script) if is_script_hash(coin.script) else None
        total += sigops(spend.script, True) + sigops(coin.script if inner is None else inner, True)
    if total > _MAX_LEGACY_SIGOPS:
        raise Refused(word, "non-witness sigops exceed bip54 limit")
    for at, (spend, coin) in enumerate(zip(tx.inputs, coins, strict=True)):
        kind = classify(coin.script).kind
        if kind is Kind.NONSTANDARD:
            raise Refused(word, f"input {at} script unknown")
        if kind is Kind.WITNESS_UNKNOWN:
            raise Refused(word, f"input {at} witness program is undefined")
        if kind is Kind.SCRIPTHASH:
            if not spend.script or (inner := last_push(spend.script)) is None:
                raise Refused(word, f"input {at} P2SH redeemscript missing")
            if (found := sigops(inner, True)) > _MAX_SCRIPT_HASH_SIGOPS:
                over = f"{found} > {_MAX_SCRIPT_HASH_SIGOPS}"
                raise Refused(word, f"p2sh redeemscript sigops exceed limit (input {at}: {over})")


def check_witness_standard(tx: Transaction, coins: Sequence[Coin]) -> None:
    """Witnesses are no larger than their scripts need. Raises Refused("bad-witness-nonstandard"). Source: IsWitnessStandard."""
    for spend, coin in zip(tx.inputs, coins, strict=True):
        if spend.witness and not _witness_is_standard(spend.script, spend.witness, coin.script):
            raise Refused("bad-witness-nonstandard")


def _witness_is_standard(script_sig: bytes, witness: Sequence[bytes], script: bytes) -> bool:
    if script == ANCHOR:
        return False
    wrapped = is_script_hash(script)
    if wrapped:
        script = last_push(script_sig) or b""
    if (found := witness_program(script)) is None:
        return False
    version, program = found
    if version == 0 and len(program) == 32:
        items = witness[:-1]
        sizes = len(items) <= _MAX_WITNESS_ITEMS and all(len(i) <= _MAX_WITNESS_ITEM for i in items)
        return sizes and len(witness[-1]) <= _MAX_WITNESS_SCRIPT
    if version == 1 and len(program) == 32 and not wrapped:
        return _taproot_is_standard(witness)
    return True


def _taproot_is_standard(witness: Sequence[bytes]) -> bool:
    if len(witness) < 2:
        return True
    if witness[-1].startswith(_ANNEX) or not witness[-1]:
        return False
    if witness[-1][0] & _LEAF_MASK != _TAPSCRIPT:
        return True
    return all(len(item) <= _MAX_WITNESS_ITEM for item in witness[:-2])
