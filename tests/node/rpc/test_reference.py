"""docs/rpc.md is what the method table says."""

from __future__ import annotations

from pathlib import Path

from node.rpc.reference import page


def test_the_page_is_made_from_the_table() -> None:
    written = (Path(__file__).resolve().parents[3] / "docs" / "rpc.md").read_text()
    assert written == page(), "run scripts/docs"
