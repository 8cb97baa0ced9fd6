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
        "coins": "bitcoin" in spec.rpc,
        "cookie": str(directory / ".cookie") if directory is not None else None,
    }
    if directory is None and spec.network.local:
        first = credentials[0]
        state["user"], state["password"] = first.user, first.secret
    return state


WARNING = "WARNING: these keys are public. Whatever is sent to them on a live network is lost."


def banner(state: dict[str, Any], dev: bool) -> str:
    """The same for people."""
    height = f"height {state['height']}"
    rules = f", {state['fork']} rules" if "fork" in state else ""
    lines = [f"Chainyard 0.1.0, chain {state['chain']}, {height}{rules}"]
    lines += _money(state)
    lines += ["", *_places(state), "", *_commands(state, dev)]
    return "\n".join(lines)


def _money(state: dict[str, Any]) -> list[str]:
    """Accounts and keys with money from the start, as Anvil prints its own."""
    accounts, coins = state.get("accounts", ()), state.get("coin_accounts", ())
    lines = []
    if accounts:
        lines += ["", "Accounts, 10000 ether each:"]
        lines += [f"({i}) {a['address']}" for i, a in enumerate(accounts)]
        lines += ["", "Private keys:"]
        lines += [f"({i}) {a['key']}" for i, a in enumerate(accounts)]
    if coins:
        lines += ["", "Addresses, 100 coins each, and their keys:"]
        lines += [f"({i}) {a['address']}  {a['wif']}" for i, a in enumerate(coins)]
    if accounts or coins:
        lines += ["", *([f"Mnemonic: {state['mnemonic']}"] if "mnemonic" in state else []), WARNING]
    return lines


def _places(state: dict[str, Any]) -> list[str]:
    """Where everything is."""
    ether, coins = "ethereum_rpc" in state, state["coins"]
    lines = []
    if ether:
        lines += [f"  chain id      {state['chain_id']}", f"  gas limit     {state['gas_limit']}"]
        if state["base_fee"] is not None:
            lines.append(f"  base fee      {state['base_fee']} wei")
        lines += [f"  Ethereum RPC  {state['ethereum_rpc']}", f"  WebSocket     {state['ethereum_ws']}"]
    lines.append(f"  {'Bitcoin RPC ' if coins else 'control     '}  {_with_login(state)}")
    if state["p2p"]:
        lines.append(f"  peers         {state['p2p']}")
    lines.append(f"  data          {state['datadir'] or 'in memory: gone when this process ends'}")
    return lines


def _with_login(state: dict[str, Any]) -> str:
    host = str(state["rpc"]).removeprefix("http://")
    return f"http://{state['user']}:{state['password']}@{host}" if "user" in state else state["rpc"]


def _commands(state: dict[str, Any], dev: bool) -> list[str]:
    """What to copy next."""
    accounts, coins = state.get("accounts", ()), state["coins"]
    where = []
    if "user" in state:
        where.append(f"CHAINYARD_RPC_URL={_with_login(state)}")
    else:
        where += [f"CHAINYARD_DATADIR='{Path(state['datadir']).parent}'", f"CHAINYARD_CHAIN={state['chain']}"]
    if "ethereum_rpc" in state:
        where.append(f"ETH_RPC_URL={state['ethereum_rpc']}")
    lines = ["Next, in another terminal:", f"  export {' '.join(where)}"]
    if accounts:
        lines.append(f"  chainyard account balance {accounts[0]['address']}")
    elif "ethereum_rpc" in state:
        lines.append("  chainyard block latest")
    if coins:
        lines.append("  chainyard wallet create alice")
        if dev:
            lines.append('  chainyard control faucet "$(chainyard wallet address --wallet alice)" 5coins')
        lines.append("  chainyard info")
        login = f"{state['user']}:{state['password']}" if "user" in state else f"$(cat '{state['cookie']}')"
        lines.append(f'  curl --user "{login}" --data \'{{"method":"getblockcount"}}\' {state["rpc"]}/')
    elif "ethereum_rpc" in state:
        lines += ["  chainyard control mine 3"] if dev else []
        body = '{"jsonrpc":"2.0","id":1,"method":"eth_blockNumber"}'
        lines.append(f"  curl -H 'content-type: application/json' --data '{body}' {state['ethereum_rpc']}")
    return lines
