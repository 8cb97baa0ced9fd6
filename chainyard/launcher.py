"""Starts the program as a process of its own, so that its packages and the caller's never meet. It knows no RPC.

The program's packages have plain names (`node`, `wallet`, `cli`). The process therefore runs with Python's safe path, without
PYTHONPATH and in a folder of its own: nothing of the caller's project can take their place.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import Any

VARIABLE = "CHAINYARD_PROGRAM"
"""Names the `chainyard` to start, where it is in another environment than this package."""
HOME = Path(__file__).resolve().parents[1]
START_SECONDS = 60.0
STOP_SECONDS = 15.0
_RUN = "import sys; sys.path.insert(0, sys.argv.pop(1)); sys.argv[0] = 'chainyard'; from cli.main import main; main()"


class ProgramError(RuntimeError):
    """The program is not there, or did not start: what it said last."""


def command(program: str | None = None) -> list[str]:
    """How the program is started: by the path given, by $CHAINYARD_PROGRAM, from beside this package, or as the shell finds it.

    Raises ProgramError.
    """
    chosen = program or os.environ.get(VARIABLE)
    if chosen:
        return [chosen]
    if (HOME / "cli" / "main.py").is_file():
        return [sys.executable, "-P", "-c", _RUN, str(HOME)]
    found = shutil.which("chainyard")
    if found is None:
        raise ProgramError(f"chainyard is not installed here: install it, or name it in ${VARIABLE}")
    return [found]


def environment() -> dict[str, str]:
    """The caller's environment without what would lead the program to the caller's packages, settings or nodes."""
    kept = {
        k: v for k, v in os.environ.items() if not k.startswith("CHAINYARD_") and k not in ("PYTHONPATH", "PYTHONHOME")
    }
    return {**kept, "PYTHONSAFEPATH": "1", "NO_COLOR": "1"}


class Program:
    """A running `chainyard dev` or `chainyard node`, and what it said of itself at its start (`state`)."""

    def __init__(self, arguments: Sequence[str], program: str | None = None, timeout: float = START_SECONDS) -> None:
        """Start it and wait for its banner. Raises ProgramError."""
        self.folder = Path(tempfile.mkdtemp(prefix="chainyard-"))
        self._errors = self.folder / "stderr.log"
        with self._errors.open("wb") as errors:
            self.process = subprocess.Popen(
                [*command(program), *arguments, "--json"],
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors, cwd=self.folder, env=environment(),
                start_new_session=True,
            )  # fmt: skip
        self._end = weakref.finalize(self, _end, self.process, self.folder)
        self.state = self._banner(timeout)

    @property
    def running(self) -> bool:
        """Whether it lives."""
        return self.process.poll() is None

    @property
    def log(self) -> str:
        """What it said on standard error."""
        return self._errors.read_text(errors="replace") if self._errors.exists() else ""

    def _banner(self, timeout: float) -> dict[str, Any]:
        assert self.process.stdout is not None, "it is a pipe"
        hurry = threading.Timer(timeout, self.process.kill)
        hurry.start()
        try:
            line = self.process.stdout.readline()
        finally:
            hurry.cancel()
        try:
            found: dict[str, Any] = json.loads(line)
        except ValueError:
            self.process.kill()
            self.process.wait()
            said = [text for text in self.log.splitlines() if text.strip()]
            self.stop()
            raise ProgramError(f"chainyard did not start: {said[-1] if said else 'it said nothing'}") from None
        return found

    def stop(self) -> None:
        """End it in order, and delete its folder."""
        self._end()

    def kill(self) -> None:
        """End it as a power cut would."""
        self.process.kill()
        self.process.wait()


def _end(process: subprocess.Popen[bytes], folder: Path) -> None:
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    if process.stdout is not None:
        process.stdout.close()
    shutil.rmtree(folder, ignore_errors=True)
