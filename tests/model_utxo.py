"""A second UTXO ledger, over a dict and the standard library alone: it reads raw blocks and knows coins, maturity and amounts.

It shares no code with the node, so that what both agree on is not one mistake made twice. No scripts, no sizes, no clock.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field

COIN = 100_000_000
MAX_MONEY = 21_000_000 * COIN
NOTHING = bytes(32) + b"\xff\xff\xff\xff"


class ModelError(Exception):
    """The model does not take this block."""


def sha256d(data: bytes) -> bytes:
    """SHA-256 twice."""
    return hashlib.sha256(hashlib.sha256(data).digest()).digest()


def varint(n: int) -> bytes:
    """A CompactSize."""
    for limit, lead, width in ((0xFD, b"", 1), (0x10000, b"\xfd", 2), (1 << 32, b"\xfe", 4)):
        if n < limit:
            return lead + n.to_bytes(width, "little")
    return b"\xff" + n.to_bytes(8, "little")


@dataclass
class Tape:
    """Raw bytes, read from the front."""

    data: bytes
    at: int = 0

    def take(self, n: int) -> bytes:
        """The next n bytes."""
        self.at += n
        if self.at > len(self.data):
            raise ModelError("cut short")
        return self.data[self.at - n : self.at]

    def number(self, width: int) -> int:
        """An unsigned integer."""
        return int.from_bytes(self.take(width), "little")

    def varint(self) -> int:
        """A CompactSize."""
        lead = self.number(1)
        return lead if lead < 0xFD else self.number(1 << (lead - 0xFC))

    def string(self) -> bytes:
        """Bytes with their length before them."""
        return self.take(self.varint())


@dataclass(frozen=True)
class ModelTx:
    """A transaction: its id, what it spends, what it makes."""

    id: bytes
    spends: tuple[bytes, ...]
    makes: tuple[tuple[int, bytes], ...]

    @property
    def is_coinbase(self) -> bool:
        """Whether it spends nothing."""
        return self.spends == (NOTHING,)


@dataclass(frozen=True)
class ModelCoin:
    """An unspent output."""

    value: int
    script: bytes
    height: int
    coinbase: bool


def read_tx(t: Tape) -> ModelTx:
    """Read a transaction in either form."""
    version = t.take(4)
    witness = t.data[t.at : t.at + 2] == b"\x00\x01"
    if witness:
        t.take(2)
    start = t.at
    spends = []
    for _ in range(t.varint()):
        spends.append(t.take(36))
        t.string()
        t.take(4)
    makes = []
    for _ in range(t.varint()):
        value = int.from_bytes(t.take(8), "little", signed=True)
        makes.append((value, t.string()))
    middle = t.data[start : t.at]
    if witness:
        for _ in spends:
            for _ in range(t.varint()):
                t.string()
    return ModelTx(sha256d(version + middle + t.take(4)), tuple(spends), tuple(makes))


def read_block(raw: bytes) -> tuple[bytes, bytes, list[ModelTx]]:
    """Hash, parent's hash, transactions."""
    t = Tape(raw)
    header = t.take(80)
    txs = [read_tx(t) for _ in range(t.varint())]
    if t.at != len(raw):
        raise ModelError("bytes left over")
    return sha256d(header), header[4:36], txs


@dataclass
class Model:
    """The coins after a chain of blocks, and the way back."""

    halving: int = 150
    maturity: int = 100
    tip: bytes = b""
    height: int = 0
    coins: dict[bytes, ModelCoin] = field(default_factory=dict)
    _past: list[tuple[bytes, dict[bytes, ModelCoin | None]]] = field(default_factory=list)

    def add(self, raw: bytes) -> None:
        """Connect a block on the tip. Raises ModelError and changes nothing where it may not be."""
        hash_, parent, txs = read_block(raw)
        if self.tip and parent != self.tip:
            raise ModelError("not on the tip")
        height = self.height + 1
        changes: dict[bytes, ModelCoin | None] = {}
        fees = sum(self._apply(tx, height, changes) for tx in txs[1:])
        if not txs[0].is_coinbase:
            raise ModelError("no coinbase")
        self._make(txs[0], height, changes)
        halvings = height // self.halving
        if sum(v for v, _ in txs[0].makes) > fees + (50 * COIN >> halvings if halvings < 64 else 0):
            raise ModelError("coinbase pays too much")
        self._past.append((self.tip, {key: self.coins.get(key) for key in changes}))
        self._set(changes)
        self.tip, self.height = hash_, height

    def drop(self) -> None:
        """Take the tip off again."""
        self.tip, before = self._past.pop()
        self._set(before)
        self.height -= 1

    def _set(self, changes: dict[bytes, ModelCoin | None]) -> None:
        for key, coin in changes.items():
            if coin is None:
                self.coins.pop(key, None)
            else:
                self.coins[key] = coin

    def _apply(self, tx: ModelTx, height: int, changes: dict[bytes, ModelCoin | None]) -> int:
        paid = 0
        for point in tx.spends:
            coin = changes[point] if point in changes else self.coins.get(point)
            if coin is None:
                raise ModelError("spends what is not there")
            if coin.coinbase and height - coin.height < self.maturity:
                raise ModelError("spends what is not ripe")
            paid += coin.value
            changes[point] = None
        made = sum(v for v, _ in tx.makes)
        if made > paid or any(not 0 <= v <= MAX_MONEY for v, _ in tx.makes):
            raise ModelError("makes money")
        self._make(tx, height, changes)
        return paid - made

    def _make(self, tx: ModelTx, height: int, changes: dict[bytes, ModelCoin | None]) -> None:
        for n, (value, script) in enumerate(tx.makes):
            if script[:1] != b"\x6a" and len(script) <= 10_000:
                coin = ModelCoin(value, script, height, tx.is_coinbase)
                changes[tx.id + n.to_bytes(4, "little")] = coin

    @property
    def total(self) -> int:
        """All coins together, in satoshi."""
        return sum(c.value for c in self.coins.values())

    def digest(self) -> str:
        """hash_serialized_3, as gettxoutsetinfo shows it."""
        whole = hashlib.sha256()
        for point in sorted(self.coins, key=lambda p: (p[:32], int.from_bytes(p[32:], "little"))):
            coin = self.coins[point]
            place = (coin.height * 2 + coin.coinbase).to_bytes(4, "little")
            whole.update(point + place + coin.value.to_bytes(8, "little") + varint(len(coin.script)) + coin.script)
        return hashlib.sha256(whole.digest()).digest()[::-1].hex()


def model_of(raws: Iterable[bytes], genesis: bytes = b"", halving: int = 150, maturity: int = 100) -> Model:
    """The model after these blocks, the first of which is at height 1."""
    model = Model(halving, maturity, genesis)
    for raw in raws:
        model.add(raw)
    return model
