"""`chainyard net`: a local network of several nodes, each a process of its own."""

from __future__ import annotations

import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from cli.node import DEFAULT_CHAIN
from cli.output import MACHINE, USAGE, CliError, call, emit, json_option, net_root, program, table
from node.client import NoConnection
from node.rpc.errors import RpcError
from node.testnet import NetError, Testnet

DEV_ACCOUNT = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"
"""The first account of local chains, as Anvil's."""
STAKE_CHAINS = ("twin-stake", "stake-dev", "peercoin-regtest")
_COLUMNS = (
    "name",
    "running",
    "height",
    "tip",
    "peers",
    "mempool",
    "port",
    "bitcoin_rpc_port",
    "ethereum_rpc_port",
    "error",
)


@contextmanager
def _clear_errors() -> Iterator[None]:
    try:
        yield
    except NetError as e:
        raise CliError(str(e), USAGE) from e
    except NoConnection as e:
        raise CliError(str(e), 3, "`chainyard net status` shows which nodes run") from e
    except RpcError as e:
        raise CliError(e.message, code=e.code) from e
    except OSError as e:
        raise CliError(f"{e.strerror}: {e.filename}", MACHINE) from e


def datadir_option(command: Any) -> Any:
    """Give a command --datadir and --json."""
    option = click.option(
        "--datadir", type=click.Path(path_type=Path), default=None, help="Where the network is kept (below net/)."
    )
    return option(json_option(command))


@click.group()
def net() -> None:
    """A local network of several nodes."""


@net.command()
@click.option("-n", "count", type=click.IntRange(1, 32), default=None, help="How many nodes (3).")
@click.option(
    "--chain", default=None, help="Name of a chain, or a .toml file that describes one (twin; with stakers twin-stake)."
)
@click.option(
    "--stakers",
    type=click.IntRange(1, 16),
    default=None,
    help="So many nodes more, with coins that stake (twin-stake, stake-dev, peercoin-regtest).",
)
@click.option("--fresh", is_flag=True, help="Delete what was there before.")
@datadir_option
def up(count: int | None, chain: str | None, stakers: int | None, fresh: bool, datadir: Path | None) -> None:
    """Start the network; the one that was there goes on. With stakers, the first node is the miner that pays them."""
    chain = chain or ("twin-stake" if stakers else DEFAULT_CHAIN)
    if stakers is not None and chain not in STAKE_CHAINS and not chain.endswith(".toml"):
        raise CliError(f"{chain} has no proof of stake", USAGE, "leave --chain out, or add --chain stake-dev")
    root = net_root(datadir)
    with _clear_errors():
        if fresh:
            _delete(root)
        new = False
        try:
            network = Testnet.open(root)
        except NetError:
            nodes = count or (1 if stakers else 3)
            network, new = Testnet.create(root, chain, nodes + (stakers or 0), stakers or 0), True
        network.start()
        if network.stakers:
            _let_stake(network, new)
        rows = network.status()
        sides = network.client(network.members[0]).call("getlocalinfo")
    state = {"chain": network.chain, "datadir": str(root), "nodes": rows, "stakers": network.stakers}
    state |= {name: sides[name] for name in ("coins", "accounts", "dev_edits")}
    emit(state, lambda r: _banner(r, datadir))


def _let_stake(network: Testnet, new: bool) -> None:
    """Pay the stakers of a new network; in an old one a block of work ends a pause that was too long for stake. Then all stake."""
    if new:
        network.fund(int(time.time()))
        network.set_clocks(0)
    else:
        client = network.client(network.members[0])
        call(client, "generatetoaddress", 1, call(network.staker(network.stakers[0]), "getnewaddress"))
    network.stake()


def _banner(state: dict[str, Any], datadir: Path | None) -> str:
    first, chain, stakers = state["nodes"][0], Path(state["chain"]).stem, state["stakers"]
    me, where = program(), f" --datadir {datadir}" if datadir else ""
    cookie = Path(state["datadir"]) / "node1" / chain / ".cookie"
    coins, ether = state["coins"], state["accounts"]
    ports = ("bitcoin_rpc_port", *(("ethereum_rpc_port",) if ether else ()))
    lines = [
        f"Chainyard: {len(state['nodes'])} nodes of {state['chain']} in {state['datadir']}",
        "",
        table(state["nodes"], ("name", "height", "peers", "port", *ports)),
        "",
        "Next:",
    ]
    if stakers:
        lines += [f"  {me} wallet stake status --node {stakers[0]}{where}", f"  {me} mint 10{where}"]
    if ether:
        lines.append(f"  export ETH_RPC_URL=http://127.0.0.1:{first['ethereum_rpc_port']}")
        if state["dev_edits"]:
            lines.append(f"  {me} account balance {DEV_ACCOUNT}")
    if coins:
        lines += [f"  {me} wallet create alice --node node1{where}", f"  {me} net mine 101 --wallet alice{where}"]
        lines.append(f"  {me} rpc --node node1{where} getblockchaininfo")
        question = '{"method":"getblockcount"}'
        url = f"http://127.0.0.1:{first['bitcoin_rpc_port']}/"
        lines.append(f"  curl --user \"$(cat '{cookie}')\" --data '{question}' {url}")
    else:
        lines.append(f"  {me} net mine 3{where}")
    return "\n".join([*lines, f"  {me} net status{where}", f"  {me} net down{where}"])


def _states(rows: list[dict[str, Any]]) -> str:
    """The nodes as a table, without the columns that say nothing: a port that is not served, errors where there are none."""
    said = [c for c in _COLUMNS if c in ("name", "height", "mempool", "peers") or any(row.get(c) for row in rows)]
    return table([{**row, "tip": (row.get("tip") or "")[:16]} for row in rows], said)


@net.command()
@datadir_option
def status(datadir: Path | None) -> None:
    """Height, tip, peers and mempool of each node."""
    with _clear_errors():
        rows = Testnet.open(net_root(datadir)).status()
    emit(rows, _states)


@net.command()
@click.argument("blocks", type=click.IntRange(1), default=1)
@click.option("--node", "name", default="1", show_default=True)
@click.option("--address", default=None, help="Pay the blocks to this address.")
@click.option("--wallet", default=None, help="Pay the blocks to this wallet of the node.")
@datadir_option
def mine(blocks: int, name: str, address: str | None, wallet: str | None, datadir: Path | None) -> None:
    """Mine BLOCKS on a node."""
    with _clear_errors():
        network = Testnet.open(net_root(datadir))
        client = network.client(network.member(name))
    if address is None and wallet is not None:
        address = call(client.wallet(wallet), "getnewaddress")
    hashes = call(client, "generatetoaddress", blocks, address) if address else call(client, "mine", blocks)
    emit(hashes, lambda h: f"mined {len(h)} blocks, tip {h[-1]}")


@net.command()
@click.argument("groups", nargs=-1, required=True)
@datadir_option
def partition(groups: tuple[str, ...], datadir: Path | None) -> None:
    """Cut the network: each argument names one side (`1,2`); all other nodes form one more."""
    with _clear_errors():
        Testnet.open(net_root(datadir)).partition([g.split(",") for g in groups])
    emit({"partition": [g.split(",") for g in groups]}, lambda _: "partitioned - `chainyard net heal` joins it again")


@net.command()
@datadir_option
def heal(datadir: Path | None) -> None:
    """Join a cut network again."""
    with _clear_errors():
        Testnet.open(net_root(datadir)).heal()
    emit({"healed": True}, lambda _: "healed")


@net.command()
@click.argument("one")
@click.argument("other")
@click.option("--latency", default="0", metavar="TIME", help="How long everything takes: 200ms, 1s.")
@click.option("--jitter", default="0", metavar="TIME", help="Up to so much more.")
@click.option("--loss", default="0", metavar="SHARE", help="Packets that are sent again: 1%, 0.05.")
@click.option("--bandwidth", default="0", metavar="RATE", help="1mbit, 256kbit, or bytes a second; 0: no bound.")
@click.option("--one-way", is_flag=True, help="From the first node to the second alone.")
@datadir_option
def link(
    one: str, other: str, latency: str, jitter: str, loss: str, bandwidth: str, one_way: bool, datadir: Path | None
) -> None:
    """Make the link between two nodes slow or lossy; without options it is plain again."""
    how = {
        "latency": quantity(latency, TIMES, "a time like 200ms"),
        "jitter": quantity(jitter, TIMES, "a time like 20ms"),
        "loss": quantity(loss, {"%": 0.01, "": 1.0}, "a share like 1%"),
        "bandwidth": quantity(bandwidth, RATES, "a rate like 1mbit"),
    }
    with _clear_errors():
        lines = Testnet.open(net_root(datadir)).link(one, other, not one_way, **how)
    emit([asdict(line) for line in lines], lambda rows: table(rows, list(rows[0])))


TIMES = {"ms": 0.001, "s": 1.0, "": 1.0}
RATES = {"kbit": 125.0, "mbit": 125_000.0, "gbit": 125_000_000.0, "kb": 1e3, "mb": 1e6, "": 1.0}


def quantity(text: str, units: dict[str, float], wanted: str) -> float:
    """A number with one of these units. Raises CliError."""
    found = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?|\.[0-9]+)\s*([a-z%]*)", text.lower())
    if found is None or found[2] not in units:
        raise CliError(f"{text!r} is not {wanted}", USAGE)
    return float(found[1]) * units[found[2]]


@net.command()
@datadir_option
def add(datadir: Path | None) -> None:
    """Start one more node."""
    with _clear_errors():
        member = Testnet.open(net_root(datadir)).add()
    emit(asdict(member), lambda m: f"{m['name']} runs, p2p {m['port']}, RPC {m['bitcoin_rpc_port']}")


@net.command()
@click.argument("name")
@datadir_option
def remove(name: str, datadir: Path | None) -> None:
    """Stop a node and delete its data."""
    with _clear_errors():
        Testnet.open(net_root(datadir)).remove(name)
    emit({"removed": name}, lambda _: "removed")


@net.command()
@click.argument("name", default="1")
@click.option("-f", "--follow", is_flag=True, help="Go on as the log grows.")
@click.option("-n", "lines", default=40, show_default=True)
@datadir_option
def logs(name: str, follow: bool, lines: int, datadir: Path | None) -> None:
    """The log of a node."""
    with _clear_errors():
        network = Testnet.open(net_root(datadir))
        path = Path(network.member(name).folder) / Path(network.chain).stem / "debug.log"
        if follow:
            raise SystemExit(subprocess.call(["tail", "-n", str(lines), "-F", str(path)]))
        text = path.read_text(errors="replace").splitlines()[-lines:]
    emit(text, "\n".join)


@net.command()
@click.option("--delete", is_flag=True, help="Delete its data too.")
@datadir_option
def down(delete: bool, datadir: Path | None) -> None:
    """Stop the network."""
    root = net_root(datadir)
    with _clear_errors():
        Testnet.open(root).stop()
        if delete:
            _delete(root)
    emit({"stopped": True}, lambda _: "stopped" + (" and deleted" if delete else ""))


def _delete(root: Path) -> None:
    try:
        network = Testnet.open(root)
    except NetError:
        return
    network.stop()
    shutil.rmtree(root)
