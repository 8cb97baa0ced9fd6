"""Network: several nodes of one chain as processes, and what lies between them: links, partitions, one clock."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from chainyard.node import Node
from chainyard.rpc import RpcError

SETTLE_SECONDS = 60.0


class Network:
    """`Network(3)` starts three nodes, each connected to those before it; the first gives the first accounts their money.

    with Network(3, "regtest") as net:
        net.partition([net[0]], [net[1], net[2]])
    """

    def __init__(self, count: int = 2, chain: str | None = None, arguments: Sequence[str] = (), **options: Any) -> None:
        """`arguments` and `options` as Node has them, for every node."""
        if count < 1:
            raise ValueError("a network has at least one node")
        self._count = count
        self._chain = chain
        self._arguments = list(arguments)
        self._options = options
        self._folder: Path | None = None
        self._names: dict[int, str] = {}
        self._made = 0
        self.nodes: list[Node] = []

    # -- life -------------------------------------------------------------------------------------------------------

    def start(self) -> Network:
        """Start the nodes and wait until all are connected and of one mind."""
        self._folder = Path(tempfile.mkdtemp(prefix="chainyard-net-"))
        try:
            for _ in range(self._count):
                self._start_one()
            self.settle()
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """End them all, and delete their data."""
        for node in self.nodes:
            node.stop()
        self.nodes.clear()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    def __enter__(self) -> Network:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()

    def __getitem__(self, at: int) -> Node:
        return self.nodes[at]

    def __len__(self) -> int:
        return len(self.nodes)

    def __iter__(self) -> Iterator[Node]:
        return iter(self.nodes)

    def _start_one(self) -> Node:
        assert self._folder is not None, "the network is started"
        self._made += 1
        name = f"node{self._made}"
        peers = [f"--addnode={node.state['p2p']}" for node in self.nodes]
        chain = self._chain or (self.nodes[0].state["chain"] if self.nodes else None)
        options = self._options if not self.nodes else {k: v for k, v in self._options.items() if k == "program"}
        node = Node(
            chain, datadir=self._folder / name, command="node" if self.nodes else "dev",
            arguments=[f"--name={name}", *peers, *self._arguments], **options,
        )  # fmt: skip
        self.nodes.append(node.start())
        self._names[id(node)] = name
        return node

    def add(self) -> Node:
        """One more node, connected to all; it shows the net's clock."""
        node = self._start_one()
        node.travel(max(0, max(other.time for other in self.nodes) - node.time))
        return node

    def remove(self, node: Node | int) -> None:
        """Stop a node and delete its data."""
        chosen = self._node(node)
        address = chosen.state["p2p"]
        chosen.stop()
        self.nodes.remove(chosen)
        for other in self.nodes:
            with contextlib.suppress(RpcError):  # it need not know this node
                other.rpc.call("addnode", address, "remove")

    def _node(self, node: Node | int) -> Node:
        return self.nodes[node] if isinstance(node, int) else node

    def name(self, node: Node | int) -> str:
        """What its peers call a node."""
        return self._names[id(self._node(node))]

    # -- what lies between --------------------------------------------------------------------------------------------

    def link(
        self,
        one: Node | int,
        other: Node | int,
        latency: float = 0.0,
        jitter: float = 0.0,
        loss: float = 0.0,
        bandwidth: float = 0.0,
        both_ways: bool = True,
    ) -> None:
        """Make a link slow or lossy: seconds, seconds, a share of packets, bytes a second; plain again where nothing is said."""
        ends = [(one, other), (other, one)] if both_ways else [(one, other)]
        for source, target in ends:
            self._node(source).rpc.call("setlink", self.name(target), latency, jitter, loss, bandwidth)

    def partition(self, *groups: Sequence[Node | int]) -> None:
        """Cut every link between two groups; nodes that no group names form one more. Raises ValueError for a single side."""
        named = [{self.name(n) for n in group} for group in groups]
        rest = {self.name(n) for n in self.nodes} - set().union(*named)
        sides = [side for side in [*named, rest] if side]
        if len(sides) < 2:
            raise ValueError("a partition needs two sides")
        for node in self.nodes:
            own = self.name(node)
            others = [name for side in sides if own not in side for name in sorted(side)]
            node.rpc.call("setpeerfilter", others)

    def heal(self) -> None:
        """Let all nodes talk to each other again."""
        for node in self.nodes:
            node.rpc.call("setpeerfilter", [])

    def travel(self, seconds: int) -> int:
        """Move the one clock of all nodes on; what it shows then."""
        target = max(node.time for node in self.nodes) + seconds
        for node in self.nodes:
            node.travel(max(0, target - node.time))
        return target

    def settle(self, timeout: float = SETTLE_SECONDS) -> str:
        """Wait until all nodes have one tip; its hash. Raises TimeoutError."""
        end = time.monotonic() + timeout
        while len(tips := {node.tip for node in self.nodes}) > 1 or not self._joined():
            if time.monotonic() > end:
                raise TimeoutError(f"after {timeout:g} s the nodes have {len(tips)} tips: {', '.join(sorted(tips))}")
            time.sleep(0.02)
        return tips.pop()

    def _joined(self) -> bool:
        """Whether every node has a peer, or is cut off from all."""
        return len(self.nodes) == 1 or all(node.rpc.call("getconnectioncount") for node in self.nodes)
