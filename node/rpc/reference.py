"""The reference of RPC methods as a page, made from the method table: what is not in the table is not in the page."""

from __future__ import annotations

import importlib
import inspect
from itertools import groupby

from node.rpc import catalogue
from node.rpc.registry import Method, all_methods

HEAD = """# RPC methods

Made by `scripts/docs` from the method table; `chainyard rpc help METHOD` shows the same text. Parameters in brackets are optional.
"""


def page() -> str:
    """All methods by family and group, in Markdown."""
    assert catalogue.FILES, "importing the files fills the table"
    for module in (*catalogue.LATER.values(), "node.rpc.ethereum_catalogue"):
        importlib.import_module(module)
    shown = [m for m in all_methods() if m.group != "hidden"]
    lines = [HEAD]
    for family, of_family in groupby(sorted(shown, key=_order), key=lambda m: m.family):
        lines.append(f"\n## {family}\n")
        for group, methods in groupby(of_family, key=lambda m: m.group):
            lines.append(f"\n### {group}\n")
            lines += [f"* `{m.usage}` - {_first_sentence(m)}" for m in methods]
    return "\n".join(lines) + "\n"


def _order(method: Method) -> tuple[str, str, str]:
    return method.family, method.group, method.name


def _first_sentence(method: Method) -> str:
    return " ".join((inspect.getdoc(method.run) or "").split("\n\n")[0].split())
