"""CI's script, in a clone whose `./dev` only pretends: what fails first and passes alone is told, and only one may."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from localstack.paths import ROOT
from tests.fakes.programs import ended

# Each call takes its turn from a list: the exit status, and what pytest's cache then calls failed.
PRETENDS = """#!/usr/bin/env python3
import json, pathlib, sys
turns = json.loads(pathlib.Path("turns.json").read_text())
status, failed = turns.pop(0)
pathlib.Path("turns.json").write_text(json.dumps(turns))
with pathlib.Path("calls.txt").open("a") as calls:
    print(*sys.argv[1:], file=calls)
cache = pathlib.Path(".pytest_cache/v/cache/lastfailed")
cache.parent.mkdir(parents=True, exist_ok=True)
cache.write_text(json.dumps(dict.fromkeys(failed, True)))
sys.exit(status)
"""
Turn = tuple[int, list[str]]
WELL: Turn = (0, [])
A: Turn = (1, ["tests/a.py::test_a"])
B: Turn = (1, ["tests/b.py::test_b"])


def run(clone: Path, *turns: Turn) -> "subprocess.CompletedProcess[str]":
    """Runs it; the turns are those of `./dev check`, of the tests and of each second look."""
    shutil.copytree(ROOT / ".ci", clone / ".ci")
    (clone / "turns.json").write_text(json.dumps(turns))
    (clone / "dev").write_text(PRETENDS)
    (clone / "dev").chmod(0o755)
    # A machine with Chromium and without Node: neither a browser is installed nor the desk built.
    programs = clone / "programs"
    programs.mkdir()
    for name, program in {"bash": "bash", "dirname": "dirname", "python3": sys.executable, "chromium": "true"}.items():
        (programs / name).symlink_to(shutil.which(program) or program)
    done = ended(clone / ".ci" / "run", cwd="/", env={"PATH": str(programs)})
    assert json.loads((clone / "turns.json").read_text()) == [], done.stderr
    return done


def test_where_nothing_fails_nothing_is_run_twice(tmp_path: Path) -> None:
    done = run(tmp_path, WELL, WELL, WELL, WELL)
    assert done.returncode == 0, done.stderr
    assert "passed alone" not in done.stdout


def test_one_that_passes_alone_is_told(tmp_path: Path) -> None:
    done = run(tmp_path, WELL, (1, ["tests/a.py::test_a@stack"]), WELL, WELL, WELL)
    assert done.returncode == 0, done.stderr
    assert "Failed first and passed alone:\n  tests/a.py::test_a@stack\n" in done.stdout
    assert "--last-failed" in (tmp_path / "calls.txt").read_text().splitlines()[2]


@pytest.mark.parametrize(
    "turns",
    [[WELL, (1, [*A[1], *B[1]]), WELL, WELL, WELL], [WELL, A, WELL, B, WELL, WELL]],
    ids=["in one run of the tests", "in one each"],
)
def test_two_that_pass_alone_are_a_failure(tmp_path: Path, turns: list[Turn]) -> None:
    done = run(tmp_path, *turns)
    assert done.returncode == 1
    assert "Failed first and passed alone:\n  tests/a.py::test_a\n  tests/b.py::test_b\n" in done.stdout
    assert "more than one" in done.stdout


@pytest.mark.parametrize(
    "turns",
    # In the last, pytest itself could not run, and so finds nothing to run again.
    [[(1, [])], [WELL, A, A], [WELL, WELL, A, A], [WELL, (4, []), (5, [])]],
    ids=["a check", "a test", "a test of deploying", "pytest"],
)
def test_what_fails_twice_ends_it(tmp_path: Path, turns: list[Turn]) -> None:
    assert run(tmp_path, *turns).returncode != 0
