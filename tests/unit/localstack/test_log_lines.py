"""The functions' JSON lines made readable."""

import json

import pytest

from localstack.logs.log_lines import Line, is_platform, order_of, readable
from tests.fakes.kept_lines import as_json


def shown(**fields: object) -> str:
    """What a person sees of a line; nothing where it is left out."""
    text = readable(Line("execute-orders", 1_795_374_022.5, json.dumps(fields)))
    return "" if text is None else text.plain


def test_order_status_and_message_stand_first() -> None:
    line = shown(
        level="INFO",
        location="log:28",
        message="order_moved",
        timestamp="2026-11-22 19:40:55,248+0000",
        service="order-engine",
        order_id="ord_1",
        status="routing",
        attempt=1,
        xray_trace_id="1-2-3",
    )
    clock, rest = line.split(" ", 1)
    assert clock.endswith(":55.248")
    assert rest == "execute-orders       ord_1 routing order_moved  attempt=1"


def test_warnings_are_named_and_errors_show_their_trace() -> None:
    warned = shown(level="WARNING", message="enqueue_failed", reason="no queue")
    assert warned.endswith("WARNING enqueue_failed  reason=no queue")
    failed = shown(level="ERROR", message="broken", exception="Traceback …\nValueError: x")
    assert failed.endswith("ERROR broken\nTraceback …\nValueError: x")


@pytest.mark.parametrize(
    "fields",
    [
        {"_aws": {"CloudWatchMetrics": []}, "OrdersAccepted": 1},
        {"level": "INFO", "message": "invocation", "kind": "SQSEvent", "milliseconds": 3},
        {"level": "INFO", "message": "status_pushed", "order_id": "ord_1", "frames": 0, "followers": 0},
    ],
)
def test_what_tells_a_person_nothing_is_left_out(fields: dict[str, object]) -> None:
    assert shown(**fields) == ""


def test_a_push_to_somebody_is_shown() -> None:
    assert "status_pushed" in shown(level="INFO", message="status_pushed", order_id="ord_1", frames=2, followers=1)


def test_an_order_s_end_shows_each_of_its_steps_on_a_line() -> None:
    line = shown(message="order_ended", order_id="ord_1", status="failed", history=["0 pending: A.", "9 failed: B."])
    assert [part.strip() for part in line.splitlines()[1:]] == ["0 pending: A.", "9 failed: B."]


def test_long_values_are_cut_and_empty_ones_left_out() -> None:
    line = shown(level="INFO", message="m", reason="x" * 200, unavailable=[], note=None)
    assert "…" in line
    assert len(line) < 130
    assert "unavailable" not in line
    assert "note" not in line


@pytest.mark.parametrize("text", ["Traceback (most recent call last):", "[1, 2]", "{broken", '"text"', "[bold]x"])
def test_a_line_that_is_no_object_is_shown_as_it_is(text: str) -> None:
    line = readable(Line("api", 0.0, text))
    assert line is not None
    assert line.plain.endswith(text)


def test_what_lambda_writes_around_an_invocation() -> None:
    assert is_platform("REPORT RequestId: 1 Duration: 3 ms")
    assert readable(Line("api", 0.0, "START RequestId: 1 Version: $LATEST")) is None


def test_kept_lines_are_read_again() -> None:
    line = Line("api", 12.5, '{"order_id": "ord_ä"}')
    assert Line.from_json(as_json(line)) == line
    assert order_of(line.text) == "ord_ä"
    assert order_of("no json") is None


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"at": "soon"}'])
def test_other_kept_lines_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no log line"):
        Line.from_json(text)
