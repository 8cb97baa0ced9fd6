"""Single transactions with their coins, and the 2,000-block chain with its 5,000 payments: parsed, verified, connected."""

from __future__ import annotations

import json
import lzma
import struct
from collections.abc import Callable, Iterator
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

from chains.bitcoin import REGTEST
from ledger.api import Aid
from ledger.utxo.statistics import statistics
from node.chain import Chain
from node.gate import Gate, Position
from node.mempool import Mempool
from primitives.bitcoin import Transaction, TxOutput, decode_block, decode_transaction, read_transaction
from primitives.buffer import Reader
from storage.memory import MemoryStore
from vm.script.flags import Flags
from vm.script.sighash import SpendContext
from vm.script.verify import verify_input

Case = tuple[str, Callable[[], None]]
UTXO_HASH = "1e3d8f39117b92106d79616d2a284a131071f8a3f9997d24e25347a33afb30b6"
LATE = 1_900_000_000


def transactions(folder: Path) -> Iterator[Case]:
    """Real transactions: id, encoding and, where their coins are known, every input."""
    for row in json.loads((folder / "tx" / "bcoin_tx.json").read_text()):
        yield row["name"], partial(_transaction, row)
    yield "many inputs", partial(_many, json.loads((folder / "tx" / "many_inputs_tx.json").read_text())["tx_hex"])


def _transaction(row: dict[str, Any]) -> None:
    raw = bytes.fromhex(row["tx_hex"])
    r = Reader(raw)
    tx = read_transaction(r)
    assert r.left == int(row.get("trailing_bytes", 0))
    assert tx.id[::-1].hex() == row["txid"]
    assert Transaction(tx.version, tx.inputs, tx.outputs, tx.lock_time).raw == raw[: r.pos]
    coins = {
        bytes.fromhex(p["txid"])[::-1] + p["vout"].to_bytes(4, "little"): TxOutput(
            p["value_sat"], bytes.fromhex(p["script_hex"])
        )
        for p in row.get("prevouts") or ()
    }
    if coins and all(i.outpoint in coins for i in tx.inputs):
        context = SpendContext(tx, [coins[i.outpoint] for i in tx.inputs])
        for index in range(len(tx.inputs)):
            verify_input(context, index, int(Flags.P2SH))  # the law of its time


def _many(text: str) -> None:
    raw = bytes.fromhex(text)
    r = Reader(raw)
    tx = read_transaction(r)  # more bytes follow in the file, as its own project's reader lets them
    again = Transaction(tx.version, tx.inputs, tx.outputs, tx.lock_time)
    assert again.raw == raw[: r.pos] and again.id == tx.id and len(tx.inputs) == raw[4] == 89


def sync(folder: Path) -> Iterator[Case]:
    """The chain connected in full, ending on its UTXO hash; each of its 5,000 payments taken into the mempool."""
    yield "2,000 blocks", partial(_chain, folder)
    for number in range(len(_payments(folder)["txs"])):
        yield f"payment {number}", partial(_payment, folder, number)


def _chain(folder: Path) -> None:
    raw, at = lzma.decompress((folder / "sync" / "sync-chain-2000.dat.xz").read_bytes()), 0
    chain = Chain(REGTEST, MemoryStore())
    while at < len(raw):
        (size,) = struct.unpack_from("<I", raw, at + 4)
        chain.accept(decode_block(raw[at + 8 : at + 8 + size]), LATE)
        at += 8 + size
    with chain.view() as view:
        found = statistics(view.state)
    assert chain.tip.height == 2000 and found.txouts == 30990 and found.total_amount == 1_494_848_022_301
    assert found.hash_serialized is not None and found.hash_serialized[::-1].hex() == UTXO_HASH


@lru_cache(1)
def _payments(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(lzma.decompress((folder / "sync" / "tx5000.json.xz").read_bytes()))
    return found


@lru_cache(1)
def _gate(folder: Path) -> tuple[Chain, Gate]:
    data = _payments(folder)
    chain = Chain(REGTEST, MemoryStore())
    chain.extend((decode_block(bytes.fromhex(b)) for b in data["blocks"]), LATE)
    assert chain.tip.hash[::-1].hex() == data["tip"]
    return chain, Gate(REGTEST.ledger, Mempool(REGTEST.ledger.policy), Aid(), bytes(16))


def _payment(folder: Path, number: int) -> None:
    chain, gate = _gate(folder)
    tx = decode_transaction(bytes.fromhex(_payments(folder)["txs"][number]))
    with chain.view() as view:
        changes = gate.submit(tx, Position(view.branch, view.state, LATE))
    assert [e.id for e in changes.added] == [tx.id]


SUITES = {"transactions": transactions, "sync": sync}
