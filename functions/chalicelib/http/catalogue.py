"""Every problem code: what it means, and what a client should do. docs/errors.md and the specifications show this."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from http import HTTPStatus
from types import MappingProxyType


class ProblemCode(StrEnum):
    """Stable codes for programs."""

    MALFORMED_JSON = "malformed_json"
    VALIDATION_FAILED = "validation_failed"
    INVALID_CURSOR = "invalid_cursor"
    INVALID_IDEMPOTENCY_KEY = "invalid_idempotency_key"
    NOT_FOUND = "not_found"
    ORDER_NOT_FOUND = "order_not_found"
    CLIENT_ORDER_ID_TAKEN = "client_order_id_taken"
    NOT_CANCELLABLE = "not_cancellable"
    BODY_TOO_LARGE = "body_too_large"
    UNSUPPORTED_MEDIA_TYPE = "unsupported_media_type"
    IDEMPOTENCY_KEY_REUSED = "idempotency_key_reused"
    NO_QUOTE = "no_quote"
    UPGRADE_REQUIRED = "upgrade_required"
    RATE_LIMITED = "rate_limited"
    INTERNAL_ERROR = "internal_error"
    SERVICE_UNAVAILABLE = "service_unavailable"


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a code stands for: the status and the title are the same every time; `advice` tells what to do."""

    status: HTTPStatus
    title: str
    advice: str


CATALOGUE: Mapping[ProblemCode, Meaning] = MappingProxyType(
    {
        ProblemCode.MALFORMED_JSON: Meaning(
            HTTPStatus.BAD_REQUEST,
            "The body cannot be read",
            "Send one JSON object in UTF-8, in which no key stands twice. `detail` names the place.",
        ),
        ProblemCode.VALIDATION_FAILED: Meaning(
            HTTPStatus.BAD_REQUEST,
            "The request breaks a rule",
            "Correct every field that `errors` names. Nothing was stored and the Idempotency-Key is not used up.",
        ),
        ProblemCode.INVALID_CURSOR: Meaning(
            HTTPStatus.BAD_REQUEST,
            "The cursor is not one of ours",
            "Send `nextCursor` as it came, with the filters of the page that it came from; or start without a cursor.",
        ),
        ProblemCode.INVALID_IDEMPOTENCY_KEY: Meaning(
            HTTPStatus.BAD_REQUEST,
            "The Idempotency-Key cannot be used",
            "Send 1 to 255 printable ASCII characters; a UUID is a good choice.",
        ),
        ProblemCode.NOT_FOUND: Meaning(
            HTTPStatus.NOT_FOUND,
            "There is nothing here",
            "Look up method and path in /docs.",
        ),
        ProblemCode.ORDER_NOT_FOUND: Meaning(
            HTTPStatus.NOT_FOUND,
            "There is no such order",
            "Check the order id. An order exists from the moment that its 202 is sent.",
        ),
        ProblemCode.CLIENT_ORDER_ID_TAKEN: Meaning(
            HTTPStatus.CONFLICT,
            "The clientOrderId is taken",
            "`orderId` is the order that has it: look at that one, or choose another clientOrderId.",
        ),
        ProblemCode.NOT_CANCELLABLE: Meaning(
            HTTPStatus.CONFLICT,
            "The order can no longer be cancelled",
            "`orderStatus` tells where the order stands. Once it is signed only the chain decides: follow it.",
        ),
        ProblemCode.BODY_TOO_LARGE: Meaning(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            "The body is too large",
            "A body takes at most 64 KiB.",
        ),
        ProblemCode.UNSUPPORTED_MEDIA_TYPE: Meaning(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            "Not a JSON body",
            "Send `Content-Type: application/json`, in UTF-8 and without a Content-Encoding.",
        ),
        ProblemCode.IDEMPOTENCY_KEY_REUSED: Meaning(
            HTTPStatus.UNPROCESSABLE_ENTITY,
            "The Idempotency-Key came with another order",
            "Use a new key for another order; the same key only repeats the same one.",
        ),
        ProblemCode.NO_QUOTE: Meaning(
            HTTPStatus.UNPROCESSABLE_ENTITY,
            "No venue gives a quote",
            "`detail` says what each venue answered: try again, or another amount.",
        ),
        ProblemCode.UPGRADE_REQUIRED: Meaning(
            HTTPStatus.UPGRADE_REQUIRED,
            "This address takes POST and WebSockets",
            "POST an order here, or open a WebSocket with `?orderId=`; GET /api/orders/{orderId} reads one.",
        ),
        ProblemCode.RATE_LIMITED: Meaning(
            HTTPStatus.TOO_MANY_REQUESTS,
            "Too many requests",
            "Wait for as many seconds as `Retry-After` says.",
        ),
        ProblemCode.INTERNAL_ERROR: Meaning(
            HTTPStatus.INTERNAL_SERVER_ERROR,
            "Something broke on our side",
            "Report the `requestId`. Repeat a POST only with its Idempotency-Key: the order may exist.",
        ),
        ProblemCode.SERVICE_UNAVAILABLE: Meaning(
            HTTPStatus.SERVICE_UNAVAILABLE,
            "A dependency cannot be reached",
            "Try again after as many seconds as `Retry-After` says; a POST with its Idempotency-Key.",
        ),
    }
)


def type_of(code: ProblemCode) -> str:
    """The problem's `type`: a name, not an address, so that it is the same wherever the service runs."""
    return f"urn:order-engine:problem:{code}"
