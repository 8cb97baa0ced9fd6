"""What a test cannot do without: a missing tool or data set is a named skip, and a failure where everything is to be run."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from typing import Any, NoReturn, TypeVar

import pytest

Test = TypeVar("Test", bound=Callable[..., Any])


def everything() -> bool:
    """Whether everything is to be run (`scripts/test --all`)."""
    return bool(os.environ.get("CHAINYARD_ALL"))


def missing(what: str) -> NoReturn:
    """Skip by name, or fail where everything is to be run."""
    if everything():
        pytest.fail(f"{what} is missing")
    pytest.skip(f"{what} is missing")


def needs(found: bool, what: str) -> Callable[[Test], Test]:
    """A decorator: the test runs where the thing was found, else it goes as `missing` says."""

    def decorate(test: Test) -> Test:
        if found:
            return test

        @functools.wraps(test)
        def without(*_: Any, **__: Any) -> None:
            missing(what)

        return without  # type: ignore[return-value]

    return decorate
