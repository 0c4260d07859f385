"""Everything that can go wrong between a client and the service, as a tree; each message is one sentence for a person.

OrderEngineError
 ├─ InvalidUrl           the address is none
 ├─ InvalidHeader        a key or a token has characters that no request can carry
 ├─ TransportError       no whole answer came
 │   ├─ Unreachable      no connection came about: nothing was sent
 │   ├─ TimedOut         no answer within the limit
 │   └─ ConnectionLost   the connection broke off before the answer had come
 ├─ UnexpectedAnswer     something answers, but not as this service does
 ├─ Refused              the service says no, with its problem document
 │   ├─ InvalidRequest   400, 413, 415, 426: `fields` names what to correct
 │   ├─ Unauthenticated  401: the token is missing, wrong or has expired
 │   ├─ Forbidden        403: the token may not do that
 │   ├─ NotFound         404
 │   ├─ Conflict         409: the order is in another state, or the id is taken
 │   ├─ Unprocessable    422: no quote, too much price impact, a key used for another order
 │   ├─ TooManyRequests  429, after all repetitions
 │   └─ ServiceFailed    5xx, after all repetitions
 ├─ OutcomeUnknown       an order was sent and may have been placed; place the same one again to find out
 └─ StreamError          about following an order
     ├─ StreamRefused    the handshake, or a message, is refused
     └─ StreamLost       the stream broke off and did not come back within the limit
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus


class OrderEngineError(Exception):
    """Base of every error that this package raises."""

    @property
    def clause(self) -> str:
        """The message without a full stop, to stand within a sentence."""
        return str(self).rstrip(".")


class InvalidUrl(OrderEngineError):
    """The address of the service can't be used."""


class InvalidHeader(OrderEngineError):
    """An idempotency key or a token can't be sent."""


class TransportError(OrderEngineError):
    """No whole answer came; only `Unreachable` is sure that nothing arrived."""


class Unreachable(TransportError):
    """No connection came about."""


class TimedOut(TransportError):
    """No answer came within the limit."""


class ConnectionLost(TransportError):
    """The connection broke off before the answer had come."""


class UnexpectedAnswer(OrderEngineError):
    """What answers is not this service, or speaks another version of its API; `status` is None on a stream."""

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status

    @property
    def is_transient(self) -> bool:
        """Whether it may be a proxy in front of the service that has lost it for a moment."""
        return self.status is not None and self.status >= HTTPStatus.INTERNAL_SERVER_ERROR


@dataclass(frozen=True, slots=True)
class InvalidField:
    """A field that the service does not take, and why."""

    field: str
    message: str


class Refused(OrderEngineError):
    """The service's problem document (RFC 9457). `code` is stable, for programs; the message has `detail` and `fields`.

    `retry_after` is in seconds, where the service named a time. `order_id` and `order_status` tell the order that is
    the reason, if one is.
    """

    def __init__(self, status: int, problem: Mapping[str, object], retry_after: float | None = None) -> None:
        errors = problem.get("errors")
        self.status = status
        self.code = str(problem.get("code", ""))
        self.title = str(problem.get("title", ""))
        self.detail = str(problem.get("detail") or self.title)
        self.fields = tuple(
            InvalidField(str(each.get("field", "")), str(each.get("message", "")))
            for each in (errors if isinstance(errors, list) else [])
            if isinstance(each, dict)
        )
        self.request_id = _text(problem.get("requestId"))
        self.order_id = _text(problem.get("orderId"))
        self.order_status = _text(problem.get("orderStatus"))
        self.retry_after = retry_after
        named = "; ".join(f"{field.field} {field.message}" for field in self.fields)
        super().__init__(f"{self.title} ({status}): {named or self.detail}")


class InvalidRequest(Refused):
    """The request breaks a rule."""


class Unauthenticated(Refused):
    """No token, or one that does not hold."""


class Forbidden(Refused):
    """The token may not do that."""


class NotFound(Refused):
    """There is no such order, or nothing at this path."""


class Conflict(Refused):
    """The order is in another state, or its id is taken."""


class Unprocessable(Refused):
    """The request is well-formed and can't be done as things stand."""


class TooManyRequests(Refused):
    """The limit on requests; `retry_after` says how long to wait."""


class ServiceFailed(Refused):
    """The service can't do it now. A POST of an order may have been taken: see `OutcomeUnknown`."""


class OutcomeUnknown(OrderEngineError):
    """An order was sent, and whether it was placed is not known.

    Placing the same `NewOrder`, or another with the same `idempotency_key`, tells and can't make a second one.
    """

    def __init__(self, message: str, idempotency_key: str) -> None:
        super().__init__(message)
        self.idempotency_key = idempotency_key


class StreamError(OrderEngineError):
    """Base of the errors of the stream."""


class StreamRefused(StreamError):
    """The handshake was refused with `status`, or a message with `code`."""

    def __init__(self, message: str, status: int | None = None, code: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.code = code


class StreamLost(StreamError):
    """Neither the stream nor the order itself could be reached for too long; the order goes on."""


_BY_STATUS: Mapping[int, type[Refused]] = {
    HTTPStatus.UNAUTHORIZED: Unauthenticated,
    HTTPStatus.FORBIDDEN: Forbidden,
    HTTPStatus.NOT_FOUND: NotFound,
    HTTPStatus.CONFLICT: Conflict,
    HTTPStatus.UNPROCESSABLE_ENTITY: Unprocessable,
    HTTPStatus.TOO_MANY_REQUESTS: TooManyRequests,
}


def refusal(status: int, problem: Mapping[str, object], retry_after: float | None = None) -> Refused:
    """The error of this status."""
    usual = ServiceFailed if status >= HTTPStatus.INTERNAL_SERVER_ERROR else InvalidRequest
    return _BY_STATUS.get(status, usual)(status, problem, retry_after)


def _text(value: object) -> str | None:
    return None if value is None else str(value)
