"""Builds, signs and replaces one transaction of the account kind; nonces that concurrent sends do not share.

Refuses to know accounts' balances and to send. What it returns signed has been recovered to the sender.
"""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Final

from primitives import rlp
from primitives.ethereum_fields import number
from primitives.ethereum_tx import (
    ACCESS_LIST,
    BLOB,
    DYNAMIC_FEE,
    LEGACY,
    SET_CODE,
    AccessList,
    Authorization,
    BlobSidecar,
    EthereumTransaction,
    authorize,
    sign,
)
from primitives.hashing import keccak256
from wallet.errors import BAD_PARAMETER, FEE, WalletError
from wallet.keystore import address_of

GWEI: Final = 10**9
ETHER: Final = 10**18
TRANSFER_GAS: Final = 21_000
MAX_FEE: Final = ETHER
"""No transaction may cost more than one ether in fees unless the caller says so (geth, rpc.txfeecap)."""
BUMP: Final = 110
"""A replacement offers at least this many hundredths of both prices (geth, txpool.pricebump)."""
BLOB_BUMP: Final = 200
BLOB_GAS: Final = 131_072
"""Blob gas that a blob takes (EIP-4844)."""
LEAST_TIP: Final = GWEI


@dataclass(frozen=True, slots=True)
class Fees:
    """What a transaction offers for gas, in wei; before EIP-1559 both are the gas price."""

    tip_cap: int
    fee_cap: int
    blob_fee_cap: int = 0


@dataclass(frozen=True, slots=True)
class Call:
    """What a transaction does. `to` None creates a contract."""

    to: bytes | None
    value: int = 0
    data: bytes = b""
    access_list: AccessList = ()
    blob_hashes: tuple[bytes, ...] = ()
    authorizations: tuple[Authorization, ...] = ()
    sidecar: BlobSidecar | None = field(default=None, compare=False, repr=False)


def delegating(call: Call, secret: bytes, chain_id: int, code: bytes, nonce: int) -> Call:
    """The call with its sender's leave to run the code of another address as its own (EIP-7702).

    `nonce` is the transaction's; when authorizations are looked at, it has been used, so that the next one counts.
    """
    return replace(call, authorizations=(*call.authorizations, authorize(secret, chain_id, code, nonce + 1)))


def suggest(base_fees: Sequence[int], tips: Sequence[Sequence[int]], blob_base_fees: Sequence[int] = ()) -> Fees:
    """Fees from an eth_feeHistory answer: the median of the blocks' tips at one percentile, and a base fee that may double.

    `base_fees` ends with the next block's. Raises WalletError("bad-fee") for an empty history.
    """
    if not base_fees:
        raise WalletError(FEE, "the fee history is empty")
    found = sorted(block[0] for block in tips if block)
    tip = max(found[len(found) // 2] if found else LEAST_TIP, 1)
    blob = 2 * blob_base_fees[-1] if blob_base_fees else 0
    return Fees(tip, 2 * base_fees[-1] + tip, blob)


def build(
    call: Call,
    nonce: int,
    gas_limit: int,
    fees: Fees,
    chain_id: int | None,
    kind: int | None = None,
    max_fee: int = MAX_FEE,
) -> EthereumTransaction:
    """An unsigned transaction; of the type that the call needs, or the one given. Without a chain id it is a legacy one
    that any chain would accept.

    Raises WalletError: bad-fee for a tip above the cap or an absurd fee, bad-parameter for a type that the call does not fit.
    """
    if kind is None:
        kind = SET_CODE if call.authorizations else BLOB if call.blob_hashes else DYNAMIC_FEE
        if chain_id is None:
            kind = LEGACY
    if (kind == BLOB) != bool(call.blob_hashes) or (kind == SET_CODE) != bool(call.authorizations):
        raise WalletError(
            BAD_PARAMETER, "blobs and authorizations belong to transactions of their own type, which need them"
        )
    if kind in (BLOB, SET_CODE) and call.to is None:
        raise WalletError(BAD_PARAMETER, "a transaction of this type has a recipient")
    if kind != LEGACY and chain_id is None:
        raise WalletError(BAD_PARAMETER, "a transaction of this type names its chain")
    if kind == LEGACY and call.access_list:
        raise WalletError(BAD_PARAMETER, "a legacy transaction has no access list")
    fee_cap = fees.fee_cap
    tip_cap = fee_cap if kind in (LEGACY, ACCESS_LIST) else fees.tip_cap
    if tip_cap > fee_cap:
        raise WalletError(FEE, "max priority fee per gas higher than max fee per gas")
    cost = fee_cap * gas_limit + fees.blob_fee_cap * len(call.blob_hashes) * BLOB_GAS
    if cost > max_fee:
        raise WalletError(FEE, f"a fee of up to {cost} wei exceeds the limit of {max_fee} wei")
    if min(call.value, nonce, gas_limit, fee_cap) < 0 or call.value >= 1 << 256:
        raise WalletError(BAD_PARAMETER, "a number is out of range")
    return EthereumTransaction(
        kind,
        chain_id,
        nonce,
        tip_cap,
        fee_cap,
        gas_limit,
        call.to,
        call.value,
        call.data,
        access_list=call.access_list,
        blob_fee_cap=fees.blob_fee_cap if kind == BLOB else 0,
        blob_hashes=call.blob_hashes,
        authorizations=call.authorizations,
        sidecar=call.sidecar,
    )


def sign_checked(tx: EthereumTransaction, secret: bytes) -> EthereumTransaction:
    """The transaction signed; its sender is recovered from the signature before it is given out."""
    signed = sign(tx, secret)
    if signed.sender != address_of(secret):
        raise RuntimeError("the signature does not lead to its key")
    return signed


def replacement_fees(tx: EthereumTransaction, wanted: Fees | None = None) -> Fees:
    """What a replacement of a transaction must offer at least, or what is wanted if that is more."""
    percent = BLOB_BUMP if tx.kind == BLOB else BUMP
    least = Fees(*(-(-price * percent // 100) for price in (tx.tip_cap, tx.fee_cap, tx.blob_fee_cap)))
    if wanted is None:
        return least
    tip = max(least.tip_cap, wanted.tip_cap)
    return Fees(tip, max(least.fee_cap, wanted.fee_cap, tip), max(least.blob_fee_cap, wanted.blob_fee_cap))


def replace_fees(tx: EthereumTransaction, fees: Fees) -> EthereumTransaction:
    """The same transaction, unsigned, with other fees."""
    priced = tx.kind in (LEGACY, ACCESS_LIST)
    tip = fees.fee_cap if priced else fees.tip_cap
    blob = fees.blob_fee_cap if tx.kind == BLOB else 0
    return replace(tx, tip_cap=tip, fee_cap=fees.fee_cap, blob_fee_cap=blob, v=0, r=0, s=0)


def cancel(tx: EthereumTransaction, sender: bytes, fees: Fees | None = None) -> EthereumTransaction:
    """An unsigned transfer of nothing to oneself that takes the place of a transaction."""
    if tx.kind == BLOB:
        raise WalletError(BAD_PARAMETER, "a blob transaction can only be replaced by another one")
    fees = fees or replacement_fees(tx)
    kind = LEGACY if tx.kind == LEGACY else DYNAMIC_FEE
    return build(Call(sender), tx.nonce, TRANSFER_GAS, fees, tx.chain_id, kind)


def create_address(sender: bytes, nonce: int) -> bytes:
    """Where CREATE, or a transaction without a recipient, puts its contract."""
    return keccak256(rlp.encode([sender, number(nonce)]))[12:]


def create2_address(sender: bytes, salt: bytes, init_code: bytes) -> bytes:
    """Where CREATE2 puts its contract (EIP-1014)."""
    return keccak256(b"\xff" + sender + salt.rjust(32, b"\x00") + keccak256(init_code))[12:]


class Nonces:
    """The next nonce of each account: what the chain says, and what was taken meanwhile. None is used twice or skipped."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._locks: dict[bytes, threading.Lock] = {}
        self._next: dict[bytes, int] = {}

    @contextmanager
    def take(self, account: bytes, pending: int) -> Iterator[int]:
        """A nonce for the time of a send. One that raises gives the nonce back; the next waits until this one is done.

        `pending` is the account's count of transactions, those of the mempool included, at the time of asking.
        """
        with self._guard:
            lock = self._locks.setdefault(account, threading.Lock())
        with lock:
            nonce = max(pending, self._next.get(account, 0))
            yield nonce
            self._next[account] = nonce + 1

    def forget(self, account: bytes) -> None:
        """Trust the chain alone again: after a reorganisation or a drop from the mempool."""
        with self._guard:
            self._next.pop(account, None)
