"""What the suites of PeerCoin's chains share: reading the recorded files, and comparing with them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from primitives.buffer import Reader
from primitives.chain import Form
from primitives.peercoin import PeercoinBlock, PeercoinFormat

Case = tuple[str, Callable[[], None]]

LATE = 2_000_000_000
"""A clock that no vector is ahead of."""


@cache
def load(path: Path) -> Any:
    return json.loads(path.read_text())


@cache
def lines_of(path: Path) -> list[Any]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def shown(hash_: bytes) -> str:
    return hash_[::-1].hex()


def same(what: str, mine: Any, recorded: Any) -> None:
    assert mine == recorded, f"{what}: {mine!r}, recorded {recorded!r}"


_WORD = re.compile(r"(?:FAILED \(|failed, )([a-z][a-z0-9/-]*(?:\(0x[0-9a-f]{8}\))?)")


def recorded_word(case: Mapping[str, Any]) -> str | None:
    found = [m.group(1) for line in case["nodeLog"] if (m := _WORD.search(line))]
    return found[-1] if found else None


def wire_block(case: Mapping[str, Any]) -> PeercoinBlock:
    raw = bytes.fromhex(case["hex"])
    r = Reader(raw[:80] + case["wireFlags"].to_bytes(4, "little") + raw[80:])
    block = PeercoinFormat().read_block(r, Form.WIRE)
    r.finish()
    same("hash", shown(block.header.hash), case["blockHash"])
    return block
