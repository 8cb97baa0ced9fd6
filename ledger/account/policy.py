"""geth's pool rules as values: which transactions are wanted, which may replace another, in which order they are mined.

Source: go-ethereum, core/txpool/validation.go, core/txpool/legacypool, core/txpool/blobpool.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from ledger.account.blobs import check_sidecar
from ledger.account.rules import AccountRules
from ledger.api import Admission, Cluster
from primitives.errors import Refused
from primitives.ethereum_tx import BLOB, EthereumTransaction

MAX_SIZE: Final = 4 * 32 * 1024
"""Bytes of a transaction without its side-car."""


@dataclass(frozen=True, slots=True)
class GethPolicy:
    """geth's defaults; prices in wei."""

    max_bytes: int = 300_000_000
    expiry: int = 3 * 60 * 60
    increment: int = 0
    min_tip: int = 1
    """--txpool.pricelimit"""
    price_bump: int = 10
    """Percent by which both caps must rise to replace a transaction."""
    blob_price_bump: int = 100
    account_slots: int = 10_000
    """Pooled transactions of one account (geth keeps 16 for certain and the rest while there is room)."""
    needs_sidecar: bool = True
    """Blob transactions must bring their blobs."""

    def check(self, tx: EthereumTransaction, rules: AccountRules, gas_limit: int) -> None:
        """Whether a lawful transaction is wanted. Raises Refused with geth's words."""
        if len(tx.raw) > MAX_SIZE:
            raise Refused("oversized data", f"transaction size {len(tx.raw)}, limit {MAX_SIZE}")
        if tx.gas_limit > gas_limit:
            raise Refused("exceeds block gas limit")
        if tx.tip_cap < self.min_tip:
            raise Refused("transaction underpriced", f"gas tip cap {tx.tip_cap}, minimum needed {self.min_tip}")
        if tx.kind == BLOB:
            if tx.blob_fee_cap < 1:
                raise Refused("transaction underpriced", "blob fee cap 0, minimum needed 1")
            if tx.sidecar is not None:
                check_sidecar(tx, tx.sidecar, cells=rules.fork.tx_blob_cap is not None)
            elif self.needs_sidecar:
                raise Refused("missing sidecar in blob transaction")

    def packages(self, lane: int) -> bool:
        """An account's transactions go one after the other, each by its own price."""
        return False

    def rate(self, admission: Admission, base_fee: int) -> int:
        """What the beneficiary gets per gas in the next block; negative where the fee cap is below the base fee."""
        return min(admission.tip_cap, admission.fee_cap - base_fee)

    def may_replace(self, new: Sequence[Admission], evicted: Sequence[Admission], direct: Sequence[Admission]) -> None:
        """Both caps must rise by a tenth. Raises Refused("replacement transaction underpriced")."""
        for old in direct:
            for admission in new:
                if not admission.claims & old.claims:
                    continue
                both = admission.tx.kind == old.tx.kind == BLOB
                percent = 100 + (self.blob_price_bump if both else self.price_bump)
                pairs = [(admission.fee_cap, old.fee_cap), (admission.tip_cap, old.tip_cap)]
                if both:
                    pairs.append((admission.tx.blob_fee_cap, old.tx.blob_fee_cap))
                elif BLOB in (admission.tx.kind, old.tx.kind):
                    raise Refused("address already reserved")
                if any(100 * mine < percent * theirs for mine, theirs in pairs):
                    raise Refused("replacement transaction underpriced")

    def limits(self, cluster: Cluster) -> None:
        """Nothing is asked here: how many of one account are pooled is told by their nonces (admission.py)."""
