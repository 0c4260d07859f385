"""`./dev metrics`: what the functions counted, from the very lines that they write."""

import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from chalicelib.adapters.telemetry import PowertoolsTelemetry
from localstack.commands import metrics
from localstack.commands.metrics import Series, read
from localstack.errors import UserError
from localstack.logs.log_lines import Line
from tests.fakes.kept_lines import as_json
from tests.fakes.programs import invoke

Write = Callable[[], Path]


@pytest.fixture
def telemetry(monkeypatch: pytest.MonkeyPatch) -> PowertoolsTelemetry:
    monkeypatch.setenv("POWERTOOLS_SERVICE_NAME", "order-engine")
    # Powertools keeps a logger's output, which is another test's; without log lines the metrics go out by themselves.
    monkeypatch.setenv("LOG_LEVEL", "WARNING")
    monkeypatch.setenv("POWERTOOLS_METRICS_NAMESPACE", "OrderEngine")
    return PowertoolsTelemetry()


@pytest.fixture
def keep(
    telemetry: PowertoolsTelemetry, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Write:
    """Ends an invocation and keeps what it wrote, as `./dev up` does."""
    path = tmp_path / "functions.jsonl"
    monkeypatch.setattr(metrics, "FUNCTION_LOG", path)

    def end() -> Path:
        telemetry.end_invocation()
        with path.open("a") as file:
            for text in capsys.readouterr().out.splitlines():
                file.write(as_json(Line("execute-orders", 1.0, text)))
        return path

    return end


def shown() -> list[list[str]]:
    done = invoke(metrics, env={"COLUMNS": "120"}, catch_exceptions=False)
    assert done.exit_code == 0
    return [line.split() for line in done.output.splitlines()]


def test_values_of_several_invocations_come_together(telemetry: PowertoolsTelemetry, keep: Write) -> None:
    telemetry.add_metric("OrdersAccepted")
    telemetry.add_metric("OrdersFailed", code="quote_expired")
    keep()
    for milliseconds in (10, 30, 20):
        telemetry.add_metric("StateMs", milliseconds, status="routing")
    telemetry.add_metric("OrdersAccepted", 2)
    assert read(keep()) == {
        Series("OrdersAccepted", "", "Count"): [1, 2],
        Series("OrdersFailed", "code=quote_expired", "Count"): [1],
        Series("StateMs", "status=routing", "Milliseconds"): [10, 30, 20],
    }


def test_log_lines_and_foreign_text_are_no_metrics(keep: Write) -> None:
    path = keep()
    for text in ('{"message": "OrdersAccepted"}', "START RequestId: 1", "[1]", "", '"_aws"'):
        with path.open("a") as file:
            file.write(as_json(Line("api", 1.0, text)))
    assert read(path) == {}


def test_totals_of_counts_and_the_middle_and_the_highest_of_what_is_measured(
    telemetry: PowertoolsTelemetry, keep: Write
) -> None:
    telemetry.add_metric("OrdersAccepted", 3)
    for milliseconds in (*[10] * 18, 30, 90):
        telemetry.add_metric("StateMs", milliseconds, status="routing")
    keep()
    assert shown() == [
        ["metric", "total", "median", "p95", "highest"],
        ["OrdersAccepted", "3"],
        ["StateMs", "status=routing", "20", "10", "30", "90", "ms"],
    ]


def test_all_values_of_a_busy_minute_are_counted(telemetry: PowertoolsTelemetry, keep: Write) -> None:
    for value in range(1, 251):
        telemetry.add_metric("StateMs", value, status="submitted")
    ((series, values),) = read(keep()).items()
    assert series.dimensions == "status=submitted"
    assert sum(values) == sum(range(1, 251))


def test_before_anything_ran_it_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "FUNCTION_LOG", tmp_path / "none.jsonl")
    with pytest.raises(UserError, match=r"\./dev up"):
        metrics.metrics(watch=False)


def counted(venue: str = "", **values: object) -> str:
    """A line that counts these, of a venue where one is named."""
    metrics = [{"Name": name, "Unit": "Count"} for name in values]
    directive = {"Dimensions": [["service", "venue"] if venue else ["service"]], "Metrics": metrics}
    line = {"_aws": {"CloudWatchMetrics": [directive]}, "service": "order-engine", "venue": venue, **values}
    return as_json(Line("api", 1.0, json.dumps(line)))


def test_several_metrics_may_stand_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "functions.jsonl").write_text(counted("raydium", A=1.0, B=[2.0, 3.0]))
    assert read(tmp_path / "functions.jsonl") == {
        Series("A", "venue=raydium", "Count"): [1.0],
        Series("B", "venue=raydium", "Count"): [2.0, 3.0],
    }


def test_watching_goes_on_with_what_is_counted_meanwhile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "functions.jsonl"
    path.write_text(counted(A=3))
    monkeypatch.setattr(metrics, "FUNCTION_LOG", path)
    looks = iter((True, False))

    def wait(_seconds: float) -> None:
        if not next(looks):
            raise KeyboardInterrupt
        with path.open("a") as file:
            file.write(counted(A=4))

    monkeypatch.setattr(time, "sleep", wait)
    shown = invoke(metrics, "--watch", env={"COLUMNS": "120"}).output
    assert [line.split() for line in shown.splitlines() if " A " in line] == [["A", "3"], ["A", "7"]]
