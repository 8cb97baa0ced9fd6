"""The twin's codec: blocks and transactions in each form, and the encodings of commitment, deposits and exits."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from primitives.bitcoin import (
    NULL_OUTPOINT,
    BitcoinBlock,
    BitcoinFormat,
    BitcoinHeader,
    Transaction,
    TxInput,
    TxOutput,
    encode_block,
)
from primitives.buffer import Reader, Writer
from primitives.chain import Form
from primitives.errors import DecodeError
from primitives.ethereum import EMPTY_BLOOM, EMPTY_OMMERS, EMPTY_ROOT, EthereumBlock, EthereumHeader
from primitives.ethereum_directives import encode_edits, set_balance
from primitives.ethereum_tx import DYNAMIC_FEE, EthereumTransaction, sign
from primitives.peercoin import PeercoinBlock, PeercoinFormat, PeercoinHeader
from primitives.sealed import SEALED_SIZE, SealedFormat, SealedHeader, with_seal
from primitives.twin import (
    COMMITMENT_HEAD,
    EXIT_SIZE,
    EXITS_A_BLOCK,
    LEAST_EXIT,
    MOST_EXIT,
    Deposit,
    Exit,
    TwinBlock,
    TwinFormat,
    TwinTransaction,
    carrier_of,
    commitment_of,
    decode_exits,
    deposit_of,
    deposit_output,
    deposits_of,
    encode_exits,
    outer_of,
    payload_of,
    payload_output,
    withdrawals_of,
)

ADDRESS = b"\x77" * 20
HEADER = BitcoinHeader(4, b"\x01" * 32, b"\x02" * 32, 1_700_000_000, 0x207FFFFF, 9)
WITNESSED = Transaction(
    2, (TxInput(b"\x03" * 36, b"", 5, (b"a", b"bc")),), (TxOutput(1, b"\x51"), deposit_output(ADDRESS, 7))
)
COINSTAKE = Transaction(
    2, (TxInput(b"\x04" * 36, b"\x51"),), (TxOutput(0, b""), TxOutput(9, b"\x51"), payload_output(b"\x05" * 32))
)
COINBASE = Transaction(1, (TxInput(NULL_OUTPOINT, b"\x51\x00"),), (TxOutput(0, b""), payload_output(b"\x06" * 32)))
CALL = sign(
    EthereumTransaction(DYNAMIC_FEE, 31_337, 0, tip_cap=1, fee_cap=2, gas_limit=21_000, to=ADDRESS, value=3, data=b"\x01"),
    bytes(31) + b"\x01",
)  # fmt: skip
PAYLOAD = EthereumBlock(
    EthereumHeader(
        bytes(32), EMPTY_OMMERS, ADDRESS, EMPTY_ROOT, EMPTY_ROOT, EMPTY_ROOT, EMPTY_BLOOM, 0, 1, 30_000_000, 0, 1_700_000_000,
        b"", b"\x01" * 32, bytes(8), 7, EMPTY_ROOT, 0, 0, b"\x01" * 32, bytes(32),
    ),
    (CALL,),
    withdrawals=withdrawals_of((Deposit(ADDRESS, 7),), 3),
)  # fmt: skip
STAKED = PeercoinBlock(PeercoinHeader(6, b"\x01" * 32, b"\x02" * 32, 1, 2, 3, True), (COINBASE, COINSTAKE), b"\x30\x01")
CASES = {
    "bitcoin": (TwinFormat(BitcoinFormat()), TwinBlock(BitcoinBlock(HEADER, (COINBASE, WITNESSED)), PAYLOAD)),
    "sealed": (
        TwinFormat(SealedFormat()),
        TwinBlock(BitcoinBlock(with_seal(HEADER, b"\x08" * 32, 1 << 63), (COINBASE, WITNESSED)), PAYLOAD),
    ),
    "stake": (TwinFormat(PeercoinFormat("bitcoin-stake", timed=False)), TwinBlock(STAKED, PAYLOAD)),
}
BOTH = pytest.mark.parametrize("case", CASES)


def written(fmt: TwinFormat, block: TwinBlock, form: Form) -> bytes:
    w = Writer()
    fmt.write_block(w, block, form)
    return w.done()


@BOTH
@pytest.mark.parametrize("form", [Form.STORE, Form.WIRE])
def test_a_block_comes_back_whole_and_never_from_a_part(case: str, form: Form) -> None:
    fmt, block = CASES[case]
    raw = written(fmt, block, form)
    r = Reader(raw)
    assert fmt.read_block(r, form) == block
    r.finish()
    assert fmt.peek_header(Reader(raw), form) == block.header
    for end in range(len(raw)):
        with pytest.raises(DecodeError):
            fmt.read_block(Reader(raw[:end]), form)


@BOTH
def test_clients_read_a_plain_bitcoin_block(case: str) -> None:
    fmt, block = CASES[case]
    plain = BitcoinBlock(
        BitcoinHeader(*(getattr(block.header, f) for f in BitcoinHeader.__dataclass_fields__)), block.outer.txs
    )
    raw = written(fmt, block, Form.CLIENT)
    assert raw == encode_block(plain)
    again = fmt.read_block(Reader(raw), Form.CLIENT)
    assert again.header.hash == block.header.hash and again.txs == block.outer.txs


@BOTH
def test_bare_blocks_lack_witnesses_and_nothing_else(case: str) -> None:
    fmt, block = CASES[case]
    bare = fmt.read_block(Reader(written(fmt, block, Form.BARE)), Form.WIRE)
    assert bare.payload == block.payload and not any(tx.has_witness for tx in bare.outer.txs)
    assert [tx.id for tx in bare.outer.txs] == [tx.id for tx in block.outer.txs]


@BOTH
@pytest.mark.parametrize("form", [Form.STORE, Form.WIRE, Form.CLIENT])
def test_a_header_comes_back_from_each_form(case: str, form: Form) -> None:
    fmt, block = CASES[case]
    w = Writer()
    fmt.write_header(w, block.header, form)
    found = fmt.read_header(Reader(w.done()), form)
    assert found.hash == block.header.hash
    assert form is Form.CLIENT or found == block.header


@pytest.mark.parametrize("form", [Form.STORE, Form.WIRE])
def test_a_transaction_comes_after_its_kind(form: Form) -> None:
    fmt = TwinFormat(BitcoinFormat())
    pair: tuple[TwinTransaction, ...] = (WITNESSED, CALL)
    for kind, tx in enumerate(pair):
        w = Writer()
        fmt.write_tx(w, tx, form)
        raw = w.done()
        assert raw[0] == kind and fmt.read_tx(Reader(raw), form).id == tx.id
    with pytest.raises(DecodeError, match="kind 2"):
        fmt.read_tx(Reader(b"\x02" + raw[1:]), form)


def test_clients_get_each_familys_plain_transaction() -> None:
    fmt = TwinFormat(BitcoinFormat())
    for tx in (WITNESSED, CALL):
        w = Writer()
        fmt.write_tx(w, tx, Form.CLIENT)
        assert w.done() == tx.raw
    assert fmt.read_tx(Reader(WITNESSED.raw), Form.CLIENT) == WITNESSED


def test_what_formats_say_of_the_wire_is_the_outer_ones() -> None:
    bitcoin, stake = CASES["bitcoin"][0], CASES["stake"][0]
    assert bitcoin.after_header == b"\0" and not bitcoin.signed_compact and bitcoin.stored_as_sent
    assert stake.after_header == b"\0\0" and stake.signed_compact


@BOTH
@given(data=st.binary(max_size=400))
def test_random_bytes_are_refused_as_such(case: str, data: bytes) -> None:
    fmt = CASES[case][0]
    for form in (Form.STORE, Form.WIRE, Form.CLIENT):
        for read in (fmt.read_block, fmt.read_header, fmt.read_tx):
            with suppress(DecodeError):
                read(Reader(data), form)
    with suppress(DecodeError):
        decode_exits(data)


@BOTH
@given(at=st.integers(0, 10_000), flip=st.integers(1, 255))
def test_a_flipped_byte_is_refused_or_makes_another_block(case: str, at: int, flip: int) -> None:
    fmt, block = CASES[case]
    raw = bytearray(written(fmt, block, Form.WIRE))
    at %= len(raw)
    if case == "stake" and 80 <= at < 84:
        return  # a stake header's flags: peers set them as they like, all but one are dropped
    raw[at] ^= flip
    try:
        r = Reader(bytes(raw))
        found = fmt.read_block(r, Form.WIRE)
        r.finish()
    except DecodeError:
        return
    assert written(fmt, found, Form.WIRE) == bytes(raw), "one block has one encoding"


def test_directives_travel_with_the_payload() -> None:
    fmt, block = CASES["bitcoin"]
    edited = replace(block, payload=replace(PAYLOAD, directives=encode_edits((set_balance(ADDRESS, 5),))))
    assert fmt.read_block(Reader(written(fmt, edited, Form.WIRE)), Form.WIRE) == edited


def test_the_seal_lies_beside_the_hash() -> None:
    sealed = with_seal(HEADER, b"\x08" * 32, 5)
    assert isinstance(sealed, SealedHeader) and sealed.hash == HEADER.hash == replace(sealed, seal=6).hash
    assert len(sealed.sealed_raw) == SEALED_SIZE == 120
    plain = SealedFormat().read_header(Reader(HEADER.raw), Form.CLIENT)
    assert (plain.mix, plain.seal, plain.raw) == (bytes(32), 0, HEADER.raw)


def test_a_block_shows_both_halves() -> None:
    block = CASES["bitcoin"][1]
    assert block.txs == (COINBASE, WITNESSED, CALL) and block.side_headers == ()
    assert outer_of(block) is block.outer and payload_of(block) is block.payload
    assert outer_of(block.outer) is block.outer and payload_of(PAYLOAD) is PAYLOAD


def test_the_carrier_is_the_coinstake_where_there_is_one() -> None:
    assert carrier_of(STAKED) == COINSTAKE and CASES["stake"][1].carrier == COINSTAKE
    assert carrier_of(replace(STAKED, txs=(COINBASE, WITNESSED))) == COINBASE
    assert CASES["bitcoin"][1].carrier == COINBASE


def test_the_last_commitment_counts_and_near_misses_do_not() -> None:
    def carrier(*scripts: bytes) -> Transaction:
        return replace(COINBASE, outputs=tuple(TxOutput(0, s) for s in scripts))

    one, two = COMMITMENT_HEAD + b"\x01" * 32, COMMITMENT_HEAD + b"\x02" * 32
    assert commitment_of(carrier(one, b"\x51", two, b"")) == (2, b"\x02" * 32)
    assert commitment_of(carrier(two, one)) == (1, b"\x01" * 32)
    for miss in (one + b"\0", one[:-1], b"\x6a\x24twin" + b"\x01" * 32, b"\x6a\x4c\x24TWIN" + b"\x01" * 32, b""):
        assert commitment_of(carrier(miss)) is None


def test_a_deposit_has_one_form_and_a_value() -> None:
    assert deposit_of(deposit_output(ADDRESS, 1)) == (ADDRESS, 1)
    script = deposit_output(ADDRESS, 1).script
    for output in (
        TxOutput(0, script),
        TxOutput(5, script + b"\0"),
        TxOutput(5, script[:-1]),
        TxOutput(5, b"\x6a" + script[2:]),
    ):
        assert deposit_of(output) is None


def test_deposits_are_those_of_all_transactions_but_the_coinbase() -> None:
    twice = replace(
        WITNESSED, outputs=(deposit_output(b"\x01" * 20, 1), TxOutput(0, b""), deposit_output(b"\x02" * 20, 2))
    )
    coinbase = replace(COINBASE, outputs=(deposit_output(ADDRESS, 5),))
    block = BitcoinBlock(HEADER, (coinbase, WITNESSED, twice))
    assert deposits_of(block) == ((ADDRESS, 7), (b"\x01" * 20, 1), (b"\x02" * 20, 2))
    assert [(w.index, w.validator, w.address, w.amount_gwei) for w in withdrawals_of(deposits_of(block), 40)] == [
        (40, 0, ADDRESS, 70),
        (41, 0, b"\x01" * 20, 10),
        (42, 0, b"\x02" * 20, 20),
    ]


exits = st.tuples(
    st.binary(min_size=20, max_size=20),
    st.one_of(st.binary(min_size=20, max_size=20), st.binary(min_size=32, max_size=32)),
    st.integers(LEAST_EXIT, MOST_EXIT),
).map(lambda t: Exit(t[0], int(len(t[1]) == 32), t[1], t[2]))


@given(st.lists(exits, max_size=EXITS_A_BLOCK).map(tuple))
def test_exits_come_back_from_their_request(found: tuple[Exit, ...]) -> None:
    raw = encode_exits(found)
    assert len(raw) == EXIT_SIZE * len(found) and decode_exits(raw) == found


def test_an_exit_pays_a_witness_program() -> None:
    assert Exit(ADDRESS, 0, b"\x11" * 20, 5_000).output == (5_000, b"\x00\x14" + b"\x11" * 20)
    assert Exit(ADDRESS, 1, b"\x11" * 32, 5_000).output == (5_000, b"\x51\x20" + b"\x11" * 32)


@pytest.mark.parametrize(
    "bad",
    [
        b"\0" * 60,
        encode_exits((Exit(ADDRESS, 0, b"\x11" * 20, 5_000),)) * 17,
        encode_exits((Exit(ADDRESS, 2, b"\x11" * 32, 5_000),)),
        encode_exits((Exit(ADDRESS, 0, b"\x11" * 21, 5_000),)),
        encode_exits((Exit(ADDRESS, 0, b"\x11" * 20, LEAST_EXIT - 1),)),
        encode_exits((Exit(ADDRESS, 1, b"\x11" * 32, MOST_EXIT + 1),)),
    ],
)
def test_what_the_predeploy_cannot_say_is_refused(bad: bytes) -> None:
    with pytest.raises(DecodeError):
        decode_exits(bad)
