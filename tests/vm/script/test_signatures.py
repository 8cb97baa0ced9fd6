"""Encodings of signatures and keys; no signature or key of any bytes makes a check raise."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from primitives import secp256k1
from tests.vm.script.spends import KEYS, SECRETS, WHOLE_KEYS, signed, spend
from vm.script.errors import ScriptError
from vm.script.flags import Flags
from vm.script.signatures import TransactionChecker, check_key_encoding, check_signature_encoding, is_strict_der

GOOD = signed(SECRETS[0], bytes(32))


def strict_twin(signature: bytes) -> bool:
    """BIP66 read the other way round: the only encoding that its own r and s have."""
    if not 9 <= len(signature) <= 73:
        return False
    body = signature[:-1]
    if body[:1] != b"\x30" or body[1] != len(body) - 2:
        return False
    at, numbers = 2, []
    for _ in range(2):
        if at + 2 > len(body) or body[at] != 2 or at + 2 + body[at + 1] > len(body):
            return False
        raw = body[at + 2 : at + 2 + body[at + 1]]
        value = int.from_bytes(raw, "big", signed=True)
        if not raw or value < 0 or raw != value.to_bytes(value.bit_length() // 8 + 1, "big"):
            return False
        numbers.append(value)
        at += 2 + len(raw)
    return at == len(body)


def ders(size: int) -> st.SearchStrategy[bytes]:
    """Nearly DER: lengths fit, the numbers are any bytes."""
    part = st.binary(max_size=size)
    return st.builds(
        lambda r, s, t: bytes((0x30, len(r) + len(s) + 4, 2, len(r))) + r + bytes((2, len(s))) + s + t,
        part,
        part,
        st.binary(min_size=1, max_size=2),
    )


@given(st.one_of(ders(4), ders(33), st.binary(max_size=80)))
def test_strict_der_has_one_form(signature: bytes) -> None:
    assert is_strict_der(signature) == strict_twin(signature)


@given(st.integers(0, len(GOOD) - 1), st.integers(0, 255))
def test_one_changed_byte_of_a_real_signature(at: int, byte: int) -> None:
    changed = GOOD[:at] + bytes((byte,)) + GOOD[at + 1 :]
    assert is_strict_der(changed) == strict_twin(changed)


def test_flags_decide_which_signatures_may_stand() -> None:
    check_signature_encoding(b"", int(Flags.STRICTENC | Flags.LOW_S | Flags.DERSIG))
    check_signature_encoding(b"\x01", 0)
    for flags, signature, name in (
        (Flags.DERSIG, b"\x01", "SIG_DER"),
        (Flags.STRICTENC, b"\x01", "SIG_DER"),
        (Flags.LOW_S, b"\x01", "SIG_DER"),
        (Flags.STRICTENC, GOOD[:-1] + b"\x00", "SIG_HASHTYPE"),
        (Flags.STRICTENC, GOOD[:-1] + b"\x84", "SIG_HASHTYPE"),
    ):
        with pytest.raises(ScriptError) as error:
            check_signature_encoding(signature, int(flags))
        assert error.value.name == name
    check_signature_encoding(GOOD[:-1] + b"\x83", int(Flags.STRICTENC | Flags.LOW_S))


def test_flags_decide_which_keys_may_stand() -> None:
    hybrid = b"\x06" + WHOLE_KEYS[0][1:]
    for key in (b"", b"\x02", hybrid, KEYS[0] + b"\x00", b"\x05" + KEYS[0][1:], b"\x04" + KEYS[0][1:]):
        check_key_encoding(key, 0, True)
        with pytest.raises(ScriptError, match="PUBKEYTYPE"):
            check_key_encoding(key, int(Flags.STRICTENC), False)
    check_key_encoding(WHOLE_KEYS[0], int(Flags.STRICTENC | Flags.WITNESS_PUBKEYTYPE), False)
    with pytest.raises(ScriptError, match="WITNESS_PUBKEYTYPE"):
        check_key_encoding(WHOLE_KEYS[0], int(Flags.WITNESS_PUBKEYTYPE), True)


@given(st.binary(max_size=75), st.binary(max_size=70), st.binary(max_size=40))
def test_any_bytes_are_a_bad_signature_at_most(signature: bytes, public: bytes, code: bytes) -> None:
    checker = TransactionChecker(spend(b""), 0)
    assert not checker.ecdsa(signature, public, code, False)
    assert not checker.ecdsa(signature, KEYS[0], code, True)
    with pytest.raises(ScriptError, match="SCHNORR_SIG"):
        checker.schnorr(signature, public, None, None)


@pytest.mark.parametrize("r", [0, 1, secp256k1.N - 1, secp256k1.N, 2**256 - 1])
@pytest.mark.parametrize("s", [0, 1, secp256k1.HALF_N, secp256k1.N - 1, secp256k1.N, 2**256 - 1])
def test_numbers_at_the_edge_are_no_signatures(r: int, s: int) -> None:
    signature = secp256k1.compact_to_der(r.to_bytes(32, "big") + s.to_bytes(32, "big")) + b"\x01"
    assert is_strict_der(signature)
    checker = TransactionChecker(spend(b""), 0)
    for key in (KEYS[0], WHOLE_KEYS[0], b"\x02" + b"\xff" * 32, b"\x04" + bytes(64), b"\x00", bytes(33)):
        assert checker.ecdsa(signature, key, b"\x51", False) is False
