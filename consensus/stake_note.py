"""Note: what a chain with stake remembers of each block beside its header, so that no rule has to read old blocks again.

It refuses to judge. A note belongs to its block and so to its branch: there is nothing to undo in a reorganisation.
"""

from __future__ import annotations

from dataclasses import dataclass
from struct import Struct
from typing import Any, Final

from primitives.chain import Branch, Entry
from primitives.errors import SystemFault

STAKE, ENTROPY, GENERATED = 1, 2, 4
"""Flags as Peercoin's index has them (chain.h): the kind, the entropy bit, whether a stake modifier was generated here."""

_FORM: Final = Struct("<BQIIIIII")


@dataclass(frozen=True, slots=True)
class Note:
    """One block's record. Heights point to blocks of the same branch, at or below this one."""

    flags: int
    modifier: int
    """The stake modifier that holds from here on (64 bits)."""
    checksum: int
    """Over the parent's checksum and this record, 32 bits."""
    generator: int
    """Height of the last block that generated a modifier."""
    stakes: int
    """How many blocks of stake there are up to here."""
    last_stake: int
    """Height of the last block of stake; 0 where there is none."""
    last_work: int
    """Height of the last block of work."""
    anchor: int
    """Height of the last block of work whose parent is not under the schedule of version 14; 0 where there is none."""
    proof: bytes = b""
    """The kernel's hash in wire order; empty in a block of work, whose proof is its hash."""

    @property
    def generated(self) -> bool:
        """Whether the modifier was generated in this block."""
        return bool(self.flags & GENERATED)

    @property
    def stake(self) -> bool:
        """Whether the block is one of stake."""
        return bool(self.flags & STAKE)

    @property
    def entropy(self) -> int:
        """The bit that this block lends to modifiers that select it."""
        return self.flags >> 1 & 1

    def encode(self) -> bytes:
        """The stored form."""
        fixed = (self.flags, self.modifier, self.checksum, self.generator)
        return _FORM.pack(*fixed, self.stakes, self.last_stake, self.last_work, self.anchor) + self.proof


def decode_note(raw: bytes) -> Note:
    """The note that a stored value is. Raises SystemFault where it is something else."""
    if len(raw) not in (_FORM.size, _FORM.size + 32):
        raise SystemFault("a stored stake note has the wrong size")
    flags, modifier, checksum, generator, stakes, last_stake, last_work, anchor = _FORM.unpack_from(raw)
    return Note(flags, modifier, checksum, generator, stakes, last_stake, last_work, anchor, raw[_FORM.size :])


def note_of(entry: Entry[Any], genesis: Note) -> Note:
    """The note of a judged block. Raises SystemFault where there is none."""
    if entry.note:
        return decode_note(entry.note)
    if entry.height == 0:
        return genesis
    raise SystemFault(f"block {entry.hash[::-1].hex()} has no stake note")


def lent(entry: Entry[Any], genesis: Note) -> tuple[int, bytes]:
    """The entropy bit and the kernel's hash of a judged block: all that a modifier draws from it. Raises SystemFault."""
    raw = entry.note
    if raw:
        return raw[0] >> 1 & 1, raw[_FORM.size :]
    note = note_of(entry, genesis)
    return note.entropy, note.proof


def last_of_kind(branch: Branch[Any], height: int, stake: bool) -> Entry[Any]:
    """The last block of a kind at or below a height; where there is none, the first block, whatever its kind.

    Notes lead there at once; a header that was not judged yet has none and is looked at itself.
    """
    entry = branch.at(height)
    while is_first(entry) is False and entry.header.stake != stake:
        if entry.note:
            note = decode_note(entry.note)
            return branch.at(note.last_stake if stake else note.last_work)
        entry = branch.at(entry.height - 1)
    return entry


def is_first(entry: Entry[Any]) -> bool:
    """Whether a block has no parent."""
    return bool(entry.header.parent == _NO_PARENT)


_NO_PARENT: Final = bytes(32)
