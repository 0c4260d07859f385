"""Problem responses (RFC 9457): the one place that maps errors to HTTP."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from http import HTTPStatus
from types import MappingProxyType
from typing import TypedDict

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

RETRY_AFTER_SECONDS = 2


class ProblemCode(StrEnum):
    """Stable codes for programs; docs/errors.md explains each."""

    MALFORMED_JSON = "malformed_json"
    VALIDATION_FAILED = "validation_failed"
    UNSUPPORTED_MEDIA_TYPE = "unsupported_media_type"
    BODY_TOO_LARGE = "body_too_large"
    INVALID_CURSOR = "invalid_cursor"
    INVALID_IDEMPOTENCY_KEY = "invalid_idempotency_key"
    IDEMPOTENCY_KEY_REUSED = "idempotency_key_reused"
    CLIENT_ORDER_ID_TAKEN = "client_order_id_taken"
    ORDER_NOT_FOUND = "order_not_found"
    NOT_FOUND = "not_found"
    METHOD_NOT_ALLOWED = "method_not_allowed"
    NOT_CANCELLABLE = "not_cancellable"
    NO_QUOTE = "no_quote"
    RATE_LIMITED = "rate_limited"
    SERVICE_UNAVAILABLE = "service_unavailable"
    INTERNAL_ERROR = "internal_error"


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a code stands for: the status and the title are the same every time."""

    status: HTTPStatus
    title: str


CATALOGUE: Mapping[ProblemCode, Meaning] = MappingProxyType(
    {
        ProblemCode.MALFORMED_JSON: Meaning(HTTPStatus.BAD_REQUEST, "The body cannot be read"),
        ProblemCode.VALIDATION_FAILED: Meaning(HTTPStatus.BAD_REQUEST, "The request breaks a rule"),
        ProblemCode.UNSUPPORTED_MEDIA_TYPE: Meaning(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "Not a JSON body"),
        ProblemCode.BODY_TOO_LARGE: Meaning(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "The body is too large"),
        ProblemCode.INVALID_CURSOR: Meaning(HTTPStatus.BAD_REQUEST, "The cursor is not one of ours"),
        ProblemCode.INVALID_IDEMPOTENCY_KEY: Meaning(HTTPStatus.BAD_REQUEST, "The Idempotency-Key cannot be used"),
        ProblemCode.IDEMPOTENCY_KEY_REUSED: Meaning(
            HTTPStatus.UNPROCESSABLE_ENTITY, "The Idempotency-Key came with another order"
        ),
        ProblemCode.CLIENT_ORDER_ID_TAKEN: Meaning(HTTPStatus.CONFLICT, "The clientOrderId is taken"),
        ProblemCode.ORDER_NOT_FOUND: Meaning(HTTPStatus.NOT_FOUND, "There is no such order"),
        ProblemCode.NOT_FOUND: Meaning(HTTPStatus.NOT_FOUND, "There is nothing here"),
        ProblemCode.METHOD_NOT_ALLOWED: Meaning(HTTPStatus.METHOD_NOT_ALLOWED, "The method is not allowed"),
        ProblemCode.NOT_CANCELLABLE: Meaning(HTTPStatus.CONFLICT, "The order can no longer be cancelled"),
        ProblemCode.NO_QUOTE: Meaning(HTTPStatus.UNPROCESSABLE_ENTITY, "No venue gives a quote"),
        ProblemCode.RATE_LIMITED: Meaning(HTTPStatus.TOO_MANY_REQUESTS, "Too many requests"),
        ProblemCode.SERVICE_UNAVAILABLE: Meaning(HTTPStatus.SERVICE_UNAVAILABLE, "A dependency cannot be reached"),
        ProblemCode.INTERNAL_ERROR: Meaning(HTTPStatus.INTERNAL_SERVER_ERROR, "Something broke on our side"),
    }
)


CODES: Mapping[type[EngineError], ProblemCode] = MappingProxyType(
    {
        OrderNotFound: ProblemCode.ORDER_NOT_FOUND,
        IdempotencyKeyReused: ProblemCode.IDEMPOTENCY_KEY_REUSED,
        ClientOrderIdTaken: ProblemCode.CLIENT_ORDER_ID_TAKEN,
        NotCancellable: ProblemCode.NOT_CANCELLABLE,
        VenueError: ProblemCode.NO_QUOTE,
    }
)


class Problem(Exception):
    """A request that cannot be answered as it wished."""

    def __init__(
        self,
        code: ProblemCode,
        detail: str,
        *,
        fields: tuple[InvalidField, ...] = (),
        order: str | None = None,
    ) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.fields = fields
        self.order = order


class FieldView(TypedDict):
    """One invalid field."""

    field: str
    message: str


class ProblemView(TypedDict, total=False):
    """The body of a problem response."""

    type: str
    title: str
    status: int
    code: str
    detail: str
    instance: str
    requestId: str
    errors: list[FieldView]
    orderId: str


def problem_from(error: Exception) -> Problem:
    """The problem that a client should see for this error; what we did not foresee shows nothing of our insides."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, InvalidOrder):
        names = ", ".join(field.field for field in error.fields)
        return Problem(ProblemCode.VALIDATION_FAILED, f"Please correct: {names}.", fields=error.fields)
    if isinstance(error, Unavailable):
        return Problem(ProblemCode.SERVICE_UNAVAILABLE, "Please try again in a moment; nothing was lost.")
    for kind, code in CODES.items():
        if isinstance(error, kind):
            return Problem(code, str(error), order=getattr(error, "order_id", None))
    return Problem(ProblemCode.INTERNAL_ERROR, "Please report the requestId.")


def problem_view(problem: Problem, *, instance: str, request_id: str) -> ProblemView:
    """The body."""
    meaning = CATALOGUE[problem.code]
    view: ProblemView = {
        "type": f"urn:order-engine:problem:{problem.code}",
        "title": meaning.title,
        "status": meaning.status,
        "code": problem.code,
        "detail": problem.detail,
        "instance": instance,
        "requestId": request_id,
    }
    if problem.fields:
        view["errors"] = [{"field": field.field, "message": field.message} for field in problem.fields]
    if problem.order is not None:
        view["orderId"] = problem.order
    return view


def status_of(problem: Problem) -> int:
    """The HTTP status."""
    return CATALOGUE[problem.code].status


def headers_of(problem: Problem) -> dict[str, str]:
    """What goes with the body; `Retry-After` where trying again is the right thing to do."""
    headers = {"Content-Type": "application/problem+json"}
    if problem.code in (ProblemCode.SERVICE_UNAVAILABLE, ProblemCode.RATE_LIMITED):
        headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
    return headers
