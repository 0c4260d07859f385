"""`./dev mutants`, with a mutmut that only pretends."""

import json
import sys
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from localstack.commands import mutants
from localstack.deployment import tools

PRETENDS = """#!/usr/bin/env python3
import json, pathlib, sys, tomllib
here = pathlib.Path()
with (here / "calls.txt").open("a") as calls:
    print(*sys.argv[1:], file=calls)
if sys.argv[1] == "run":
    settings = tomllib.loads((here / "pyproject.toml").read_text())["tool"]["mutmut"]
    assert all((here / each).exists() for each in settings["also_copy"])
    assert (here / "chalicelib" / "domain" / "order.py").exists() and (here / "tests" / "unit").is_dir()
    sys.exit({status})
(here / "mutants").mkdir(exist_ok=True)
(here / "mutants" / "mutmut-cicd-stats.json").write_text(json.dumps({stats}))
"""
STATS = {"killed": 88, "timeout": 2, "segfault": 0, "survived": 6, "no_tests": 4, "total": 100}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(mutants, "_FOLDER", tmp_path / "build")
    monkeypatch.setattr(tools, "ensure", lambda name, report: tmp_path / name)
    return tmp_path


def call(folder: Path, *arguments: str, status: int = 0) -> tuple[int, str]:
    (folder / "mutmut").write_text(PRETENDS.format(status=status, stats=json.dumps(STATS)))
    # A tool is run by the interpreter beside it.
    if not (folder / "python").exists():
        (folder / "python").symlink_to(sys.executable)
    app = typer.Typer()
    mutants.add_to(app)
    ended = CliRunner().invoke(app, arguments)
    return ended.exit_code, ended.output or str(ended.exception)


def test_a_run_tells_its_score(folder: Path) -> None:
    status, told = call(folder)
    assert status == 0, told
    assert "90 of 100 faults noticed (90.0%): 6 survived, 4 are in code that no test of these reaches." in told
    assert [line.split()[0] for line in (folder / "build" / "calls.txt").read_text().splitlines()] == [
        "run",
        "results",
        "export-cicd-stats",
    ]


def test_nothing_of_an_earlier_run_counts(folder: Path) -> None:
    stale = folder / "build" / "mutants" / "mutmut-stats.json"
    stale.parent.mkdir(parents=True)
    stale.touch()
    call(folder)
    assert not stale.exists()


def test_a_run_that_fails_tells_no_score(folder: Path) -> None:
    status, told = call(folder, status=1)
    assert status == 1
    assert "noticed" not in told


def test_before_the_first_run_there_is_nothing_to_show(folder: Path) -> None:
    status, told = call(folder, "show", "a_mutant")
    assert status == 1
    assert "Nothing was tried yet: ./dev mutants." in told
