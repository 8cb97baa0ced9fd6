"""TwinLedger: coins and accounts on one chain. It joins two ledgers, each of which judges its half as if it were alone.

What holds between the halves is in seam.py; undo, fork choice and seals are not its affair. See docs/twin.md.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from ledger.account import checks, fees
from ledger.account.directives import check_directives, check_edited_header
from ledger.account.ledger import AccountLedger
from ledger.account.requests import EXIT_TYPE
from ledger.account.rules import Schedule
from ledger.api import Admission, Aid, Applied, Draft
from ledger.twin import seam
from ledger.twin.branch import PayloadBranch, credited, remember
from ledger.twin.policy import TwinPolicy
from ledger.utxo.assemble import EXTRA_MINTING, EXTRA_OUTPUTS
from ledger.utxo.ledger import UtxoLedger
from ledger.utxo.rules import UtxoRules
from primitives.bitcoin import Transaction, TxOutput
from primitives.chain import Branch
from primitives.errors import InvalidBlock, InvalidHeader, Refused, SystemFault
from primitives.ethereum_directives import decode_edits, is_committed
from primitives.ethereum_tx import EthereumTransaction
from primitives.twin import (
    ACCOUNTS,
    COINS,
    EXITS_A_BLOCK,
    Deposit,
    Exit,
    OuterHeader,
    TwinBlock,
    TwinFormat,
    deposits_in,
    deposits_of,
    payload_output,
    withdrawals_of,
)
from storage.kv import KV, Delta, Journal, rewind

BENEFICIARY: Final = "beneficiary"
"""Draft option: the account that earns the payload's tips, 20 bytes; nobody's by default."""
EXTRA_DATA: Final = "extra_data"
"""Draft option: the payload's extra data."""
SIGN: Final = "sign_coinstake"
"""Draft option, beside a coinstake: signs it again once exits and commitment are in it; None where that cannot be had."""
_PASSED_ON: Final = ("gas_limit", "edits")
"""Draft options of the account half that a twin leaves to the caller."""
_OVERPAID: Final = ("bad-cb-amount", "bad-txns-coinstake-too-large")

Sign = Callable[[Transaction], Transaction | None]


def nothing_beside(block: TwinBlock, branch: Branch[Any]) -> None:
    """The outer header has no part that its hash does not cover."""


@dataclass(frozen=True, slots=True)
class TwinLedger:
    """Two ledgers and the seam between them. Draft options are those of both, and the three above."""

    coins: UtxoLedger
    accounts: AccountLedger
    policy: TwinPolicy = field(default_factory=TwinPolicy)
    check_sides: Callable[[TwinBlock, Branch[Any]], None] = nothing_beside
    """Judges what of the outer header its hash does not cover (an Ethash seal); raises Mutated."""

    @property
    def format(self) -> TwinFormat:
        """Both formats, joined."""
        return TwinFormat(self.coins.format, self.accounts.format)

    @property
    def rules(self) -> UtxoRules:
        """The parameters of the coins' rules."""
        return self.coins.rules

    @property
    def schedule(self) -> Schedule:
        """The forks of the accounts' rules."""
        return self.accounts.schedule

    def genesis(self, block: TwinBlock, state: KV) -> None:
        """Write the state that both halves begin with. Raises InvalidBlock where the payload says another root."""
        self.coins.genesis(block.outer, state)
        self.accounts.genesis(block.payload, state)
        remember(block.payload.header, 0, state)

    def check_header(self, header: OuterHeader, branch: Branch[Any]) -> None:
        """As the coins' ledger; and time rises with every block, as the payload's must.

        Raises InvalidHeader("bad-twin-time") and as check_header of ledger/utxo/checks.py.
        """
        before = branch.tip.header.timestamp
        if header.timestamp <= before:
            raise InvalidHeader("bad-twin-time", f"{header.timestamp} is not after the parent's {before}")
        self.coins.check_header(header, branch)  # type: ignore[arg-type]

    def check_block(self, block: TwinBlock, branch: Branch[Any]) -> None:
        """Both bodies are those committed to, and the payload was made for this place.

        Raises Mutated, MalformedBlock and InvalidBlock: as each half's ledger, and as check_commitment and check_place of seam.py.
        """
        self.coins.check_block(block.outer, branch)
        self.check_sides(block, branch)
        seam.check_commitment(block)
        checks.check_body(block.payload, self.schedule.of(block.payload.header))
        check_directives(block.payload, self.accounts.dev_edits)
        seam.check_place(block, branch.tip.height + 1)

    def connect(self, block: TwinBlock, branch: Branch[Any], state: KV, aid: Aid) -> Applied:
        """Deposits, payload, exits, coins: in this order, on one journal.

        Raises InvalidBlock and InvalidHeader: as each half's ledger, and with the words of seam.py.
        """
        inner, payloads = block.payload, PayloadBranch(branch, state)
        self._check_payload_header(block, payloads)
        deposits = seam.check_deposits(block, credited(state))
        accounts = self.accounts.connect(inner, payloads, state, aid)
        due = seam.exits_due(_exit_request(accounts))
        seam.check_exits(block.carrier, due)
        try:
            coins = self.coins.connect(block.outer, branch, state, aid, _total(due))
        except InvalidBlock as e:
            if e.rule in _OVERPAID and seam.is_paid_twice(block.carrier, due):
                raise InvalidBlock("bad-twin-exit-twice", e.detail) from e
            raise
        remember(inner.header, deposits, state)
        return _joined(coins, accounts)

    def _check_payload_header(self, block: TwinBlock, payloads: PayloadBranch) -> None:
        header, parent = block.payload.header, payloads.tip.header
        seam.check_lineage(header, parent)
        edited = self.accounts.dev_edits and is_committed(header)
        checks.check_header(header, parent, self.schedule, edited)
        if block.payload.directives:
            base_fee = fees.next_base_fee(parent, self.schedule.of(header))
            check_edited_header(header, base_fee, decode_edits(block.payload.directives))

    def for_mined(self) -> TwinLedger:
        """The same, for transactions that were in a block already."""
        return replace(self, coins=self.coins.for_mined())

    def admit(self, txs: Sequence[Any], branch: Branch[Any], state: KV, aid: Aid) -> list[Admission]:
        """Each transaction as its own half judges it, in the order given. Raises InvalidTx, Missing, Refused, Premature."""
        coins = [tx for tx in txs if not isinstance(tx, EthereumTransaction)]
        accounts = [tx for tx in txs if isinstance(tx, EthereumTransaction)]
        found = self.coins.admit(coins, branch, state, aid) if coins else []
        if accounts:
            judged = self.accounts.admit(accounts, PayloadBranch(branch, state), state, aid)
            found += [replace(admission, lane=ACCOUNTS) for admission in judged]
        order = {tx.id: at for at, tx in enumerate(txs)}
        return sorted(found, key=lambda admission: order[admission.id])

    def limits(self) -> Mapping[int, Sequence[int]]:
        """Each half's, in its lane."""
        return {COINS: self.coins.limits()[0], ACCOUNTS: self.accounts.limits()[0]}

    def assemble(
        self, draft: Draft, txs: Sequence[Admission], branch: Branch[Any], state: KV
    ) -> tuple[TwinBlock, Delta, Applied]:
        """The payload is executed first, with the deposits of what will be in the block; then the block commits to it and pays exits.

        Raises Refused("cannot-sign") where a coinstake cannot be signed again.
        """
        own, other = _split(draft.leading)
        coins = [a for a in txs if a.lane == COINS]
        accounts = [a for a in txs if a.lane == ACCOUNTS]
        outer_draft = replace(draft, leading=own)
        deposits: tuple[Deposit, ...] = ()
        if any(deposits_in(tx) for tx in (*own, *(a.tx for a in coins))):
            coins, deposits = self._that_apply(outer_draft, coins, branch, state)
        journal = Journal(state)
        payloads = PayloadBranch(branch, journal)
        inner_draft = self._payload_draft(draft, other, branch, withdrawals_of(deposits, credited(state)))
        inner, delta, inner_applied = self.accounts.assemble(inner_draft, accounts, payloads, journal)
        absorb(journal, delta)
        due = seam.exits_due(_exit_request(inner_applied))
        tail = (*(e.output for e in due), payload_output(inner.header.hash))
        outer, delta, outer_applied = self.coins.assemble(
            _with_tail(outer_draft, tail, _total(due)), coins, branch, journal
        )
        absorb(journal, delta)
        if deposits_of(outer) != deposits:
            raise SystemFault("a block was assembled whose deposits are not those of its payload")
        remember(inner.header, len(deposits), journal)
        return TwinBlock(outer, inner), journal.delta(), _joined(outer_applied, inner_applied)

    def _that_apply(
        self, draft: Draft, txs: Sequence[Admission], branch: Branch[Any], state: KV
    ) -> tuple[list[Admission], tuple[Deposit, ...]]:
        """Those of the coins' transactions that will be in the block, whatever exits it pays, and the deposits among them."""
        room = (TxOutput(0, b"\x51\x20" + bytes(32)),) * EXITS_A_BLOCK + (payload_output(bytes(32)),)
        draft = replace(draft, options={**draft.options, EXTRA_OUTPUTS: room})
        block, _, _ = self.coins.assemble(draft, txs, branch, state)
        taken = {tx.id for tx in block.txs}
        return [a for a in txs if a.id in taken], deposits_of(block)

    def _payload_draft(
        self, draft: Draft, leading: tuple[Any, ...], branch: Branch[Any], withdrawals: Sequence[Any]
    ) -> Draft:
        parent = branch.tip.hash
        options: dict[str, Any] = {key: draft.options[key] for key in _PASSED_ON if key in draft.options}
        options |= {"prev_randao": parent, "parent_beacon_root": parent, "withdrawals": withdrawals}
        return Draft(
            draft.timestamp,
            0,
            payee=draft.options.get(BENEFICIARY, b""),
            extra=draft.options.get(EXTRA_DATA, b""),
            leading=leading,
            options=options,
        )


def absorb(journal: Journal, delta: Delta) -> None:
    """Make the changes of a delta in a journal; what is content-addressed stays past its undo."""
    for key, value in delta.kept:
        journal.keep(key, value)
    rewind(journal, delta.forward)


def _split(leading: Sequence[Any]) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    """The transactions of coins, and those of accounts."""
    own = tuple(tx for tx in leading if not isinstance(tx, EthereumTransaction))
    return own, tuple(tx for tx in leading if isinstance(tx, EthereumTransaction))


def _with_tail(draft: Draft, tail: tuple[TxOutput, ...], minting: int) -> Draft:
    """The draft whose coinbase, or coinstake, ends with these outputs. Raises Refused("cannot-sign")."""
    options = {**draft.options, EXTRA_MINTING: minting}
    if not draft.kind:
        return replace(draft, options={**options, EXTRA_OUTPUTS: tail})
    sign: Sign = draft.options[SIGN]
    coinstake = draft.leading[0]
    signed = sign(replace(coinstake, outputs=(*coinstake.outputs, *tail)))
    if signed is None:
        raise Refused("cannot-sign", "the coinstake could not be signed with the commitment to its payload")
    return replace(draft, leading=(signed, *draft.leading[1:]), options=options)


def _exit_request(applied: Applied) -> bytes:
    return next((data for kind, data in applied.requests if kind == EXIT_TYPE), b"")


def _total(due: Sequence[Exit]) -> int:
    return sum(exit_.satoshi for exit_ in due)


def _joined(coins: Applied, accounts: Applied) -> Applied:
    """What both halves brought about; the fees are those in coins."""
    return replace(accounts, fees=coins.fees, spent=coins.spent, touched=coins.touched | accounts.touched)
