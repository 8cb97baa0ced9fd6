"""The transactions that touch a wallet, and its coins: a function of blocks connected, disconnected and of the mempool.

Refuses to know keys, files and addresses: a script is ours if `owner_of` says whose it is.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Generic, NamedTuple, TypeVar

from primitives.bitcoin import Transaction, TxInput, outpoint
from wallet.api import BlockLike, Point

O = TypeVar("O")  # noqa: E741 - the owner of a script

NOWHERE = Point(-1, b"")
"""Below genesis: nothing was looked at."""
RECENT = 2016
"""How many block hashes are kept to find where another branch left ours."""


class Place(NamedTuple):
    """Where a transaction was mined."""

    height: int
    hash: bytes
    position: int
    time: int


def is_generated(tx: Transaction) -> bool:
    """True for a coinbase, and for a coinstake: a first output that is empty, and more behind it (PeerCoin)."""
    if tx.is_coinbase:
        return True
    return len(tx.outputs) > 1 and bool(tx.inputs) and tx.outputs[0].value == 0 and not tx.outputs[0].script


def _spent_by(tx: Transaction) -> tuple[TxInput, ...]:
    """The inputs that spend something: all, but for a coinbase, none of which is another one's rival."""
    return () if tx.is_coinbase else tx.inputs


@dataclass(slots=True, eq=False)
class Record:
    """A transaction of the wallet and what became of it."""

    tx: Transaction
    received: int
    order: int
    place: Place | None = None
    pooled: bool = False
    abandoned: bool = False
    rival: Point | None = None  # the block whose transaction spent the same coins
    generated: bool = False
    debit: int = 0  # our coins that it spends

    @property
    def is_active(self) -> bool:
        """Whether it may still count: mined, or unmined and neither abandoned, beaten by a rival, nor a reward."""
        return self.place is not None or not (self.abandoned or self.rival is not None or self.generated)


@dataclass(slots=True, eq=False)
class Coin(Generic[O]):
    """An output of ours, spent or not."""

    outpoint: bytes
    value: int
    script: bytes
    owner: O
    record: Record

    @property
    def vout(self) -> int:
        """Which output of its transaction it is."""
        return int.from_bytes(self.outpoint[32:], "little")


@dataclass(frozen=True, slots=True)
class Balances:
    """Sums in satoshi: safe to spend; unmined and not ours alone; rewards that have to wait."""

    trusted: int = 0
    pending: int = 0
    immature: int = 0


@dataclass(slots=True)
class History(Generic[O]):
    """Records and coins. `tip` is the last block that was looked at."""

    owner_of: Callable[[bytes], O | None]
    maturity: int = 100
    tip: Point = NOWHERE
    records: dict[bytes, Record] = field(default_factory=dict)
    coins: dict[bytes, Coin[O]] = field(default_factory=dict)
    unspent: dict[bytes, Coin[O]] = field(default_factory=dict)
    recent: dict[int, bytes] = field(default_factory=dict)
    version: int = 0
    _spends: dict[bytes, list[bytes]] = field(default_factory=dict)
    _mined: dict[bytes, list[bytes]] = field(default_factory=dict)
    _beaten: dict[bytes, list[bytes]] = field(default_factory=dict)
    _orders: int = 0

    # What happens on the chain.

    def connect(self, block: BlockLike, height: int, now: int) -> list[Record]:
        """Look at the next block; the records that it touched."""
        header = block.header
        touched = []
        for position, tx in enumerate(block.txs):
            record = self.see(tx, now, Place(height, header.hash, position, header.timestamp))
            if record is not None:
                touched.append(record)
        self._move(Point(height, header.hash))
        return touched

    def disconnect(self, parent: Point) -> list[Record]:
        """Take back the last block; `parent` is the new tip. The records that were in it."""
        touched = []
        for txid in self._mined.pop(self.tip.hash, ()):
            record = self.records[txid]
            record.place, record.pooled = None, False
            touched.append(record)
        for txid in self._beaten.pop(self.tip.hash, ()):
            self.records[txid].rival = None
            touched.append(self.records[txid])
        self.recent.pop(self.tip.height, None)
        for record in touched:
            self.settle(record)
        self.tip = parent
        return touched

    def rewind(self, to: Point) -> list[Record]:
        """Forget where all was mined above a block, which becomes the tip."""
        above = {
            record.place.hash for record in self.records.values() if record.place and record.place.height > to.height
        }
        above |= {r.rival.hash for r in self.records.values() if r.rival is not None and r.rival.height > to.height}
        touched = []
        for block_hash in above:
            for txid in self._mined.pop(block_hash, ()):
                self.records[txid].place, self.records[txid].pooled = None, False
                touched.append(self.records[txid])
            for txid in self._beaten.pop(block_hash, ()):
                self.records[txid].rival = None
                touched.append(self.records[txid])
        for record in touched:
            self.settle(record)
        for height in [height for height in self.recent if height > to.height]:
            del self.recent[height]
        self.tip = to
        self.version += 1
        return touched

    def _move(self, tip: Point) -> None:
        self.tip = tip
        self.recent[tip.height] = tip.hash
        self.recent.pop(tip.height - RECENT, None)
        self.version += 1

    def see(self, tx: Transaction, now: int, place: Place | None = None, pooled: bool = False) -> Record | None:
        """Look at a transaction: mined at a place, in the mempool, or just made. Its record, if it is of this wallet."""
        coins, spends = self.coins, self._spends
        touches = False
        for spend in _spent_by(tx):
            point = spend.outpoint
            if point in coins:
                touches = True
            if point in spends and place is not None:
                self._beat(point, tx, place)
        owners = self._owners(tx)
        if not touches and not owners:
            return None
        record = self.records.get(tx.id)
        if record is None:
            self._orders += 1
            record = Record(tx, now, self._orders, generated=is_generated(tx))
            self.records[tx.id] = record
            for spend in _spent_by(tx):
                spends.setdefault(spend.outpoint, []).append(tx.id)
        elif record.tx.wtxid != tx.wtxid and place is not None:
            record.tx = tx  # mined with another witness than we saw
        self._own(record, owners)
        record.abandoned = False
        if place is not None:
            if record.place is None or record.place.hash != place.hash:
                self._unmine(record)
                self._mined.setdefault(place.hash, []).append(tx.id)
            record.place, record.pooled, record.rival = place, False, None
        else:
            if pooled and record.place is None:
                record.pooled = True
            self._yield(record)
        self.settle(record)
        return record

    def _owners(self, tx: Transaction) -> list[tuple[int, O]]:
        found = []
        for at, out in enumerate(tx.outputs):
            owner = self.owner_of(out.script)
            if owner is not None:
                found.append((at, owner))
        return found

    def _own(self, record: Record, owners: Iterable[tuple[int, O]]) -> None:
        tx = record.tx
        for at, owner in owners:
            point = outpoint(tx.id, at)
            if point not in self.coins:
                self.coins[point] = Coin(point, tx.outputs[at].value, tx.outputs[at].script, owner, record)
                for spender in self._spends.get(point, ()):
                    self.records[spender].debit += tx.outputs[at].value
        if record.debit == 0:
            record.debit = sum(self.coins[i.outpoint].value for i in tx.inputs if i.outpoint in self.coins)

    def _yield(self, record: Record) -> None:
        """An unmined transaction has lost already if one that was mined spends the same coins."""
        for spend in _spent_by(record.tx) if record.place is None else ():
            for txid in self._spends[spend.outpoint]:
                place = self.records[txid].place
                if place is not None and txid != record.tx.id and record.rival is None:
                    record.rival, record.pooled = Point(place.height, place.hash), False
                    self._beaten.setdefault(place.hash, []).append(record.tx.id)

    def _unmine(self, record: Record) -> None:
        if record.place is not None:
            self._mined[record.place.hash].remove(record.tx.id)

    def _beat(self, point: bytes, tx: Transaction, place: Place) -> None:
        """Every other transaction that spends this coin, and what descends from it, lost to a mined one."""
        for txid in list(self._spends[point]):
            loser = self.records[txid]
            if txid != tx.id and loser.place is None and loser.rival is None:
                for record in (loser, *self.descendants(loser)):
                    if record.place is None and record.rival is None:
                        record.rival, record.pooled = Point(place.height, place.hash), False
                        self._beaten.setdefault(place.hash, []).append(record.tx.id)
                        self.settle(record)

    # The mempool, and the user.

    def leave_pool(self, txid: bytes) -> Record | None:
        """A transaction left the mempool; its record, if it is ours."""
        record = self.records.get(txid)
        if record is not None and record.pooled:
            record.pooled = False
            self.settle(record)
        return record

    def abandon(self, record: Record) -> list[Record]:
        """Give up an unmined transaction and what descends from it: their coins are free again."""
        given_up = [r for r in (record, *self.descendants(record)) if r.place is None]
        for r in given_up:
            r.abandoned, r.pooled = True, False
            self.settle(r)
        return given_up

    def forget(self, record: Record) -> None:
        """Take out a record that never left the wallet, as if it had not been made."""
        for spend in _spent_by(record.tx):
            self._spends[spend.outpoint].remove(record.tx.id)
            if not self._spends[spend.outpoint]:
                del self._spends[spend.outpoint]
        for at in range(len(record.tx.outputs)):
            self.coins.pop(outpoint(record.tx.id, at), None)
            self.unspent.pop(outpoint(record.tx.id, at), None)
        del self.records[record.tx.id]
        self._refresh(spend.outpoint for spend in record.tx.inputs)

    # What follows from it.

    def settle(self, record: Record) -> None:
        """Find out again which coins are unspent, of those that a transaction spends or makes."""
        points = [spend.outpoint for spend in _spent_by(record.tx)]
        txid = record.tx.id
        self._refresh((*points, *(outpoint(txid, at) for at in range(len(record.tx.outputs)))))

    def _refresh(self, points: Iterable[bytes]) -> None:
        self.version += 1
        for point in points:
            coin = self.coins.get(point)
            if coin is None:
                continue
            if coin.record.is_active and not self.is_spent(point):
                self.unspent[point] = coin
            else:
                self.unspent.pop(point, None)

    def is_spent(self, point: bytes) -> bool:
        """Whether a transaction that may still count spends the coin."""
        return any(self.records[txid].is_active for txid in self._spends.get(point, ()))

    def spenders(self, point: bytes) -> list[Record]:
        """The wallet's transactions that spend a coin."""
        return [self.records[txid] for txid in self._spends.get(point, ())]

    def descendants(self, record: Record) -> Iterator[Record]:
        """The wallet's transactions that spend outputs of this one, and so on; each once."""
        seen, queue = {record.tx.id}, [record]
        while queue:
            current = queue.pop()
            for at in range(len(current.tx.outputs)):
                for txid in self._spends.get(outpoint(current.tx.id, at), ()):
                    if txid not in seen:
                        seen.add(txid)
                        queue.append(self.records[txid])
                        yield self.records[txid]

    def depth(self, record: Record) -> int:
        """Confirmations: 0 unmined, negative where a rival was mined."""
        if record.place is not None:
            return self.tip.height - record.place.height + 1
        return record.rival.height - self.tip.height - 1 if record.rival is not None else 0

    def is_mature(self, record: Record) -> bool:
        """Whether the outputs may be spent as far as rewards are concerned."""
        return not record.generated or self.depth(record) > self.maturity

    def is_trusted(self, record: Record, known: dict[bytes, bool] | None = None) -> bool:
        """Mined, or in the mempool and made of our own trusted coins alone."""
        known = {} if known is None else known
        if record.place is not None:
            return True
        txid = record.tx.id
        if txid not in known:
            known[txid] = False
            known[txid] = record.pooled and all(
                (coin := self.coins.get(spend.outpoint)) is not None and self.is_trusted(coin.record, known)
                for spend in record.tx.inputs
            )
        return known[txid]

    def balances(self, least_depth: int = 0) -> Balances:
        """The three sums; with a least depth, coins above it do not count as trusted."""
        trusted = pending = immature = 0
        known: dict[bytes, bool] = {}
        ripe = self.tip.height - self.maturity  # a reward at this height or below has enough blocks upon it
        deep = self.tip.height + 1 - least_depth
        for coin in self.unspent.values():
            record = coin.record
            place = record.place
            if place is not None:
                if record.generated and place.height > ripe:
                    immature += coin.value
                elif place.height <= deep:
                    trusted += coin.value
            elif not record.pooled:
                continue
            elif self.is_trusted(record, known):
                if least_depth <= 0:
                    trusted += coin.value
            else:
                pending += coin.value
        return Balances(trusted, pending, immature)

    def remember(self, record: Record) -> None:
        """Put back a record as it was saved; parents and children may come in any order."""
        txid = record.tx.id
        self.records[txid] = record
        record.generated = is_generated(record.tx)
        record.debit = 0
        self._orders = max(self._orders, record.order)
        for spend in _spent_by(record.tx):
            self._spends.setdefault(spend.outpoint, []).append(txid)
        if record.place is not None:
            self._mined.setdefault(record.place.hash, []).append(txid)
        if record.rival is not None:
            self._beaten.setdefault(record.rival.hash, []).append(txid)
        self._yield(record)
        self._own(record, self._owners(record.tx))
        self.settle(record)

    def adopt(self) -> None:
        """Look at all records again after scripts were added: outputs that were nobody's may be ours now."""
        for record in list(self.records.values()):
            self._own(record, self._owners(record.tx))
            record.debit = sum(self.coins[i.outpoint].value for i in record.tx.inputs if i.outpoint in self.coins)
            self.settle(record)
