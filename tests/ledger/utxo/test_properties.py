"""Whatever chains are built: connect then rewind is the identity, and every reorganisation ends as a fresh sync."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ledger.utxo.coins import CoinView
from ledger.utxo.statistics import statistics
from primitives.bitcoin import BitcoinBlock, Transaction, TxInput, TxOutput, encode_block
from tests.builders import TRUE, Chainlet, block, state_pairs
from tests.model_utxo import Model, model_of

_start = Chainlet()
_start.mine(count=110)
START = tuple(_start.blocks)

Plan = list[tuple[int, int]]
"""For each transaction of a block: which of the coins at hand it spends, and into how many it splits them."""

plans = st.lists(st.lists(st.tuples(st.integers(0, 1 << 16), st.integers(0, 4)), max_size=4), min_size=1, max_size=6)


def fresh(blocks: tuple[BitcoinBlock, ...] | list[BitcoinBlock]) -> Chainlet:
    chain = Chainlet()
    for one in blocks[1:]:
        _, delta = chain.connect(one)
        chain.deltas.append(delta)
        chain.push_entry(one)
    return chain


def extend(chain: Chainlet, plan: list[Plan], salt: bytes) -> None:
    """Blocks with the transactions that a plan describes; some spend what the same block makes."""
    for wishes in plan:
        ripe = [
            (point, coin)
            for point, coin in CoinView(chain.state)
            if not coin.coinbase or chain.height + 1 - coin.height >= 100
        ]
        txs: list[Transaction] = []
        made: list[tuple[bytes, int]] = [(point, coin.value) for point, coin in ripe]
        for pick, parts in wishes:
            if not made:
                break
            point, value = made.pop(pick % len(made))
            outputs = [TxOutput(value // (parts + 1), TRUE) for _ in range(parts)] + [TxOutput(0, b"\x6a" + salt)]
            tx = Transaction(2, (TxInput(point),), tuple(outputs))
            txs.append(tx)
            made += [(tx.id + n.to_bytes(4, "little"), o.value) for n, o in enumerate(outputs[:-1])]
        chain.accept(block(chain.branch, txs, extra=salt))


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(plans)
def test_connect_then_rewind_is_the_identity(plan: list[Plan]) -> None:
    chain = fresh(START)
    states = []
    for wishes in plan:
        states.append(state_pairs(chain.state))
        extend(chain, [wishes], b"a")
    for state in reversed(states):
        chain.revert()
        assert state_pairs(chain.state) == state


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(plans, plans, st.integers(1, 30))
def test_any_reorganisation_ends_in_the_state_of_a_fresh_sync(one: list[Plan], other: list[Plan], depth: int) -> None:
    chain = fresh(START)
    extend(chain, one, b"a")
    for _ in range(min(depth, len(one) + 20)):
        chain.revert()
    extend(chain, other, b"b")
    assert state_pairs(chain.state) == state_pairs(fresh(chain.blocks).state)
    found = statistics(chain.state).hash_serialized
    assert found is not None
    model = model_of([encode_block(b) for b in chain.blocks[1:]], chain.blocks[0].header.hash)
    assert found[::-1].hex() == model.digest()


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(plans)
def test_the_second_model_goes_the_same_ways(plan: list[Plan]) -> None:
    chain = fresh(START)
    model: Model = model_of([encode_block(b) for b in START[1:]], START[0].header.hash)
    before = model.digest()
    extend(chain, plan, b"c")
    for made in chain.blocks[len(START) :]:
        model.add(encode_block(made))
    assert model.total == statistics(chain.state, serialized=False).total_amount
    for _ in plan:
        model.drop()
    assert model.digest() == before
