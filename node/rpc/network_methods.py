"""The network group: peers, the user's own peers, bans, the address book, traffic; and the filter that parts a local network."""

from __future__ import annotations

from typing import Any

from node.node import Node
from node.rpc.api import AddedPeer, PeerInfo, Peers
from node.rpc.errors import (
    CLIENT_INVALID_IP_OR_SUBNET,
    CLIENT_NODE_ALREADY_ADDED,
    CLIENT_NODE_NOT_ADDED,
    CLIENT_NODE_NOT_CONNECTED,
    INVALID_PARAMETER,
    INVALID_PARAMS,
    MISC_ERROR,
    RpcError,
)
from node.rpc.params import coins, shown
from node.rpc.registry import rpc
from p2p.handshake import SERVICE_NAMES

CORE_VERSION = 300_000
"""Of the Bitcoin Core whose answers these are, as clients compare it."""
BAN_SECONDS = 24 * 60 * 60
NETWORKS = ("ipv4", "ipv6", "onion", "i2p", "cjdns")


def service_names(bits: int) -> list[str]:
    """Names of service bits, UNKNOWN[2^n] for those without one."""
    found = [1 << n for n in range(64) if bits >> n & 1]
    return [SERVICE_NAMES.get(bit, f"UNKNOWN[2^{bit.bit_length() - 1}]") for bit in found]


def _peer(info: PeerInfo) -> dict[str, Any]:
    row: dict[str, Any] = {"id": info.id, "addr": info.address}
    if info.bind:
        row["addrbind"] = info.bind
    if info.local:
        row["addrlocal"] = info.local
    row |= {
        "network": info.network,
        "services": f"{info.services:016x}",
        "servicesnames": service_names(info.services),
        "relaytxes": info.relays_txs,
        "lastsend": info.last_sent,
        "lastrecv": info.last_received,
        "last_transaction": info.last_tx,
        "last_block": info.last_block,
        "bytessent": info.bytes_sent,
        "bytesrecv": info.bytes_received,
        "conntime": info.connected,
        "timeoffset": info.time_offset,
    }
    for name, value in (("pingtime", info.ping), ("minping", info.min_ping), ("pingwait", info.ping_wait)):
        if value is not None:
            row[name] = round(value, 6)
    return row | {
        "version": info.version,
        "subver": info.user_agent,
        "inbound": info.inbound,
        "bip152_hb_to": info.wants_compact,
        "bip152_hb_from": info.announces_compact,
        "startingheight": info.starting_height,
        "presynced_headers": -1,
        "synced_headers": info.synced_headers,
        "synced_blocks": info.synced_blocks,
        "inflight": list(info.in_flight),
        "addr_relay_enabled": info.relays_addresses,
        "addr_processed": info.addresses_processed,
        "addr_rate_limited": info.addresses_limited,
        "permissions": list(info.permissions),
        "minfeefilter": coins(info.min_fee_rate),
        "bytessent_per_msg": dict(sorted(info.sent.items())),
        "bytesrecv_per_msg": dict(sorted(info.received.items())),
        "connection_type": info.kind,
        "transport_protocol_type": "v1",
        "session_id": "",
    }


@rpc("getpeerinfo", family="bitcoin", group="network")
def get_peer_info(peers: Peers) -> list[dict[str, Any]]:
    """Each connected peer: address, services, traffic, ping, what it knows and what was asked of it."""
    return [_peer(info) for info in peers.infos()]


@rpc("getconnectioncount", family="bitcoin", group="network")
def get_connection_count(peers: Peers) -> int:
    """How many peers are connected."""
    return len(peers.infos())


@rpc("ping", family="bitcoin", group="network")
def ping(peers: Peers) -> None:
    """Ping all peers; getpeerinfo shows the times."""
    peers.ping()


@rpc("getnetworkinfo", family="bitcoin", group="network")
def get_network_info(node: Node, peers: Peers) -> dict[str, Any]:
    """What this node is on its network: version, services, connections, least fees; and the coin, where it is not Bitcoin's."""
    infos = peers.infos()
    inbound = sum(info.inbound for info in infos)
    policy, network = node.spec.ledger.policy, node.spec.network
    plain = network.coin_unit == "btc"
    return {
        "version": CORE_VERSION,
        "subversion": peers.user_agent,
        "protocolversion": peers.protocol_version,
        "localservices": f"{peers.services:016x}",
        "localservicesnames": service_names(peers.services),
        "localrelay": True,
        "timeoffset": peers.time_offset,
        "networkactive": peers.active,
        "connections": len(infos),
        "connections_in": inbound,
        "connections_out": len(infos) - inbound,
        "networks": [_network(name) for name in NETWORKS],
        "relayfee": coins(getattr(policy, "min_relay_rate", 0)),
        "incrementalfee": coins(policy.increment),
        "localaddresses": [{"address": h, "port": p, "score": 1} for h, p in peers.local_addresses()],
        "warnings": [],
    } | ({} if plain else {"coin": {"unit": network.coin_unit, "decimals": network.coin_decimals}})


def _network(name: str) -> dict[str, Any]:
    reachable = name in ("ipv4", "ipv6")
    row = {"name": name, "limited": not reachable, "reachable": reachable}
    return row | {"proxy": "", "proxy_randomize_credentials": False}


@rpc("addnode", family="bitcoin", group="network")
def add_node(peers: Peers, node: str, command: str, v2transport: bool = False) -> None:
    """Keep a connection to a peer ("add"), stop keeping it ("remove"), or try it once ("onetry")."""
    if command not in ("add", "remove", "onetry"):
        raise RpcError(MISC_ERROR, 'addnode "node" "command" ( v2transport )')
    if v2transport:
        raise RpcError(INVALID_PARAMETER, "Error: v2transport requested but not enabled (see -v2transport)")
    if command == "remove":
        if not peers.remove(node):
            wrong = "Error: Node could not be removed. It has not been added previously."
            raise RpcError(CLIENT_NODE_NOT_ADDED, wrong)
        return
    try:
        if command == "onetry":
            peers.once(node)
        elif not peers.add(node):
            raise RpcError(CLIENT_NODE_ALREADY_ADDED, "Error: Node already added")
    except ValueError as e:
        raise RpcError(INVALID_PARAMETER, f"Error: {e}") from None


@rpc("getaddednodeinfo", family="bitcoin", group="network")
def get_added_node_info(peers: Peers, node: str | None = None) -> list[dict[str, Any]]:
    """The peers that the user named, or one of them, and how they are connected."""
    found = [peer for peer in peers.added() if node in (None, peer.name)]
    if node is not None and not found:
        raise RpcError(CLIENT_NODE_NOT_ADDED, "Error: Node has not been added.")
    return [_added(peer) for peer in found]


def _added(peer: AddedPeer) -> dict[str, Any]:
    addresses = [{"address": address, "connected": direction} for address, direction in peer.connections]
    return {"addednode": peer.name, "connected": bool(addresses), "addresses": addresses}


@rpc("disconnectnode", family="bitcoin", group="network")
def disconnect_node(peers: Peers, address: str = "", nodeid: int | None = None) -> None:
    """Cut the connection to a peer, named by address or by its number in getpeerinfo."""
    if bool(address) == (nodeid is not None):
        raise RpcError(INVALID_PARAMS, "Only one of address and nodeid should be provided.")
    done = peers.disconnect_address(address) if nodeid is None else peers.disconnect(nodeid)
    if not done:
        raise RpcError(CLIENT_NODE_NOT_CONNECTED, "Node not found in connected nodes")


@rpc("setban", family="bitcoin", group="network")
def set_ban(node: Node, peers: Peers, subnet: str, command: str, bantime: int = 0, absolute: bool = False) -> None:
    """Ban an address or subnet ("add"), or lift a ban ("remove"). `bantime` is in seconds, or until when if `absolute`; 0: a day."""
    if command not in ("add", "remove"):
        raise RpcError(MISC_ERROR, 'setban "subnet" "command" ( bantime absolute )')
    try:
        if command == "remove":
            if not peers.unban(subnet):
                wrong = "Error: Unban failed. Requested address/subnet was not previously manually banned."
                raise RpcError(CLIENT_INVALID_IP_OR_SUBNET, wrong)
            return
        now = node.env.now()
        if absolute and bantime < now:
            raise RpcError(INVALID_PARAMETER, "Error: Absolute timestamp is in the past")
        seconds = bantime - now if absolute else bantime
        if not peers.ban(subnet, seconds if seconds > 0 else BAN_SECONDS):
            raise RpcError(CLIENT_NODE_ALREADY_ADDED, "Error: IP/Subnet already banned")
    except ValueError:
        raise RpcError(CLIENT_INVALID_IP_OR_SUBNET, "Error: Invalid IP/Subnet") from None


@rpc("listbanned", family="bitcoin", group="network")
def list_banned(node: Node, peers: Peers) -> list[dict[str, Any]]:
    """All bans that the user set."""
    now = node.env.now()
    return [
        {
            "address": ban.subnet,
            "ban_created": ban.created,
            "banned_until": ban.until,
            "ban_duration": ban.until - ban.created,
            "time_remaining": max(0, ban.until - now),
        }
        for ban in peers.bans()
    ]


@rpc("clearbanned", family="bitcoin", group="network")
def clear_banned(peers: Peers) -> None:
    """Lift all bans."""
    peers.clear_bans()


@rpc("setnetworkactive", family="bitcoin", group="network")
def set_network_active(peers: Peers, state: bool) -> bool:
    """Switch all of the network on or off; returns what it is now."""
    peers.set_active(state)
    return peers.active


@rpc("getnettotals", family="bitcoin", group="network")
def get_net_totals(node: Node, peers: Peers) -> dict[str, Any]:
    """Bytes received and sent since the start; there is no upload target."""
    received, sent = peers.totals()
    target = {
        "timeframe": 86400,
        "target": 0,
        "target_reached": False,
        "serve_historical_blocks": True,
        "bytes_left_in_cycle": 0,
        "time_left_in_cycle": 0,
    }
    now = node.env.now() * 1000
    return {"totalbytesrecv": received, "totalbytessent": sent, "timemillis": now, "uploadtarget": target}


@rpc("getnodeaddresses", family="bitcoin", group="network")
def get_node_addresses(node: Node, peers: Peers, count: int = 1, network: str | None = None) -> list[dict[str, Any]]:
    """Addresses of peers that this node has heard of, at most `count` drawn by chance (0: all)."""
    if count < 0:
        raise RpcError(INVALID_PARAMETER, "Address count out of range")
    if network is not None and network not in NETWORKS:
        raise RpcError(INVALID_PARAMETER, f"Network not recognized: {shown(network)}")
    found = [a for a in peers.known() if network in (None, a.network)]
    if count and count < len(found):
        found = node.env.random.sample(found, count)
    return [
        {"time": a.time, "services": a.services, "address": a.host, "port": a.port, "network": a.network} for a in found
    ]


@rpc("addpeeraddress", family="bitcoin", group="hidden")
def add_peer_address(peers: Peers, address: str, port: int, tried: bool = False) -> dict[str, Any]:
    """Put an address into the address book, for tests."""
    if not 0 <= port <= 0xFFFF:
        raise RpcError(MISC_ERROR, "JSON integer out of range")
    try:
        added = peers.add_known(address, port, tried)
    except ValueError:
        raise RpcError(CLIENT_INVALID_IP_OR_SUBNET, "Invalid IP address") from None
    return {"success": True} if added else {"success": False, "error": "failed-adding-to-new"}


@rpc("setpeerfilter", family="bitcoin", group="network")
def set_peer_filter(node: Node, peers: Peers, names: list[str]) -> None:
    """Drop and refuse the peers of these names (their user agents bear them), as a partition does; [] lets all in. Local networks only."""
    if not node.spec.network.local:
        raise RpcError(MISC_ERROR, "setpeerfilter is for local networks only")
    peers.set_filter(names)
