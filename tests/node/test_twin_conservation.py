"""Nothing is made or lost between the halves of a twin chain: to the unit, over any deposits, exits, transfers, reorganisations, restarts.

After every step the state is compared with books that were kept from the blocks alone (tests/twin_model.py).
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from chains.twin_predeploys import HEAD_SLOT, TAIL_SLOT
from ledger.account.requests import EXITS
from ledger.account.state import decode_account
from ledger.account.trie import Trie
from ledger.twin.branch import credited
from ledger.utxo.coins import decode_coin
from ledger.utxo.peercoin import money_supply
from node.chain import Chain
from node.view import ChainView
from primitives.bitcoin import Transaction, TxInput, TxOutput
from primitives.chain import Entry
from primitives.hashing import keccak256
from primitives.twin import TwinBlock, deposit_output, deposits_of
from storage.durability import Durability
from storage.kv import KV, Store
from storage.layout import COIN, CREDITED, PAYLOAD, SUPPLY
from storage.lmdb import LmdbStore
from storage.memory import MemoryStore
from tests.twin_model import BURN, FORCE, WEI, Books
from tests.twins import KEY, RICH, SECRETS, Twins, call, coins_under, deposit, first_coins

HERE, THERE = b"\x71" * 20, RICH[1]
Wish = tuple[str, int, int]
"""What somebody wants, how much of it, and a number that chooses."""


def wishes() -> st.SearchStrategy[list[Wish]]:
    kind = st.sampled_from(
        ["deposit", "deposits", "exit", "odd exit", "pay", "lose", "transfer", "force", "burn", "fail"]
    )
    amount = st.one_of(st.integers(1, 2_000), st.integers(1_000, 10**9), st.integers(1, 6 * 10**9))
    return st.lists(st.tuples(kind, amount, st.integers(0, 1_000)), max_size=6)


def block_at(view: ChainView, height: int) -> TwinBlock:
    """A connected block."""
    entry = view.at(height)
    assert entry is not None
    block = view.block(entry.hash)
    assert isinstance(block, TwinBlock)
    return block


def moved(state: KV) -> dict[bytes, bytes]:
    """All that blocks change and a reorganisation takes back."""
    return {key: value for prefix in (COIN, SUPPLY, PAYLOAD, CREDITED) for key, value in state.scan(prefix)}


class Conservation(RuleBasedStateMachine):
    """One chain, what people want of it, and the books."""

    name: ClassVar = "twin"
    lmdb: ClassVar = False

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory() if self.lmdb else None
        self.twins = Twins(self.name, self.open())

    def open(self) -> Store:
        return MemoryStore() if self.folder is None else LmdbStore(Path(self.folder.name), Durability.NONE, 1 << 26)

    @initialize()
    def begin(self) -> None:
        self.twins.fund(10)

    def books(self) -> Books:
        found = Books(None if self.name == "twin-stake" else self.twins.ledger.rules.subsidy)
        with self.twins.chain.view() as view:
            for height in range(1, view.tip.height + 1):
                found.add(block_at(view, height))
        return found

    def txs(self, wanted: Sequence[Wish], on: Entry[Any]) -> list[Any]:
        """Transactions that are lawful on a block, one for each wish that can be had."""
        chain = self.twins.chain
        with chain.state_at(on) as state:
            coins = coins_under(state, KEY.script)
            header = self.twins.block(on).payload.header
            nonces = dict.fromkeys(RICH, 0)
            trie = Trie(state, header.state_root)
            for account in RICH:
                raw = trie.get(keccak256(account))
                nonces[account] = decode_account(raw).nonce if raw else 0
        found: list[Any] = []
        for kind, amount, choice in wanted:
            who = choice % 2
            if kind in ("deposit", "deposits", "pay", "lose"):
                if not coins:
                    continue
                point, value = coins.pop(choice % len(coins))
                found.append(coin_tx(kind, point, value, amount))
            else:
                found.append(account_tx(kind, nonces[RICH[who]], amount, choice, SECRETS[who]))
                nonces[RICH[who]] += 1
        return found

    @rule(wanted=wishes(), gap=st.sampled_from([1, 60, 700]))
    def mine(self, wanted: list[Wish], gap: int) -> None:
        self.twins.now += gap
        self.twins.mine(*self.txs(wanted, self.twins.tip))

    @precondition(lambda self: self.name == "twin-stake")
    @rule(wanted=wishes())
    def mint(self, wanted: list[Wish]) -> None:
        while self.twins.tip.height < 12:
            self.twins.mine()
        block = self.twins.mine(*self.txs(wanted, self.twins.tip), stake=True)
        assert block.header.stake  # type: ignore[union-attr]

    @rule(count=st.integers(14, 20), satoshi=st.integers(1_000, 10**6))
    def crowd(self, count: int, satoshi: int) -> None:
        """More exits than a block can pay."""
        self.twins.now += 60
        self.twins.mine(*self.txs([("exit", satoshi + n, 2 * n) for n in range(count)], self.twins.tip))

    @precondition(lambda self: self.twins.tip.height > 2)
    @rule(depth=st.integers(1, 6), branch=st.lists(wishes(), min_size=7, max_size=7))
    def reorganise(self, depth: int, branch: list[list[Wish]]) -> None:
        """A branch from some blocks below, with other moves in other places, until it is the longer one."""
        twins = self.twins
        with twins.chain.view() as view:
            depth = min(depth, view.tip.height - 1)
            at = view.at(view.tip.height - depth)
            gone = [view.at(h) for h in range(view.tip.height - depth + 1, view.tip.height + 1)]
        assert at is not None
        outweighed = not any(getattr(e.header, "stake", False) for e in gone if e is not None)
        twins.now = max(twins.now, twins.tip.header.timestamp) + 60
        for wanted in branch[: depth + 1]:
            made = twins.make(self.txs(wanted, at), on=at)
            assert made is not None
            twins.chain.accept(made, twins.now)
            found = twins.chain.entry(made.header.hash)
            assert found is not None
            at = found
        assert (twins.tip.hash == at.hash) == outweighed

    @precondition(lambda self: self.twins.tip.height > 2)
    @rule(depth=st.integers(1, 3))
    def take_back(self, depth: int) -> None:
        """A user's word against blocks, taken back again: the same state as before."""
        chain = self.twins.chain
        with chain.view() as view:
            key = view.at(max(2, view.tip.height - depth + 1))
            before, tip = moved(view.state), view.tip.hash
        assert key is not None
        chain.invalidate(key.hash)
        self.balanced()
        chain.reconsider(key.hash)
        with chain.view() as view:
            assert view.tip.hash == tip and moved(view.state) == before

    @rule()
    def restart(self) -> None:
        if self.folder is not None:
            self.twins.store.close()
            self.twins.store = self.open()
        self.twins.restart()

    @invariant()
    def balanced(self) -> None:
        books = self.books()
        with self.twins.chain.view() as view:
            state, tip = view.state, block_at(view, view.tip.height)
            coins = {key[1:]: decode_coin(raw).value for key, raw in state.scan(COIN)}
            assert coins == books.coins and sum(coins.values()) == books.total
            if self.name == "twin-stake":
                assert money_supply(state) == books.total
            root = tip.payload.header.state_root
            balances = sum(decode_account(raw).balance for _, raw in Trie(state, root).items())
            assert balances == books.wei
            with self.twins.state() as (_, accounts):
                assert accounts.balance(EXITS) == books.locked
                assert accounts.storage(EXITS, HEAD_SLOT) == books.paid
                assert accounts.storage(EXITS, TAIL_SLOT) == books.paid + len(books.queue)
            assert len(list(state.scan(PAYLOAD))) == view.tip.height + 1
            blocks = [block_at(view, height) for height in range(1, view.tip.height + 1)]
            assert credited(state) == sum(len(deposits_of(b.outer)) for b in blocks)

    def teardown(self) -> None:
        """Another node that gets the blocks in one go comes to the same state."""
        twins = self.twins
        with twins.chain.view() as view:
            blocks = [block_at(view, height) for height in range(1, view.tip.height + 1)]
            expected = moved(view.state)
        other = Chain(twins.spec, MemoryStore())
        other.extend(blocks, max(twins.now, twins.tip.header.timestamp))
        with other.view() as view:
            assert view.tip.hash == twins.tip.hash and moved(view.state) == expected
        if self.folder is not None:
            twins.store.close()
            self.folder.cleanup()


def coin_tx(kind: str, point: bytes, value: int, amount: int) -> Transaction:
    """A transaction that spends one coin of the key and pays a fee out of it."""
    amount = min(amount, value - 1)
    rest = value - amount
    fee = min(rest, 1 + amount % 5_000)
    outputs = {
        "deposit": [deposit_output(HERE, amount)],
        "deposits": [
            deposit_output(HERE, amount),
            TxOutput(0, b"\x51"),
            deposit_output(THERE, rest - fee),
            deposit_output(HERE, 0),
        ],
        "pay": [TxOutput(amount, KEY.script)],
        "lose": [TxOutput(amount, b"\x6a\x01x")],
    }[kind]
    if kind != "deposits" or rest == fee:
        outputs = [o for o in outputs if o.value or kind != "deposits"]
        outputs.append(TxOutput(rest - fee if kind != "deposits" else 0, KEY.script))
    tx = Transaction(2, (TxInput(point),), tuple(outputs))
    return KEY.sign(tx, [TxOutput(value, KEY.script)])


def account_tx(kind: str, nonce: int, amount: int, choice: int, secret: bytes) -> Any:
    """A transaction of an account."""
    program = bytes((choice % 256,)) * (20 if choice % 3 else 32)
    data = bytes((0 if choice % 3 else 1,)) + program
    kinds: dict[str, dict[str, Any]] = {
        "exit": {"to": EXITS, "value": amount * WEI, "data": data},
        "odd exit": {"to": EXITS, "value": amount, "data": data[choice % 2 :]},
        "transfer": {"to": (HERE, *RICH)[choice % 3], "value": amount},
        "force": {"to": None, "value": amount, "data": FORCE},
        "burn": {"to": None, "value": amount, "data": BURN},
        "fail": {"to": None, "value": amount, "data": b"\xfe"},
    }
    return call(nonce, secret, **kinds[kind])


class EthashConservation(Conservation):
    """The same under Ethash."""

    name = "twin-ethash"


class StakeConservation(Conservation):
    """The same under work and stake: fees are burnt, the reward hangs on the supply."""

    name = "twin-stake"


class StoredConservation(Conservation):
    """The same on disk: a restart opens the files again."""

    lmdb = True


def case(machine: type[Conservation], examples: int) -> Any:
    found = machine.TestCase
    found.settings = settings(max_examples=examples, stateful_step_count=20, deadline=None)
    return found


TestConservation = case(Conservation, 15)
TestEthashConservation = case(EthashConservation, 8)
TestStakeConservation = case(StakeConservation, 10)
TestStoredConservation = case(StoredConservation, 6)


def test_the_books_notice_a_wrong_block() -> None:
    """The oracle is no rubber stamp: a block whose withdrawal differs by a gwei fails it."""
    twins = Twins()
    coins = first_coins(twins.fund())
    first = twins.block(twins.tip)
    block = twins.mine(deposit(coins[0], HERE, 1_000))
    wrong = replace(block.payload.withdrawals[0], amount_gwei=10_001)  # type: ignore[index]
    books = Books(twins.ledger.rules.subsidy)
    books.add(first)
    with pytest.raises(AssertionError):
        books.add(TwinBlock(block.outer, replace(block.payload, withdrawals=(wrong,))))
