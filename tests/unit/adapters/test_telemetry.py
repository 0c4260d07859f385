"""What the functions write for CloudWatch."""

import json

import pytest

from chalicelib.adapters.telemetry import PowertoolsTelemetry


@pytest.fixture
def telemetry(monkeypatch: pytest.MonkeyPatch) -> PowertoolsTelemetry:
    monkeypatch.setenv("POWERTOOLS_SERVICE_NAME", "order-engine")
    monkeypatch.setenv("POWERTOOLS_METRICS_NAMESPACE", "OrderEngine")
    return PowertoolsTelemetry()


def written(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_every_duration_is_kept_and_every_count_summed_up(
    telemetry: PowertoolsTelemetry, capsys: pytest.CaptureFixture[str]
) -> None:
    for milliseconds in (12, 7, 31):
        telemetry.add_metric("StateMs", milliseconds, status="routing")
        telemetry.add_metric("OrdersConfirmed")

    telemetry.flush()

    durations, confirmed = written(capsys)
    assert durations["StateMs"] == [12, 7, 31]
    assert durations["status"] == "routing"
    assert confirmed["OrdersConfirmed"] == [3]
    assert confirmed["service"] == "order-engine"


def test_dimensions_keep_series_apart(telemetry: PowertoolsTelemetry, capsys: pytest.CaptureFixture[str]) -> None:
    telemetry.add_metric("VenueChosen", venue="raydium")
    telemetry.add_metric("VenueChosen", venue="meteora")

    telemetry.flush()

    assert [line["venue"] for line in written(capsys)] == ["raydium", "meteora"]


def test_nothing_is_written_twice(telemetry: PowertoolsTelemetry, capsys: pytest.CaptureFixture[str]) -> None:
    telemetry.add_metric("OrdersAccepted")
    telemetry.flush()
    capsys.readouterr()

    telemetry.flush()

    assert written(capsys) == []
