"""The WebSocket functions, called with the events of API Gateway."""

import json

import pytest

import app
from chalicelib import bootstrap
from tests.fakes.aws import LambdaContext, drain, websocket_event
from tests.unit.handlers.conftest import Stack


def say(text: str | None, connection_id: str = "c=") -> dict[str, object]:
    answer = app.websocket_message(websocket_event("$default", connection_id, body=text), LambdaContext())
    assert answer["statusCode"] == 200
    reply: dict[str, object] = json.loads(answer["body"])
    return reply


def rows(stack: Stack, order_id: str) -> set[str]:
    return {follower.connection_id for follower in bootstrap.followers().of_order(order_id)}


def test_connecting_stores_the_follower_and_queues_the_history_for_it(stack: Stack) -> None:
    order_id = stack.engine.place().id
    assert stack.connect(order_id) == 200
    assert rows(stack, order_id) == {"c="}
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


@pytest.mark.parametrize(("query", "status"), [(None, 400), ({"orderId": "ord_unknown"}, 404)])
def test_a_handshake_that_is_refused_stores_nothing(stack: Stack, query: dict[str, str] | None, status: int) -> None:
    event = websocket_event("$connect") | {"queryStringParameters": query}
    assert app.websocket_connect(event, LambdaContext())["statusCode"] == status
    assert list(bootstrap.followers().orders_of("c=")) == []
    assert drain(stack.sqs, stack.events_url) == []


def test_an_open_connection_follows_more_orders_and_fewer(stack: Stack) -> None:
    first, second = stack.engine.place().id, stack.engine.place().id
    stack.connect(first)
    reply = say(json.dumps({"action": "subscribe", "orderId": second, "after": 0}))
    assert (reply["type"], reply["orderId"], reply["sequence"]) == ("subscribed", second, 1)
    stack.push()
    # Two orders are pushed at once.
    assert {str(frame["orderId"]) for frame in stack.notifier.frames["c="]} == {first, second}
    assert say(json.dumps({"action": "unsubscribe", "orderId": first}))["type"] == "unsubscribed"
    assert rows(stack, first) == set()
    assert rows(stack, second) == {"c="}


@pytest.mark.parametrize("text", [None, "no json", '{"action": "subscribe", "orderId": "ord_unknown"}', "\ud800"])
def test_nonsense_gets_an_error_and_changes_nothing(stack: Stack, text: str | None) -> None:
    order_id = stack.engine.place().id
    stack.connect(order_id)
    drain(stack.sqs, stack.events_url)
    reply = say(text)
    assert reply["type"] == "error"
    assert isinstance(reply["code"], str)
    assert isinstance(reply["message"], str)
    assert reply["code"] != "internal_error"
    assert list(bootstrap.followers().orders_of("c=")) == [order_id]
    assert drain(stack.sqs, stack.events_url) == []
    assert stack.engine.telemetry.exceptions == []
