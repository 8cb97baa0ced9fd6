"""The state against a model of plain dicts: reverts, ends of transactions, commits, reads of old roots."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.account.state import RIPEMD, Account, State, decode_account, encode_account
from ledger.account.trie import verify_proof
from primitives.errors import SystemFault
from primitives.ethereum import EMPTY_CODE, EMPTY_ROOT
from primitives.hashing import keccak256
from storage.kv import Journal
from tests.vectors.ethereum_data import Memory

A, B, C = (bytes((n,)) * 20 for n in (1, 2, 3))
addresses = st.sampled_from([A, B, C])
small = st.integers(0, 3)


class Model:
    """What a State does, on copies of plain dicts."""

    def __init__(self) -> None:
        self.accounts: dict[bytes, dict[str, Any]] = {}
        self.saved: list[Any] = []

    def at(self, address: bytes) -> dict[str, Any]:
        return self.accounts.setdefault(address, {"nonce": 0, "balance": 0, "code": b"", "slots": {}})

    def digest(self) -> State:
        state = State(Memory())
        for address, a in self.accounts.items():
            state.touch(address)
            state.set_nonce(address, a["nonce"])
            state.set_balance(address, a["balance"])
            state.set_code(address, a["code"])
            for slot, value in a["slots"].items():
                state.set_storage(address, slot, value)
        state.end_transaction(False)
        state.commit()
        return state


steps = st.lists(
    st.one_of(
        st.tuples(st.just("balance"), addresses, small),
        st.tuples(st.just("nonce"), addresses, small),
        st.tuples(st.just("code"), addresses, st.sampled_from([b"", b"\x60", b"\x61\x62"])),
        st.tuples(st.just("slot"), addresses, small, small),
        st.tuples(st.just("create"), addresses),
        st.tuples(st.just("destroy"), addresses),
        st.just(("snapshot",)),
        st.just(("revert",)),
        st.just(("end",)),
        st.just(("commit",)),
    ),
    max_size=50,
)


@settings(max_examples=200)
@given(steps)
def test_a_state_does_what_its_model_does(given_steps: list[tuple[Any, ...]]) -> None:
    state, model = State(Memory()), Model()
    marks: list[tuple[int, Any, set[bytes]]] = []
    doomed: set[bytes] = set()
    for step in given_steps:
        name, rest = step[0], step[1:]
        if name == "balance":
            state.set_balance(*rest)
            model.at(rest[0])["balance"] = rest[1]
        elif name == "nonce":
            state.set_nonce(*rest)
            model.at(rest[0])["nonce"] = rest[1]
        elif name == "code":
            state.set_code(*rest)
            model.at(rest[0])["code"] = rest[1]
        elif name == "slot":
            state.set_storage(*rest)
            model.at(rest[0])["slots"][rest[1]] = rest[2]
        elif name == "create":
            state.create_account(*rest)
            model.at(rest[0]).update(nonce=0, code=b"", slots={})
        elif name == "destroy":
            state.destroy(*rest)
            doomed.add(rest[0])
        elif name == "snapshot":
            marks.append((state.snapshot(), copy.deepcopy(model.accounts), set(doomed)))
        elif name == "revert" and marks:
            mark, model.accounts, doomed = marks.pop()
            state.revert(mark)
        elif name in ("end", "commit"):
            state.end_transaction(False)
            for address in doomed:
                model.accounts.pop(address, None)
            marks, doomed = [], set()
            if name == "commit":
                assert state.commit() == model.digest().root
        for address in (A, B, C):
            fields = model.accounts.get(address)
            assert state.exists(address) == (fields is not None)
            fields = fields or {"nonce": 0, "balance": 0, "code": b"", "slots": {}}
            assert (state.nonce(address), state.balance(address)) == (fields["nonce"], fields["balance"])
            assert state.code(address) == fields["code"]
            assert [state.storage(address, k) for k in range(4)] == [fields["slots"].get(k, 0) for k in range(4)]


def test_old_roots_stay_readable() -> None:
    store = Memory()
    state = State(store)
    state.set_balance(A, 5)
    state.set_code(A, b"\x60\x01")
    state.set_storage(A, 1, 7)
    state.end_transaction(True)
    old = state.commit()
    state.set_balance(A, 6)
    state.set_storage(A, 1, 0)
    state.end_transaction(True)
    new = state.commit()
    before, after = State(store, old), State(store, new)
    assert (before.balance(A), before.storage(A, 1), before.code(A)) == (5, 7, b"\x60\x01")
    assert (after.balance(A), after.storage(A, 1), after.code(A)) == (6, 0, b"\x60\x01")
    assert after.account(A) == Account(0, 6, EMPTY_ROOT, keccak256(b"\x60\x01"))


def test_the_original_value_is_that_of_the_transactions_start() -> None:
    state = State(Memory())
    state.set_storage(A, 1, 7)
    state.end_transaction(True)
    mark = state.snapshot()
    state.set_storage(A, 1, 8)
    state.set_storage(A, 1, 9)
    assert (state.original_storage(A, 1), state.storage(A, 1)) == (7, 9)
    state.revert(mark)
    assert (state.original_storage(A, 1), state.storage(A, 1)) == (7, 7)
    state.end_transaction(True)
    state.set_storage(A, 1, 10)
    state.end_transaction(True)
    assert state.original_storage(A, 1) == 10
    state.create_account(A)
    assert state.original_storage(A, 1) == 0


def test_touched_empty_accounts_go_where_the_fork_clears_them() -> None:
    for clears in (False, True):
        state = State(Memory())
        state.touch(A)
        state.set_balance(B, 0)
        state.set_balance(C, 1)
        state.end_transaction(clears)
        assert [state.exists(a) for a in (A, B, C)] == [not clears, not clears, True]


def test_a_touch_of_the_ripemd_precompile_survives_a_revert() -> None:
    """Mainnet block 2,675,119: the empty account at address 3 was deleted though the call that touched it had failed."""
    state = State(Memory())
    state.touch(RIPEMD)
    state.touch(A)
    state.end_transaction(False)
    mark = state.snapshot()
    state.touch(RIPEMD)
    state.touch(A)
    state.revert(mark)
    state.end_transaction(True)
    assert not state.exists(RIPEMD)
    assert state.exists(A)


def test_what_a_transaction_gathers_is_reverted_and_forgotten() -> None:
    state = State(Memory())
    state.begin_transaction((A,))
    mark = state.snapshot()
    assert state.warm_address(A)
    assert not state.warm_address(B)
    assert not state.warm_slot(B, 1)
    assert state.warm_slot(B, 1)
    state.add_log(A, (b"\1" * 32,), b"data")
    state.add_refund(7)
    state.set_transient(A, 1, 5)
    assert dict(state.warmed()) == {A: (), B: (1,)}
    state.revert(mark)
    assert (state.logs, state.refund, state.transient(A, 1)) == ((), 0, 0)
    assert state.warm_address(A)
    assert not state.warm_address(B)
    state.end_transaction(True)
    assert not state.warm_address(A)


def test_a_commit_within_a_transaction_is_our_own_fault() -> None:
    state = State(Memory())
    state.snapshot()
    with pytest.raises(SystemFault):
        state.commit()


def test_nodes_and_code_are_kept_past_the_undo() -> None:
    store = Memory()
    journal = Journal(store)
    state = State(journal)
    state.set_code(A, b"\x60\x01")
    state.end_transaction(True)
    root = state.commit()
    delta = journal.commit()
    assert not delta.undo
    assert State(store, root).code(A) == b"\x60\x01"


def test_code_that_is_not_stored_is_our_own_fault() -> None:
    with pytest.raises(SystemFault, match="missing code"):
        State(Memory()).code_of(b"\1" * 32)


def test_accounts_and_slots_are_proven() -> None:
    store = Memory()
    state = State(store)
    for n in range(1, 20):
        state.set_balance(bytes((n,)) * 20, n)
    state.set_storage(A, 1, 7)
    state.end_transaction(True)
    root = state.commit()
    proof, (shown, absent) = state.prove(A, [1, 2])
    data = verify_proof(root, keccak256(A), proof)
    assert data is not None
    account = decode_account(data)
    assert account == state.account(A)
    assert encode_account(account) == data
    assert account.code_hash == EMPTY_CODE
    assert verify_proof(account.storage_root, keccak256((1).to_bytes(32, "big")), shown) == b"\x07"
    assert verify_proof(account.storage_root, keccak256((2).to_bytes(32, "big")), absent) is None
