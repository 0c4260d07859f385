"""The REST function through Chalice's own test client, the orders queue on AWS in memory behind it.

What requests and answers may say is tested in tests/unit/http, over ports in memory.
"""

import json
from collections.abc import Iterator

import pytest
from chalice.test import Client

import app
from chalicelib import bootstrap
from tests.fakes.aws import drain
from tests.unit.handlers.conftest import Stack
from tests.unit.http.service import ORDER


@pytest.fixture
def client(stack: Stack) -> Iterator[Client]:
    with Client(app.app) as client:
        yield client


def test_from_the_request_to_the_frames(client: Client, stack: Stack) -> None:
    headers = {"Content-Type": "application/json"}
    placed = client.http.post("/api/orders/execute", headers=headers, body=json.dumps(dict(ORDER)))
    assert placed.status_code == 202
    order_id = placed.json_body["orderId"]
    assert stack.engine.order(order_id).amount == 1_500_000_000
    stack.connect(order_id)
    (message,) = drain(stack.sqs, stack.orders_url)
    assert json.loads(message["Body"])["orderId"] == order_id
    stack.execute({"messageId": "m", "receiptHandle": "h", "body": message["Body"], "attributes": {}})
    stack.push()
    read = client.http.get(f"/api/orders/{order_id}").json_body
    assert read["status"] == "confirmed"
    assert stack.notifier.frames["c="][-1]["order"] == read
    events = client.http.get(f"/api/orders/{order_id}/events").json_body["events"]
    assert [event["sequence"] for event in events] == [1, 2, 3, 4, 5]
    listed = client.http.get("/api/orders?userId=user-1").json_body
    assert listed["orders"] == [read]


def test_health_asks_the_database_and_the_queue(client: Client, stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    class Database:
        """Answers, or not."""

        def __init__(self) -> None:
            self.check = stack.engine.queue.check

    monkeypatch.setattr(bootstrap, "database", Database)
    answer = client.http.get("/health")
    assert (answer.status_code, answer.json_body["ok"]) == (200, True)
    assert set(answer.json_body["checks"]) == {"database", "queue"}
    stack.engine.queue.outage = True
    answer = client.http.get("/health")
    assert (answer.status_code, answer.json_body["ok"]) == (503, False)
    assert answer.json_body["checks"]["database"]["ok"] is False
    assert answer.json_body["checks"]["queue"]["ok"] is True
