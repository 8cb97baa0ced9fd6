"""Finds the C extension, or does without it. Each of its functions has a twin in Python beside the one caller.

Refuses to know what the extension is used for.
"""

import logging

try:
    from primitives import _native as native
except ImportError:  # no compiler at install time
    native = None  # type: ignore[assignment]

_log = logging.getLogger("chainyard.native")
_announced = False


def native_available() -> bool:
    """True where the compiled extension could be loaded."""
    return native is not None


def announce() -> None:
    """Logs one warning in the life of the process if the extension is missing. Called when a program starts."""
    global _announced
    if native is None and not _announced:
        _announced = True
        _log.warning("the C extension is not built: hashing, mining and RLP run in Python, exact but slower")
