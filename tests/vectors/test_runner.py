"""The runner of published suites: every case once, a fixed sample, resuming, and exit codes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tests.needs import needs
from tests.vectors.catalogue import named, vectors_root

ROOT = Path(__file__).resolve().parents[2]
needs_data = needs((vectors_root() / "bitcoin").is_dir(), f"published data at {vectors_root()}")


def run(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tests.vectors", *words], cwd=ROOT, capture_output=True, text=True, check=False
    )


def rows(report: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in report.read_text().splitlines()]


@needs_data
def test_every_case_is_run_once_whatever_the_number_of_processes(tmp_path: Path) -> None:
    report = tmp_path / "report"
    done = run("--jobs", "3", "--report", str(report), "bitcoin.bip340", "bitcoin.bech32")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "bitcoin.bip340: 15 passed, 0 failed, 0 skipped",
        "bitcoin.bech32: 62 passed, 0 failed, 0 skipped",
        "vectors: 77 passed, 0 failed, 0 skipped",
    ]
    cases = [(r["suite"], r["case"]) for r in rows(report)]
    assert len(cases) == 77
    again = run("--resume", "--report", str(report), "bitcoin.bip340")
    assert "bitcoin.bip340: 15 passed" in again.stdout
    assert all(r["why"] == "before" for r in rows(report)[77:])


@needs_data
def test_a_sample_is_the_same_in_every_run(tmp_path: Path) -> None:
    names = []
    for number in range(2):
        report = tmp_path / f"report{number}"
        assert (
            "bitcoin.bech32: 9 passed, 0 failed, 0 skipped"
            in run("--sample", "9", "--report", str(report), "bitcoin.bech32").stdout
        )
        names.append(sorted(r["case"] for r in rows(report)))
    assert names[0] == names[1] and len(names[0]) == 9


def test_missing_data_are_said_and_fail_a_strict_run(tmp_path: Path) -> None:
    done = run("--root", str(tmp_path), "bitcoin")
    assert done.returncode == 0 and "bitcoin: skipped, no published data at" in done.stdout
    assert run("--root", str(tmp_path), "--strict", "bitcoin").returncode == 1


def test_a_file_of_a_form_that_nobody_knows_is_a_skip_by_name(tmp_path: Path) -> None:
    (tmp_path / "bitcoin" / "new").mkdir(parents=True)
    (tmp_path / "bitcoin" / "new" / "suite.json").write_text("[]")
    done = run("--root", str(tmp_path), "bitcoin.files")
    assert "bitcoin.files: 0 passed, 0 failed, 1 skipped (new/suite.json)" in done.stdout
    assert run("--root", str(tmp_path), "--strict", "bitcoin.files").returncode == 1


def test_broken_data_fail(tmp_path: Path) -> None:
    (tmp_path / "bitcoin" / "sig").mkdir(parents=True)
    (tmp_path / "bitcoin" / "sig" / "bip340.json").write_text("[{}]")
    done = run("--root", str(tmp_path), "bitcoin.bip340")
    assert done.returncode == 1 and " failed" in done.stdout


def test_unknown_suites_are_named() -> None:
    done = run("bitcoin.nosuch")
    assert done.returncode == 1 and "no suite 'bitcoin.nosuch'" in done.stderr


def test_cases_that_no_client_runs_are_those_of_the_file() -> None:
    assert named("ethereum.basic", "blockgenesistest:2")
    assert not named("ethereum.basic", "rlptest") and not named("bitcoin.script_tests", "blockgenesistest:2")
