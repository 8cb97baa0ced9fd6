"""Finds the C extension, or does without it. Each of its functions has a twin in Python beside its caller.

Refuses to know what the extension is used for.
"""

import logging
from typing import Any

try:
    from primitives import _native as _found
except ImportError:  # there was no compiler at install time
    native: Any = None
else:
    native = _found

_log = logging.getLogger("chainyard.native")
_announced = False


def native_available() -> bool:
    """True where the compiled extension could be loaded."""
    return native is not None


def announce() -> None:
    """Logs one warning in the life of the process if the extension is missing. Programs call it when they start."""
    global _announced
    if native is None and not _announced:
        _announced = True
        _log.warning("the C extension is not built: hashing, mining and RLP run in Python, exact but slower")
