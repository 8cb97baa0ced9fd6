"""Directives: a dev chain's own edits of state, blocks and senders, carried beside a block and committed in its extra data.

Form only; where they are lawful, and what they do, is in ledger/account/directives.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Final

from primitives import rlp
from primitives.errors import DecodeError
from primitives.ethereum import EthereumBlock, EthereumHeader
from primitives.ethereum_fields import ADDRESS, HASH, as_bytes, as_list, as_number, number
from primitives.ethereum_tx import EthereumTransaction, impersonated
from primitives.hashing import keccak256
from primitives.rlp import Item

TAG: Final = b"edit"
"""Extra data that begins so commits to directives: the tag, then the first 28 bytes of their hash."""


class Kind(IntEnum):
    """What an edit changes."""

    BALANCE = 1
    NONCE = 2
    CODE = 3
    STORAGE = 4
    SENDER = 5
    """The transaction with this hash counts as sent by this account."""
    BASE_FEE = 6
    """The block's base fee, whatever the fee market says."""
    GAS_LIMIT = 7
    """The block's gas limit, whatever the parent's was."""


@dataclass(frozen=True, slots=True)
class Edit:
    """One edit. `address` and `key` are empty where the kind has none; `key` is a slot, or a transaction's hash."""

    kind: Kind
    value: bytes
    """A number without leading zeros, or code, or the sender."""
    address: bytes = b""
    key: bytes = b""

    @property
    def number(self) -> int:
        """The value as a number."""
        return int.from_bytes(self.value, "big")


def set_balance(address: bytes, wei: int) -> Edit:
    """Give an account this balance."""
    return Edit(Kind.BALANCE, number(wei), address)


def set_nonce(address: bytes, nonce: int) -> Edit:
    """Give an account this nonce."""
    return Edit(Kind.NONCE, number(nonce), address)


def set_code(address: bytes, code: bytes) -> Edit:
    """Give an account this code."""
    return Edit(Kind.CODE, code, address)


def set_storage(address: bytes, slot: int, value: int) -> Edit:
    """Give a slot this value."""
    return Edit(Kind.STORAGE, number(value), address, slot.to_bytes(HASH, "big"))


def set_base_fee(wei: int) -> Edit:
    """Give the block this base fee."""
    return Edit(Kind.BASE_FEE, number(wei))


def set_gas_limit(gas: int) -> Edit:
    """Give the block this gas limit."""
    return Edit(Kind.GAS_LIMIT, number(gas))


def send_as(tx: EthereumTransaction, sender: bytes) -> tuple[EthereumTransaction, Edit]:
    """An unsigned transaction made fit for a block, and the edit that says who sends it.

    Its signature holds the sender in place of r, so that its hash is its own.
    """
    v = 0 if tx.kind else 27 if tx.chain_id is None else 35 + 2 * tx.chain_id
    made = impersonated(replace(tx, v=v, r=int.from_bytes(sender, "big"), s=1), sender)
    return made, Edit(Kind.SENDER, sender, key=made.id)


def encode_edits(edits: Sequence[Edit]) -> bytes:
    """The bytes that travel beside a block; none for no edits."""
    if not edits:
        return b""
    items: list[Item] = [[number(e.kind), e.address, e.key, e.value] for e in edits]
    return rlp.encode(items)


def decode_edits(data: bytes) -> tuple[Edit, ...]:
    """Read directives. Raises DecodeError."""
    if not data:
        return ()
    return tuple(_edit(item) for item in as_list(rlp.decode(data), name="directives"))


def _edit(item: Item) -> Edit:
    kind_item, address_item, key_item, value_item = as_list(item, 4, "directive")
    try:
        kind = Kind(as_number(kind_item, 8, "kind of directive"))
    except ValueError as e:
        raise DecodeError(str(e)) from e
    has_address = kind in (Kind.BALANCE, Kind.NONCE, Kind.CODE, Kind.STORAGE)
    has_key = kind in (Kind.STORAGE, Kind.SENDER)
    value = as_bytes(value_item, ADDRESS if kind is Kind.SENDER else None, "value")
    if kind not in (Kind.CODE, Kind.SENDER):
        as_number(value, 64 if kind in (Kind.NONCE, Kind.GAS_LIMIT) else 256, "value")
    address = as_bytes(address_item, ADDRESS if has_address else 0, "address")
    return Edit(kind, value, address, as_bytes(key_item, HASH if has_key else 0, "key"))


def commitment(directives: bytes) -> bytes:
    """The extra data of a block with these directives."""
    return TAG + keccak256(directives)[:28]


def is_committed(header: EthereumHeader) -> bool:
    """Whether a header of a dev chain says that directives belong to its block."""
    return len(header.extra_data) == HASH and header.extra_data.startswith(TAG)


def senders_of(edits: Sequence[Edit]) -> dict[bytes, bytes]:
    """Transaction hash -> the account that sends it by edict."""
    return {edit.key: edit.value for edit in edits if edit.kind is Kind.SENDER}


def value_of(edits: Sequence[Edit], kind: Kind) -> int | None:
    """The number that the last edit of a kind sets, None where there is none."""
    return next((edit.number for edit in reversed(edits) if edit.kind is kind), None)


def is_sent_as(tx: EthereumTransaction) -> bool:
    """Whether `send_as` made this transaction: nobody signed it."""
    return tx.s == 1 and tx.r.bit_length() <= 160 and tx.r == int.from_bytes(tx.sender, "big")


def with_senders(block: EthereumBlock) -> EthereumBlock:
    """The block with its transactions sent by whom its directives name. Raises DecodeError."""
    if not block.directives:
        return block
    senders = senders_of(decode_edits(block.directives))
    txs = tuple(impersonated(tx, senders[tx.id]) if tx.id in senders else tx for tx in block.txs)
    return replace(block, txs=txs)
