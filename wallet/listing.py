"""Views of a wallet for people and RPC: movements by Bitcoin Core's categories, coins, totals by address.

Refuses to change anything, and to know JSON.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from wallet.history import Coin, Record
from wallet.sources import Owner
from wallet.state import WalletState

_LAYERED = ("sh", "wsh", "combo")
"""Descriptors whose scripts hide another script."""


@dataclass(frozen=True, slots=True)
class Movement:
    """One output of a transaction as it concerns the wallet. What was sent has a negative amount, and the fee likewise."""

    category: str  # send, receive, generate, immature, orphan
    address: str | None
    script: bytes
    amount: int
    vout: int
    label: str | None
    fee: int | None
    record: Record


@dataclass(frozen=True, slots=True)
class TxView:
    """A transaction of the wallet as a whole."""

    record: Record
    confirmations: int
    trusted: bool
    time: int
    amount: int  # what the wallet gained, without the fee
    fee: int | None  # negative; None where the wallet did not pay it
    conflicts: tuple[bytes, ...]
    notes: dict[str, str]
    movements: tuple[Movement, ...]


@dataclass(frozen=True, slots=True)
class CoinView:
    """An unspent output."""

    coin: Coin[Owner]
    address: str | None
    label: str | None
    confirmations: int
    spendable: bool
    solvable: bool
    safe: bool
    frozen: bool
    descriptor: str
    parent: str
    redeem: bytes | None
    witness_script: bytes | None


@dataclass(frozen=True, slots=True)
class Received:
    """What an address, or a label, was paid in all."""

    name: str
    amount: int
    confirmations: int
    txids: tuple[bytes, ...]


def fee_of(record: Record) -> int | None:
    """The fee as a negative number, if the wallet paid it."""
    if record.debit == 0 or record.generated:
        return None
    return sum(out.value for out in record.tx.outputs) - record.debit


def time_of(record: Record) -> int:
    """When it happened: when it was first seen, or when it was mined if that was before."""
    return record.received if record.place is None else min(record.received, record.place.time)


def _income(state: WalletState, record: Record) -> str:
    if not record.generated:
        return "receive"
    if record.place is None:
        return "orphan"
    return "generate" if state.history.is_mature(record) else "immature"


def movements(state: WalletState, record: Record) -> Iterator[Movement]:
    """What a transaction sent, then what it received. Change counts as neither.

    Source: Bitcoin Core, wallet/rpc/transactions.cpp, ListTransactions, and wallet/receive.cpp, CachedTxGetAmounts.
    """
    income, fee = _income(state, record), fee_of(record)
    paying = record.debit > 0 and not record.generated
    received = []
    for vout, out in enumerate(record.tx.outputs):
        mine = state.sources.owner_of(out.script) is not None
        if (paying and mine and state.is_change(out.script)) or not (paying or mine):
            continue
        address = state.address_of(out.script)
        label = state.label_of(out.script) if mine else _book_label(state, address)
        if paying:
            yield Movement("send", address, out.script, -out.value, vout, label, fee, record)
        if mine:
            received.append(Movement(income, address, out.script, out.value, vout, label, None, record))
    yield from received


def _book_label(state: WalletState, address: str | None) -> str | None:
    entry = state.keys.labels.get(address) if address is not None else None
    return entry["label"] if entry is not None else None


def view(state: WalletState, record: Record) -> TxView:
    """A transaction with all that follows for the wallet."""
    history, fee = state.history, fee_of(record)
    credit = sum(out.value for out in record.tx.outputs if state.sources.owner_of(out.script) is not None)
    if record.generated and not history.is_mature(record):
        credit = 0
    conflicts = {
        other.tx.id for spend in record.tx.inputs for other in history.spenders(spend.outpoint) if other is not record
    }
    return TxView(
        record,
        history.depth(record),
        history.is_trusted(record),
        time_of(record),
        credit - record.debit - (fee or 0),
        fee,
        tuple(sorted(conflicts)),
        dict(state.keys.notes.get(record.tx.id[::-1].hex(), {})),
        tuple(movements(state, record)),
    )


def latest(state: WalletState, count: int, skip: int = 0, label: str | None = None) -> list[Movement]:
    """The last movements, oldest first, as listtransactions gives them; of one label if one is named."""
    found: list[Movement] = []
    records = sorted(state.history.records.values(), key=lambda r: r.order, reverse=True)
    for record in records:
        one = [m for m in movements(state, record) if label is None or m.label == label]
        found.extend(reversed(one))
        if len(found) >= count + skip:
            break
    return found[skip : skip + count][::-1]


def since(state: WalletState, height: int) -> list[Movement]:
    """The movements of all that was mined above a height, and of what is not mined."""
    records = sorted(state.history.records.values(), key=lambda r: r.order)
    above = [r for r in records if r.place is None or r.place.height > height]
    return [m for record in above for m in movements(state, record)]


def coins(
    state: WalletState,
    least_depth: int = 1,
    most_depth: int = 9_999_999,
    scripts: frozenset[bytes] | None = None,
    include_unsafe: bool = True,
) -> list[CoinView]:
    """Unspent outputs, as listunspent gives them: ripe ones, mined or in the mempool."""
    history = state.history
    known: dict[bytes, bool] = {}
    found = []
    for coin in history.unspent.values():
        record, depth = coin.record, history.depth(coin.record)
        if (
            not least_depth <= depth <= most_depth
            or not history.is_mature(record)
            or (depth == 0 and not record.pooled)
        ):
            continue
        if coin.outpoint in state.frozen or coin.outpoint in state.reserved:
            continue
        if scripts is not None and coin.script not in scripts:
            continue
        safe = history.is_trusted(record, known)
        if safe or include_unsafe:
            found.append(coin_view(state, coin, safe))
    return found


def coin_view(state: WalletState, coin: Coin[Owner], safe: bool) -> CoinView:
    """All about one coin."""
    source = coin.owner.source
    redeem = witness_script = None
    if source.descriptor.kind in _LAYERED:
        expansion = state.sources.expansion(coin.owner)
        redeem, witness_script = expansion.redeem, expansion.witness_script
    has_keys = next(source.descriptor.all_keys(), None) is not None
    return CoinView(
        coin,
        state.address_of(coin.script),
        state.label_of(coin.script),
        state.history.depth(coin.record),
        state.can_spend(coin),
        source.descriptor.is_solvable,
        safe,
        coin.outpoint in state.frozen or coin.outpoint in state.reserved,
        state.sources.concrete(coin.owner) if has_keys else source.text,
        source.text,
        redeem,
        witness_script,
    )


def received(state: WalletState, least_depth: int = 1, by_label: bool = False, empty: bool = False) -> list[Received]:
    """What each address or label was paid in transactions of a least depth, rewards once they are ripe."""
    history = state.history
    totals: dict[str, tuple[int, int, list[bytes]]] = {}
    for coin in history.coins.values():
        record = coin.record
        depth = history.depth(record)
        label, address = state.label_of(coin.script), state.address_of(coin.script)
        if label is None or address is None or not record.is_active:
            continue
        if depth < least_depth or not history.is_mature(record) or (depth == 0 and not record.pooled):
            continue
        name = label if by_label else address
        amount, newest, ids = totals.get(name, (0, depth, []))
        totals[name] = amount + coin.value, min(newest, depth), [*ids, record.tx.id]
    if empty:
        for address, label in addresses(state):
            totals.setdefault(label if by_label else address, (0, 0, []))
    return [Received(name, amount, depth, tuple(dict.fromkeys(ids))) for name, (amount, depth, ids) in totals.items()]


def addresses(state: WalletState) -> Iterator[tuple[str, str]]:
    """Every address that was given out, with its label."""
    for source in state.sources:
        if source.internal:
            continue
        last = source.next if source.is_range else 1
        for index in range(last):
            for script in source.scripts.get(index, ()):
                label, address = state.label_of(script), state.address_of(script)
                if label is not None and address is not None:
                    yield address, label
