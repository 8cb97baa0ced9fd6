"""Builders of account chains for tests: keys, transactions, and a chain that assembles, seals and connects."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from chains.ethereum_predeploys import PREDEPLOYS
from consensus.unsealed import Unsealed
from ledger.account.ledger import AccountLedger, GenesisAccount, genesis_root
from ledger.account.rules import ETHER, GWEI, AccountRules, Schedule, always
from ledger.api import Admission, Aid, Draft
from primitives import secp256k1
from primitives.ethereum import EMPTY_BLOOM, EMPTY_OMMERS, EMPTY_ROOT, EthereumBlock, EthereumHeader
from primitives.ethereum_tx import DYNAMIC_FEE, EthereumTransaction, account_of, sign
from storage.kv import Delta
from tests.vectors.ethereum_chain import Chain, Layer
from tests.vectors.ethereum_data import Memory

CHAIN_ID = 31_337
KEYS = tuple(bytes(31) + bytes((n,)) for n in range(1, 6))
ACCOUNTS = tuple(account_of(secp256k1.public_key(key, compressed=False)) for key in KEYS)
MINER = b"\xc0" * 20
ALLOC = (*(GenesisAccount(a, 1_000 * ETHER) for a in ACCOUNTS), *PREDEPLOYS)


def transfer(nonce: int, key: bytes = KEYS[0], **fields: Any) -> EthereumTransaction:
    """A signed transaction: a transfer of 1 wei unless the fields say otherwise."""
    tx = EthereumTransaction(
        kind=DYNAMIC_FEE, chain_id=CHAIN_ID, nonce=nonce, tip_cap=GWEI, fee_cap=100 * GWEI, gas_limit=21_000,
        to=b"\xaa" * 20, value=1, data=b"",
    )  # fmt: skip
    tx = replace(tx, **fields)
    return sign(tx if tx.kind >= DYNAMIC_FEE else replace(tx, tip_cap=tx.fee_cap), key)


@dataclass(frozen=True, slots=True)
class Purse:
    """Where rewards go."""

    payee: bytes = MINER
    threads: int = 1


class AccountChain(Chain):
    """A chain under one fork's rules, with five rich accounts."""

    def __init__(
        self,
        rules: AccountRules,
        engine: Any = None,
        difficulty: int = 0,
        schedule: Schedule | None = None,
        **more: Any,
    ) -> None:
        schedule = schedule or always(rules, CHAIN_ID)
        first = schedule.at(0, 0, difficulty)
        header = EthereumHeader(
            bytes(32), EMPTY_OMMERS, bytes(20), genesis_root(ALLOC, Memory()), EMPTY_ROOT, EMPTY_ROOT, EMPTY_BLOOM,
            difficulty, 0, 30_000_000, 0, 1_000_000, b"", bytes(32), bytes(8),
            GWEI if first.fee_market else None, EMPTY_ROOT if first.withdrawals else None,
            0 if first.fork.blobs else None, 0 if first.fork.blobs else None,
            bytes(32) if first.beacon_roots else None, bytes(32) if first.has_requests else None,
        )  # fmt: skip
        ledger = AccountLedger(schedule, ALLOC, **more)
        block = EthereumBlock(header, withdrawals=() if first.withdrawals else None)
        super().__init__(ledger, engine or Unsealed(), block)

    def view(self) -> Layer:
        """The state at the tip."""
        return Layer(self.shared, self.own[self.tip.hash])

    def admit(self, *txs: EthereumTransaction) -> list[Admission]:
        """What the pool would see of them."""
        return self.ledger.admit(txs, self.branch(self.tip), self.view(), Aid())

    def assemble(self, *txs: EthereumTransaction, **more: Any) -> tuple[EthereumBlock, Delta]:
        """An unsealed block on the tip; fields of the draft may be given."""
        branch = self.branch(self.tip)
        draft = self.engine.propose(branch, self.view(), Purse(), 0, lambda: False)
        none = frozenset[bytes]()
        admissions = [Admission(tx, tx.id, none, none, none, 0, 0, 0) for tx in txs]
        block, delta, _ = self.ledger.assemble(replace(draft, **more), admissions, branch, self.view())
        return block, delta

    def make(self, *txs: EthereumTransaction, **more: Any) -> EthereumBlock:
        """A sealed block on the tip, not yet accepted."""
        block = self.engine.seal(self.assemble(*txs, **more)[0], Purse(), lambda: False)
        assert isinstance(block, EthereumBlock)
        return block

    def mine(self, *txs: EthereumTransaction, **more: Any) -> EthereumBlock:
        """A sealed block on the tip, accepted."""
        block = self.make(*txs, **more)
        self.accept(block)
        assert self.tip.hash == block.header.hash
        return block


def draft_at(chain: AccountChain, seconds: int) -> dict[str, Any]:
    """Fields of a draft whose block lies so many seconds after the tip."""
    time = chain.tip.header.timestamp + seconds
    return {"timestamp": time, "difficulty": chain.engine.difficulty(chain.branch(chain.tip), time)}


__all__ = ["ACCOUNTS", "CHAIN_ID", "KEYS", "MINER", "AccountChain", "Draft", "Purse", "draft_at", "transfer"]
