"""What a twin chain's indices keep: each half's own, under the half's own hashes, and where the payload of a hash lies.

They are part of the block's journal like any index; what a half's index writes, this file does not know.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from ledger.api import Applied
from node.indexes import Index
from primitives.chain import Entry
from primitives.ethereum import EthereumHeader, decode_header, encode_header
from primitives.twin import TwinBlock
from storage.kv import KV, Journal
from storage.layout import OWN_HEADER, PLACE

_HASH = 32


def payload_entry(entry: Entry[Any], header: EthereumHeader) -> Entry[EthereumHeader]:
    """The place of a payload on the chain: its header, and in the note the hash of the block that commits to it."""
    return Entry(header, entry.height, entry.weight, entry.seq, entry.status, entry.hash)


@dataclass(frozen=True, slots=True)
class PlaceIndex:
    """Which blocks commit to a payload (siblings may share one), and its header by block.

    Both stay when a block leaves, and when it is forgotten: what was told of it can still be taken back.
    """

    name: str = "payloads"

    def on_connect(self, block: TwinBlock, entry: Entry[Any], applied: Applied, journal: Journal) -> None:
        """Add the block to those that commit to its payload."""
        key = PLACE + block.payload.header.hash
        known = journal.get(key) or b""
        if entry.hash not in hashes_in(known):
            journal.keep(key, known + entry.hash)
        journal.keep(OWN_HEADER + entry.hash, encode_header(block.payload.header))


def hashes_in(raw: bytes) -> list[bytes]:
    """The hashes that a value of the index is made of."""
    return [raw[at : at + _HASH] for at in range(0, len(raw), _HASH)]


def own_header(kv: KV, block: bytes) -> EthereumHeader | None:
    """The header of a block's payload, where the block was connected once."""
    raw = kv.get(OWN_HEADER + block)
    return None if raw is None else decode_header(raw)


def places_of(kv: KV, payload: bytes) -> list[bytes]:
    """The hashes of the blocks that commit to a payload and were connected once."""
    return hashes_in(kv.get(PLACE + payload) or b"")


@dataclass(frozen=True, slots=True)
class CoinIndex:
    """An index of the coins' half."""

    index: Index

    @property
    def name(self) -> str:
        """As on a chain of coins alone."""
        return self.index.name

    def on_connect(self, block: TwinBlock, entry: Entry[Any], applied: Applied, journal: Journal) -> None:
        """Show it the outer block."""
        self.index.on_connect(block.outer, entry, applied, journal)


@dataclass(frozen=True, slots=True)
class AccountIndex:
    """An index of the accounts' half, always kept."""

    index: Index

    @property
    def name(self) -> str:
        """Apart from the coins' index of the same kind."""
        return f"account {self.index.name}"

    def on_connect(self, block: TwinBlock, entry: Entry[Any], applied: Applied, journal: Journal) -> None:
        """Show it the payload."""
        own = payload_entry(entry, block.payload.header)
        self.index.on_connect(block.payload, own, replace(applied, spent=()), journal)
