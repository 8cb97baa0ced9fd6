"""Builders of regtest chains for tests: blocks, payments, a branch over a list, and a chain without a node."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from chains.bitcoin import REGTEST
from chains.spec import ChainSpec
from ledger.api import Aid, Applied
from ledger.utxo.assemble import with_commitment
from ledger.utxo.checks import height_push
from primitives import merkle, secp256k1
from primitives.bitcoin import (
    FINAL_SEQUENCE,
    NULL_OUTPOINT,
    BitcoinBlock,
    BitcoinHeader,
    Transaction,
    TxInput,
    TxOutput,
    outpoint,
)
from primitives.chain import Entry, Status
from primitives.hashing import hash160
from storage.kv import KV, Delta, Journal, rewind
from vm.script.sighash import ALL, SpendContext

TRUE = b"\x51"
"""A script that anyone can spend."""

COIN = 100_000_000


class DictKV:
    """A KV over a dict."""

    def __init__(self) -> None:
        self.pairs: dict[bytes, bytes] = {}

    def get(self, key: bytes) -> bytes | None:
        return self.pairs.get(key)

    def put(self, key: bytes, value: bytes) -> None:
        self.pairs[key] = value

    def delete(self, key: bytes) -> None:
        self.pairs.pop(key, None)

    def scan(self, prefix: bytes, start: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
        keys = sorted(self.pairs)
        for key in keys[bisect_left(keys, prefix + start) :]:
            if not key.startswith(prefix):
                return
            yield key, self.pairs[key]


class ListBranch:
    """A branch over a list of entries; `base` is the height of the first."""

    def __init__(self, entries: Sequence[Entry[Any]], base: int = 0) -> None:
        self.entries = entries
        self.base = base

    @property
    def tip(self) -> Entry[Any]:
        return self.entries[-1]

    def at(self, height: int) -> Entry[Any]:
        if not 0 <= height - self.base < len(self.entries):
            raise IndexError(f"no height {height} on this branch")
        return self.entries[height - self.base]

    def last(self, count: int) -> Sequence[Entry[Any]]:
        return self.entries[: -count - 1 : -1]

    def median_time(self) -> int:
        times = sorted(e.header.timestamp for e in self.last(11))
        return int(times[len(times) // 2])


@dataclass(frozen=True, slots=True)
class Purse:
    """Who is paid, and on how many threads a block is sought."""

    payee: bytes = TRUE
    threads: int = 1


@dataclass
class Chainlet:
    """A chain without a node: one branch, a state, and the way back."""

    spec: ChainSpec = REGTEST
    aid: Aid = field(default_factory=Aid)
    state: DictKV = field(default_factory=DictKV)
    entries: list[Entry[Any]] = field(default_factory=list)
    blocks: list[Any] = field(default_factory=list)
    deltas: list[Delta] = field(default_factory=list)

    def __post_init__(self) -> None:
        if not self.entries:
            genesis = self.spec.genesis
            self.entries.append(Entry(genesis.header, 0, self.spec.engine.weight(genesis.header), status=Status.VALID))
            self.blocks.append(genesis)
            self.spec.ledger.genesis(genesis, self.state)

    @property
    def branch(self) -> ListBranch:
        """The branch as it is now."""
        return ListBranch(tuple(self.entries))

    @property
    def height(self) -> int:
        """Height of the tip."""
        return self.entries[-1].height

    def check(self, block: Any) -> None:
        """All that is checked before a block is connected, in the node's order."""
        branch = self.branch
        self.spec.ledger.check_header(block.header, branch)
        self.spec.engine.check_header(block.header, branch)
        self.spec.ledger.check_block(block, branch)

    def connect(self, block: Any) -> tuple[Applied, Delta]:
        """Connect a block; the state is unchanged where that raises."""
        journal = Journal(self.state)
        applied = self.spec.ledger.connect(block, self.branch, journal, self.aid)
        return applied, journal.commit()

    def accept(self, block: Any) -> Applied:
        """Check and connect a block on the tip."""
        self.check(block)
        applied, delta = self.connect(block)
        self.deltas.append(delta)
        self.push_entry(block)
        return applied

    def push_entry(self, block: Any) -> None:
        """The block is the tip now."""
        tip = self.entries[-1]
        weight = tip.weight + self.spec.engine.weight(block.header)
        self.entries.append(Entry(block.header, tip.height + 1, weight, status=Status.VALID))
        self.blocks.append(block)

    def revert(self) -> Any:
        """Take the tip off; returns its block."""
        rewind(self.state, self.deltas.pop().undo)
        self.entries.pop()
        return self.blocks.pop()

    def mine(self, txs: Sequence[Transaction] = (), count: int = 1, **options: Any) -> Any:
        """Accept `count` blocks, the last with these transactions; returns the last."""
        for _ in range(count - 1):
            self.accept(block(self.branch, spec=self.spec))
        last = block(self.branch, txs, spec=self.spec, **options)
        self.accept(last)
        return last


def block(
    branch: ListBranch,
    txs: Sequence[Transaction] = (),
    *,
    spec: ChainSpec = REGTEST,
    time: int | None = None,
    reward: int | None = None,
    payee: bytes = TRUE,
    extra: bytes = b"",
    version: int = 0x20000000,
    coinbase: Transaction | None = None,
    commit: bool = True,
    seal: bool = True,
) -> BitcoinBlock:
    """A block on the tip of a branch, sealed. `reward` is what its coinbase pays, the subsidy by default."""
    height = branch.tip.height + 1
    if coinbase is None:
        script = height_push(height) + bytes((len(extra),)) + extra
        rules = spec.ledger.rules  # type: ignore[attr-defined]
        value = rules.subsidy(height) if reward is None else reward
        coinbase = Transaction(1, (TxInput(NULL_OUTPOINT, script),), (TxOutput(value, payee),))
        if commit:
            coinbase = with_commitment(coinbase, txs, 0)
    whole = (coinbase, *txs)
    when = branch.median_time() + 1 if time is None else time
    header = BitcoinHeader(
        version, branch.tip.hash, merkle.root([t.id for t in whole]), when, spec.engine.difficulty(branch, when), 0
    )
    made = BitcoinBlock(header, whole)
    return sealed(made, spec) if seal else made


def sealed(made: BitcoinBlock, spec: ChainSpec = REGTEST) -> BitcoinBlock:
    """The block with a nonce that serves."""
    found = spec.engine.seal(made, Purse(), lambda: False)
    assert isinstance(found, BitcoinBlock)
    return found


def remade(made: BitcoinBlock, txs: Sequence[Transaction], spec: ChainSpec = REGTEST) -> BitcoinBlock:
    """The block with other transactions under its header's other fields, sealed again."""
    root = merkle.root([t.id for t in txs])
    return sealed(BitcoinBlock(replace(made.header, merkle_root=root, nonce=0), tuple(txs)), spec)


def spend(
    coins: Sequence[tuple[Transaction, int]],
    outputs: Sequence[TxOutput | int],
    *,
    version: int = 2,
    lock_time: int = 0,
    sequence: int = FINAL_SEQUENCE,
    script: bytes = b"",
) -> Transaction:
    """Spends outputs of earlier transactions; numbers are paid to TRUE."""
    inputs = tuple(TxInput(outpoint(tx.id, n), script, sequence) for tx, n in coins)
    made = tuple(TxOutput(o, TRUE) if isinstance(o, int) else o for o in outputs)
    return Transaction(version, inputs, made, lock_time)


@dataclass(frozen=True, slots=True)
class Key:
    """A secret whose coins lie under pay-to-witness-key-hash."""

    secret: bytes = bytes(31) + b"\x07"

    @property
    def public(self) -> bytes:
        """The compressed public key."""
        return secp256k1.public_key(self.secret)

    @property
    def script(self) -> bytes:
        """What this key's coins are locked with."""
        return b"\x00\x14" + hash160(self.public)

    def sign(self, tx: Transaction, spent: Sequence[TxOutput], only: Sequence[int] | None = None) -> Transaction:
        """The transaction with witnesses for the inputs that spend this key's coins (or for `only` these)."""
        context, inputs = SpendContext(tx, spent), list(tx.inputs)
        for at in range(len(inputs)) if only is None else only:
            code = b"\x76\xa9\x14" + hash160(self.public) + b"\x88\xac"
            signature = secp256k1.sign(self.secret, context.v0(at, code, ALL)) + bytes((ALL,))
            inputs[at] = inputs[at]._replace(witness=(signature, self.public))
        return replace(tx, inputs=tuple(inputs))


def state_pairs(state: KV) -> dict[bytes, bytes]:
    """All of a state, to compare."""
    return dict(state.scan(b""))
