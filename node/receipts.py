"""The receipts of account blocks, kept by block when it is connected; they stay when it leaves, so that its logs can be taken back.

It knows no RPC. A block without transactions has no entry.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, cast

from ledger.api import Applied
from primitives import rlp
from primitives.chain import Entry
from primitives.errors import SystemFault
from primitives.ethereum import Receipt, decode_receipt
from storage.kv import KV, Journal
from storage.layout import RECEIPTS


@dataclass(frozen=True, slots=True)
class ReceiptIndex:
    """Writes what `connect` found out; it cannot be built later, so account chains always keep it."""

    name: str = "receipts"

    def on_connect(self, block: Any, entry: Entry[Any], applied: Applied, journal: Journal) -> None:
        """Keep the receipts under the block's hash."""
        if len(applied.receipts) != len(block.txs):
            raise SystemFault("receipts are kept from the first block on: begin with an empty data directory")
        if applied.receipts:
            journal.keep(RECEIPTS + entry.hash, rlp.encode(list(applied.receipts)))


def receipts_of(kv: KV, block: bytes) -> Sequence[Receipt]:
    """The receipts of a block that was connected once; none for any other."""
    raw = kv.get(RECEIPTS + block)
    return () if raw is None else _decoded(raw)


@lru_cache(maxsize=64)
def _decoded(raw: bytes) -> tuple[Receipt, ...]:
    return tuple(decode_receipt(item) for item in cast(list[bytes], rlp.decode(raw)))
