"""The SHA-256d engine: what it asks of a header, and how it finds one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from chains.bitcoin import MAINNET, PARAMETERS, REGTEST, build
from consensus.api import Exhausted
from consensus.difficulty import Retarget
from consensus.sha256d import FIRST_LOOK, Sha256d
from primitives.bitcoin import BitcoinBlock
from primitives.errors import InvalidHeader
from primitives.target import work
from tests.builders import Chainlet, Purse, block


def bits_of(chain: Chainlet, bits: int) -> BitcoinBlock:
    made = block(chain.branch, seal=False)
    return replace(made, header=replace(made.header, bits=bits))


@pytest.mark.parametrize(
    "bits",
    [0x207FFFFE, 0x01FEDCBA, 0x04923456, 0xFF123456, 0, 0x1D00FFFF, 0x2100FFFF, 0x217FFFFF, 0xFFFFFFFF],
)
def test_another_difficulty_than_asked_for_is_refused_first(bits: int) -> None:
    """Negative, overflowing, zero and too easy ones too: refused, never an exception of another kind."""
    chain = Chainlet()
    with pytest.raises(InvalidHeader) as e:
        chain.spec.engine.check_header(bits_of(chain, bits).header, chain.branch)
    assert e.value.rule == "bad-diffbits"


def test_a_hash_above_the_target() -> None:
    chain = Chainlet()
    header = block(chain.branch).header
    bad = next(h for n in range(99) if (h := replace(header, nonce=n)).hash[31] > 0x7F)
    with pytest.raises(InvalidHeader, match="high-hash"):
        chain.spec.engine.check_header(bad, chain.branch)


@pytest.mark.parametrize(("back", "closed", "lawful"), [(600, True, True), (601, True, False), (601, False, True)])
def test_the_time_warp_is_a_networks_affair(back: int, closed: bool, lawful: bool) -> None:
    rule = replace(PARAMETERS["regtest"].difficulty, timespan=12_000, closed_warp=closed)  # 20 blocks
    chain = Chainlet(build(replace(PARAMETERS["regtest"], difficulty=rule)))
    chain.mine(count=18)
    chain.mine(time=chain.branch.median_time() + 10_000)
    assert chain.height == 19
    made = block(chain.branch, spec=chain.spec, time=chain.entries[-1].header.timestamp - back)
    if lawful:
        chain.accept(made)
    else:
        with pytest.raises(InvalidHeader, match="time-timewarp-attack"):
            chain.check(made)


def test_what_a_block_weighs() -> None:
    assert MAINNET.engine.weight(MAINNET.genesis.header) == 0x100010001
    assert REGTEST.engine.weight(REGTEST.genesis.header) == 2
    assert MAINNET.engine.header_proves and MAINNET.engine.check_block(None, Chainlet().branch, Chainlet().state) == b""
    assert work(0x1D00FFFF) == 0x100010001


def test_a_draft_has_the_time_and_difficulty_that_a_child_must_have() -> None:
    chain = Chainlet()
    tip = chain.entries[-1].header.timestamp
    for now, time in ((0, tip + 1), (tip + 50, tip + 50)):
        draft = chain.spec.engine.propose(chain.branch, chain.state, Purse(b"me"), now, lambda: False)
        assert draft is not None
        assert (draft.timestamp, draft.difficulty, draft.payee, draft.kind) == (time, 0x207FFFFF, b"me", 0)


@pytest.mark.parametrize("threads", [1, 3])
def test_sealing_needs_the_hash_of_the_target(threads: int) -> None:
    chain = Chainlet()
    made = bits_of(chain, 0x1F00FFFF)  # one hash in 65,536: beyond the first look
    sealed: Any = Sha256d(Retarget(1 << 255)).seal(made, Purse(b"", threads), lambda: False)
    assert sealed.header.hash[30:] == b"\0\0"
    assert sealed.header.nonce >= FIRST_LOOK
    assert replace(sealed, header=replace(sealed.header, nonce=0)) == made


def test_the_lowest_nonce_is_found_on_one_thread() -> None:
    chain = Chainlet()
    made = block(chain.branch, seal=False)
    sealed: Any = chain.spec.engine.seal(made, Purse(), lambda: False)
    assert all(replace(made.header, nonce=n).hash[31] > 0x7F for n in range(sealed.header.nonce))


@pytest.mark.parametrize("threads", [1, 2])
def test_a_search_stops_when_it_is_told(threads: int) -> None:
    chain = Chainlet()
    asked: list[None] = []

    def stop() -> bool:
        asked.append(None)
        return len(asked) > 3

    assert chain.spec.engine.seal(bits_of(chain, 0x03000001), Purse(b"", threads), stop) is None
    assert len(asked) <= 3 + 1 + threads


@pytest.mark.parametrize("threads", [1, 2])
def test_a_search_ends_when_no_nonce_serves(threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("consensus.sha256d.NONCES", FIRST_LOOK + (1 << 22))
    chain = Chainlet()
    found = chain.spec.engine.seal(bits_of(chain, 0x03000001), Purse(b"", threads), lambda: False)
    assert isinstance(found, Exhausted)
