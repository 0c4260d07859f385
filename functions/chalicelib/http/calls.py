"""What the HTTP calls read and write: headers, queries, bodies."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import TypedDict

from chalicelib.domain.errors import InvalidField, InvalidOrder
from chalicelib.domain.quotes import Route
from chalicelib.domain.tokens import REGISTRY
from chalicelib.http.cursors import read_cursor, write_cursor
from chalicelib.http.problems import RETRY_AFTER_SECONDS, Problem, ProblemCode
from chalicelib.http.requests import ListQuery, OrderBody, QuoteBody, validated
from chalicelib.http.respond import IDEMPOTENCY_KEY
from chalicelib.services.browse import OrderFilter, Page
from chalicelib.services.check_health import Check
from chalicelib.services.ports import PlacedOrder
from chalicelib.services.views import EventView, OrderView, RouteView, order_view, route_view


class PlacedView(TypedDict):
    """The answer to a placed order."""

    orderId: str
    status: str
    websocketUrl: str


class PageView(TypedDict):
    """A page of orders, newest first; `nextCursor` is null on the last one."""

    orders: list[OrderView]
    nextCursor: str | None


class EventsView(TypedDict):
    """All events of an order so far, oldest first."""

    orderId: str
    events: list[EventView]


class TokenView(TypedDict):
    """A token that can be traded."""

    symbol: str
    name: str
    mint: str
    decimals: int
    native: bool


class TokensView(TypedDict):
    """The token registry."""

    tokens: list[TokenView]


class CheckView(TypedDict):
    """One dependency."""

    ok: bool
    milliseconds: int
    error: str | None


class HealthView(TypedDict):
    """Whether orders can be taken."""

    ok: bool
    version: str
    checks: dict[str, CheckView]


def health_view(checks: tuple[Check, ...], version: str) -> HealthView:
    """Every dependency's answer."""
    return {
        "ok": all(check.error is None for check in checks),
        "version": version,
        "checks": {
            check.name: {"ok": check.error is None, "milliseconds": check.milliseconds, "error": check.error}
            for check in checks
        },
    }


def health_headers(well: bool) -> dict[str, str]:
    """When to ask again."""
    return {} if well else {"Retry-After": str(RETRY_AFTER_SECONDS)}


def placed_headers(placed: PlacedOrder) -> dict[str, str]:
    """Where the order is, and whether an earlier request had placed it."""
    headers = {"Location": f"/api/orders/{placed.order.id}"}
    return {**headers, "Idempotent-Replayed": "true"} if placed.replayed else headers


def placed_view(placed: PlacedOrder, websocket_url: str) -> PlacedView:
    """What a client gets for an accepted order; the same again for a replayed one."""
    return {
        "orderId": placed.order.id,
        "status": "pending",
        "websocketUrl": f"{websocket_url}?orderId={placed.order.id}",
    }


def idempotency_key(headers: Mapping[str, str]) -> str | None:
    """The Idempotency-Key header. Raises `Problem` where it cannot be one."""
    key = headers.get("idempotency-key")
    if key is not None and not IDEMPOTENCY_KEY.fullmatch(key):
        raise Problem(ProblemCode.INVALID_IDEMPOTENCY_KEY, "Idempotency-Key takes 1 to 255 printable ASCII characters.")
    return key


def order_body(values: object) -> OrderBody:
    """A validated order. Raises `InvalidOrder`."""
    return validated(OrderBody, values)


def quote_body(values: object) -> QuoteBody:
    """A validated dry run. Raises `InvalidOrder`."""
    return validated(QuoteBody, values)


def quote_seed() -> str:
    """What makes two dry runs differ."""
    return f"quote:{uuid.uuid4()}"


def list_query(parameters: Mapping[str, list[str]]) -> ListQuery:
    """The validated query. Raises `InvalidOrder`."""
    repeated = [name for name, values in parameters.items() if len(values) > 1]
    if repeated:
        raise InvalidOrder(*(InvalidField(name[:200], "must be given once") for name in repeated))
    return validated(ListQuery, {name: values[0] for name, values in parameters.items()})


def place_in_list(query: ListQuery, which: OrderFilter, secret: str) -> str | None:
    """The id after which the page starts. Raises `Problem`."""
    return read_cursor(query.cursor, which, secret) if query.cursor else None


def page_view(page: Page, which: OrderFilter, secret: str) -> PageView:
    """The page."""
    following = write_cursor(page.last_id, which, secret) if page.last_id else None
    return {"orders": [order_view(order) for order in page.orders], "nextCursor": following}


def quotes_view(body: QuoteBody, seed: str, route: Route) -> RouteView:
    """Both quotes and the choice."""
    return route_view(route, body.to_request(seed))


def tokens_view() -> TokensView:
    """Every token."""
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
