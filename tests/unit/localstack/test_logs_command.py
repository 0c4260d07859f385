"""`./dev logs`: what it shows of the lines that were kept."""

import json
from datetime import datetime
from pathlib import Path

import pytest
from typer.testing import Result

from localstack.commands import logs
from localstack.errors import UserError
from localstack.logs.log_lines import Line
from tests.fakes.kept_lines import append
from tests.fakes.programs import invoke

OURS = "ord_ours"


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "functions.jsonl"
    monkeypatch.setattr(logs, "FUNCTION_LOG", path)
    return path


def about(message: str, order_id: str = "ord_another", **more: object) -> Line:
    return Line("api", 1.0, json.dumps({"level": "INFO", "message": message, "order_id": order_id, **more}))


def run(*arguments: str) -> Result:
    return invoke(logs, *arguments, catch_exceptions=False)


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


def test_level_function_and_time_choose_the_lines(log: Path) -> None:
    crash = Line("api", 2.0, "Traceback: no JSON")
    append(log, [about("first"), about("second", level="ERROR"), crash, Line("worker", 3.0, about("third").text)])
    assert [line.partition("api")[2].split()[-1] for line in run("--level", "warning").output.splitlines()] == [
        "second",
        "JSON",
    ]
    assert shown("--function", "worker") == ["third"]
    assert run("--since", "1970-01-01T00:00:03+00:00").output.count("\n") == 1
    assert run("--since", "10m").output == ""


@pytest.mark.parametrize(
    ("since", "expected"),
    [("10m", "11:52:00"), ("2h", "10:02:00"), ("9:30", "09:30:00"), ("2026-01-02T03:04:05", "03:04:05")],
)
def test_since_is_how_long_ago_or_a_time(since: str, expected: str) -> None:
    now = datetime(2026, 1, 2, 12, 2).astimezone()
    assert f"{logs.moment(since, now):%H:%M:%S}" == expected


def test_what_is_no_time_or_no_function_is_told_so(log: Path) -> None:
    append(log, [about("first")])
    for since in ("yesterday", "999999d", "25:00"):
        with pytest.raises(UserError, match="10m, 2h"):
            run("--since", since)
    with pytest.raises(UserError, match="No function nobody has logged anything; these have: api"):
        run("--function", "nobody")


def test_nothing_that_was_logged_steers_the_terminal(log: Path) -> None:
    markup = about("[red]text[/red]", request_id="[red]id[/red]", reason="[bold]why[/bold]")
    append(log, [Line("api", 1.0, "\x1b[2Jraw"), about("\x1b]0;x\x07text"), markup])
    for arguments in ([], ["--raw"]):
        output = run(*arguments).output
        assert not set(output) & {"\x1b", "\x07"}
        assert "[red]text[/red]" in output
        assert "[bold]why[/bold]" in output
