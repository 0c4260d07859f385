"""Problem responses (RFC 9457): every code with its status and advice, and the one place that maps errors to HTTP.

docs/errors.md, /docs and the specification show this table.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from http import HTTPStatus
from types import MappingProxyType
from typing import Annotated, NotRequired

from typing_extensions import TypedDict

from chalicelib.domain.amounts import plain
from chalicelib.domain.errors import (
    ClientOrderIdTaken,
    EngineError,
    IdempotencyKeyReused,
    InvalidField,
    InvalidOrder,
    NotAmendable,
    NotCancellable,
    OrderChanged,
    OrderNotFound,
    PriceImpactTooHigh,
    RateLimited,
    TooManyOpenOrders,
    TooManyRestingOrders,
    Unavailable,
    VenueError,
)
from chalicelib.services.wire import Exact, SchemaInfo

PROBLEM_JSON = "application/problem+json"
RETRY_AFTER_SECONDS = 2
# A body of thousands of unknown fields is answered in a few lines.
MAX_FIELDS_SHOWN = 50
MAX_NAMES_IN_DETAIL = 10
MAX_NAME_SHOWN = 200
# The answer of a commit can get lost with the connection: then the order exists although its client hears this.
UNAVAILABLE = "Please try again in a moment. An order may have been taken: repeat a POST with its Idempotency-Key."


class ProblemCode(StrEnum):
    """Stable codes for programs."""

    MALFORMED_JSON = "malformed_json"
    VALIDATION_FAILED = "validation_failed"
    INVALID_CURSOR = "invalid_cursor"
    INVALID_IDEMPOTENCY_KEY = "invalid_idempotency_key"
    UNAUTHENTICATED = "unauthenticated"
    FORBIDDEN = "forbidden"
    NOT_FOUND = "not_found"
    ORDER_NOT_FOUND = "order_not_found"
    CLIENT_ORDER_ID_TAKEN = "client_order_id_taken"
    NOT_CANCELLABLE = "not_cancellable"
    NOT_AMENDABLE = "not_amendable"
    ORDER_CHANGED = "order_changed"
    TOO_MANY_RESTING_ORDERS = "too_many_resting_orders"
    BODY_TOO_LARGE = "body_too_large"
    UNSUPPORTED_MEDIA_TYPE = "unsupported_media_type"
    IDEMPOTENCY_KEY_REUSED = "idempotency_key_reused"
    NO_QUOTE = "no_quote"
    PRICE_IMPACT_TOO_HIGH = "price_impact_too_high"
    UPGRADE_REQUIRED = "upgrade_required"
    RATE_LIMITED = "rate_limited"
    TOO_MANY_OPEN_ORDERS = "too_many_open_orders"
    INTERNAL_ERROR = "internal_error"
    SERVICE_UNAVAILABLE = "service_unavailable"


@dataclass(frozen=True, slots=True)
class ProblemType:
    """What a code stands for: the status and the title are the same every time; `advice` tells what to do."""

    status: HTTPStatus
    title: str
    advice: str


PROBLEM_TYPES: Mapping[ProblemCode, ProblemType] = MappingProxyType(
    {
        ProblemCode.MALFORMED_JSON: ProblemType(
            HTTPStatus.BAD_REQUEST,
            "The body cannot be read",
            "Send one JSON object in UTF-8, in which no key stands twice. `detail` names the place.",
        ),
        ProblemCode.VALIDATION_FAILED: ProblemType(
            HTTPStatus.BAD_REQUEST,
            "The request breaks a rule",
            "Correct every field that `errors` names. Nothing was stored and the Idempotency-Key is not used up.",
        ),
        ProblemCode.INVALID_CURSOR: ProblemType(
            HTTPStatus.BAD_REQUEST,
            "The cursor is not one of ours",
            "Send `nextCursor` as it came, with the filters of the page that it came from; or start without a cursor.",
        ),
        ProblemCode.INVALID_IDEMPOTENCY_KEY: ProblemType(
            HTTPStatus.BAD_REQUEST,
            "The Idempotency-Key cannot be used",
            "Send one key of 1 to 255 printable ASCII characters without a comma; a UUID is a good choice.",
        ),
        ProblemCode.UNAUTHENTICATED: ProblemType(
            HTTPStatus.UNAUTHORIZED,
            "There is no valid access token",
            "Send a valid, unexpired access token in one `Authorization: Bearer` header. The answer never says what is "
            "wrong with one; the service's log does.",
        ),
        ProblemCode.FORBIDDEN: ProblemType(
            HTTPStatus.FORBIDDEN,
            "The access token does not allow this",
            "`detail` says what it lacks: a scope, or the user that the request names.",
        ),
        ProblemCode.NOT_FOUND: ProblemType(
            HTTPStatus.NOT_FOUND,
            "There is nothing here",
            "Look up method and path in /docs.",
        ),
        ProblemCode.ORDER_NOT_FOUND: ProblemType(
            HTTPStatus.NOT_FOUND,
            "There is no such order",
            "Check the order id. An order exists from the moment that its 202 is sent.",
        ),
        ProblemCode.CLIENT_ORDER_ID_TAKEN: ProblemType(
            HTTPStatus.CONFLICT,
            "The clientOrderId is taken",
            "`orderId` is the order that has it: look at that one, or choose another clientOrderId.",
        ),
        ProblemCode.NOT_CANCELLABLE: ProblemType(
            HTTPStatus.CONFLICT,
            "The order can no longer be cancelled",
            "`orderStatus` tells where the order stands. Once it is signed only the chain decides: follow it.",
        ),
        ProblemCode.NOT_AMENDABLE: ProblemType(
            HTTPStatus.CONFLICT,
            "The order can not be changed",
            "`orderStatus` tells where the order stands: only a `waiting` one can be changed.",
        ),
        ProblemCode.ORDER_CHANGED: ProblemType(
            HTTPStatus.CONFLICT,
            "The order has moved since",
            "Read the order, and send its newest sequence as `ifSequence` if you still want the change.",
        ),
        ProblemCode.TOO_MANY_RESTING_ORDERS: ProblemType(
            HTTPStatus.CONFLICT,
            "Too many orders rest",
            "Cancel one, or wait until one has ended. Nothing was stored and the Idempotency-Key is not used up.",
        ),
        ProblemCode.BODY_TOO_LARGE: ProblemType(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            "The body is too large",
            "A body takes at most 16 KiB.",
        ),
        ProblemCode.UNSUPPORTED_MEDIA_TYPE: ProblemType(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            "Not a JSON body",
            "Send `Content-Type: application/json`, in UTF-8 and without a Content-Encoding.",
        ),
        ProblemCode.IDEMPOTENCY_KEY_REUSED: ProblemType(
            HTTPStatus.UNPROCESSABLE_ENTITY,
            "The Idempotency-Key came with another order",
            "Use a new key for another order; the same key only repeats the same one.",
        ),
        ProblemCode.NO_QUOTE: ProblemType(
            HTTPStatus.UNPROCESSABLE_ENTITY,
            "No venue gives a quote",
            "`detail` says what each venue answered: try again, or another amount.",
        ),
        ProblemCode.PRICE_IMPACT_TOO_HIGH: ProblemType(
            HTTPStatus.UNPROCESSABLE_ENTITY,
            "The swap would move the market too far",
            "`priceImpactPct` is the least impact that was found: swap less at a time, or send a higher "
            "maxPriceImpactBps.",
        ),
        ProblemCode.UPGRADE_REQUIRED: ProblemType(
            HTTPStatus.UPGRADE_REQUIRED,
            "This address takes POST and WebSockets",
            "POST an order here, or open a WebSocket with `?orderId=`; GET /api/orders/{orderId} reads one.",
        ),
        ProblemCode.RATE_LIMITED: ProblemType(
            HTTPStatus.TOO_MANY_REQUESTS,
            "Too many requests",
            "Wait for as many seconds as `Retry-After` says.",
        ),
        ProblemCode.TOO_MANY_OPEN_ORDERS: ProblemType(
            HTTPStatus.TOO_MANY_REQUESTS,
            "Too many open orders",
            "Wait until one of your orders is over, or cancel one. Nothing was stored.",
        ),
        ProblemCode.INTERNAL_ERROR: ProblemType(
            HTTPStatus.INTERNAL_SERVER_ERROR,
            "Something broke on our side",
            "Report the `requestId`. Repeat a POST only with its Idempotency-Key: the order may exist.",
        ),
        ProblemCode.SERVICE_UNAVAILABLE: ProblemType(
            HTTPStatus.SERVICE_UNAVAILABLE,
            "A dependency cannot be reached",
            "Try again after as many seconds as `Retry-After` says; a POST with its Idempotency-Key.",
        ),
    }
)


CODES: Mapping[type[EngineError], ProblemCode] = {
    OrderNotFound: ProblemCode.ORDER_NOT_FOUND,
    IdempotencyKeyReused: ProblemCode.IDEMPOTENCY_KEY_REUSED,
    ClientOrderIdTaken: ProblemCode.CLIENT_ORDER_ID_TAKEN,
    NotCancellable: ProblemCode.NOT_CANCELLABLE,
    NotAmendable: ProblemCode.NOT_AMENDABLE,
    OrderChanged: ProblemCode.ORDER_CHANGED,
    TooManyRestingOrders: ProblemCode.TOO_MANY_RESTING_ORDERS,
    VenueError: ProblemCode.NO_QUOTE,
    TooManyOpenOrders: ProblemCode.TOO_MANY_OPEN_ORDERS,
}
RETRYABLE = (ProblemCode.SERVICE_UNAVAILABLE, ProblemCode.RATE_LIMITED, ProblemCode.TOO_MANY_OPEN_ORDERS)


class Problem(Exception):
    """A request that cannot be answered as its client wanted; `order` and `order_status` are the reason, if one is."""

    def __init__(
        self,
        code: ProblemCode,
        detail: str,
        *,
        fields: tuple[InvalidField, ...] = (),
        order: str | None = None,
        order_status: str | None = None,
        price_impact_pct: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.fields = fields
        self.order = order
        self.order_status = order_status
        self.price_impact_pct = price_impact_pct
        retry = {"Retry-After": str(RETRY_AFTER_SECONDS)} if code in RETRYABLE else {}
        self.headers = {"Content-Type": PROBLEM_JSON, **retry, **(headers or {})}

    @property
    def status(self) -> int:
        """The HTTP status."""
        return int(PROBLEM_TYPES[self.code].status)


class FieldView(TypedDict):
    """One invalid field of a body or a query."""

    field: Annotated[str, SchemaInfo("The field's name, as it was sent.", examples=("amount",))]
    message: Annotated[str, SchemaInfo("What is wrong with it.", examples=("must be greater than zero",))]


class ProblemView(TypedDict):
    """What went wrong, after RFC 9457. Programs look at `code`, people read `detail`.

    `status`, `instance` and `requestId` may be missing where a gateway in front of the service answers.
    """

    type: Annotated[
        str, SchemaInfo("A URI for the kind of problem.", examples=("urn:order-engine:problem:order_not_found",))
    ]
    title: Annotated[str, SchemaInfo("The kind of problem in a few words; the same every time.")]
    status: NotRequired[Annotated[int, SchemaInfo("The HTTP status.", examples=(404,))]]
    code: Annotated[
        str, SchemaInfo("Stable, for programs; docs/errors.md lists them all.", examples=("order_not_found",))
    ]
    detail: Annotated[str, SchemaInfo("What happened and what can be done about it.")]
    instance: NotRequired[Annotated[str, SchemaInfo("The path that was asked for.", examples=("/api/orders/ord_1",))]]
    requestId: NotRequired[Annotated[str, SchemaInfo("The X-Request-Id; it stands in every log line of the request.")]]
    errors: NotRequired[Annotated[list[FieldView], SchemaInfo("Every invalid field at once.")]]
    orderId: NotRequired[Annotated[str, SchemaInfo("The order that the problem is about.")]]
    orderStatus: NotRequired[
        Annotated[str, SchemaInfo("Where that order stands (`not_cancellable`, `not_amendable`, `order_changed`).")]
    ]
    priceImpactPct: NotRequired[Annotated[Exact, SchemaInfo("The least price impact that was found, in percent.")]]


def type_of(code: ProblemCode) -> str:
    """The problem's `type`: a name, not an address, so that it is the same wherever the service runs."""
    return f"urn:order-engine:problem:{code}"


def problem_from(error: Exception) -> Problem:
    """The problem that a client should see for this error; what we did not foresee shows nothing of our insides."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, InvalidOrder):
        return _invalid(error)
    if isinstance(error, Unavailable):
        return Problem(ProblemCode.SERVICE_UNAVAILABLE, UNAVAILABLE)
    if isinstance(error, RateLimited):
        return Problem(ProblemCode.RATE_LIMITED, str(error), headers={"Retry-After": str(error.retry_after)})
    if isinstance(error, PriceImpactTooHigh):
        return Problem(ProblemCode.PRICE_IMPACT_TOO_HIGH, str(error), price_impact_pct=plain(error.impact_pct))
    for kind, code in CODES.items():
        if isinstance(error, kind):
            order, status = getattr(error, "order_id", None), getattr(error, "status", None)
            return Problem(code, str(error), order=order, order_status=status)
    return Problem(ProblemCode.INTERNAL_ERROR, "Please report the requestId.")


def _invalid(error: InvalidOrder) -> Problem:
    names = [field.field for field in error.fields]
    more = f" and {len(names) - MAX_NAMES_IN_DETAIL} more" if len(names) > MAX_NAMES_IN_DETAIL else ""
    detail = f"Please correct: {', '.join(names[:MAX_NAMES_IN_DETAIL])}{more}."
    return Problem(ProblemCode.VALIDATION_FAILED, detail, fields=error.fields[:MAX_FIELDS_SHOWN])


def problem_view(problem: Problem, *, instance: str, request_id: str) -> ProblemView:
    """The RFC 9457 body; fields that only some problems have are left out of the others."""
    problem_type = PROBLEM_TYPES[problem.code]
    view: ProblemView = {
        "type": type_of(problem.code),
        "title": problem_type.title,
        "status": problem.status,
        "code": problem.code,
        "detail": problem.detail,
        "instance": instance,
        "requestId": request_id,
    }
    if problem.fields:
        view["errors"] = [{"field": field.field, "message": field.message} for field in problem.fields]
    if problem.order is not None:
        view["orderId"] = problem.order
    if problem.order_status is not None:
        view["orderStatus"] = problem.order_status
    if problem.price_impact_pct is not None:
        view["priceImpactPct"] = problem.price_impact_pct
    return view


def printable(name: str) -> str:
    """A client's own name for something as an answer can carry it."""
    return "".join(character if character.isprintable() else "\ufffd" for character in name[:MAX_NAME_SHOWN])
