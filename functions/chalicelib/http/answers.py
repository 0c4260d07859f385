"""The answers of the HTTP calls: their types, which the specification shows, and how they are made."""

from __future__ import annotations

from typing import Annotated

from typing_extensions import TypedDict

from chalicelib.domain.tokens import REGISTRY
from chalicelib.http.cursors import write_cursor
from chalicelib.http.problems import RETRY_AFTER_SECONDS
from chalicelib.services.browse import OrderFilter, Page
from chalicelib.services.check_health import Check
from chalicelib.services.ports import PlacedOrder
from chalicelib.services.views import EventView, OrderView, order_view
from chalicelib.services.wire import OrderId, Says, Symbol


class PlacedView(TypedDict):
    """The answer to a placed order: it is stored and will be executed."""

    orderId: OrderId
    status: Annotated[str, Says("Always `pending`, also when a request is repeated.", one_of=("pending",))]
    websocketUrl: Annotated[str, Says("Where to follow the order.", format="uri")]


class PageView(TypedDict):
    """A page of orders, newest first; `nextCursor` is null on the last one."""

    orders: list[OrderView]
    nextCursor: Annotated[
        str | None,
        Says("Send it as `cursor` with the same filters. Only null ends a list: a page may be shorter than `limit`."),
    ]


class EventsView(TypedDict):
    """All events of an order so far, oldest first."""

    orderId: OrderId
    events: list[EventView]


class TokenView(TypedDict):
    """A token that can be traded."""

    symbol: Symbol
    name: str
    mint: Annotated[str, Says("The address of the token's mint on Solana.")]
    decimals: Annotated[int, Says("So many decimals separate an amount from its base units.", examples=(9,))]
    native: Annotated[bool, Says("Whether it is wrapped for a swap and unwrapped afterwards.")]


class TokensView(TypedDict):
    """The token registry."""

    tokens: list[TokenView]


class CheckView(TypedDict):
    """One dependency."""

    ok: bool
    milliseconds: Annotated[int, Says("How long it took to answer.")]
    error: str | None


class HealthView(TypedDict):
    """Whether orders can be taken."""

    ok: bool
    version: str
    checks: Annotated[dict[str, CheckView], Says("By dependency: database, queue.")]


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


def placed_headers(placed: PlacedOrder, root: str) -> dict[str, str]:
    """Where the order is, and whether an earlier request had placed it."""
    headers = {"Location": f"{root}/api/orders/{placed.order.id}"}
    return {**headers, "Idempotent-Replayed": "true"} if placed.replayed else headers


def placed_view(placed: PlacedOrder, websocket_url: str) -> PlacedView:
    """What a client gets for an accepted order; the same again for a replayed one."""
    return {
        "orderId": placed.order.id,
        "status": "pending",
        "websocketUrl": f"{websocket_url}?orderId={placed.order.id}",
    }


def page_view(page: Page, which: OrderFilter, secret: str) -> PageView:
    """The page."""
    following = write_cursor(page.last_id, which, secret) if page.last_id else None
    return {"orders": [order_view(order) for order in page.orders], "nextCursor": following}


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
