"""The command line and nodes as processes of their own, in a data directory of the test's."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from node.client import NoConnection, RpcClient, endpoint_of
from node.rpc.errors import RpcError
from node.testnet import wait_for

ROOT = Path(__file__).resolve().parents[2]
COMMAND = [sys.executable, "-m", "cli.main"]
START_SECONDS = 60.0


def environment(datadir: Path) -> dict[str, str]:
    """The environment of a user who set only the data directory."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("CHAINYARD_") or k == "CHAINYARD_VECTORS"}
    return {**kept, "CHAINYARD_DATADIR": str(datadir), "PYTHONPATH": str(ROOT), "NO_COLOR": "1"}


@dataclass
class Node:
    """A node process."""

    process: subprocess.Popen[bytes]
    folder: Path
    errors: Path
    client: RpcClient = field(init=False, repr=False)

    def interrupt(self) -> float:
        """Ctrl-C; the seconds until it had ended."""
        began = time.monotonic()
        self.process.send_signal(signal.SIGINT)
        self.process.wait(60)
        return time.monotonic() - began

    @property
    def log(self) -> str:
        """What it said so far on standard error."""
        return self.errors.read_text(errors="replace")


@dataclass
class Place:
    """A data directory and what runs on it."""

    root: Path
    nodes: list[Node] = field(default_factory=list)

    @property
    def datadir(self) -> Path:
        """The data directory."""
        return self.root / "data"

    def run(self, *arguments: object, input: str | None = None, **more: Any) -> subprocess.CompletedProcess[str]:
        """A command, to its end."""
        words = [*COMMAND, *(str(a) for a in arguments)]
        return subprocess.run(
            words, input=input if input is not None else "", capture_output=True, text=True, timeout=120,
            cwd=self.root, env=environment(self.datadir), **more,
        )  # fmt: skip

    def json(self, *arguments: object, **more: Any) -> Any:
        """The result of a command that must succeed."""
        found = self.run(*arguments, "--json", **more)
        assert found.returncode == 0, found.stderr
        return json.loads(found.stdout)

    def popen(self, *arguments: object, prepare: Callable[[], None] | None = None, chain: str = "regtest") -> Node:
        """Start `chainyard node` (or what is named first) and do not wait."""
        self.root.mkdir(parents=True, exist_ok=True)
        errors = self.root / f"stderr{len(self.nodes)}"
        words = [*COMMAND, *(str(a) for a in arguments)]
        with errors.open("wb") as file:
            process = subprocess.Popen(
                words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=file, cwd=self.root,
                env=environment(self.datadir), preexec_fn=prepare, start_new_session=True,
            )  # fmt: skip
        node = Node(process, self.datadir / chain, errors)
        self.nodes.append(node)
        return node

    def node(self, *arguments: object, prepare: Callable[[], None] | None = None, chain: str = "regtest") -> Node:
        """Start a node on free ports and wait until it answers."""
        words: Sequence[object] = ("node", "--port", 0, "--bitcoin-rpc-port", 0, "--no-listen", "--quiet", *arguments)
        if chain != "regtest":
            words = (*words, "--chain", chain)
        node = self.popen(*words, prepare=prepare, chain=chain)

        def answers() -> bool:
            assert node.process.poll() is None, node.log
            try:
                node.client = RpcClient(endpoint_of(node.folder))
                node.client.call("getblockcount")
            except (NoConnection, RpcError):
                return False
            return True

        assert wait_for(answers, START_SECONDS), node.log
        return node

    def close(self) -> None:
        """Stop what still runs."""
        for node in self.nodes:
            if node.process.poll() is None:
                node.process.kill()
                node.process.wait(30)
            if node.process.stdout is not None:
                node.process.stdout.close()
