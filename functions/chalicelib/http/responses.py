"""Responses: what an answer is, the types that the specification shows, and how domain values become them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from types import MappingProxyType
from typing import Annotated, NotRequired

from typing_extensions import TypedDict

from chalicelib import VERSION, correlation
from chalicelib.domain.amounts import plain
from chalicelib.domain.launches import Launch, LaunchKind
from chalicelib.domain.limits import in_display_units, rounded
from chalicelib.domain.order import OrderType
from chalicelib.domain.tokens import REGISTRY, Token
from chalicelib.domain.transitions import OrderStatus
from chalicelib.http.cursors import encode_cursor, encode_place
from chalicelib.http.problems import RETRY_AFTER_SECONDS, problem_from, problem_view
from chalicelib.http.requests import HttpRequest
from chalicelib.http.signing import SigningKeys
from chalicelib.http.tickets import StreamTicket
from chalicelib.ports.history import FeedPage, FeedPlace, OrderFilter, Page
from chalicelib.ports.runtime import Telemetry
from chalicelib.services.check_health import Check
from chalicelib.services.event_messages import market_meta, resting_sentence
from chalicelib.services.look_at_market import Launches, PricePoint
from chalicelib.services.place_order import PlacedOrder
from chalicelib.services.views import EventView, OrderView, event_view, order_view, timestamp
from chalicelib.services.wire import Exact, Moment, OrderId, SchemaInfo, Symbol, VenueName

# What browsers may do with an answer: give it to a page of this origin, or to one that CORS lets read it; no more.
# A page of ours brings a policy of its own.
SECURITY_HEADERS: Mapping[str, str] = MappingProxyType(
    {
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
        "Referrer-Policy": "no-referrer",
        "Cross-Origin-Resource-Policy": "same-origin",
    }
)
HSTS: Mapping[str, str] = MappingProxyType({"Strict-Transport-Security": "max-age=31536000"})


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """An answer; `body` is serialised as JSON unless it is text."""

    status: int
    body: object
    headers: Mapping[str, str] = field(default_factory=dict)


def respond(call: Callable[[], HttpResponse], request: HttpRequest, telemetry: Telemetry) -> HttpResponse:
    """The call's answer, or the problem for its error, as text and with the headers that every answer has."""
    try:
        answer = call()
        text = _text(answer.body)
    except Exception as error:  # noqa: BLE001 - the one place that turns errors into responses
        problem = problem_from(error)
        text = _text(problem_view(problem, instance=request.instance, request_id=request.request_id))
        answer = HttpResponse(problem.status, text, problem.headers)
        if answer.status >= 500:
            telemetry.exception("request_failed", error, route=request.route, status=answer.status)
    # For the line of the invocation.
    correlation.bind(route=request.route, path=request.instance, status=answer.status)
    every = {
        "Content-Type": "application/json",
        "X-Request-Id": request.request_id,
        "Vary": "Authorization, Origin",
        **SECURITY_HEADERS,
        **(HSTS if request.is_https else {}),
        "Cache-Control": "no-store",
    }
    return HttpResponse(answer.status, text, {**every, **answer.headers})


def _text(body: object) -> str:
    """The body as it is sent. Decimals and floats have no place in it: an amount is a string."""
    return body if isinstance(body, str) else json.dumps(body, separators=(",", ":"), allow_nan=False)


PLACED_AS = (str(OrderStatus.PENDING), str(OrderStatus.WAITING))


class PlacedView(TypedDict):
    """The answer to a placed order: it is stored, and will be executed or rests."""

    orderId: OrderId
    status: Annotated[
        str,
        SchemaInfo("`pending`, or `waiting` where it rests; the same when a request is repeated.", one_of=PLACED_AS),
    ]
    websocketUrl: Annotated[
        str,
        SchemaInfo(
            "Where to follow the order. Where the service asks for access tokens it holds a ticket for five minutes; "
            "POST /api/stream-tickets makes others.",
            format="uri",
        ),
    ]
    orderType: Annotated[str, SchemaInfo("When it executes.", one_of=tuple(str(kind) for kind in OrderType))]
    limitPrice: NotRequired[Annotated[Exact | None, SchemaInfo("Of a limit or sniper order.")]]
    expiresAt: NotRequired[Annotated[Moment | None, SchemaInfo("From when on nothing is signed; null for fok.")]]
    marketPrice: NotRequired[
        Annotated[Exact | None, SchemaInfo("Of a limit order: what its full size would be paid now, after fees.")]
    ]
    distanceBps: NotRequired[
        Annotated[int | None, SchemaInfo("How far the market is from the limit, in hundredths of a percent; 0 met.")]
    ]
    says: NotRequired[Annotated[str, SchemaInfo("What the order means, in both directions.")]]


class TicketView(TypedDict):
    """What opens a stream; it may be used again until it expires."""

    ticket: Annotated[str, SchemaInfo("Send it as `ticket`: in the stream's address, or in a `subscribe` message.")]
    websocketUrl: Annotated[
        str,
        SchemaInfo(
            "Where to open the stream of the order; of all orders of the user where no order was named.", format="uri"
        ),
    ]
    expiresAt: Annotated[Moment, SchemaInfo("In five minutes, or when the access token ends, whichever comes first.")]


class FeedView(TypedDict):
    """Events of all orders of a user, oldest first; each order's in the order of their sequence."""

    events: list[EventView]
    nextCursor: Annotated[str, SchemaInfo("Send it as `after` for what comes next, now or later.")]
    more: Annotated[bool, SchemaInfo("Whether more is there already: ask on at once. Else in a few seconds.")]


class PageView(TypedDict):
    """A page of orders, newest first; `nextCursor` is null on the last one."""

    orders: list[OrderView]
    nextCursor: Annotated[
        str | None,
        SchemaInfo(
            "Send it as `cursor` with the same filters. Only null ends a list: a page may be shorter than `limit`."
        ),
    ]


class EventsView(TypedDict):
    """All events of an order so far, oldest first."""

    orderId: OrderId
    events: list[EventView]


class TokenView(TypedDict):
    """A token that can be traded."""

    symbol: Symbol
    name: str
    mint: Annotated[str, SchemaInfo("The address of the token's mint on Solana.")]
    decimals: Annotated[int, SchemaInfo("So many decimals separate an amount from its base units.", examples=(9,))]
    native: Annotated[bool, SchemaInfo("Whether it is wrapped for a swap and unwrapped afterwards.")]


class TokensView(TypedDict):
    """The token registry."""

    tokens: list[TokenView]


class CheckView(TypedDict):
    """One dependency."""

    ok: bool
    milliseconds: Annotated[int, SchemaInfo("How long it took to answer.")]
    error: str | None


class HealthView(TypedDict):
    """Whether orders can be taken."""

    ok: bool
    version: str
    checks: Annotated[dict[str, CheckView], SchemaInfo("By dependency: database, queue.")]


class VenuePriceView(TypedDict):
    """What one venue pays."""

    venue: VenueName
    price: Exact


class PriceView(TypedDict):
    """The market at a second. Prices are output per input for a very small amount, after fees."""

    at: Moment
    best: Annotated[Exact | None, SchemaInfo("The better venue's price; null while nobody trades the pair.")]
    venues: list[VenuePriceView]


class PricesView(TypedDict):
    """The market of a pair, oldest first; one point unless the query names a time."""

    inputToken: Symbol
    outputToken: Symbol
    points: list[PriceView]


class LaunchView(TypedDict):
    """A confirmed pool of a new token."""

    pool: Annotated[str, SchemaInfo("The pool's address.")]
    eventId: Annotated[str, SchemaInfo("The event that told of it; the same pool may be told of twice.")]
    token: Symbol
    mint: Annotated[str, SchemaInfo("The address of the token's mint.")]
    kind: Annotated[str, SchemaInfo("How the pool came about.", one_of=tuple(str(kind) for kind in LaunchKind))]
    venue: VenueName
    confirmedAt: Moment
    opensAt: Annotated[str, SchemaInfo("From when it can be traded.", format="date-time")]
    liquidityUsd: Annotated[str, SchemaInfo("Dollars in the pool.")]
    safe: Annotated[bool, SchemaInfo("Whether nothing is flagged.")]
    flags: Annotated[list[str], SchemaInfo("What a careful trader keeps away from.")]


class LaunchesView(TypedDict):
    """Launches, newest first; `upcoming` is known where the market is simulated, and on the first page only."""

    launches: list[LaunchView]
    upcoming: list[LaunchView]
    nextBefore: Annotated[str | None, SchemaInfo("Send it as `before` for the page behind; null ends the list.")]


def prices_view(input_token: Token, output_token: Token, points: Sequence[PricePoint]) -> PricesView:
    """The points in display units, to 12 digits."""

    def shown(price: Fraction) -> str:
        return plain(rounded(in_display_units(price, input_token, output_token)))

    return {
        "inputToken": input_token.symbol,
        "outputToken": output_token.symbol,
        "points": [
            {
                "at": timestamp(point.at),
                "best": shown(point.best) if point.best is not None else None,
                "venues": [{"venue": venue, "price": shown(price)} for venue, price in point.venues.items()],
            }
            for point in points
        ],
    }


def launches_view(page: Launches) -> LaunchesView:
    """The page as JSON."""
    return {
        "launches": [_launch_view(launch) for launch in page.launches],
        "upcoming": [_launch_view(launch) for launch in page.upcoming],
        "nextBefore": timestamp(page.before) if page.before else None,
    }


def _launch_view(launch: Launch) -> LaunchView:
    return {
        "pool": launch.pool,
        "eventId": launch.event_id,
        "token": launch.token.symbol,
        "mint": launch.token.mint,
        "kind": launch.kind,
        "venue": launch.venue,
        "confirmedAt": timestamp(launch.confirmed_at),
        "opensAt": timestamp(launch.opens_at),
        "liquidityUsd": str(launch.liquidity_usd),
        "safe": launch.safe,
        "flags": [str(flag) for flag in launch.flags],
    }


def health_response(checks: tuple[Check, ...]) -> HttpResponse:
    """Every dependency's answer; 503 and when to ask again where one is down."""
    healthy = all(check.error is None for check in checks)
    view: HealthView = {
        "ok": healthy,
        "version": VERSION,
        "checks": {
            check.name: {"ok": check.error is None, "milliseconds": check.milliseconds, "error": check.error}
            for check in checks
        },
    }
    return HttpResponse(200, view) if healthy else HttpResponse(503, view, {"Retry-After": str(RETRY_AFTER_SECONDS)})


def placed_response(placed: PlacedOrder, root: str, stream_url: str) -> HttpResponse:
    """What a client gets for an accepted order; the same order again for a replayed one, which a header tells."""
    order = placed.order
    view: PlacedView = {
        "orderId": order.id,
        "status": OrderStatus.WAITING if order.status is OrderStatus.WAITING else OrderStatus.PENDING,
        "websocketUrl": stream_url,
        "orderType": order.order_type,
    }
    if order.order_type is not OrderType.MARKET:
        view["limitPrice"] = plain(order.limit_price) if order.limit_price is not None else None
        view["expiresAt"] = timestamp(order.expires_at) if order.expires_at else None
        view["says"] = resting_sentence(order, placed.market)
    if order.order_type is OrderType.LIMIT:
        told = market_meta(order, placed.market) if placed.market is not None else None
        view["marketPrice"] = told["marketPrice"] if told else None
        view["distanceBps"] = told["distanceBps"] if told else None
    replayed = {"Idempotent-Replayed": "true"} if placed.replayed else {}
    return HttpResponse(202, view, {"Location": f"{root}/api/orders/{order.id}", **replayed})


def ticket_response(ticket: StreamTicket, text: str, stream_url: str) -> HttpResponse:
    """A new ticket and where to use it."""
    view: TicketView = {"ticket": text, "websocketUrl": stream_url, "expiresAt": timestamp(ticket.expires_at)}
    return HttpResponse(201, view)


def page_view(page: Page, filters: OrderFilter, keys: SigningKeys) -> PageView:
    """A page and, unless it is the last one, the signed cursor of the next."""
    following = encode_cursor(page.last_id, filters, keys) if page.last_id else None
    return {"orders": [order_view(order) for order in page.orders], "nextCursor": following}


def feed_view(page: FeedPage, after: FeedPlace | None, user_id: str, keys: SigningKeys) -> FeedView:
    """A page of events and the signed cursor of what follows."""
    last = page.events[-1] if page.events else None
    place = FeedPlace(last.occurred_at, last.order_id, last.sequence) if last else after
    return {
        "events": [event_view(event) for event in page.events],
        "nextCursor": encode_place(place, user_id, keys),
        "more": page.more,
    }


def tokens_view() -> TokensView:
    """The registry."""
    return {
        "tokens": [
            {
                "symbol": token.symbol,
                "name": token.name,
                "mint": token.mint,
                "decimals": token.decimals,
                "native": token.native,
            }
            for token in REGISTRY
        ]
    }
