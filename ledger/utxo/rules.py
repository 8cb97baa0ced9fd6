"""UtxoRules: the parameters of a UTXO chain as one record of values and functions, and Bitcoin's ways to fill it.

It refuses to know which network is run; `chains/` composes the values.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple, TypeAlias

from ledger.utxo.coins import Coin
from primitives.bitcoin import BitcoinHeader, Transaction
from primitives.chain import Branch
from primitives.errors import InvalidTx
from storage.kv import KV
from vm.script.flags import Flags

COIN: Final = 100_000_000
"""Satoshi in a bitcoin."""

BIP34_COVERS_BIP30_UNTIL: Final = 1_983_702
"""From here on, heights in old coinbases can collide with new ones (Bitcoin Core, validation.cpp)."""

ANY_VERSION: Final = -(1 << 31)
"""The least version that 32 bits hold."""

AnyBranch: TypeAlias = Branch[Any]


class Active(NamedTuple):
    """Which rules a child of some tip keeps."""

    min_version: int = ANY_VERSION
    height_in_coinbase: bool = False
    """BIP34."""
    median_lock_time: bool = False
    """Lock times are compared with the median time past (BIP113), not with the block's own."""
    sequence_locks: bool = False
    """Relative lock times (BIP68)."""
    witness: bool = False
    """The coinbase may commit to witnesses, which are refused otherwise (BIP141)."""
    empty_coins: bool = True
    """Outputs of no value become coins, as all others."""
    most_back: int | None = None
    """How many seconds a block may lie before its parent; None: the median time alone bounds it."""


class Place(NamedTuple):
    """Where a transaction stands: the block that holds it, on top of `branch`. A pooled one has no header yet."""

    height: int
    header: BitcoinHeader | None
    branch: AnyBranch
    extra: int = 0
    """What the block's reward may mint beside subsidy and fees."""
    state: KV | None = None
    """The state that it is judged on, for rules that look at more than the coins spent."""


class Totals(NamedTuple):
    """Sums over the transactions of a block, the coinbase left out, in the chain's smallest unit."""

    fees: int
    spent: int
    made: int


FlagsRule: TypeAlias = Callable[[BitcoinHeader | None, AnyBranch, Transaction | None], int]
ActiveRule: TypeAlias = Callable[[BitcoinHeader | None, AnyBranch], Active]
UniqueRule: TypeAlias = Callable[[BitcoinHeader | None, AnyBranch], bool]
FeeRule: TypeAlias = Callable[[Transaction, Sequence[Coin], int, int, Place], int]
RewardRule: TypeAlias = Callable[[Any, Place, Totals, KV, "UtxoRules"], None]
LayoutRule: TypeAlias = Callable[[Any, "UtxoRules"], None]
FormRule: TypeAlias = Callable[[Any], None]


def transfer_fee(tx: Transaction, coins: Sequence[Coin], value_in: int, value_out: int, place: Place) -> int:
    """The fee of a transaction that spends no more than it has.

    Raises InvalidTx("bad-txns-in-belowout"). Source: Bitcoin Core, consensus/tx_verify.cpp, CheckTxInputs.
    """
    if value_in < value_out:
        raise InvalidTx("bad-txns-in-belowout", f"value in ({amount(value_in)}) < value out ({amount(value_out)})")
    return value_in - value_out


def always(header: BitcoinHeader | None, branch: AnyBranch) -> bool:
    """A rule that holds for every block."""
    return True


def no_more(thing: Any) -> None:
    """Nothing more is asked of it."""


@dataclass(frozen=True, slots=True)
class UtxoRules:
    """What distinguishes one UTXO chain from another. Functions take all that they may look at."""

    flags: FlagsRule
    """Script flags for a transaction in a child of the branch."""
    active: ActiveRule
    """The other rules that a child of the branch keeps."""
    subsidy: Callable[[int], int]
    """What a coinbase may mint at a height."""
    check_layout: LayoutRule
    """Where coinbases (and coinstakes) may stand; raises MalformedBlock."""
    check_reward: RewardRule
    """Judges what the block pays its maker, and books what it minted; raises InvalidBlock."""
    fee: FeeRule = transfer_fee
    """What a transaction pays; raises InvalidTx where it spends too much or pays too little."""
    unique_ids: UniqueRule = always
    """Whether a block is searched for transactions that would overwrite coins (BIP30)."""
    check_form: FormRule = no_more
    """What a transaction's form is asked beside Bitcoin's rules (PeerCoin's least output); raises InvalidTx."""
    check_solution: FormRule = no_more
    """A proof that a block bears beside its seal (signet's signature); raises MalformedBlock."""
    maturity: int = 100
    grants: bool = False
    """Whether blocks may hold grants (grants.py): the coin side's dev edits."""
    timed: bool = False
    """Coins remember the time and the offset of the transaction that made them, and whether it was a coinstake."""
    max_money: int = 21_000_000 * COIN
    max_weight: int = 4_000_000
    max_sigop_cost: int = 80_000


def amount(value: int) -> str:
    """A value in whole coins, as messages print it."""
    sign = "-" if value < 0 else ""
    return f"{sign}{abs(value) // COIN}.{abs(value) % COIN:08d}"


def halving(interval: int, initial: int = 50 * COIN) -> Callable[[int], int]:
    """A subsidy that halves every `interval` blocks, and is 0 after 64 halvings.

    Source: Bitcoin Core, validation.cpp, GetBlockSubsidy.
    """

    def subsidy(height: int) -> int:
        halvings = height // interval
        return initial >> halvings if halvings < 64 else 0

    return subsidy


@dataclass(frozen=True, slots=True)
class Activations:
    """Heights of the first block that keeps each of Bitcoin's soft forks (Bitcoin Core, kernel/chainparams.cpp)."""

    bip34: int = 1
    bip65: int = 1
    bip66: int = 1
    csv: int = 1
    segwit: int = 0
    bip34_hash: bytes | None = None
    """The block at the BIP34 height of the one chain on which ids are known to be unique from there on."""
    flag_exceptions: Mapping[bytes, Flags] = field(default_factory=dict)
    """Block hash -> flags, for the blocks that broke P2SH or taproot before anyone enforced them."""
    repeats: Mapping[int, bytes] = field(default_factory=dict)
    """Height -> hash of the blocks that repeat an earlier coinbase (BIP30)."""

    def flags(self, header: BitcoinHeader | None, branch: AnyBranch, tx: Transaction | None = None) -> int:
        """Script flags of a child of the tip. P2SH, witness and taproot hold from genesis on, but for the exceptions.

        Source: Bitcoin Core, validation.cpp, GetBlockScriptFlags.
        """
        height = branch.tip.height + 1
        if header is not None and header.hash in self.flag_exceptions:
            found = int(self.flag_exceptions[header.hash])
        else:
            found = _ALWAYS
        if height >= self.bip66:
            found |= _DERSIG
        if height >= self.bip65:
            found |= _CLTV
        if height >= self.csv:
            found |= _CSV
        if height >= self.segwit:
            found |= _NULLDUMMY
        return found

    def active(self, header: BitcoinHeader | None, branch: AnyBranch) -> Active:
        """What else holds at the height of a child of the tip."""
        height = branch.tip.height + 1
        csv = height >= self.csv
        if height >= self.bip65:
            version = 4
        elif height >= self.bip66:
            version = 3
        else:
            version = 2 if height >= self.bip34 else ANY_VERSION
        return Active(
            min_version=version,
            height_in_coinbase=height >= self.bip34,
            median_lock_time=csv,
            sequence_locks=csv,
            witness=height >= self.segwit,
        )

    def unique_ids(self, header: BitcoinHeader | None, branch: AnyBranch) -> bool:
        """Whether ids of transactions have to be compared with those of coins: not where BIP34 makes them differ."""
        height = branch.tip.height + 1
        if height >= BIP34_COVERS_BIP30_UNTIL:
            return True
        if header is not None and self.repeats.get(height) == header.hash:
            return False
        if self.bip34_hash is None or height <= self.bip34:
            return True
        return bool(branch.at(self.bip34).hash != self.bip34_hash)


_ALWAYS: Final = int(Flags.P2SH | Flags.WITNESS | Flags.TAPROOT)
_DERSIG: Final = int(Flags.DERSIG)
_CLTV: Final = int(Flags.CHECKLOCKTIMEVERIFY)
_CSV: Final = int(Flags.CHECKSEQUENCEVERIFY)
_NULLDUMMY: Final = int(Flags.NULLDUMMY)
