"""PeerCoin's rules for transactions and blocks as functions that UtxoRules points to: form, fees that are burnt, rewards, money supply.

It refuses to know kernels and signatures; consensus/stake.py does. Source: Peercoin, validation.cpp and consensus/tx_verify.cpp at v0.15.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from ledger.api import Draft
from ledger.utxo.assemble import bitcoin_coinbase
from ledger.utxo.coins import Coin
from ledger.utxo.grants import is_grant
from ledger.utxo.rewards import YEAR, Money, least_fee, stake_cost, stake_reward, work_reward
from ledger.utxo.rules import Active, AnyBranch, Place, Totals, UtxoRules, always, amount
from ledger.utxo.switches import Switches
from primitives.bitcoin import BitcoinHeader, Transaction, TxOutput
from primitives.errors import InvalidBlock, InvalidTx, MalformedBlock, Mutated, SystemFault
from primitives.peercoin import PeercoinBlock, PeercoinHeader, is_coinstake
from storage.kv import KV
from storage.layout import SUPPLY
from vm.script.shapes import is_unspendable

EMPTY_OUTPUT: Final = TxOutput(0, b"")
"""What marks a coinstake, and all that a stake block's coinbase pays."""


@dataclass(frozen=True, slots=True)
class PeercoinRules:
    """One network's figures and the rules that read them."""

    switches: Switches
    money: Money = field(default_factory=Money)
    limit: int = (1 << 224) - 1
    """The easiest target; the reward of work is measured by it."""
    min_age: int = 30 * 24 * 60 * 60
    """Seconds after which a coin may stake."""
    maturity: int = 500
    max_money: int = 21_000_000 * 1_000_000
    tx_version: int = 3
    """Of the transactions that we make: from 3 on they bear no time."""
    extra_minting: bool = False
    """Whether a block may mint beside its reward (`Place.extra`), for what left the coin set elsewhere. What work is paid is then
    judged when the block is connected, and the money supply is what can be spent."""

    def utxo_rules(self) -> UtxoRules:
        """The record that the UTXO ledger runs on."""
        return UtxoRules(
            flags=self.flags,
            active=self.active,
            subsidy=_no_subsidy,
            check_layout=self.check_layout,
            check_reward=self.check_reward if self.extra_minting else book_supply,
            fee=self.fee,
            unique_ids=always,
            check_form=self.check_form,
            maturity=self.maturity,
            timed=True,
            max_money=self.max_money,
        )

    def flags(self, header: Any, branch: AnyBranch, tx: Transaction | None = None) -> int:
        """Script flags in a child of the tip."""
        return self.switches.flags(branch.tip)

    def active(self, header: Any, branch: AnyBranch) -> Active:
        """The other rules of a child of the tip."""
        found = self.switches.active(branch)
        return found if header is None else found._replace(most_back=self.switches.drift(header.timestamp))

    def check_form(self, tx: Transaction) -> None:
        """An output of an old transaction is worth a cent, or empty, or later on nothing.

        Raises InvalidTx("bad-txns-txoutvalue-belowminimum"). Source: consensus/tx_check.cpp.
        """
        if tx.version >= 3:
            return
        zero = (tx.time or 0) >= self.switches.zero_outputs
        for output in tx.outputs:
            value = output.value
            if 0 <= value < self.money.least_output and output != EMPTY_OUTPUT and not (zero and value == 0):
                raise InvalidTx("bad-txns-txoutvalue-belowminimum", f"an output of {value}")

    def by_byte(self, tx: Transaction) -> bool:
        """Whether the fee of a transaction is counted by the byte: by its own time, or always where it has none."""
        return not tx.time or tx.time >= self.switches.v07

    def least_fee(self, tx: Transaction) -> int:
        """What a transaction pays at least."""
        return least_fee(self.money, len(tx.raw), self.by_byte(tx))

    def stake_cost(self, tx: Transaction) -> int:
        """What a reward transaction's size takes off what it may claim."""
        return stake_cost(self.money, len(tx.raw), self.by_byte(tx))

    def check_layout(self, block: PeercoinBlock, rules: UtxoRules) -> None:
        """The header's kind is the body's; coinbase and coinstake are where they belong, in time, and claim no more than work is paid.

        Raises Mutated("bad-stake-flag") or Mutated("bad-blk-length") for what the hash does not cover, else MalformedBlock with
        "bad-cb-missing", "bad-cb-multiple", "bad-cs-missing", "bad-cb-notempty", "bad-cb-time", "bad-cs-time" or "bad-cb-amount".
        """
        txs, header, stake = block.txs, block.header, block.is_stake
        if not txs[0].is_coinbase:
            raise MalformedBlock("bad-cb-missing", "first tx is not coinbase")
        if any(tx.is_coinbase for tx in txs[1:]):
            raise MalformedBlock("bad-cb-multiple", "more than one coinbase")
        if any(is_coinstake(tx) for tx in txs[2:]):
            raise MalformedBlock("bad-cs-missing", "coinstake in wrong position")
        if header.stake != stake:
            raise Mutated("bad-stake-flag", "the header's kind is not the body's")
        if block.weight > rules.max_weight:
            raise Mutated("bad-blk-length", "too large with its witnesses and signature")
        if stake and txs[0].outputs[:1] != (EMPTY_OUTPUT,):
            raise MalformedBlock("bad-cb-notempty", "coinbase output not empty in PoS block")
        self._check_times(header, txs)
        if not self.extra_minting:
            self._check_work_reward(header, txs[0], stake, 0, MalformedBlock)

    def _check_times(self, header: PeercoinHeader, txs: Sequence[Transaction]) -> None:
        begun, time = txs[0].time, header.timestamp
        if begun and time > begun + self.switches.drift(begun):
            raise MalformedBlock("bad-cb-time", "coinbase timestamp is too early")
        if header.stake:
            staked = stake_time(txs[1], time)
            if staked != time if staked >= self.switches.v03 else not staked <= time <= staked + 7_200:
                raise MalformedBlock("bad-cs-time", "coinstake timestamp violation")

    def _check_work_reward(
        self, header: PeercoinHeader, coinbase: Transaction, stake: bool, extra: int, fault: type[InvalidBlock]
    ) -> None:
        paid = sum(o.value for o in coinbase.outputs)
        allowed = 0 if stake else self.work_reward(header.bits, header.timestamp) - self.stake_cost(coinbase) + extra
        if paid > allowed:
            raise fault("bad-cb-amount", f"coinbase pays too much (actual={paid} vs limit={allowed})")

    def check_reward(self, block: PeercoinBlock, place: Place, totals: Totals, state: KV, rules: UtxoRules) -> None:
        """Work is paid no more than its reward and what may be minted beside it; the supply is what can be spent, grants among it.

        Raises InvalidBlock("bad-cb-amount").
        """
        self._check_work_reward(block.header, block.txs[0], block.is_stake, place.extra, InvalidBlock)
        lost = sum(o.value for tx in block.txs for o in tx.outputs if is_unspendable(o.script))
        granted = 0
        if rules.grants:
            parent = block.header.parent
            granted = sum(o.value for tx in block.txs[1:] if is_grant(tx, parent) for o in tx.outputs)
        book_supply(block, place, Totals(totals.fees, totals.spent - granted, totals.made - lost), state, rules)

    def work_reward(self, bits: int, time: int) -> int:
        """What a block of work of this difficulty and time may claim."""
        return work_reward(self.money, bits, self.limit, time >= self.switches.v10)

    def fee(self, tx: Transaction, coins: Sequence[Coin], value_in: int, value_out: int, place: Place) -> int:
        """The fee, which is burnt; a coinstake pays none and mints no more than its coins' age earns.

        Raises InvalidTx with "coinstake" (a loose one), "bad-txns-spent-too-early", "bad-txns-coinstake-too-large",
        "bad-txns-in-belowout" or "bad-txns-fee-not-enough".
        """
        header = place.header
        time = tx.time or (header.timestamp if header is not None else 0)
        if time and any(coin.time > time for coin in coins):
            raise InvalidTx("bad-txns-spent-too-early", "transaction timestamp earlier than input transaction")
        if is_coinstake(tx):
            if header is None:
                raise InvalidTx("coinstake", "a coinstake lives in a block only")
            self._check_stake_reward(tx, coins, value_out - value_in, time, place)
            return 0
        if value_in < value_out:
            detail = f"value in ({amount(value_in)}) < value out ({amount(value_out)})"
            raise InvalidTx("bad-txns-in-belowout", detail)
        if value_in - value_out < (least := self.least_fee(tx)):
            raise InvalidTx("bad-txns-fee-not-enough", f"{value_in - value_out} < {least}")
        return value_in - value_out

    def _check_stake_reward(self, tx: Transaction, coins: Sequence[Coin], minted: int, time: int, place: Place) -> None:
        if place.state is None:
            raise SystemFault("a coinstake is judged without the money supply")
        supply = money_supply(place.state)
        allowed = self.stake_reward(coins, time, supply, place.branch) - self.stake_cost(tx) + place.extra
        if supply and minted > allowed:
            raise InvalidTx("bad-txns-coinstake-too-large", f"mints {minted}, {allowed} allowed")

    def stake_reward(self, coins: Sequence[Coin], time: int, supply: int, branch: AnyBranch) -> int:
        """What staking these coins at a time mints at most, before the cost of the transaction's size."""
        v09 = time >= self.switches.v09
        return stake_reward(self.money, self.coin_days(coins, time, branch), supply, v09)

    def coin_days(self, coins: Sequence[Coin], time: int, branch: AnyBranch) -> int:
        """The age of all coins, in coin-days; those that are too young to stake have none. Source: GetCoinAge."""
        money, cent_seconds = self.money, 0
        for coin in coins:
            made = branch.at(coin.height).header.timestamp
            if made + self.min_age > time:
                continue
            age = time - (coin.time or made)
            if time >= self.switches.v09:
                age = min(age, YEAR * money.day)
            cent_seconds += coin.value * age // money.cent
        return cent_seconds * money.cent // money.coin // money.day

    def coinbase(self, draft: Draft, place: Place, fees: int, rules: UtxoRules) -> Transaction:
        """A coinbase that pays the reward of work; beside a coinstake it pays nothing."""
        plain = bitcoin_coinbase(draft, place, 0, rules)
        first = EMPTY_OUTPUT
        if not draft.kind:
            first = TxOutput(self.work_reward(draft.difficulty, draft.timestamp), draft.payee)
        return replace(plain, version=self.tx_version, outputs=(first, *plain.outputs[1:]))


BLOCK_VERSION: Final = 6
"""The header version that we write."""


def _no_subsidy(height: int) -> int:
    return 0


def stake_time(coinstake: Transaction, block_time: int) -> int:
    """The time of a coinstake: its own, or its block's where it has none."""
    return coinstake.time or block_time


def money_supply(state: KV) -> int:
    """All money after the block whose state this is, in units."""
    raw = state.get(SUPPLY)
    return 0 if raw is None else int.from_bytes(raw, "little")


def book_supply(block: PeercoinBlock, place: Place, totals: Totals, state: KV, rules: UtxoRules) -> None:
    """Write the money supply: more by what the block makes than it spends, so that burnt fees lower it."""
    paid = sum(o.value for o in block.txs[0].outputs)
    supply = money_supply(state) + paid + totals.made - totals.spent
    if supply < 0:
        raise SystemFault("less money is left than there was")
    state.put(SUPPLY, supply.to_bytes(8, "little"))


def peercoin_block(draft: Draft, header: BitcoinHeader, txs: tuple[Transaction, ...]) -> PeercoinBlock:
    """An unsigned block of the draft's kind."""
    own = PeercoinHeader(
        BLOCK_VERSION if draft.version is None else draft.version,
        header.parent,
        header.merkle_root,
        header.timestamp,
        header.bits,
        0,
        bool(draft.kind),
    )
    return PeercoinBlock(own, txs)


def minted(block: PeercoinBlock, spent: Sequence[Coin]) -> int:
    """What a block minted: all that it makes beyond what it spends, the fees that were burnt counted as not.

    `spent` are the coins in input order. Source: validation.cpp, ConnectBlock (nMint).
    """
    coins = iter(spent)
    total = sum(o.value for o in block.txs[0].outputs)
    for tx in block.txs[1:]:
        if is_coinstake(tx):
            total += sum(o.value for o in tx.outputs)
            total -= sum(next(coins).value for _ in tx.inputs)
        else:
            for _ in tx.inputs:
                next(coins)
    return total
