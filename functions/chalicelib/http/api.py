"""The HTTP calls: each parses its request, calls one service, and shapes the answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from chalicelib import VERSION
from chalicelib.http import answers, calls
from chalicelib.http.catalogue import ProblemCode
from chalicelib.http.gateway import HttpRequest
from chalicelib.http.problems import Problem
from chalicelib.http.respond import Answer
from chalicelib.services.browse import OrderHistory
from chalicelib.services.cancel_order import cancel_order
from chalicelib.services.check_health import check_health
from chalicelib.services.place_order import place_order
from chalicelib.services.ports import OrdersQueue, OrderStore, Router, StatusEvents, Telemetry
from chalicelib.services.quote_pair import quote_pair
from chalicelib.services.views import event_view, order_view, route_view

FRESH_SECONDS = 300


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
    strict_wallets: bool = False

    def health(self) -> Answer:
        """Whether orders can be taken; asks the dependencies."""
        checks = check_health(self.probes, self.telemetry)
        well = all(check.error is None for check in checks)
        return Answer(200 if well else 503, answers.health_view(checks, VERSION), answers.health_headers(well))

    def place_order(self, request: HttpRequest) -> Answer:
        """Accepts an order: 202, and durable."""
        key = calls.idempotency_key(request.headers)
        wish = calls.order_body(request.json(), strict_wallets=self.strict_wallets).to_order()
        placed = place_order(wish, idempotency_key=key, store=self.store, queue=self.queue, telemetry=self.telemetry)
        headers = answers.placed_headers(placed, request.root)
        return Answer(202, answers.placed_view(placed, self.websocket_url), headers)

    def explain_stream(self) -> Answer:
        """What a GET without a WebSocket handshake is told."""
        raise Problem(
            ProblemCode.UPGRADE_REQUIRED,
            "POST an order to this address, or follow one with a WebSocket: "
            f"{self.websocket_url}?orderId=ID. To read an order, GET /api/orders/ID.",
            headers={"Upgrade": "websocket"},
        )

    def get_order(self, order_id: str) -> Answer:
        """One order."""
        return Answer(200, order_view(self.store.get(calls.order_id(order_id)).order))

    def get_events(self, order_id: str) -> Answer:
        """All events of one order."""
        history = self.store.get(calls.order_id(order_id))
        return Answer(200, {"orderId": order_id, "events": [event_view(event) for event in history.events]})

    def list_orders(self, request: HttpRequest) -> Answer:
        """A page of orders, newest first."""
        query = calls.list_query(request.query)
        which = query.to_filter()
        place = calls.place_in_list(query, which, self.cursor_secret)
        page = self.history.page(which, limit=query.limit, before_id=place)
        return Answer(200, answers.page_view(page, which, self.cursor_secret))

    def cancel_order(self, order_id: str) -> Answer:
        """Cancels an order that has not been signed yet."""
        identity = calls.order_id(order_id)
        history = cancel_order(identity, store=self.store, events=self.events, telemetry=self.telemetry)
        return Answer(200, order_view(history.order))

    def quote(self, request: HttpRequest) -> Answer:
        """Both venues' quotes and the choice; nothing is executed."""
        body, seed = calls.quote_body(request.json()), calls.quote_seed()
        asked = body.to_request(seed)
        route = quote_pair(asked, body.slippageBps, router=self.router)
        return Answer(200, route_view(route, asked, body.slippageBps))

    def openapi(self, request: HttpRequest) -> Answer:
        """The specification."""
        from chalicelib.http.openapi import openapi_text

        return Answer(200, openapi_text(request.root), {"Cache-Control": f"max-age={FRESH_SECONDS}"})

    def docs(self, request: HttpRequest) -> Answer:
        """The documentation for people."""
        from chalicelib.http.pages.docs import docs_page

        page = docs_page(request.root)
        return Answer(200, page.html, page.headers)

    def dashboard(self) -> Answer:
        """The page to place an order on and watch it live."""
        from chalicelib.http.pages.dashboard import dashboard_page

        page = dashboard_page(self.websocket_url)
        return Answer(200, page.html, page.headers)

    def tokens(self) -> Answer:
        """The token registry."""
        return Answer(200, answers.tokens_view())
