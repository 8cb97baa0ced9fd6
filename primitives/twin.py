"""TwinBlock: a Bitcoin block and the Ethereum block that it commits to; the encodings of what passes between the two halves.

It knows no rule: whether the commitment, the deposits and the exits of a block are right is said in ledger/twin/seam.py.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple, TypeAlias

from primitives.bitcoin import BitcoinBlock, BitcoinHeader, Transaction, TxOutput
from primitives.buffer import Reader, Writer
from primitives.chain import Form
from primitives.errors import DecodeError
from primitives.ethereum import EthereumBlock, Withdrawal
from primitives.ethereum_format import EthereumFormat
from primitives.ethereum_tx import EthereumTransaction
from primitives.lazy import lazy
from primitives.peercoin import PeercoinBlock, PeercoinFormat, PeercoinHeader

OuterBlock: TypeAlias = BitcoinBlock | PeercoinBlock
OuterHeader: TypeAlias = BitcoinHeader | PeercoinHeader
TwinTransaction: TypeAlias = Transaction | EthereumTransaction

GWEI_PER_SATOSHI: Final = 10
WEI_PER_SATOSHI: Final = 10**10

_RETURN_36, _RETURN_24 = b"\x6a\x24", b"\x6a\x18"
COMMITMENT_HEAD: Final = _RETURN_36 + b"TWIN"
"""RETURN, a push of 36 bytes, the tag; the payload's hash follows."""
DEPOSIT_HEAD: Final = _RETURN_24 + b"DEPO"
"""RETURN, a push of 24 bytes, the tag; the address of 20 bytes follows."""
_COMMITMENT_SIZE, _DEPOSIT_SIZE = len(COMMITMENT_HEAD) + 32, len(DEPOSIT_HEAD) + 20

LEAST_EXIT: Final = 1_000
MOST_EXIT: Final = 10**13
"""Bounds of one exit, in satoshi."""
EXITS_A_BLOCK: Final = 16
EXIT_SIZE: Final = 61


@dataclass(frozen=True)
class TwinBlock:
    """An ordinary block of coins, and the block of accounts that its coinbase (or coinstake) commits to."""

    outer: OuterBlock
    payload: EthereumBlock

    @property
    def header(self) -> OuterHeader:
        """The outer header: its hash is the block's."""
        return self.outer.header

    @lazy
    def txs(self) -> tuple[TwinTransaction, ...]:
        """All transactions: those of coins, then those of accounts."""
        return (*self.outer.txs, *self.payload.txs)

    @property
    def side_headers(self) -> tuple[()]:
        """There are no ommers."""
        return ()

    @property
    def carrier(self) -> Transaction:
        """The transaction that commits to the payload and pays exits: the coinstake in a block of stake, else the coinbase."""
        return carrier_of(self.outer)


def carrier_of(outer: OuterBlock) -> Transaction:
    """The coinstake of a block of stake, else the coinbase."""
    staked = outer.coinstake if isinstance(outer, PeercoinBlock) else None
    return outer.txs[0] if staked is None else staked


def outer_of(block: Any) -> Any:
    """The block of coins: the outer half of a twin block, any other block as it is."""
    return block.outer if isinstance(block, TwinBlock) else block


def payload_of(block: Any) -> Any:
    """The block of accounts: the payload of a twin block, any other block as it is."""
    return block.payload if isinstance(block, TwinBlock) else block


class Commitment(NamedTuple):
    """Where a transaction commits to a payload, and to which."""

    at: int
    digest: bytes


def payload_output(digest: bytes) -> TxOutput:
    """The output that commits to a payload."""
    return TxOutput(0, COMMITMENT_HEAD + digest)


def commitment_of(carrier: Transaction) -> Commitment | None:
    """The last output that commits to a payload, None where there is none."""
    for index in range(len(carrier.outputs) - 1, -1, -1):
        script = carrier.outputs[index].script
        if len(script) == _COMMITMENT_SIZE and script.startswith(COMMITMENT_HEAD):
            return Commitment(index, script[len(COMMITMENT_HEAD) :])
    return None


class Deposit(NamedTuple):
    """Coins that leave the coin set for an account."""

    address: bytes
    satoshi: int


def deposit_output(address: bytes, satoshi: int) -> TxOutput:
    """The output that moves coins to an account."""
    return TxOutput(satoshi, DEPOSIT_HEAD + address)


def deposit_of(output: TxOutput) -> Deposit | None:
    """The deposit that an output is; None for any other, and for one of no value (EIP-4895 credits none)."""
    value, script = output
    if value > 0 and len(script) == _DEPOSIT_SIZE and script.startswith(DEPOSIT_HEAD):
        return Deposit(script[len(DEPOSIT_HEAD) :], value)
    return None


def deposits_in(tx: Transaction) -> tuple[Deposit, ...]:
    """The deposits of a transaction that is no coinbase."""
    return tuple(found for output in tx.outputs if (found := deposit_of(output)) is not None)


def deposits_of(outer: OuterBlock) -> tuple[Deposit, ...]:
    """The deposits of a block, in order; outputs of the coinbase are none."""
    return tuple(deposit for tx in outer.txs[1:] for deposit in deposits_in(tx))


def withdrawals_of(deposits: tuple[Deposit, ...], first: int) -> tuple[Withdrawal, ...]:
    """The withdrawals (EIP-4895) that credit deposits, numbered from `first` on."""
    return tuple(Withdrawal(first + n, 0, d.address, d.satoshi * GWEI_PER_SATOSHI) for n, d in enumerate(deposits))


class Exit(NamedTuple):
    """Ether that was locked so that coins are paid to a witness program: version 0 with 20 bytes, or 1 with 32."""

    source: bytes
    version: int
    program: bytes
    satoshi: int

    @property
    def output(self) -> TxOutput:
        """The output that pays it."""
        return TxOutput(
            self.satoshi, bytes((0x50 + self.version if self.version else 0, len(self.program))) + self.program
        )


def encode_exits(exits: tuple[Exit, ...]) -> bytes:
    """The data of the request (EIP-7685) that these exits are: source 20, version 1, program 32, amount 8, for each."""
    return b"".join(
        e.source + bytes((e.version,)) + e.program.ljust(32, b"\0") + e.satoshi.to_bytes(8, "big") for e in exits
    )


def decode_exits(data: bytes) -> tuple[Exit, ...]:
    """The exits of a request's data. Raises DecodeError where the predeploy could not have made it."""
    if len(data) % EXIT_SIZE or len(data) > EXITS_A_BLOCK * EXIT_SIZE:
        raise DecodeError(f"exits of {len(data)} bytes")
    return tuple(_exit(data[at : at + EXIT_SIZE]) for at in range(0, len(data), EXIT_SIZE))


def _exit(record: bytes) -> Exit:
    version, satoshi = record[20], int.from_bytes(record[53:], "big")
    size = {0: 20, 1: 32}.get(version)
    if size is None or any(record[21 + size : 53]):
        raise DecodeError(f"an exit to a witness program of version {version}")
    if not LEAST_EXIT <= satoshi <= MOST_EXIT:
        raise DecodeError(f"an exit of {satoshi} satoshi")
    return Exit(record[:20], version, record[21 : 21 + size], satoshi)


COINS, ACCOUNTS = 0, 1
"""The kind byte before a transaction that is stored or relayed; also the lanes of the two halves."""


@dataclass(frozen=True, slots=True)
class TwinFormat:
    """The twin's codec. `store` and `wire`: the outer block, then the payload with its length; transactions after a kind byte.

    `client` is the plain outer block, or transaction; a payload's own client form is EthereumFormat's.
    """

    outer: Any
    """The outer half's format: Bitcoin's, with or without seals, or PeerCoin's."""
    payload: EthereumFormat = field(default_factory=EthereumFormat)
    name: str = "twin"

    @property
    def stored_as_sent(self) -> bool:
        """Whether store and wire forms are the same bytes."""
        return bool(self.outer.stored_as_sent)

    @property
    def after_header(self) -> bytes:
        """What follows each header of a `headers` message."""
        return self.outer.after_header if isinstance(self.outer, PeercoinFormat) else b"\0"

    @property
    def signed_compact(self) -> bool:
        """Whether compact blocks carry a signature."""
        return isinstance(self.outer, PeercoinFormat) and self.outer.signed_compact

    def read_tx(self, r: Reader, form: Form) -> TwinTransaction:
        """Read a transaction; one in client form is of coins. Raises DecodeError."""
        kind = COINS if form is Form.CLIENT else r.u8()
        if kind not in (COINS, ACCOUNTS):
            raise DecodeError(f"transaction of kind {kind}")
        half: Any = self.payload if kind else self.outer
        tx: TwinTransaction = half.read_tx(r, form)
        return tx

    def write_tx(self, w: Writer, tx: TwinTransaction, form: Form) -> None:
        """Write a transaction; the client form is that of its own family."""
        kind = ACCOUNTS if isinstance(tx, EthereumTransaction) else COINS
        if form is not Form.CLIENT:
            w.u8(kind)
        half: Any = self.payload if kind else self.outer
        half.write_tx(w, tx, form)

    def read_header(self, r: Reader, form: Form) -> Any:
        """Read an outer header."""
        return self.outer.read_header(r, form)

    def write_header(self, w: Writer, header: OuterHeader, form: Form) -> None:
        """Write an outer header."""
        self.outer.write_header(w, header, form)

    def peek_header(self, r: Reader, form: Form) -> Any:
        """Read the header that an encoded block begins with, and nothing of its body."""
        return self.outer.peek_header(r, form)

    def read_block(self, r: Reader, form: Form) -> Any:
        """Read a block; the client form holds no payload and gives the outer block alone. Raises DecodeError."""
        outer = self.outer.read_block(r, form)
        return outer if form is Form.CLIENT else TwinBlock(outer, self.payload.read_block(r, Form.WIRE))

    def write_block(self, w: Writer, block: TwinBlock, form: Form) -> None:
        """Write a block; for clients the outer one alone, bare without its witnesses."""
        self.outer.write_block(w, block.outer, form)
        if form is not Form.CLIENT:
            self.payload.write_block(w, block.payload, Form.WIRE)
