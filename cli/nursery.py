"""`python -m cli.nursery`: several nodes at once. What all of them load is loaded once; then the process forks into them.

It refuses to know what a network is: node/testnet.py runs it and says on its input which nodes to start. Each is a process of its own.
"""

from __future__ import annotations

import gc
import json
import os
import sys
import threading
from typing import Any

from cli.main import main
from node.preload import preload


def start(orders: list[dict[str, Any]]) -> list[int] | None:
    """Fork into a process for each order ({arguments, errors: path of what it says}); their ids, or None in one of them."""
    if threading.active_count() > 1:
        raise RuntimeError("a process with threads is not to be forked")
    gc.collect()
    gc.freeze()  # what is shared stays shared
    pids = []
    for order in orders:
        pid = os.fork()
        if not pid:
            _settle(order["errors"])
            main(order["arguments"])
            return None
        pids.append(pid)
    return pids


def _settle(errors: str) -> None:
    """Leave the terminal and the pipes of the process that started us."""
    os.setsid()
    null, written = os.open(os.devnull, os.O_RDWR), os.open(errors, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    for target, source in ((0, null), (1, null), (2, written)):
        os.dup2(source, target)
    os.close(null)
    os.close(written)


if __name__ == "__main__":
    told = json.load(sys.stdin)
    preload(told["chain"])
    started = start(told["orders"])
    if started is not None:
        print(json.dumps(started))
