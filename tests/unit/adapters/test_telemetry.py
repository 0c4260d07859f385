"""What the functions write: log lines, and metrics for CloudWatch."""

import json
import uuid
from collections import Counter
from typing import Any

import pytest

from chalicelib.adapters.telemetry import PowertoolsTelemetry

Written = list[dict[str, Any]]


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POWERTOOLS_SERVICE_NAME", f"test-{uuid.uuid4()}")
    monkeypatch.setenv("POWERTOOLS_METRICS_NAMESPACE", "OrderEngine")


def lines(capsys: pytest.CaptureFixture[str]) -> Written:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def values_of(written: Written, metric: str) -> list[float]:
    found: list[float] = []
    for line in written:
        value = line.get(metric, [])
        found += value if isinstance(value, list) else [value]
    return found


def test_a_log_line_is_one_json_object(capsys: pytest.CaptureFixture[str]) -> None:
    telemetry = PowertoolsTelemetry()
    telemetry.log("order_moved", order_id="ord_1", sequence=2)
    telemetry.warn("publish_failed", reason="down\nagain")
    moved, failed = lines(capsys)
    assert (moved["message"], moved["level"], moved["order_id"], moved["sequence"]) == (
        "order_moved",
        "INFO",
        "ord_1",
        2,
    )
    assert (failed["message"], failed["level"], failed["reason"]) == ("publish_failed", "WARNING", "down\nagain")


def test_a_defect_comes_with_its_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    telemetry = PowertoolsTelemetry()
    with pytest.raises(ZeroDivisionError) as caught:
        _ = 1 // 0
    telemetry.exception("message_failed", caught.value, message_id="m")
    (line,) = lines(capsys)
    assert line["level"] == "ERROR"
    assert line["exception_name"] == "ZeroDivisionError"
    assert "_ = 1 // 0" in line["exception"]


@pytest.mark.parametrize("count", [1, 2, 10, 99, 100, 101, 250])
def test_every_measured_value_is_kept(capsys: pytest.CaptureFixture[str], count: int) -> None:
    telemetry = PowertoolsTelemetry()
    for value in range(count):
        telemetry.add_metric("StateMs", value, status="routing")
    telemetry.end_invocation()
    written = lines(capsys)
    assert Counter(values_of(written, "StateMs")) == Counter(range(count))
    assert all(line["status"] == "routing" for line in written)


def test_an_invocation_is_one_line_with_every_metric_and_its_unit(capsys: pytest.CaptureFixture[str]) -> None:
    telemetry = PowertoolsTelemetry()
    telemetry.add_metric("StateMs", 12.5, status="routing")
    telemetry.add_metric("QueueAgeMs", 3, queue="orders")
    telemetry.add_metric("SlippageBps", 7)
    telemetry.add_metric("OrdersAccepted")
    telemetry.end_invocation(kind="SQSEvent", milliseconds=20)
    (line,) = lines(capsys)
    assert (line["message"], line["kind"], line["milliseconds"]) == ("invocation", "SQSEvent", 20)
    assert [
        (directive["Dimensions"][0][:-1], metric["Name"], metric["Unit"], line[metric["Name"]])
        for directive in line["_aws"]["CloudWatchMetrics"]
        for metric in directive["Metrics"]
    ] == [
        (["status"], "StateMs", "Milliseconds", [12.5]),
        (["queue"], "QueueAgeMs", "Milliseconds", [3]),
        ([], "SlippageBps", "None", [7]),
        ([], "OrdersAccepted", "Count", [1]),
    ]


def test_counts_are_summed_up_dimensions_kept_apart_and_nothing_written_twice(
    capsys: pytest.CaptureFixture[str],
) -> None:
    telemetry = PowertoolsTelemetry()
    for venue in ("raydium", "meteora", "raydium"):
        telemetry.add_metric("VenueChosen", venue=venue)
    telemetry.end_invocation()
    written = lines(capsys)
    assert {line["venue"]: line["VenueChosen"] for line in written} == {"raydium": [2], "meteora": [1]}
    assert {str(line["service"])[:5] for line in written} == {"test-"}
    telemetry.end_invocation()
    assert values_of(lines(capsys), "VenueChosen") == []


def test_a_dimension_named_as_a_field_of_the_line_stands_in_another(capsys: pytest.CaptureFixture[str]) -> None:
    telemetry = PowertoolsTelemetry()
    telemetry.add_metric("StateMs", 1, status="routing")
    telemetry.end_invocation(status=202)
    invocation, metrics = lines(capsys)
    assert (invocation["message"], invocation["status"], "_aws" in invocation) == ("invocation", 202, False)
    assert (metrics["StateMs"], metrics["status"]) == ([1], "routing")


def test_metrics_are_written_where_invocations_are_not_logged(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOG_LEVEL", "WARNING")
    telemetry = PowertoolsTelemetry()
    telemetry.add_metric("OrdersAccepted")
    telemetry.end_invocation(kind="Request")
    assert values_of(lines(capsys), "OrdersAccepted") == [1]
    telemetry.end_invocation(kind="Request")
    assert lines(capsys) == []
