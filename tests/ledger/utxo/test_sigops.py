"""Signature operations are counted as Core counts them."""

from __future__ import annotations

import pytest

from ledger.utxo.coins import Coin
from ledger.utxo.sigops import legacy_sigops, sigop_cost, sigops
from primitives.bitcoin import Transaction, TxInput, TxOutput
from primitives.hashing import hash160, sha256
from vm.script.asm import from_asm
from vm.script.flags import Flags
from vm.script.opcodes import push

ALL = int(Flags.P2SH | Flags.WITNESS)
KEY = "0x21" + "02" * 33


@pytest.mark.parametrize(
    ("asm", "loose", "accurate"),
    [
        ("", 0, 0),
        ("DUP HASH160 0x14 0x" + "ac" * 20 + " EQUALVERIFY CHECKSIG", 1, 1),
        ("DUP HASH160 0x14 0x" + "ac" * 20 + " EQUALVERIFY CHECKSIGVERIFY", 1, 1),
        ("CHECKSIG CHECKSIGVERIFY", 2, 2),
        ("CHECKMULTISIG", 20, 20),
        ("2 CHECKMULTISIGVERIFY", 20, 2),
        ("16 CHECKMULTISIG", 20, 16),
        ("0 CHECKMULTISIG", 20, 20),
        ("-1 CHECKMULTISIG", 20, 20),
        ("3 NOP CHECKMULTISIG", 20, 20),
        ("0x01 0xac CHECKSIG", 1, 1),
        ("CHECKSIG 0x4c", 1, 1),
        ("CHECKSIG 0x4d 0x01", 1, 1),
        ("CHECKSIG 0x05 0xacacacac", 1, 1),
        ("0x4c 0x02 0xacac CHECKSIG", 1, 1),
        ("0x4d 0x0200 0xacac CHECKSIG", 1, 1),
        ("0x4e 0x02000000 0xacac CHECKSIG", 1, 1),
        ("0x4e 0xffffffff CHECKSIG", 0, 0),
        ("RETURN CHECKSIG", 1, 1),
    ],
)
def test_a_script(asm: str, loose: int, accurate: int) -> None:
    script = from_asm(asm)
    assert (sigops(script, False), sigops(script, True)) == (loose, accurate)


def spending(script: bytes = b"", witness: tuple[bytes, ...] = ()) -> Transaction:
    return Transaction(1, (TxInput(bytes(36), script, witness=witness),), (TxOutput(0, from_asm("CHECKSIG")),))


MULTISIG = from_asm("1 CHECKSIGVERIFY 2 CHECKMULTISIG")  # accurately 3


@pytest.mark.parametrize(
    ("script", "witness", "coin", "flags", "cost"),
    [
        (b"", (), from_asm("CHECKSIG"), ALL, 4),
        (push(MULTISIG), (), b"\xa9\x14" + hash160(MULTISIG) + b"\x87", ALL, 4 + 12),
        (push(MULTISIG), (), b"\xa9\x14" + hash160(MULTISIG) + b"\x87", 0, 4),
        (from_asm("NOP") + push(MULTISIG), (), b"\xa9\x14" + bytes(20) + b"\x87", ALL, 4),
        (b"\x05\x01", (), b"\xa9\x14" + bytes(20) + b"\x87", ALL, 4),
        (b"", (b"sig", b"key"), b"\x00\x14" + bytes(20), ALL, 4 + 1),
        (b"", (b"sig", b"key"), b"\x00\x14" + bytes(20), int(Flags.P2SH), 4),
        (b"", (MULTISIG,), b"\x00\x20" + sha256(MULTISIG), ALL, 4 + 3),
        (b"", (), b"\x00\x20" + sha256(MULTISIG), ALL, 4),
        (b"", (MULTISIG,), b"\x51\x20" + bytes(32), ALL, 4),
        (b"", (MULTISIG,), b"\x00\x1f" + bytes(31), ALL, 4),
        (push(b"\x00\x14" + bytes(20)), (b"s", b"k"), b"\xa9\x14" + bytes(20) + b"\x87", ALL, 4 + 1),
        (push(b"\x00\x20" + bytes(32)), (MULTISIG,), b"\xa9\x14" + bytes(20) + b"\x87", ALL, 4 + 3),
    ],
)
def test_the_cost_of_a_transaction(
    script: bytes, witness: tuple[bytes, ...], coin: bytes, flags: int, cost: int
) -> None:
    assert sigop_cost(spending(script, witness), [Coin(0, coin, 1)], flags) == cost


def test_a_coinbase_counts_its_own_scripts_only() -> None:
    assert sigop_cost(spending(from_asm("CHECKSIG")), (), ALL) == 8


def test_legacy_operations_are_those_of_both_sides() -> None:
    assert legacy_sigops(spending(from_asm("CHECKMULTISIG"))) == 21
