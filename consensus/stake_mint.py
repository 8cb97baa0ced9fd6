"""Minting: searches the purse's coins second by second for a kernel, and builds the coinstake that a hit allows.

It refuses to know wallets: a Staker lends coins and signatures, and is told why nothing can stake. Source: Peercoin, wallet/wallet.cpp,
CreateCoinStake; how outputs are split and combined is RFC-0028's, and no rule.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from math import isqrt
from typing import Any, Final, NamedTuple, Protocol

from consensus.stake_kernel import Ages, Stakeable, is_ripe, search, weight
from consensus.stake_modifier import ModifierRule, kernel_modifier
from ledger.api import Stop
from ledger.utxo.coins import Coin, CoinView
from ledger.utxo.peercoin import EMPTY_OUTPUT, PeercoinRules, money_supply
from primitives.bitcoin import Transaction, TxInput, TxOutput
from primitives.chain import Branch
from storage.kv import KV

WINDOW: Final = 60
"""Seconds back from now that are searched at most, a node that was away longer has lost them."""

MOST_INPUTS: Final = 8
MOST_OUTPUTS: Final = 30
_CHECKSIG: Final = b"\xac"


@dataclass(frozen=True, slots=True)
class Outlook:
    """What a search found: a word, its sentence for people, and when it may go better."""

    word: str
    """"found", "no-kernel", or why nothing can stake: "locked", "no-coins", "too-young", "too-few", "tip-too-old"."""
    detail: str
    coins: int = 0
    """Coins that were searched."""
    earliest: int | None = None
    """The second from which a first coin may stake, where all are too young."""


class Staker(Protocol):
    """Whoever lends coins and keys to minting."""

    @property
    def locked(self) -> bool:
        """Whether no signature can be had."""
        ...

    def coins(self) -> Iterable[bytes]:
        """The outpoints that may be staked."""
        ...

    def key_of(self, script: bytes) -> bytes | None:
        """The public key that a coin's script pays to, or with which its owner signs blocks; None where it is not his."""
        ...

    def sign(self, tx: Transaction, spent: Sequence[TxOutput]) -> Transaction | None:
        """The transaction with all inputs signed."""
        ...

    def sign_block(self, public: bytes, digest: bytes) -> bytes | None:
        """A signature over a block hash, in strict DER."""
        ...

    def searched(self, tip: bytes) -> int:
        """The last second that was searched on this tip, 0 for none."""
        ...

    def tell(self, tip: bytes, until: int, outlook: Outlook) -> None:
        """A search on this tip has reached a second, and this came of it."""
        ...


class Owned(NamedTuple):
    """A coin of the staker that may be staked now or later."""

    point: bytes
    coin: Coin
    kernel: Stakeable
    key: bytes


@dataclass(frozen=True, slots=True)
class Hit:
    """A kernel that holds: the coin, the second, and all that could stake besides."""

    owned: Owned
    time: int
    others: tuple[Owned, ...]


@dataclass(frozen=True, slots=True)
class Minting:
    """What minting needs to know of a chain."""

    rules: PeercoinRules
    modifiers: ModifierRule
    ages: Ages
    target_output: int = 0
    """The value that outputs are split and combined towards, in units; 0: one output, nothing combined."""

    def find(
        self, branch: Branch[Any], state: KV, staker: Staker, bits: int, first: int, last: int, stop: Stop
    ) -> Hit | None:
        """Search all coins over the seconds not searched yet on this tip; the staker is told what came of it."""
        tip = branch.tip.hash
        begin = max(first, last - WINDOW + 1, staker.searched(tip) + 1)
        found = self._look(branch, state, staker, bits, begin, last, stop)
        if isinstance(found, Hit):
            staker.tell(tip, last, Outlook("found", f"a kernel at {found.time}", 1 + len(found.others)))
            return found
        staker.tell(tip, last, found)
        return None

    def _look(
        self, branch: Branch[Any], state: KV, staker: Staker, bits: int, begin: int, last: int, stop: Stop
    ) -> Hit | Outlook:
        if staker.locked:
            return Outlook("locked", "the wallet is locked: unlock it for staking")
        owned = list(self.owned(branch, state, staker))
        if not owned:
            return Outlook("no-coins", "the wallet has no coin that could stake")
        ripe, earliest = self.ripe(owned, last, branch.tip.height + 1)
        if not ripe:
            if earliest is None:
                return Outlook("too-young", f"all {len(owned)} coins are rewards that mature later, by the height")
            return Outlook("too-young", f"all {len(owned)} coins are too young to stake", earliest=earliest)
        heavy = [o for o in ripe if weight(o.kernel, last, self.ages, self.rules.switches)]
        if not heavy:
            detail = f"none of {len(ripe)} coins weighs a coin-day yet: too few coins, or hardly old enough"
            return Outlook("too-few", detail, len(ripe))
        modifier = remembered(lambda time: kernel_modifier(self.modifiers, branch, branch.tip.height, time))
        if modifier(last) is None:
            detail = "there is no stake modifier for now: a block of work has to come first"
            return Outlook("tip-too-old", detail, len(heavy))
        for one in heavy:
            if stop():
                return Outlook("stopped", "the search was stopped", len(heavy))
            found = search(one.kernel, begin, last, bits, modifier, self.ages, self.rules.switches)
            if found is not None:
                return Hit(one, found[0], tuple(o for o in ripe if o.point != one.point))
        seconds = max(0, last - begin + 1)
        return Outlook("no-kernel", f"no kernel in {seconds} seconds of {len(heavy)} coins", len(heavy))

    def owned(self, branch: Branch[Any], state: KV, staker: Staker) -> Iterable[Owned]:
        """The staker's coins that are in the state and could be signed for."""
        view, times = CoinView(state), {}
        for point in staker.coins():
            coin = view.get(point)
            if coin is None or not coin.value or coin.height > branch.tip.height:
                continue
            key = staker.key_of(coin.script)
            if key is None:
                continue
            if coin.height not in times:
                times[coin.height] = branch.at(coin.height).header.timestamp
            made = times[coin.height]
            index = int.from_bytes(point[32:], "little")
            yield Owned(point, coin, Stakeable(coin.value, made, coin.offset, coin.time or made, index), key)

    def ripe(self, owned: Sequence[Owned], time: int, height: int) -> tuple[list[Owned], int | None]:
        """The coins that may stake at a second, and else the second from which the first of them may."""
        mature = [
            o for o in owned if not (o.coin.coinbase or o.coin.stake) or height - o.coin.height >= self.rules.maturity
        ]
        ripe = [o for o in mature if is_ripe(o.kernel, time, self.ages)]
        return ripe, min((o.kernel.block_time + self.ages.least for o in mature), default=None)

    def coinstake(self, hit: Hit, branch: Branch[Any], state: KV, staker: Staker) -> Transaction | None:
        """The signed transaction that stakes: kernel first, then coins that are combined with it; None where it cannot be signed."""
        used = [hit.owned, *self._combined(hit)]
        coins = [o.coin for o in used]
        total = sum(c.value for c in coins)
        reward = max(0, self.rules.stake_reward(coins, hit.time, money_supply(state), branch))
        inputs = tuple(TxInput(o.point) for o in used)
        spent = [TxOutput(c.value, c.script) for c in coins]
        cost = 0
        while True:
            outputs = self._outputs(hit.owned, total + max(0, reward - cost), self.rules.switches.v12.holds(branch.tip))
            signed = staker.sign(Transaction(self.rules.tx_version, inputs, outputs), spent)
            if signed is None or (dearer := self.rules.stake_cost(signed)) <= cost:
                return signed
            cost = dearer
            if cost > reward and len(used) > 1:
                return self.coinstake(replace(hit, others=()), branch, state, staker)

    def _combined(self, hit: Hit) -> list[Owned]:
        """Other small coins of the same script, oldest first, as long as the sum stays small."""
        most = self.target_output // 3
        chosen: list[Owned] = []
        total = hit.owned.coin.value
        if total >= self.target_output:
            return chosen
        for other in sorted(hit.others, key=lambda o: (o.kernel.block_time, o.point)):
            if len(chosen) + 1 >= MOST_INPUTS or total >= self.target_output:
                break
            alike = other.coin.script == hit.owned.coin.script and other.coin.value <= most
            if alike and is_ripe(other.kernel, hit.time, self.ages):
                chosen.append(other)
                total += other.coin.value
        return chosen

    def _outputs(self, owned: Owned, value: int, beside: bool) -> tuple[TxOutput, ...]:
        """The empty mark, the key that signs the block, and the value back to the coin's own script.

        A coin that is paid to the key itself names it at once; so does any other where outputs of no value would be coins.
        """
        key = bytes((len(owned.key),)) + owned.key + _CHECKSIG
        script = owned.coin.script if beside else key
        count = split_count(value, self.target_output)
        part = value // count
        paid = (TxOutput(value - part * (count - 1), script), *[TxOutput(part, script)] * (count - 1))
        return (EMPTY_OUTPUT, *paid) if script == key else (EMPTY_OUTPUT, TxOutput(0, key), *paid)


def split_count(value: int, target: int) -> int:
    """Into how many outputs a value is split: so many that joining them costs as much as they miss the target by."""
    if target <= 0:
        return 1
    return max(1, min(MOST_OUTPUTS, (isqrt(4 * value * value + target * target) + target) // (2 * target)))


def remembered(modifier: Callable[[int], int | None]) -> Callable[[int], int | None]:
    """A function of the second that is asked once for each."""
    known: dict[int, int | None] = {}

    def find(time: int) -> int | None:
        if time not in known:
            known[time] = modifier(time)
        return known[time]

    return find
