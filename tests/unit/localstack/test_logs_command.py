"""`./dev logs`: what it shows of the lines that were kept."""

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from localstack.commands import logs
from localstack.errors import UserError
from localstack.logs.log_lines import Line
from localstack.logs.log_reader import append

OURS = "ord_ours"


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "functions.jsonl"
    monkeypatch.setattr(logs, "FUNCTION_LOG", path)
    return path


def about(message: str, order_id: str = "ord_another", **more: object) -> Line:
    return Line("api", 1.0, json.dumps({"level": "INFO", "message": message, "order_id": order_id, **more}))


def run(*arguments: str) -> Result:
    app = typer.Typer()
    logs.add_to(app)
    return CliRunner().invoke(app, arguments, catch_exceptions=False)


def shown(*arguments: str) -> list[str]:
    done = run(*arguments)
    assert done.exit_code == 0
    return [line.split()[3] for line in done.output.splitlines()]


def test_so_many_lines_are_shown_however_many_are_not(log: Path) -> None:
    routine = about("invocation")
    append(log, [about("first"), about("second"), about("third"), *[routine] * 50])
    assert shown("-n", "2") == ["second", "third"]


def test_an_order_is_found_however_much_was_logged_since(log: Path) -> None:
    append(log, [about("first", OURS), *[about("noise")] * 500, about("last", OURS)])
    assert shown("--order", OURS) == ["first", "last"]
    assert shown("--order", OURS, "-n", "1") == ["last"]


def test_raw_lines_are_as_they_were_written(log: Path) -> None:
    line = about("[red]not markup[/red]", quotes=[1] * 200)
    append(log, [about("first"), line])
    assert run("--raw", "-n", "1").output == f"{line.text}\n"


def test_before_anything_was_logged_it_says_what_to_do(log: Path) -> None:
    with pytest.raises(UserError, match=r"\./dev up"):
        run()
