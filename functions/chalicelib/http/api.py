"""The HTTP calls: each parses its request, calls one service, and shapes the answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from chalicelib import VERSION
from chalicelib.http import calls
from chalicelib.http.body import read_json
from chalicelib.http.respond import Answer
from chalicelib.services.browse import OrderHistory
from chalicelib.services.cancel_order import cancel_order
from chalicelib.services.check_health import check_health
from chalicelib.services.place_order import place_order
from chalicelib.services.ports import OrdersQueue, OrderStore, Router, StatusEvents, Telemetry
from chalicelib.services.quote_pair import quote_pair
from chalicelib.services.views import event_view, order_view


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """A request as the gateway delivered it; header names are in lower case."""

    path: str
    raw_body: bytes
    headers: Mapping[str, str]
    query: Mapping[str, list[str]]

    def json(self) -> dict[str, object]:
        """The body. Raises `Problem`."""
        return read_json(self.raw_body, self.headers.get("content-type"))


@dataclass(frozen=True, slots=True)
class Api:
    """The calls and the ports that they need."""

    store: OrderStore
    history: OrderHistory
    queue: OrdersQueue
    events: StatusEvents
    router: Router
    telemetry: Telemetry
    probes: Mapping[str, Callable[[], None]]
    websocket_url: str
    cursor_secret: str

    def health(self) -> Answer:
        """Whether orders can be taken; asks the dependencies."""
        checks = check_health(self.probes)
        well = all(check.error is None for check in checks)
        return Answer(200 if well else 503, calls.health_view(checks, VERSION), calls.health_headers(well))

    def place_order(self, request: HttpRequest) -> Answer:
        """Accepts an order: 202, and durable."""
        key = calls.idempotency_key(request.headers)
        wish = calls.order_body(request.json()).to_order()
        placed = place_order(wish, idempotency_key=key, store=self.store, queue=self.queue, telemetry=self.telemetry)
        return Answer(202, calls.placed_view(placed, self.websocket_url), calls.placed_headers(placed))

    def get_order(self, order_id: str) -> Answer:
        """One order."""
        return Answer(200, order_view(self.store.get(order_id).order))

    def get_events(self, order_id: str) -> Answer:
        """All events of one order."""
        history = self.store.get(order_id)
        return Answer(200, {"orderId": order_id, "events": [event_view(event) for event in history.events]})

    def list_orders(self, request: HttpRequest) -> Answer:
        """A page of orders, newest first."""
        query = calls.list_query(request.query)
        which = query.to_filter()
        place = calls.place_in_list(query, which, self.cursor_secret)
        page = self.history.page(which, limit=query.limit, before_id=place)
        return Answer(200, calls.page_view(page, which, self.cursor_secret))

    def cancel_order(self, order_id: str) -> Answer:
        """Cancels an order that has not been signed yet."""
        history = cancel_order(order_id, store=self.store, events=self.events, telemetry=self.telemetry)
        return Answer(200, order_view(history.order))

    def quote(self, request: HttpRequest) -> Answer:
        """Both venues' quotes and the choice; nothing is executed."""
        body, seed = calls.quote_body(request.json()), calls.quote_seed()
        route = quote_pair(body.to_request(seed), body.slippageBps, router=self.router)
        return Answer(200, calls.quotes_view(body, seed, route))

    def tokens(self) -> Answer:
        """The token registry."""
        return Answer(200, calls.tokens_view())
