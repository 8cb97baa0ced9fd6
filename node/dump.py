"""A whole chain as one file: every block from the first on, what waits in the pool, the clock, mining modes, and wallets on request.

It knows no family: receipts, indices and state come of the blocks, which loading executes again. The form: gzip of a line of JSON and
then each block in store form, its length before it. Loading a dump and dumping again gives the same bytes.
"""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from node.controls import Controls
from node.node import Node
from primitives.buffer import Reader, Writer
from primitives.chain import Form
from primitives.errors import ChainError, DecodeError, Refused

MARK: Final = "chainyard dump 2"
MOST_BYTES: Final = 1 << 30
"""Of a dump when it is unpacked."""
_HEX: Final = frozenset("0123456789abcdef")


@dataclass(frozen=True, slots=True)
class Dump:
    """A dump that was read."""

    head: dict[str, Any]
    body: bytes

    @property
    def wallets(self) -> dict[str, str]:
        """Wallet files by the wallet's name, as the dumper gave them."""
        return dict(self.head["wallets"])


def dump(controls: Controls, wallets: Mapping[str, str] | None = None) -> bytes:
    """The chain up to the tip with its pool, clock and modes, and these wallet files. On the chain thread."""
    node = controls.node
    w = Writer()
    with node.chain.view() as view:
        for height in range(1, view.tip.height + 1):
            entry = view.at(height)
            raw = None if entry is None else view.body(entry.hash)
            if raw is None:
                raise Refused("incomplete chain", f"the block at height {height} is missing")
            w.var_bytes(raw)
        height = view.tip.height
    head = {
        "form": MARK,
        "chain": node.spec.name,
        "genesis": node.spec.genesis.header.hash.hex(),
        "height": height,
        "clock": [node.env.offset, node.env.frozen],
        "beside": {} if controls.beside is None else controls.beside.save(),
        "pool": [raw.hex() for raw in controls.pooled()],
        "wallets": dict(wallets or {}),
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
    if not _is_whole(head):
        raise DecodeError("not a dump: its first line lacks something")
    if head.get("genesis") != node.spec.genesis.header.hash.hex():
        raise Refused("another chain", f"the dump is of {str(head.get('chain'))[:40]}, with another genesis block")
    return Dump(head, body)


def _is_whole(head: dict[str, Any]) -> bool:
    clock, pool = head.get("clock"), head.get("pool")
    if not isinstance(clock, list) or len(clock) != 2 or not isinstance(pool, list):
        return False
    numbers = isinstance(clock[0], int) and isinstance(clock[1], int | None)
    texts = all(isinstance(raw, str) and not set(raw) - _HEX and len(raw) % 2 == 0 for raw in pool)
    return numbers and texts and isinstance(head.get("beside"), dict) and isinstance(head.get("wallets"), dict)


def _blocks(found: Dump, node: Node) -> Iterator[Any]:
    fmt, r = node.spec.ledger.format, Reader(found.body)
    while r.left:
        inner = Reader(r.var_bytes())
        block = fmt.read_block(inner, Form.STORE)
        inner.finish()
        yield block


def load(data: bytes, controls: Controls) -> Dump:
    """Put a dump in the place of the chain that is here; what was read. On the chain thread.

    Raises ChainError, and the old chain is kept. Snapshots of the old chain are forgotten.
    """
    node = controls.node
    found = read(data, node)
    blocks = list(_blocks(found, node))
    before = read(dump(controls), node)
    try:
        _replace(controls, found, blocks)
    except ChainError:
        _replace(controls, before, list(_blocks(before, node)))
        raise
    controls.forget()
    return found


def _replace(controls: Controls, found: Dump, blocks: list[Any]) -> None:
    node = controls.node
    with node.chain.view() as view:
        genesis = view.at(0)
    assert genesis is not None, "a chain has a genesis"
    controls.empty_pool()
    node.chain.revert(genesis)
    controls.empty_pool()  # what the blocks left behind
    offset, frozen = found.head["clock"]
    node.env.travel(offset)
    node.set_clock(frozen)
    newest = blocks[-1].header.timestamp if blocks else 0
    if newest > node.env.now():  # made by a machine whose clock is ahead of this one's
        node.move_clock(newest - node.env.now())
    node.chain.extend(iter(blocks), node.env.now())
    controls.refill([bytes.fromhex(raw) for raw in found.head["pool"]])
    if controls.beside is not None and found.head["beside"]:
        controls.beside.restore(found.head["beside"])
