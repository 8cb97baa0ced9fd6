"""What `gettxoutsetinfo` tells of a coin set: counts, sums, and its hash in Bitcoin Core's two forms.

It knows the coins of a KV and nothing of the chain that made them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import groupby
from struct import Struct
from typing import Final

from ledger.utxo.coins import Coin, CoinView
from primitives.buffer import compact_size
from primitives.hashing import sha256
from storage.kv import KV

_PLACE: Final = Struct("<Iq")
_BOGUS: Final = 32 + 4 + 4 + 8 + 2
MUHASH_MODULUS: Final = (1 << 3072) - 1103717


@dataclass(frozen=True, slots=True)
class CoinStatistics:
    """Figures of a coin set. `hash_serialized` and `muhash` are in wire order, None where not asked for."""

    txouts: int
    transactions: int
    """Transactions with at least one unspent output."""
    total_amount: int
    bogosize: int
    """A size that depends on the set alone, not on how it is stored."""
    disk_size: int
    hash_serialized: bytes | None = None
    muhash: bytes | None = None


def coin_preimage(point: bytes, coin: Coin) -> bytes:
    """The bytes of a coin that both set hashes digest. Source: Bitcoin Core, kernel/coinstats.cpp, TxOutSer."""
    place = coin.height << 1 | coin.coinbase
    return b"".join((point, _PLACE.pack(place, coin.value), compact_size(len(coin.script)), coin.script))


def statistics(
    state: KV, *, serialized: bool = True, muhash: bool = False, pause: Callable[[], None] = lambda: None
) -> CoinStatistics:
    """Walk all coins. `pause` is called now and then; an exception from it ends the walk."""
    digest, product = hashlib.sha256(), MuHash()
    txouts = transactions = amount = bogosize = disk = 0
    for _, coins in groupby(CoinView(state), key=_transaction):
        transactions += 1
        if not transactions & 0xFFF:
            pause()
        for point, coin in _by_index(coins):
            txouts += 1
            amount += coin.value
            bogosize += _BOGUS + len(coin.script)
            disk += 1 + 36 + len(coin.encode())
            if serialized or muhash:
                preimage = coin_preimage(point, coin)
                if serialized:
                    digest.update(preimage)
                if muhash:
                    product.insert(preimage)
    return CoinStatistics(
        txouts,
        transactions,
        amount,
        bogosize,
        disk,
        sha256(digest.digest()) if serialized else None,
        product.digest() if muhash else None,
    )


def _transaction(item: tuple[bytes, Coin]) -> bytes:
    return item[0][:32]


def _by_index(coins: Iterator[tuple[bytes, Coin]]) -> list[tuple[bytes, Coin]]:
    """The coins of one transaction in the order of their index, which its little-endian bytes do not sort by."""
    found = list(coins)
    if len(found) > 1:
        found.sort(key=lambda item: int.from_bytes(item[0][32:], "little"))
    return found


class MuHash:
    """A hash of a set that grows and shrinks by one element at a time (Bitcoin Core, crypto/muhash.cpp)."""

    __slots__ = ("denominator", "numerator")

    def __init__(self, numerator: int = 1, denominator: int = 1) -> None:
        self.numerator = numerator
        self.denominator = denominator

    def insert(self, data: bytes) -> None:
        """Add an element."""
        self.numerator = self.numerator * _element(data) % MUHASH_MODULUS

    def remove(self, data: bytes) -> None:
        """Take an element away."""
        self.denominator = self.denominator * _element(data) % MUHASH_MODULUS

    def digest(self) -> bytes:
        """The 32 bytes that stand for the set."""
        value = self.numerator * pow(self.denominator, -1, MUHASH_MODULUS) % MUHASH_MODULUS
        return sha256(value.to_bytes(384, "little"))


def _element(data: bytes) -> int:
    """384 bytes of ChaCha20 key stream under the element's SHA-256, as a number."""
    from Crypto.Cipher import ChaCha20  # heavy, and only this one statistic needs it

    stream = ChaCha20.new(key=sha256(data), nonce=bytes(8)).encrypt(bytes(384))
    return int.from_bytes(stream, "little")
