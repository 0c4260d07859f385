"""What the functions really write: one JSON line an invocation and a decision, by which a request can be followed."""

import json
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from typing import Any

import pytest
from chalice.test import Client

import app
from chalicelib import bootstrap, correlation
from chalicelib.adapters.telemetry import PowertoolsTelemetry
from chalicelib.domain.errors import Unavailable
from chalicelib.domain.order import new_order_id
from chalicelib.ports.orders import Lease
from tests.fakes.aws import SCHEDULED, LambdaContext, drain, record_of, sqs_event, sqs_record, websocket_event
from tests.unit.handlers.conftest import Stack
from tests.unit.http.service import ORDER as AN_ORDER

WALLET = "9xQeWvG816bUx9EPjHmaT23yvVM2ZWbrrpZb9PusVFin"
ORDER = {**AN_ORDER, "walletAddress": WALLET}
INVOCATION = LambdaContext(aws_request_id="invocation-1")
Lines = list[dict[str, Any]]
Run = Callable[[], Lines]


def trace(number: int) -> str:
    return f"1-6b0351d2-{number:024x}"


@pytest.fixture
def tracing(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Sets the trace of the invocations that follow, as Lambda does."""

    def begin(number: int) -> None:
        monkeypatch.setenv("_X_AMZN_TRACE_ID", f"Root={trace(number)};Parent=53995c3f42cd8ad8;Sampled=1")

    begin(1)
    return begin


@pytest.fixture
def written(
    stack: Stack, tracing: object, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Run]:
    """The lines written since the last call; the functions have the telemetry that they are deployed with."""
    # Another service name each time: Powertools keeps the handlers of a logger, and with them an older output.
    monkeypatch.setenv("POWERTOOLS_SERVICE_NAME", f"test-{uuid.uuid4()}")
    monkeypatch.setenv("POWERTOOLS_METRICS_NAMESPACE", "OrderEngine")
    monkeypatch.setenv("LOG_LEVEL", "DEBUG")
    monkeypatch.setenv("HEARTBEATS_QUEUE_URL", stack.orders_url)
    # Made by the test itself: pytest gives it another standard output than its fixtures.
    real = cache(PowertoolsTelemetry)
    worker = bootstrap.worker()
    monkeypatch.setattr(bootstrap, "telemetry", real)
    monkeypatch.setattr(bootstrap, "worker", lambda: replace(worker, telemetry=real()))

    def read() -> Lines:
        lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        return [line for line in lines if "message" in line]

    yield read
    if bootstrap.heartbeats.cache_info().currsize:
        bootstrap.heartbeats().threads.shutdown()
        bootstrap.heartbeats.cache_clear()


def post(request_id: str) -> str:
    """Places an order over HTTP; gives its id."""
    headers = {"Content-Type": "application/json", "X-Request-Id": request_id}
    with Client(app.app) as client:
        answer = client.http.post("/api/orders/execute", body=json.dumps(ORDER).encode(), headers=headers)
    assert answer.status_code == 202
    return str(answer.json_body["orderId"])


def of(lines: Lines, event: str) -> Lines:
    return [line for line in lines if line["message"] == event]


def call(name: str, stack: Stack) -> None:
    """Calls a function with something to decide on."""
    order_id = stack.engine.place().id
    record = sqs_record(json.dumps({"orderId": order_id}), group=order_id)
    match name:
        case "execute_orders" | "dead_letter":
            stack.engine.store.rows[order_id].fruitless_claims = 2
            getattr(app, name)(sqs_event([record]), INVOCATION)
        case "push_status":
            bootstrap.status_events().send(stack.engine.history(order_id))
            app.push_status(sqs_event(map(record_of, drain(stack.sqs, stack.events_url))), INVOCATION)
        case "heartbeat":
            app.heartbeat(sqs_event([sqs_record('{"beat": 1}')]), INVOCATION)
        case "websocket_connect":
            app.websocket_connect(websocket_event("$connect", query={"orderId": order_id}), INVOCATION)
        case "websocket_message":
            body = json.dumps({"action": "subscribe", "orderId": order_id})
            app.websocket_message(websocket_event("$default", body=body), INVOCATION)
        case "websocket_disconnect":
            app.websocket_disconnect(websocket_event("$disconnect"), INVOCATION)
        case "reconcile":
            stack.engine.clock.advance(60)
            app.reconcile(SCHEDULED, INVOCATION)


DECISIONS = {
    "execute_orders": "route_chosen",
    "dead_letter": "dead_order_failed",
    "push_status": "status_pushed",
    "heartbeat": "heartbeat",
    "websocket_connect": "followed",
    "websocket_message": "followed",
    "websocket_disconnect": "connection_forgotten",
    "reconcile": "order_repaired",
}


@pytest.mark.parametrize("name", DECISIONS)
def test_every_function_says_what_it_decided_and_that_it_ran(stack: Stack, written: Run, name: str) -> None:
    call(name, stack)
    lines = written()
    (invocation,) = of(lines, "invocation")
    assert invocation is lines[-1]
    assert isinstance(invocation["milliseconds"], int)
    (decision,) = of(lines, DECISIONS[name])
    assert ("order_id" in decision) == (name not in ("heartbeat", "websocket_disconnect"))
    for line in lines:
        assert (line["function_request_id"], line["xray_trace_id"]) == ("invocation-1", trace(1))
        if name.startswith("websocket"):
            assert (line["request_id"], line["connection_id"]) == ("request-1", "c=")
    assert not correlation.current()


def test_the_api_s_lines_have_the_client_s_request_id(written: Run) -> None:
    order_id = post("from-the-client")
    lines = written()
    assert [line["message"] for line in lines] == ["order_accepted", "invocation"]
    assert {line["request_id"] for line in lines} == {"from-the-client"}
    assert {line["xray_trace_id"] for line in lines} == {trace(1)}
    assert all(line["function_request_id"] for line in lines)
    assert {line["order_id"] for line in lines} == {order_id}
    assert (lines[-1]["route"], lines[-1]["status"]) == ("/api/orders/execute", 202)


def test_an_order_is_followed_through_the_queues(stack: Stack, written: Run, tracing: Callable[[int], None]) -> None:
    order_id = post("from-the-client")
    written()
    tracing(2)
    app.execute_orders(sqs_event(map(record_of, drain(stack.sqs, stack.orders_url))), INVOCATION)
    about_it = [line for line in written() if line["message"] != "invocation"]
    assert {line["message"] for line in about_it} == {"message_received", "route_chosen", "order_moved", "order_ended"}
    for line in about_it:
        assert (line["order_id"], line["request_id"]) == (order_id, "from-the-client")
        # Its own trace, and the one that it began with.
        assert (line["xray_trace_id"], line["trace_id"]) == (trace(2), trace(1))
    tracing(3)
    app.push_status(sqs_event(map(record_of, drain(stack.sqs, stack.events_url))), INVOCATION)
    (pushed,) = of(written(), "status_pushed")
    assert (pushed["order_id"], pushed["request_id"]) == (order_id, "from-the-client")
    assert (pushed["xray_trace_id"], pushed["trace_id"]) == (trace(3), trace(2))


def test_at_info_an_order_is_a_line_an_invocation_and_one_with_all_its_steps(
    stack: Stack, written: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOG_LEVEL", "INFO")
    order_id = post("from-the-client")
    app.execute_orders(sqs_event(map(record_of, drain(stack.sqs, stack.orders_url))), INVOCATION)
    lines = written()
    assert [line["message"] for line in lines] == ["invocation", "order_ended", "invocation"]
    ended = lines[1]
    assert (ended["order_id"], ended["status"], ended["attempt"]) == (order_id, "confirmed", 1)
    steps = [step.partition(": ")[::2] for step in ended["history"]]
    assert [step.split()[1] for step, _ in steps] == ["pending", "routing", "building", "submitted", "confirmed"]
    assert [said for _, said in steps] == [event.message for event in stack.engine.history(order_id).events]
    since = [int(step.split()[0]) for step, _ in steps]
    assert since[0] == 0
    assert since == sorted(since)


def test_orders_of_one_batch_keep_their_own_requests(stack: Stack, written: Run) -> None:
    requests = {post(f"request-{number}"): f"request-{number}" for number in range(5)}
    written()
    app.execute_orders(sqs_event(map(record_of, drain(stack.sqs, stack.orders_url))), INVOCATION)
    lines = [line for line in written() if line["message"] != "invocation"]
    assert {line["order_id"]: line["request_id"] for line in lines} == requests
    assert all(requests[line["order_id"]] == line["request_id"] for line in lines)


def test_what_a_follower_s_thread_logs_names_the_request(stack: Stack, written: Run) -> None:
    order_id = post("from-the-client")
    stack.connect(order_id, "gone")
    stack.notifier.gone.add("gone")
    app.execute_orders(sqs_event(map(record_of, drain(stack.sqs, stack.orders_url))), INVOCATION)
    stack.engine.clock.advance(60)
    stack.push()
    dropped = of(written(), "follower_dropped")
    assert dropped
    assert {(line["order_id"], line["request_id"]) for line in dropped} == {(order_id, "from-the-client")}


def test_an_order_that_is_held_is_named_where_its_message_is_returned(stack: Stack, written: Run) -> None:
    order_id = stack.engine.place().id
    stack.engine.store.claim(order_id, Lease("another", 1000))
    stack.execute(sqs_record(json.dumps({"orderId": order_id})))
    (returned,) = of(written(), "message_not_postponed")  # the receipt handle is none of SQS's
    assert returned["order_id"] == order_id


def test_an_invocation_that_fails_says_why_and_is_still_counted_as_failed(stack: Stack, written: Run) -> None:
    stack.engine.store.outages.everything = True
    with pytest.raises(Unavailable):
        app.reconcile(SCHEDULED, INVOCATION)
    failed, invocation = written()
    assert (failed["message"], failed["level"], failed["exception_name"]) == (
        "invocation_failed",
        "ERROR",
        "Unavailable",
    )
    assert failed["function_request_id"] == invocation["function_request_id"] == "invocation-1"


@pytest.mark.parametrize("traced", [True, False])
def test_a_message_carries_on_the_trace_of_its_sender(
    stack: Stack, monkeypatch: pytest.MonkeyPatch, traced: bool
) -> None:
    header = f"Root={trace(7)};Parent=53995c3f42cd8ad8;Sampled=1"
    monkeypatch.delenv("_X_AMZN_TRACE_ID", raising=False)
    if traced:
        monkeypatch.setenv("_X_AMZN_TRACE_ID", header)
    order_id = stack.engine.place().id
    bootstrap.orders_queue().send(order_id)
    bootstrap.status_events().send(stack.engine.history(order_id))
    for url in (stack.orders_url, stack.events_url):
        (message,) = drain(stack.sqs, url)
        assert message["Attributes"].get("AWSTraceHeader") == (header if traced else None)


@pytest.mark.parametrize("body", [json.dumps(ORDER), WALLET, "[" * 10_000, "\x00"])
def test_a_message_that_is_none_of_ours_is_not_quoted(stack: Stack, written: Run, body: str) -> None:
    stack.execute(sqs_record(body, message_id="m"))
    lines = written()
    assert of(lines, "message_unreadable")[0]["message_id"] == "m"
    assert WALLET not in json.dumps(lines)


def test_no_line_of_an_order_s_life_has_its_wallet(stack: Stack, written: Run) -> None:
    order_id = post("request")
    stack.connect(order_id)
    app.execute_orders(sqs_event(map(record_of, drain(stack.sqs, stack.orders_url))), INVOCATION)
    stack.push()
    with Client(app.app) as client:
        for path in ("/api/orders?userId=user-1", f"/api/orders/{order_id}", f"/api/orders/{new_order_id()}"):
            client.http.get(path)
        client.http.post("/api/orders/execute", body=json.dumps({**ORDER, "amount": -1}).encode())
    lines = written()
    assert len(lines) > 10
    assert WALLET not in json.dumps(lines)
