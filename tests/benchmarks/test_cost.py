"""docs/cost.md says what the script computes, and the script counts what an order really uses."""

from dataclasses import replace
from pathlib import Path

import pytest

from localstack.bench import bill, cost
from localstack.bench.bill import Measured, Prices
from localstack.bench.cost import load
from localstack.bench.cost_counts import ONE_FOLLOWED, TEN_UNWATCHED, measure

SIMPLE = Measured(
    orders=1,
    calls={"sqs orders SendMessage": 1, "sqs status-events SendMessage": 5, "dynamodb PutItem": 1, "dynamodb Query": 4},
    invocations={"api": 1, "execute-orders": 1, "push-status": 4},
    milliseconds={"api": 20, "execute-orders": 4000, "push-status": 50},
    frames=5,
    log_bytes=10_737,
    metrics=12,
)


def usd(items: list[bill.Item]) -> dict[str, float]:
    return {item.name: round(item.usd, 2) for item in items}


def test_the_page_says_what_the_script_computes() -> None:
    page = cost.PAGE.read_text()
    assert page == cost.fill_page(page, load()), "python -m localstack.bench.cost makes the page anew"


def test_the_formula_by_hand() -> None:
    assert usd(bill.per_million(SIMPLE)) == {
        "REST API": 3.50,
        "Lambda time, worker": 13.33,  # 4 s × 0.25 GB × 13.3334
        "Lambda time, the others": 1.47,  # (0.02 + 4 × 0.05) s × 0.5 GB × 13.3334
        "Lambda requests": 1.20,  # 6 × 0.20
        "WebSocket messages": 5.00,
        "WebSocket connection": 0.25,
        "SQS orders": 1.20,  # sent, received, deleted
        "SQS status-events.fifo": 6.50,  # 5 sent, 4 × received and deleted
        "DynamoDB writes": 0.62,  # one unit each, without an index
        "DynamoDB reads": 0.50,
        "CloudWatch Logs": 5.00,  # 10 GiB
        "X-Ray": 0.25,
    }


def test_what_is_not_used_is_no_line_of_the_bill() -> None:
    nobody = replace(SIMPLE, calls={"sqs orders SendMessage": 1}, invocations={"api": 1}, frames=0)
    assert {"WebSocket messages", "WebSocket connection", "DynamoDB writes", "SQS status-events.fifo"}.isdisjoint(
        usd(bill.per_million(nobody))
    )


def test_items_stand_by_size_and_idle_costs_the_endpoint_and_the_database() -> None:
    idle = bill.idle_month(SIMPLE)
    assert [item.usd for item in idle] == sorted((item.usd for item in idle), reverse=True)
    assert [item.name for item in idle[:2]] == ["RDS db.t4g.small", "SQS endpoint in the VPC"]
    free = bill.idle_month(SIMPLE, Prices(instance_hour=0))
    assert sum(item.usd for item in idle) - sum(item.usd for item in free) == pytest.approx(23.36)


def test_a_month_of_resting_orders_by_hand() -> None:
    assert usd(bill.resting_month(1)) == {
        "SQS ticks": 2.23,  # 2,628,000 × (received, deleted), and seven calls a minute that queue them
        "Lambda time": 0.53,  # 0.03 s × 0.5 GB × 13.3334
        "Lambda requests": 0.53,
    }
    assert bill.total(bill.resting_month(30)) < bill.total(bill.resting_month(1)) / 20


def test_an_alarm_costs_by_the_metrics_it_looks_at() -> None:
    one = "      MetricName: Age\n"
    percent = "        - Expression: 100 * errors / calls\n          MetricName: Errors\n          MetricName: Calls\n"
    query = "          Expression: !Sub SELECT SUM(Failed) FROM Engine WHERE service = '${Service}'\n"
    assert bill.alarm_metrics(one + percent + query) == (3, 1)


def test_a_page_without_a_place_for_a_part() -> None:
    with pytest.raises(ValueError, match=r"needs the lines <!-- summary"):
        cost.fill_page("nothing", {"a case": SIMPLE})


@pytest.mark.timeout(400)
def test_an_order_uses_what_is_written_down(tmp_path: Path) -> None:
    """The counts that do not depend on timing, counted anew; how many statuses share a push does depend on it."""
    recorded, counted = load(), measure(tmp_path, 2, (ONE_FOLLOWED, TEN_UNWATCHED))
    for case, found in counted.items():
        sends = "sqs orders SendMessage"
        assert found.calls[sends] == recorded[case].calls[sends] == 1
        assert found.invocations["api"] == recorded[case].invocations["api"] == 1
        # A push that met a connection still in its handshake asks to be sent again: on a busy machine that happens.
        assert found.calls.keys() <= recorded[case].calls.keys()
        assert found.log_bytes == pytest.approx(recorded[case].log_bytes, rel=0.2)
    followed, unwatched = counted[ONE_FOLLOWED.name], counted[TEN_UNWATCHED.name]
    assert followed.frames == recorded[ONE_FOLLOWED.name].frames == 5
    assert followed.invocations["websocket-connect"] == followed.invocations["websocket-disconnect"] == 1
    assert 1 <= followed.invocations["push-status"] <= followed.frames
    # The ten share a worker's invocations.
    assert unwatched.invocations["execute-orders"] < followed.invocations["execute-orders"]
    assert unwatched.frames == 0
