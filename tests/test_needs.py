"""Missing things skip by name, and fail where everything is to be run."""

from __future__ import annotations

import pytest

from tests.needs import missing, needs


def test_what_is_missing_is_a_skip_or_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    @needs(False, "the moon")
    def lacking(width: int) -> None:
        raise AssertionError("it must not run")

    @needs(True, "the sun")
    def complete(width: int) -> int:
        return width

    assert complete(3) == 3
    monkeypatch.delenv("CHAINYARD_ALL", raising=False)
    with pytest.raises(pytest.skip.Exception, match="the moon is missing"):
        lacking(1)
    monkeypatch.setenv("CHAINYARD_ALL", "1")
    with pytest.raises(pytest.fail.Exception, match="the moon is missing"):
        lacking(1)
    with pytest.raises(pytest.fail.Exception, match="npm is missing"):
        missing("npm")
