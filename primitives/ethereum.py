"""EthereumHeader of every fork, Withdrawal, Log, Receipt, bloom and EthereumBlock, with their strict RLP codecs.

Knows no rules: which optional header fields a fork wants, and what roots must be, is the ledger's affair.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from primitives import rlp
from primitives.errors import DecodeError
from primitives.ethereum_fields import ADDRESS, BLOOM, HASH, as_bytes, as_list, as_number, number
from primitives.ethereum_tx import EthereumTransaction, transaction_from_item
from primitives.hashing import keccak256
from primitives.rlp import Item

EMPTY_ROOT: Final = keccak256(b"\x80")
"""Root of a trie without entries."""
EMPTY_OMMERS: Final = keccak256(b"\xc0")
EMPTY_CODE: Final = keccak256(b"")
EMPTY_BLOOM: Final = bytes(BLOOM)
_LEAST_FIELDS, _MOST_FIELDS = 15, 21


@dataclass(frozen=True, slots=True)
class EthereumHeader:
    """A block header; a field from `base_fee` on is None where the fork does not have it yet."""

    parent: bytes
    ommers_hash: bytes
    coinbase: bytes
    state_root: bytes
    transactions_root: bytes
    receipts_root: bytes
    bloom: bytes
    difficulty: int
    number: int
    gas_limit: int
    gas_used: int
    timestamp: int
    extra_data: bytes
    mix_hash: bytes
    nonce: bytes
    base_fee: int | None = None
    withdrawals_root: bytes | None = None
    blob_gas_used: int | None = None
    excess_blob_gas: int | None = None
    parent_beacon_root: bytes | None = None
    requests_hash: bytes | None = None
    _hash: bytes | None = field(default=None, init=False, compare=False, repr=False)

    @property
    def hash(self) -> bytes:
        """The block hash."""
        if self._hash is None:
            object.__setattr__(self, "_hash", keccak256(encode_header(self)))
        assert self._hash is not None
        return self._hash

    @property
    def seal_hash(self) -> bytes:
        """What Ethash works on: the hash of the header without mix hash and nonce."""
        items = header_item(self)
        return keccak256(rlp.encode(items[:13] + items[15:]))


def header_item(h: EthereumHeader) -> list[Item]:
    """The header as an RLP list. Raises ValueError where an optional field follows a missing one."""
    items: list[Item] = [
        h.parent, h.ommers_hash, h.coinbase, h.state_root, h.transactions_root, h.receipts_root, h.bloom,
        number(h.difficulty), number(h.number), number(h.gas_limit), number(h.gas_used), number(h.timestamp),
        h.extra_data, h.mix_hash, h.nonce,
    ]  # fmt: skip
    optional = (
        None if h.base_fee is None else number(h.base_fee),
        h.withdrawals_root,
        None if h.blob_gas_used is None else number(h.blob_gas_used),
        None if h.excess_blob_gas is None else number(h.excess_blob_gas),
        h.parent_beacon_root,
        h.requests_hash,
    )
    for i, item in enumerate(optional):
        if item is None:
            if any(x is not None for x in optional[i:]):
                raise ValueError("header field after a missing one")
            break
        items.append(item)
    return items


def encode_header(header: EthereumHeader) -> bytes:
    """The header's RLP."""
    return rlp.encode(header_item(header))


def header_from_item(item: Item) -> EthereumHeader:
    """Read a header from its RLP list. Raises DecodeError."""
    f = as_list(item, name="header")
    if not _LEAST_FIELDS <= len(f) <= _MOST_FIELDS or len(f) == 18:
        raise DecodeError(f"header of {len(f)} fields")
    n = len(f)
    return EthereumHeader(
        as_bytes(f[0], HASH, "parent hash"), as_bytes(f[1], HASH, "ommers hash"), as_bytes(f[2], ADDRESS, "coinbase"),
        as_bytes(f[3], HASH, "state root"), as_bytes(f[4], HASH, "transactions root"),
        as_bytes(f[5], HASH, "receipts root"), as_bytes(f[6], BLOOM, "bloom"),
        as_number(f[7], name="difficulty"), as_number(f[8], name="number"), as_number(f[9], 64, "gas limit"),
        as_number(f[10], 64, "gas used"), as_number(f[11], 64, "timestamp"), as_bytes(f[12], name="extra data"),
        as_bytes(f[13], HASH, "mix hash"), as_bytes(f[14], 8, "nonce"),
        as_number(f[15], name="base fee") if n > 15 else None,
        as_bytes(f[16], HASH, "withdrawals root") if n > 16 else None,
        as_number(f[17], 64, "blob gas used") if n > 17 else None,
        as_number(f[18], 64, "excess blob gas") if n > 18 else None,
        as_bytes(f[19], HASH, "parent beacon root") if n > 19 else None,
        as_bytes(f[20], HASH, "requests hash") if n > 20 else None,
    )  # fmt: skip


def decode_header(data: bytes) -> EthereumHeader:
    """Read a header's RLP. Raises DecodeError."""
    return header_from_item(rlp.decode(data))


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """Ether that consensus credits to an account; the amount is in gwei (EIP-4895)."""

    index: int
    validator: int
    address: bytes
    amount_gwei: int

    @property
    def item(self) -> list[Item]:
        """The withdrawal as an RLP list."""
        return [number(self.index), number(self.validator), self.address, number(self.amount_gwei)]


def withdrawal_from_item(item: Item) -> Withdrawal:
    """Read a withdrawal. Raises DecodeError."""
    f = as_list(item, 4, "withdrawal")
    return Withdrawal(as_number(f[0], 64), as_number(f[1], 64), as_bytes(f[2], ADDRESS), as_number(f[3], 64))


@dataclass(frozen=True, slots=True)
class Log:
    """What a LOG instruction wrote."""

    address: bytes
    topics: tuple[bytes, ...]
    data: bytes

    @property
    def item(self) -> list[Item]:
        """The log as an RLP list."""
        return [self.address, list(self.topics), self.data]


def logs_hash(logs: Iterable[Log]) -> bytes:
    """keccak256 of the RLP of all logs: how test suites name a set of logs."""
    return keccak256(rlp.encode([log.item for log in logs]))


def bloom_bits(value: bytes) -> int:
    """The three of 2,048 bits that a value sets, as an integer (Yellow Paper, section 4.3.1)."""
    h = keccak256(value)
    bits = 0
    for i in (0, 2, 4):
        bits |= 1 << (int.from_bytes(h[i : i + 2], "big") & 2047)
    return bits


def bloom(logs: Sequence[Log]) -> bytes:
    """The bloom filter over the addresses and topics of logs."""
    if not logs:
        return EMPTY_BLOOM
    bits = 0
    for value in {v for log in logs for v in (log.address, *log.topics)}:
        bits |= bloom_bits(value)
    return bits.to_bytes(BLOOM, "big")


def join_blooms(blooms: Iterable[bytes]) -> bytes:
    """The union of bloom filters."""
    bits = 0
    for b in blooms:
        if b != EMPTY_BLOOM:
            bits |= int.from_bytes(b, "big")
    return bits.to_bytes(BLOOM, "big")


def in_bloom(filter_: bytes, value: bytes) -> bool:
    """Whether a bloom filter may hold a value."""
    bits = bloom_bits(value)
    return int.from_bytes(filter_, "big") & bits == bits


@dataclass(frozen=True, slots=True)
class Receipt:
    """The outcome of a transaction: a status (EIP-658), before Byzantium the state root after it."""

    kind: int
    outcome: int | bytes
    cumulative_gas: int
    bloom: bytes
    logs: tuple[Log, ...]

    @property
    def succeeded(self) -> bool:
        """False only where the status says failure; a state root says nothing and counts as success."""
        return self.outcome != 0

    @property
    def raw(self) -> bytes:
        """The canonical bytes: type byte and RLP, plain RLP for a legacy transaction."""
        outcome = number(self.outcome) if isinstance(self.outcome, int) else self.outcome
        logs: list[Item] = [log.item for log in self.logs]
        body = rlp.encode([outcome, number(self.cumulative_gas), self.bloom, logs])
        return bytes((self.kind,)) + body if self.kind else body


def decode_receipt(data: bytes) -> Receipt:
    """Read a receipt's canonical bytes. Raises DecodeError."""
    if not data:
        raise DecodeError("empty receipt")
    kind = 0 if data[0] >= 0xC0 else data[0]
    return _receipt(kind, rlp.decode(data[1:] if kind else data))


def receipt_from_item(item: Item) -> Receipt:
    """Read a receipt as it lies in a list of receipts. Raises DecodeError."""
    return decode_receipt(item) if isinstance(item, bytes) else _receipt(0, item)


def _receipt(kind: int, item: Item) -> Receipt:
    f = as_list(item, 4, "receipt")
    first = as_bytes(f[0])
    outcome: int | bytes = first if len(first) == HASH else as_number(first, 8, "status")
    logs = []
    for entry in as_list(f[3]):
        address, topics, data = as_list(entry, 3, "log")
        logs.append(Log(as_bytes(address, ADDRESS), tuple(as_bytes(t, HASH) for t in as_list(topics)), as_bytes(data)))
    return Receipt(kind, outcome, as_number(f[1], 64), as_bytes(f[2], BLOOM), tuple(logs))


@dataclass(frozen=True, slots=True)
class EthereumBlock:
    """A header with transactions, ommers, and from Shanghai on withdrawals; `directives` are a dev chain's own edits."""

    header: EthereumHeader
    txs: tuple[EthereumTransaction, ...] = ()
    side_headers: tuple[EthereumHeader, ...] = ()
    withdrawals: tuple[Withdrawal, ...] | None = None
    directives: bytes = b""

    @property
    def raw(self) -> bytes:
        """The plain Ethereum block: RLP of header, transactions, ommers and withdrawals."""
        return rlp.encode(self.item)

    @property
    def item(self) -> list[Item]:
        """The plain Ethereum block as an RLP list."""
        ommers: list[Item] = [header_item(h) for h in self.side_headers]
        items: list[Item] = [header_item(self.header), [tx.item for tx in self.txs], ommers]
        if self.withdrawals is not None:
            items.append([w.item for w in self.withdrawals])
        return items


def block_from_item(item: Item, directives: bytes = b"") -> EthereumBlock:
    """Read a plain Ethereum block from its RLP list; directives come beside it. Raises DecodeError."""
    f = as_list(item, name="block")
    if len(f) not in (3, 4):
        raise DecodeError(f"block of {len(f)} parts")
    return EthereumBlock(
        header_from_item(f[0]),
        tuple(transaction_from_item(tx) for tx in as_list(f[1], name="transactions")),
        tuple(header_from_item(h) for h in as_list(f[2], name="ommers")),
        tuple(withdrawal_from_item(w) for w in as_list(f[3], name="withdrawals")) if len(f) == 4 else None,
        directives,
    )


def decode_block(data: bytes) -> EthereumBlock:
    """Read a plain Ethereum block's RLP. Raises DecodeError."""
    return block_from_item(rlp.decode(data))
