"""UtxoPolicy: Bitcoin Core's judgement of the mempool as a value: rates, replacement, limits, and the bounds of what is standard.

It is custom, not law, and knows neither the pool nor the chain. Source: Bitcoin Core, policy/policy.h and policy/rbf.cpp.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ledger.api import Admission, Cluster
from ledger.utxo.rules import amount
from primitives.errors import Refused


@dataclass(frozen=True, slots=True)
class UtxoPolicy:
    """What a node relays and keeps. Rates are in satoshi per 1,000 virtual bytes."""

    min_relay_rate: int = 1_000
    increment: int = 1_000
    """What a replacement pays more, for each 1,000 of its own virtual bytes."""
    dust_rate: int = 3_000
    max_bytes: int = 300_000_000
    expiry: int = 336 * 60 * 60
    require_standard: bool = True
    data_carrier: int = 100_000
    """Bytes of OP_RETURN outputs that a transaction may have."""
    bare_multisig: bool = True
    full_replacement: bool = True
    """Whether a transaction can be replaced that did not signal it (BIP125)."""
    max_replaced: int = 100
    max_weight: int = 400_000
    max_sigop_cost: int = 16_000
    bytes_per_sigop: int = 20
    max_ancestors: int = 25
    max_ancestor_size: int = 101_000
    max_descendants: int = 25
    max_descendant_size: int = 101_000

    def packages(self, lane: int) -> bool:
        """A child may pay for its parent."""
        return True

    def rate(self, admission: Admission, base_fee: int) -> int:
        """Satoshi per 1,000 virtual bytes, rounded down."""
        return admission.tip_cap * 1_000 // max(1, admission.size)

    def may_replace(self, new: Sequence[Admission], evicted: Sequence[Admission], direct: Sequence[Admission]) -> None:
        """The newcomers pay a better rate than each in conflict, all that leaves with them, and their own way.

        Raises Refused with "txn-mempool-conflict", "too many potential replacements" or "insufficient fee". Source: BIP125.
        """
        if not self.full_replacement and not all(d.replaceable for d in direct):
            raise Refused("txn-mempool-conflict")
        if len(evicted) > self.max_replaced:
            raise Refused("too many potential replacements", f"{len(evicted)} > {self.max_replaced}")
        fees, size = sum(n.tip_cap for n in new), sum(n.size for n in new)
        for old in direct:
            if fees * old.size <= old.tip_cap * size:
                better = f"{fees * 1_000 // max(1, size)} <= {self.rate(old, 0)} sat/kvB"
                raise Refused("insufficient fee", f"new feerate is not above that of {old.id[::-1].hex()}; {better}")
        lost = sum(e.tip_cap for e in evicted)
        if fees < lost:
            raise Refused("insufficient fee", f"less fees than conflicting txs; {amount(fees)} < {amount(lost)}")
        if fees - lost < (least := fee_at(self.increment, size)):
            raise Refused(
                "insufficient fee", f"not enough additional fees to relay; {amount(fees - lost)} < {amount(least)}"
            )

    def limits(self, cluster: Cluster) -> None:
        """At most 25 unconfirmed transactions in a row, of 101,000 virtual bytes together.

        Raises Refused("too-long-mempool-chain").
        """
        for what, have, most in (
            ("unconfirmed ancestors", cluster.ancestors, self.max_ancestors),
            ("virtual bytes of ancestors", cluster.ancestor_size, self.max_ancestor_size),
            ("descendants", cluster.descendants, self.max_descendants),
            ("virtual bytes of descendants", cluster.descendant_size, self.max_descendant_size),
        ):
            if have > most:
                raise Refused("too-long-mempool-chain", f"too many {what} [limit: {most}]")


def fee_at(rate: int, size: int) -> int:
    """What so many virtual bytes cost at a rate, rounded up."""
    return -(-rate * size // 1_000)


def virtual_size(weight: int, sigop_cost: int, policy: UtxoPolicy) -> int:
    """Weight over four, or what its signature operations stand for if that is more, rounded up."""
    return (max(weight, sigop_cost * policy.bytes_per_sigop) + 3) // 4
