"""Progress of long work: a bar on a terminal, lines in the log. It knows no work."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from typing import TextIO

log = logging.getLogger("chainyard.node")

BAR_SECONDS, LINE_SECONDS = 0.1, 10.0
WIDTH = 30


class Progress:
    """Told of work as (what, done, of); shows at most ten bars a second, or a line every ten seconds. `of` 0: nobody knows how much."""

    def __init__(self, clock: Callable[[], float], stream: TextIO | None = None, quiet: bool = False) -> None:
        self._clock = clock
        self._stream = stream if stream is not None else sys.stderr
        self._bar = not quiet and self._stream.isatty()
        self._shown = -1e9
        self._began = 0.0
        self._what = ""

    def __call__(self, what: str, done: int, of: int) -> None:
        """Work has come this far."""
        now = self._clock()
        if what != self._what:
            self._what, self._began, self._shown = what, now, now if not self._bar else -1e9
        finished = bool(of) and done >= of
        if now - self._shown < (BAR_SECONDS if self._bar else LINE_SECONDS) and not finished:
            return
        self._shown = now
        rate = done / (now - self._began) if now > self._began else 0.0
        if self._bar:
            self._draw(what, done, of, rate, finished)
        elif done:
            log.info("%s: %d of %s, %.0f/s", what, done, of or "?", rate)
        if finished:
            self._what = ""

    def _draw(self, what: str, done: int, of: int, rate: float, finished: bool) -> None:
        filled = WIDTH * min(done, of) // of if of else 0
        amount = f"{done}/{of}" if of else str(done)
        self._stream.write(f"\r\x1b[K{what} [{'#' * filled}{'.' * (WIDTH - filled)}] {amount} {rate:.0f}/s")
        if finished:
            self._stream.write("\n")
        self._stream.flush()
