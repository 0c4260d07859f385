"""The REST function through Chalice's own test client, the orders queue on AWS in memory behind it."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from chalice.test import Client, HTTPResponse
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import app
from chalicelib import bootstrap
from chalicelib.domain.order import new_order_id
from chalicelib.domain.transitions import OrderStatus
from tests.fakes import an_order
from tests.fakes.aws import drain
from tests.fakes.clock import START
from tests.unit.handlers.conftest import WEBSOCKET_URL, Stack

ORDER: dict[str, Any] = {
    "userId": "user-1",
    "walletAddress": "wallet_12345",
    "inputToken": "SOL",
    "outputToken": "USDC",
    "amount": "1.5",
    "side": "sell",
}
JSON = {"Content-Type": "application/json"}
# What issue 2 lists, and the field that the answer must name; None where the body as a whole is at fault.
BAD_BODIES: dict[str, tuple[str | bytes, str | None]] = {
    "no JSON": ("{", None),
    "nothing": ("", None),
    "a list": ("[]", None),
    "a NaN": (json.dumps(ORDER).replace('"1.5"', "NaN"), "amount"),
    "an infinity": (json.dumps(ORDER).replace('"1.5"', "Infinity"), "amount"),
    "no UTF-8": (b'{"userId": "\xff"}', None),
    "a key twice": ('{"amount": 1, "amount": 2}', None),
    "a number out of every range": (json.dumps(ORDER).replace('"1.5"', "1e99999999999999999999"), "amount"),
    "a field of 1 MB": (json.dumps({**ORDER, "userId": "x" * 2**20}), None),
    "1e308": (json.dumps(ORDER).replace('"1.5"', "1e308"), "amount"),
    "NaN as text": (json.dumps({**ORDER, "amount": "NaN"}), "amount"),
    "negative": (json.dumps({**ORDER, "amount": "-1"}), "amount"),
    "zero": (json.dumps({**ORDER, "amount": 0}), "amount"),
    "too many decimals": (json.dumps({**ORDER, "amount": "1.0000000001"}), "amount"),
    "too many decimals when buying": (json.dumps({**ORDER, "side": "buy", "amount": "1.0000001"}), "amount"),
    "an amount that is true": (json.dumps({**ORDER, "amount": True}), "amount"),
    "an amount that is a list": (json.dumps({**ORDER, "amount": [1]}), "amount"),
    "an amount of 10,000 digits": (json.dumps({**ORDER, "amount": "1" * 10_000}), "amount"),
    "no amount": (json.dumps({name: value for name, value in ORDER.items() if name != "amount"}), "amount"),
    "the same token twice": (json.dumps({**ORDER, "outputToken": "SOL"}), "outputToken"),
    "SOL for wrapped SOL": (json.dumps({**ORDER, "outputToken": "WSOL"}), "outputToken"),
    "an unknown token": (json.dumps({**ORDER, "inputToken": "DOGE"}), "inputToken"),
    "a token that is a number": (json.dumps({**ORDER, "inputToken": 5}), "inputToken"),
    "an unknown side": (json.dumps({**ORDER, "side": "hold"}), "side"),
    "a user that is a number": (json.dumps({**ORDER, "userId": 5}), "userId"),
    "an empty user": (json.dumps({**ORDER, "userId": ""}), "userId"),
    "a user that is too long": (json.dumps({**ORDER, "userId": "x" * 1000}), "userId"),
    "a NUL byte": (json.dumps({**ORDER, "userId": "a\x00b"}), "userId"),
    "a NUL byte in the wallet": (json.dumps({**ORDER, "walletAddress": "a\x00b"}), "walletAddress"),
    "half a surrogate": (json.dumps({**ORDER, "userId": "\ud800"}), "userId"),
    "a slippage past the limit": (json.dumps({**ORDER, "slippageBps": 10_001}), "slippageBps"),
    "a negative slippage": (json.dumps({**ORDER, "slippageBps": -1}), "slippageBps"),
    "a slippage with a fraction": (json.dumps({**ORDER, "slippageBps": 0.5}), "slippageBps"),
    "a field that there is not": (json.dumps({**ORDER, "price": 1}), "price"),
}
PROBLEM = {"type", "title", "status", "code", "detail"}


@pytest.fixture
def client(stack: Stack) -> Iterator[Client]:
    with Client(app.app) as client:
        yield client


def post(client: Client, body: str | bytes, path: str = "/api/orders/execute", **headers: str) -> HTTPResponse:
    return client.http.post(path, headers={**JSON, **headers}, body=body)


def assert_problem(answer: HTTPResponse, status: int | None = None) -> dict[str, Any]:
    """The one shape of every error."""
    assert answer.headers["Content-Type"] == "application/problem+json"
    body: dict[str, Any] = answer.json_body
    assert body.keys() >= PROBLEM, body
    assert body["status"] == answer.status_code
    assert status is None or answer.status_code == status, body
    assert body["type"] == f"urn:order-engine:problem:{body['code']}"
    assert body["detail"].endswith((".", ".)"))
    assert "Traceback" not in answer.body.decode()
    return body


def test_an_order_is_accepted_and_durable(client: Client, stack: Stack) -> None:
    answer = post(client, json.dumps(ORDER))
    assert answer.status_code == 202
    order_id = answer.json_body["orderId"]
    assert answer.json_body == {
        "orderId": order_id,
        "status": "pending",
        "websocketUrl": f"{WEBSOCKET_URL}?orderId={order_id}",
    }
    assert answer.headers["Location"].endswith(f"/api/orders/{order_id}")
    assert stack.engine.order(order_id).amount == 1_500_000_000
    (message,) = drain(stack.sqs, stack.orders_url)
    assert json.loads(message["Body"])["orderId"] == order_id


def test_from_the_request_to_the_frames(client: Client, stack: Stack) -> None:
    order_id = post(client, json.dumps(ORDER)).json_body["orderId"]
    stack.connect(order_id)
    (message,) = drain(stack.sqs, stack.orders_url)
    stack.execute({"messageId": "m", "receiptHandle": "h", "body": message["Body"], "attributes": {}})
    stack.push()
    read = client.http.get(f"/api/orders/{order_id}").json_body
    assert read["status"] == "confirmed"
    assert stack.notifier.frames["c="][-1]["order"] == read
    events = client.http.get(f"/api/orders/{order_id}/events").json_body["events"]
    assert [event["sequence"] for event in events] == [1, 2, 3, 4, 5]
    listed = client.http.get("/api/orders?userId=user-1").json_body
    assert listed["orders"] == [read]


def test_while_sqs_cannot_be_reached_an_order_is_accepted_all_the_same(
    client: Client, stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    stack.engine.queue.outage = True
    monkeypatch.setattr(bootstrap, "orders_queue", lambda: stack.engine.queue)
    bootstrap.api.cache_clear()
    answer = post(client, json.dumps(ORDER))
    assert answer.status_code == 202
    assert stack.engine.order(answer.json_body["orderId"]).status is OrderStatus.PENDING


@pytest.mark.parametrize("name", BAD_BODIES)
def test_a_bad_body_is_refused_names_its_field_and_writes_nothing(client: Client, stack: Stack, name: str) -> None:
    body, field = BAD_BODIES[name]
    # A dry run knows no user: the field is refused before what is in it.
    for path in ("/api/orders/execute", "/api/quotes"):
        problem = assert_problem(post(client, body, path))
        assert 400 <= problem["status"] < 500
        if field is not None:
            assert field in {error["field"] for error in problem["errors"]}
            assert field in problem["detail"]
    assert stack.engine.store.rows == {}
    assert stack.engine.store.keys == {}
    assert drain(stack.sqs, stack.orders_url) == []
    assert stack.engine.telemetry.defects == []


ORDER_ROUTES = [("GET", "/api/orders/{}"), ("GET", "/api/orders/{}/events"), ("POST", "/api/orders/{}/cancel")]


@pytest.mark.parametrize(("method", "path"), ORDER_ROUTES)
@pytest.mark.parametrize(
    "order_id", ["ord_unknown", "x", "a%00b", "%ff", "%ed%a0%80", "ord_" + "0" * 5000, "%C3%BC", "'; DROP TABLE orders"]
)
def test_an_unknown_order(client: Client, stack: Stack, method: str, path: str, order_id: str) -> None:
    answer = client.http.request(method, path.format(order_id.replace(" ", "%20")), headers=JSON)
    assert assert_problem(answer, 404)["code"] == "order_not_found"


@pytest.mark.parametrize(("method", "path"), ORDER_ROUTES)
def test_an_order_that_could_exist_and_does_not(client: Client, stack: Stack, method: str, path: str) -> None:
    assert_problem(client.http.request(method, path.format(new_order_id()), headers=JSON), 404)


@pytest.mark.parametrize("body", ["", " \n"])
def test_a_body_with_nothing_in_it(client: Client, stack: Stack, body: str) -> None:
    problem = assert_problem(post(client, body), 400)
    assert problem["detail"] == "The body is empty: send one JSON object."


def test_every_error_has_the_same_shape(client: Client, stack: Stack) -> None:
    over = stack.engine.store.put(an_order(OrderStatus.FAILED)).order
    post(client, json.dumps({**ORDER, "clientOrderId": "mine"}), **{"Idempotency-Key": "key"})
    assert_problem(post(client, "{"), 400)
    assert_problem(post(client, json.dumps({**ORDER, "amount": 0})), 400)
    assert_problem(post(client, "x" * 70_000), 413)
    assert_problem(client.http.post("/api/orders/execute", headers={"Content-Type": "text/plain"}, body="hi"), 415)
    assert_problem(post(client, json.dumps(ORDER), **{"Idempotency-Key": "key"}), 422)
    assert_problem(post(client, json.dumps(ORDER), **{"Idempotency-Key": "ü"}), 400)
    assert_problem(post(client, json.dumps({**ORDER, "clientOrderId": "mine"})), 409)
    assert_problem(client.http.get("/api/orders/ord_unknown"), 404)
    assert_problem(client.http.get("/api/orders?limit=0"), 400)
    assert_problem(client.http.get("/api/orders?cursor=x"), 400)
    assert_problem(client.http.post(f"/api/orders/{over.id}/cancel", headers=JSON, body=""), 409)
    assert_problem(client.http.get("/api/orders/execute"))
    stack.engine.store.outages.everything = True
    unavailable = client.http.get(f"/api/orders/{over.id}")
    assert_problem(unavailable, 503)
    assert int(unavailable.headers["Retry-After"]) > 0


def test_a_defect_is_a_problem_without_a_stack_trace(client: Client, stack: Stack) -> None:
    def stumble(_: object) -> None:
        raise ZeroDivisionError("secret")

    stack.engine.router.on_quotes = stumble
    answer = post(client, json.dumps({**ORDER, "userId": None, "walletAddress": None}), "/api/quotes")
    assert_problem(answer, 400)
    body = {name: value for name, value in ORDER.items() if name not in ("userId", "walletAddress")}
    problem = assert_problem(post(client, json.dumps(body), "/api/quotes"), 500)
    assert problem["code"] == "internal_error"
    assert "secret" not in json.dumps(problem)
    assert [event for event, _ in stack.engine.telemetry.defects] == ["request_failed"]


@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=201",
        "limit=x",
        "limit=",
        "status=over",
        "venue=binance",
        "inputToken=DOGE",
        "placedFrom=yesterday",
        "placedFrom=2026-01-01T00:00:00",
        "userId=",
        "userId=a%00b",
        "userId=a&userId=b",
        "unknown=1",
        "cursor=%ff",
    ],
)
def test_a_bad_query_is_refused_and_names_its_field(client: Client, query: str) -> None:
    problem = assert_problem(client.http.get(f"/api/orders?{query}"), 400)
    name = query.partition("=")[0]
    assert name == "cursor" or name in {error["field"] for error in problem.get("errors", [])}


def test_pages_follow_one_another_and_a_cursor_belongs_to_its_filter(client: Client, stack: Stack) -> None:
    for number in range(5):
        stack.engine.clock.advance(number)
        stack.engine.place()
    first = client.http.get("/api/orders?userId=user-1&limit=3").json_body
    cursor = first["nextCursor"]
    second = client.http.get(f"/api/orders?userId=user-1&limit=3&cursor={cursor}").json_body
    ids = [order["id"] for order in first["orders"] + second["orders"]]
    assert ids == sorted(stack.engine.store.rows, reverse=True)
    assert second["nextCursor"] is None
    assert_problem(client.http.get(f"/api/orders?userId=another&cursor={cursor}"), 400)
    changed = ("A" if cursor[0] != "A" else "B") + cursor[1:]
    assert_problem(client.http.get(f"/api/orders?userId=user-1&cursor={changed}"), 400)


def test_health_asks_the_database_and_the_queue(client: Client, stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    class Database:
        """Answers, or not."""

        def __init__(self) -> None:
            self.check = stack.engine.queue.check

    monkeypatch.setattr(bootstrap, "database", Database)
    answer = client.http.get("/health")
    assert (answer.status_code, answer.json_body["ok"]) == (200, True)
    assert all(check["ok"] for check in answer.json_body["checks"].values())
    assert set(answer.json_body["checks"]) == {"database", "queue"}
    stack.engine.queue.outage = True
    answer = client.http.get("/health")
    assert (answer.status_code, answer.json_body["ok"]) == (503, False)
    assert answer.json_body["checks"]["database"]["ok"] is False
    assert answer.json_body["checks"]["queue"]["ok"] is True


numbers = st.one_of(
    st.integers(), st.floats(), st.decimals(allow_nan=True).map(str), st.text("0123456789.eE+-", max_size=12)
)
anything = st.recursive(
    st.one_of(st.none(), st.booleans(), numbers, st.text(max_size=20), st.sampled_from(["SOL", "USDC", "sell", "buy"])),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=5), inner, max_size=3)),
    max_leaves=5,
)
almost_orders = st.fixed_dictionaries(
    {},
    optional={
        name: st.one_of(st.just(value), anything)
        for name, value in {**ORDER, "slippageBps": 50, "clientOrderId": "c", "orderType": "market"}.items()
    },
)
bodies = st.one_of(
    st.binary(max_size=60),
    st.text(max_size=60),
    anything.map(json.dumps),
    almost_orders.map(json.dumps),
    almost_orders.map(lambda order: json.dumps({**ORDER, **order})),
)


@settings(max_examples=120, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=bodies)
def test_whatever_is_posted_is_an_order_or_a_refusal_that_writes_nothing(
    client: Client, stack: Stack, body: str | bytes
) -> None:
    before = len(stack.engine.store.rows)
    answer = post(client, body)
    placed = len(stack.engine.store.rows) - before
    if answer.status_code == 202:
        assert placed == 1
        order = stack.engine.order(answer.json_body["orderId"])
        assert order.amount > 0
        assert order.created_at >= START.replace(year=2020)
    else:
        assert_problem(answer)
        # A client order id may be taken by an order posted before.
        assert answer.status_code in (400, 409, 413, 415, 422)
        assert placed == 0
    assert stack.engine.telemetry.defects == []
