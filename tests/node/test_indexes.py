"""Optional indices on regtest blocks: what they hold, that they are undone with a block, and that a late start ends the same."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from chains.bitcoin import REGTEST
from ledger.utxo.statistics import statistics
from node.chain import Chain
from node.coin_statistics import CoinStatisticsIndex, find_totals
from node.filters import FilterIndex, basic_filter, decode_filter, encode_filter, filter_header, find_filter, matches
from node.indexes import Index, TransactionIndex, enabled, find_transaction
from node.spent import spent_coins
from primitives.bitcoin import BitcoinBlock, Transaction, TxOutput
from primitives.errors import DecodeError
from storage.layout import COIN_STATISTICS, FILTER, TX
from storage.memory import MemoryStore
from tests.builders import COIN, TRUE, block, spend
from tests.node.fake_family import data_of

NOW = 2_000_000_000


def indexes() -> list[Index]:
    return [TransactionIndex(), FilterIndex(), CoinStatisticsIndex(REGTEST.ledger.rules.subsidy)]  # type: ignore[attr-defined]


def build(chain: Chain, parent: bytes, *txs: Transaction, **options: Any) -> BitcoinBlock:
    with chain.view() as view:
        branch: Any = view.entries.branch(view.entries.require(parent))
        return block(branch, txs, **options)


def grow(chain: Chain, *txs: Transaction, **options: Any) -> BitcoinBlock:
    made = build(chain, chain.tip.hash, *txs, **options)
    chain.accept(made, NOW)
    assert chain.tip.hash == made.header.hash
    return made


def run(chain: Chain) -> None:
    """A hundred blocks, payments (one spent in its own block, one burnt), and a reorganisation over them."""
    first = grow(chain)
    second = grow(chain)
    for _ in range(100):
        grow(chain)
    fork = chain.tip
    pay = spend([(first.txs[0], 0)], [20 * COIN, 29 * COIN, TxOutput(COIN // 2, b"\x6a\x01x")])
    again = spend([(pay, 1)], [TxOutput(28 * COIN, b"\x51\x51")])
    grow(chain, pay, again, reward=50 * COIN)
    lost = chain.tip
    other = spend([(second.txs[0], 0)], [TxOutput(49 * COIN, b"\x52")])
    side = build(chain, fork.hash, pay, extra=b"side")
    chain.accept(side, NOW)
    chain.accept(build(chain, side.header.hash, other), NOW)
    assert (
        chain.tip.height == 104 and chain.tip.header.parent == side.header.hash and chain.entry(lost.hash) is not None
    )


def indexed(chain: Chain) -> dict[bytes, bytes]:
    return {k: v for k, v in data_of(chain).items() if k[:1] in (TX, FILTER, COIN_STATISTICS)}


def test_indices_tell_of_the_connected_chain_alone() -> None:
    chain = Chain(REGTEST, MemoryStore(), indexes=indexes())
    run(chain)
    with chain.view() as view:
        previous, count = bytes(32), 0
        for height in range(view.tip.height + 1):
            entry = view.at(height)
            assert entry is not None
            body = view.block(entry.hash)
            assert body is not None
            spent = spent_coins(body, view.undo(entry))
            found = find_filter(view.state, entry.hash)
            assert found == (filter_header(found[1], previous), basic_filter(body, (c.script for c in spent)))  # type: ignore[index]
            previous = found[0]
            for place, tx in enumerate(body.txs if height else ()):
                assert find_transaction(view.state, tx.id) == (entry.hash, place)
                count += 1
        assert sum(1 for _ in view.state.scan(TX)) == count
        assert sum(1 for _ in view.state.scan(FILTER)) == sum(1 for _ in view.state.scan(COIN_STATISTICS)) == 105
        assert all(enabled(view.state, index.name) for index in indexes())
        totals, walked = find_totals(view.state, view.tip.height), statistics(view.state, muhash=True)
        assert totals is not None and totals.muhash == walked.muhash
        assert (totals.txouts, totals.amount, totals.bogosize) == (walked.txouts, walked.total_amount, walked.bogosize)
        assert totals.unspendable_scripts == COIN // 2 and totals.unspendable_genesis == 50 * COIN
        assert (
            totals.amount == totals.subsidy - totals.unspendable_genesis - totals.unspendable_scripts - totals.unclaimed
        )
        assert totals.unclaimed == COIN // 2 + COIN, "fees that no coinbase took"


def test_an_index_switched_on_late_ends_as_one_kept_from_the_start_and_is_undone_alike() -> None:
    early, late = Chain(REGTEST, MemoryStore(), indexes=indexes()), Chain(REGTEST, MemoryStore())
    run(early)
    run(late)
    assert not indexed(late)
    told: list[tuple[str, int, int]] = []
    again = Chain(REGTEST, late.store, indexes=indexes(), progress=lambda *a: told.append(a))
    assert indexed(again) == indexed(early) and told[-1] == ("index coin statistics", 105, 105)
    for chain in (early, again):
        with chain.view() as view:
            target = view.at(90)
        assert target is not None
        chain.revert(target)
    assert data_of(early) == data_of(again)


def test_an_index_that_was_off_for_a_while_is_built_anew() -> None:
    chain = Chain(REGTEST, MemoryStore(), indexes=[TransactionIndex()])
    grow(chain)
    chain = Chain(REGTEST, chain.store)
    missed = grow(chain)
    with chain.view() as view:
        assert not enabled(view.state, "transactions") and find_transaction(view.state, missed.txs[0].id) is None
    chain = Chain(REGTEST, chain.store, indexes=[TransactionIndex()])
    with chain.view() as view:
        assert enabled(view.state, "transactions") and find_transaction(view.state, missed.txs[0].id) == (
            missed.header.hash,
            0,
        )


def test_the_filter_of_nothing_is_a_zero_and_matches_nothing() -> None:
    empty = BitcoinBlock(REGTEST.genesis.header, ())  # type: ignore[arg-type]
    assert basic_filter(empty, []) == b"\x00" and not matches(bytes(32), b"\x00", [TRUE])


@settings(deadline=None)
@given(st.sets(st.binary(max_size=40), max_size=60), st.binary(min_size=32, max_size=32), st.binary(max_size=60))
def test_filters_hold_what_was_put_in_and_random_bytes_are_no_filter(items: set[bytes], key: bytes, raw: bytes) -> None:
    data = encode_filter(key, items)
    count, places = decode_filter(data)
    assert count == len(items) and places == sorted(places) and all(matches(key, data, [item]) for item in items)
    with suppress(DecodeError):
        decode_filter(raw)
