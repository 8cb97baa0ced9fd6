"""Relay policy: what is standard, what may be replaced, how long chains may be."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ledger.api import Admission, Cluster
from ledger.utxo.coins import Coin
from ledger.utxo.policy import UtxoPolicy, fee_at, virtual_size
from ledger.utxo.standard import check_inputs_standard, check_standard, check_witness_standard, dust_threshold
from primitives.bitcoin import Transaction, TxInput, TxOutput, outpoint
from primitives.errors import Refused
from primitives.hashing import hash160, sha256
from vm.script.opcodes import push
from vm.script.templates import ANCHOR, null_data, pay_to_key_hash, pay_to_multisig, pay_to_script_hash

POLICY = UtxoPolicy()
P2PKH = pay_to_key_hash(bytes(20))
P2WPKH = b"\x00\x14" + bytes(20)
P2TR = b"\x51\x20" + bytes(32)
KEY = b"\x02" + b"\x11" * 32


def tx(
    *outputs: TxOutput, script: bytes = b"", witness: tuple[bytes, ...] = (), version: int = 2, count: int = 1
) -> Transaction:
    inputs = tuple(TxInput(outpoint(bytes(32), n), script, witness=witness) for n in range(count))
    return Transaction(version, inputs, outputs or (TxOutput(10_000, P2PKH),))


@pytest.mark.parametrize(
    ("script", "threshold"),
    [
        (P2PKH, 546),
        (P2WPKH, 294),
        (b"\x00\x20" + bytes(32), 330),
        (P2TR, 330),
        (pay_to_script_hash(b""), 540),
        (b"\x6ahi", 0),
    ],
)
def test_dust(script: bytes, threshold: int) -> None:
    """The figures that Core's comments and documentation give."""
    assert dust_threshold(TxOutput(0, script), 3_000) == threshold
    if threshold:
        check_standard(tx(TxOutput(threshold, script)), POLICY)
        with pytest.raises(Refused, match="dust"):
            check_standard(tx(TxOutput(threshold - 1, script)), POLICY)


@pytest.mark.parametrize(
    ("made", "rule"),
    [
        (tx(version=0), "version"),
        (tx(version=4), "version"),
        (tx(version=-1), "version"),
        (tx(count=2_500), "tx-size"),
        (tx(script=push(bytes(520)) * 3 + push(bytes(80))), "scriptsig-size"),
        (tx(script=b"\x61"), "scriptsig-not-pushonly"),
        (tx(TxOutput(10_000, b"\x51")), "scriptpubkey"),
        (tx(TxOutput(10_000, b"\x00\x15" + bytes(21))), "scriptpubkey"),
        (tx(TxOutput(10_000, pay_to_multisig(1, [KEY] * 4))), "scriptpubkey"),
    ],
)
def test_what_is_not_standard(made: Transaction, rule: str) -> None:
    with pytest.raises(Refused) as e:
        check_standard(made, POLICY)
    assert e.value.rule == rule


@pytest.mark.parametrize(
    "made",
    [
        tx(version=1),
        tx(version=3),
        tx(script=push(bytes(520)) * 3 + push(bytes(79))),
        tx(TxOutput(10_000, pay_to_multisig(2, [KEY] * 3))),
        tx(TxOutput(0, null_data(bytes(90_000)))),
        tx(TxOutput(240, ANCHOR)),
        tx(TxOutput(10_000, b"\x52\x20" + bytes(32))),
    ],
)
def test_what_is_standard(made: Transaction) -> None:
    check_standard(made, POLICY)


@pytest.mark.parametrize("sizes", [(82,), (40, 39)])
def test_the_limit_of_data(sizes: tuple[int, ...]) -> None:
    made = tx(*(TxOutput(0, null_data(bytes(n))) for n in sizes))
    total = sum(len(o.script) for o in made.outputs)
    check_standard(made, UtxoPolicy(data_carrier=total))
    with pytest.raises(Refused, match="datacarrier"):
        check_standard(made, UtxoPolicy(data_carrier=total - 1))


def test_bare_multisig_may_be_unwanted() -> None:
    with pytest.raises(Refused, match="bare-multisig"):
        check_standard(tx(TxOutput(10_000, pay_to_multisig(1, [KEY]))), UtxoPolicy(bare_multisig=False))


FIFTEEN, SIXTEEN = b"\xac" * 15, b"\xac" * 16


@pytest.mark.parametrize(
    ("coin", "script", "detail"),
    [
        (b"\x51", b"", "input 0 script unknown"),
        (b"\x52\x20" + bytes(32), b"", "input 0 witness program is undefined"),
        (pay_to_script_hash(b""), b"", "input 0 P2SH redeemscript missing"),
        (pay_to_script_hash(SIXTEEN), push(SIXTEEN), "p2sh redeemscript sigops exceed limit (input 0: 16 > 15)"),
        (pay_to_script_hash(FIFTEEN), push(FIFTEEN), None),
        (P2PKH, b"", None),
        (P2TR, b"", None),
        (ANCHOR, b"", None),
    ],
)
def test_inputs(coin: bytes, script: bytes, detail: str | None) -> None:
    made = tx(script=script)
    if detail is None:
        check_inputs_standard(made, [Coin(1, coin, 1)])
        return
    with pytest.raises(Refused) as e:
        check_inputs_standard(made, [Coin(1, coin, 1)])
    assert (e.value.rule, e.value.detail) == ("bad-txns-nonstandard-inputs", detail)


def test_legacy_signature_operations_of_all_inputs() -> None:
    """At most 2,500 of them (BIP54)."""
    coin = Coin(1, pay_to_script_hash(FIFTEEN), 1)
    check_inputs_standard(tx(script=push(FIFTEEN), count=166), [coin] * 166)
    with pytest.raises(Refused, match="bip54"):
        check_inputs_standard(tx(script=push(FIFTEEN), count=167), [coin] * 167)


SCRIPT = b"\x51"
P2WSH = b"\x00\x20" + sha256(SCRIPT)
CONTROL = b"\xc0" + bytes(32)


@pytest.mark.parametrize(
    ("coin", "script", "witness", "standard"),
    [
        (P2PKH, b"", (b"x",), False),
        (ANCHOR, b"", (b"x",), False),
        (P2WPKH, b"", (b"sig", KEY), True),
        (P2WSH, b"", (SCRIPT,), True),
        (P2WSH, b"", (*[b""] * 100, SCRIPT), True),
        (P2WSH, b"", (*[b""] * 101, SCRIPT), False),
        (P2WSH, b"", (bytes(80), SCRIPT), True),
        (P2WSH, b"", (bytes(81), SCRIPT), False),
        (P2WSH, b"", (bytes(3_600),), True),
        (P2WSH, b"", (bytes(3_601),), False),
        (pay_to_script_hash(P2WSH), push(P2WSH), (bytes(81), SCRIPT), False),
        (pay_to_script_hash(P2WSH), push(P2WSH), (bytes(80), SCRIPT), True),
        (pay_to_script_hash(b"x"), push(b"x"), (b"x",), False),
        (pay_to_script_hash(b""), b"", (b"x",), False),
        (pay_to_script_hash(P2TR), push(P2TR), (bytes(500), b"\x50annex"), True),
        (P2TR, b"", (bytes(64),), True),
        (P2TR, b"", (bytes(64), b"\x50annex"), False),
        (P2TR, b"", (SCRIPT, b""), False),
        (P2TR, b"", (bytes(80), SCRIPT, CONTROL), True),
        (P2TR, b"", (bytes(81), SCRIPT, CONTROL), False),
        (P2TR, b"", (bytes(81), SCRIPT, b"\xc2" + bytes(32)), True),
    ],
)
def test_witnesses(coin: bytes, script: bytes, witness: tuple[bytes, ...], standard: bool) -> None:
    made = tx(script=script, witness=witness)
    if standard:
        check_witness_standard(made, [Coin(1, coin, 1)])
    else:
        with pytest.raises(Refused, match="bad-witness-nonstandard"):
            check_witness_standard(made, [Coin(1, coin, 1)])


# The pool's questions


def admission(fee: int, size: int = 1_000, replaceable: bool = True) -> Admission:
    empty: frozenset[bytes] = frozenset()
    return Admission(None, hash160(bytes((size % 256,))), empty, empty, empty, fee, fee, size, replaceable=replaceable)


@pytest.mark.parametrize(
    ("fee", "old", "detail"),
    [
        (3_000, [admission(2_000)], None),
        (2_999, [admission(2_000)], "not enough additional fees to relay"),
        (2_000, [admission(2_000)], "new feerate is not above"),
        (5_000, [admission(2_000), admission(3_001, 3_000)], "less fees than conflicting txs"),
        (9_000, [admission(4_600, 500)], "new feerate is not above"),
        (9_000, [admission(80)] * 101, "101 > 100"),
    ],
)
def test_replacement(fee: int, old: list[Admission], detail: str | None) -> None:
    if detail is None:
        POLICY.may_replace([admission(fee)], old, old[:1])
        return
    with pytest.raises(Refused) as e:
        POLICY.may_replace([admission(fee)], old, old[:1])
    many = len(old) > 100
    assert e.value.rule == ("too many potential replacements" if many else "insufficient fee")
    assert e.value.detail.startswith(detail)


def test_a_package_replaces_together() -> None:
    POLICY.may_replace([admission(0, 500), admission(4_000, 500)], [admission(2_000)], [admission(2_000)])


def test_replacement_by_signal_only() -> None:
    old = [admission(1_000, replaceable=False)]
    POLICY.may_replace([admission(9_000)], old, old)
    with pytest.raises(Refused, match="txn-mempool-conflict"):
        replace(POLICY, full_replacement=False).may_replace([admission(9_000)], old, old)


@pytest.mark.parametrize(
    ("cluster", "what"),
    [
        (Cluster(25, 101_000, 25, 101_000), None),
        (Cluster(26, 1, 1, 1), "too many unconfirmed ancestors [limit: 25]"),
        (Cluster(1, 101_001, 1, 1), "too many virtual bytes of ancestors [limit: 101000]"),
        (Cluster(1, 1, 26, 1), "too many descendants [limit: 25]"),
        (Cluster(1, 1, 1, 101_001), "too many virtual bytes of descendants [limit: 101000]"),
    ],
)
def test_chains_of_unconfirmed_transactions(cluster: Cluster, what: str | None) -> None:
    if what is None:
        POLICY.limits(cluster)
        return
    with pytest.raises(Refused) as e:
        POLICY.limits(cluster)
    assert (e.value.rule, e.value.detail) == ("too-long-mempool-chain", what)


def test_rates_and_sizes() -> None:
    assert POLICY.rate(admission(1_999, 2_000), 0) == 999
    assert (fee_at(1_000, 141), fee_at(1_001, 1), fee_at(1_000, 0)) == (141, 2, 0)
    assert (virtual_size(561, 4, POLICY), virtual_size(400, 100, POLICY)) == (141, 500)
