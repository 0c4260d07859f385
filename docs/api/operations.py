"""Every HTTP call: path, models, answers, problems and words; openapi.py makes the document of them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from pydantic import BaseModel

from chalicelib.http.access import Owned, route_access
from chalicelib.http.bodies import AmendBody, OrderBody, QuoteBody, TicketBody
from chalicelib.http.problems import ProblemCode
from chalicelib.http.queries import FeedQuery, LaunchesQuery, ListQuery, PricesQuery, StatsQuery
from chalicelib.http.responses import (
    EventsView,
    FeedView,
    HealthView,
    LaunchesView,
    PageView,
    PlacedView,
    PricesView,
    TicketView,
    TokensView,
)
from chalicelib.services.statistics import StatsView
from chalicelib.services.views import OrderView, RouteView

Schema: TypeAlias = dict[str, Any]

ORDERS, MARKET, SERVICE = "Orders", "Market", "Service"
TAGS = {
    ORDERS: "Place, read, list, cancel.",
    MARKET: "Quotes, prices, tokens and their launches.",
    SERVICE: "Health, specification, pages.",
}
HEADERS: dict[str, Schema] = {
    "X-Request-Id": {
        "description": "The request's id: yours, or the gateway's. It stands in every log line of the request.",
        "schema": {"type": "string"},
    },
    "Location": {
        "description": "The path of the order, or of the page.",
        "required": True,
        "schema": {"type": "string"},
    },
    "Idempotent-Replayed": {
        "description": "`true` where an earlier request with this Idempotency-Key had placed the order.",
        "schema": {"type": "string", "enum": ["true"]},
    },
    "Retry-After": {"description": "Seconds to wait.", "schema": {"type": "string", "pattern": "^[0-9]+$"}},
    "ETag": {
        "description": "Send it as `If-None-Match`: 304 while nothing changed.",
        "schema": {"type": "string"},
    },
    "Upgrade": {"description": "`websocket`.", "schema": {"type": "string"}},
    "WWW-Authenticate": {
        "description": "`Bearer`, with `error` where a token was sent (RFC 6750).",
        "schema": {"type": "string"},
    },
}
PARAMETERS: dict[str, Schema] = {
    "X-Request-Id": {
        "name": "X-Request-Id",
        "in": "header",
        "description": "Your id for the request: 1 to 128 printable ASCII characters, no spaces; others are ignored.",
        "schema": {"type": "string"},
        "example": "req-1",
    },
    "Idempotency-Key": {
        "name": "Idempotency-Key",
        "in": "header",
        "description": "Makes repeating the request safe: the same key and order get the first answer again. Per user, "
        "kept for 48 hours.",
        "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[ -+\\--~]+$"},
        "example": "4f0d3c52-6c1e-4f0e-9f0a-0d6c4b8f2a11",
    },
    "order_id": {
        "name": "order_id",
        "in": "path",
        "required": True,
        "description": "The order's id.",
        "schema": {"type": "string"},
        "example": "ord_019aad1c8f005f2b7c9d1e3a4b6c8d0f",
    },
    "name": {
        "name": "name",
        "in": "path",
        "required": True,
        "description": "The file's name, as the page has it.",
        "schema": {"type": "string"},
        "example": "desk.js",
    },
}
# Where the service asks for access tokens.
OWNED = (ProblemCode.UNAUTHENTICATED, ProblemCode.FORBIDDEN)
ANY_CALL = (ProblemCode.RATE_LIMITED, ProblemCode.INTERNAL_ERROR, ProblemCode.SERVICE_UNAVAILABLE)
ANY_BODY = (
    ProblemCode.MALFORMED_JSON,
    ProblemCode.VALIDATION_FAILED,
    ProblemCode.BODY_TOO_LARGE,
    ProblemCode.UNSUPPORTED_MEDIA_TYPE,
)
BEARER = "accessToken"
SECURITY_SCHEME: Schema = {
    "type": "http",
    "scheme": "bearer",
    "bearerFormat": "JWT",
    "description": "An access token of the service's issuer. A service in open mode, as on a laptop, asks for none.",
}
# What a gateway in front of the service answers by itself.
GATEWAY_STATUSES = {502: "The answer broke off.", 504: "The answer took too long."}
RETRYABLE = {429, 502, 503, 504}
SWAP = {"inputToken": "SOL", "outputToken": "USDC", "side": "sell", "amount": "1.5", "slippageBps": 50}


@dataclass(frozen=True, slots=True)
class Success:
    """An answer that is no problem; `view` is its type, dict for any object, None for a page, `Nothing` for no body."""

    description: str
    view: type | None
    headers: tuple[str, ...] = ()


class Nothing:
    """No body."""


class Asset:
    """A script or a style."""


NOT_MODIFIED = Success("Yours is the newest: `If-None-Match` names it.", Nothing, ("ETag",))


@dataclass(frozen=True, slots=True, kw_only=True)
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
        return (*(OWNED if self.is_owned else ()), *(ANY_BODY if self.body else ()), *self.problems, *ANY_CALL)

    @property
    def is_owned(self) -> bool:
        """Whether it takes an access token, where the service asks for one."""
        return isinstance(route_access(self.method, self.path), Owned)


OPERATIONS: tuple[Operation, ...] = (
    Operation(
        method="POST",
        path="/api/orders/execute",
        id="placeOrder",
        tag=ORDERS,
        summary="Place an order",
        description="The order is stored before the answer is sent, and it will end: `confirmed`, `failed`, "
        "`cancelled` or `expired`. A market order executes at once; a limit order at limitPrice or better, or it "
        "rests as `waiting` until the market gives that; a sniper order when its token is launched. With an "
        "`Idempotency-Key`, the same request again gets the first answer again instead of a second order.",
        answers={202: Success("The order is accepted.", PlacedView, ("Location", "Idempotent-Replayed"))},
        problems=(
            ProblemCode.INVALID_IDEMPOTENCY_KEY,
            ProblemCode.IDEMPOTENCY_KEY_REUSED,
            ProblemCode.CLIENT_ORDER_ID_TAKEN,
            ProblemCode.TOO_MANY_OPEN_ORDERS,
            ProblemCode.TOO_MANY_RESTING_ORDERS,
        ),
        body=OrderBody,
        example={"userId": "user-1", "walletAddress": "wallet_12345", **SWAP, "clientOrderId": "my-order-1"},
        headers=("Idempotency-Key",),
    ),
    Operation(
        method="GET",
        path="/api/orders/execute",
        id="openStream",
        tag=ORDERS,
        summary="Follow an order, or all of a user's (WebSocket only)",
        description="Open a WebSocket here, with `?orderId=`, optionally `&after=`, or with `?userId=`, optionally "
        "`&since=`, and `&ticket=` where the service asks for access tokens: the stream is described in the AsyncAPI "
        "document and in /docs. A GET without a handshake only gets this explanation.",
        answers={},
        problems=(ProblemCode.UPGRADE_REQUIRED,),
    ),
    Operation(
        method="GET",
        path="/api/orders",
        id="listOrders",
        tag=ORDERS,
        summary="List orders, newest first",
        description="Filters combine. Pages follow each other by cursor and stay stable while orders arrive; any page "
        "costs the same, however far back. Where several filters leave little, a page may be shorter than `limit`, "
        "even empty: only `nextCursor: null` ends the list.",
        answers={200: Success("A page of orders.", PageView)},
        problems=(ProblemCode.VALIDATION_FAILED, ProblemCode.INVALID_CURSOR),
        query=ListQuery,
    ),
    Operation(
        method="GET",
        path="/api/events",
        id="listUserEvents",
        tag=ORDERS,
        summary="List what happened to all of a user's orders",
        description="For back ends that poll: every event of every order of the user, oldest first, each once, "
        "from the first one, from a time (`since`) or from where you were (`after`). `nextCursor` is always there, "
        "also on an empty page. An event is listed some five seconds after it happened, so that "
        "none comes in later before one that you have. The stream (`?userId=`) tells at once.",
        answers={200: Success("The next events, if there are any.", FeedView)},
        problems=(ProblemCode.VALIDATION_FAILED, ProblemCode.INVALID_CURSOR),
        query=FeedQuery,
    ),
    Operation(
        method="GET",
        path="/api/orders/{order_id}",
        id="getOrder",
        tag=ORDERS,
        summary="Read an order",
        description="The order as it now is.",
        answers={200: Success("The order.", OrderView)},
        problems=(ProblemCode.ORDER_NOT_FOUND,),
    ),
    Operation(
        method="PATCH",
        path="/api/orders/{order_id}",
        id="amendOrder",
        tag=ORDERS,
        summary="Change an order that rests",
        description="Another limit, another end, or both, while the order is `waiting`: same id, one more event; "
        "none where it is so already. With `ifSequence` only if nothing has happened to it since you looked. For "
        "another amount cancel it and place one.",
        answers={200: Success("The changed order.", OrderView)},
        problems=(ProblemCode.ORDER_NOT_FOUND, ProblemCode.NOT_AMENDABLE, ProblemCode.ORDER_CHANGED),
        body=AmendBody,
        example={"limitPrice": "171", "ifSequence": 1},
    ),
    Operation(
        method="GET",
        path="/api/orders/{order_id}/events",
        id="listOrderEvents",
        tag=ORDERS,
        summary="Read an order's events",
        description="Every status change so far; sequences run 1, 2, 3 … without a gap.",
        answers={200: Success("The events, oldest first.", EventsView)},
        problems=(ProblemCode.ORDER_NOT_FOUND,),
    ),
    Operation(
        method="POST",
        path="/api/orders/{order_id}/cancel",
        id="cancelOrder",
        tag=ORDERS,
        summary="Cancel an order",
        description="Works until the order's transaction is signed; may be repeated. The worker that has it stops at "
        "its next step.",
        answers={200: Success("The cancelled order.", OrderView)},
        problems=(ProblemCode.ORDER_NOT_FOUND, ProblemCode.NOT_CANCELLABLE),
    ),
    Operation(
        method="POST",
        path="/api/quotes",
        id="quote",
        tag=MARKET,
        summary="Ask for quotes",
        description="Every venue's quotes and what an order would be routed to right now. Nothing is executed or "
        "stored.",
        answers={200: Success("The quotes and the choice.", RouteView)},
        problems=(ProblemCode.NO_QUOTE, ProblemCode.PRICE_IMPACT_TOO_HIGH),
        body=QuoteBody,
        example=SWAP,
    ),
    Operation(
        method="POST",
        path="/api/stream-tickets",
        id="makeStreamTicket",
        tag=ORDERS,
        summary="Ask for a ticket to open a stream",
        description="Browsers send no headers with a WebSocket, so the stream's address says who opens it. The ticket "
        "holds for five minutes, for one order or for any of yours, and may be used as often as you connect again. A "
        "service in open mode asks for none, and gives one all the same.",
        answers={201: Success("The ticket.", TicketView)},
        problems=(ProblemCode.ORDER_NOT_FOUND,),
        body=TicketBody,
        example={"userId": "user-1"},
    ),
    Operation(
        method="GET",
        path="/api/tokens",
        id="listTokens",
        tag=MARKET,
        summary="List the tokens",
        description="Every token that can be traded, with its mint and decimals.",
        answers={200: Success("The token registry.", TokensView)},
    ),
    Operation(
        method="GET",
        path="/api/stats",
        id="stats",
        tag=MARKET,
        summary="Ask how well orders were executed",
        description="Time by stage, slippage against the quotes, venues and failures over the newest orders, of a user "
        "or of all.",
        answers={200: Success("The figures.", StatsView)},
        problems=(ProblemCode.VALIDATION_FAILED,),
        query=StatsQuery,
    ),
    Operation(
        method="GET",
        path="/api/prices",
        id="getPrices",
        tag=MARKET,
        summary="What the market pays",
        description="Now, or at up to 600 moments of the past: each venue's price for a very small amount, after fees. "
        "Limit orders are compared with the price of their full size, which is a little lower.",
        answers={200: Success("The prices, oldest first.", PricesView)},
        problems=(ProblemCode.VALIDATION_FAILED,),
        query=PricesQuery,
    ),
    Operation(
        method="GET",
        path="/api/launches",
        id="listLaunches",
        tag=MARKET,
        summary="List launches of new tokens",
        description="Confirmed pools, newest first, 50 a page: what sniper orders wait for.",
        answers={200: Success("The launches.", LaunchesView)},
        problems=(ProblemCode.VALIDATION_FAILED,),
        query=LaunchesQuery,
    ),
    Operation(
        method="GET",
        path="/health",
        id="health",
        tag=SERVICE,
        summary="Ask whether orders can be taken",
        description="Asks the database and the queue.",
        answers={
            200: Success("Orders can be taken.", HealthView),
            503: Success("A dependency is down.", HealthView, ("Retry-After",)),
        },
    ),
    Operation(
        method="GET",
        path="/openapi.json",
        id="openapi",
        tag=SERVICE,
        summary="This specification",
        description="OpenAPI 3.1, generated from the models that validate requests and type answers.",
        answers={200: Success("The OpenAPI document.", dict, ("ETag",)), 304: NOT_MODIFIED},
    ),
    Operation(
        method="GET",
        path="/asyncapi.json",
        id="asyncapi",
        tag=SERVICE,
        summary="The stream's specification",
        description="AsyncAPI 3, generated from the types of the stream's messages; its server is where this service's "
        "streams are opened.",
        answers={200: Success("The AsyncAPI document.", dict, ("ETag",)), 304: NOT_MODIFIED},
    ),
    Operation(
        method="GET",
        path="/docs",
        id="docs",
        tag=SERVICE,
        summary="Documentation for people",
        description="Calls, models, errors and the stream on one page, without any outside asset.",
        answers={
            200: Success("The page.", None, ("ETag",)),
            304: NOT_MODIFIED,
            308: Success("The page is at /docs, without a slash behind it.", Nothing, ("Location",)),
        },
    ),
    Operation(
        method="GET",
        path="/",
        id="desk",
        tag=SERVICE,
        summary="The desk",
        description="Place orders, follow them live, look at the history.",
        answers={200: Success("The page.", None, ("ETag",)), 304: NOT_MODIFIED},
    ),
    Operation(
        method="GET",
        path="/assets/{name}",
        id="asset",
        tag=SERVICE,
        summary="A part of the desk",
        description="The scripts and styles that the desk's page names; a name stands for one content for ever.",
        answers={200: Success("The file.", Asset, ("ETag",)), 304: NOT_MODIFIED},
        problems=(ProblemCode.NOT_FOUND,),
    ),
)
