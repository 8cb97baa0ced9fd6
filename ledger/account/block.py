"""A block's execution: opening calls, transactions, withdrawals, requests, rewards; and the roots that must come out.

Whether the header is lawful was asked before; whether ommers are, is asked by the ledger. Messages are geth's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence, Sized
from dataclasses import dataclass
from typing import Final

from ledger.account import dao, fees
from ledger.account.directives import apply_edits
from ledger.account.requests import DEPOSIT_TYPE, deposits_of, requests_hash
from ledger.account.rules import GWEI, AccountRules, Schedule
from ledger.account.state import State
from ledger.account.transaction import Outcome, check_form, check_state, execute
from ledger.account.trie import list_root
from primitives.chain import Branch
from primitives.errors import InvalidBlock, InvalidTx
from primitives.ethereum import EthereumBlock, EthereumHeader, Log, Receipt, Withdrawal, bloom, join_blooms
from primitives.ethereum_directives import Edit, decode_edits
from primitives.ethereum_tx import EthereumTransaction
from primitives.hashing import keccak256
from vm.evm.api import BlockContext, Message, Result, Tracer, TxContext
from vm.evm.interpreter import run

SYSTEM: Final = bytes.fromhex("fffffffffffffffffffffffffffffffffffffffe")
SYSTEM_GAS: Final = 30_000_000


@dataclass(frozen=True, slots=True)
class Totals:
    """What a header must say of its block's execution."""

    state_root: bytes
    receipts_root: bytes
    bloom: bytes
    gas_used: int
    blob_gas_used: int
    requests_hash: bytes | None


def block_context(
    header: EthereumHeader, branch: Branch[EthereumHeader], rules: AccountRules, chain_id: int
) -> BlockContext:
    """What code may learn of a block that lies on `branch`.

    The random number is the header's mix hash; where that is a seal still to be found, the hash of the parent's stands in for it.
    """
    blobs = rules.fork.blobs
    return BlockContext(
        coinbase=header.coinbase,
        number=header.number,
        timestamp=header.timestamp,
        gas_limit=header.gas_limit,
        difficulty=header.difficulty,
        randao=keccak256(branch.tip.header.mix_hash) if rules.seals else header.mix_hash,
        base_fee=header.base_fee or 0,
        blob_base_fee=1 if blobs is None else fees.blob_base_fee(header.excess_blob_gas or 0, blobs),
        chain_id=chain_id,
        block_hash=_hashes(branch),
    )


def _hashes(branch: Branch[EthereumHeader]) -> Callable[[int], bytes]:
    return lambda number: branch.at(number).hash


class BlockRun:
    """A block while it is executed on the parent's state: `open`, `add` each transaction, `close`."""

    __slots__ = (
        "blob_gas_left", "blob_gas_used", "context", "gas_left", "header", "outcomes", "receipts", "requests", "rules", "schedule", "state",
        "stop",
    )  # fmt: skip

    def __init__(
        self, header: EthereumHeader, branch: Branch[EthereumHeader], state: State, schedule: Schedule
    ) -> None:
        self.header = header
        self.state = state
        self.schedule = schedule
        self.rules = schedule.of(header)
        self.context = block_context(header, branch, self.rules, schedule.chain_id)
        self.gas_left = header.gas_limit
        blobs = self.rules.fork.blobs
        self.blob_gas_left = 0 if blobs is None else blobs.max * fees.BLOB_GAS
        self.blob_gas_used = 0
        self.receipts: list[Receipt] = []
        self.outcomes: list[Outcome] = []
        self.stop: Sized = ()
        """Ends what is executed once it is not empty: of runs whose state is thrown away."""
        self.requests: list[tuple[int, bytes]] = []
        """What the block asks of consensus, known once it is closed."""

    @property
    def gas_used(self) -> int:
        """Gas of the transactions so far."""
        return self.header.gas_limit - self.gas_left

    @property
    def logs(self) -> list[Log]:
        """The logs of the transactions so far."""
        return [log for outcome in self.outcomes for log in outcome.logs]

    def open(self, edits: Sequence[Edit] = ()) -> None:
        """What happens before the first transaction: dev edits, the DAO's state change, calls to the contracts of roots and hashes."""
        rules, header = self.rules, self.header
        if edits:
            apply_edits(edits, self.state)
        if self.schedule.dao_block == header.number:
            dao.move_ether(self.state)
            self.state.end_transaction(False)
        if rules.beacon_roots is not None and header.parent_beacon_root is not None:
            self.system_call(rules.beacon_roots, header.parent_beacon_root)
        if rules.block_hashes is not None:
            self.system_call(rules.block_hashes, header.parent)

    def add(self, tx: EthereumTransaction, tracer: Tracer | None = None) -> Receipt:
        """Apply a transaction. Raises InvalidTx, and nothing is changed then."""
        check_form(tx, self.rules, self.schedule.chain_id)
        if tx.gas_limit > self.gas_left:
            raise InvalidTx("gas limit reached", f"have {self.gas_left}, want {tx.gas_limit}")
        blob_gas = fees.blob_gas(tx)
        if blob_gas > self.blob_gas_left:
            raise InvalidTx("blob gas limit reached", f"have {self.blob_gas_left}, want {blob_gas}")
        check_state(tx, self.state, self.context, self.rules)
        return self.apply(tx, tracer)

    def apply(self, tx: EthereumTransaction, tracer: Tracer | None = None) -> Receipt:
        """Apply a transaction that is known to be lawful here."""
        outcome = execute(tx, self.state, self.context, self.rules, tracer, self.stop)
        self.gas_left -= outcome.gas_used
        blob_gas = fees.blob_gas(tx)
        self.blob_gas_left -= blob_gas
        self.blob_gas_used += blob_gas
        result: int | bytes = int(outcome.result.success) if self.rules.status_receipts else self.state.commit()
        receipt = Receipt(tx.kind, result, self.gas_used, bloom(outcome.logs), outcome.logs)
        self.receipts.append(receipt)
        self.outcomes.append(outcome)
        return receipt

    def close(self, withdrawals: Sequence[Withdrawal] | None, ommers: Sequence[EthereumHeader]) -> Totals:
        """What happens after the last transaction; commits the state. Raises InvalidBlock where a request contract fails."""
        state, rules = self.state, self.rules
        for withdrawal in withdrawals or ():
            state.add_balance(withdrawal.address, withdrawal.amount_gwei * GWEI)
        state.end_transaction(rules.fork.clears_empty)
        if rules.deposits is not None:
            self.requests.append((DEPOSIT_TYPE, deposits_of(self.logs, rules.deposits)))
        self.requests += [(kind, self._ask(contract)) for kind, contract in rules.requests]
        self._reward(ommers)
        return Totals(
            state.commit(),
            list_root([r.raw for r in self.receipts]),
            join_blooms(r.bloom for r in self.receipts),
            self.gas_used,
            self.blob_gas_used,
            requests_hash(self.requests) if rules.has_requests else None,
        )

    def _reward(self, ommers: Sequence[EthereumHeader]) -> None:
        """Pay the miner, and those of the ommers by how near they are (Yellow Paper, 11.3)."""
        reward, state, header = self.rules.block_reward, self.state, self.header
        if not reward:
            return
        for ommer in ommers:
            state.add_balance(ommer.coinbase, (8 + ommer.number - header.number) * reward // 8)
        state.add_balance(header.coinbase, reward + len(ommers) * (reward // 32))
        state.end_transaction(self.rules.fork.clears_empty)

    def _ask(self, contract: bytes) -> bytes:
        """The requests of a contract. Raises InvalidBlock where it is not there or fails (EIP-7002, EIP-7251)."""
        if not self.state.code(contract):
            raise InvalidBlock("system contract is empty", "0x" + contract.hex())
        result = self.system_call(contract, b"")
        assert result is not None
        if result.halt is not None:
            raise InvalidBlock("system call failed to execute", f"0x{contract.hex()}: {result.halt}")
        return result.output

    def system_call(self, contract: bytes, data: bytes) -> Result | None:
        """Call a contract outside of any transaction; None where there is no code (EIP-4788, EIP-2935)."""
        state, fork = self.state, self.rules.fork
        if not state.code(contract):
            return None
        state.begin_transaction((contract,))
        message = Message(SYSTEM, contract, SYSTEM_GAS, 0, data)
        result = run(message, state, self.context, TxContext(SYSTEM), fork, stop=self.stop)
        state.end_transaction(fork.clears_empty)
        return result


def execute_block(block: EthereumBlock, branch: Branch[EthereumHeader], state: State, schedule: Schedule) -> BlockRun:
    """Run a block on its parent's state, commit, and compare with the header.

    Raises InvalidBlock with a transaction's own word, or "invalid gas used" | "invalid bloom" | "invalid receipt root hash" |
    "invalid requests hash" | "invalid merkle root".
    """
    work = BlockRun(block.header, branch, state, schedule)
    work.open(decode_edits(block.directives))
    for i, tx in enumerate(block.txs):
        try:
            work.add(tx)
        except InvalidTx as e:
            raise InvalidBlock(e.rule, f"could not apply tx {i} [0x{tx.id.hex()}]: {e.detail}") from e
    check_totals(block.header, work.close(block.withdrawals, block.side_headers))
    return work


def check_totals(header: EthereumHeader, local: Totals) -> None:
    """Whether a header says what its block's execution came to. Raises InvalidBlock."""
    if header.gas_used != local.gas_used:
        raise InvalidBlock("invalid gas used", f"remote: {header.gas_used} local: {local.gas_used}")
    for rule, remote, mine in (
        ("invalid bloom", header.bloom, local.bloom),
        ("invalid receipt root hash", header.receipts_root, local.receipts_root),
        ("invalid requests hash", header.requests_hash, local.requests_hash),
        ("invalid merkle root", header.state_root, local.state_root),
    ):
        if remote != mine:
            told, found = ("nil" if x is None else x.hex() for x in (remote, mine))
            raise InvalidBlock(rule, f"remote: {told} local: {found}")
