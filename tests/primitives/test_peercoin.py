"""PeerCoin's codec: what differs from Bitcoin's."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chains.peercoin import MAINNET, REGTEST, STAKE_DEV
from primitives.bitcoin import NULL_OUTPOINT, Transaction, TxInput, TxOutput, decode_block, read_transaction
from primitives.buffer import Reader, Writer
from primitives.chain import Form
from primitives.errors import DecodeError
from primitives.peercoin import PeercoinBlock, PeercoinFormat, PeercoinHeader, is_coinstake

EMPTY = TxOutput(0, b"")
COINBASE = Transaction(1, (TxInput(NULL_OUTPOINT, b"\x01\x02"),), (EMPTY,), 0, 7)
COINSTAKE = Transaction(1, (TxInput(b"\x01" * 36, b"\x51"),), (EMPTY, TxOutput(5, b"\x51")), 0, 7)
WORK = PeercoinBlock(PeercoinHeader(6, b"\x02" * 32, b"\x03" * 32, 1, 2, 3), (COINBASE,), b"")
STAKE = PeercoinBlock(PeercoinHeader(6, b"\x02" * 32, b"\x03" * 32, 1, 2, 3, True), (COINBASE, COINSTAKE), b"\x30\x01")


def written(block: PeercoinBlock, form: Form, fmt: PeercoinFormat | None = None) -> bytes:
    w = Writer()
    (fmt or PeercoinFormat()).write_block(w, block, form)
    return w.done()


@pytest.mark.parametrize("block", [WORK, STAKE])
@pytest.mark.parametrize("form", [Form.STORE, Form.WIRE, Form.CLIENT])
def test_a_block_comes_back_from_each_form(block: PeercoinBlock, form: Form) -> None:
    raw = written(block, form)
    r = Reader(raw)
    assert PeercoinFormat().read_block(r, form) == block
    r.finish()
    assert block.size == len(written(block, Form.CLIENT)) == len(raw) - (0 if form is Form.CLIENT else 4)
    for end in range(len(raw)):
        with pytest.raises(DecodeError):
            PeercoinFormat().read_block(Reader(raw[:end]), form)


@pytest.mark.parametrize("flags", range(8))
def test_of_the_flags_that_peers_send_only_the_kind_is_kept(flags: int) -> None:
    header = PeercoinFormat().read_header(Reader(WORK.header.raw + flags.to_bytes(4, "little")), Form.WIRE)
    assert header.stake == bool(flags & 1) and header.hash == WORK.header.hash
    w = Writer()
    PeercoinFormat().write_header(w, header, Form.WIRE)
    assert w.done()[80:] == (flags & 1).to_bytes(4, "little")


def test_the_kind_is_no_part_of_the_hash() -> None:
    assert replace(WORK.header, stake=True).hash == WORK.header.hash


@given(st.integers(-(1 << 31), (1 << 31) - 1), st.integers(0, (1 << 32) - 1), st.booleans())
def test_a_transaction_bears_a_time_exactly_below_version_3(version: int, time: int, witness: bool) -> None:
    spend = TxInput(b"\x01" * 36, b"\x51", witness=(b"w",) if witness else ())
    tx = Transaction(version, (spend,), (TxOutput(5, b"\x51"),), 9, time if version < 3 else None)
    r = Reader(tx.raw)
    read = read_transaction(r, timed=True)
    r.finish()
    assert read == tx and (read.raw, read.base, read.id) == (tx.raw, tx.base, tx.id)
    assert (read.time is None) == (version >= 3)
    if version < 3:
        assert tx.raw[4:8] == time.to_bytes(4, "little")


def test_what_a_coinstake_is() -> None:
    assert is_coinstake(COINSTAKE)
    assert not is_coinstake(COINBASE)
    assert not is_coinstake(replace(COINSTAKE, outputs=(EMPTY,)))
    assert not is_coinstake(replace(COINSTAKE, outputs=(TxOutput(0, b"\x51"), TxOutput(5, b"\x51"))))
    assert not is_coinstake(replace(COINSTAKE, outputs=(TxOutput(1, b""), TxOutput(5, b"\x51"))))
    null = TxInput(NULL_OUTPOINT, b"\x51")
    assert not is_coinstake(replace(COINSTAKE, inputs=(null, *COINSTAKE.inputs)))
    assert is_coinstake(replace(COINSTAKE, inputs=(*COINSTAKE.inputs, null)))
    assert STAKE.is_stake and not WORK.is_stake and STAKE.coinstake is COINSTAKE and WORK.coinstake is None


def test_the_bare_form_leaves_witnesses_out() -> None:
    spend = COINSTAKE.inputs[0]._replace(witness=(b"w",))
    block = replace(STAKE, txs=(COINBASE, replace(COINSTAKE, inputs=(spend,))))
    assert written(block, Form.BARE) == written(STAKE, Form.WIRE) != written(block, Form.WIRE)


def test_without_times_the_client_form_is_a_plain_bitcoin_block() -> None:
    fmt = PeercoinFormat(timed=False)
    txs = tuple(replace(tx, version=2, time=None) for tx in STAKE.txs)
    block = replace(STAKE, txs=txs)
    plain = decode_block(written(block, Form.CLIENT, fmt))
    assert plain.txs == txs and plain.header.hash == block.header.hash
    back = fmt.read_block(Reader(written(block, Form.CLIENT, fmt)), Form.CLIENT)
    assert back == replace(block, signature=b"")
    assert fmt.read_block(Reader(written(block, Form.STORE, fmt)), Form.STORE) == block


def test_genesis_blocks() -> None:
    assert MAINNET.genesis.header.hash[::-1].hex().startswith("0000000032fe6771")
    assert REGTEST.genesis.header.hash[::-1].hex().startswith("00000001f757bb73")
    assert STAKE_DEV.genesis.txs[0].time is None
