"""Suites of the node: compact filters, and the block batteries through `Chain.accept`."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

from chains.bitcoin import PARAMETERS, build
from chains.spec import ChainSpec
from ledger.utxo.coins import CoinView
from ledger.utxo.statistics import statistics
from node.chain import Chain
from node.filters import basic_filter, decode_filter, encode_filter, filter_header, matches
from node.results import Event, Parked, Rejected
from primitives.bitcoin import decode_block
from primitives.errors import DecodeError, RuleError
from storage.memory import MemoryStore

Case = tuple[str, Callable[[], None]]


def blockfilters(root: Path) -> Iterator[Case]:
    """BIP158's testnet blocks: filter, filter header, and that every script of the block matches."""
    for row in json.loads((root / "filters" / "blockfilters.json").read_text())[1:]:
        yield f"{row[0]} {row[7]}", partial(_blockfilter, row)


def _blockfilter(row: list[Any]) -> None:
    _, hash_hex, block_hex, scripts, previous, expected, header, _ = row
    block = decode_block(bytes.fromhex(block_hex))
    assert block.header.hash[::-1].hex() == hash_hex
    spent = [bytes.fromhex(s) for s in scripts]
    data = basic_filter(block, spent)
    assert data.hex() == expected
    assert filter_header(data, bytes.fromhex(previous)[::-1])[::-1].hex() == header
    items = {s for s in spent if s} | {
        o.script for tx in block.txs for o in tx.outputs if o.script and o.script[:1] != b"\x6a"
    }
    assert decode_filter(data)[0] == len(items)
    assert all(matches(block.header.hash, data, [item]) for item in items)
    assert not matches(block.header.hash, data, [b"no script of this block"])
    assert encode_filter(block.header.hash, items) == data


def steps(root: Path) -> list[dict[str, Any]]:
    """The steps of Bitcoin Core's feature_block; the first is the header."""
    with gzip.open(root / "batteries" / "core_feature_block.jsonl.gz", "rt") as lines:
        return [json.loads(line) for line in lines]


def battery_spec(bip34: int) -> ChainSpec:
    """Regtest with every soft fork from the start, BIP34 from a height."""
    regtest = PARAMETERS["regtest"]
    return build(replace(regtest, activations=replace(regtest.activations, bip34=bip34)))


class Battery:
    """Delivers the steps to a chain by `submit`, and looks at the verdicts."""

    def __init__(self, head: dict[str, Any]) -> None:
        self.now = int(head["mock_time"])
        self.told: list[str] = []
        """The reject words of stored blocks that turned out bad: Core logs those, and the steps expect them."""
        self.chain = Chain(battery_spec(int(head["bip34_height"])), MemoryStore(), observers=[self._hear])

    def _hear(self, event: Event) -> None:
        if isinstance(event, Rejected) and isinstance(event.error, RuleError):
            self.told.append(event.error.rule)

    def submit(self, raw: bytes) -> str | None:
        """Deliver one block; the reject word, or None."""
        try:
            result = self.chain.accept(decode_block(raw), self.now, park=True)
        except DecodeError as e:
            return str(e)
        except RuleError as e:
            return e.rule
        return getattr(result.reason, "rule", "missing") if isinstance(result, Parked) else None

    def send(self, step: dict[str, Any]) -> None:
        """Deliver the blocks of a step; compare tip and reject word."""
        self.told.clear()
        words = [self.submit(bytes.fromhex(b["hex"])) for b in step["blocks"]]
        last = bytes.fromhex(step["blocks"][-1]["hash"])[::-1]
        assert (self.chain.tip.hash == last) == step["tip_becomes_last"], (
            f"tip at height {self.chain.tip.height}, {words[-1]}"
        )
        reason = step["reject_reason"]
        if reason == "*" or (reason is None and step["peer_disconnected"]):
            assert words[-1] is not None
        elif reason is not None:
            heard = [w for w in (words[-1], *self.told) if w is not None]
            assert words[-1] is not None and any(agrees(reason, w) for w in heard), f"{heard}, not {reason}"

    def act(self, step: dict[str, Any]) -> None:
        """Perform an action between the blocks."""
        match step["action"]:
            case "setmocktime":
                self.now = int(step["time"])
            case "invalidateblock":
                self.chain.invalidate(bytes.fromhex(step["hash"])[::-1])
            case "expect_tip":
                assert self.chain.tip.hash[::-1].hex() == step["hash"]
            case "gettxout":
                with self.chain.view() as view:
                    coin = CoinView(view.state).get(bytes.fromhex(step["txid"])[::-1] + step["n"].to_bytes(4, "little"))
                    assert coin is not None and view.tip.height - coin.height + 1 == step["confirmations"]
            case "mempool_size":
                pass  # the mempool's, where the steps are delivered to a node
            case other:
                raise AssertionError(f"unknown action {other}")


def agrees(expected: str, word: str) -> bool:
    """Whether a reject word is Core's, which may carry a detail after a comma."""
    if expected.startswith("non-canonical"):
        return word.startswith("non-canonical")
    return expected.split(",")[0] == word


def batteries(root: Path) -> Iterator[Case]:
    """feature_block in order through `Chain.accept`, then all its blocks backwards, judged by final tip and coins.

    A case is one step, but the steps need each other: the first case that a process runs delivers them all.
    """
    for number, step in enumerate(steps(root)[1:]):
        what = step.get("action") or ",".join(b["name"] for b in step["blocks"][:3])
        yield f"in order: {step['seq']} {what} {step.get('section', '')}".strip(), partial(_step, root, number)
    yield "in reverse order", partial(_backwards, root)


def _step(root: Path, number: int) -> None:
    error = in_order(root)[1][number]
    if error is not None:
        raise error


@lru_cache(1)
def in_order(root: Path) -> tuple[Battery, list[Exception | None]]:
    """The chain after all steps, and what was wrong with each."""
    head, *rest = steps(root)
    battery, errors = Battery(head), list[Exception | None]()
    for step in rest:
        try:
            battery.act(step) if "action" in step else battery.send(step)
        except Exception as e:
            errors.append(e)
        else:
            errors.append(None)
    return battery, errors


def _backwards(root: Path) -> None:
    """All blocks, the last first, wait for their parents; the chain ends where it ended in order."""
    forwards, _ = in_order(root)
    head, *rest = steps(root)
    other = Battery(head)
    for step in rest:
        other.now = max(other.now, int(step.get("time", 0)))
    for block in reversed([b for step in rest for b in step.get("blocks", ())]):
        other.submit(bytes.fromhex(block["hex"]))
    for step in rest:
        if step.get("action") == "invalidateblock":
            other.act(step)
    assert other.chain.tip.hash == forwards.chain.tip.hash, f"{other.chain.tip.height}, not {forwards.chain.tip.height}"
    assert coins_of(other.chain) == coins_of(forwards.chain)


def coins_of(chain: Chain) -> tuple[int, bytes | None]:
    """Count and hash of the coins at the tip."""
    with chain.view() as view:
        found = statistics(view.state)
    return found.txouts, found.hash_serialized


SUITES = {"blockfilters": blockfilters, "batteries": batteries}
