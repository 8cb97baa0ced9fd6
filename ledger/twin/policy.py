"""TwinPolicy: one mempool for both halves. Each lane is judged by its own policy; rates are made comparable, for eviction alone.

It refuses to know the pool and both families' rules.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from ledger.account.policy import GethPolicy
from ledger.api import Admission, Cluster
from ledger.utxo.policy import UtxoPolicy
from primitives.twin import ACCOUNTS, WEI_PER_SATOSHI

GAS_PER_KILOBYTE: Final = 30_000
"""A block has room for a million virtual bytes and for thirty million gas, so one kilobyte is worth as much gas."""


@dataclass(frozen=True, slots=True)
class TwinPolicy:
    """Core's policy for the lane of coins, geth's for that of accounts."""

    coins: UtxoPolicy = field(default_factory=UtxoPolicy)
    accounts: GethPolicy = field(default_factory=GethPolicy)
    max_bytes: int = 300_000_000

    @property
    def expiry(self) -> int:
        """The longer of the two: either world's clients find what they sent."""
        return max(self.coins.expiry, self.accounts.expiry)

    @property
    def increment(self) -> int:
        """That of coins, since rates are theirs."""
        return self.coins.increment

    def packages(self, lane: int) -> bool:
        """As the lane's own policy."""
        return self._own(lane).packages(lane)

    def _own(self, lane: int) -> UtxoPolicy | GethPolicy:
        return self.accounts if lane == ACCOUNTS else self.coins

    def rate(self, admission: Admission, base_fee: int) -> int:
        """Satoshi per 1,000 virtual bytes, or what the tip comes to for as much of a block; negative where it cannot be mined."""
        if admission.lane == ACCOUNTS:
            return self.accounts.rate(admission, base_fee) * GAS_PER_KILOBYTE // WEI_PER_SATOSHI
        return self.coins.rate(admission, base_fee)

    def may_replace(self, new: Sequence[Admission], evicted: Sequence[Admission], direct: Sequence[Admission]) -> None:
        """As the lane's own policy: transactions of two lanes are never in conflict. Raises Refused."""
        self._own(new[0].lane).may_replace(new, evicted, direct)

    def limits(self, cluster: Cluster) -> None:
        """As the lane's own policy. Raises Refused."""
        self._own(cluster.lane).limits(cluster)
