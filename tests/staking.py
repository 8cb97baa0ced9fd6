"""Stakers, work and stake for tests: a chain on stake-dev or regtest that mints from keys given, with a clock that tests move."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from chains.peercoin import STAKE_DEV
from chains.spec import ChainSpec
from consensus.stake_mint import Outlook
from node.chain import Chain
from node.gate import Position
from node.mempool import Mempool
from node.producer import Producer, Purse
from node.results import TipChanged
from primitives import merkle, secp256k1
from primitives.bitcoin import Transaction, TxOutput, outpoint
from primitives.hashing import hash160
from primitives.peercoin import PeercoinBlock
from storage.memory import MemoryStore
from vm.script.opcodes import push
from vm.script.sighash import ALL, SpendContext


def never() -> bool:
    """Nobody stops."""
    return False


@dataclass
class KeyStaker:
    """One key whose coins stake: paid to the key itself, to its hash, or to its witness hash."""

    secret: bytes = bytes(31) + b"\x0b"
    locked: bool = False
    points: dict[bytes, None] = field(default_factory=dict)
    told: list[Outlook] = field(default_factory=list)
    reached: dict[bytes, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.public = secp256k1.public_key(self.secret)
        digest = hash160(self.public)
        self.p2pk = push(self.public) + b"\xac"
        self.p2pkh = b"\x76\xa9\x14" + digest + b"\x88\xac"
        self.p2wpkh = b"\x00\x14" + digest

    def coins(self) -> Iterable[bytes]:
        return list(self.points)

    def key_of(self, script: bytes) -> bytes | None:
        return self.public if script in (self.p2pk, self.p2pkh, self.p2wpkh) else None

    def sign(self, tx: Transaction, spent: Sequence[TxOutput]) -> Transaction | None:
        if self.locked:
            return None
        context, inputs = SpendContext(tx, spent), list(tx.inputs)
        for at, output in enumerate(spent):
            if output.script == self.p2wpkh:
                signature = secp256k1.sign(self.secret, context.v0(at, self.p2pkh, ALL)) + bytes((ALL,))
                inputs[at] = inputs[at]._replace(witness=(signature, self.public))
                continue
            signature = secp256k1.sign(self.secret, context.legacy(at, output.script, ALL)) + bytes((ALL,))
            script = push(signature) + (push(self.public) if output.script == self.p2pkh else b"")
            inputs[at] = inputs[at]._replace(script=script)
        return replace(tx, inputs=tuple(inputs))

    def sign_block(self, public: bytes, digest: bytes) -> bytes | None:
        return None if self.locked or public != self.public else secp256k1.sign(self.secret, digest)

    def searched(self, tip: bytes) -> int:
        return self.reached.get(tip, 0)

    def tell(self, tip: bytes, until: int, outlook: Outlook) -> None:
        self.reached = {tip: until}
        self.told.append(outlook)

    def take(self, block: PeercoinBlock) -> None:
        """Note the coins of a block that are this key's."""
        for tx in block.txs:
            for spend in tx.inputs:
                self.points.pop(spend.outpoint, None)
            for n, output in enumerate(tx.outputs):
                if output.value and self.key_of(output.script):
                    self.points[outpoint(tx.id, n)] = None


class Mint:
    """A chain in memory with its producer, a clock, and stakers that see every connected block."""

    def __init__(self, spec: ChainSpec = STAKE_DEV, stakers: Sequence[KeyStaker] = (), now: int = 0) -> None:
        self.spec = spec
        self.chain = Chain(spec, MemoryStore())
        self.stakers = list(stakers)
        self.now = now or spec.genesis.header.timestamp + 60
        self.producer = Producer(spec, Mempool(spec.ledger.policy))
        self.chain.observers.append(self._heard)

    def _heard(self, event: Any) -> None:
        if isinstance(event, TipChanged):
            for connected in event.connected:
                for staker in self.stakers:
                    staker.take(connected.block)

    def propose(self, purse: Purse) -> PeercoinBlock | None:
        """A sealed block on the tip, not handed in."""
        with self.chain.view() as view:
            at = Position(view.branch, view.state, self.now)
            made = self.producer.make(at, purse, never, ())
        self.made = made
        return None if made is None else made.block

    def work(self, payee: bytes, gap: int = 0) -> PeercoinBlock:
        """Mine a block, `gap` seconds later."""
        self.now += gap
        block = self.propose(Purse(payee))
        assert block is not None and self.made is not None
        assert isinstance(self.chain.accept(block, self.now, self.made.prepared), TipChanged)
        return block

    def stake(self, staker: KeyStaker) -> PeercoinBlock | None:
        """Mint a block at the present second if one can be had."""
        block = self.propose(Purse(staker.p2pk, staker=staker))
        if block is None:
            return None
        assert self.made is not None
        assert isinstance(self.chain.accept(block, self.now, self.made.prepared), TipChanged)
        return block

    def mint(self, staker: KeyStaker, most: int = 10_000) -> PeercoinBlock:
        """Move the clock until the staker has a block."""
        for _ in range(most):
            block = self.stake(staker)
            if block is not None:
                return block
            self.now += 15
        raise AssertionError(f"nothing was minted: {staker.told[-1]}")


def funded(spec: ChainSpec = STAKE_DEV, blocks: int = 24, stakers: int = 1) -> tuple[Mint, list[KeyStaker]]:
    """A chain of work whose rewards are the stakers' in turn, old enough to stake."""
    keys = [KeyStaker(bytes(31) + bytes((11 + n,))) for n in range(stakers)]
    mint = Mint(spec, keys)
    for height in range(blocks):
        staker = keys[height % stakers]
        mint.work((staker.p2pk, staker.p2pkh, staker.p2wpkh)[height // stakers % 3], 60)
    return mint, keys


def resigned(block: PeercoinBlock, staker: KeyStaker, txs: Sequence[Transaction] = (), **header: Any) -> PeercoinBlock:
    """The block with other transactions or header fields, under its true root and signed again."""
    body = tuple(txs) or block.txs
    root = merkle.root([tx.id for tx in body])
    head = replace(block.header, **{"merkle_root": root, **header})
    signature = staker.sign_block(staker.public, head.hash)
    assert signature is not None
    return PeercoinBlock(head, body, signature)
