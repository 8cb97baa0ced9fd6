"""The five transaction types: signing, sender, hash, network form, authorizations."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from primitives import rlp
from primitives.errors import DecodeError, InvalidTx
from primitives.ethereum_fields import as_list
from primitives.ethereum_tx import (
    ACCESS_LIST,
    BLOB,
    CURVE_ORDER,
    DYNAMIC_FEE,
    HALF_ORDER,
    LEGACY,
    SET_CODE,
    BlobSidecar,
    EthereumTransaction,
    authorize,
    decode_network_transaction,
    decode_transaction,
    impersonated,
    sign,
    transaction_from_item,
)
from primitives.hashing import keccak256
from tests.accounts import ACCOUNTS, KEYS

ACCESS = ((b"\1" * 20, (b"\2" * 32, b"\3" * 32)), (b"\4" * 20, ()))


def make(kind: int, chain_id: int | None = 1, **fields: object) -> EthereumTransaction:
    price = 10**9
    tx = EthereumTransaction(
        kind, chain_id, 7, price if kind <= ACCESS_LIST else 1, price, 90_000, b"\xaa" * 20, 5, b"data",
        access_list=ACCESS if kind else (),
        blob_fee_cap=3 if kind == BLOB else 0,
        blob_hashes=(b"\1" * 32,) if kind == BLOB else (),
        authorizations=(authorize(KEYS[1], 1, b"\5" * 20, 3),) if kind == SET_CODE else (),
    )  # fmt: skip
    return replace(tx, **fields)  # type: ignore[arg-type]


KINDS = [(LEGACY, None), (LEGACY, 1), (ACCESS_LIST, 1), (DYNAMIC_FEE, 1), (BLOB, 1), (SET_CODE, 1)]


@pytest.mark.parametrize(("kind", "chain_id"), KINDS)
def test_what_is_signed_is_read_again_with_its_sender(kind: int, chain_id: int | None) -> None:
    tx = sign(make(kind, chain_id), KEYS[0])
    again = decode_transaction(tx.raw)
    assert again == tx
    assert again.sender == tx.sender == ACCOUNTS[0]
    assert again.id == keccak256(tx.raw)
    assert transaction_from_item(tx.item) == tx
    assert again.chain_id == chain_id


def test_the_example_of_eip_155() -> None:
    price = 20 * 10**9
    tx = EthereumTransaction(LEGACY, 1, 9, price, price, 21_000, b"\x35" * 20, 10**18, b"")
    signed = sign(tx, b"\x46" * 32)
    assert signed.raw.hex() == (
        "f86c098504a817c800825208943535353535353535353535353535353535353535880de0b6b3a76400008025a028ef61340bd939bc2195fe537567866"
        "003e1a15d3c71ff63e1590620aa636276a067cbe9d8997f761aecb703304b3800ccf555c9f3dc64214b297fb1966a3b6d83"
    )


def test_a_changed_copy_forgets_hash_bytes_and_sender() -> None:
    tx = sign(make(DYNAMIC_FEE), KEYS[0])
    before = (tx.id, tx.raw, tx.sender)
    other = sign(replace(tx, nonce=8), KEYS[2])
    assert other.id != before[0]
    assert other.raw != before[1]
    assert other.sender == ACCOUNTS[2]


@pytest.mark.parametrize(
    "change", [{"r": 0}, {"s": 0}, {"r": CURVE_ORDER}, {"s": CURVE_ORDER}, {"v": 2}, {"r": 5, "s": 1}]
)
def test_a_signature_out_of_range_has_no_sender(change: dict[str, Any]) -> None:
    tx = replace(sign(make(DYNAMIC_FEE), KEYS[0]), **change)
    with pytest.raises(InvalidTx) as e:
        _ = tx.sender
    assert e.value.rule == "invalid transaction v, r, s values"


@pytest.mark.parametrize("v", [0, 1, 26, 29, 34])
def test_a_legacy_v_that_is_none_is_refused(v: int) -> None:
    tx = decode_transaction(replace(sign(make(LEGACY, None), KEYS[0]), v=v).raw)
    with pytest.raises(InvalidTx):
        _ = tx.sender


def test_a_high_s_still_has_a_sender() -> None:
    tx = sign(make(DYNAMIC_FEE), KEYS[0])
    high = replace(tx, s=CURVE_ORDER - tx.s, v=1 - tx.v)
    assert high.s > HALF_ORDER
    assert high.sender == tx.sender


@pytest.mark.parametrize("kind", [0x00, 0x05, 0x7F, 0x80, 0xBF])
def test_an_unknown_type_is_refused(kind: int) -> None:
    with pytest.raises(DecodeError, match="type not supported"):
        decode_transaction(bytes((kind,)) + rlp.encode([]))


@pytest.mark.parametrize("kind", [BLOB, SET_CODE])
def test_types_that_cannot_create_are_refused_without_recipient(kind: int) -> None:
    body: list[rlp.Item] = list(as_list(rlp.decode(sign(make(kind), KEYS[0]).raw[1:])))
    body[5] = b""
    with pytest.raises(DecodeError, match="recipient"):
        decode_transaction(bytes((kind,)) + rlp.encode(body))


def test_blobs_travel_with_their_transaction_and_leave_its_hash_alone() -> None:
    bare = sign(make(BLOB), KEYS[0])
    for version, proofs in ((0, 1), (1, 128)):
        sidecar = BlobSidecar((bytes(131_072),), (b"\1" * 48,), (b"\2" * 48,) * proofs, version)
        tx = replace(bare, sidecar=sidecar)
        again = decode_network_transaction(tx.network)
        assert again.sidecar == sidecar
        assert again == bare
        assert again.id == bare.id
        assert again.raw == bare.raw
    assert decode_network_transaction(bare.network) == bare


def test_an_authorization_names_its_signer() -> None:
    authorization = authorize(KEYS[3], 0, b"\7" * 20, 2**64 - 2)
    assert authorization.authority == ACCOUNTS[3]
    assert (
        replace(authorization, s=CURVE_ORDER - authorization.s, y_parity=1 - authorization.y_parity).authority is None
    )
    assert replace(authorization, y_parity=2).authority is None
    assert replace(authorization, r=0).authority is None


def test_an_impersonated_transaction_has_the_sender_it_is_given() -> None:
    assert impersonated(make(DYNAMIC_FEE), b"\x09" * 20).sender == b"\x09" * 20


@given(st.integers(1, 4), st.binary(max_size=120))
def test_no_bytes_do_more_than_fail(kind: int, data: bytes) -> None:
    for encoded in (data, bytes((kind,)) + data):
        try:
            decode_network_transaction(encoded)
        except DecodeError:
            continue


@given(st.sampled_from(KINDS), st.data())
def test_one_flipped_bit_is_refused_or_another_transaction(kind: tuple[int, int | None], data: st.DataObject) -> None:
    raw = sign(make(*kind), KEYS[0]).raw
    at = data.draw(st.integers(0, len(raw) * 8 - 1))
    flipped = bytearray(raw)
    flipped[at // 8] ^= 1 << at % 8
    try:
        tx = decode_transaction(bytes(flipped))
    except DecodeError:
        return
    assert tx.raw == bytes(flipped)
    assert tx.id != keccak256(raw)
