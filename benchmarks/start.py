"""Start to first answer of a node and of the command line, and the memory that an idle node holds.

`python -m benchmarks.start`. The best of some runs counts: a start is short, and the machine may be shared.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.machine import ROOT, cpu_seconds, resident
from benchmarks.report import Row, run
from node.testnet import Testnet

ROUNDS = 3


def command(*arguments: str) -> tuple[float, float]:
    """Wall and processor seconds of one `chainyard` command."""
    began, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [sys.executable, "-m", "cli.main", *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )
    wall, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise SystemExit(f"chainyard {' '.join(arguments)}: {done.stderr.strip()}")
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def node() -> tuple[float, float, float]:
    """Seconds until a new node answers its first call, the processor time it took, and its resident MiB then."""
    with tempfile.TemporaryDirectory() as root:
        net = Testnet.create(Path(root), "regtest", 1)
        began = time.perf_counter()
        net.start()
        wall = time.perf_counter() - began
        pid = net.members[0].pid
        found = wall, cpu_seconds(pid), resident(pid)
        net.stop()
    return found


def rows() -> Iterator[Row]:
    """Start to first answer, and resident memory"""
    wall, cpu, memory = min(node() for _ in range(ROUNDS))
    beside = f"{cpu:.2f} s of processor; bitcoind, recorded 0.19 s"
    yield Row("a node on a new directory, to its first answer", wall, "s", most=1.5, beside=beside)
    yield Row("resident then", memory, "MiB", beside="bitcoind, recorded 52 MiB")
    wall, cpu = min(command("--version") for _ in range(ROUNDS))
    yield Row("chainyard --version", wall, "s", beside=f"{cpu:.2f} s of processor")


if __name__ == "__main__":
    sys.exit(run(rows))
