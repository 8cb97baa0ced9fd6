"""The stake modifier on random fork trees equals a recomputation from genesis, written a second time from the rules."""

from __future__ import annotations

import random
from dataclasses import replace
from hashlib import sha256
from typing import Any

import pytest

from chains.peercoin import REGTEST
from consensus.stake import Stake
from consensus.stake_modifier import ModifierRule, checksum, kernel_modifier, next_modifier, select
from consensus.stake_note import Note, decode_note, note_of
from ledger.utxo.switches import Switches
from primitives.chain import Entry
from primitives.errors import SystemFault
from primitives.peercoin import PeercoinBlock, PeercoinHeader
from tests.builders import ListBranch

TREES = 200
ENGINE = REGTEST.engine
assert isinstance(ENGINE, Stake)


def dsha(data: bytes) -> int:
    return int.from_bytes(sha256(sha256(data).digest()).digest(), "little")


class Told:
    """One block of a chain as the model sees it."""

    def __init__(self, header: PeercoinHeader, proof: bytes) -> None:
        self.time = header.timestamp
        self.hash = header.hash
        self.proof = proof
        self.entropy = header.hash[0] & 1
        self.modifier = 0
        self.generated = False
        self.checksum = 0


def recompute(chain: list[Told], interval: int, v04: int) -> None:
    """Every modifier and checksum from genesis on, straight from the text of the rule and without any shortcut."""
    sections = [interval * 63 // (63 + (63 - i) * 2) for i in range(64)]
    for n, block in enumerate(chain):
        if n == 0:
            block.generated = True
        else:
            prev = chain[n - 1]
            last = next(b for b in reversed(chain[:n]) if b.generated)
            block.modifier = last.modifier
            stale = last.time // interval < prev.time // interval
            if block.time >= v04:
                stale = stale and last.time // interval < block.time // interval
            if stale:
                block.generated = True
                block.modifier = drawn(chain[:n], prev, last.modifier, interval, sections)
        flags = bool(block.proof) | block.entropy << 1 | block.generated << 2
        head = b"" if n == 0 else chain[n - 1].checksum.to_bytes(4, "little")
        stream = head + flags.to_bytes(4, "little") + (block.proof or bytes(32)) + block.modifier.to_bytes(8, "little")
        block.checksum = dsha(stream) >> 224


def drawn(chain: list[Told], prev: Told, before: int, interval: int, sections: list[int]) -> int:
    start = prev.time // interval * interval - sum(sections)
    pool = []
    for block in reversed(chain):
        if block.time < start:
            break
        pool.append(block)
    pool.sort(key=lambda b: (b.time, int.from_bytes(b.hash, "little")))
    stop, taken, modifier = start, [], 0
    for i in range(min(64, len(pool))):
        stop += sections[i]
        best, best_score = None, 0
        for block in pool:
            if best is not None and block.time > stop:
                break
            if block in taken:
                continue
            score = dsha((block.proof or block.hash) + before.to_bytes(8, "little"))
            if block.proof:
                score >>= 32
            if best is None or score < best_score:
                best, best_score = block, score
        assert best is not None
        taken.append(best)
        modifier |= best.entropy << i
    return modifier


class Grove:
    """A tree of blocks: each entry with its note, found from its parent's branch alone."""

    def __init__(self, rng: random.Random, engine: Stake) -> None:
        self.rng = rng
        self.engine = engine
        genesis: Entry[Any] = Entry(REGTEST.genesis.header, 0, 1)
        self.branches: list[list[Entry[Any]]] = [[genesis]]

    def grow(self, branch: list[Entry[Any]]) -> None:
        rng, parent = self.rng, branch[-1].header
        gap = rng.choice((rng.randrange(-600, 3_000), rng.randrange(1, 300), rng.randrange(1, 20_000)))
        header = PeercoinHeader(
            6, parent.hash, rng.randbytes(32), parent.timestamp + gap, 0x207FFFFF, 0, rng.random() < 0.4
        )
        proof = rng.randbytes(32) if header.stake else b""
        note = self.engine.note(PeercoinBlock(header, (), b""), ListBranch(branch), proof)
        branch.append(Entry(header, len(branch), 0, note=note.encode()))


def engine_of(interval: int, v04: int) -> Stake:
    switches = Switches(v03=0, v04=v04, v05=0)
    modifiers = ModifierRule(switches, ENGINE.modifiers.genesis, interval, interval * 60)
    return replace(ENGINE, rules=replace(ENGINE.rules, switches=switches), modifiers=modifiers)


@pytest.mark.parametrize("part", range(8))
def test_on_random_fork_trees_it_equals_a_recomputation_from_genesis(part: int) -> None:
    checked = 0
    for seed in range(part, TREES, 8):
        rng = random.Random(seed)
        interval = rng.choice((60, 1_200, 1_200, 21_600))
        engine = engine_of(interval, 0)
        grove = Grove(rng, engine)
        for _ in range(rng.randrange(1, 5)):
            source = rng.choice(grove.branches)
            branch = source[: rng.randrange(1, len(source) + 1)]
            for _ in range(rng.randrange(3, 45)):
                grove.grow(branch)
            grove.branches.append(branch)
        for branch in grove.branches[1:]:
            notes = [note_of(e, engine.modifiers.genesis) for e in branch]
            model = [Told(e.header, n.proof) for e, n in zip(branch, notes, strict=True)]
            model[0].entropy = 1  # genesis lends the bit of an empty signature
            recompute(model, interval, 0)
            for note, told in zip(notes, model, strict=True):
                assert (note.modifier, note.generated, note.checksum) == (told.modifier, told.generated, told.checksum)
                checked += 1
            check_choice(engine, branch, model, rng)
    assert checked > 500


def check_choice(engine: Stake, branch: list[Entry[Any]], model: list[Told], rng: random.Random) -> None:
    """The modifier that a kernel takes, walked block by block."""
    rule = engine.modifiers
    ahead = rule.min_age - rule.span
    for _ in range(4):
        time = branch[-1].header.timestamp + rng.randrange(-ahead // 2, ahead + ahead // 2)
        at, t = len(model) - 1, model[-1].time
        expected: int | None = None
        if t + ahead > time:
            while t + ahead > time and at > 0:
                at -= 1
                if model[at].generated:
                    t = model[at].time
            if t + ahead <= time:
                expected = model[at].modifier
        assert kernel_modifier(rule, ListBranch(branch), 0, time) == expected
    old = replace(rule, switches=Switches(v05=1 << 40))
    height = rng.randrange(len(branch))
    at, t = height, model[height].time
    while t < model[height].time + rule.span:
        at += 1
        if at == len(model):
            assert kernel_modifier(old, ListBranch(branch), height, 0) is None
            return
        if model[at].generated:
            t = model[at].time
    assert kernel_modifier(old, ListBranch(branch), height, 0) == model[at].modifier


def test_a_fork_has_modifiers_of_its_own() -> None:
    rng = random.Random(1)
    grove = Grove(rng, engine_of(60, 0))
    left = list(grove.branches[0])
    for _ in range(20):
        grove.grow(left)
    right = left[:10]
    for _ in range(10):
        grove.grow(right)
    assert decode_note(left[-1].note).modifier != decode_note(right[-1].note).modifier


def test_before_version_4_only_the_parent_decides_when() -> None:
    for v04, generated in ((0, False), (1 << 40, True)):
        engine = engine_of(60, v04)
        header = replace(REGTEST.genesis.header, timestamp=1_000_000_020)
        first = Entry(replace(header, parent=bytes(32)), 0, 0, note=Note(4, 9, 0, 0, 0, 0, 0, 0).encode())
        next_ = PeercoinHeader(6, first.hash, bytes(32), 1_000_000_080, 0, 0)
        second = Entry(next_, 1, 0, note=Note(0, 9, 0, 0, 0, 0, 1, 0).encode())
        branch = ListBranch([first, second])
        assert next_modifier(engine.modifiers, branch, 1_000_000_030)[1] == generated
        assert next_modifier(engine.modifiers, branch, 1_000_000_081)[1]


def test_fewer_than_64_candidates_leave_the_higher_bits_at_zero() -> None:
    assert select(ENGINE.modifiers, [], 0, 5) == []
    rng = random.Random(3)
    grove = Grove(rng, ENGINE)
    branch = list(grove.branches[0])
    for _ in range(6):
        grove.grow(branch)
    assert all(decode_note(e.note).modifier < 1 << e.height for e in branch[1:])


def test_a_note_comes_back_and_a_damaged_one_stops_the_node() -> None:
    for note in (Note(7, (1 << 64) - 1, 1, 2, 3, 4, 5, 6, b"p" * 32), Note(4, 0, 0, 0, 0, 0, 0, 0)):
        assert decode_note(note.encode()) == note
    with pytest.raises(SystemFault):
        decode_note(b"short")
    with pytest.raises(SystemFault):
        note_of(Entry(REGTEST.genesis.header, 5, 0), ENGINE.modifiers.genesis)
    assert checksum(None, 6, b"", 0) == 0x0E00670B
