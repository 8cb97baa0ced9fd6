"""The floors of docs/architecture.md hold: a package imports lower floors only, a file only those listed before it."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

FLOORS = {
    "primitives": 1, "storage": 1, "vm": 2, "p2p": 2, "ledger": 3, "wallet": 3, "consensus": 4, "chains": 5, "node": 6, "lab": 7, "cli": 8,
}  # fmt: skip
BESIDE = {
    "storage": {"primitives"},
    "wallet": {"primitives", "storage", "vm"},
    "p2p": {"primitives"},
    "ledger": {"primitives", "storage", "vm"},
}
"""What a package may import where its floor alone would say too much or too little."""
OUTSIDE = {"chainyard": set(FLOORS)}
"""Packages for other people's code: they import none of ours."""


def imports(path: Path) -> set[str]:
    """The dotted names that a file imports, wherever in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def files(package: str) -> list[Path]:
    """The Python files of a package."""
    return sorted((ROOT / package).rglob("*.py"))


@pytest.mark.parametrize("package", sorted(FLOORS))
def test_a_package_imports_lower_floors_only(package: str) -> None:
    allowed = BESIDE.get(package) or {p for p, floor in FLOORS.items() if floor < FLOORS[package]}
    wrong = []
    for path in files(package):
        for name in imports(path):
            top = name.split(".")[0]
            if top in FLOORS and top != package and top not in allowed:
                wrong.append(f"{path.relative_to(ROOT)} imports {name}")
            if top in {"tests", "chainyard"}:
                wrong.append(f"{path.relative_to(ROOT)} imports {name}")
    assert not wrong, "\n".join(wrong)


def test_the_users_package_imports_none_of_ours() -> None:
    wrong = [
        f"{p.relative_to(ROOT)} imports {n}"
        for p in files("chainyard")
        for n in imports(p)
        if n.split(".")[0] in FLOORS
    ]
    assert not wrong, "\n".join(wrong)


def test_no_two_files_import_each_other_in_a_circle() -> None:
    modules = {
        ".".join(p.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): p
        for package in FLOORS
        for p in files(package)
    }
    graph = {name: imports(path) & modules.keys() - {name} for name, path in modules.items()}
    done: set[str] = set()

    def visit(name: str, path: tuple[str, ...]) -> None:
        assert name not in path, "circle: " + " -> ".join((*path[path.index(name) :], name))
        if name not in done:
            for other in sorted(graph[name]):
                visit(other, (*path, name))
            done.add(name)

    for name in sorted(graph):
        visit(name, ())


def test_no_file_is_too_long() -> None:
    tables = {"wallet/wordlist.py"}
    long = {
        str(p.relative_to(ROOT)): n
        for package in FLOORS
        for p in files(package)
        if (n := len(p.read_text().splitlines())) > 500 and str(p.relative_to(ROOT)) not in tables
    }
    assert not long, long


def test_the_listed_order_of_a_package_is_kept() -> None:
    """docs/architecture.md lists the files of each package in the order in which they may import each other."""
    text = (ROOT / "docs" / "architecture.md").read_text()
    order: dict[str, int] = {}
    for line in text.splitlines():
        if line.startswith("    ") and (stripped := line.strip()):
            first = stripped.split()[0]
            if first.endswith((".py", ".c")) and "/" in first:
                order[first] = len(order)
    missing, wrong = [], []
    for package in FLOORS:
        for path in files(package):
            name = str(path.relative_to(ROOT))
            if path.name == "__init__.py":
                continue
            if name not in order:
                missing.append(name)
                continue
            for imported in imports(path):
                other = imported.replace(".", "/") + ".py"
                if other.split("/")[0] == package and other in order and order[other] > order[name]:
                    wrong.append(f"{name} imports {other}, which is listed after it")
    assert not missing, "not in docs/architecture.md: " + ", ".join(missing)
    assert not wrong, "\n".join(wrong)
