"""A shortcut says yes only where the interpreter does, whatever is done to an input; and it is taken where it should be."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from primitives import secp256k1
from primitives.bitcoin import Transaction, TxOutput
from primitives.hashing import hash160
from tests.vm.script.spends import KEYS, SECRETS, WHOLE_KEYS, signed, spend, verdict
from vm.script.flags import MANDATORY, STANDARD, Flags
from vm.script.opcodes import push
from vm.script.shortcuts import surely_valid
from vm.script.sighash import SpendContext
from vm.script.templates import pay_to_key_hash, pay_to_witness

HYBRID = bytes((6 + (WHOLE_KEYS[0][-1] & 1),)) + WHOLE_KEYS[0][1:]
PUBLIC = st.sampled_from([KEYS[0], WHOLE_KEYS[0], HYBRID, KEYS[1]])
BASE_FLAGS = st.integers(0, (1 << 21) - 1).map(lambda bits: Flags(bits | Flags.P2SH | Flags.WITNESS))


def high_s(signature: bytes) -> bytes:
    """The other signature that holds as well."""
    compact = secp256k1.der_to_compact(signature[:-1])
    assert compact is not None
    s = secp256k1.N - int.from_bytes(compact[32:], "big")
    return secp256k1.compact_to_der(compact[:32] + s.to_bytes(32, "big")) + signature[-1:]


def padded(signature: bytes) -> bytes:
    """Not strict DER any more, though lax readers take it."""
    return signature[:-1] + b"\x00" + signature[-1:]


def same(signature: bytes) -> bytes:
    return signature


CHANGES: st.SearchStrategy[Callable[[bytes], bytes]] = st.sampled_from(
    [same, same, high_s, padded, lambda s: b"", lambda s: s[:8], lambda s: s[:-1] + b"\x00", lambda s: bytes(80)]
)


def key_hash_spend(key: bytes, hash_type: int, change: Callable[[bytes], bytes]) -> SpendContext:
    script = pay_to_key_hash(hash160(key))
    signature = change(signed(SECRETS[0], spend(script).legacy(0, script, hash_type), hash_type))
    return spend(script, push(signature) + push(key))


def witness_spend(key: bytes, hash_type: int, change: Callable[[bytes], bytes]) -> SpendContext:
    script = pay_to_witness(0, hash160(key))
    digest = spend(script).v0(0, pay_to_key_hash(hash160(key)), hash_type)
    return spend(script, witness=(change(signed(SECRETS[0], digest, hash_type)), key))


@settings(max_examples=200)
@given(PUBLIC, st.sampled_from([0, 1, 2, 3, 4, 0x81, 0x83, 0xFF]), CHANGES, BASE_FLAGS, st.booleans())
def test_shortcut_and_interpreter_agree(
    key: bytes, hash_type: int, change: Callable[[bytes], bytes], flags: Flags, witness: bool
) -> None:
    build = witness_spend if witness else key_hash_spend
    verdict(build(key, hash_type, change), flags)  # compares


@settings(max_examples=200)
@given(st.data(), st.booleans(), st.sampled_from([MANDATORY, STANDARD, Flags.P2SH, Flags.P2SH | Flags.WITNESS]))
def test_they_agree_on_mutated_inputs(data: st.DataObject, witness: bool, flags: Flags) -> None:
    context = witness_spend(KEYS[0], 1, same) if witness else key_hash_spend(KEYS[0], 1, same)
    own, coin = context.tx.inputs[0], context.spent_output(0)

    def mutate(raw: bytes) -> bytes:
        at = data.draw(st.integers(0, len(raw)))
        cut = data.draw(st.integers(0, 2))
        return raw[:at] + data.draw(st.binary(max_size=2)) + raw[at + cut :]

    script_sig, items, script = own.script, list(own.witness), coin.script
    match data.draw(st.sampled_from(["unlock", "unlock", "script", "extra", "value"])):
        case "unlock" if witness:
            at = data.draw(st.integers(0, 1))
            items[at] = mutate(items[at])
        case "unlock":
            script_sig = mutate(script_sig)
        case "script":
            script = mutate(script)
        case "extra":
            items.append(b"")
        case _:
            coin = coin._replace(value=coin.value + 1)
    changed = own._replace(script=script_sig, witness=tuple(items))
    tx = Transaction(context.tx.version, (changed,), context.tx.outputs, context.tx.lock_time)
    verdict(SpendContext(tx, [TxOutput(coin.value, script)]), flags)


@pytest.mark.parametrize("flags", [MANDATORY, STANDARD])
def test_plain_spends_take_the_shortcut(flags: Flags) -> None:
    for key, build in ((KEYS[0], witness_spend), (KEYS[0], key_hash_spend), (WHOLE_KEYS[0], key_hash_spend)):
        context = build(key, 1, same)
        assert surely_valid(context, 0, context.spent_output(0).script, flags)
        assert verdict(context, flags) == "OK"


def test_what_breaks_a_rule_does_not() -> None:
    for context, flags, name in (
        (key_hash_spend(KEYS[0], 1, high_s), STANDARD, "SIG_HIGH_S"),
        (key_hash_spend(KEYS[0], 1, padded), MANDATORY, "SIG_DER"),
        (key_hash_spend(KEYS[0], 4, same), STANDARD, "SIG_HASHTYPE"),
        (key_hash_spend(HYBRID, 1, same), STANDARD, "PUBKEYTYPE"),
        (witness_spend(WHOLE_KEYS[0], 1, same), STANDARD, "WITNESS_PUBKEYTYPE"),
        (key_hash_spend(KEYS[1], 1, same), MANDATORY, "EVAL_FALSE"),
    ):
        assert not surely_valid(context, 0, context.spent_output(0).script, flags)
        assert verdict(context, flags) == name
    for context, flags in (
        (key_hash_spend(KEYS[0], 1, high_s), MANDATORY),
        (key_hash_spend(KEYS[0], 1, padded), Flags.P2SH),
        (key_hash_spend(HYBRID, 1, same), MANDATORY),
    ):
        assert verdict(context, flags) == "OK"
