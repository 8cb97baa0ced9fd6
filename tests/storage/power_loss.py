"""Runs a chain on LMDB under a log of its disk writes, and rebuilds what the disk might hold after a power cut at any moment."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

SHIM = Path(__file__).parent / "write_log.c"


@dataclass(frozen=True, slots=True)
class Write:
    """Bytes written to the store's file."""

    offset: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Sync:
    """Everything written before is on the disk."""


@dataclass(frozen=True, slots=True)
class Mark:
    """The program says that so many commits have returned."""

    count: int


Event = Write | Sync | Mark


def record(module: str, folder: Path, *arguments: str) -> list[Event]:
    """Run a module as a process whose writes to its store are logged."""
    shim, log = folder / "write_log.so", folder / "log"
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", str(shim), str(SHIM), "-ldl"], check=True)
    root = Path(__file__).resolve().parents[2]
    environment = {**os.environ, "LD_PRELOAD": str(shim), "WRITE_LOG": str(log), "PYTHONPATH": str(root)}
    subprocess.run(
        [sys.executable, "-m", module, str(folder / "db"), str(log), *arguments], check=True, env=environment, cwd=root
    )
    return parse(log.read_bytes())


def mark(log: Path, count: int) -> None:
    """Say in the log that so many commits have returned."""
    with log.open("ab") as file:
        file.write(b"M" + count.to_bytes(8, "little"))


def parse(raw: bytes) -> list[Event]:
    """The events of a log."""
    events: list[Event] = []
    at = 0
    while at < len(raw):
        kind, at = raw[at : at + 1], at + 1
        if kind == b"S":
            events.append(Sync())
        elif kind == b"M":
            events.append(Mark(int.from_bytes(raw[at : at + 8], "little")))
            at += 8
        elif kind == b"W":
            offset, size = int.from_bytes(raw[at : at + 8], "little"), int.from_bytes(raw[at + 8 : at + 16], "little")
            events.append(Write(offset, raw[at + 16 : at + 16 + size]))
            at += 16 + size
        else:
            raise ValueError(f"byte {kind!r} in the log")
    return events


def image(events: Sequence[Event], cut: int, random: Random) -> tuple[bytes, int]:
    """What the disk might hold if the power went before event `cut`, and how many commits had returned by then.

    Writes before the last sync are there in order; of the later ones a random part is, in a random order, cut into sectors.
    """
    before = events[:cut]
    last = max((n for n, e in enumerate(before) if isinstance(e, Sync)), default=-1)
    disk = bytearray()
    for event in before[: last + 1]:
        if isinstance(event, Write):
            _put(disk, event.offset, event.data)
    sectors = [
        (e.offset + n, e.data[n : n + 512])
        for e in before[last + 1 :]
        if isinstance(e, Write)
        for n in range(0, len(e.data), 512)
    ]
    chosen = [s for s in sectors if random.random() < 0.5]
    random.shuffle(chosen)
    for offset, data in chosen:
        _put(disk, offset, data)
    return bytes(disk), max((e.count for e in before if isinstance(e, Mark)), default=0)


def _put(disk: bytearray, offset: int, data: bytes) -> None:
    if len(disk) < offset + len(data):
        disk.extend(bytes(offset + len(data) - len(disk)))
    disk[offset : offset + len(data)] = data
