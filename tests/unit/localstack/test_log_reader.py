"""What the functions log is kept in a file and read again and again."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from localstack.local_stack import function_log
from localstack.local_stack.function_log import FunctionLog
from localstack.logs.log_lines import Line
from localstack.logs.log_reader import LogReader
from tests.fakes.kept_lines import append, as_json


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "logs" / "functions.jsonl"


@pytest.fixture
def log(path: Path) -> Iterator[FunctionLog]:
    log = FunctionLog(path, "stack-")
    yield log
    log.close()


@pytest.fixture
def kept(path: Path) -> Iterator[LogReader]:
    with LogReader(path) as kept:
        yield kept


def texts(lines: list[Line]) -> list[str]:
    return [line.text for line in lines]


def line(number: int) -> Line:
    return Line("api", float(number), f"line {number}")


def test_the_lines_of_the_stacks_functions_are_kept(log: FunctionLog, kept: LogReader) -> None:
    log.write("stack-execute-orders", "first\n\nzweit\u00eb\n")
    log.write("stack-api", "")
    log.write("another-function", "not ours")
    assert [(line.function, line.text) for line in kept.existing()] == [
        ("execute-orders", "first"),
        ("execute-orders", "zweit\u00eb"),
    ]


def test_the_file_begins_anew_when_it_is_long_and_the_last_one_is_kept(
    log: FunctionLog, kept: LogReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(function_log, "_ROTATE_BYTES", 10)
    for text in ("first", "second", "third"):
        log.write("stack-api", text)
    assert texts(kept.existing()) == ["second", "third"]


def test_added_lines_are_read_across_a_rotation(
    log: FunctionLog, kept: LogReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert kept.existing() == []
    log.write("stack-api", "first")
    assert texts(kept.added()) == ["first"]
    log.write("stack-api", "second")
    monkeypatch.setattr(function_log, "_ROTATE_BYTES", 10)
    log.write("stack-api", "third")
    assert texts(kept.added()) == ["second", "third"]
    assert kept.added() == []


def test_what_is_there_can_be_left_out(log: FunctionLog, kept: LogReader, path: Path) -> None:
    log.write("stack-api", "of the last run")
    kept.skip()
    assert kept.added() == []
    log.write("stack-api", "of this run")
    assert texts(kept.added()) == ["of this run"]
    with LogReader(path.with_name("none.jsonl")) as none:
        none.skip()
        assert none.added() == []


def test_a_line_that_a_crash_cut_short_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "functions.jsonl"
    whole = as_json(line(1)).encode()
    path.write_bytes(whole + whole[:20])
    with LogReader(path) as kept:
        assert kept.existing() == [line(1)]
        append(path, [line(2), line(3)])
        path.write_bytes(path.read_bytes() + b"\xff\n")
        assert kept.added() == [line(3)]


def test_a_line_that_is_being_written_is_read_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "functions.jsonl"
    text = as_json(line(1))
    with LogReader(path) as kept:
        path.write_text(text[:10])
        assert kept.existing() == []
        with path.open("a") as file:
            file.write(text[10:])
        assert kept.added() == [line(1)]
