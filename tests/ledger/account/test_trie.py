"""The trie against a plain dict: whatever the order of puts and deletes, one content has one root; proofs show what is there."""

from __future__ import annotations

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.account.trie import Trie, list_root, nibbles, pack_path, root_of, unpack_path, verify_proof
from primitives import rlp
from primitives.errors import DecodeError, SystemFault
from primitives.ethereum import EMPTY_ROOT
from storage.kv import Journal
from tests.vectors.ethereum_data import Memory

keys = st.one_of(st.binary(min_size=1, max_size=3), st.binary(min_size=32, max_size=32))
values = st.one_of(st.binary(min_size=1, max_size=3), st.binary(min_size=40, max_size=60))
steps = st.lists(st.one_of(st.tuples(keys, values), st.tuples(keys, st.just(b"")), st.just("commit")), max_size=60)


@given(steps)
def test_the_root_depends_on_the_content_alone(given_steps: list[tuple[bytes, bytes] | str]) -> None:
    store = Memory()
    trie, model = Trie(store), dict[bytes, bytes]()
    for step in given_steps:
        if isinstance(step, str):
            trie = Trie(store, trie.commit())
            continue
        key, value = step
        trie.put(key, value)
        if value:
            model[key] = value
        else:
            model.pop(key, None)
    root = trie.commit()
    assert root == root_of(model.items()) == root_of(reversed(list(model.items())))
    again = Trie(store, root)
    assert dict(again.items()) == model
    assert [k for k, _ in again.items()] == sorted(model)
    assert all(again.get(k) == v for k, v in model.items())


@given(st.dictionaries(keys, values, min_size=1, max_size=20), keys)
def test_a_proof_shows_a_value_or_its_absence(model: dict[bytes, bytes], other: bytes) -> None:
    store = Memory()
    trie = Trie(store)
    trie.update(model)
    root = trie.commit()
    for key in [*model, other]:
        proof = trie.prove(key)
        assert verify_proof(root, key, proof) == model.get(key)
        if proof:
            broken = [*proof[:-1], proof[-1][:-1] + bytes((proof[-1][-1] ^ 1,))]
            with pytest.raises(DecodeError):
                verify_proof(root, key, broken)


@given(st.lists(st.binary(min_size=1, max_size=40), max_size=140))
def test_a_list_has_the_root_of_its_indices(items: list[bytes]) -> None:
    pairs = {rlp.encode(i.to_bytes((i.bit_length() + 7) // 8, "big")): item for i, item in enumerate(items)}
    assert list_root(items) == root_of(pairs.items())


def test_nothing_has_the_empty_root() -> None:
    assert list_root([]) == Trie(Memory()).commit() == EMPTY_ROOT
    trie = Trie(Memory())
    trie.put(b"key", b"value")
    trie.delete(b"key")
    trie.delete(b"never there")
    assert trie.commit() == EMPTY_ROOT


def test_an_old_root_stays_readable_past_a_journal() -> None:
    store = Memory()
    first = Trie(store)
    first.put(b"key", b"old" * 20)
    old = first.commit()
    journal = Journal(store)
    second = Trie(journal, old)
    second.put(b"key", b"new" * 20)
    new = second.commit()
    delta = journal.commit()
    assert not delta.undo
    assert Trie(store, old).get(b"key") == b"old" * 20
    assert Trie(store, new).get(b"key") == b"new" * 20


def test_a_missing_node_is_our_own_fault() -> None:
    with pytest.raises(SystemFault, match="missing trie node"):
        Trie(Memory(), b"\1" * 32).get(b"key")


@given(st.binary(max_size=40).map(nibbles), st.booleans())
def test_paths_are_packed_and_unpacked(path: bytes, leaf: bool) -> None:
    assert unpack_path(pack_path(path, leaf)) == (path, leaf)
    assert unpack_path(pack_path(path[1:], leaf)) == (path[1:], leaf)


def test_the_longest_paths_need_little_stack() -> None:
    """Keys that agree in all but the last half-byte make the deepest tries."""
    depth = len_of_stack()
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(depth + 110)
    try:
        trie = Trie(Memory())
        for i in range(64):
            key = bytearray(32)
            key[i // 2] = 1 << (4 if i % 2 == 0 else 0)
            trie.put(bytes(key), b"v" * 40)
        trie.commit()
    finally:
        sys.setrecursionlimit(limit)


def len_of_stack() -> int:
    """How deep we are."""
    depth, frame = 0, sys._getframe()
    while frame.f_back is not None:
        depth, frame = depth + 1, frame.f_back
    return depth
