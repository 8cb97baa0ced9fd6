"""What a node says at its start: where it is, and the next commands to copy."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from node.config import Config
from node.node import Node
from node.rpc.auth import Credentials


def report(
    node: Node, config: Config, port: int, rpc_port: int, directory: Path | None, credentials: Sequence[Credentials]
) -> dict[str, Any]:
    """The facts, for --json and --config-out."""
    spec = node.spec
    state: dict[str, Any] = {
        "chain": spec.name,
        "height": node.chain.tip.height,
        "tip": node.chain.tip.hash[::-1].hex(),
        "p2p": f"{config.host}:{port}" if port else None,
        "rpc": f"http://{config.rpc_host}:{rpc_port}",
        "datadir": str(directory) if directory is not None else None,
        "cookie": str(directory / ".cookie") if directory is not None else None,
    }
    if directory is None and spec.network.local:
        first = credentials[0]
        state["user"], state["password"] = first.user, first.secret
    return state


def banner(state: dict[str, Any], dev: bool) -> str:
    """The same for people."""
    return _account_banner(state) if "ethereum_rpc" in state else _coin_banner(state, dev)


WARNING = "WARNING: these keys are public. Whatever is sent to them on a live network is lost."


def _account_banner(state: dict[str, Any]) -> str:
    lines = [f"Chainyard 0.1.0, chain {state['chain']}, height {state['height']}, {state['fork']} rules"]
    accounts = state.get("accounts", ())
    if accounts:
        lines += ["", "Accounts, 10000 ether each at genesis:"]
        lines += [f"({i}) {a['address']}" for i, a in enumerate(accounts)]
        lines += ["", "Private keys:"]
        lines += [f"({i}) {a['key']}" for i, a in enumerate(accounts)]
        lines += ["", WARNING]
    base_fee = state["base_fee"]
    lines += ["", f"  chain id   {state['chain_id']}", f"  gas limit  {state['gas_limit']}"]
    if base_fee is not None:
        lines.append(f"  base fee   {base_fee} wei")
    lines.append(f"  RPC        {state['ethereum_rpc']}")
    lines.append(f"  WebSocket  {state['ethereum_ws']}")
    lines.append(f"  control    {state['rpc']}")
    if state["p2p"]:
        lines.append(f"  peers      {state['p2p']}")
    lines.append(f"  data       {state['datadir'] or 'in memory: gone when this process ends'}")
    lines += [
        "",
        "Next, in another terminal:",
        f"  export ETH_RPC_URL={state['ethereum_rpc']}",
        "  chainyard block latest",
    ]
    if accounts:
        lines.append(f"  chainyard account balance {accounts[0]['address']}")
    body = '{"jsonrpc":"2.0","id":1,"method":"eth_blockNumber"}'
    lines.append(f"  curl -H 'content-type: application/json' --data '{body}' {state['ethereum_rpc']}")
    return "\n".join(lines)


def _coin_banner(state: dict[str, Any], dev: bool) -> str:
    lines = [f"Chainyard 0.1.0, chain {state['chain']}, height {state['height']}"]
    lines.append(f"  RPC    {state['rpc']}")
    if state["p2p"]:
        lines.append(f"  peers  {state['p2p']}")
    lines.append(f"  data   {state['datadir'] or 'in memory: gone when this process ends'}")
    host = state["rpc"].removeprefix("http://")
    if "user" in state:
        login = f"{state['user']}:{state['password']}"
        url = f"http://{login}@{host}"
        lines += ["", f"Next, in another terminal (the password {state['password']!r} is public: local use only):"]
        lines.append(f"  export CHAINYARD_RPC_URL={url}")
    else:
        login = f"$(cat '{state['cookie']}')"
        lines += ["", "Next, in another terminal:"]
        root = str(Path(state["datadir"]).parent)
        lines.append(f"  export CHAINYARD_DATADIR='{root}' CHAINYARD_CHAIN={state['chain']}")
    lines.append("  chainyard wallet create alice")
    if dev:
        lines.append('  chainyard rpc generatetoaddress 101 "$(chainyard wallet address --wallet alice)"')
    lines.append("  chainyard info")
    lines.append(f'  curl --user "{login}" --data \'{{"method":"getblockcount"}}\' {state["rpc"]}/')
    return "\n".join(lines)
