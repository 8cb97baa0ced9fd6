"""Methods about the node itself: who it is, whom it knows, what it offers (net_, web3_, admin_, rpc_, eth_syncing, eth_config, ...)."""

from __future__ import annotations

import platform
import sys
import zlib
from typing import Any

from ledger.account.rules import BEACON_ROOTS, BLOCK_HASHES, CONSOLIDATION_REQUESTS, WITHDRAWAL_REQUESTS, Schedule, Step
from node.node import Node
from node.rpc.api import Control, Peers
from node.rpc.dispatch import Dispatcher
from node.rpc.ethereum_json import Json, hexed
from node.rpc.ethereum_lookup import ledger_of, server_error
from node.rpc.ethereum_params import Data
from node.rpc.openrpc import describe
from node.rpc.registry import rpc
from primitives.hashing import keccak256

VERSION = "0.1.0"


def client_version() -> str:
    """geth's form: name, version, platform, language."""
    return f"Chainyard/v{VERSION}/{sys.platform}-{platform.machine()}/python{platform.python_version()}"


@rpc("web3_clientVersion", "ethereum", "web3")
def web3_client_version() -> str:
    """Name and version of this node."""
    return client_version()


@rpc("web3_sha3", "ethereum", "web3")
def web3_sha3(data: Data) -> str:
    """keccak-256 of data."""
    return hexed(keccak256(data))


@rpc("net_version", "ethereum", "net")
def net_version(node: Node) -> str:
    """The network's id, which is the chain id, in decimal."""
    return str(ledger_of(node).schedule.chain_id)


@rpc("net_listening", "ethereum", "net")
def net_listening(peers: Peers) -> bool:
    """Whether peers can connect."""
    return peers.active


@rpc("net_peerCount", "ethereum", "net")
def net_peer_count(peers: Peers) -> str:
    """How many peers are connected."""
    return hex(len(peers.infos()))


@rpc("eth_protocolVersion", "ethereum", "eth")
def protocol_version(peers: Peers) -> str:
    """Version of the wire protocol between nodes."""
    return hex(peers.protocol_version)


@rpc("eth_syncing", "ethereum", "eth")
def syncing(node: Node) -> Any:
    """false, or how far a sync has come."""
    chain = node.chain
    if chain.best_header.height <= chain.tip.height + 1 or chain.best_header.weight <= chain.tip.weight:
        return False
    return {
        "startingBlock": hex(chain.tip.height),
        "currentBlock": hex(chain.tip.height),
        "highestBlock": hex(chain.best_header.height),
    }


@rpc("rpc_modules", "ethereum", "rpc")
def rpc_modules(table: Dispatcher) -> dict[str, str]:
    """The groups of methods that are served."""
    return dict.fromkeys(sorted({name.partition("_")[0] for name in table.registry.methods}), "1.0")


@rpc("rpc_discover", "ethereum", "rpc", aliases=("rpc.discover",))
def discover(table: Dispatcher) -> Json:
    """The whole table of methods as an OpenRPC document."""
    return describe(table.registry, "Ethereum-style RPC")


@rpc("rpc_help", "ethereum", "rpc")
def help_(table: Dispatcher, method: str = "") -> str:
    """Usage and meaning of a method; of none: all of them, one a line."""
    if method:
        return table.registry.find(method).help
    return "\n".join(m.usage for _, m in sorted(table.registry.methods.items()))


@rpc("admin_nodeInfo", "ethereum", "admin")
def node_info(node: Node, peers: Peers) -> Json:
    """What this node is and where it stands."""
    tip, genesis = node.chain.tip, node.spec.genesis.header
    return {
        "name": client_version(),
        "id": peers.user_agent,
        "ports": {"listener": node.spec.network.p2p_port},
        "protocols": {
            "eth": {
                "network": ledger_of(node).schedule.chain_id,
                "difficulty": tip.weight,
                "genesis": hexed(genesis.hash),
                "head": hexed(tip.hash),
            }
        },
    }


@rpc("admin_peers", "ethereum", "admin")
def admin_peers(peers: Peers) -> list[Json]:
    """The connected peers."""
    return [
        {
            "id": str(p.id),
            "name": p.user_agent,
            "network": {"remoteAddress": p.address, "localAddress": p.bind, "inbound": p.inbound},
            "protocols": {"chainyard": {"version": p.version, "height": p.starting_height}},
        }
        for p in peers.infos()
    ]


@rpc("admin_addPeer", "ethereum", "admin")
def add_peer(peers: Peers, address: str) -> bool:
    """Keep a connection to a peer, HOST:PORT."""
    try:
        peers.add(address)
    except ValueError as e:
        raise server_error(f"invalid peer: {e}") from e
    return True


@rpc("admin_removePeer", "ethereum", "admin")
def remove_peer(peers: Peers, address: str) -> bool:
    """Stop keeping a connection to a peer, and close it."""
    return peers.remove(address)


@rpc("admin_stop", "ethereum", "admin")
def stop(control: Control) -> bool:
    """End the process in order."""
    control.stop()
    return True


@rpc("eth_capabilities", "ethereum", "eth")
def capabilities(node: Node) -> Json:
    """What history this node holds: all of it."""
    tip = node.chain.tip
    whole = {"disabled": False, "oldestBlock": "0x0"}
    return {
        "head": {"number": hex(tip.height), "hash": hexed(tip.hash)},
        **{name: dict(whole) for name in ("state", "tx", "receipts", "blocks", "stateproofs")},
        "logs": {**whole, "deleteStrategy": {"type": "window", "retentionBlocks": hex(tip.height + 1)}},
    }


_BY_ADDRESS = (
    "ECREC", "SHA256", "RIPEMD160", "ID", "MODEXP", "BN254_ADD", "BN254_MUL", "BN254_PAIRING", "BLAKE2F",
    "KZG_POINT_EVALUATION", "BLS12_G1ADD", "BLS12_G1MSM", "BLS12_G2ADD", "BLS12_G2MSM", "BLS12_PAIRING_CHECK",
    "BLS12_MAP_FP_TO_G1", "BLS12_MAP_FP2_TO_G2",
)  # fmt: skip
"""Names of EIP-7910, from address 1 on."""
P256 = 0x100


def precompile_name(address: bytes) -> str:
    """The name of EIP-7910."""
    number = int.from_bytes(address, "big")
    return "P256VERIFY" if number == P256 else _BY_ADDRESS[number - 1]


@rpc("eth_config", "ethereum", "eth")
def config(node: Node) -> Json:
    """The rules that hold now, the next ones and the last ones that are planned (EIP-7910)."""
    schedule, tip = ledger_of(node).schedule, node.chain.tip.header
    timed = [s for s in schedule.steps if s.time or s.merged]
    active = [s for s in schedule.steps if s.block <= tip.number and s.time <= tip.timestamp]
    later = [s for s in timed if s.time > tip.timestamp]
    current = active[-1] if active else schedule.steps[0]
    genesis = node.spec.genesis.header.hash
    return {
        "current": _step(schedule, current, genesis),
        "next": _step(schedule, later[0], genesis) if later else None,
        "last": _step(schedule, later[-1], genesis) if later else None,
    }


def _step(schedule: Schedule, step: Step, genesis: bytes) -> Json:
    rules = step.rules
    blobs = rules.fork.blobs
    contracts: dict[str, str] = {}
    for name, contract in (
        ("BEACON_ROOTS_ADDRESS", rules.beacon_roots and BEACON_ROOTS),
        ("CONSOLIDATION_REQUEST_PREDEPLOY_ADDRESS", rules.requests and CONSOLIDATION_REQUESTS),
        ("DEPOSIT_CONTRACT_ADDRESS", rules.deposits),
        ("HISTORY_STORAGE_ADDRESS", rules.block_hashes and BLOCK_HASHES),
        ("WITHDRAWAL_REQUEST_PREDEPLOY_ADDRESS", rules.requests and WITHDRAWAL_REQUESTS),
    ):
        if contract:
            contracts[name] = hexed(contract)
    found: Json = {"activationTime": step.time}
    if blobs is not None:
        found["blobSchedule"] = {
            "target": blobs.target,
            "max": blobs.max,
            "baseFeeUpdateFraction": blobs.base_fee_update_fraction,
        }
    found["chainId"] = hex(schedule.chain_id)
    found["forkId"] = hexed(fork_id(schedule, step, genesis))
    found["precompiles"] = dict(sorted((precompile_name(a), hexed(a)) for a in rules.fork.precompiles))
    found["systemContracts"] = contracts
    return found


def fork_id(schedule: Schedule, until: Step, genesis: bytes) -> bytes:
    """Check sum over genesis and the forks passed, by block and then by time (EIP-2124, EIP-6122)."""
    last = until.block or 1 << 64
    blocks = sorted({b for b in (*schedule.marks, *(s.block for s in schedule.steps if not s.time)) if 0 < b <= last})
    times = sorted({s.time for s in schedule.steps if s.time and s.time <= until.time})
    check = zlib.crc32(genesis)
    for point in (*blocks, *times):
        check = zlib.crc32(point.to_bytes(8, "big"), check)
    return check.to_bytes(4, "big")
