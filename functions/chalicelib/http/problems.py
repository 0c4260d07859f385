"""Problem responses (RFC 9457): the one place that maps errors to HTTP."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal, NotRequired

from typing_extensions import TypedDict

from chalicelib.domain.errors import (
    ClientOrderIdTaken,
    EngineError,
    IdempotencyKeyReused,
    InvalidField,
    InvalidOrder,
    NotCancellable,
    OrderNotFound,
    Unavailable,
    VenueError,
)
from chalicelib.http.catalogue import CATALOGUE, ProblemCode, type_of
from chalicelib.services.wire import Says

RETRY_AFTER_SECONDS = 2
RETRYABLE = (ProblemCode.SERVICE_UNAVAILABLE, ProblemCode.RATE_LIMITED)
# A body of thousands of unknown fields is answered in a few lines.
MAX_FIELDS_TOLD = 50
NAMES_IN_DETAIL = 10

CODES: Mapping[type[EngineError], ProblemCode] = {
    OrderNotFound: ProblemCode.ORDER_NOT_FOUND,
    IdempotencyKeyReused: ProblemCode.IDEMPOTENCY_KEY_REUSED,
    ClientOrderIdTaken: ProblemCode.CLIENT_ORDER_ID_TAKEN,
    NotCancellable: ProblemCode.NOT_CANCELLABLE,
    VenueError: ProblemCode.NO_QUOTE,
}


class Problem(Exception):
    """A request that cannot be answered as it wished."""

    def __init__(
        self,
        code: ProblemCode,
        detail: str,
        *,
        fields: tuple[InvalidField, ...] = (),
        order: str | None = None,
        order_status: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.fields = fields
        self.order = order
        self.order_status = order_status
        self.headers = headers or {}


class FieldView(TypedDict):
    """One invalid field of a body or a query."""

    field: Annotated[str, Says("The field's name, as it was sent.", examples=("amount",))]
    message: Annotated[str, Says("What is wrong with it.", examples=("must be greater than zero",))]


class ProblemView(TypedDict):
    """What went wrong, after RFC 9457. Programs look at `code`, people read `detail`.

    `status`, `instance` and `requestId` may be missing where a gateway in front of the service answers.
    """

    type: Annotated[str, Says("A URI for the kind of problem.", examples=("urn:order-engine:problem:order_not_found",))]
    title: Annotated[str, Says("The kind of problem in a few words; the same every time.")]
    status: NotRequired[Annotated[int, Says("The HTTP status.", examples=(404,))]]
    code: Annotated[str, Says("Stable, for programs; docs/errors.md lists them all.", examples=("order_not_found",))]
    detail: Annotated[str, Says("What happened and what can be done about it.")]
    instance: NotRequired[Annotated[str, Says("The path that was asked for.", examples=("/api/orders/ord_1",))]]
    requestId: NotRequired[Annotated[str, Says("The X-Request-Id; it stands in every log line of the request.")]]
    errors: NotRequired[Annotated[list[FieldView], Says("Every invalid field at once.")]]
    orderId: NotRequired[Annotated[str, Says("The order that the problem is about.")]]
    orderStatus: NotRequired[Annotated[str, Says("Where that order stands (`not_cancellable`).")]]


MediaType = Literal["application/json", "application/problem+json", "text/html"]
# The answer of a commit can get lost with the connection: then the order exists although its client hears this.
UNAVAILABLE = "Please try again in a moment. An order may have been taken: repeat a POST with its Idempotency-Key."
PROBLEM_JSON: MediaType = "application/problem+json"


def problem_from(error: Exception) -> Problem:
    """The problem that a client should see for this error; what we did not foresee shows nothing of our insides."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, InvalidOrder):
        return _invalid(error)
    if isinstance(error, Unavailable):
        return Problem(ProblemCode.SERVICE_UNAVAILABLE, UNAVAILABLE)
    if isinstance(error, NotCancellable):
        return Problem(ProblemCode.NOT_CANCELLABLE, str(error), order=error.order_id, order_status=error.status)
    for kind, code in CODES.items():
        if isinstance(error, kind):
            return Problem(code, str(error), order=getattr(error, "order_id", None))
    return Problem(ProblemCode.INTERNAL_ERROR, "Please report the requestId.")


def _invalid(error: InvalidOrder) -> Problem:
    names = [field.field for field in error.fields]
    more = f" and {len(names) - NAMES_IN_DETAIL} more" if len(names) > NAMES_IN_DETAIL else ""
    return Problem(
        ProblemCode.VALIDATION_FAILED,
        f"Please correct: {', '.join(names[:NAMES_IN_DETAIL])}{more}.",
        fields=error.fields[:MAX_FIELDS_TOLD],
    )


def problem_view(problem: Problem, *, instance: str, request_id: str) -> ProblemView:
    """The body."""
    meaning = CATALOGUE[problem.code]
    view: ProblemView = {
        "type": type_of(problem.code),
        "title": meaning.title,
        "status": int(meaning.status),
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
    return view


def status_of(problem: Problem) -> int:
    """The HTTP status."""
    return int(CATALOGUE[problem.code].status)


def headers_of(problem: Problem) -> dict[str, str]:
    """What goes with the body; `Retry-After` where trying again is the right thing to do."""
    headers = {"Content-Type": PROBLEM_JSON, **problem.headers}
    if problem.code in RETRYABLE:
        headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
    return headers
