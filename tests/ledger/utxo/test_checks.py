"""Blocks and transactions are refused with Core's words, and with the class that decides what follows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from chains.bitcoin import PARAMETERS, REGTEST, build
from ledger.utxo import checks
from ledger.utxo.rules import Activations, UtxoRules
from primitives.bitcoin import (
    FINAL_SEQUENCE,
    NULL_OUTPOINT,
    BitcoinBlock,
    Transaction,
    TxInput,
    TxOutput,
    outpoint,
)
from primitives.errors import InvalidBlock, InvalidHeader, InvalidTx, MalformedBlock, Mutated, RuleError
from tests.builders import COIN, TRUE, Chainlet, block, remade, spend

RULES: UtxoRules = REGTEST.ledger.rules  # type: ignore[attr-defined]
MAX = 21_000_000 * COIN
POINT = outpoint(b"\x01" * 32, 0)


def tx(*outputs: int, points: tuple[bytes, ...] = (POINT,), script: bytes = b"") -> Transaction:
    return Transaction(1, tuple(TxInput(p, script) for p in points), tuple(TxOutput(o, TRUE) for o in outputs))


@pytest.mark.parametrize(
    ("made", "rule"),
    [
        (tx(1, points=()), "bad-txns-vin-empty"),
        (tx(), "bad-txns-vout-empty"),
        (tx(1, script=bytes(1_000_000)), "bad-txns-oversize"),
        (tx(-1), "bad-txns-vout-negative"),
        (tx(MAX + 1), "bad-txns-vout-toolarge"),
        (tx(2**63 - 1, 2**63 - 1), "bad-txns-vout-toolarge"),  # the one of August 2010
        (tx(MAX, 1), "bad-txns-txouttotal-toolarge"),
        (tx(1, points=(POINT, POINT)), "bad-txns-inputs-duplicate"),
        (tx(1, points=(NULL_OUTPOINT,), script=b"1"), "bad-cb-length"),
        (tx(1, points=(NULL_OUTPOINT,), script=b"1" * 101), "bad-cb-length"),
        (tx(1, points=(POINT, NULL_OUTPOINT)), "bad-txns-prevout-null"),
    ],
)
def test_a_malformed_transaction(made: Transaction, rule: str) -> None:
    with pytest.raises(InvalidTx) as e:
        checks.check_transaction(made, RULES)
    assert e.value.rule == rule


@pytest.mark.parametrize(
    "made",
    [tx(MAX), tx(0), tx(1, points=(NULL_OUTPOINT,), script=b"12"), tx(1, points=(NULL_OUTPOINT,), script=b"1" * 100)],
)
def test_the_edges_of_a_good_one(made: Transaction) -> None:
    checks.check_transaction(made, RULES)


@pytest.fixture(scope="module")
def grown() -> Chainlet:
    chain = Chainlet()
    chain.mine(count=120)
    return chain


def paid(chain: Chainlet, at: int = 1, **options: Any) -> Transaction:
    return spend([(chain.blocks[at].coinbase, 0)], [49 * COIN], **options)


def refused(chain: Chainlet, bad: BitcoinBlock) -> RuleError:
    with pytest.raises(RuleError) as e:
        chain.check(bad)
    return e.value


Bad = Callable[[Chainlet], BitcoinBlock]


def duplicated_tail(chain: Chainlet) -> BitcoinBlock:
    """CVE-2012-2459: the last transactions once more, under the same root and so the same hash."""
    good = block(chain.branch, [paid(chain, 1), paid(chain, 2)])
    twice = BitcoinBlock(good.header, (*good.txs, good.txs[2]))
    checks.check_witness_commitment(good.txs, True)
    return twice


def test_a_duplicated_tail_is_another_body_for_the_same_hash(grown: Chainlet) -> None:
    bad = duplicated_tail(grown)
    error = refused(grown, bad)
    assert (type(error), error.rule) == (Mutated, "bad-txns-duplicate")
    grown.check(BitcoinBlock(bad.header, bad.txs[:3]))


@pytest.mark.parametrize(
    ("make", "kind", "rule"),
    [
        (lambda c: replace(block(c.branch), txs=()), Mutated, "bad-txnmrklroot"),
        (lambda c: replace(block(c.branch), txs=block(c.branch, extra=b"x").txs), Mutated, "bad-txnmrklroot"),
        (lambda c: remade(block(c.branch), ()), MalformedBlock, "bad-blk-length"),
        (lambda c: remade(block(c.branch), [paid(c)]), MalformedBlock, "bad-cb-missing"),
        (
            lambda c: remade(block(c.branch), [*block(c.branch).txs, *block(c.branch, extra=b"x").txs]),
            MalformedBlock,
            "bad-cb-multiple",
        ),
        (lambda c: block(c.branch, [spend([], [1])]), MalformedBlock, "bad-txns-vin-empty"),
        (lambda c: block(c.branch, extra=bytes(98)), MalformedBlock, "bad-cb-length"),
        (
            lambda c: block(c.branch, [spend([(c.blocks[1].coinbase, 0)] * 2, [1])]),
            MalformedBlock,
            "bad-txns-inputs-duplicate",
        ),
        (
            lambda c: block(c.branch, [spend([(c.blocks[1].coinbase, 0)], [TxOutput(1, b"\xac" * 20_001)])]),
            MalformedBlock,
            "bad-blk-sigops",
        ),
        (
            lambda c: block(c.branch, [spend([(c.blocks[1].coinbase, 0)], [TxOutput(1, bytes(1_000_000))])]),
            MalformedBlock,
            "bad-blk-length",
        ),
    ],
)
def test_a_malformed_block(grown: Chainlet, make: Bad, kind: type[RuleError], rule: str) -> None:
    error = refused(grown, make(grown))
    assert (type(error), error.rule) == (kind, rule)


def at_weight(chain: Chainlet, weight: int) -> BitcoinBlock:
    """A block of exactly this weight, most of it witness."""
    filler = spend([(chain.blocks[1].coinbase, 0)], [COIN])

    def made(size: int) -> BitcoinBlock:
        inputs = (filler.inputs[0]._replace(witness=(bytes(size),)),)
        return block(chain.branch, [replace(filler, inputs=inputs)], seal=False)

    return made(weight - made(3_999_000).weight + 3_999_000)


@pytest.mark.parametrize(("weight", "rule"), [(4_000_000, None), (4_000_001, "bad-blk-weight")])
def test_the_limit_of_weight(grown: Chainlet, weight: int, rule: str | None) -> None:
    made = at_weight(grown, weight)
    assert made.weight == weight
    active = RULES.active(made.header, grown.branch)
    if rule is None:
        checks.check_place(made, grown.branch, active, RULES)
    else:
        with pytest.raises(InvalidBlock, match=rule):
            checks.check_place(made, grown.branch, active, RULES)


# Place


@pytest.mark.parametrize("script", [b"\x01\x77", b"\x01\x7a", b"\x02\x79\x00", b"\x00\x00", b"\x4c\x01\x79"])
def test_another_height_in_the_coinbase(grown: Chainlet, script: bytes) -> None:
    coinbase = Transaction(1, (TxInput(NULL_OUTPOINT, script),), (TxOutput(1, TRUE),))
    error = refused(grown, block(grown.branch, coinbase=coinbase))
    assert (type(error), error.rule) == (InvalidBlock, "bad-cb-height")


@pytest.mark.parametrize(
    ("height", "push"),
    [
        (1, "51"),
        (16, "60"),
        (17, "0111"),
        (127, "017f"),
        (128, "028000"),
        (32767, "02ff7f"),
        (32768, "03008000"),
        (0, "00"),
    ],
)
def test_how_a_height_is_pushed(height: int, push: str) -> None:
    assert checks.height_push(height).hex() == push


@pytest.mark.parametrize(
    ("lock", "sequence", "final"),
    [
        (120, 0, True),
        (121, 0, False),  # at height 121 only heights below are over
        (121, FINAL_SEQUENCE, True),
        (499_999_999, 0, False),
        (500_000_000, 0, True),
    ],
)
def test_lock_times(grown: Chainlet, lock: int, sequence: int, final: bool) -> None:
    made = block(grown.branch, [paid(grown, lock_time=lock, sequence=sequence)])
    if final:
        grown.check(made)
    else:
        assert refused(grown, made).rule == "bad-txns-nonfinal"


def test_a_lock_time_is_compared_with_the_median_time_past(grown: Chainlet) -> None:
    """BIP113: not with the block's own time, however late that is."""
    median = grown.branch.median_time()
    late: dict[str, Any] = {"time": median + 1_000}
    grown.check(block(grown.branch, [paid(grown, lock_time=median - 1, sequence=0)], **late))
    assert (
        refused(grown, block(grown.branch, [paid(grown, lock_time=median, sequence=0)], **late)).rule
        == "bad-txns-nonfinal"
    )
    early = build(replace(PARAMETERS["regtest"], activations=Activations(csv=1_000)))
    chain = Chainlet(early, entries=list(grown.entries), blocks=list(grown.blocks))
    chain.check(block(chain.branch, [paid(grown, lock_time=median, sequence=0)], **late))


@pytest.mark.parametrize("offset", [0, -1, -1_000])
def test_a_time_that_is_not_after_the_median(grown: Chainlet, offset: int) -> None:
    error = refused(grown, block(grown.branch, time=grown.branch.median_time() + offset))
    assert (type(error), error.rule) == (InvalidHeader, "time-too-old")


@pytest.mark.parametrize(("version", "word"), [(3, "0x00000003"), (0, "0x00000000"), (-1, "0xffffffff")])
def test_an_outdated_version(grown: Chainlet, version: int, word: str) -> None:
    error = refused(grown, block(grown.branch, version=version))
    assert (type(error), error.rule) == (InvalidHeader, f"bad-version({word})")


@pytest.mark.parametrize(
    ("activations", "least"),
    [
        (Activations(bip34=500, bip66=500, bip65=500), -(1 << 31)),
        (Activations(bip34=121, bip66=500, bip65=500), 2),
        (Activations(bip34=1, bip66=121, bip65=500), 3),
        (Activations(bip34=1, bip66=1, bip65=121), 4),
        (Activations(bip34=122, bip66=122, bip65=122), -(1 << 31)),
    ],
)
def test_versions_follow_the_soft_forks(grown: Chainlet, activations: Activations, least: int) -> None:
    assert activations.active(None, grown.branch).min_version == least


# Witnesses


def with_witness(made: Transaction) -> Transaction:
    return replace(made, inputs=tuple(i._replace(witness=(b"w",)) for i in made.inputs))


def coinbase_witness(made: BitcoinBlock, *witness: bytes) -> BitcoinBlock:
    spends = made.coinbase.inputs[0]._replace(witness=witness)
    return replace(made, txs=(replace(made.coinbase, inputs=(spends,)), *made.txs[1:]))


@pytest.mark.parametrize(
    ("make", "rule"),
    [
        (lambda c: block(c.branch, [with_witness(paid(c))], commit=False), "unexpected-witness"),
        (lambda c: coinbase_witness(block(c.branch, [with_witness(paid(c))])), "bad-witness-nonce-size"),
        (lambda c: coinbase_witness(block(c.branch), bytes(32), b""), "bad-witness-nonce-size"),
        (lambda c: coinbase_witness(block(c.branch), bytes(31)), "bad-witness-nonce-size"),
        (lambda c: coinbase_witness(block(c.branch), b"\x01" * 32), "bad-witness-merkle-match"),
        (lambda c: stripped(block(c.branch, [with_witness(paid(c))])), "bad-witness-merkle-match"),
    ],
)
def test_a_wrong_witness_never_condemns_the_header(grown: Chainlet, make: Bad, rule: str) -> None:
    error = refused(grown, make(grown))
    assert (type(error), error.rule) == (Mutated, rule)


def stripped(made: BitcoinBlock) -> BitcoinBlock:
    bare = tuple(replace(t, inputs=tuple(i._replace(witness=()) for i in t.inputs)) for t in made.txs[1:])
    return replace(made, txs=(made.coinbase, *bare))


def test_the_last_of_two_commitments_counts(grown: Chainlet) -> None:
    good = block(grown.branch, [with_witness(paid(grown))])
    false = TxOutput(0, checks.COMMITMENT_HEAD + bytes(32))
    reward, commitment = good.coinbase.outputs
    first = remade(good, (replace(good.coinbase, outputs=(reward, false, commitment)), *good.txs[1:]))
    grown.check(first)
    last = remade(good, (replace(good.coinbase, outputs=(reward, commitment, false)), *good.txs[1:]))
    assert refused(grown, last).rule == "bad-witness-merkle-match"


def test_before_segwit_no_witness_is_lawful(grown: Chainlet) -> None:
    spec = build(replace(PARAMETERS["regtest"], activations=Activations(segwit=1_000)))
    chain = Chainlet(spec, entries=list(grown.entries), blocks=list(grown.blocks))
    assert refused(chain, block(chain.branch, [with_witness(paid(grown))])).rule == "unexpected-witness"
    chain.check(block(chain.branch, [paid(grown)], commit=False))
