"""Logging: stderr and a rotating file, text or JSON lines, a level for each category. Never a key or a passphrase.

Categories are the loggers below "chainyard": net, chain, mempool, rpc, wallet, mine, node.
"""

from __future__ import annotations

import json
import logging
import logging.handlers
import sys
import time
from collections.abc import Iterable
from pathlib import Path

ROOT = "chainyard"
CATEGORIES = ("chain", "mempool", "mine", "net", "node", "rpc", "wallet")
LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}
FILE_BYTES, FILES = 10_000_000, 5


class LogError(Exception):
    """A level, category or format that does not exist."""


class _Text(logging.Formatter):
    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname).1s %(category)s: %(message)s", "%Y-%m-%dT%H:%M:%SZ")
        self.converter = time.gmtime

    def format(self, record: logging.LogRecord) -> str:
        record.category = record.name.removeprefix(ROOT + ".")
        return super().format(record)


class _Json(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        row = {
            "time": record.created,
            "level": record.levelname.lower(),
            "category": record.name.removeprefix(ROOT + "."),
            "message": record.getMessage(),
        }
        if record.exc_info:
            row["exception"] = self.formatException(record.exc_info)
        return json.dumps(row)


def level(name: str) -> int:
    """The number of a level's name. Raises LogError."""
    try:
        return LEVELS[name.lower()]
    except KeyError:
        raise LogError(f"no log level {name!r} - there are {', '.join(LEVELS)}") from None


def set_category(setting: str) -> None:
    """Apply `net=debug`, or `net` alone for debug. Raises LogError."""
    name, _, wanted = setting.partition("=")
    if name not in CATEGORIES and name != "all":
        raise LogError(f"no log category {name!r} - there are {', '.join(CATEGORIES)}")
    for category in CATEGORIES if name == "all" else (name,):
        logging.getLogger(f"{ROOT}.{category}").setLevel(level(wanted or "debug"))


def categories() -> dict[str, bool]:
    """Which categories are logged in full, as Core's `logging` method answers."""
    return {c: logging.getLogger(f"{ROOT}.{c}").isEnabledFor(logging.DEBUG) for c in CATEGORIES}


def start(log_level: str, settings: Iterable[str], form: str, file: Path | None) -> None:
    """Set up the handlers, in place of any from before. Raises LogError, OSError."""
    if form not in ("text", "json"):
        raise LogError(f"no log format {form!r} - there are text, json")
    root = logging.getLogger(ROOT)
    stop()
    root.setLevel(level(log_level))
    root.propagate = False
    for category in CATEGORIES:
        logging.getLogger(f"{ROOT}.{category}").setLevel(logging.NOTSET)
    for setting in settings:
        set_category(setting)
    handlers: list[logging.Handler] = [logging.StreamHandler(sys.stderr)]
    if file is not None:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handlers.append(logging.handlers.RotatingFileHandler(file, maxBytes=FILE_BYTES, backupCount=FILES))
        file.chmod(0o600)
    for handler in handlers:
        handler.setFormatter(_Json() if form == "json" else _Text())
        root.addHandler(handler)


def stop() -> None:
    """Close the handlers."""
    root = logging.getLogger(ROOT)
    for handler in list(root.handlers):
        root.removeHandler(handler)
        handler.close()
