"""Reading the published Ethereum data: files, numbers, accounts, headers, and which rules a network's name stands for."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson

from consensus.ethash_data import Caches
from ledger.account import rules
from ledger.account.rules import AccountRules, Schedule, Step
from ledger.account.state import State
from vm.evm.api import BlobSchedule

CACHES = Caches()
"""Shared by all suites of a process."""


class Memory(dict[bytes, bytes]):
    """A KV in memory."""

    def put(self, key: bytes, value: bytes) -> None:
        """Set a value."""
        self[key] = value

    def delete(self, key: bytes) -> None:
        """Remove a key."""
        self.pop(key, None)

    def scan(self, prefix: bytes, start: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
        """Pairs in order."""
        return ((k, self[k]) for k in sorted(self) if k.startswith(prefix) and k >= prefix + start)


def load(path: Path) -> Any:
    """The JSON of a file, gzipped or not."""
    data = path.read_bytes()
    return orjson.loads(gzip.decompress(data) if path.suffix == ".gz" else data)


def files(folder: Path) -> Iterator[Path]:
    """The JSON files below a folder, in order."""
    yield from sorted(p for p in folder.rglob("*") if p.name.endswith((".json", ".json.gz")))


def number(text: str | int | None, default: int = 0) -> int:
    """A number: hex with 0x, decimal without."""
    if text is None:
        return default
    if isinstance(text, int):
        return text
    if text.startswith("0x:bigint "):
        text = text[10:]
    if text.startswith("0x"):
        return int(text[2:] or "0", 16)
    return int(text or "0")


def data(text: str) -> bytes:
    """Bytes: hex with or without 0x, perhaps of odd length."""
    text = text.removeprefix("0x")
    return bytes.fromhex("0" * (len(text) & 1) + text)


def fixed(text: str, size: int) -> bytes:
    """Bytes of a size, padded on the left."""
    return data(text).rjust(size, b"\0")


def fill(state: State, alloc: dict[str, Any]) -> None:
    """Put accounts into a state and commit."""
    for key, fields in alloc.items():
        address = fixed(key, 20)
        state.touch(address)
        state.set_balance(address, number(fields.get("balance", fields.get("wei"))))
        state.set_nonce(address, number(fields.get("nonce")))
        if code := data(fields.get("code", "")):
            state.set_code(address, code)
        for slot, value in fields.get("storage", {}).items():
            if word := number(value):
                state.set_storage(address, number(slot), word)
    state.end_transaction(False)
    state.commit()


NAMES: dict[str, AccountRules] = {
    "Frontier": rules.FRONTIER,
    "Homestead": rules.HOMESTEAD,
    "EIP150": rules.TANGERINE_WHISTLE,
    "EIP158": rules.SPURIOUS_DRAGON,
    "Byzantium": rules.BYZANTIUM,
    "Constantinople": rules.CONSTANTINOPLE,
    "ConstantinopleFix": rules.PETERSBURG,
    "Istanbul": rules.ISTANBUL,
    "Berlin": rules.BERLIN,
    "London": rules.LONDON,
    "ArrowGlacier": rules.LONDON,
    "GrayGlacier": rules.LONDON,
    "Merge": rules.PARIS,
    "Paris": rules.PARIS,
    "Shanghai": rules.SHANGHAI,
    "Cancun": rules.CANCUN,
    "Prague": rules.PRAGUE,
    "Osaka": rules.OSAKA,
    "BPO1": rules.BPO1,
    "BPO2": rules.BPO2,
}


def rules_of(name: str, blobs: dict[str, Any] | None = None) -> AccountRules:
    """The rules of a fork's name, with the blob schedule that a test gives for it."""
    found = NAMES[name]
    given = (blobs or {}).get(name)
    if given is None:
        return found
    schedule = BlobSchedule(number(given["target"]), number(given["max"]), number(given["baseFeeUpdateFraction"]))
    return replace(found, fork=replace(found.fork, blobs=schedule))


def schedule_of(network: str, chain_id: int = 1, blobs: dict[str, Any] | None = None) -> Schedule:
    """The schedule of a network's name, be it one fork or a transition."""
    if "To" not in network:
        return Schedule(chain_id, (Step(rules_of(network, blobs)),))
    before, rest = network.split("To", 1)
    first = Step(rules_of(before, blobs))
    if "AtTime" in rest:
        after, at = rest.split("AtTime")
        return Schedule(chain_id, (first, Step(rules_of(after, blobs), time=int(at.replace("k", "000")))))
    if "AtDiff" in rest:
        after, _ = rest.split("AtDiff")
        return Schedule(chain_id, (first, Step(rules_of(after, blobs), merged=True)))
    after, at = rest.split("At")
    if after == "Dao":
        return Schedule(chain_id, (first,), dao_block=int(at))
    return Schedule(chain_id, (first, Step(rules_of(after, blobs), block=int(at))))
