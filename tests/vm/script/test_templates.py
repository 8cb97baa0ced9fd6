"""Kinds of output scripts, how they are built, and how scripts are written."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from primitives.errors import DecodeError
from primitives.hashing import hash160
from tests.vm.script.spends import KEYS, SECRETS, WHOLE_KEYS, signed
from vm.script.asm import from_asm, push_number, to_asm
from vm.script.opcodes import push
from vm.script.templates import (
    ANCHOR,
    Kind,
    Template,
    classify,
    null_data,
    pay_to_key,
    pay_to_key_hash,
    pay_to_multisig,
    pay_to_script_hash,
    pay_to_witness,
    pay_to_witness_script,
)


@pytest.mark.parametrize(
    ("script", "template"),
    [
        (pay_to_key(KEYS[0]), Template(Kind.PUBKEY, (KEYS[0],))),
        (pay_to_key(WHOLE_KEYS[0]), Template(Kind.PUBKEY, (WHOLE_KEYS[0],))),
        (pay_to_key(b"\x04" + KEYS[0][1:]), Template(Kind.NONSTANDARD)),
        (pay_to_key_hash(bytes(20)), Template(Kind.PUBKEYHASH, (bytes(20),))),
        (pay_to_script_hash(b"\x51"), Template(Kind.SCRIPTHASH, (hash160(b"\x51"),))),
        (pay_to_witness(0, bytes(20)), Template(Kind.WITNESS_V0_KEYHASH, (bytes(20),))),
        (pay_to_witness(0, bytes(32)), Template(Kind.WITNESS_V0_SCRIPTHASH, (bytes(32),))),
        (pay_to_witness(0, bytes(31)), Template(Kind.NONSTANDARD)),
        (pay_to_witness(1, bytes(32)), Template(Kind.WITNESS_V1_TAPROOT, (bytes(32),), 1)),
        (pay_to_witness(16, bytes(32)), Template(Kind.WITNESS_UNKNOWN, (bytes(32),), 16)),
        (pay_to_witness(1, bytes(31)), Template(Kind.WITNESS_UNKNOWN, (bytes(31),), 1)),
        (ANCHOR, Template(Kind.ANCHOR, (b"\x4e\x73",), 1)),
        (null_data(b"hello", b""), Template(Kind.NULLDATA)),
        (b"\x6a", Template(Kind.NULLDATA)),
        (b"\x6a\x61", Template(Kind.NONSTANDARD)),
        (b"\x6a\x05", Template(Kind.NONSTANDARD)),
        (b"", Template(Kind.NONSTANDARD)),
        (b"\xae", Template(Kind.NONSTANDARD)),
        (pay_to_multisig(2, KEYS[:3]), Template(Kind.MULTISIG, KEYS[:3], 2)),
        (pay_to_multisig(1, [WHOLE_KEYS[0], KEYS[1]]), Template(Kind.MULTISIG, (WHOLE_KEYS[0], KEYS[1]), 1)),
        (pay_to_multisig(17, KEYS * 4), Template(Kind.MULTISIG, KEYS * 4, 17)),
        (pay_to_multisig(1, KEYS * 5)[:-1], Template(Kind.NONSTANDARD)),
        (pay_to_multisig(0, KEYS[:2]), Template(Kind.NONSTANDARD)),
        (pay_to_multisig(3, KEYS[:2]), Template(Kind.NONSTANDARD)),
        (from_asm("1 0x01 0x05 1 CHECKMULTISIG"), Template(Kind.NONSTANDARD)),
        (b"\x01\x01" + push(KEYS[0]) + b"\x51\xae", Template(Kind.NONSTANDARD)),
    ],
)
def test_each_script_has_one_kind(script: bytes, template: Template) -> None:
    assert classify(script) == template


def test_twenty_keys_are_a_multisig_and_21_are_not() -> None:
    many = KEYS * 5
    assert classify(pay_to_multisig(20, many[:20])).kind is Kind.MULTISIG
    assert classify(pay_to_multisig(1, many[:20] + many[:1])).kind is Kind.NONSTANDARD


@given(st.binary(max_size=100))
def test_any_bytes_have_a_kind(script: bytes) -> None:
    assert classify(script).kind in Kind
    assert classify(script + b"\xae").kind in Kind
    to_asm(script)
    to_asm(script, True)


def test_a_witness_script_is_paid_by_its_hash() -> None:
    assert classify(pay_to_witness_script(b"\x51")).kind is Kind.WITNESS_V0_SCRIPTHASH


@pytest.mark.parametrize(
    ("script", "text"),
    [
        ("", ""),
        ("00", "0"),
        ("4f5160", "-1 1 16"),
        ("0101", "1"),
        ("0180", "0"),
        ("01ff", "-127"),
        ("04ffffffff", "-2147483647"),
        ("050102030405", "0102030405"),
        ("76a914" + "ab" * 20 + "88ac", f"OP_DUP OP_HASH160 {'ab' * 20} OP_EQUALVERIFY OP_CHECKSIG"),
        ("50626566", "OP_RESERVED OP_VER OP_VERIF OP_VERNOTIF"),
        ("babbff", "OP_CHECKSIGADD OP_UNKNOWN OP_INVALIDOPCODE"),
        ("6a04deadbeef", "OP_RETURN -1874767326"),
        ("5102", "1 [error]"),
        ("4c", "[error]"),
    ],
)
def test_scripts_are_rendered_as_core_does(script: str, text: str) -> None:
    assert to_asm(bytes.fromhex(script)) == text


def test_hash_types_are_named_in_input_scripts_only() -> None:
    signature = signed(SECRETS[0], bytes(32), 0x83)
    assert to_asm(push(signature), True) == f"{signature[:-1].hex()}[SINGLE|ANYONECANPAY]"
    assert to_asm(push(signature)) == signature.hex()
    assert to_asm(b"\x6a" + push(signature), True) == f"OP_RETURN {signature.hex()}"
    odd = signature[:-1] + b"\x04"
    assert to_asm(push(odd), True) == odd.hex()


@pytest.mark.parametrize(
    ("text", "script"),
    [
        ("", ""),
        ("  0\t1\n16 17 -1 -2 ", "00516001114f0182"),
        ("0x4c01 0x07", "4c0107"),
        ("'Az'", "02417a"),
        ("''", "00"),
        ("DUP OP_HASH160", "76a9"),
        ("CHECKLOCKTIMEVERIFY", "b1"),
        ("4294967295 -4294967295", "05ffffffff0005ffffffff80"),
    ],
)
def test_written_scripts_are_read_as_core_does(text: str, script: str) -> None:
    assert from_asm(text).hex() == script


@pytest.mark.parametrize(
    "text", ["0x", "0x1", "0xzz", "4294967296", "FOO", "OP_CHECKSIGADD", "-", "'", "OP_1", "PUSHDATA1"]
)
def test_nonsense_is_refused(text: str) -> None:
    with pytest.raises(DecodeError):
        from_asm(text)


@given(st.integers(-(2**32) + 1, 2**32 - 1))
def test_numbers_are_written_and_read_alike(number: int) -> None:
    assert from_asm(str(number)) == push_number(number)
