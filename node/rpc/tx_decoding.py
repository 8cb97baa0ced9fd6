"""Transactions from hex as Bitcoin Core guesses them: the form with witnesses, or the one before them, which can have no inputs at all.

It refuses to know rules: whatever has the form of a transaction is one. Source: Bitcoin Core, core_io.cpp, DecodeTx.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from node.rpc.bitcoin_json import has_valid_ops
from primitives.bitcoin import Transaction, TxInput, TxOutput
from primitives.buffer import Reader
from primitives.chain import Form, Format
from primitives.errors import DecodeError
from vm.script.stack import MAX_SCRIPT_SIZE


def decode_tx(raw: bytes, fmt: Format, old: bool = True, new: bool = True) -> Any:
    """The transaction that these bytes are, most likely; `old` and `new` say which forms are tried. Raises DecodeError."""
    if raw[4:5] != b"\x00" or fmt.name != "bitcoin":
        return _whole(raw, fmt)  # one form only
    found = [tx for tx in (_tried(_whole, raw, fmt, new), _tried(_before_witnesses, raw, fmt, old)) if tx is not None]
    if not found:
        raise DecodeError("neither form of a transaction")
    if len(found) == 1:
        return found[0]
    return next((tx for tx in found if _is_sane(tx)), found[0])


def _tried(read: Callable[[bytes, Format], Any], raw: bytes, fmt: Format, wanted: bool) -> Any:
    try:
        return read(raw, fmt) if wanted else None
    except DecodeError:
        return None


def _whole(raw: bytes, fmt: Format) -> Any:
    r = Reader(raw)
    tx = fmt.read_tx(r, Form.CLIENT)
    r.finish()
    return tx


def _before_witnesses(raw: bytes, _: Format) -> Transaction:
    r = Reader(raw)
    version = r.i32()
    inputs = r.many(lambda r: TxInput(r.bytes(36), r.var_bytes(), r.u32()), 41)
    outputs = r.many(lambda r: TxOutput(r.i64(), r.var_bytes()), 9)
    lock_time = r.u32()
    r.finish()
    return Transaction(version, inputs, outputs, lock_time)


def _is_sane(tx: Transaction) -> bool:
    scripts = [o.script for o in tx.outputs]
    if not tx.is_coinbase:
        scripts += [i.script for i in tx.inputs]
    return all(len(script) <= MAX_SCRIPT_SIZE and has_valid_ops(script) for script in scripts)
