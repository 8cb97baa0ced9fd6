"""DevChain: what people do to a local account chain beside what controls.py does to any: keys, mining modes, sending, edits of accounts.

All but `keys` and switches runs on the chain thread. It knows no RPC; every change goes through the producer and the chain's front door.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, cast

from ledger.account.block import block_context
from ledger.account.fees import next_base_fee
from ledger.account.ledger import AccountLedger
from ledger.account.state import State
from ledger.account.transaction import check_form, check_state
from ledger.api import Admission
from node.controls import MOST_BLOCKS, OURS, Controls, admission_of
from node.gate import Position
from node.interval import Interval
from node.node import Happening, Node
from node.producer import Purse
from node.results import TipChanged
from primitives.chain import Entry
from primitives.errors import ChainError, DecodeError, Missing, Refused
from primitives.ethereum import EthereumBlock
from primitives.ethereum_directives import Edit, send_as, set_balance, set_base_fee, set_gas_limit
from primitives.ethereum_tx import EthereumTransaction, impersonated, sign
from primitives.hashing import keccak256


def _fields(record: Any) -> dict[str, Any]:
    """The fields by name, as they are; dataclasses.asdict copies each deeply, and a snapshot is to cost next to nothing."""
    return {name: getattr(record, name) for name in record.__slots__}


@dataclass(slots=True)
class NextBlock:
    """Wishes for the next block alone."""

    timestamp: int | None = None
    base_fee: int | None = None
    randao: bytes | None = None

    def encode(self) -> dict[str, Any]:
        """As plain JSON."""
        return {**_fields(self), "randao": None if self.randao is None else self.randao.hex()}

    @classmethod
    def decode(cls, saved: Mapping[str, Any]) -> NextBlock:
        """Back from JSON."""
        randao = saved["randao"]
        return cls(saved["timestamp"], saved["base_fee"], None if randao is None else bytes.fromhex(randao))


@dataclass(slots=True)
class Modes:
    """How blocks come about, until somebody says otherwise."""

    automine: bool = False
    interval: float = 0.0
    """Seconds between blocks that the clock makes; 0: none."""
    coinbase: bytes = bytes(20)
    gas_limit: int | None = None
    """What blocks are to have; None: as the chain goes."""
    spacing: int | None = None
    """Seconds of chain time from block to block; None: the clock's."""
    impersonated: set[bytes] = field(default_factory=set)
    impersonates_all: bool = False

    def encode(self) -> dict[str, Any]:
        """As plain JSON."""
        impersonated = [account.hex() for account in sorted(self.impersonated)]
        return {**_fields(self), "coinbase": self.coinbase.hex(), "impersonated": impersonated}

    @classmethod
    def decode(cls, saved: Mapping[str, Any]) -> Modes:
        """Back from JSON."""
        impersonated = {bytes.fromhex(account) for account in saved["impersonated"]}
        return cls(**{**saved, "coinbase": bytes.fromhex(saved["coinbase"]), "impersonated": impersonated})


class DevChain:
    """The controls of one account chain. `keys`: private keys by address, of a chain whose spec allows edits."""

    def __init__(
        self, node: Node, keys: dict[bytes, bytes], automine: bool, controls: Controls | None = None, seed: bytes = b""
    ) -> None:
        self.node = node
        self.controls = controls or Controls(node.whole)
        self.controls.beside = self
        self.seed = seed
        """What the random numbers of blocks are drawn from."""
        self.keys = keys
        self.modes = Modes(automine=automine)
        self.next_block = NextBlock()
        self._timer = Interval(node, self.mine)
        self.instance = node.env.random.randbytes(32)
        """Another one with every start."""
        self._start = node.env.now() - node.env.monotonic()
        node.chain_listeners.append(self._on_event)
        self._price()

    @property
    def ledger(self) -> AccountLedger:
        """The rules."""
        return cast(AccountLedger, self.node.spec.ledger)

    def _on_event(self, event: Happening) -> None:
        if isinstance(event, TipChanged):
            self._price()

    def _price(self) -> None:
        """The pool orders by what the next block's base fee leaves."""
        header = self.node.chain.tip.header
        rules = self.ledger.schedule.at(header.number + 1, header.timestamp + 1, header.difficulty)
        self.node.pool.base_fee = next_base_fee(header, rules) or 0

    # -- blocks -----------------------------------------------------------------------------------------------------

    def mine(
        self, txs: Sequence[Admission] | None = None, edits: Sequence[Edit] = (), timestamp: int | None = None
    ) -> EthereumBlock:
        """One block on the tip, of the pool or of just these transactions, with these edits. Raises Refused where it cannot be."""
        node, modes, wishes = self.node, self.modes, self.next_block
        tip = node.chain.tip.header
        when = timestamp if timestamp is not None else wishes.timestamp
        if when is None and modes.spacing is not None:
            when = tip.timestamp + modes.spacing
        if when is not None and when <= tip.timestamp:
            raise Refused("timestamp older than parent", f"{when} <= {tip.timestamp}")
        all_edits = list(edits)
        options: dict[str, Any] = {"prev_randao": wishes.randao or self._randao(tip.hash)}
        if wishes.base_fee is not None:
            all_edits.append(set_base_fee(wishes.base_fee))
        if modes.gas_limit is not None and tip.gas_limit != modes.gas_limit:
            all_edits.append(set_gas_limit(modes.gas_limit))
        elif modes.gas_limit is not None:
            options["gas_limit"] = modes.gas_limit
        if all_edits:
            options["edits"] = all_edits
        purse = Purse(modes.coinbase, options=options)
        with node.position() as at:
            if when is not None:
                at = replace(at, now=when)
            made = node.producer.make(at, purse, node.stopping.is_set, txs)
        if made is None:
            raise Refused("no block could be made")
        node.take_made(made.block, made.prepared)
        self.next_block = NextBlock()
        if when is not None:
            node.env.advance(when - node.env.now())
        block: EthereumBlock = made.block
        return block

    def _randao(self, parent: bytes) -> bytes:
        return keccak256(b"randao" + self.seed + parent)

    def pending(self) -> EthereumBlock:
        """What would be made now, unsealed; nothing is changed."""
        node = self.node
        with node.position() as at:
            purse = Purse(self.modes.coinbase, options={"prev_randao": self._randao(node.chain.tip.hash)})
            draft = node.producer.draft(at, purse, node.stopping.is_set)
            if draft is None:
                raise Refused("no block could be made")
            block: EthereumBlock = node.producer.assemble(draft, at).block
        return block

    def mine_many(self, count: int, spacing: int | None = None) -> None:
        """Many blocks, so many seconds apart."""
        if count > MOST_BLOCKS:
            raise Refused(f"at most {MOST_BLOCKS} blocks at once")
        with self.node.whole.at_once():
            for i in range(count):
                tip = self.node.chain.tip.header.timestamp
                self.mine(timestamp=tip + spacing if spacing is not None and i else None)

    def _mine_pool(self) -> None:
        """Blocks until nothing of the pool goes in any more."""
        while len(self.node.pool):
            before = len(self.node.pool)
            if not self.mine().txs or len(self.node.pool) >= before:
                return

    # -- transactions -----------------------------------------------------------------------------------------------

    def submit(self, tx: EthereumTransaction) -> bytes:
        """Take a transaction into the pool; with automine, into a block at once. Raises ChainError."""
        node = self.node
        try:
            node.submit_tx(tx, OURS)
        except Refused as e:
            if e.rule == "txn-already-in-mempool":
                raise Refused("already known") from None
            raise
        except Missing:
            if tx.id not in node.gate.parked:
                raise
            return tx.id
        if self.modes.automine:
            self._mine_pool()
        return tx.id

    def sign(self, tx: EthereumTransaction, sender: bytes) -> EthereumTransaction:
        """Signed with a key that this node holds. Raises Refused("unknown account")."""
        key = self.keys.get(sender)
        if key is None:
            raise Refused("unknown account")
        return impersonated(sign(tx, key), sender)  # whose it is need not be recovered

    def is_impersonated(self, sender: bytes) -> bool:
        """Whether transactions of this account need no signature here."""
        return sender in self.modes.impersonated or (self.modes.impersonates_all and sender not in self.keys)

    def send_as(self, tx: EthereumTransaction, sender: bytes) -> bytes:
        """Mine an unsigned transaction of an account at once, in a block of its own. Raises ChainError."""
        self.check_edits()
        made, _ = send_as(tx, sender)
        with self.node.position() as at:
            self._check(made, at)
        block = self.mine([admission_of(made)])
        if not block.txs:
            raise Refused("the transaction does not go into a block")
        return made.id

    def _check(self, tx: EthereumTransaction, at: Position) -> None:
        """Why it would be left out of the next block. Raises InvalidTx."""
        ledger, tip = self.ledger, at.branch.tip.header
        purse = Purse(self.modes.coinbase)
        draft = self.node.producer.draft(at, purse, self.node.stopping.is_set)
        if draft is None:
            raise Refused("no block could be made")
        header = ledger.draft_header(draft, tip)
        rules = ledger.schedule.of(header)
        check_form(tx, rules, ledger.schedule.chain_id)
        if tx.gas_limit > header.gas_limit:
            raise Refused("exceeds block gas limit")
        context = block_context(header, at.branch, rules, ledger.schedule.chain_id)
        check_state(tx, State(at.state, tip.state_root), context, rules)

    # -- edits ------------------------------------------------------------------------------------------------------

    def check_edits(self) -> None:
        """Raises Refused where the chain allows no edits."""
        if not self.node.spec.dev_edits:
            raise Refused("dev edits are not allowed on this chain")

    def edit(self, edits: Sequence[Edit]) -> None:
        """Make changes outside of transactions, in a block of their own that has no transactions. Raises Refused."""
        self.check_edits()
        wishes, self.next_block = self.next_block, NextBlock()
        try:
            self.mine((), edits)
        finally:
            self.next_block = wishes
        self._readmit({e.address for e in edits})

    def fund(self, accounts: Sequence[bytes], wei: int) -> None:
        """Give accounts so many wei more, in one block. Raises Refused."""
        with self.node.position() as at:
            state = State(at.state, at.branch.tip.header.state_root)
            before = [state.balance(account) for account in accounts]
        most = (1 << 256) - 1
        self.edit([set_balance(a, min(b + wei, most)) for a, b in zip(accounts, before, strict=True)])

    def _readmit(self, senders: Iterable[bytes]) -> None:
        """Judge the pooled transactions of these accounts again."""
        pool, wanted = self.node.pool, set(senders)
        affected = [e.tx for e in pool if e.tx.sender in wanted]
        for tx in affected:
            self.node.drop_tx(tx.id)
        for tx in affected:
            self._back(tx)

    def _back(self, tx: EthereumTransaction) -> None:
        try:
            self.node.submit_tx(tx, OURS)
        except ChainError:
            return

    # -- snapshots --------------------------------------------------------------------------------------------------

    def save(self) -> dict[str, Any]:
        """What a snapshot keeps of this half."""
        return {"modes": self.modes.encode(), "next": self.next_block.encode()}

    def restore(self, saved: Mapping[str, Any]) -> None:
        """Modes and wishes as they were at a snapshot. Raises DecodeError."""
        try:
            self.modes, self.next_block = Modes.decode(saved["modes"]), NextBlock.decode(saved["next"])
        except (KeyError, TypeError, ValueError) as e:
            raise DecodeError(f"not what a snapshot keeps: {e}") from e

    def reset(self) -> None:
        """Back to genesis, with an empty pool and the default modes."""
        node = self.node
        with node.chain.view() as view:
            genesis = view.at(0)
        assert genesis is not None, "a chain has a genesis"
        node.chain.revert(genesis)
        self.controls.empty_pool()
        self.controls.forget()
        self.modes = Modes(automine=self.modes.automine, interval=self.modes.interval)
        self.next_block = NextBlock()
        node.env.travel(0)

    # -- reorganisations --------------------------------------------------------------------------------------------

    def reorganise(self, depth: int, txs: Mapping[int, Sequence[Any]]) -> None:
        """Replace the last `depth` blocks by as many others with these transactions. Raises as Controls.reorganise."""
        self.controls.reorganise(depth, txs, self.side_purse, outweigh=False)

    def side_purse(self, parent: Entry[Any]) -> Purse:
        """For a block of a side branch."""
        options = {"prev_randao": keccak256(b"side" + self.seed + parent.hash)}
        return self.node.purse(Purse(self.modes.coinbase, options=options))

    def rollback(self, depth: int) -> None:
        """Forget the last blocks. Raises Refused where the chain is not so long."""
        node = self.node
        with node.chain.view() as view:
            if not 0 < depth <= view.tip.height:
                raise Refused(f"the chain is {view.tip.height} blocks long, it cannot lose {depth}")
            entry = view.entries.at(view.tip.height - depth)
        assert entry is not None, "a height below the tip's"
        node.chain.revert(entry)

    def ahead(self) -> int:
        """Seconds by which the chain's clock is ahead of where it started, the machine's own seconds left out."""
        return round(self.node.env.now() - self.node.env.monotonic() - self._start)

    # -- the clock --------------------------------------------------------------------------------------------------

    def set_interval(self, seconds: float) -> None:
        """Make a block every so many seconds; 0: no longer. On the loop."""
        self.modes.interval = seconds
        self._timer.set(seconds)

    def close(self) -> None:
        """End interval mining."""
        self._timer.set(0)
