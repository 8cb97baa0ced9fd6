"""Whatever happens to the chain, a wallet that saw it live equals one that scans the chain it ended in."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from primitives.bitcoin import NULL_OUTPOINT, Transaction, TxInput, TxOutput, outpoint
from tests.wallet.test_wallet import picture
from tests.wallet.world import REWARD, Chain, World, make, reopen, script_of
from wallet.errors import WalletError
from wallet.history import NOWHERE, History, Place, is_generated
from wallet.spending import SendOptions


@settings(max_examples=5, deadline=None)
@given(st.integers(0, 10_000))
def test_a_live_wallet_equals_a_scan_of_the_final_chain(seed: int) -> None:
    r = random.Random(seed)
    chain = Chain()
    alice, bob = make(chain, World(seed), gap=30), make(chain, World(seed + 1), name="bob", folder="/b", gap=30)
    for _ in range(3):
        chain.mine(script_of(alice))
    chain.mine(count=101)
    for _ in range(25):
        action = r.randrange(6)
        payer, payee = (alice, bob) if r.random() < 0.6 else (bob, alice)
        if action <= 2:
            try:
                payer.pay(
                    payee.new_address(), r.randrange(1_000, REWARD // 2), SendOptions(rate=r.choice([1_000, 5_000]))
                )
            except WalletError as e:
                assert e.rule == "insufficient-funds"
        elif action == 3:
            chain.mine(script_of(r.choice([alice, bob])))
        elif action == 4:
            chain.disconnect(r.randrange(1, 4))
            if r.random() < 0.5 and chain.pool:  # some payments are lost in the reorganisation
                victim = r.choice(list(chain.pool.values()))
                for tx in _with_children(chain, victim):
                    chain.evict(tx)
            chain.mine(count=r.randrange(1, 4), txs=None if r.random() < 0.7 else [])
        else:
            alice = reopen(alice, chain)
    for wallet in (alice, bob):
        for record in list(wallet.state.history.records.values()):
            if record.place is None and not record.pooled and record.is_active:
                wallet.abandon(record.tx.id)  # lost from the mempool: its coins wait until the user gives it up
        fresh = make(chain, World(99), name="f", folder=f"/f{id(wallet)}", phrase=wallet.export_phrase(), gap=60)
        fresh.resume()
        chain.wallets.remove(fresh)
        assert fresh.balances() == wallet.balances()
        assert _counted(fresh) == _counted(wallet)
        before = picture(wallet)
        wallet.rescan(0)
        assert picture(wallet) == before


def _with_children(chain: Chain, tx: Transaction) -> list[Transaction]:
    gone, size = {tx.id: tx}, 0
    while size != len(gone):
        size = len(gone)
        for other in chain.pool.values():
            if any(i.txid in gone for i in other.inputs):
                gone[other.id] = other
    return list(gone.values())


def _counted(wallet: object) -> object:
    history = wallet.state.history  # type: ignore[attr-defined]
    return sorted(
        (txid, record.place, record.pooled)
        for txid, record in history.records.items()
        if record.place is not None or record.pooled
    )


MINE = b"\x00\x14" + bytes(20)
OTHER = b"\x00\x14" + b"\x01" * 20


def pay(point: bytes, *outputs: tuple[bytes, int], salt: int = 0) -> Transaction:
    return Transaction(2, (TxInput(point),), tuple(TxOutput(v, s) for s, v in outputs), salt)


@pytest.fixture
def history() -> History[str]:
    return History({MINE: "me"}.get)


def test_a_child_may_be_seen_before_its_parent(history: History[str]) -> None:
    parent = pay(bytes(36), (MINE, 500))
    child = pay(outpoint(parent.id, 0), (MINE, 400), salt=1)
    history.see(child, 1, pooled=True)
    history.see(parent, 2, pooled=True)
    assert list(history.unspent) == [outpoint(child.id, 0)]
    assert history.records[child.id].debit == 500


def test_a_mined_rival_takes_the_descendants_with_it(history: History[str]) -> None:
    coin = pay(bytes(36), (MINE, 500))
    history.see(coin, 1, Place(5, b"five", 1, 1))
    first = pay(outpoint(coin.id, 0), (MINE, 300), (OTHER, 100))
    child = pay(outpoint(first.id, 0), (MINE, 200))
    for tx in (first, child):
        history.see(tx, 2, pooled=True)
    rival = pay(outpoint(coin.id, 0), (OTHER, 450))
    history.see(rival, 3, Place(6, b"six", 1, 1))
    history.tip = type(history.tip)(6, b"six")
    assert not history.unspent and history.depth(history.records[child.id]) == -1
    history.disconnect(NOWHERE._replace(height=5, hash=b"five"))
    assert history.records[child.id].rival is None
    history.see(first, 4, pooled=True)
    assert history.spenders(outpoint(coin.id, 0))[0].tx == first


def test_unmined_payments_of_others_are_pending_and_our_own_are_trusted(history: History[str]) -> None:
    history.tip = type(history.tip)(9, b"nine")
    foreign = pay(bytes(36), (MINE, 70))
    history.see(foreign, 1, pooled=True)
    assert (history.balances().trusted, history.balances().pending) == (0, 70)
    history.see(pay(outpoint(foreign.id, 0), (MINE, 60)), 1, pooled=True)
    assert history.balances().pending == 60  # it hangs on a payment that is not ours
    mined = pay(bytes(35) + b"\x01", (MINE, 1_000), salt=2)
    history.see(mined, 1, Place(9, b"nine", 0, 1))
    history.see(pay(outpoint(mined.id, 0), (MINE, 900)), 1, pooled=True)
    assert (history.balances().trusted, history.balances().pending) == (900, 60)
    assert history.balances(least_depth=1).trusted == 0


def test_coinstakes_count_as_generated() -> None:
    stake = Transaction(1, (TxInput(bytes(36)),), (TxOutput(0, b""), TxOutput(5, MINE)), time=7)
    assert is_generated(stake)
    assert is_generated(Transaction(1, (TxInput(NULL_OUTPOINT),), (TxOutput(5, MINE),)))
    assert not is_generated(Transaction(1, (TxInput(bytes(36)),), (TxOutput(5, MINE),)))
