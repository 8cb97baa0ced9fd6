"""The engine of stake on a chain in memory: what it refuses and with which word, and what may be varied without gain."""

from __future__ import annotations

import os
import random
from dataclasses import replace
from typing import Any

import pytest

from chains.peercoin import REGTEST, STAKE_DEV
from consensus.stake import Stake
from consensus.stake_kernel import Ages, Stakeable, is_ripe, kernel_stream, meets, weight
from consensus.stake_note import decode_note
from consensus.stake_signature import is_canonical
from ledger.utxo.assemble import with_commitment
from ledger.utxo.coins import CoinView
from ledger.utxo.peercoin import money_supply
from ledger.utxo.switches import Switches
from node.chain import Chain
from node.results import Known, Stored, TipChanged
from primitives import secp256k1
from primitives.bitcoin import Transaction, TxInput, TxOutput
from primitives.errors import Invalid, InvalidBlock, Mutated, Refused, RuleError
from primitives.peercoin import PeercoinBlock
from storage.memory import MemoryStore
from tests.staking import KeyStaker, Mint, Purse, funded, resigned

ENGINE = STAKE_DEV.engine
assert isinstance(ENGINE, Stake)
VARIATIONS = 10_000 if os.environ.get("CHAINYARD_ALL") else 2_000


def ready() -> tuple[Mint, KeyStaker, PeercoinBlock]:
    """A chain, its staker, and a block of stake that was not handed in."""
    mint, (staker,) = funded()
    for _ in range(1_000):
        block = mint.propose(Purse(staker.p2pk, staker=staker))
        if block is not None:
            return mint, staker, block
        mint.now += 15
    raise AssertionError("nothing was minted")


def refused(mint: Mint, block: PeercoinBlock, word: str, kind: type[RuleError] = RuleError) -> None:
    """The block is refused with this word, nothing moves, and nothing of it is stored."""
    tip = mint.chain.tip
    with pytest.raises(kind) as e:
        mint.chain.accept(block, mint.now, park=False)
    assert e.value.rule == word, e.value
    assert mint.chain.tip == tip


def accepted(mint: Mint, block: PeercoinBlock) -> None:
    assert isinstance(mint.chain.accept(block, mint.now), TipChanged)


def test_a_block_of_stake_that_was_minted_is_accepted_and_remembered() -> None:
    mint, staker, block = ready()
    before = mint.chain.tip
    with mint.chain.view() as view:
        supply = money_supply(view.state)
    accepted(mint, block)
    note = decode_note(mint.chain.tip.note)
    assert note.stake and note.stakes == 1 and note.last_stake == mint.chain.tip.height and len(note.proof) == 32
    assert mint.chain.tip.weight == before.weight + ENGINE.weight(block.header) > before.weight + 1
    with mint.chain.view() as view:
        more = money_supply(view.state) - supply
    coinstake = block.txs[1]
    value_in = 50 * 100_000_000 * len(coinstake.inputs)
    assert more == sum(o.value for o in coinstake.outputs) - value_in > 0
    assert staker.told[-1].word == "found"


def test_what_the_producer_prepared_is_what_connecting_finds() -> None:
    mint, _, block = ready()
    assert mint.made is not None and mint.made.prepared is not None
    accepted(mint, block)
    with mint.chain.view() as view:
        undo = dict(view.undo(mint.chain.tip))
        forward = {key: view.state.get(key) for key in undo}
    assert dict(mint.made.prepared.delta.forward) == forward
    assert dict(mint.made.prepared.delta.undo) == undo


def test_a_bad_signature_is_mutated_and_the_true_block_still_comes_in() -> None:
    mint, staker, block = ready()
    compact = secp256k1.der_to_compact(block.signature)
    assert compact is not None
    high = secp256k1.N - int.from_bytes(compact[32:], "big")
    malleated = secp256k1.compact_to_der(compact[:32] + high.to_bytes(32, "big"))
    other = secp256k1.sign(bytes(31) + b"\x63", block.header.hash)
    lax = bytes((0x30, block.signature[1] + 1, 2, block.signature[3] + 1, 0)) + block.signature[4:]
    bad = [
        b"",
        other,
        malleated,
        lax,
        block.signature + b"\x00",
        block.signature[:-1] + bytes((block.signature[-1] ^ 1,)),
    ]
    assert secp256k1.verify(staker.public, malleated, block.header.hash)
    assert secp256k1.verify(staker.public, lax, block.header.hash)
    assert is_canonical(block.signature) and not is_canonical(malleated) and not is_canonical(lax)
    for signature in bad:
        refused(mint, replace(block, signature=signature), "bad-blk-sign", Mutated)
    assert mint.chain.entry(block.header.hash) is None
    accepted(mint, block)


def test_a_kind_that_is_not_the_bodys_is_mutated_and_the_true_block_still_comes_in() -> None:
    mint, staker, block = ready()
    work = mint.propose(Purse(staker.p2pk))
    assert work is not None
    posing = replace(work.header, stake=True, bits=block.header.bits, timestamp=block.header.timestamp)
    refused(mint, replace(work, header=posing), "bad-stake-flag", Mutated)
    mislabelled = replace(block, header=replace(block.header, stake=False))
    with pytest.raises(RuleError) as e:
        mint.chain.accept(mislabelled, mint.now)
    assert e.value.rule in ("bad-stake-flag", "high-hash", "bad-diffbits")
    mint.chain.accept_headers([replace(block.header, stake=False)], mint.now)  # a header with the wrong kind came first
    accepted(mint, block)
    assert mint.chain.tip.weight == mint.chain.tip.height - 1 + 1 + ENGINE.weight(block.header)


def test_where_coinbase_and_coinstake_stand_and_what_they_pay() -> None:
    mint, staker, block = ready()
    coinbase, coinstake = block.txs
    second = replace(coinstake, lock_time=1)
    pays = replace(coinbase, outputs=(TxOutput(1, b"\x51"), *coinbase.outputs[1:]))
    refused(mint, resigned(block, staker, (pays, coinstake)), "bad-cb-notempty", InvalidBlock)
    more = replace(coinbase, outputs=(coinbase.outputs[0], TxOutput(1, b"\x51"), *coinbase.outputs[1:]))
    refused(mint, resigned(block, staker, (more, coinstake)), "bad-cb-amount", InvalidBlock)
    refused(mint, resigned(block, staker, (coinbase, coinstake, second)), "bad-cs-missing", InvalidBlock)
    refused(mint, resigned(block, staker, (coinstake, coinbase)), "bad-cb-missing", InvalidBlock)
    refused(mint, resigned(block, staker, (coinbase, pays, coinstake)), "bad-cb-multiple", InvalidBlock)
    accepted(mint, block)


def test_the_reward_is_what_the_age_of_the_coins_earns_and_no_unit_more() -> None:
    mint, staker, block = ready()
    first, paid, *rest = block.txs[1].outputs
    spent = _spent(mint, block.txs[1])
    greedy = replace(block.txs[1], outputs=(first, paid._replace(value=paid.value + 1), *rest))
    signed = staker.sign(greedy, spent)
    assert signed is not None
    coinbase = with_commitment(replace(block.txs[0], outputs=block.txs[0].outputs[:1]), (signed,), 0)
    refused(mint, resigned(block, staker, (coinbase, signed)), "bad-txns-coinstake-too-large", InvalidBlock)
    modest = staker.sign(replace(greedy, outputs=(first, paid._replace(value=paid.value - 1), *rest)), spent)
    assert modest is not None
    coinbase = with_commitment(replace(block.txs[0], outputs=block.txs[0].outputs[:1]), (modest,), 0)
    accepted(mint, resigned(block, staker, (coinbase, modest)))  # the bad twin has spoilt nothing


def _spent(mint: Mint, tx: Transaction) -> list[TxOutput]:
    with mint.chain.view() as view:
        coins = [CoinView(view.state).get(i.outpoint) for i in tx.inputs]
    return [TxOutput(c.value, c.script) for c in coins if c is not None]


def test_a_coinstake_without_a_right_to_its_coin_is_refused() -> None:
    mint, staker, block = ready()
    coinstake = block.txs[1]
    naked = replace(coinstake, inputs=tuple(i._replace(script=b"", witness=()) for i in coinstake.inputs))
    coinbase = with_commitment(replace(block.txs[0], outputs=block.txs[0].outputs[:1]), (naked,), 0)
    with pytest.raises(InvalidBlock) as e:
        mint.chain.accept(resigned(block, staker, (coinbase, naked)), mint.now)
    assert e.value.rule == "invalid-pos-script" or e.value.rule.startswith("block-script-verify-flag-failed")


def test_the_reward_is_paid_to_a_key_for_that_key_signs() -> None:
    mint, staker, block = ready()
    first, paid, *rest = block.txs[1].outputs
    moved = staker.sign(
        replace(block.txs[1], outputs=(first, paid._replace(script=staker.p2wpkh), *rest)), _spent(mint, block.txs[1])
    )
    assert moved is not None
    coinbase = with_commitment(replace(block.txs[0], outputs=block.txs[0].outputs[:1]), (moved,), 0)
    refused(mint, resigned(block, staker, (coinbase, moved)), "bad-blk-sign", InvalidBlock)


def test_a_spent_or_unknown_coin_stakes_nothing() -> None:
    mint, staker, block = ready()
    spend = block.txs[1].inputs[0]
    fake = replace(block.txs[1], inputs=(spend._replace(outpoint=b"\x07" * 36),))
    coinbase = with_commitment(replace(block.txs[0], outputs=block.txs[0].outputs[:1]), (fake,), 0)
    refused(mint, resigned(block, staker, (coinbase, fake)), "bad-pos", InvalidBlock)
    accepted(mint, block)
    again = resigned(block, staker, parent=block.header.hash, timestamp=block.header.timestamp + 30)
    mint.now += 60
    bits = ENGINE.difficulty(_branch(mint.chain), again.header.timestamp, 1)
    height = replace(block.txs[0], inputs=(block.txs[0].inputs[0]._replace(script=b"\x01\x1a\x00"),), lock_time=0)
    coinbase = with_commitment(replace(height, outputs=height.outputs[:1]), (block.txs[1],), 0)
    refused(mint, resigned(again, staker, (coinbase, block.txs[1]), bits=bits), "bad-pos", InvalidBlock)


def _branch(chain: Chain) -> Any:
    with chain.view() as view:
        return view.branch


def test_ages_to_the_second() -> None:
    ages = Ages(least=600, most=7_200, day=600, coin=10)
    coin = Stakeable(value=1_000, block_time=1_000, offset=81, tx_time=1_000, index=0)
    new, old = Switches(), Switches(v03=1 << 40)
    assert not is_ripe(coin, 1_599, ages) and is_ripe(coin, 1_600, ages)
    assert not is_ripe(replace(coin, tx_time=1_601), 1_600, ages)
    assert weight(coin, 1_600, ages, new) == 0 and weight(coin, 1_606, ages, new) == 1
    assert weight(coin, 1_600, ages, old) == 100
    assert weight(coin, 8_200, ages, new) == weight(coin, 1 << 31, ages, new) == 100 * 6_600 // 600
    assert weight(replace(coin, tx_time=1_500), 1_600, ages, new) == 0
    assert weight(replace(coin, value=0), 8_200, ages, new) == 0
    assert meets(bytes(32), 0x207FFFFF, 0) and not meets(b"\x01" + bytes(31), 0x207FFFFF, 0)
    assert meets(b"\xff" * 32, 0x207FFFFF, 3), "weight times target may exceed 256 bits"
    assert len(kernel_stream(coin, 5, 7, 9)) == 28 and len(kernel_stream(coin, 5, None, 9)) == 24


def test_nothing_that_a_staker_may_vary_changes_the_kernel() -> None:
    """Blocks with other transactions, outputs, extra data, version, nonce and signature; coin and second stay."""
    mint, staker, block = ready()
    rng, spent = random.Random(4), _spent(mint, block.txs[1])
    with mint.chain.view() as view:
        branch, state = view.branch, view.state
        proof = decode_note(ENGINE.check_block(block, branch, state)).proof
        hashes = set()
        for at in range(VARIATIONS):
            changed = varied(block, staker, spent, rng, at)
            hashes.add(changed.header.hash)
            note = decode_note(ENGINE.check_block(changed, branch, state))
            assert note.proof == proof, at
    assert len(hashes) > VARIATIONS * 9 // 10


def varied(
    block: PeercoinBlock, staker: KeyStaker, spent: list[TxOutput], rng: random.Random, at: int
) -> PeercoinBlock:
    coinbase, coinstake = block.txs
    header: dict[str, Any] = {}
    which = at % 7
    extra: tuple[Transaction, ...] = ()
    if which == 0:
        header["nonce"] = rng.getrandbits(32)
    elif which == 1:
        header["version"] = rng.randrange(6, 1 << 31)
    elif which == 2:
        spend = coinbase.inputs[0]
        coinbase = replace(coinbase, inputs=(spend._replace(script=spend.script + rng.randbytes(8)),))
    elif which == 3:
        first, paid = coinstake.outputs[:2]
        outputs = (first, paid._replace(value=paid.value - rng.randrange(1, 1 << 30)))
        signed = staker.sign(replace(coinstake, outputs=outputs), spent)
        assert signed is not None
        coinstake = signed
    elif which == 4:
        extra = (Transaction(2, (TxInput(rng.randbytes(36), b"\x51"),), (TxOutput(1, b"\x51"),)),)
    elif which == 5:
        outputs = (*coinstake.outputs, TxOutput(0, b"\x6a" + rng.randbytes(8)))
        signed = staker.sign(replace(coinstake, outputs=outputs), spent)
        assert signed is not None
        coinstake = signed
    else:
        inputs = (*coinstake.inputs, TxInput(rng.randbytes(36), b"\x51"))
        signed = staker.sign(replace(coinstake, inputs=inputs), [*spent, TxOutput(1, b"\x51")])
        assert signed is not None
        inputs = (signed.inputs[0], *inputs[1:])
        coinstake = replace(signed, inputs=inputs)
    return resigned(block, staker, (coinbase, coinstake, *extra), **header)


def test_a_reorganisation_away_from_a_block_of_stake_and_back() -> None:
    mint, (one, two) = funded(stakers=2)
    mint.mint(one)
    staked, fork = mint.chain.tip, mint.chain.tip.header.parent
    block = mint.chain.block(staked.hash)
    with mint.chain.view() as view:
        before = dict(view.state.scan(b"c")) | dict(view.state.scan(b"m"))
    rival = Chain(STAKE_DEV, MemoryStore())
    rival.extend(_blocks(mint.chain, fork), mint.now)
    other = Mint(STAKE_DEV, [two], mint.now)
    other.chain = rival
    rival.observers.append(other._heard)
    for raw in _blocks(mint.chain, fork):
        two.take(raw)
    away = [other.mint(two), other.mint(two)]
    now = max(mint.now, other.now)
    assert isinstance(mint.chain.accept(away[0], now), Stored | TipChanged)
    changed = mint.chain.accept(away[1], now)
    assert isinstance(changed, TipChanged) and changed.reverted and mint.chain.tip.hash == away[1].header.hash
    assert isinstance(mint.chain.accept(block, now), Known)
    mint.chain.invalidate(away[0].header.hash)
    assert mint.chain.tip.hash == staked.hash and mint.chain.tip.note == staked.note
    with mint.chain.view() as view:
        assert dict(view.state.scan(b"c")) | dict(view.state.scan(b"m")) == before
    mint.chain.reconsider(away[0].header.hash)
    assert mint.chain.tip.hash == away[1].header.hash
    fresh = Chain(STAKE_DEV, MemoryStore())
    fresh.extend(_blocks(mint.chain, mint.chain.tip.hash), now)
    assert fresh.tip.note == mint.chain.tip.note
    with fresh.view() as mine, mint.chain.view() as theirs:
        for space in (b"c", b"m"):
            assert list(mine.state.scan(space)) == list(theirs.state.scan(space))


def _blocks(chain: Chain, tip: bytes) -> list[Any]:
    with chain.view() as view:
        entry = view.entry(tip)
        assert entry is not None
        branch = view.entries.branch(entry)
        return [view.block(branch.at(h).hash) for h in range(1, entry.height + 1)]


def test_pinned_checksums_bind() -> None:
    mint, _ = funded(blocks=6)
    right = decode_note(mint.chain.tip.note).checksum
    for pinned, good in ((right, True), (right ^ 1, False)):
        engine = replace(ENGINE, checksums={6: pinned})
        chain = Chain(replace(STAKE_DEV, engine=engine), MemoryStore())
        blocks = _blocks(mint.chain, mint.chain.tip.hash)
        if good:
            assert chain.extend(blocks, mint.now) == 6
        else:
            with pytest.raises(Invalid) as e:
                chain.extend(blocks, mint.now)
            assert e.value.rule == "bad-stake-modifier-checkpoint" and chain.tip.height == 5


def test_regtest_of_the_past_needs_signed_work() -> None:
    mint = Mint(REGTEST, [KeyStaker()], now=1_400_000_000)
    with pytest.raises(Refused):
        mint.propose(Purse(mint.stakers[0].p2pk))
