"""AccountLedger: the Ledger protocol for Ethereum's family, nothing but calls into the files beside it.

`Draft.options` may hold `gas_limit`, `prev_randao`, `parent_beacon_root` (32 bytes each), `withdrawals`, and `edits` where dev edits
are allowed (primitives/ethereum_directives.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from ledger.account import checks, dao, fees
from ledger.account.admission import admit, token
from ledger.account.block import BlockRun, Totals, execute_block
from ledger.account.directives import check_directives, check_edited_header
from ledger.account.policy import GethPolicy
from ledger.account.rules import AccountRules, Schedule
from ledger.account.state import State
from ledger.account.trie import list_root
from ledger.api import Admission, Aid, Applied, Draft
from primitives import rlp
from primitives.ancestry import GENERATIONS
from primitives.chain import Branch
from primitives.errors import Invalid, InvalidBlock, InvalidTx, Refused
from primitives.ethereum import EMPTY_BLOOM, EMPTY_OMMERS, EMPTY_ROOT, EthereumBlock, EthereumHeader, Withdrawal
from primitives.ethereum_directives import (
    Edit,
    Kind,
    commitment,
    decode_edits,
    encode_edits,
    is_committed,
    is_sent_as,
    value_of,
)
from primitives.ethereum_format import EthereumFormat
from primitives.ethereum_tx import EthereumTransaction
from storage.kv import KV, Delta, Journal

_NOTHING: Final = bytes(32)
_FEW: Final = 8
"""Fewer signatures than this are not worth the threads."""


@dataclass(frozen=True, slots=True)
class GenesisAccount:
    """An account that the chain starts with."""

    address: bytes
    balance: int = 0
    nonce: int = 0
    code: bytes = b""
    storage: tuple[tuple[int, int], ...] = ()


Alloc = tuple[GenesisAccount, ...]


def genesis_root(alloc: Alloc, state: KV) -> bytes:
    """Write the accounts that a chain starts with; returns the state root."""
    world = State(state)
    for account in alloc:
        world.touch(account.address)
        world.set_balance(account.address, account.balance)
        world.set_nonce(account.address, account.nonce)
        if account.code:
            world.set_code(account.address, account.code)
        for slot, value in account.storage:
            world.set_storage(account.address, slot, value)
    world.end_transaction(False)
    return world.commit()


@dataclass(frozen=True, slots=True)
class AccountLedger:
    """Ethereum's rules under a schedule of forks."""

    schedule: Schedule
    alloc: Alloc = ()
    gas_target: int = 30_000_000
    """Where the gas limit of own blocks moves to."""
    policy: GethPolicy = field(default_factory=GethPolicy)
    format: EthereumFormat = field(default_factory=EthereumFormat)
    dev_edits: bool = False
    """Whether blocks may carry directives."""

    @property
    def ommer_generations(self) -> int:
        """How far up a producer may look for ommers; 0 where no rules of this chain know any."""
        return GENERATIONS if any(step.rules.ommers for step in self.schedule.steps) else 0

    def genesis(self, block: EthereumBlock, state: KV) -> None:
        """Write the genesis state. Raises InvalidBlock("invalid merkle root") where the block says another."""
        root = genesis_root(self.alloc, state)
        if root != block.header.state_root:
            raise InvalidBlock("invalid merkle root", f"remote: {block.header.state_root.hex()} local: {root.hex()}")

    def check_header(self, header: EthereumHeader, branch: Branch[Any]) -> None:
        """Whether it is a lawful child of the tip, but for difficulty, seal and clock. Raises InvalidHeader."""
        checks.check_header(header, branch.tip.header, self.schedule, self.dev_edits and is_committed(header))

    def check_block(self, block: EthereumBlock, branch: Branch[Any]) -> None:
        """Whether this is the body that the header commits to. Raises Mutated, MalformedBlock."""
        rules = self.schedule.of(block.header)
        checks.check_body(block, rules)
        check_directives(block, self.dev_edits)
        if block.directives:
            base_fee = fees.next_base_fee(branch.tip.header, rules)
            check_edited_header(block.header, base_fee, decode_edits(block.directives))

    def connect(self, block: EthereumBlock, branch: Branch[Any], state: KV, aid: Aid) -> Applied:
        """Execute and compare all roots. Raises InvalidBlock, InvalidHeader (an ommer's)."""
        checks.check_ommers(block, branch, state, self.schedule)
        if aid.executor is not None and len(block.txs) >= _FEW:
            list(aid.executor.map(_recover, block.txs))
        world = State(state, branch.tip.header.state_root)
        work = execute_block(block, branch, world, self.schedule)
        checks.remember_ommers(block, state)
        return _applied(block.txs, work)

    def admit(self, txs: Sequence[Any], branch: Branch[Any], state: KV, aid: Aid) -> list[Admission]:
        """Judge transactions for the pool. Raises InvalidTx, Refused, Missing."""
        return admit(txs, branch.tip.header, state, self.schedule, self.policy)

    def limits(self) -> Mapping[int, Sequence[int]]:
        """Gas, and blob gas without a limit of its own: `assemble` drops what the fork's schedule forbids."""
        return {0: (self.gas_target, self.gas_target)}

    def assemble(
        self, draft: Draft, txs: Sequence[Admission], branch: Branch[Any], state: KV
    ) -> tuple[EthereumBlock, Delta, Applied]:
        """An unsealed block on the tip. Transactions and ommers that are not lawful there are left out."""
        edits: tuple[Edit, ...] = tuple(draft.options.get("edits", ()))
        if edits and not self.dev_edits:
            raise Refused("dev edits are not allowed on this chain")
        header = _edited(self.draft_header(draft, branch.tip.header), edits)
        rules = self.schedule.of(header)
        journal = Journal(state)
        ommers = self._lawful_ommers(draft.side_headers, header, branch, journal) if rules.ommers else ()
        if ommers:
            header = replace(header, ommers_hash=checks.ommers_hash(ommers))
        work = BlockRun(header, branch, State(journal, branch.tip.header.state_root), self.schedule)
        work.open(edits)
        taken: list[EthereumTransaction] = []
        for tx in (*draft.leading, *(a.tx for a in txs)):
            try:
                work.add(tx)
            except InvalidTx:
                continue
            taken.append(tx)
        withdrawals: tuple[Withdrawal, ...] | None = None
        if rules.withdrawals:
            withdrawals = tuple(draft.options.get("withdrawals", ()))
        totals = work.close(withdrawals, ommers)
        stripped = tuple(replace_sidecar(tx) for tx in taken)
        directives = b""
        if self.dev_edits:
            sent = [Edit(Kind.SENDER, tx.sender, key=tx.id) for tx in stripped if is_sent_as(tx)]
            directives = encode_edits([*(e for e in edits if e.kind is not Kind.SENDER), *sent])
            header = replace(header, extra_data=commitment(directives)) if directives else header
        finished = _finished(header, totals, stripped, withdrawals)
        block = EthereumBlock(finished, stripped, ommers, withdrawals, directives)
        checks.remember_ommers(block, journal)
        return block, journal.delta(), _applied(stripped, work)

    def draft_header(self, draft: Draft, parent: EthereumHeader) -> EthereumHeader:
        """The header of the next block, as far as it is known before its transactions are."""
        number, options = parent.number + 1, draft.options
        rules = self.schedule.at(number, draft.timestamp, draft.difficulty)
        blobs = rules.fork.blobs is not None
        return EthereumHeader(
            parent=parent.hash, ommers_hash=EMPTY_OMMERS, coinbase=draft.payee.rjust(20, b"\0")[-20:],
            state_root=EMPTY_ROOT, transactions_root=EMPTY_ROOT, receipts_root=EMPTY_ROOT, bloom=EMPTY_BLOOM,
            difficulty=draft.difficulty, number=number,
            gas_limit=options.get("gas_limit") or next_gas_limit(parent, rules, self.gas_target), gas_used=0,
            timestamp=draft.timestamp,
            extra_data=dao.EXTRA_DATA if dao.wants_extra_data(self.schedule.dao_block, number) else draft.extra[:32],
            mix_hash=options.get("prev_randao", _NOTHING), nonce=bytes(8),
            base_fee=fees.next_base_fee(parent, rules),
            withdrawals_root=EMPTY_ROOT if rules.withdrawals else None,
            blob_gas_used=0 if blobs else None,
            excess_blob_gas=fees.next_excess_blob_gas(parent, rules),
            parent_beacon_root=options.get("parent_beacon_root", _NOTHING) if rules.beacon_roots is not None else None,
            requests_hash=_NOTHING if rules.has_requests else None,
        )  # fmt: skip

    def _lawful_ommers(
        self, candidates: Sequence[EthereumHeader], header: EthereumHeader, branch: Branch[Any], state: KV
    ) -> tuple[EthereumHeader, ...]:
        taken: tuple[EthereumHeader, ...] = ()
        for ommer in candidates:
            if len(taken) == checks.MAX_OMMERS:
                break
            try:
                checks.check_ommers(EthereumBlock(header, (), (*taken, ommer)), branch, state, self.schedule)
            except Invalid:
                continue
            taken = (*taken, ommer)
        return taken


def replace_sidecar(tx: EthereumTransaction) -> EthereumTransaction:
    """The transaction as a block holds it, without what only travels with it."""
    return tx if tx.sidecar is None else replace(tx, sidecar=None)


def _edited(header: EthereumHeader, edits: Sequence[Edit]) -> EthereumHeader:
    base_fee, limit = value_of(edits, Kind.BASE_FEE), value_of(edits, Kind.GAS_LIMIT)
    if base_fee is not None and header.base_fee is not None:
        header = replace(header, base_fee=base_fee)
    return header if limit is None else replace(header, gas_limit=limit)


def next_gas_limit(parent: EthereumHeader, rules: AccountRules, target: int) -> int:
    """The gas limit nearest to a target that a child of `parent` may have (geth, core/block_validator.go, CalcGasLimit)."""
    before = parent.gas_limit
    if rules.fee_market and parent.base_fee is None:
        before *= fees.ELASTICITY
    step = before // checks.GAS_LIMIT_QUOTIENT - 1
    target = max(target, checks.MIN_GAS_LIMIT)
    return min(before + step, target) if before < target else max(before - step, target)


def _finished(
    header: EthereumHeader,
    totals: Totals,
    txs: tuple[EthereumTransaction, ...],
    withdrawals: tuple[Withdrawal, ...] | None,
) -> EthereumHeader:
    return replace(
        header,
        state_root=totals.state_root,
        transactions_root=list_root([tx.raw for tx in txs]),
        receipts_root=totals.receipts_root,
        bloom=totals.bloom,
        gas_used=totals.gas_used,
        withdrawals_root=None if withdrawals is None else list_root([rlp.encode(w.item) for w in withdrawals]),
        blob_gas_used=None if header.blob_gas_used is None else totals.blob_gas_used,
        requests_hash=totals.requests_hash,
    )


def _recover(tx: EthereumTransaction) -> None:
    """Work out the sender ahead of time; a signature that is none is found again where it matters."""
    try:
        _ = tx.sender
    except InvalidTx:
        return


def _applied(txs: Sequence[EthereumTransaction], work: BlockRun) -> Applied:
    return Applied(
        fees=sum(outcome.tip for outcome in work.outcomes),
        receipts=tuple(receipt.raw for receipt in work.receipts),
        logs=tuple(work.logs),
        touched=frozenset(token(tx.sender, tx.nonce) for tx in txs),
        requests=tuple((kind, data) for kind, data in work.requests if data),
    )
