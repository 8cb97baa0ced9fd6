"""Spreads the cases of suites over processes. Every worker walks each suite's generator and claims cases one by one.

No case is dropped: what a worker that hangs or dies had claimed has failed, and another worker goes on behind it.
"""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import multiprocessing.connection
import signal
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

from tests.vectors.catalogue import named, suites
from tests.vectors.outcome import Skip

NOTED = 12
"""So many failures and skips of a suite are printed; the report has all."""


@dataclass(frozen=True, slots=True)
class Task:
    """One suite to run."""

    family: str
    suite: str
    folder: Path

    @property
    def name(self) -> str:
        """family.suite"""
        return f"{self.family}.{self.suite}"


@dataclass(slots=True)
class Count:
    """What came of a suite."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0
    unexpected: int = 0
    """Skipped though not_run.toml does not name them."""
    notes: list[str] = field(default_factory=list)


class Report:
    """The file of outcomes: one JSON line a case."""

    def __init__(self, path: Path | None, resume: bool) -> None:
        self.done: dict[str, set[str]] = {}
        if path is not None and resume and path.exists():
            for line in path.read_text().splitlines():
                row = json.loads(line)
                if row["outcome"] == "passed":
                    self.done.setdefault(row["suite"], set()).add(row["case"])
        self._file = None if path is None else path.open("a" if resume else "w")

    def write(self, suite: str, case: str, outcome: str, why: str) -> None:
        """Add a line."""
        if self._file is not None:
            self._file.write(json.dumps({"suite": suite, "case": case, "outcome": outcome, "why": why}) + "\n")
            self._file.flush()


def _sampled(task: Task, sample: int) -> set[int]:
    """The ordinals of the `sample` cases whose name hashes lowest: the same ones in every run."""
    ranked = [
        (hashlib.sha256(f"{task.name}/{name}".encode()).digest(), at)
        for at, (name, _) in enumerate(suites(task.family)[task.suite](task.folder))
    ]
    return {at for _, at in sorted(ranked)[:sample]}


def _too_long(_signal: int, _frame: FrameType | None) -> None:
    raise TimeoutError("over the time limit")


def _run_case(run: Any, limit: float) -> tuple[str, str]:
    signal.setitimer(signal.ITIMER_REAL, limit)
    try:
        run()
    except Skip as e:
        return "skipped", str(e)
    except BaseException as e:
        if isinstance(e, KeyboardInterrupt | SystemExit):
            raise
        return "failed", f"{type(e).__name__}: {e}"[:300]
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    return "passed", ""


def _work(tasks: list[Task], counters: Any, done: dict[str, set[str]], sample: int, limit: float, pipe: Any) -> None:
    signal.signal(signal.SIGALRM, _too_long)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for number, task in enumerate(tasks):
        counter = counters[number]
        try:
            only = _sampled(task, sample) if sample else None
            for at, (name, run) in enumerate(suites(task.family)[task.suite](task.folder)):
                if only is not None and at not in only:
                    continue
                with counter.get_lock():
                    taken = counter.value > at
                    if not taken:
                        counter.value = at + 1
                if taken:
                    continue
                pipe.send((number, "begin", name, ""))
                if name in done.get(task.name, ()):
                    pipe.send((number, "passed", name, "before"))
                    continue
                pipe.send((number, *_outcome(name, run, limit)))
        except Exception as e:
            pipe.send((number, "failed", "(the suite itself)", f"{type(e).__name__}: {e}"))
        pipe.send((number, "end", "", ""))
    pipe.close()


def _outcome(name: str, run: Any, limit: float) -> tuple[str, str, str]:
    outcome, why = _run_case(run, limit)
    return outcome, name, why


class _Worker:
    """A process, its pipe, and what it is at."""

    def __init__(self, context: Any, arguments: tuple[Any, ...]) -> None:
        self.pipe, far_end = context.Pipe(duplex=False)
        self.process = context.Process(target=_work, args=(*arguments, far_end), daemon=True)
        self.process.start()
        far_end.close()
        self.at: tuple[int, str] | None = None
        self.since = time.monotonic()


def run_tasks(tasks: list[Task], jobs: int, sample: int, limit: float, report: Report) -> Iterator[tuple[str, Count]]:
    """Run suites; yields each one's name and count as soon as all workers are past it."""
    context = multiprocessing.get_context("spawn")
    counters = [context.Value("q", 0) for _ in tasks]
    counts = [Count() for _ in tasks]
    left = [jobs] * len(tasks)
    arguments = (tasks, counters, report.done, sample, limit)
    workers = [_Worker(context, arguments) for _ in range(jobs)] if tasks else []
    shown = 0
    progress = _Progress()
    while workers:
        ready = multiprocessing.connection.wait([w.pipe for w in workers], timeout=5)
        for worker in list(workers):
            if worker.pipe in ready:
                try:
                    number, what, case, why = worker.pipe.recv()
                except EOFError:
                    workers.remove(worker)
                    if worker.at is not None:
                        _record(counts, report, tasks, worker.at[0], "failed", worker.at[1], "the process died")
                        workers.append(_Worker(context, arguments))
                    continue
                worker.since = time.monotonic()
                if what == "begin":
                    worker.at = (number, case)
                elif what == "end":
                    left[number] -= 1
                else:
                    worker.at = None
                    _record(counts, report, tasks, number, what, case, why)
            elif worker.at is not None and time.monotonic() - worker.since > limit + 60:
                worker.process.kill()
        while shown < len(tasks) and left[shown] <= 0:
            progress.clear()
            yield tasks[shown].name, counts[shown]
            shown += 1
        progress.show(tasks[shown].name if shown < len(tasks) else "", counts)
    for at in range(shown, len(tasks)):
        yield tasks[at].name, counts[at]


def _record(
    counts: list[Count], report: Report, tasks: list[Task], number: int, outcome: str, case: str, why: str
) -> None:
    count = counts[number]
    setattr(count, outcome, getattr(count, outcome) + 1)
    if outcome == "skipped" and not named(tasks[number].name, case):
        count.unexpected += 1
    report.write(tasks[number].name, case, outcome, why)
    if outcome != "passed" and len(count.notes) < NOTED:
        count.notes.append(f"{outcome} {case}: {why}")


class _Progress:
    """A line that renews itself on a terminal; silence elsewhere."""

    def __init__(self) -> None:
        self.on = sys.stderr.isatty()
        self.last = 0.0

    def clear(self) -> None:
        """Wipe the line."""
        if self.on:
            sys.stderr.write("\r\x1b[K")

    def show(self, name: str, counts: Iterable[Count]) -> None:
        """Say where the run is, at most five times a second."""
        if self.on and time.monotonic() - self.last > 0.2:
            self.last = time.monotonic()
            done = sum(c.passed + c.failed + c.skipped for c in counts)
            sys.stderr.write(f"\r\x1b[K{name}  {done} cases done")
            sys.stderr.flush()
