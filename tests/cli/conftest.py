"""The command line in this process: what it prints, and its exit code."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from cli.main import main


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Standard output as JSON."""
        return json.loads(self.out)

    @property
    def error(self) -> dict[str, Any]:
        """The error that --json puts on standard error; log lines may stand above it."""
        found: dict[str, Any] = json.loads(self.err.strip().splitlines()[-1])["error"]
        return found


Run = Callable[..., Outcome]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    """Runs a command line, with its own data directory unless it names one."""
    for name in ("CHAINYARD_RPC_URL", "CHAINYARD_CHAIN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CHAINYARD_DATADIR", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)

    def call(*arguments: object) -> Outcome:
        words = [str(a) for a in arguments]
        monkeypatch.setattr(sys, "argv", ["chainyard", *words])
        with pytest.raises(SystemExit) as ended:
            main(words)
        found = capsys.readouterr()
        code = ended.value.code
        return Outcome(code if isinstance(code, int) else 0, found.out, found.err)

    return call
