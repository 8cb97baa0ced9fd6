"""The twin chains as values: three engines, one genesis for both halves, and the exit contract's behaviour in the EVM."""

from __future__ import annotations

from pathlib import Path

import pytest

from chains.catalogue import from_table, load, names
from chains.overrides import ChainFileError
from chains.twin import SPECS
from chains.twin_predeploys import ASSEMBLY, EVENT, EXIT_CODE, HEAD_SLOT, TAIL_SLOT, assemble
from ledger.account.block import SYSTEM
from ledger.account.requests import EXIT_TYPE, EXITS
from ledger.account.rules import (
    BEACON_ROOTS,
    BLOCK_HASHES,
    CONSOLIDATION_REQUESTS,
    ETHER,
    WITHDRAWAL_REQUESTS,
)
from ledger.account.state import State
from primitives.errors import Refused
from primitives.hashing import keccak256
from primitives.twin import (
    EXIT_SIZE,
    EXITS_A_BLOCK,
    LEAST_EXIT,
    MOST_EXIT,
    WEI_PER_SATOSHI,
    Exit,
    TwinBlock,
    commitment_of,
    decode_exits,
)
from storage.durability import Durability
from storage.memory import MemoryStore
from tests.twins import CHAIN_ID, ENGINES, RICH, Twins, call, exit_call
from vm.evm.api import BlockContext, Message, Result, TxContext
from vm.evm.interpreter import run

SENDER = b"\x5e" * 20
KEY_HASH, OUTPUT_KEY = bytes([0]) + b"\x11" * 20, bytes([1]) + b"\x22" * 32


class Contract:
    """The exit contract in a world of its own."""

    def __init__(self) -> None:
        with MemoryStore(Durability.NONE).update() as kv:
            self.world = State(kv)
        self.world.set_code(EXITS, EXIT_CODE)
        self.world.set_balance(SENDER, 10**40)
        self.fork = Twins().ledger.schedule.at(1, 1).fork

    def call(self, data: bytes = b"", wei: int = 0, sender: bytes = SENDER) -> Result:
        self.world.begin_transaction((EXITS,))
        block = BlockContext(bytes(20), 1, 1, 30_000_000, 0, bytes(32), 0, 1, CHAIN_ID, lambda n: bytes(32))
        message = Message(sender, EXITS, 30_000_000, wei, data)
        result = run(message, self.world, block, TxContext(sender), self.fork)
        self.logs = self.world.logs
        self.world.end_transaction(True)
        return result

    def exits(self) -> tuple[Exit, ...]:
        """What the system is told at the end of a block."""
        result = self.call(sender=SYSTEM)
        assert result.success
        return decode_exits(result.output)

    def counts(self) -> tuple[int, int]:
        """How many were paid, how many were asked for, as anyone may read."""
        output = self.call().output
        assert len(output) == 64
        return int.from_bytes(output[:32], "big"), int.from_bytes(output[32:], "big")


def test_the_catalogue_has_a_twin_for_each_engine() -> None:
    assert ENGINES == ("twin", "twin-ethash", "twin-stake") and set(ENGINES) <= set(names())
    specs = [load(name) for name in ENGINES]
    assert len({s.genesis.header.hash for s in specs}) == len({s.network.magic for s in specs}) == 3
    assert len({s.network.p2p_port for s in specs}) == 3
    for spec in specs:
        assert spec.dev_edits and spec.network.local
        assert {"bitcoin", "ethereum", "wallet"} <= set(spec.rpc)


@pytest.mark.parametrize("name", ENGINES)
def test_genesis_is_one_for_both_halves(name: str) -> None:
    twins = Twins(name)
    genesis = SPECS[name].genesis
    assert isinstance(genesis, TwinBlock)
    found = commitment_of(genesis.carrier)
    assert found is not None and found.digest == genesis.payload.header.hash
    assert genesis.payload.header.timestamp == genesis.header.timestamp
    with twins.state() as (_, accounts):
        assert [accounts.balance(a) for a in RICH] == [10_000 * ETHER] * 2
        for contract in (BEACON_ROOTS, BLOCK_HASHES, WITHDRAWAL_REQUESTS, CONSOLIDATION_REQUESTS, EXITS):
            assert accounts.code(contract)
        assert accounts.balance(EXITS) == 0
    if name == "twin":
        assert int.from_bytes(genesis.header.hash, "little") < 1 << 255, "it meets its target, as tools expect"


def test_a_custom_twin_has_a_genesis_of_its_own() -> None:
    spec = from_table({"base": "twin-ethash", "name": "mine", "chain_id": 7, "gas_limit": 60_000_000})
    assert spec.name == "mine" and spec.ledger.schedule.chain_id == 7  # type: ignore[attr-defined]
    assert spec.genesis.header.hash != SPECS["twin-ethash"].genesis.header.hash
    with pytest.raises(ChainFileError, match="unknown key gaslimit"):
        from_table({"base": "twin", "name": "mine", "gaslimit": 1})


def test_the_assemblys_numbers_are_those_of_the_rules() -> None:
    words = set(ASSEMBLY.split())
    for number in (WEI_PER_SATOSHI, LEAST_EXIT, MOST_EXIT - LEAST_EXIT, EXIT_SIZE, EXITS_A_BLOCK * EXIT_SIZE):
        assert str(number) in words
    assert "0x" + SYSTEM.hex() in words and "0x" + keccak256(EVENT.encode()).hex() in words
    assert (HEAD_SLOT, TAIL_SLOT) == (0, 1)
    assert Twins().ledger.schedule.at(1, 1).requests[-1] == (EXIT_TYPE, EXITS)


def test_the_assembler_lays_out_pushes_and_labels() -> None:
    code = assemble("push 0 push 256 jumpi @x  push @x jump  @x: push0 ; stop here")
    assert code.hex() == "600061010061000d5761000d565b5f"
    assert keccak256(EXIT_CODE).hex() == "b1243fa75eeb1ddeb48d6903a9b54e30d73a1d2ecd85a18c47763cdcefc70cf5"


def test_the_page_shows_the_assembly_that_runs() -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "twin.md").read_text()
    lines = {line.strip() for line in page.splitlines()}
    assert all(line.strip() in lines for line in ASSEMBLY.splitlines())
    assert "0x" + EXITS.hex() in page and f"{len(EXIT_CODE)} bytes" in page


@pytest.mark.parametrize(("data", "program"), [(KEY_HASH, b"\x11" * 20), (OUTPUT_KEY, b"\x22" * 32)])
@pytest.mark.parametrize("satoshi", [LEAST_EXIT, 123_456_789, MOST_EXIT])
def test_an_exit_is_queued_and_told_once(data: bytes, program: bytes, satoshi: int) -> None:
    contract = Contract()
    result = contract.call(data, satoshi * WEI_PER_SATOSHI)
    assert result.success and int.from_bytes(result.output, "big") == 0
    (log,) = contract.logs
    assert log.address == EXITS and log.topics == (keccak256(EVENT.encode()), bytes(32), SENDER.rjust(32, b"\0"))
    assert log.data == bytes(31) + data[:1] + program.ljust(32, b"\0") + satoshi.to_bytes(32, "big")
    assert contract.counts() == (0, 1)
    assert contract.exits() == (Exit(SENDER, data[0], program, satoshi),)
    assert contract.counts() == (1, 1) and contract.exits() == ()
    assert contract.world.balance(EXITS) == satoshi * WEI_PER_SATOSHI, "the ether stays locked"
    assert all(contract.world.storage(EXITS, slot) == 0 for slot in range(2, 6)), "what was paid is forgotten"


@pytest.mark.parametrize(
    ("data", "wei"),
    [
        (b"", WEI_PER_SATOSHI * LEAST_EXIT),
        (KEY_HASH, 0),
        (KEY_HASH, WEI_PER_SATOSHI * (LEAST_EXIT - 1)),
        (KEY_HASH, WEI_PER_SATOSHI * (MOST_EXIT + 1)),
        (KEY_HASH, WEI_PER_SATOSHI * LEAST_EXIT + 1),
        (KEY_HASH, WEI_PER_SATOSHI * LEAST_EXIT - 1),
        (KEY_HASH, 10**39),
        (KEY_HASH[:-1], WEI_PER_SATOSHI * LEAST_EXIT),
        (KEY_HASH + b"\0", WEI_PER_SATOSHI * LEAST_EXIT),
        (OUTPUT_KEY[:-1], WEI_PER_SATOSHI * LEAST_EXIT),
        (OUTPUT_KEY + b"\0", WEI_PER_SATOSHI * LEAST_EXIT),
        (b"\0" + OUTPUT_KEY[1:], WEI_PER_SATOSHI * LEAST_EXIT),
        (b"\1" + KEY_HASH[1:], WEI_PER_SATOSHI * LEAST_EXIT),
        (b"\2" + OUTPUT_KEY[1:], WEI_PER_SATOSHI * LEAST_EXIT),
        (b"\xff" + b"\x11" * 44, WEI_PER_SATOSHI * LEAST_EXIT),
        (b"\0", WEI_PER_SATOSHI * LEAST_EXIT),
    ],
)
def test_an_exit_that_could_never_be_paid_is_refused(data: bytes, wei: int) -> None:
    contract = Contract()
    result = contract.call(data, wei)
    assert not result.success and not contract.logs
    assert contract.world.balance(EXITS) == 0 and contract.counts() == (0, 0) and contract.exits() == ()


def test_a_block_takes_sixteen_and_the_rest_keep_their_order() -> None:
    contract = Contract()
    for n in range(35):
        assert contract.call(KEY_HASH, (LEAST_EXIT + n) * WEI_PER_SATOSHI).output == n.to_bytes(32, "big")
    told = [contract.exits() for _ in range(4)]
    assert [len(t) for t in told] == [16, 16, 3, 0]
    assert [e.satoshi for t in told for e in t] == [LEAST_EXIT + n for n in range(35)]
    assert contract.call(KEY_HASH, LEAST_EXIT * WEI_PER_SATOSHI).output == (35).to_bytes(32, "big"), (
        "numbers never return"
    )
    assert contract.counts() == (35, 36)


def test_an_exit_is_paid_by_the_block_that_it_is_asked_in() -> None:
    twins = Twins()
    block = twins.mine(exit_call(0, 5_000), exit_call(1, 4_999, b"\x22" * 32), call(2, to=EXITS, value=5))
    assert [o.value for o in block.carrier.outputs[-3:]] == [5_000, 4_999, 0]
    assert block.carrier.outputs[-2].script == b"\x51\x20" + b"\x22" * 32
    with twins.state() as (_, accounts):
        assert accounts.balance(EXITS) == 9_999 * WEI_PER_SATOSHI
    quiet = twins.mine()
    assert commitment_of(quiet.carrier) == (len(quiet.carrier.outputs) - 1, quiet.payload.header.hash)
    assert len(quiet.carrier.outputs) == 3


# -- the engine around the outer engine ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ENGINES)
def test_proposals_come_after_their_parent_whatever_the_clock_says(name: str) -> None:
    twins = Twins(name)
    twins.mine()
    before = twins.tip.header.timestamp
    for now in (0, before - 1, before, before + 7):
        twins.now = now
        with twins.chain.view() as view:
            draft = twins.draft(view.branch, view.state)
            assert draft is not None and draft.timestamp == max(now, before + 1)
            assert draft.difficulty == twins.spec.engine.difficulty(view.branch, draft.timestamp)


def test_a_staker_does_not_search_seconds_that_are_over() -> None:
    twins = Twins("twin-stake")
    twins.fund()
    for _ in range(12):
        twins.mine()
    twins.mine(stake=True)
    for _ in range(5):
        twins.staker.told.clear()
        before = twins.tip.header.timestamp
        twins.now = before
        assert twins.make(stake=True) is None, "no second is left"
        twins.now = before + 1
        while (made := twins.make(stake=True)) is None:
            twins.now += 1
        assert made.header.timestamp > before
        twins.accept(made)


def test_a_coinstake_that_cannot_be_signed_again_makes_no_block() -> None:
    twins = Twins("twin-stake")
    twins.fund()
    for _ in range(12):
        twins.mine()
    twins.now += 60
    with twins.chain.view() as view:
        twins.make(stake=True)
        draft = None
        while draft is None:
            twins.now += 1
            twins.staker.reached = {}
            draft = twins.draft(view.branch, view.state, stake=True)
        twins.staker.locked = True
        with pytest.raises(Refused, match="cannot-sign"):
            twins.ledger.assemble(draft, [], view.branch, view.state)


def test_claims_are_the_inner_engines() -> None:
    assert SPECS["twin"].engine.claim(b"x") == b""  # type: ignore[attr-defined]
    twins = Twins("twin-stake")
    twins.fund()
    block = twins.mine(stake=True)
    assert block.header.stake  # type: ignore[union-attr]
    assert len(twins.spec.engine.claim(twins.tip.note)) == 32  # type: ignore[attr-defined]
