"""The calls that real clients make, out of a node's log; and docs/clients.md, the table of them.

A scenario may make no call that the table does not have: a client that begins to need a method is seen. With CHAINYARD_RECORD set the
table learns what was called instead.
"""

from __future__ import annotations

import fcntl
import os
import re
from collections.abc import Mapping
from pathlib import Path

TABLE = Path(__file__).parents[3] / "docs" / "clients.md"
CALL = re.compile(r" rpc: (\w+) [\d.]+ ms(?:, error (-?\d+))?$", re.MULTILINE)
NOT_SERVED = "-32601"
BEGIN, END = "<!-- calls -->", "<!-- end of calls -->"
USED, DONE_WITHOUT = "x", "-"
Calls = Mapping[str, str]
"""Of one client: method, and whether it is used or done without."""


def calls_of(log: str) -> dict[str, str]:
    """The methods that were called; those that are not served are what the client does without."""
    found: dict[str, str] = {}
    for name, error in CALL.findall(log):
        if found.get(name) != USED:
            found[name] = DONE_WITHOUT if error == NOT_SERVED else USED
    return found


def read_table(text: str) -> dict[str, dict[str, str]]:
    """Client, method, mark."""
    lines = text.partition(BEGIN)[2].partition(END)[0].strip().splitlines()
    if len(lines) < 2:
        return {}
    rows = [[cell.strip() for cell in line.strip("| ").split("|")] for line in lines]
    clients = rows[0][1:]
    table: dict[str, dict[str, str]] = {client: {} for client in clients}
    for line in lines[2:]:
        method, *marks = (cell.strip() for cell in line.strip().removeprefix("|").removesuffix("|").split("|"))
        for client, mark in zip(clients, marks, strict=True):
            if mark:
                table[client][method.strip("`")] = mark
    return table


def with_table(text: str, table: Mapping[str, Calls]) -> str:
    """The page with this table in it."""
    clients = sorted(table, key=str.lower)
    methods = sorted({m for calls in table.values() for m in calls})
    lines = ["| method | " + " | ".join(clients) + " |", "|---" * (len(clients) + 1) + "|"]
    lines += [f"| `{m}` | " + " | ".join(table[c].get(m, " ") for c in clients) + " |" for m in methods]
    before, _, rest = text.partition(BEGIN)
    return before + BEGIN + "\n\n" + "\n".join(lines) + "\n\n" + END + rest.partition(END)[2]


def check_calls(client: str, log: Path, least: int) -> None:
    """Whether the calls of a client are those that the table has; or put them into it. Raises AssertionError."""
    called = calls_of(log.read_text())
    assert len(called) >= least, f"the log has {len(called)} methods alone"
    if os.environ.get("CHAINYARD_RECORD"):
        with TABLE.open("r+") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            text = file.read()
            table = read_table(text)
            table[client] = {**table.get(client, {}), **called}
            file.seek(0)
            file.write(with_table(text, table))
            file.truncate()
        return
    known = read_table(TABLE.read_text()).get(client, {})
    new = {name: mark for name, mark in called.items() if known.get(name) != mark}
    assert not new, f"{client} calls what docs/clients.md does not have: {new} - record it with CHAINYARD_RECORD=1"
