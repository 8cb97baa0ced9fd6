"""Second thoughts about an unmined payment: a replacement that pays more, or a child that pays for its parent.

Refuses to choose coins and to hand over: that is spending.py's.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from primitives.bitcoin import Transaction
from wallet import spend_utxo
from wallet.errors import BAD_PARAMETER, FEE, NO_KEY, NOT_FOUND, WalletError
from wallet.history import Coin, Record
from wallet.sources import Owner
from wallet.spend_utxo import Built, Payment
from wallet.spending import SendOptions, Sent, Spender
from wallet.state import WalletState
from wallet.vault import locked

BUMP_STEP = 5_000
"""What a replacement pays more than the first, in satoshi per 1,000 vbytes, if no rate is given (Core's wallet increment)."""


@dataclass(frozen=True, slots=True)
class Bumped:
    """A replacement and what it replaced."""

    tx: Transaction
    old_fee: int
    fee: int


class Bumper:
    """Raises the fees of a wallet's unmined transactions."""

    def __init__(self, state: WalletState, spender: Spender) -> None:
        self._state = state
        self._spender = spender

    def bump(
        self,
        txid: bytes,
        options: SendOptions,
        submit: bool = True,
        outputs: Sequence[Payment] = (),
        change_at: int | None = None,
    ) -> Bumped:
        """Replace an unmined transaction of ours by one with a higher fee (BIP125) that pays the same, or other `outputs`.

        The change pays first; further coins are added where it does not suffice. `change_at` says which output of the old one
        is the change, where the wallet could not tell. Raises WalletError. Source: Bitcoin Core, wallet/feebumper.cpp.
        """
        state, spender = self._state, self._spender
        if submit and not state.vault.is_open(state.env.monotonic()):
            raise locked()
        usual = spender.rate(options)
        with spender.sending:
            with state.guard:
                record = self._bumpable(txid)
                old_fee, built = self._replacement(record, options, usual, outputs, change_at)
                if not submit:
                    state.save()
                    return Bumped(built.tx, old_fee, built.fee)
                tx, missing = spender.sign(built.tx)
                if missing:
                    raise WalletError(NO_KEY, f"no key for input {missing[0]}")
                name = txid[::-1].hex()
                state.keys.notes[name] = {**state.keys.notes.get(name, {}), "replaced_by": tx.id[::-1].hex()}
                new = spender.write_down(tx, {"replaces": name})
            try:
                spender.hand_over(tx, new)
            except WalletError:
                with state.guard:
                    state.keys.notes[name].pop("replaced_by", None)
                    state.save()
                raise
            with state.guard:
                state.history.leave_pool(txid)
        return Bumped(tx, old_fee, built.fee)

    def _replacement(
        self, record: Record, options: SendOptions, usual: int, outputs: Sequence[Payment], change_at: int | None
    ) -> tuple[int, Built]:
        """The old fee, and what takes the old one's place, unsigned."""
        state, history, old = self._state, self._state.history, record.tx
        old_fee = record.debit - sum(out.value for out in old.outputs)
        old_rate = -(-old_fee * 1000 // old.vsize)
        rate = options.rate if options.rate is not None else max(old_rate + BUMP_STEP, usual)
        if rate < old_rate + state.net.relay_rate:
            raise WalletError(FEE, f"a replacement must pay {old_rate + state.net.relay_rate} sat/kvB at least")
        if change_at is not None and not 0 <= change_at < len(old.outputs):
            raise WalletError(BAD_PARAMETER, "Change position is out of range")
        wanted = list(outputs) or [Payment(out.script, out.value) for out in old.outputs]
        changes = [at for at, one in enumerate(wanted) if state.is_change(one.script)]
        place = change_at if change_at is not None else changes[0] if changes else None
        payments = [one for at, one in enumerate(wanted) if at != place]
        change = None if place is None else state.address_of(wanted[place].script)
        if not payments:  # all goes to one change address, which then bears the fee
            assert place is not None
            payments = [Payment(wanted[place].script, record.debit, subtract_fee=True)]
            change = None
        options = replace(
            options,
            rate=rate,
            inputs=tuple(i.outpoint for i in old.inputs),
            change_address=change,
            version=old.version,
        )
        record.abandoned = True  # its coins are free while the replacement is funded
        history.settle(record)
        try:
            built = self._spender.fund(payments, options, rate)
        finally:
            record.abandoned = False
            history.settle(record)
        if built.fee < old_fee + built.tx.vsize * state.net.relay_rate // 1000:
            raise WalletError(FEE, "the replacement's fee does not exceed the first one's by enough")
        return old_fee, built

    def bump_child(
        self, txid: bytes, options: SendOptions, submit: bool = True, package: tuple[int, int] | None = None
    ) -> Sent:
        """Spend an output of an unmined transaction so that both together pay the rate: child pays for parent.

        `package`: size and fees of the parent with all that is unmined below it, where the caller knows the mempool; else what
        somebody else's parent paid counts as the least that nodes relay. Raises WalletError.
        """
        state = self._state
        if submit and not state.vault.is_open(state.env.monotonic()):
            raise locked()
        rate = self._spender.rate(options)
        with self._spender.sending:
            with state.guard:
                record = state.history.records.get(txid)
                if record is None or record.place is not None or not record.pooled:
                    raise WalletError(BAD_PARAMETER, "only a transaction in the mempool can be paid for by a child")
                coins = [c for c in state.history.unspent.values() if c.record is record and self._is_free(c)]
                if not coins:
                    raise WalletError(BAD_PARAMETER, "no output of the transaction is unspent and ours")
                coin = max(coins, key=lambda c: c.value)
                built = self._child(coin, rate, options, package or self._package(record))
                if not submit:
                    return Sent(built.tx, built.fee, None)
                tx, missing = self._spender.sign(built.tx)
                if missing:
                    raise WalletError(NO_KEY, f"no key for input {missing[0]}")
                child = self._spender.write_down(tx, {"child_of": txid[::-1].hex()})
            self._spender.hand_over(tx, child)
        return Sent(tx, built.fee, None)

    def _is_free(self, coin: Coin[Owner]) -> bool:
        state = self._state
        return coin.outpoint not in state.frozen and coin.outpoint not in state.reserved

    def _package(self, parent: Record) -> tuple[int, int]:
        """Size and fee of a parent, as far as the wallet can tell."""
        size, coins = parent.tx.vsize, self._state.history.coins
        if parent.debit > 0 and all(i.outpoint in coins for i in parent.tx.inputs):
            return size, parent.debit - sum(out.value for out in parent.tx.outputs)
        return size, size * self._state.net.relay_rate // 1000

    def _child(self, coin: Coin[Owner], rate: int, options: SendOptions, package: tuple[int, int]) -> Built:
        """One coin to a change address of ours, less a fee for it and for its parent."""
        state, (below, paid) = self._state, package
        source = self._spender.change_source(options)
        if source is None:
            raise WalletError(NOT_FOUND, "the wallet has no keys for a change address")
        script = state.sources.peek(source)[1]
        candidate = self._spender.candidate(coin)
        size = (4 * (10 + 9 + len(script)) + candidate.weight + 5) // 4
        fee = max(-(-(below + size) * rate // 1000) - paid, size * rate // 1000)
        terms = replace(self._spender.terms(options, rate), least_fee=fee)
        payment = Payment(script, coin.value, subtract_fee=True)
        built = spend_utxo.build((), (candidate,), (payment,), script, terms, state.env.random)
        state.give_out(source, save=False)
        return built

    def _bumpable(self, txid: bytes) -> Record:
        history = self._state.history
        record = history.records.get(txid)
        if record is None:
            raise WalletError(NOT_FOUND, "the transaction is not of this wallet")
        if record.place is not None or not record.is_active:
            raise WalletError(BAD_PARAMETER, "the transaction has been mined, or is conflicted with a mined one")
        if any(history.descendants(record)):
            raise WalletError(BAD_PARAMETER, "the transaction has descendants in the wallet")
        if all(i.sequence >= spend_utxo.NOT_FINAL for i in record.tx.inputs):
            raise WalletError(BAD_PARAMETER, "the transaction is not replaceable (BIP125)")
        if "replaced_by" in self._state.keys.notes.get(txid[::-1].hex(), {}):
            raise WalletError(BAD_PARAMETER, "the transaction was replaced already")
        if any(i.outpoint not in history.coins for i in record.tx.inputs):
            raise WalletError(BAD_PARAMETER, "the transaction has inputs that are not of this wallet")
        return record
