"""Levels by category, JSON lines, a rotating file that only its owner reads."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from node import log


@pytest.fixture(autouse=True)
def _clean() -> Iterator[None]:
    yield
    log.stop()


def test_one_category_can_say_more_than_the_rest(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    log.start("warning", ["net=debug"], "text", tmp_path / "debug.log")
    logging.getLogger("chainyard.net").debug("from the net")
    logging.getLogger("chainyard.chain").info("not shown")
    text = (tmp_path / "debug.log").read_text()
    assert "D net: from the net" in text and "not shown" not in text
    assert "from the net" in capfd.readouterr().err
    assert (tmp_path / "debug.log").stat().st_mode & 0o777 == 0o600


def test_json_lines_carry_the_exception(tmp_path: Path) -> None:
    log.start("info", [], "json", tmp_path / "debug.log")
    try:
        raise ValueError("reason")
    except ValueError:
        logging.getLogger("chainyard.rpc").exception("it failed")
    row = json.loads((tmp_path / "debug.log").read_text().splitlines()[0])
    assert row["category"] == "rpc" and row["level"] == "error" and "ValueError: reason" in row["exception"]


def test_the_level_of_a_category_can_change_while_it_runs(tmp_path: Path) -> None:
    log.start("info", [], "text", None)
    assert not log.categories()["mempool"]
    log.set_category("mempool")
    assert log.categories()["mempool"] and not log.categories()["net"]


@pytest.mark.parametrize(
    ("level", "settings", "form"), [("loud", [], "text"), ("info", ["nets=debug"], "text"), ("info", [], "xml")]
)
def test_mistakes_are_named(level: str, settings: list[str], form: str) -> None:
    with pytest.raises(log.LogError) as e:
        log.start(level, settings, form, None)
    assert "there are" in str(e.value)
