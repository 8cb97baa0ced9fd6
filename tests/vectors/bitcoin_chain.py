"""The chain suites of the Bitcoin vectors: headers, retargets, whole chains, and single blocks with and without their coins.

Cases of one chain share it: each brings it as far as its own block, so that any worker can take any of them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import Any

from chains.bitcoin import MAINNET, REGTEST, SPECS, TESTNET3, display
from chains.spec import ChainSpec
from consensus.difficulty import next_bits
from ledger.api import Aid
from ledger.utxo import checks
from ledger.utxo.coins import Coin, CoinView
from ledger.utxo.sigops import legacy_sigops, sigop_cost
from node.chain import Chain
from node.results import Stored, TipChanged
from primitives import merkle, target
from primitives.bitcoin import BitcoinBlock, BitcoinHeader, decode_block, encode_block, outpoint, read_header
from primitives.buffer import Reader
from primitives.chain import Entry, Status
from primitives.errors import InvalidHeader
from storage.kv import Journal
from storage.memory import MemoryStore
from tests.builders import DictKV, ListBranch
from vm.script.flags import Flags

Case = tuple[str, Callable[[], None]]

LATE = 2_000_000_000
"""A clock that no vector is ahead of."""


def _load(path: Path) -> Any:
    return json.loads(path.read_text())


def _open(spec: ChainSpec) -> Chain:
    return Chain(replace(spec, minimum_weight=0, assume_valid=None), MemoryStore())


# Headers


class Headers:
    """A chain of headers that grows when a case asks for more of it."""

    def __init__(self, spec: ChainSpec, headers: Sequence[bytes]) -> None:
        self.spec = spec
        self.headers = headers
        genesis = spec.genesis.header
        self.entries: list[Entry[Any]] = [Entry(genesis, 0, spec.engine.weight(genesis), status=Status.VALID)]

    def judge(self, height: int) -> None:
        """Bring the chain to a height. The first header that is not lawful there raises, now and for every later case."""
        while len(self.entries) <= height:
            header = read_header(Reader(self.headers[len(self.entries)]))
            branch = ListBranch(self.entries)
            assert header.parent == branch.tip.hash, "the header does not follow"
            self.spec.ledger.check_header(header, branch)
            self.spec.engine.check_header(header, branch)
            weight = branch.tip.weight + self.spec.engine.weight(header)
            self.entries.append(Entry(header, len(self.entries), weight))
        assert self.entries[height].header.raw == self.headers[height]


def headers(root: Path) -> Iterator[Case]:
    """Each header is the lawful child of the one before: difficulty, proof, median time, version."""
    data = (root / "chains" / "mainnet_headers_0-10236.bin").read_bytes()
    chain = Headers(MAINNET, [data[at : at + 80] for at in range(0, len(data), 80)])
    for height in range(len(chain.headers)):
        yield f"mainnet/{height}", partial(chain.judge, height)
    found = _load(root / "chains" / "testnet3_headers.json")
    main = [bytes.fromhex(h) for h in found["main"]]
    chain = Headers(TESTNET3, [TESTNET3.genesis.header.raw, *main])  # type: ignore[attr-defined]
    for height in range(1, len(chain.headers)):
        yield f"testnet3/{height}", partial(chain.judge, height)
    fork = [bytes.fromhex(h) for h in found["fork"]]
    for at in range(len(fork)):
        yield f"testnet3-fork/{at}", partial(_fork_below_checkpoint, main, fork, at)


def _fork_below_checkpoint(main: Sequence[bytes], fork: Sequence[bytes], at: int) -> None:
    """Lawful by itself, but no longer once the checkpoint above it is reached."""
    chain = _open(TESTNET3)
    for raw in fork[: at + 1]:
        chain.accept_header(read_header(Reader(raw)), LATE)
    chain = _open(TESTNET3)
    for raw in main:
        chain.accept_header(read_header(Reader(raw)), LATE)
    assert chain.best_header.height == 546
    try:
        for raw in fork[: at + 1]:
            chain.accept_header(read_header(Reader(raw)), LATE)
    except InvalidHeader as e:
        assert e.rule == "bad-fork-prior-to-checkpoint", e
    else:
        raise AssertionError("a fork below the checkpoint was taken")


# Retargets


class Known:
    """A branch of which a state tells the tip, the last eleven times, and the first block of the period."""

    def __init__(self, state: Mapping[str, Any]) -> None:
        self.height = state["block_height"]
        self.bits = target.compact(int(state["current_target"]))
        self.times = {self.height - at: time for at, time in enumerate(reversed(state["prev_timestamps"]))}
        self.times.setdefault(self.height - self.height % 2016, state["epoch_start_time"])
        self.work, self.parent = int(state["total_work"]), display(state["best_block_hash"])

    @property
    def tip(self) -> Entry[Any]:
        return self.at(self.height)

    def at(self, height: int) -> Entry[Any]:
        return Entry(BitcoinHeader(1, bytes(32), bytes(32), self.times[height], self.bits, 0), height, self.work)

    def last(self, count: int) -> Sequence[Entry[Any]]:
        return [self.at(self.height - at) for at in range(min(count, 11))]

    def median_time(self) -> int:
        return int(sorted(e.header.timestamp for e in self.last(11))[5])


def retargets(root: Path) -> Iterator[Case]:
    """From a known state, each header claims the difficulty that the rule gives, and leads to the known next state."""
    for case in _load(root / "chains" / "retarget_states.json"):
        yield str(case["expected"]["block_height"]), partial(_retarget, case)


def _retarget(case: Mapping[str, Any]) -> None:
    state, expected = dict(case["prev_state"]), case["expected"]
    for fields, root in zip(case["headers"], case["merkle_roots"], strict=True):
        branch = Known(state)
        header = BitcoinHeader(
            fields["version"],
            branch.parent,
            display(root),
            fields["time"],
            fields["bits"],
            fields["nonce"],
        )
        MAINNET.ledger.check_header(header, branch)
        MAINNET.engine.check_header(header, branch)
        assert next_bits(MAINNET.engine.rule, branch, header.timestamp) == header.bits  # type: ignore[attr-defined]
        height = branch.height + 1
        state = {
            "block_height": height,
            "total_work": str(branch.work + MAINNET.engine.weight(header)),
            "best_block_hash": header.hash[::-1].hex(),
            "current_target": str(target.expand(header.bits).target),
            "epoch_start_time": state["epoch_start_time"] if height % 2016 else header.timestamp,
            "prev_timestamps": [*state["prev_timestamps"], header.timestamp][-11:],
        }
    assert state == expected, f"{state} != {expected}"


# Chains


class Blocks:
    """A chain of the node that takes blocks when a case asks for more of them."""

    def __init__(self, spec: ChainSpec, blocks: Sequence[str]) -> None:
        self.blocks = [bytes.fromhex(b) for b in blocks]
        self.chain = _open(spec)

    def judge(self, height: int) -> None:
        """Bring the chain to a height."""
        while self.chain.tip.height < height:
            raw = self.blocks[self.chain.tip.height]
            block = decode_block(raw)
            assert encode_block(block) == raw
            result = self.chain.accept(block, LATE)
            assert isinstance(result, TipChanged), result
            assert self.chain.tip.hash == block.header.hash


def chains(root: Path) -> Iterator[Case]:
    """Whole chains, connected in full; the last case of each also takes it apart again down to genesis."""
    for name, spec, file in (
        ("mainnet", MAINNET, "mainnet_blocks_1-256.json"),
        ("regtest", REGTEST, "regtest_blocks_206.json"),
    ):
        linear = Blocks(spec, _load(root / "chains" / file))
        for height in range(1, len(linear.blocks) + 1):
            yield f"{name}/{height}", partial(linear.judge, height)
    found = _load(root / "chains" / "btcd_reorg.json")
    blocks = [*found["blk_0_to_4"], *found["blk_3A"], *found["blk_4A"], *found["blk_5A"]]
    for at, name in enumerate(("0", "1", "2", "3", "4", "3A", "4A", "5A")):
        yield f"reorg/{name}", partial(_reorganise, [bytes.fromhex(b) for b in blocks], at)


def _reorganise(raws: Sequence[bytes], last: int) -> None:
    """A side chain waits until it is longer, then takes over. Coinbases mature after one block, as in btcd's test."""
    ledger: Any = MAINNET.ledger
    spec = replace(MAINNET, ledger=replace(ledger, rules=replace(ledger.rules, maturity=1)), checkpoints={})
    chain = _open(spec)
    blocks = [decode_block(raw) for raw in raws]
    assert blocks[0].header.hash == chain.tip.hash and encode_block(blocks[0]) == raws[0]
    for at, block in enumerate(blocks[1 : last + 1], 1):
        before = chain.tip.hash
        result = chain.accept(block, LATE)
        if at in (5, 6):  # 3A and 4A are no better than what is there
            assert isinstance(result, Stored) and chain.tip.hash == before
            continue
        assert isinstance(result, TipChanged) and chain.tip.hash == block.header.hash
        if at == 7:
            assert [e.hash for e in result.reverted] == [blocks[4].header.hash, blocks[3].header.hash]
            assert [c.entry.hash for c in result.connected] == [b.header.hash for b in blocks[5:]]
    with chain.view() as view:
        coins = dict(CoinView(view.state))
    fresh = _open(spec)
    for block in blocks[1:3] + blocks[5:] if last == 7 else blocks[1 : min(last, 4) + 1]:
        fresh.accept(block, LATE)
    with fresh.view() as view:
        assert coins == dict(CoinView(view.state))


# Single blocks


class Around:
    """The branch under a single block: its parent, and median times where the data have them."""

    def __init__(self, block: BitcoinBlock, height: int, medians: Mapping[int, int], times: Sequence[int]) -> None:
        self.block = block
        self.height = height - 1
        self.medians = medians
        self.median = sorted(times)[5] if times else block.header.timestamp - 1

    @property
    def tip(self) -> Entry[Any]:
        return Entry(_Parent(self.block.header), self.height, 0)

    def at(self, height: int) -> Entry[Any]:
        """An ancestor whose time makes the median five blocks later the one that the data tell."""
        known = [h for h in self.medians if h <= height + 6]
        time = self.medians[max(known)] if known else 0
        return Entry(BitcoinHeader(1, bytes(32), bytes(32), time, 0, 0), height, 0)

    def last(self, count: int) -> Sequence[Entry[Any]]:
        return [self.at(self.height - at) for at in range(count)]

    def median_time(self) -> int:
        return self.median


class _Parent:
    """A header of which the hash alone is known."""

    def __init__(self, child: BitcoinHeader) -> None:
        self.hash = child.parent
        self.parent = bytes(32)
        self.timestamp = child.timestamp


@cache
def _block(folder: Path) -> tuple[BitcoinBlock, dict[str, Any]]:
    raw = bytes.fromhex((folder / "block.hex").read_text())
    block = decode_block(raw)
    assert encode_block(block) == raw
    return block, _load(folder / "meta.json")


def _form(folder: Path) -> None:
    """Hash, counts, sizes, proof of work, merkle root and witness commitment, as meta.json tells them."""
    block, meta = _block(folder)
    spec = SPECS[meta["network"]]
    engine, ledger = spec.engine, spec.ledger
    assert block.header.hash == display(meta["hash"])
    assert target.meets(block.header.hash, block.header.bits, engine.rule.limit)  # type: ignore[attr-defined]
    assert merkle.root([tx.id for tx in block.txs]) == block.header.merkle_root
    found = {
        "size": block.size,
        "stripped_size": block.base_size,
        "weight": block.weight,
        "time": block.header.timestamp,
        "txs": len(block.txs),
        "segwit_txs": sum(tx.has_witness for tx in block.txs[1:]),
        "inputs": sum(len(tx.inputs) for tx in block.txs[1:]),
        "outputs": sum(len(tx.outputs) for tx in block.txs),
        "legacy_sigops": sum(map(legacy_sigops, block.txs)),
    }
    told = {k: meta[k] for k in found}
    assert found == told, f"{found} != {told}"
    assert checks.block_weight(block.txs) == block.weight
    branch = Around(block, meta["height"], {}, meta.get("prev_11_timestamps", ()))
    ledger.check_header(block.header, branch)
    ledger.check_block(block, branch)
    if meta["witness_commitment_ok"] is not None:
        assert checks.witness_commitment(block.coinbase) is not None
        checks.check_witness_commitment(block.txs, True)
    if meta["bip34_height"] is not None:
        assert block.coinbase.inputs[0].script.startswith(checks.height_push(meta["bip34_height"]))


def _connect(folder: Path) -> None:
    """Every input of the block is verified with its coin; fees, weight, sigop cost and reward are those of meta.json."""
    _form(folder)
    block, meta = _block(folder)
    spec = SPECS[meta["network"]]
    state, medians = DictKV(), {}
    view, here = CoinView(state), {tx.id for tx in block.txs}
    for told in _load(folder / "prevouts.json"):
        coin = Coin(
            told["value_sat"], bytes.fromhex(told["script_hex"]), told.get("height", 0), told.get("coinbase", False)
        )
        txid = display(told["txid"])
        if told.get("same_block"):
            assert txid in here
        else:
            view.add(outpoint(txid, told["vout"]), coin)
        if "mtp" in told and "height" in told:
            medians[told["height"]] = told["mtp"]
    branch = Around(block, meta["height"], medians, meta.get("prev_11_timestamps", ()))
    ledger: Any = spec.ledger
    flags = ledger.rules.flags(block.header, branch, None)
    assert flags == Flags.named(meta["script_flags"]), Flags(flags)
    applied = ledger.connect(block, branch, Journal(state), Aid())
    assert len(applied.spent) == meta["inputs"]
    assert applied.fees == meta["fees_sat"]
    assert sum(o.value for o in block.coinbase.outputs) == meta["coinbase_out_sat"]
    assert ledger.rules.subsidy(meta["height"]) == meta["subsidy_sat"]
    cost, at = sigop_cost(block.coinbase, (), flags), 0
    for tx in block.txs[1:]:
        cost += sigop_cost(tx, applied.spent[at : at + len(tx.inputs)], flags)
        at += len(tx.inputs)
    assert cost == meta["sigop_cost"]
    if "next_target_dec" in meta:  # the previous one is that of the period before, where a new period begins
        assert target.expand(block.header.bits).target == int(meta["next_target_dec"])
        work = int(meta["prev_chainwork_dec"]) + spec.engine.weight(block.header)
        assert work == int(meta["next_chainwork_dec"])


def blocks(root: Path) -> Iterator[Case]:
    """Real blocks with the coins that they spend."""
    for folder in sorted(p for p in (root / "blocks").iterdir() if p.is_dir()):
        yield folder.name, partial(_connect, folder)


def blocks_nocoins(root: Path) -> Iterator[Case]:
    """Real blocks without their coins."""
    for folder in sorted(p for p in (root / "blocks_nocoins").iterdir() if p.is_dir()):
        yield folder.name, partial(_form, folder)


SUITES = {
    "headers": headers,
    "retarget_states": retargets,
    "chains": chains,
    "blocks": blocks,
    "blocks_nocoins": blocks_nocoins,
}
