"""The HTTP calls: each parses its request, calls one service, and shapes the answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from chalicelib import correlation
from chalicelib.domain.errors import InvalidField, InvalidOrder
from chalicelib.http import bodies, files, queries
from chalicelib.http.cursors import decode_cursor, decode_place
from chalicelib.http.identity import as_filtered, as_owned, refuse_another_user
from chalicelib.http.problems import Problem, ProblemCode
from chalicelib.http.queries import read_query
from chalicelib.http.requests import HttpRequest, checked_order_id
from chalicelib.http.responses import (
    HttpResponse,
    feed_view,
    health_response,
    launches_view,
    page_view,
    placed_response,
    prices_view,
    ticket_response,
    tokens_view,
)
from chalicelib.http.signing import SigningKeys
from chalicelib.http.tickets import issue_ticket, order_named, stream_url, user_named, write_ticket
from chalicelib.http.validation import validated
from chalicelib.ports.access import Allowances
from chalicelib.ports.history import FeedPlace, OwnedHistory
from chalicelib.ports.market import Market
from chalicelib.ports.orders import OwnedOrders
from chalicelib.ports.queues import OrdersQueue, StatusEvents, Ticks
from chalicelib.ports.runtime import Clock, CrashPoint, Telemetry
from chalicelib.ports.venues import Router
from chalicelib.services import look_at_market
from chalicelib.services.amend_order import Amendment, amend_order
from chalicelib.services.cancel_order import cancel_order
from chalicelib.services.check_health import check_health
from chalicelib.services.place_order import PlacingPorts, place_order
from chalicelib.services.quote_pair import quote_pair
from chalicelib.services.statistics import execution_stats
from chalicelib.services.views import event_view, order_view, route_view


@dataclass(frozen=True, slots=True)
class Api:
    """The calls and the ports that they need."""

    orders: OwnedOrders
    allowances: Allowances
    history: OwnedHistory
    queue: OrdersQueue
    events: StatusEvents
    router: Router
    market: Market
    ticks: Ticks
    clock: Clock
    telemetry: Telemetry
    probes: Mapping[str, Callable[[], None]]
    websocket_url: str
    signing_keys: SigningKeys
    crash_point: CrashPoint
    strict_wallets: bool = False

    def health(self) -> HttpResponse:
        """Asks the dependencies; 503 where one is down."""
        return health_response(check_health(self.probes, self.telemetry))

    def place_order(self, request: HttpRequest) -> HttpResponse:
        """202 once the order is durable."""
        key = request.idempotency_key
        owner = request.owner
        values = as_owned(request.json(), owner)
        body = bodies.read_order(values, strict_wallets=self.strict_wallets, now=self.clock.now())
        refuse_another_user(body.userId, owner)
        ports = PlacingPorts(
            self.orders.of(owner),
            self.queue,
            self.market,
            self.ticks,
            self.events,
            self.telemetry,
            self.crash_point,
        )
        placed = place_order(body.to_order(), idempotency_key=key, ports=ports)
        correlation.bind(order_id=placed.order.id, user_id=placed.order.user_id)
        return placed_response(placed, request.root, self._stream_url(request, placed.order.id))

    def _stream_url(self, request: HttpRequest, order_id: str) -> str:
        """Where a placed order is followed, with a ticket where the sender is known."""
        if request.owner.subject is None:
            return stream_url(self.websocket_url, order_named(order_id), None)
        ticket = issue_ticket(request.sender, order_id, self.clock.now())
        return stream_url(self.websocket_url, order_named(order_id), write_ticket(ticket, self.signing_keys))

    def explain_stream(self) -> HttpResponse:
        """What a GET without a WebSocket handshake is told: always raises `Problem`."""
        raise Problem(
            ProblemCode.UPGRADE_REQUIRED,
            "POST an order to this address, or follow one with a WebSocket: "
            f"{self.websocket_url}?orderId=ID, or all of a user's with ?userId=USER. To read an order, GET "
            "/api/orders/ID.",
            headers={"Upgrade": "websocket"},
        )

    def get_order(self, request: HttpRequest, order_id: str) -> HttpResponse:
        """The order as it now is. Raises `OrderNotFound`."""
        return HttpResponse(200, order_view(self.orders.of(request.owner).get(checked_order_id(order_id)).order))

    def get_events(self, request: HttpRequest, order_id: str) -> HttpResponse:
        """All events so far, oldest first. Raises `OrderNotFound`."""
        history = self.orders.of(request.owner).get(checked_order_id(order_id))
        return HttpResponse(200, {"orderId": order_id, "events": [event_view(event) for event in history.events]})

    def list_orders(self, request: HttpRequest) -> HttpResponse:
        """A page of orders, newest first."""
        query = read_query(queries.ListQuery, request.query)
        owner = request.owner
        refuse_another_user(query.userId, owner)
        filters = as_filtered(query.to_filter(), owner)
        before_id = decode_cursor(query.cursor, filters, self.signing_keys) if query.cursor else None
        page = self.history.page(owner, filters, limit=query.limit, before_id=before_id)
        return HttpResponse(200, page_view(page, filters, self.signing_keys))

    def cancel_order(self, request: HttpRequest, order_id: str) -> HttpResponse:
        """The cancelled order. Raises `NotCancellable` once it is signed."""
        history = cancel_order(
            checked_order_id(order_id),
            store=self.orders.of(request.owner),
            events=self.events,
            telemetry=self.telemetry,
        )
        return HttpResponse(200, order_view(history.order))

    def amend_order(self, request: HttpRequest, order_id: str) -> HttpResponse:
        """The changed order. Raises `NotAmendable` unless it rests, `OrderChanged`."""
        known = checked_order_id(order_id)
        body = bodies.read_amendment(request.json(), now=self.clock.now())
        history = amend_order(
            known,
            Amendment(body.limitPrice, body.expiresAt, body.ifSequence),
            store=self.orders.of(request.owner),
            market=self.market,
            events=self.events,
            clock=self.clock,
            telemetry=self.telemetry,
        )
        return HttpResponse(200, order_view(history.order))

    def quote(self, request: HttpRequest) -> HttpResponse:
        """Every venue's quotes and the choice; nothing is executed."""
        self.allowances.take(request.owner)
        body = validated(bodies.QuoteBody, request.json())
        question = body.to_request()
        route = quote_pair(question, body.slippageBps, body.maxPriceImpactBps, router=self.router)
        return HttpResponse(200, route_view(route, question, body.slippageBps))

    def stream_ticket(self, request: HttpRequest) -> HttpResponse:
        """201 with a ticket for one order, or for any of a user's. Raises `OrderNotFound`, `InvalidOrder`."""
        owner = request.owner
        self.allowances.take(owner)
        body = validated(bodies.TicketBody, request.json())
        refuse_another_user(body.userId, owner)
        order_id, user_id = body.orderId, body.userId if owner.subject is None else owner.subject
        if order_id is not None:
            self.orders.of(owner).get(checked_order_id(order_id))
            named = order_named(order_id)
        elif user_id is not None:
            named = user_named(user_id)
        else:
            raise InvalidOrder(InvalidField("userId", "is missing: name the order to follow, or whose orders"))
        ticket = issue_ticket(request.sender, order_id, self.clock.now())
        text = write_ticket(ticket, self.signing_keys)
        return ticket_response(ticket, text, stream_url(self.websocket_url, named, text))

    def feed(self, request: HttpRequest) -> HttpResponse:
        """Events of all orders of a user, oldest first. Raises `InvalidOrder` where nobody is named."""
        query = read_query(queries.FeedQuery, request.query)
        owner = request.owner
        refuse_another_user(query.userId, owner)
        user_id = query.userId if owner.subject is None else owner.subject
        if user_id is None:
            raise InvalidOrder(InvalidField("userId", "is missing: events are listed by user"))
        after = decode_place(query.after, user_id, self.signing_keys) if query.after else None
        if query.since is not None:
            # Whose clock is ahead must not miss what happens until then.
            after = FeedPlace(min(query.since, self.clock.now()), "", 0)
        page = self.history.feed(owner, user_id, limit=query.limit, after=after)
        return HttpResponse(200, feed_view(page, after, user_id, self.signing_keys))

    def stats(self, request: HttpRequest) -> HttpResponse:
        """How well the newest orders were executed."""
        query = read_query(queries.StatsQuery, request.query)
        owner = request.owner
        refuse_another_user(query.userId, owner)
        filters = as_filtered(query.to_filter(), owner)
        return HttpResponse(200, execution_stats(owner, filters, query.orders, history=self.history))

    def tokens(self) -> HttpResponse:
        """The token registry."""
        return HttpResponse(200, tokens_view())

    def prices(self, request: HttpRequest) -> HttpResponse:
        """What the market pays now, or paid at up to 600 moments."""
        now = self.clock.now()
        query = read_query(queries.PricesQuery, request.query)
        moments = query.moments(now)
        points = look_at_market.prices(query.inputToken, query.outputToken, moments, market=self.market)
        return HttpResponse(200, prices_view(query.inputToken, query.outputToken, points))

    def launches(self, request: HttpRequest) -> HttpResponse:
        """What was launched, newest first."""
        query = read_query(queries.LaunchesQuery, request.query)
        return HttpResponse(
            200, launches_view(look_at_market.launches(self.clock.now(), query.before, market=self.market))
        )

    def options(self) -> HttpResponse:
        """Nothing itself: a preflight's answer is in the headers that every answer gets."""
        return HttpResponse(204, "")

    def openapi(self, request: HttpRequest) -> HttpResponse:
        """The specification."""
        return files.specification(request.root).response(request.if_none_match)

    def asyncapi(self, request: HttpRequest) -> HttpResponse:
        """The stream's specification."""
        return files.stream_specification(self.websocket_url).response(request.if_none_match)

    def docs(self, request: HttpRequest) -> HttpResponse:
        """The documentation for people; the page's own links would be wrong below "/docs/"."""
        if request.path.endswith("/"):
            return HttpResponse(308, "", {"Location": f"{request.root}/docs"})
        return files.page("docs.html").response(request.if_none_match)

    def desk(self, request: HttpRequest) -> HttpResponse:
        """The desk."""
        base = files.base_path(request.root, request.path)
        return files.page("desk.html", self.websocket_url, base).response(request.if_none_match)

    def asset(self, request: HttpRequest, name: str) -> HttpResponse:
        """A script or style of the desk."""
        return files.asset(name).response(request.if_none_match)
