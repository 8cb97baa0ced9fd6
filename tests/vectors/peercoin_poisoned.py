"""The poisoned kernel: the one record of PeerCoin's node that must not be repeated.

The node refuses an honest block once it has seen a bad one with the same kernel; here the honest one is accepted.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from chains.peercoin import REGTEST
from chains.spec import ChainSpec
from consensus.stake import Stake
from ledger.utxo.checks import height_push
from ledger.utxo.peercoin import money_supply
from ledger.utxo.rewards import COIN
from node.chain import Chain
from node.results import TipChanged
from primitives import merkle, secp256k1
from primitives.bitcoin import NULL_OUTPOINT, Transaction, TxInput, TxOutput
from primitives.buffer import Reader
from primitives.chain import Form
from primitives.errors import InvalidBlock
from primitives.peercoin import PeercoinBlock, PeercoinFormat, PeercoinHeader, decode_block
from storage.memory import MemoryStore
from tests.vectors.peercoin_data import LATE, Case, load, recorded_word, same, wire_block


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
    cases = load(root / "regtest-poisoned-kernel.json")["cases"]
    yield "bad first, then the honest block", partial(_poisoned, cases)
    yield "a new honest block after a restart", partial(_after_restart, cases)


def _on_base(cases: Sequence[Mapping[str, Any]]) -> Chain:
    blocks, spec = _base(cases)
    chain = Chain(spec, MemoryStore())
    chain.extend(blocks, LATE)
    with chain.view() as view:
        supply = re.search(r"moneysupply=(\d+)\.(\d\d)", " ".join(cases[0]["nodeLog"]))
        assert supply is not None
        same("money supply", money_supply(view.state), int(supply[1]) * COIN + int(supply[2]) * COIN // 100)
    return chain


def _poisoned(cases: Sequence[Mapping[str, Any]]) -> None:
    chain, bad, honest = _on_base(cases), *map(wire_block, cases[:2])
    tip = chain.tip
    try:
        chain.accept(bad, cases[0]["mocktime"])
    except InvalidBlock as e:
        same("word", e.rule, recorded_word(cases[0]))
    else:
        raise AssertionError("the bad block was accepted")
    same("tip", chain.tip.hash, tip.hash)
    assert not cases[1]["accepted"], "the node refused the honest block"
    result = chain.accept(honest, cases[1]["mocktime"])
    assert isinstance(result, TipChanged) and chain.tip.hash == honest.header.hash, "the honest block must be accepted"


def _after_restart(cases: Sequence[Mapping[str, Any]]) -> None:
    chain, block = _on_base(cases), wire_block(cases[2])
    assert cases[2]["accepted"] and isinstance(chain.accept(block, cases[2]["mocktime"]), TipChanged)
    same("tip", chain.tip.hash, block.header.hash)


SUITES: dict[str, Callable[[Path], Iterator[Case]]] = {"poisoned-kernel": poisoned_kernel}
