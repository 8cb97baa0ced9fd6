"""ChainView: what can be read of the chain, all of one commit. It changes nothing and may be used on any thread."""

from __future__ import annotations

from typing import Any

from node.index import Entries
from node.undo import decode_changes
from primitives.buffer import Reader, Writer
from primitives.chain import Branch, Entry, Form, Format
from primitives.errors import DecodeError, SystemFault
from storage.kv import KV, Change
from storage.layout import BODY, TIP_KEY, UNDO


def read_block(raw: bytes, fmt: Format) -> Any:
    """The block that a stored body is. Raises SystemFault where it is something else."""
    try:
        r = Reader(raw)
        block = fmt.read_block(r, Form.STORE)
        r.finish()
    except DecodeError as e:
        raise SystemFault(f"a stored block cannot be read: {e}") from e
    return block


def encode_block(block: Any, fmt: Format) -> bytes:
    """The store form of a block."""
    w = Writer()
    fmt.write_block(w, block, Form.STORE)
    return w.done()


class ChainView:
    """The connected chain, its state, the index and the bodies, as of one commit."""

    __slots__ = ("entries", "state", "tip")

    def __init__(self, kv: KV, entries: Entries) -> None:
        self.state = kv
        self.entries = entries
        tip = kv.get(TIP_KEY)
        if tip is None:
            raise SystemFault("the store holds no chain")
        self.tip: Entry[Any] = entries.require(tip)

    @property
    def branch(self) -> Branch[Any]:
        """The connected chain."""
        return self.entries.branch(self.tip)

    def entry(self, key: bytes) -> Entry[Any] | None:
        """What is known of a block."""
        return self.entries.get(key)

    def at(self, height: int) -> Entry[Any] | None:
        """The connected block at a height."""
        return self.entries.at(height) if 0 <= height <= self.tip.height else None

    def connected(self, entry: Entry[Any]) -> bool:
        """Whether a block lies on the connected chain."""
        return self.entries.connected(entry)

    def body(self, key: bytes) -> bytes | None:
        """A block in store form, undecoded."""
        return self.state.get(BODY + key)

    def block(self, key: bytes) -> Any | None:
        """A block, or None where its body is not stored."""
        raw = self.state.get(BODY + key)
        return None if raw is None else read_block(raw, self.entries.fmt)

    def undo(self, entry: Entry[Any]) -> tuple[Change, ...]:
        """The keys that a connected block changed, with the values they had before it."""
        if entry.height == 0:
            return ()
        return decode_changes(entry.hash, self.state.get(UNDO + entry.hash), "undo record")
