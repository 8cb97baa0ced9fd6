"""All benchmarks of the Bitcoin node, the wallet and the twin chain in one run: the machine first, a row a figure, the peers beside it.

`python -m benchmarks [NAME...]`; each also runs alone (`python -m benchmarks.mining`). Exit code 1 where a wanted figure is missed.
"""

from __future__ import annotations

import importlib.util
import sys

from benchmarks import connect, mining, rpc, script, start, sync, twin, wallet
from benchmarks.report import run

PARTS = {
    "script": script.rows,
    "connect": connect.rows,
    "mining": mining.rows,
    "sync": sync.rows,
    "rpc": rpc.rows,
    "start": start.rows,
    "wallet": wallet.rows,
    "twin": twin.rows,
}


def main(names: list[str]) -> int:
    """Run the parts that are named, or all."""
    unknown = [name for name in names if name not in PARTS]
    if unknown:
        print(f"no benchmark is called {unknown[0]!r}: there are {', '.join(PARTS)}", file=sys.stderr)
        return 2
    if importlib.util.find_spec("pbk") is None:
        print("the peers are not installed: .venv/bin/pip install -e '.[bench]'", file=sys.stderr)
        return 2
    return run(*(PARTS[name] for name in names or PARTS))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
