"""The published merkle block and compact block messages: parsed, proven against their blocks, and written back to the byte.

Refuses to choose, to time or to count: that is the runner's part.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from p2p.compact import CompactBlock
from p2p.filters import MerkleBlock
from p2p.framing import Frame
from p2p.messages import TxMessage, decode, encode
from primitives.bitcoin import BitcoinBlock, BitcoinFormat, decode_block
from primitives.buffer import Reader

Case = tuple[str, Callable[[], None]]
FORMAT = BitcoinFormat()


def _equal(got: object, wanted: object) -> None:
    if got != wanted:
        raise AssertionError(f"{got!r} instead of {wanted!r}")


def _block(root: Path, name: str) -> BitcoinBlock:
    return decode_block(bytes.fromhex((root / name / "block.hex").read_text().strip()))


def compact(case: dict[str, str], root: Path) -> None:
    """The short ids are those of the block's transactions, and the pool's transactions fill the block."""
    payload = bytes.fromhex(case["cmpctblock_payload_hex"])
    message = decode(Frame("cmpctblock", payload), FORMAT)
    if not isinstance(message, CompactBlock):
        raise AssertionError(f"decoded as {message!r}")
    _equal(encode(message), payload)
    block = _block(root, case["block"])
    _equal(message.header, block.header)
    digests = {tx.id: tx for tx in block.txs}
    pool = {message.short_id(digest): tx for digest, tx in digests.items()}
    _equal([tx.raw for tx in message.fill(pool) if tx is not None], [tx.raw for tx in block.txs])
    at = {p.index for p in message.prefilled}
    _equal(message.short_ids, tuple(message.short_id(tx.id) for i, tx in enumerate(block.txs) if i not in at))


def _proven(message: MerkleBlock, block: BitcoinBlock | None) -> list[tuple[int, bytes]]:
    root, matches = message.prove()
    _equal(root, message.header.merkle_root)
    if block is not None:
        _equal(message.header, block.header)
        _equal(message.total, len(block.txs))
        wanted = {digest for _, digest in matches}
        flags = [tx.id in wanted for tx in block.txs]
        _equal(MerkleBlock.of(block.header, [tx.id for tx in block.txs], flags, FORMAT), message)
    return matches


def merkle(case: dict[str, str], root: Path) -> None:
    """The tree proves transactions of the block, and the block makes the same message."""
    payload = bytes.fromhex(case["merkleblock_payload_hex"])
    message = decode(Frame("merkleblock", payload), FORMAT)
    if not isinstance(message, MerkleBlock):
        raise AssertionError(f"decoded as {message!r}")
    _equal(encode(message), payload)
    block = _block(root, case["block"])
    for position, digest in _proven(message, block):
        _equal(block.txs[position].id, digest)


def extended(case: dict[str, str], root: Path) -> None:
    """A merkle block followed by the transactions that it proves, as a filtering peer sends them."""
    raw = bytes.fromhex(case["raw_hex"])
    r = Reader(raw)
    message = MerkleBlock.read(r, FORMAT)
    _equal(encode(message), raw[: r.pos])
    txs = r.many(lambda reader: TxMessage.read(reader, FORMAT))
    r.finish()
    _equal([tx.tx.id for tx in txs], [digest for _, digest in _proven(message, None)])
    _equal(b"".join(encode(tx) for tx in txs), raw[-sum(len(tx.raw) for tx in txs) :])


KINDS = {"cmpctblock_payload_hex": compact, "merkleblock_payload_hex": merkle, "raw_hex": extended}


def p2p(root: Path) -> Iterator[Case]:
    """Every message of the file; one of a form that is not known here fails."""

    def run(case: dict[str, Any]) -> None:
        for field, check in KINDS.items():
            if field in case:
                return check(case, root)
        raise AssertionError(f"no check for a case with {sorted(case)}")

    for name, case in json.loads((root / "p2p/bip37_bip152.json").read_text("utf-8")).items():
        yield name, partial(run, case)


SUITES = {"p2p": p2p}
