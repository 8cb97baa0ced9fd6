"""Methods of proof of work: work for outside miners, and mining by this node."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any

from consensus.merged import Merged
from node.node import Node
from node.producer import Made, Purse
from node.rpc.ethereum_dev_api import Dev
from node.rpc.ethereum_json import hexed
from node.rpc.ethereum_lookup import server_error
from node.rpc.ethereum_params import Digest, Number, Quantity, fixed
from node.rpc.registry import injected, rpc
from primitives.errors import Invalid, Mutated

if TYPE_CHECKING:
    from consensus.ethash import Ethash

MOST_WORK = 16
"""Blocks that wait for a seal; older ones are stale."""


@injected
@dataclass(slots=True)
class WorkTable:
    """Blocks that were handed out to be sealed, by what is sealed; and what miners said of their speed."""

    made: OrderedDict[bytes, Made] = field(default_factory=OrderedDict)
    rates: dict[bytes, tuple[float, int]] = field(default_factory=dict)


def _ethash(node: Node) -> Ethash:
    from consensus.ethash import Ethash  # other chains need not load it

    engine = node.producer.engine
    if isinstance(engine, Merged):
        engine = engine.before
    if not isinstance(engine, Ethash):
        raise server_error("no mining work: this chain has no proof of work")
    return engine


@rpc("eth_getWork", "ethereum", "eth", cost="write")
def get_work(node: Node, dev: Dev, table: WorkTable) -> list[str]:
    """A block to seal: hash of its header, seed of its epoch, boundary of its difficulty, and its number."""
    from consensus.ethash import boundary
    from consensus.ethash_data import seed_hash

    engine = _ethash(node)
    with node.position() as at:
        purse = Purse(dev.modes.coinbase)
        draft = node.producer.draft(at, purse, node.stopping.is_set)
        if draft is None or draft.difficulty == 0:
            raise server_error("no mining work available yet")
        made = node.producer.assemble(draft, at)
    header, sealing = node.producer.header_of(made), engine.sealing
    work = sealing.work(header)
    table.made[work] = made
    while len(table.made) > MOST_WORK:
        table.made.popitem(last=False)
    number = made.block.header.number
    return [
        hexed(work),
        hexed(seed_hash(number // engine.sizes.epoch_length)),
        hexed(boundary(sealing.difficulty(header))),
        hex(number),
    ]


def nonce(value: Any, name: str) -> bytes:
    """Eight bytes."""
    return fixed(value, 8, name)


@rpc("eth_submitWork", "ethereum", "eth", cost="write")
def submit_work(node: Node, table: WorkTable, nonce: Annotated[bytes, nonce], work: Digest, mix: Digest) -> bool:
    """Bring the seal of a block that eth_getWork gave; whether it was taken."""
    made = table.made.get(work)
    if made is None:
        return False
    header = _ethash(node).sealing.with_seal(node.producer.header_of(made), int.from_bytes(nonce, "big"), mix)
    sealed = node.producer.with_header(made, header)
    try:
        node.take_made(sealed.block, sealed.prepared)
    except (Invalid, Mutated):
        return False
    del table.made[work]
    return True


@rpc("eth_submitHashrate", "ethereum", "eth")
def submit_hashrate(node: Node, table: WorkTable, rate: Quantity, id: Digest) -> bool:
    """Tell how fast an outside miner is."""
    table.rates[id] = node.env.monotonic(), rate
    while len(table.rates) > 100:
        del table.rates[next(iter(table.rates))]
    return True


@rpc("eth_hashrate", "ethereum", "eth")
def hashrate(node: Node, table: WorkTable) -> str:
    """Hashes a second of the outside miners that told in the last ten seconds."""
    since = node.env.monotonic() - 10
    return hex(sum(rate for at, rate in table.rates.values() if at > since))


@rpc("eth_mining", "ethereum", "eth")
def mining(node: Node, dev: Dev) -> bool:
    """Whether this node makes blocks by itself."""
    return node.mining or dev.modes.automine or dev.modes.interval > 0


@rpc("eth_coinbase", "ethereum", "eth")
def coinbase(dev: Dev) -> str:
    """Who earns the fees of this node's blocks."""
    return hexed(dev.modes.coinbase)


@rpc("miner_start", "ethereum", "miner")
async def start(node: Node, dev: Dev, threads: Number = 1) -> None:
    """Mine without end."""
    node.mine(Purse(dev.modes.coinbase, max(1, min(threads, 64))))


@rpc("miner_stop", "ethereum", "miner")
async def stop(node: Node) -> None:
    """Mine no more."""
    node.stop_mining()
