"""Finds the C extension of the precompiles, or does without it: each of its functions has a twin in Python.

It knows no precompile.
"""

from typing import Any

try:
    from vm.evm.precompiles import _native as _found
except ImportError:  # there was no compiler at install time
    native: Any = None
else:
    native = _found
