"""The account side of a running node: keys, controls, events and the Ethereum-style server, started and stopped together."""

from __future__ import annotations

from typing import Any

from consensus.unsealed import Unsealed
from node.config import Config
from node.controls import Controls
from node.dev_chain import DevChain
from node.dev_keys import keys_of
from node.node import Node
from node.rpc.api import Control, Peers
from node.rpc.ethereum_catalogue import ethereum_dispatcher
from node.rpc.ethereum_json import checksummed, hexed
from node.rpc.ethereum_lookup import ledger_of
from node.rpc.ethereum_server import EthereumServer
from node.rpc.events import Events
from node.rpc.server import loopback


def serves(node: Node) -> bool:
    """Whether a chain has an account side."""
    return "ethereum" in node.spec.rpc


class EthereumService:
    """All of it for one node."""

    def __init__(
        self, node: Node, peers: Peers, control: Control, config: Config, dev: bool, controls: Controls
    ) -> None:
        spec = node.spec
        at_once = spec.dev_edits and not config.mine and (dev or isinstance(spec.engine, Unsealed))
        self.node = node
        self.config = config
        seed = b"" if config.seed is None else str(config.seed).encode()
        self.dev = DevChain(node, keys_of(spec), at_once, controls, seed)
        self.events = Events(node)
        self.dispatcher = ethereum_dispatcher(node, self.dev, self.events, peers, control)
        self.server = EthereumServer(
            node.env, self.dispatcher, self.events, config.ethereum_rpc_hosts, config.ethereum_rpc_origins
        )

    @property
    def port(self) -> int:
        """Where the server listens."""
        return self.server.port

    async def start(self) -> None:
        """Listen. Raises OSError, and ValueError where strangers could reach a server without a password."""
        host = self.config.rpc_host
        if not loopback(host) and not self.config.ethereum_rpc_hosts:
            raise ValueError(f"the Ethereum-style RPC has no password, and would listen on {host}")
        port = self.config.ethereum_rpc_port
        await self.server.start(host, self.node.spec.network.ethereum_rpc_port if port is None else port)

    async def stop(self) -> None:
        """Close the server and hear no more."""
        self.dev.close()
        await self.server.stop()
        self.events.close()

    def report(self) -> dict[str, Any]:
        """The facts for --json and --config-out."""
        host = f"{self.config.rpc_host}:{self.port}"
        header, schedule = self.node.chain.tip.header, ledger_of(self.node).schedule
        found: dict[str, Any] = {
            "tip": hexed(header.hash),
            "ethereum_rpc": f"http://{host}",
            "ethereum_ws": f"ws://{host}",
            "chain_id": schedule.chain_id,
            "fork": schedule.of(header).name,
            "gas_limit": header.gas_limit,
            "base_fee": header.base_fee,
        }
        if self.dev.keys:
            found["accounts"] = [{"address": checksummed(a), "key": "0x" + k.hex()} for a, k in self.dev.keys.items()]
        return found
