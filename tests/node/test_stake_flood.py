"""Floods of stake: headers without stake, and any number of blocks from one kernel. Little is held, nothing is stored."""

from __future__ import annotations

import os
import tracemalloc
from dataclasses import replace

import pytest

from chains.peercoin import STAKE_DEV
from ledger.utxo.assemble import with_commitment
from ledger.utxo.coins import CoinView
from node.chain import Chain
from node.loose import MOST, MOST_OF_ONE, LooseHeaders
from node.results import Parked, Stored, TipChanged
from primitives.bitcoin import TxOutput
from primitives.errors import InvalidBlock, Refused
from primitives.peercoin import PeercoinBlock, PeercoinHeader
from storage.memory import MemoryStore
from tests.staking import KeyStaker, Mint, Purse, funded, resigned

ALL = bool(os.environ.get("CHAINYARD_ALL"))
HEADERS = 1_000_000 if ALL else 12_000
TWINS = 1_000 if ALL else 200


def pairs(chain: Chain) -> int:
    with chain.view() as view:
        return sum(1 for first in range(256) for _ in view.state.scan(bytes((first,))))


def claimed(parent: PeercoinHeader, chain: Chain, at: int) -> PeercoinHeader:
    """A header of stake that nobody staked for."""
    entry = chain.entry(parent.hash)
    assert entry is not None
    with chain.view() as view:
        entries = chain._entries(view.state)
        bits = STAKE_DEV.engine.difficulty(entries.branch(entry), parent.timestamp + 30, 1)
    return PeercoinHeader(6, parent.hash, at.to_bytes(32, "big"), parent.timestamp + 30, bits, 0, True)


def test_headers_without_stake_leave_nothing_stored_and_memory_flat() -> None:
    """Headers that all name a true parent: every one is lawful by itself, and none can be told from a true one."""
    mint, _ = funded(blocks=12)
    chain, tip = mint.chain, mint.chain.tip
    before = pairs(chain)
    first = claimed(tip.header, chain, 0)
    peak = base = taken = 0
    for start in range(0, HEADERS, 2_000):
        batch = [replace(first, merkle_root=(start + n).to_bytes(32, "big")) for n in range(2_000)]
        found, error = chain.accept_headers(batch, mint.now + 60, source=start // 4_000)
        taken += len(found)
        if error is not None:
            assert isinstance(error, Refused) and error.rule == "too-many-headers"
        if start == 0:
            tracemalloc.start()
        elif start == HEADERS // 4_000 * 2_000:
            base = tracemalloc.get_traced_memory()[0]
        assert len(chain.loose) <= MOST
    peak = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert taken >= HEADERS // 2
    assert peak - base < 24 << 20, f"memory grew by {peak - base} bytes"
    assert pairs(chain) == before and chain.tip == tip and chain.best_header.hash == tip.hash


def test_a_chain_of_headers_without_stake_is_cut_off() -> None:
    mint, _ = funded(blocks=12)
    chain = mint.chain
    before, header = pairs(chain), mint.chain.tip.header
    with pytest.raises(Refused) as e:
        for at in range(MOST_OF_ONE + 1):
            header = claimed(header, chain, at)
            chain.accept_header(header, header.timestamp, "liar")
    assert e.value.rule == "too-many-headers"
    assert pairs(chain) == before and len(chain.loose) == MOST_OF_ONE
    chain.loose.drop_source("liar")
    assert len(chain.loose) == 0


def test_a_loose_header_never_stays_without_its_ancestors() -> None:
    mint, _ = funded(blocks=12)
    chain = mint.chain
    chain.loose = loose = LooseHeaders(most=6)
    a = claimed(chain.tip.header, chain, 1)
    chain.accept_header(a, mint.now + 60, "one")
    b = claimed(a, chain, 2)
    chain.accept_header(b, mint.now + 120, "two")
    for at in range(3, 8):
        chain.accept_header(claimed(chain.tip.header, chain, at), mint.now + 60, "three")
    assert a.hash not in loose and b.hash not in loose and len(loose) <= 6
    one, two = list(loose.values())[:2]
    full = LooseHeaders(most=1)
    full.add(one, "x")
    heir = replace(two.entry, header=replace(two.entry.header, parent=one.entry.hash))
    with pytest.raises(Refused):
        full.add(two._replace(entry=heir), "x")
    assert len(full) == 0


def twin(block: PeercoinBlock, staker: KeyStaker, at: int) -> PeercoinBlock:
    """Another block from the same kernel."""
    return resigned(block, staker, nonce=at)


def two_tips() -> tuple[Mint, KeyStaker, KeyStaker, PeercoinBlock]:
    """A chain whose tip is a block of stake, and a rival block of stake on the tip's parent."""
    mint, (one, two) = funded(stakers=2)
    block: PeercoinBlock | None = None
    while block is None:
        block = mint.propose(Purse(one.p2pk, staker=one))
        mint.now += 15
    mint.mint(two)
    return mint, one, two, block


def test_any_number_of_blocks_from_one_kernel_leave_one_stored_on_a_parent() -> None:
    mint, one, _, block = two_tips()
    chain = mint.chain
    assert isinstance(chain.accept(block, mint.now), Stored)
    before = pairs(chain)
    tracemalloc.start()
    for at in range(1, TWINS + 1):
        with pytest.raises(Refused) as e:
            chain.accept(twin(block, one, at), mint.now, source="equivocator")
        assert e.value.rule == "bad-pos"
        if at == TWINS // 2:
            half = tracemalloc.get_traced_memory()[0]
    grown = tracemalloc.get_traced_memory()[0] - half
    tracemalloc.stop()
    assert pairs(chain) == before and grown < 1 << 20
    with chain.view() as view:
        parent = view.entry(block.header.parent)
        assert parent is not None
        assert len(list(view.entries.children(parent.hash))) == 2


def test_bad_blocks_from_one_kernel_leave_one_record_and_spoil_nothing() -> None:
    mint, (staker,) = funded()
    block: PeercoinBlock | None = None
    while block is None:
        mint.now += 15
        block = mint.propose(Purse(staker.p2pk, staker=staker))
    before = pairs(mint.chain)
    sizes = []
    for at in range(12):
        unknown = block.txs[1].inputs[0]._replace(outpoint=bytes((at,)) * 36)
        greedy = replace(block.txs[1], inputs=(*block.txs[1].inputs, unknown))
        signed = staker.sign(greedy, [_output(mint, block)] * 2)
        assert signed is not None
        coinbase = replace(block.txs[0], outputs=block.txs[0].outputs[:1])
        extra = with_commitment(coinbase, (signed,), 0)
        with pytest.raises(InvalidBlock):
            mint.chain.accept(resigned(block, staker, (extra, signed)), mint.now)
        sizes.append(pairs(mint.chain) - before)
    assert sizes[-1] == sizes[0], "more is remembered with each bad block"
    assert isinstance(mint.chain.accept(block, mint.now), TipChanged)


def _output(mint: Mint, block: PeercoinBlock) -> TxOutput:
    with mint.chain.view() as view:
        coin = CoinView(view.state).get(block.txs[1].inputs[0].outpoint)
    assert coin is not None
    return TxOutput(coin.value, coin.script)


def test_a_withheld_twin_is_accepted_once_a_block_builds_on_it() -> None:
    mint, one, two, block = two_tips()
    chain = mint.chain
    chain.accept(block, mint.now)
    withheld = twin(block, one, 7)
    with pytest.raises(Refused):
        chain.accept(withheld, mint.now)
    elsewhere = Mint(STAKE_DEV, [two2 := KeyStaker(two.secret)], mint.now)
    elsewhere.chain = Chain(STAKE_DEV, MemoryStore())
    elsewhere.chain.observers.append(elsewhere._heard)
    with chain.view() as view:
        fork = view.entry(block.header.parent)
        assert fork is not None
        branch = view.entries.branch(fork)
        blocks = [view.block(branch.at(h).hash) for h in range(1, fork.height + 1)]
    elsewhere.chain.extend(blocks, mint.now)
    for known in blocks:
        two2.take(known)
    assert isinstance(elsewhere.chain.accept(withheld, mint.now), TipChanged)
    heir = elsewhere.mint(two2)
    now = max(mint.now, elsewhere.now)
    fake = replace(heir, signature=b"\x30\x00")
    assert isinstance(chain.accept(fake, now), Parked)
    with pytest.raises(Refused):
        chain.accept(withheld, now)  # what waits for it proves nothing
    chain.waiting.discard(fake.header.hash)
    assert isinstance(chain.accept(heir, now), Parked)
    assert list(chain.waiting.missing()) == [withheld.header.hash]
    chain.accept(withheld, now)
    assert chain.tip.hash == heir.header.hash, "its chain is the heavier one"


def test_a_fork_too_deep_is_refused_as_policy() -> None:
    mint, (staker,) = funded(blocks=12)
    deep = mint.propose(Purse(b"\x51"))
    assert deep is not None
    for _ in range(501):
        mint.work(staker.p2pk, 180)
    before = pairs(mint.chain)
    with pytest.raises(Refused) as e:
        mint.chain.accept(deep, mint.now)
    assert e.value.rule == "fork-too-deep" and pairs(mint.chain) == before
