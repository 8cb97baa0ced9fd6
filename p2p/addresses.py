"""The address book: where other peers may be found, in bounded tables that no single source can fill.

It refuses to open connections; the file is written by its owner. Source of the scheme: Bitcoin Core, addrman.cpp.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from random import Random

from p2p.messages import Known
from p2p.netaddress import NetAddress, read_v2, write_v2
from primitives.buffer import Reader, Writer
from primitives.errors import DecodeError

NEW_BUCKETS, TRIED_BUCKETS, BUCKET_SIZE = 1024, 256, 64
NEW_PER_SOURCE, TRIED_PER_GROUP, NEW_PER_ADDRESS = 64, 8, 8
HORIZON = 30 * 86_400
RETRIES = 3
MAX_FAILURES, FAILURE_DAYS = 10, 7 * 86_400
MAX_SAMPLE, SAMPLE_PERCENT = 1_000, 23
_VERSION = 1


@dataclass(slots=True, eq=False)
class Record:
    """What is known of one address. Times are seconds of `Env.now()`."""

    address: NetAddress
    services: int
    seen: int
    source: NetAddress
    last_try: int = 0
    last_success: int = 0
    attempts: int = 0
    tried: bool = False
    slots: set[tuple[int, int]] = field(default_factory=set)

    def terrible(self, now: int) -> bool:
        """Whether it is not worth keeping or telling."""
        if self.last_try and self.last_try >= now - 60:
            return False
        if self.seen > now + 600 or now - self.seen > HORIZON:
            return True
        if not self.last_success and self.attempts >= RETRIES:
            return True
        return now - self.last_success > FAILURE_DAYS and self.attempts >= MAX_FAILURES

    def chance(self, now: int) -> float:
        """How likely it is to be chosen, once it was drawn."""
        recent = 0.01 if now - self.last_try < 600 else 1.0
        return recent * float(0.66 ** min(self.attempts, 8))


Table = dict[int, dict[int, Record]]


class AddressBook:
    """Two tables of buckets: `new` for what was heard, `tried` for what answered."""

    def __init__(self, random: Random, key: bytes | None = None, private: bool = False) -> None:
        self.random = random
        self.key = random.randbytes(32) if key is None else key
        self.private = private
        """Whether addresses that no stranger could reach are kept too (local networks)."""
        self.records: dict[bytes, Record] = {}
        self.new: Table = {}
        self.tried: Table = {}

    def __len__(self) -> int:
        return len(self.records)

    def __contains__(self, address: NetAddress) -> bool:
        return address.key in self.records

    # -- writing ----------------------------------------------------------------------------------------------------

    def add(self, entries: Iterable[Known], source: NetAddress, now: int, penalty: int = 0) -> int:
        """Hear of addresses from a source; the number that were new. Times are moved into the past by the penalty."""
        added = 0
        for entry in entries:
            address = entry.address
            if not (address.routable or (self.private and address.dialable)):
                continue
            seen = min(entry.time, now)
            seen = max(0, seen if address == source else seen - penalty)
            record = self.records.get(address.key)
            if record is None:
                record = Record(address, entry.services, seen, source)
                if self._place_new(record, source, now):
                    self.records[address.key] = record
                    added += 1
                continue
            record.services |= entry.services
            record.seen = max(record.seen, seen)
            fewer = len(record.slots) < NEW_PER_ADDRESS
            if not record.tried and fewer and self.random.randrange(1 << len(record.slots)) == 0:
                self._place_new(record, source, now)
        return added

    def attempt(self, address: NetAddress, now: int) -> None:
        """A connection was tried."""
        if record := self.records.get(address.key):
            record.last_try = now
            record.attempts += 1

    def good(self, address: NetAddress, now: int, services: int = 0) -> None:
        """A handshake succeeded: the address moves to the tried table, what it displaces goes back to the new one."""
        record = self.records.get(address.key)
        if record is None:
            self.add([Known(now, services, address)], address, now)
            record = self.records.get(address.key)
            if record is None:
                return
        record.last_success = record.last_try = record.seen = now
        record.attempts = 0
        record.services |= services
        if record.tried:
            return
        bucket, position = self._tried_place(record)
        displaced = self.tried.get(bucket, {}).get(position)
        if displaced is not None:
            if now - displaced.last_success < 4 * 3600:
                return  # what answered lately is not displaced; feelers test the rest
            self._unlink(displaced, self.tried)
            displaced.tried = False
        self._unlink(record, self.new)
        record.tried = True
        self._link(record, self.tried, bucket, position)
        if displaced is not None and not self._place_new(displaced, displaced.source, now):
            self.records.pop(displaced.address.key, None)

    def forget(self, address: NetAddress) -> None:
        """Drop an address."""
        if record := self.records.pop(address.key, None):
            self._unlink(record, self.tried if record.tried else self.new)

    # -- reading ----------------------------------------------------------------------------------------------------

    def select(self, now: int, new_only: bool = False) -> NetAddress | None:
        """Draw an address to connect to: a table, an occupied bucket, an entry, each at random."""
        if not self.records:
            return None
        boost = 1.0
        for _ in range(200):
            table = self.new if new_only or not self.tried or (self.new and self.random.random() < 0.5) else self.tried
            if not table:
                return None
            bucket = table[self.random.choice(list(table))]
            record = bucket[self.random.choice(list(bucket))]
            if record.address.dialable and self.random.random() < boost * record.chance(now):
                return record.address
            boost *= 1.2
        return None

    def sample(self, now: int, most: int = MAX_SAMPLE, percent: int = SAMPLE_PERCENT) -> tuple[Known, ...]:
        """Addresses to tell a peer: at most this share of all, none that is terrible."""
        count = min(most, max(1, len(self.records) * percent // 100)) if self.records else 0
        drawn = self.random.sample(list(self.records.values()), count)
        return tuple(Known(r.seen, r.services, r.address) for r in drawn if not r.terrible(now))

    def all(self) -> Iterator[Record]:
        """Every record."""
        return iter(self.records.values())

    # -- places -----------------------------------------------------------------------------------------------------

    def _hash(self, *parts: bytes) -> int:
        data = b"".join(len(p).to_bytes(2, "little") + p for p in parts)
        return int.from_bytes(sha256(self.key + data).digest()[:8], "little")

    def new_place(self, address: NetAddress, source: NetAddress) -> tuple[int, int]:
        """Bucket and position of an address heard from a source: a source reaches 64 of the 1,024 buckets."""
        slot = self._hash(b"new", address.group, source.group) % NEW_PER_SOURCE
        bucket = self._hash(b"bucket", source.group, slot.to_bytes(2, "little")) % NEW_BUCKETS
        return bucket, self._hash(b"N", bucket.to_bytes(2, "little"), address.key) % BUCKET_SIZE

    def _tried_place(self, record: Record) -> tuple[int, int]:
        address = record.address
        slot = self._hash(b"tried", address.key) % TRIED_PER_GROUP
        bucket = self._hash(b"bucket", address.group, slot.to_bytes(2, "little")) % TRIED_BUCKETS
        return bucket, self._hash(b"K", bucket.to_bytes(2, "little"), address.key) % BUCKET_SIZE

    def _place_new(self, record: Record, source: NetAddress, now: int) -> bool:
        """Put a record into the new table unless a worthy one holds its place."""
        bucket, position = self.new_place(record.address, source)
        holder = self.new.get(bucket, {}).get(position)
        if holder is record:
            return True
        if holder is not None:
            if not (holder.terrible(now) or (len(holder.slots) > 1 and not record.slots)):
                return False
            self._unlink_one(holder, self.new, bucket, position)
            if not holder.slots:
                self.records.pop(holder.address.key, None)
        self._link(record, self.new, bucket, position)
        return True

    @staticmethod
    def _link(record: Record, table: Table, bucket: int, position: int) -> None:
        table.setdefault(bucket, {})[position] = record
        record.slots.add((bucket, position))

    @staticmethod
    def _unlink_one(record: Record, table: Table, bucket: int, position: int) -> None:
        del table[bucket][position]
        if not table[bucket]:
            del table[bucket]
        record.slots.discard((bucket, position))

    def _unlink(self, record: Record, table: Table) -> None:
        for bucket, position in sorted(record.slots):
            self._unlink_one(record, table, bucket, position)

    # -- file -------------------------------------------------------------------------------------------------------

    def encode(self) -> bytes:
        """The book as bytes, with a checksum at the end."""
        w = Writer().u8(_VERSION).bytes(self.key).compact(len(self.records))
        for r in self.records.values():
            write_v2(w, r.address)
            write_v2(w, r.source)
            w.u64(r.services).u64(r.seen).u64(r.last_try).u64(r.last_success).u32(r.attempts).bool(r.tried)
        body = w.done()
        return body + sha256(body).digest()[:4]

    @classmethod
    def decode(cls, data: bytes, random: Random, now: int, private: bool = False) -> AddressBook:
        """The book that these bytes are. Raises DecodeError for a file that is not whole."""
        body, check = data[:-4], data[-4:]
        if sha256(body).digest()[:4] != check:
            raise DecodeError("the address book's checksum is wrong")
        r = Reader(body)
        if r.u8() != _VERSION:
            raise DecodeError("the address book is of another version")
        book = cls(random, r.bytes(32), private)
        for _ in range(r.count(40)):
            address, source = read_v2(r), read_v2(r)
            record = Record(address, r.u64(), r.u64(), source, r.u64(), r.u64(), r.u32())
            if r.bool():
                bucket, position = book._tried_place(record)
                if position in book.tried.get(bucket, {}):
                    continue
                record.tried = True
                book._link(record, book.tried, bucket, position)
            elif not book._place_new(record, source, now):
                continue
            book.records[address.key] = record
        r.finish()
        return book
