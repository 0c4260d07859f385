"""`./dev mutants`, with a mutmut that only pretends."""

import sys
from pathlib import Path

import pytest

from localstack.commands import mutants
from localstack.deployment import tools
from tests.fakes.programs import invoke

PRETENDS = """#!/usr/bin/env python3
import pathlib, sys, tomllib
here = pathlib.Path()
with (here / "calls.txt").open("a") as calls:
    print(*sys.argv[1:], file=calls)
if sys.argv[1] == "run":
    settings = tomllib.loads((here / "pyproject.toml").read_text())["tool"]["mutmut"]
    assert all((here / each).exists() for each in settings["also_copy"])
    assert (here / "chalicelib" / "domain" / "order.py").exists() and (here / "tests" / "unit").is_dir()
    sys.exit({status})
for name, what in {tried}.items():
    print(f"    {{name}}: {{what}}")
"""
ENDS = ["killed"] * 88 + ["timeout"] * 2 + ["survived"] * 6 + ["no tests"] * 4
TRIED = {f"x__mutmut_{number}": end for number, end in enumerate(ENDS)}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(mutants, "_FOLDER", tmp_path / "build")
    monkeypatch.setattr(tools, "ensure", lambda name, report: tmp_path / name)
    return tmp_path


def call(folder: Path, *arguments: str, status: int = 0) -> tuple[int, str]:
    (folder / "mutmut").write_text(PRETENDS.format(status=status, tried=TRIED))
    # A tool is run by the interpreter beside it.
    if not (folder / "python").exists():
        (folder / "python").symlink_to(sys.executable)
    ended = invoke(mutants, *arguments)
    return ended.exit_code, ended.output or str(ended.exception)


def test_a_run_tells_its_score(folder: Path) -> None:
    status, told = call(folder)
    assert status == 0, told
    assert "90 of 100 faults noticed (90.0%): 6 survived, 4 are in code that no test of these reaches." in told
    assert [line for line in told.splitlines() if ": " in line][:6] == [
        f"x__mutmut_{n}: survived" for n in range(90, 96)
    ]
    assert asked(folder) == ["run --max-children 2", "results --all true"]


def asked(folder: Path) -> list[str]:
    return (folder / "build" / "calls.txt").read_text().splitlines()


def test_a_sample_is_the_same_for_the_same_seed(folder: Path) -> None:
    samples = []
    for seed in ("1", "1", "2"):
        status, told = call(folder, "--sample", "20", "--seed", seed)
        assert status == 0, told
        assert " of 20 faults noticed" in told
        samples.append(asked(folder)[2].split()[3:])
    assert len(set(samples[0])) == 20
    assert samples[0] == samples[1] != samples[2]


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
