"""Minting: the search, its reasons, what a coinstake looks like, and chains on which work and stake interleave."""

from __future__ import annotations

from dataclasses import replace

import pytest

from chains.peercoin import REGTEST, STAKE_DEV
from consensus.stake import Stake
from consensus.stake_mint import MOST_OUTPUTS, Minting, split_count
from consensus.stake_note import decode_note
from ledger.utxo.peercoin import money_supply
from primitives import secp256k1
from primitives.bitcoin import TxOutput
from tests.staking import KeyStaker, Mint, Purse, funded

ENGINE = STAKE_DEV.engine
assert isinstance(ENGINE, Stake)


def why(mint: Mint, staker: KeyStaker) -> str:
    """The word for why nothing is minted now."""
    assert mint.propose(Purse(staker.p2pk, staker=staker)) is None
    return staker.told[-1].word


def test_each_reason_why_nothing_can_stake() -> None:
    mint, (staker,) = funded(blocks=4)
    nobody = KeyStaker(bytes(31) + b"\x7f")
    assert why(mint, nobody) == "no-coins"
    assert why(mint, staker) == "too-young" and "mature" in staker.told[-1].detail
    for _ in range(8):
        mint.work(b"\x51", 20)
    assert why(mint, staker) == "too-young"
    earliest = staker.told[-1].earliest
    assert earliest is not None
    mint.now = earliest - 1
    assert why(mint, staker) == "too-young"
    mint.now = earliest
    assert why(mint, staker) == "too-few", "a coin that is just old enough weighs nothing"
    staker.locked = True
    assert why(mint, staker) == "locked"
    staker.locked = False
    mint.now = earliest + 10_000
    assert why(mint, staker) == "tip-too-old"
    mint.work(b"\x51")
    assert mint.propose(Purse(staker.p2pk, staker=staker)) is not None


def test_a_second_is_searched_once_on_each_tip() -> None:
    mint, (staker,) = funded()
    mint.mint(staker)
    mint.now += 40
    seen = []
    for _ in range(3):
        if mint.propose(Purse(staker.p2pk, staker=staker)) is None:
            seen.append(staker.told[-1].detail)
    searched = [text for text in seen if text.startswith("no kernel")]
    assert all("in 0 seconds" in text for text in searched[1:])


@pytest.mark.parametrize("kind", ["p2pk", "p2pkh", "p2wpkh"])
def test_each_kind_of_coin_stakes_and_is_paid_to_its_key(kind: str) -> None:
    staker = KeyStaker()
    mint = Mint(STAKE_DEV, [staker])
    for _ in range(14):
        mint.work(getattr(staker, kind), 60)
    block = mint.mint(staker)
    coinstake = block.txs[1]
    assert coinstake.outputs[0] == (0, b"") and coinstake.outputs[1].script == staker.p2pk
    assert coinstake.outputs[-1].value and coinstake.outputs[-1].script == getattr(staker, kind)
    assert len(coinstake.outputs) == (2 if kind == "p2pk" else 3)
    assert block.header.nonce == 0 and block.header.stake and coinstake.time is None
    assert block.header.timestamp <= mint.now and block.txs[0].outputs[0] == (0, b"")
    assert secp256k1.verify(staker.public, block.signature, block.header.hash)


def test_small_coins_are_combined_and_large_ones_split() -> None:
    engine = replace(ENGINE, target_output=160 * 100_000_000)
    staker = KeyStaker()
    mint = Mint(replace(STAKE_DEV, engine=engine), [staker])
    for _ in range(40):
        mint.work(staker.p2pk, 60)
    joined = mint.mint(staker)
    assert len(joined.txs[1].inputs) == 4 and len(joined.txs[1].outputs) == 2
    engine = replace(ENGINE, target_output=20 * 100_000_000)
    mint = Mint(replace(STAKE_DEV, engine=engine), [staker := KeyStaker()])
    for _ in range(16):
        mint.work(staker.p2pk, 60)
    parted = mint.mint(staker)
    assert len(parted.txs[1].inputs) == 1 and len(parted.txs[1].outputs) == 1 + split_count(50, 20) == 4


def test_how_many_parts() -> None:
    assert [split_count(value, 100) for value in (0, 1, 141, 142, 244, 245)] == [1, 1, 1, 2, 2, 3]
    assert split_count(5, 0) == 1 and split_count(10**12, 1) == MOST_OUTPUTS
    counts = [split_count(value, 1_000) for value in range(0, 40_000, 50)]
    assert counts == sorted(counts) and counts[0] == 1
    for value in range(2_000, 20_000, 500):
        parts = split_count(value, 1_000)
        assert abs(parts - value / 1_000) <= 1


def test_any_coin_stakes_through_a_key_beside_it() -> None:
    staker = KeyStaker()
    script = b"\x51\x20" + staker.public[1:]
    minting = Minting(ENGINE.rules, ENGINE.modifiers, ENGINE.ages)
    mint, (owner,) = funded()
    block = mint.mint(owner)
    with mint.chain.view() as view:
        found = next(iter(minting.owned(view.branch, view.state, owner)))
    moved = found._replace(coin=found.coin._replace(script=script), key=staker.public)
    outputs = minting._outputs(moved, 77, True)
    assert outputs == (TxOutput(0, b""), TxOutput(0, staker.p2pk), TxOutput(77, script))
    assert minting._outputs(moved, 77, False) == (TxOutput(0, b""), TxOutput(77, staker.p2pk))
    assert block.is_stake


def test_work_and_stake_interleave_and_both_difficulties_move() -> None:
    mint, (one, two) = funded(stakers=2)
    bits = set()
    for at in range(60):
        staker = (one, two)[at % 2]
        block = mint.mint(staker)
        bits.add((True, block.header.bits))
        if at % 3 == 0:
            bits.add((False, mint.work(one.p2pk, 5).header.bits))
    assert len([b for b in bits if b[0]]) > 10 and len([b for b in bits if not b[0]]) > 10
    note = decode_note(mint.chain.tip.note)
    assert note.stakes == 60 and note.last_stake <= mint.chain.tip.height
    with mint.chain.view() as view:
        supply = money_supply(view.state)
        coins = sum(int.from_bytes(value[5:13], "little") for _, value in view.state.scan(b"c"))
    assert supply == coins


def test_regtest_mints_under_the_rules_of_today() -> None:
    staker = KeyStaker()
    mint = Mint(REGTEST, [staker], now=1_760_000_000)
    for _ in range(62):
        mint.work(staker.p2pkh, 1_800)
    block = mint.mint(staker, 500)
    assert block.txs[1].version == 3 and block.txs[1].time is None and block.header.version == 6
    assert mint.chain.tip.weight == 1 + 62 + 2


def test_the_search_stops_when_it_is_told() -> None:
    mint, (staker,) = funded()
    with mint.chain.view() as view:
        branch, state = view.branch, view.state
        draft = ENGINE.propose(branch, state, Purse(b"", staker=staker), mint.now, lambda: True)
    assert draft is None and staker.told[-1].word in ("stopped", "too-few", "no-kernel")
