"""Headers, blocks, receipts and blooms: what is written is read again, and nothing else is."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from primitives import rlp
from primitives.buffer import Reader, Writer
from primitives.chain import Form
from primitives.errors import DecodeError
from primitives.ethereum import (
    EMPTY_OMMERS,
    EMPTY_ROOT,
    EthereumBlock,
    EthereumHeader,
    Log,
    Receipt,
    Withdrawal,
    block_from_item,
    bloom,
    decode_block,
    decode_header,
    decode_receipt,
    encode_header,
    header_item,
    in_bloom,
    join_blooms,
)
from primitives.ethereum_format import EthereumFormat
from primitives.hashing import keccak256
from tests.accounts import KEYS, transfer

HEADER = EthereumHeader(
    b"\1" * 32, EMPTY_OMMERS, b"\2" * 20, b"\3" * 32, EMPTY_ROOT, EMPTY_ROOT, bytes(256), 131_072, 7, 30_000_000, 21_000,
    1_700_000_000, b"extra", b"\4" * 32, b"\5" * 8,
)  # fmt: skip
OPTIONAL: dict[str, Any] = {
    "base_fee": 10**9, "withdrawals_root": EMPTY_ROOT, "blob_gas_used": 131_072, "excess_blob_gas": 0,
    "parent_beacon_root": b"\6" * 32, "requests_hash": b"\7" * 32,
}  # fmt: skip
LAWFUL_COUNTS = (0, 1, 2, 4, 5, 6)
"""How many of the optional fields a fork has: none, London's, Shanghai's, both of Cancun's blob fields, ..."""
words = st.binary(min_size=32, max_size=32)
logs = st.builds(
    Log,
    st.binary(min_size=20, max_size=20),
    st.lists(words, max_size=4).map(tuple),
    st.binary(max_size=80),
)


@pytest.mark.parametrize("count", LAWFUL_COUNTS)
def test_a_header_of_every_fork_is_read_as_it_was_written(count: int) -> None:
    header = replace(HEADER, **dict(list(OPTIONAL.items())[:count]))
    assert decode_header(encode_header(header)) == header
    assert decode_header(encode_header(header)).hash == keccak256(encode_header(header))


def test_a_changed_copy_has_its_own_hash() -> None:
    before = HEADER.hash
    assert replace(HEADER, gas_used=1).hash != before
    assert "_hash" in {f.name for f in fields(HEADER)}


def test_a_gap_among_optional_fields_cannot_be_written() -> None:
    with pytest.raises(ValueError, match="missing"):
        encode_header(replace(HEADER, withdrawals_root=EMPTY_ROOT))


@pytest.mark.parametrize("count", [0, 14, 18, 22])
def test_a_header_of_another_length_is_refused(count: int) -> None:
    items = [*header_item(HEADER), b"\1" * 32, b"\1" * 32, b"\1", b"\1", b"\1" * 32, b"\1" * 32, b""]
    with pytest.raises(DecodeError):
        decode_header(rlp.encode(items[:count]))


@pytest.mark.parametrize(
    ("at", "bad"),
    [
        (0, b"\1" * 31),
        (2, b"\1" * 21),
        (6, bytes(255)),
        (7, b"\0\1"),
        (8, b"\0"),
        (9, b"\1" * 9),
        (14, bytes(7)),
        (12, []),
    ],
)
def test_a_field_of_another_form_is_refused(at: int, bad: rlp.Item) -> None:
    items = header_item(HEADER)
    items[at] = bad
    with pytest.raises(DecodeError):
        decode_header(rlp.encode(items))


def test_the_seal_is_not_part_of_what_it_seals() -> None:
    other = replace(HEADER, nonce=bytes(8), mix_hash=bytes(32))
    assert other.seal_hash == HEADER.seal_hash
    assert replace(HEADER, extra_data=b"").seal_hash != HEADER.seal_hash


@given(st.sampled_from([0, 1, 2, 3, 4]), st.one_of(st.sampled_from([0, 1]), words), st.lists(logs, max_size=4))
def test_receipts_are_read_as_they_were_written(kind: int, outcome: int | bytes, found: list[Log]) -> None:
    receipt = Receipt(kind, outcome, 21_000, bloom(found), tuple(found))
    again = decode_receipt(receipt.raw)
    assert again == receipt
    assert again.succeeded == (outcome != 0)


@given(st.lists(logs, max_size=5))
def test_a_bloom_holds_what_was_put_in(found: list[Log]) -> None:
    whole = bloom(found)
    assert whole == join_blooms(bloom([log]) for log in found)
    for log in found:
        assert in_bloom(whole, log.address)
        assert all(in_bloom(whole, topic) for topic in log.topics)
    if not found:
        assert not in_bloom(whole, bytes(20))


def _block() -> EthereumBlock:
    header = replace(HEADER, **OPTIONAL)
    legacy = transfer(0, kind=0)
    withdrawals = (Withdrawal(1, 2, b"\1" * 20, 5),)
    return EthereumBlock(header, (legacy, transfer(1, KEYS[1])), (HEADER,), withdrawals)


def test_a_block_is_read_as_it_was_written() -> None:
    block = _block()
    again = decode_block(block.raw)
    assert again == block
    assert [tx.sender for tx in again.txs] == [tx.sender for tx in block.txs]


@pytest.mark.parametrize("form", list(Form))
def test_the_three_forms_lead_back(form: Form) -> None:
    fmt, block = EthereumFormat(), _block()
    w = Writer()
    fmt.write_block(w, block, form)
    r = Reader(w.done())
    assert fmt.read_block(r, form) == block
    r.finish()
    w = Writer()
    fmt.write_header(w, HEADER, form)
    assert fmt.read_header(Reader(w.done()), form) == HEADER
    w = Writer()
    fmt.write_tx(w, block.txs[1], form)
    assert fmt.read_tx(Reader(w.done()), form) == block.txs[1]


def test_a_typed_transaction_lies_in_a_block_as_a_string() -> None:
    item = list(_block().item)
    legacy = _block().txs[0]
    item[1] = [legacy.raw]  # wrapped: not canonical
    with pytest.raises(DecodeError, match="wrapped"):
        block_from_item(item)


@given(st.binary(max_size=200))
def test_no_bytes_do_more_than_fail(data: bytes) -> None:
    for read in (decode_block, decode_header, decode_receipt):
        try:
            read(data)
        except DecodeError:
            continue
