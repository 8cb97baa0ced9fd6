"""Entries over a KV: by hash, by height, children, candidates for the tip; and StoredBranch, the chain that ends in any of them.

It keeps what is known of every block and knows no rule: when a mark is set or a leaf moves is said in tree.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from struct import Struct
from typing import Any, Final, NamedTuple

from primitives.buffer import Reader, Writer, compact_size
from primitives.chain import Entry, Form, Format, Status
from primitives.errors import DecodeError, SystemFault
from storage.kv import KV
from storage.layout import CHILD, END, ENTRY, LEAF, height_key

_FIXED: Final = Struct("<IqB")
_HEAVIEST: Final = (1 << 256) - 1
_MIDDLE: Final = 1 << 63
_SHORT: Final = 24
MEDIAN_SPAN: Final = 11
_WINDOW: Final = 256
"""How many of its newest entries a branch holds once they are asked for."""


class Record(NamedTuple):
    """An entry and its skip pointer: an ancestor far down, so that any height is reached in a few jumps."""

    entry: Entry[Any]
    skip: bytes


class EntryCache:
    """Decoded records beside the bytes they were decoded from, so that one cache serves every view; two generations, bounded."""

    def __init__(self, size: int = 8192) -> None:
        self._size = size
        self._new: dict[bytes, tuple[bytes, Record]] = {}
        self._old: dict[bytes, tuple[bytes, Record]] = {}
        self._line: Sequence[Entry[Any]] = ()

    def hold(self, line: Sequence[Entry[Any]]) -> None:
        """Remember a valid block and the ancestors that were read of it, newest first: their notes are final."""
        if line[0].status & Status.VALID:
            self._line = line[:_WINDOW]

    def line(self, tip: Entry[Any]) -> list[Entry[Any]]:
        """A block and as many of its ancestors as are remembered; of those only the marks may be old."""
        line = self._line
        if line and line[0].hash == tip.hash:
            return [tip, *line[1:]]
        return [tip, *line] if line and line[0].hash == tip.header.parent else [tip]

    def get(self, key: bytes, raw: bytes) -> Record | None:
        """The record decoded from exactly these bytes, if it is held."""
        found = self._new.get(key)
        if found is None:
            found = self._old.get(key)
            if found is None:
                return None
            self._new[key] = found
        return found[1] if found[0] == raw else None

    def put(self, key: bytes, raw: bytes, record: Record) -> None:
        """Hold a record."""
        if len(self._new) >= self._size:
            self._old, self._new = self._new, {}
        self._new[key] = (raw, record)


def skip_height(height: int) -> int:
    """How far down an entry's skip pointer leads (Bitcoin Core, chain.cpp, GetSkipHeight)."""
    if height < 2:
        return 0
    if not height & 1:
        return height & (height - 1)
    below = height - 1
    below &= below - 1
    return (below & (below - 1)) + 1


def encode_record(record: Record, fmt: Format) -> bytes:
    """The stored form of an entry."""
    entry = record.entry
    weight = entry.weight.to_bytes((entry.weight.bit_length() + 7) // 8, "little")
    w = Writer()
    fmt.write_header(w, entry.header, Form.STORE)
    return b"".join(
        (
            _FIXED.pack(entry.height, entry.seq, entry.status),
            bytes((len(weight),)),
            weight,
            compact_size(len(entry.note)),
            entry.note,
            record.skip,
            *w.parts,
        )
    )


def decode_record(raw: bytes, fmt: Format) -> Record:
    """The entry that a stored value is. Raises SystemFault where it is something else."""
    try:
        r = Reader(raw)
        height, seq, status = _FIXED.unpack(r.bytes(_FIXED.size))
        weight = int.from_bytes(r.bytes(r.u8()), "little")
        note = r.var_bytes()
        skip = r.bytes(32)
        header = fmt.read_header(r, Form.STORE)
    except DecodeError as e:
        raise SystemFault(f"a stored block entry cannot be read: {e}") from e
    return Record(Entry(header, height, weight, seq, Status(status), note), skip)


def _by_weight(weight: int) -> bytes:
    return (_HEAVIEST - min(weight, _HEAVIEST)).to_bytes(32, "big")


def leaf_key(entry: Entry[Any]) -> bytes:
    """Where a candidate lies: heaviest first, then by its number of arrival."""
    return LEAF + _by_weight(entry.weight) + (entry.seq + _MIDDLE).to_bytes(8, "big")


def end_key(entry: Entry[Any]) -> bytes:
    """Where an entry without children lies: heaviest first."""
    return END + _by_weight(entry.weight) + entry.hash[:_SHORT]


def child_key(entry: Entry[Any]) -> bytes:
    """Where an entry lies under its parent."""
    parent: bytes = entry.header.parent
    return CHILD + parent + entry.hash[:_SHORT]


class Entries:
    """The index bound to one view or update. `loose` holds entries that are known but not stored (headers without proof)."""

    __slots__ = ("_cache", "fmt", "kv", "loose")

    def __init__(self, kv: KV, fmt: Format, cache: EntryCache, loose: Mapping[bytes, Record] | None = None) -> None:
        self.kv = kv
        self.fmt = fmt
        self.loose: Mapping[bytes, Record] = {} if loose is None else loose
        self._cache = cache

    def record(self, key: bytes) -> Record | None:
        """The entry and its skip pointer, or None."""
        raw = self.kv.get(ENTRY + key)
        if raw is None:
            return self.loose.get(key)
        record = self._cache.get(key, raw)
        if record is None:
            record = decode_record(raw, self.fmt)
            self._cache.put(key, raw, record)
        return record

    def get(self, key: bytes) -> Entry[Any] | None:
        """The entry of a hash, or None."""
        record = self.record(key)
        return None if record is None else record.entry

    def require(self, key: bytes) -> Entry[Any]:
        """The entry of a hash that must be there. Raises SystemFault."""
        record = self.record(key)
        if record is None:
            raise SystemFault(f"block {key[::-1].hex()} is missing from the index")
        return record.entry

    def parent(self, entry: Entry[Any]) -> Entry[Any]:
        """The parent of an entry other than genesis."""
        return self.require(entry.header.parent)

    def hash_at(self, height: int) -> bytes | None:
        """Hash of the connected block at a height."""
        return self.kv.get(height_key(height))

    def at(self, height: int) -> Entry[Any] | None:
        """The connected block at a height."""
        key = self.hash_at(height)
        return None if key is None else self.require(key)

    def connected(self, entry: Entry[Any]) -> bool:
        """Whether a block lies on the connected chain."""
        return self.hash_at(entry.height) == entry.hash

    def children(self, key: bytes) -> Iterator[Entry[Any]]:
        """The stored children of a block."""
        for _, child in self.kv.scan(CHILD + key):
            yield self.require(child)

    def leaves(self) -> Iterator[Entry[Any]]:
        """The candidates for the tip: ready, not invalid, without such a child; the heaviest first, of equals the first that came."""
        for _, key in self.kv.scan(LEAF):
            yield self.require(key)

    def ends(self) -> Iterator[Entry[Any]]:
        """Every entry without a child, whatever is known of it, the heaviest first."""
        for _, key in self.kv.scan(END):
            yield self.require(key)

    def branch(self, tip: Entry[Any]) -> StoredBranch:
        """The chain that ends in an entry."""
        return StoredBranch(self, tip, self._cache.line(tip))

    def hold(self, line: Sequence[Entry[Any]]) -> None:
        """Remember what a branch has read, for the next one that ends here or one block further."""
        self._cache.hold(line)

    def fork(self, entry: Entry[Any]) -> Entry[Any]:
        """The highest ancestor (or the entry itself) on the connected chain."""
        while not self.connected(entry):
            record = self.record(entry.hash)
            if record is None:
                raise SystemFault(f"block {entry.hash[::-1].hex()} is missing from the index")
            skipped = self.require(record.skip)
            entry = self.parent(entry) if self.connected(skipped) else skipped
        return entry

    def path(self, entry: Entry[Any], below: Entry[Any]) -> list[Entry[Any]]:
        """The blocks after an ancestor up to an entry, oldest first."""
        found = []
        while entry.height > below.height:
            found.append(entry)
            entry = self.parent(entry)
        found.reverse()
        return found

    def put(self, record: Record) -> None:
        """Store an entry as it is now."""
        raw = encode_record(record, self.fmt)
        key = record.entry.hash
        self.kv.put(ENTRY + key, raw)
        self._cache.put(key, raw, record)

    def change(self, entry: Entry[Any], **fields: Any) -> Entry[Any]:
        """Store an entry with some fields changed; returns it as it is now."""
        record = self.record(entry.hash)
        if record is None:
            raise SystemFault(f"block {entry.hash[::-1].hex()} is missing from the index")
        changed = replace(record.entry, **fields)
        self.put(Record(changed, record.skip))
        return changed


class StoredBranch:
    """The chain that ends in `tip`: a Branch over one view. Below the fork heights lead straight there, above it by skip pointers."""

    __slots__ = ("_entries", "_fork", "_median", "_recent", "tip")

    def __init__(
        self, entries: Entries, tip: Entry[Any], recent: list[Entry[Any]] | None = None, fork: int | None = None
    ) -> None:
        self.tip = tip
        self._entries = entries
        self._recent = [tip] if recent is None else recent
        self._fork = fork
        self._median: int | None = None

    def at(self, height: int) -> Entry[Any]:
        """The ancestor of the tip (or the tip) at a height. Raises IndexError outside 0 to the tip's."""
        back = self.tip.height - height
        if height < 0 or back < 0:
            raise IndexError(f"height {height} on a branch of height {self.tip.height}")
        if back < len(self._recent):
            return self._recent[back]
        if back < _WINDOW:
            return self.last(back + 1)[back]
        if self._fork is None:
            self._fork = self._entries.fork(self._recent[-1]).height
        if height <= self._fork:
            found = self._entries.at(height)
            if found is None:
                raise SystemFault(f"no block at height {height} of the connected chain")
            return found
        return self._walk(height)

    def _walk(self, height: int) -> Entry[Any]:
        entries = self._entries
        entry = self._recent[-1]
        while entry.height > height:
            here = entry.height
            skip, skip_of_parent = skip_height(here), skip_height(here - 1)
            far = skip == height or (skip > height and not (skip_of_parent < skip - 2 and skip_of_parent >= height))
            record = entries.record(entry.hash)
            if record is None:
                raise SystemFault(f"block {entry.hash[::-1].hex()} is missing from the index")
            entry = entries.require(record.skip if far else entry.header.parent)
        return entry

    def last(self, count: int) -> Sequence[Entry[Any]]:
        """The newest entries, newest first, fewer where the chain is shorter."""
        recent = self._recent
        wanted = min(count, self.tip.height + 1)
        if len(recent) < wanted:
            recent = list(recent)
            while len(recent) < wanted:
                recent.append(self._entries.parent(recent[-1]))
            self._recent = recent
            self._entries.hold(recent)
        return recent[:wanted]

    def siblings(self, generations: int) -> list[Entry[Any]]:
        """Children of the newest ancestors that lie off this branch and are not known to be bad, the oldest first."""
        newest = self.last(generations + 1)
        own = {entry.hash for entry in newest}
        return [
            child
            for parent in reversed(newest[1:])
            for child in self._entries.children(parent.hash)
            if child.hash not in own and not child.invalid
        ]

    def median_time(self) -> int:
        """Median of the last eleven timestamps (of fewer, near genesis)."""
        if self._median is None:
            times = sorted(e.header.timestamp for e in self.last(MEDIAN_SPAN))
            self._median = times[len(times) // 2]
        return self._median

    def extended(self, child: Entry[Any]) -> StoredBranch:
        """The chain one block further, which keeps what this one has read."""
        recent = [child, *self._recent[: _WINDOW - 1]]
        self._entries.hold(recent)
        return StoredBranch(self._entries, child, recent, self._fork)

    def skip_for_child(self) -> bytes:
        """The skip pointer of a child of the tip."""
        return self.at(skip_height(self.tip.height + 1)).hash
