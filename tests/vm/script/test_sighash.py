"""Signature hashes against slow twins written from the definitions, and the bound on quadratic work."""

from __future__ import annotations

import dataclasses
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from primitives.bitcoin import Transaction, TxInput, TxOutput
from primitives.buffer import compact_size
from primitives.errors import Missing
from primitives.hashing import sha256, sha256d, tagged_hash
from vm.script.opcodes import Truncated, operations, push
from vm.script.sighash import ONE, Leaf, SpendContext, find_and_delete, without_separators
from vm.script.signatures import TransactionChecker

U32 = st.integers(0, 2**32 - 1)
SCRIPTS = st.lists(
    st.sampled_from([b"\xab", b"\xac", b"\x51", b"\x00", b"\x01\xab", b"\x02\xab\xab", b"\x4c\x01\xab"]), max_size=8
).map(b"".join)
INPUTS = st.builds(TxInput, st.binary(min_size=36, max_size=36), st.binary(max_size=5), U32)
OUTPUTS = st.builds(TxOutput, st.integers(-1, 2**50), st.binary(max_size=5))
TXS = st.builds(
    Transaction,
    st.integers(-(2**31), 2**31 - 1),
    st.lists(INPUTS, min_size=1, max_size=70).map(tuple),
    st.lists(OUTPUTS, max_size=5).map(tuple),
    U32,
    st.none() | U32,
)
HASH_TYPES = st.sampled_from([0, 1, 2, 3, 4, 0x1F, 0x41, 0x80, 0x81, 0x82, 0x83, 0xE3, 0xFF])


def le(value: int, size: int = 4) -> bytes:
    return value.to_bytes(size, "little", signed=value < 0)


def legacy_twin(tx: Transaction, index: int, code: bytes, hash_type: int) -> bytes:
    """By the words of the first client: copy the transaction, change the copy, write it, hash it."""
    kind, anyone = hash_type & 0x1F, hash_type & 0x80
    if kind == 3 and index >= len(tx.outputs):
        return ONE
    code = b"".join(_raw(op, data) for op, data in operations(code) if op != 0xAB)
    inputs, outputs = [], list(tx.outputs)
    for at, own in enumerate(tx.inputs):
        mine = at == index
        sequence = own.sequence if mine or kind not in (2, 3) else 0
        inputs.append(TxInput(own.outpoint, code if mine else b"", sequence))
    if kind == 2:
        outputs = []
    if kind == 3:
        outputs = [TxOutput(-1, b"")] * index + [outputs[index]]
    if anyone:
        inputs = [inputs[index]]
    copy = Transaction(tx.version, tuple(inputs), tuple(outputs), tx.lock_time, tx.time)
    return sha256d(copy.base + le(hash_type))


def _raw(op: int, data: bytes) -> bytes:
    return bytes((op, len(data))) + data if op == 0x4C else bytes((op,)) + data


@given(TXS, SCRIPTS, HASH_TYPES, st.data())
def test_legacy_hashes_are_those_of_the_changed_copy(tx: Transaction, code: bytes, hash_type: int, data: Any) -> None:
    context = SpendContext(tx, [None] * len(tx.inputs))
    for _ in range(3):
        index = data.draw(st.integers(0, len(tx.inputs) - 1))
        assert context.legacy(index, code, hash_type) == legacy_twin(tx, index, code, hash_type)


def v0_twin(tx: Transaction, index: int, code: bytes, value: int, hash_type: int) -> bytes:
    """By the words of BIP143."""
    kind, anyone, own = hash_type & 0x1F, hash_type & 0x80, tx.inputs[index]
    prevouts = sequences = outputs = bytes(32)
    if not anyone:
        prevouts = sha256d(b"".join(i.outpoint for i in tx.inputs))
    if not anyone and kind not in (2, 3):
        sequences = sha256d(b"".join(le(i.sequence) for i in tx.inputs))
    if kind not in (2, 3):
        outputs = sha256d(b"".join(o.encode() for o in tx.outputs))
    elif kind == 3 and index < len(tx.outputs):
        outputs = sha256d(tx.outputs[index].encode())
    middle = own.outpoint + compact_size(len(code)) + code + le(value, 8) + le(own.sequence)
    return sha256d(tx.prefix + prevouts + sequences + middle + outputs + le(tx.lock_time) + le(hash_type))


@given(TXS, SCRIPTS, HASH_TYPES, st.data())
def test_v0_hashes_are_those_of_bip143(tx: Transaction, code: bytes, hash_type: int, data: Any) -> None:
    index = data.draw(st.integers(0, len(tx.inputs) - 1))
    coins: list[TxOutput | None] = [None] * len(tx.inputs)
    coins[index] = TxOutput(77, b"")
    assert SpendContext(tx, coins).v0(index, code, hash_type) == v0_twin(tx, index, code, 77, hash_type)


def taproot_twin(
    tx: Transaction, coins: list[TxOutput], index: int, hash_type: int, annex: bytes | None, leaf: Leaf | None
) -> bytes | None:
    """By the words of BIP341 and BIP342."""
    if hash_type not in (0, 1, 2, 3, 0x81, 0x82, 0x83) or (hash_type & 3 == 3 and index >= len(tx.outputs)):
        return None
    message = b"\x00" + bytes((hash_type,)) + tx.prefix + le(tx.lock_time)
    if not hash_type & 0x80:
        message += sha256(b"".join(i.outpoint for i in tx.inputs))
        message += sha256(b"".join(le(c.value, 8) for c in coins))
        message += sha256(b"".join(compact_size(len(c.script)) + c.script for c in coins))
        message += sha256(b"".join(le(i.sequence) for i in tx.inputs))
    if hash_type & 3 < 2:
        message += sha256(b"".join(o.encode() for o in tx.outputs))
    message += bytes(((2 if leaf else 0) + (1 if annex is not None else 0),))
    own = tx.inputs[index]
    message += own.outpoint + coins[index].encode() + le(own.sequence) if hash_type & 0x80 else le(index)
    if annex is not None:
        message += annex
    if hash_type & 3 == 3:
        message += sha256(tx.outputs[index].encode())
    if leaf:
        message += leaf.hash + b"\x00" + le(leaf.codeseparator)
    return tagged_hash(b"TapSighash", message)


@given(
    TXS,
    HASH_TYPES,
    st.none() | st.binary(min_size=32, max_size=32),
    st.none() | st.builds(Leaf, st.binary(min_size=32, max_size=32), U32),
    st.data(),
)
def test_taproot_hashes_are_those_of_bip341(
    tx: Transaction, hash_type: int, annex: bytes | None, leaf: Leaf | None, data: Any
) -> None:
    index = data.draw(st.integers(0, len(tx.inputs) - 1))
    coins = [TxOutput(at, bytes(at % 3)) for at in range(len(tx.inputs))]
    found = SpendContext(tx, coins).taproot(index, hash_type, annex, leaf)
    assert found == taproot_twin(tx, coins, index, hash_type, annex, leaf)


def test_taproot_wants_every_coin() -> None:
    tx = Transaction(2, (TxInput(bytes(36)), TxInput(b"\x01" * 36)), (TxOutput(1, b""),))
    with pytest.raises(Missing):
        SpendContext(tx, [TxOutput(1, b""), None]).taproot(0, 0)
    with pytest.raises(ValueError, match="1 spent outputs for 2 inputs"):
        SpendContext(tx, [None])


def test_single_without_its_output_signs_the_number_one() -> None:
    tx = Transaction(1, (TxInput(bytes(36)), TxInput(b"\x01" * 36)), (TxOutput(1, b""),))
    context = SpendContext(tx, [None, None])
    assert context.legacy(1, b"\x51", 3) == context.legacy(1, b"\x52", 0x83) == b"\x01" + bytes(31)
    assert context.legacy(0, b"\x51", 3) != ONE


def test_a_transaction_time_is_signed() -> None:
    tx = Transaction(1, (TxInput(bytes(36)),), (TxOutput(1, b""),))
    timed = dataclasses.replace(tx, time=1_600_000_000)
    coins = [TxOutput(1, b"")]
    plain, other = SpendContext(tx, coins), SpendContext(timed, coins)
    assert plain.legacy(0, b"", 1) != other.legacy(0, b"", 1)
    assert plain.v0(0, b"", 1) != other.v0(0, b"", 1)
    assert plain.taproot(0, 0) != other.taproot(0, 0)


@given(SCRIPTS, st.sampled_from([b"\xab", b"\x51", b"\x01\xab", b"\x51\x51", b"\x00"]))
def test_find_and_delete_takes_away_what_stands_at_an_opcode(code: bytes, needle: bytes) -> None:
    rest = find_and_delete(code, needle)
    assert (len(code) - len(rest)) % len(needle) == 0
    if needle not in code:
        assert rest == code
    if needle in (b"\xab", b"\x51", b"\x00"):
        assert rest == b"".join(_raw(op, data) for op, data in operations(code) if _raw(op, data) != needle)


@pytest.mark.parametrize(
    ("code", "needle", "rest"),
    [
        ("0302ff03", "0302ff03", ""),
        ("0302ff030302ff03", "0302ff03", ""),
        ("0302ff030302ff03", "02", "0302ff030302ff03"),
        ("0302ff030302ff03", "ff", "0302ff030302ff03"),
        ("0302ff030302ff03", "03", "02ff0302ff03"),
        ("02feed5169", "feed51", "02feed5169"),
        ("02feed5169", "02feed51", "69"),
        ("516902feed5169", "feed51", "516902feed5169"),
        ("516902feed5169", "02feed51", "516969"),
        ("00005151", "00", "5151"),
        ("000051000051", "0051", "0000"),
        ("0003feed", "03feed", "00"),
        ("0003feed", "00", "03feed"),
    ],
)
def test_find_and_delete_in_known_cases(code: str, needle: str, rest: str) -> None:
    """The cases of Bitcoin Core's script_FindAndDelete test."""
    assert find_and_delete(bytes.fromhex(code), bytes.fromhex(needle)).hex() == rest


@given(st.binary(max_size=100), st.binary(min_size=1, max_size=4))
def test_any_bytes_may_be_searched(code: bytes, needle: bytes) -> None:
    assert len(find_and_delete(code, needle)) <= len(code)
    rest = without_separators(code)
    try:
        kept = b"".join(code[a:b] for op, a, b in _spans(code) if op != 0xAB)
        assert rest == kept
    except Truncated:
        assert len(rest) <= len(code)


def _spans(code: bytes) -> list[tuple[int, int, int]]:
    found, at = [], 0
    for op, data in operations(code):
        size = 1 + len(data) + {0x4C: 1, 0x4D: 2, 0x4E: 4}.get(op, 0)
        found.append((op, at, at + size))
        at += size
    return found


def test_the_checker_hashes_the_same_script_once_for_each_kind_of_hash_type() -> None:
    tx = Transaction(1, (TxInput(bytes(36)),), (TxOutput(1, b""),))
    context = SpendContext(tx, [TxOutput(5, b"")])
    checker = TransactionChecker(context, 0)
    for hash_type in (1, 0, 4, 2, 3, 0x81, 0x82, 0x83, 0xFF, 1):
        for code in (b"\x51", b"\x52", b"\x51"):
            assert checker.digest(code, hash_type, False) == context.legacy(0, code, hash_type)
    checker = TransactionChecker(context, 0)
    for hash_type in (1, 0, 4, 2, 3, 0x81, 0x82, 0x83, 0xFF, 1):
        assert checker.digest(b"\x51", hash_type, True) == context.v0(0, b"\x51", hash_type)


def test_5569_inputs_in_a_megabyte_are_hashed_in_bounded_time() -> None:
    """The shape of the transaction that took early nodes half a minute (block 364292)."""
    code = b"\x76\xa9\x14" + bytes(20) + b"\x88\xac"
    inputs = tuple(TxInput(bytes(32) + le(n), push(bytes(137))) for n in range(5_569))
    tx = Transaction(1, inputs, (TxOutput(1, code),))
    assert len(tx.base) > 999_000
    context = SpendContext(tx, [None] * len(inputs))
    start = time.process_time()
    digests = {context.legacy(index, code, 1) for index in range(len(inputs))}
    assert time.process_time() - start < 10
    assert len(digests) == len(inputs)
    assert context.legacy(5_000, code, 1) == legacy_twin(tx, 5_000, code, 1)
