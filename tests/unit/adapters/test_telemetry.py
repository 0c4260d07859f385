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
    telemetry.flush()
    written = lines(capsys)
    assert Counter(values_of(written, "StateMs")) == Counter(range(count))
    assert all(line["status"] == "routing" for line in written)


def test_a_metric_has_a_unit(capsys: pytest.CaptureFixture[str]) -> None:
    telemetry = PowertoolsTelemetry()
    telemetry.add_metric("StateMs", 12.5, status="routing")
    telemetry.add_metric("SlippageBps", 7)
    telemetry.add_metric("OrdersAccepted")
    telemetry.flush()
    units = {
        metric["Name"]: metric["Unit"]
        for line in lines(capsys)
        for metric in line["_aws"]["CloudWatchMetrics"][0]["Metrics"]
    }
    assert units == {"StateMs": "Milliseconds", "SlippageBps": "None", "OrdersAccepted": "Count"}


def test_counts_are_summed_up_dimensions_kept_apart_and_nothing_written_twice(
    capsys: pytest.CaptureFixture[str],
) -> None:
    telemetry = PowertoolsTelemetry()
    for venue in ("raydium", "meteora", "raydium"):
        telemetry.add_metric("VenueChosen", venue=venue)
    telemetry.flush()
    written = lines(capsys)
    assert {line["venue"]: line["VenueChosen"] for line in written} == {"raydium": [2], "meteora": [1]}
    assert {str(line["service"])[:5] for line in written} == {"test-"}
    telemetry.flush()
    assert lines(capsys) == []
