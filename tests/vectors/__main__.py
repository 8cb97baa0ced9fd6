"""Runs the published suites over worker processes: `python -m tests.vectors --help`."""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import sys
from pathlib import Path

from tests.vectors.catalogue import MODULES, suites, unknown_files, vectors_root
from tests.vectors.runner import Report, Task, run_tasks


def wanted(names: list[str], root: Path) -> list[tuple[str, str]]:
    """The (family, suite) pairs that the arguments name; all where none is named."""
    pairs = []
    for name in names or [f for f in MODULES if MODULES[f]]:
        family, _, suite = name.partition(".")
        if family not in MODULES:
            raise SystemExit(f"error: no family {family!r} - there are {', '.join(MODULES)}")
        known = suites(family)
        if suite and suite not in known and suite != "files":
            raise SystemExit(f"error: no suite {name!r} - {family} has {', '.join(sorted(known))}")
        pairs += [(family, s) for s in ([suite] if suite else [*known, "files"])]
    return pairs


def main() -> int:
    """Run and print one line a suite. Returns 1 if any case failed (with --strict: or was skipped, or data are missing)."""
    parser = argparse.ArgumentParser(prog="scripts/vectors")
    parser.add_argument(
        "--root", type=Path, default=vectors_root(), help="a directory laid out like the shared vectors"
    )
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--sample", type=int, default=0, metavar="K", help="at most K cases a suite, chosen by hash")
    parser.add_argument("--limit", type=float, default=600.0, metavar="SECONDS", help="a case over this has failed")
    parser.add_argument("--resume", action="store_true", help="skip what the report already says passed")
    parser.add_argument("--report", type=Path, default=None, help="one JSON line a case")
    parser.add_argument(
        "--strict",
        action="store_true",
        help="missing data and skips that not_run.toml does not name are failures",
    )
    parser.add_argument(
        "suites", nargs="*", metavar="SUITE", help="a family (bitcoin) or one suite of it (bitcoin.script_tests)"
    )
    args = parser.parse_args()
    if args.resume and args.report is None:
        parser.error("--resume needs --report FILE")
    report = Report(args.report, args.resume)
    tasks, failed, skipped, passed, unexpected = [], 0, 0, 0, 0
    for family, suite in wanted(args.suites, args.root):
        folder = args.root / family
        if not folder.is_dir():
            if suite == "files":
                print(f"{family}: skipped, no published data at {folder} (set CHAINYARD_VECTORS)", flush=True)
                skipped, unexpected = skipped + 1, unexpected + 1
            continue
        if suite == "files":
            names = unknown_files(family, folder)
            for name in names:
                report.write(f"{family}.files", name, "skipped", "no suite reads this file")
            if names:
                print(f"{family}.files: 0 passed, 0 failed, {len(names)} skipped ({', '.join(names[:5])})", flush=True)
            skipped, unexpected = skipped + len(names), unexpected + len(names)
            continue
        tasks.append(Task(family, suite, folder))
    for name, count in run_tasks(tasks, args.jobs, args.sample, args.limit, report):
        print(f"{name}: {count.passed} passed, {count.failed} failed, {count.skipped} skipped", flush=True)
        for line in count.notes:
            print(f"  {line}", flush=True)
        unexpected += count.unexpected
        passed, failed, skipped = passed + count.passed, failed + count.failed, skipped + count.skipped
    print(json.dumps({"passed": passed, "failed": failed, "skipped": skipped}), file=sys.stderr)
    print(f"vectors: {passed} passed, {failed} failed, {skipped} skipped", flush=True)
    return 1 if failed or (args.strict and unexpected) else 0


if __name__ == "__main__":
    multiprocessing.set_start_method("spawn")
    sys.exit(main())
