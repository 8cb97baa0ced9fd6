"""The PeerCoin vectors that are chains: mainnet to block 6505, three regtest chains, the blocks that were refused, and reorganisations.

Cases of one chain share it: each brings it as far as its own block, so that any worker can take any of them.
"""

from __future__ import annotations

import lzma
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any

from chains.peercoin import MAINNET, REGTEST
from chains.spec import ChainSpec
from consensus.stake import Stake, stakeable
from consensus.stake_kernel import kernel_hash, threshold, weight
from consensus.stake_modifier import candidates, kernel_modifier, select
from consensus.stake_note import Note, note_of
from ledger.utxo.coins import Coin
from ledger.utxo.peercoin import minted, stake_time
from ledger.utxo.rewards import COIN
from node.chain import Chain
from node.results import Stored, TipChanged
from node.spent import spent_coins
from primitives.bitcoin import Transaction
from primitives.chain import Entry
from primitives.errors import Refused, RuleError
from primitives.peercoin import PeercoinBlock, decode_block, encode_block
from storage.memory import MemoryStore
from tests.vectors.peercoin_data import LATE, Case, lines_of, load, recorded_word, same, shown, wire_block
from tests.vectors.peercoin_functions import SUITES as FUNCTIONS
from tests.vectors.peercoin_poisoned import SUITES as POISONED
from tests.vectors.peercoin_wire import SUITES as WIRE


class Grown:
    """A chain that grows when a case asks for more of it."""

    def __init__(self, spec: ChainSpec, blocks: Sequence[bytes]) -> None:
        self.spec = spec
        self.blocks = blocks
        self.chain = Chain(spec, MemoryStore())
        self.failure: tuple[int, BaseException] | None = None

    @property
    def engine(self) -> Stake:
        """The spec's engine."""
        engine = self.spec.engine
        assert isinstance(engine, Stake)
        return engine

    def reach(self, height: int) -> Chain:
        """Bring the chain to a height at least; a block that is refused raises for it and for all above."""
        if self.failure is not None and height >= self.failure[0]:
            raise AssertionError(f"block {self.failure[0]} was refused") from self.failure[1]
        while (at := self.chain.tip.height + 1) <= height:
            try:
                result = self.chain.accept(decode_block(self.blocks[at]), LATE, park=False)
                assert isinstance(result, TipChanged), f"block {at} did not become the tip"
            except BaseException as e:
                self.failure = (at, e)
                raise
        return self.chain

    def at(self, height: int) -> tuple[Entry[Any], PeercoinBlock, Note, tuple[Coin, ...]]:
        """The entry, block, note and spent coins at a height."""
        with self.reach(height).view() as view:
            entry = view.at(height)
            assert entry is not None
            block = view.block(entry.hash)
            assert isinstance(block, PeercoinBlock)
            return entry, block, note_of(entry, self.engine.modifiers.genesis), spent_coins(block, view.undo(entry))


# Mainnet


def mainnet_bytes(root: Path) -> list[bytes]:
    """The blocks of mainnet in order, genesis first."""
    data = lzma.decompress((root / "mainnet" / "mainnet-blocks-0-6505.dat.xz").read_bytes())
    blocks, at = [], 0
    while at < len(data):
        assert data[at : at + 4] == MAINNET.network.magic
        size = int.from_bytes(data[at + 4 : at + 8], "little")
        blocks.append(data[at + 8 : at + 8 + size])
        at += 8 + size
    return blocks


@cache
def _main(root: Path) -> Grown:
    return Grown(MAINNET, mainnet_bytes(root))


def mainnet(root: Path) -> Iterator[Case]:
    """Every block of mainnet that is here is accepted in order, and everything recorded of it is equal."""
    rows = lines_of(root / "mainnet" / "mainnet-index-0-6505.jsonl")[1:]
    kernels = {k["height"]: k for k in load(root / "mainnet" / "mainnet-pos-kernels-v02.json")["blocks"]}
    for row in rows:
        yield str(row["height"]), partial(_mainnet_block, root, row, kernels.get(row["height"]))


def _mainnet_block(root: Path, row: Mapping[str, Any], kernel: Mapping[str, Any] | None) -> None:
    grown, height = _main(root), row["height"]
    entry, block, note, spent = grown.at(height)
    same("bytes", encode_block(block), grown.blocks[height])
    same("hash", shown(entry.hash), row["hash"])
    same("time", entry.header.timestamp, row["time"])
    same("bits", f"{entry.header.bits:08x}", row["bits"])
    same("kind", (entry.header.stake, note.stake), (row["pos"], row["pos"]))
    _check_note(note, row)
    same("generated", note.generated, row["generated"])
    assert row["pos"] == (kernel is not None), "a kernel is recorded for each block of stake"
    if kernel is not None:
        same("inputs", len(block.txs[1].inputs), kernel["inputs"])
        same("mint", minted(block, spent), kernel["mint"])
        _check_kernel(grown, height, kernel["kernel"])


def _check_note(note: Note, row: Mapping[str, Any]) -> None:
    same("entropy bit", note.entropy, row["entropybit"])
    same("modifier", f"{note.modifier:016x}", row["modifier"])
    same("checksum", f"{note.checksum:08x}", row["modifierchecksum"])


def _check_kernel(grown: Grown, height: int, row: Mapping[str, Any]) -> None:
    """Everything that goes into a kernel's hash, and what it is compared with."""
    entry, block, note, spent = grown.at(height)
    engine, coinstake = grown.engine, block.txs[1]
    time = stake_time(coinstake, entry.header.timestamp)
    coin = spent[0]
    with grown.chain.view() as view:
        parent = view.at(height - 1)
        assert parent is not None
        branch = view.entries.branch(parent)
        found = stakeable(coin, coinstake.inputs[0].vout, branch)
        modifier = None
        if time >= engine.switches.v03:
            modifier = kernel_modifier(engine.modifiers, branch, coin.height, time)
            assert modifier is not None
            same("modifier of the kernel", f"{modifier:016x}", row["modifier"])
            if row["modifierHeight"] is not None:
                taken = view.at(row["modifierHeight"])
                assert taken is not None
                same("modifier at its height", note_of(taken, engine.modifiers.genesis).modifier, modifier)
        else:
            assert row["modifier"] is None
    same("bits", f"{entry.header.bits:08x}", row["bits"])
    same("height of the coin", coin.height, row["blockFromHeight"])
    same("block time", found.block_time, row["nTimeBlockFrom"])
    same("offset", found.offset, row["nTxPrevOffset"])
    same("time of the transaction", found.tx_time, row["nTimeTxPrev"])
    same("output", found.index, row["nPrevout"])
    same("transaction", shown(coinstake.inputs[0].txid), row["prevTxid"])
    same("time of the stake", time, row["nTimeTx"])
    same("value", found.value, row["value"])
    days = weight(found, time, engine.ages, engine.switches)
    same("weight", days, row["coinDayWeight"])
    same("target", threshold(entry.header.bits, days), int(row["target"], 16))
    proof = kernel_hash(found, time, modifier, entry.header.bits)
    same("proof", (shown(proof), proof), (row["hashProof"], note.proof))
    assert row["meets"] and row["minAgeOk"]


# Regtest

CHAINS = ("regtest-chain", "regtest-history-chain", "regtest-segwit-chain")


@cache
def _regtest(root: Path, name: str) -> Grown:
    return Grown(REGTEST, [bytes.fromhex(row["hex"]) for row in lines_of(root / f"{name}.jsonl")])


def regtest(root: Path) -> Iterator[Case]:
    """Every block of the three chains is accepted in order, and every recorded value is equal; then what their notes say of the tip."""
    for name in CHAINS:
        for row in lines_of(root / f"{name}.jsonl"):
            yield f"{name}/{row['height']}", partial(_regtest_block, root, name, row)
        yield f"{name}/meta", partial(_regtest_meta, root, name)
    yield "regtest-chain/reorganisation", partial(_meta_reorganisation, root)


def _regtest_block(root: Path, name: str, row: Mapping[str, Any]) -> None:
    grown, height = _regtest(root, name), row["height"]
    entry, block, note, spent = grown.at(height)
    header, told = block.header, row["block"]
    same("bytes", encode_block(block).hex(), row["hex"])
    same("hash", (shown(entry.hash), shown(entry.hash)), (row["hash"], told["hash"]))
    trust = f"{entry.weight:064x}"
    same("trust", (trust, trust), (row["trust"], told["chainwork"]))
    same("height", entry.height, told["height"])
    same("version", (header.version, f"{header.version & 0xFFFFFFFF:08x}"), (told["version"], told["versionHex"]))
    same("merkle root", shown(header.merkle_root), told["merkleroot"])
    same("time", header.timestamp, told["time"])
    same("bits and nonce", (f"{header.bits:08x}", header.nonce), (told["bits"], told["nonce"]))
    if height:
        same("parent", shown(header.parent), told["previousblockhash"])
    with grown.chain.view() as view:
        same("median time", view.entries.branch(entry).median_time(), told["mediantime"])
    same("sizes", (block.size, block.base_size, block.weight), (told["size"], told["strippedsize"], told["weight"]))
    same("mint", minted(block, spent), round(told["mint"] * COIN))
    flags = ("proof-of-stake" if note.stake else "proof-of-work") + " stake-modifier" * note.generated
    same("flags", flags, told["flags"])
    same("blocks of stake", note.stakes, told["nHeightStake"])
    same("proof", shown(note.proof or entry.hash), told["proofhash"])
    same("signature", block.signature.hex(), told["blocksignature"])
    _check_note(note, told)
    same("transactions", len(block.txs), told["nTx"])
    for tx, expected in zip(block.txs, told["tx"], strict=True):
        _check_transaction(tx, expected)
    assert ("kernel" in row) == note.stake
    if note.stake:
        value_in = sum(c.value for c in spent[: len(block.txs[1].inputs)])
        same("reward", sum(o.value for o in block.txs[1].outputs) - value_in, round(told["tx"][1]["reward"] * COIN))
        _check_kernel(grown, height, row["kernel"])
        _check_node_kernel(row["kernel"], row["nodeKernel"])
    if note.generated and height:
        _check_selection(grown, _drawn_last(root, name)[told["modifier"]], row["nodeModifierSelection"])


def _check_transaction(tx: Transaction, told: Mapping[str, Any]) -> None:
    same("txid", (shown(tx.id), shown(tx.wtxid)), (told["txid"], told["hash"]))
    same("version", tx.version, told["version"])
    same("transaction time", tx.time or 0, told["time"])
    same("transaction size", (len(tx.raw), tx.lock_time), (told["size"], told["locktime"]))
    for spend, expected in zip(tx.inputs, told["vin"], strict=True):
        same("sequence", spend.sequence, expected["sequence"])
        if "coinbase" in expected:
            same("coinbase", spend.script.hex(), expected["coinbase"])
        else:
            point = (shown(spend.txid), spend.vout, spend.script.hex())
            same("input", point, (expected["txid"], expected["vout"], expected["scriptSig"]["hex"]))
        same("witness", [item.hex() for item in spend.witness], expected.get("txinwitness", []))
    for output, expected in zip(tx.outputs, told["vout"], strict=True):
        made = (output.value, output.script.hex())
        same("output", made, (round(expected["value"] * COIN), expected["scriptPubKey"]["hex"]))


def _check_node_kernel(kernel: Mapping[str, Any], node: Mapping[str, Any]) -> None:
    """What the node logged of a kernel; ours were compared with `kernel` already."""
    for name in ("protocol", "nTimeBlockFrom", "nTxPrevOffset", "nTimeTxPrev", "nPrevout", "nTimeTx", "hashProof"):
        same(name, kernel[name], node[name])
    head = kernel["bits"] if kernel["modifier"] is None else kernel["modifier"]
    same("modifier or bits", int(head, 16), int(node["modifierOrBits"], 16))
    if "modifierHeight" in node:
        same("modifier height", kernel["modifierHeight"], node["modifierHeight"])
    if "blockFromHeight" in node:
        same("height of the coin", kernel["blockFromHeight"], node["blockFromHeight"])


@cache
def _drawn_last(root: Path, name: str) -> Mapping[str, int]:
    """Modifier -> the last height at which it was generated: the record names a selection by the modifier that it made.

    Two selections can make one modifier, where the longer one adds bits of zero; the last one logged was kept for both.
    """
    return {
        r["block"]["modifier"]: r["height"]
        for r in lines_of(root / f"{name}.jsonl")
        if "modifier" in r["block"]["flags"]
    }


def _check_selection(grown: Grown, height: int, told: Mapping[str, Any]) -> None:
    rule, entry = grown.engine.modifiers, grown.at(height)[0]
    with grown.chain.view() as view:
        parent = view.entries.parent(entry)
        branch = view.entries.branch(parent)
        start = parent.header.timestamp // rule.interval * rule.interval - rule.span
        found = candidates(rule, branch, start)
        chosen = select(rule, found, start, note_of(parent, rule.genesis).modifier)
    same("winners", [[c.height, c.entropy] for c in chosen], told["selectedHeightsAndBits"])
    if "map" not in told:
        return
    first, last, drawn = told["map"]
    kinds = {c.height: ("=" if c.proof else "-") for c in found}
    kinds |= {c.height: ("S" if c.proof else "W") for c in chosen}
    same("map", (min(kinds), max(kinds)), (first, last))
    same("map", "".join(kinds.get(h, " ") for h in range(first, last + 1)), drawn)


def _regtest_meta(root: Path, name: str) -> None:
    meta, grown = load(root / f"{name}-meta.json"), _regtest(root, name)
    same("blocks", len(grown.blocks), meta["blocks"])
    tip = grown.reach(meta["height"]).tip
    same("tip", (shown(tip.hash), f"{tip.weight:064x}"), (meta["tip"], meta["trust"]))
    same("blocks of stake", note_of(tip, grown.engine.modifiers.genesis).stakes, meta["posBlocks"])
    info = meta.get("getblockchaininfo")
    if info is not None:
        same("info", (tip.height, shown(tip.hash)), (info["blocks"], info["bestblockhash"]))
        same("chain work", f"{tip.weight:064x}", info["chainwork"])


def _meta_reorganisation(root: Path) -> None:
    """The abandoned branch first, then the recorded one wins."""
    reorg = load(root / "regtest-chain-meta.json")["reorg"]
    grown = Grown(REGTEST, _regtest(root, "regtest-chain").blocks)
    chain = grown.reach(reorg["forkHeight"])
    same("fork", shown(chain.tip.hash), reorg["forkHash"])
    for left in reorg["abandoned"]:
        chain.accept(decode_block(bytes.fromhex(left["hex"])), LATE)
        same("abandoned tip", shown(chain.tip.hash), left["hash"])
    for raw in grown.blocks[reorg["forkHeight"] + 1 :]:
        chain.accept(decode_block(raw), LATE)
    same("new tip", shown(chain.tip.hash), reorg["newTip"])
    with chain.view() as view:
        tips = {shown(e.hash): e.height for e in view.entries.ends()}
    same("tips", tips, {t["hash"]: t["height"] for t in reorg["chaintips"]})


# Blocks that were refused


def negatives(root: Path) -> Iterator[Case]:
    """Every block that the node refused is refused with its word, and nothing moves."""
    cases = load(root / "regtest-history-negatives.json")["cases"]
    twin = "duplicate-stake-sibling"
    for case in sorted(
        cases, key=lambda c: (c["onTopOfHeight"] + c["kind"].startswith(twin), c["kind"], c["blockHash"])
    ):
        name = f"{case['kind']}/{case['blockHash'][:8]}"
        run = _twin if case["kind"].startswith(twin) else _negative
        yield name, partial(run, root, case)


def _negative(root: Path, case: Mapping[str, Any]) -> None:
    chain = _history(root).reach(case["onTopOfHeight"])
    tip = chain.tip
    same("tip", tip.height, case["onTopOfHeight"])
    block = wire_block(case)
    assert not case["accepted"] and block.header.parent == tip.hash
    word = recorded_word(case)
    assert word is not None
    try:
        chain.accept(block, case["mocktime"], park=False)
    except RuleError as e:
        same("word", e.rule, word)
    else:
        raise AssertionError(f"it was accepted; recorded {word}")
    same("tip", chain.tip, tip)


@cache
def _history(root: Path) -> Grown:
    """The chain that the refused blocks are held against."""
    return Grown(REGTEST, _regtest(root, "regtest-history-chain").blocks)


def _twin(root: Path, case: Mapping[str, Any]) -> None:
    """A second block from one kernel. The node took it as an ordinary side block where the coinstake bears no time; we keep one."""
    chain = _history(root).reach(case["onTopOfHeight"] + 1)
    tip, block = chain.tip, wire_block(case)
    assert block.header.parent == tip.header.parent
    try:
        chain.accept(block, block.header.timestamp, park=False)
    except Refused as e:
        same("word", e.rule, recorded_word(case) or "bad-pos")
    else:
        raise AssertionError("a second block from one kernel was stored")
    same("tip", chain.tip, tip)
    assert case["bestUnchanged"] and chain.entry(block.header.hash) is None


# Reorganisations


def reorganisations(root: Path) -> Iterator[Case]:
    """Forks by trust: the tip after each block is the recorded one."""
    for at, reorg in enumerate(load(root / "regtest-history-reorgs.json")["reorgs"]):
        yield f"{at}/fork at {reorg['forkHeight']}", partial(_reorganisation, root, reorg)


def _reorganisation(root: Path, reorg: Mapping[str, Any]) -> None:
    grown = Grown(REGTEST, _regtest(root, "regtest-history-chain").blocks)
    chain = grown.reach(reorg["forkHeight"])
    same("fork", shown(chain.tip.hash), reorg["forkHash"])
    for event in reorg["events"]:
        block = decode_block(bytes.fromhex(event["hex"]))
        same("block", (shown(block.header.hash), shown(block.header.parent)), (event["hash"], event["prev"]))
        same("kind", block.is_stake, event["pos"])
        result = chain.accept(block, LATE)
        same("tip", shown(chain.tip.hash), event["bestAfter"])
        same("result", isinstance(result, TipChanged), event["becameBest"])
        assert isinstance(result, TipChanged | Stored)


SUITES: dict[str, Callable[[Path], Iterator[Case]]] = {
    **FUNCTIONS,
    **WIRE,
    **POISONED,
    "mainnet": mainnet,
    "regtest": regtest,
    "negatives": negatives,
    "reorganisations": reorganisations,
}
