"""The coin statistics index: counts, sums and the rolling hash of all coins at every height (Bitcoin Core, coinstatsindex).

It knows UTXO blocks; how the figures are shown is the RPC's affair.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Any, Final

from ledger.api import Applied
from ledger.utxo.coins import Coin
from ledger.utxo.statistics import MuHash, coin_preimage
from primitives.bitcoin import outpoint
from primitives.chain import Entry
from primitives.errors import SystemFault
from storage.kv import KV, Journal
from storage.layout import COIN_STATISTICS
from vm.script.shapes import is_unspendable

_BOGUS: Final = 50
_WIDTH: Final = 16
_HASH: Final = 384
OVERWRITTEN: Final = frozenset(
    bytes.fromhex(h)[::-1]
    for h in (
        "00000000000271a2dc26e7667f8419f2e15416dc6955e5a6c6cdf3f2574dd08e",
        "00000000000af0aed4792b1acee3d966af36cf5def14935db8de83d6f9306f2f",
    )
)
"""Mainnet blocks 91722 and 91812, whose coinbases later ones overwrote before BIP30."""


@dataclass(frozen=True, slots=True)
class Totals:
    """Figures of the coins at a height, and sums over all blocks up to it, in satoshi."""

    txouts: int = 0
    amount: int = 0
    bogosize: int = 0
    spent: int = 0
    """Value of all outputs ever spent."""
    created: int = 0
    """Value of all spendable outputs ever made outside of coinbases."""
    coinbase: int = 0
    """Value of all spendable coinbase outputs."""
    subsidy: int = 0
    unspendable_genesis: int = 0
    unspendable_overwritten: int = 0
    unspendable_scripts: int = 0
    numerator: int = 1
    denominator: int = 1

    @property
    def muhash(self) -> bytes:
        """The hash of the set, in wire order."""
        return MuHash(self.numerator, self.denominator).digest()

    @property
    def unclaimed(self) -> int:
        """What coinbases might have claimed and did not."""
        return (
            self.subsidy
            + self.spent
            - self.created
            - self.coinbase
            - (self.unspendable_genesis + self.unspendable_overwritten + self.unspendable_scripts)
        )


_NAMES: Final = [f.name for f in fields(Totals)]


def _encode(totals: Totals) -> bytes:
    numbers: list[int] = [getattr(totals, name) for name in _NAMES]
    widths = [_WIDTH] * (len(numbers) - 2) + [_HASH] * 2
    return b"".join(n.to_bytes(width, "little") for n, width in zip(numbers, widths, strict=True))


def _decode(raw: bytes) -> Totals:
    plain = len(_NAMES) - 2
    if len(raw) != plain * _WIDTH + 2 * _HASH:
        raise SystemFault("a record of coin statistics has the wrong size")
    numbers = {name: raw[n * _WIDTH : (n + 1) * _WIDTH] for n, name in enumerate(_NAMES[:-2])}
    numbers |= {"numerator": raw[-2 * _HASH : -_HASH], "denominator": raw[-_HASH:]}
    return Totals(**{name: int.from_bytes(value, "little") for name, value in numbers.items()})


def _key(height: int) -> bytes:
    return COIN_STATISTICS + height.to_bytes(4, "big")


def find_totals(kv: KV, height: int) -> Totals | None:
    """The figures at a height of the connected chain, or None."""
    raw = kv.get(_key(height))
    return None if raw is None else _decode(raw)


@dataclass(frozen=True, slots=True)
class CoinStatisticsIndex:
    """Keeps Totals for every height."""

    subsidy: Callable[[int], int]
    name: str = "coin statistics"

    def on_connect(self, block: Any, entry: Entry[Any], applied: Applied, journal: Journal) -> None:
        """Write the totals after a block. Raises SystemFault where those before it are missing."""
        minted = self.subsidy(entry.height)
        if entry.height == 0:
            journal.put(_key(0), _encode(Totals(subsidy=minted, unspendable_genesis=minted)))
            return
        before = find_totals(journal, entry.height - 1)
        if before is None:
            raise SystemFault(f"the coin statistics of height {entry.height - 1} are missing")
        journal.put(_key(entry.height), _encode(after(before, block, entry, applied.spent, minted)))


def after(before: Totals, block: Any, entry: Entry[Any], spent: tuple[Coin, ...], minted: int) -> Totals:
    """The totals after a block that spent these coins, in input order."""
    product = MuHash(before.numerator, before.denominator)
    count, bogus = before.txouts, before.bogosize
    created = coinbase = unspendable = overwritten = 0
    coins = iter(spent)
    for tx in block.txs:
        first = tx.is_coinbase
        if first and entry.hash in OVERWRITTEN:
            overwritten += minted
            continue
        for n, output in enumerate(tx.outputs):
            if is_unspendable(output.script):
                unspendable += output.value
                continue
            product.insert(coin_preimage(outpoint(tx.id, n), Coin(output.value, output.script, entry.height, first)))
            count, bogus = count + 1, bogus + _BOGUS + len(output.script)
            if first:
                coinbase += output.value
            else:
                created += output.value
        if not first:
            for i in tx.inputs:
                coin = next(coins)
                product.remove(coin_preimage(i.outpoint, coin))
                count, bogus = count - 1, bogus - _BOGUS - len(coin.script)
    taken = sum(coin.value for coin in spent)
    return replace(
        before,
        txouts=count,
        amount=before.amount + created + coinbase - taken,
        bogosize=bogus,
        spent=before.spent + taken,
        created=before.created + created,
        coinbase=before.coinbase + coinbase,
        subsidy=before.subsidy + minted,
        unspendable_overwritten=before.unspendable_overwritten + overwritten,
        unspendable_scripts=before.unspendable_scripts + unspendable,
        numerator=product.numerator,
        denominator=product.denominator,
    )
