"""Account transactions in the pool that knows no family: rows of nonces, gaps, replacement, what a sender can pay for."""

from __future__ import annotations

from typing import Any

import pytest

from ledger.account import rules
from ledger.account.admission import token
from ledger.account.policy import GethPolicy
from ledger.account.rules import ETHER, GWEI
from ledger.api import Aid
from node.gate import Gate, Position
from node.mempool import Mempool
from node.template import choose
from primitives.errors import ChainError, InvalidTx, Missing, RuleError
from primitives.ethereum_tx import BLOB
from tests.accounts import ACCOUNTS, CHAIN_ID, KEYS, AccountChain, transfer


class Pool:
    """A gate over an account chain's tip."""

    def __init__(self, fork: rules.AccountRules = rules.OSAKA, **policy: Any) -> None:
        self.chain = AccountChain(fork, policy=GethPolicy(**policy))
        self.pool = Mempool(self.chain.ledger.policy)
        self.pool.base_fee = GWEI
        self.gate = Gate(self.chain.ledger, self.pool, Aid(), b"salt")

    @property
    def at(self) -> Position:
        return Position(self.chain.branch(self.chain.tip), self.chain.view(), 1_000_000)

    def submit(self, *txs: Any) -> list[bytes]:
        return [p.id for tx in txs for p in self.gate.submit(tx, self.at).added]

    def refuse(self, tx: Any) -> str:
        with pytest.raises(ChainError) as e:
            self.gate.submit(tx, self.at)
        assert isinstance(e.value, RuleError), e.value
        return e.value.rule

    def best(self) -> list[bytes]:
        return [a.id for a in choose(self.pool, self.chain.ledger.limits(), GWEI)]


def test_a_row_of_nonces_is_taken_in_order() -> None:
    pool = Pool()
    txs = [transfer(n) for n in range(3)]
    assert pool.submit(*txs) == [tx.id for tx in txs]
    assert pool.best() == [tx.id for tx in txs]
    assert pool.chain.mine(*(pool.pool.entries[i].tx for i in pool.best())).txs == tuple(txs)


def test_a_gap_waits_until_it_is_closed() -> None:
    pool = Pool()
    late, middle, first = transfer(2), transfer(1), transfer(0)
    with pytest.raises(Missing) as e:
        pool.gate.submit(late, pool.at, source=7)
    assert e.value.hashes == (token(ACCOUNTS[0], 1),)
    with pytest.raises(Missing):
        pool.gate.submit(middle, pool.at, source=7)
    assert pool.submit(first) == [first.id, middle.id, late.id]
    assert pool.best() == [first.id, middle.id, late.id]


def test_the_better_paid_go_first_but_never_before_their_own_predecessors() -> None:
    pool = Pool()
    cheap, dear = transfer(0, tip_cap=1), transfer(1, tip_cap=50 * GWEI)
    other = transfer(0, KEYS[1], tip_cap=10 * GWEI)
    pool.submit(cheap, dear, other)
    best = pool.best()
    assert best.index(cheap.id) < best.index(dear.id)
    assert set(best) == {cheap.id, dear.id, other.id}


@pytest.mark.parametrize(
    ("fee_cap", "tip_cap", "taken"),
    [(110, 2, True), (110, 1, False), (109, 2, False), (1_000, 1, False), (110, 1.1, True)],
)
def test_a_replacement_pays_a_tenth_more_by_both_caps(fee_cap: int, tip_cap: float, taken: bool) -> None:
    pool = Pool()
    old = transfer(0, fee_cap=100 * GWEI, tip_cap=GWEI)
    new = transfer(0, fee_cap=fee_cap * GWEI, tip_cap=int(tip_cap * GWEI), value=2)
    pool.submit(old)
    if taken:
        assert pool.submit(new) == [new.id]
        assert old.id not in pool.pool
    else:
        assert pool.refuse(new) == "replacement transaction underpriced"
        assert old.id in pool.pool


def test_a_sender_pays_for_all_that_it_has_pooled() -> None:
    pool = Pool()
    pool.submit(transfer(0, value=600 * ETHER))
    assert pool.refuse(transfer(1, value=600 * ETHER)) == "insufficient funds for gas * price + value"
    pool.submit(transfer(1, value=300 * ETHER))
    assert pool.refuse(transfer(2, value=300 * ETHER)) == "insufficient funds for gas * price + value"


@pytest.mark.parametrize(
    ("fields", "word"),
    [
        ({"tip_cap": 0}, "transaction underpriced"),
        ({"gas_limit": 20_000}, "intrinsic gas too low"),
        ({"gas_limit": 30_000_001}, "transaction gas limit too high"),
        ({"data": bytes(200_000), "gas_limit": 16_000_000}, "oversized data"),
        ({"kind": BLOB, "blob_fee_cap": 1, "blob_hashes": (b"\1" * 32,)}, "missing sidecar in blob transaction"),
        ({"kind": BLOB, "blob_fee_cap": 0, "blob_hashes": (b"\1" * 32,)}, "transaction underpriced"),
        ({"chain_id": CHAIN_ID + 1}, "invalid chain id for signer"),
        ({"nonce": 2**64 - 1}, "nonce has max value"),
    ],
)
def test_what_is_not_wanted_has_geths_word(fields: dict[str, Any], word: str) -> None:
    assert Pool().refuse(transfer(fields.pop("nonce", 0), **fields)) == word


def test_more_gas_than_a_block_may_hold_is_not_wanted() -> None:
    assert Pool(rules.CANCUN).refuse(transfer(0, gas_limit=30_000_001)) == "exceeds block gas limit"


def test_used_nonces_leave_the_pool_when_a_block_takes_their_rivals() -> None:
    pool = Pool()
    mine, rival = transfer(0), transfer(0, value=5)
    follower = transfer(1)
    pool.submit(mine, follower)
    block = pool.chain.make(rival)
    applied = pool.chain.accept(block)
    assert token(ACCOUNTS[0], 0) in applied.touched
    pool.gate.on_tip([], [(block, applied.touched)], pool.at)
    assert mine.id not in pool.pool
    assert pool.refuse(mine) == "nonce too low"


def test_a_package_is_judged_together() -> None:
    pool = Pool()
    admissions = pool.chain.admit(transfer(0), transfer(1))
    assert admissions[1].needs == admissions[0].gives
    with pytest.raises(InvalidTx, match="insufficient funds"):
        pool.chain.admit(transfer(0, value=600 * ETHER), transfer(1, value=600 * ETHER))


def test_one_account_may_not_fill_the_pool() -> None:
    pool = Pool(account_slots=3)
    pool.submit(*(transfer(n) for n in range(3)))
    assert pool.refuse(transfer(3)) == "account limit exceeded"
