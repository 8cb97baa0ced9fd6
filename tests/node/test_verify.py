"""The check of the newest blocks finds what was tampered with, and leaves a sound chain alone."""

from __future__ import annotations

import pytest

from chains.bitcoin import REGTEST
from node.chain import Chain
from node.indexes import TransactionIndex
from node.verify import verify_tail
from primitives.errors import SystemFault
from storage.layout import BODY, COIN, UNDO
from storage.memory import MemoryStore
from tests.node.fake_family import data_of
from tests.node.test_indexes import grow, indexes


def grown() -> Chain:
    chain = Chain(REGTEST, MemoryStore(), indexes=indexes())
    for _ in range(8):
        grow(chain)
    return chain


def test_a_sound_chain_passes_at_every_level_and_is_not_changed() -> None:
    chain = grown()
    before, told = dict(data_of(chain)), list[tuple[int, int]]()
    for level in range(5):
        verify_tail(chain, 6, level)
    verify_tail(chain, 1000, pause=lambda *a: told.append(a))
    assert data_of(chain) == before and told[-1] == (8, 1000)
    verify_tail(Chain(REGTEST, MemoryStore(), indexes=[TransactionIndex()]))


@pytest.mark.parametrize(("space", "level"), [(BODY, 0), (UNDO, 2), (COIN, 4)])
@pytest.mark.parametrize("how", ["drop", "other"])
def test_what_was_tampered_with_is_found_at_its_level(space: bytes, level: int, how: str) -> None:
    chain = grown()
    data, tip = data_of(chain), chain.tip.hash
    with chain.view() as view:
        parent = view.entries.parent(view.tip).hash
        coinbase = view.block(tip).txs[0].id  # type: ignore[union-attr]
    key = space + (coinbase + bytes(4) if space == COIN else tip)
    if how == "drop":
        del data[key]
    else:
        data[key] = data[space + parent] if space != COIN else data[key][:-1] + b"\x52"
    if level:
        verify_tail(chain, 6, level - 1)
    with pytest.raises(SystemFault) as raised:
        verify_tail(chain, 6, level)
    assert "\n" not in str(raised.value)
