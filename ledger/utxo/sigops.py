"""Counts signature operations: what a block may hold at most 80,000 of, a legacy one counting four times.

Counting looks at scripts without running them. Source: Bitcoin Core, script/script.cpp and consensus/tx_verify.cpp; BIP16, BIP141.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from ledger.utxo.coins import Coin
from primitives.bitcoin import Transaction
from vm.script.flags import Flags
from vm.script.shapes import is_script_hash, last_push, witness_program

_SCALE: Final = 4
_MOST_KEYS: Final = 20
_PUSHDATA1, _PUSHDATA2, _PUSHDATA4 = 0x4C, 0x4D, 0x4E
_OP_1, _OP_16 = 0x51, 0x60
_CHECKSIG, _CHECKSIGVERIFY, _CHECKMULTISIG, _CHECKMULTISIGVERIFY = 0xAC, 0xAD, 0xAE, 0xAF
_holds_one = re.compile(rb"[\xac-\xaf]").search
_P2SH: Final = int(Flags.P2SH)
_WITNESS: Final = int(Flags.WITNESS)


def sigops(script: bytes, accurate: bool) -> int:
    """Signature operations that a script shows, up to the first push that it is too short for.

    A CHECKMULTISIG counts 20, or accurately the number that is pushed just before it.
    """
    if _holds_one(script) is None:
        return 0
    size = len(script)
    if size == 25 and script.startswith(b"\x76\xa9\x14") and script.endswith(b"\x88\xac"):
        return 1  # pay to key hash, the commonest
    found = at = last = 0
    while at < size:
        op = script[at]
        at += 1
        if op <= _PUSHDATA4:
            if op < _PUSHDATA1:
                at += op
            else:
                width = 1 << (op - _PUSHDATA1)
                if at + width > size:
                    break
                at += width + int.from_bytes(script[at : at + width], "little")
            if at > size:
                break
        elif op >= _CHECKSIG:
            if op <= _CHECKSIGVERIFY:
                found += 1
            elif op <= _CHECKMULTISIGVERIFY:
                found += last - _OP_1 + 1 if accurate and _OP_1 <= last <= _OP_16 else _MOST_KEYS
        last = op
    return found


def legacy_sigops(tx: Transaction) -> int:
    """Those in the transaction's own scripts, multisigs counting 20 each."""
    found = 0
    for spend in tx.inputs:
        if spend.script:
            found += sigops(spend.script, False)
    for output in tx.outputs:
        found += sigops(output.script, False)
    return found


def sigop_cost(tx: Transaction, coins: Sequence[Coin], flags: int) -> int:
    """The cost of a transaction: legacy and script-hash operations four times, witness operations once.

    `coins` are those that it spends, in input order; none for a coinbase.
    """
    cost = legacy_sigops(tx) * _SCALE
    for spend, coin in zip(tx.inputs, coins, strict=False):
        script = coin.script
        if is_script_hash(script):
            if not flags & _P2SH or (inner := last_push(spend.script)) is None:
                continue
            cost += sigops(inner, True) * _SCALE
            script = inner
        if flags & _WITNESS and script[1:2] in _VERSION_0_LENGTHS and (found := witness_program(script)):
            cost += _witness_sigops(found, spend.witness)
    return cost


_VERSION_0_LENGTHS: Final = (b"\x14", b"\x20")


def _witness_sigops(found: tuple[int, bytes], witness: Sequence[bytes]) -> int:
    version, program = found
    if version != 0:
        return 0
    if len(program) == 20:
        return 1
    return sigops(witness[-1], True) if len(program) == 32 and witness else 0
