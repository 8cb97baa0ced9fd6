"""What moved between the halves of a twin chain: an index of deposits and exits, undone with its blocks like any index.

It refuses to judge: what is here was connected, so the ledger has judged it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from struct import Struct
from typing import Any, Final

from ledger.account.requests import EXIT_TYPE, EXITS
from ledger.api import Applied
from primitives.chain import Entry
from primitives.ethereum import decode_receipt
from primitives.hashing import keccak256
from primitives.twin import Exit, TwinBlock, carrier_of, commitment_of, decode_exits, deposit_of
from storage.kv import KV, Journal
from storage.layout import MOVE

EVENT: Final = keccak256(b"Exit(uint256,address,uint8,bytes32,uint64)")
"""The log of an exit: number and source are indexed; then version, program and satoshi."""
_DEPOSIT: Final = Struct(">32sIQ20sQ")
_EXIT: Final = Struct(">32sQ20sB32sQ")
_PAID: Final = Struct(">32sIQ")
_DEPOSITS, _EXITS, _COUNTS = b"d", b"x", b"n"


@dataclass(frozen=True, slots=True)
class DepositRecord:
    """Coins that were credited to an account."""

    number: int
    txid: bytes
    vout: int
    height: int
    account: bytes
    satoshi: int


@dataclass(frozen=True, slots=True)
class ExitRecord:
    """Ether that was locked, and, once its turn came, the output that pays coins for it."""

    number: int
    txid: bytes
    """Of the transaction that called the contract."""
    height: int
    exit: Exit
    paid_by: bytes = b""
    """Id of the coinbase or coinstake; empty while it is queued."""
    paid_at: int = 0
    """Which output of it."""
    paid_height: int = 0


@dataclass(frozen=True, slots=True)
class Counts:
    """How many deposits were credited, exits asked for and exits paid, up to the tip."""

    deposits: int = 0
    exits: int = 0
    paid: int = 0


def counts(kv: KV) -> Counts:
    """The sums at the tip."""
    raw = kv.get(MOVE + _COUNTS)
    return Counts() if raw is None else Counts(*(int.from_bytes(raw[at : at + 8], "big") for at in (0, 8, 16)))


def _key(kind: bytes, number: int) -> bytes:
    return MOVE + kind + number.to_bytes(8, "big")


@dataclass(frozen=True, slots=True)
class MoveIndex:
    """Writes what `connect` found out; always kept on a twin chain."""

    name: str = "moves"

    def on_connect(self, block: TwinBlock, entry: Entry[Any], applied: Applied, journal: Journal) -> None:
        """Note the block's deposits, the exits that were asked for in it, and those that it pays."""
        before = counts(journal)
        deposits = _note_deposits(block, entry.height, before.deposits, journal)
        exits = _note_exits(block, entry.height, applied, journal)
        paid = _note_paid(block, entry.height, before.paid, applied, journal)
        if deposits or exits or paid:
            sums = (before.deposits + deposits, before.exits + exits, before.paid + paid)
            journal.put(MOVE + _COUNTS, b"".join(n.to_bytes(8, "big") for n in sums))


def _note_deposits(block: TwinBlock, height: int, number: int, journal: Journal) -> int:
    first = number
    for tx in block.outer.txs[1:]:
        for vout, output in enumerate(tx.outputs):
            found = deposit_of(output)
            if found is not None:
                journal.put(_key(_DEPOSITS, number), _DEPOSIT.pack(tx.id, vout, height, *found))
                number += 1
    return number - first


def _note_exits(block: TwinBlock, height: int, applied: Applied, journal: Journal) -> int:
    if not any(log.address == EXITS for log in applied.logs):
        return 0
    found = 0
    for tx, raw in zip(block.payload.txs, applied.receipts, strict=True):
        for log in decode_receipt(raw).logs:
            if log.address == EXITS and log.topics and log.topics[0] == EVENT:
                number, source = int.from_bytes(log.topics[1], "big"), log.topics[2][12:]
                version, satoshi = log.data[31], int.from_bytes(log.data[64:96], "big")
                record = _EXIT.pack(tx.id, height, source, version, log.data[32:64], satoshi)
                journal.put(_key(_EXITS, number), record)
                found += 1
    return found


def _note_paid(block: TwinBlock, height: int, number: int, applied: Applied, journal: Journal) -> int:
    due = next((decode_exits(data) for kind, data in applied.requests if kind == EXIT_TYPE), ())
    carrier = carrier_of(block.outer)
    commitment = commitment_of(carrier)
    first = 0 if commitment is None else commitment.at - len(due)
    for n in range(len(due)):
        key = _key(_EXITS, number + n)
        raw = journal.get(key)
        if raw is not None:
            journal.put(key, raw[: _EXIT.size] + _PAID.pack(carrier.id, first + n, height))
    return len(due)


def deposits_from(kv: KV, first: int) -> Iterator[DepositRecord]:
    """The deposits from a number on."""
    for key, raw in kv.scan(MOVE + _DEPOSITS, first.to_bytes(8, "big")):
        yield DepositRecord(int.from_bytes(key[-8:], "big"), *_DEPOSIT.unpack(raw))


def exits_from(kv: KV, first: int) -> Iterator[ExitRecord]:
    """The exits from a number on."""
    for key, raw in kv.scan(MOVE + _EXITS, first.to_bytes(8, "big")):
        txid, height, source, version, program, satoshi = _EXIT.unpack(raw[: _EXIT.size])
        exit_ = Exit(source, version, program[: 32 if version else 20], satoshi)
        paid = _PAID.unpack(raw[_EXIT.size :]) if len(raw) > _EXIT.size else ()
        yield ExitRecord(int.from_bytes(key[-8:], "big"), txid, height, exit_, *paid)
