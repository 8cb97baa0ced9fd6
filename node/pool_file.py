"""The mempool across a restart: one transaction a line, parents first, in store form as hex, with its time and its priority.

What is no longer lawful when it is read again is left out; a file that cannot be read loses nothing but itself.
"""

from __future__ import annotations

import logging
from pathlib import Path

from node.node import Node
from primitives.buffer import Reader, Writer
from primitives.chain import Form
from primitives.errors import ChainError

log = logging.getLogger("chainyard.mempool")

FILE = "mempool.txt"


def write_pool(node: Node, folder: Path) -> Path:
    """Write the pool as it is; returns the file. Raises OSError."""
    fmt, lines = node.spec.ledger.format, []
    for entry in sorted(node.pool.view().entries.values(), key=lambda e: e.sequence):
        w = Writer()
        fmt.write_tx(w, entry.tx, Form.STORE)
        lines.append(f"{w.done().hex()} {entry.time} {entry.fee_delta}\n")
    node.env.disk.write(folder / FILE, "".join(lines).encode())
    return folder / FILE


def read_pool(node: Node, folder: Path) -> tuple[int, int]:
    """Admit what the file holds, on the chain thread; how many came in, and how many did not."""
    data = node.env.disk.read(folder / FILE)
    taken = refused = 0
    for line in (data or b"").decode("ascii", "replace").splitlines():
        try:
            text, _, delta = line.split()
            r = Reader(bytes.fromhex(text))
            tx = node.spec.ledger.format.read_tx(r, Form.STORE)
            r.finish()
            if int(delta):
                node.pool.prioritise(tx.id, int(delta))
            node.submit_tx(tx)
        except (ChainError, ValueError) as e:
            log.debug("a saved transaction does not come back: %s", e)
            refused += 1
        else:
            taken += 1
    return taken, refused
