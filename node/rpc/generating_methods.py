"""The generating group: blocks on demand, to an address, a descriptor, or of chosen transactions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ledger.api import Admission, Aid
from node.gate import Position
from node.node import Node
from node.producer import Purse
from node.rpc.errors import (
    INVALID_ADDRESS_OR_KEY,
    INVALID_PARAMETER,
    METHOD_NOT_FOUND,
    MISC_ERROR,
    VERIFY_ERROR,
    RpcError,
)
from node.rpc.lookup import block_bytes, read_tx, script_of
from node.rpc.params import display_hex, is_hex, shown
from node.rpc.registry import rpc
from node.rpc.translate import full_reason
from primitives import address as addresses
from primitives.errors import ChainError, DecodeError
from storage.kv import Journal
from wallet import descriptors

MAX_TRIES = 1_000_000
SLICE = 1 << 21
"""Nonces that an engine tries between two looks at whether it should stop."""


def few_tries(node: Node, most: int) -> Callable[[], bool]:
    """Asked before each slice of nonces; ends the search once about so many were tried in all."""
    looks = 0

    def stop() -> bool:
        nonlocal looks
        looks += 1
        return node.stopping.is_set() or (looks - 2) * SLICE >= most

    return stop


async def _generate(node: Node, count: int, script: bytes, tries: int) -> list[str]:
    stop = None if node.spec.network.local else few_tries(node, tries)
    return [display_hex(key) for key in await node.generate(count, Purse(script), stop)]


@rpc("generate", family="bitcoin", group="hidden")
def generate() -> None:
    """Has been replaced: generatetoaddress names who is paid."""
    raise RpcError(METHOD_NOT_FOUND, "generate has been replaced by generatetoaddress, which names who is paid")


@rpc("generatetoaddress", family="bitcoin", group="generating")
async def generate_to_address(node: Node, nblocks: int, address: str, maxtries: int = MAX_TRIES) -> list[str]:
    """Mine blocks at once, their rewards to an address; returns their hashes."""
    script = script_of(node.spec, address, "Error: Invalid address")
    return await _generate(node, nblocks, script, maxtries)


@rpc("generatetodescriptor", family="bitcoin", group="generating")
async def generate_to_descriptor(node: Node, num_blocks: int, descriptor: str, maxtries: int = MAX_TRIES) -> list[str]:
    """Mine blocks at once, their rewards to the script of a descriptor; returns their hashes."""
    return await _generate(node, num_blocks, descriptor_script(node, descriptor), maxtries)


_CHOSEN = {1: 0, 2: 1, 4: 2}
"""Which script of a descriptor is paid, by how many there are: of a combo() the witness one, of an uncompressed key the key hash."""


def descriptor_script(node: Node, text: str) -> bytes:
    """The one script of a descriptor. Raises RpcError."""
    try:
        if len(descriptors.expand_multipath(text)) > 1:
            raise RpcError(INVALID_PARAMETER, "Multipath descriptor not accepted")
        found = descriptors.parse(text, node.spec.addresses)
    except DecodeError as e:
        raise RpcError(INVALID_ADDRESS_OR_KEY, str(e)) from None
    if found.is_range:
        raise RpcError(INVALID_PARAMETER, "Ranged descriptor not accepted. Maybe pass through deriveaddresses first?")
    try:
        scripts = found.expand()
    except DecodeError:
        raise RpcError(INVALID_ADDRESS_OR_KEY, "Cannot derive script without private keys") from None
    return scripts[_CHOSEN[len(scripts)]].script


@rpc("generateblock", family="bitcoin", group="generating", cost="write")
def generate_block(node: Node, output: str, transactions: list[str], submit: bool = True) -> dict[str, Any]:
    """Mine a block of exactly these transactions (ids of pooled ones, or hex), in this order, paid to an address or descriptor."""
    script = _output_script(node, output)
    txs = [_pick(node, text) for text in transactions]
    with node.position() as at:
        made = _assemble(node, script, txs, at)
    stop = node.stopping.is_set if node.spec.network.local else few_tries(node, MAX_TRIES)
    block = node.producer.seal(made, Purse(script), stop)
    sealed = getattr(block, "block", None)
    if sealed is None:
        raise RpcError(MISC_ERROR, "Failed to make block.")
    result: dict[str, Any] = {"hash": display_hex(sealed.header.hash)}
    if submit:
        node.take_made(sealed)
    else:
        result["hex"] = block_bytes(node.spec, sealed).hex()
    return result


def _output_script(node: Node, output: str) -> bytes:
    try:
        return descriptor_script(node, output)
    except RpcError as e:
        if e.code == INVALID_PARAMETER:
            raise
    try:
        return addresses.decode(output, node.spec.addresses)
    except DecodeError:
        raise RpcError(INVALID_ADDRESS_OR_KEY, "Error: Invalid address or descriptor") from None


def _pick(node: Node, text: str) -> Any:
    if len(text) == 64 and is_hex(text):
        entry = node.pool.get(bytes.fromhex(text)[::-1])
        if entry is None:
            raise RpcError(INVALID_ADDRESS_OR_KEY, f"Transaction {text} not in mempool.")
        return entry.tx
    return read_tx(
        node.spec, text, f"Transaction decode failed for {shown(text)}. Make sure the tx has at least one input."
    )


def _assemble(node: Node, script: bytes, txs: Sequence[Any], at: Position) -> Any:
    """An unsealed block of all of these, proven by connecting it in memory. Raises RpcError("TestBlockValidity failed: ...")."""
    draft = node.producer.draft(at, Purse(script), node.stopping.is_set)
    if draft is None:
        raise RpcError(MISC_ERROR, "Failed to make block.")
    nothing: frozenset[bytes] = frozenset()
    chosen = [Admission(tx, tx.id, nothing, nothing, nothing, 0, 0, tx.vsize, resources=(tx.weight, 0)) for tx in txs]
    made = node.producer.assemble(draft, at, chosen)
    included = {tx.id for tx in made.block.txs}
    for tx in txs:
        if tx.id not in included:
            raise RpcError(VERIFY_ERROR, f"TestBlockValidity failed: {_why(node, tx, at)}")
    try:
        node.spec.ledger.check_block(made.block, at.branch)
        node.spec.ledger.connect(made.block, at.branch, Journal(at.state), Aid())
    except ChainError as e:
        raise RpcError(VERIFY_ERROR, f"TestBlockValidity failed: {full_reason(e)}") from None
    return made


def _why(node: Node, tx: Any, at: Position) -> str:
    """Why a transaction does not go into a block here."""
    try:
        node.gate.judge([tx], at)
    except ChainError as e:
        return full_reason(e)
    return "bad-txns-inputs-missingorspent"
