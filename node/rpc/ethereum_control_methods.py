"""evm_, anvil_ and hardhat_ methods: what a test does to its chain. All aliases of one control are one method here."""

from __future__ import annotations

import logging
from typing import Annotated, Any

from node.controls import MOST_BLOCKS
from node.dump import dump, load
from node.node import Node
from node.rpc.ethereum_dev_api import Dev
from node.rpc.ethereum_json import Json, block_json, hexed
from node.rpc.ethereum_lookup import ledger_of, server_error
from node.rpc.ethereum_net_methods import VERSION, client_version
from node.rpc.ethereum_params import Address, Data, Flag, Number, Quantity, Word, number, wrong
from node.rpc.registry import rpc

# -- mining ---------------------------------------------------------------------------------------------------------


def mine_options(value: Any, name: str) -> tuple[int | None, int]:
    """A timestamp, or an object with `timestamp` and `blocks`."""
    if isinstance(value, dict):
        when, blocks = value.get("timestamp"), value.get("blocks")
        return (
            None if when is None else number(when, "timestamp"),
            1 if blocks is None else number(blocks, "blocks"),
        )
    return number(value, name), 1


@rpc("evm_mine", "ethereum", "evm", cost="write")
def evm_mine(dev: Dev, options: Annotated[tuple[int | None, int], mine_options] = (None, 1)) -> str:
    """Mine a block, at a timestamp where one is given."""
    when, blocks = options
    _check_count(blocks)
    for _ in range(blocks):
        dev.mine(timestamp=when)
        when = None
    return "0x0"


def _check_count(blocks: int) -> None:
    if blocks > MOST_BLOCKS:
        raise server_error(f"at most {MOST_BLOCKS} blocks at once")


@rpc("evm_mine_detailed", "ethereum", "evm", cost="write", aliases=("anvil_mine_detailed",))
def mine_detailed(dev: Dev, options: Annotated[tuple[int | None, int], mine_options] = (None, 1)) -> list[Json]:
    """Mine blocks and return them."""
    when, blocks = options
    _check_count(blocks)
    found = []
    for _ in range(blocks):
        found.append(block_json(dev.mine(timestamp=when), True))
        when = None
    return found


@rpc("hardhat_mine", "ethereum", "hardhat", cost="write")
def hardhat_mine(dev: Dev, blocks: Number = 1, interval: Number = 1) -> bool:
    """Mine so many blocks, so many seconds apart."""
    _check_count(blocks)
    dev.mine_many(blocks, interval or None)
    return True


@rpc("anvil_mine", "ethereum", "anvil", cost="write")
def anvil_mine(dev: Dev, blocks: Number | None = None, interval: Number | None = None) -> None:
    """Mine so many blocks, so many seconds apart."""
    count = 1 if blocks is None else blocks
    _check_count(count)
    dev.mine_many(count, interval or None)


@rpc("evm_setAutomine", "ethereum", "evm", cost="write", aliases=("anvil_setAutomine",))
def set_automine(dev: Dev, enabled: Flag) -> bool:
    """Whether every transaction is mined at once."""
    dev.modes.automine = enabled
    return True


@rpc("hardhat_getAutomine", "ethereum", "hardhat", aliases=("anvil_getAutomine",))
def get_automine(dev: Dev) -> bool:
    """Whether every transaction is mined at once."""
    return dev.modes.automine


@rpc("evm_setIntervalMining", "ethereum", "evm", aliases=("anvil_setIntervalMining",))
async def set_interval_mining(dev: Dev, seconds: Number) -> bool:
    """Mine a block every so many seconds, and no longer with each transaction; 0 ends it."""
    if seconds:
        dev.modes.automine = False
    dev.set_interval(float(seconds))
    return True


@rpc("anvil_getIntervalMining", "ethereum", "anvil")
def get_interval_mining(dev: Dev) -> int | None:
    """Seconds between blocks that the clock makes; null: none."""
    return int(dev.modes.interval) or None


# -- time -----------------------------------------------------------------------------------------------------------


@rpc("evm_increaseTime", "ethereum", "evm", cost="write", aliases=("anvil_increaseTime",))
def increase_time(node: Node, dev: Dev, seconds: Number) -> int:
    """Move the chain's clock on; returns how far it is ahead of the machine's."""
    if seconds > 1 << 40:
        raise wrong("seconds is out of range")
    node.move_clock(seconds)
    return dev.ahead()


@rpc("evm_setNextBlockTimestamp", "ethereum", "evm", cost="write", aliases=("anvil_setNextBlockTimestamp",))
def set_next_timestamp(node: Node, dev: Dev, timestamp: Number) -> str:
    """The timestamp of the next block; the clock goes on from there."""
    tip = node.chain.tip.header.timestamp
    if timestamp <= tip:
        raise server_error(f"Timestamp {timestamp} is lower than or equal to previous block's timestamp {tip}")
    if timestamp >> 63:
        raise wrong("timestamp is out of range")
    dev.next_block.timestamp = timestamp
    return hex(timestamp)


@rpc("evm_setTime", "ethereum", "evm", cost="write", aliases=("anvil_setTime",))
def set_time(node: Node, timestamp: Number) -> int:
    """Set the chain's clock, in seconds (or milliseconds, beyond the year 5138); returns by how much it moved."""
    seconds = timestamp // 1000 if timestamp > 100_000_000_000 else timestamp
    if seconds >= 1 << 63:
        raise wrong("timestamp is out of range")
    moved = seconds - node.env.now()
    node.move_clock(moved)
    return moved


@rpc("anvil_setBlockTimestampInterval", "ethereum", "anvil", cost="write")
def set_spacing(dev: Dev, seconds: Number) -> None:
    """Every block comes so many seconds after the one before it."""
    if not 0 < seconds < 1 << 40:
        raise wrong("seconds is out of range")
    dev.modes.spacing = seconds


@rpc("anvil_removeBlockTimestampInterval", "ethereum", "anvil", cost="write")
def remove_spacing(dev: Dev) -> bool:
    """Blocks follow the clock again; whether they did not."""
    had = dev.modes.spacing is not None
    dev.modes.spacing = None
    return had


# -- what blocks are to have ----------------------------------------------------------------------------------------


@rpc(
    "hardhat_setNextBlockBaseFeePerGas",
    "ethereum",
    "hardhat",
    cost="write",
    aliases=("anvil_setNextBlockBaseFeePerGas",),
)
def set_next_base_fee(dev: Dev, wei: Number) -> bool:
    """Base fee of the next block, whatever its parent's was."""
    dev.check_edits()
    dev.next_block.base_fee = wei
    return True


@rpc("evm_setBlockGasLimit", "ethereum", "evm", cost="write", aliases=("anvil_setBlockGasLimit",))
def set_gas_limit(dev: Dev, gas: Number) -> bool:
    """Gas limit of the next blocks."""
    dev.check_edits()
    if not 5_000 <= gas < 1 << 63:
        raise wrong("gas limit must be at least 5000 and below 2^63")
    dev.modes.gas_limit = gas
    return True


@rpc(
    "hardhat_setCoinbase",
    "ethereum",
    "hardhat",
    cost="write",
    aliases=("anvil_setCoinbase", "evm_setCoinbase", "miner_setEtherbase"),
)
def set_coinbase(dev: Dev, address: Address) -> bool:
    """Who earns the fees of the next blocks."""
    dev.modes.coinbase = address
    return True


@rpc("hardhat_setPrevRandao", "ethereum", "hardhat", cost="write", aliases=("anvil_setPrevRandao",))
def set_randao(dev: Dev, value: Word) -> bool:
    """The random number of the next block."""
    dev.next_block.randao = value.to_bytes(32, "big")
    return True


@rpc("hardhat_setMinGasPrice", "ethereum", "hardhat", cost="write", aliases=("anvil_setMinGasPrice",))
def set_min_gas_price(dev: Dev, wei: Number) -> bool:
    """Refused: there is a fee market; the base fee is the least price."""
    raise server_error("anvil_setMinGasPrice is not supported when EIP-1559 is active")


@rpc("hardhat_setLoggingEnabled", "ethereum", "hardhat", aliases=("anvil_setLoggingEnabled",))
def set_logging(enabled: Flag) -> bool:
    """Whether calls are written to the log."""
    logging.getLogger("chainyard.rpc").setLevel(logging.DEBUG if enabled else logging.WARNING)
    return True


# -- snapshots ------------------------------------------------------------------------------------------------------


@rpc("evm_snapshot", "ethereum", "evm", cost="write", aliases=("anvil_snapshot",))
def snapshot(dev: Dev) -> str:
    """Remember where everything stands; the id is given to evm_revert."""
    return hex(dev.controls.snapshot())


@rpc("evm_revert", "ethereum", "evm", cost="write", aliases=("anvil_revert",))
def revert(dev: Dev, id: Quantity) -> bool:
    """Go back to a snapshot, which is used up then; false where there is none."""
    return dev.controls.revert(id)


@rpc("hardhat_reset", "ethereum", "hardhat", cost="write", aliases=("anvil_reset", "evm_reset"))
def reset(dev: Dev, options: Any = None) -> bool:
    """Back to genesis."""
    forking = options.get("forking") if isinstance(options, dict) else None
    if isinstance(forking, dict) and forking.get("jsonRpcUrl"):
        raise server_error("forking a live chain is not supported: this node has no network")
    dev.reset()
    return True


# -- what the node is -----------------------------------------------------------------------------------------------


@rpc("anvil_nodeInfo", "ethereum", "anvil")
def node_info(node: Node, dev: Dev) -> Json:
    """Where the chain stands and how blocks come about."""
    header, ledger = node.chain.tip.header, ledger_of(node)
    return {
        "currentBlockNumber": hex(header.number),
        "currentBlockTimestamp": header.timestamp,
        "currentBlockHash": hexed(header.hash),
        "hardFork": ledger.schedule.of(header).name,
        "transactionOrder": "fees",
        "environment": {
            "baseFee": hex(header.base_fee or 0),
            "chainId": ledger.schedule.chain_id,
            "gasLimit": hex(header.gas_limit),
            "gasPrice": hex((header.base_fee or 0) + 10**9),
        },
        "forkConfig": {"forkUrl": None, "forkBlockNumber": None, "forkRetryBackoff": None},
        "network": ledger.schedule.chain_id,
    }


@rpc("hardhat_metadata", "ethereum", "hardhat", aliases=("anvil_metadata",))
def metadata(node: Node, dev: Dev) -> Json:
    """What this node is."""
    header, ledger = node.chain.tip.header, ledger_of(node)
    return {
        "clientVersion": client_version(),
        "clientSemver": VERSION,
        "chainId": ledger.schedule.chain_id,
        "instanceId": hexed(dev.instance),
        "latestBlockNumber": header.number,
        "latestBlockHash": hexed(header.hash),
        "forkedNetwork": None,
        "snapshots": {},
    }


# -- whole chains ---------------------------------------------------------------------------------------------------


@rpc("anvil_dumpState", "ethereum", "anvil", cost="write", aliases=("hardhat_dumpState", "evm_dumpState"))
def dump_state(dev: Dev, preserveHistoricalStates: bool | None = None) -> str:
    """The whole chain with its history, pool and clock, as one string for anvil_loadState."""
    return hexed(dump(dev.controls))


@rpc("anvil_loadState", "ethereum", "anvil", cost="write", aliases=("hardhat_loadState", "evm_loadState"))
def load_state(dev: Dev, state: Data) -> bool:
    """Put a chain that anvil_dumpState gave in the place of this one."""
    dev.check_edits()
    load(state, dev.controls)
    return True
