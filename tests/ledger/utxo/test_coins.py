"""Coins, their codec, and the statistics of a set of them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.utxo.coins import MEMPOOL_HEIGHT, Coin, CoinView, decode_coin, pooled_coins
from ledger.utxo.statistics import MuHash, coin_preimage, statistics
from primitives.bitcoin import TxOutput, encode_block, outpoint
from primitives.errors import SystemFault
from tests.builders import COIN, TRUE, Chainlet, DictKV, spend
from tests.model_utxo import model_of

coins = st.builds(
    Coin,
    value=st.integers(0, 21_000_000 * COIN),
    script=st.binary(max_size=60),
    height=st.integers(0, MEMPOOL_HEIGHT),
    coinbase=st.booleans(),
    stake=st.booleans(),
    time=st.integers(0, 2**32 - 1),
    offset=st.integers(0, 2**32 - 1),
)


@given(coins)
def test_a_coin_is_read_as_it_was_written(coin: Coin) -> None:
    assert decode_coin(coin.encode()) == coin


@given(coins)
def test_a_coin_that_is_cut_short_is_our_own_trouble(coin: Coin) -> None:
    head = coin._replace(script=b"").encode()
    for cut in range(len(head)):
        with pytest.raises(SystemFault):
            decode_coin(head[:cut])


def test_a_view_adds_spends_and_walks_in_key_order() -> None:
    view = CoinView(DictKV())
    first, second = outpoint(b"\x01" * 32, 300), outpoint(b"\x01" * 32, 2)
    coin = Coin(5, TRUE, 7)
    view.add(first, coin)
    view.add(second, coin)
    assert first in view and view.get(second) == coin
    assert [point for point, _ in view] == sorted([first, second])
    view.spend(first)
    assert first not in view and view.get(first) is None


def test_pooled_outputs_show_as_coins_without_a_height() -> None:
    chain = Chainlet()
    tx = spend([(chain.blocks[0].coinbase, 0)], [TxOutput(1, TRUE), TxOutput(0, b"\x6a\x01x"), TxOutput(2, b"")])
    shown = dict(pooled_coins(tx))
    assert [decode_coin(v) for v in shown.values()] == [Coin(1, TRUE, MEMPOOL_HEIGHT), Coin(2, b"", MEMPOOL_HEIGHT)]
    assert set(shown) == {b"c" + outpoint(tx.id, 0), b"c" + outpoint(tx.id, 2)}


def test_statistics_agree_with_the_second_model() -> None:
    chain = Chainlet()
    chain.mine(count=101)
    fan = spend([(chain.blocks[1].coinbase, 0)], [1] * 300 + [49 * COIN])  # indices over one byte
    chain.mine([fan])
    chain.mine([spend([(fan, 299), (fan, 255)], [2])])
    model = model_of([encode_block(b) for b in chain.blocks[1:]], chain.spec.genesis.header.hash)
    found = statistics(chain.state, muhash=True)
    assert found.hash_serialized is not None
    assert found.hash_serialized[::-1].hex() == model.digest()
    assert (found.txouts, found.total_amount) == (len(model.coins), model.total)
    assert found.transactions == len({point[:32] for point in model.coins})
    assert found.bogosize == sum(50 + len(c.script) for c in model.coins.values())


def test_statistics_can_be_stopped() -> None:
    state = DictKV()
    for n in range(0x1000):
        CoinView(state).add(outpoint(n.to_bytes(32, "big"), 0), Coin(1, b"", 1))

    def stop() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        statistics(state, pause=stop)


def test_muhash_is_cores() -> None:
    """Core's muhash_tests: the elements 0 and 1 go in, 2 goes out (crypto_tests.cpp)."""
    product = MuHash()
    product.insert(bytes(32))
    product.insert(b"\x01" + bytes(31))
    product.remove(b"\x02" + bytes(31))
    assert product.digest()[::-1].hex() == "10d312b100cbd32ada024a6646e40d3482fcff103668d2625f10002a607d5863"


@given(st.lists(st.binary(min_size=1, max_size=40), min_size=1, max_size=4, unique=True), st.randoms())
def test_muhash_forgets_order_and_what_was_removed(elements: list[bytes], random: object) -> None:
    one, other = MuHash(), MuHash()
    for element in elements:
        one.insert(element)
    other.insert(b"guest")
    for element in reversed(elements):
        other.insert(element)
    other.remove(b"guest")
    assert one.digest() == other.digest()


def test_the_preimage_of_a_coin() -> None:
    coin = Coin(0x1122, b"\x51\x52", 5, True)
    assert coin_preimage(b"p" * 36, coin) == b"p" * 36 + b"\x0b\0\0\0" + b"\x22\x11\0\0\0\0\0\0" + b"\x02\x51\x52"
