"""Builders for script tests: a transaction that spends outputs, keys, and what a check ends with."""

from __future__ import annotations

from collections.abc import Sequence

from primitives import secp256k1
from primitives.bitcoin import Transaction, TxInput, TxOutput
from vm.script.errors import ScriptError
from vm.script.flags import MANDATORY, Flags
from vm.script.interpreter import verify_script
from vm.script.sighash import SpendContext
from vm.script.signatures import TransactionChecker
from vm.script.verify import verify_input

SECRETS = tuple(bytes((n,)) * 32 for n in range(1, 6))
KEYS = tuple(secp256k1.public_key(secret) for secret in SECRETS)
WHOLE_KEYS = tuple(secp256k1.public_key(secret, False) for secret in SECRETS)


def spend(
    script_pubkey: bytes,
    script_sig: bytes = b"",
    witness: Sequence[bytes] = (),
    *,
    version: int = 2,
    sequence: int = 0xFFFFFFFF,
    lock_time: int = 0,
    value: int = 1_000,
) -> SpendContext:
    """A transaction of one input and one output, with the coin that it spends."""
    spent = TxInput(b"\x11" * 36, script_sig, sequence, tuple(witness))
    tx = Transaction(version, (spent,), (TxOutput(900, b"\x51"),), lock_time)
    return SpendContext(tx, [TxOutput(value, script_pubkey)])


def verdict(context: SpendContext, flags: Flags = MANDATORY, index: int = 0) -> str:
    """Core's name of the error, or OK; `verify_input` and the plain interpreter must find the same."""
    own = context.tx.inputs[index]
    script = context.spent_output(index).script
    try:
        verify_script(own.script, script, own.witness, flags, TransactionChecker(context, index))
        plain = "OK"
    except ScriptError as e:
        plain = e.name
    try:
        verify_input(context, index, flags)
        found = "OK"
    except ScriptError as e:
        found = e.name
    assert found == plain
    return found


def signed(secret: bytes, digest: bytes, hash_type: int = 1) -> bytes:
    """An ECDSA signature in DER with its hash type."""
    return secp256k1.sign(secret, digest) + bytes((hash_type,))
