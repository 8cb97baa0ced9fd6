"""The official questions and answers of the JSON-RPC, asked of the hive chain that they were recorded on."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from chains.ethereum import from_genesis
from chains.spec import ChainSpec
from consensus.merged import Merged
from consensus.unsealed import Unsealed
from primitives import rlp
from primitives.ethereum import block_from_item
from tests.node.rpc.ethereum.harness import AccountNode

Case = tuple[str, Callable[[], None]]
FAR_FUTURE = 1 << 40


def hive_spec(folder: Path) -> ChainSpec:
    """The chain of the recordings; its blocks before the merge carry no real seals."""
    genesis = json.loads((folder / "genesis.json").read_text())
    spec = from_genesis(genesis, "hive")
    engine: Any = spec.engine
    return replace(spec, engine=Merged(Unsealed(engine.before.rule), engine.ttd))


def hive_node(folder: Path) -> AccountNode:
    """A node that holds the whole chain."""
    node = AccountNode(hive_spec(folder), automine=False)
    raw, at = (folder / "chain.rlp").read_bytes(), 0
    blocks = []
    while at < len(raw):
        size = rlp_size(raw, at)
        blocks.append(block_from_item(rlp.decode(raw[at : at + size])))
        at += size
    node.env.freeze(blocks[-1].header.timestamp + 1)
    node.loop.run_until_complete(node.env.on_chain(lambda: node.node.chain.extend(iter(blocks), FAR_FUTURE)))
    return node


def rlp_size(data: bytes, at: int) -> int:
    """How many bytes the item takes that begins here."""
    first = data[at]
    if first < 0x80:
        return 1
    if first < 0xB8:
        return 1 + first - 0x80
    if first < 0xC0:
        count = first - 0xB7
        return 1 + count + int.from_bytes(data[at + 1 : at + 1 + count], "big")
    if first < 0xF8:
        return 1 + first - 0xC0
    count = first - 0xF7
    return 1 + count + int.from_bytes(data[at + 1 : at + 1 + count], "big")


def exchanges(path: Path) -> tuple[bool, list[tuple[Any, Any]]]:
    """Whether only the shape counts, and the requests with their answers."""
    shape_only, found, request = False, [], None
    for line in path.read_text().splitlines():
        if line.startswith("//") and "speconly" in line:
            shape_only = True
        elif line.startswith(">> "):
            request = json.loads(line[3:])
        elif line.startswith("<< "):
            found.append((request, json.loads(line[3:])))
    return shape_only, found


def same_shape(want: Any, have: Any, where: str = "answer") -> None:
    """Whether two values have the same keys and types; lists are compared by their first items."""
    if want is None or have is None:
        return
    assert type(want) is type(have) or {type(want), type(have)} <= {int, float}, f"{where}: {want!r} / {have!r}"
    if isinstance(want, dict):
        named = all(not k.startswith("0x") and not k.isdigit() for k in (*want, *have))
        if named:
            missing = want.keys() - have.keys()
            assert not missing, f"{where}: {sorted(missing)} missing"
        for key in want.keys() & have.keys():
            same_shape(want[key], have[key], f"{where}.{key}")
    elif isinstance(want, list) and want and have:
        same_shape(want[0], have[0], f"{where}[0]")


def difference(want: Any, have: Any, where: str = "") -> str:
    """The first place where two answers differ."""
    if isinstance(want, dict) and isinstance(have, dict):
        for key in sorted(want.keys() | have.keys()):
            if key not in want or key not in have:
                return f"{where}.{key}: {'unexpected ' + str(have.get(key))[:100] if key in have else 'missing'}"
            if want[key] != have[key]:
                return difference(want[key], have[key], f"{where}.{key}")
    if isinstance(want, list) and isinstance(have, list):
        for i, (a, b) in enumerate(zip(want, have, strict=False)):
            if a != b:
                return difference(a, b, f"{where}[{i}]")
        return f"{where}: {len(have)} items, not {len(want)}"
    return f"{where}: want {str(want)[:300]}, have {str(have)[:300]}"


class _Shared:
    """One node for all files that only read; files that send have their own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.node: AccountNode | None = None

    def get(self) -> AccountNode:
        if self.node is None:
            self.node = hive_node(self.folder)
        return self.node


def _check(path: Path, shared: _Shared) -> None:
    shape_only, found = exchanges(path)
    node = shared.get()
    for request, want in found:
        have = node.ask(request)
        if shape_only:
            same_shape(want, have)
        else:
            want.pop("jsonrpc"), have.pop("jsonrpc")
            assert want == have, difference(want, have)


def rpc_io(folder: Path) -> Iterator[Case]:
    """Every recorded exchange; sending ones come last, for the pool is empty before them and asked for after them."""
    files = sorted((folder / "real" / "rpc-io").rglob("*.io"))
    files.sort(key=lambda p: (p.parent.name.startswith("txpool"), p.parent.name == "eth_sendRawTransaction"))
    shared = _Shared(folder / "real" / "hive-chain-rpc")
    for path in files:
        yield f"{path.parent.name}/{path.stem}", partial(_check, path, shared)


SUITES = {"rpc_io": rpc_io}
