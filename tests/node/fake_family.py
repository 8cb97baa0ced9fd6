"""A chain family of a few lines, with rules of its own: it shows that the node's core knows no family.

A transaction folds a value into a key, so that the state tells the order of all that was ever written.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from hashlib import sha256
from typing import Any

from chains.spec import ChainSpec, Network
from consensus.forkchoice import heaviest
from ledger.api import Aid, Applied
from primitives.buffer import Reader, Writer
from primitives.chain import Branch, Form
from primitives.errors import InvalidBlock, InvalidHeader, MalformedBlock, Mutated
from storage.kv import KV

SPACE = b"q"
NOW = 1_000_000


@dataclass(frozen=True)
class FakeTx:
    key: bytes
    value: bytes

    @cached_property
    def id(self) -> bytes:
        return sha256(self.key + b"=" + self.value).digest()


@dataclass(frozen=True)
class FakeHeader:
    parent: bytes
    timestamp: int
    work: int
    nonce: int
    root: bytes

    @cached_property
    def raw(self) -> bytes:
        w = Writer().bytes(self.parent).u64(self.timestamp).u32(self.work).u32(self.nonce).bytes(self.root)
        return w.done()

    @cached_property
    def hash(self) -> bytes:
        return sha256(self.raw).digest()


@dataclass(frozen=True)
class FakeBlock:
    header: FakeHeader
    txs: tuple[FakeTx, ...]
    seal: bytes = b""
    """A side part: under stake, the key that must be in the state."""
    side_headers: Sequence[Any] = ()


def root_of(txs: Sequence[FakeTx]) -> bytes:
    return sha256(b"".join(tx.id for tx in txs)).digest()


class FakeFormat:
    name = "fake"
    stored_as_sent = True

    def read_tx(self, r: Reader, form: Form) -> FakeTx:
        return FakeTx(r.var_bytes(), r.var_bytes())

    def write_tx(self, w: Writer, tx: FakeTx, form: Form) -> None:
        w.var_bytes(tx.key).var_bytes(tx.value)

    def read_header(self, r: Reader, form: Form) -> FakeHeader:
        return FakeHeader(r.bytes(32), r.u64(), r.u32(), r.u32(), r.bytes(32))

    def write_header(self, w: Writer, header: FakeHeader, form: Form) -> None:
        w.bytes(header.raw)

    def read_block(self, r: Reader, form: Form) -> FakeBlock:
        return FakeBlock(self.read_header(r, form), r.many(lambda r: self.read_tx(r, form)), r.var_bytes())

    def write_block(self, w: Writer, block: FakeBlock, form: Form) -> None:
        w.bytes(block.header.raw).many(block.txs, lambda w, tx: self.write_tx(w, tx, form)).var_bytes(block.seal)


@dataclass
class FakeLedger:
    """Counts how often it connects, so that tests see what is executed."""

    format: FakeFormat = field(default_factory=FakeFormat)
    policy: Any = None
    connected: int = 0
    fault: BaseException | None = None
    """Raised by the next connect: our own trouble."""

    def genesis(self, block: FakeBlock, state: KV) -> None:
        state.put(SPACE + b"genesis", b"\x01")

    def check_header(self, header: FakeHeader, branch: Branch[Any]) -> None:
        if header.timestamp <= branch.median_time():
            raise InvalidHeader("time-too-old")

    def check_block(self, block: FakeBlock, branch: Branch[Any]) -> None:
        if block.header.root != root_of(block.txs):
            raise Mutated("bad-root")
        for tx in block.txs:
            if tx.key == b"malformed":
                raise MalformedBlock("bad-form")
            if tx.key == b"context":
                raise InvalidBlock("bad-context")

    def connect(self, block: FakeBlock, branch: Branch[Any], state: KV, aid: Aid) -> Applied:
        assert branch.tip.hash == block.header.parent
        self.connected += 1
        fault, self.fault = self.fault, None
        touched = []
        for tx in block.txs:
            if tx.key == b"bad":
                raise InvalidBlock("bad-write")
            if tx.key == b"mutated":
                raise Mutated("bad-side-part")
            key = SPACE + tx.key
            if tx.value == b"":
                state.delete(key)
            else:
                state.put(key, sha256((state.get(key) or b"") + tx.value).digest())
            touched.append(key)
        if fault is not None:
            raise fault
        return Applied(fees=len(block.txs), spent=block.txs, touched=frozenset(touched))

    def admit(self, *_: Any) -> Any:
        raise NotImplementedError

    def limits(self) -> dict[int, tuple[int, ...]]:
        return {}

    def assemble(self, *_: Any) -> Any:
        raise NotImplementedError


@dataclass
class FakeEngine:
    header_proves: bool = True

    def difficulty(self, branch: Branch[Any], timestamp: int, kind: int = 0) -> int:
        return 1

    def check_header(self, header: FakeHeader, branch: Branch[Any]) -> None:
        if header.nonce == 13:
            raise InvalidHeader("high-hash")

    def check_block(self, block: FakeBlock, branch: Branch[Any], state: KV) -> bytes:
        if self.header_proves:
            return b""
        if state.get(SPACE + block.seal) is None:
            raise InvalidBlock("bad-kernel")
        return b"note:" + block.seal

    def weight(self, header: FakeHeader) -> int:
        return header.work

    def propose(self, *_: Any) -> Any:
        raise NotImplementedError

    def seal(self, *_: Any) -> Any:
        raise NotImplementedError


GENESIS = FakeBlock(FakeHeader(bytes(32), 1000, 1, 0, root_of(())), ())


def fake_spec(header_proves: bool = True, **fields: Any) -> ChainSpec:
    """A spec with a ledger of its own."""
    spec = ChainSpec(
        name="fake",
        client_name="fake",
        network=Network(magic=b"fake", p2p_port=1),
        addresses=None,  # type: ignore[arg-type]
        genesis=GENESIS,
        ledger=FakeLedger(),
        engine=FakeEngine(header_proves),
        better=heaviest,
    )
    return replace(spec, **fields)


def fake_block(
    parent: FakeBlock,
    *writes: tuple[bytes, bytes],
    nonce: int = 0,
    work: int = 1,
    later: int = 10,
    seal: bytes = b"genesis",
) -> FakeBlock:
    """A block on another."""
    txs = tuple(FakeTx(k, v) for k, v in writes)
    header = FakeHeader(parent.header.hash, parent.header.timestamp + later, work, nonce, root_of(txs))
    return FakeBlock(header, txs, seal)


def fake_chain(parent: FakeBlock, count: int, name: bytes = b"a", **fields: Any) -> list[FakeBlock]:
    """Blocks in a row; each folds its number into a key of its own and one of all."""
    blocks = []
    for n in range(count):
        parent = fake_block(
            parent, (b"all", name + bytes([n % 256])), (name + bytes([n % 7]), bytes([n % 256]) * (n % 3)), **fields
        )
        blocks.append(parent)
    return blocks


def state_of(kv: KV) -> dict[bytes, bytes]:
    """The family's own state."""
    return dict(kv.scan(SPACE))


def fold(blocks: Sequence[FakeBlock]) -> dict[bytes, bytes]:
    """The state after genesis and these blocks, by a second statement of the rule."""
    state = {SPACE + b"genesis": b"\x01"}
    for block in blocks:
        for tx in block.txs:
            if tx.value == b"":
                state.pop(SPACE + tx.key, None)
            else:
                state[SPACE + tx.key] = sha256(state.get(SPACE + tx.key, b"") + tx.value).digest()
    return state


def ledger_of(chain: Any) -> FakeLedger:
    """The ledger of a chain of this family."""
    ledger: FakeLedger = chain.spec.ledger
    return ledger


def data_of(chain: Any) -> dict[bytes, bytes]:
    """All that a chain in memory has stored."""
    data: dict[bytes, bytes] = chain.store.data
    return data


def rule_of(error: Any) -> str:
    """The stable word of an error."""
    rule: str = error.rule
    return rule
