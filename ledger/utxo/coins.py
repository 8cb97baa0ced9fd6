"""Coin, its codec, and a view of the coins in a KV: what a transaction may spend.

It refuses to know any rule: what may be spent, when, and by whom is said elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterator
from struct import Struct
from typing import Final, NamedTuple

from primitives.bitcoin import Transaction, outpoint
from primitives.errors import SystemFault
from storage.kv import KV
from storage.layout import COIN
from vm.script.shapes import is_unspendable

MEMPOOL_HEIGHT: Final = 0x7FFFFFFF
"""The height that a pooled transaction's outputs pretend to have (Bitcoin Core, txmempool.h)."""

_HEAD: Final = Struct("<BIQ")
_ORIGIN: Final = Struct("<II")
_COINBASE, _STAKE, _ORIGIN_FOLLOWS = 1, 2, 4
_PLAIN: Final = _HEAD.size
_LONG: Final = _HEAD.size + _ORIGIN.size


class Coin(NamedTuple):
    """An unspent output: its value and script, and where it was made."""

    value: int
    script: bytes
    height: int
    coinbase: bool = False
    stake: bool = False
    """Made by a coinstake, which matures like a coinbase. Never true on a chain without proof of stake."""
    time: int = 0
    """Time of the transaction that made it, on chains whose transactions carry one."""
    offset: int = 0
    """Byte offset of that transaction in its block, on chains whose proof of stake hashes it."""

    def encode(self) -> bytes:
        """The stored form: marks, height, value, origin if there is one, script."""
        marks = _COINBASE * self.coinbase | _STAKE * self.stake
        if self.time or self.offset:
            head = _HEAD.pack(marks | _ORIGIN_FOLLOWS, self.height, self.value)
            return head + _ORIGIN.pack(self.time, self.offset) + self.script
        return _HEAD.pack(marks, self.height, self.value) + self.script


def decode_coin(data: bytes) -> Coin:
    """The coin that a stored value is. Raises SystemFault where the store holds something else."""
    if len(data) < _PLAIN:
        raise SystemFault("a stored coin is cut short")
    marks, height, value = _HEAD.unpack_from(data)
    if not marks:
        return Coin(value, data[_PLAIN:], height)
    coinbase, stake = bool(marks & _COINBASE), bool(marks & _STAKE)
    if not marks & _ORIGIN_FOLLOWS:
        return Coin(value, data[_PLAIN:], height, coinbase, stake)
    if len(data) < _LONG:
        raise SystemFault("a stored coin is cut short")
    return Coin(value, data[_LONG:], height, coinbase, stake, *_ORIGIN.unpack_from(data, _PLAIN))


class CoinView:
    """The coins of a KV, by outpoint."""

    __slots__ = ("state",)

    def __init__(self, state: KV) -> None:
        self.state = state

    def get(self, point: bytes) -> Coin | None:
        """The coin at an outpoint, or None where it is spent or never was."""
        data = self.state.get(COIN + point)
        return None if data is None else decode_coin(data)

    def __contains__(self, point: bytes) -> bool:
        return self.state.get(COIN + point) is not None

    def add(self, point: bytes, coin: Coin) -> None:
        """Put a coin there, over any that was."""
        self.state.put(COIN + point, coin.encode())

    def spend(self, point: bytes) -> None:
        """Take the coin away."""
        self.state.delete(COIN + point)

    def __iter__(self) -> Iterator[tuple[bytes, Coin]]:
        """All coins in the order of their outpoints' bytes."""
        for key, value in self.state.scan(COIN):
            yield key[1:], decode_coin(value)


def pooled_coins(tx: Transaction) -> tuple[tuple[bytes, bytes], ...]:
    """The state pairs of a pooled transaction's spendable outputs, as its heirs see them."""
    txid, time = tx.id, tx.time or 0
    return tuple(
        (COIN + outpoint(txid, n), Coin(o.value, o.script, MEMPOOL_HEIGHT, time=time).encode())
        for n, o in enumerate(tx.outputs)
        if not is_unspendable(o.script)
    )
