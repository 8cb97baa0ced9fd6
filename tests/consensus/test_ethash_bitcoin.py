"""Ethash over Bitcoin's headers: what is sealed, how hard, and at which height."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest

from consensus.difficulty import Retarget
from consensus.ethash_bitcoin import BitcoinSealing, check_seal_beside, ethash_over_bitcoin
from consensus.ethash_data import SMALL_SIZES
from ledger.utxo.checks import height_push
from primitives import target
from primitives.bitcoin import NULL_OUTPOINT, BitcoinBlock, BitcoinHeader, Transaction, TxInput, TxOutput
from primitives.chain import Entry
from primitives.errors import InvalidHeader, Mutated
from primitives.hashing import keccak256
from primitives.sealed import SealedHeader, with_seal
from tests.builders import ListBranch

RULE = Retarget((1 << 255) - 1, timespan=86_400, min_after=1_200, fixed=True)
ENGINE = ethash_over_bitcoin(RULE, SMALL_SIZES)
BITS = 0x207FFFFF


@dataclass(frozen=True, slots=True)
class Purse:
    payee: bytes = b""
    threads: int = 1


def block(height: int, bits: int = BITS) -> BitcoinBlock:
    coinbase = Transaction(1, (TxInput(NULL_OUTPOINT, height_push(height) + b"\x00"),), (TxOutput(0, b""),))
    return BitcoinBlock(
        with_seal(BitcoinHeader(4, bytes(32), coinbase.id, 1_000_600, bits, 0), bytes(32), 0), (coinbase,)
    )


def branch(height: int) -> ListBranch:
    header = BitcoinHeader(4, bytes(32), bytes(32), 1_000_000, BITS, 0)
    return ListBranch([Entry(header, at, 1) for at in range(height + 1)])


def sealed(height: int = 7) -> SealedHeader:
    found = ENGINE.seal(block(height), Purse(), lambda: False)
    assert isinstance(found, BitcoinBlock) and isinstance(found.header, SealedHeader)
    return found.header


def test_a_seal_is_found_and_holds() -> None:
    header = sealed()
    ENGINE.check_header(header, branch(6))
    assert header.hash == BitcoinHeader(*(getattr(header, f) for f in BitcoinHeader.__dataclass_fields__)).hash
    assert ENGINE.weight(header) == target.work(BITS) == 2


@pytest.mark.parametrize("height", [1, 16, 17, 127, 128, 255, 256, 70_000])
def test_the_height_is_read_off_the_coinbase(height: int) -> None:
    assert BitcoinSealing().height(block(height)) == height
    assert BitcoinSealing().number(block(height).header, branch(height - 1)) == height


def test_sealed_is_keccak_of_the_eighty_bytes() -> None:
    header = sealed()
    assert (
        BitcoinSealing().work(header)
        == keccak256(header.raw)
        == BitcoinSealing().work(replace(header, seal=9, mix=b"\1" * 32))
    )


@pytest.mark.parametrize("change", [{"mix": b"\x01" * 32}, {"nonce": 1}, {"merkle_root": b"\x01" * 32}, {"version": 5}])
def test_another_header_or_mix_does_not_hold(change: dict[str, object]) -> None:
    bad = 0
    for height in range(1, 6):
        wrong = replace(sealed(height), **change)  # type: ignore[arg-type]
        try:
            ENGINE.check_header(wrong, branch(height - 1))
        except InvalidHeader as e:
            assert e.rule in ("invalid proof-of-work", "invalid mix digest")
            bad += 1
    assert bad == 5, "half would pass the target by luck, none has the mix digest of its own work"


def test_bits_come_first() -> None:
    with pytest.raises(InvalidHeader, match="bad-diffbits"):
        ENGINE.check_header(replace(sealed(), bits=0x1F7FFFFF), branch(6))


def test_beside_a_known_header_a_wrong_seal_is_mutated() -> None:
    header = sealed()
    check_seal_beside(ENGINE, header, branch(6))
    with pytest.raises(Mutated, match=r"invalid (mix digest|proof-of-work)"):
        check_seal_beside(ENGINE, replace(header, mix=b"\x01" * 32), branch(6))
