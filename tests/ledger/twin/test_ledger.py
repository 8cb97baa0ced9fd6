"""TwinLedger: what is assembled is what connects, all of it undone as one; lanes, directives, and what contracts see of the outer chain."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.account.requests import EXIT_TYPE, EXITS
from ledger.account.rules import BEACON_ROOTS, BLOCK_HASHES, ETHER, GWEI
from ledger.account.state import State
from ledger.api import Admission, Aid, Cluster
from ledger.twin.branch import PayloadBranch, credited, payload_at
from ledger.twin.policy import TwinPolicy
from ledger.utxo.grants import grant
from node.chain import Prepared
from node.mempool import Mempool
from node.template import choose
from primitives.bitcoin import TxOutput
from primitives.errors import InvalidTx, Missing, Refused
from primitives.ethereum_directives import Edit, set_balance, set_base_fee
from primitives.twin import ACCOUNTS, COINS, WEI_PER_SATOSHI, TwinBlock, decode_exits, deposit_output
from storage.kv import KV, Delta, Journal, rewind
from storage.layout import COIN
from tests.twins import (
    ENGINES,
    KEY,
    RICH,
    SECRETS,
    Twins,
    admission,
    call,
    deposit,
    exit_call,
    first_coins,
    pay,
)
from vm.evm.addresses import contract_address

HERE = b"\x71" * 20
CASES = [("twin", False), ("twin-ethash", False), ("twin-stake", False), ("twin-stake", True)]
ALL = pytest.mark.parametrize(("name", "stake"), CASES, ids=["sha256d", "ethash", "stake-work", "stake"])


def as_sets(delta: Delta) -> tuple[dict[bytes, bytes | None], dict[bytes, bytes | None], dict[bytes, bytes]]:
    return dict(delta.undo), dict(delta.forward), dict(delta.kept)


def pairs(kv: KV) -> dict[bytes, bytes]:
    """All of a store's view."""
    return {key: value for first in range(256) for key, value in kv.scan(bytes((first,)))}


def ready(name: str, stake: bool) -> tuple[Twins, list[Any]]:
    twins = Twins(name)
    coins = first_coins(twins.fund())
    for _ in range(12 if stake else 0):
        twins.mine()
    return twins, coins


def assembled(twins: Twins, txs: list[Any], stake: bool, **options: Any) -> tuple[TwinBlock, Delta, Any]:
    """An unsealed block on the tip, what it changes and what it brings about."""
    if stake:
        twins.mine(stake=True)  # the staker's coins are noted, a kernel was at hand
    while True:
        twins.now += 60
        with twins.chain.view() as view:
            if stake:
                twins.staker.reached = {}
            draft = twins.draft(view.branch, view.state, stake)
            if draft is not None:
                draft = replace(draft, options={**draft.options, **options})
                return twins.ledger.assemble(draft, [admission(tx) for tx in txs], view.branch, view.state)


@ALL
def test_what_is_assembled_is_what_connects_and_is_undone_as_one(name: str, stake: bool) -> None:
    twins, coins = ready(name, stake)
    spent_twice = deposit(coins[0], HERE, 5)
    txs: list[Any] = [
        deposit(coins[0], HERE, 1_000),
        deposit(coins[1], RICH[1], 2_000),
        spent_twice,
        pay([coins[2]], [TxOutput(1_000, KEY.script), deposit_output(HERE, 7), deposit_output(HERE, 7)]),
        exit_call(0, 5_000),
        exit_call(2, 5_000),
        call(1),
        exit_call(2, 6_000, b"\x22" * 32),
    ]
    block, delta, applied = assembled(twins, txs, stake)
    assert [tx.id for tx in block.outer.txs[2 if stake else 1 :]] == [txs[n].id for n in (0, 1, 3)]
    assert block.payload.txs == (txs[4], txs[6], txs[7])
    ledger, engine = twins.ledger, twins.spec.engine
    with twins.chain.view() as view:
        branch = view.branch
        sealed = twins.sealed(block)
        ledger.check_header(sealed.header, branch)
        engine.check_header(sealed.header, branch)
        ledger.check_block(sealed, branch)
        journal = Journal(view.state)
        connected = ledger.connect(sealed, branch, journal, Aid())
        assert as_sets(journal.delta()) == as_sets(delta)
        assert connected == applied
        assert applied.fees == 1_000 * 2 + 5_000_000_000 - 1_014
        assert len(applied.receipts) == 3 and [len(decode_exits(d)) for k, d in applied.requests if k == EXIT_TYPE] == [
            2
        ]
        assert {i.outpoint for tx in block.outer.txs[1:] for i in tx.inputs} <= applied.touched
        assert credited(view.state) == 0 and credited(journal) == 4
        assert payload_at(journal, branch.tip.height + 1) == block.payload.header
        over = Journal(journal)
        rewind(over, journal.delta().undo)
        with_new = {**pairs(view.state), **dict(delta.kept)}
        assert pairs(over) == with_new, "trie nodes stay, all else is as it was"


@ALL
def test_our_own_blocks_delta_saves_the_execution(name: str, stake: bool) -> None:
    twins, coins = ready(name, stake)
    block, delta, applied = assembled(twins, [deposit(coins[0], HERE, 9), exit_call(0, 5_000)], stake)
    sealed = twins.sealed(block)
    twins.chain.accept(sealed, twins.now, Prepared(delta, applied))
    assert twins.tip.hash == sealed.header.hash
    with twins.state() as (kv, accounts):
        assert accounts.balance(HERE) == 9 * WEI_PER_SATOSHI and credited(kv) == 1


def test_each_half_is_admitted_to_its_lane_in_the_order_given() -> None:
    twins, coins = ready("twin", False)
    txs = [call(0), deposit(coins[0], HERE, 1_000), call(1), pay([coins[1]], [TxOutput(4_999_990_000, KEY.script)])]
    with twins.chain.view() as view:
        found = twins.ledger.admit(txs, view.branch, view.state, Aid())
        assert [a.tx for a in found] == txs and [a.lane for a in found] == [ACCOUNTS, COINS, ACCOUNTS, COINS]
        limits = twins.ledger.limits()
        assert all(len(a.resources) == len(limits[a.lane]) for a in found)
        assert not found[0].claims & found[1].claims
        with pytest.raises(Missing):
            twins.ledger.admit([call(5)], view.branch, view.state, Aid())
        with pytest.raises(InvalidTx, match="insufficient funds"):
            twins.ledger.admit([call(0, value=10**30)], view.branch, view.state, Aid())
        with pytest.raises(InvalidTx, match="bad-txns-in-belowout"):
            bad = pay([coins[2]], [TxOutput(5_000_000_001, KEY.script)])
            twins.ledger.admit([bad], view.branch, view.state, Aid())


def test_one_pool_fills_both_lanes_of_one_block() -> None:
    twins, coins = ready("twin", False)
    pool = Mempool(twins.ledger.policy)
    txs = [pay([c], [TxOutput(4_999_000_000, KEY.script)]) for c in coins[:4]]
    txs += [deposit(coins[4], HERE, 1_000, 50_000)]
    calls = [call(0), call(0, SECRETS[1], tip_cap=3 * GWEI)]
    with twins.chain.view() as view:
        for tx in [*txs, *calls]:
            pool.add(twins.ledger.admit([tx], view.branch, view.state, Aid()), twins.now, 1)
        chosen = choose(pool, twins.ledger.limits(), GWEI)
        assert {a.lane for a in chosen} == {COINS, ACCOUNTS} and len(chosen) == 7
        small = choose(pool, {COINS: (600, 80_000), ACCOUNTS: (200_000, 0)}, GWEI)
        assert [a.lane for a in small].count(COINS) == 1 and [a.tx.tip_cap for a in small if a.lane] == [3 * GWEI]


def test_a_long_row_of_one_account_is_no_long_chain_of_coins() -> None:
    policy = TwinPolicy()
    policy.limits(Cluster(500, 10**9, 500, 10**9, ACCOUNTS))
    with pytest.raises(Refused, match="too-long-mempool-chain"):
        policy.limits(Cluster(26, 100, 26, 100, COINS))


def test_rates_of_the_lanes_are_comparable() -> None:
    none = frozenset[bytes]()
    coin = Admission(None, b"", none, none, none, 1_000, 1_000, 500)
    gas = Admission(None, b"", none, none, none, 100 * GWEI, 2 * GWEI, 21_000, lane=ACCOUNTS)
    policy = TwinPolicy()
    assert policy.rate(coin, 7) == 2_000, "satoshi per 1,000 virtual bytes"
    assert policy.rate(gas, GWEI) == 6_000, "2 gwei a gas, for 30,000 gas, in satoshi"
    assert policy.rate(gas, 100 * GWEI + 1) < 0, "not now"
    assert (
        policy.expiry == 336 * 60 * 60
        and policy.packages(COINS)
        and not policy.packages(ACCOUNTS)
        and policy.increment == 1_000
    )


def test_each_lane_is_replaced_by_its_own_rule() -> None:
    none = frozenset[bytes]()
    claim = frozenset([b"c"])
    policy = TwinPolicy()

    def account(cap: int) -> Admission:
        return Admission(call(0), b"", claim, none, none, cap, cap, 21_000, lane=ACCOUNTS)

    policy.may_replace([account(110)], [account(100)], [account(100)])
    with pytest.raises(Refused, match="replacement transaction underpriced"):
        policy.may_replace([account(109)], [account(100)], [account(100)])
    coin = Admission(None, b"x", claim, none, none, 1_000, 1_000, 200)
    with pytest.raises(Refused, match="insufficient fee"):
        policy.may_replace([replace(coin, tip_cap=1_100)], [coin], [coin])


@pytest.mark.parametrize("name", ENGINES)
def test_directives_of_accounts_lie_in_the_payload(name: str) -> None:
    twins = Twins(name)
    edits: tuple[Edit, ...] = (set_balance(HERE, 5 * ETHER), set_base_fee(7))
    block, delta, _ = assembled(twins, [], False, edits=edits)
    sealed = twins.sealed(block)
    assert sealed.payload.directives and sealed.payload.header.base_fee == 7
    twins.accept(sealed)
    twins.restart()
    assert twins.block(twins.tip).payload.directives == sealed.payload.directives
    with twins.state() as (_, accounts):
        assert accounts.balance(HERE) == 5 * ETHER
    assert delta.forward


def test_code_sees_the_outer_parent_as_random_number_and_beacon_root_and_payloads_as_blocks() -> None:
    """PREVRANDAO and EIP-4788 give the hash of the outer parent, BLOCKHASH and EIP-2935 that of the payload before."""
    twins = Twins()
    probe = bytes.fromhex("445f5543600190034060015500")  # PREVRANDAO to slot 0, BLOCKHASH(NUMBER - 1) to slot 1
    init = bytes.fromhex("6c") + probe + bytes.fromhex("5f52600d6013f3")
    for _ in range(3):
        twins.mine()
    made = twins.mine(call(0, to=None, value=0, data=init))
    with twins.state() as (_, accounts):
        contract = contract_address(RICH[0], 0)
        assert accounts.code(contract) == probe
    before = twins.tip
    block = twins.mine(call(1, to=contract, value=0))
    with twins.state() as (kv, accounts):
        assert accounts.storage(contract, 0) == int.from_bytes(before.hash, "big")
        assert accounts.storage(contract, 1) == int.from_bytes(made.payload.header.hash, "big")
        slot = block.header.timestamp % 8_191
        assert accounts.storage(BEACON_ROOTS, slot + 8_191) == int.from_bytes(before.hash, "big")
        assert accounts.storage(BLOCK_HASHES, before.height % 8_191) == int.from_bytes(made.payload.header.hash, "big")
        with twins.chain.view() as view:
            payloads = PayloadBranch(view.branch, view.state)
            assert (
                payloads.tip.header == block.payload.header and payloads.at(before.height).header == made.payload.header
            )
            assert [e.header.number for e in payloads.last(3)] == [5, 4, 3]
            assert len(payloads.last(99)) == 6 and payloads.median_time() == view.branch.median_time()
        assert State(kv, block.payload.header.state_root).balance(EXITS) == 0


def test_more_exits_than_a_block_takes_wait_in_order() -> None:
    twins = Twins()
    first = twins.mine(*(exit_call(n, 1_000 + n) for n in range(20)))
    assert [o.value for o in first.carrier.outputs[2:]] == [*range(1_000, 1_016), 0]
    second = twins.mine(exit_call(20, 9_000))
    assert [o.value for o in second.carrier.outputs[2:]] == [*range(1_016, 1_020), 9_000, 0]


def test_a_deposit_may_be_granted_and_a_grant_be_a_deposit() -> None:
    twins = Twins()
    twins.mine(leading=(grant(twins.tip.hash, [deposit_output(HERE, 77), TxOutput(5, KEY.script)]),))
    with twins.state() as (kv, accounts):
        assert accounts.balance(HERE) == 77 * WEI_PER_SATOSHI
        assert not any(b"DEPO" in value for _, value in kv.scan(COIN)), "it leaves the coin set"


def test_a_full_block_of_deposits_leaves_room_for_the_exits() -> None:
    """The coins' half is weighed with room for all exits before the payload is known."""
    twins = Twins()
    fan = [TxOutput(10_000, KEY.script)] * 60
    funding = grant(twins.tip.hash, fan)
    twins.mine(leading=(funding,))
    rules = replace(twins.ledger.coins.rules, max_weight=30_000)
    twins.ledger = replace(twins.ledger, coins=replace(twins.ledger.coins, rules=rules))
    txs = [deposit(coin, HERE, 1_000) for coin in first_coins(funding)]
    made = twins.make([*txs, *(exit_call(n, 1_000, b"\x22" * 32) for n in range(16))])
    assert made is not None
    assert 20 < len(made.outer.txs) < 60 and made.outer.weight <= 30_000
    assert len(made.payload.withdrawals or ()) == len(made.outer.txs) - 1 and len(made.carrier.outputs) == 19
    with twins.chain.view() as view:
        twins.ledger.check_block(made, view.branch)


@given(
    wishes=st.lists(st.tuples(st.sampled_from(["deposit", "exit", "pay", "call"]), st.integers(1, 10**9)), max_size=12)
)
@settings(max_examples=25, deadline=None)
def test_any_mix_connects_to_what_was_assembled(wishes: list[tuple[str, int]]) -> None:
    twins, coins = ready("twin", False)
    txs: list[Any] = []
    nonce, at = 0, 0
    for kind, amount in wishes:
        if kind in ("deposit", "pay") and at < 8:
            tx = (
                deposit(coins[at], HERE, amount)
                if kind == "deposit"
                else pay([coins[at]], [TxOutput(amount, KEY.script)])
            )
            txs.append(tx)
            at += 1
        elif kind in ("exit", "call"):
            txs.append(exit_call(nonce, amount) if kind == "exit" else call(nonce, value=amount))
            nonce += 1
    block, delta, applied = assembled(twins, txs, False)
    assert len(block.txs) == 1 + len(txs)
    with twins.chain.view() as view:
        journal = Journal(view.state)
        assert twins.ledger.connect(block, view.branch, journal, Aid()) == applied
        assert as_sets(journal.delta()) == as_sets(delta)
