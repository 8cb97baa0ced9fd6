"""The PeerCoin vectors that are chains: mainnet to block 6505, three regtest chains, the blocks that were refused, and reorganisations.

Cases of one chain share it: each brings it as far as its own block, so that any worker can take any of them.
"""

from __future__ import annotations

import json
import lzma
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import Any

from chains.peercoin import MAINNET, REGTEST
from chains.spec import ChainSpec
from consensus.stake import Stake, stakeable
from consensus.stake_kernel import kernel_hash, threshold, weight
from consensus.stake_modifier import candidates, kernel_modifier, select
from consensus.stake_note import Note, note_of
from ledger.utxo.checks import height_push
from ledger.utxo.coins import Coin
from ledger.utxo.peercoin import minted, money_supply, stake_time
from ledger.utxo.rewards import COIN
from node.chain import Chain
from node.results import Stored, TipChanged
from node.spent import spent_coins
from primitives import merkle, secp256k1
from primitives.bitcoin import NULL_OUTPOINT, Transaction, TxInput, TxOutput
from primitives.buffer import Reader
from primitives.chain import Entry, Form
from primitives.errors import InvalidBlock, Refused, RuleError
from primitives.peercoin import PeercoinBlock, PeercoinFormat, PeercoinHeader, decode_block, encode_block
from storage.memory import MemoryStore
from tests.vectors.peercoin_functions import SUITES as FUNCTIONS
from tests.vectors.peercoin_wire import SUITES as WIRE

Case = tuple[str, Callable[[], None]]

LATE = 2_000_000_000
"""A clock that no vector is ahead of."""


@cache
def _load(path: Path) -> Any:
    return json.loads(path.read_text())


@cache
def _rows(path: Path) -> list[Any]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def _hex(hash_: bytes) -> str:
    return hash_[::-1].hex()


def _same(what: str, mine: Any, recorded: Any) -> None:
    assert mine == recorded, f"{what}: {mine!r}, recorded {recorded!r}"


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
    rows = _rows(root / "mainnet" / "mainnet-index-0-6505.jsonl")[1:]
    kernels = {k["height"]: k for k in _load(root / "mainnet" / "mainnet-pos-kernels-v02.json")["blocks"]}
    for row in rows:
        yield str(row["height"]), partial(_mainnet_block, root, row, kernels.get(row["height"]))


def _mainnet_block(root: Path, row: Mapping[str, Any], kernel: Mapping[str, Any] | None) -> None:
    grown, height = _main(root), row["height"]
    entry, block, note, spent = grown.at(height)
    _same("bytes", encode_block(block), grown.blocks[height])
    _same("hash", _hex(entry.hash), row["hash"])
    _same("time", entry.header.timestamp, row["time"])
    _same("bits", f"{entry.header.bits:08x}", row["bits"])
    _same("kind", (entry.header.stake, note.stake), (row["pos"], row["pos"]))
    _check_note(note, row)
    _same("generated", note.generated, row["generated"])
    assert row["pos"] == (kernel is not None), "a kernel is recorded for each block of stake"
    if kernel is not None:
        _same("inputs", len(block.txs[1].inputs), kernel["inputs"])
        _same("mint", minted(block, spent), kernel["mint"])
        _check_kernel(grown, height, kernel["kernel"])


def _check_note(note: Note, row: Mapping[str, Any]) -> None:
    _same("entropy bit", note.entropy, row["entropybit"])
    _same("modifier", f"{note.modifier:016x}", row["modifier"])
    _same("checksum", f"{note.checksum:08x}", row["modifierchecksum"])


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
            _same("modifier of the kernel", f"{modifier:016x}", row["modifier"])
            if row["modifierHeight"] is not None:
                taken = view.at(row["modifierHeight"])
                assert taken is not None
                _same("modifier at its height", note_of(taken, engine.modifiers.genesis).modifier, modifier)
        else:
            assert row["modifier"] is None
    _same("bits", f"{entry.header.bits:08x}", row["bits"])
    _same("height of the coin", coin.height, row["blockFromHeight"])
    _same("block time", found.block_time, row["nTimeBlockFrom"])
    _same("offset", found.offset, row["nTxPrevOffset"])
    _same("time of the transaction", found.tx_time, row["nTimeTxPrev"])
    _same("output", found.index, row["nPrevout"])
    _same("transaction", _hex(coinstake.inputs[0].txid), row["prevTxid"])
    _same("time of the stake", time, row["nTimeTx"])
    _same("value", found.value, row["value"])
    days = weight(found, time, engine.ages, engine.switches)
    _same("weight", days, row["coinDayWeight"])
    _same("target", threshold(entry.header.bits, days), int(row["target"], 16))
    proof = kernel_hash(found, time, modifier, entry.header.bits)
    _same("proof", (_hex(proof), proof), (row["hashProof"], note.proof))
    assert row["meets"] and row["minAgeOk"]


# Regtest

CHAINS = ("regtest-chain", "regtest-history-chain", "regtest-segwit-chain")


@cache
def _regtest(root: Path, name: str) -> Grown:
    return Grown(REGTEST, [bytes.fromhex(row["hex"]) for row in _rows(root / f"{name}.jsonl")])


def regtest(root: Path) -> Iterator[Case]:
    """Every block of the three chains is accepted in order, and every recorded value is equal; then what their notes say of the tip."""
    for name in CHAINS:
        for row in _rows(root / f"{name}.jsonl"):
            yield f"{name}/{row['height']}", partial(_regtest_block, root, name, row)
        yield f"{name}/meta", partial(_regtest_meta, root, name)
    yield "regtest-chain/reorganisation", partial(_meta_reorganisation, root)


def _regtest_block(root: Path, name: str, row: Mapping[str, Any]) -> None:
    grown, height = _regtest(root, name), row["height"]
    entry, block, note, spent = grown.at(height)
    header, told = block.header, row["block"]
    _same("bytes", encode_block(block).hex(), row["hex"])
    _same("hash", (_hex(entry.hash), _hex(entry.hash)), (row["hash"], told["hash"]))
    trust = f"{entry.weight:064x}"
    _same("trust", (trust, trust), (row["trust"], told["chainwork"]))
    _same("height", entry.height, told["height"])
    _same("version", (header.version, f"{header.version & 0xFFFFFFFF:08x}"), (told["version"], told["versionHex"]))
    _same("merkle root", _hex(header.merkle_root), told["merkleroot"])
    _same("time", header.timestamp, told["time"])
    _same("bits and nonce", (f"{header.bits:08x}", header.nonce), (told["bits"], told["nonce"]))
    if height:
        _same("parent", _hex(header.parent), told["previousblockhash"])
    with grown.chain.view() as view:
        _same("median time", view.entries.branch(entry).median_time(), told["mediantime"])
    _same("sizes", (block.size, block.base_size, block.weight), (told["size"], told["strippedsize"], told["weight"]))
    _same("mint", minted(block, spent), round(told["mint"] * COIN))
    flags = ("proof-of-stake" if note.stake else "proof-of-work") + " stake-modifier" * note.generated
    _same("flags", flags, told["flags"])
    _same("blocks of stake", note.stakes, told["nHeightStake"])
    _same("proof", _hex(note.proof or entry.hash), told["proofhash"])
    _same("signature", block.signature.hex(), told["blocksignature"])
    _check_note(note, told)
    _same("transactions", len(block.txs), told["nTx"])
    for tx, expected in zip(block.txs, told["tx"], strict=True):
        _check_transaction(tx, expected)
    assert ("kernel" in row) == note.stake
    if note.stake:
        value_in = sum(c.value for c in spent[: len(block.txs[1].inputs)])
        _same("reward", sum(o.value for o in block.txs[1].outputs) - value_in, round(told["tx"][1]["reward"] * COIN))
        _check_kernel(grown, height, row["kernel"])
        _check_node_kernel(row["kernel"], row["nodeKernel"])
    if note.generated and height:
        _check_selection(grown, _drawn_last(root, name)[told["modifier"]], row["nodeModifierSelection"])


def _check_transaction(tx: Transaction, told: Mapping[str, Any]) -> None:
    _same("txid", (_hex(tx.id), _hex(tx.wtxid)), (told["txid"], told["hash"]))
    _same("version", tx.version, told["version"])
    _same("transaction time", tx.time or 0, told["time"])
    _same("transaction size", (len(tx.raw), tx.lock_time), (told["size"], told["locktime"]))
    for spend, expected in zip(tx.inputs, told["vin"], strict=True):
        _same("sequence", spend.sequence, expected["sequence"])
        if "coinbase" in expected:
            _same("coinbase", spend.script.hex(), expected["coinbase"])
        else:
            point = (_hex(spend.txid), spend.vout, spend.script.hex())
            _same("input", point, (expected["txid"], expected["vout"], expected["scriptSig"]["hex"]))
        _same("witness", [item.hex() for item in spend.witness], expected.get("txinwitness", []))
    for output, expected in zip(tx.outputs, told["vout"], strict=True):
        made = (output.value, output.script.hex())
        _same("output", made, (round(expected["value"] * COIN), expected["scriptPubKey"]["hex"]))


def _check_node_kernel(kernel: Mapping[str, Any], node: Mapping[str, Any]) -> None:
    """What the node logged of a kernel; ours were compared with `kernel` already."""
    for name in ("protocol", "nTimeBlockFrom", "nTxPrevOffset", "nTimeTxPrev", "nPrevout", "nTimeTx", "hashProof"):
        _same(name, kernel[name], node[name])
    head = kernel["bits"] if kernel["modifier"] is None else kernel["modifier"]
    _same("modifier or bits", int(head, 16), int(node["modifierOrBits"], 16))
    if "modifierHeight" in node:
        _same("modifier height", kernel["modifierHeight"], node["modifierHeight"])
    if "blockFromHeight" in node:
        _same("height of the coin", kernel["blockFromHeight"], node["blockFromHeight"])


@cache
def _drawn_last(root: Path, name: str) -> Mapping[str, int]:
    """Modifier -> the last height at which it was generated: the record names a selection by the modifier that it made.

    Two selections can make one modifier, where the longer one adds bits of zero; the last one logged was kept for both.
    """
    return {
        r["block"]["modifier"]: r["height"] for r in _rows(root / f"{name}.jsonl") if "modifier" in r["block"]["flags"]
    }


def _check_selection(grown: Grown, height: int, told: Mapping[str, Any]) -> None:
    rule, entry = grown.engine.modifiers, grown.at(height)[0]
    with grown.chain.view() as view:
        parent = view.entries.parent(entry)
        branch = view.entries.branch(parent)
        start = parent.header.timestamp // rule.interval * rule.interval - rule.span
        found = candidates(rule, branch, start)
        chosen = select(rule, found, start, note_of(parent, rule.genesis).modifier)
    _same("winners", [[c.height, c.entropy] for c in chosen], told["selectedHeightsAndBits"])
    if "map" not in told:
        return
    first, last, drawn = told["map"]
    kinds = {c.height: ("=" if c.proof else "-") for c in found}
    kinds |= {c.height: ("S" if c.proof else "W") for c in chosen}
    _same("map", (min(kinds), max(kinds)), (first, last))
    _same("map", "".join(kinds.get(h, " ") for h in range(first, last + 1)), drawn)


def _regtest_meta(root: Path, name: str) -> None:
    meta, grown = _load(root / f"{name}-meta.json"), _regtest(root, name)
    _same("blocks", len(grown.blocks), meta["blocks"])
    tip = grown.reach(meta["height"]).tip
    _same("tip", (_hex(tip.hash), f"{tip.weight:064x}"), (meta["tip"], meta["trust"]))
    _same("blocks of stake", note_of(tip, grown.engine.modifiers.genesis).stakes, meta["posBlocks"])
    info = meta.get("getblockchaininfo")
    if info is not None:
        _same("info", (tip.height, _hex(tip.hash)), (info["blocks"], info["bestblockhash"]))
        _same("chain work", f"{tip.weight:064x}", info["chainwork"])


def _meta_reorganisation(root: Path) -> None:
    """The abandoned branch first, then the recorded one wins."""
    reorg = _load(root / "regtest-chain-meta.json")["reorg"]
    grown = Grown(REGTEST, _regtest(root, "regtest-chain").blocks)
    chain = grown.reach(reorg["forkHeight"])
    _same("fork", _hex(chain.tip.hash), reorg["forkHash"])
    for left in reorg["abandoned"]:
        chain.accept(decode_block(bytes.fromhex(left["hex"])), LATE)
        _same("abandoned tip", _hex(chain.tip.hash), left["hash"])
    for raw in grown.blocks[reorg["forkHeight"] + 1 :]:
        chain.accept(decode_block(raw), LATE)
    _same("new tip", _hex(chain.tip.hash), reorg["newTip"])
    with chain.view() as view:
        tips = {_hex(e.hash): e.height for e in view.entries.ends()}
    _same("tips", tips, {t["hash"]: t["height"] for t in reorg["chaintips"]})


# Blocks that were refused

_WORD = re.compile(r"(?:FAILED \(|failed, )([a-z][a-z0-9/-]*(?:\(0x[0-9a-f]{8}\))?)")


def _recorded_word(case: Mapping[str, Any]) -> str | None:
    found = [m.group(1) for line in case["nodeLog"] if (m := _WORD.search(line))]
    return found[-1] if found else None


def negatives(root: Path) -> Iterator[Case]:
    """Every block that the node refused is refused with its word, and nothing moves."""
    cases = _load(root / "regtest-history-negatives.json")["cases"]
    twin = "duplicate-stake-sibling"
    for case in sorted(
        cases, key=lambda c: (c["onTopOfHeight"] + c["kind"].startswith(twin), c["kind"], c["blockHash"])
    ):
        name = f"{case['kind']}/{case['blockHash'][:8]}"
        run = _twin if case["kind"].startswith(twin) else _negative
        yield name, partial(run, root, case)


def _wire_block(case: Mapping[str, Any]) -> PeercoinBlock:
    raw = bytes.fromhex(case["hex"])
    r = Reader(raw[:80] + case["wireFlags"].to_bytes(4, "little") + raw[80:])
    block = PeercoinFormat().read_block(r, Form.WIRE)
    r.finish()
    _same("hash", _hex(block.header.hash), case["blockHash"])
    return block


def _negative(root: Path, case: Mapping[str, Any]) -> None:
    chain = _history(root).reach(case["onTopOfHeight"])
    tip = chain.tip
    _same("tip", tip.height, case["onTopOfHeight"])
    block = _wire_block(case)
    assert not case["accepted"] and block.header.parent == tip.hash
    word = _recorded_word(case)
    assert word is not None
    try:
        chain.accept(block, case["mocktime"], park=False)
    except RuleError as e:
        _same("word", e.rule, word)
    else:
        raise AssertionError(f"it was accepted; recorded {word}")
    _same("tip", chain.tip, tip)


@cache
def _history(root: Path) -> Grown:
    """The chain that the refused blocks are held against."""
    return Grown(REGTEST, _regtest(root, "regtest-history-chain").blocks)


def _twin(root: Path, case: Mapping[str, Any]) -> None:
    """A second block from one kernel. The node took it as an ordinary side block where the coinstake bears no time; we keep one."""
    chain = _history(root).reach(case["onTopOfHeight"] + 1)
    tip, block = chain.tip, _wire_block(case)
    assert block.header.parent == tip.header.parent
    try:
        chain.accept(block, block.header.timestamp, park=False)
    except Refused as e:
        _same("word", e.rule, _recorded_word(case) or "bad-pos")
    else:
        raise AssertionError("a second block from one kernel was stored")
    _same("tip", chain.tip, tip)
    assert case["bestUnchanged"] and chain.entry(block.header.hash) is None


# Reorganisations


def reorganisations(root: Path) -> Iterator[Case]:
    """Forks by trust: the tip after each block is the recorded one."""
    for at, reorg in enumerate(_load(root / "regtest-history-reorgs.json")["reorgs"]):
        yield f"{at}/fork at {reorg['forkHeight']}", partial(_reorganisation, root, reorg)


def _reorganisation(root: Path, reorg: Mapping[str, Any]) -> None:
    grown = Grown(REGTEST, _regtest(root, "regtest-history-chain").blocks)
    chain = grown.reach(reorg["forkHeight"])
    _same("fork", _hex(chain.tip.hash), reorg["forkHash"])
    for event in reorg["events"]:
        block = decode_block(bytes.fromhex(event["hex"]))
        _same("block", (_hex(block.header.hash), _hex(block.header.parent)), (event["hash"], event["prev"]))
        _same("kind", block.is_stake, event["pos"])
        result = chain.accept(block, LATE)
        _same("tip", _hex(chain.tip.hash), event["bestAfter"])
        _same("result", isinstance(result, TipChanged), event["becameBest"])
        assert isinstance(result, TipChanged | Stored)


# The poisoned kernel: the one record that must not be repeated


@dataclass(frozen=True, slots=True)
class Borrowed(PeercoinFormat):
    """A codec under which one header has the hash of another, whose block is not recorded."""

    raw: bytes = b""
    hash: bytes = b""

    def read_header(self, r: Reader, form: Form) -> PeercoinHeader:
        """Read a header."""
        header = PeercoinFormat.read_header(self, r, form)
        if header.raw == self.raw:
            header.__dict__["hash"] = self.hash
        return header


BASE = 64
"""Blocks of work below the recorded ones; they are not recorded, but the first one's coinbase is known by its id."""


def _base(cases: Sequence[Mapping[str, Any]]) -> tuple[list[PeercoinBlock], ChainSpec]:
    """A chain of 64 blocks of work whose last one bears the recorded parent's hash, and the spec that lets it."""
    recorded = decode_block(bytes.fromhex(cases[0]["hex"]))
    spent, script = recorded.txs[1].inputs[0], recorded.txs[1].outputs[1].script
    secret = bytes(31) + b"\x05"
    own = b"\x21" + secp256k1.public_key(secret) + b"\xac"
    blocks: list[PeercoinBlock] = []
    parent, time = REGTEST.genesis.header.hash, 1_541_507_200
    for height in range(1, BASE + 1):
        extra, payee, when = (b"\x01\xe3", script, time) if height == 1 else (b"\x01\x00", own, time + height * 1_400)
        spend = TxInput(NULL_OUTPOINT, height_push(height) + extra)
        coinbase = Transaction(1, (spend,), (TxOutput(9_999 * COIN, payee),), 0, when)
        root = merkle.root([coinbase.id])
        header = PeercoinHeader(6, parent, root, when, 0x207FFFFF, 0)
        while header.hash[31] > 0x7E:
            header = replace(header, nonce=header.nonce + 1)
        if height == BASE:
            header.__dict__["hash"] = recorded.header.parent
        blocks.append(PeercoinBlock(header, (coinbase,), b"" if height == 1 else secp256k1.sign(secret, header.hash)))
        parent = header.hash
    assert blocks[0].txs[0].id == spent.txid, "the coinbase of the first block is not the recorded one"
    fmt = Borrowed(raw=blocks[-1].header.raw, hash=recorded.header.parent)
    engine = REGTEST.engine
    assert isinstance(engine, Stake)
    # the first block's signature is not recorded and its key is not ours: work is not signed on this chain
    unsigned = _Unsigned(engine)
    return blocks, replace(REGTEST, ledger=replace(REGTEST.ledger, format=fmt), engine=unsigned)  # type: ignore[type-var]


class _Unsigned:
    """The engine, but for the signatures of blocks of work."""

    header_proves = False

    def __init__(self, engine: Stake) -> None:
        self._engine = engine

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)

    def check_block(self, block: PeercoinBlock, branch: Any, state: Any) -> bytes:
        """The note of a block of work, the whole check of one of stake."""
        if block.is_stake:
            return self._engine.check_block(block, branch, state)
        return self._engine.note(block, branch, b"").encode()


def poisoned_kernel(root: Path) -> Iterator[Case]:
    """A block whose kernel holds but whose reward does not: the node then refuses the honest one, this one must not."""
    cases = _load(root / "regtest-poisoned-kernel.json")["cases"]
    yield "bad first, then the honest block", partial(_poisoned, cases)
    yield "a new honest block after a restart", partial(_after_restart, cases)


def _on_base(cases: Sequence[Mapping[str, Any]]) -> Chain:
    blocks, spec = _base(cases)
    chain = Chain(spec, MemoryStore())
    chain.extend(blocks, LATE)
    with chain.view() as view:
        supply = re.search(r"moneysupply=(\d+)\.(\d\d)", " ".join(cases[0]["nodeLog"]))
        assert supply is not None
        _same("money supply", money_supply(view.state), int(supply[1]) * COIN + int(supply[2]) * COIN // 100)
    return chain


def _poisoned(cases: Sequence[Mapping[str, Any]]) -> None:
    chain, bad, honest = _on_base(cases), *map(_wire_block, cases[:2])
    tip = chain.tip
    try:
        chain.accept(bad, cases[0]["mocktime"])
    except InvalidBlock as e:
        _same("word", e.rule, _recorded_word(cases[0]))
    else:
        raise AssertionError("the bad block was accepted")
    _same("tip", chain.tip.hash, tip.hash)
    assert not cases[1]["accepted"], "the node refused the honest block"
    result = chain.accept(honest, cases[1]["mocktime"])
    assert isinstance(result, TipChanged) and chain.tip.hash == honest.header.hash, "the honest block must be accepted"


def _after_restart(cases: Sequence[Mapping[str, Any]]) -> None:
    chain, block = _on_base(cases), _wire_block(cases[2])
    assert cases[2]["accepted"] and isinstance(chain.accept(block, cases[2]["mocktime"]), TipChanged)
    _same("tip", chain.tip.hash, block.header.hash)


SUITES: dict[str, Callable[[Path], Iterator[Case]]] = {
    **FUNCTIONS,
    **WIRE,
    "mainnet": mainnet,
    "regtest": regtest,
    "negatives": negatives,
    "reorganisations": reorganisations,
    "poisoned-kernel": poisoned_kernel,
}
