"""Sends from a wallet: which coins may be spent, the rate, building, signing, handing over, giving up.

No coin is in two transactions: whatever is made is in the history, and on disk, before the next one is begun.
"""

import threading
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from primitives.bitcoin import Transaction, TxOutput
from primitives.errors import ChainError
from wallet import scripts, signing, spend_utxo
from wallet.api import ChainSource
from wallet.errors import BAD_PARAMETER, FEE, INSUFFICIENT, KEPT_APART, NO_KEY, NOT_FOUND, REJECTED, WalletError
from wallet.history import Coin, Record
from wallet.selection import Candidate
from wallet.signer import Signer
from wallet.signing import InputData
from wallet.sources import Owner, Source
from wallet.spend_utxo import MAX_FEE, Built, Payment, Terms
from wallet.state import WalletState, expansion_data
from wallet.vault import locked

CHAINS = (2, 8, 24)
"""How many unmined transactions a coin may rest on, in the order of trying: nodes take 25 in a chain, the new one among them."""


@dataclass(frozen=True, slots=True)
class SendOptions:
    """How to send; what is None is chosen by the wallet."""

    rate: int | None = None  # satoshi per 1,000 vbytes
    target: int = 6  # blocks, where the rate is None
    replaceable: bool = True
    inputs: tuple[bytes, ...] = ()  # outpoints that must be spent
    add_inputs: bool = True
    least_depth: int = 0
    include_unsafe: bool = False
    change_address: str | None = None
    change_kind: str | None = None
    change_at: int | None = None
    lock_time: int | None = None
    version: int | None = None
    sequences: tuple[tuple[bytes, int], ...] = ()
    bip69: bool = False
    lock_inputs: bool = False
    max_fee: int = MAX_FEE
    outside: tuple[tuple[bytes, InputData], ...] = ()  # coins that are not the wallet's, by outpoint
    comment: str = ""
    to: str = ""


@dataclass(frozen=True, slots=True)
class Sent:
    """A transaction that was made: signed, recorded and, but for a dry run, handed over."""

    tx: Transaction
    fee: int
    change_at: int | None


class Spender:
    """Spends the coins of a wallet."""

    def __init__(self, state: WalletState, chain: ChainSource) -> None:
        self._state = state
        self._chain = chain
        self._weights: dict[tuple[Source, int], int] = {}
        self.sending = threading.RLock()

    # Coins.

    def spendable(
        self,
        least_depth: int = 0,
        include_unsafe: bool = False,
        skip: Collection[bytes] = (),
        most_unmined: int | None = None,
    ) -> list[Coin[Owner]]:
        """Coins that may be spent now: ripe, not frozen, safe unless asked otherwise.

        `most_unmined`: how many unmined transactions of ours a coin may rest on, since nodes take no long chains of them.
        """
        state, history = self._state, self._state.history
        known: dict[bytes, bool] = {}
        ripe = history.tip.height - history.maturity
        deep = history.tip.height + 1 - least_depth
        held = {*state.frozen, *state.reserved, *state.apart(), *skip}
        able: dict[int, bool] = {}
        found = []
        for point, coin in history.unspent.items():
            record = coin.record
            place = record.place
            if place is not None:
                if place.height > deep or (record.generated and place.height > ripe):
                    continue
            elif least_depth > 0 or not record.pooled or self._rests_on_more(record, most_unmined):
                continue
            if place is None and not include_unsafe and not history.is_trusted(record, known):
                continue
            source = coin.owner.source
            can = able.get(id(source))
            if can is None:
                can = able[id(source)] = source.descriptor.is_solvable
            if can and point not in held:
                found.append(coin)
        return found

    def _rests_on_more(self, record: Record, most: int | None) -> bool:
        """Whether a coin of a record rests on more unmined transactions than so many, the record's own among them."""
        if most is None:
            return False
        records = self._state.history.records
        found, queue = {record.tx.id}, [record]
        while queue and len(found) <= most:
            for spend in queue.pop().tx.inputs:
                parent = records.get(spend.txid)
                if parent is not None and parent.place is None and parent.tx.id not in found:
                    found.add(parent.tx.id)
                    queue.append(parent)
        return len(found) > most

    def candidate(self, coin: Coin[Owner]) -> Candidate:
        """A coin as coin selection sees it."""
        source, _, variant = coin.owner
        weight = self._weights.get((source, variant))
        if weight is None:
            weight = self._weights[source, variant] = self._weight(coin)
        return Candidate(coin.outpoint, coin.value, weight)

    def _weight(self, coin: Coin[Owner]) -> int:
        state = self._state
        expansion = state.sources.expansion(coin.owner)
        data = expansion_data(expansion, TxOutput(coin.value, coin.script))
        internal = expansion.internal
        size = len(expansion.keys[0].public) if expansion.keys else 33
        return signing.input_weight(data, size, internal is not None and state.signer().can_sign(internal))

    def rate(self, options: SendOptions) -> int:
        """The rate to pay. Raises WalletError("bad-fee") where it is too low to be relayed, or cannot be told."""
        net = self._state.net
        rate = options.rate
        if rate is None:
            rate = self._chain.fee_rate(options.target) or net.fallback_rate
            if rate is None:
                raise WalletError(FEE, "fee estimation failed, and there is no fallback rate")
            return max(rate, net.relay_rate)
        if rate < net.relay_rate:
            raise WalletError(FEE, f"a rate of {rate} sat/kvB is below the {net.relay_rate} sat/kvB that nodes relay")
        return rate

    def terms(self, options: SendOptions, rate: int) -> Terms:
        """How a transaction is made on this network, whatever it pays."""
        state, net = self._state, self._state.net
        version = options.version or (3 if net.timed else 2)
        timed = net.timed and version < 3
        tip = max(0, state.history.tip.height)
        return Terms(
            rate=rate,
            replaceable=options.replaceable,
            lock_time=options.lock_time if options.lock_time is not None else 0 if timed else tip,
            version=version,
            time=state.env.now() if timed else None,
            change_at=options.change_at,
            bip69=options.bip69,
            dust_rate=net.dust_rate,
            max_fee=options.max_fee,
            max_money=net.max_money,
            sequences=options.sequences,
        )

    def fund(self, payments: Sequence[Payment], options: SendOptions, rate: int) -> Built:
        """Choose coins and lay out a transaction, unsigned. The caller holds the guard, and saves. Raises WalletError."""
        state = self._state
        outside = dict(options.outside)
        required = [self._required(point, outside) for point in options.inputs]
        terms = self.terms(options, rate)
        if options.change_address is not None:
            change = state.script_of(options.change_address)
            return self._build(payments, required, change, terms, options)
        fresh = self.change_source(options)
        change = state.sources.peek(fresh)[1] if fresh is not None else scripts.p2wpkh(bytes(20))
        built = self._build(payments, required, change, terms, options)
        if built.change_at is not None:
            if fresh is None:
                raise WalletError(
                    NOT_FOUND, "the transaction needs a change address, and the wallet has no keys for one"
                )
            state.give_out(fresh, save=False)
        return built

    def change_source(self, options: SendOptions) -> Source | None:
        """Where change addresses come from: of the kind asked for, else the usual kind, else any."""
        sources, usual = self._state.sources, self._state.net.default_kind
        if options.change_kind is not None:
            return sources.active(options.change_kind, internal=True)
        active = [s for s in sources if s.active and s.internal and s.kind is not None]
        return next((s for s in active if s.kind == usual), active[0] if active else None)

    def _build(
        self,
        payments: Sequence[Payment],
        required: Sequence[Candidate],
        change: bytes,
        terms: Terms,
        options: SendOptions,
    ) -> Built:
        """Mined coins first; unmined change of our own only where they do not suffice, of short chains before long ones.

        Source: Bitcoin Core, wallet/spend.cpp, AutomaticCoinSelection.
        """
        random = self._state.env.random
        if not options.add_inputs:
            return spend_utxo.build((), required, payments, change, terms, random)
        levels: Sequence[tuple[int, int | None]] = [(options.least_depth, None)]
        if options.least_depth < 1:
            levels = [(1, None), *((0, most) for most in CHAINS)]
        for depth, most in levels:
            coins = self.spendable(depth, options.include_unsafe and depth == 0, options.inputs, most)
            candidates = [self.candidate(coin) for coin in coins]
            try:
                return spend_utxo.build(candidates, required, payments, change, terms, random)
            except WalletError as e:
                if e.rule == INSUFFICIENT and (depth, most) != levels[-1]:
                    continue
                if e.rule == INSUFFICIENT and self._state.apart():
                    raise WalletError(KEPT_APART, f"{e.detail}: the other coins are kept for minting") from None
                raise
        raise RuntimeError("no level of coins was tried")

    def _required(self, point: bytes, outside: dict[bytes, InputData]) -> Candidate:
        history = self._state.history
        coin = history.coins.get(point)
        if coin is not None:
            if history.is_spent(point) or not coin.record.is_active:
                raise WalletError(BAD_PARAMETER, "an input that was chosen is spent already")
            return self.candidate(coin)
        data = outside.get(point)
        if data is None or data.spent is None:
            raise WalletError(NOT_FOUND, "an input that was chosen is unknown, and its coin was not given")
        return Candidate(point, data.spent.value, signing.input_weight(data))

    # Signing.

    def sign(
        self, tx: Transaction, outside: dict[bytes, InputData] | None = None, hash_type: int | None = None
    ) -> tuple[Transaction, list[int]]:
        """Sign what the wallet can; the transaction, and the inputs that are not finished.

        `outside` tells of coins that are not the wallet's. What inputs hold already is kept where it holds.
        Raises WalletError("wallet-locked").
        """
        state = self._state
        if not state.vault.is_open(state.env.monotonic()):
            raise locked()
        with state.guard:
            signer = state.signer()
            inputs = [self.input_data(spend.outpoint, outside or {}, signer) for spend in tx.inputs]
        return spend_utxo.sign_partly(tx, inputs, signer.secret_of, signer.key_of_hash, hash_type)

    def input_data(self, point: bytes, outside: dict[bytes, InputData], signer: Signer) -> InputData:
        """What is known of an input: by the wallet, and by whoever told of coins outside of it."""
        state = self._state
        given = outside.get(point, InputData())
        coin = state.history.coins.get(point)
        spent = TxOutput(coin.value, coin.script) if coin is not None else given.spent
        if spent is None:
            return given
        data = state.input_data(spent, signer)
        data.redeem = data.redeem or given.redeem
        data.witness_script = data.witness_script or given.witness_script
        return data

    # Sending.

    def send(self, payments: Sequence[Payment], options: SendOptions, submit: bool = True) -> Sent:
        """Pay: build, sign, record and save, then hand over. What is refused is undone.

        Raises WalletError: wallet-locked, insufficient-funds, bad-fee, dust, no-key, rejected.
        """
        state = self._state
        if not payments:
            raise WalletError(BAD_PARAMETER, "there is nobody to pay")
        if not state.keys.flags.get("private_keys", True):
            raise WalletError(NO_KEY, "this wallet has no private keys: make a PSBT instead")
        if not state.vault.is_open(state.env.monotonic()):
            raise locked()
        rate = self.rate(options)
        with self.sending:  # the next one may spend this one's change, so it waits until the mempool has it
            with state.guard:
                built = self.fund(payments, options, rate)
                tx, missing = self.sign(built.tx, dict(options.outside))
                if missing:
                    raise WalletError(NO_KEY, f"no key for input {missing[0]}")
                if not submit:
                    state.save()
                    return Sent(tx, built.fee, built.change_at)
                notes = {"comment": options.comment, "to": options.to}
                record = self.write_down(tx, {name: text for name, text in notes.items() if text})
            self.hand_over(tx, record)
        return Sent(tx, built.fee, built.change_at)

    def write_down(self, tx: Transaction, notes: dict[str, str]) -> Record:
        """Make a transaction ours, on disk, before it is handed over."""
        state, txid = self._state, tx.id[::-1].hex()
        record = state.history.see(tx, state.env.now())
        if record is None:
            raise RuntimeError("the wallet made a transaction that does not touch it")
        entry = {"txid": tx.id.hex(), "tx": tx.raw.hex(), "received": record.received, "timed": tx.time is not None}
        state.keys.sent.append(entry)
        if notes:
            state.keys.notes[txid] = {**state.keys.notes.get(txid, {}), **notes}
        state.save()
        return record

    def hand_over(self, tx: Transaction, record: Record) -> None:
        """Give a transaction that is written down to the chain; one that is refused is forgotten. Raises WalletError("rejected")."""
        state = self._state
        try:
            self._chain.submit(tx)
        except ChainError as e:
            with state.guard:
                if record.place is None and not record.pooled:
                    state.history.forget(record)
                    state.keys.sent = [s for s in state.keys.sent if s["txid"] != tx.id.hex()]
                    state.keys.notes.pop(tx.id[::-1].hex(), None)
                    state.save()
            raise WalletError(REJECTED, str(e)) from None
        with state.guard:
            state.history.see(tx, record.received, pooled=True)

    def commit(self, tx: Transaction, notes: dict[str, str] | None = None) -> None:
        """Record and hand over a transaction that was signed elsewhere. Raises WalletError("rejected")."""
        with self._state.guard:
            record = self.write_down(tx, notes or {})
        self.hand_over(tx, record)

    def rebroadcast(self) -> list[bytes]:
        """Hand over again what is not mined and not in the mempool; the ids of what was accepted."""
        state = self._state
        with state.guard:
            waiting = [r for r in state.history.records.values() if r.place is None and r.is_active and not r.pooled]
            waiting.sort(key=lambda r: r.order)
        accepted = []
        for record in waiting:
            try:
                self._chain.submit(record.tx)
            except ChainError:
                continue  # it may be lawful later; the user can give it up
            with state.guard:
                state.history.see(record.tx, record.received, pooled=True)
            accepted.append(record.tx.id)
        return accepted

    # Second thoughts.

    def abandon(self, txid: bytes) -> None:
        """Give up a transaction that is neither mined nor in the mempool. Raises WalletError: not-found, bad-parameter."""
        state = self._state
        with state.guard:
            record = state.history.records.get(txid)
            if record is None:
                raise WalletError(NOT_FOUND, "the transaction is not of this wallet")
            if record.place is not None or record.pooled or record.rival is not None:
                raise WalletError(
                    BAD_PARAMETER, "the transaction is mined, in the mempool, or has lost: nothing to abandon"
                )
            gone = {r.tx.id.hex() for r in state.history.abandon(record)}
            state.keys.sent = [s for s in state.keys.sent if s["txid"] not in gone]
            state.save()
            state.checkpoint()
