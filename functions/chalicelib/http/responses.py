"""Responses: what an answer is, the types that the specification shows, and how domain values become them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Annotated

from typing_extensions import TypedDict

from chalicelib import VERSION, correlation
from chalicelib.domain.tokens import REGISTRY
from chalicelib.http.cursors import encode_cursor
from chalicelib.http.problems import RETRY_AFTER_SECONDS, problem_from, problem_view
from chalicelib.http.requests import HttpRequest
from chalicelib.http.signing import SigningKeys
from chalicelib.http.tickets import StreamTicket, stream_url
from chalicelib.services.browse import OrderFilter, Page
from chalicelib.services.check_health import Check
from chalicelib.services.ports import PlacedOrder, Telemetry
from chalicelib.services.views import EventView, OrderView, order_view, timestamp
from chalicelib.services.wire import Moment, OrderId, SchemaInfo, Symbol

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


class PlacedView(TypedDict):
    """The answer to a placed order: it is stored and will be executed."""

    orderId: OrderId
    status: Annotated[str, SchemaInfo("Always `pending`, also when a request is repeated.", one_of=("pending",))]
    websocketUrl: Annotated[
        str,
        SchemaInfo(
            "Where to follow the order. Where the service asks for access tokens it holds a ticket for five minutes; "
            "POST /api/stream-tickets makes others.",
            format="uri",
        ),
    ]


class TicketView(TypedDict):
    """What opens a stream; it may be used again until it expires."""

    ticket: Annotated[str, SchemaInfo("Send it as `ticket`: in the stream's address, or in a `subscribe` message.")]
    websocketUrl: Annotated[
        str, SchemaInfo("Where to open the stream; add `orderId` where the ticket is not for one order.", format="uri")
    ]
    expiresAt: Annotated[Moment, SchemaInfo("In five minutes, or when the access token ends, whichever comes first.")]


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
    order_id = placed.order.id
    view: PlacedView = {"orderId": order_id, "status": "pending", "websocketUrl": stream_url}
    replayed = {"Idempotent-Replayed": "true"} if placed.replayed else {}
    return HttpResponse(202, view, {"Location": f"{root}/api/orders/{order_id}", **replayed})


def ticket_response(ticket: StreamTicket, text: str, websocket_url: str) -> HttpResponse:
    """A new ticket and where to use it."""
    view: TicketView = {
        "ticket": text,
        "websocketUrl": stream_url(websocket_url, ticket.order_id, text),
        "expiresAt": timestamp(ticket.expires_at),
    }
    return HttpResponse(201, view)


def page_view(page: Page, filters: OrderFilter, keys: SigningKeys) -> PageView:
    """A page and, unless it is the last one, the signed cursor of the next."""
    following = encode_cursor(page.last_id, filters, keys) if page.last_id else None
    return {"orders": [order_view(order) for order in page.orders], "nextCursor": following}


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
