"""Testnet: N nodes as processes of their own, each with its directory and ports, and the links between them.

The state is one file, net.json, so that every command finds the network that another one started.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from node.client import NoConnection, RpcClient, endpoint_of
from node.rpc.errors import RpcError

if TYPE_CHECKING:
    from node.ethereum_client import EthereumClient

STATE_FILE = "net.json"
START_SECONDS = 30.0
STAKE_WALLET = "staker"
STAKE_COINS = 20
"""Coins of each staker: fewer would all be too young most of the time."""
STAKE_SPAN = 3_600
"""Seconds over which they are mined."""


class NetError(Exception):
    """The network cannot do that: what, why, and what to do."""


@dataclass(frozen=True, slots=True)
class Member:
    """One node of the network."""

    name: str
    folder: str
    port: int
    bitcoin_rpc_port: int
    pid: int = 0
    ethereum_rpc_port: int = 0
    """Used by chains with accounts alone."""

    @property
    def running(self) -> bool:
        """Whether its process lives."""
        if not self.pid:
            return False
        try:
            os.kill(self.pid, 0)
        except OSError:
            return False
        with contextlib.suppress(OSError):
            return "Z" not in Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()[0]
        return True


@dataclass(frozen=True, slots=True)
class Line:
    """How one direction between two nodes behaves: see p2p/shaping.py."""

    source: str
    target: str
    latency: float = 0.0
    jitter: float = 0.0
    loss: float = 0.0
    bandwidth: float = 0.0


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on now."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


class Testnet:
    """A local network below one directory."""

    __test__ = False

    def __init__(
        self,
        root: Path,
        chain: str,
        members: Sequence[Member],
        stakers: Sequence[str] = (),
        links: Sequence[Line] = (),
    ) -> None:
        self.root = root
        self.chain = chain
        self.members = list(members)
        self.stakers = list(stakers)
        """Names of the nodes that stake."""
        self.links = list(links)
        """Lines that are not as fast as this machine; they outlive a restart."""
        self._clients: dict[str, RpcClient] = {}

    # -- the state file ---------------------------------------------------------------------------------------------

    @classmethod
    def create(cls, root: Path, chain: str, count: int, stakers: int = 0) -> Testnet:
        """Lay out a new network, whose last nodes are the stakers. Raises NetError where one is there already."""
        if (root / STATE_FILE).exists():
            raise NetError(
                f"there is a network in {root} already - `chainyard net up` starts it, `net down --delete` ends it"
            )
        ports = free_ports(3 * count)
        members = [
            Member(f"node{i + 1}", str(root / f"node{i + 1}"), p2p, control, ethereum_rpc_port=accounts)
            for i, (p2p, control, accounts) in enumerate(zip(ports[::3], ports[1::3], ports[2::3], strict=True))
        ]
        net = cls(root, chain, members, [m.name for m in members[count - stakers :]])
        net.save()
        return net

    @classmethod
    def open(cls, root: Path) -> Testnet:
        """The network that was laid out here. Raises NetError."""
        try:
            state = json.loads((root / STATE_FILE).read_text())
        except OSError as e:
            raise NetError(f"no network in {root} - start one with `chainyard net up`") from e
        members, links = [Member(**m) for m in state["members"]], [Line(**line) for line in state.get("links", [])]
        return cls(root, state["chain"], members, state.get("stakers", []), links)

    def save(self) -> None:
        """Write the state file."""
        self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        fresh = self.root / (STATE_FILE + ".new")
        state: dict[str, Any] = {"chain": self.chain, "members": [asdict(m) for m in self.members]}
        state |= {"stakers": self.stakers, "links": [asdict(line) for line in self.links]}
        fresh.write_text(json.dumps(state, indent=1))
        fresh.replace(self.root / STATE_FILE)

    def member(self, name: str) -> Member:
        """A node by name (`node2`) or number (`2`). Raises NetError."""
        for member in self.members:
            if name in (member.name, member.name.removeprefix("node")):
                return member
        raise NetError(f"no node {name!r} - there are {', '.join(m.name for m in self.members)}")

    def client(self, member: Member) -> RpcClient:
        """A client of a node. Raises NoConnection."""
        if member.name not in self._clients:
            self._clients[member.name] = RpcClient(endpoint_of(Path(member.folder) / Path(self.chain).stem))
        return self._clients[member.name]

    def accounts(self, member: Member) -> EthereumClient:
        """A client of a node's Ethereum-style RPC, on chains with accounts."""
        from node.ethereum_client import EthereumClient

        return EthereumClient(f"http://127.0.0.1:{member.ethereum_rpc_port}")

    # -- processes --------------------------------------------------------------------------------------------------

    def start(self, extra: Sequence[str] = (), only: Sequence[str] = ()) -> None:
        """Start the nodes that do not run, together, and wait until all answer. Raises NetError with a node's last words."""
        places, orders = [], []
        for at, member in enumerate(self.members):
            if member.running or (only and member.name not in only):
                continue
            self._clients.pop(member.name, None)
            peers = [f"--addnode=127.0.0.1:{m.port}" for m in self.members[:at]]
            arguments = ["node", "--chain", self.chain, "--datadir", member.folder]
            arguments += ["--port", str(member.port), "--bitcoin-rpc-port", str(member.bitcoin_rpc_port)]
            arguments += ["--ethereum-rpc-port", str(member.ethereum_rpc_port)]
            arguments += ["--name", member.name, "--quiet", *peers, *extra]
            Path(member.folder).mkdir(mode=0o700, parents=True, exist_ok=True)
            places.append(at)
            orders.append({"arguments": arguments, "errors": str(Path(member.folder) / "stderr.log")})
        together = len(orders) > 1 and sys.platform == "linux"  # elsewhere a fork may not be safe
        for at, pid in zip(places, _forked(self.chain, orders) if together else _spawned(orders), strict=True):
            self.members[at] = replace(self.members[at], pid=pid)
        self.save()
        started = [self.members[at] for at in places]
        for member in started:
            self._await_start(member)
        names = {member.name for member in started}
        for line in self.links:
            if line.source in names:
                self._draw(line)

    def _await_start(self, member: Member) -> None:
        def answers() -> bool:
            if not _reaped(member):
                words = (Path(member.folder) / "stderr.log").read_text(errors="replace").strip().splitlines()
                raise NetError(f"{member.name} stopped at its start: {words[-1] if words else 'it said nothing'}")
            try:
                self.client(member).call("getblockcount")
            except NoConnection:
                self._clients.pop(member.name, None)  # it may have read the cookie of the last start
                return False
            except RpcError as e:
                return e.code != -28
            return True

        if not wait_for(answers, START_SECONDS):
            raise NetError(
                f"{member.name} does not answer after {START_SECONDS:.0f} s - see {member.folder}/stderr.log"
            )

    def stop(self, only: Sequence[str] = ()) -> None:
        """Stop the nodes in order, and wait for their processes to end."""
        chosen = [m for m in self.members if m.running and (not only or m.name in only)]
        for member in chosen:
            with contextlib.suppress(ProcessLookupError):
                os.kill(member.pid, signal.SIGTERM)
        for member in chosen:
            if not wait_for(lambda m=member: not _reaped(m), 15):  # type: ignore[misc]
                os.kill(member.pid, signal.SIGKILL)

    def kill(self, name: str) -> None:
        """End a node as a power cut would end its process (SIGKILL)."""
        member = self.member(name)
        os.kill(member.pid, signal.SIGKILL)
        wait_for(lambda: not _reaped(member), 15)

    def add(self) -> Member:
        """One more node, started and connected to all that run."""
        ports = free_ports(3)
        number = 1 + max(int(m.name.removeprefix("node")) for m in self.members)
        name = f"node{number}"
        self.members.append(Member(name, str(self.root / name), ports[0], ports[1], ethereum_rpc_port=ports[2]))
        self.save()
        running = [self.client(m) for m in self.members if m.running]
        second = max((client.call("movetime", 0) for client in running), default=0)
        self.start(only=[name])
        self.reach(second)  # the one clock of the net may be ahead of the machine's
        return self.member(name)

    def remove(self, name: str) -> None:
        """Stop a node and delete its data. Raises NetError for the last one."""
        member = self.member(name)
        if len(self.members) == 1:
            raise NetError("that is the only node - `chainyard net down --delete` ends the network")
        self.stop([member.name])
        self.members.remove(self.member(name))
        self.stakers = [n for n in self.stakers if n != member.name]
        self.links = [line for line in self.links if member.name not in (line.source, line.target)]
        self.save()
        for other in self.members:
            if other.running:
                with contextlib.suppress(RpcError):  # it need not know this node
                    self.client(other).call("addnode", f"127.0.0.1:{member.port}", "remove")
        shutil.rmtree(member.folder, ignore_errors=True)

    # -- links ------------------------------------------------------------------------------------------------------

    def link(self, one: str, other: str, both_ways: bool = True, **how: float) -> list[Line]:
        """Make the line between two nodes slow or lossy (latency, jitter, loss, bandwidth), or plain again where nothing is said."""
        a, b = self.member(one).name, self.member(other).name
        if a == b:
            raise NetError("a link has two ends - name two nodes")
        drawn = [Line(a, b, **how), *([Line(b, a, **how)] if both_ways else [])]
        ends = {(line.source, line.target) for line in drawn}
        self.links = [line for line in self.links if (line.source, line.target) not in ends]
        self.links += [line for line in drawn if any((line.latency, line.jitter, line.loss, line.bandwidth))]
        self.save()
        for line in drawn:
            if self.member(line.source).running:
                self._draw(line)
        return drawn

    def _draw(self, line: Line) -> None:
        client = self.client(self.member(line.source))
        client.call("setlink", line.target, line.latency, line.jitter, line.loss, line.bandwidth)

    def partition(self, groups: Sequence[Sequence[str]]) -> None:
        """Cut every link between two groups; nodes that no group names form one more. Raises NetError."""
        named = [[self.member(n).name for n in group] for group in groups]
        rest = [m.name for m in self.members if not any(m.name in g for g in named)]
        sides = [g for g in [*named, rest] if g]
        if len(sides) < 2:
            raise NetError("a partition needs two sides - name the nodes of one of them")
        for side in sides:
            others = [m.name for m in self.members if m.name not in side]
            for name in side:
                self.client(self.member(name)).call("setpeerfilter", others)

    def heal(self) -> None:
        """Let all nodes talk to each other again."""
        for member in self.members:
            self.client(member).call("setpeerfilter", [])

    # -- stake ------------------------------------------------------------------------------------------------------

    def staker(self, name: str) -> RpcClient:
        """A client on the path of a staker's wallet."""
        return self.client(self.member(name)).wallet(STAKE_WALLET)

    def fund(self, now: int, coins: int = STAKE_COINS) -> None:
        """Give every staker a wallet and coins that are old enough at the second `now`: mined in the hour before, clocks set back."""
        miner = self.client(self.members[0])
        for name in self.stakers:
            self.client(self.member(name)).call("createwallet", wallet_name=STAKE_WALLET, load_on_startup=True)
        payees = [self.staker(name).call("getnewaddress") for _ in range(coins) for name in self.stakers]
        for at, payee in enumerate(payees):
            self.set_clocks(now - STAKE_SPAN + at * STAKE_SPAN // len(payees))
            miner.call("generatetoaddress", 1, payee)
        tip = miner.call("getbestblockhash")
        if not wait_for(
            lambda: all(self.client(m).call("getbestblockhash") == tip for m in self.members), START_SECONDS
        ):
            raise NetError("the nodes do not reach one tip - `chainyard net status` shows each")

    def set_clocks(self, second: int, only: Sequence[str] = ()) -> None:
        """Fix the clocks of all nodes at a second; 0 lets them run again."""
        for member in self.members:
            if not only or member.name in only:
                self.client(member).call("setmocktime", second)

    def reach(self, second: int) -> int:
        """Move the clocks of nodes that are behind a second there; how many nodes there are."""
        running = [m for m in self.members if m.running]
        for member in running:
            client = self.client(member)
            client.call("movetime", max(0, second - client.call("movetime", 0)))
        return len(running)

    def stake(self, on: bool = True) -> None:
        """Let all stakers stake, or stop it."""
        for name in self.stakers:
            self.staker(name).call("staking", on)

    def status(self) -> list[dict[str, Any]]:
        """One row a node: height, tip, peers, pool."""
        rows = []
        for member in self.members:
            row: dict[str, Any] = {"name": member.name, "running": member.running, "port": member.port}
            row |= {"bitcoin_rpc_port": member.bitcoin_rpc_port}
            if member.running:
                try:
                    asked = ("getblockchaininfo", "getpeerinfo", "getmempoolinfo", "getlocalinfo")
                    chain, peers, pool, local = self.client(member).batch([(method, []) for method in asked])
                    row |= {
                        "height": chain["blocks"],
                        "tip": chain["bestblockhash"],
                        "peers": len(peers),
                        "mempool": pool["size"],
                        "ethereum_rpc_port": member.ethereum_rpc_port if local["accounts"] else 0,
                    }
                except (NoConnection, TypeError) as e:
                    row["error"] = str(e)
            rows.append(row)
        return rows


_HERE = Path(__file__).resolve().parents[1]


def _environment() -> dict[str, str]:
    """This process's, without what would lead a node to other packages of the same names."""
    kept = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "PYTHONSAFEPATH")}
    return {**kept, "PYTHONPATH": str(_HERE)}


def _spawned(orders: Sequence[Mapping[str, Any]]) -> list[int]:
    """Start each node as a program of its own."""
    pids = []
    for order in orders:
        with Path(order["errors"]).open("wb") as errors:
            process = subprocess.Popen(
                [sys.executable, "-m", "cli.main", *order["arguments"]],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=errors,
                start_new_session=True,
                cwd=_HERE,
                env=_environment(),
            )
        pids.append(process.pid)
    return pids


def _forked(chain: str, orders: Sequence[Mapping[str, Any]]) -> list[int]:
    """Start them by one program that loads the code once (cli/nursery.py). Raises NetError."""
    told = json.dumps({"chain": chain, "orders": list(orders)})
    found = subprocess.run(
        [sys.executable, "-m", "cli.nursery"],
        input=told, capture_output=True, text=True, cwd=_HERE, env=_environment(), start_new_session=True, check=False,
    )  # fmt: skip
    if found.returncode:
        raise NetError(f"the nodes cannot be started: {(found.stderr.strip().splitlines() or ['it said nothing'])[-1]}")
    pids: list[int] = json.loads(found.stdout)
    return pids


def _reaped(member: Member) -> bool:
    """Whether the process still lives; takes its exit status where it is our own child."""
    with contextlib.suppress(ChildProcessError):
        os.waitpid(member.pid, os.WNOHANG)
    return member.running


def wait_for(condition: Callable[[], bool], seconds: float, step: float = 0.02) -> bool:
    """Ask again and again until the condition holds; false where the time is up."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(step)
    return True
