"""UtxoLedger: the Ledger protocol for a UTXO chain, nothing but calls into the files beside it.

What one chain has of its own is in its rules and its policy.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ledger.api import Admission, Aid, Applied, Draft
from ledger.utxo import checks
from ledger.utxo.admission import admit
from ledger.utxo.assemble import (
    COINBASE_SIGOP_COST,
    COINBASE_WEIGHT,
    BlockRule,
    CoinbaseRule,
    assemble,
    bitcoin_block,
    bitcoin_coinbase,
)
from ledger.utxo.connect import connect
from ledger.utxo.policy import UtxoPolicy
from ledger.utxo.rules import UtxoRules
from primitives.bitcoin import BitcoinFormat, BitcoinHeader
from primitives.chain import Branch, Format
from storage.kv import KV, Delta


@dataclass(frozen=True, slots=True)
class UtxoLedger:
    """A UTXO chain's ledger. Its blocks are Bitcoin's, or what a family made of them."""

    rules: UtxoRules
    policy: UtxoPolicy = field(default_factory=UtxoPolicy)
    format: Format = field(default_factory=BitcoinFormat)
    coinbase: CoinbaseRule = bitcoin_coinbase
    make_block: BlockRule = bitcoin_block

    def genesis(self, block: Any, state: KV) -> None:
        """The genesis coinbase is no coin: nothing to write."""

    def check_header(self, header: BitcoinHeader, branch: Branch[Any]) -> None:
        """Raises InvalidHeader("time-too-old") or InvalidHeader("bad-version(0x...)")."""
        checks.check_header(header, branch, self.rules.active(header, branch))

    def check_block(self, block: Any, branch: Branch[Any]) -> None:
        """Raises Mutated, MalformedBlock or InvalidBlock: see check_body and check_place."""
        checks.check_body(block, self.rules)
        checks.check_place(block, branch, self.rules.active(block.header, branch), self.rules)

    def connect(self, block: Any, branch: Branch[Any], state: KV, aid: Aid, extra: int = 0) -> Applied:
        """Raises InvalidBlock. `extra` is what the reward may mint beside subsidy and fees."""
        return connect(block, branch, state, aid, self.rules, extra)

    def admit(self, txs: Sequence[Any], branch: Branch[Any], state: KV, aid: Aid) -> list[Admission]:
        """Raises InvalidTx, Missing (with outpoints), Refused and Premature."""
        return admit(txs, branch, state, aid, self.rules, self.policy)

    def for_mined(self) -> UtxoLedger:
        """The same, for transactions that were in a block already: no least fee (Bitcoin Core, MaybeUpdateMempoolForReorg)."""
        return replace(self, policy=replace(self.policy, min_relay_rate=0))

    def limits(self) -> Mapping[int, Sequence[int]]:
        """Weight and sigop cost, less what the coinbase may need."""
        return {0: (self.rules.max_weight - COINBASE_WEIGHT, self.rules.max_sigop_cost - COINBASE_SIGOP_COST)}

    def assemble(
        self, draft: Draft, txs: Sequence[Admission], branch: Branch[Any], state: KV
    ) -> tuple[Any, Delta, Applied]:
        """Reads the draft's options "coinbase_outputs" and "extra_minting" (assemble.py)."""
        return assemble(draft, txs, branch, state, self.rules, self.coinbase, self.make_block)
