"""The mempool comes back after a restart, parents first; what is no longer lawful stays out, and garbage harms nothing."""

from __future__ import annotations

from pathlib import Path

from chains.bitcoin import REGTEST
from node.env import RealEnv
from node.node import Node
from node.pool_file import FILE, read_pool, write_pool
from node.producer import Purse
from primitives import secp256k1
from primitives.bitcoin import Transaction, TxInput, TxOutput, outpoint
from primitives.hashing import hash160
from storage.memory import MemoryStore
from vm.script.sighash import SpendContext

SECRET = bytes(31) + b"\x07"
PUBLIC = secp256k1.public_key(SECRET)
SCRIPT = b"\x00\x14" + hash160(PUBLIC)
CODE = b"\x76\xa9\x14" + hash160(PUBLIC) + b"\x88\xac"


def spend(point: bytes, value: int, fee: int) -> Transaction:
    """A signed payment of one coin to its own key."""
    bare = Transaction(2, (TxInput(point),), (TxOutput(value - fee, SCRIPT),))
    digest = SpendContext(bare, [TxOutput(value, SCRIPT)]).v0(0, CODE, 1)
    witness = (secp256k1.sign(SECRET, digest) + b"\x01", PUBLIC)
    return Transaction(2, (TxInput(point, witness=witness),), bare.outputs)


def grown(store: MemoryStore, blocks: int) -> Node:
    node = Node(REGTEST, RealEnv(seed=1), store)
    for _ in range(blocks):
        node.make_block(Purse(SCRIPT))
    return node


def test_the_pool_survives_a_restart(tmp_path: Path) -> None:
    store = MemoryStore()
    node = grown(store, 102)
    values = {}
    for height in (1, 2):
        with node.chain.view() as view:
            entry = view.at(height)
            assert entry is not None
            values[height] = view.block(entry.hash).coinbase  # type: ignore[union-attr]
    parent = spend(outpoint(values[1].id, 0), 50 * 10**8, 2000)
    child = spend(outpoint(parent.id, 0), 50 * 10**8 - 2000, 3000)
    other = spend(outpoint(values[2].id, 0), 50 * 10**8, 1000)
    for tx in (parent, child, other):
        node.submit_tx(tx)
    node.pool.prioritise(other.id, 500)
    write_pool(node, tmp_path)
    rival = spend(outpoint(values[2].id, 0), 50 * 10**8, 9000)
    node.submit_tx(rival)
    node.make_block(Purse(SCRIPT), [node.pool.entries[rival.id].admission])
    with (tmp_path / FILE).open("a") as file:
        file.write("zz 1 0\nnot a line\n")
    node.env.close()  # type: ignore[attr-defined]

    again = Node(REGTEST, RealEnv(seed=2), store)
    assert read_pool(again, tmp_path) == (2, 3)
    assert list(again.pool.entries) == [parent.id, child.id]
    assert again.pool.deltas[other.id] == 500
    again.env.close()  # type: ignore[attr-defined]
