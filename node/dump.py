"""A whole chain as one file: every block from the first on, the pooled transactions and the clock; loading executes it all again.

It knows no family; receipts, indices and state come of the blocks. The form: gzip of a line of JSON and then each block in
store form, its length before it.
"""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from node.node import Node
from primitives.buffer import Reader, Writer
from primitives.chain import Form
from primitives.errors import ChainError, DecodeError, Refused

MARK: Final = "chainyard dump 1"
MOST_BYTES: Final = 1 << 30
"""Of a dump when it is unpacked."""


@dataclass(frozen=True, slots=True)
class Dump:
    """A dump that was read."""

    head: dict[str, Any]
    body: bytes


def dump(node: Node) -> bytes:
    """The chain up to the tip, its pool and its clock. On the chain thread."""
    fmt = node.spec.ledger.format
    w = Writer()
    with node.chain.view() as view:
        for height in range(1, view.tip.height + 1):
            entry = view.at(height)
            raw = None if entry is None else view.body(entry.hash)
            if raw is None:
                raise Refused("incomplete chain", f"the block at height {height} is missing")
            w.var_bytes(raw)
        height = view.tip.height
    pooled = []
    for one in node.pool:
        tx = Writer()
        fmt.write_tx(tx, one.tx, Form.STORE)
        pooled.append(tx.done().hex())
    head = {
        "form": MARK,
        "chain": node.spec.name,
        "genesis": node.spec.genesis.header.hash.hex(),
        "height": height,
        "time": node.env.now(),
        "pool": pooled,
    }
    return gzip.compress(json.dumps(head).encode() + b"\n" + w.done(), 6, mtime=0)


def read(data: bytes, node: Node) -> Dump:
    """Unpack a dump of this chain. Raises DecodeError, and Refused for another chain's."""
    try:
        unpacker = zlib.decompressobj(wbits=31)
        text = unpacker.decompress(data, MOST_BYTES)
        if unpacker.unconsumed_tail or not unpacker.eof:
            raise DecodeError("the dump is cut short, or too large")
        line, _, body = text.partition(b"\n")
        head = json.loads(line)
    except (zlib.error, ValueError, RecursionError) as e:
        raise DecodeError(f"not a dump: {e}") from e
    if not isinstance(head, dict) or head.get("form") != MARK:
        raise DecodeError("not a dump of this version")
    if head.get("genesis") != node.spec.genesis.header.hash.hex():
        raise Refused("another chain", f"the dump is of {str(head.get('chain'))[:40]}, with another genesis block")
    return Dump(head, body)


def _blocks(found: Dump, node: Node) -> Iterator[Any]:
    fmt, r = node.spec.ledger.format, Reader(found.body)
    while r.left:
        inner = Reader(r.var_bytes())
        block = fmt.read_block(inner, Form.STORE)
        inner.finish()
        yield block


def load(data: bytes, node: Node) -> int:
    """Put a dump in the place of the chain that is here; its height. On the chain thread. Raises ChainError, and the old chain is kept."""
    found = read(data, node)
    blocks = list(_blocks(found, node))
    time = found.head.get("time")
    if not isinstance(time, int):
        raise DecodeError("a dump without a time")
    before = dump(node)
    _begin_again(node)
    try:
        _extend(node, blocks, time)
    except ChainError:
        kept = read(before, node)
        _begin_again(node)
        _extend(node, list(_blocks(kept, node)), kept.head["time"])
        raise
    _refill(found, node)
    return len(blocks)


def _begin_again(node: Node) -> None:
    with node.chain.view() as view:
        genesis = view.at(0)
    assert genesis is not None, "a chain has a genesis"
    node.chain.revert(genesis)
    for one in list(node.pool):
        node.drop_tx(one.id)


def _extend(node: Node, blocks: list[Any], time: int) -> None:
    newest = blocks[-1].header.timestamp if blocks else 0
    node.env.advance(max(time, newest) - node.env.now())
    node.chain.extend(iter(blocks), node.env.now())


def _refill(found: Dump, node: Node) -> None:
    fmt = node.spec.ledger.format
    for raw in found.head.get("pool") or ():
        try:
            node.submit_tx(fmt.read_tx(Reader(bytes.fromhex(raw)), Form.STORE), None)
        except (ChainError, ValueError):
            continue  # it was pooled, and is not lawful any more
