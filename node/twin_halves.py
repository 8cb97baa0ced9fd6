"""The two halves of a twin chain: how each half's entries, blocks and purses are got from the whole, and back.

It refuses to know the rules of the seam: whether halves belong together, the ledger says.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

from chains.spec import ChainSpec
from consensus.api import Engine
from ledger.api import Aid, Applied
from ledger.twin.ledger import nothing_beside
from node.controls import ANYONE
from node.half_chain import HalfBranch, whole_branch
from node.half_node import HalfNode
from node.halves import Halves
from node.index import Entries
from node.node import Node
from node.producer import Purse
from node.results import Connected
from node.twin_indexes import own_header, payload_entry, places_of
from node.view import read_block
from primitives.bitcoin import TxOutput
from primitives.chain import Branch, Entry, Format
from primitives.errors import MalformedBlock, Refused, SystemFault
from primitives.ethereum import EthereumBlock, EthereumHeader
from primitives.ethereum_tx import EthereumTransaction
from primitives.twin import ACCOUNTS, COINS, TwinBlock, carrier_of, commitment_of, deposit_of
from storage.kv import KV
from storage.layout import BODY

K = TypeVar("K")
V = TypeVar("V")

MOST_HEADERS = 8_192
MOST_BLOCKS = 64
"""Payloads and blocks made here of which a half may come back alone (templates)."""


class Bounded(Generic[K, V]):
    """The newest so many of something; any thread may read and add."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._held: OrderedDict[K, V] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: K) -> V | None:
        """What is held under a key."""
        return self._held.get(key)

    def add(self, key: K, value: V) -> None:
        """Keep it; the oldest goes where there is no room."""
        with self._lock:
            self._held[key] = value
            self._held.move_to_end(key)
            while len(self._held) > self._most:
                self._held.popitem(last=False)


class Recent:
    """What was made here of late. Both halves share it; it belongs to the chain thread."""

    def __init__(self) -> None:
        self.payloads: Bounded[bytes, EthereumBlock] = Bounded(MOST_BLOCKS)
        self.blocks: Bounded[bytes, TwinBlock] = Bounded(MOST_BLOCKS)
        """By hash of the payload: the block as it was made last, sealed or not."""
        self.headers: Bounded[bytes, Any] = Bounded(MOST_BLOCKS)
        """By their hashes: outer headers with what a client's form of them leaves out (a seal beside it)."""
        self.beneficiary = bytes(20)
        """The account that earns the fees of blocks that a client of the coins makes."""
        self.payee = ANYONE
        """The script that earns the reward of blocks that a client of the accounts makes."""

    def add(self, block: TwinBlock) -> None:
        """Remember a block that was made."""
        key = block.payload.header.hash
        self.payloads.add(key, block.payload)
        self.blocks.add(key, block)
        self.headers.add(block.header.hash, block.header)


class TwinHalf:
    """What both halves do alike with a block that was made here."""

    def __init__(self, node: Node, recent: Recent) -> None:
        self._node = node
        self._recent = recent
        self.engine: Engine[Any, Any] = node.spec.engine.inner  # type: ignore[attr-defined]

    def resealed(self, block: TwinBlock, header: Any) -> TwinBlock:
        """The block with another seal on its outer header."""
        outer: Any = block.outer
        return TwinBlock(replace(outer, header=header), block.payload)

    def remember(self, block: TwinBlock) -> None:
        """A block was made: its half may come back alone."""
        self._recent.add(block)


class CoinHalf(TwinHalf):
    """The outer blocks: a Bitcoin-style chain."""

    lane = COINS

    def __init__(self, node: Node, recent: Recent) -> None:
        super().__init__(node, recent)
        twin: Any = node.spec.ledger
        self.format: Format = twin.format.outer
        self.spec = replace(
            node.spec,
            engine=self.engine,
            genesis=node.spec.genesis.outer,  # type: ignore[attr-defined]
            ledger=CoinRules(replace(twin, check_sides=nothing_beside), self),  # type: ignore[arg-type]
        )

    def entry(self, kv: KV, entry: Entry[Any]) -> Entry[Any]:
        """The entry as it is: its header is the outer one."""
        return entry

    def branch(self, kv: KV, whole: Branch[Any]) -> Branch[Any]:
        """The branch as it is."""
        return whole

    def place(self, entry: Entry[Any]) -> bytes:
        """Its own hash."""
        return entry.hash

    def find(self, entries: Entries, key: bytes) -> bytes | None:
        """The same hash."""
        return key

    def block(self, block: TwinBlock) -> Any:
        """The outer block."""
        return block.outer

    def connected(self, kv: KV, connected: Connected) -> Connected:
        """The outer block, and the coins that it spent."""
        return Connected(
            connected.entry, replace(connected.applied, receipts=(), logs=()), lambda: connected.block.outer
        )

    def purse(self, purse: Purse) -> Purse:
        """The same; the fees of accounts go where the account half says."""
        return replace(purse, options={"beneficiary": self._recent.beneficiary, **purse.options})

    def join(self, block: Any) -> TwinBlock:
        """The block with the payload that it commits to. Raises Refused("payload-unknown")."""
        if isinstance(block, TwinBlock):
            return block
        found = commitment_of(carrier_of(block)) if block.txs else None
        if found is None:
            raise MalformedBlock("bad-twin-commitment", "no output commits to a payload")
        payload = self._recent.payloads.get(found.digest)
        if payload is None:
            payload = self._stored(block.header.hash)
        if payload is None:
            raise Refused("payload-unknown", "the payload that the block commits to was not made here, or long ago")
        header = self._recent.headers.get(block.header.hash)
        return TwinBlock(block if header is None else replace(block, header=header), payload)

    def _stored(self, key: bytes) -> EthereumBlock | None:
        whole = self._node.chain.block(key)
        return None if whole is None else whole.payload

    def owns(self, tx: Any) -> bool:
        """Whether it moves coins."""
        return not isinstance(tx, EthereumTransaction)


@dataclass(frozen=True, slots=True)
class CoinRules:
    """The twin's ledger as methods of the coins ask it: with the coins' rules, policy and format, blocks being outer ones.

    Seals are the engine's affair: a block that is tried before it is sealed has none.
    """

    twin: Any
    half: CoinHalf

    @property
    def rules(self) -> Any:
        """The parameters of the coins' rules."""
        return self.twin.coins.rules

    @property
    def policy(self) -> Any:
        """The coins' policy."""
        return self.twin.coins.policy

    @property
    def format(self) -> Any:
        """The outer format."""
        return self.twin.format.outer

    def moves(self, output: TxOutput) -> bool:
        """Whether the value of an unspendable output goes to an account."""
        return deposit_of(output) is not None

    def check_header(self, header: Any, branch: Branch[Any]) -> None:
        """As the twin's ledger."""
        self.twin.check_header(header, whole_branch(branch))

    def check_block(self, block: Any, branch: Branch[Any]) -> None:
        """As the twin's ledger, of the block with its payload."""
        self.twin.check_block(self.half.join(block), whole_branch(branch))

    def connect(self, block: Any, branch: Branch[Any], state: KV, aid: Aid) -> Applied:
        """As the twin's ledger, of the block with its payload."""
        applied: Applied = self.twin.connect(self.half.join(block), whole_branch(branch), state, aid)
        return applied


class AccountHalf(TwinHalf):
    """The payloads: an Ethereum-style chain."""

    lane = ACCOUNTS

    def __init__(self, node: Node, recent: Recent) -> None:
        super().__init__(node, recent)
        self._headers: Bounded[bytes, EthereumHeader] = Bounded(MOST_HEADERS)
        """By hash of the block: its payload's header, which the block's hash fixes."""
        twin: Any = node.spec.ledger
        self.format: Format = twin.format.payload
        genesis: Any = node.spec.genesis
        self.spec: ChainSpec = replace(
            node.spec,
            genesis=genesis.payload,
            ledger=twin.accounts,
            engine=NoSeal(),  # type: ignore[arg-type]
        )

    def entry(self, kv: KV, entry: Entry[Any]) -> Entry[Any]:
        """The payload's header at the block's place."""
        header = self._headers.get(entry.hash)
        if header is None:
            header = self._read(kv, entry)
            self._headers.add(entry.hash, header)
        return payload_entry(entry, header)

    def _read(self, kv: KV, entry: Entry[Any]) -> EthereumHeader:
        known = own_header(kv, entry.hash)
        if known is not None:
            return known
        body = kv.get(BODY + entry.hash)
        if body is None:
            raise SystemFault(f"the payload of block {entry.hash[::-1].hex()} is not here")
        header: EthereumHeader = read_block(body, self._node.spec.ledger.format).payload.header
        return header

    def branch(self, kv: KV, whole: Branch[Any]) -> Branch[Any]:
        """The payloads of a branch."""
        return HalfBranch(self, kv, whole)

    def place(self, entry: Entry[Any]) -> bytes:
        """The hash of the block that commits to the payload."""
        return entry.note

    def find(self, entries: Entries, key: bytes) -> bytes | None:
        """A block that commits to the payload of this hash, a connected one where there is one."""
        places = places_of(entries.kv, key)
        known = [entry for place in places if (entry := entries.get(place)) is not None]
        return next((e.hash for e in known if entries.connected(e)), known[0].hash if known else None)

    def block(self, block: TwinBlock) -> EthereumBlock:
        """The payload."""
        return block.payload

    def connected(self, kv: KV, connected: Connected) -> Connected:
        """The payload and its receipts."""
        applied = replace(connected.applied, spent=())
        return Connected(self.entry(kv, connected.entry), applied, lambda: connected.block.payload)

    def purse(self, purse: Purse) -> Purse:
        """The payee is the account that earns the fees; the coins go where the coin half says."""
        self._recent.beneficiary = purse.payee[-20:].rjust(20, b"\0")
        options = {**purse.options, "beneficiary": self._recent.beneficiary}
        return replace(purse, payee=self._recent.payee, options=options)

    def join(self, block: Any) -> TwinBlock:
        """The block that was made with this payload. Raises Refused("block-unknown")."""
        if isinstance(block, TwinBlock):
            return block
        found = self._recent.blocks.get(block.header.hash)
        if found is None:
            raise Refused("block-unknown", "a payload comes with the block that commits to it; none was made here")
        return found

    def owns(self, tx: Any) -> bool:
        """Whether it is of accounts."""
        return isinstance(tx, EthereumTransaction)


@dataclass(frozen=True, slots=True)
class NoSeal:
    """The engine of payloads: none, their blocks' headers bear the proof."""

    header_proves: bool = False

    def difficulty(self, branch: Branch[Any], timestamp: int, kind: int = 0) -> int:
        """Payloads have none."""
        return 0


def split(node: Node) -> Halves:
    """A twin chain's node, once for each world."""
    recent = Recent()
    return Halves(HalfNode(node, CoinHalf(node, recent)), HalfNode(node, AccountHalf(node, recent)))  # type: ignore[arg-type]
