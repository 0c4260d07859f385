"""The OpenAPI 3.1 document: every HTTP call, with the schemas of the models that validate and the types of answers."""

import inspect
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, TypeAlias

from pydantic import BaseModel, TypeAdapter
from pydantic.json_schema import JsonSchemaMode

from chalicelib import VERSION
from chalicelib.http.access import Owned, route_access
from chalicelib.http.models import (
    AmendBody,
    FeedQuery,
    LaunchesQuery,
    ListQuery,
    OrderBody,
    PricesQuery,
    QuoteBody,
    StatsQuery,
    TicketBody,
)
from chalicelib.http.problems import PROBLEM_JSON, PROBLEM_TYPES, ProblemCode, ProblemView
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
from docs.api.examples import example_of

Schema: TypeAlias = dict[str, Any]

DESCRIPTION = """\
Takes swap orders, routes each to the better of two decentralised exchanges, executes it exactly once, and streams every
status change over a WebSocket.

Amounts are exact: send them as JSON numbers or strings; answers have the decimal string and the integer base units.
Errors are problem documents (RFC 9457) with a stable `code`. Every answer has an `X-Request-Id`.
HEAD is answered wherever GET is.
"""
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
QUERIES = (ListQuery, StatsQuery, PricesQuery, LaunchesQuery)
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


@cache
def openapi() -> Schema:
    """The document of a service that hangs at "/"."""
    views = [answer.view for operation in OPERATIONS for answer in operation.answers.values()]
    bodies = [operation.body for operation in OPERATIONS]
    paths: dict[str, Schema] = defaultdict(dict)
    for operation in OPERATIONS:
        paths[operation.path][operation.method.lower()] = _operation(operation)
    schemas = schemas_of(
        kind
        for kind in dict.fromkeys([*bodies, *QUERIES, *views, ProblemView])
        if kind not in (None, dict, Nothing, Asset)
    )
    # Their fields stand at the operations, as parameters.
    for query in QUERIES:
        del schemas[query.__name__]
    for methods in paths.values():
        for described in methods.values():
            _add_examples(described["responses"], schemas)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Order execution engine",
            "version": VERSION,
            "summary": "Swap orders over HTTP, followed live over a WebSocket",
            "description": DESCRIPTION,
        },
        "servers": [{"url": "/"}],
        "tags": [{"name": name, "description": text} for name, text in TAGS.items()],
        "paths": dict(paths),
        "components": {
            "schemas": schemas,
            "parameters": PARAMETERS,
            "headers": HEADERS,
            "securitySchemes": {BEARER: SECURITY_SCHEME},
        },
    }


def _add_examples(responses: Schema, schemas: Schema) -> None:
    """An example for each answer that is a model, problems apart: the page shows one for all of them."""
    for response in responses.values():
        content = response.get("content", {}).get("application/json", {})
        if "$ref" in content.get("schema", {}):
            content["example"] = example_of(content["schema"], schemas)


def _operation(operation: Operation) -> Schema:
    described: Schema = {
        "operationId": operation.id,
        "tags": [operation.tag],
        "summary": operation.summary,
        "description": operation.description,
        "parameters": _parameters(operation),
        "responses": _responses(operation),
    }
    if operation.is_owned:
        # Nothing, too: a service in open mode asks for none.
        described["security"] = [{BEARER: []}, {}]
    if operation.body:
        content = {"schema": reference(operation.body), "example": dict(operation.example)}
        described["requestBody"] = {"required": True, "content": {"application/json": content}}
    return described


def _parameters(operation: Operation) -> list[Schema]:
    names = [*operation.headers, "X-Request-Id"]
    names = [*(name for name in ("order_id", "name") if f"{{{name}}}" in operation.path), *names]
    shared: list[Schema] = [{"$ref": f"#/components/parameters/{name}"} for name in names]
    return [*(_query_parameters(operation.query) if operation.query else []), *shared]


def _query_parameters(query: type[BaseModel]) -> list[Schema]:
    """The query's fields; none of them takes null."""
    parameters = []
    described = query.model_json_schema(ref_template=REFERENCE)
    for name, value in described["properties"].items():
        schema = _tidy(value)
        options = [option for option in schema.pop("anyOf", []) if option != {"type": "null"}]
        schema = {**schema, **options[0]} if len(options) == 1 else schema
        if schema.get("default", ...) is None:
            del schema["default"]
        description, examples = schema.pop("description", ""), schema.pop("examples", [])
        parameter: Schema = {
            "name": name,
            "in": "query",
            "required": name in described.get("required", []),
            "schema": schema,
        }
        parameters.append(
            parameter
            | ({"description": description} if description else {})
            | ({"example": examples[0]} if examples else {})
        )
    return parameters


def _responses(operation: Operation) -> Schema:
    responses = {status: _success(answer) for status, answer in operation.answers.items()}
    by_status: dict[int, list[ProblemCode]] = defaultdict(list)
    for code in operation.all_problems:
        by_status[int(PROBLEM_TYPES[code].status)].append(code)
    for status, codes in by_status.items():
        problem = _problem(status, codes)
        if status in responses:
            responses[status]["content"].update(problem["content"])
        else:
            responses[status] = problem
    for status, text in GATEWAY_STATUSES.items():
        responses[status] = {**_problem(status, []), "description": text}
    return {str(status): responses[status] for status in sorted(responses)}


def _success(answer: Success) -> Schema:
    if answer.view is Nothing:
        return {"description": answer.description, "headers": _headers(*answer.headers)}
    if answer.view is Asset:
        text: Schema = {"schema": {"type": "string"}}
        content = {"text/javascript": text, "text/css": text}
        return {"description": answer.description, "headers": _headers(*answer.headers), "content": content}
    media_type, schema = "application/json", {"type": "object"}
    if answer.view is None:
        media_type, schema = "text/html", {"type": "string"}
    elif answer.view is not dict:
        schema = reference(answer.view)
    described: Schema = {
        "description": answer.description,
        "headers": _headers(*answer.headers),
        "content": {media_type: {"schema": schema}},
    }
    if answer.view is PlacedView:
        # What can be done with the order that the answer names.
        described["links"] = {
            name: {"operationId": name, "parameters": {"order_id": "$response.body#/orderId"}}
            for name in ("getOrder", "listOrderEvents", "cancelOrder")
        }
    return described


def _problem(status: int, codes: list[ProblemCode]) -> Schema:
    headers = ["Retry-After"] if status in RETRYABLE else []
    if ProblemCode.UPGRADE_REQUIRED in codes:
        headers.append("Upgrade")
    if ProblemCode.UNAUTHENTICATED in codes:
        headers.append("WWW-Authenticate")
    return {
        "description": " ".join(f"`{code}`: {PROBLEM_TYPES[code].title}." for code in codes),
        "headers": _headers(*headers),
        "content": {PROBLEM_JSON: {"schema": reference(ProblemView)}},
    }


def _headers(*names: str) -> Schema:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in ("X-Request-Id", *names)}


# JSON schemas, tidied for people: short names (OrderView is the order, for clients), no generated titles.

REFERENCE = "#/components/schemas/{model}"


def schemas_of(kinds: Iterable[type]) -> Schema:
    """The schema of every type, and of every type that these use, by the name that references have."""
    adapters: list[tuple[str, JsonSchemaMode, TypeAdapter[Any]]] = [
        (kind.__name__, "validation" if issubclass(kind, BaseModel) else "serialization", TypeAdapter(kind))
        for kind in kinds
    ]
    schemas, shared = TypeAdapter.json_schemas(adapters, ref_template=REFERENCE)
    whole = {name: schema for (name, _), schema in schemas.items() if "$ref" not in schema}
    named = {**shared.get("$defs", {}), **whole}
    return {name.removesuffix("View"): _tidy(schema) for name, schema in sorted(named.items())}


def component_name(kind: type) -> str:
    """The name of a type's schema."""
    return kind.__name__.removesuffix("View")


def reference(kind: type) -> Schema:
    """A reference to a type's schema."""
    return {"$ref": REFERENCE.format(model=component_name(kind))}


def summary_of(kind: type) -> str:
    """What a type's docstring says, in one line."""
    return " ".join((inspect.getdoc(kind) or "").split())


def _tidy(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_tidy(part) for part in schema]
    if not isinstance(schema, Mapping):
        return schema
    tidied = {key: _tidy_value(key, value) for key, value in schema.items() if key != "title"}
    if isinstance(tidied.get("$ref"), str):
        tidied["$ref"] = tidied["$ref"].removesuffix("View")
    return tidied


def _tidy_value(key: str, value: Any) -> Any:
    if key == "properties":
        return {name: _tidy(schema) for name, schema in value.items()}
    return value if key in ("examples", "enum", "default", "const") else _tidy(value)
