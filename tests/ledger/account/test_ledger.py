"""Whole blocks: what is assembled connects and comes to the same; each broken commitment has its word; ommers; dev edits."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from consensus import difficulty_ethereum as eras
from consensus.difficulty_ethereum import Difficulty
from consensus.unsealed import Unsealed
from ledger.account import rules
from ledger.account.checks import ommers_hash
from ledger.account.directives import check_directives
from ledger.account.rules import ETHER, GWEI, Schedule, Step
from ledger.account.state import State
from ledger.account.trie import list_root
from ledger.api import Aid
from primitives.buffer import Reader, Writer
from primitives.chain import Form
from primitives.errors import ChainError, Invalid, InvalidBlock, Missing, Mutated, Refused, RuleError
from primitives.ethereum import EthereumBlock, EthereumHeader, Withdrawal, decode_receipt
from primitives.ethereum_directives import (
    decode_edits,
    encode_edits,
    send_as,
    set_balance,
    set_base_fee,
    set_code,
    set_gas_limit,
    set_nonce,
    set_storage,
)
from storage.kv import Journal, rewind
from tests.accounts import ACCOUNTS, CHAIN_ID, KEYS, MINER, AccountChain, draft_at, transfer
from tests.vectors.ethereum_data import Memory

POW = Unsealed(Difficulty(((0, eras.LONDON),)))
ALL_RULES = [
    rules.FRONTIER,
    rules.BYZANTIUM,
    rules.BERLIN,
    rules.LONDON,
    rules.SHANGHAI,
    rules.CANCUN,
    rules.PRAGUE,
    rules.OSAKA,
]


def make_chain(fork: rules.AccountRules = rules.OSAKA, **more: Any) -> AccountChain:
    if fork.seals:
        return AccountChain(fork, POW, difficulty=131_072, **more)
    return AccountChain(fork, **more)


def pay(nonce: int, fork: rules.AccountRules, **fields: Any) -> Any:
    if fork.newest_kind < 2:
        fields = {"kind": 0, "chain_id": CHAIN_ID if fork.replay_protection else None, **fields}
    return transfer(nonce, **fields)


def reason(chain: AccountChain, block: EthereumBlock) -> str:
    """Why the chain refuses a block; head and states stay what they were."""
    tip, kept = chain.tip, len(chain.shared)
    with pytest.raises(ChainError) as e:
        chain.accept(block)
    assert chain.tip is tip
    assert len(chain.shared) == kept
    return e.value.rule if isinstance(e.value, RuleError) else type(e.value).__name__


@pytest.mark.parametrize("fork", ALL_RULES, ids=lambda f: f.name)
def test_what_is_assembled_connects_to_the_same_state(fork: rules.AccountRules) -> None:
    chain = make_chain(fork)
    for n in range(3):
        txs = [pay(2 * n, fork), pay(2 * n + 1, fork, value=n)]
        block, delta = chain.assemble(*txs)
        assert block.txs == tuple(txs)
        branch, journal = chain.branch(chain.tip), Journal(chain.view())
        chain.ledger.connect(block, branch, journal, Aid())
        again = journal.delta()
        assert sorted(again.forward) == sorted(delta.forward)
        assert dict(again.kept) == dict(delta.kept)
        applied = chain.accept(block)
        receipts = [decode_receipt(r) for r in applied.receipts]
        assert [r.cumulative_gas for r in receipts] == [21_000, 42_000]
        assert all(r.succeeded for r in receipts)
    state = State(chain.shared, chain.tip.header.state_root)
    assert state.nonce(ACCOUNTS[0]) == 6
    assert state.balance(MINER) >= 3 * fork.block_reward


def test_connecting_and_rewinding_is_the_identity() -> None:
    chain = make_chain()
    store = Memory()
    base = Journal(store)
    chain.ledger.genesis(EthereumBlock(chain.tip.header, withdrawals=()), base)
    base.commit()
    before = dict(store)
    block = chain.make(transfer(0), transfer(0, KEYS[1]))
    journal = Journal(store)
    chain.ledger.connect(block, chain.branch(chain.tip), journal, Aid())
    delta = journal.commit()
    rewind(store, delta.undo)
    assert {k: v for k, v in store.items() if k in before} == before
    assert all(k[:1] in (b"n", b"p") for k in store.keys() - before.keys())


def test_transactions_that_do_not_apply_are_left_out() -> None:
    chain = make_chain()
    block = chain.mine(transfer(1), transfer(0), transfer(0), transfer(0, KEYS[1], value=2_000 * ETHER))
    assert [tx.nonce for tx in block.txs] == [0]


def test_more_gas_than_the_block_has_is_left_out() -> None:
    chain = make_chain(rules.CANCUN)
    block = chain.mine(transfer(0, gas_limit=29_990_000), transfer(0, KEYS[1]))
    assert len(block.txs) == 2
    chain = make_chain(rules.CANCUN)
    block, _ = chain.assemble(transfer(0, KEYS[1]), transfer(0, gas_limit=30_000_000))
    assert len(block.txs) == 1


def flip(value: Any) -> Any:
    if isinstance(value, int):
        return value + 1
    return bytes((value[0] ^ 1,)) + value[1:]


@pytest.mark.parametrize(
    ("name", "word"),
    [
        ("parent", "Missing"),
        ("ommers_hash", "invalid uncle hash"),
        ("state_root", "invalid merkle root"),
        ("transactions_root", "transaction root hash mismatch"),
        ("receipts_root", "invalid receipt root hash"),
        ("bloom", "invalid bloom"),
        ("difficulty", "invalid difficulty"),
        ("number", "invalid block number"),
        ("gas_used", "invalid gas used"),
        ("nonce", "invalid nonce"),
        ("base_fee", "invalid baseFee"),
        ("withdrawals_root", "withdrawals root hash mismatch"),
        ("blob_gas_used", "blob gas used not a multiple of blob gas per blob"),
        ("excess_blob_gas", "invalid excessBlobGas"),
        ("parent_beacon_root", "invalid merkle root"),
        ("requests_hash", "invalid requests hash"),
        ("coinbase", "invalid merkle root"),
    ],
)
def test_one_flipped_byte_of_a_header_has_its_word(name: str, word: str) -> None:
    chain = make_chain()
    block = chain.make(transfer(0))
    broken = replace(block.header, **{name: flip(getattr(block.header, name))})
    assert reason(chain, replace(block, header=broken)) == word
    chain.accept(block)


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"extra_data": bytes(33)}, "extra-data too long"),
        ({"timestamp": 1_000_000}, "timestamp older than parent"),
        ({"gas_limit": 30_000_000 + 30_000_000 // 1024}, "invalid gas limit"),
        ({"gas_limit": 30_000_000 - 30_000_000 // 1024}, "invalid gas limit"),
        ({"gas_limit": 2**63}, "invalid gasLimit"),
        ({"gas_used": 30_000_001}, "invalid gasUsed"),
        ({"base_fee": None}, "header is missing baseFee"),
        ({"requests_hash": None}, "header is missing requestsHash"),
        ({"blob_gas_used": 10 * 131_072}, "blob gas used exceeds maximum allowance"),
        ({"blob_gas_used": 131_072}, "blob gas used mismatch"),
    ],
)
def test_a_header_out_of_bounds_has_its_word(change: dict[str, Any], word: str) -> None:
    chain = make_chain()
    block = chain.make()
    assert reason(chain, replace(block, header=replace(block.header, **change))) == word


def test_the_gas_limit_moves_by_less_than_a_part_of_it() -> None:
    chain = make_chain(gas_target=60_000_000)
    assert chain.mine().header.gas_limit == 30_000_000 + 30_000_000 // 1024 - 1
    chain = make_chain(gas_target=1)
    assert chain.mine().header.gas_limit == 30_000_000 - 30_000_000 // 1024 + 1


def test_another_body_is_mutated_and_does_not_condemn_the_header() -> None:
    chain = make_chain(rules.LONDON)
    block = chain.make(transfer(0))
    for other in (
        replace(block, txs=()),
        replace(block, side_headers=(chain.tip.header,)),
        replace(block, withdrawals=()),
    ):
        with pytest.raises(Mutated):
            chain.ledger.check_block(other, chain.branch(chain.tip))
    chain.accept(block)


def rebuilt(chain: AccountChain, block: EthereumBlock, *txs: Any) -> EthereumBlock:
    """The block with other transactions and the root that fits them."""
    return EthereumBlock(
        replace(block.header, transactions_root=list_root([tx.raw for tx in txs])),
        txs,
        block.side_headers,
        block.withdrawals,
    )


def test_a_block_with_an_unlawful_transaction_says_which() -> None:
    chain = make_chain()
    block = rebuilt(chain, chain.make(transfer(0)), transfer(0), transfer(5))
    with pytest.raises(InvalidBlock, match="nonce too high, could not apply tx 1") as e:
        chain.accept(block)
    assert e.value.rule == "nonce too high"
    full = rebuilt(chain, chain.make(), transfer(0, gas_limit=16_000_000), transfer(1, gas_limit=16_000_000))
    full = replace(full, header=replace(full.header, gas_limit=30_000_000))
    assert reason(chain, full) in ("gas limit reached", "invalid gas used")


def test_withdrawals_are_credited_in_gwei() -> None:
    chain = make_chain()
    gift = Withdrawal(0, 0, b"\x99" * 20, 3)
    nothing = Withdrawal(1, 0, b"\x98" * 20, 0)
    chain.mine(options={"withdrawals": (gift, nothing)})
    state = State(chain.shared, chain.tip.header.state_root)
    assert state.balance(b"\x99" * 20) == 3 * GWEI
    assert not state.exists(b"\x98" * 20)


# ommers


def fork_of(chain: AccountChain, seconds: int = 20, payee: bytes = b"\xd0" * 20) -> EthereumHeader:
    """A sibling of the next block."""
    header: EthereumHeader = chain.make(payee=payee, **draft_at(chain, seconds)).header
    return header


def test_an_ommer_is_included_and_rewarded() -> None:
    chain = make_chain(rules.LONDON)
    ommer = fork_of(chain)
    chain.mine()
    block = chain.mine(side_headers=(ommer,))
    assert block.side_headers == (ommer,)
    assert block.header.ommers_hash == ommers_hash((ommer,))
    state = State(chain.shared, chain.tip.header.state_root)
    reward = 2 * ETHER
    assert state.balance(b"\xd0" * 20) == reward * 7 // 8
    assert state.balance(MINER) == 2 * reward + reward // 32


def test_an_ommer_of_the_sixth_generation_is_the_last() -> None:
    chain = make_chain(rules.LONDON)
    ommer = fork_of(chain)
    for _ in range(6):
        chain.mine()
    assert chain.make(side_headers=(ommer,)).side_headers == (ommer,)
    chain.mine()
    assert chain.make(side_headers=(ommer,)).side_headers == ()


def with_ommers(chain: AccountChain, *ommers: EthereumHeader) -> EthereumBlock:
    block = chain.make()
    return replace(block, header=replace(block.header, ommers_hash=ommers_hash(ommers)), side_headers=ommers)


def test_ommers_that_are_none_have_their_word() -> None:
    chain = make_chain(rules.LONDON)
    others = [fork_of(chain, payee=bytes((n,)) * 20) for n in range(1, 4)]
    chain.mine()
    parent = chain.tip.header
    assert reason(chain, with_ommers(chain, *others)) == "too many uncles"
    assert reason(chain, with_ommers(chain, others[0], others[0])) == "duplicate uncle"
    assert reason(chain, with_ommers(chain, parent)) == "uncle is ancestor"
    assert reason(chain, with_ommers(chain, fork_of(chain))) == "uncle's parent is not ancestor"
    assert reason(chain, with_ommers(chain, replace(others[0], difficulty=1))) == "invalid difficulty"
    assert reason(chain, with_ommers(chain, replace(others[0], extra_data=bytes(33)))) == "extra-data too long"
    chain.mine(side_headers=others[:2])
    assert reason(chain, with_ommers(chain, others[0])) == "duplicate uncle"
    assert chain.make(side_headers=others).side_headers == (others[2],)


def test_ommers_named_on_another_branch_may_be_named_here() -> None:
    chain = make_chain(rules.LONDON)
    ommer = fork_of(chain)
    chain.mine()
    parent = chain.tip
    chain.mine(side_headers=(ommer,))
    chain.tip = parent
    block = chain.make(side_headers=(ommer,), payee=b"\xe0" * 20)
    assert block.side_headers == (ommer,)
    chain.accept(block)


# forks


def test_a_schedule_switches_by_block_and_by_time() -> None:
    schedule = Schedule(
        CHAIN_ID, (Step(rules.LONDON), Step(rules.PARIS, block=2), Step(rules.SHANGHAI, time=1_000_003))
    )
    assert [schedule.at(n, t).name for n, t in ((1, 0), (2, 0), (2, 1_000_003))] == ["London", "Paris", "Shanghai"]
    chain = AccountChain(rules.LONDON, schedule=schedule)
    names = [schedule.of(chain.mine().header).name for _ in range(3)]
    assert names == ["London", "Paris", "Shanghai"]


def test_missing_parents_are_missing() -> None:
    chain = make_chain()
    block = chain.make()
    with pytest.raises(Missing):
        chain.accept(replace(block, header=replace(block.header, parent=b"\1" * 32)))


# dev edits


EDITS = (
    set_balance(b"\x71" * 20, 5 * ETHER),
    set_nonce(b"\x72" * 20, 9),
    set_code(b"\x73" * 20, b"\x60\x00"),
    set_storage(b"\x73" * 20, 1, 7),
    set_base_fee(3 * GWEI),
    set_gas_limit(50_000_000),
)


def over_the_wire(block: EthereumBlock) -> EthereumBlock:
    from primitives.ethereum_format import EthereumFormat

    w = Writer()
    EthereumFormat().write_block(w, block, Form.WIRE)
    again: EthereumBlock = EthereumFormat().read_block(Reader(w.done()), Form.WIRE)
    return again


def test_edits_are_part_of_a_block_and_peers_follow_them() -> None:
    chain, peer = make_chain(dev_edits=True), make_chain(dev_edits=True)
    block = chain.mine(transfer(0), options={"edits": EDITS})
    assert decode_edits(block.directives) == EDITS
    peer.accept(over_the_wire(block))
    assert peer.tip.hash == chain.tip.hash
    state = State(peer.shared, peer.tip.header.state_root)
    assert state.balance(b"\x71" * 20) == 5 * ETHER
    assert state.nonce(b"\x72" * 20) == 9
    assert state.code(b"\x73" * 20) == b"\x60\x00"
    assert state.storage(b"\x73" * 20, 1) == 7
    assert (block.header.base_fee, block.header.gas_limit) == (3 * GWEI, 50_000_000)
    chain.mine()


def test_an_account_can_be_impersonated() -> None:
    chain, peer = make_chain(dev_edits=True), make_chain(dev_edits=True)
    whale = b"\x71" * 20
    tx, edit = send_as(transfer(0, value=7), whale)
    assert edit.value == whale
    chain.mine(options={"edits": (set_balance(whale, ETHER),)})
    block = chain.mine(tx)
    assert block.txs[0].sender == whale
    with pytest.raises(Mutated):
        peer.ledger.check_block(replace(block, directives=b""), peer.branch(peer.tip))
    for height in (1, 2):
        made = chain.branch(chain.tip).at(height)
        assert made.header.extra_data[:4] == b"edit"
    again = over_the_wire(block)
    assert again.txs[0].sender == whale
    assert again.header.hash == block.header.hash


def test_edits_are_refused_where_they_are_not_allowed() -> None:
    strict, free = make_chain(), make_chain(dev_edits=True)
    with pytest.raises(Refused, match="not allowed"):
        strict.assemble(options={"edits": EDITS})
    block = free.make(options={"edits": EDITS[:1]})
    with pytest.raises(Mutated, match="unexpected directives"):
        strict.ledger.check_block(block, strict.branch(strict.tip))
    # without its directives it is a block like any other, whose state root is wrong
    assert reason(strict, replace(block, directives=b"")) == "invalid merkle root"


@pytest.mark.parametrize(
    "directives", [b"", encode_edits(EDITS[1:]), encode_edits(EDITS[:1]) + b"\1"], ids=["none", "others", "trailing"]
)
def test_directives_other_than_the_committed_are_mutated(directives: bytes) -> None:
    chain = make_chain(dev_edits=True)
    block = chain.make(options={"edits": EDITS[:1]})
    with pytest.raises(Mutated):
        check_directives(replace(block, directives=directives), dev_edits=True)
    plain = chain.make()
    with pytest.raises(Mutated):
        check_directives(replace(plain, directives=encode_edits(EDITS)), dev_edits=True)


def test_an_edited_header_must_say_what_its_edits_say() -> None:
    chain = make_chain(dev_edits=True)
    block = chain.make(options={"edits": EDITS[:1]})
    lying = replace(block, header=replace(block.header, base_fee=1))
    with pytest.raises(Invalid, match="invalid baseFee"):
        chain.accept(lying)
