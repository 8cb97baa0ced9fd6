"""The rawtransactions group, what sends: one transaction, a package, and the question whether they would be taken."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from chains.spec import ChainSpec
from ledger.api import Admission
from ledger.utxo.policy import fee_at
from node.node import Node
from node.rpc.bitcoin_json import has_valid_ops
from node.rpc.errors import (
    INVALID_PARAMETER,
    VERIFY_ALREADY_IN_UTXO_SET,
    VERIFY_ERROR,
    VERIFY_REJECTED,
    RpcError,
)
from node.rpc.lookup import read_tx
from node.rpc.params import Amount, coins, display_hex, shown
from node.rpc.registry import rpc
from node.rpc.translate import full_reason, reason
from primitives.errors import ChainError, Missing, Refused
from vm.script.shapes import is_unspendable

MAX_FEE_RATE = 10_000_000
"""Satoshi per 1,000 virtual bytes, unless the caller allows more."""
MAX_PACKAGE = 25
FEE_TOO_HIGH = "Fee exceeds maximum configured by user (e.g. -maxtxfee, maxfeerate)"
BURNS_TOO_MUCH = "Unspendable output exceeds maximum configured by user (maxburnamount)"


class TooExpensive(Refused):
    """The fee is more than the caller allows; the node itself would take it."""


def at_most(rate: int) -> Callable[[Admission], None]:
    """A check that the fee of an admission stays within a rate; 0 allows any."""

    def check(admission: Admission) -> None:
        if rate and admission.fee_cap > fee_at(rate, admission.tx.vsize):
            raise TooExpensive("max-fee-exceeded")

    return check


def check_burn(spec: ChainSpec, txs: Sequence[Any], most: int) -> None:
    """Refuse outputs that nobody can spend and that hold more than the caller allows; those that move elsewhere are not burnt."""
    moves: Callable[[Any], bool] = getattr(spec.ledger, "moves", lambda _: False)
    for tx in txs:
        for out in tx.outputs:
            lost = is_unspendable(out.script) or not has_valid_ops(out.script)
            if out.value > most and lost and not moves(out):
                raise RpcError(VERIFY_ERROR, BURNS_TOO_MUCH)


def check_rate(rate: int) -> int:
    """A fee rate that a caller may mean. Raises RpcError as Core's ParseFeeRate."""
    if rate >= 100_000_000:
        raise RpcError(INVALID_PARAMETER, "Fee rates larger than or equal to 1BTC/kvB are not accepted")
    return rate


@rpc("sendrawtransaction", family="bitcoin", group="rawtransactions", cost="write")
def send_raw_transaction(
    node: Node, hexstring: str, maxfeerate: Amount = MAX_FEE_RATE, maxburnamount: Amount = 0
) -> str:
    """Take a transaction into the mempool and announce it; returns its id.

    One that is there already is no error. `maxfeerate` is in coins per 1,000 virtual bytes (0: any), `maxburnamount` the most that an
    output which nobody can spend may hold.
    """
    tx = read_tx(node.spec, hexstring)
    check_burn(node.spec, [tx], maxburnamount)
    rate = check_rate(maxfeerate)
    try:
        node.submit_tx(tx, check=at_most(rate))
    except Refused as e:
        if e.rule != "txn-already-in-mempool":
            raise _refusal(e) from None
    except ChainError as e:
        raise _refusal(e) from None
    return display_hex(tx.id)


def _refusal(error: ChainError) -> RpcError:
    if isinstance(error, TooExpensive):
        return RpcError(VERIFY_ERROR, FEE_TOO_HIGH)
    if isinstance(error, Missing):
        return RpcError(VERIFY_ERROR, full_reason(error))
    if isinstance(error, Refused) and error.rule == "txn-already-known":
        return RpcError(VERIFY_ALREADY_IN_UTXO_SET, "Transaction outputs already in utxo set")
    return RpcError(VERIFY_REJECTED, full_reason(error))


def read_package(node: Node, texts: Sequence[str]) -> list[Any]:
    """The transactions of a package from hex. Raises RpcError."""
    return [
        read_tx(node.spec, text, f"TX decode failed: {shown(text)} Make sure the tx has at least one input.")
        for text in texts
    ]


def package_fault(txs: Sequence[Any]) -> str | None:
    """What makes a list of transactions no package: too many, one twice, a child before its parent, two that spend the same.

    Source: Bitcoin Core, policy/packages.cpp, IsWellFormedPackage.
    """
    if len(txs) > MAX_PACKAGE:
        return "package-too-many-transactions"
    if len(txs) > 1 and sum(tx.weight for tx in txs) > 404_000:
        return "package-too-large"
    ids = [tx.id for tx in txs]
    if len(set(ids)) != len(ids):
        return "package-contains-duplicates"
    later = set(ids)
    spent: set[bytes] = set()
    for tx in txs:
        if any(i.txid in later for i in tx.inputs):
            return "package-not-sorted"
        later.discard(tx.id)
    for tx in txs:
        points = {i.outpoint for i in tx.inputs}
        if points & spent:
            return "conflict-in-package"
        spent |= points
    return None


@rpc("testmempoolaccept", family="bitcoin", group="rawtransactions", cost="write")
def test_mempool_accept(node: Node, rawtxs: list[str], maxfeerate: Amount = MAX_FEE_RATE) -> list[dict[str, Any]]:
    """Whether the mempool would take these transactions, parents first; it does not take them."""
    if not 1 <= len(rawtxs) <= MAX_PACKAGE:
        raise RpcError(INVALID_PARAMETER, f"Array must contain between 1 and {MAX_PACKAGE} transactions.")
    rate = check_rate(maxfeerate)
    txs = read_package(node, rawtxs)
    names = [{"txid": display_hex(tx.id), "wtxid": display_hex(tx.wtxid)} for tx in txs]
    fault = package_fault(txs) if len(txs) > 1 else None
    if fault is not None:
        return [{**name, "package-error": fault} for name in names]
    rows: list[dict[str, Any]] = []
    stopped = False
    for at, (tx, name) in enumerate(zip(txs, names, strict=True)):
        row: dict[str, Any] = dict(name)
        if not stopped:
            verdict = _judge(node, txs[: at + 1], rate)
            row |= verdict
            stopped = not verdict["allowed"]
        rows.append(row)
        del tx
    return rows


def _judge(node: Node, txs: Sequence[Any], rate: int) -> dict[str, Any]:
    """The verdict on the last of these, the others being its ancestors."""
    try:
        if txs[-1].id in node.pool:
            raise Refused("txn-already-in-mempool")
        with node.position() as at:
            admission = node.gate.test(txs, at)[-1]
        at_most(rate)(admission)
    except TooExpensive as e:
        return {"allowed": False, "reject-reason": e.rule}
    except Missing:
        return {"allowed": False, "reject-reason": "missing-inputs"}
    except ChainError as e:
        return {"allowed": False, "reject-reason": reason(e), "reject-details": full_reason(e)}
    tx, fee, size = admission.tx, admission.fee_cap, admission.size
    fees = {
        "base": coins(fee),
        "effective-feerate": coins(fee * 1000 // max(1, size)),
        "effective-includes": [display_hex(tx.wtxid)],
    }
    return {"allowed": True, "vsize": size, "fees": fees}


@rpc("submitpackage", family="bitcoin", group="rawtransactions", cost="write")
def submit_package(
    node: Node, package: list[str], maxfeerate: Amount = MAX_FEE_RATE, maxburnamount: Amount = 0
) -> dict[str, Any]:
    """Take a child and its parents into the mempool together, weighed by their common fee rate; parents come first."""
    if not 1 <= len(package) <= MAX_PACKAGE:
        raise RpcError(INVALID_PARAMETER, f"Array must contain between 1 and {MAX_PACKAGE} transactions.")
    rate = check_rate(maxfeerate)
    txs = read_package(node, package)
    check_burn(node.spec, txs, maxburnamount)
    if len(txs) > 1:
        child_spends = {i.txid for i in txs[-1].inputs}
        if any(tx.id not in child_spends for tx in txs[:-1]):
            raise RpcError(
                VERIFY_REJECTED, "package topology disallowed. not child-with-parents or parents depend on each other."
            )
    fault = package_fault(txs)
    if fault is not None:
        results = {display_hex(tx.wtxid): {"txid": display_hex(tx.id), "error": "package-not-validated"} for tx in txs}
        return {"package_msg": fault, "tx-results": results, "replaced-transactions": []}
    return _Submission(node, txs, rate).run()


def _waits(error: ChainError, held: Sequence[Any]) -> bool:
    """Whether a transaction may still come in together with its child: it pays too little alone, or builds on one that does."""
    if isinstance(error, Missing):
        return bool(held)
    return isinstance(error, Refused) and error.rule in ("min relay fee not met", "mempool min fee not met")


class _Submission:
    """One package: each transaction is tried alone first, those that pay too little by themselves together afterwards."""

    def __init__(self, node: Node, txs: Sequence[Any], rate: int) -> None:
        self.node = node
        self.txs = txs
        self.rate = rate
        self.results: dict[bytes, dict[str, Any]] = {}
        self.replaced: list[bytes] = []

    def run(self) -> dict[str, Any]:
        """Submit; the answer of `submitpackage`."""
        held: list[Any] = []
        failed = False
        for tx in self.txs:
            if self._known(tx) or failed:
                continue
            error = self._submit([*held, tx])
            if error is None:
                held = []
            elif _waits(error, held):
                held.append(tx)
                self._fail(tx, error)
            else:
                failed = True
                for one in [*held, tx]:
                    self._fail(one, error)
        good = all("error" not in r for r in self.results.values()) and len(self.results) == len(self.txs)
        rows = {}
        for tx in self.txs:
            rows[display_hex(tx.wtxid)] = self.results.get(
                tx.wtxid, {"txid": display_hex(tx.id), "error": "package-not-validated"}
            )
        return {
            "package_msg": "success" if good else "transaction failed",
            "tx-results": rows,
            "replaced-transactions": [display_hex(key) for key in self.replaced],
        }

    def _known(self, tx: Any) -> bool:
        entry = self.node.pool.get(tx.id)
        if entry is None:
            return False
        row: dict[str, Any] = {"txid": display_hex(tx.id)}
        if entry.tx.wtxid != tx.wtxid:
            row["other-wtxid"] = display_hex(entry.tx.wtxid)
        else:
            row |= {"vsize": entry.admission.size, "fees": {"base": coins(entry.admission.fee_cap)}}
        self.results[tx.wtxid] = row
        return True

    def _submit(self, txs: list[Any]) -> ChainError | None:
        try:
            if len(txs) == 1:
                changes = self.node.submit_tx(txs[0], check=at_most(self.rate))
            else:
                changes = self.node.submit_package(txs, check=at_most(self.rate))
        except ChainError as e:
            return e
        self.replaced += [gone.id for gone in changes.replaced]
        taken = [self.node.pool.entries[tx.id].admission for tx in txs if tx.id in self.node.pool]
        fee, size = sum(a.fee_cap for a in taken), sum(a.size for a in taken)
        for one in taken:
            fees = {
                "base": coins(one.fee_cap),
                "effective-feerate": coins(fee * 1000 // max(1, size)),
                "effective-includes": [display_hex(a.tx.wtxid) for a in taken],
            }
            self.results[one.tx.wtxid] = {"txid": display_hex(one.id), "vsize": one.size, "fees": fees}
        return None

    def _fail(self, tx: Any, error: ChainError) -> None:
        word = "max-fee-exceeded" if isinstance(error, TooExpensive) else full_reason(error)
        self.results[tx.wtxid] = {"txid": display_hex(tx.id), "error": word}
