"""What gas costs: intrinsic and floor gas of a transaction, the base fee and the blob base fee of the next block.

Pure arithmetic; who pays, and what happens otherwise, is elsewhere.
"""

from __future__ import annotations

from typing import Final

from ledger.account.rules import AccountRules
from primitives.ethereum import EthereumHeader
from primitives.ethereum_tx import EthereumTransaction
from vm.evm.api import BlobSchedule, Fork

INITIAL_BASE_FEE: Final = 10**9
ELASTICITY: Final = 2
BASE_FEE_QUOTIENT: Final = 8
BLOB_GAS: Final = 1 << 17
"""Gas of one blob (EIP-4844)."""


def _tokens(data: bytes) -> int:
    return 4 * len(data) - 3 * data.count(0)


def intrinsic_gas(tx: EthereumTransaction, fork: Fork) -> int:
    """What a transaction pays before its first instruction (Yellow Paper, 6.2; EIP-2028, 2930, 3860, 7702)."""
    zeros = tx.data.count(0)
    gas = fork.tx_gas + zeros * fork.tx_data_zero_gas + (len(tx.data) - zeros) * fork.tx_data_nonzero_gas
    if tx.to is None:
        gas += fork.tx_create_gas + fork.initcode_word_gas * ((len(tx.data) + 31) >> 5)
    for _, keys in tx.access_list:
        gas += fork.tx_access_address_gas + len(keys) * fork.tx_access_slot_gas
    return gas + len(tx.authorizations) * fork.authorization_gas


def floor_gas(tx: EthereumTransaction, fork: Fork) -> int:
    """The least that a transaction pays in the end (EIP-7623)."""
    if fork.tx_floor_token_gas is None:
        return 0
    return fork.tx_gas + _tokens(tx.data) * fork.tx_floor_token_gas


def blob_gas(tx: EthereumTransaction) -> int:
    """The blob gas of a transaction (EIP-4844)."""
    return BLOB_GAS * len(tx.blob_hashes)


def next_base_fee(parent: EthereumHeader, rules: AccountRules) -> int | None:
    """The base fee of a child of `parent`, None where `rules`, the child's, have no fee market (EIP-1559)."""
    if not rules.fee_market:
        return None
    if parent.base_fee is None:
        return INITIAL_BASE_FEE
    target = parent.gas_limit // ELASTICITY
    if target == 0:
        return parent.base_fee
    gap = parent.gas_used - target
    step = parent.base_fee * abs(gap) // target // BASE_FEE_QUOTIENT
    return parent.base_fee + max(step, 1) if gap > 0 else parent.base_fee - step


def fake_exponential(factor: int, numerator: int, denominator: int) -> int:
    """factor * e**(numerator / denominator) by its Taylor series in integers (EIP-4844)."""
    i = 1
    output = 0
    term = factor * denominator
    while term > 0:
        output += term
        term = term * numerator // (denominator * i)
        i += 1
    return output // denominator


def blob_base_fee(excess: int, blobs: BlobSchedule) -> int:
    """Price of a unit of blob gas (EIP-4844)."""
    return fake_exponential(1, excess, blobs.base_fee_update_fraction)


def next_excess_blob_gas(parent: EthereumHeader, rules: AccountRules) -> int | None:
    """The excess blob gas of a child of `parent` under the child's rules, None where they have no blobs (EIP-4844, 7918)."""
    blobs = rules.fork.blobs
    if blobs is None:
        return None
    if parent.excess_blob_gas is None or parent.blob_gas_used is None:
        return 0
    total, target = parent.excess_blob_gas + parent.blob_gas_used, blobs.target * BLOB_GAS
    if total < target:
        return 0
    cost = rules.fork.blob_base_cost
    if cost is None or parent.base_fee is None:
        return total - target
    if cost * parent.base_fee <= BLOB_GAS * blob_base_fee(parent.excess_blob_gas, blobs):
        return total - target
    return parent.excess_blob_gas + parent.blob_gas_used * (blobs.max - blobs.target) // blobs.max


def effective_tip(tx: EthereumTransaction, base_fee: int) -> int:
    """What the beneficiary gets per gas; negative where the fee cap is below the base fee."""
    return min(tx.tip_cap, tx.fee_cap - base_fee)
