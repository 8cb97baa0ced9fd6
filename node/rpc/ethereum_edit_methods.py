"""hardhat_ and anvil_ methods that change accounts, the pool, or what has happened already: edits, impersonation, reorganisations."""

from __future__ import annotations

from typing import Annotated, Any

from node.node import Node
from node.rpc.ethereum_call_params import CallObject, call_object
from node.rpc.ethereum_dev_api import Dev
from node.rpc.ethereum_filling import fill
from node.rpc.ethereum_json import hexed
from node.rpc.ethereum_params import Address, Data, Digest, Flag, Number, Word, data, number, wrong
from node.rpc.registry import rpc
from primitives.ethereum_directives import set_balance, set_code, set_nonce, set_storage
from primitives.ethereum_tx import decode_network_transaction

# -- state ----------------------------------------------------------------------------------------------------------


@rpc(
    "hardhat_setBalance",
    "ethereum",
    "hardhat",
    cost="write",
    aliases=("anvil_setBalance", "evm_setAccountBalance", "tenderly_setBalance"),
)
def control_balance(dev: Dev, address: Address, wei: Number) -> bool:
    """Give an account so many wei, in a block of its own."""
    dev.edit([set_balance(address, wei)])
    return True


@rpc("anvil_addBalance", "ethereum", "anvil", cost="write", aliases=("hardhat_addBalance",))
def add_balance(dev: Dev, address: Address, wei: Number) -> bool:
    """Give an account so many wei more, in a block of its own."""
    dev.fund([address], wei)
    return True


@rpc("hardhat_setNonce", "ethereum", "hardhat", cost="write", aliases=("anvil_setNonce", "evm_setAccountNonce"))
def control_nonce(dev: Dev, address: Address, nonce: Number) -> bool:
    """Give an account this next nonce, in a block of its own."""
    if nonce >= (1 << 64) - 1:
        raise wrong("nonce is out of range")
    dev.edit([set_nonce(address, nonce)])
    return True


@rpc("hardhat_setCode", "ethereum", "hardhat", cost="write", aliases=("anvil_setCode", "evm_setAccountCode"))
def control_code(dev: Dev, address: Address, code: Data) -> bool:
    """Give an account this code, in a block of its own."""
    dev.edit([set_code(address, code)])
    return True


@rpc(
    "hardhat_setStorageAt",
    "ethereum",
    "hardhat",
    cost="write",
    aliases=("anvil_setStorageAt", "evm_setAccountStorageAt"),
)
def control_storage(dev: Dev, address: Address, slot: Word, value: Word) -> bool:
    """Give a slot of a contract this value, in a block of its own."""
    dev.edit([set_storage(address, slot, value)])
    return True


@rpc("hardhat_impersonateAccount", "ethereum", "hardhat", cost="write", aliases=("anvil_impersonateAccount",))
def impersonate(dev: Dev, address: Address) -> bool:
    """Let eth_sendTransaction send as this account without its key."""
    dev.check_edits()
    dev.modes.impersonated.add(address)
    return True


@rpc(
    "hardhat_stopImpersonatingAccount", "ethereum", "hardhat", cost="write", aliases=("anvil_stopImpersonatingAccount",)
)
def stop_impersonating(dev: Dev, address: Address) -> bool:
    """No longer; whether it was impersonated."""
    had = address in dev.modes.impersonated
    dev.modes.impersonated.discard(address)
    return had


@rpc("anvil_autoImpersonateAccount", "ethereum", "anvil", cost="write", aliases=("hardhat_autoImpersonateAccount",))
def auto_impersonate(dev: Dev, enabled: Flag) -> bool:
    """Let eth_sendTransaction send as any account."""
    dev.check_edits()
    dev.modes.impersonates_all = enabled
    return True


# -- pool and reorganisations ---------------------------------------------------------------------------------------


@rpc("hardhat_dropTransaction", "ethereum", "hardhat", cost="write")
def hardhat_drop(node: Node, hash: Digest) -> bool:
    """Take a transaction out of the pool, and those of its sender after it; whether it was there."""
    return bool(node.drop_tx(hash)) or node.gate.parked.remove(hash) is not None


@rpc("anvil_dropTransaction", "ethereum", "anvil", cost="write")
def anvil_drop(node: Node, hash: Digest) -> str | None:
    """Take a transaction out of the pool; its hash, or null where it was not there."""
    return hexed(hash) if hardhat_drop(node, hash) else None


@rpc(
    "anvil_dropAllTransactions",
    "ethereum",
    "anvil",
    cost="write",
    aliases=("hardhat_dropAllTransactions", "debug_clearTxpool"),
)
def drop_all(node: Node) -> None:
    """Empty the pool."""
    for entry in list(node.pool):
        node.drop_tx(entry.id)
    node.gate.parked.drain()


@rpc("anvil_removePoolTransactions", "ethereum", "anvil", cost="write")
def drop_of(node: Node, address: Address) -> None:
    """Take all transactions of a sender out of the pool."""
    for entry in list(node.pool):
        if entry.tx.sender == address:
            node.drop_tx(entry.id)
    for waiting in list(node.gate.parked):
        if waiting.tx.sender == address:
            node.gate.parked.remove(waiting.id)


Pair = tuple[bytes | CallObject, int]


def reorg_options(value: Any, name: str) -> int | tuple[int, list[Pair]]:
    """Anvil's object with `depth` and `tx_block_pairs`, or the depth alone."""
    if not isinstance(value, dict):
        return number(value, name)
    pairs = value.get("tx_block_pairs", value.get("txBlockPairs")) or []
    return number(value.get("depth"), "depth"), reorg_pairs(pairs, "tx_block_pairs")


def reorg_pairs(value: Any, name: str) -> list[Pair]:
    """Transactions (raw or as objects), each with the number of the new block that it goes into."""
    if not isinstance(value, list) or any(not isinstance(p, list) or len(p) != 2 for p in value):
        raise wrong(f"{name} must be an array of pairs")
    return [
        (data(tx, "transaction") if isinstance(tx, str) else call_object(tx), number(block, "block"))
        for tx, block in value
    ]


@rpc("anvil_reorg", "ethereum", "anvil", cost="write", aliases=("hardhat_reorg", "evm_reorg"))
def reorganise(
    node: Node,
    dev: Dev,
    depth: Annotated[Any, reorg_options],
    tx_block_pairs: Annotated[Any, reorg_pairs] = (),
) -> None:
    """Replace the newest `depth` blocks by others, with these transactions in them: a side branch wins by the rules of the chain."""
    pairs: list[Pair] = list(tx_block_pairs)
    if isinstance(depth, tuple):
        depth, more = depth
        pairs += more
    txs: dict[int, list[Any]] = {}
    for what, block in pairs:
        if block >= depth:
            raise wrong(f"block number {block} does not lie within the {depth} new blocks")
        if isinstance(what, bytes):
            tx = decode_network_transaction(what)
        else:
            sender = what.sender or next(iter(dev.keys))
            with node.snapshot() as at:
                tx = dev.sign(fill(what, sender, at), sender)
        txs.setdefault(block, []).append(tx)
    dev.reorganise(depth, txs)


@rpc("anvil_rollback", "ethereum", "anvil", cost="write")
def rollback(dev: Dev, depth: Number | None = None) -> None:
    """Forget the newest blocks."""
    dev.rollback(1 if depth is None else depth)


@rpc("debug_setHead", "ethereum", "debug", cost="write")
def set_head(node: Node, dev: Dev, number: Number) -> None:
    """Forget all blocks above a number."""
    height = node.chain.tip.height
    if number < height:
        dev.rollback(height - number)
