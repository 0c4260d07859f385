"""What the functions log is collected, each invocation once."""

from collections.abc import Iterator
from pathlib import Path

import moto
import pytest

from localstack.deployment.aws_clients import Clients
from localstack.deployment.aws_target import Target
from localstack.logs import log_reader
from localstack.logs.log_lines import Line
from localstack.logs.log_reader import KeptLines, LogReader, append

GROUP = "/aws/lambda/stack-execute-orders"
NOW = 1_795_374_000_000


@pytest.fixture
def clients(monkeypatch: pytest.MonkeyPatch) -> Iterator[Clients]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    with moto.mock_aws():
        clients = Clients(Target("moto"))
        for name in (GROUP, "/aws/lambda/stack-api", "/aws/lambda/another-function"):
            clients.logs.create_log_group(logGroupName=name)
        yield clients
        clients.close()


def invoke(clients: Clients, stream: str, at: int, *texts: str, group: str = GROUP) -> None:
    """Stores one invocation's lines as the emulator does."""
    clients.logs.create_log_stream(logGroupName=group, logStreamName=stream)
    events = [{"timestamp": NOW + at, "message": text} for text in ("START RequestId: 1", *texts, "END RequestId: 1")]
    clients.logs.put_log_events(logGroupName=group, logStreamName=stream, logEvents=events)  # type: ignore[arg-type]


def test_each_invocation_is_read_once_and_in_time(clients: Clients) -> None:
    reader = LogReader(clients, "stack")
    invoke(clients, "b", 2000, "second")
    invoke(clients, "a", 1000, "first", "first", group="/aws/lambda/stack-api")
    invoke(clients, "x", 1000, "not ours", group="/aws/lambda/another-function")
    assert [(line.function, line.text) for line in reader.read()] == [
        ("api", "first"),
        ("api", "first"),
        ("execute-orders", "second"),
    ]
    assert reader.read() == []
    invoke(clients, "c", 1500, "stored late")
    invoke(clients, "d", 60_000, "later")
    assert [line.text for line in reader.read()] == ["stored late", "later"]
    assert reader.read() == []


def test_large_groups_are_emptied_once_read(clients: Clients, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_reader, "_STREAMS_AT_MOST", 1)
    reader = LogReader(clients, "stack")
    invoke(clients, "a", 1000, "one")
    reader.read()
    reader.tidy()
    assert len(clients.logs.describe_log_streams(logGroupName=GROUP)["logStreams"]) == 1
    invoke(clients, "b", 2000, "two")
    reader.read()
    reader.tidy()
    assert clients.logs.describe_log_streams(logGroupName=GROUP)["logStreams"] == []
    invoke(clients, "c", 3000, "three")
    assert [line.text for line in reader.read()] == ["three"]


def test_kept_lines_begin_anew_when_there_are_too_many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "logs" / "functions.jsonl"
    first, second = Line("api", 1.0, "first"), Line("api", 2.0, "zweitë")
    append(path, [])
    assert not path.exists()
    append(path, [first])
    monkeypatch.setattr(log_reader, "_ROTATE_BYTES", 10)
    append(path, [second])
    assert Line.from_json(path.read_text(encoding="utf-8")) == second
    assert Line.from_json(path.with_name("functions.jsonl.1").read_text(encoding="utf-8")) == first


def line(number: int) -> Line:
    return Line("api", float(number), f"line {number}")


def test_kept_lines_begin_with_the_rotated_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "functions.jsonl"
    append(path, [line(1)])
    monkeypatch.setattr(log_reader, "_ROTATE_BYTES", 10)
    append(path, [line(2)])
    with KeptLines(path) as kept:
        assert kept.there() == [line(1), line(2)]


def test_added_lines_are_read_across_a_rotation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "functions.jsonl"
    with KeptLines(path) as kept:
        assert kept.there() == []
        append(path, [line(1)])
        assert kept.added() == [line(1)]
        append(path, [line(2)])
        monkeypatch.setattr(log_reader, "_ROTATE_BYTES", 10)
        append(path, [line(3)])
        assert kept.added() == [line(2), line(3)]
        assert kept.added() == []


def test_a_line_that_a_crash_cut_short_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "functions.jsonl"
    whole = f"{line(1).as_json()}\n".encode()
    path.write_bytes(whole + whole[:20])
    with KeptLines(path) as kept:
        assert kept.there() == [line(1)]
        append(path, [line(2), line(3)])
        path.write_bytes(path.read_bytes() + b"\xff\n")
        assert kept.added() == [line(3)]


def test_a_line_that_is_being_written_is_read_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "functions.jsonl"
    text = f"{line(1).as_json()}\n"
    with KeptLines(path) as kept:
        path.write_text(text[:10])
        assert kept.there() == []
        with path.open("a") as file:
            file.write(text[10:])
        assert kept.added() == [line(1)]
