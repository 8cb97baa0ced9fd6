"""Block templates for miners (BIP22, BIP23, BIP145): made on the chain thread, kept while fresh, and shown; proposals judged.

It refuses to know how a request reached it; mining_methods.py does.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from consensus.difficulty import earliest
from ledger.api import Aid
from ledger.utxo.checks import COMMITMENT_HEAD
from node.node import Node, Snapshot
from node.producer import Purse
from node.rpc.params import display_hex
from node.rpc.translate import reason
from primitives.chain import Branch, Status
from primitives.errors import ChainError, InvalidHeader, Premature
from primitives.target import expand
from storage.kv import Journal

FRESH_SECONDS = 5
"""How long a template serves although the pool has changed."""
NONCES = "00000000ffffffff"

MORE_FIELDS: list[Callable[[Template, Snapshot], dict[str, Any]]] = []
"""What families say of a template beside Bitcoin's fields, or instead of them; their files of methods add to it."""


@dataclass(frozen=True, slots=True)
class Template:
    """An unsealed block, what the pool knew of its transactions, and when it was made."""

    block: Any
    facts: dict[bytes, tuple[int, int]]
    """By transaction id: fee and sigop cost."""
    height: int
    sequence: int
    made: float

    @property
    def tip(self) -> bytes:
        """The block that it builds on."""
        parent: bytes = self.block.header.parent
        return parent

    @property
    def poll_id(self) -> str:
        """What a client sends to be answered when this is no longer the best."""
        return f"{display_hex(self.tip)}{self.sequence}"


def make(node: Node) -> Template | None:
    """A template of the best of the pool, on the chain thread. None where no block may be made now."""
    purse = Purse(b"\x51")
    with node.position() as at:
        draft = node.producer.draft(at, purse, node.stopping.is_set)
        if draft is None:
            return None
        block = node.producer.assemble(draft, at).block
        pooled = node.pool.entries
        facts = {
            tx.id: (pooled[tx.id].admission.tip_cap, pooled[tx.id].admission.resources[1])
            for tx in block.txs[1:]
            if tx.id in pooled
        }
        return Template(block, facts, at.height + 1, node.pool.sequence, node.env.monotonic())


def is_fresh(template: Template, node: Node) -> bool:
    """Whether it still builds on the tip, and the pool is as it was or was so a moment ago."""
    if template.tip != node.chain.tip.hash:
        return False
    return template.sequence == node.pool.sequence or node.env.monotonic() - template.made <= FRESH_SECONDS


def earliest_time(node: Node, branch: Branch[Any]) -> int:
    """The earliest timestamp of a child of the tip."""
    rule: Any = getattr(node.spec.engine, "rule", None)
    return earliest(rule, branch) if hasattr(rule, "interval") else branch.median_time() + 1


def show(template: Template, at: Snapshot, challenge: bytes) -> dict[str, Any]:
    """A template as `getblocktemplate` answers it."""
    node, header = at.node, template.block.header
    rules = node.spec.ledger.rules  # type: ignore[attr-defined]
    least = earliest_time(node, at.branch)
    when = max(least, at.now)
    bits = node.spec.engine.difficulty(at.branch, when)
    coinbase = template.block.txs[0]
    result: dict[str, Any] = {
        "capabilities": ["proposal"],
        "version": header.version,
        "rules": ["csv", "!segwit", "taproot", *(["!signet"] if challenge else [])],
        "vbavailable": {},
        "vbrequired": 0,
        "previousblockhash": display_hex(header.parent),
        "transactions": _transactions(template),
        "coinbaseaux": {},
        "coinbasevalue": coinbase.outputs[0].value,
        "longpollid": template.poll_id,
        "target": f"{expand(bits).target:064x}",
        "mintime": least,
        "mutable": ["time", "transactions", "prevblock"],
        "noncerange": NONCES,
        "sigoplimit": rules.max_sigop_cost,
        "sizelimit": rules.max_weight,
        "weightlimit": rules.max_weight,
        "curtime": when,
        "bits": f"{bits:08x}",
        "height": template.height,
    }
    if challenge:
        result["signet_challenge"] = challenge.hex()
    for out in coinbase.outputs:
        if out.script.startswith(COMMITMENT_HEAD):
            result["default_witness_commitment"] = out.script.hex()
    for more in MORE_FIELDS:
        result |= more(template, at)
    return result


def _transactions(template: Template) -> list[dict[str, Any]]:
    places: dict[bytes, int] = {}
    rows = []
    for place, tx in enumerate(template.block.txs[1:], 1):
        fee, sigops = template.facts[tx.id]
        rows.append(
            {
                "data": tx.raw.hex(),
                "txid": display_hex(tx.id),
                "hash": display_hex(tx.wtxid),
                "depends": sorted({places[i.txid] for i in tx.inputs if i.txid in places}),
                "fee": fee,
                "sigops": sigops,
                "weight": tx.weight,
            }
        )
        places[tx.id] = place
    return rows


def judge(at: Snapshot, block: Any) -> str | None:
    """The verdict on a proposed block, its seal left out: None where it would do, else BIP22's or Core's word."""
    known = at.view.entry(block.header.hash)
    if known is not None:
        if known.invalid:
            return "duplicate-invalid"
        return "duplicate" if known.status & Status.VALID else "duplicate-inconclusive"
    if block.header.parent != at.tip.hash:
        return "inconclusive-not-best-prevblk"
    spec, branch = at.spec, at.branch
    try:
        if block.header.bits != spec.engine.difficulty(branch, block.header.timestamp):
            raise InvalidHeader("bad-diffbits", "incorrect proof of work")
        spec.ledger.check_header(block.header, branch)
        if block.header.timestamp > at.now + spec.network.drift:
            raise Premature("time-too-new")
        spec.ledger.check_block(block, branch)
        spec.ledger.connect(block, branch, Journal(at.state), Aid())
    except ChainError as e:
        return reason(e)
    return None
