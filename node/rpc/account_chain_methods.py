"""The control port of account chains: the methods of process, peers and block tree that every family shares, in Core's form."""

from __future__ import annotations

from typing import Any

from node.node import Node
from node.producer import Purse
from node.rpc import blockchain_methods, chain_control_methods, control_methods, network_methods
from node.rpc.errors import INVALID_ADDRESS_OR_KEY, RpcError
from node.rpc.params import display_hex
from node.rpc.registry import rpc
from primitives.address import account_decode
from primitives.errors import DecodeError

_SHARED = (
    (blockchain_methods.get_block_count, "getblockcount", "blockchain", "light"),
    (blockchain_methods.get_best_block_hash, "getbestblockhash", "blockchain", "light"),
    (chain_control_methods.invalidate_block, "invalidateblock", "blockchain", "write"),
    (chain_control_methods.reconsider_block, "reconsiderblock", "blockchain", "write"),
    (control_methods.help_, "help", "control", "light"),
    (control_methods.stop, "stop", "control", "light"),
    (control_methods.uptime, "uptime", "control", "light"),
    (control_methods.get_rpc_info, "getrpcinfo", "control", "light"),
    (control_methods.logging, "logging", "control", "light"),
    (control_methods.set_mock_time, "setmocktime", "control", "write"),
    (network_methods.get_peer_info, "getpeerinfo", "network", "light"),
    (network_methods.get_connection_count, "getconnectioncount", "network", "light"),
    (network_methods.ping, "ping", "network", "light"),
    (network_methods.add_node, "addnode", "network", "light"),
    (network_methods.disconnect_node, "disconnectnode", "network", "light"),
    (network_methods.set_ban, "setban", "network", "light"),
    (network_methods.list_banned, "listbanned", "network", "light"),
    (network_methods.set_network_active, "setnetworkactive", "network", "light"),
    (network_methods.get_net_totals, "getnettotals", "network", "light"),
    (network_methods.set_peer_filter, "setpeerfilter", "network", "light"),
)
for _run, _name, _group, _cost in _SHARED:
    rpc(_name, family="account", group=_group, cost=_cost)(_run)  # type: ignore[arg-type]


@rpc("getblockchaininfo", family="account", group="blockchain")
def get_blockchain_info(node: Node) -> dict[str, Any]:
    """Where the chain stands. Hashes are reversed, as all are in this form of RPC."""
    tip = node.chain.tip
    return {
        "chain": node.spec.client_name,
        "blocks": tip.height,
        "headers": node.chain.best_header.height,
        "bestblockhash": display_hex(tip.hash),
        "time": tip.header.timestamp,
        "chainwork": f"{tip.weight:064x}",
        "initialblockdownload": node.chain.best_header.height > tip.height + 1,
    }


@rpc("generatetoaddress", family="account", group="generating")
async def generate_to_address(node: Node, nblocks: int, address: str) -> list[str]:
    """Mine blocks at once, their rewards to an account; returns their hashes."""
    try:
        account = account_decode(address)
    except DecodeError as e:
        raise RpcError(INVALID_ADDRESS_OR_KEY, f"Error: Invalid address ({e})") from None
    return [display_hex(key) for key in await node.generate(nblocks, Purse(account))]


@rpc("generate", family="account", group="generating")
async def generate(node: Node, nblocks: int = 1) -> list[str]:
    """Mine blocks at once, their rewards to nobody; returns their hashes."""
    return [display_hex(key) for key in await node.generate(nblocks, Purse(bytes(20)))]


@rpc("getmempoolinfo", family="account", group="mempool", cost="write")
def get_mempool_info(node: Node) -> dict[str, Any]:
    """How much is in the pool."""
    return {"loaded": True, "size": len(node.pool), "queued": len(node.gate.parked), "usage": node.pool.memory}
