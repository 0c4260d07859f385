"""Every entry point of the engine: routes, WebSocket, queues, schedule. A body parses, calls one service, responds."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, TypeVar

from chalice.app import Chalice, CloudWatchEvent, Response, SQSEvent, WebsocketEvent

from chalicelib import batches, bootstrap, correlation

if TYPE_CHECKING:
    from chalicelib.http.api import Api
    from chalicelib.http.requests import HttpRequest
    from chalicelib.http.responses import HttpResponse

app = Chalice(app_name="order-engine", configure_logs=False)
app.experimental_feature_flags.update(["WEBSOCKETS"])
# Chalice would refuse a wrong content type in a shape of its own, a GET too; the body reader answers with a problem.
ANY_TYPE = ["*/*"]
Result = TypeVar("Result")


@app.middleware("all")
def observe(event: object, get_response: Callable[[object], Result]) -> Result:
    """One log line and the metrics of every invocation."""
    telemetry = bootstrap.telemetry()
    start = time.monotonic()
    correlation.bind(function_request_id=correlation.invocation_id(event))
    try:
        return get_response(event)
    except Exception as error:
        # Lambda would print the traceback as lines of text, which no query finds by their request.
        telemetry.defect("invocation_failed", error)
        raise
    finally:
        telemetry.log("invocation", kind=type(event).__name__, milliseconds=round((time.monotonic() - start) * 1000))
        correlation.release()
        telemetry.flush()


@app.route("/health", methods=["GET"], content_types=ANY_TYPE)
def health() -> Response:
    """Whether orders can be taken."""
    return _respond(lambda api, _: api.health())


@app.route("/api/orders/execute", methods=["POST"], content_types=ANY_TYPE)
def place_order() -> Response:
    """Accepts an order."""
    return _respond(lambda api, request: api.place_order(request))


@app.route("/api/orders/execute", methods=["GET"], content_types=ANY_TYPE)
def explain_stream() -> Response:
    """Says that this address takes POST and WebSockets."""
    return _respond(lambda api, _: api.explain_stream())


@app.route("/api/orders", methods=["GET"], content_types=ANY_TYPE)
def list_orders() -> Response:
    """A page of orders, newest first."""
    return _respond(lambda api, request: api.list_orders(request))


@app.route("/api/orders/{order_id}", methods=["GET"], content_types=ANY_TYPE)
def get_order(order_id: str) -> Response:
    """One order."""
    return _respond(lambda api, _: api.get_order(order_id))


@app.route("/api/orders/{order_id}/events", methods=["GET"], content_types=ANY_TYPE)
def get_events(order_id: str) -> Response:
    """All events of one order."""
    return _respond(lambda api, _: api.get_events(order_id))


@app.route("/api/orders/{order_id}/cancel", methods=["POST"], content_types=ANY_TYPE)
def cancel_order(order_id: str) -> Response:
    """Cancels an order that is not signed yet."""
    return _respond(lambda api, _: api.cancel_order(order_id))


@app.route("/api/quotes", methods=["POST"], content_types=ANY_TYPE)
def quote() -> Response:
    """Both venues' quotes, nothing executed."""
    return _respond(lambda api, request: api.quote(request))


@app.route("/api/tokens", methods=["GET"], content_types=ANY_TYPE)
def tokens() -> Response:
    """The token registry."""
    return _respond(lambda api, _: api.tokens())


@app.route("/openapi.json", methods=["GET"], content_types=ANY_TYPE)
def openapi() -> Response:
    """The specification."""
    return _respond(lambda api, request: api.openapi(request))


@app.route("/docs", methods=["GET"], content_types=ANY_TYPE)
def docs() -> Response:
    """The documentation for people."""
    return _respond(lambda api, request: api.docs(request))


@app.route("/", methods=["GET"], content_types=ANY_TYPE)
def dashboard() -> Response:
    """The page to place an order on and watch it live."""
    return _respond(lambda api, request: api.dashboard(request))


def _respond(call: Callable[[Api, HttpRequest], HttpResponse]) -> Response:
    from chalicelib.http.requests import read_event
    from chalicelib.http.responses import respond

    if app.current_request is None:
        raise RuntimeError("A route was called outside of a request.")
    request = read_event(app.current_request.to_original_event(), os.environ.get("PUBLIC_WEBSOCKET_URL", ""))
    correlation.bind(request_id=request.request_id)
    answer = respond(lambda: call(bootstrap.api(), request), request, bootstrap.telemetry())
    return Response(answer.body, headers={**answer.headers}, status_code=answer.status)


@app.on_ws_connect()
def websocket_connect(event: WebsocketEvent) -> dict[str, int]:
    """Follows the order that the URL names."""
    from chalicelib.stream import handshake

    _correlate(event)
    query = event.to_dict().get("queryStringParameters") or {}
    return {"statusCode": handshake(query, event.connection_id, bootstrap.desk())}


@app.on_ws_message()
def websocket_message(event: WebsocketEvent) -> dict[str, object]:
    """Answers a client's message; the route response carries the reply."""
    from chalicelib.stream import converse

    _correlate(event)
    reply = converse(event.body, event.connection_id, bootstrap.desk())
    return {"statusCode": 200, "body": json.dumps(reply)}


@app.on_ws_disconnect()
def websocket_disconnect(event: WebsocketEvent) -> None:
    """Forgets the connection."""
    from chalicelib.services.subscriptions import hang_up

    _correlate(event)
    hang_up(event.connection_id, followers=bootstrap.followers(), telemetry=bootstrap.telemetry())


def _correlate(event: WebsocketEvent) -> None:
    context = event.to_dict()["requestContext"]
    correlation.bind(request_id=str(context.get("requestId", "")), connection_id=event.connection_id)


def _remaining_ms(event: SQSEvent | CloudWatchEvent) -> int:
    """What is left of the invocation; Chalice types the Lambda context as a dict, which it is not."""
    return int(event.context.get_remaining_time_in_millis())  # type: ignore[union-attr]


@app.on_sqs_message(queue="orders", batch_size=10, name="execute_orders", maximum_concurrency=10)
def execute_orders(event: SQSEvent) -> batches.BatchResponse:
    """Executes a batch of orders at once."""
    from chalicelib.services.execute_order import Pace, execute_order

    worker, pace = bootstrap.worker(), Pace()
    until = batches.deadline(bootstrap.clock().now(), _remaining_ms(event))
    return batches.run_each(
        batches.messages_of(event),
        lambda message: execute_order(batches.order_id_of(message), worker=worker, pace=pace, until=until),
        postpone=bootstrap.orders_queue().postpone,
        telemetry=bootstrap.telemetry(),
        in_time=lambda: batches.may_postpone(bootstrap.clock().now(), until),
    )


@app.on_sqs_message(queue="status-events.fifo", batch_size=10, name="push_status", maximum_concurrency=10)
def push_status(event: SQSEvent) -> batches.BatchResponse:
    """Pushes histories to followers."""
    from chalicelib.adapters.queues import parse_push
    from chalicelib.services.push_status import push_newest

    pusher = bootstrap.pusher()
    until = batches.deadline(bootstrap.clock().now(), _remaining_ms(event))
    return batches.run_in_groups(
        batches.messages_of(event),
        lambda group: push_newest([parse_push(message.body) for message in group], pusher, until),
        bootstrap.telemetry(),
    )


@app.on_sqs_message(queue="orders-dlq", batch_size=10, name="dead_letter", maximum_concurrency=2)
def dead_letter(event: SQSEvent) -> batches.BatchResponse:
    """Fails the orders of messages that nobody could process, and keeps the messages."""
    from chalicelib.dead_letters import bury

    worker, archive = bootstrap.worker(), bootstrap.dead_letters()
    until = batches.deadline(bootstrap.clock().now(), _remaining_ms(event))
    return batches.run_each(
        batches.messages_of(event),
        lambda message: bury(message, worker=worker, archive=archive, until=until),
        postpone=bootstrap.dead_letter_queue().postpone,
        telemetry=bootstrap.telemetry(),
        in_time=lambda: batches.may_postpone(bootstrap.clock().now(), until),
    )


@app.on_sqs_message(queue="heartbeats", batch_size=1, name="heartbeat")
def heartbeat(event: SQSEvent) -> None:
    """Tells every open connection that it is alive; a schedule puts a message into the queue each minute."""
    from chalicelib.adapters.queues import parse_beat
    from chalicelib.services.heartbeat import send_heartbeats

    for message in batches.messages_of(event):
        send_heartbeats(parse_beat(message.body), bootstrap.heartbeats())


@app.schedule("rate(1 minute)", name="reconcile")
def reconcile(event: CloudWatchEvent) -> Mapping[str, int]:
    """Repairs what a crash or an outage left behind."""
    from chalicelib.services.reconcile import reconcile

    repairs = reconcile(
        store=bootstrap.orders(),
        queue=bootstrap.orders_queue(),
        events=bootstrap.status_events(),
        telemetry=bootstrap.telemetry(),
        clock=bootstrap.clock(),
        until=batches.deadline(bootstrap.clock().now(), _remaining_ms(event)),
    )
    return {"repairs": repairs}
