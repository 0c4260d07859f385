"""The WebSocket functions, called with the events of API Gateway."""

import json

import pytest

import app
from chalicelib import bootstrap
from tests.fakes.aws import LambdaContext, drain, websocket_event
from tests.unit.handlers.conftest import Stack


def test_connecting_stores_the_follower_and_queues_the_history_for_it(stack: Stack) -> None:
    order_id = stack.engine.place().id
    assert stack.connect(order_id) == 200
    assert [row.connection_id for row in bootstrap.followers().of_order(order_id)] == ["c="]
    (message,) = drain(stack.sqs, stack.events_url)
    body = json.loads(message["Body"])
    assert body["connectionId"] == "c="
    assert [event["sequence"] for event in body["history"]["events"]] == [1]


@pytest.mark.parametrize("name", ["Sec-WebSocket-Protocol", "sec-websocket-protocol"])
def test_the_first_subprotocol_that_a_client_offers_is_agreed_to(stack: Stack, name: str) -> None:
    event = websocket_event("$connect", query={"orderId": stack.engine.place().id})
    answer = app.websocket_connect({**event, "headers": {name: "v2.orders, v1.orders"}}, LambdaContext())
    assert answer == {"statusCode": 200, "headers": {"Sec-WebSocket-Protocol": "v2.orders"}}


@pytest.mark.parametrize(
    ("origin", "status"), [("https://desk.example", 200), ("https://pages.example", 200), ("https://evil.example", 403)]
)
def test_a_page_of_an_origin_that_is_neither_ours_nor_allowed_opens_no_stream(
    stack: Stack, monkeypatch: pytest.MonkeyPatch, origin: str, status: int
) -> None:
    monkeypatch.setattr(bootstrap, "allowed_origins", lambda: frozenset({"https://desk.example"}))
    event = websocket_event("$connect", query={"orderId": stack.engine.place().id})
    event |= {"headers": {"Origin": origin}, "stageVariables": {"PagesOrigin": "https://pages.example"}}
    assert app.websocket_connect(event, LambdaContext())["statusCode"] == status
