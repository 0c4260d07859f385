"""Every entry point of the engine: which route, message, queue or schedule calls which module of `chalicelib/handlers`.

A handler is imported when it is called: the functions share this file, and none pays at its cold start for what only
another one needs.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from chalice.app import Chalice, CloudWatchEvent, Response, SQSEvent, WebsocketEvent

from chalicelib.handlers.observe import observe
from chalicelib.handlers.prepare import prepare

if TYPE_CHECKING:
    from chalicelib.handlers.sqs_batch import BatchResponse
    from chalicelib.http.api import Api
    from chalicelib.http.requests import HttpRequest
    from chalicelib.http.responses import HttpResponse

app = Chalice(app_name="order-engine", configure_logs=False)
app.experimental_feature_flags.update(["WEBSOCKETS"])
app.register_middleware(observe, "all")
# Chalice would refuse a wrong content type in a shape of its own, a GET too; the body reader answers with a problem.
ANY_TYPE = ["*/*"]
# The gateway sends the headers only where HEAD asked.
READ = ["GET", "HEAD"]


@app.route("/health", methods=READ, content_types=ANY_TYPE)
def health() -> Response:
    """Whether orders can be taken."""
    return _respond(lambda api, _: api.health())


@app.route("/api/orders/execute", methods=["POST"], content_types=ANY_TYPE)
def place_order() -> Response:
    """Accepts an order."""
    return _respond(lambda api, request: api.place_order(request))


@app.route("/api/orders/execute", methods=READ, content_types=ANY_TYPE)
def explain_stream() -> Response:
    """Says that this address takes POST and WebSockets."""
    return _respond(lambda api, _: api.explain_stream())


@app.route("/api/orders", methods=READ, content_types=ANY_TYPE)
def list_orders() -> Response:
    """A page of orders, newest first."""
    return _respond(lambda api, request: api.list_orders(request))


@app.route("/api/orders/{order_id}", methods=READ, content_types=ANY_TYPE)
def get_order(order_id: str) -> Response:
    """One order."""
    return _respond(lambda api, request: api.get_order(request, order_id))


@app.route("/api/orders/{order_id}", methods=["PATCH"], content_types=ANY_TYPE)
def amend_order(order_id: str) -> Response:
    """Changes an order that rests."""
    return _respond(lambda api, request: api.amend_order(request, order_id))


@app.route("/api/orders/{order_id}/events", methods=READ, content_types=ANY_TYPE)
def get_events(order_id: str) -> Response:
    """All events of one order."""
    return _respond(lambda api, request: api.get_events(request, order_id))


@app.route("/api/orders/{order_id}/cancel", methods=["POST"], content_types=ANY_TYPE)
def cancel_order(order_id: str) -> Response:
    """Cancels an order that is not signed yet."""
    return _respond(lambda api, request: api.cancel_order(request, order_id))


@app.route("/api/quotes", methods=["POST"], content_types=ANY_TYPE)
def quote() -> Response:
    """Every venue's quotes, nothing executed."""
    return _respond(lambda api, request: api.quote(request))


@app.route("/api/stream-tickets", methods=["POST"], content_types=ANY_TYPE)
def stream_ticket() -> Response:
    """A ticket to open a stream with."""
    return _respond(lambda api, request: api.stream_ticket(request))


@app.route("/api/tokens", methods=READ, content_types=ANY_TYPE)
def tokens() -> Response:
    """The token registry."""
    return _respond(lambda api, _: api.tokens())


@app.route("/api/events", methods=READ, content_types=ANY_TYPE)
def feed() -> Response:
    """Events of all orders of a user."""
    return _respond(lambda api, request: api.feed(request))


@app.route("/api/stats", methods=READ, content_types=ANY_TYPE)
def stats() -> Response:
    """Execution quality over the newest orders."""
    return _respond(lambda api, request: api.stats(request))


@app.route("/api/prices", methods=READ, content_types=ANY_TYPE)
def prices() -> Response:
    """What the market pays, or paid."""
    return _respond(lambda api, request: api.prices(request))


@app.route("/api/launches", methods=READ, content_types=ANY_TYPE)
def launches() -> Response:
    """What was launched, newest first."""
    return _respond(lambda api, request: api.launches(request))


@app.route("/openapi.json", methods=READ, content_types=ANY_TYPE)
def openapi() -> Response:
    """The specification."""
    return _respond(lambda api, request: api.openapi(request))


@app.route("/asyncapi.json", methods=READ, content_types=ANY_TYPE)
def asyncapi() -> Response:
    """The stream's specification."""
    return _respond(lambda api, request: api.asyncapi(request))


@app.route("/docs", methods=READ, content_types=ANY_TYPE)
def docs() -> Response:
    """The documentation for people."""
    return _respond(lambda api, request: api.docs(request))


@app.route("/", methods=READ, content_types=ANY_TYPE)
def desk() -> Response:
    """The trading desk."""
    return _respond(lambda api, request: api.desk(request))


@app.route("/assets/{name}", methods=READ, content_types=ANY_TYPE)
def asset(name: str) -> Response:
    """A script or style of the desk."""
    return _respond(lambda api, request: api.asset(request, name))


@app.route("/health", methods=["OPTIONS"], content_types=ANY_TYPE)
@app.route("/api/orders/execute", methods=["OPTIONS"], content_types=ANY_TYPE)
@app.route("/api/orders", methods=["OPTIONS"], content_types=ANY_TYPE)
@app.route("/api/orders/{order_id}", methods=["OPTIONS"], content_types=ANY_TYPE)
@app.route("/api/orders/{order_id}/events", methods=["OPTIONS"], content_types=ANY_TYPE)
@app.route("/api/orders/{order_id}/cancel", methods=["OPTIONS"], content_types=ANY_TYPE)
@app.route("/api/quotes", methods=["OPTIONS"], content_types=ANY_TYPE)
@app.route("/api/stream-tickets", methods=["OPTIONS"], content_types=ANY_TYPE)
@app.route("/api/tokens", methods=["OPTIONS"], content_types=ANY_TYPE)
@app.route("/api/stats", methods=["OPTIONS"], content_types=ANY_TYPE)
@app.route("/api/events", methods=["OPTIONS"], content_types=ANY_TYPE)
@app.route("/api/prices", methods=["OPTIONS"], content_types=ANY_TYPE)
@app.route("/api/launches", methods=["OPTIONS"], content_types=ANY_TYPE)
@app.route("/openapi.json", methods=["OPTIONS"], content_types=ANY_TYPE)
@app.route("/asyncapi.json", methods=["OPTIONS"], content_types=ANY_TYPE)
@app.route("/docs", methods=["OPTIONS"], content_types=ANY_TYPE)
@app.route("/", methods=["OPTIONS"], content_types=ANY_TYPE)
@app.route("/assets/{name}", methods=["OPTIONS"], content_types=ANY_TYPE)
def options(order_id: str = "", name: str = "") -> Response:  # noqa: ARG001 - a path's parameter
    """What may be asked, by pages of other origins too."""
    return _respond(lambda api, _: api.options())


def _respond(call: Callable[[Api, HttpRequest], HttpResponse]) -> Response:
    from chalicelib.handlers import api

    return api.handle(app.current_request, call)


@app.on_ws_connect()
def websocket_connect(event: WebsocketEvent) -> dict[str, object]:
    """Follows the order that the URL names."""
    from chalicelib.handlers import websocket

    return websocket.connect(event)


@app.on_ws_message()
def websocket_message(event: WebsocketEvent) -> dict[str, object]:
    """Answers a client's message; the route response carries the reply."""
    from chalicelib.handlers import websocket

    return websocket.message(event)


@app.on_ws_disconnect()
def websocket_disconnect(event: WebsocketEvent) -> None:
    """Forgets the connection."""
    from chalicelib.handlers import websocket

    websocket.disconnect(event)


@app.on_sqs_message(queue="orders", batch_size=10, name="execute_orders", maximum_concurrency=10)
def execute_orders(event: SQSEvent) -> BatchResponse:
    """Executes a batch of orders at once."""
    from chalicelib.handlers import execute_orders

    return execute_orders.handle(event)


@app.on_sqs_message(queue="status-events.fifo", batch_size=10, name="push_status", maximum_concurrency=10)
def push_status(event: SQSEvent) -> BatchResponse:
    """Pushes histories to followers."""
    from chalicelib.handlers import push_status

    return push_status.handle(event)


@app.on_sqs_message(queue="orders-dlq", batch_size=10, name="dead_letter", maximum_concurrency=2)
def dead_letter(event: SQSEvent) -> BatchResponse:
    """Fails the orders of messages that nobody could process, and keeps the messages."""
    from chalicelib.handlers import dead_letter

    return dead_letter.handle(event)


@app.on_sqs_message(queue="heartbeats", batch_size=1, name="heartbeat")
def heartbeat(event: SQSEvent) -> None:
    """Tells every open connection that it is alive."""
    from chalicelib.handlers import heartbeat

    heartbeat.handle(event)


@app.on_sqs_message(queue="ticks", batch_size=1, name="watch", maximum_concurrency=2)
def watch(event: SQSEvent) -> None:
    """Compares what rests with the market, and sends what can be executed to the workers."""
    from chalicelib.handlers import watch

    watch.handle(event)


@app.schedule("rate(1 minute)", name="reconcile")
def reconcile(event: CloudWatchEvent) -> Mapping[str, int]:
    """Repairs what a crash or an outage left behind."""
    from chalicelib.handlers import reconcile

    return reconcile.handle(event)


@app.lambda_function(name="fetch_keys")
def fetch_keys(event: dict[str, object], _context: object) -> None:
    """Fetches the issuer's public keys: each minute, and when CloudFormation says that it is another issuer's."""
    from chalicelib.handlers import fetch_keys

    fetch_keys.handle(event)


@app.on_sqs_message(queue="issuer-keys", batch_size=1, name="store_keys", maximum_concurrency=2)
def store_keys(event: SQSEvent) -> None:
    """Stores the issuer's public keys."""
    from chalicelib.handlers import store_keys

    store_keys.handle(event)


# Lambda names here what this process will be asked for.
prepare(os.environ.get("_HANDLER", ""))
