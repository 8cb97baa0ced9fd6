"""Grants: coins out of nothing, on chains that allow edits. A dev edit of the coin side is a transaction whose one input nobody made.

Its outpoint is drawn from the block that its own block builds on, so a grant holds in that place alone and its id is never seen twice.
It refuses to know who wants coins.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from ledger.utxo.coins import Coin
from primitives.bitcoin import FINAL_SEQUENCE, Transaction, TxInput, TxOutput, outpoint
from primitives.hashing import tagged_hash

SCRIPT: Final = b"\x51"
"""What the granted coin asks of its spender: nothing."""


def grant_id(parent: bytes) -> bytes:
    """The transaction id that grants on top of this block pretend to spend from."""
    return tagged_hash(b"Chainyard/grant", parent)


def is_grant(tx: Transaction, parent: bytes) -> bool:
    """Whether a transaction in a child of this block is a grant: it spends the one coin that is drawn from the block."""
    return len(tx.inputs) == 1 and tx.inputs[0].outpoint[:32] == grant_id(parent)


def granted_coin(tx: Transaction, height: int) -> Coin:
    """The coin that a grant spends: worth exactly what it pays, so that there is no fee."""
    return Coin(sum(o.value for o in tx.outputs), SCRIPT, height)


def grant(parent: bytes, outputs: Sequence[TxOutput], version: int = 2, number: int = 0) -> Transaction:
    """The transaction that grants these outputs in a child of the block; `number` tells several in one block apart."""
    spend = TxInput(outpoint(grant_id(parent), number), b"", FINAL_SEQUENCE)
    return Transaction(version, (spend,), tuple(outputs), 0)
