"""Connecting: what inputs may spend, what blocks may pay, and which of many failures is told."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from chains.bitcoin import PARAMETERS, build
from ledger.api import Aid
from ledger.utxo.coins import Coin, CoinView
from ledger.utxo.rules import Activations
from ledger.utxo.scripts import cache_key
from ledger.utxo.sigops import sigop_cost
from primitives.bitcoin import Transaction, TxInput, TxOutput, outpoint
from primitives.errors import InvalidBlock
from primitives.hashing import hash160
from tests.builders import COIN, TRUE, Chainlet, DictKV, Key, ListBranch, block, spend, state_pairs
from vm.script.flags import Flags

FALSE = b"\x00"


@pytest.fixture
def chain() -> Chainlet:
    grown = Chainlet()
    grown.mine(count=120)
    return grown


def reward(chain: Chainlet, at: int) -> tuple[Transaction, int]:
    return chain.blocks[at].coinbase, 0


def refused(chain: Chainlet, txs: Sequence[Transaction], **options: int) -> InvalidBlock:
    bad = block(chain.branch, txs, **options)  # type: ignore[arg-type]
    chain.check(bad)
    before = state_pairs(chain.state)
    with pytest.raises(InvalidBlock) as e:
        chain.connect(bad)
    assert state_pairs(chain.state) == before
    return e.value


def test_what_connecting_tells(chain: Chainlet) -> None:
    first = spend([reward(chain, 1)], [20 * COIN, 29 * COIN])
    second = spend([(first, 0), reward(chain, 2)], [70 * COIN - 5])
    coinbase_value = 50 * COIN + COIN + 5
    applied = chain.accept(block(chain.branch, [first, second], reward=coinbase_value))
    assert applied.fees == COIN + 5
    coins = [Coin(50 * COIN, TRUE, 1, True), Coin(20 * COIN, TRUE, 121), Coin(50 * COIN, TRUE, 2, True)]
    assert applied.spent == tuple(coins)
    assert applied.touched == {i.outpoint for tx in (first, second) for i in tx.inputs}
    view = CoinView(chain.state)
    assert view.get(outpoint(second.id, 0)) == Coin(70 * COIN - 5, TRUE, 121)
    assert outpoint(first.id, 0) not in view and outpoint(first.id, 1) in view


def test_an_input_that_is_not_there(chain: Chainlet) -> None:
    parent = spend([reward(chain, 1)], [COIN])
    child = spend([(parent, 0)], [1])
    assert refused(chain, [child, parent]).rule == "bad-txns-inputs-missingorspent"  # parents come first
    twice = spend([reward(chain, 1)], [2])
    assert refused(chain, [parent, twice]).rule == "bad-txns-inputs-missingorspent"
    carrier = spend([reward(chain, 1)], [TxOutput(1, b"\x6a"), TxOutput(1, bytes(10_001))])
    for n in (0, 1):  # an unspendable output is no coin
        assert refused(chain, [carrier, spend([(carrier, n)], [1])]).rule == "bad-txns-inputs-missingorspent"


def test_a_missing_coin_comes_before_an_unripe_one(chain: Chainlet) -> None:
    both = spend([reward(chain, 120), (spend([], [1]), 0)], [1])
    assert refused(chain, [both]).rule == "bad-txns-inputs-missingorspent"


def test_coinbases_ripen_in_a_hundred_blocks(chain: Chainlet) -> None:
    error = refused(chain, [spend([reward(chain, 22)], [1])])
    assert (error.rule, error.detail.split(" in ")[0]) == (
        "bad-txns-premature-spend-of-coinbase",
        "tried to spend coinbase at depth 99",
    )
    chain.mine([spend([reward(chain, 21)], [1])])


def test_values(chain: Chainlet) -> None:
    error = refused(chain, [spend([reward(chain, 1)], [50 * COIN + 1])])
    assert error.rule == "bad-txns-in-belowout"
    assert error.detail.startswith("value in (50.00000000) < value out (50.00000001) in transaction ")
    rich = CoinView(chain.state)
    points = [outpoint(bytes(31) + bytes((n,)), 0) for n in range(2)]
    for point in points:
        rich.add(point, Coin(20_000_000 * COIN, TRUE, 1))
    both = Transaction(2, tuple(TxInput(p) for p in points), (TxOutput(1, TRUE),))
    assert refused(chain, [both]).rule == "bad-txns-inputvalues-outofrange"
    each = [Transaction(2, (TxInput(p),), (TxOutput(1, TRUE),)) for p in points]
    assert refused(chain, each).rule == "bad-txns-accumulated-fee-outofrange"


def test_the_coinbase_pays_subsidy_and_fees_at_most(chain: Chainlet) -> None:
    fee = spend([reward(chain, 1)], [49 * COIN])
    error = refused(chain, [fee], reward=51 * COIN + 1)
    assert (error.rule, error.detail) == (
        "bad-cb-amount",
        "coinbase pays too much (actual=5100000001 vs limit=5100000000)",
    )
    chain.accept(block(chain.branch, [fee], reward=51 * COIN))
    chain.accept(block(chain.branch, reward=0))


def test_more_may_be_minted_where_the_caller_allows_it(chain: Chainlet) -> None:
    made = block(chain.branch, reward=50 * COIN + 7)
    ledger = chain.spec.ledger
    with pytest.raises(InvalidBlock, match="bad-cb-amount"):
        ledger.connect(made, chain.branch, DictKV(), Aid(), 6)  # type: ignore[call-arg]
    ledger.connect(made, chain.branch, DictKV(), Aid(), 7)  # type: ignore[call-arg]


@pytest.mark.parametrize(("height", "coins"), [(149, 50), (150, 25), (299, 25), (300, 12.5), (9_599, 0), (9_600, 0)])
def test_the_subsidy_halves_until_nothing_is_left(height: int, coins: float) -> None:
    subsidy = Chainlet().spec.ledger.rules.subsidy  # type: ignore[attr-defined]
    assert subsidy(height) == int(coins * COIN) or (height >= 9_599 and subsidy(height) == 0)


def test_no_transaction_overwrites_unspent_coins(chain: Chainlet) -> None:
    """BIP30. Without BIP34, two coinbases can have one id."""
    free = Activations(bip34=1_000)
    old = Chainlet(build(replace(PARAMETERS["regtest"], activations=free)))
    same = spend([], [50 * COIN])
    same = replace(same, inputs=(TxInput(bytes(32) + b"\xff" * 4, b"same"),))
    old.accept(block(old.branch, spec=old.spec, coinbase=same))
    again = block(old.branch, spec=old.spec, coinbase=same)
    old.check(again)
    with pytest.raises(InvalidBlock, match="bad-txns-BIP30"):
        old.connect(again)
    exempt = replace(free, repeats={2: again.header.hash})
    old.spec = build(replace(PARAMETERS["regtest"], activations=exempt))
    old.accept(again)
    point = outpoint(same.id, 0)
    assert CoinView(old.state).get(point) == Coin(50 * COIN, TRUE, 2, True)
    old.revert()
    assert CoinView(old.state).get(point) == Coin(50 * COIN, TRUE, 1, True)


def test_where_ids_need_no_comparison(chain: Chainlet) -> None:
    branch = chain.branch
    assert Activations(bip34=50, bip34_hash=branch.at(50).hash).unique_ids(None, branch) is False
    assert Activations(bip34=50, bip34_hash=bytes(32)).unique_ids(None, branch) is True
    assert Activations(bip34=121, bip34_hash=bytes(32)).unique_ids(None, branch) is True
    assert Activations(bip34=50).unique_ids(None, branch) is True
    far = ListBranch([replace(branch.tip, height=1_983_701)], 1_983_701)
    assert Activations(bip34=50, bip34_hash=bytes(32)).unique_ids(None, far) is True


# Relative lock times


def locked(chain: Chainlet, made: Transaction, sequence: int, version: int = 2) -> Transaction:
    return spend([(made, 0)], [1], version=version, sequence=sequence)


@pytest.mark.parametrize(
    ("sequence", "version", "lawful"),
    [
        (5, 2, True),
        (6, 2, False),
        (6, 1, True),
        (6, -1, False),  # versions compare as unsigned
        (6 | 1 << 31, 2, True),
        (6 | 1 << 16, 2, False),  # bits without a meaning change nothing
        (0xFFFF, 2, False),
    ],
)
def test_waiting_for_heights(chain: Chainlet, sequence: int, version: int, lawful: bool) -> None:
    made = spend([reward(chain, 1)], [COIN])
    chain.mine([made])
    chain.mine(count=4)  # the coin has 5 confirmations, the next block makes it 5 deep
    bad = locked(chain, made, sequence, version)
    if lawful:
        chain.mine([bad])
    else:
        error = refused(chain, [bad])
        assert error.rule == "bad-txns-nonfinal" and error.detail.startswith("contains a non-BIP68-final transaction")


@pytest.mark.parametrize(("units", "lawful"), [(0, True), (1, True), (2, False)])
def test_waiting_for_time(chain: Chainlet, units: int, lawful: bool) -> None:
    """Units of 512 seconds since the median time before the coin's block."""
    made = spend([reward(chain, 1)], [COIN])
    since = chain.branch.median_time()
    chain.mine([made])
    for _ in range(6):
        chain.mine(time=since + 512)
    assert chain.branch.median_time() == since + 512
    bad = locked(chain, made, units | 1 << 22)
    if lawful:
        chain.mine([bad])
    else:
        assert refused(chain, [bad]).rule == "bad-txns-nonfinal"


def test_a_coin_of_the_same_block_has_waited_for_nothing(chain: Chainlet) -> None:
    made = spend([reward(chain, 1)], [COIN])
    assert refused(chain, [made, locked(chain, made, 1)]).rule == "bad-txns-nonfinal"
    chain.mine([made, locked(chain, made, 0)])


# Signature operations


def test_the_limit_of_sigop_cost(chain: Chainlet) -> None:
    """Script-hash operations join those that the block shows by itself."""
    script = b"\xac" * 500
    p2sh = b"\xa9\x14" + hash160(script) + b"\x87"
    fan = spend([reward(chain, 1)], [TxOutput(1, p2sh)] * 39)
    chain.mine([fan])
    push = b"\x4d\xf4\x01" + script
    sweep = spend([(fan, n) for n in range(39)], [TxOutput(1, b"\xac" * 500)], script=push)
    coins = [Coin(1, p2sh, 1)] * 39
    assert sigop_cost(sweep, coins, int(Flags.P2SH)) == 80_000
    error = refused(chain, [sweep])  # lawful by its cost; the scripts themselves fail
    assert error.rule.startswith("block-script-verify-flag-failed")
    more = replace(sweep, outputs=(*sweep.outputs, TxOutput(0, b"\xac")))
    bad = block(chain.branch, [more])
    with pytest.raises(InvalidBlock, match="bad-blk-sigops, too many sigops"):
        chain.connect(bad)


# Scripts


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(2) as executor:
        yield executor


def test_the_lowest_failure_is_told(chain: Chainlet, pool: ThreadPoolExecutor) -> None:
    """Of several inputs that fail, over threads too, the first in order of transactions and inputs."""
    scripts = [TRUE] * 100 + [FALSE] + [TRUE] * 30 + [b"\x69", FALSE]
    fan = spend([reward(chain, 1)], [TxOutput(1, s) for s in scripts])
    chain.mine([fan])
    first = spend([(fan, n) for n in range(60)], [1])
    second = spend([(fan, n) for n in range(60, len(scripts))], [1])
    for executor in (None, pool):
        chain.aid = Aid(executor=executor)
        error = refused(chain, [first, second])
        assert error.rule == (
            "block-script-verify-flag-failed (Script evaluated without error but finished with a false/empty top stack element)"
        )
        assert error.detail == (
            f"input 40 of {second.id[::-1].hex()} (wtxid {second.wtxid[::-1].hex()}), spending {fan.id[::-1].hex()}:100"
        )
    chain.aid = Aid(check_scripts=False)
    chain.mine([first, second])


def test_a_wrong_amount_is_told_before_a_script(chain: Chainlet) -> None:
    fan = spend([reward(chain, 1)], [TxOutput(1, FALSE), TxOutput(2, TRUE)])
    chain.mine([fan])
    assert refused(chain, [spend([(fan, 0)], [1]), spend([(fan, 1)], [3])]).rule == "bad-txns-in-belowout"
    assert refused(chain, [spend([(fan, 0)], [1])], reward=60 * COIN).rule == "bad-cb-amount"


def test_signatures_and_their_cache(chain: Chainlet) -> None:
    key = Key()
    fund = spend([reward(chain, 1)], [TxOutput(COIN, key.script)])
    chain.mine([fund])
    bare = spend([(fund, 0)], [TxOutput(COIN - 1, key.script)])
    good = key.sign(bare, fund.outputs)
    signature, public = good.inputs[0].witness
    broken = signature[:20] + bytes((signature[20] ^ 1,)) + signature[21:]
    bad = replace(good, inputs=(good.inputs[0]._replace(witness=(broken, public)),))
    assert refused(chain, [bad]).rule.startswith("block-script-verify-flag-failed (")
    flags = chain.spec.ledger.rules.flags(None, chain.branch, bad)  # type: ignore[attr-defined]
    assert cache_key(bad, flags) != cache_key(good, flags)
    chain.aid = Aid(cache={cache_key(bad, flags)})  # a cache that lies shows that it is asked
    chain.mine([bad])
    chain.revert()
    chain.aid = Aid()
    chain.mine([good])


def test_flags_follow_the_soft_forks_and_their_exceptions(chain: Chainlet) -> None:
    header, branch = chain.entries[-1].header, chain.branch
    always = Flags.P2SH | Flags.WITNESS | Flags.TAPROOT
    none = Activations(bip34=999, bip65=999, bip66=999, csv=999, segwit=999)
    assert none.flags(header, branch) == always
    assert replace(none, bip66=121).flags(header, branch) == always | Flags.DERSIG
    assert replace(none, bip65=121).flags(header, branch) == always | Flags.CHECKLOCKTIMEVERIFY
    assert replace(none, csv=121).flags(header, branch) == always | Flags.CHECKSEQUENCEVERIFY
    assert replace(none, segwit=121).flags(header, branch) == always | Flags.NULLDUMMY
    assert replace(none, segwit=122).flags(header, branch) == always
    odd = replace(none, bip66=1, flag_exceptions={header.hash: Flags.NONE})
    assert odd.flags(header, branch) == Flags.DERSIG
    assert odd.flags(None, branch) == always | Flags.DERSIG
