"""Every HTTP call as the specification shows it: a test compares this table with the routes of the app."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pydantic import BaseModel

from chalicelib.http.answers import EventsView, HealthView, PageView, PlacedView, TokensView
from chalicelib.http.catalogue import ProblemCode
from chalicelib.http.problems import MediaType
from chalicelib.http.requests import ListQuery, OrderBody, QuoteBody
from chalicelib.services.views import OrderView, RouteView

ORDERS, MARKET, SERVICE = "Orders", "Market", "Service"
ANY_CALL = (ProblemCode.RATE_LIMITED, ProblemCode.INTERNAL_ERROR, ProblemCode.SERVICE_UNAVAILABLE)
ANY_BODY = (
    ProblemCode.MALFORMED_JSON,
    ProblemCode.VALIDATION_FAILED,
    ProblemCode.BODY_TOO_LARGE,
    ProblemCode.UNSUPPORTED_MEDIA_TYPE,
)
SWAP = {"inputToken": "SOL", "outputToken": "USDC", "side": "sell", "amount": "1.5", "slippageBps": 50}


@dataclass(frozen=True, slots=True)
class Success:
    """An answer that is no problem; `view` is its type, None for a page."""

    description: str
    view: type | None
    media_type: MediaType = "application/json"
    headers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Operation:
    """One call."""

    method: str
    path: str
    id: str
    tag: str
    summary: str
    description: str
    answers: Mapping[int, Success]
    problems: tuple[ProblemCode, ...] = ()
    body: type[BaseModel] | None = None
    example: Mapping[str, object] = field(default_factory=dict)
    query: type[BaseModel] | None = None
    headers: tuple[str, ...] = ()

    @property
    def all_problems(self) -> tuple[ProblemCode, ...]:
        """The problems of this call and those of any call."""
        return (*(ANY_BODY if self.body else ()), *self.problems, *ANY_CALL)


OPERATIONS: tuple[Operation, ...] = (
    Operation(
        "POST",
        "/api/orders/execute",
        "placeOrder",
        ORDERS,
        "Place a market order",
        "The order is stored before the answer is sent, and it will end: `confirmed`, `failed` or `cancelled`. With an "
        "`Idempotency-Key`, the same request again gets the first answer again instead of a second order.",
        {202: Success("The order is accepted.", PlacedView, headers=("Location", "Idempotent-Replayed"))},
        (
            ProblemCode.INVALID_IDEMPOTENCY_KEY,
            ProblemCode.IDEMPOTENCY_KEY_REUSED,
            ProblemCode.CLIENT_ORDER_ID_TAKEN,
        ),
        body=OrderBody,
        example={"userId": "user-1", "walletAddress": "wallet_12345", **SWAP, "clientOrderId": "my-order-1"},
        headers=("Idempotency-Key",),
    ),
    Operation(
        "GET",
        "/api/orders/execute",
        "openStream",
        ORDERS,
        "Follow an order (WebSocket only)",
        "Open a WebSocket here, with `?orderId=` and optionally `&after=`: the stream is described in the AsyncAPI "
        "document and in /docs. A GET without a handshake only gets this explanation.",
        {},
        (ProblemCode.UPGRADE_REQUIRED,),
    ),
    Operation(
        "GET",
        "/api/orders",
        "listOrders",
        ORDERS,
        "List orders, newest first",
        "Filters combine. Pages follow each other by cursor and stay stable while orders arrive; any page costs the "
        "same, however far back. Where several filters leave little, a page may be shorter than `limit`, even empty: "
        "only `nextCursor: null` ends the list.",
        {200: Success("A page of orders.", PageView)},
        (ProblemCode.VALIDATION_FAILED, ProblemCode.INVALID_CURSOR),
        query=ListQuery,
    ),
    Operation(
        "GET",
        "/api/orders/{order_id}",
        "getOrder",
        ORDERS,
        "Read an order",
        "The order as it now is.",
        {200: Success("The order.", OrderView)},
        (ProblemCode.ORDER_NOT_FOUND,),
    ),
    Operation(
        "GET",
        "/api/orders/{order_id}/events",
        "listOrderEvents",
        ORDERS,
        "Read an order's events",
        "Every status change so far; sequences run 1, 2, 3 … without a gap.",
        {200: Success("The events, oldest first.", EventsView)},
        (ProblemCode.ORDER_NOT_FOUND,),
    ),
    Operation(
        "POST",
        "/api/orders/{order_id}/cancel",
        "cancelOrder",
        ORDERS,
        "Cancel an order",
        "Works until the order's transaction is signed. The worker that has it stops at its next step.",
        {200: Success("The cancelled order.", OrderView)},
        (ProblemCode.ORDER_NOT_FOUND, ProblemCode.NOT_CANCELLABLE),
    ),
    Operation(
        "POST",
        "/api/quotes",
        "quote",
        MARKET,
        "Ask for quotes",
        "Both venues' quotes and what an order would be routed to right now. Nothing is executed or stored.",
        {200: Success("The quotes and the choice.", RouteView)},
        (ProblemCode.NO_QUOTE,),
        body=QuoteBody,
        example=SWAP,
    ),
    Operation(
        "GET",
        "/api/tokens",
        "listTokens",
        MARKET,
        "List the tokens",
        "Every token that can be traded, with its mint and decimals.",
        {200: Success("The token registry.", TokensView)},
    ),
    Operation(
        "GET",
        "/health",
        "health",
        SERVICE,
        "Ask whether orders can be taken",
        "Asks the database and the queue.",
        {
            200: Success("Orders can be taken.", HealthView),
            503: Success("A dependency is down.", HealthView, headers=("Retry-After",)),
        },
    ),
    Operation(
        "GET",
        "/openapi.json",
        "openapi",
        SERVICE,
        "This specification",
        "OpenAPI 3.1, generated from the models that validate requests and type answers.",
        {200: Success("The OpenAPI document.", dict)},
    ),
    Operation(
        "GET",
        "/docs",
        "docs",
        SERVICE,
        "Documentation for people",
        "Calls, models, errors and the stream on one page, without any outside asset.",
        {200: Success("The page.", None, "text/html")},
    ),
    Operation(
        "GET",
        "/",
        "dashboard",
        SERVICE,
        "The dashboard",
        "Place an order and watch it live.",
        {200: Success("The page.", None, "text/html")},
    ),
)
