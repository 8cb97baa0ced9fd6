"""Attacks on the seam of a twin chain: each is refused with its own word, and none condemns the true block of the same hash."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pytest

from ledger.account.requests import EXITS as CONTRACT
from node.results import Stored
from primitives.bitcoin import TxOutput
from primitives.chain import Status
from primitives.errors import InvalidBlock, InvalidHeader, MalformedBlock, Mutated
from primitives.ethereum import EthereumBlock, Withdrawal
from primitives.ethereum_directives import set_storage
from primitives.twin import TwinBlock, payload_output
from tests.twins import ENGINES, Twins, deposit, exit_call, first_coins, payload_on_tip, rebuilt

HERE, THERE = b"\x71" * 20, b"\x72" * 20
OTHER = b"\x0e" * 32


@dataclass
class Scene:
    """A chain, and an honest block on its tip with two deposits and two exits that it does not have yet."""

    twins: Twins
    honest: TwinBlock
    calls: tuple[Any, ...]

    @property
    def outputs(self) -> list[TxOutput]:
        """What the honest block's carrier pays: the last three are two exits and the commitment."""
        return list(self.honest.carrier.outputs)

    def committed(self, payload: EthereumBlock, keep: slice = slice(None, -1)) -> TwinBlock:
        """The honest block, but with another payload and the commitment to it."""
        outputs = [*self.outputs[keep], payload_output(payload.header.hash)]
        return rebuilt(self.twins, self.honest, outputs, payload=payload)

    def payload(self, withdrawals: Sequence[Withdrawal] | None = None, **fields: Any) -> EthereumBlock:
        """A payload like the honest one, with other withdrawals or header fields."""
        return payload_on_tip(self.twins, self.honest, withdrawals, self.calls, **fields)

    def refused(self, block: TwinBlock, fault: type[Exception], word: str, proven: bool = True) -> None:
        """The chain refuses it with this word, and the honest block comes in.

        The hash is condemned where no other body could mend it, unless nothing was `proven` yet: then nothing is remembered.
        """
        chain = self.twins.chain
        before = chain.tip
        with pytest.raises(fault) as caught:
            chain.accept(block, self.twins.now)
        assert type(caught.value) is fault and caught.value.rule == word  # type: ignore[attr-defined]
        assert chain.tip == before
        entry = chain.entry(block.header.hash)
        condemned = entry is not None and entry.invalid
        assert condemned == (proven and fault is InvalidBlock)
        if block.header.hash != self.honest.header.hash:
            assert entry is None or not entry.status & Status.BODY or condemned
        self.twins.accept(self.honest)


def scene(name: str = "twin", stake: bool = False) -> Scene:
    twins = Twins(name)
    coins = first_coins(twins.fund())
    if stake:
        for _ in range(12):
            twins.mine()
    calls = (exit_call(0, 50_000), exit_call(1, 60_000, b"\x22" * 32))
    txs = (deposit(coins[0], HERE, 1_000), deposit(coins[1], THERE, 2_000), *calls)
    twins.now += 60
    made = twins.make(txs, stake=stake)
    while made is None:
        twins.now += 60
        made = twins.make(txs, stake=stake)
    assert len(made.payload.withdrawals or ()) == 2 and [o.value for o in made.carrier.outputs[-3:]] == [
        50_000,
        60_000,
        0,
    ]
    assert made.payload.txs == calls
    return Scene(twins, made, calls)


KINDS = [("twin", False), ("twin-ethash", False), ("twin-stake", False), ("twin-stake", True)]
ALL = pytest.mark.parametrize(("name", "stake"), KINDS, ids=["sha256d", "ethash", "stake-work", "stake"])


# -- commitment ---------------------------------------------------------------------------------------------------------


@ALL
def test_another_payload_than_the_committed_one_is_mutated(name: str, stake: bool) -> None:
    s = scene(name, stake)
    s.refused(replace(s.honest, payload=s.payload(extra_data=b"other")), Mutated, "bad-twin-payload")


@ALL
def test_a_block_without_commitment_is_refused(name: str, stake: bool) -> None:
    s = scene(name, stake)
    s.refused(rebuilt(s.twins, s.honest, s.outputs[:-1]), MalformedBlock, "bad-twin-commitment")


@ALL
def test_of_two_commitments_the_last_counts(name: str, stake: bool) -> None:
    s = scene(name, stake)
    doubled = rebuilt(s.twins, s.honest, [*s.outputs, payload_output(OTHER)])
    s.refused(doubled, Mutated, "bad-twin-payload")
    again = scene(name, stake)
    first = [*again.outputs[:-3], payload_output(OTHER), *again.outputs[-3:]]
    again.twins.accept(rebuilt(again.twins, again.honest, first))


def test_a_commitment_in_the_wrong_transaction_is_none() -> None:
    s = scene("twin-stake", True)
    tail = s.outputs[-3:]
    outer: Any = s.honest.outer
    coinbase = replace(outer.txs[0], outputs=(*outer.txs[0].outputs, *tail))
    bare = rebuilt(s.twins, s.honest, s.outputs[:-3])
    s.refused(rebuilt(s.twins, bare, txs=(coinbase, *bare.outer.txs[1:])), MalformedBlock, "bad-twin-commitment")


@pytest.mark.parametrize("name", ENGINES)
def test_a_stale_payload_is_refused(name: str) -> None:
    s = scene(name)
    old = s.twins.block(s.twins.tip).payload
    plain = rebuilt(s.twins, s.honest, [*s.outputs[:-3], payload_output(old.header.hash)], payload=old)
    s.refused(plain, InvalidBlock, "bad-twin-number", proven=name != "twin-stake")


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"number": 9}, "bad-twin-number"),
        ({"mix_hash": OTHER}, "bad-twin-parent"),
        ({"parent_beacon_root": OTHER}, "bad-twin-parent"),
        ({"parent_beacon_root": None, "requests_hash": None}, "bad-twin-parent"),
        ({"parent": OTHER}, "bad-twin-lineage"),
        ({"difficulty": 1}, "bad-twin-seal"),
        ({"nonce": b"\0" * 7 + b"\1"}, "bad-twin-seal"),
    ],
)
def test_a_payload_of_another_place_is_refused(change: dict[str, Any], word: str) -> None:
    s = scene()
    s.refused(s.committed(s.payload(**change)), InvalidBlock, word)


def test_a_payload_made_for_another_parent_is_refused() -> None:
    """It is sound on its own, and was made beside a sibling of the parent."""
    s = scene()
    s.refused(s.committed(s.payload(parent_hash=OTHER)), InvalidBlock, "bad-twin-parent")


def test_a_payload_of_another_time_is_refused() -> None:
    s = scene()
    late = s.payload(timestamp=s.honest.header.timestamp + 1)
    s.refused(s.committed(late), InvalidBlock, "bad-twin-timestamp")


@ALL
def test_time_rises_with_every_block(name: str, stake: bool) -> None:
    s = scene(name, stake)
    for back in (0, 1):
        time = s.twins.tip.header.timestamp - back
        payload = s.payload()
        payload = replace(payload, header=replace(payload.header, timestamp=time))
        late = rebuilt(s.twins, s.committed(payload), payload=payload, timestamp=time)
        with pytest.raises(InvalidHeader) as caught:
            s.twins.chain.accept(late, s.twins.now)
        assert caught.value.rule == "bad-twin-time"
    s.twins.accept(s.honest)


def test_a_payload_with_another_body_than_its_header_says_is_mutated() -> None:
    s = scene()
    payload = s.honest.payload
    for other, word in (
        (replace(payload, withdrawals=()), "withdrawals root hash mismatch"),
        (replace(payload, withdrawals=None), "missing withdrawals in block body"),
        (replace(payload, txs=payload.txs[:1]), "transaction root hash mismatch"),
        (replace(payload, side_headers=(payload.header,)), "uncle root hash mismatch"),
        (replace(payload, directives=b"\xc0"), "unexpected directives"),
    ):
        with pytest.raises(Mutated) as caught:
            s.twins.chain.accept(replace(s.honest, payload=other), s.twins.now)
        assert caught.value.rule == word
    s.twins.accept(s.honest)


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"state_root": OTHER}, "invalid merkle root"),
        ({"receipts_root": OTHER}, "invalid receipt root hash"),
        ({"requests_hash": OTHER}, "invalid requests hash"),
        ({"gas_used": 1}, "invalid gas used"),
    ],
)
def test_a_payload_that_executes_to_something_else_is_refused(change: dict[str, Any], word: str) -> None:
    s = scene()
    s.refused(s.committed(s.payload(**change)), InvalidBlock, word)


# -- deposits -----------------------------------------------------------------------------------------------------------


def changed(withdrawals: Sequence[Withdrawal], at: int, **fields: Any) -> tuple[Withdrawal, ...]:
    return tuple(replace(w, **fields) if n == at else w for n, w in enumerate(withdrawals))


DEPOSITS: dict[str, tuple[Callable[[tuple[Withdrawal, ...]], tuple[Withdrawal, ...]], str]] = {
    "none credited": (lambda w: (), "bad-twin-deposit-missing"),
    "last not credited": (lambda w: w[:1], "bad-twin-deposit-missing"),
    "first not credited": (lambda w: (replace(w[1], index=0),), "bad-twin-deposit-missing"),
    "credited twice": (lambda w: (*w, replace(w[1], index=2)), "bad-twin-deposit-twice"),
    "made up": (lambda w: (*w, Withdrawal(2, 0, b"\x66" * 20, 5)), "bad-twin-deposit-unknown"),
    "to another address": (lambda w: changed(w, 1, address=b"\x66" * 20), "bad-twin-deposit-address"),
    "in another order": (lambda w: (replace(w[1], index=0), replace(w[0], index=1)), "bad-twin-deposit-address"),
    "too little": (lambda w: changed(w, 0, amount_gwei=9_999), "bad-twin-deposit-amount"),
    "too much": (lambda w: changed(w, 0, amount_gwei=10_001), "bad-twin-deposit-amount"),
    "another number": (lambda w: changed(w, 1, index=2), "bad-twin-deposit-index"),
    "of a validator": (lambda w: changed(w, 1, validator=1), "bad-twin-deposit-index"),
}


@pytest.mark.parametrize("case", DEPOSITS)
def test_what_is_credited_is_what_was_deposited(case: str) -> None:
    change, word = DEPOSITS[case]
    s = scene()
    s.refused(s.committed(s.payload(change(s.honest.payload.withdrawals or ()))), InvalidBlock, word)


@pytest.mark.parametrize("name", ENGINES)
def test_deposits_bind_under_each_engine(name: str) -> None:
    s = scene(name)
    s.refused(s.committed(s.payload(())), InvalidBlock, "bad-twin-deposit-missing")


# -- exits --------------------------------------------------------------------------------------------------------------


def tail(s: Scene, *paid: TxOutput, before: Sequence[TxOutput] = ()) -> TwinBlock:
    """The honest block, its last three outputs replaced by these and the commitment."""
    return rebuilt(s.twins, s.honest, [*s.outputs[:-3], *before, *paid, s.outputs[-1]])


EXITS: dict[str, tuple[Callable[[TxOutput, TxOutput], tuple[TxOutput, ...]], str]] = {
    "none paid": (lambda a, b: (), "bad-twin-exit-unpaid"),
    "last not paid": (lambda a, b: (a,), "bad-twin-exit-unpaid"),
    "first not paid": (lambda a, b: (b,), "bad-twin-exit-unpaid"),
    "in another order": (lambda a, b: (b, a), "bad-twin-exit-unpaid"),
    "to another script": (lambda a, b: (a, b._replace(script=b"\x51")), "bad-twin-exit-unpaid"),
    "something between": (lambda a, b: (a, TxOutput(0, b"\x6a"), b), "bad-twin-exit-unpaid"),
    "something behind": (lambda a, b: (a, b, TxOutput(0, b"\x6a")), "bad-twin-exit-unpaid"),
    "short": (lambda a, b: (a._replace(value=a.value - 1), b), "bad-twin-exit-short"),
    "last short": (lambda a, b: (a, b._replace(value=0)), "bad-twin-exit-short"),
    "long": (lambda a, b: (a, b._replace(value=b.value + 1)), "bad-twin-exit-long"),
    "first twice": (lambda a, b: (a, a, b), "bad-twin-exit-twice"),
    "last twice": (lambda a, b: (b, a, b), "bad-twin-exit-twice"),
}


@ALL
@pytest.mark.parametrize("case", EXITS)
def test_what_is_paid_is_what_is_due(case: str, name: str, stake: bool) -> None:
    change, word = EXITS[case]
    s = scene(name, stake)
    a, b = s.outputs[-3:-1]
    s.refused(tail(s, *change(a, b)), InvalidBlock, word)


@ALL
def test_exits_allow_no_minting_beyond_them(name: str, stake: bool) -> None:
    s = scene(name, stake)
    word = "bad-txns-coinstake-too-large" if stake else "bad-cb-amount"
    s.refused(tail(s, *s.outputs[-3:-1], before=(TxOutput(10**12, b"\x51"),)), InvalidBlock, word)


def test_a_miner_may_give_of_his_own() -> None:
    """An exit that is paid once more, out of the reward, is a gift and no minting."""
    s = scene()
    a, b = s.outputs[-3:-1]
    outputs = [s.outputs[0]._replace(value=s.outputs[0].value - a.value), *s.outputs[1:-3], a, a, b, s.outputs[-1]]
    s.twins.accept(rebuilt(s.twins, s.honest, outputs))


@pytest.mark.parametrize("name", ENGINES)
def test_an_exit_is_not_paid_again_by_the_next_block(name: str) -> None:
    s = scene(name)
    a = s.outputs[-3]
    s.twins.accept(s.honest)
    s.twins.now += 60
    quiet = s.twins.make()
    assert quiet is not None
    later = Scene(s.twins, quiet, ())
    outputs = [*quiet.carrier.outputs[:-1], a, quiet.carrier.outputs[-1]]
    later.refused(rebuilt(s.twins, quiet, outputs), InvalidBlock, "bad-cb-amount")


def test_an_exit_contract_that_was_edited_cannot_make_the_chain_pay() -> None:
    """Storage set by a dev edit may hold what the contract would never queue."""
    twins = Twins()
    edits = (set_storage(CONTRACT, 1, 1), set_storage(CONTRACT, 2, (7 << 88) | 5))
    twins.now += 60
    with twins.chain.view() as view:
        draft = twins.draft(view.branch, view.state)
        assert draft is not None
        with pytest.raises(InvalidBlock, match="bad-twin-exit-request"):
            twins.ledger.assemble(
                replace(draft, options={**draft.options, "edits": edits}), [], view.branch, view.state
            )


# -- beside the chain ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ENGINES)
def test_a_mutated_block_of_a_side_branch_gives_way_to_the_true_one(name: str) -> None:
    s = scene(name)
    chain, fork = s.twins.chain, s.twins.tip
    s.twins.accept(s.honest)
    s.twins.now += 60
    side = s.twins.make(on=fork)
    assert side is not None and isinstance(chain.accept(side, s.twins.now), Stored)
    with pytest.raises(Mutated, match="bad-twin-payload"):
        chain.accept(replace(s.twins.make(on=fork) or side, payload=s.honest.payload), s.twins.now)
    s.twins.now += 60
    top = s.twins.make(on=chain.entry(side.header.hash))
    assert top is not None
    with pytest.raises(Mutated, match="bad-twin-payload"):
        chain.accept(replace(top, payload=s.honest.payload), s.twins.now)
    assert chain.tip.hash == s.honest.header.hash
    s.twins.accept(top)


def test_siblings_may_share_a_payload() -> None:
    s = scene()
    sibling = rebuilt(s.twins, s.honest, [s.outputs[0]._replace(value=1), *s.outputs[1:]])
    s.twins.accept(s.honest)
    assert isinstance(s.twins.chain.accept(sibling, s.twins.now), Stored)
    s.twins.now += 60
    top = s.twins.make(on=s.twins.chain.entry(sibling.header.hash))
    assert top is not None
    s.twins.accept(top)
    assert top.payload.header.parent == s.honest.payload.header.hash


@pytest.mark.parametrize("change", [{"mix": OTHER}, {"seal": 1 << 40}])
def test_a_wrong_seal_beside_a_known_header_is_mutated(change: dict[str, Any]) -> None:
    """The hash covers neither mix digest nor nonce: the header with its true seal stays, and so does its true body's chance."""
    s = scene("twin-ethash")
    outer: Any = s.honest.outer
    wrong = replace(s.honest, outer=replace(outer, header=replace(outer.header, **change)))
    assert wrong.header.hash == s.honest.header.hash
    with pytest.raises(InvalidHeader):
        s.twins.chain.accept(wrong, s.twins.now)
    s.twins.chain.accept_header(s.honest.header, s.twins.now)
    with pytest.raises(Mutated):
        s.twins.chain.accept(wrong, s.twins.now)
    s.twins.accept(s.honest)
